/* test_scan.c - the grammar: a table of our own, then thousands of damaged texts judged by jansson as well. */
#include <jansson.h>
#include <stdlib.h>

#include "api/scan.h"
#include "model/base/rng.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

static const char *const accepted[] = {
	"0", "-0", "1", "-1", "10", "0.0", "-0.5", "1e5", "1E5", "1e+5", "1e-5", "1.5e10", "0e0", "0E+1", "1e-400", "123456789012345678901234567890",
	"1.7976931348623157e308", "4.9e-324", "0.30000000000000004", "100000000000000000000e-20",
	"true", "false", "null", " null ", "\t\n\r 1 \t\n\r",
	"\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\u0041\"", "\"\\u00e9\"", "\"\\uD83D\\uDE00\"", "\"\\ud83d\\ude00\"",
	"\"\\u007f\"", "\"\x7f\"", "\"\xc2\x80\"", "\"\xdf\xbf\"", "\"\xe0\xa0\x80\"", "\"\xed\x9f\xbf\"", "\"\xee\x80\x80\"",
	"\"\xef\xbf\xbf\"", "\"\xf0\x90\x80\x80\"", "\"\xf4\x8f\xbf\xbf\"", "\"\\uffff\"", "\"/\"", "\"\\\\u0000\"", "\"[{\"",
	"[]", "[ ]", "[1]", "[1,2]", "[ 1 , 2 ]", "[[]]", "[[],[]]", "[\"\",null,true,false,0,{},[]]", "[\n1\n]",
	"{}", "{ }", "{\"a\":1}", "{\"a\" : 1}", "{\"\":0}", "{\"a\":{\"a\":{\"a\":1}}}", "{\"a\":1,\"b\":2}", "{\"a\":1,\"A\":2}",
	"{\"\\u0061\":1,\"b\":1}", "{\"a\":[1,{\"a\":2}]}", "[[[[[[[[1]]]]]]]]", "[{\"a\":1},{\"a\":1}]", "{\"\xc3\xa9\":1}",
};

static const char *const refused[] = {
	"", " ", "\n", "nul", "nulll", "Null", "TRUE", "tru", "truee", "fals", "falsey", "undefined", "NaN", "nan", "Infinity", "-Infinity", "inf",
	"+1", "01", "-01", "00", "1.", ".1", "-.1", "-", "--1", "1e", "1e+", "1E-", "1.e1", "1.5.5", "0x10", "1_000", "1,000", "1 2", "1e400",
	"-1e400", "1e99999999999999999999", "1a", "-a", "0e", "1e1.5", "\xef\xbc\x91",
	"\"", "\"a", "\"\\\"", "\"\\", "\"\\x41\"", "\"\\a\"", "\"\\'\"", "\"\\u\"", "\"\\u1\"", "\"\\u12\"", "\"\\u123\"", "\"\\u123g\"",
	"\"\\U0041\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udbff\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800\\n\"", "\"\\ud800\\ud800\"",
	"\"\\ud83d\\ude0\"", "\"\\ud83dxude00\"", "\"a\nb\"", "\"a\tb\"", "\"\x01\"", "\"\x1f\"", "'a'", "\"a\"b", "\"a\" \"b\"",
	"\"\x80\"", "\"\xbf\"", "\"\xc0\x80\"", "\"\xc1\xbf\"", "\"\xc2\"", "\"\xc2\x41\"", "\"\xe0\x80\x80\"", "\"\xe0\x9f\xbf\"", "\"\xe2\x82\"",
	"\"\xed\xa0\x80\"", "\"\xed\xbf\xbf\"", "\"\xf0\x80\x80\x80\"", "\"\xf0\x8f\xbf\xbf\"", "\"\xf4\x90\x80\x80\"", "\"\xf5\x80\x80\x80\"",
	"\"\xf8\x88\x80\x80\x80\"", "\"\xfe\"", "\"\xff\"", "\"\xf0\x9f\x98\"", "\"\xe2\x28\xa1\"",
	"[", "]", "[1", "[1,", "[1,]", "[,]", "[,1]", "[1,,2]", "[1 2]", "[1}", "[]]", "[[]", "[1:2]", "[\"a\":1]", "[a]", "[1;2]", "[-]", "[1.]",
	"[nul]", "[//\n1]", "[1/**/]", "[1]x", "[1],", "[1][2]", "[\x0b" "1]", "[\xc2\xa0" "1]", "[\"a]",
	"{", "}", "{a:1}", "{1:1}", "{\"a\"}", "{\"a\":}", "{\"a\":1", "{\"a\":1,", "{\"a\":1,}", "{,}", "{,\"a\":1}", "{\"a\" 1}", "{\"a\"::1}",
	"{\"a\":1 \"b\":2}", "{\"a\":1,,\"b\":2}", "{'a':1}", "{\"a\":1]", "{[1]:1}", "{null:1}", "{\"a\":1}}", "{\"a\":1}{}", "{\"a\":1} #",
	"{\"a\":1,\"a\":2}", "{\"a\":1,\"\\u0061\":2}", "{\"\":1,\"\":2}", "{\"a\":{\"b\":1,\"b\":1}}",
	"[[[[[[[[[1]]]]]]]]]", "[[[[[[[[[]]]]]]]]]", "{\"a\":[[[[[[[[1]]]]]]]]}",
	"\xef\xbb\xbf" "1", "\xef\xbb\xbf", "\xff\xfe" "1", "*", "(1)", "<null>",
};

/* A text of exactly its bytes, so that a read past the end is seen. */
static enum err judge(const char *s, size_t len, struct error *e)
{
	struct arena a;
	struct scan scan;
	char *exact = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, s, len);
	arena_init(&a, 4 * len + 64);
	scan_init(&scan, exact, len, &a, e);
	scan_skip(&scan);
	enum err rc = scan_end(&scan);
	arena_fini(&a);
	free(exact);
	return rc;
}

START_TEST(test_accepted)
{
	struct error e = { 0 };
	ck_assert_msg(judge(accepted[_i], strlen(accepted[_i]), &e) == ERR_OK, "%s: %s: %s", accepted[_i], e.where, e.what);
}
END_TEST

START_TEST(test_refused)
{
	struct error e = { 0 };
	enum err rc = judge(refused[_i], strlen(refused[_i]), &e);
	ck_assert_msg(rc == ERR_SYNTAX || rc == ERR_INVALID, "%s is taken", refused[_i]);
	ck_assert(e.what[0]);
}
END_TEST

START_TEST(test_nul_byte)
{
	ck_assert_int_eq(judge("1\0", 2, NULL), ERR_SYNTAX);
	ck_assert_int_eq(judge("\"\0\"", 3, NULL), ERR_SYNTAX);
	ck_assert_int_eq(judge("[\0]", 3, NULL), ERR_SYNTAX);
	ck_assert_int_eq(judge("\"\\\0\"", 4, NULL), ERR_SYNTAX);
}
END_TEST

static const char *const seeds[] = {
	"{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[1,null,-2.5e3],\"b\":[0.1,1e-3,7]},\"start\":\"2017-11-15\"}]}",
	"[[[1.25,2],[3,4]],[[5,6e2],[7,8]]]",
	"{\"a\\u00e9\\n\":\"\xc3\xa9\xf0\x9f\x98\x80\\ud83d\\ude00\",\"b\":[true,false,null],\"c\":{\"d\":{}}}",
	"{\"instances\":[[0.123456789012345678,-0,1E+20]],\"x\":\"\\\"\\\\\\/\\b\"}",
};

/* Swap, drop, repeat or insert a few bytes. */
static size_t mutate(struct rng *r, const char *seed, char *out)
{
	static const char pieces[] = "{}[]\",:\\0123456789.eE+-nulltruefalse \n\t\x80\xc3\xed\xff/ud";
	size_t n = strlen(seed);
	memcpy(out, seed, n);
	for (uint64_t k = 1 + rng_below(r, 3); k > 0 && n > 1; k--) {
		size_t at = rng_below(r, n);
		char c = pieces[rng_below(r, sizeof pieces - 1)];
		switch (rng_below(r, 5)) {
		case 0: out[at] = c; break;
		case 1: memmove(out + at, out + at + 1, --n - at); break;
		case 2: memmove(out + at + 1, out + at, n++ - at); out[at] = c; break;
		case 3: out[at] = out[rng_below(r, n)]; break;
		case 4: memmove(out + at + 1, out + at, n++ - at); break;
		}
	}
	return n;
}

/* Ours refuses beyond jansson what scan.h names: depth. Nothing else may differ. */
START_TEST(test_differential)
{
	struct rng r;
	char text[512];
	int taken = 0, refusals = 0;
	rng_init(&r, 11, RNG_TEST, 0);
	for (int k = 0; k < 60000; k++) {
		size_t n = mutate(&r, seeds[k % COUNT(seeds)], text);
		struct error e = { 0 };
		json_error_t je;
		bool ours = judge(text, n, &e) == ERR_OK;
		json_t *t = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &je);
		ck_assert_msg(ours == (t != NULL) || strstr(e.what, "nested deeper"), "%.*s: ours %s (%s: %s), jansson: %s", (int)n, text,
			ours ? "takes it" : "refuses", e.where, e.what, t ? "takes it" : je.text);
		json_decref(t);
		ours ? taken++ : refusals++;
	}
	ck_assert_int_gt(taken, 5000);
	ck_assert_int_gt(refusals, 5000);
}
END_TEST

/* Names of all open objects are limited; closed ones are forgotten. */
START_TEST(test_names_limit)
{
	char text[16 * (SCAN_MAX_NAMES + 2)];
	for (int n = SCAN_MAX_NAMES; n <= SCAN_MAX_NAMES + 1; n++) {
		size_t at = 0;
		for (int i = 0; i < n; i++)
			at += (size_t)snprintf(text + at, sizeof text - at, "%c\"n%d\":{}", i ? ',' : '{', i);
		text[at++] = '}';
		ck_assert_int_eq(judge(text, at, NULL), n <= SCAN_MAX_NAMES ? ERR_OK : ERR_INVALID);
	}
}
END_TEST

/* A pointer longer than its field is cut between characters. */
START_TEST(test_long_pointer)
{
	char text[600] = "{\"";
	struct error e = { 0 };
	for (int i = 0; i < 100; i++)
		strcat(text, i % 2 ? "\xc3\xa9" : "~");
	strcat(text, "\":[[[[[[[[]]]]]]]]}");
	ck_assert_int_eq(judge(text, strlen(text), &e), ERR_INVALID);
	ck_assert(strlen(e.where) > 100 && strlen(e.where) < sizeof e.where);
	ck_assert(!strncmp(e.where, "/~0\xc3\xa9~0\xc3\xa9", 9));
}
END_TEST

Suite *scan_suite(void)
{
	Suite *s = suite_create("scan");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_accepted, 0, (int)COUNT(accepted));
	tcase_add_loop_test(t, test_refused, 0, (int)COUNT(refused));
	tcase_add_test(t, test_nul_byte);
	tcase_add_test(t, test_differential);
	tcase_add_test(t, test_names_limit);
	tcase_add_test(t, test_long_pointer);
	suite_add_tcase(s, t);
	return s;
}

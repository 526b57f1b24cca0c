/* test_problem.c - the JSON pieces that every answer is made of, byte for byte. */
#include <stdlib.h>
#include <string.h>

#include "api/json_write.h"
#include "api/problem.h"
#include "model/base/utf8.h"
#include "tests/unit/check.h"

static const struct { const char *text, *want; } string_cases[] = {
	{ "", "\"\"" },
	{ "plain", "\"plain\"" },
	{ NULL, "null" },
	{ "a\"b\\c/d", "\"a\\\"b\\\\c/d\"" },
	{ "\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"" },
	{ "\x01\x1f\x7f", "\"\\u0001\\u001f\\u007f\"" },
	{ "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "\"caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"" },
	{ "\xFF", "\"\xEF\xBF\xBD\"" },
	{ "a\xC3", "\"a\xEF\xBF\xBD\"" },
	{ "\xC3\x28", "\"\xEF\xBF\xBD(\"" },
	{ "\xC0\xAF", "\"\xEF\xBF\xBD\xEF\xBF\xBD\"" },
	{ "\xED\xA0\x80", "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"" },
	{ "</script>", "\"</script>\"" },
};

START_TEST(strings)
{
	struct strbuf b;

	strbuf_init(&b, 256);
	json_write_string(&b, string_cases[_i].text);
	ck_assert_str_eq(b.s, string_cases[_i].want);
	strbuf_fini(&b);
}
END_TEST

static const struct { const char *bytes; size_t len; bool ok; } utf8_cases[] = {
	{ "", 0, true }, { "a", 1, true }, { "\0", 1, true }, { "\xC2\x80", 2, true }, { "\xDF\xBF", 2, true },
	{ "\xE0\xA0\x80", 3, true }, { "\xED\x9F\xBF", 3, true }, { "\xEE\x80\x80", 3, true }, { "\xF0\x90\x80\x80", 4, true },
	{ "\xF4\x8F\xBF\xBF", 4, true },
	{ "\x80", 1, false }, { "\xBF", 1, false }, { "\xC0\x80", 2, false }, { "\xC1\xBF", 2, false }, { "\xC2", 1, false },
	{ "\xC2\x41", 2, false }, { "\xE0\x9F\xBF", 3, false }, { "\xE2\x82", 2, false }, { "\xED\xA0\x80", 3, false },
	{ "\xF0\x8F\xBF\xBF", 4, false }, { "\xF4\x90\x80\x80", 4, false }, { "\xF5\x80\x80\x80", 4, false }, { "\xFF", 1, false },
	{ "\xE2\x82\x41", 3, false }, { "\xF0\x9F\x98", 3, false }, { "ok\xFE", 3, false },
};

START_TEST(utf8)
{
	ck_assert_msg(utf8_valid(utf8_cases[_i].bytes, utf8_cases[_i].len) == utf8_cases[_i].ok, "case %d", _i);
}
END_TEST

static const struct { int64_t us; const char *want; } time_cases[] = {
	{ 0, "null" },
	{ 1767323045678000, "\"2026-01-02T03:04:05.678Z\"" },
	{ 1767323045678999, "\"2026-01-02T03:04:05.678Z\"" },
	{ 951782400000000, "\"2000-02-29T00:00:00.000Z\"" },
	{ -1000, "\"1969-12-31T23:59:59.999Z\"" },
	{ 1, "\"1970-01-01T00:00:00.000Z\"" },
};

START_TEST(times)
{
	struct strbuf b;

	strbuf_init(&b, 64);
	json_time_us(&b, time_cases[_i].us);
	ck_assert_str_eq(b.s, time_cases[_i].want);
	strbuf_fini(&b);
}
END_TEST

START_TEST(lists)
{
	struct strbuf b;

	strbuf_init(&b, 256);
	list_begin(&b);
	list_end(&b, false);
	ck_assert_str_eq(b.s, "{\"object\":\"list\",\"data\":[],\"has_more\":false}");
	strbuf_reset(&b);
	list_begin(&b);
	for (int i = 0; i < 3; i++) {
		list_next(&b, i == 0);
		strbuf_addf(&b, "%d", i);
	}
	list_end(&b, true);
	ck_assert_str_eq(b.s, "{\"object\":\"list\",\"data\":[0,1,2],\"has_more\":true}");
	strbuf_fini(&b);
}
END_TEST

static const struct { enum err code; const char *where, *what, *instance, *want; } problem_cases[] = {
	{ ERR_INVALID, "/training/epochs", "at most 100000", "/v1/jobs",
	  ",\"status\":422,\"detail\":\"at most 100000\",\"pointer\":\"/training/epochs\",\"instance\":\"/v1/jobs\","
	  "\"code\":\"invalid\",\"error\":\"/training/epochs: at most 100000\"}" },
	{ ERR_SYNTAX, "line 2, column 3 (\"x\")", "expected a number, found \"a\\b\"", NULL,
	  ",\"status\":400,\"detail\":\"expected a number, found \\\"a\\\\b\\\"\",\"where\":\"line 2, column 3 (\\\"x\\\")\","
	  "\"code\":\"syntax\",\"error\":\"line 2, column 3 (\\\"x\\\"): expected a number, found \\\"a\\\\b\\\"\"}" },
	{ ERR_BUSY, "", "try again in 1 s", NULL,
	  ",\"status\":503,\"detail\":\"try again in 1 s\",\"code\":\"busy\",\"error\":\"try again in 1 s\"}" },
	{ ERR_NOT_FOUND, "", "bad \xFF byte", "/v1/models/a\"b",
	  ",\"status\":404,\"detail\":\"bad \xEF\xBF\xBD byte\",\"instance\":\"/v1/models/a\\\"b\",\"code\":\"not_found\","
	  "\"error\":\"bad \xEF\xBF\xBD byte\"}" },
};

START_TEST(problems)
{
	struct error e;
	struct strbuf b, title;

	e.code = problem_cases[_i].code;
	strcpy(e.where, problem_cases[_i].where);
	strcpy(e.what, problem_cases[_i].what);
	strbuf_init(&b, 4096);
	strbuf_init(&title, 4096);
	strbuf_adds(&title, "{\"type\":\"about:blank\",\"title\":");
	json_write_string(&title, err_row(e.code)->title);
	strbuf_adds(&title, problem_cases[_i].want);
	problem_render(&e, problem_cases[_i].instance, &b);
	ck_assert_str_eq(b.s, title.s);
	strbuf_fini(&title);
	strbuf_fini(&b);
}
END_TEST

/* The longest error fits: nothing is cut on the way out. */
START_TEST(longest_problem)
{
	struct error e = { .code = ERR_INVALID };
	struct strbuf b;

	memset(e.where, 'w', sizeof e.where - 1);
	memset(e.what, 't', sizeof e.what - 1);
	strbuf_init(&b, 4096);
	problem_render(&e, NULL, &b);
	ck_assert(strbuf_ok(&b));
	ck_assert_ptr_nonnull(strstr(b.s, "w: t"));
	ck_assert_str_eq(b.s + b.len - 3, "t\"}");
	strbuf_fini(&b);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof table[0]))

int main(void)
{
	Suite *s = suite_create("problem");
	TCase *t = tcase_create("problem");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, strings, 0, COUNT(string_cases));
	tcase_add_loop_test(t, utf8, 0, COUNT(utf8_cases));
	tcase_add_loop_test(t, times, 0, COUNT(time_cases));
	tcase_add_test(t, lists);
	tcase_add_loop_test(t, problems, 0, COUNT(problem_cases));
	tcase_add_test(t, longest_problem);
	suite_add_tcase(s, t);

	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

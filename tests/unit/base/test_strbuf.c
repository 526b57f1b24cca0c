/* test_strbuf.c - growth, the maximum, and the failure that sticks. */
#include "model/base/strbuf.h"

#include "suite.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

START_TEST(empty_is_a_string)
{
	struct strbuf b;
	strbuf_init(&b, 10);
	ck_assert(strbuf_ok(&b));
	ck_assert_str_eq(b.s, "");
	ck_assert_uint_eq(b.len, 0);
	strbuf_fini(&b);
	strbuf_fini(&b);
	ck_assert_str_eq(b.s, "");
}
END_TEST

START_TEST(appends_add_up)
{
	struct strbuf b;
	strbuf_init(&b, 1000);
	strbuf_adds(&b, "ab");
	strbuf_addc(&b, 'c');
	strbuf_add(&b, "d\0e", 3);
	strbuf_add(&b, NULL, 0);
	strbuf_addf(&b, "%d-%s", 42, "x");
	ck_assert(strbuf_ok(&b));
	ck_assert_uint_eq(b.len, 10);
	ck_assert_mem_eq(b.s, "abcd\0e42-x", 11);
	strbuf_fini(&b);
}
END_TEST

START_TEST(long_formats_are_whole)
{
	struct strbuf b;
	strbuf_init(&b, 5000);
	for (int width = 250; width < 260; width++) {     /* around the small buffer inside */
		strbuf_reset(&b);
		strbuf_addf(&b, "%*d", width, 7);
		ck_assert(strbuf_ok(&b));
		ck_assert_uint_eq(b.len, (size_t)width);
		ck_assert_uint_eq(strlen(b.s), (size_t)width);
		ck_assert_int_eq(b.s[width - 1], '7');
	}
	strbuf_fini(&b);
}
END_TEST

START_TEST(growth_keeps_the_bytes)
{
	struct strbuf b;
	strbuf_init(&b, 100000);
	for (int i = 0; i < 100000; i++)
		strbuf_addc(&b, (char)('a' + i % 26));
	ck_assert(strbuf_ok(&b));
	for (int i = 0; i < 100000; i++)
		if (b.s[i] != 'a' + i % 26)
			ck_abort_msg("byte %d is %d", i, b.s[i]);
	ck_assert_int_eq(b.s[100000], '\0');
	strbuf_addc(&b, 'x');
	ck_assert(!strbuf_ok(&b));
	strbuf_fini(&b);
}
END_TEST

static const struct { size_t max; const char *first, *second; bool ok; const char *left; } limit_cases[] = {
	{ 6, "abc", "def",  true,  "abcdef" },
	{ 5, "abc", "def",  false, "abc" },
	{ 3, "abc", "",     true,  "abc" },
	{ 0, "",    "",     true,  "" },
	{ 0, "",    "a",    false, "" },
	{ 2, "abc", "d",    false, "" },     /* once failed, nothing is appended even where it would fit */
};

START_TEST(maximum_is_kept)
{
	struct strbuf b;
	strbuf_init(&b, limit_cases[_i].max);
	strbuf_adds(&b, limit_cases[_i].first);
	strbuf_adds(&b, limit_cases[_i].second);
	ck_assert(strbuf_ok(&b) == limit_cases[_i].ok);
	ck_assert_str_eq(b.s, limit_cases[_i].left);
	strbuf_reset(&b);
	ck_assert(strbuf_ok(&b));
	ck_assert_str_eq(b.s, "");
	strbuf_fini(&b);
}
END_TEST

START_TEST(maximum_holds_for_formats)
{
	struct strbuf b;
	strbuf_init(&b, 300);
	strbuf_addf(&b, "%*d", 300, 1);
	ck_assert(strbuf_ok(&b));
	strbuf_addf(&b, "%d", 1);
	ck_assert(!strbuf_ok(&b));
	ck_assert_uint_eq(b.len, 300);
	strbuf_fini(&b);
	strbuf_addf(&b, "%*d", 301, 1);
	ck_assert(!strbuf_ok(&b));
	strbuf_fini(&b);
}
END_TEST

START_TEST(detach_gives_the_bytes_away)
{
	struct strbuf b;
	size_t len = 99;
	strbuf_init(&b, 3);
	strbuf_adds(&b, "abc");
	char *s = strbuf_detach(&b, &len);
	ck_assert_str_eq(s, "abc");
	ck_assert_uint_eq(len, 3);
	ck_assert_str_eq(b.s, "");
	free(s);
	s = strbuf_detach(&b, NULL);              /* of an empty one: an empty string */
	ck_assert_str_eq(s, "");
	free(s);
	strbuf_adds(&b, "abcd");
	ck_assert_ptr_null(strbuf_detach(&b, &len));
	ck_assert(strbuf_ok(&b));
	strbuf_fini(&b);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("strbuf");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, empty_is_a_string);
	tcase_add_test(tc, appends_add_up);
	tcase_add_test(tc, long_formats_are_whole);
	tcase_add_test(tc, growth_keeps_the_bytes);
	tcase_add_loop_test(tc, maximum_is_kept, 0, (int)(sizeof limit_cases / sizeof *limit_cases));
	tcase_add_test(tc, maximum_holds_for_formats);
	tcase_add_test(tc, detach_gives_the_bytes_away);
	return suite_run("strbuf", tc);
}

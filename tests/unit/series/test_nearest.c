/* test_nearest.c - which known name is offered for an unknown one. */
#include <string.h>

#include "model/base/nearest.h"
#include "tests/unit/series/suite.h"

static const char *const known[] = { "window", "horizon", "hidden_size", "num_layers", "learning_rate", "Close", "" };

static const struct { const char *name, *want; } cases[] = {
	{ "windw", "window" },               /* a byte is missing */
	{ "windoww", "window" },             /* one too many */
	{ "windaw", "window" },              /* another one */
	{ "widnow", "window" },              /* two swapped: two edits */
	{ "wdo", NULL },                     /* three edits, two allowed */
	{ "close", "Close" },                /* case costs nothing */
	{ "CLOSE", "Close" },
	{ "learningrate", "learning_rate" },
	{ "learning-rte", "learning_rate" },
	{ "lerningrat", "learning_rate" },   /* length 10: three edits allowed */
	{ "hiden_sizee", "hidden_size" },
	{ "batch", NULL },
	{ "zz", NULL },                      /* two edits from "", but nothing of it would stay */
	{ "", NULL },
	{ "window", "window" },
};

START_TEST(table)
{
	const char *got = nearest_name(cases[_i].name, known, sizeof known / sizeof *known);
	if (!cases[_i].want)
		ck_assert_ptr_null(got);
	else
		ck_assert_str_eq(got, cases[_i].want);
}
END_TEST

START_TEST(first_of_equals)
{
	static const char *const equal[] = { "sma_10", "sma_20" };
	ck_assert_str_eq(nearest_name("sma_30", equal, 2), "sma_10");
}
END_TEST

START_TEST(long_names)
{
	char name[300];
	const char *one = name;
	memset(name, 'a', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	ck_assert_ptr_null(nearest_name(name, known, 2));
	ck_assert_ptr_null(nearest_name("aaa", &one, 1));
	name[128] = '\0';
	ck_assert_ptr_eq(nearest_name(name, &one, 1), name);
	ck_assert_ptr_null(nearest_name("a", NULL, 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nearest");
	TCase *c = new_case(s, "nearest");
	tcase_add_loop_test(c, table, 0, sizeof cases / sizeof *cases);
	tcase_add_test(c, first_of_equals);
	tcase_add_test(c, long_names);
	return run_suite(s);
}

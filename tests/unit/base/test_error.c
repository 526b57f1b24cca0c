/* test_error.c - the table of codes is whole, and details are cut, never overrun. */
#include "suite.h"

#include <string.h>

#include "model/base/error.h"
#include "tests/unit/check.h"

START_TEST(every_code_has_a_row)
{
	const struct err_row *row = err_row((enum err)_i);
	ck_assert_ptr_nonnull(row->label);
	ck_assert_ptr_nonnull(row->title);
	ck_assert_uint_gt(strlen(row->title), 0);
	ck_assert_uint_eq(strspn(row->label, "abcdefghijklmnopqrstuvwxyz_"), strlen(row->label));
	ck_assert_int_ge(row->status, _i == ERR_OK ? 200 : 400);
	ck_assert_int_lt(row->status, 600);
	for (int k = 0; k < _i; k++)
		ck_assert_str_ne(row->label, err_row((enum err)k)->label);
}
END_TEST

static const struct { enum err code; int status; } statuses[] = {
	{ ERR_SYNTAX, 400 },    { ERR_AUTH, 401 },      { ERR_FORBIDDEN, 403 }, { ERR_NOT_FOUND, 404 },
	{ ERR_CONFLICT, 409 },  { ERR_GONE, 410 },       { ERR_TOO_LARGE, 413 }, { ERR_INVALID, 422 },   { ERR_QUOTA, 429 },
	{ ERR_INTERNAL, 500 },  { ERR_NOMEM, 503 },     { ERR_BUSY, 503 },      { ERR_TIMEOUT, 504 },
	{ ERR_DISK_FULL, 507 },
};

START_TEST(statuses_are_the_contract)
{
	ck_assert_int_eq(err_row(statuses[_i].code)->status, statuses[_i].status);
}
END_TEST

START_TEST(codes_out_of_range_are_internal)
{
	ck_assert_ptr_eq(err_row(ERR_COUNT), err_row(ERR_INTERNAL));
	ck_assert_ptr_eq(err_row((enum err)-1), err_row(ERR_INTERNAL));
}
END_TEST

START_TEST(fail_describes)
{
	struct error e = { 0 };
	ck_assert_int_eq(fail(&e, ERR_INVALID, "/horizon", "horizon is %d; the limit is %d", 7, 5), ERR_INVALID);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_str_eq(e.where, "/horizon");
	ck_assert_str_eq(e.what, "horizon is 7; the limit is 5");
	ck_assert_int_eq(fail(&e, ERR_IO, NULL, "x"), ERR_IO);
	ck_assert_str_eq(e.where, "");
	ck_assert_int_eq(fail(NULL, ERR_IO, "a", "b"), ERR_IO);
	ck_assert_int_eq(fail_nomem(&e), ERR_NOMEM);
	ck_assert_int_eq(e.code, ERR_NOMEM);
}
END_TEST

START_TEST(fail_cuts)
{
	char text[1000];
	struct error e;
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	fail(&e, ERR_INVALID, text, "%s", text);
	ck_assert_uint_eq(strlen(e.where), sizeof e.where - 1);
	ck_assert_uint_eq(strlen(e.what), sizeof e.what - 1);
}
END_TEST

int main(void)
{
	TCase *tc = tcase_create("error");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, every_code_has_a_row, 0, ERR_COUNT);
	tcase_add_loop_test(tc, statuses_are_the_contract, 0, (int)(sizeof statuses / sizeof *statuses));
	tcase_add_test(tc, codes_out_of_range_are_internal);
	tcase_add_test(tc, fail_describes);
	tcase_add_test(tc, fail_cuts);
	return suite_run("error", tc);
}

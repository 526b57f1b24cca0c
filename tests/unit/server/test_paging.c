/* Query arguments of lists. request_query() is ours here: no HTTP is needed to ask for a text by its name. */
#include "server/paging.h"

#include "tests/unit/server/fixture.h"

static const char *given_name, *given_value;

const char *request_query(const struct request *r, const char *name)
{
	return given_name && !strcmp(name, given_name) ? given_value : NULL;
}

static const struct { const char *name, *value; enum err want; int limit; const char *after; } pages[] = {
	{ NULL, NULL, ERR_OK, PAGE_LIMIT, NULL },
	{ "limit", "1", ERR_OK, 1, NULL },
	{ "limit", "100", ERR_OK, PAGE_MOST, NULL },
	{ "limit", "0", ERR_INVALID, 0, NULL },
	{ "limit", "101", ERR_INVALID, 0, NULL },
	{ "limit", "-1", ERR_INVALID, 0, NULL },
	{ "limit", "", ERR_INVALID, 0, NULL },
	{ "limit", "ten", ERR_INVALID, 0, NULL },
	{ "limit", "5x", ERR_INVALID, 0, NULL },
	{ "limit", "1e1", ERR_INVALID, 0, NULL },
	{ "limit", "99999999999999999999999", ERR_INVALID, 0, NULL },
	{ "after", "job_x", ERR_OK, PAGE_LIMIT, "job_x" },
	{ "after", "", ERR_OK, PAGE_LIMIT, "" },
};

static const struct { const char *after; enum err want; long long number; } numbers[] = {
	{ NULL, ERR_OK, 0 },
	{ "0", ERR_OK, 0 },
	{ "17", ERR_OK, 17 },
	{ "9223372036854775807", ERR_OK, INT64_MAX },
	{ "9223372036854775808", ERR_INVALID, 0 },
	{ "-1", ERR_INVALID, 0 },
	{ "", ERR_INVALID, 0 },
	{ "abc", ERR_INVALID, 0 },
	{ "1.5", ERR_INVALID, 0 },
};

START_TEST(page)
{
	struct request r = { 0 };
	struct page p = { 0 };
	struct error e = { 0 };
	given_name = pages[_i].name;
	given_value = pages[_i].value;
	ck_err(pages[_i].want, page_read(&r, &p, &e));
	ck_assert_int_eq(p.limit, pages[_i].limit);
	if (pages[_i].want)
		ck_assert_str_eq(e.where, "limit");
	else if (pages[_i].after)
		ck_assert_str_eq(p.after, pages[_i].after);
	else
		ck_assert_ptr_null(p.after);
}
END_TEST

START_TEST(number)
{
	const struct page p = { .after = numbers[_i].after };
	struct error e = { 0 };
	int64_t v = 0;
	ck_err(numbers[_i].want, page_after_number(&p, &v, &e));
	if (numbers[_i].want)
		ck_assert_str_eq(e.where, "after");
	else
		ck_assert_int_eq(v, numbers[_i].number);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("paging");
	TCase *c = tcase_create("paging");
	tcase_add_loop_test(c, page, 0, COUNT(pages));
	tcase_add_loop_test(c, number, 0, COUNT(numbers));
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

/* An answer has the same bits whoever shares the batch or the air, on one compute thread and on two. */
#include "tests/unit/server/company.h"

#include "tests/unit/server/fixture.h"

START_TEST(company_does_not_change_a_bit)
{
	static const int threads[] = { 1, 2 };
	struct company *c;
	struct company_result r;
	struct error e;

	ck_ok(company_new(&c, &e));
	for (size_t i = 0; i < COUNT(threads); i++) {
		ck_ok(company_run(c, threads[i], 20000, &r, &e));
		ck_assert_uint_eq(r.bits, 0);
		ck_assert_uint_ge(r.sequences, r.requests);
		ck_assert(r.together > 1.5);   /* there was company */
	}
	company_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("company");
	TCase *t = tcase_create("company");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, company_does_not_change_a_bit);
	suite_add_tcase(s, t);
	return run_suite(s);
}

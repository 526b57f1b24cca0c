/* test_conformal.c - ranks by table, infinite ones too, and coverage on exchangeable data. */
#include "model/base/rng.h"
#include "model/series/conformal.h"
#include "tests/unit/series/suite.h"

/* One row of scores 10, 20, … in a scrambled order: the score tells its rank. */
static struct conformal *ranks(int levels, int n)
{
	struct conformal *c;
	ck_assert_int_eq(conformal_new(levels, 1, 1, n, &c, NULL), ERR_OK);
	for (int l = 0; l < levels; l++)
		for (int i = 0; i < n; i++)
			c->score[l * n + i] = (float)(10 * ((i * 7 + 3) % n + 1) + l);
	conformal_sort(c);
	return c;
}

static const struct { int levels, n; double p, want; } shifts[] = {
	{ 1, 9, 0.9, 90 },            /* 10 * 0.9 = 9 */
	{ 1, 9, 0.91, INFINITY },     /* 10 of 9 */
	{ 1, 9, 0.8, 80 },
	{ 1, 9, 0.81, 90 },           /* upwards above the middle … */
	{ 1, 9, 0.2, 20 },
	{ 1, 9, 0.19, 10 },           /* … and downwards below */
	{ 1, 9, 0.1, 10 },
	{ 1, 9, 0.09, -INFINITY },
	{ 1, 99, 0.55, 550 },         /* 100 * 0.55 is a little more than 55 in binary … */
	{ 1, 99, 0.29, 290 },         /* … and 100 * 0.29 a little less than 29 */
	{ 1, 9, 0.5, 0 },             /* a point forecast itself */
	{ 3, 9, 0.5, 50 },            /* a quantile network's median has scores of its own */
	{ 1, 99, 0.95, 950 },
	{ 1, 99, 0.951, 960 },
	{ 1, 99, 0.05, 50 },
	{ 1, 99, 0.999, INFINITY },
	{ 1, 1, 0.5, 0 },
	{ 2, 1, 0.5, 10 },
	{ 1, 1, 0.51, INFINITY },
	{ 1, 1, 0.49, -INFINITY },
	{ 1, 0, 0.9, INFINITY },      /* no calibration at all */
	{ 1, 0, 0.1, -INFINITY },
	{ 1, 0, 0.5, 0 },
};

START_TEST(shift_table)
{
	struct conformal *c = ranks(shifts[_i].levels, shifts[_i].n);
	double got = conformal_shift(c, 0, 0, 0, shifts[_i].p);
	ck_assert_msg(got == shifts[_i].want, "%g", got);
	conformal_free(c);
	conformal_free(NULL);
}
END_TEST

START_TEST(rows_are_apart)
{
	struct conformal *c;
	ck_assert_int_eq(conformal_new(2, 3, 4, 5, &c, NULL), ERR_OK);
	ck_assert_uint_eq(conformal_count(c), 2 * 3 * 4 * 5);
	for (int row = 0; row < 24; row++)
		for (int i = 0; i < 5; i++)
			c->score[row * 5 + i] = (float)(row * 100 + 4 - i);
	conformal_sort(c);
	for (int l = 0; l < 2; l++)
		for (int t = 0; t < 3; t++)
			for (int h = 0; h < 4; h++)
				ck_assert(near(conformal_shift(c, l, t, h, 0.75), ((l * 3 + t) * 4 + h) * 100 + 4, 0));
	conformal_free(c);
}
END_TEST

START_TEST(too_large)
{
	struct conformal *c = NULL;
	struct error e;
	ck_assert_int_eq(conformal_new(1 << 20, 1 << 20, 1 << 20, 1 << 20, &c, &e), ERR_NOMEM);
	ck_assert_ptr_null(c);
}
END_TEST

/* Skewed scores; n = 1000 for calibration and as many to count. Mean over repetitions: the share
 * between the 10 % and the 90 % quantile is 80 %, each single one within a few deviations of it. */
START_TEST(coverage)
{
	enum { N = 1000, TIMES = 20 };
	struct rng r;
	double mean = 0;
	rng_init(&r, 3, RNG_TEST, 0);
	for (int k = 0; k < TIMES; k++) {
		struct conformal *c;
		int inside = 0;
		ck_assert_int_eq(conformal_new(1, 1, 1, N, &c, NULL), ERR_OK);
		for (int i = 0; i < N; i++)
			c->score[i] = (float)exp(rng_normal(&r));
		conformal_sort(c);
		double low = conformal_shift(c, 0, 0, 0, 0.1), high = conformal_shift(c, 0, 0, 0, 0.9);
		for (int i = 0; i < N; i++) {
			double s = exp(rng_normal(&r));
			inside += s >= low && s <= high;
		}
		conformal_free(c);
		ck_assert_msg(near(inside / (double)N, 0.8, 0.06), "%d", inside);
		mean += inside / (double)N / TIMES;
	}
	ck_assert_msg(near(mean, 0.8, 0.02), "%g", mean);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("conformal");
	TCase *c = new_case(s, "conformal");
	tcase_add_loop_test(c, shift_table, 0, (int)(sizeof shifts / sizeof *shifts));
	tcase_add_test(c, rows_are_apart);
	tcase_add_test(c, too_large);
	tcase_add_test(c, coverage);
	return run_suite(s);
}

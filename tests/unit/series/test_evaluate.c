/* test_evaluate.c - baselines, scores by hand, and the Diebold-Mariano test against a second implementation. */
#include <string.h>

#include "model/base/rng.h"
#include "model/series/baseline.h"
#include "model/series/evaluate.h"
#include "tests/unit/series/suite.h"

static const struct { enum baseline b; size_t n; int season, h; double want; } baselines[] = {
	{ BASELINE_NAIVE, 6, 3, 1, 9 },
	{ BASELINE_NAIVE, 6, 3, 7, 9 },
	{ BASELINE_NAIVE, 1, 3, 2, 1 },
	{ BASELINE_DRIFT, 6, 3, 1, 10.6 },          /* (9 - 1) / 5 a step */
	{ BASELINE_DRIFT, 6, 3, 5, 17 },
	{ BASELINE_DRIFT, 1, 3, 5, 1 },
	{ BASELINE_SEASONAL_NAIVE, 6, 3, 1, 5 },
	{ BASELINE_SEASONAL_NAIVE, 6, 3, 2, 2 },
	{ BASELINE_SEASONAL_NAIVE, 6, 3, 3, 9 },
	{ BASELINE_SEASONAL_NAIVE, 6, 3, 4, 5 },    /* repeated */
	{ BASELINE_SEASONAL_NAIVE, 6, 3, 9, 9 },
	{ BASELINE_SEASONAL_NAIVE, 6, 1, 4, 9 },
	{ BASELINE_SEASONAL_NAIVE, 6, 6, 1, 1 },
	{ BASELINE_SEASONAL_NAIVE, 6, 7, 2, 9 },    /* too short: naive */
	{ BASELINE_SEASONAL_NAIVE, 6, 0, 2, 9 },
};

START_TEST(baseline_table)
{
	static const double y[] = { 1, 4, 3, 5, 2, 9 };
	double got = baseline_forecast(baselines[_i].b, y, baselines[_i].n, baselines[_i].season, baselines[_i].h);
	ck_assert(near(got, baselines[_i].want, 1e-12));
}
END_TEST

START_TEST(names)
{
	ck_assert_str_eq(baseline_name(BASELINE_NAIVE), "naive");
	ck_assert_str_eq(baseline_name(BASELINE_DRIFT), "drift");
	ck_assert_str_eq(baseline_name(BASELINE_SEASONAL_NAIVE), "seasonal_naive");
	ck_assert_str_eq(verdict_name(VERDICT_BETTER), "better");
	ck_assert_str_eq(verdict_name(VERDICT_NO_BETTER), "no better");
	ck_assert_str_eq(verdict_name(VERDICT_WORSE), "worse");
}
END_TEST

static void check_scores(struct scores s, double mae, double rmse, double mase, double smape)
{
	ck_assert(near(s.mae, mae, 1e-12));
	ck_assert(near(s.rmse, rmse, 1e-12));
	ck_assert(near(s.mase, mase, 1e-12));
	ck_assert(near(s.smape, smape, 1e-9));
}

START_TEST(scores_by_hand)
{
	/* errors      2, 1 | 0, 4 | (unknown), 1
	 * 200e/(f+y)  100, 200/3 | 0, 200 | -, 40 */
	static const double forecast[3][2] = { { 3, 2 }, { 0, 4 }, { 7, 3 } };
	static const double actual[3][2] = { { 1, 1 }, { 0, 0 }, { NAN, 2 } };
	struct tally *t;
	ck_assert_int_eq(tally_new(2, 3, 0.5, &t, NULL), ERR_OK);
	for (int i = 0; i < 3; i++)
		tally_add(t, forecast[i], actual[i]);
	ck_assert_uint_eq(tally_origins(t), 3);
	check_scores(tally_scores(t), 8 / 5., sqrt(22 / 5.), 16 / 5., (100 + 200 / 3. + 200 + 40) / 5);
	check_scores(tally_step(t, 0), 1, sqrt(2), 2, 50);
	check_scores(tally_step(t, 1), 2, sqrt(6), 4, (200 / 3. + 240) / 3);
	tally_free(t);
	tally_free(NULL);
}
END_TEST

START_TEST(nothing_known)
{
	static const double forecast = 1, actual = NAN;
	struct tally *t;
	ck_assert_int_eq(tally_new(1, 1, 0, &t, NULL), ERR_OK);
	ck_assert(isnan(tally_scores(t).mae));
	tally_add(t, &forecast, &actual);
	ck_assert(isnan(tally_scores(t).mae) && isnan(tally_scores(t).mase));
	tally_free(t);
}
END_TEST

START_TEST(no_season_no_mase)
{
	static const double forecast = 1, actual = 2;
	struct tally *t;
	ck_assert_int_eq(tally_new(1, 1, 0, &t, NULL), ERR_OK);
	tally_add(t, &forecast, &actual);
	ck_assert(near(tally_scores(t).mae, 1, 0) && isnan(tally_scores(t).mase));
	tally_free(t);
}
END_TEST

START_TEST(season_changes)
{
	static const double y[] = { 1, 4, 3, 5, 2, 9 };
	ck_assert(near(season_change(y, 6, 1), (3 + 1 + 2 + 3 + 7) / 5., 1e-12));
	ck_assert(near(season_change(y, 6, 3), (4 + 2 + 6) / 3., 1e-12));
	ck_assert(near(season_change(y, 6, 6), 0, 0));
}
END_TEST

/* ---- Diebold-Mariano ---- */

#define ORIGINS 400
#define HORIZON 4

/* Errors that overlap as those of neighbouring origins do; the model's are `gain` smaller on the mean. */
struct sample { double model[ORIGINS], reference[ORIGINS]; };

static void draw(struct sample *s, uint32_t stream, double gain)
{
	struct rng r;
	double shock[ORIGINS + HORIZON];
	rng_init(&r, 11, RNG_TEST, stream);
	for (int i = 0; i < ORIGINS + HORIZON; i++)
		shock[i] = rng_normal(&r);
	for (int i = 0; i < ORIGINS; i++) {
		double d = 0;
		for (int k = 0; k < HORIZON; k++)
			d += shock[i + k] / HORIZON;
		s->reference[i] = 5 + rng_uniform(&r);
		s->model[i] = s->reference[i] - gain + d;
	}
}

/* A forecast whose absolute error is the same, loss, at each step. */
static struct tally *tally_of(const double *loss, int n)
{
	struct tally *t;
	ck_assert_int_eq(tally_new(HORIZON, (size_t)n, 1, &t, NULL), ERR_OK);
	for (int i = 0; i < n; i++) {
		double forecast[HORIZON], actual[HORIZON];
		for (int h = 0; h < HORIZON; h++) {
			actual[h] = isnan(loss[i]) ? NAN : i;
			forecast[h] = h % 2 ? i + loss[i] : i - loss[i];
		}
		tally_add(t, forecast, actual);
	}
	return t;
}

static enum verdict compare(const struct sample *s, int n, double *p)
{
	struct tally *model = tally_of(s->model, n), *reference = tally_of(s->reference, n);
	enum verdict v = tally_compare(model, reference, p);
	ck_assert(tally_compare(model, reference, NULL) == v);
	tally_free(model);
	tally_free(reference);
	return v;
}

/* The same variance as a double sum over all pairs of origins, and the tail of the normal by Simpson's rule. */
static double plain_p(const struct sample *s, int n)
{
	double d[ORIGINS], mean = 0, variance = 0;
	for (int i = 0; i < n; i++) {
		d[i] = s->model[i] - s->reference[i];
		mean += d[i] / n;
	}
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			variance += fmax(0, 1 - abs(i - j) / (double)HORIZON) * (d[i] - mean) * (d[j] - mean) / n;
	double z = fabs(mean) / sqrt(variance / n), step = z / 20000, area = 0;
	for (int k = 0; k <= 20000; k++)
		area += (k == 0 || k == 20000 ? 1 : k % 2 ? 4 : 2) * exp(-0.5 * k * step * k * step);
	return 1 - 2 * area * step / 3 / sqrt(2 * M_PI);
}

START_TEST(against_plain)
{
	struct sample s;
	double p, gain = (_i % 5 - 2) * 0.06;
	draw(&s, (uint32_t)_i, gain);
	int n = _i % 2 ? ORIGINS : 60;
	enum verdict v = compare(&s, n, &p);
	double want = plain_p(&s, n);
	ck_assert_msg(near(p, want, 1e-9), "%g %g", p, want);
	if (p >= 0.05)
		ck_assert_int_eq(v, VERDICT_NO_BETTER);
	else
		ck_assert_int_ne(v, VERDICT_NO_BETTER);
}
END_TEST

/* Of series without a difference about one in twenty is called one; clear differences are found. */
START_TEST(error_rates)
{
	struct sample s;
	int called = 0;
	for (uint32_t i = 0; i < 300; i++) {
		draw(&s, 1000 + i, 0);
		called += compare(&s, ORIGINS, NULL) != VERDICT_NO_BETTER;
		draw(&s, 2000 + i, 0.5);
		ck_assert_int_eq(compare(&s, ORIGINS, NULL), VERDICT_BETTER);
		draw(&s, 3000 + i, -0.5);
		ck_assert_int_eq(compare(&s, ORIGINS, NULL), VERDICT_WORSE);
	}
	ck_assert_msg(called >= 5 && called <= 40, "%d of 300", called);
}
END_TEST

START_TEST(few_origins)
{
	struct sample s;
	double p = -1;
	draw(&s, 1, 3);
	ck_assert_int_eq(compare(&s, 29, &p), VERDICT_NO_BETTER);
	ck_assert(near(p, 1, 0));
	ck_assert_int_eq(compare(&s, 30, &p), VERDICT_BETTER);
	s.model[3] = NAN;   /* 29 that are known */
	s.reference[3] = NAN;
	ck_assert_int_eq(compare(&s, 30, &p), VERDICT_NO_BETTER);
}
END_TEST

START_TEST(no_variance)
{
	struct sample s;
	double p = -1;
	for (int k = 0; k < 3; k++) {   /* equal, equal but for rounding, different by a constant */
		for (int i = 0; i < ORIGINS; i++) {
			s.reference[i] = k == 2 ? 5 : 1 + i % 7;
			s.model[i] = k == 0 ? s.reference[i] : k == 1 ? s.reference[i] * (1 - 1e-16 * (i % 3)) : 4;
		}
		ck_assert_int_eq(compare(&s, ORIGINS, &p), VERDICT_NO_BETTER);
		ck_assert(near(p, 1, 0));
	}
}
END_TEST

#define LOOP(c, test, table) tcase_add_loop_test(c, test, 0, (int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *s = suite_create("evaluate");
	TCase *c = new_case(s, "scores");
	LOOP(c, baseline_table, baselines);
	tcase_add_test(c, names);
	tcase_add_test(c, scores_by_hand);
	tcase_add_test(c, nothing_known);
	tcase_add_test(c, no_season_no_mase);
	tcase_add_test(c, season_changes);
	c = new_case(s, "diebold_mariano");
	tcase_add_loop_test(c, against_plain, 0, 20);
	tcase_add_test(c, error_rates);
	tcase_add_test(c, few_origins);
	tcase_add_test(c, no_variance);
	return run_suite(s);
}

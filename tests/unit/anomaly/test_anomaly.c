/* test_anomaly.c - windows, errors, scores, thresholds and flags, against what is written down here by hand. */
#include "model/anomaly.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "model/forecaster.h"
#include "tests/unit/check.h"

#define COUNT(a) (sizeof(a) / sizeof (a)[0])
enum { ROWS_MAX = 60 };

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-12 * (1 + fabs(b));
}

/* A forecaster of sizes only: window rows seen, steps of an answer (horizon), or the window again. Two columns, of which
 * the second is the target. */
static struct forecaster sizes(int window, int horizon, bool reconstructs)
{
	return (struct forecaster){
		.pipeline = { .columns = 2, .targets = 1, .target[0].column = 1, .window = window, .horizon = horizon },
		.net = { .targets = 1, .levels = 1, .horizon = reconstructs ? 1 : horizon,
		         .decoder = reconstructs ? DECODER_RECONSTRUCT : DECODER_LAST },
	};
}

static const struct { int window, horizon; bool reconstructs; size_t rows; struct anomaly_windows want; } windows_cases[] = {
	{ 4, 1, false, 4, { 0, 0, 0 } }, { 4, 1, false, 5, { 1, 0, 1 } }, { 4, 1, false, 10, { 6, 0, 1 } },
	{ 4, 31, false, 10, { 6, 0, 1 } }, { 4, 32, false, 10, { 3, 1, 2 } }, { 4, 48, false, 10, { 2, 2, 3 } },
	{ 4, 1, true, 3, { 0, 0, 0 } }, { 4, 1, true, 4, { 1, 0, 1 } }, { 4, 1, true, 10, { 7, 0, 1 } },
	{ 32, 1, true, 41, { 5, 1, 2 } },
};

START_TEST(windows)
{
	struct forecaster f = sizes(windows_cases[_i].window, windows_cases[_i].horizon, windows_cases[_i].reconstructs);
	struct anomaly_windows w = anomaly_windows(&f, windows_cases[_i].rows), want = windows_cases[_i].want;
	ck_assert_uint_eq(w.n, want.n);
	ck_assert_uint_eq(w.begin, want.begin);
	ck_assert_uint_eq(w.stride, want.stride);
}
END_TEST

/* Sums of a whole series, of answers that are `wrong` everywhere, and row 30 another value. */
struct sums {
	double sum[ROWS_MAX], scratch[ROWS_MAX], score[ROWS_MAX], value[ROWS_MAX][2];
	unsigned count[ROWS_MAX];
	struct anomaly_errors e;
};

static void add_all(struct sums *s, const struct forecaster *f, size_t rows, double wrong)
{
	double answer[ROWS_MAX];
	memset(s, 0, sizeof *s);
	s->e = (struct anomaly_errors){ .rows = rows, .targets = 1, .sum = s->sum, .count = s->count };
	for (size_t i = 0; i < rows; i++) {
		s->value[i][0] = 1000;   /* a column that is not the target's */
		s->value[i][1] = i == 30 ? 100 : 10;
	}
	for (size_t i = 0; i < COUNT(answer); i++)
		answer[i] = 10 + wrong;
	struct anomaly_windows w = anomaly_windows(f, rows);
	for (size_t i = 0; i < w.n; i++)
		anomaly_add(&s->e, f, w.begin + i * w.stride, answer, s->value[0]);
}

/* Every row behind the first that can be is spoken of, up to the last, however long answers are. */
START_TEST(every_row_is_judged)
{
	static const struct { int window, horizon; bool reconstructs; } shapes[] = {
		{ 4, 1, false }, { 4, 7, false }, { 5, 33, false }, { 3, 48, false }, { 4, 1, true }, { 37, 1, true }, { 48, 1, true },
	};
	struct forecaster f = sizes(shapes[_i].window, shapes[_i].horizon, shapes[_i].reconstructs);
	for (size_t rows = anomaly_least(&f); rows <= ROWS_MAX; rows++) {
		struct sums s;
		add_all(&s, &f, rows, 2);
		size_t first = anomaly_windows(&f, rows).begin + (shapes[_i].reconstructs ? 0 : (size_t)shapes[_i].window), answers = 0;
		for (size_t i = 0; i < rows; i++) {
			ck_assert_int_eq(s.count[i] > 0, i >= first);
			ck_assert(near(s.sum[i], s.count[i] * (i == 30 ? 88.0 : 2.0)));
			answers = s.count[i] > answers ? s.count[i] : answers;
		}
		ck_assert_uint_le(answers, 2 * ANOMALY_ANSWERS);
		ck_assert_uint_eq(anomaly_scores(&s.e, 1, s.scratch, s.score), first);
		for (size_t i = 0; i < rows; i++)
			ck_assert(i < first ? isnan(s.score[i]) : rows < 40 || near(s.score[i], i == 30 ? 44 : 1));
	}
}
END_TEST

START_TEST(smoothing)
{
	struct sums s;
	struct forecaster f = sizes(4, 1, false);
	add_all(&s, &f, ROWS_MAX, 2);
	ck_assert_uint_eq(anomaly_scores(&s.e, 3, s.scratch, s.score), 4);   /* rate 1/2 */
	ck_assert(near(s.score[29], 1) && near(s.score[30], 1 + 43 / 2.0) && near(s.score[31], 1 + 43 / 4.0));
	ck_assert(near(s.score[40], 1 + 43 / 2048.0));
}
END_TEST

/* Each target's errors count in units of their own. */
START_TEST(targets)
{
	double sum[] = { 1, 1, 1, 5, 1, 100, 100, 100, 100, 300 }, scratch[5], score[5];
	unsigned count[] = { 1, 1, 1, 1, 1 };
	struct anomaly_errors e = { .rows = 5, .targets = 2, .sum = sum, .count = count };
	static const double want[] = { 1, 1, 1, 3, 2 };
	ck_assert_uint_eq(anomaly_scores(&e, 1, scratch, score), 0);
	for (size_t i = 0; i < 5; i++)
		ck_assert(near(score[i], want[i]));
}
END_TEST

/* A model that is never wrong, or almost never: no division by zero. */
START_TEST(perfect)
{
	double sum[] = { 0, 0, 0, 0, 6 }, scratch[5], score[5];
	unsigned count[] = { 2, 2, 2, 2, 2 };
	struct anomaly_errors e = { .rows = 5, .targets = 1, .sum = sum, .count = count };
	anomaly_scores(&e, 1, scratch, score);
	ck_assert(score[0] == 0 && near(score[4], 5));   /* in units of the mean */
	memset(sum, 0, sizeof sum);
	anomaly_scores(&e, 1, scratch, score);
	for (size_t i = 0; i < 5; i++)
		ck_assert(score[i] == 0);
	struct anomaly_flag flag[3];
	ck_assert_uint_eq(anomaly_flags(score, 5, 0, anomaly_threshold(score, 5, ANOMALY_DEVIATIONS, scratch), 0, flag), 0);
}
END_TEST

START_TEST(nothing_said)
{
	double sum[3] = { 0 }, scratch[3], score[3];
	unsigned count[3] = { 0 };
	struct anomaly_errors e = { .rows = 3, .targets = 1, .sum = sum, .count = count };
	ck_assert_uint_eq(anomaly_scores(&e, 1, scratch, score), 3);
	ck_assert(isnan(score[0]) && isnan(score[2]));
}
END_TEST

START_TEST(threshold)
{
	static const struct { double score[7]; size_t n; double deviations, want; } cases[] = {
		{ { 3 }, 1, 8, 3 },
		{ { 1, 2, 3 }, 3, 0, 2 },
		{ { 3, 1, 2 }, 3, 1, 2 + 1.4826 },
		{ { 1, 2, 3, 4 }, 4, 2, 2.5 + 2 * 1.4826 },
		{ { 1, 2, 3, 4, 5, 6, 1e9 }, 7, 2, 4 + 4 * 1.4826 },   /* one of them, however large, moves it little */
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		double scratch[7];
		ck_assert(near(anomaly_threshold(cases[i].score, cases[i].n, cases[i].deviations, scratch), cases[i].want));
	}
}
END_TEST

START_TEST(flags)
{
	static const double score[] = { 9, 9, 1, 5, 6, 1, 1, 7, 1, 1, 1, 5, 5 };
	static const struct { size_t first, gap, n; struct anomaly_flag want[4]; } cases[] = {
		{ 2, 0, 3, { { 3, 4, 6 }, { 7, 7, 7 }, { 11, 12, 5 } } },
		{ 2, 1, 3, { { 3, 4, 6 }, { 7, 7, 7 }, { 11, 12, 5 } } },
		{ 2, 2, 2, { { 3, 7, 7 }, { 11, 12, 5 } } },
		{ 2, 3, 1, { { 3, 12, 7 } } },
		{ 0, 0, 4, { { 0, 1, 9 }, { 3, 4, 6 }, { 7, 7, 7 }, { 11, 12, 5 } } },
		{ 4, 0, 3, { { 4, 4, 6 }, { 7, 7, 7 }, { 11, 12, 5 } } },
		{ 13, 0, 0, { { 0 } } },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct anomaly_flag flag[(COUNT(score) + 1) / 2];
		ck_assert_uint_eq(anomaly_flags(score, COUNT(score), cases[i].first, 4, cases[i].gap, flag), cases[i].n);
		for (size_t k = 0; k < cases[i].n; k++) {
			ck_assert_uint_eq(flag[k].from, cases[i].want[k].from);
			ck_assert_uint_eq(flag[k].to, cases[i].want[k].to);
			ck_assert(flag[k].score == cases[i].want[k].score);
		}
	}
	struct anomaly_flag flag[(COUNT(score) + 1) / 2];
	ck_assert_uint_eq(anomaly_flags(score, COUNT(score), 0, 9, 0, flag), 0);   /* at the threshold is not above it */
	ck_assert_uint_eq(anomaly_flags((const double[]){ NAN, 5, NAN }, 3, 0, 4, 0, flag), 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("anomaly");
	TCase *t = tcase_create("anomaly");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, windows, 0, (int)COUNT(windows_cases));
	tcase_add_loop_test(t, every_row_is_judged, 0, 7);
	tcase_add_test(t, smoothing);
	tcase_add_test(t, targets);
	tcase_add_test(t, perfect);
	tcase_add_test(t, nothing_said);
	tcase_add_test(t, threshold);
	tcase_add_test(t, flags);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r), run = srunner_ntests_run(r);
	srunner_free(r);
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

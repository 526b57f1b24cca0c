/* A forecaster: the same bits alone or in a batch, ordered intervals, honest infinities. */
#include "fixture.h"

#include "model/backtest.h"
#include "model/examples_series.h"
#include "model/nn/network.h"
#include "model/trainer_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

enum { ROWS = 64, QUANTILES = 7, NUMBERS_MAX = 16 };

/* Not in order: the answer has to be, whatever the client asks first. */
static const double asked[QUANTILES] = { 0.9, 0.05, 0.5, 0.3, 0.7, 0.95, 0.1 };

struct answer {
	struct forecast job;
	double mean[NUMBERS_MAX], quantile[QUANTILES * NUMBERS_MAX];
	float attention[4 * 16];
};

static void ask(struct answer *a, const double *context)
{
	a->job = (struct forecast){
		.context = context, .attention = a->attention, .mean = a->mean,
		.quantiles = QUANTILES, .quantile_level = asked, .quantile = a->quantile,
	};
}

/* A trainer after two epochs, its forecaster and a workspace. */
struct setup {
	struct trainer *t;
	struct forecaster *f;
	struct forecast_ws *w;
	float *params;
};

static void setup(struct setup *s, int levels, int targets)
{
	struct recipe r;
	struct evaluation v;
	struct epoch_report report;
	fixture_recipe(&r);
	r.epochs = 2;
	r.targets = targets;
	strcpy(r.target[1], "z");
	r.levels = levels;
	r.loss = levels ? LOSS_PINBALL : LOSS_MSE;
	memcpy(r.level, (double[]){ 0.1, 0.5, 0.9 }, 3 * sizeof(double));
	s->t = fixture_trainer(&r, targets > 1 ? fixture_pair(900) : fixture_sine(900, 0.5));
	ck_assert_int_eq(fixture_train(s->t, 1, &report, NULL), ERR_OK);
	s->params = calloc(trainer_plan(s->t)->weights, sizeof *s->params);
	struct trained made;
	ck_assert_int_eq(trainer_finish(s->t, &made, s->params, &v, NULL), ERR_OK);
	s->f = made.forecaster;
	evaluation_fini(&v);
	ck_assert_int_eq(forecast_ws_new(ROWS, &s->w, NULL), ERR_OK);
	ck_assert_int_eq(forecast_ws_reserve(s->w, s->f, NULL), ERR_OK);
}

static void teardown(struct setup *s)
{
	forecast_ws_free(s->w);
	forecaster_free(s->f);
	free(s->params);
	trainer_free(s->t);
}

/* The i-th of ROWS contexts of the test part. */
static const double *context_of(const struct setup *s, int i)
{
	return samples_context(&series_of(s->t->examples)->samples, series_of(s->t->examples)->samples.test.first + (size_t)i);
}

static void run_one(const struct setup *s, struct answer *a, const double *context)
{
	struct forecast *job = &a->job;
	ask(a, context);
	forecaster_run(s->f, s->w, &job, 1);
}

static const struct { int levels, targets; } shape_cases[] = { { 0, 1 }, { 3, 1 }, { 0, 2 }, { 3, 2 } };

START_TEST(a_batch_equals_its_rows_alone)
{
	struct setup s;
	struct answer *batch = calloc(ROWS, sizeof *batch), alone;
	struct forecast *jobs[ROWS];
	setup(&s, shape_cases[_i].levels, shape_cases[_i].targets);
	size_t numbers = (size_t)shape_cases[_i].targets * 4;
	for (int i = 0; i < ROWS; i++) {
		ask(&batch[i], context_of(&s, i));
		jobs[i] = &batch[i].job;
	}
	forecaster_run(s.f, s.w, jobs, ROWS);
	for (int i = 0; i < ROWS; i++) {
		run_one(&s, &alone, context_of(&s, i));
		ck_assert(alone.job.finite && batch[i].job.finite);
		ck_assert_int_eq(memcmp(alone.mean, batch[i].mean, numbers * sizeof(double)), 0);
		ck_assert_int_eq(memcmp(alone.quantile, batch[i].quantile, QUANTILES * numbers * sizeof(double)), 0);
		ck_assert_int_eq(memcmp(alone.attention, batch[i].attention, sizeof alone.attention), 0);
	}
	teardown(&s);
	free(batch);
}
END_TEST

START_TEST(quantiles_rise_with_their_levels)
{
	struct setup s;
	struct answer a;
	setup(&s, shape_cases[_i].levels, shape_cases[_i].targets);
	size_t numbers = (size_t)shape_cases[_i].targets * 4;
	for (int i = 0; i < ROWS; i++) {
		run_one(&s, &a, context_of(&s, i));
		for (size_t at = 0; at < numbers; at++)
			for (int k = 0; k < QUANTILES; k++)
				for (int l = 0; l < QUANTILES; l++)
					if (asked[k] < asked[l])
						ck_assert(a.quantile[(size_t)k * numbers + at] <= a.quantile[(size_t)l * numbers + at]);
		for (size_t at = 0; at < numbers; at++) {
			ck_assert(a.quantile[1 * numbers + at] < a.quantile[5 * numbers + at]);   /* not a point */
			ck_assert(fabs(a.quantile[2 * numbers + at] - a.mean[at]) <= 0);          /* the median is the mean */
		}
	}
	teardown(&s);
}
END_TEST

START_TEST(attention_is_a_distribution_over_the_window)
{
	struct setup s;
	struct answer a;
	setup(&s, 0, 1);
	run_one(&s, &a, context_of(&s, 0));
	for (int h = 0; h < 4; h++) {
		double sum = 0;
		for (int i = 0; i < 16; i++) {
			ck_assert(a.attention[h * 16 + i] >= 0);
			sum += (double)a.attention[h * 16 + i];
		}
		ck_assert(fabs(sum - 1) <= 1e-5);
	}
	teardown(&s);
}
END_TEST

START_TEST(it_says_what_the_training_execution_says)
{
	struct setup s;
	struct answer a;
	setup(&s, 0, 1);
	const struct net_spec *net = &s.f->net;
	const struct pipeline *p = &s.f->pipeline;
	size_t room = network_scratch(net, 16, 1) * sizeof(float);
	float x[16], y[4], *ws = aligned_alloc(64, (room + 63) / 64 * 64);
	double *scratch = calloc(pipeline_scratch(p), sizeof *scratch);
	const int length = 16;
	struct anchor anchor;
	for (int i = 0; i < 8; i++) {
		pipeline_window(p, context_of(&s, i), scratch, x, &anchor);
		network_forward(net, s.params, &(struct network_input){ .T = 16, .B = 1, .lengths = &length, .x = x },
		                &(struct network_output){ .y = y }, ws);
		run_one(&s, &a, context_of(&s, i));
		for (int h = 0; h < 4; h++) {
			double want = pipeline_decode(p, 0, &anchor, (double)y[h] * p->target[0].shrink);
			ck_assert(fabs(want - a.mean[h]) <= 1e-4);
		}
	}
	free(ws);
	free(scratch);
	teardown(&s);
}
END_TEST

START_TEST(shrink_pulls_towards_the_last_value)
{
	struct setup s;
	struct answer full, half, none;
	setup(&s, shape_cases[_i].levels, shape_cases[_i].targets);
	const double *context = context_of(&s, 3);
	for (int t = 0; t < shape_cases[_i].targets; t++)
		s.f->pipeline.target[t].shrink = 1;
	run_one(&s, &full, context);
	for (int t = 0; t < shape_cases[_i].targets; t++)
		s.f->pipeline.target[t].shrink = 0;
	run_one(&s, &none, context);
	for (int t = 0; t < shape_cases[_i].targets; t++)
		s.f->pipeline.target[t].shrink = 0.5;
	run_one(&s, &half, context);
	for (int t = 0; t < shape_cases[_i].targets; t++) {
		double last = context[(size_t)(series_of(s.t->examples)->samples.context - 1) * (size_t)s.f->pipeline.columns + (size_t)t];
		for (int h = 0; h < 4; h++) {
			int at = t * 4 + h;
			ck_assert(fabs(none.mean[at] - last) <= 1e-9 * fabs(last));
			ck_assert(fabs(half.mean[at] - last) <= fabs(full.mean[at] - last) + 1e-9);
		}
	}
	teardown(&s);
}
END_TEST

/* A forecaster like s.f with that calibration. */
static struct forecaster *recalibrated(const struct setup *s, struct conformal *c)
{
	struct forecaster *f = NULL;
	ck_assert_int_eq(forecaster_new(&s->f->pipeline, &s->f->net, s->f->level, s->f->frequency, s->params, NULL, c, &f, NULL),
		ERR_OK);
	return f;
}

START_TEST(without_calibration_intervals_are_infinite)
{
	struct setup s;
	struct answer a;
	setup(&s, shape_cases[_i].levels, 1);
	struct forecaster *f = recalibrated(&s, NULL);
	forecaster_free(s.f);
	s.f = f;
	run_one(&s, &a, context_of(&s, 0));
	ck_assert(a.job.finite);
	for (int k = 0; k < QUANTILES; k++)
		for (int h = 0; h < 4; h++) {
			double q = a.quantile[k * 4 + h], middle = asked[k] - 0.5;
			ck_assert(middle == 0 ? fabs(q - a.mean[h]) <= 0 : isinf(q) && (q > 0) == (middle > 0));
		}
	teardown(&s);
}
END_TEST

START_TEST(a_small_calibration_says_so)
{
	struct setup s;
	struct answer a;
	struct conformal *c = NULL;
	setup(&s, 0, 1);
	ck_assert_int_eq(conformal_new(1, 1, 4, 9, &c, NULL), ERR_OK);
	for (int i = 0; i < 36; i++)
		c->score[i] = (float)(i % 9 - 4);
	conformal_sort(c);
	struct forecaster *f = recalibrated(&s, c);
	forecaster_free(s.f);
	s.f = f;
	run_one(&s, &a, context_of(&s, 0));
	for (int h = 0; h < 4; h++) {
		ck_assert(isfinite(a.quantile[0 * 4 + h]) && isfinite(a.quantile[6 * 4 + h]));   /* 0.9, 0.1 */
		ck_assert(isinf(a.quantile[1 * 4 + h]) && isinf(a.quantile[5 * 4 + h]));         /* 0.05, 0.95 */
	}
	teardown(&s);
}
END_TEST

START_TEST(an_infinite_network_is_reported)
{
	struct setup s;
	struct answer a;
	struct tensor_table table;
	setup(&s, 0, 1);
	net_tensors(&s.f->net, &table);
	s.params[tensor_find(&table, "output.bias")->offset] = NAN;
	struct forecaster *f = recalibrated(&s, NULL);
	forecaster_free(s.f);
	s.f = f;
	run_one(&s, &a, context_of(&s, 0));
	ck_assert(!a.job.finite);
	teardown(&s);
}
END_TEST

START_TEST(parts_that_do_not_fit_are_refused)
{
	struct setup s;
	struct forecaster *f = NULL;
	struct conformal *c = NULL;
	struct error e;
	setup(&s, 0, 1);
	struct net_spec net = s.f->net;
	net.inputs = 3;
	ck_assert_int_eq(forecaster_new(&s.f->pipeline, &net, NULL, s.f->frequency, s.params, NULL, NULL, &f, &e), ERR_INVALID);
	ck_assert_int_eq(conformal_new(2, 1, 4, 9, &c, NULL), ERR_OK);   /* a point has one level; c is taken all the same */
	ck_assert_int_eq(forecaster_new(&s.f->pipeline, &s.f->net, NULL, s.f->frequency, s.params, NULL, c, &f, &e), ERR_INVALID);
	ck_assert_ptr_null(f);
	ck_assert(forecaster_bytes(s.f) > infer_model_bytes(s.f->infer));
	forecaster_free(NULL);
	forecast_ws_free(NULL);
	teardown(&s);
}
END_TEST

#define LOOP(test, n) tcase_add_loop_test(c, test, 0, n)

int main(void)
{
	Suite *s = suite_create("forecaster");
	TCase *c = tcase_create("forecaster");
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 300);
	LOOP(a_batch_equals_its_rows_alone, 4);
	LOOP(quantiles_rise_with_their_levels, 4);
	tcase_add_test(c, attention_is_a_distribution_over_the_window);
	tcase_add_test(c, it_says_what_the_training_execution_says);
	LOOP(shrink_pulls_towards_the_last_value, 4);
	LOOP(without_calibration_intervals_are_infinite, 2);
	tcase_add_test(c, a_small_calibration_says_so);
	tcase_add_test(c, an_infinite_network_is_reported);
	tcase_add_test(c, parts_that_do_not_fit_are_refused);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

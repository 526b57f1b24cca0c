/* Training: it learns what can be learnt, claims nothing else, and its bits depend on nothing but recipe and rows. */
#include "fixture.h"

#include "model/examples_series.h"
#include "model/trainer_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

struct finished { struct trained made; float *params; struct evaluation v; };

static void finish(struct trainer *t, struct finished *out)
{
	struct error e = { 0 };
	out->params = calloc(trainer_plan(t)->weights, sizeof *out->params);
	enum err rc = trainer_finish(t, &out->made, out->params, &out->v, &e);
	ck_assert_msg(rc == ERR_OK, "%s: %s", e.where, e.what);
}

static void finished_fini(struct finished *f)
{
	trained_fini(&f->made);
	evaluation_fini(&f->v);
	free(f->params);
}

static void save(const struct trainer *t, struct strbuf *out)
{
	strbuf_init(out, 1 << 26);
	trainer_save(t, out);
	ck_assert(strbuf_ok(out));
}

START_TEST(plan_counts_windows_by_their_target_rows)
{
	struct recipe r;
	fixture_recipe(&r);
	struct trainer *t = fixture_trainer(&r, fixture_sine(300, 0.1));
	const struct trainer_plan *p = trainer_plan(t);
	ck_assert_uint_eq(p->rows, 300);
	ck_assert_uint_eq(p->train_examples, 210 - 16 - 4 + 1);
	ck_assert_uint_eq(p->validation_examples, 30 - 4 + 1);
	ck_assert_uint_eq(p->test_examples, 60 - 4 + 1);
	ck_assert_int_eq(p->steps, 6 + 1);
	ck_assert_uint_eq(p->filled_cells, 0);
	const struct samples *s = &series_of(t->examples)->samples;
	ck_assert_uint_eq(s->train.first, 15);
	ck_assert_uint_eq(s->validation.first + 1, 210);   /* the first validation target is the first validation row */
	ck_assert_uint_eq(s->test.first + 1, 240);
	ck_assert_uint_eq(s->test.first + s->test.windows - 1 + 4, 299);
	ck_assert(s->pipeline.maximum[0] <= 14);   /* fitted, on the training rows */
	trainer_free(t);
}
END_TEST

START_TEST(scales_see_the_training_rows_alone)
{
	struct recipe r;
	fixture_recipe(&r);
	struct frame *f = fixture_sine(300, 0.1);
	for (size_t i = 210; i < 300; i++)
		frame_set_number(f, 0, i, 1e6);
	struct trainer *plain = fixture_trainer(&r, fixture_sine(300, 0.1)), *jump = fixture_trainer(&r, f);
	const struct pipeline *a = &series_of(plain->examples)->samples.pipeline, *b = &series_of(jump->examples)->samples.pipeline;
	ck_assert(fabs(a->target[0].scale - b->target[0].scale) <= 0);
	ck_assert_int_eq(memcmp(a->channel, b->channel, sizeof(struct channel)), 0);
	trainer_free(plain);
	trainer_free(jump);
}
END_TEST

START_TEST(missing_cells_are_filled_and_counted)
{
	struct recipe r;
	fixture_recipe(&r);
	struct frame *f = fixture_sine(300, 0.1);
	frame_set_number(f, 0, 0, NAN);      /* nothing before it: not usable */
	frame_set_number(f, 0, 100, NAN);
	frame_set_number(f, 0, 101, NAN);
	struct trainer *t = fixture_trainer(&r, f);
	ck_assert_uint_eq(trainer_plan(t)->rows, 299);
	ck_assert_uint_eq(trainer_plan(t)->filled_cells, 2);
	trainer_free(t);
}
END_TEST

START_TEST(too_few_rows_name_the_minimum)
{
	struct recipe r;
	struct trainer *t = NULL;
	struct error e;
	size_t minimum = 0;
	fixture_recipe(&r);
	struct frame *f = fixture_sine(12, 0);
	ck_assert_int_eq(trainer_new(&r, f, &t, &e), ERR_INVALID);
	frame_free(f);
	const char *at = strstr(e.what, "at least ");
	ck_assert_msg(at && sscanf(at, "at least %zu rows", &minimum) == 1, "%s", e.what);
	trainer_free(fixture_trainer(&r, fixture_sine(minimum, 0)));
	f = fixture_sine(minimum - 1, 0);
	ck_assert_int_eq(trainer_new(&r, f, &t, &e), ERR_INVALID);
	frame_free(f);
}
END_TEST

START_TEST(unknown_columns_are_named)
{
	struct recipe r;
	struct trainer *t = NULL;
	struct error e;
	struct frame *f = fixture_sine(300, 0);
	fixture_recipe(&r);
	strcpy(r.target[0], "price");
	ck_assert_int_eq(trainer_new(&r, f, &t, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/target/0");
	frame_free(f);
}
END_TEST

static const struct { const char *name; enum loss_type loss; int levels; } loss_cases[] = {
	{ "mse", LOSS_MSE, 0 }, { "mae", LOSS_MAE, 0 }, { "huber", LOSS_HUBER, 0 }, { "pinball", LOSS_PINBALL, 3 },
};

START_TEST(every_loss_falls)
{
	struct recipe r;
	struct epoch_report first, last;
	fixture_recipe(&r);
	r.loss = loss_cases[_i].loss;
	r.levels = loss_cases[_i].levels;
	memcpy(r.level, (double[]){ 0.1, 0.5, 0.9 }, 3 * sizeof(double));
	struct trainer *t = fixture_trainer(&r, fixture_sine(400, 0.2));
	ck_assert_int_eq(fixture_epoch(t, 1, &first, NULL), ERR_OK);
	ck_assert_int_eq(fixture_train(t, 1, &last, NULL), ERR_OK);
	ck_assert_int_eq(first.epoch, 1);
	ck_assert(first.best);
	ck_assert_int_eq(last.epoch, 6);
	ck_assert(last.stop);
	ck_assert_msg(last.train_loss < 0.7 * first.train_loss, "%s: %g -> %g", loss_cases[_i].name, first.train_loss,
		last.train_loss);
	ck_assert(last.validation_loss < first.validation_loss);
	ck_assert(last.gradient_norm > 0 && last.learning_rate > 0);
	trainer_free(t);
}
END_TEST

START_TEST(a_sine_is_learnt)
{
	struct recipe r;
	struct finished f;
	fixture_recipe(&r);
	r.epochs = 15;
	struct trainer *t = fixture_trainer(&r, fixture_sine(800, 0.1));
	ck_assert_int_eq(fixture_train(t, 2, NULL, NULL), ERR_OK);
	finish(t, &f);
	ck_assert_msg(f.v.skill[BASELINE_NAIVE] > 0.5, "skill %g", f.v.skill[BASELINE_NAIVE]);
	ck_assert_int_eq(f.v.verdict, VERDICT_BETTER);
	ck_assert(f.v.p_value < 0.01);
	ck_assert(f.v.shrinkage >= 0.8);
	ck_assert_uint_eq(f.v.origins, trainer_plan(t)->test_examples);
	ck_assert(f.v.coverage[0] > 0.6 && f.v.coverage[0] < 0.95);
	ck_assert(f.v.coverage[1] >= f.v.coverage[0]);
	ck_assert(fabs(f.v.skill[BASELINE_NAIVE] - (1 - f.v.model.mae / f.v.baseline[BASELINE_NAIVE].mae)) <= 1e-12);
	double mean = 0;
	for (int h = 0; h < 4; h++)
		mean += f.v.per_step[h].mae / 4;
	ck_assert(fabs(mean - f.v.model.mae) <= 1e-9);
	ck_assert(f.v.baseline_step[BASELINE_NAIVE][0].mae < f.v.baseline_step[BASELINE_NAIVE][3].mae);
	finished_fini(&f);
	trainer_free(t);
}
END_TEST

START_TEST(a_random_walk_is_never_claimed)
{
	struct recipe r;
	struct finished f;
	fixture_recipe(&r);
	struct trainer *t = fixture_trainer(&r, fixture_walk(800, (uint64_t)_i + 1));
	ck_assert_int_eq(fixture_train(t, 1, NULL, NULL), ERR_OK);
	finish(t, &f);
	ck_assert_int_ne(f.v.verdict, VERDICT_BETTER);
	if (_i == 0)
		ck_assert_int_eq(f.v.verdict, VERDICT_NO_BETTER);
	ck_assert(f.v.model.mae <= 1.1 * f.v.baseline[BASELINE_NAIVE].mae);
	finished_fini(&f);
	trainer_free(t);
}
END_TEST

START_TEST(quantiles_cover)
{
	struct recipe r;
	struct finished f;
	fixture_recipe(&r);
	r.loss = LOSS_PINBALL;
	r.levels = 3;
	memcpy(r.level, (double[]){ 0.1, 0.5, 0.9 }, 3 * sizeof(double));
	r.epochs = 12;
	struct trainer *t = fixture_trainer(&r, fixture_sine(1200, 0.5));
	ck_assert_int_eq(fixture_train(t, 2, NULL, NULL), ERR_OK);
	finish(t, &f);
	ck_assert_int_eq(f.v.n_levels, 3);
	ck_assert_int_eq(f.made.forecaster->conformal->levels, 3);
	ck_assert(fabs(f.made.forecaster->level[2] - 0.9) <= 0);
	ck_assert(f.v.coverage[0] > 0.65 && f.v.coverage[0] < 0.95);
	ck_assert(f.v.skill[BASELINE_NAIVE] > 0.2);
	finished_fini(&f);
	trainer_free(t);
}
END_TEST

START_TEST(targets_share_a_model)
{
	struct recipe r;
	struct finished f;
	fixture_recipe(&r);
	r.targets = 2;
	strcpy(r.target[1], "z");
	r.epochs = 12;
	struct trainer *t = fixture_trainer(&r, fixture_pair(800));
	ck_assert_int_eq(fixture_train(t, 2, NULL, NULL), ERR_OK);
	finish(t, &f);
	ck_assert_int_eq(f.v.targets, 2);
	ck_assert(f.made.forecaster->pipeline.target[0].log && !f.made.forecaster->pipeline.target[1].log);
	ck_assert(f.v.skill[BASELINE_NAIVE] > 0.5);
	ck_assert_int_eq(f.v.verdict, VERDICT_BETTER);
	finished_fini(&f);
	trainer_free(t);
}
END_TEST

START_TEST(threads_do_not_change_a_bit)
{
	struct recipe r;
	struct strbuf want, got;
	fixture_recipe(&r);
	r.layers = 2;
	r.dropout = 0.2;
	r.batch_size = 75;   /* five shards, the last one short */
	struct trainer *t = fixture_trainer(&r, fixture_sine(400, 0.2));
	ck_assert_int_eq(fixture_train(t, 1, NULL, NULL), ERR_OK);
	save(t, &want);
	trainer_free(t);
	for (int threads = 2; threads <= 3; threads++) {
		t = fixture_trainer(&r, fixture_sine(400, 0.2));
		ck_assert_int_eq(fixture_train(t, threads, NULL, NULL), ERR_OK);
		save(t, &got);
		ck_assert_uint_eq(got.len, want.len);
		ck_assert_int_eq(memcmp(got.s, want.s, got.len), 0);
		strbuf_fini(&got);
		trainer_free(t);
	}
	strbuf_fini(&want);
}
END_TEST

START_TEST(a_step_uses_the_mean_over_all_its_shards)
{
	struct recipe r;
	struct trainer_ws *w = NULL;
	fixture_recipe(&r);
	r.clip_norm = 0;
	r.batch_size = 75;
	struct trainer *t = fixture_trainer(&r, fixture_sine(400, 0.2));
	size_t weights = t->plan.weights;
	double *sum = calloc(weights, sizeof *sum), loss = 0;
	ck_assert_int_eq(trainer_ws_new(t, &w, NULL), ERR_OK);
	trainer_begin_epoch(t);
	ck_assert_int_eq(trainer_begin_step(t), 5);
	for (int s = 4; s >= 0; s--) {
		trainer_shard(t, s, w);
		loss += t->shard_loss[s];
		for (size_t i = 0; i < weights; i++)
			sum[i] += (double)t->gradient[(size_t)s * weights + i];
	}
	/* The gradient of the mean: nudge one weight and see the summed loss move by 75 rows x 4 steps times as much. */
	size_t at = weights - 1;
	double nudge = 1e-2, moved = 0;
	t->now.weights[at] += (float)nudge;
	for (int s = 0; s < 5; s++) {
		trainer_shard(t, s, w);
		moved += t->shard_loss[s];
	}
	t->now.weights[at] -= (float)nudge;
	ck_assert(fabs((moved - loss) / nudge / (75 * 4) - sum[at]) <= 0.02);   /* a parabola's slope, half a nudge on */
	ck_assert(fabs(sum[at]) > 1e-4);
	for (int s = 0; s < 5; s++)
		trainer_shard(t, s, w);
	ck_assert_int_eq(trainer_end_step(t, NULL), ERR_OK);
	ck_assert(fabs(t->pass.loss - loss) <= 1e-3 * loss);
	for (size_t i = 0; i < weights; i++)
		ck_assert(fabs((double)t->gradient[i] - sum[i]) <= 1e-5 + 1e-4 * fabs(sum[i]));
	free(sum);
	trainer_ws_free(w);
	trainer_free(t);
}
END_TEST

START_TEST(seeds_change_the_weights)
{
	struct recipe r;
	fixture_recipe(&r);
	r.epochs = 1;
	struct trainer *a = fixture_trainer(&r, fixture_sine(300, 0.1));
	r.seed = 2;
	struct trainer *b = fixture_trainer(&r, fixture_sine(300, 0.1));
	ck_assert_int_ne(memcmp(a->now.weights, b->now.weights, a->plan.weights * sizeof(float)), 0);
	trainer_free(a);
	trainer_free(b);
}
END_TEST

START_TEST(the_best_epoch_is_kept_and_stops_the_rest)
{
	struct recipe r;
	struct epoch_report report;
	float *best = NULL;
	int best_epoch = 0;
	double least = INFINITY;
	fixture_recipe(&r);
	r.epochs = 60;
	r.early_stopping_patience = 3;
	struct trainer *t = fixture_trainer(&r, fixture_walk(400, 5));
	best = calloc(t->plan.weights, sizeof *best);
	while (!trainer_done(t)) {
		ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
		ck_assert_int_eq(report.best, report.validation_loss < least);
		if (!report.best)
			continue;
		least = report.validation_loss;
		best_epoch = report.epoch;
		memcpy(best, t->now.weights, t->plan.weights * sizeof *best);
	}
	ck_assert(report.stop);
	ck_assert_int_eq(trainer_epoch(t), best_epoch + 3);
	struct finished f;
	finish(t, &f);
	ck_assert_int_eq(memcmp(f.params, best, t->plan.weights * sizeof *best), 0);
	finished_fini(&f);
	free(best);
	trainer_free(t);
}
END_TEST

START_TEST(nothing_is_published_before_the_first_epoch)
{
	struct recipe r;
	struct trained out = { 0 };
	struct evaluation v;
	struct error e;
	fixture_recipe(&r);
	struct trainer *t = fixture_trainer(&r, fixture_sine(300, 0.1));
	float *params = calloc(trainer_plan(t)->weights, sizeof *params);
	ck_assert_int_eq(trainer_finish(t, &out, params, &v, &e), ERR_CONFLICT);
	ck_assert(!out.forecaster && !out.text);
	free(params);
	trainer_free(t);
}
END_TEST

#define LOOP(test, n) tcase_add_loop_test(c, test, 0, n)

int main(void)
{
	Suite *s = suite_create("trainer");
	TCase *c = tcase_create("trainer");
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 300);
	tcase_add_test(c, plan_counts_windows_by_their_target_rows);
	tcase_add_test(c, scales_see_the_training_rows_alone);
	tcase_add_test(c, missing_cells_are_filled_and_counted);
	tcase_add_test(c, too_few_rows_name_the_minimum);
	tcase_add_test(c, unknown_columns_are_named);
	LOOP(every_loss_falls, (int)(sizeof loss_cases / sizeof *loss_cases));
	tcase_add_test(c, a_sine_is_learnt);
	LOOP(a_random_walk_is_never_claimed, 3);
	tcase_add_test(c, quantiles_cover);
	tcase_add_test(c, targets_share_a_model);
	tcase_add_test(c, threads_do_not_change_a_bit);
	tcase_add_test(c, a_step_uses_the_mean_over_all_its_shards);
	tcase_add_test(c, seeds_change_the_weights);
	tcase_add_test(c, the_best_epoch_is_kept_and_stops_the_rest);
	tcase_add_test(c, nothing_is_published_before_the_first_epoch);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

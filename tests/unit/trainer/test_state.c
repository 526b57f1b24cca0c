/* Saved states continue bit for bit and damaged ones are refused; the numeric guard skips, rolls back and ends. */
#include "fixture.h"

#include "model/trainer_state.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

#define EPOCHS 5

static void small_recipe(struct recipe *r)
{
	fixture_recipe(r);
	r->hidden = 6;
	r->layers = 2;
	r->dropout = 0.1;
	r->epochs = EPOCHS;
	r->scheduler_patience = 0;   /* so that the rate moves */
	r->scheduler_factor = 0.5;
}

static struct trainer *small_trainer(void)
{
	struct recipe r;
	small_recipe(&r);
	return fixture_trainer(&r, fixture_sine(250, 1));
}

static void save(const struct trainer *t, struct strbuf *out)
{
	strbuf_init(out, 1 << 26);
	trainer_save(t, out);
	ck_assert(strbuf_ok(out));
}

static void assert_same(const struct strbuf *a, const struct strbuf *b)
{
	ck_assert_uint_eq(a->len, b->len);
	ck_assert_int_eq(memcmp(a->s, b->s, a->len), 0);
}

/* Every optimiser, every schedule. */
static const struct { enum optimizer_type optimizer; double momentum; enum scheduler_type scheduler; int warmup; }
steering_cases[] = {
	{ OPTIMIZER_ADAM,    0,   SCHEDULER_REDUCE_ON_PLATEAU, 0 },
	{ OPTIMIZER_ADAMW,   0,   SCHEDULER_COSINE,            2 },
	{ OPTIMIZER_SGD,     0.9, SCHEDULER_STEP,              0 },
	{ OPTIMIZER_RMSPROP, 0.5, SCHEDULER_NONE,              3 },
};

static struct trainer *steered_trainer(int i)
{
	struct recipe r;
	small_recipe(&r);
	r.optimizer = steering_cases[i].optimizer;
	r.momentum = steering_cases[i].momentum;
	r.scheduler = steering_cases[i].scheduler;
	r.warmup_epochs = steering_cases[i].warmup;
	r.scheduler_step_size = 2;
	r.scheduler_min_rate = 0;
	return fixture_trainer(&r, fixture_sine(250, 1));
}

START_TEST(a_restored_training_continues_bit_for_bit)
{
	struct strbuf state[EPOCHS + 1], end;
	struct epoch_report report, again;
	struct trainer *t = steered_trainer(_i);
	struct error e = { 0 };
	save(t, &state[0]);
	for (int i = 1; i <= EPOCHS; i++) {
		ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
		save(t, &state[i]);
	}
	trainer_free(t);
	for (int i = 0; i <= EPOCHS; i++) {
		t = steered_trainer(_i);
		enum err rc = trainer_load(t, state[i].s, state[i].len, &e);
		ck_assert_msg(rc == ERR_OK, "%s", e.what);
		ck_assert_int_eq(trainer_epoch(t), i);
		save(t, &end);
		assert_same(&end, &state[i]);
		strbuf_fini(&end);
		ck_assert_int_eq(fixture_train(t, 2, &again, NULL), ERR_OK);
		if (i < EPOCHS)
			ck_assert(fabs(again.validation_loss - report.validation_loss) <= 0);
		save(t, &end);
		assert_same(&end, &state[EPOCHS]);
		strbuf_fini(&end);
		trainer_free(t);
	}
	for (int i = 0; i <= EPOCHS; i++)
		strbuf_fini(&state[i]);
}
END_TEST

/* Without a plateau, nothing but the schedule changes the rate. */
START_TEST(the_schedule_steers_and_is_reported)
{
	static const double rates[][EPOCHS] = {
		[1] = { 1.0 / 3, 0.6030056647916492, 0.6545084971874737, 0.3454915028125263, 0.0954915028125263 },
		[2] = { 1, 1, 0.1, 0.1, 0.01 },
		[3] = { 0.25, 0.5, 0.75, 1, 1 },
	};
	struct epoch_report report;
	struct trainer *t = steered_trainer(_i);
	double rate = t->recipe.learning_rate, first_loss = 0;
	for (int i = 0; i < EPOCHS; i++) {
		double before = t->course.rate;
		ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
		double want = t->recipe.scheduler == SCHEDULER_REDUCE_ON_PLATEAU ? before : rate * rates[_i][i];
		ck_assert_msg(fabs(report.learning_rate - want) <= 1e-9 * want, "epoch %d: %g, not %g", i + 1,
		              report.learning_rate, want);
		first_loss = i ? first_loss : report.train_loss;
	}
	ck_assert(report.train_loss < first_loss);   /* it learns */
	trainer_free(t);
}
END_TEST

/* A trainer one epoch old and its state. */
static struct trainer *trained(struct strbuf *state)
{
	struct epoch_report report;
	struct trainer *t = small_trainer();
	ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
	save(t, state);
	return t;
}

static void assert_refused(struct trainer *t, const char *bytes, size_t len, const struct strbuf *before)
{
	struct strbuf after;
	char *exact = malloc(len + !len);   /* so that a read past the end is seen */
	memcpy(exact, bytes, len);
	ck_assert_int_eq(trainer_load(t, exact, len, NULL), ERR_SYNTAX);
	free(exact);
	save(t, &after);
	assert_same(&after, before);
	strbuf_fini(&after);
}

START_TEST(truncated_states_are_refused)
{
	struct strbuf state;
	struct trainer *t = trained(&state);
	for (size_t len = 0; len < state.len; len += len < 200 ? 1 : 211)
		assert_refused(t, state.s, len, &state);
	strbuf_addc(&state, 0);
	struct strbuf before;
	save(t, &before);
	assert_refused(t, state.s, state.len, &before);
	strbuf_fini(&before);
	strbuf_fini(&state);
	trainer_free(t);
}
END_TEST

START_TEST(flipped_bytes_are_refused)
{
	struct strbuf state, damaged;
	struct trainer *t = trained(&state);
	save(t, &damaged);
	for (size_t at = 0; at < state.len; at += at < 200 ? 1 : 173) {
		damaged.s[at] ^= 0x10;
		assert_refused(t, damaged.s, damaged.len, &state);
		damaged.s[at] ^= 0x10;
	}
	strbuf_fini(&state);
	strbuf_fini(&damaged);
	trainer_free(t);
}
END_TEST

/* Offsets of docs/formats/checkpoint.md. */
enum { AT_WEIGHT_COUNT = 16, AT_EPOCH = 24, AT_STOPPED = 28, AT_RATE = 45, AT_BEST_EPOCH = 77, AT_ROLLBACKS = 129,
       AT_ARRAYS = 133 };

static const struct { const char *name; size_t at, len; const char *bytes; } forged_cases[] = {
	{ "another magic",         0,               1, "X" },
	{ "an older version",      7,               1, "1" },
	{ "another weight count",  AT_WEIGHT_COUNT, 1, "\x01" },
	{ "epoch beyond the last", AT_EPOCH,        4, "\x00\x01\x00\x00" },
	{ "negative epoch",        AT_EPOCH,        4, "\xff\xff\xff\xff" },
	{ "stopped twice",         AT_STOPPED,      1, "\x02" },
	{ "rate not a number",     AT_RATE,         8, "\x00\x00\x00\x00\x00\x00\xf8\x7f" },
	{ "rate zero",             AT_RATE,         8, "\x00\x00\x00\x00\x00\x00\x00\x00" },
	{ "best epoch to come",    AT_BEST_EPOCH,   4, "\x02\x00\x00\x00" },
	{ "too many roll-backs",   AT_ROLLBACKS,    4, "\x04\x00\x00\x00" },
	{ "infinite weight",       AT_ARRAYS,       4, "\x00\x00\x80\x7f" },
	{ "weight not a number",   AT_ARRAYS + 40,  4, "\x00\x00\xc0\x7f" },
};

START_TEST(forged_states_are_refused)   /* the digest is right, the content is not */
{
	struct strbuf state, forged;
	struct trainer *t = trained(&state);
	save(t, &forged);
	memcpy(forged.s + forged_cases[_i].at, forged_cases[_i].bytes, forged_cases[_i].len);
	uint64_t digest = fnv1a(FNV_START, forged.s, forged.len - sizeof digest);
	memcpy(forged.s + forged.len - sizeof digest, &digest, sizeof digest);
	assert_refused(t, forged.s, forged.len, &state);
	strbuf_fini(&state);
	strbuf_fini(&forged);
	trainer_free(t);
}
END_TEST

START_TEST(states_of_other_jobs_are_refused)
{
	struct strbuf state, before;
	struct recipe r;
	trainer_free(trained(&state));
	small_recipe(&r);
	r.seed = 99;
	struct trainer *other_seed = fixture_trainer(&r, fixture_sine(250, 1));
	small_recipe(&r);
	struct trainer *other_rows = fixture_trainer(&r, fixture_walk(250, 1));
	r.optimizer = OPTIMIZER_ADAMW;
	struct trainer *other_optimizer = fixture_trainer(&r, fixture_sine(250, 1));
	save(other_seed, &before);
	assert_refused(other_seed, state.s, state.len, &before);
	strbuf_fini(&before);
	save(other_rows, &before);
	assert_refused(other_rows, state.s, state.len, &before);
	strbuf_fini(&before);
	save(other_optimizer, &before);
	assert_refused(other_optimizer, state.s, state.len, &before);
	strbuf_fini(&before);
	strbuf_fini(&state);
	trainer_free(other_seed);
	trainer_free(other_rows);
	trainer_free(other_optimizer);
}
END_TEST

START_TEST(a_state_over_the_buffers_maximum_fails_the_buffer)
{
	struct strbuf out;
	struct trainer *t = small_trainer();
	strbuf_init(&out, 1000);
	trainer_save(t, &out);
	ck_assert(!strbuf_ok(&out));
	strbuf_fini(&out);
	trainer_free(t);
}
END_TEST

/* The shards of a step, then the harm, then its end. */
static enum err harmed_step(struct trainer *t, struct trainer_ws *w, void (*harm)(struct trainer *), struct error *e)
{
	int shards = trainer_begin_step(t);
	ck_assert_int_gt(shards, 0);
	for (int s = 0; s < shards; s++)
		trainer_shard(t, s, w);
	if (harm)
		harm(t);
	return trainer_end_step(t, e);
}

static void spoil_loss(struct trainer *t)     { t->shard_loss[0] = NAN; }
static void spoil_gradient(struct trainer *t) { t->gradient[3] = INFINITY; }

static void blow_up_gradient(struct trainer *t)
{
	for (size_t i = 0; i < t->plan.weights * (size_t)t->pass.shards; i++)
		t->gradient[i] *= 1000;
}

static void finish_epoch(struct trainer *t, struct trainer_ws *w, struct epoch_report *report)
{
	int shards;
	while ((shards = trainer_begin_step(t)) > 0) {
		for (int s = 0; s < shards; s++)
			trainer_shard(t, s, w);
		ck_assert_int_eq(trainer_end_step(t, NULL), ERR_OK);
	}
	ck_assert_int_eq(trainer_end_epoch(t, report, NULL), ERR_OK);
}

static const struct { void (*harm)(struct trainer *); int after; double clip; bool skipped; } harm_cases[] = {
	{ spoil_loss,       0,  5,   true },
	{ spoil_gradient,   0,  5,   true },
	{ blow_up_gradient, 3,  5,   false },   /* too early to know what is usual */
	{ blow_up_gradient, 21, 5,   true },
	{ blow_up_gradient, 21, 1e6, false },   /* unusual, but not even clipped */
	{ blow_up_gradient, 21, 0,   true },
};

START_TEST(a_harmed_step_is_skipped)
{
	struct recipe r;
	struct epoch_report report;
	struct trainer_ws *w = NULL;
	small_recipe(&r);
	r.batch_size = 4;
	r.clip_norm = harm_cases[_i].clip;
	struct trainer *t = fixture_trainer(&r, fixture_sine(250, 1));
	size_t bytes = t->plan.weights * sizeof(float);
	float *before = malloc(bytes);
	ck_assert_int_eq(trainer_ws_new(t, &w, NULL), ERR_OK);
	trainer_begin_epoch(t);
	for (int i = 0; i < harm_cases[_i].after; i++)
		ck_assert_int_eq(harmed_step(t, w, NULL, NULL), ERR_OK);
	memcpy(before, t->now.weights, bytes);
	ck_assert_int_eq(harmed_step(t, w, harm_cases[_i].harm, NULL), ERR_OK);
	ck_assert_int_eq(memcmp(before, t->now.weights, bytes) == 0, harm_cases[_i].skipped);
	finish_epoch(t, w, &report);
	ck_assert_int_eq(report.skipped_steps, harm_cases[_i].skipped);
	ck_assert(!report.rolled_back);
	ck_assert(isfinite(report.train_loss) && isfinite(report.validation_loss));
	free(before);
	trainer_ws_free(w);
	trainer_free(t);
}
END_TEST

START_TEST(three_skips_roll_back_and_three_roll_backs_end)
{
	struct epoch_report report;
	struct trainer_ws *w = NULL;
	struct error e;
	struct trainer *t = small_trainer();
	size_t bytes = t->plan.weights * sizeof(float);
	float *good = malloc(bytes);
	ck_assert_int_eq(trainer_ws_new(t, &w, NULL), ERR_OK);
	ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
	memcpy(good, t->now.weights, bytes);
	double rate = t->course.rate;
	for (int round = 1; round <= 2; round++) {
		trainer_begin_epoch(t);
		for (int i = 0; i < 3; i++)
			ck_assert_int_eq(harmed_step(t, w, spoil_loss, NULL), ERR_OK);
		ck_assert_int_eq(memcmp(good, t->now.weights, bytes), 0);
		finish_epoch(t, w, &report);
		ck_assert(report.rolled_back && !report.best);
		ck_assert_int_eq(report.skipped_steps, 3);
		ck_assert(fabs(t->course.rate - rate / (1 << round)) <= 1e-12);
	}
	trainer_begin_epoch(t);
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(harmed_step(t, w, spoil_loss, NULL), ERR_OK);
	ck_assert_int_eq(harmed_step(t, w, spoil_loss, &e), ERR_DIVERGED);
	ck_assert(trainer_done(t));
	ck_assert(strstr(e.what, "learning rate"));
	ck_assert_int_eq(memcmp(good, t->best, bytes), 0);   /* what was learnt before is still there */
	free(good);
	trainer_ws_free(w);
	trainer_free(t);
}
END_TEST

START_TEST(an_epoch_that_goes_well_forgives_roll_backs)
{
	struct recipe r;
	struct epoch_report report;
	struct trainer_ws *w = NULL;
	small_recipe(&r);
	r.epochs = 10;
	struct trainer *t = fixture_trainer(&r, fixture_sine(250, 1));
	ck_assert_int_eq(trainer_ws_new(t, &w, NULL), ERR_OK);
	while (!trainer_done(t)) {
		bool harmed = trainer_epoch(t) % 3 > 0;   /* two of three */
		trainer_begin_epoch(t);
		for (int i = 0; harmed && i < 3; i++)
			ck_assert_int_eq(harmed_step(t, w, spoil_loss, NULL), ERR_OK);
		finish_epoch(t, w, &report);
		ck_assert_int_eq(report.rolled_back, harmed);
	}
	ck_assert_int_eq(trainer_epoch(t), 10);
	trainer_ws_free(w);
	trainer_free(t);
}
END_TEST

START_TEST(rare_skips_do_not_roll_back)
{
	struct guard seen;
	struct recipe r;
	struct trainer_ws *w = NULL;
	small_recipe(&r);
	r.batch_size = 1;
	struct trainer *t = fixture_trainer(&r, fixture_sine(250, 1));
	ck_assert_int_eq(trainer_ws_new(t, &w, NULL), ERR_OK);
	trainer_begin_epoch(t);
	for (int i = 0; i < 120; i++)   /* 51 steps apart: two in any hundred */
		ck_assert_int_eq(harmed_step(t, w, i % 51 ? NULL : spoil_loss, NULL), ERR_OK);
	seen = t->course.guard;
	ck_assert_uint_eq(seen.skips, 3);
	ck_assert_int_eq(seen.rollbacks, 0);
	trainer_ws_free(w);
	trainer_free(t);
}
END_TEST

START_TEST(weights_that_are_no_numbers_come_back)
{
	struct epoch_report report;
	struct trainer *t = small_trainer();
	ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
	for (size_t i = 0; i < t->plan.weights; i++)
		t->now.weights[i] = NAN;
	ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
	ck_assert(report.rolled_back);
	ck_assert(isfinite(report.validation_loss));
	ck_assert_int_eq(fixture_train(t, 1, &report, NULL), ERR_OK);
	ck_assert_int_eq(trainer_epoch(t), EPOCHS);
	trainer_free(t);
}
END_TEST

START_TEST(rows_beyond_floats_diverge_without_harm)
{
	struct recipe r;
	struct error e;
	fixture_recipe(&r);
	r.batch_size = 8;
	struct frame *f = fixture_sine(300, 1);
	frame_set_number(f, 0, 5, -1);   /* no logs */
	for (size_t i = 20; i < 210; i += 9)
		frame_set_number(f, 0, i, i % 2 ? 1e200 : -1e200);
	struct trainer *t = fixture_trainer(&r, f);
	ck_assert_int_eq(fixture_train(t, 1, NULL, &e), ERR_DIVERGED);
	for (size_t i = 0; i < t->plan.weights; i++)
		ck_assert(isfinite(t->now.weights[i]));
	trainer_free(t);
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(c, test, 0, (int)(sizeof(table) / sizeof *(table)))

int main(void)
{
	Suite *s = suite_create("trainer_state");
	TCase *c = tcase_create("trainer_state");
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 300);
	LOOP(a_restored_training_continues_bit_for_bit, steering_cases);
	LOOP(the_schedule_steers_and_is_reported, steering_cases);
	tcase_add_test(c, truncated_states_are_refused);
	tcase_add_test(c, flipped_bytes_are_refused);
	LOOP(forged_states_are_refused, forged_cases);
	tcase_add_test(c, states_of_other_jobs_are_refused);
	tcase_add_test(c, a_state_over_the_buffers_maximum_fails_the_buffer);
	LOOP(a_harmed_step_is_skipped, harm_cases);
	tcase_add_test(c, three_skips_roll_back_and_three_roll_backs_end);
	tcase_add_test(c, an_epoch_that_goes_well_forgives_roll_backs);
	tcase_add_test(c, rare_skips_do_not_roll_back);
	tcase_add_test(c, weights_that_are_no_numbers_come_back);
	tcase_add_test(c, rows_beyond_floats_diverge_without_harm);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

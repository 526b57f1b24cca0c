#include "fixture.h"

#include "model/base/rng.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>

#include "tests/unit/check.h"

#define THREADS_MAX 4

static struct frame *new_frame(size_t rows, int columns)
{
	static const char *const name[] = { "y", "z" };
	struct frame *f = frame_new();
	ck_assert_ptr_nonnull(f);
	for (int j = 0; j < columns; j++)
		ck_assert_int_eq(frame_add_column(f, name[j], COLUMN_NUMBER, NULL), ERR_OK);
	for (size_t i = 0; i < rows; i++)
		ck_assert_int_eq(frame_add_row(f, NULL), ERR_OK);
	return f;
}

static double sine(size_t i, double period)
{
	return sin(2 * M_PI * (double)i / period);
}

struct frame *fixture_sine(size_t rows, double noise)
{
	struct frame *f = new_frame(rows, 1);
	struct rng rng;
	rng_init(&rng, 7, RNG_TEST, 0);
	for (size_t i = 0; i < rows; i++)
		frame_set_number(f, 0, i, 10 + 3 * sine(i, 24) + noise * rng_normal(&rng));
	return f;
}

struct frame *fixture_walk(size_t rows, uint64_t seed)
{
	struct frame *f = new_frame(rows, 1);
	struct rng rng;
	double y = 100;
	rng_init(&rng, seed, RNG_TEST, 1);
	for (size_t i = 0; i < rows; i++)
		frame_set_number(f, 0, i, y += 0.1 * rng_normal(&rng));
	return f;
}

struct frame *fixture_pair(size_t rows)
{
	struct frame *f = new_frame(rows, 2);
	for (size_t i = 0; i < rows; i++) {
		frame_set_number(f, 0, i, 10 + 3 * sine(i, 24));
		frame_set_number(f, 1, i, 3000 * sine(i, 40));
	}
	return f;
}

void fixture_recipe(struct recipe *r)
{
	recipe_default(r);
	snprintf(r->dataset, sizeof r->dataset, "series");
	snprintf(r->model, sizeof r->model, "series-4");
	snprintf(r->target[0], sizeof r->target[0], "y");
	r->targets = 1;
	r->window = 16;
	r->horizon = 4;
	r->hidden = 12;
	r->batch_size = 32;
	r->epochs = 6;
	r->learning_rate = 0.005;
}

struct crew {
	struct trainer *t;
	struct trainer_ws *ws;
	int first, stride, shards;
};

static void *run_shards(void *arg)
{
	struct crew *c = arg;
	for (int s = c->first; s < c->shards; s += c->stride)
		trainer_shard(c->t, s, c->ws);
	return NULL;
}

static void run_step(struct crew *crew, int threads, int shards)
{
	pthread_t thread[THREADS_MAX];
	for (int i = 0; i < threads; i++) {
		crew[i].shards = shards;
		ck_assert_int_eq(pthread_create(&thread[i], NULL, run_shards, &crew[i]), 0);
	}
	for (int i = 0; i < threads; i++)
		pthread_join(thread[i], NULL);
}

enum err fixture_epoch(struct trainer *t, int threads, struct epoch_report *report, struct error *e)
{
	struct crew crew[THREADS_MAX] = { { 0 } };
	enum err rc = ERR_OK;
	int shards, steps = 0;

	ck_assert(threads <= THREADS_MAX);
	for (int i = 0; i < threads; i++) {
		crew[i] = (struct crew){ .t = t, .first = i, .stride = threads };
		ck_assert_int_eq(trainer_ws_new(t, &crew[i].ws, NULL), ERR_OK);
	}
	trainer_begin_epoch(t);
	while (!rc && (shards = trainer_begin_step(t)) > 0) {
		run_step(crew, threads, shards);
		rc = trainer_end_step(t, e);
		steps++;
	}
	if (!rc)
		rc = trainer_end_epoch(t, report, e);
	if (!rc && !report->rolled_back)
		ck_assert_int_eq(steps, trainer_plan(t)->steps);
	for (int i = 0; i < threads; i++)
		trainer_ws_free(crew[i].ws);
	return rc;
}

enum err fixture_train(struct trainer *t, int threads, struct epoch_report *last, struct error *e)
{
	struct epoch_report report;
	enum err rc = ERR_OK;
	while (!rc && !trainer_done(t))
		rc = fixture_epoch(t, threads, last ? last : &report, e);
	return rc;
}

struct trainer *fixture_trainer(const struct recipe *r, struct frame *f)
{
	struct trainer *t = NULL;
	struct error e = { 0 };
	enum err rc = trainer_new(r, f, &t, &e);
	ck_assert_msg(rc == ERR_OK, "%s: %s", e.where, e.what);
	frame_free(f);
	return t;
}

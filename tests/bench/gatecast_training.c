/* gatecast_training.c - our training as a racer (racer.h): a call is one step of the trainer.
 *
 *     gatecast_training_racer [THREADS]
 *
 * It answers with what can be compared: the loss of one minibatch and its gradient, by the functions that the trainer
 * calls for a shard, each sequence's targets being the first numbers of its first column. Every few hundred steps a
 * validation of a few batches rides along; it is less than a hundredth of the time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/nn/loss.h"
#include "model/nn/network.h"
#include "model/trainer.h"
#include "server/shards.h"
#include "tests/bench/racer.h"

#define ROWS 20000

struct training {
	const struct bench_case *c;
	int T, batch, threads;
	struct trainer *t;
	struct shards *shards;
	bool in_epoch;
	float *answer;
};

/* Prices that wander: what is in them makes no difference to the time. */
static struct frame *frame_make(const struct bench_case *c, int T, struct error *e)
{
	struct frame *f = frame_new();
	float *move = bench_case_input(c, T);
	enum err rc = f && move ? ERR_OK : fail_nomem(e);
	for (int k = 0; !rc && k < c->spec.inputs; k++)
		rc = frame_add_column(f, (const char[]){ (char)('a' + k), '\0' }, COLUMN_NUMBER, e);
	double price = 0;
	for (size_t row = 0; !rc && row < ROWS; row++) {
		rc = frame_add_row(f, e);
		for (int k = 0; !rc && k < c->spec.inputs; k++) {
			price = 0.99 * price + 0.01 * (double)move[(row * c->spec.inputs + k) % ((size_t)CASE_MAX_BATCH * T)];
			frame_set_number(f, k, row, 100 * exp(price));
		}
	}
	free(move);
	if (!rc)
		return f;
	frame_free(f);
	return NULL;
}

static void recipe_make(const struct training *a, struct recipe *r)
{
	recipe_default(r);
	strcpy(r->dataset, "bench");
	strcpy(r->model, "bench");
	strcpy(r->target[0], "a");
	r->targets = 1;
	r->features = a->c->spec.inputs;
	for (int k = 0; k < r->features; k++)
		r->feature[k][0] = (char)('a' + k);
	r->window = a->T;
	r->hidden = a->c->spec.hidden;
	r->horizon = a->c->spec.horizon;
	r->batch_size = a->batch;
	r->train = 0.98;
	r->validation = r->test = 0.01;
	r->clip_norm = 0;
	r->early_stopping_patience = 0;
	r->scheduler = SCHEDULER_NONE;
	r->epochs = 100000;
}

static void release(struct training *a)
{
	shards_free(a->shards);
	trainer_free(a->t);
	free(a->answer);
	a->shards = NULL;
	a->t = NULL;
	a->answer = NULL;
	a->in_epoch = false;
}

static const char *prepare(void *self, const struct bench_case *c, int T, int batch)
{
	static struct error e;
	struct training *a = self;
	struct recipe r;
	release(a);
	a->c = c;
	a->T = T;
	a->batch = batch;
	recipe_make(a, &r);
	struct frame *f = frame_make(c, T, &e);
	enum err rc = f ? trainer_new(&r, f, &a->t, &e) : ERR_NOMEM;
	frame_free(f);
	if (!rc)
		rc = shards_new(a->t, a->threads, &a->shards, &e);
	return rc ? e.what : NULL;
}

static void run(void *self)
{
	struct training *a = self;
	struct epoch_report report;
	struct error e;
	int n;
	if (!a->in_epoch)
		trainer_begin_epoch(a->t);
	a->in_epoch = true;
	while ((n = trainer_begin_step(a->t)) == 0) {
		if (trainer_end_epoch(a->t, &report, &e)) {
			fprintf(stderr, "gatecast_training_racer: %s\n", e.what);
			exit(EXIT_FAILURE);
		}
		trainer_begin_epoch(a->t);
	}
	shards_run(a->shards, n);
	if (trainer_end_step(a->t, &e)) {
		fprintf(stderr, "gatecast_training_racer: %s\n", e.what);
		exit(EXIT_FAILURE);
	}
}

/* One minibatch in the training execution's layout. */
struct minibatch {
	float *params, *rows;        /* as the case has them */
	float *x, *y, *dy, *target, *ws;   /* [T][B][inputs], [horizon][B] */
	int *lengths;
};

static bool minibatch_init(struct minibatch *m, const struct training *a)
{
	const struct net_spec *s = &a->c->spec;
	const size_t T = (size_t)a->T, B = (size_t)a->batch, in = (size_t)s->inputs, answers = (size_t)s->horizon * B;
	*m = (struct minibatch){
		.params = bench_case_weights(a->c), .rows = bench_case_input(a->c, a->T),
		.x = calloc(T * B * in, sizeof(float)), .y = calloc(answers, sizeof(float)),
		.dy = calloc(answers, sizeof(float)), .target = calloc(answers, sizeof(float)),
		.ws = aligned_alloc(64, (network_scratch(s, a->T, a->batch) * sizeof(float) + 63) / 64 * 64),
		.lengths = calloc(B, sizeof(int)),
	};
	if (!m->params || !m->rows || !m->x || !m->y || !m->dy || !m->target || !m->ws || !m->lengths)
		return false;
	for (size_t b = 0; b < B; b++) {
		m->lengths[b] = a->T;
		const float *from = m->rows + b * T * in;
		for (size_t t = 0; t < T; t++)
			memcpy(m->x + (t * B + b) * in, from + t * in, in * sizeof *from);
		for (size_t h = 0; h < (size_t)s->horizon; h++)
			m->target[h * B + b] = from[h * in];
	}
	return true;
}

static void minibatch_fini(struct minibatch *m)
{
	free(m->params);
	free(m->rows);
	free(m->x);
	free(m->y);
	free(m->dy);
	free(m->target);
	free(m->ws);
	free(m->lengths);
}

/* The loss, then the gradient in the order of the tensors. */
static const float *outputs(void *self, size_t *n)
{
	struct training *a = self;
	const struct net_spec *s = &a->c->spec;
	const size_t answers = (size_t)s->horizon * (size_t)a->batch;
	const struct loss mse = { .type = LOSS_MSE, .levels = 1 };
	struct minibatch m;
	struct tensor_table table;
	net_tensors(s, &table);
	free(a->answer);
	a->answer = calloc(1 + table.count, sizeof *a->answer);
	*n = 0;
	if (minibatch_init(&m, a) && a->answer) {
		const struct network_input in = { .T = a->T, .B = a->batch, .lengths = m.lengths, .x = m.x };
		network_forward(s, m.params, &in, &(struct network_output){ .y = m.y }, m.ws);
		a->answer[0] = (float)(loss_forward_backward(&mse, answers, m.y, m.target, 1.0 / (double)answers, m.dy)
			/ (double)answers);
		network_backward(s, m.params, &in, m.dy, a->answer + 1, NULL, m.ws);
		*n = 1 + table.count;
	}
	minibatch_fini(&m);
	return a->answer;
}

int main(int argc, char **argv)
{
	struct training a = { .threads = argc > 1 ? atoi(argv[1]) : 1 };
	const int status = racer_follow(&(struct racer){ prepare, run, outputs, &a, a.threads > 1 });
	release(&a);
	return status;
}

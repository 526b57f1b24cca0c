/* sequences.c - see sequences.h. */
#include "tests/unit/infer/sequences.h"

#include <stdlib.h>
#include <string.h>

static bool has_states(const struct net_spec *s)
{
	return s->encoder != ENCODER_TRANSFORMER && s->decoder != DECODER_SEGMENT;
}

static void answers_init(struct sequences *q)
{
	q->y = must_alloc(q->n * q->y_size * sizeof *q->y);
	q->attention = must_alloc(q->n * q->attention_size * sizeof *q->attention);
	q->final = must_alloc(q->n * q->state_size * sizeof *q->final);
	for (int i = 0; i < q->n; i++) {
		q->seq[i].y = q->y + i * q->y_size;
		q->seq[i].attention = q->attention + i * q->attention_size;
		q->seq[i].final = q->final + i * q->state_size;
	}
}

void sequences_init(struct sequences *q, const struct net_spec *s, int n, int max_T, struct rng *r)
{
	q->n = n;
	q->x_size = (size_t)max_T * s->inputs;
	q->y_size = (size_t)net_steps(s, max_T) * net_outputs(s) + 1;
	q->attention_size = (size_t)s->horizon * max_T + 1;
	q->state_size = (has_states(s) ? (size_t)net_state_size(s) : 0) + 1;
	q->seq = must_alloc((size_t)n * sizeof *q->seq);
	q->x = must_alloc(n * q->x_size * sizeof *q->x);
	q->start = must_alloc(n * q->state_size * sizeof *q->start);
	draw_floats(r, q->start, n * q->state_size, 1);
	draw_floats(r, q->x, n * q->x_size, 2);
	for (size_t i = 0; s->vocabulary && i < n * q->x_size; i++)
		q->x[i] = (float)draw_int(r, 0, s->vocabulary - 1);
	for (int i = 0; i < n; i++)
		q->seq[i] = (struct infer_sequence){
			.x = q->x + i * q->x_size, .T = draw_int(r, 1, max_T),
			.start = has_states(s) && i % 2 ? q->start + i * q->state_size : NULL,
		};
	answers_init(q);
}

void sequences_fini(struct sequences *q)
{
	free(q->final);
	free(q->attention);
	free(q->y);
	free(q->start);
	free(q->x);
	free(q->seq);
}

void sequences_again(struct sequences *q, const struct sequences *of)
{
	*q = *of;
	q->x = q->start = NULL;
	q->seq = must_alloc((size_t)q->n * sizeof *q->seq);
	memcpy(q->seq, of->seq, (size_t)q->n * sizeof *q->seq);
	answers_init(q);
}

static void fill(float *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = GUARD;
}

void sequences_clear(struct sequences *q)
{
	fill(q->y, q->n * q->y_size);
	fill(q->attention, q->n * q->attention_size);
	fill(q->final, q->n * q->state_size);
}

void run_alone(const struct infer_model *m, struct infer_ws *w, struct sequences *q)
{
	sequences_clear(q);
	for (int i = 0; i < q->n; i++)
		infer_run(m, w, &q->seq[i], 1);
}

void run_mixed(const struct infer_model *m, struct infer_ws *w, struct sequences *q, struct rng *r)
{
	uint32_t *order = must_alloc((size_t)q->n * sizeof *order);
	struct infer_sequence call[MAX_ROWS];

	sequences_clear(q);
	for (int i = 0; i < q->n; i++)
		order[i] = (uint32_t)i;
	rng_shuffle(r, order, (size_t)q->n);
	for (int first = 0; first < q->n;) {
		int rows = draw_int(r, 1, MAX_ROWS);
		if (rows > q->n - first)
			rows = q->n - first;
		for (int i = 0; i < rows; i++)
			call[i] = q->seq[order[first + i]];
		infer_run(m, w, call, rows);
		first += rows;
	}
	free(order);
}

static void check_same(const float *a, const float *b, size_t n)
{
	ck_assert_int_eq(memcmp(a, b, n * sizeof *a), 0);
}

void check_same_bits(const struct sequences *a, const struct sequences *b)
{
	check_same(a->y, b->y, a->n * a->y_size);
	check_same(a->attention, b->attention, a->n * a->attention_size);
	check_same(a->final, b->final, a->n * a->state_size);
}

void check_guards(const struct net_spec *s, const struct sequences *q)
{
	for (int i = 0; i < q->n; i++) {
		const struct infer_sequence *seq = &q->seq[i];
		ck_assert(seq->y[(size_t)net_steps(s, seq->T) * net_outputs(s)] == GUARD);
		ck_assert(seq->attention[(size_t)s->horizon * seq->T] == GUARD);
		ck_assert(seq->final[q->state_size - 1] == GUARD);
	}
}

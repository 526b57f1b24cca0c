/* attention.c - see attention.h. */
#include "model/nn/attention.h"

#include "model/nn/activation.h"
#include "model/nn/softmax.h"
#include "model/nn/vector.h"

#include <string.h>

struct attention attention_at(const struct net_spec *s, const struct tensor_table *t)
{
	struct attention a = { .score = net_additive(s) ? SCORE_ADDITIVE : SCORE_DOT, .key = net_width(s),
	                       .query = net_width(s) };
	if (a.score == SCORE_ADDITIVE) {
		a.query = s->attention;
		if (s->decoder == DECODER_ATTENTION)
			a.query_map = linear_at(t, "decoder.attention.query.weight", NULL);
		a.key_map = linear_at(t, "decoder.attention.key.weight", "decoder.attention.key.bias");
		a.v = linear_at(t, "decoder.attention.score.weight", NULL).w;
	}
	return a;
}

/* Whether an additive score has a query. */
static inline bool asks(const struct attention *a)
{
	return a->query_map.in > 0;
}

void attention_tape_take(struct attention_tape *t, const struct attention *a, size_t rows, int T, int B, int steps,
                         struct scratch *s)
{
	size_t query = (size_t)a->query, queries = (size_t)steps * (size_t)B;
	*t = (struct attention_tape){ 0 };
	t->query = scratch_take(s, queries * query);
	t->weights = scratch_take(s, queries * (size_t)T);
	t->dquery = scratch_take(s, query);
	t->dscores = scratch_take(s, (size_t)T);
	if (a->score == SCORE_ADDITIVE) {
		t->wt_query = scratch_take(s, (size_t)a->query_map.in * query);
		t->wt_key = scratch_take(s, (size_t)a->key * query);
		t->projected = scratch_take(s, rows * query);
		t->dprojected = scratch_take(s, rows * query);
	}
}

/* x becomes e^2x, of which attention.h makes a tanh. */
VECTORISED static void exp_twice(size_t n, real *x)
{
	for (size_t i = 0; i < n; i++)
		x[i] = activation_exp(2 * x[i]);
}

void attention_prepare(const struct attention *a, const real *params, const struct packing *p, const real *keys,
                       struct attention_tape *tape)
{
	if (a->score == SCORE_DOT)
		return;
	if (asks(a))
		linear_transpose(&a->query_map, params, tape->wt_query);
	linear_transpose(&a->key_map, params, tape->wt_key);
	linear_forward(&a->key_map, params, tape->wt_key, p->rows, keys, tape->projected);
	exp_twice((size_t)p->rows * (size_t)a->query, tape->projected);
}

void attention_clear(const struct attention *a, const struct packing *p, struct attention_tape *tape)
{
	if (a->score == SCORE_ADDITIVE)
		memset(tape->dprojected, 0, (size_t)p->rows * (size_t)a->query * sizeof(real));
}

static inline real *query_of(const struct attention *a, const struct packing *p, int step, int b,
                             struct attention_tape *tape)
{
	return tape->query + ((size_t)step * (size_t)p->B + (size_t)b) * (size_t)a->query;
}

static inline real *weights_of(const struct packing *p, int step, int b, struct attention_tape *tape)
{
	return tape->weights + ((size_t)step * (size_t)p->B + (size_t)b) * (size_t)p->T;
}

VECTORISED static void add(int n, const real *x, real *y)
{
	vector_add_scaled(n, 1, x, y);
}

static real dot_scale(const struct attention *a)
{
	return 1 / REAL(sqrt)((real)a->key);
}

static void query_forward(const struct attention *a, const real *params, const struct packing *p, int step,
                          const real *state, struct attention_tape *tape)
{
	real *query = query_of(a, p, step, 0, tape);
	size_t n = (size_t)p->B * (size_t)a->query;
	if (a->score == SCORE_DOT) {
		memcpy(query, state, n * sizeof(real));
		return;
	}
	if (asks(a))
		linear_forward(&a->query_map, params, tape->wt_query, p->B, state, query);
	else
		memset(query, 0, n * sizeof(real));
	exp_twice(n, query);
}

/* tanh(q + k) from e^2q and e^2k. */
static inline __attribute__((always_inline)) real tanh_of(real q, real k)
{
	return 1 - 2 / (1 + q * k);
}

/* v · tanh(q + k) of one key, from e^2q and e^2k, summed as vector_dot() sums. */
static inline __attribute__((always_inline)) real additive_score(int att, const real *restrict v,
                                                                 const real *restrict q, const real *restrict k)
{
	real lane[VECTOR_LANES] = { 0 };
	int i = 0;
	for (; i + VECTOR_LANES <= att; i += VECTOR_LANES)
		for (int l = 0; l < VECTOR_LANES; l++)
			lane[l] += v[i + l] * tanh_of(q[i + l], k[i + l]);
	for (int l = 0; i < att; i++, l++)
		lane[l] += v[i] * tanh_of(q[i], k[i]);
	return vector_fold(lane);
}

VECTORISED static void additive_scores(const struct attention *a, const real *v, const struct packing *p, int b,
                                       const real *query, const real *projected, real *scores)
{
	for (int s = 0; s < p->lengths[b]; s++)
		scores[s] = additive_score(a->query, v, query, projected + packing_row(p, s, b) * (size_t)a->query);
}

VECTORISED static void dot_scores(const struct attention *a, const struct packing *p, int b, const real *query,
                                  const real *keys, real *scores)
{
	real scale = dot_scale(a);
	for (int s = 0; s < p->lengths[b]; s++)
		scores[s] = scale * vector_dot(a->key, query, keys + packing_row(p, s, b) * (size_t)a->key);
}

/* The sum of the keys of sequence b, each times its weight. */
VECTORISED static void weigh_keys(const struct attention *a, const struct packing *p, int b, const real *weights,
                                  const real *keys, real *context)
{
	memset(context, 0, (size_t)a->key * sizeof(real));
	for (int s = 0; s < p->lengths[b]; s++)
		vector_add_scaled(a->key, weights[s], keys + packing_row(p, s, b) * (size_t)a->key, context);
}

void attention_forward(const struct attention *a, const real *params, const struct packing *p, int step,
                       const real *keys, const real *state, real *context, int ld, struct attention_tape *tape)
{
	query_forward(a, params, p, step, state, tape);
	for (int b = 0; b < p->B; b++) {
		const real *query = query_of(a, p, step, b, tape);
		real *weights = weights_of(p, step, b, tape);
		int length = p->lengths[b];

		if (a->score == SCORE_DOT)
			dot_scores(a, p, b, query, keys, weights);
		else
			additive_scores(a, params + a->v, p, b, query, tape->projected, weights);
		softmax(length, weights);
		memset(weights + length, 0, (size_t)(p->T - length) * sizeof(real));
		weigh_keys(a, p, b, weights, keys, context + (size_t)b * (size_t)ld);
	}
}

/* The context's part: dkeys += a dcontext, and the gradients of the scores through the softmax. */
VECTORISED static void context_backward(const struct attention *a, const struct packing *p, int b,
                                        const real *weights, const real *keys, const real *dcontext, real *dkeys,
                                        real *dscores)
{
	for (int s = 0; s < p->lengths[b]; s++) {
		size_t row = packing_row(p, s, b) * (size_t)a->key;
		dscores[s] = vector_dot(a->key, dcontext, keys + row);
		vector_add_scaled(a->key, weights[s], dcontext, dkeys + row);
	}
	softmax_backward(p->lengths[b], weights, dscores);
}

/* One score's part. */
static inline __attribute__((always_inline)) void score_backward(int att, real dscore, const real *restrict v,
                                                                 const real *restrict q, const real *restrict k,
                                                                 real *restrict dv, real *restrict dq,
                                                                 real *restrict dk)
{
	for (int j = 0; j < att; j++) {
		real t = tanh_of(q[j], k[j]), du = dscore * v[j] * (1 - t * t);
		dv[j] += dscore * t;
		dq[j] += du;
		dk[j] += du;
	}
}

/* From tape->dscores of sequence b to tape->dquery and the gradients of v and of the projected keys. */
VECTORISED static void additive_backward(const struct attention *a, const real *v, const struct packing *p, int b,
                                         const real *query, struct attention_tape *tape, real *dv)
{
	for (int s = 0; s < p->lengths[b]; s++) {
		size_t row = packing_row(p, s, b) * (size_t)a->query;
		score_backward(a->query, tape->dscores[s], v, query, tape->projected + row, dv, tape->dquery,
		               tape->dprojected + row);
	}
}

/* From tape->dscores of sequence b to tape->dquery and dkeys. */
VECTORISED static void dot_backward(const struct attention *a, const struct packing *p, int b, const real *query,
                                    const real *keys, struct attention_tape *tape, real *dkeys)
{
	real scale = dot_scale(a);
	for (int s = 0; s < p->lengths[b]; s++) {
		size_t row = packing_row(p, s, b) * (size_t)a->key;
		vector_add_scaled(a->key, scale * tape->dscores[s], keys + row, tape->dquery);
		vector_add_scaled(a->key, scale * tape->dscores[s], query, dkeys + row);
	}
}

/* dstate += what the step's queries, now gradients, say of it. */
static void query_backward(const struct attention *a, const real *params, const struct packing *p, int step,
                           struct attention_tape *tape, real *dstate)
{
	const real *dquery = query_of(a, p, step, 0, tape);
	if (a->score == SCORE_DOT)
		add(p->B * a->key, dquery, dstate);
	else if (asks(a))
		linear_backward_input(&a->query_map, params, p->B, dquery, 1, dstate);
}

void attention_backward(const struct attention *a, const real *params, const struct packing *p, int step,
                        const real *keys, const real *dcontext, int ld, struct attention_tape *tape, real *dkeys,
                        real *dparams, real *dstate)
{
	size_t bytes = (size_t)a->query * sizeof(real);

	for (int b = 0; b < p->B; b++) {
		real *query = query_of(a, p, step, b, tape);

		context_backward(a, p, b, weights_of(p, step, b, tape), keys, dcontext + (size_t)b * (size_t)ld, dkeys,
		                 tape->dscores);
		memset(tape->dquery, 0, bytes);
		if (a->score == SCORE_DOT)
			dot_backward(a, p, b, query, keys, tape, dkeys);
		else
			additive_backward(a, params + a->v, p, b, query, tape, dparams + a->v);
		memcpy(query, tape->dquery, bytes);
	}
	query_backward(a, params, p, step, tape, dstate);
}

void attention_weights_backward(const struct attention *a, const real *params, const struct packing *p, int steps,
                                const real *keys, const real *states, const struct attention_tape *tape,
                                real *dkeys, real *dparams)
{
	if (a->score == SCORE_DOT)
		return;
	if (asks(a))
		linear_backward_weights(&a->query_map, steps * p->B, states, tape->query, dparams);
	linear_backward_weights(&a->key_map, p->rows, keys, tape->dprojected, dparams);
	linear_backward_input(&a->key_map, params, p->rows, tape->dprojected, 1, dkeys);
}

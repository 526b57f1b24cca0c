/* attention.c - see attention.h. */
#include "model/nn/attention.h"

#include "model/nn/activation.h"
#include "model/nn/softmax.h"
#include "model/nn/vector.h"

#include <string.h>

void attention_tape_take(struct attention_tape *t, const struct attention *a, size_t rows, int T, int B, int steps,
                         struct scratch *s)
{
	size_t att = (size_t)a->att, queries = (size_t)steps * (size_t)B;
	t->wt_query = scratch_take(s, (size_t)a->query_map.in * att);
	t->wt_key = scratch_take(s, (size_t)a->key * att);
	t->projected = scratch_take(s, rows * att);
	t->dprojected = scratch_take(s, rows * att);
	t->query = scratch_take(s, queries * att);
	t->weights = scratch_take(s, queries * (size_t)T);
	t->activation = scratch_take(s, att);
	t->dquery = scratch_take(s, att);
	t->dscores = scratch_take(s, (size_t)T);
}

void attention_prepare(const struct attention *a, const real *params, const struct packing *p, const real *keys,
                       struct attention_tape *tape)
{
	linear_transpose(&a->query_map, params, tape->wt_query);
	linear_transpose(&a->key_map, params, tape->wt_key);
	linear_forward(&a->key_map, params, tape->wt_key, p->rows, keys, tape->projected);
}

void attention_clear(const struct attention *a, const struct packing *p, struct attention_tape *tape)
{
	memset(tape->dprojected, 0, (size_t)p->rows * (size_t)a->att * sizeof(real));
}

static inline real *query_of(const struct attention *a, const struct packing *p, int step, int b,
                             struct attention_tape *tape)
{
	return tape->query + ((size_t)step * (size_t)p->B + (size_t)b) * (size_t)a->att;
}

static inline real *weights_of(const struct packing *p, int step, int b, struct attention_tape *tape)
{
	return tape->weights + ((size_t)step * (size_t)p->B + (size_t)b) * (size_t)p->T;
}

/* t = tanh(q + k), the activation behind a score. */
VECTORISED static void activate(int att, const real *restrict q, const real *restrict k, real *restrict t)
{
	for (int j = 0; j < att; j++)
		t[j] = activation_tanh(q[j] + k[j]);
}

VECTORISED static real dot(int n, const real *a, const real *b)
{
	return vector_dot(n, a, b);
}

VECTORISED static void add_scaled(int n, real a, const real *x, real *y)
{
	vector_add_scaled(n, a, x, y);
}

void attention_forward(const struct attention *a, const real *params, const struct packing *p, int step,
                       const real *keys, const real *state, real *context, int ld, struct attention_tape *tape)
{
	const real *v = params + a->score;
	size_t att = (size_t)a->att, key = (size_t)a->key;

	linear_forward(&a->query_map, params, tape->wt_query, p->B, state, query_of(a, p, step, 0, tape));
	for (int b = 0; b < p->B; b++) {
		const real *query = query_of(a, p, step, b, tape);
		real *weights = weights_of(p, step, b, tape), *sum = context + (size_t)b * (size_t)ld;
		int length = p->lengths[b];

		for (int s = 0; s < length; s++) {
			activate(a->att, query, tape->projected + packing_row(p, s, b) * att, tape->activation);
			weights[s] = dot(a->att, v, tape->activation);
		}
		softmax(length, weights);
		memset(weights + length, 0, (size_t)(p->T - length) * sizeof(real));
		memset(sum, 0, key * sizeof(real));
		for (int s = 0; s < length; s++)
			add_scaled(a->key, weights[s], keys + packing_row(p, s, b) * key, sum);
	}
}

/* The context's part: dkeys += a dcontext, and the gradients of the scores through the softmax. */
static void context_backward(const struct attention *a, const struct packing *p, int b, const real *weights,
                             const real *keys, const real *dcontext, real *dkeys, real *dscores)
{
	for (int s = 0; s < p->lengths[b]; s++) {
		size_t row = packing_row(p, s, b) * (size_t)a->key;
		dscores[s] = dot(a->key, dcontext, keys + row);
		add_scaled(a->key, weights[s], dcontext, dkeys + row);
	}
	softmax_backward(p->lengths[b], weights, dscores);
}

/* One score's part: t leaves as the gradient of tanh's argument. */
VECTORISED static void score_backward(int att, real dscore, const real *restrict v, real *restrict t, real *restrict dv,
                                      real *restrict dprojected)
{
	for (int j = 0; j < att; j++) {
		real tj = t[j], du = dscore * v[j] * (1 - tj * tj);
		dv[j] += dscore * tj;
		dprojected[j] += du;
		t[j] = du;
	}
}

void attention_backward(const struct attention *a, const real *params, const struct packing *p, int step,
                        const real *keys, const real *dcontext, int ld, struct attention_tape *tape, real *dkeys,
                        real *dparams, real *dstate)
{
	const real *v = params + a->score;
	size_t att = (size_t)a->att;

	for (int b = 0; b < p->B; b++) {
		real *query = query_of(a, p, step, b, tape), *dquery = tape->dquery;

		context_backward(a, p, b, weights_of(p, step, b, tape), keys, dcontext + (size_t)b * (size_t)ld, dkeys,
		                 tape->dscores);
		memset(dquery, 0, att * sizeof(real));
		for (int s = 0; s < p->lengths[b]; s++) {
			size_t row = packing_row(p, s, b) * att;
			activate(a->att, query, tape->projected + row, tape->activation);
			score_backward(a->att, tape->dscores[s], v, tape->activation, dparams + a->score,
			               tape->dprojected + row);
			add_scaled(a->att, 1, tape->activation, dquery);
		}
		memcpy(query, dquery, att * sizeof(real));
	}
	linear_backward_input(&a->query_map, params, p->B, query_of(a, p, step, 0, tape), 1, dstate);
}

void attention_weights_backward(const struct attention *a, const real *params, const struct packing *p, int steps,
                                const real *keys, const real *states, const struct attention_tape *tape,
                                real *dkeys, real *dparams)
{
	linear_backward_weights(&a->query_map, steps * p->B, states, tape->query, dparams);
	linear_backward_weights(&a->key_map, p->rows, keys, tape->dprojected, dparams);
	linear_backward_input(&a->key_map, params, p->rows, tape->dprojected, 1, dkeys);
}

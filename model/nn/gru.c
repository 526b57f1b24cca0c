/* gru.c - see gru.h. The gates' loops take each array apart into restrict
 * pointers: they never overlap, and told so the compiler makes vectors of them. */
#include "model/nn/gru.h"

#include "model/nn/activation.h"
#include "model/nn/blas.h"
#include "model/nn/vector.h"

#include <string.h>

enum gate { GATE_R, GATE_Z, GATE_N, GATES };

void gru_tape_take(struct gru_tape *t, const struct gru *g, size_t rows, int B, struct scratch *s)
{
	size_t in = (size_t)g->in, hid = (size_t)g->hid;
	t->wt_input = scratch_take(s, in * GATES * hid);
	t->wt_recurrent = scratch_take(s, hid * GATES * hid);
	t->gates = scratch_take(s, rows * GATES * hid);
	t->before = scratch_take(s, rows * hid);
	t->aux = scratch_take(s, rows * hid);
	t->h = scratch_take(s, rows * hid);
	t->step = scratch_take(s, (size_t)B * GATES * hid);
}

void gru_prepare(const struct gru *g, const real *params, struct gru_tape *tape)
{
	linear_transpose(&g->input, params, tape->wt_input);
	linear_transpose(&g->recurrent, params, tape->wt_recurrent);
}

/* Row `row` of an array of the tape with `width` states a row. */
static inline real *at(real *array, const struct gru *g, int row, int width)
{
	return array + (size_t)row * (size_t)g->hid * (size_t)width;
}

/* tape->step, columns of `count` gates from `gate` on = x [n][hid] · U' + c. */
static void recurrent_forward(const struct gru *g, const real *params, enum gate gate, int count, int n, const real *x,
                              struct gru_tape *tape)
{
	int hid = g->hid;
	real *y = at(tape->step, g, 0, 1) + gate * hid;
	if (g->recurrent.bias)
		rows_fill(n, count * hid, params + g->recurrent.b + gate * hid, y, GATES * hid);
	blas_product(n, count * hid, hid, x, hid, tape->wt_recurrent + gate * hid, GATES * hid, g->recurrent.bias, y,
	             GATES * hid);
}

/* dx [n][hid] = beta dx + d · U, where d holds `count` gates from `gate` on, `ld` numbers a row. */
static void recurrent_backward(const struct gru *g, const real *params, enum gate gate, int count, int n, const real *d,
                               int ld, real beta, real *dx)
{
	int hid = g->hid;
	const real *u = params + g->recurrent.w + (size_t)(gate * hid) * (size_t)hid;
	blas_product(n, hid, count * hid, d, ld, u, hid, beta, dx, hid);
}

/* Add the gradients of U and c of `count` gates from `gate` on; x [rows][hid] is what U was applied to. */
static void recurrent_weights(const struct gru *g, enum gate gate, int count, int rows, const real *d, int ld,
                              const real *x, real *dparams)
{
	int hid = g->hid;
	real *du = dparams + g->recurrent.w + (size_t)(gate * hid) * (size_t)hid;
	blas_product_transposed(count * hid, hid, rows, d, ld, x, hid, du, hid);
	if (g->recurrent.bias)
		rows_sum(rows, count * hid, d, ld, dparams + g->recurrent.b + gate * hid);
}

/* reset_after = true, a row: r, z, n enter as the input's parts and leave as gates; u [3 hid] is the recurrent part. */
VECTORISED static void after_forward(int hid, real *restrict r, real *restrict z, real *restrict n,
                                     const real *restrict u, const real *restrict before, real *restrict un,
                                     real *restrict h)
{
	for (int j = 0; j < hid; j++) {
		real rj = activation_sigmoid(r[j] + u[j]);
		real zj = activation_sigmoid(z[j] + u[hid + j]);
		real uj = u[2 * hid + j];
		real nj = activation_tanh(n[j] + rj * uj);
		r[j] = rj;
		z[j] = zj;
		n[j] = nj;
		un[j] = uj;
		h[j] = (1 - zj) * nj + zj * before[j];
	}
}

/* The same row backward; u [3 hid] leaves as the gradients of the recurrent part, un as those of its candidate. */
VECTORISED static void after_backward(int hid, real *restrict r, real *restrict z, real *restrict n, real *restrict ur,
                                      real *restrict uz, real *restrict u_n, const real *restrict before,
                                      real *restrict un, real *restrict dh)
{
	for (int j = 0; j < hid; j++) {
		real d = dh[j], rj = r[j], zj = z[j], nj = n[j];
		real dn = d * (1 - zj) * (1 - nj * nj);
		real dz = d * (before[j] - nj) * zj * (1 - zj);
		real dr = dn * un[j] * rj * (1 - rj);
		r[j] = ur[j] = dr;
		z[j] = uz[j] = dz;
		n[j] = dn;
		u_n[j] = un[j] = dn * rj;
		dh[j] = d * zj;
	}
}

/* reset_after = false, first half of a row: r, z, and what Un is applied to. */
VECTORISED static void before_forward_reset(int hid, real *restrict r, real *restrict z, const real *restrict u,
                                            const real *restrict before, real *restrict rh)
{
	for (int j = 0; j < hid; j++) {
		r[j] = activation_sigmoid(r[j] + u[j]);
		z[j] = activation_sigmoid(z[j] + u[hid + j]);
		rh[j] = r[j] * before[j];
	}
}

/* Second half: the candidate and the new state. */
VECTORISED static void before_forward_blend(int hid, const real *restrict z, real *restrict n, const real *restrict un,
                                            const real *restrict before, real *restrict h)
{
	for (int j = 0; j < hid; j++) {
		n[j] = activation_tanh(n[j] + un[j]);
		h[j] = (1 - z[j]) * n[j] + z[j] * before[j];
	}
}

/* Backward, first half: z and n; d(r * h) needs a product with Un before r can follow. */
VECTORISED static void before_backward_blend(int hid, real *restrict z, real *restrict n, const real *restrict before,
                                             real *restrict dh)
{
	for (int j = 0; j < hid; j++) {
		real d = dh[j], zj = z[j], nj = n[j];
		n[j] = d * (1 - zj) * (1 - nj * nj);
		z[j] = d * (before[j] - nj) * zj * (1 - zj);
		dh[j] = d * zj;
	}
}

VECTORISED static void before_backward_reset(int hid, real *restrict r, const real *restrict drh,
                                             const real *restrict before, real *restrict dh)
{
	for (int j = 0; j < hid; j++) {
		real rj = r[j];
		r[j] = drh[j] * before[j] * rj * (1 - rj);
		dh[j] += drh[j] * rj;
	}
}

void gru_input_forward(const struct gru *g, const real *params, int first, int n, const real *x,
                       struct gru_tape *tape)
{
	linear_forward(&g->input, params, tape->wt_input, n, x, at(tape->gates, g, first, GATES));
}

void gru_step_forward(const struct gru *g, const real *params, int first, int n, const real *before,
                      struct gru_tape *tape)
{
	int hid = g->hid;
	size_t bytes = (size_t)n * (size_t)hid * sizeof(real);
	real *h = at(tape->before, g, first, 1), *aux = at(tape->aux, g, first, 1);

	if (before)
		memcpy(h, before, bytes);
	else
		memset(h, 0, bytes);
	if (g->reset_after) {
		recurrent_forward(g, params, GATE_R, 3, n, h, tape);
		for (int i = 0; i < n; i++) {
			real *gates = at(tape->gates, g, first + i, GATES);
			after_forward(hid, gates, gates + hid, gates + 2 * hid, at(tape->step, g, i, GATES),
			              at(h, g, i, 1), at(aux, g, i, 1), at(tape->h, g, first + i, 1));
		}
		return;
	}
	recurrent_forward(g, params, GATE_R, 2, n, h, tape);
	for (int i = 0; i < n; i++) {
		real *gates = at(tape->gates, g, first + i, GATES);
		before_forward_reset(hid, gates, gates + hid, at(tape->step, g, i, GATES), at(h, g, i, 1),
		                     at(aux, g, i, 1));
	}
	recurrent_forward(g, params, GATE_N, 1, n, aux, tape);
	for (int i = 0; i < n; i++) {
		real *gates = at(tape->gates, g, first + i, GATES);
		before_forward_blend(hid, gates + hid, gates + 2 * hid, at(tape->step, g, i, GATES) + 2 * hid,
		                     at(h, g, i, 1), at(tape->h, g, first + i, 1));
	}
}

void gru_step_backward(const struct gru *g, const real *params, int first, int n, struct gru_tape *tape, real *dh)
{
	int hid = g->hid;
	real *before = at(tape->before, g, first, 1), *aux = at(tape->aux, g, first, 1);
	real *gates = at(tape->gates, g, first, GATES);

	if (g->reset_after) {
		for (int i = 0; i < n; i++) {
			real *row = at(gates, g, i, GATES), *step = at(tape->step, g, i, GATES);
			after_backward(hid, row, row + hid, row + 2 * hid, step, step + hid, step + 2 * hid,
			               at(before, g, i, 1), at(aux, g, i, 1), at(dh, g, i, 1));
		}
		recurrent_backward(g, params, GATE_R, 3, n, tape->step, GATES * hid, 1, dh);
		return;
	}
	for (int i = 0; i < n; i++) {
		real *row = at(gates, g, i, GATES);
		before_backward_blend(hid, row + hid, row + 2 * hid, at(before, g, i, 1), at(dh, g, i, 1));
	}
	recurrent_backward(g, params, GATE_N, 1, n, gates + 2 * hid, GATES * hid, 0, tape->step);
	for (int i = 0; i < n; i++)
		before_backward_reset(hid, at(gates, g, i, GATES), at(tape->step, g, i, 1), at(before, g, i, 1),
		                      at(dh, g, i, 1));
	recurrent_backward(g, params, GATE_R, 2, n, gates, GATES * hid, 1, dh);
}

void gru_input_backward(const struct gru *g, const real *params, int first, int n, const struct gru_tape *tape,
                        real *dx)
{
	linear_backward_input(&g->input, params, n, at(tape->gates, g, first, GATES), 0, dx);
}

void gru_weights_backward(const struct gru *g, int rows, const real *x, const struct gru_tape *tape, real *dparams)
{
	int hid = g->hid;
	linear_backward_weights(&g->input, rows, x, tape->gates, dparams);
	recurrent_weights(g, GATE_R, 2, rows, tape->gates, GATES * hid, tape->before, dparams);
	if (g->reset_after)
		recurrent_weights(g, GATE_N, 1, rows, tape->aux, hid, tape->before, dparams);
	else
		recurrent_weights(g, GATE_N, 1, rows, tape->gates + 2 * hid, GATES * hid, tape->aux, dparams);
}

void gru_forward(const struct gru *g, const real *params, const struct packing *p, const real *x, const real *h0,
                 struct gru_tape *tape)
{
	const real *before = h0;
	gru_prepare(g, params, tape);
	gru_input_forward(g, params, 0, p->rows, x, tape);
	for (int t = 0; t < p->T; t++) {
		gru_step_forward(g, params, p->first[t], p->active[t], before, tape);
		before = at(tape->h, g, p->first[t], 1);
	}
}

void gru_backward(const struct gru *g, const real *params, const struct packing *p, const real *x, const real *dh,
                  struct gru_tape *tape, real *dparams, real *dh0, real *dx)
{
	memset(dh0, 0, (size_t)p->B * (size_t)g->hid * sizeof(real));   /* the running gradient; 0 until a row begins */
	for (int t = p->T - 1; t >= 0; t--) {
		const real *own = dh + packing_row(p, t, 0) * (size_t)g->hid;
		for (size_t i = 0; i < (size_t)p->active[t] * (size_t)g->hid; i++)
			dh0[i] += own[i];
		gru_step_backward(g, params, p->first[t], p->active[t], tape, dh0);
	}
	gru_weights_backward(g, p->rows, x, tape, dparams);
	if (dx)
		gru_input_backward(g, params, 0, p->rows, tape, dx);
}

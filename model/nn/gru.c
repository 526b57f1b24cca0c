/* gru.c - a step of the gated recurrent unit, * elementwise:
 *     r = sigm(Wr x + br + Ur h + cr)      z = sigm(Wz x + bz + Uz h + cz)
 *     n = tanh(Wn x + bn + r * (Un h + cn))
 *     h' = (1 - z) * n + z * h
 * reset_after = true (above) is PyTorch's and cuDNN's form: one product a step
 * serves all three gates. reset_after = false applies r to h before Un, as in
 * Cho et al. 2014, and costs a second product.
 *
 * The tape's gates are r, z, n. Its aux:
 *
 *                      forward leaves     backward leaves
 *     reset after      Un h + cn          its gradient
 *     reset before     r * h              r * h
 *
 * The loops take each row apart into restrict pointers: they never overlap, and told so
 * the compiler makes vectors of them. */
#include "model/nn/activation.h"
#include "model/nn/recurrent.h"
#include "model/nn/vector.h"

enum gate { GATE_R, GATE_Z, GATE_N, GATES };

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

static void step_forward_after(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape)
{
	int hid = c->hid;
	recurrent_forward(c, params, GATE_R, 3, n, rows_at(tape->before, first, hid), tape);
	for (int i = 0; i < n; i++) {
		real *gates = rows_at(tape->gates, first + i, GATES * hid);
		after_forward(hid, gates, gates + hid, gates + 2 * hid, rows_at(tape->step, i, GATES * hid),
		              rows_at(tape->before, first + i, hid), rows_at(tape->aux, first + i, hid),
		              rows_at(tape->h, first + i, hid));
	}
}

static void step_forward_before(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape)
{
	int hid = c->hid;
	recurrent_forward(c, params, GATE_R, 2, n, rows_at(tape->before, first, hid), tape);
	for (int i = 0; i < n; i++) {
		real *gates = rows_at(tape->gates, first + i, GATES * hid);
		before_forward_reset(hid, gates, gates + hid, rows_at(tape->step, i, GATES * hid),
		                     rows_at(tape->before, first + i, hid), rows_at(tape->aux, first + i, hid));
	}
	recurrent_forward(c, params, GATE_N, 1, n, rows_at(tape->aux, first, hid), tape);
	for (int i = 0; i < n; i++) {
		real *gates = rows_at(tape->gates, first + i, GATES * hid);
		before_forward_blend(hid, gates + hid, gates + 2 * hid, rows_at(tape->step, i, GATES * hid) + 2 * hid,
		                     rows_at(tape->before, first + i, hid), rows_at(tape->h, first + i, hid));
	}
}

void gru_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape)
{
	(c->reset_after ? step_forward_after : step_forward_before)(c, params, first, n, tape);
}

static void step_backward_after(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                                real *dh)
{
	int hid = c->hid;
	for (int i = 0; i < n; i++) {
		real *gates = rows_at(tape->gates, first + i, GATES * hid), *step = rows_at(tape->step, i, GATES * hid);
		after_backward(hid, gates, gates + hid, gates + 2 * hid, step, step + hid, step + 2 * hid,
		               rows_at(tape->before, first + i, hid), rows_at(tape->aux, first + i, hid),
		               rows_at(dh, i, hid));
	}
	recurrent_backward(c, params, GATE_R, 3, n, tape->step, GATES * hid, 1, dh);
}

static void step_backward_before(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                                 real *dh)
{
	int hid = c->hid;
	real *gates = rows_at(tape->gates, first, GATES * hid);
	for (int i = 0; i < n; i++) {
		real *row = rows_at(gates, i, GATES * hid);
		before_backward_blend(hid, row + hid, row + 2 * hid, rows_at(tape->before, first + i, hid),
		                      rows_at(dh, i, hid));
	}
	recurrent_backward(c, params, GATE_N, 1, n, gates + 2 * hid, GATES * hid, 0, tape->step);
	for (int i = 0; i < n; i++)
		before_backward_reset(hid, rows_at(gates, i, GATES * hid), rows_at(tape->step, i, hid),
		                      rows_at(tape->before, first + i, hid), rows_at(dh, i, hid));
	recurrent_backward(c, params, GATE_R, 2, n, gates, GATES * hid, 1, dh);
}

void gru_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                       struct cell_state d)
{
	(c->reset_after ? step_backward_after : step_backward_before)(c, params, first, n, tape, d.h);
}

void gru_recurrent_weights(const struct cell *c, int rows, const struct cell_tape *tape, real *dparams)
{
	int hid = c->hid;
	recurrent_gates_weights(c, GATE_R, 2, rows, tape->gates, GATES * hid, tape->before, dparams);
	if (c->reset_after)
		recurrent_gates_weights(c, GATE_N, 1, rows, tape->aux, hid, tape->before, dparams);
	else
		recurrent_gates_weights(c, GATE_N, 1, rows, tape->gates + 2 * hid, GATES * hid, tape->aux, dparams);
}

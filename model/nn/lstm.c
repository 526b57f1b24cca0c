/* lstm.c - a step of the long short-term memory (Hochreiter and Schmidhuber
 * 1997, forget gate of Gers et al. 2000, no peepholes), * elementwise:
 *     i = sigm(Wi x + bi + Ui h + ci)      f = sigm(Wf x + bf + Uf h + cf)
 *     g = tanh(Wg x + bg + Ug h + cg)      o = sigm(Wo x + bo + Uo h + co)
 *     c' = f * c + i * g
 *     h' = o * tanh(c')
 * The tape's gates are i, f, g, o; aux is tanh(c').
 *
 * The loops take each row apart into restrict pointers: they never overlap, and told so
 * the compiler makes vectors of them. */
#include "model/nn/activation.h"
#include "model/nn/recurrent.h"
#include "model/nn/vector.h"

enum gate { GATE_I, GATE_F, GATE_G, GATE_O, GATES };

/* A row: i, f, g, o enter as the input's parts and leave as gates; u [4 hid] is the recurrent part. */
VECTORISED static void row_forward(int hid, real *restrict i, real *restrict f, real *restrict g, real *restrict o,
                                   const real *restrict u, const real *restrict before_c, real *restrict c,
                                   real *restrict tc, real *restrict h)
{
	for (int j = 0; j < hid; j++) {
		real ij = activation_sigmoid(i[j] + u[j]);
		real fj = activation_sigmoid(f[j] + u[hid + j]);
		real gj = activation_tanh(g[j] + u[2 * hid + j]);
		real oj = activation_sigmoid(o[j] + u[3 * hid + j]);
		real cj = fj * before_c[j] + ij * gj;
		real tj = activation_tanh(cj);
		i[j] = ij;
		f[j] = fj;
		g[j] = gj;
		o[j] = oj;
		c[j] = cj;
		tc[j] = tj;
		h[j] = oj * tj;
	}
}

/* The same row backward: the gates leave as the gradients of their arguments, dc as that of c. */
VECTORISED static void row_backward(int hid, real *restrict i, real *restrict f, real *restrict g, real *restrict o,
                                    const real *restrict before_c, const real *restrict tc, const real *restrict dh,
                                    real *restrict dc)
{
	for (int j = 0; j < hid; j++) {
		real ij = i[j], fj = f[j], gj = g[j], oj = o[j], tj = tc[j];
		real d = dc[j] + dh[j] * oj * (1 - tj * tj);
		o[j] = dh[j] * tj * oj * (1 - oj);
		i[j] = d * gj * ij * (1 - ij);
		f[j] = d * before_c[j] * fj * (1 - fj);
		g[j] = d * ij * (1 - gj * gj);
		dc[j] = d * fj;
	}
}

void lstm_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape)
{
	int hid = c->hid;
	recurrent_forward(c, params, GATE_I, GATES, n, rows_at(tape->before, first, hid), tape);
	for (int k = 0; k < n; k++) {
		real *gates = rows_at(tape->gates, first + k, GATES * hid);
		row_forward(hid, gates, gates + hid, gates + 2 * hid, gates + 3 * hid,
		            rows_at(tape->step, k, GATES * hid), rows_at(tape->before_c, first + k, hid),
		            rows_at(tape->c, first + k, hid), rows_at(tape->aux, first + k, hid),
		            rows_at(tape->h, first + k, hid));
	}
}

void lstm_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                        struct cell_state d)
{
	int hid = c->hid;
	for (int k = 0; k < n; k++) {
		real *gates = rows_at(tape->gates, first + k, GATES * hid);
		row_backward(hid, gates, gates + hid, gates + 2 * hid, gates + 3 * hid,
		             rows_at(tape->before_c, first + k, hid), rows_at(tape->aux, first + k, hid),
		             rows_at(d.h, k, hid), rows_at(d.c, k, hid));
	}
	recurrent_backward(c, params, GATE_I, GATES, n, rows_at(tape->gates, first, GATES * hid), GATES * hid, 0, d.h);
}

/* rnn.c - a step of the simple recurrent cell (Elman 1990):
 *     h' = tanh(W x + b + U h + c)       or relu of the same
 * The tape's gates hold the input's part W x + b and, after backward, the
 * gradient of the whole argument. It has no aux. */
#include "model/nn/activation.h"
#include "model/nn/recurrent.h"
#include "model/nn/vector.h"

VECTORISED static void tanh_forward(int n, const real *restrict a, const real *restrict u, real *restrict h)
{
	for (int j = 0; j < n; j++)
		h[j] = activation_tanh(a[j] + u[j]);
}

VECTORISED static void tanh_backward(int n, const real *restrict h, const real *restrict dh, real *restrict da)
{
	for (int j = 0; j < n; j++)
		da[j] = dh[j] * (1 - h[j] * h[j]);
}

/* Written so that NaN passes through. */
VECTORISED static void relu_forward(int n, const real *restrict a, const real *restrict u, real *restrict h)
{
	for (int j = 0; j < n; j++) {
		real sum = a[j] + u[j];
		h[j] = sum < 0 ? 0 : sum;
	}
}

VECTORISED static void relu_backward(int n, const real *restrict h, const real *restrict dh, real *restrict da)
{
	for (int j = 0; j < n; j++)
		da[j] = h[j] > 0 ? dh[j] : 0;
}

/* One gate, so the rows of a step are one run of numbers. */
void rnn_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape)
{
	int hid = c->hid;
	const real *a = rows_at(tape->gates, first, hid);
	real *h = rows_at(tape->h, first, hid);
	recurrent_forward(c, params, 0, 1, n, rows_at(tape->before, first, hid), tape);
	(c->relu ? relu_forward : tanh_forward)(n * hid, a, tape->step, h);
}

void rnn_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                       struct cell_state d)
{
	int hid = c->hid;
	const real *h = rows_at(tape->h, first, hid);
	real *da = rows_at(tape->gates, first, hid);
	(c->relu ? relu_backward : tanh_backward)(n * hid, h, d.h, da);
	recurrent_backward(c, params, 0, 1, n, da, hid, 0, d.h);
}

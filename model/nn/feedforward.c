/* feedforward.c - see feedforward.h. */
#include "model/nn/feedforward.h"

#include "model/nn/activation.h"
#include "model/nn/vector.h"

void feedforward_tape_take(struct feedforward_tape *t, const struct feedforward *f, size_t rows, struct scratch *s)
{
	size_t wide = (size_t)f->up.out;
	t->wt_up = scratch_take(s, (size_t)f->up.in * wide);
	t->wt_down = scratch_take(s, wide * (size_t)f->down.out);
	t->u = scratch_take(s, rows * wide);
	t->active = scratch_take(s, rows * wide);
}

VECTORISED static void relu(size_t n, const real *u, real *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = u[i] < 0 ? 0 : u[i];    /* NaN stays NaN */
}

VECTORISED static void gelu(size_t n, const real *u, real *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = activation_gelu(u[i]);
}

/* u leaves as its gradient. */
VECTORISED static void relu_backward(size_t n, real *restrict u, const real *restrict dy)
{
	for (size_t i = 0; i < n; i++)
		u[i] = u[i] > 0 ? dy[i] : 0;
}

VECTORISED static void gelu_backward(size_t n, real *restrict u, const real *restrict dy)
{
	for (size_t i = 0; i < n; i++)
		u[i] = dy[i] * activation_gelu_slope(u[i]);
}

void feedforward_activate(const struct feedforward *f, size_t n, const real *u, real *y)
{
	(f->gelu ? gelu : relu)(n, u, y);
}

void feedforward_forward(const struct feedforward *f, const real *params, int rows, const real *x,
                         struct feedforward_tape *tape, real *y)
{
	size_t n = (size_t)rows * (size_t)f->up.out;
	linear_transpose(&f->up, params, tape->wt_up);
	linear_transpose(&f->down, params, tape->wt_down);
	linear_forward(&f->up, params, tape->wt_up, rows, x, tape->u);
	feedforward_activate(f, n, tape->u, tape->active);
	linear_forward(&f->down, params, tape->wt_down, rows, tape->active, y);
}

void feedforward_backward(const struct feedforward *f, const real *params, int rows, const real *x, const real *dy,
                          struct feedforward_tape *tape, real *dparams, real *dx)
{
	size_t n = (size_t)rows * (size_t)f->up.out;
	real *dactive = tape->active;    /* its last reader is the gradient of W2 */
	linear_backward_weights(&f->down, rows, tape->active, dy, dparams);
	linear_backward_input(&f->down, params, rows, dy, 0, dactive);
	(f->gelu ? gelu_backward : relu_backward)(n, tape->u, dactive);
	linear_backward_weights(&f->up, rows, x, tape->u, dparams);
	linear_backward_input(&f->up, params, rows, tape->u, 0, dx);
}

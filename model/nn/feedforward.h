/* feedforward.h - two linear maps of each row with an activation between:
 *
 *     y = W2 f(W1 x + b1) + b2        f = ReLU or GELU
 *
 * A tape holds u = W1 x + b1 and f(u); backward leaves the gradient of u in the place of u. */
#ifndef GATECAST_NN_FEEDFORWARD_H
#define GATECAST_NN_FEEDFORWARD_H

#include "model/nn/linear.h"
#include "model/nn/scratch.h"

struct feedforward {
	struct linear up, down;     /* W1, b1 and W2, b2 */
	bool gelu;
};

struct feedforward_tape {
	real *wt_up, *wt_down;      /* transposed weights */
	real *u, *active;           /* [rows][up.out] */
};

void feedforward_tape_take(struct feedforward_tape *t, const struct feedforward *f, size_t rows, struct scratch *s);
/** y = f(u) for n numbers; y may be u. */
void feedforward_activate(const struct feedforward *f, size_t n, const real *u, real *y);
/** x [rows][up.in], y [rows][down.out]. */
void feedforward_forward(const struct feedforward *f, const real *params, int rows, const real *x,
                         struct feedforward_tape *tape, real *y);
/** dx is written, dparams added to. */
void feedforward_backward(const struct feedforward *f, const real *params, int rows, const real *x, const real *dy,
                          struct feedforward_tape *tape, real *dparams, real *dx);

#endif

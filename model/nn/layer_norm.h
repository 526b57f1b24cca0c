/* layer_norm.h - layer normalisation (Ba et al. 2016) of each row by itself:
 *
 *     n = (x - mean(x)) / sqrt(var(x) + eps)      y = w * n + b
 *
 * The variance is that of the row's numbers, not an estimate: divided by n, as PyTorch does. */
#ifndef GATECAST_NN_LAYER_NORM_H
#define GATECAST_NN_LAYER_NORM_H

#include "model/nn/scratch.h"

struct layer_norm {
	int n;
	real eps;
	size_t w, b;        /* offsets into the block, each [n] */
};

struct layer_norm_tape {
	real *normal;       /* [rows][n] */
	real *inverse;      /* [rows]: 1 / sqrt(var + eps) */
};

void layer_norm_tape_take(struct layer_norm_tape *t, const struct layer_norm *l, size_t rows, struct scratch *s);
/** y [rows][n]; may be x itself. */
void layer_norm_forward(const struct layer_norm *l, const real *params, int rows, const real *x,
                        struct layer_norm_tape *tape, real *y);
/** d [rows][n]: in, the gradient of y; out, that of x. dparams is added to. */
void layer_norm_backward(const struct layer_norm *l, const real *params, int rows, const struct layer_norm_tape *tape,
                         real *dparams, real *d);

#endif

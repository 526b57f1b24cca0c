/* linear.h - y = W x + b for many rows. A layer is a place in the flat block
 * of weights; the gradients' block has the same layout, so one description
 * serves both.
 *
 * Weights lie as PyTorch's [out][in]. The forward product wants [in][out] (a
 * BLAS runs it twice as fast on few rows), so a caller transposes once a call
 * and runs many steps. */
#ifndef GATECAST_NN_LINEAR_H
#define GATECAST_NN_LINEAR_H

#include "model/nn/real.h"
#include "model/nn/spec.h"

struct linear {
	int in, out;
	bool bias;
	size_t w, b;    /* offsets into the block: w [out][in], b [out] */
};

/** The layer of these tensors, which the table must hold; bias may be NULL. */
struct linear linear_at(const struct tensor_table *t, const char *weight, const char *bias);
/** wt [in][out], the transposed weights. */
void linear_transpose(const struct linear *l, const real *params, real *wt);
/** y [rows][out] = x [rows][in] · wt + b. */
void linear_forward(const struct linear *l, const real *params, const real *wt, int rows, const real *x, real *y);
/** dx [rows][in] = beta dx + dy [rows][out] · W. */
void linear_backward_input(const struct linear *l, const real *params, int rows, const real *dy, real beta, real *dx);
/** Add the gradients of W and b from all rows. */
void linear_backward_weights(const struct linear *l, int rows, const real *x, const real *dy, real *dparams);

/** Each of `rows` rows of y, `ld` apart, becomes b [n]. */
void rows_fill(int rows, int n, const real *b, real *y, int ld);
/** sum [n] += the sum of the rows, `ld` apart. */
void rows_sum(int rows, int n, const real *y, int ld, real *sum);
/** From [A][B][n] to [B][A][n]. */
void rows_swap(int A, int B, int n, const real *from, real *to);

#endif

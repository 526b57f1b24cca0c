/* batch_norm.h - batch normalisation (Ioffe and Szegedy 2015) of each column over all rows of a call:
 *
 *     n = (x - mean) / sqrt(var + eps)      y = w * n + b
 *
 * In training mean and var are the rows' own, var divided by their number; in evaluation they are the running
 * statistics, which whoever trains moves towards those of each step (PyTorch's BatchNorm1d). */
#ifndef GATECAST_NN_BATCH_NORM_H
#define GATECAST_NN_BATCH_NORM_H

#include "model/nn/scratch.h"
#include "model/nn/spec.h"

struct batch_norm {
	int n;                                  /* columns; 0: there is no norm */
	size_t w, b, running_mean, running_var; /* offsets into the block, each [n] */
};

struct batch_norm_tape {
	real *mean, *var;   /* [n]: those of the rows */
	real *inverse;      /* [n]: 1 / sqrt(var + eps), of what was normalised with */
	real *normal;       /* [rows][n] */
	real *y;            /* [rows][n] */
	real *dw, *db;      /* [n]: this call's gradients of weight and bias */
};

/** The norm behind the encoder, or none. */
struct batch_norm batch_norm_at(const struct net_spec *s, const struct tensor_table *t);
void batch_norm_tape_take(struct batch_norm_tape *t, const struct batch_norm *l, size_t rows, struct scratch *s);

/** x [rows][n]. */
void batch_norm_forward(const struct batch_norm *l, const real *params, int rows, const real *x, bool training,
                        struct batch_norm_tape *tape);
/** What forward made of x: x itself where there is no norm. */
const real *batch_norm_outputs(const struct batch_norm *l, const real *x, const struct batch_norm_tape *tape);
/**
 *   training   as forward had it
 *   d          [rows][n]: in, the gradient of the outputs; out, that of x
 * dparams is added to: in training the statistics' places too, by the rows' mean and unbiased variance (0 of one row).
 */
void batch_norm_backward(const struct batch_norm *l, const real *params, int rows, bool training,
                         const struct batch_norm_tape *tape, real *dparams, real *d);

#endif

/* pooling.h - the mean of a sequence's rows, over its own length. */
#ifndef GATECAST_NN_POOLING_H
#define GATECAST_NN_POOLING_H

#include "model/nn/packing.h"

/** mean [B][n] of x [rows][n]. */
void pooling_mean(const struct packing *p, int n, const real *x, real *mean);
/** dx [rows][n] is added to. */
void pooling_mean_backward(const struct packing *p, int n, const real *dmean, real *dx);

#endif

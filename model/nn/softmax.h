/* softmax.h - scores to shares: a_s = exp(e_s) / sum over i of exp(e_i).
 *
 * The largest score is taken off first, so no exponential overflows. */
#ifndef GATECAST_NN_SOFTMAX_H
#define GATECAST_NN_SOFTMAX_H

#include "model/nn/real.h"

/** e [n], n > 0: in, the scores; out, the shares. */
void softmax(int n, real *e);
/** d [n]: in, the gradients of the shares a; out, those of the scores. */
void softmax_backward(int n, const real *a, real *d);

#endif

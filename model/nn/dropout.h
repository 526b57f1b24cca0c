/* dropout.h - masks between stacked layers, as a pure function of where a
 * number stands. One block of Philox gives the masks of four units:
 *
 *     key      seed
 *     counter  [0] row in the whole minibatch       [2] layer/8 << 8 | RNG_DROPOUT
 *              [1] layer%8:3 | step:20 | unit/4:9   [3] the training step's key
 *
 * A Transformer counts its sublayers where others count layers, so there are more than eight.
 *
 * A shard that knows its first row's index therefore draws what the whole
 * minibatch would, on any thread, in any order, and again after a resume. */
#ifndef GATECAST_NN_DROPOUT_H
#define GATECAST_NN_DROPOUT_H

#include "model/nn/packing.h"

#include <stdint.h>

#define DROPOUT_MAX_STEPS (1 << 20)

struct dropout_key;

/** mask [rows][n] of the input of `layer`: 0 with probability `rate`, else 1 / (1 - rate). */
void dropout_mask(const struct dropout_key *key, double rate, int layer, const struct packing *p, int n, real *mask);
/** The key, or NULL where it drops nothing: none, key 0, rate 0. */
const struct dropout_key *dropout_in_force(double rate, const struct dropout_key *key);
/** y = x * mask, n numbers; y may be x. */
void dropout_apply(size_t n, const real *x, const real *mask, real *y);

#endif

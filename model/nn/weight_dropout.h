/* weight_dropout.h - a step of training without a share of the recurrent weights (DropConnect; Wan et al. 2013, of
 * recurrent networks Merity et al. 2018). Dropout between layers leaves the way through time alone; this does not, and
 * as a mask holds for all steps of a minibatch, nothing has to be remembered despite it. One block of Philox gives the
 * masks of sixteen weights, a byte each:
 *
 *     key      seed
 *     counter  [0] weight/16 of its tensor    [2] RNG_WEIGHTS
 *              [1] tensor of the table        [3] the training step's key
 *
 * A step computes with the weights times the mask; its gradient times the mask is that of the weights. */
#ifndef GATECAST_NN_WEIGHT_DROPOUT_H
#define GATECAST_NN_WEIGHT_DROPOUT_H

#include "model/nn/real.h"
#include "model/nn/spec.h"

struct dropout_key;

/** Multiply the recurrent weights in a block by the key's masks: 0 with probability
 *  `rate` (0 … 0.95, to the next 256th), else 1 / (1 - rate). */
void weight_dropout(const struct tensor_table *t, const struct dropout_key *key, double rate, real *block);

#endif

/* network.h - the training execution of a whole network: forward with saved
 * activations, backward into one flat block of gradients.
 *
 * Variable lengths: the B sequences of a call are sorted by falling length;
 * lengths[b] is the number of real steps of sequence b, lengths[0] = T. x is
 * [T][B][in]; rows behind a sequence's end are not read. States of a sequence
 * freeze at its end, attention sees its own steps only. */
#ifndef GATECAST_NN_NETWORK_H
#define GATECAST_NN_NETWORK_H

#include <stdint.h>

#include "model/nn/real.h"
#include "model/nn/spec.h"

/** Xavier-uniform weights, zero biases, from (seed, tensor index): the same
 *  numbers whatever the build. params: net_tensors().count numbers. */
void network_init(const struct net_spec *s, uint64_t seed, real *params);

/** Numbers of scratch that forward and backward of that size need. When T * B or horizon * B is beyond an
 *  int, SIZE_MAX / sizeof(real): a size that no allocation meets. */
size_t network_scratch(const struct net_spec *s, int T, int B);

/**
 * y [horizon][B][targets * levels]: the forecast in the network's own units.
 *   dropout_key  NULL or key 0: no dropout (evaluation); else the Philox substream of this
 *                step; row_base is the index in the whole minibatch of the
 *                call's first row, so that a shard draws what the whole would
 *   attention    [horizon][B][T] weights, zero behind a sequence's end and with decoders that have none;
 *                may be NULL
 *   ws           network_scratch() numbers, aligned to 64; backward reads them again
 * Borrows everything, allocates nothing, cannot fail. Threads may share params.
 */
struct dropout_key { uint64_t seed; uint32_t key; uint32_t row_base; };
void network_forward(const struct net_spec *s, const real *params, int T, int B,
                     const int *lengths, const real *x, const struct dropout_key *dropout,
                     real *y, real *attention, real *ws);

/**
 * After network_forward() with the same arguments, once: it writes over what forward saved. dy as y.
 * dparams is added to. dx [T][B][in] may be NULL; else it is written.
 */
void network_backward(const struct net_spec *s, const real *params, int T, int B,
                      const int *lengths, const real *x, const struct dropout_key *dropout,
                      const real *dy, real *dparams, real *dx, real *ws);

#endif

/* network.h - the training execution of a whole network: forward with saved
 * activations, backward into one flat block of gradients.
 *
 * Variable lengths, as PyTorch's packed sequences: the B sequences of a call are
 * sorted by falling length; lengths[b] is the number of real steps of sequence b,
 * lengths[0] = T. x is [T][B][inputs]; rows behind a sequence's end are not read.
 * States of a sequence freeze at its end, attention sees its own steps only.
 *
 * S = net_steps(s, T): the steps of the answer. Where they are the input's own,
 * those behind a sequence's end are zeros. */
#ifndef GATECAST_NN_NETWORK_H
#define GATECAST_NN_NETWORK_H

#include <stdint.h>

#include "model/nn/init.h"
#include "model/nn/real.h"
#include "model/nn/spec.h"

/** Numbers of scratch that forward and backward of that size need. When T * B or S * B is beyond an
 *  int, SIZE_MAX / sizeof(real): a size that no allocation meets. */
size_t network_scratch(const struct net_spec *s, int T, int B);

/* Where a training step's random choices come from: a Philox substream. row_base is the index in the whole minibatch
 * of the call's first row, so that a shard draws what the whole would. */
struct dropout_key { uint64_t seed; uint32_t key; uint32_t row_base; };

/* States of a recurrent encoder as PyTorch's h_n and c_n: [layers * directions][B][hid], layer 0 forward, layer 0
 * backward, layer 1 … c of an LSTM only. */
struct network_state { real *h, *c; };

/* What a pass reads beside the weights. Borrowed. */
struct network_input {
	int T, B;
	const int *lengths;               /* [B] */
	const real *x;                    /* [T][B][inputs]; with a vocabulary the tokens' numbers */
	struct network_state start;       /* h NULL: zeros; not read unless net_has_states() */
	const struct dropout_key *dropout;   /* NULL or key 0: no dropout, running statistics: evaluation */
	/* Teacher forcing, of an attention decoder that feeds back: with this probability a step reads the true value of
	 * the step before, not its own answer. 1 is always, without a key; between 0 and 1 the key decides. */
	const real *teacher;              /* [horizon][B][targets], of classes [horizon][B] (< 0 reads as NET_BOUNDARY); NULL: never */
	double teacher_ratio;
};

/* What it leaves. */
struct network_output {
	real *y;                          /* [S][B][net_outputs()]: in the network's own units, or classes' scores */
	real *attention;                  /* [horizon][B][T], zero behind a sequence's end and of decoders that have none; the
	                                   * pool's weights are every step's; may be NULL */
	struct network_state final;       /* each sequence's after its last step; NULL where not wanted, nor written
	                                   * unless net_has_states() */
};

/**
 * ws: network_scratch() numbers, aligned to 64; backward reads them again.
 * Borrows everything, allocates nothing, cannot fail. Threads may share params.
 */
void network_forward(const struct net_spec *s, const real *params, const struct network_input *in,
                     const struct network_output *out, real *ws);

/**
 * After network_forward() with the same arguments, once: it writes over what forward saved. dy as y; what follows the
 * final states sends no gradient, nor do the mean and deviation of an instance norm. dparams is added to; the places of statistics receive the call's own mean and
 * (unbiased) variance in training, nothing in evaluation. dx [T][B][inputs] may be NULL; else it is written (zeros with a vocabulary).
 */
void network_backward(const struct net_spec *s, const real *params, const struct network_input *in, const real *dy,
                      real *dparams, real *dx, real *ws);

#endif

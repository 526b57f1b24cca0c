/* chain.h - the stages of a network, and where their activations lie in the caller's scratch: for network.c, which
 * runs them, and trace.c, which looks at what they left. Both structures are computed afresh by each call. */
#ifndef GATECAST_NN_CHAIN_H
#define GATECAST_NN_CHAIN_H

#include "model/nn/batch_norm.h"
#include "model/nn/decoder.h"
#include "model/nn/encoder.h"
#include "model/nn/front.h"
#include "model/nn/instance_norm.h"

struct chain {
	struct instance_norm instance;
	struct front front;
	struct encoder encoder;
	struct batch_norm norm;
	struct decoder decoder;
};

struct chain_tape {
	struct instance_norm_tape instance;
	struct front_tape front;
	struct encoder_tape encoder;
	struct batch_norm_tape norm;
	struct decoder_tape decoder;
	struct cell_state final;            /* [B][width] */
	struct encoded_gradient gradient;
};

/** Set up both for a pass over ws, or for a look at what a pass with the same spec and lengths left there. */
void chain_open(const struct net_spec *s, const struct network_input *in, real *ws, struct chain *c,
                struct chain_tape *t);

#endif

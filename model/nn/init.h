/* init.h - the weights that training starts from. */
#ifndef GATECAST_NN_INIT_H
#define GATECAST_NN_INIT_H

#include <stdint.h>

#include "model/nn/real.h"
#include "model/nn/spec.h"

/* Zeroed: Xavier-uniform matrices and zero biases. Codes (embeddings) are normal numbers, as PyTorch's. */
struct init_options {
	bool orthogonal;        /* of recurrent matrices, gate by gate (Saxe et al. 2014); the others stay Xavier's */
	double forget_bias;     /* of an LSTM's forget gates, in bias_ih (Jozefowicz et al. 2015 recommend 1) */
};

/** params: net_tensors().count numbers, from (seed, tensor's index): the same whatever the build. */
void network_init(const struct net_spec *s, const struct init_options *o, uint64_t seed, real *params);

#endif

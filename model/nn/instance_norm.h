/* instance_norm.h - reversible instance normalisation (RevIN; Kim et al. 2022) around a whole network of numbers:
 *
 *     x ─► xn = (x - mean) / deviation * w + b ─► network ─► yn ─► y = (yn - b) / (w + eps^2) * deviation + mean
 *
 * mean and deviation = sqrt(var + eps) are each sequence's and channel's own, over its steps, var divided by their
 * number; w and b are learnt, a number a channel. Target k is channel k, so it takes that channel's four numbers back;
 * eps^2 keeps a weight of zero from dividing. Everything between, the teacher's values too, is in normalised units.
 *
 * As its authors have it, mean and deviation are constants in the backward pass: dx is what comes through xn alone. */
#ifndef GATECAST_NN_INSTANCE_NORM_H
#define GATECAST_NN_INSTANCE_NORM_H

#include "model/nn/network.h"
#include "model/nn/scratch.h"

struct instance_norm {
	int channels;                       /* 0: there is no norm */
	int targets, levels, horizon;
	size_t w, b;                        /* offsets into the block, each [channels] */
};

struct instance_norm_tape {
	real *mean, *deviation;             /* [B][channels] */
	real *x, *dx;                       /* [T][B][channels] normalised; dx is for a caller who wants none */
	real *teacher, *dteacher;           /* [horizon][B][targets] normalised */
	real *normal;                       /* [horizon][B][targets][levels] y before deviation and mean come back */
	real *dy;                           /* [horizon][B][targets][levels] of yn */
};

struct instance_norm instance_norm_at(const struct net_spec *s, const struct tensor_table *t);
void instance_norm_tape_take(struct instance_norm_tape *t, const struct instance_norm *l, int T, int B,
                             struct scratch *s);

/** Normalise the steps of in->x, and the teacher's values. */
void instance_norm_forward(const struct instance_norm *l, const real *params, const struct network_input *in,
                           struct instance_norm_tape *tape);
/** What the network reads in place of `in`: the same where there is no norm. */
struct network_input instance_norm_input(const struct instance_norm *l, const struct network_input *in,
                                         const struct instance_norm_tape *tape);
/** y [horizon][B][targets][levels] of B sequences back into the caller's units, in place. */
void instance_norm_invert(const struct instance_norm *l, const real *params, int B, struct instance_norm_tape *tape,
                          real *y);

/** From dy to the gradient of what the network said, which is dy itself where there is no norm. dparams is added to. */
const real *instance_norm_invert_backward(const struct instance_norm *l, const real *params, int B, const real *dy,
                                          struct instance_norm_tape *tape, real *dparams);
/** Where the gradient of the normalised steps is wanted; dx: the caller's, may be NULL. */
real *instance_norm_gradient(const struct instance_norm *l, real *dx, const struct instance_norm_tape *tape);
/** From that, in place, to the gradient of in->x, and with tape->dteacher to dparams, which is added to. */
void instance_norm_backward(const struct instance_norm *l, const real *params, const struct network_input *in,
                            const struct instance_norm_tape *tape, real *dparams, real *dx);

#endif

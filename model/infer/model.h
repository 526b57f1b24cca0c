/* model.h - a packed model, as model.c builds it and run.c reads it. */
#ifndef GATECAST_INFER_MODEL_H
#define GATECAST_INFER_MODEL_H

#include "model/infer/infer.h"
#include "model/infer/kernels.h"
#include "model/infer/transformer.h"

struct infer_model {
	struct net_spec spec;
	const struct kernels *kernels;   /* the level that the weights are packed for */
	int width;                       /* of a step's states, padded so that each direction may write whole panels */
	int attention, outputs;          /* padded to KERNEL_UNITS; attention = width for the dot score */
	struct cell encoder[NET_MAX_LAYERS][2];   /* a recurrent encoder, or */
	struct transformer transformer;
	struct pack key, query;          /* additive score: scaled by ATTEND_SCALE_IN */
	float *v;                        /* additive score: [attention] scaled by ATTEND_SCALE_V; dot: NULL */
	float dot_scale;                 /* dot score: ATTEND_SCALE_DOT over the root of the width */
	struct cell cell;                /* of the attention decoder */
	struct pack output;              /* a step's values; of the heads without a decoder cell, all steps' */
	float *block;                    /* what all of them point into */
	size_t floats;
};

/** infer_model_new() for the kernels of one's choice. */
enum err infer_model_new_for(const struct kernels *k, const struct net_spec *s, const float *params,
                             const struct infer_options *o, struct infer_model **out, struct error *e);

#endif

/* model.h - a packed model, as model.c builds it and the files of group.h read it. */
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
	float *tokens;                   /* front: [vocabulary][embedding], or NULL */
	struct pack segment;             /* front of the segment decoder */
	union {
		struct cell encoder[NET_MAX_LAYERS][2];   /* a recurrent encoder, or */
		struct transformer transformer;
	};
	float *instance_weight, *instance_bias;   /* instance norm: [inputs], or NULL */
	float *norm_scale, *norm_shift;  /* batch norm: [width], zeros behind the units; or NULL */
	struct pack key, query;          /* additive score: scaled by ATTEND_SCALE_IN */
	float *v;                        /* additive score: [attention] scaled by ATTEND_SCALE_V; dot: NULL */
	float dot_scale;                 /* dot score: ATTEND_SCALE_DOT over the root of the width */
	struct cell cell;                /* of the decoders attention and reconstruct */
	float *classes;                  /* attention decoder: [classes][embedding], or NULL */
	float *positions, *channels;     /* segment decoder: [horizon / segment][hid / 2], [inputs][hid - hid / 2] */
	struct pack output;              /* net_head_rows() of them */
	float *block;                    /* what all of them point into */
	size_t floats;
};

/** infer_model_new() for the kernels of one's choice. */
enum err infer_model_new_for(const struct kernels *k, const struct net_spec *s, const float *params,
                             const struct infer_options *o, struct infer_model **out, struct error *e);

#endif

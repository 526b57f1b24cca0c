/* model.h - a packed model, as model.c builds it and run.c reads it. */
#ifndef GATECAST_INFER_MODEL_H
#define GATECAST_INFER_MODEL_H

#include "model/infer/infer.h"
#include "model/infer/kernels.h"

struct infer_model {
	struct net_spec spec;
	const struct kernels *kernels;   /* the level that the weights are packed for */
	int hidden, attention, outputs;  /* padded to KERNEL_UNITS */
	struct gru encoder[NET_MAX_LAYERS];
	struct pack key, query;          /* scaled by ATTEND_SCALE_IN */
	float *v;                        /* [attention] scaled by ATTEND_SCALE_V */
	struct gru cell;                 /* of the decoder */
	struct pack output;
	float *block;                    /* what all of them point into */
	size_t floats;
};

/** infer_model_new() for the kernels of one's choice. */
enum err infer_model_new_for(const struct kernels *k, const struct net_spec *s, const float *params,
                             struct infer_model **out, struct error *e);

#endif

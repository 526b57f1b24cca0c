/* recipe.h - what a training job is asked to do: every choice, with its default and its limit.
 * api/ reads it from JSON, the trainer follows it. */
#ifndef GATECAST_MODEL_RECIPE_H
#define GATECAST_MODEL_RECIPE_H

#include <stdint.h>

#include "model/nn/loss.h"
#include "model/nn/spec.h"
#include "model/series/pipeline.h"

#define RECIPE_NAME_MAX 64

enum preset { PRESET_ATTENTION_GRU };
enum scheduler_type { SCHEDULER_NONE, SCHEDULER_REDUCE_ON_PLATEAU };

struct recipe {
	char dataset[RECIPE_NAME_MAX + 1], model[RECIPE_NAME_MAX + 1];
	int targets, features;
	char target[PIPELINE_MAX_TARGETS][FRAME_NAME_MAX + 1];
	char feature[PIPELINE_MAX_FEATURES][FRAME_NAME_MAX + 1];   /* features = 0: the targets */
	int window, horizon;
	enum preset preset;

	int hidden, layers;
	bool bias, reset_after;
	double dropout;
	enum decoder_input decoder_input;
	int levels;                    /* 0: point */
	double level[NET_MAX_LEVELS];  /* rising, in (0, 1) */

	double train, validation, test;  /* shares; their sum is 1 */

	enum loss_type loss;
	double huber_delta;
	double learning_rate, clip_norm /* 0: off */, weight_decay;
	int batch_size, epochs;
	enum scheduler_type scheduler;
	double scheduler_factor;
	int scheduler_patience, early_stopping_patience /* 0: off */;
	uint64_t seed;
};

/** The defaults of design: window 30, horizon 5, hidden 64, Adam 0.001, … dataset, model and target are empty. */
void recipe_default(struct recipe *r);
/** Limits of each member; ERR_INVALID, where = JSON pointer of the member ("/encoder/hidden_size"). */
enum err recipe_check(const struct recipe *r, struct error *e);
/** The network that it implies for that many channels. */
void recipe_net(const struct recipe *r, int channels, struct net_spec *out);
void recipe_loss(const struct recipe *r, struct loss *out);

#endif

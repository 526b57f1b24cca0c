/* recipe.h - what a training job is asked to do: every choice, with its default and its limit.
 * api/ reads it from JSON, the trainer follows it.
 *
 * A network is a composition of an encoder, a decoder and an output. A preset is a name for a choice of the first two:
 *
 *     attention_gru   gru   attention        gru           gru           last
 *     attention_lstm  lstm  attention        lstm          lstm          last
 *                                            rnn           rnn           last
 *                                            transformer   transformer   last
 *
 * It sets their defaults. Explicit members win, as long as the composition allows them. */
#ifndef GATECAST_MODEL_RECIPE_H
#define GATECAST_MODEL_RECIPE_H

#include <stdint.h>

#include "model/nn/loss.h"
#include "model/nn/optimizer.h"
#include "model/nn/spec.h"
#include "model/series/pipeline.h"

#define RECIPE_NAME_MAX 64

enum preset {
	PRESET_ATTENTION_GRU, PRESET_ATTENTION_LSTM, PRESET_GRU, PRESET_LSTM, PRESET_RNN, PRESET_TRANSFORMER
};

/* The words of choices, in the order of their enumerations; each list ends with NULL. */
extern const char *const preset_names[], *const encoder_names[], *const decoder_names[], *const score_names[],
	*const decoder_input_names[];

struct recipe {
	char dataset[RECIPE_NAME_MAX + 1], model[RECIPE_NAME_MAX + 1];
	int targets, features;
	char target[PIPELINE_MAX_TARGETS][FRAME_NAME_MAX + 1];
	char feature[PIPELINE_MAX_FEATURES][FRAME_NAME_MAX + 1];   /* features = 0: the targets */
	int window, horizon;
	enum preset preset;

	enum encoder_type encoder;
	int hidden, layers;
	bool bidirectional, bias, reset_after /* of GRU cells */, relu /* of an RNN */;
	double dropout;
	int heads, feedforward;        /* of a transformer, as the next three */
	bool norm_first, gelu, causal;
	enum decoder_type decoder;
	enum score_type score;         /* of the attention decoder, as the next */
	enum decoder_input decoder_input;
	int levels;                    /* 0: point */
	double level[NET_MAX_LEVELS];  /* rising, in (0, 1) */

	double train, validation, test;  /* shares; their sum is 1 */

	enum loss_type loss;
	double huber_delta;
	enum optimizer_type optimizer;
	double learning_rate, momentum /* of sgd and rmsprop */, clip_norm /* 0: off */, weight_decay;
	int batch_size, epochs;
	enum scheduler_type scheduler;   /* members of another type mean nothing */
	double scheduler_factor, scheduler_gamma, scheduler_min_rate;
	int scheduler_patience, scheduler_step_size, warmup_epochs;
	int early_stopping_patience /* 0: off */;
	uint64_t seed;
};

/** The defaults of design: window 30, horizon 5, hidden 64, Adam 0.001, … dataset, model and target are empty. */
void recipe_default(struct recipe *r);
/** Set the preset, and the encoder and decoder that it names. */
void recipe_preset(struct recipe *r, enum preset preset);
/** The preset of that name; false if there is none. */
bool preset_find(const char *name, enum preset *out);
/** Whether the choices of r give the member at that offset a meaning: heads belong to a transformer. */
bool recipe_reads(const struct recipe *r, size_t member);
/** Limits of each member, and what does not go together: a member without a meaning must be at its default.
 *  ERR_INVALID, where = JSON pointer of the member ("/encoder/hidden_size"). */
enum err recipe_check(const struct recipe *r, struct error *e);
/** The network that it implies for that many channels. */
void recipe_net(const struct recipe *r, int channels, struct net_spec *out);
void recipe_loss(const struct recipe *r, struct loss *out);

#endif

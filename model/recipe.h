/* recipe.h - what a training job is asked to do: every choice, with its default and its limit.
 * api/ reads it from JSON, the trainer follows it.
 *
 * A network is a composition of an encoder, a decoder and an output. A preset is a name for a choice of the three:
 *
 *     of numbers                                  of texts, with an embedding and a categorical output
 *     attention_gru   gru          attention      char_rnn     lstm                 token         window 100, horizon 1
 *     attention_lstm  lstm         attention      classifier   lstm, bidirectional  pool          window 200, horizon 1
 *     gru             gru          last           seq2seq      lstm                 attention     window 64, horizon 64
 *     lstm            lstm         last
 *     rnn             rnn          last           which reconstructs
 *     transformer     transformer  last           autoencoder  lstm                 reconstruct   window 64, horizon 1
 *     segment_gru     gru          segment
 *
 * It sets their defaults. Explicit members win, as long as the composition allows them; what is trained for follows
 * from the composition, recipe_task(). */
#ifndef GATECAST_MODEL_RECIPE_H
#define GATECAST_MODEL_RECIPE_H

#include <stdint.h>

#include "model/nn/init.h"
#include "model/nn/loss.h"
#include "model/nn/optimizer.h"
#include "model/nn/spec.h"
#include "model/series/pipeline.h"
#include "model/text/vocabulary.h"

#define RECIPE_NAME_MAX 64

enum preset {
	PRESET_ATTENTION_GRU, PRESET_ATTENTION_LSTM, PRESET_GRU, PRESET_LSTM, PRESET_RNN, PRESET_TRANSFORMER,
	PRESET_SEGMENT_GRU, PRESET_AUTOENCODER, PRESET_CHAR_RNN, PRESET_CLASSIFIER, PRESET_SEQ2SEQ
};

/* What a network is trained to do. */
enum task {
	TASK_FORECAST,      /* the rows that follow a window */
	TASK_RECONSTRUCT,   /* the window itself */
	TASK_GENERATE,      /* each token's next */
	TASK_CLASSIFY,      /* a text's label */
	TASK_TRANSLATE      /* a text's answer */
};

/* The words of choices, in the order of their enumerations; each list ends with NULL. */
extern const char *const preset_names[], *const task_names[], *const encoder_names[], *const decoder_names[],
	*const score_names[], *const decoder_input_names[];

struct recipe {
	char dataset[RECIPE_NAME_MAX + 1], model[RECIPE_NAME_MAX + 1];
	int targets, features;         /* of texts: 1 and 1, or 0 where the only text column that is left is meant */
	char target[PIPELINE_MAX_TARGETS][FRAME_NAME_MAX + 1];
	char feature[PIPELINE_MAX_FEATURES][FRAME_NAME_MAX + 1];   /* features = 0: the targets */
	int window, horizon;           /* rows; of texts, tokens of an input and of an answer at most */
	enum preset preset;

	enum token_unit unit;          /* of texts: characters or words */
	int max_vocabulary, min_count;
	int embedding;

	enum encoder_type encoder;
	int hidden, layers;
	bool bidirectional, reverse, bias, reset_after /* of GRU cells */, relu /* of an RNN */, batch_norm;
	bool instance_norm;            /* of forecasters; the features begin with the targets */
	double dropout;
	int heads, feedforward;        /* of a transformer, as the next three */
	bool norm_first, gelu, causal;
	enum decoder_type decoder;
	enum score_type score;         /* of the attention decoder, as the next */
	enum decoder_input decoder_input;
	double teacher_forcing;        /* of the attention decoder that reads its own outputs: a ratio in training */
	int segment;                   /* of the segment decoder */
	bool categorical;
	int levels;                    /* 0: point, or categorical */
	double level[NET_MAX_LEVELS];  /* rising, in (0, 1) */

	double train, validation, test;  /* shares; their sum is 1 */

	enum loss_type loss;
	double huber_delta;
	struct init_options init;
	bool random_crop;
	int cache;                     /* states that a recurrent model that writes texts looks back on; 0: none */
	bool stateful;                 /* of recurrent models that write texts */
	double weight_dropout;         /* of recurrent cells */
	double average_decay;          /* of the weights over the steps; 0: off */
	double token_dropout;          /* of models of texts */
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
/** Set the preset, and the encoder, decoder, output and sizes that it names. */
void recipe_preset(struct recipe *r, enum preset preset);
/** Set the output's kind and what goes with it: loss and teacher forcing. */
void recipe_output(struct recipe *r, bool categorical);
/** What nobody said and follows from the rest: the segment, the features. Call once, before recipe_check(). */
void recipe_settle(struct recipe *r);
/** The name of a model that nobody named: the dataset's and the horizon, or the preset where there is none. As
 *  snprintf. */
int recipe_model_name(const struct recipe *r, char *out, size_t cap);
enum task recipe_task(const struct recipe *r);
/** Whether texts go in. */
static inline bool recipe_reads_text(const struct recipe *r) { return r->categorical; }
/** The preset of that name; false if there is none. */
bool preset_find(const char *name, enum preset *out);
/** Whether the choices of r give the member at that offset a meaning: heads belong to a transformer. */
bool recipe_reads(const struct recipe *r, size_t member);
/** Limits of each member, and what does not go together: a member without a meaning must be at its default.
 *  ERR_INVALID, where = JSON pointer of the member ("/encoder/hidden_size"). */
enum err recipe_check(const struct recipe *r, struct error *e);
/** The network that it implies for that many channels, or for vocabularies of those sizes (tokens in, classes out). */
void recipe_net(const struct recipe *r, int channels, struct net_spec *out);
void recipe_text_net(const struct recipe *r, int vocabulary, int classes, struct net_spec *out);
void recipe_loss(const struct recipe *r, struct loss *out);

#endif

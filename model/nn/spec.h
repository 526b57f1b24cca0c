/* spec.h - the sizes of a network, and the named tensors that they imply.
 *
 *     front            encoder                      norm       decoder                                       output
 *     numbers          GRU, LSTM, RNN x layers      (batch     attention: additive or dot + a cell,          numbers: targets x levels
 *     embedding  ──►     x one or two directions ─► norm)  ──►   its own outputs fed back           ──►      categorical: classes
 *     segments         Transformer x layers                    last state, mean, pool: one head for all steps
 *                                                              token: one head, an output a step of the input
 *                                                              reconstruct: a cell that gives the input again
 *                                                              segment: the encoder's cell, all segments at once
 *
 * A spec gives a table of named tensors over one flat block of numbers.
 * Saving, loading, the optimiser, gradient checks and import are walks over
 * that table. Names and layouts are PyTorch's. In front, one of
 *
 *     embedding.weight              [vocabulary][embedding]    with a vocabulary; in_0 = embedding
 *     segment.weight, bias          [hid][segment], [hid]      with the segment decoder; in_0 = hid
 *
 * and without either in_0 = inputs. G gates: r z n of a GRU (3), i f g o of an LSTM (4), one of an RNN:
 *
 *     encoder.weight_ih_l{k}        [G hid][in_k]   in_k = width above layer 0
 *     encoder.weight_hh_l{k}        [G hid][hid]
 *     encoder.bias_ih_l{k}          [G hid]         with bias
 *     encoder.bias_hh_l{k}          [G hid]         with bias
 *     the same four with `_reverse` behind the name, after each layer's own: bidirectional
 *
 * of a Transformer, always with biases:
 *
 *     encoder.embedding.weight, bias                  [hid][in_0], [hid]
 *     encoder.layers.{k}.self_attn.in_proj_weight     [3 hid][hid]    q, k, v
 *     encoder.layers.{k}.self_attn.in_proj_bias       [3 hid]
 *     encoder.layers.{k}.self_attn.out_proj.weight, bias   [hid][hid], [hid]
 *     encoder.layers.{k}.linear1.weight, bias         [feedforward][hid], [feedforward]
 *     encoder.layers.{k}.linear2.weight, bias         [hid][feedforward], [hid]
 *     encoder.layers.{k}.norm1.weight, bias           [hid] each, norm2 the same
 *     encoder.norm.weight, bias                       [hid] each, with norm_first
 *
 * width = hid, or 2 hid when bidirectional: what the encoder yields a step. Behind it, with batch_norm:
 *
 *     norm.weight, bias             [width] each
 *     norm.running_mean, running_var  [width] each    statistics: no gradient moves them
 *
 * The decoders have, before their output,
 *
 *     attention    decoder.attention.query.weight  [att][width]    Wq      these four with the additive score
 *                  decoder.attention.key.weight    [att][width]    Wk
 *                  decoder.attention.key.bias      [att]           b
 *                  decoder.attention.score.weight  [1][att]        v
 *                  decoder.embedding.weight      [classes][embedding]   categorical, with `previous`
 *                  decoder.cell.weight_ih        [G width][din]
 *                  decoder.cell.weight_hh        [G width][width]
 *                  decoder.cell.bias_ih, bias_hh [G width]       with bias
 *     pool         decoder.attention.key.weight, key.bias, score.weight: as above, without a query
 *     reconstruct  decoder.cell.*                  as above, din = width: the summary, at every step
 *     segment      decoder.position.weight         [horizon / segment][hid / 2]
 *                  decoder.channel.weight          [inputs][hid - hid / 2]     the cell is encoder's layer 0
 *
 * and then
 *
 *     output.weight, bias           [rows][width], [rows]      rows: net_head_rows()
 *
 * The decoder's cell is an LSTM's behind an LSTM encoder and a GRU's behind any other. Decoders last, mean and pool
 * have one head for all steps, its rows in the order [horizon][outputs]; segment's rows are [segment][levels]; the
 * others have a step's outputs: classes, or targets x levels.
 *
 * With `context+previous` the attention decoder's input is [context, previous]. Of numbers, previous holds the
 * `targets` values of the step before (the level next to the median; zeros, i.e. the last known value, at the first
 * step): din = width + targets. Of classes it is the embedding of the class of the step before, NET_BOUNDARY at the
 * first: din = width + embedding. */
#ifndef GATECAST_NN_SPEC_H
#define GATECAST_NN_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/error.h"
#include "model/nn/cells.h"

/* 0 is what documents mean that do not name the choice. The first encoders are cells, in their order. */
#define ENCODER_ID(ID, ...) ENCODER_##ID,
enum encoder_type { CELLS(ENCODER_ID) ENCODER_TRANSFORMER };
#undef ENCODER_ID
enum decoder_type {
	DECODER_ATTENTION, DECODER_LAST, DECODER_MEAN, DECODER_POOL, DECODER_RECONSTRUCT, DECODER_TOKEN, DECODER_SEGMENT
};
enum score_type { SCORE_ADDITIVE, SCORE_DOT };
enum decoder_input { DECODER_CONTEXT, DECODER_CONTEXT_PREVIOUS };

#define NET_MAX_INPUTS   256
#define NET_MAX_HIDDEN   2048          /* of the width, too */
#define NET_MAX_LAYERS   8
#define NET_MAX_HEADS    64
#define NET_MAX_FEEDFORWARD 8192
#define NET_MAX_HORIZON  1000
#define NET_MAX_TARGETS  64
#define NET_MAX_LEVELS   33
#define NET_MAX_VOCABULARY 65536       /* of tokens in, and of classes out */
#define NET_MAX_WEIGHTS  (64u << 20)   /* numbers in the block */

/* The token that begins and ends a text, and the class that ends an answer and precedes its first. */
#define NET_BOUNDARY 0

/* What another choice reads is ignored, save where a limit is said. */
struct net_spec {
	int inputs;                 /* channels of a step; 1 with a vocabulary: the token's number, exact in a float */
	int vocabulary;             /* tokens that go in; 0: numbers go in */
	int embedding;              /* numbers of a token's vector, in front and in the attention decoder; 0 without either */
	enum encoder_type encoder;
	int hidden, layers;
	bool bidirectional;         /* not with a transformer */
	bool reverse;               /* recurrent, one direction: sequences are read from their ends, outputs stay in their order */
	bool bias;                  /* of cells */
	bool reset_after;           /* GRU cells, the decoder's too; true is PyTorch's */
	bool relu;                  /* RNN: relu instead of tanh */
	double dropout;             /* on the inputs of layers 1…, as PyTorch has it; behind a transformer's sublayers; [0, 1) */
	int heads, feedforward;     /* transformer; heads divide hidden */
	bool norm_first, gelu, causal;   /* transformer */
	bool batch_norm;            /* behind the encoder */
	enum decoder_type decoder;
	enum score_type score;      /* attention decoder */
	int attention;              /* size of the additive score's space, pool's too; 0 where there is none */
	enum decoder_input decoder_input;   /* attention decoder */
	int classes;                /* categorical: what is told apart; then targets = levels = 1. 0: numbers come out */
	int targets, levels;        /* levels = 1: a point; reconstruct and segment: targets = inputs */
	int median_level;           /* which level feeds `previous`; 0 for a point */
	int horizon;                /* token, reconstruct: 1, for they answer each step of the input */
	int segment;                /* segment decoder: steps of a segment, a divisor of the horizon; else 0 */
};

/* What a tensor starts as; init.h has the choices. */
enum tensor_init {
	INIT_ZERO, INIT_ONE, INIT_XAVIER_UNIFORM,
	INIT_NORMAL,                /* of codes: embeddings, positions, channels */
	INIT_RECURRENT,             /* of a cell's weight_hh: Xavier's or orthogonal */
	INIT_FORGET,                /* of an LSTM's bias_ih: zeros, but the forget gates' */
};

struct tensor {
	char name[64];
	int ndim;
	size_t shape[3];
	size_t offset, count;       /* in numbers, into the flat block */
	int blocks;                 /* matrices stacked along the first axis: a cell's gates; q, k, v; else 1 */
	enum tensor_init init;
	bool statistic;             /* measured in training, not learnt: the optimiser leaves it alone */
};

/* A transformer's own four, with an embedding, batch norm's four, and the attention decoder with classes: 9, output 2. */
#define NET_MAX_TENSORS (12 * NET_MAX_LAYERS + 20)

struct tensor_table {
	struct tensor tensor[NET_MAX_TENSORS];
	int n;
	size_t count;               /* numbers in all */
};

/** Check sizes against the limits. ERR_INVALID names the member and the limit. */
enum err net_spec_check(const struct net_spec *s, struct error *e);
/** The tensors of a checked spec. Cannot fail. */
void net_tensors(const struct net_spec *s, struct tensor_table *t);
/** Where the statistics lie in the block: they are neighbours. Without any, none at the block's end. */
struct tensor_run { size_t offset, count; };
struct tensor_run net_statistics(const struct tensor_table *t);
/** What stands behind the names of a recurrent layer's tensors: "_l1", or "_l1_reverse" for direction 1. */
#define CELL_SUFFIX 24
void net_cell_suffix(int layer, int direction, char suffix[CELL_SUFFIX]);
/** The tensor of that name, or NULL. */
const struct tensor *tensor_find(const struct tensor_table *t, const char *name);
/** Numbers of a step of the answer: classes' scores (logits), or targets x levels. */
static inline int net_outputs(const struct net_spec *s) { return s->classes ? s->classes : s->targets * s->levels; }
/** Whether the answer has a step for each step of the input, and not the horizon's. */
static inline bool net_answers_steps(const struct net_spec *s)
{
	return s->decoder == DECODER_TOKEN || s->decoder == DECODER_RECONSTRUCT;
}
/** Steps of the answer to a sequence of T. */
static inline int net_steps(const struct net_spec *s, int T) { return net_answers_steps(s) ? T : s->horizon; }
static inline int net_directions(const struct net_spec *s) { return s->bidirectional ? 2 : 1; }
/** Numbers that the encoder yields a step, and units of the decoder's state. */
static inline int net_width(const struct net_spec *s) { return s->hidden * net_directions(s); }
/** in_0: what the encoder reads a step. */
static inline int net_encoder_inputs(const struct net_spec *s)
{
	return s->vocabulary ? s->embedding : s->decoder == DECODER_SEGMENT ? s->hidden : s->inputs;
}
/** Whether the decoder has the tensors of an additive score. */
static inline bool net_additive(const struct net_spec *s)
{
	return s->decoder == DECODER_POOL || (s->decoder == DECODER_ATTENTION && s->score == SCORE_ADDITIVE);
}
/** Whether the answer comes with weights over the steps of the input. */
static inline bool net_attends(const struct net_spec *s)
{
	return s->decoder == DECODER_ATTENTION || s->decoder == DECODER_POOL;
}
/** Whether the attention decoder reads the step before. */
static inline bool net_feeds_back(const struct net_spec *s)
{
	return s->decoder == DECODER_ATTENTION && s->decoder_input == DECODER_CONTEXT_PREVIOUS;
}
/** Whether what stands behind the encoder begins with the mean of its outputs, not with its final states. The
 *  attention decoder over a Transformer does: its steps have no state, and the last is no more than another. */
static inline bool net_summary_is_mean(const struct net_spec *s)
{
	return s->decoder == DECODER_MEAN || (s->decoder == DECODER_ATTENTION && s->encoder == ENCODER_TRANSFORMER);
}
/** Rows of output.weight. */
static inline int net_head_rows(const struct net_spec *s)
{
	switch (s->decoder) {
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		return net_outputs(s) * s->horizon;
	case DECODER_SEGMENT:
		return s->segment * s->levels;
	default:
		return net_outputs(s);
	}
}
/** din of the decoder's cell. */
static inline int net_decoder_inputs(const struct net_spec *s)
{
	return net_width(s) + (!net_feeds_back(s) ? 0 : s->classes ? s->embedding : s->targets);
}

/** The cell of a recurrent encoder. */
static inline enum cell_type net_encoder_cell(const struct net_spec *s)
{
	return s->encoder == ENCODER_TRANSFORMER ? CELL_GRU : (enum cell_type)s->encoder;
}
/** The cell of the attention decoder, and of the one that reconstructs: a GRU's behind a Transformer. */
enum cell_type net_decoder_cell(const struct net_spec *s);
/** Matrices stacked in a cell's weights. */
int cell_gates(enum cell_type type);
/** The gate-th of them. */
const struct cell_gate *cell_gate(enum cell_type type, int gate);
/** Whether the state has a c beside h. */
bool cell_type_has_memory(enum cell_type type);
/** The same of the encoder's. */
static inline bool net_has_memory(const struct net_spec *s)
{
	return s->encoder != ENCODER_TRANSFORMER && cell_type_has_memory(net_encoder_cell(s));
}
/** Whether a sequence may begin with a state and leaves one: a recurrent encoder's. Not with segments, where each
 *  channel has its own, of values less the sequence's last. */
static inline bool net_has_states(const struct net_spec *s)
{
	return s->encoder != ENCODER_TRANSFORMER && s->decoder != DECODER_SEGMENT;
}
/** Numbers of the state that one sequence leaves in a recurrent encoder: h of each layer and direction, then each c. */
static inline int net_state_size(const struct net_spec *s)
{
	return s->layers * net_width(s) * (net_has_memory(s) ? 2 : 1);
}

#endif

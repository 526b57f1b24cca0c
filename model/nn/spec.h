/* spec.h - the sizes of a network, and the named tensors that they imply.
 *
 *     encoder                         decoder                                      output
 *     GRU, LSTM, RNN x layers         attention: additive or dot + a cell,         linear
 *       x one or two directions  ──►    a step per horizon                    ──►    a step: targets x levels
 *     Transformer x layers            last state, or mean of the outputs             all: horizon x targets x levels
 *
 * A spec gives a table of named tensors over one flat block of numbers.
 * Saving, loading, the optimiser, gradient checks and import are walks over
 * that table. Names and layouts are PyTorch's. G gates: r z n of a GRU (3),
 * i f g o of an LSTM (4), one of an RNN:
 *
 *     encoder.weight_ih_l{k}        [G hid][in_k]   in_0 = inputs, then width
 *     encoder.weight_hh_l{k}        [G hid][hid]
 *     encoder.bias_ih_l{k}          [G hid]         with bias
 *     encoder.bias_hh_l{k}          [G hid]         with bias
 *     the same four with `_reverse` behind the name, after each layer's own: bidirectional
 *
 * of a Transformer, always with biases:
 *
 *     encoder.embedding.weight, bias                  [hid][inputs], [hid]
 *     encoder.layers.{k}.self_attn.in_proj_weight     [3 hid][hid]    q, k, v
 *     encoder.layers.{k}.self_attn.in_proj_bias       [3 hid]
 *     encoder.layers.{k}.self_attn.out_proj.weight, bias   [hid][hid], [hid]
 *     encoder.layers.{k}.linear1.weight, bias         [feedforward][hid], [feedforward]
 *     encoder.layers.{k}.linear2.weight, bias         [hid][feedforward], [hid]
 *     encoder.layers.{k}.norm1.weight, bias           [hid] each, norm2 the same
 *     encoder.norm.weight, bias                       [hid] each, with norm_first
 *
 * width = hid, or 2 hid when bidirectional: what the encoder yields a step. With the attention decoder:
 *
 *     decoder.attention.query.weight  [att][width]    Wq      these four with the additive score
 *     decoder.attention.key.weight    [att][width]    Wk
 *     decoder.attention.key.bias      [att]           b
 *     decoder.attention.score.weight  [1][att]        v
 *     decoder.cell.weight_ih        [G width][din]  din = width, + targets with `previous`
 *     decoder.cell.weight_hh        [G width][width]
 *     decoder.cell.bias_ih, bias_hh [G width]       with bias
 *     output.weight                 [outputs][width]
 *     output.bias                   [outputs]
 *
 * The cell is an LSTM's behind an LSTM encoder and a GRU's behind any other. Decoders last and mean have one
 * head for all steps, its rows in the order [horizon][outputs]:
 *
 *     output.weight                 [horizon * outputs][width]
 *     output.bias                   [horizon * outputs]
 *
 * outputs = targets * levels. With `context+previous` the decoder's input is
 * [context, previous], where previous holds the `targets` values of the step
 * before (the level next to the median; zeros, i.e. the last known value, at
 * the first step): din = width + targets. */
#ifndef GATECAST_NN_SPEC_H
#define GATECAST_NN_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/error.h"

/* 0 is what documents mean that do not name the choice. */
enum encoder_type { ENCODER_GRU, ENCODER_LSTM, ENCODER_RNN, ENCODER_TRANSFORMER };
enum decoder_type { DECODER_ATTENTION, DECODER_LAST, DECODER_MEAN };
enum score_type { SCORE_ADDITIVE, SCORE_DOT };
enum decoder_input { DECODER_CONTEXT, DECODER_CONTEXT_PREVIOUS };
enum cell_type { CELL_GRU, CELL_LSTM, CELL_RNN };

#define NET_MAX_INPUTS   256
#define NET_MAX_HIDDEN   2048          /* of the width, too */
#define NET_MAX_LAYERS   8
#define NET_MAX_HEADS    64
#define NET_MAX_FEEDFORWARD 8192
#define NET_MAX_HORIZON  1000
#define NET_MAX_TARGETS  64
#define NET_MAX_LEVELS   33
#define NET_MAX_WEIGHTS  (64u << 20)   /* numbers in the block */

/* What another choice reads is ignored, save where a limit is said. */
struct net_spec {
	int inputs;                 /* channels of a step */
	enum encoder_type encoder;
	int hidden, layers;
	bool bidirectional;         /* not with a transformer */
	bool bias;                  /* of cells */
	bool reset_after;           /* GRU cells, the decoder's too; true is PyTorch's */
	bool relu;                  /* RNN: relu instead of tanh */
	double dropout;             /* on the inputs of layers 1…, as PyTorch has it; behind a transformer's sublayers; [0, 1) */
	int heads, feedforward;     /* transformer; heads divide hidden */
	bool norm_first, gelu, causal;   /* transformer */
	enum decoder_type decoder;
	enum score_type score;      /* attention decoder */
	int attention;              /* size of the additive score's space; 0 where there is none */
	enum decoder_input decoder_input;   /* attention decoder */
	int targets, levels;        /* levels = 1: a point */
	int median_level;           /* which level feeds `previous`; 0 for a point */
	int horizon;
};

enum tensor_init { INIT_ZERO, INIT_ONE, INIT_XAVIER_UNIFORM };

struct tensor {
	char name[64];
	int ndim;
	size_t shape[3];
	size_t offset, count;       /* in numbers, into the flat block */
	int blocks;                 /* matrices stacked along the first axis: a cell's gates; q, k, v; else 1 */
	enum tensor_init init;
};

#define NET_MAX_TENSORS (12 * NET_MAX_LAYERS + 14)   /* a transformer with the attention decoder */

struct tensor_table {
	struct tensor tensor[NET_MAX_TENSORS];
	int n;
	size_t count;               /* numbers in all */
};

/** Check sizes against the limits. ERR_INVALID names the member and the limit. */
enum err net_spec_check(const struct net_spec *s, struct error *e);
/** The tensors of a checked spec. Cannot fail. */
void net_tensors(const struct net_spec *s, struct tensor_table *t);
/** What stands behind the names of a recurrent layer's tensors: "_l1", or "_l1_reverse" for direction 1. */
#define CELL_SUFFIX 24
void net_cell_suffix(int layer, int direction, char suffix[CELL_SUFFIX]);
/** The tensor of that name, or NULL. */
const struct tensor *tensor_find(const struct tensor_table *t, const char *name);
/** Numbers of a forecast's step. */
static inline int net_outputs(const struct net_spec *s) { return s->targets * s->levels; }
static inline int net_directions(const struct net_spec *s) { return s->bidirectional ? 2 : 1; }
/** Numbers that the encoder yields a step, and units of the decoder's state. */
static inline int net_width(const struct net_spec *s) { return s->hidden * net_directions(s); }
/** Whether the decoder has an attention with the additive score's tensors. */
static inline bool net_additive(const struct net_spec *s)
{
	return s->decoder == DECODER_ATTENTION && s->score == SCORE_ADDITIVE;
}
/** Whether what stands behind the encoder begins with the mean of its outputs, not with its final states. The
 *  attention decoder over a Transformer does: its steps have no state, and the last is no more than another. */
static inline bool net_summary_is_mean(const struct net_spec *s)
{
	return s->decoder == DECODER_MEAN || (s->decoder == DECODER_ATTENTION && s->encoder == ENCODER_TRANSFORMER);
}
/** Rows of output.weight: a step's, or those of all steps. */
static inline int net_head_rows(const struct net_spec *s)
{
	return net_outputs(s) * (s->decoder == DECODER_ATTENTION ? 1 : s->horizon);
}
/** din of the decoder's cell. */
static inline int net_decoder_inputs(const struct net_spec *s)
{
	return net_width(s) + (s->decoder_input == DECODER_CONTEXT_PREVIOUS ? s->targets : 0);
}

/** The cell of a recurrent encoder. */
static inline enum cell_type net_encoder_cell(const struct net_spec *s)
{
	return s->encoder == ENCODER_LSTM ? CELL_LSTM : s->encoder == ENCODER_RNN ? CELL_RNN : CELL_GRU;
}
/** The cell of the attention decoder. */
static inline enum cell_type net_decoder_cell(const struct net_spec *s)
{
	return s->encoder == ENCODER_LSTM ? CELL_LSTM : CELL_GRU;
}
/** Matrices stacked in a cell's weights. */
static inline int cell_gates(enum cell_type type)
{
	return type == CELL_LSTM ? 4 : type == CELL_RNN ? 1 : 3;
}

#endif

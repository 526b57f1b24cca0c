/* spec.h - the sizes of a network, and the named tensors that they imply.
 *
 *     encoder                decoder, a step per horizon         output
 *     GRU x layers    ──►    additive attention + GRUCell   ──►  linear: targets x levels
 *
 * A spec gives a table of named tensors over one flat block of numbers.
 * Saving, loading, the optimiser, gradient checks and import are walks over
 * that table. Names and layouts are PyTorch's:
 *
 *     encoder.weight_ih_l{k}        [3 hid][in_k]   rows r, z, n
 *     encoder.weight_hh_l{k}        [3 hid][hid]
 *     encoder.bias_ih_l{k}          [3 hid]         with bias
 *     encoder.bias_hh_l{k}          [3 hid]         with bias
 *     decoder.attention.query.weight  [att][hid]      Wq
 *     decoder.attention.key.weight    [att][hid]      Wk
 *     decoder.attention.key.bias      [att]           b
 *     decoder.attention.score.weight  [1][att]        v
 *     decoder.cell.weight_ih        [3 hid][din]    din = hid, + outputs with `previous`
 *     decoder.cell.weight_hh        [3 hid][hid]
 *     decoder.cell.bias_ih, bias_hh [3 hid]         with bias
 *     output.weight                 [outputs][hid]
 *     output.bias                   [outputs]
 *
 * outputs = targets * levels. With `context+previous` the decoder's input is
 * [context, previous], where previous holds the `targets` values of the step
 * before (the level next to the median; zeros, i.e. the last known value, at
 * the first step): din = hid + targets. */
#ifndef GATECAST_NN_SPEC_H
#define GATECAST_NN_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/error.h"

enum decoder_input { DECODER_CONTEXT, DECODER_CONTEXT_PREVIOUS };

#define NET_MAX_INPUTS   256
#define NET_MAX_HIDDEN   2048
#define NET_MAX_LAYERS   8
#define NET_MAX_HORIZON  1000
#define NET_MAX_TARGETS  64
#define NET_MAX_LEVELS   33
#define NET_MAX_WEIGHTS  (64u << 20)   /* numbers in the block */

struct net_spec {
	int inputs;                 /* channels of a step */
	int hidden, layers;
	bool bias, reset_after;     /* reset_after = true is PyTorch's GRU */
	double dropout;             /* on the inputs of layers 1…, as PyTorch has it; [0, 1) */
	int attention;              /* size of the attention space */
	enum decoder_input decoder_input;
	int targets, levels;        /* levels = 1: a point */
	int median_level;           /* which level feeds `previous`; 0 for a point */
	int horizon;
};

enum tensor_init { INIT_ZERO, INIT_XAVIER_UNIFORM };

struct tensor {
	char name[64];
	int ndim;
	size_t shape[3];
	size_t offset, count;       /* in numbers, into the flat block */
	int blocks;                 /* matrices stacked along the first axis: 3 for a GRU's gates, else 1 */
	enum tensor_init init;
};

#define NET_MAX_TENSORS (4 * NET_MAX_LAYERS + 10)

struct tensor_table {
	struct tensor tensor[NET_MAX_TENSORS];
	int n;
	size_t count;               /* numbers in all */
};

/** Check sizes against the limits. ERR_INVALID names the member and the limit. */
enum err net_spec_check(const struct net_spec *s, struct error *e);
/** The tensors of a checked spec. Cannot fail. */
void net_tensors(const struct net_spec *s, struct tensor_table *t);
/** The tensor of that name, or NULL. */
const struct tensor *tensor_find(const struct tensor_table *t, const char *name);
static inline int net_outputs(const struct net_spec *s) { return s->targets * s->levels; }
/** din of the decoder's cell. */
static inline int net_decoder_inputs(const struct net_spec *s)
{
	return s->hidden + (s->decoder_input == DECODER_CONTEXT_PREVIOUS ? s->targets : 0);
}

#endif

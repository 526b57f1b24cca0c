/* network.c - the parts put together:
 *
 *     x ─pack─► gru 0 ─mask─► gru 1 ─ … ─► keys ──► decoder ──► y
 *
 * A `struct network` says where each part's weights lie in the flat block; a
 * `struct workspace` says where its activations lie in the caller's scratch.
 * Both are computed afresh by each call, so no state outlives one. */
#include "model/nn/network.h"

#include "model/nn/decoder.h"
#include "model/nn/dropout.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

struct network {
	int layers;
	double dropout;
	struct gru layer[NET_MAX_LAYERS];
	struct decoder decoder;
};

struct workspace {
	struct packing packing;
	struct gru_tape layer[NET_MAX_LAYERS];
	real *input[NET_MAX_LAYERS];    /* [rows][in_k] with dropout applied; [0] is the packed x */
	real *mask[NET_MAX_LAYERS];     /* [rows][hid] with dropout, from layer 1 on */
	struct decoder_tape decoder;
	real *dstates, *dbelow;         /* [rows][hid]: gradients of a layer's states, and of those below it */
	real *dx;                       /* [rows][in] */
	real *dstart;                   /* [B][hid] */
};

static size_t offset_of(const struct tensor_table *t, const char *name)
{
	const struct tensor *tensor = tensor_find(t, name);
	assert(tensor);
	return tensor->offset;
}

static size_t gru_offset_of(const struct tensor_table *t, const char *part, const char *tensor, const char *suffix)
{
	char name[sizeof t->tensor->name];
	snprintf(name, sizeof name, "%s.%s%s", part, tensor, suffix);
	return offset_of(t, name);
}

static struct gru gru_at(const struct net_spec *s, const struct tensor_table *t, const char *part, const char *suffix,
                         int in)
{
	struct gru g = { .in = in, .hid = s->hidden, .reset_after = s->reset_after };
	g.input = (struct linear){ .in = in, .out = 3 * s->hidden, .bias = s->bias };
	g.recurrent = (struct linear){ .in = s->hidden, .out = 3 * s->hidden, .bias = s->bias };
	g.input.w = gru_offset_of(t, part, "weight_ih", suffix);
	g.recurrent.w = gru_offset_of(t, part, "weight_hh", suffix);
	if (s->bias) {
		g.input.b = gru_offset_of(t, part, "bias_ih", suffix);
		g.recurrent.b = gru_offset_of(t, part, "bias_hh", suffix);
	}
	return g;
}

static struct attention attention_at(const struct net_spec *s, const struct tensor_table *t)
{
	struct attention a = { .key = s->hidden, .att = s->attention };
	a.query_map = (struct linear){ .in = s->hidden, .out = s->attention };
	a.query_map.w = offset_of(t, "decoder.attention.query.weight");
	a.key_map = (struct linear){ .in = s->hidden, .out = s->attention, .bias = true };
	a.key_map.w = offset_of(t, "decoder.attention.key.weight");
	a.key_map.b = offset_of(t, "decoder.attention.key.bias");
	a.score = offset_of(t, "decoder.attention.score.weight");
	return a;
}

static struct decoder decoder_at(const struct net_spec *s, const struct tensor_table *t)
{
	struct decoder d = {
		.attention = attention_at(s, t),
		.cell = gru_at(s, t, "decoder.cell", "", net_decoder_inputs(s)),
		.previous = s->decoder_input == DECODER_CONTEXT_PREVIOUS,
		.horizon = s->horizon,
		.targets = s->targets,
		.levels = s->levels,
		.median_level = s->median_level,
	};
	d.output = (struct linear){ .in = s->hidden, .out = net_outputs(s), .bias = true };
	d.output.w = offset_of(t, "output.weight");
	d.output.b = offset_of(t, "output.bias");
	return d;
}

static void network_of(const struct net_spec *s, struct network *net)
{
	struct tensor_table table;
	net_tensors(s, &table);
	net->layers = s->layers;
	net->dropout = s->dropout;
	for (int k = 0; k < s->layers; k++) {
		char suffix[16];
		snprintf(suffix, sizeof suffix, "_l%d", k);
		net->layer[k] = gru_at(s, &table, "encoder", suffix, k ? s->hidden : s->inputs);
	}
	net->decoder = decoder_at(s, &table);
}

static void workspace_take(const struct network *net, int T, int B, struct scratch *s, struct workspace *w)
{
	size_t rows = (size_t)T * (size_t)B, hid = (size_t)net->layer[0].hid;
	packing_take(&w->packing, T, B, s);
	for (int k = 0; k < net->layers; k++) {
		bool masked = k > 0 && net->dropout > 0;
		gru_tape_take(&w->layer[k], &net->layer[k], rows, B, s);
		w->input[k] = k == 0 || masked ? scratch_take(s, rows * (size_t)net->layer[k].in) : NULL;
		w->mask[k] = masked ? scratch_take(s, rows * hid) : NULL;
	}
	decoder_tape_take(&w->decoder, &net->decoder, rows, T, B, s);
	w->dstates = scratch_take(s, rows * hid);
	w->dbelow = scratch_take(s, rows * hid);
	w->dx = scratch_take(s, rows * (size_t)net->layer[0].in);
	w->dstart = scratch_take(s, (size_t)B * hid);
}

size_t network_scratch(const struct net_spec *s, int T, int B)
{
	int rows, steps;
	if (__builtin_mul_overflow(T, B, &rows) || __builtin_mul_overflow(s->horizon, B, &steps))
		return SIZE_MAX / sizeof(real);
	struct network net;
	struct workspace w;
	struct scratch measure = { 0 };
	network_of(s, &net);
	workspace_take(&net, T, B, &measure, &w);
	return measure.used;
}

static void multiply(size_t n, const real *restrict a, const real *restrict b, real *restrict product)
{
	for (size_t i = 0; i < n; i++)
		product[i] = a[i] * b[i];
}

/* What layer k > 0 reads: the states below, masked when `dropout` is in force. */
static const real *layer_input(const struct network *net, int k, const struct dropout_key *dropout,
                               struct workspace *w)
{
	const real *below = w->layer[k - 1].h;
	if (!dropout)
		return below;
	int hid = net->layer[k].in;
	dropout_mask(dropout, net->dropout, k, &w->packing, hid, w->mask[k]);
	multiply((size_t)w->packing.rows * (size_t)hid, below, w->mask[k], w->input[k]);
	return w->input[k];
}

/* The key, or NULL where nothing is to be dropped. */
static const struct dropout_key *in_force(const struct network *net, const struct dropout_key *dropout)
{
	return dropout && dropout->key && net->dropout > 0 ? dropout : NULL;
}

void network_forward(const struct net_spec *s, const real *params, int T, int B,
                     const int *lengths, const real *x, const struct dropout_key *dropout,
                     real *y, real *attention, real *ws)
{
	struct network net;
	struct workspace w;
	const struct packing *p = &w.packing;

	network_of(s, &net);
	workspace_take(&net, T, B, &(struct scratch){ .base = ws }, &w);
	packing_fill(&w.packing, lengths);
	packing_pack(p, s->inputs, x, w.input[0]);
	dropout = in_force(&net, dropout);
	for (int k = 0; k < net.layers; k++) {
		const real *input = k ? layer_input(&net, k, dropout, &w) : w.input[0];
		gru_forward(&net.layer[k], params, p, input, NULL, &w.layer[k]);
	}
	decoder_forward(&net.decoder, params, p, w.layer[net.layers - 1].h, &w.decoder, y);
	if (attention)
		memcpy(attention, w.decoder.attention.weights,
		       (size_t)s->horizon * (size_t)B * (size_t)T * sizeof(real));
}

/* From the gradients of the top layer's states in w->dstates down to dparams, and to w->dx if wanted. */
static void encoder_backward(const struct network *net, const real *params, bool dropped, bool want_dx,
                             struct workspace *w, real *dparams)
{
	const struct packing *p = &w->packing;
	for (int k = net->layers - 1; k > 0; k--) {
		const struct gru *g = &net->layer[k];
		const real *input = dropped ? w->input[k] : w->layer[k - 1].h;
		gru_backward(g, params, p, input, w->dstates, &w->layer[k], dparams, w->dstart, w->dbelow);
		if (dropped)
			multiply((size_t)p->rows * (size_t)g->in, w->dbelow, w->mask[k], w->dstates);
		else
			memcpy(w->dstates, w->dbelow, (size_t)p->rows * (size_t)g->in * sizeof(real));
	}
	gru_backward(&net->layer[0], params, p, w->input[0], w->dstates, &w->layer[0], dparams, w->dstart,
	             want_dx ? w->dx : NULL);
}

void network_backward(const struct net_spec *s, const real *params, int T, int B,
                      const int *lengths, const real *x, const struct dropout_key *dropout,
                      const real *dy, real *dparams, real *dx, real *ws)
{
	struct network net;
	struct workspace w;
	const struct packing *p = &w.packing;

	network_of(s, &net);
	workspace_take(&net, T, B, &(struct scratch){ .base = ws }, &w);
	packing_fill(&w.packing, lengths);
	memset(w.dstates, 0, (size_t)p->rows * (size_t)s->hidden * sizeof(real));
	decoder_backward(&net.decoder, params, p, w.layer[net.layers - 1].h, dy, &w.decoder, dparams, w.dstates);
	encoder_backward(&net, params, in_force(&net, dropout) != NULL, dx != NULL, &w, dparams);
	if (dx)
		packing_unpack(p, s->inputs, w.dx, dx);
}

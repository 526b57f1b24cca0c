/* network.c - the parts put together:
 *
 *     x ─pack─► encoder ─┬─ outputs (keys) ────────────► decoder ──► y      attention
 *                        └─► summary ── first state ───────┘
 *                               └──────────────────────► head ─────► y      last, mean
 *
 * The summary of a sequence is the encoder's final states, or the mean of its
 * outputs. A `struct network` says where each part's weights lie in the flat
 * block; a `struct workspace` says where its activations lie in the caller's
 * scratch. Both are computed afresh by each call, so no state outlives one. */
#include "model/nn/network.h"

#include "model/nn/attention_decoder.h"
#include "model/nn/encoder.h"
#include "model/nn/head.h"
#include "model/nn/pooling.h"

#include <string.h>

struct network {
	struct encoder encoder;
	bool mean;                      /* the summary is the mean of the outputs */
	bool attends;                   /* with a decoder; else with a head */
	struct attention_decoder decoder;
	struct head head;
};

struct workspace {
	struct packing packing;
	real *x, *dx;                           /* [rows][in] */
	struct encoder_tape encoder;
	real *doutputs;                         /* [rows][width] */
	struct cell_state summary, dsummary;    /* [B][width] */
	struct attention_decoder_tape decoder;
	struct head_tape head;
};

static void network_of(const struct net_spec *s, struct network *net)
{
	struct tensor_table table;
	net_tensors(s, &table);
	*net = (struct network){ .attends = s->decoder == DECODER_ATTENTION, .mean = net_summary_is_mean(s) };
	encoder_at(s, &table, &net->encoder);
	if (net->attends)
		net->decoder = attention_decoder_at(s, &table);
	else
		net->head = head_at(s, &table);
}

static void workspace_take(const struct network *net, int T, int B, struct scratch *s, struct workspace *w)
{
	const struct encoder *e = &net->encoder;
	size_t rows = (size_t)T * (size_t)B, in = (size_t)e->in;
	bool memory = e->type == ENCODER_LSTM;
	packing_take(&w->packing, T, B, s);
	w->x = scratch_take(s, rows * in);
	w->dx = scratch_take(s, rows * in);
	encoder_tape_take(&w->encoder, e, T, B, s);
	w->doutputs = scratch_take(s, rows * (size_t)e->width);
	cell_state_take(&w->summary, memory, (size_t)B, e->width, s);
	cell_state_take(&w->dsummary, memory, (size_t)B, e->width, s);
	if (net->attends)
		attention_decoder_tape_take(&w->decoder, &net->decoder, rows, T, B, s);
	else
		head_tape_take(&w->head, &net->head, B, s);
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

/* The key, or NULL where nothing is to be dropped. */
static const struct dropout_key *in_force(const struct network *net, const struct dropout_key *dropout)
{
	return dropout && dropout->key && net->encoder.dropout > 0 ? dropout : NULL;
}

static void summarise(const struct network *net, struct workspace *w)
{
	const struct encoder *e = &net->encoder;
	if (net->mean)
		pooling_mean(&w->packing, e->width, encoder_outputs(e, &w->encoder), w->summary.h);
	else
		encoder_final(e, &w->packing, &w->encoder, w->summary);
}

/* From w->doutputs and w->dsummary through the encoder. */
static void summary_backward(const struct network *net, const real *params, bool dropped, real *dx,
                             struct workspace *w, real *dparams)
{
	const struct encoder *e = &net->encoder;
	struct cell_state dfinal = { 0 };
	if (net->mean)
		pooling_mean_backward(&w->packing, e->width, w->dsummary.h, w->doutputs);
	else if (net->attends)
		dfinal = w->dsummary;
	else
		dfinal.h = w->dsummary.h;       /* a head reads h alone */
	encoder_backward(e, params, &w->packing, w->x, dropped, w->doutputs, dfinal, &w->encoder, dparams, dx);
}

/* Give the caller the attention's weights, which a head has none of: zeros. */
static void attention_give(const struct network *net, const struct net_spec *s, const struct workspace *w,
                           real *attention)
{
	size_t bytes = (size_t)s->horizon * (size_t)w->packing.B * (size_t)w->packing.T * sizeof(real);
	if (net->attends)
		memcpy(attention, w->decoder.attention.weights, bytes);
	else
		memset(attention, 0, bytes);
}

void network_forward(const struct net_spec *s, const real *params, const struct network_input *in,
                     const struct network_output *out, real *ws)
{
	struct network net;
	struct workspace w;
	const struct packing *p = &w.packing;

	network_of(s, &net);
	workspace_take(&net, in->T, in->B, &(struct scratch){ .base = ws }, &w);
	packing_fill(&w.packing, in->lengths);
	packing_pack(p, s->inputs, in->x, w.x);
	encoder_forward(&net.encoder, params, p, w.x, in_force(&net, in->dropout), &w.encoder);
	summarise(&net, &w);
	if (net.attends)
		attention_decoder_forward(&net.decoder, params, p, encoder_outputs(&net.encoder, &w.encoder), w.summary,
		                          in, &w.decoder, out->y);
	else
		head_forward(&net.head, params, in->B, w.summary.h, &w.head, out->y);
	if (out->attention)
		attention_give(&net, s, &w, out->attention);
}

void network_backward(const struct net_spec *s, const real *params, const struct network_input *in, const real *dy,
                      real *dparams, real *dx, real *ws)
{
	struct network net;
	struct workspace w;
	const struct packing *p = &w.packing;

	network_of(s, &net);
	workspace_take(&net, in->T, in->B, &(struct scratch){ .base = ws }, &w);
	packing_fill(&w.packing, in->lengths);
	memset(w.doutputs, 0, (size_t)p->rows * (size_t)net.encoder.width * sizeof(real));
	if (net.attends)
		attention_decoder_backward(&net.decoder, params, p, encoder_outputs(&net.encoder, &w.encoder), in, dy,
		                           &w.decoder, dparams, w.doutputs, w.dsummary);
	else
		head_backward(&net.head, params, in->B, w.summary.h, dy, &w.head, dparams, w.dsummary.h);
	summary_backward(&net, params, in_force(&net, in->dropout) != NULL, dx ? w.dx : NULL, &w, dparams);
	if (dx)
		packing_unpack(p, s->inputs, w.dx, dx);
}

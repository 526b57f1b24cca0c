/* model.c - packs the flat block of a network for the kernels.
 *
 * PyTorch's [out][in] rows become panels (kernels.h); biases that always meet
 * are added, the scales of attention's score are folded in. All packs live in
 * one aligned block, those that a spec does not have with no numbers:
 *
 *     encoder 0 forward, backward | … | cell | key | query | output | v
 */
#include "model/infer/model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define MAX_PACKS (4 * NET_MAX_LAYERS + 5)   /* gates and candidate a direction; cell's two, key, query, output */

static size_t weights_size(const struct pack *p, int width)
{
	return (size_t)p->panels * p->k * p->gates * width;
}

static size_t biases_size(const struct pack *p, int width)
{
	return (size_t)p->panels * p->sums * width;
}

static struct pack pack_shape(int width, int k, int units, int gates, int sums)
{
	return (struct pack){ .k = k, .panels = kernels_pad(units) / width, .gates = gates, .sums = sums };
}

/* The packs of a cell: see enum cell_form. */
static const struct cell_shape { int gates, sums, candidate; } cell_shapes[] = {
	[FORM_GRU_RESET_AFTER]  = { 3, 4, 0 },
	[FORM_GRU_RESET_BEFORE] = { 2, 2, 1 },
	[FORM_LSTM]             = { 4, 4, 0 },
	[FORM_RNN_TANH]         = { 1, 1, 0 },
	[FORM_RNN_RELU]         = { 1, 1, 0 },
};

static struct cell cell_shape(enum cell_form form, int width, int in, int hid)
{
	const struct cell_shape *shape = &cell_shapes[form];
	struct cell c = { .form = form, .in = in, .hid = hid };

	c.gates = pack_shape(width, in + hid, hid, shape->gates, shape->sums);
	if (shape->candidate)
		c.candidate = pack_shape(width, in + hid, hid, shape->candidate, shape->candidate);
	return c;
}

static enum cell_form form_of(const struct net_spec *s, enum cell_type type)
{
	switch (type) {
	case CELL_LSTM:
		return FORM_LSTM;
	case CELL_RNN:
		return s->relu ? FORM_RNN_RELU : FORM_RNN_TANH;
	default:
		return s->reset_after ? FORM_GRU_RESET_AFTER : FORM_GRU_RESET_BEFORE;
	}
}

static void shape_encoder(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const enum cell_form form = form_of(s, net_encoder_cell(s));

	for (int l = 0; l < s->layers; l++)
		for (int d = 0; d < net_directions(s); d++)
			m->encoder[l][d] = cell_shape(form, m->kernels->width, l ? net_width(s) : s->inputs, s->hidden);
}

static void shape_attention(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const int lanes = m->kernels->width, width = net_width(s);

	m->cell = cell_shape(form_of(s, net_decoder_cell(s)), lanes, net_decoder_inputs(s), width);
	if (!net_additive(s)) {
		m->attention = m->width;
		m->dot_scale = (float)(ATTEND_SCALE_DOT / sqrt(width));
		return;
	}
	m->attention = kernels_pad(s->attention);
	m->key = pack_shape(lanes, width, s->attention, 1, 1);
	m->query = m->key;
}

static void model_shape(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const int padded = kernels_pad(s->hidden);

	/* The backward units begin at number `hidden`, on the forward direction's padding. */
	m->width = s->bidirectional ? kernels_pad(s->hidden + padded) : padded;
	shape_encoder(m);
	if (s->decoder == DECODER_ATTENTION)
		shape_attention(m);
	m->outputs = kernels_pad(net_head_rows(s));
	m->output = pack_shape(m->kernels->width, net_width(s), net_head_rows(s), 1, 1);
}

static int packs_of(struct infer_model *m, struct pack *all[MAX_PACKS])
{
	int n = 0;

	for (int l = 0; l < m->spec.layers; l++)
		for (int d = 0; d < net_directions(&m->spec); d++) {
			all[n++] = &m->encoder[l][d].gates;
			all[n++] = &m->encoder[l][d].candidate;
		}
	all[n++] = &m->cell.gates;
	all[n++] = &m->cell.candidate;
	all[n++] = &m->key;
	all[n++] = &m->query;
	all[n++] = &m->output;
	return n;
}

/* Allocate the block, zeroed, and point every pack into it. */
static enum err model_place(struct infer_model *m, struct error *e)
{
	const int width = m->kernels->width;
	struct pack *all[MAX_PACKS];
	const int n = packs_of(m, all);

	m->floats = net_additive(&m->spec) ? (size_t)m->attention : 0;
	for (int i = 0; i < n; i++)
		m->floats += weights_size(all[i], width) + biases_size(all[i], width);
	/* Every part is a multiple of KERNEL_UNITS floats, so all stay aligned. */
	m->block = aligned_alloc(ALIGNMENT, m->floats * sizeof *m->block);
	if (!m->block)
		return fail_nomem(e);
	memset(m->block, 0, m->floats * sizeof *m->block);

	float *at = m->block;
	for (int i = 0; i < n; i++) {
		all[i]->w = at;
		at += weights_size(all[i], width);
		all[i]->bias = at;
		at += biases_size(all[i], width);
	}
	m->v = net_additive(&m->spec) ? at : NULL;
	return ERR_OK;
}

/* Rows src [units][cols] become gate `gate`, inputs k0 … of the pack. */
static void pack_weights(struct pack *p, int width, int gate, int k0, int units, int cols, const float *src,
                         double scale)
{
	for (int u = 0; u < units; u++)
		for (int k = 0; k < cols; k++) {
			size_t at = ((size_t)(u / width) * p->k + k0 + k) * p->gates + gate;
			p->w[at * width + u % width] = (float)(scale * src[(size_t)u * cols + k]);
		}
}

/* src [units] is added to where the sum starts. */
static void pack_bias(struct pack *p, int width, int sum, int units, const float *src, double scale)
{
	for (int u = 0; u < units; u++)
		p->bias[((size_t)(u / width) * p->sums + sum) * width + u % width] += (float)(scale * src[u]);
}

/* The flat block by the names of its tensors. */
struct source {
	struct tensor_table table;
	const float *params;
};

static const float *source_find(const struct source *src, const char *name)
{
	const struct tensor *t = tensor_find(&src->table, name);

	return t ? src->params + t->offset : NULL;
}

/* The tensors of a cell, by the name of its part and what follows the stem: "encoder", "_l0_reverse". */
struct cell_source { const float *wi, *wh, *bi, *bh; };

static const float *cell_tensor(const struct source *src, const char *part, const char *stem, const char *suffix)
{
	char name[sizeof src->table.tensor->name];

	snprintf(name, sizeof name, "%s.%s%s", part, stem, suffix);
	return source_find(src, name);
}

/* Where gate `gate`, in PyTorch's order, is packed, and at which sums its two biases start. */
static void pack_gate(struct cell *c, int width, int gate, const struct cell_source *t)
{
	const bool candidate = gate >= c->gates.gates;
	struct pack *p = candidate ? &c->candidate : &c->gates;
	const int at = candidate ? 0 : gate;
	const int state_sum = c->form == FORM_GRU_RESET_AFTER && gate == 2 ? 3 : at;
	const size_t row = (size_t)gate * c->hid;

	pack_weights(p, width, at, 0, c->hid, c->in, t->wi + row * c->in, 1);
	pack_weights(p, width, at, c->in, c->hid, c->hid, t->wh + row * c->hid, 1);
	if (t->bi) {
		pack_bias(p, width, at, c->hid, t->bi + row, 1);
		pack_bias(p, width, state_sum, c->hid, t->bh + row, 1);
	}
}

static void cell_pack(struct cell *c, int width, const struct source *src, const char *part, const char *suffix)
{
	const struct cell_source t = {
		.wi = cell_tensor(src, part, "weight_ih", suffix), .wh = cell_tensor(src, part, "weight_hh", suffix),
		.bi = cell_tensor(src, part, "bias_ih", suffix), .bh = cell_tensor(src, part, "bias_hh", suffix),
	};

	for (int gate = 0; gate < c->gates.gates + c->candidate.gates; gate++)
		pack_gate(c, width, gate, &t);
}

static void linear_pack(struct pack *p, int width, const struct source *src, const char *weight, const char *bias,
                        int units, double scale)
{
	const float *b = bias ? source_find(src, bias) : NULL;

	pack_weights(p, width, 0, 0, units, p->k, source_find(src, weight), scale);
	if (b)
		pack_bias(p, width, 0, units, b, scale);
}

static void pack_encoder(struct infer_model *m, const struct source *src)
{
	for (int l = 0; l < m->spec.layers; l++)
		for (int d = 0; d < net_directions(&m->spec); d++) {
			char suffix[CELL_SUFFIX];
			net_cell_suffix(l, d, suffix);
			cell_pack(&m->encoder[l][d], m->kernels->width, src, "encoder", suffix);
		}
}

static void pack_attention(struct infer_model *m, const struct source *src)
{
	const int lanes = m->kernels->width, units = m->spec.attention;

	cell_pack(&m->cell, lanes, src, "decoder.cell", "");
	if (!net_additive(&m->spec))
		return;
	linear_pack(&m->key, lanes, src, "decoder.attention.key.weight", "decoder.attention.key.bias", units,
	            ATTEND_SCALE_IN);
	linear_pack(&m->query, lanes, src, "decoder.attention.query.weight", NULL, units, ATTEND_SCALE_IN);
	const float *v = source_find(src, "decoder.attention.score.weight");
	for (int i = 0; i < units; i++)
		m->v[i] = (float)(ATTEND_SCALE_V * v[i]);
}

static void model_pack(struct infer_model *m, const struct source *src)
{
	const struct net_spec *s = &m->spec;

	pack_encoder(m, src);
	if (s->decoder == DECODER_ATTENTION)
		pack_attention(m, src);
	linear_pack(&m->output, m->kernels->width, src, "output.weight", "output.bias", net_head_rows(s), 1);
}

enum err infer_model_new_for(const struct kernels *k, const struct net_spec *s, const float *params,
                             struct infer_model **out, struct error *e)
{
	struct infer_model *m = NULL;
	struct source *src = NULL;
	enum err rc = net_spec_check(s, e);

	if (rc)
		goto done;
	if (s->encoder == ENCODER_TRANSFORMER) {
		rc = fail(e, ERR_UNSUPPORTED, "encoder", "a transformer encoder cannot be run for inference yet");
		goto done;
	}
	m = calloc(1, sizeof *m);
	src = malloc(sizeof *src);
	if (!m || !src) {
		rc = fail_nomem(e);
		goto done;
	}
	m->spec = *s;
	m->kernels = k;
	model_shape(m);
	rc = model_place(m, e);
	if (rc)
		goto done;
	src->params = params;
	net_tensors(s, &src->table);
	model_pack(m, src);
	*out = m;
	m = NULL;
done:
	free(src);
	infer_model_free(m);
	return rc;
}

enum err infer_model_new(const struct net_spec *s, const float *params, struct infer_model **out, struct error *e)
{
	return infer_model_new_for(kernels_best(), s, params, out, e);
}

void infer_model_free(struct infer_model *m)
{
	if (!m)
		return;
	free(m->block);
	free(m);
}

const struct net_spec *infer_model_spec(const struct infer_model *m)
{
	return &m->spec;
}

size_t infer_model_bytes(const struct infer_model *m)
{
	return sizeof *m + m->floats * sizeof *m->block;
}

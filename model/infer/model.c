/* model.c - packs the flat block of a network for the kernels.
 *
 * PyTorch's [out][in] rows become panels (kernels.h); biases that always meet
 * are added, the scales of attention's score are folded in. All packs live in
 * one aligned block:
 *
 *     encoder 0 gates, candidate | … | cell gates, candidate | key | query | output | v
 */
#include "model/infer/model.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define MAX_PACKS (2 * NET_MAX_LAYERS + 5)

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

static struct gru gru_shape(const struct net_spec *s, int width, int in)
{
	const int k = in + s->hidden;
	struct gru g = { .in = in, .hid = s->hidden, .reset_after = s->reset_after };

	if (s->reset_after) {
		g.gates = pack_shape(width, k, s->hidden, 3, 4);
	} else {
		g.gates = pack_shape(width, k, s->hidden, 2, 2);
		g.candidate = pack_shape(width, k, s->hidden, 1, 1);
	}
	return g;
}

static void model_shape(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const int width = m->kernels->width;

	m->hidden = kernels_pad(s->hidden);
	m->attention = kernels_pad(s->attention);
	m->outputs = kernels_pad(net_outputs(s));
	for (int l = 0; l < s->layers; l++)
		m->encoder[l] = gru_shape(s, width, l ? s->hidden : s->inputs);
	m->cell = gru_shape(s, width, net_decoder_inputs(s));
	m->key = pack_shape(width, s->hidden, s->attention, 1, 1);
	m->query = m->key;
	m->output = pack_shape(width, s->hidden, net_outputs(s), 1, 1);
}

static int packs_of(struct infer_model *m, struct pack *all[MAX_PACKS])
{
	int n = 0;

	for (int l = 0; l < m->spec.layers; l++) {
		all[n++] = &m->encoder[l].gates;
		all[n++] = &m->encoder[l].candidate;
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

	m->floats = (size_t)m->attention;
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
	m->v = at;
	assert(at + m->attention == m->block + m->floats);
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

/* Where gate `gate` (r, z, n) of a GRU is packed, and at which sums its two biases start. */
static void gru_pack_gate(struct gru *g, int width, int gate, const float *wi, const float *wh, const float *bi,
                          const float *bh)
{
	const bool candidate = !g->reset_after && gate == 2;
	struct pack *p = candidate ? &g->candidate : &g->gates;
	const int at = candidate ? 0 : gate;
	const int state_sum = g->reset_after && gate == 2 ? 3 : at;
	const size_t row = (size_t)gate * g->hid;

	pack_weights(p, width, at, 0, g->hid, g->in, wi + row * g->in, 1);
	pack_weights(p, width, at, g->in, g->hid, g->hid, wh + row * g->hid, 1);
	if (bi) {
		pack_bias(p, width, at, g->hid, bi + row, 1);
		pack_bias(p, width, state_sum, g->hid, bh + row, 1);
	}
}

static void gru_pack(struct gru *g, int width, const struct source *src, const char *wi, const char *wh,
                     const char *bi, const char *bh)
{
	for (int gate = 0; gate < 3; gate++)
		gru_pack_gate(g, width, gate, source_find(src, wi), source_find(src, wh), source_find(src, bi),
		              source_find(src, bh));
}

static void linear_pack(struct pack *p, int width, const struct source *src, const char *weight, const char *bias,
                        int units, double scale)
{
	const float *b = bias ? source_find(src, bias) : NULL;

	pack_weights(p, width, 0, 0, units, p->k, source_find(src, weight), scale);
	if (b)
		pack_bias(p, width, 0, units, b, scale);
}

static void model_pack(struct infer_model *m, const struct source *src)
{
	const struct net_spec *s = &m->spec;
	const int width = m->kernels->width;

	for (int l = 0; l < s->layers; l++) {
		char name[4][32];
		static const char *const stem[4] = { "weight_ih", "weight_hh", "bias_ih", "bias_hh" };
		for (int i = 0; i < 4; i++)
			snprintf(name[i], sizeof name[i], "encoder.%s_l%d", stem[i], l);
		gru_pack(&m->encoder[l], width, src, name[0], name[1], name[2], name[3]);
	}
	gru_pack(&m->cell, width, src, "decoder.cell.weight_ih", "decoder.cell.weight_hh", "decoder.cell.bias_ih",
	         "decoder.cell.bias_hh");
	linear_pack(&m->key, width, src, "decoder.attention.key.weight", "decoder.attention.key.bias", s->attention,
	            ATTEND_SCALE_IN);
	linear_pack(&m->query, width, src, "decoder.attention.query.weight", NULL, s->attention, ATTEND_SCALE_IN);
	linear_pack(&m->output, width, src, "output.weight", "output.bias", net_outputs(s), 1);

	const float *v = source_find(src, "decoder.attention.score.weight");
	for (int i = 0; i < s->attention; i++)
		m->v[i] = (float)(ATTEND_SCALE_V * v[i]);
}

enum err infer_model_new_for(const struct kernels *k, const struct net_spec *s, const float *params,
                             struct infer_model **out, struct error *e)
{
	struct infer_model *m = NULL;
	struct source *src = NULL;
	enum err rc = net_spec_check(s, e);

	if (rc)
		goto done;
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

/* model.c - packs the flat block of a network for the kernels.
 *
 * PyTorch's [out][in] rows become panels (kernels.h); biases that always meet
 * are added, the scales of gates and of attention's score are folded in. All packs live in
 * one aligned block, those that a spec does not have with no numbers, and
 * behind them the tables, which are no products' weights:
 *
 *     encoder | cell | segment | key | query | output | v | instance | tokens | norm | classes | positions | channels
 */
#include "model/infer/model.h"
#include "model/infer/int8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define BATCH_NORM_EPS 1e-5   /* PyTorch's */
#define MAX_PACKS (TRANSFORMER_MAX_PACKS + 6)   /* of the larger encoder; cell's two, segment, key, query, output */
_Static_assert(TRANSFORMER_MAX_PACKS >= 4 * NET_MAX_LAYERS, "gates and candidate of two directions fit as well");

#define SHAPE(ID, FUNCTION, GATES, SUMS, CANDIDATE) [FORM_##ID] = { GATES, SUMS, CANDIDATE },
static const struct cell_shape { int gates, sums, candidate; } cell_shapes[] = { CELL_FORMS(SHAPE) };
#undef SHAPE

#define FIRST(ID, NAME, GATES, MEMORY, AUX, WEIGHTS, DECODER, FORM, ...) [CELL_##ID] = FORM_##FORM,
static const enum cell_form first_form[] = { CELLS(FIRST) };
#undef FIRST

static struct cell cell_shape(enum cell_form form, int width, int in, int hid)
{
	const struct cell_shape *shape = &cell_shapes[form];
	struct cell c = { .form = form, .in = in, .hid = hid };

	c.gates = pack_shape(width, in + hid, hid, shape->gates, shape->sums);
	if (shape->candidate)
		c.candidate = pack_shape(width, in + hid, hid, shape->candidate, shape->candidate);
	c.gates.in = c.candidate.in = in;
	return c;
}

static enum cell_form form_of(const struct net_spec *s, enum cell_type type)
{
	if (type == CELL_GRU && !s->reset_after)
		return FORM_GRU_RESET_BEFORE;
	if (type == CELL_RNN && s->relu)
		return FORM_RNN_RELU;
	return first_form[type];
}

static void shape_recurrent(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const enum cell_form form = form_of(s, net_encoder_cell(s));

	for (int l = 0; l < s->layers; l++)
		for (int d = 0; d < net_directions(s); d++)
			m->encoder[l][d] = cell_shape(form, m->kernels->width, l ? net_width(s) : net_encoder_inputs(s),
			                              s->hidden);
}

/* Whether the decoder has a cell of its own. */
static bool has_cell(const struct net_spec *s)
{
	return s->decoder == DECODER_ATTENTION || s->decoder == DECODER_RECONSTRUCT;
}

static void shape_score(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const struct pack product = pack_shape(m->kernels->width, net_width(s), s->attention, 1, 1);

	if (!net_additive(s)) {
		m->attention = m->width;
		m->dot_scale = (float)(ATTEND_SCALE_DOT / sqrt(net_width(s)));
		return;
	}
	m->attention = kernels_pad(s->attention);
	m->key = product;
	if (s->decoder == DECODER_ATTENTION)
		m->query = product;
}

static void model_shape(struct infer_model *m)
{
	const struct net_spec *s = &m->spec;
	const int padded = kernels_pad(s->hidden);

	/* The backward units begin at number `hidden`, on the forward direction's padding. */
	m->width = s->bidirectional ? kernels_pad(s->hidden + padded) : padded;
	if (s->encoder == ENCODER_TRANSFORMER)
		transformer_shape(&m->transformer, s, m->kernels->width);
	else
		shape_recurrent(m);
	if (has_cell(s))
		m->cell = cell_shape(form_of(s, net_decoder_cell(s)), m->kernels->width, net_decoder_inputs(s),
		                     net_width(s));
	if (net_attends(s))
		shape_score(m);
	if (s->decoder == DECODER_SEGMENT)
		m->segment = pack_shape(m->kernels->width, s->segment, s->hidden, 1, 1);
	m->outputs = kernels_pad(net_head_rows(s));
	m->output = pack_shape(m->kernels->width, net_width(s), net_head_rows(s), 1, 1);
}

static int recurrent_packs(struct infer_model *m, struct pack *all[MAX_PACKS])
{
	int n = 0;

	for (int l = 0; l < m->spec.layers; l++)
		for (int d = 0; d < net_directions(&m->spec); d++) {
			all[n++] = &m->encoder[l][d].gates;
			all[n++] = &m->encoder[l][d].candidate;
		}
	return n;
}

static int packs_of(struct infer_model *m, struct pack *all[MAX_PACKS])
{
	int n = m->spec.encoder == ENCODER_TRANSFORMER ? transformer_packs(&m->transformer, all)
	                                               : recurrent_packs(m, all);

	all[n++] = &m->cell.gates;
	all[n++] = &m->cell.candidate;
	all[n++] = &m->segment;
	all[n++] = &m->key;
	all[n++] = &m->query;
	all[n++] = &m->output;
	return n;
}

/* A table: where it is pointed to, and its numbers. */
struct table { float **at; size_t n; };
enum { TABLE_V, TABLE_INSTANCE_WEIGHT, TABLE_INSTANCE_BIAS, TABLE_TOKENS, TABLE_SCALE, TABLE_SHIFT, TABLE_CLASSES, TABLE_POSITIONS, TABLE_CHANNELS, TABLES };

static void tables_of(struct infer_model *m, struct table all[TABLES])
{
	const struct net_spec *s = &m->spec;
	const size_t hid = (size_t)s->hidden, norm = s->batch_norm ? (size_t)m->width : 0;
	const size_t instance = s->instance_norm ? (size_t)s->inputs : 0;
	const bool classes = s->classes && net_feeds_back(s), segments = s->decoder == DECODER_SEGMENT;

	all[TABLE_V] = (struct table){ &m->v, net_additive(s) ? (size_t)m->attention : 0 };
	all[TABLE_INSTANCE_WEIGHT] = (struct table){ &m->instance_weight, instance };
	all[TABLE_INSTANCE_BIAS] = (struct table){ &m->instance_bias, instance };
	all[TABLE_TOKENS] = (struct table){ &m->tokens, (size_t)s->vocabulary * s->embedding };
	all[TABLE_SCALE] = (struct table){ &m->norm_scale, norm };
	all[TABLE_SHIFT] = (struct table){ &m->norm_shift, norm };
	all[TABLE_CLASSES] = (struct table){ &m->classes, classes ? (size_t)s->classes * s->embedding : 0 };
	all[TABLE_POSITIONS] = (struct table){ &m->positions, segments ? s->horizon / s->segment * (hid / 2) : 0 };
	all[TABLE_CHANNELS] = (struct table){ &m->channels, segments ? s->inputs * (hid - hid / 2) : 0 };
}

/* Floats of a table in the block: whole lines. */
static size_t table_size(const struct table *t)
{
	return (t->n + KERNEL_UNITS - 1) / KERNEL_UNITS * KERNEL_UNITS;
}

static size_t tables_size(const struct table table[TABLES])
{
	size_t floats = 0;

	for (int i = 0; i < TABLES; i++)
		floats += table_size(&table[i]);
	return floats;
}

/* Point the tables that the spec has to room from `at` on. */
static void place_tables(const struct table table[TABLES], float *at)
{
	for (int i = 0; i < TABLES; i++) {
		*table[i].at = table[i].n ? at : NULL;
		at += table_size(&table[i]);
	}
}

static enum err block_new(size_t floats, float **out, struct error *e)
{
	float *block = aligned_alloc(ALIGNMENT, floats * sizeof *block);

	if (!block)
		return fail_nomem(e);
	memset(block, 0, floats * sizeof *block);
	*out = block;
	return ERR_OK;
}

/* Allocate the block, zeroed, and point every pack and table into it. */
static enum err model_place(struct infer_model *m, struct error *e)
{
	const int lanes = m->kernels->width;
	struct pack *all[MAX_PACKS];
	struct table table[TABLES];
	const int n = packs_of(m, all);

	tables_of(m, table);
	m->floats = tables_size(table);
	for (int i = 0; i < n; i++)
		m->floats += pack_size(all[i], lanes);
	/* Every part is a multiple of KERNEL_UNITS floats, so all stay aligned. */
	const enum err rc = block_new(m->floats, &m->block, e);
	if (rc)
		return rc;
	float *at = m->block;
	for (int i = 0; i < n; i++) {
		pack_place(all[i], lanes, at);
		at += pack_size(all[i], lanes);
	}
	place_tables(table, at);
	return ERR_OK;
}

struct cell_source {
	enum cell_type type;
	const float *wi, *wh, *bi, *bh;
};

/* What the argument of a gate is multiplied by: what its function in kernels.c asks for. */
static double argument_scale(enum cell_form form, enum cell_type type, int gate)
{
	if (form == FORM_RNN_RELU)
		return 1;
	return cell_gate(type, gate)->candidate ? SCALE_TANH : SCALE_SIGMOID;
}

/* Where gate `gate`, in PyTorch's order, is packed, and at which sums its two biases start. */
static void pack_gate(const struct packer *k, struct cell *c, int gate, const struct cell_source *t)
{
	const bool candidate = gate >= c->gates.gates;
	struct pack *p = candidate ? &c->candidate : &c->gates;
	const int at = candidate ? 0 : gate;
	const bool apart = p->sums > p->gates && at == p->gates - 1;   /* the state's part has a sum of its own */
	const int state_sum = apart ? p->gates : at;
	const size_t row = (size_t)gate * c->hid;
	const double scale = argument_scale(c->form, t->type, gate);

	pack_weights(k, p, at, 0, 0, &(struct piece){ t->wi + row * c->in, c->hid, c->in, c->in, scale });
	pack_weights(k, p, at, 0, c->in, &(struct piece){ t->wh + row * c->hid, c->hid, c->hid, c->hid, scale });
	if (t->bi) {
		pack_bias(k, p, at, 0, c->hid, t->bi + row, scale);
		pack_bias(k, p, state_sum, 0, c->hid, t->bh + row, scale);
	}
}

/* The cell whose tensors have these words around their names: "encoder", "_l0_reverse". */
static void pack_cell(const struct packer *k, struct cell *c, enum cell_type type, const char *part, const char *suffix)
{
	const struct cell_source t = {
		.type = type,
		.wi = packer_tensor(k, "%s.weight_ih%s", part, suffix),
		.wh = packer_tensor(k, "%s.weight_hh%s", part, suffix),
		.bi = packer_tensor(k, "%s.bias_ih%s", part, suffix),
		.bh = packer_tensor(k, "%s.bias_hh%s", part, suffix),
	};

	for (int gate = 0; gate < c->gates.gates + c->candidate.gates; gate++)
		pack_gate(k, c, gate, &t);
}

static void pack_recurrent(struct infer_model *m, const struct packer *k)
{
	for (int l = 0; l < m->spec.layers; l++)
		for (int d = 0; d < net_directions(&m->spec); d++) {
			char suffix[CELL_SUFFIX];
			net_cell_suffix(l, d, suffix);
			pack_cell(k, &m->encoder[l][d], net_encoder_cell(&m->spec), "encoder", suffix);
		}
}

static void pack_score(struct infer_model *m, const struct packer *k)
{
	const int units = m->spec.attention;

	pack_linear(k, &m->key, units, packer_tensor(k, "decoder.attention.key.weight"),
	            packer_tensor(k, "decoder.attention.key.bias"), ATTEND_SCALE_IN);
	if (m->spec.decoder == DECODER_ATTENTION)
		pack_linear(k, &m->query, units, packer_tensor(k, "decoder.attention.query.weight"), NULL,
		            ATTEND_SCALE_IN);
	const float *v = packer_tensor(k, "decoder.attention.score.weight");
	for (int i = 0; i < units; i++)
		m->v[i] = (float)(ATTEND_SCALE_V * v[i]);
}

/* (x - mean) / sqrt(var + eps) * weight + bias as a multiply-add. */
static void pack_batch_norm(struct infer_model *m, const struct packer *k)
{
	const float *weight = packer_tensor(k, "norm.weight"), *bias = packer_tensor(k, "norm.bias");
	const float *mean = packer_tensor(k, "norm.running_mean"), *var = packer_tensor(k, "norm.running_var");

	for (int u = 0; u < net_width(&m->spec); u++) {
		const double scale = weight[u] / sqrt(var[u] + BATCH_NORM_EPS);
		m->norm_scale[u] = (float)scale;
		m->norm_shift[u] = (float)(bias[u] - mean[u] * scale);
	}
}

/* A tensor's numbers as they are, into a table. Tables that the spec does not have are NULL. */
static void pack_table(const struct packer *k, float *to, const char *name)
{
	const struct tensor *t = tensor_find(&k->table, name);

	if (to)
		memcpy(to, k->params + t->offset, t->count * sizeof *to);
}

static void pack_tables(struct infer_model *m, const struct packer *k)
{
	pack_table(k, m->instance_weight, "instance_norm.weight");
	pack_table(k, m->instance_bias, "instance_norm.bias");
	pack_table(k, m->tokens, "embedding.weight");
	pack_table(k, m->classes, "decoder.embedding.weight");
	pack_table(k, m->positions, "decoder.position.weight");
	pack_table(k, m->channels, "decoder.channel.weight");
	if (m->spec.batch_norm)
		pack_batch_norm(m, k);
}

static void model_pack(struct infer_model *m, const struct packer *k)
{
	const struct net_spec *s = &m->spec;

	if (s->encoder == ENCODER_TRANSFORMER)
		transformer_pack(&m->transformer, s, k);
	else
		pack_recurrent(m, k);
	if (has_cell(s))
		pack_cell(k, &m->cell, net_decoder_cell(s), "decoder.cell", "");
	if (net_additive(s))
		pack_score(m, k);
	if (s->decoder == DECODER_SEGMENT)
		pack_linear(k, &m->segment, s->hidden, packer_tensor(k, "segment.weight"),
		            packer_tensor(k, "segment.bias"), 1);
	pack_tables(m, k);
	pack_linear(k, &m->output, net_head_rows(s), packer_tensor(k, "output.weight"),
	            packer_tensor(k, "output.bias"), 1);
}

/* Whether a pack has products: a norm and a pack that the spec does not have do not. */
static bool multiplies(const struct pack *p)
{
	return p->k && p->panels;
}

/* Floats of a pack in a block of quantised ones. */
static size_t quantised_size(const struct pack *p, int lanes)
{
	return multiplies(p) ? int8_pack_size(p, lanes) : pack_size(p, lanes);
}

/* Move a pack there, quantised if it multiplies. */
static void quantise_pack(struct pack *p, int lanes, float *at)
{
	const struct pack from = *p;

	if (multiplies(&from)) {
		int8_pack(&from, lanes, at, p);
		return;
	}
	pack_place(p, lanes, at);
	memcpy(at, from.w, pack_size(&from, lanes) * sizeof *at);
}

/* Move the packs, quantised, and the tables to a block of their own. */
static enum err model_quantise(struct infer_model *m, struct error *e)
{
	const int lanes = m->kernels->width;
	struct pack *all[MAX_PACKS];
	struct table table[TABLES];
	const int n = packs_of(m, all);
	float *block = NULL;

	tables_of(m, table);
	const size_t tail = tables_size(table);
	const float *tables = m->block + m->floats - tail;   /* behind the packs */
	size_t floats = tail;
	for (int i = 0; i < n; i++)
		floats += quantised_size(all[i], lanes);
	const enum err rc = block_new(floats, &block, e);
	if (rc)
		return rc;
	float *at = block;
	for (int i = 0; i < n; i++) {
		const size_t size = quantised_size(all[i], lanes);
		quantise_pack(all[i], lanes, at);
		at += size;
	}
	memcpy(at, tables, tail * sizeof *at);
	place_tables(table, at);
	free(m->block);
	m->block = block;
	m->floats = floats;
	return ERR_OK;
}

enum err infer_model_new_for(const struct kernels *kernels, const struct net_spec *s, const float *params,
                             const struct infer_options *o, struct infer_model **out, struct error *e)
{
	struct infer_model *m = NULL;
	struct packer *k = NULL;
	enum err rc = net_spec_check(s, e);

	if (rc)
		goto done;
	m = calloc(1, sizeof *m);
	k = malloc(sizeof *k);
	if (!m || !k) {
		rc = fail_nomem(e);
		goto done;
	}
	m->spec = *s;
	m->kernels = kernels;
	model_shape(m);
	rc = model_place(m, e);
	if (rc)
		goto done;
	k->lanes = kernels->width;
	k->params = params;
	net_tensors(s, &k->table);
	model_pack(m, k);
	if (o && o->int8) {
		rc = model_quantise(m, e);
		if (rc)
			goto done;
	}
	*out = m;
	m = NULL;
done:
	free(k);
	infer_model_free(m);
	return rc;
}

enum err infer_model_new(const struct net_spec *s, const float *params, const struct infer_options *o,
                         struct infer_model **out, struct error *e)
{
	return infer_model_new_for(kernels_best(), s, params, o, out, e);
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

/* spec.c - see spec.h. */
#include "model/nn/spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
	int gates;
	bool memory;
	enum cell_type decoder;
	struct cell_gate gate[CELL_MAX_GATES];
} cells[] = {
#define ROW(ID, NAME, GATES, MEMORY, AUX, WEIGHTS, DECODER, FORM, ...) \
	[CELL_##ID] = { GATES, MEMORY, CELL_##DECODER, { __VA_ARGS__ } },
	CELLS(ROW)
#undef ROW
};

int cell_gates(enum cell_type type)
{
	return cells[type].gates;
}

const struct cell_gate *cell_gate(enum cell_type type, int gate)
{
	return &cells[type].gate[gate];
}

bool cell_type_has_memory(enum cell_type type)
{
	return cells[type].memory;
}

enum cell_type net_decoder_cell(const struct net_spec *s)
{
	return cells[net_encoder_cell(s)].decoder;
}

static enum err check_range(const char *member, int value, int low, int high, struct error *e)
{
	if (value >= low && value <= high)
		return ERR_OK;
	return fail(e, ERR_INVALID, member, "%s must lie in %d ... %d; it is %d", member, low, high, value);
}

static enum err check_sizes(const struct net_spec *s, struct error *e)
{
	const bool additive = net_additive(s), embedded = s->vocabulary || (s->classes && net_feeds_back(s));
	const bool plain = s->classes || net_answers_steps(s);
	const int hidden = NET_MAX_HIDDEN / net_directions(s);
	const struct { const char *member; int value, low, high; } ranges[] = {
		{ "vocabulary",   s->vocabulary,   0, NET_MAX_VOCABULARY },
		{ "inputs",       s->inputs,       1, s->vocabulary ? 1 : NET_MAX_INPUTS },
		{ "embedding",    s->embedding,    embedded ? 1 : 0, embedded ? NET_MAX_HIDDEN : 0 },
		{ "hidden",       s->hidden,       1, hidden },
		{ "layers",       s->layers,       1, NET_MAX_LAYERS },
		{ "attention",    s->attention,    additive ? 1 : 0, additive ? NET_MAX_HIDDEN : 0 },
		{ "classes",      s->classes,      0, NET_MAX_VOCABULARY },
		{ "targets",      s->targets,      1, s->classes ? 1 : NET_MAX_TARGETS },
		{ "levels",       s->levels,       1, plain ? 1 : NET_MAX_LEVELS },
		{ "median_level", s->median_level, 0, s->levels - 1 },
		{ "horizon",      s->horizon,      1, net_answers_steps(s) ? 1 : NET_MAX_HORIZON },
		{ "segment",      s->segment,      0, s->decoder == DECODER_SEGMENT ? s->horizon : 0 },
	};
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		enum err rc = check_range(ranges[i].member, ranges[i].value, ranges[i].low, ranges[i].high, e);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

static enum err check_choices(const struct net_spec *s, struct error *e)
{
	const struct { const char *member; int value, last; const char *names; } choices[] = {
		{ "encoder",       (int)s->encoder,       ENCODER_TRANSFORMER,      "a cell of cells.h or transformer" },
		{ "decoder",       (int)s->decoder,       DECODER_SEGMENT,
		  "attention, last, mean, pool, reconstruct, token or segment" },
		{ "score",         (int)s->score,         SCORE_DOT,                "additive or dot" },
		{ "decoder_input", (int)s->decoder_input, DECODER_CONTEXT_PREVIOUS, "context or context+previous" },
	};
	for (size_t i = 0; i < sizeof choices / sizeof *choices; i++)
		if (choices[i].value < 0 || choices[i].value > choices[i].last)
			return fail(e, ERR_INVALID, choices[i].member, "%s must be %s", choices[i].member,
			            choices[i].names);
	return ERR_OK;
}

static enum err check_transformer(const struct net_spec *s, struct error *e)
{
	if (s->bidirectional || s->reverse)
		return fail(e, ERR_INVALID, s->reverse ? "reverse" : "bidirectional",
		            "a transformer reads both ways by itself: %s is for recurrent encoders",
		            s->reverse ? "reverse" : "bidirectional");
	enum err rc = check_range("heads", s->heads, 1, NET_MAX_HEADS, e);
	if (rc)
		return rc;
	if (s->hidden % s->heads)
		return fail(e, ERR_INVALID, "heads", "heads must divide hidden; %d does not divide %d", s->heads,
		            s->hidden);
	return check_range("feedforward", s->feedforward, 1, NET_MAX_FEEDFORWARD, e);
}

/* The decoder is one more step of the encoder's only cell, from where that ended. */
static enum err check_segment(const struct net_spec *s, struct error *e)
{
	if (s->encoder == ENCODER_TRANSFORMER || s->layers > 1 || s->bidirectional || s->reverse || s->batch_norm)
		return fail(e, ERR_INVALID, "encoder", "the segment decoder goes on with its encoder's cell: one recurrent layer, "
			"one direction, forwards, without batch norm");
	if (s->segment < 1 || s->horizon % s->segment)
		return fail(e, ERR_INVALID, "segment", "segment must divide the horizon; %d does not divide %d", s->segment,
		            s->horizon);
	if (s->hidden < 2)
		return fail(e, ERR_INVALID, "hidden", "hidden must hold a position and a channel: 2 at least; it is %d", s->hidden);
	return ERR_OK;
}

static enum err check_composition(const struct net_spec *s, struct error *e)
{
	const bool same = s->decoder == DECODER_RECONSTRUCT || s->decoder == DECODER_SEGMENT;
	if (s->encoder == ENCODER_TRANSFORMER) {
		enum err rc = check_transformer(s, e);
		if (rc)
			return rc;
	}
	if (s->bidirectional && s->reverse)
		return fail(e, ERR_INVALID, "reverse", "an encoder of two directions reads from the end anyway: reverse is for one");
	if (same && (s->vocabulary || s->classes))
		return fail(e, ERR_INVALID, s->classes ? "classes" : "vocabulary", "this decoder takes numbers and gives numbers");
	if (same && s->targets != s->inputs)
		return fail(e, ERR_INVALID, "targets", "this decoder gives what goes in: targets must be inputs, %d; it is %d",
		            s->inputs, s->targets);
	return s->decoder == DECODER_SEGMENT ? check_segment(s, e) : ERR_OK;
}

enum err net_spec_check(const struct net_spec *s, struct error *e)
{
	struct tensor_table table;
	enum err rc = check_choices(s, e);
	if (!rc)
		rc = check_sizes(s, e);
	if (!rc)
		rc = check_composition(s, e);
	if (rc)
		return rc;
	if (!(s->dropout >= 0 && s->dropout < 1))    /* NaN too */
		return fail(e, ERR_INVALID, "dropout", "dropout must lie in [0, 1); it is %g", s->dropout);
	net_tensors(s, &table);
	if (table.count > NET_MAX_WEIGHTS)
		return fail(e, ERR_INVALID, "hidden", "these sizes make %zu weights; the limit is %u", table.count,
		            NET_MAX_WEIGHTS);
	return ERR_OK;
}

/* Append a tensor of rows x cols; cols = 0: a vector. */
__attribute__((format(printf, 5, 6)))
static void add(struct tensor_table *t, int blocks, int rows, int cols, const char *fmt, ...)
{
	struct tensor *n = &t->tensor[t->n++];
	*n = (struct tensor){
		.ndim = cols ? 2 : 1,
		.shape = { (size_t)rows, (size_t)cols },
		.offset = t->count,
		.count = (size_t)rows * (size_t)(cols ? cols : 1),
		.blocks = blocks,
		.init = cols ? INIT_XAVIER_UNIFORM : INIT_ZERO,
	};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(n->name, sizeof n->name, fmt, ap);
	va_end(ap);
	t->count += n->count;
}

static void add_cell(struct tensor_table *t, enum cell_type type, const char *part, const char *suffix, int in,
                     int hid, bool bias)
{
	int gates = cell_gates(type), rows = gates * hid;
	add(t, gates, rows, in, "%s.weight_ih%s", part, suffix);
	add(t, gates, rows, hid, "%s.weight_hh%s", part, suffix);
	t->tensor[t->n - 1].init = INIT_RECURRENT;
	if (bias) {
		add(t, gates, rows, 0, "%s.bias_ih%s", part, suffix);
		t->tensor[t->n - 1].init = type == CELL_LSTM ? INIT_FORGET : INIT_ZERO;
		add(t, gates, rows, 0, "%s.bias_hh%s", part, suffix);
	}
}

/* Vectors that stand for things: drawn from a normal distribution. */
static void add_codes(struct tensor_table *t, int things, int n, const char *name)
{
	add(t, 1, things, n, "%s", name);
	t->tensor[t->n - 1].init = INIT_NORMAL;
}

static void add_front(const struct net_spec *s, struct tensor_table *t)
{
	if (s->vocabulary)
		add_codes(t, s->vocabulary, s->embedding, "embedding.weight");
	if (s->decoder == DECODER_SEGMENT) {
		add(t, 1, s->hidden, s->segment, "segment.weight");
		add(t, 1, s->hidden, 0, "segment.bias");
	}
}

static void add_recurrent(const struct net_spec *s, struct tensor_table *t)
{
	for (int k = 0; k < s->layers; k++) {
		int in = k ? net_width(s) : net_encoder_inputs(s);
		for (int d = 0; d < net_directions(s); d++) {
			char suffix[CELL_SUFFIX];
			net_cell_suffix(k, d, suffix);
			add_cell(t, net_encoder_cell(s), "encoder", suffix, in, s->hidden, s->bias);
		}
	}
}

__attribute__((format(printf, 3, 4)))
static void add_norm(struct tensor_table *t, int hid, const char *fmt, ...)
{
	char norm[48];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(norm, sizeof norm, fmt, ap);
	va_end(ap);
	add(t, 1, hid, 0, "%s.weight", norm);
	t->tensor[t->n - 1].init = INIT_ONE;
	add(t, 1, hid, 0, "%s.bias", norm);
}

static void add_transformer_layer(const struct net_spec *s, int k, struct tensor_table *t)
{
	const int qkv = 3, hid = s->hidden;
	add(t, qkv, qkv * hid, hid, "encoder.layers.%d.self_attn.in_proj_weight", k);
	add(t, qkv, qkv * hid, 0, "encoder.layers.%d.self_attn.in_proj_bias", k);
	add(t, 1, hid, hid, "encoder.layers.%d.self_attn.out_proj.weight", k);
	add(t, 1, hid, 0, "encoder.layers.%d.self_attn.out_proj.bias", k);
	add(t, 1, s->feedforward, hid, "encoder.layers.%d.linear1.weight", k);
	add(t, 1, s->feedforward, 0, "encoder.layers.%d.linear1.bias", k);
	add(t, 1, hid, s->feedforward, "encoder.layers.%d.linear2.weight", k);
	add(t, 1, hid, 0, "encoder.layers.%d.linear2.bias", k);
	add_norm(t, hid, "encoder.layers.%d.norm1", k);
	add_norm(t, hid, "encoder.layers.%d.norm2", k);
}

static void add_transformer(const struct net_spec *s, struct tensor_table *t)
{
	add(t, 1, s->hidden, net_encoder_inputs(s), "encoder.embedding.weight");
	add(t, 1, s->hidden, 0, "encoder.embedding.bias");
	for (int k = 0; k < s->layers; k++)
		add_transformer_layer(s, k, t);
	if (s->norm_first)
		add_norm(t, s->hidden, "encoder.norm");
}

static void add_batch_norm(struct tensor_table *t, int width)
{
	add_norm(t, width, "norm");
	add(t, 1, width, 0, "norm.running_mean");
	t->tensor[t->n - 1].statistic = true;
	add(t, 1, width, 0, "norm.running_var");
	t->tensor[t->n - 1].statistic = true;
	t->tensor[t->n - 1].init = INIT_ONE;
}

static void add_score(const struct net_spec *s, struct tensor_table *t)
{
	int width = net_width(s);
	if (s->decoder == DECODER_ATTENTION)
		add(t, 1, s->attention, width, "decoder.attention.query.weight");
	add(t, 1, s->attention, width, "decoder.attention.key.weight");
	add(t, 1, s->attention, 0, "decoder.attention.key.bias");
	add(t, 1, 1, s->attention, "decoder.attention.score.weight");
}

static void add_decoder(const struct net_spec *s, struct tensor_table *t)
{
	int width = net_width(s);
	if (net_additive(s))
		add_score(s, t);
	if (s->classes && net_feeds_back(s))
		add_codes(t, s->classes, s->embedding, "decoder.embedding.weight");
	if (s->decoder == DECODER_ATTENTION || s->decoder == DECODER_RECONSTRUCT)
		add_cell(t, net_decoder_cell(s), "decoder.cell", "", net_decoder_inputs(s), width, s->bias);
	if (s->decoder == DECODER_SEGMENT) {
		add_codes(t, s->horizon / s->segment, s->hidden / 2, "decoder.position.weight");
		add_codes(t, s->inputs, s->hidden - s->hidden / 2, "decoder.channel.weight");
	}
}

void net_tensors(const struct net_spec *s, struct tensor_table *t)
{
	t->n = 0;
	t->count = 0;
	add_front(s, t);
	if (s->encoder == ENCODER_TRANSFORMER)
		add_transformer(s, t);
	else
		add_recurrent(s, t);
	if (s->batch_norm)
		add_batch_norm(t, net_width(s));
	add_decoder(s, t);
	add(t, 1, net_head_rows(s), net_width(s), "output.weight");
	add(t, 1, net_head_rows(s), 0, "output.bias");
}

struct tensor_run net_statistics(const struct tensor_table *t)
{
	struct tensor_run run = { .offset = t->count };
	for (int i = 0; i < t->n; i++) {
		if (!t->tensor[i].statistic)
			continue;
		if (!run.count)
			run.offset = t->tensor[i].offset;
		run.count += t->tensor[i].count;
	}
	return run;
}

void net_cell_suffix(int layer, int direction, char suffix[CELL_SUFFIX])
{
	snprintf(suffix, CELL_SUFFIX, "_l%d%s", layer, direction ? "_reverse" : "");
}

const struct tensor *tensor_find(const struct tensor_table *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->tensor[i].name, name))
			return &t->tensor[i];
	return NULL;
}

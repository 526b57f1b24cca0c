/* spec.c - see spec.h. */
#include "model/nn/spec.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GRU_GATES 3

static enum err check_range(const char *member, int value, int low, int high, struct error *e)
{
	if (value >= low && value <= high)
		return ERR_OK;
	return fail(e, ERR_INVALID, member, "%s must lie in %d ... %d; it is %d", member, low, high, value);
}

static enum err check_sizes(const struct net_spec *s, struct error *e)
{
	const struct { const char *member; int value, low, high; } ranges[] = {
		{ "inputs",       s->inputs,       1, NET_MAX_INPUTS },
		{ "hidden",       s->hidden,       1, NET_MAX_HIDDEN },
		{ "layers",       s->layers,       1, NET_MAX_LAYERS },
		{ "attention",    s->attention,    1, NET_MAX_HIDDEN },
		{ "targets",      s->targets,      1, NET_MAX_TARGETS },
		{ "levels",       s->levels,       1, NET_MAX_LEVELS },
		{ "median_level", s->median_level, 0, s->levels - 1 },
		{ "horizon",      s->horizon,      1, NET_MAX_HORIZON },
	};
	for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
		enum err rc = check_range(ranges[i].member, ranges[i].value, ranges[i].low, ranges[i].high, e);
		if (rc)
			return rc;
	}
	return ERR_OK;
}

enum err net_spec_check(const struct net_spec *s, struct error *e)
{
	struct tensor_table table;
	enum err rc = check_sizes(s, e);
	if (rc)
		return rc;
	if (!(s->dropout >= 0 && s->dropout < 1))    /* NaN too */
		return fail(e, ERR_INVALID, "dropout", "dropout must lie in [0, 1); it is %g", s->dropout);
	if (s->decoder_input != DECODER_CONTEXT && s->decoder_input != DECODER_CONTEXT_PREVIOUS)
		return fail(e, ERR_INVALID, "decoder_input", "decoder_input must be context or context+previous");
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

static void add_gru(struct tensor_table *t, const char *part, const char *suffix, int in, int hid, bool bias)
{
	int rows = GRU_GATES * hid;
	add(t, GRU_GATES, rows, in, "%s.weight_ih%s", part, suffix);
	add(t, GRU_GATES, rows, hid, "%s.weight_hh%s", part, suffix);
	if (bias) {
		add(t, GRU_GATES, rows, 0, "%s.bias_ih%s", part, suffix);
		add(t, GRU_GATES, rows, 0, "%s.bias_hh%s", part, suffix);
	}
}

void net_tensors(const struct net_spec *s, struct tensor_table *t)
{
	int hid = s->hidden;
	t->n = 0;
	t->count = 0;
	for (int k = 0; k < s->layers; k++) {
		char suffix[16];
		snprintf(suffix, sizeof suffix, "_l%d", k);
		add_gru(t, "encoder", suffix, k ? hid : s->inputs, hid, s->bias);
	}
	add(t, 1, s->attention, hid, "decoder.attention.query.weight");
	add(t, 1, s->attention, hid, "decoder.attention.key.weight");
	add(t, 1, s->attention, 0, "decoder.attention.key.bias");
	add(t, 1, 1, s->attention, "decoder.attention.score.weight");
	add_gru(t, "decoder.cell", "", net_decoder_inputs(s), hid, s->bias);
	add(t, 1, net_outputs(s), hid, "output.weight");
	add(t, 1, net_outputs(s), 0, "output.bias");
}

const struct tensor *tensor_find(const struct tensor_table *t, const char *name)
{
	for (int i = 0; i < t->n; i++)
		if (!strcmp(t->tensor[i].name, name))
			return &t->tensor[i];
	return NULL;
}

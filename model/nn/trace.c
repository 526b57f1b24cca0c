/* trace.c - see trace.h. */
#include "model/nn/trace.h"

#include "model/nn/chain.h"

#include <assert.h>
#include <stdio.h>

/* Rows of n numbers, `rows` of them in one step; `at` is whose rows are looked at. */
struct place { const real *base; size_t rows, n, at; };

static void add(struct trace *t, const char *part, const char *name, enum trace_kind kind, int steps, int units,
                struct place p, size_t column)
{
	assert(t->n < TRACE_MAX_VIEWS);
	struct trace_view *v = &t->view[t->n++];
	*v = (struct trace_view){ .name = name, .kind = kind, .steps = steps, .units = units,
	                          .first = p.base + p.at * p.n + column, .stride = (ptrdiff_t)(p.rows * p.n) };
	snprintf(v->part, sizeof v->part, "%s", part);
}

/* The views from `first` on show rows of a layer that reads from the end: look from the other end. */
static void turn(struct trace *t, int first)
{
	for (struct trace_view *v = t->view + first; v < t->view + t->n; v++) {
		v->first = trace_row(v, v->steps - 1);
		v->stride = -v->stride;
	}
}

/* Gates and states that a cell left, of sequence `at` of `rows`. */
static void add_cell(struct trace *t, const char *part, const struct cell *c, const struct cell_tape *tape, int steps,
                     int rows, int at)
{
	size_t hid = (size_t)c->hid, gates = (size_t)c->recurrent.out;
	struct place place = { .base = tape->gates, .rows = (size_t)rows, .n = gates, .at = (size_t)at };
	for (int g = 0; g < cell_gates(c->type); g++) {
		const struct cell_gate *gate = cell_gate(c->type, g);
		if (gate->name)
			add(t, part, gate->name, gate->candidate ? TRACE_CANDIDATE : TRACE_GATE, steps, c->hid, place,
			    (size_t)g * hid);
	}
	place.n = hid;
	place.base = tape->h;
	add(t, part, "h", TRACE_STATE, steps, c->hid, place, 0);
	place.base = tape->c;
	if (cell_has_memory(c))
		add(t, part, "c", TRACE_MEMORY, steps, c->hid, place, 0);
}

static void add_stack(struct trace *t, const struct stack *s, const struct stack_tape *tape, const struct packing *p,
                      int at)
{
	for (int k = 0; k < s->layers; k++) {
		for (int d = 0; d < s->directions; d++) {
			char suffix[CELL_SUFFIX], part[TRACE_PART];
			int first = t->n;
			net_cell_suffix(k, d, suffix);
			snprintf(part, sizeof part, "encoder.%s", suffix + 1);
			add_cell(t, part, &s->cell[k][d], &tape->cell[k][d], p->T, p->B, at);
			if (stack_reads_backwards(s, d))
				turn(t, first);
		}
	}
}

static void add_transformer(struct trace *t, const struct transformer *f, const struct transformer_tape *tape, int T)
{
	struct place place = { .rows = 1, .n = (size_t)f->hid };
	for (int k = 0; 2 * k < f->sublayers; k++) {
		char part[TRACE_PART];
		snprintf(part, sizeof part, "encoder.l%d", k);
		place.base = tape->sublayer[2 * k + 1].y;
		add(t, part, "h", TRACE_STATE, T, f->hid, place, 0);
	}
	place.base = tape->y;
	if (f->norm_first)
		add(t, "encoder.norm", "h", TRACE_STATE, T, f->hid, place, 0);
}

static void add_attention(struct trace *t, const struct attention_tape *tape, int steps, int T)
{
	add(t, "decoder", "attention", TRACE_ATTENTION, steps, T,
	    (struct place){ .base = tape->weights, .rows = 1, .n = (size_t)T }, 0);
}

static void add_decoder(struct trace *t, const struct decoder *d, const struct decoder_tape *tape,
                        const struct packing *p, int at)
{
	switch (d->type) {
	case DECODER_ATTENTION:
		add_cell(t, "decoder", &d->attention.cell, &tape->attention.cell, d->horizon, 1, 0);
		add_attention(t, &tape->attention.attention, d->horizon, p->T);
		break;
	case DECODER_POOL:
		add_attention(t, &tape->pooling.attention, 1, p->T);
		break;
	case DECODER_RECONSTRUCT:
		add_cell(t, "decoder", &d->reconstruct.cell, &tape->reconstruct.cell, p->T, 1, 0);
		break;
	case DECODER_SEGMENT:
		add_cell(t, "decoder", &d->segment.cell, &tape->segment.cell, d->segment.segments, p->B, at);
		break;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_TOKEN:
		break;
	}
}

int network_traces(const struct net_spec *s)
{
	return front_sequences(s);
}

void network_trace(const struct net_spec *s, const struct network_input *in, real *ws, int index, struct trace *out)
{
	struct chain c;
	struct chain_tape t;
	assert(in->B == 1 && index < network_traces(s));
	chain_open(s, in, ws, &c, &t);
	const struct packing *p = front_packing(&c.front, &t.front);
	out->n = 0;
	if (c.encoder.type == ENCODER_TRANSFORMER)
		add_transformer(out, &c.encoder.transformer, &t.encoder.transformer, p->T);
	else
		add_stack(out, &c.encoder.stack, &t.encoder.stack, p, index);
	add_decoder(out, &c.decoder, &t.decoder, p, index);
}

void network_head(const struct net_spec *s, const struct network_input *in, real *ws, int layer, int head,
                  real *shares)
{
	struct chain c;
	struct chain_tape t;
	assert(in->B == 1 && s->encoder == ENCODER_TRANSFORMER && layer < s->layers && head < s->heads);
	chain_open(s, in, ws, &c, &t);
	const struct packing *p = front_packing(&c.front, &t.front);
	int sublayer = 2 * layer;                   /* a layer's attention stands before its feed-forward */
	multihead_shares(&c.encoder.transformer.sublayer[sublayer].attention, p->T, head,
	                 &t.encoder.transformer.sublayer[sublayer].attention, shares);
}

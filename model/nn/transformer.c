/* transformer.c - see transformer.h. */
#include "model/nn/transformer.h"

#include "model/nn/dropout.h"
#include "model/nn/vector.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#define EPS 1e-5    /* PyTorch's */

void transformer_positions(int first, int n, int hid, real *positions)
{
	for (int j = 0; j < hid; j++) {
		double frequency = pow(10000, -(double)(j - j % 2) / hid);
		for (int i = 0; i < n; i++) {
			double angle = (first + i) * frequency;
			positions[(size_t)i * (size_t)hid + (size_t)j] = (real)(j % 2 ? cos(angle) : sin(angle));
		}
	}
}

/* Where a tensor of the encoder lies. */
__attribute__((format(printf, 2, 3)))
static size_t place(const struct tensor_table *t, const char *fmt, ...)
{
	char name[sizeof t->tensor->name];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	const struct tensor *tensor = tensor_find(t, name);
	assert(tensor);
	return tensor->offset;
}

static struct layer_norm norm_at(const struct tensor_table *t, const char *name, int hid)
{
	return (struct layer_norm){ .n = hid, .eps = (real)EPS, .w = place(t, "%s.weight", name),
	                            .b = place(t, "%s.bias", name) };
}

static struct linear linear_at(const struct tensor_table *t, const char *layer, const char *name, int in, int out)
{
	return (struct linear){ .in = in, .out = out, .bias = true, .w = place(t, "%s.%s.weight", layer, name),
	                        .b = place(t, "%s.%s.bias", layer, name) };
}

static struct sublayer attention_at(const struct net_spec *s, const struct tensor_table *t, const char *layer)
{
	struct multihead m = { .hid = s->hidden, .heads = s->heads, .causal = s->causal };
	m.in = (struct linear){ .in = s->hidden, .out = 3 * s->hidden, .bias = true };
	m.in.w = place(t, "%s.self_attn.in_proj_weight", layer);
	m.in.b = place(t, "%s.self_attn.in_proj_bias", layer);
	m.out = linear_at(t, layer, "self_attn.out_proj", s->hidden, s->hidden);
	return (struct sublayer){ .type = SUBLAYER_ATTENTION, .attention = m };
}

static struct sublayer feedforward_at(const struct net_spec *s, const struct tensor_table *t, const char *layer)
{
	struct feedforward f = { .gelu = s->gelu };
	f.up = linear_at(t, layer, "linear1", s->hidden, s->feedforward);
	f.down = linear_at(t, layer, "linear2", s->feedforward, s->hidden);
	return (struct sublayer){ .type = SUBLAYER_FEEDFORWARD, .feedforward = f };
}

static struct sublayer sublayer_at(const struct net_spec *s, const struct tensor_table *t, int index)
{
	char layer[32], norm[48];
	bool second = index % 2;
	snprintf(layer, sizeof layer, "encoder.layers.%d", index / 2);
	snprintf(norm, sizeof norm, "%s.norm%d", layer, 1 + second);
	struct sublayer l = second ? feedforward_at(s, t, layer) : attention_at(s, t, layer);
	l.norm_first = s->norm_first;
	l.norm = norm_at(t, norm, s->hidden);
	return l;
}

struct transformer transformer_at(const struct net_spec *s, const struct tensor_table *t)
{
	struct transformer f = { .hid = s->hidden, .sublayers = 2 * s->layers, .norm_first = s->norm_first,
	                         .dropout = s->dropout };
	f.embedding = linear_at(t, "encoder", "embedding", s->inputs, s->hidden);
	for (int k = 0; k < f.sublayers; k++)
		f.sublayer[k] = sublayer_at(s, t, k);
	if (f.norm_first)
		f.norm = norm_at(t, "encoder.norm", s->hidden);
	return f;
}

void transformer_tape_take(struct transformer_tape *t, const struct transformer *f, int T, int B, struct scratch *s)
{
	size_t rows = (size_t)T * (size_t)B, hid = (size_t)f->hid, n = rows * hid;
	t->wt_embedding = scratch_take(s, (size_t)f->embedding.in * hid);
	t->positions = scratch_take(s, (size_t)T * hid);
	t->embedded = scratch_take(s, n);
	for (int k = 0; k <= f->sublayers; k++)
		t->mask[k] = f->dropout > 0 ? scratch_take(s, n) : NULL;
	for (int k = 0; k < f->sublayers; k++)
		sublayer_tape_take(&t->sublayer[k], &f->sublayer[k], rows, T, s);
	t->y = t->sublayer[f->sublayers - 1].y;
	if (f->norm_first) {
		layer_norm_tape_take(&t->norm, &f->norm, rows, s);
		t->y = scratch_take(s, n);
	}
}

static void add_positions(const struct packing *p, int hid, const real *positions, real *y)
{
	for (int t = 0; t < p->T; t++)
		for (int b = 0; b < p->active[t]; b++)
			vector_add_scaled(hid, 1, positions + (size_t)t * (size_t)hid,
			                  y + packing_row(p, t, b) * (size_t)hid);
}

static void multiply(size_t n, const real *restrict mask, real *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] *= mask[i];
}

static void embed(const struct transformer *f, const real *params, const struct packing *p, const real *x,
                  const real *mask, struct transformer_tape *tape)
{
	linear_transpose(&f->embedding, params, tape->wt_embedding);
	linear_forward(&f->embedding, params, tape->wt_embedding, p->rows, x, tape->embedded);
	transformer_positions(0, p->T, f->hid, tape->positions);
	add_positions(p, f->hid, tape->positions, tape->embedded);
	if (mask)
		multiply((size_t)p->rows * (size_t)f->hid, mask, tape->embedded);
}

static const real *sublayer_input(const struct transformer_tape *tape, int k)
{
	return k ? tape->sublayer[k - 1].y : tape->embedded;
}

void transformer_forward(const struct transformer *f, const real *params, const struct packing *p, const real *x,
                         const struct dropout_key *dropout, struct transformer_tape *tape)
{
	if (dropout)
		for (int k = 0; k <= f->sublayers; k++)
			dropout_mask(dropout, f->dropout, k, p, f->hid, tape->mask[k]);
	embed(f, params, p, x, dropout ? tape->mask[0] : NULL, tape);
	for (int k = 0; k < f->sublayers; k++)
		sublayer_forward(&f->sublayer[k], params, p, sublayer_input(tape, k),
		                 dropout ? tape->mask[k + 1] : NULL, &tape->sublayer[k]);
	if (f->norm_first)
		layer_norm_forward(&f->norm, params, p->rows, sublayer_input(tape, f->sublayers), &tape->norm,
		                   tape->y);
}

void transformer_backward(const struct transformer *f, const real *params, const struct packing *p, const real *x,
                          bool dropped, struct transformer_tape *tape, real *dparams, real *d, real *dx)
{
	if (f->norm_first)
		layer_norm_backward(&f->norm, params, p->rows, &tape->norm, dparams, d);
	for (int k = f->sublayers - 1; k >= 0; k--)
		sublayer_backward(&f->sublayer[k], params, p, sublayer_input(tape, k),
		                  dropped ? tape->mask[k + 1] : NULL, &tape->sublayer[k], dparams, d);
	if (dropped)
		multiply((size_t)p->rows * (size_t)f->hid, tape->mask[0], d);
	linear_backward_weights(&f->embedding, p->rows, x, d, dparams);
	if (dx)
		linear_backward_input(&f->embedding, params, p->rows, d, 0, dx);
}

/* transformer.c - see transformer.h. */
#include "model/nn/transformer.h"

#include "model/nn/dropout.h"
#include "model/nn/vector.h"

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

/* `map` ends where "weight" and "bias" begin: "linear1.", "self_attn.in_proj_". */
static struct linear map_at(const struct tensor_table *t, const char *part, const char *map)
{
	char weight[sizeof t->tensor->name], bias[sizeof t->tensor->name];
	snprintf(weight, sizeof weight, "%s.%sweight", part, map);
	snprintf(bias, sizeof bias, "%s.%sbias", part, map);
	return linear_at(t, weight, bias);
}

/* A norm's two tensors are found as a map's are; its weight has one axis. */
static struct layer_norm norm_at(const struct tensor_table *t, const char *part, const char *norm)
{
	struct linear l = map_at(t, part, norm);
	return (struct layer_norm){ .n = l.out, .eps = (real)EPS, .w = l.w, .b = l.b };
}

static struct sublayer sublayer_at(const struct net_spec *s, const struct tensor_table *t, int index)
{
	struct sublayer l = { .type = index % 2 ? SUBLAYER_FEEDFORWARD : SUBLAYER_ATTENTION,
	                      .norm_first = s->norm_first };
	char layer[32];
	snprintf(layer, sizeof layer, "encoder.layers.%d", index / 2);
	l.norm = norm_at(t, layer, index % 2 ? "norm2." : "norm1.");
	if (l.type == SUBLAYER_ATTENTION)
		l.attention = (struct multihead){ .hid = s->hidden, .heads = s->heads, .causal = s->causal,
		                                  .in = map_at(t, layer, "self_attn.in_proj_"),
		                                  .out = map_at(t, layer, "self_attn.out_proj.") };
	else
		l.feedforward = (struct feedforward){ .gelu = s->gelu, .up = map_at(t, layer, "linear1."),
		                                      .down = map_at(t, layer, "linear2.") };
	return l;
}

void transformer_at(const struct net_spec *s, const struct tensor_table *t, struct transformer *f)
{
	*f = (struct transformer){ .hid = s->hidden, .sublayers = 2 * s->layers, .norm_first = s->norm_first,
	                           .dropout = s->dropout };
	f->embedding = map_at(t, "encoder", "embedding.");
	for (int k = 0; k < f->sublayers; k++)
		f->sublayer[k] = sublayer_at(s, t, k);
	if (f->norm_first)
		f->norm = norm_at(t, "encoder", "norm.");
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

static void embed(const struct transformer *f, const real *params, const struct packing *p, const real *x,
                  const real *mask, struct transformer_tape *tape)
{
	linear_transpose(&f->embedding, params, tape->wt_embedding);
	linear_forward(&f->embedding, params, tape->wt_embedding, p->rows, x, tape->embedded);
	transformer_positions(0, p->T, f->hid, tape->positions);
	add_positions(p, f->hid, tape->positions, tape->embedded);
	if (mask)
		dropout_apply((size_t)p->rows * (size_t)f->hid, tape->embedded, mask, tape->embedded);
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
		dropout_apply((size_t)p->rows * (size_t)f->hid, d, tape->mask[0], d);
	linear_backward_weights(&f->embedding, p->rows, x, d, dparams);
	if (dx)
		linear_backward_input(&f->embedding, params, p->rows, d, 0, dx);
}

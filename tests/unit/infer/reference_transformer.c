/* reference_transformer.c - the Transformer's encoder over one sequence in double, as obvious loops. */
#include "tests/unit/infer/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One sequence's arrays. */
struct work {
	const struct test_network *n;
	int T, hid;
	double *x, *in, *sub;            /* [T][hid]: the sum so far, what a sublayer reads, what it says */
	double *qkv, *wide;              /* [T][3 hid], [T][feedforward] */
};

static const float *layer_tensor(const struct test_network *n, int layer, const char *rest)
{
	char name[64];

	snprintf(name, sizeof name, "encoder.layers.%d.%s", layer, rest);
	return test_tensor(n, name);
}

void reference_norm(int n, const float *w, const float *b, const double *x, double *y)
{
	double mean = 0, var = 0;

	for (int i = 0; i < n; i++)
		mean += x[i] / n;
	for (int i = 0; i < n; i++)
		var += (x[i] - mean) * (x[i] - mean) / n;
	for (int i = 0; i < n; i++)
		y[i] = (x[i] - mean) / sqrt(var + 1e-5) * w[i] + b[i];
}

double reference_gelu(double x)
{
	return x * erfc(-x * M_SQRT1_2) / 2;
}

/* out [T][units] = W x + b, by the names of a layer's tensors. */
static void linear(const struct work *w, int layer, const char *weight, const char *bias, int in, int units,
                   const double *x, double *out)
{
	const float *matrix = layer_tensor(w->n, layer, weight), *vector = layer_tensor(w->n, layer, bias);

	for (int t = 0; t < w->T; t++)
		for (int u = 0; u < units; u++)
			out[(size_t)t * units + u] = reference_affine(matrix, vector, u, in, x + (size_t)t * in);
}

static void norm_rows(const struct work *w, const float *weight, const float *bias, const double *x, double *y)
{
	for (int t = 0; t < w->T; t++)
		reference_norm(w->hid, weight, bias, x + (size_t)t * w->hid, y + (size_t)t * w->hid);
}

/* Every step's mix of one head, into its columns of in. */
static void head(struct work *w, int index, int d)
{
	double *k = must_alloc((size_t)w->T * d * sizeof *k), *v = must_alloc((size_t)w->T * d * sizeof *v);
	double *weights = must_alloc((size_t)w->T * sizeof *weights);

	for (int t = 0; t < w->T; t++) {
		const double *row = w->qkv + (size_t)t * 3 * w->hid + index * d;
		memcpy(k + (size_t)t * d, row + w->hid, (size_t)d * sizeof *k);
		memcpy(v + (size_t)t * d, row + 2 * w->hid, (size_t)d * sizeof *v);
	}
	for (int t = 0; t < w->T; t++)
		reference_attend(w->n->spec.causal ? t + 1 : w->T, d, d, w->qkv + (size_t)t * 3 * w->hid + index * d,
		                 k, NULL, v, weights, w->in + (size_t)t * w->hid + index * d);
	free(weights);
	free(v);
	free(k);
}

static void attention(struct work *w, int layer)
{
	const int heads = w->n->spec.heads;

	linear(w, layer, "self_attn.in_proj_weight", "self_attn.in_proj_bias", w->hid, 3 * w->hid, w->in, w->qkv);
	for (int i = 0; i < heads; i++)
		head(w, i, w->hid / heads);
	linear(w, layer, "self_attn.out_proj.weight", "self_attn.out_proj.bias", w->hid, w->hid, w->in, w->sub);
}

static void feedforward(struct work *w, int layer)
{
	const struct net_spec *s = &w->n->spec;
	const int wide = s->feedforward;

	linear(w, layer, "linear1.weight", "linear1.bias", w->hid, wide, w->in, w->wide);
	for (size_t i = 0; i < (size_t)w->T * wide; i++)
		w->wide[i] = s->gelu ? reference_gelu(w->wide[i]) : fmax(0, w->wide[i]);
	linear(w, layer, "linear2.weight", "linear2.bias", wide, w->hid, w->wide, w->sub);
}

static void sublayer(struct work *w, int layer, bool second)
{
	const size_t size = (size_t)w->T * w->hid;
	const float *weight = layer_tensor(w->n, layer, second ? "norm2.weight" : "norm1.weight");
	const float *bias = layer_tensor(w->n, layer, second ? "norm2.bias" : "norm1.bias");

	memcpy(w->in, w->x, size * sizeof *w->x);
	if (w->n->spec.norm_first)
		norm_rows(w, weight, bias, w->x, w->in);
	if (second)
		feedforward(w, layer);
	else
		attention(w, layer);
	for (size_t i = 0; i < size; i++)
		w->x[i] += w->sub[i];
	if (!w->n->spec.norm_first)
		norm_rows(w, weight, bias, w->x, w->x);
}

static void embed(struct work *w, const double *x)
{
	const float *weight = test_tensor(w->n, "encoder.embedding.weight");
	const float *bias = test_tensor(w->n, "encoder.embedding.bias");
	const int in = net_encoder_inputs(&w->n->spec);

	for (int t = 0; t < w->T; t++)
		for (int j = 0; j < w->hid; j++) {
			const double angle = t / pow(10000, (double)(j - j % 2) / w->hid);
			const double embedded = reference_affine(weight, bias, j, in, x + (size_t)t * in);
			w->x[(size_t)t * w->hid + j] = embedded + (j % 2 ? cos(angle) : sin(angle));
		}
}

void reference_transformer(const struct test_network *n, int T, const double *x, double *states)
{
	const size_t size = (size_t)T * n->spec.hidden;
	double *block = must_alloc((5 * size + (size_t)T * n->spec.feedforward) * sizeof *block);
	struct work w = { n, T, n->spec.hidden, states, block, block + size, block + 2 * size, block + 5 * size };

	embed(&w, x);
	for (int layer = 0; layer < n->spec.layers; layer++) {
		sublayer(&w, layer, false);
		sublayer(&w, layer, true);
	}
	if (n->spec.norm_first)
		norm_rows(&w, test_tensor(n, "encoder.norm.weight"), test_tensor(n, "encoder.norm.bias"), states,
		          states);
	free(block);
}

/* support.c - see support.h. */
#include "tests/unit/infer/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SKIPPED 77

const struct kernels *level;

void *must_alloc(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) / 64 * 64);

	ck_assert_ptr_nonnull(p);
	return p;
}

int draw_int(struct rng *r, int low, int high)
{
	return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

void draw_floats(struct rng *r, float *p, size_t n, double scale)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (float)(scale * (2 * rng_uniform(r) - 1));
}

struct net_spec draw_spec(struct rng *r)
{
	struct net_spec s = {
		.inputs = draw_int(r, 1, 20),
		.hidden = draw_int(r, 1, 70),
		.layers = draw_int(r, 1, 3),
		.bias = draw_int(r, 0, 1),
		.reset_after = draw_int(r, 0, 1),
		.attention = draw_int(r, 1, 50),
		.decoder_input = draw_int(r, 0, 1) ? DECODER_CONTEXT_PREVIOUS : DECODER_CONTEXT,
		.targets = draw_int(r, 1, 20),
		.levels = draw_int(r, 1, 5),
		.horizon = draw_int(r, 1, 6),
	};
	s.median_level = draw_int(r, 0, s.levels - 1);
	return s;
}

void test_network_init(struct test_network *n, const struct net_spec *s, struct rng *r)
{
	n->spec = *s;
	ck_assert_int_eq(net_spec_check(s, NULL), ERR_OK);
	net_tensors(s, &n->table);
	n->params = must_alloc(n->table.count * sizeof *n->params);
	for (int i = 0; i < n->table.n; i++) {
		const struct tensor *t = &n->table.tensor[i];
		const double fan = t->ndim == 2 ? (double)t->shape[1] : 4;
		draw_floats(r, n->params + t->offset, t->count, 1.5 / sqrt(fan));
	}
}

void test_network_fini(struct test_network *n)
{
	free(n->params);
}

const float *test_tensor(const struct test_network *n, const char *name)
{
	const struct tensor *t = tensor_find(&n->table, name);

	return t ? n->params + t->offset : NULL;
}

struct infer_model *test_model(const struct test_network *n, const struct kernels *k)
{
	struct infer_model *m = NULL;

	ck_assert_int_eq(infer_model_new_for(k, &n->spec, n->params, &m, NULL), ERR_OK);
	return m;
}

struct infer_ws *test_workspace(const struct infer_model *m, int rows, int max_T)
{
	struct infer_ws *w = NULL;

	ck_assert_int_eq(infer_ws_new(rows, &w, NULL), ERR_OK);
	ck_assert_int_eq(infer_ws_reserve(w, m, max_T, NULL), ERR_OK);
	return w;
}

/* bias[row] + w[row] . x */
static double affine(const float *w, const float *bias, int row, int n, const double *x)
{
	double sum = bias ? bias[row] : 0;

	for (int k = 0; k < n; k++)
		sum += (double)w[(size_t)row * n + k] * x[k];
	return sum;
}

static double sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

/* Gate `gate` before its function, the state's part scaled by r (NULL: not scaled). */
static double gate_sum(const struct reference_gru *g, int gate, int unit, const double *x, const double *h)
{
	const int row = gate * g->hid + unit;

	return affine(g->wi, g->bi, row, g->in, x) + affine(g->wh, g->bh, row, g->hid, h);
}

void reference_gru(const struct reference_gru *g, const double *x, const double *h, double *out)
{
	double *rh = must_alloc((size_t)g->hid * sizeof *rh);

	for (int u = 0; u < g->hid; u++)
		rh[u] = sigmoid(gate_sum(g, 0, u, x, h)) * h[u];
	for (int u = 0; u < g->hid; u++) {
		const double r = sigmoid(gate_sum(g, 0, u, x, h)), z = sigmoid(gate_sum(g, 1, u, x, h));
		const int row = 2 * g->hid + u;
		const double n = g->reset_after
			? tanh(affine(g->wi, g->bi, row, g->in, x) + r * affine(g->wh, g->bh, row, g->hid, h))
			: tanh(gate_sum(g, 2, u, x, rh));
		out[u] = (1 - z) * n + z * h[u];
	}
	free(rh);
}

void reference_attend(int T, int att, int hid, const double *q, const double *k, const double *v,
                      const double *states, double *weights, double *context)
{
	double max = -INFINITY, sum = 0;

	for (int t = 0; t < T; t++) {
		weights[t] = 0;
		for (int a = 0; a < att; a++)
			weights[t] += v[a] * tanh(q[a] + k[t * att + a]);
		max = fmax(max, weights[t]);
	}
	for (int t = 0; t < T; t++)
		sum += weights[t] = exp(weights[t] - max);
	for (int t = 0; t < T; t++)
		weights[t] /= sum;
	for (int u = 0; u < hid; u++) {
		context[u] = 0;
		for (int t = 0; t < T; t++)
			context[u] += weights[t] * states[t * hid + u];
	}
}

/* States [T][hid] of one encoder layer over x [T][in]. */
static void reference_layer(const struct test_network *n, int layer, int T, const double *x, double *states)
{
	const int hid = n->spec.hidden, in = layer ? hid : n->spec.inputs;
	static const char *const stem[4] = { "weight_ih", "weight_hh", "bias_ih", "bias_hh" };
	const float *tensor[4];
	double *zero = must_alloc((size_t)hid * sizeof *zero);

	for (int i = 0; i < 4; i++) {
		char name[64];
		snprintf(name, sizeof name, "encoder.%s_l%d", stem[i], layer);
		tensor[i] = test_tensor(n, name);
	}
	const struct reference_gru g = { in, hid, n->spec.reset_after, tensor[0], tensor[1], tensor[2], tensor[3] };
	memset(zero, 0, (size_t)hid * sizeof *zero);
	for (int t = 0; t < T; t++)
		reference_gru(&g, x + (size_t)t * in, t ? states + (size_t)(t - 1) * hid : zero,
		              states + (size_t)t * hid);
	free(zero);
}

/* The decoder over the encoder's states, with its arrays handed in: see reference_network(). */
static void reference_decoder(const struct test_network *n, int T, const double *states, double *keys, double *q,
                              double *input, double *h, double *next, double *v, double *y, double *attention)
{
	const struct net_spec *s = &n->spec;
	const int hid = s->hidden, att = s->attention, outputs = net_outputs(s);
	const bool feeds = s->decoder_input == DECODER_CONTEXT_PREVIOUS;
	const struct reference_gru cell = {
		hid + (feeds ? s->targets : 0), hid, s->reset_after,
		test_tensor(n, "decoder.cell.weight_ih"), test_tensor(n, "decoder.cell.weight_hh"),
		test_tensor(n, "decoder.cell.bias_ih"), test_tensor(n, "decoder.cell.bias_hh"),
	};

	for (int t = 0; t < T; t++)
		for (int a = 0; a < att; a++)
			keys[t * att + a] = affine(test_tensor(n, "decoder.attention.key.weight"),
			                           test_tensor(n, "decoder.attention.key.bias"), a, hid,
			                           states + (size_t)t * hid);
	for (int a = 0; a < att; a++)
		v[a] = test_tensor(n, "decoder.attention.score.weight")[a];
	memcpy(h, states + (size_t)(T - 1) * hid, (size_t)hid * sizeof *h);
	for (int step = 0; step < s->horizon; step++) {
		for (int a = 0; a < att; a++)
			q[a] = affine(test_tensor(n, "decoder.attention.query.weight"), NULL, a, hid, h);
		reference_attend(T, att, hid, q, keys, v, states, attention + (size_t)step * T, input);
		for (int i = 0; feeds && i < s->targets; i++)
			input[hid + i] = step ? y[(size_t)(step - 1) * outputs + i * s->levels + s->median_level] : 0;
		reference_gru(&cell, input, h, next);
		memcpy(h, next, (size_t)hid * sizeof *h);
		for (int o = 0; o < outputs; o++)
			y[(size_t)step * outputs + o] = affine(test_tensor(n, "output.weight"),
			                                       test_tensor(n, "output.bias"), o, hid, h);
	}
}

void reference_network(const struct test_network *n, int T, const float *x, double *y, double *attention)
{
	const struct net_spec *s = &n->spec;
	const size_t hid = (size_t)s->hidden, att = (size_t)s->attention, inputs = (size_t)T * s->inputs;
	const size_t wide = hid > (size_t)s->inputs ? hid : (size_t)s->inputs;
	double *below = must_alloc((size_t)T * wide * sizeof *below), *states = must_alloc((size_t)T * hid * sizeof *states);
	double *rest = must_alloc(((size_t)T * att + 2 * att + 3 * hid + (size_t)s->targets) * sizeof *rest);
	double *q = rest + (size_t)T * att, *v = q + att, *h = v + att, *next = h + hid, *input = next + hid;

	for (size_t i = 0; i < inputs; i++)
		below[i] = x[i];
	for (int l = 0; l < s->layers; l++) {
		reference_layer(n, l, T, below, states);
		memcpy(below, states, (size_t)T * hid * sizeof *states);
	}
	reference_decoder(n, T, states, rest, q, input, h, next, v, y, attention);
	free(rest);
	free(states);
	free(below);
}

int run_level_suite(int argc, char **argv, Suite *s)
{
	level = argc > 1 ? kernels_find(argv[1]) : kernels_best();
	if (!level) {
		fprintf(stderr, "this CPU does not run %s\n", argv[1]);
		return SKIPPED;
	}
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

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

static void draw_transformer(struct net_spec *s, struct rng *r)
{
	s->bidirectional = false;
	s->heads = draw_int(r, 1, 5);
	s->hidden = s->heads * draw_int(r, 1, 20);
	s->feedforward = draw_int(r, 1, 80);
	s->norm_first = draw_int(r, 0, 1);
	s->gelu = draw_int(r, 0, 1);
	s->causal = draw_int(r, 0, 1);
}

struct net_spec draw_spec(struct rng *r)
{
	struct net_spec s = {
		.inputs = draw_int(r, 1, 20),
		.encoder = (enum encoder_type)draw_int(r, ENCODER_GRU, ENCODER_TRANSFORMER),
		.layers = draw_int(r, 1, 3),
		.bidirectional = draw_int(r, 0, 1),
		.bias = draw_int(r, 0, 1),
		.reset_after = draw_int(r, 0, 1),
		.relu = draw_int(r, 0, 1),
		.decoder = (enum decoder_type)draw_int(r, DECODER_ATTENTION, DECODER_MEAN),
		.score = (enum score_type)draw_int(r, SCORE_ADDITIVE, SCORE_DOT),
		.decoder_input = (enum decoder_input)draw_int(r, DECODER_CONTEXT, DECODER_CONTEXT_PREVIOUS),
		.targets = draw_int(r, 1, 20),
		.levels = draw_int(r, 1, 5),
		.horizon = draw_int(r, 1, 6),
	};
	s.hidden = draw_int(r, 1, s.bidirectional ? 50 : 70);
	if (s.encoder == ENCODER_TRANSFORMER)
		draw_transformer(&s, r);
	s.attention = net_additive(&s) ? draw_int(r, 1, 50) : 0;
	s.median_level = draw_int(r, 0, s.levels - 1);
	return s;
}

void test_network_init(struct test_network *n, const struct net_spec *s, struct rng *r)
{
	const double scale = s->encoder == ENCODER_RNN && s->relu ? 0.9 : 1.5;   /* relu states must not grow */

	n->spec = *s;
	ck_assert_int_eq(net_spec_check(s, NULL), ERR_OK);
	net_tensors(s, &n->table);
	n->params = must_alloc(n->table.count * sizeof *n->params);
	for (int i = 0; i < n->table.n; i++) {
		const struct tensor *t = &n->table.tensor[i];
		const double fan = t->ndim == 2 ? (double)t->shape[1] : 4;
		draw_floats(r, n->params + t->offset, t->count, scale / sqrt(fan));
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

static struct infer_model *model_with(const struct test_network *n, const struct kernels *k,
                                      const struct infer_options *o)
{
	struct infer_model *m = NULL;

	ck_assert_int_eq(infer_model_new_for(k, &n->spec, n->params, o, &m, NULL), ERR_OK);
	return m;
}

struct infer_model *test_model(const struct test_network *n, const struct kernels *k)
{
	return model_with(n, k, NULL);
}

struct infer_model *test_model_int8(const struct test_network *n, const struct kernels *k)
{
	return model_with(n, k, &(struct infer_options){ .int8 = true });
}

struct infer_ws *test_workspace(const struct infer_model *m, int rows, int max_T)
{
	struct infer_ws *w = NULL;

	ck_assert_int_eq(infer_ws_new(rows, &w, NULL), ERR_OK);
	ck_assert_int_eq(infer_ws_reserve(w, m, max_T, NULL), ERR_OK);
	return w;
}

double reference_affine(const float *w, const float *bias, int row, int n, const double *x)
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

struct reference_cell reference_cell_of(const struct test_network *n, enum cell_type type, const char *part,
                                        const char *suffix, int in, int hid)
{
	static const char *const stem[4] = { "weight_ih", "weight_hh", "bias_ih", "bias_hh" };
	const float *tensor[4];

	for (int i = 0; i < 4; i++) {
		char name[64];
		snprintf(name, sizeof name, "%s.%s%s", part, stem[i], suffix);
		tensor[i] = test_tensor(n, name);
	}
	return (struct reference_cell){
		type, n->spec.reset_after, n->spec.relu, in, hid, tensor[0], tensor[1], tensor[2], tensor[3],
	};
}

/* Gate `gate` of a unit before its function. */
static double gate_sum(const struct reference_cell *g, int gate, int unit, const double *x, const double *h)
{
	const int row = gate * g->hid + unit;

	return reference_affine(g->wi, g->bi, row, g->in, x) + reference_affine(g->wh, g->bh, row, g->hid, h);
}

static void reference_gru(const struct reference_cell *g, const double *x, const double *h, double *out)
{
	double *rh = must_alloc((size_t)g->hid * sizeof *rh);

	for (int u = 0; u < g->hid; u++)
		rh[u] = sigmoid(gate_sum(g, 0, u, x, h)) * h[u];
	for (int u = 0; u < g->hid; u++) {
		const double r = sigmoid(gate_sum(g, 0, u, x, h)), z = sigmoid(gate_sum(g, 1, u, x, h));
		const int row = 2 * g->hid + u;
		const double input = reference_affine(g->wi, g->bi, row, g->in, x);
		const double n = g->reset_after ? tanh(input + r * reference_affine(g->wh, g->bh, row, g->hid, h))
		                                : tanh(gate_sum(g, 2, u, x, rh));
		out[u] = (1 - z) * n + z * h[u];
	}
	free(rh);
}

static void reference_lstm(const struct reference_cell *g, const double *x, const double *h, double *c, double *out)
{
	for (int u = 0; u < g->hid; u++) {
		const double i = sigmoid(gate_sum(g, 0, u, x, h)), f = sigmoid(gate_sum(g, 1, u, x, h));
		c[u] = f * c[u] + i * tanh(gate_sum(g, 2, u, x, h));
		out[u] = sigmoid(gate_sum(g, 3, u, x, h)) * tanh(c[u]);
	}
}

static void reference_rnn(const struct reference_cell *g, const double *x, const double *h, double *out)
{
	for (int u = 0; u < g->hid; u++) {
		const double sum = gate_sum(g, 0, u, x, h);
		out[u] = g->relu ? fmax(0, sum) : tanh(sum);
	}
}

void reference_step(const struct reference_cell *g, const double *x, const double *h, double *c, double *out)
{
	if (g->type == CELL_LSTM)
		reference_lstm(g, x, h, c, out);
	else if (g->type == CELL_RNN)
		reference_rnn(g, x, h, out);
	else
		reference_gru(g, x, h, out);
}

static double reference_score(int att, const double *q, const double *k, const double *v)
{
	double sum = 0;

	for (int a = 0; a < att; a++)
		sum += v ? v[a] * tanh(q[a] + k[a]) : q[a] * k[a] / sqrt(att);
	return sum;
}

void reference_attend(int T, int att, int hid, const double *q, const double *k, const double *v,
                      const double *states, double *weights, double *context)
{
	double max = -INFINITY, sum = 0;

	for (int t = 0; t < T; t++) {
		weights[t] = reference_score(att, q, k + (size_t)t * att, v);
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

/* What an encoder yields: states [T][width], and the final ones, [forward, backward]. */
struct reference_states {
	int T, width;
	double *states, *h, *c;   /* c: an LSTM's */
};

/* One direction of a layer over x [T][in], from zero. */
static void reference_direction(const struct test_network *n, int layer, bool reverse, const double *x,
                                struct reference_states *to)
{
	const struct net_spec *s = &n->spec;
	const int hid = s->hidden, in = layer ? to->width : s->inputs, unit = reverse ? hid : 0;
	double *h = to->h + unit, *c = to->c + unit;
	double *next = must_alloc((size_t)hid * sizeof *next);
	char suffix[CELL_SUFFIX];

	net_cell_suffix(layer, reverse, suffix);
	const struct reference_cell g = reference_cell_of(n, net_encoder_cell(s), "encoder", suffix, in, hid);
	for (int u = 0; u < hid; u++)
		h[u] = c[u] = 0;
	for (int i = 0; i < to->T; i++) {
		const int t = reverse ? to->T - 1 - i : i;
		reference_step(&g, x + (size_t)t * in, h, c, next);
		memcpy(h, next, (size_t)hid * sizeof *h);
		memcpy(to->states + (size_t)t * to->width + unit, h, (size_t)hid * sizeof *h);
	}
	free(next);
}

static void reference_mean(const struct reference_states *from, double *mean)
{
	for (int u = 0; u < from->width; u++) {
		mean[u] = 0;
		for (int t = 0; t < from->T; t++)
			mean[u] += from->states[(size_t)t * from->width + u] / from->T;
	}
}

/* Where the decoder begins behind a Transformer: the mean of the outputs for attention, else the last. */
static void transformer_final(const struct test_network *n, struct reference_states *to)
{
	if (n->spec.decoder == DECODER_ATTENTION)
		reference_mean(to, to->h);
	else
		memcpy(to->h, to->states + (size_t)(to->T - 1) * to->width, (size_t)to->width * sizeof *to->h);
}

static void reference_encoder(const struct test_network *n, const float *x, struct reference_states *to)
{
	const struct net_spec *s = &n->spec;
	const size_t outputs = (size_t)to->T * to->width, inputs = (size_t)to->T * s->inputs;
	double *below = must_alloc((outputs > inputs ? outputs : inputs) * sizeof *below);

	for (size_t i = 0; i < inputs; i++)
		below[i] = x[i];
	if (s->encoder == ENCODER_TRANSFORMER) {
		reference_transformer(n, to->T, below, to->states);
		transformer_final(n, to);
	} else {
		for (int l = 0; l < s->layers; l++) {
			for (int d = 0; d < net_directions(s); d++)
				reference_direction(n, l, d, below, to);
			memcpy(below, to->states, outputs * sizeof *below);
		}
	}
	free(below);
}

/* y [rows] = output.weight h + output.bias */
static void reference_head(const struct test_network *n, const double *h, double *y)
{
	const float *weight = test_tensor(n, "output.weight"), *bias = test_tensor(n, "output.bias");

	for (int o = 0; o < net_head_rows(&n->spec); o++)
		y[o] = reference_affine(weight, bias, o, net_width(&n->spec), h);
}

/* Context and weights of the decoder's state h. */
static void reference_context(const struct test_network *n, const struct reference_states *from, double *weights,
                              double *context)
{
	const int att = n->spec.attention, T = from->T, width = from->width;

	if (!net_additive(&n->spec)) {
		reference_attend(T, width, width, from->h, from->states, NULL, from->states, weights, context);
		return;
	}
	double *keys = must_alloc((size_t)(T + 2) * att * sizeof *keys), *q = keys + (size_t)T * att, *v = q + att;
	for (int a = 0; a < att; a++) {
		for (int t = 0; t < T; t++)
			keys[t * att + a] = reference_affine(test_tensor(n, "decoder.attention.key.weight"),
			                           test_tensor(n, "decoder.attention.key.bias"), a, width,
			                           from->states + (size_t)t * width);
		q[a] = reference_affine(test_tensor(n, "decoder.attention.query.weight"), NULL, a, width, from->h);
		v[a] = test_tensor(n, "decoder.attention.score.weight")[a];
	}
	reference_attend(T, att, width, q, keys, v, from->states, weights, context);
	free(keys);
}

/* The decoder begins with the encoder's final states and overwrites them. */
static void reference_decoder(const struct test_network *n, struct reference_states *from, double *y, double *attention)
{
	const struct net_spec *s = &n->spec;
	const int width = from->width, outputs = net_outputs(s), in = net_decoder_inputs(s);
	const struct reference_cell cell = reference_cell_of(n, net_decoder_cell(s), "decoder.cell", "", in, width);
	double *input = must_alloc((size_t)(in + width) * sizeof *input), *next = input + in;

	for (int step = 0; step < s->horizon; step++) {
		reference_context(n, from, attention + (size_t)step * from->T, input);
		for (int i = 0; i < in - width; i++)
			input[width + i] = step ? y[(size_t)(step - 1) * outputs + i * s->levels + s->median_level] : 0;
		reference_step(&cell, input, from->h, from->c, next);
		memcpy(from->h, next, (size_t)width * sizeof *next);
		reference_head(n, from->h, y + (size_t)step * outputs);
	}
	free(input);
}

void reference_network(const struct test_network *n, int T, const float *x, double *y, double *attention)
{
	const int width = net_width(&n->spec);
	double *block = must_alloc((size_t)(T + 2) * width * sizeof *block);
	struct reference_states s = { T, width, block, block + (size_t)T * width, block + (size_t)(T + 1) * width };

	reference_encoder(n, x, &s);
	if (n->spec.decoder == DECODER_ATTENTION) {
		reference_decoder(n, &s, y, attention);
	} else {
		if (n->spec.decoder == DECODER_MEAN)
			reference_mean(&s, s.h);
		reference_head(n, s.h, y);
		memset(attention, 0, (size_t)n->spec.horizon * T * sizeof *attention);
	}
	free(block);
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

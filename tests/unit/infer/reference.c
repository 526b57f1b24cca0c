/* reference.c - the whole network over one sequence in double, as obvious loops over the unpacked tensors. */
#include "tests/unit/infer/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

bool reference_knows(const struct net_spec *s)
{
	return s->encoder <= ENCODER_RNN || s->encoder == ENCODER_TRANSFORMER;
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

/* What an encoder yields: states [T][width], and the summary [width]; c is an LSTM's. */
struct encoded {
	int T, width;
	double *states, *h, *c;
};

/* Where a direction's h or c lies in the start and final states. */
static size_t state_at(const struct net_spec *s, int layer, int direction, bool memory)
{
	return (size_t)((memory * s->layers + layer) * net_directions(s) + direction) * s->hidden;
}

/* One direction of a layer over x [T][in]. start and final may be NULL. */
static void reference_direction(const struct test_network *n, int layer, int direction, const double *x,
                                const float *start, struct encoded *to, double *final)
{
	const struct net_spec *s = &n->spec;
	const int hid = s->hidden, in = layer ? to->width : net_encoder_inputs(s), unit = direction * hid;
	const bool from_end = direction || s->reverse, lstm = s->encoder == ENCODER_LSTM;
	double *h = to->h + unit, *c = to->c + unit;
	double *next = must_alloc((size_t)hid * sizeof *next);
	char suffix[CELL_SUFFIX];

	net_cell_suffix(layer, direction, suffix);
	const struct reference_cell g = reference_cell_of(n, net_encoder_cell(s), "encoder", suffix, in, hid);
	for (int u = 0; u < hid; u++) {
		h[u] = start ? start[state_at(s, layer, direction, false) + u] : 0;
		c[u] = start && lstm ? start[state_at(s, layer, direction, true) + u] : 0;
	}
	for (int i = 0; i < to->T; i++) {
		const int t = from_end ? to->T - 1 - i : i;
		reference_step(&g, x + (size_t)t * in, h, c, next);
		memcpy(h, next, (size_t)hid * sizeof *h);
		memcpy(to->states + (size_t)t * to->width + unit, h, (size_t)hid * sizeof *h);
	}
	for (int u = 0; final && u < hid; u++) {
		final[state_at(s, layer, direction, false) + u] = h[u];
		if (lstm)
			final[state_at(s, layer, direction, true) + u] = c[u];
	}
	free(next);
}

static void reference_recurrent(const struct test_network *n, const double *x, const float *start, struct encoded *to,
                                double *final)
{
	const size_t size = (size_t)to->T * to->width;
	double *below = must_alloc(size * sizeof *below);

	for (int layer = 0; layer < n->spec.layers; layer++) {
		for (int d = 0; d < net_directions(&n->spec); d++)
			reference_direction(n, layer, d, layer ? below : x, start, to, final);
		memcpy(below, to->states, size * sizeof *below);
	}
	free(below);
}

static void reference_batch_norm(const struct test_network *n, struct encoded *to)
{
	const float *weight = test_tensor(n, "norm.weight"), *bias = test_tensor(n, "norm.bias");
	const float *mean = test_tensor(n, "norm.running_mean"), *var = test_tensor(n, "norm.running_var");

	for (int i = 0; i < to->T * to->width; i++) {
		const int u = i % to->width;
		to->states[i] = (to->states[i] - mean[u]) / sqrt(var[u] + 1e-5) * weight[u] + bias[u];
	}
}

/* h: the mean, or what each direction ends with. */
static void reference_summary(const struct test_network *n, struct encoded *to)
{
	for (int u = 0; u < to->width; u++) {
		const bool first = u >= n->spec.hidden || n->spec.reverse;
		to->h[u] = to->states[(size_t)(first ? 0 : to->T - 1) * to->width + u];
		if (!net_summary_is_mean(&n->spec))
			continue;
		to->h[u] = 0;
		for (int t = 0; t < to->T; t++)
			to->h[u] += to->states[(size_t)t * to->width + u] / to->T;
	}
}

static struct encoded reference_encode(const struct test_network *n, int T, const double *x, const float *start,
                                       double *final)
{
	const int width = net_width(&n->spec);
	double *block = must_alloc((size_t)(T + 2) * width * sizeof *block);
	struct encoded to = { T, width, block, block + (size_t)T * width, block + (size_t)(T + 1) * width };

	if (n->spec.encoder == ENCODER_TRANSFORMER)
		reference_transformer(n, T, x, to.states);
	else
		reference_recurrent(n, x, start, &to, final);
	if (n->spec.batch_norm)
		reference_batch_norm(n, &to);
	reference_summary(n, &to);
	return to;
}

/* y [rows] = output.weight h + output.bias */
static void reference_head(const struct test_network *n, const double *h, double *y)
{
	const float *weight = test_tensor(n, "output.weight"), *bias = test_tensor(n, "output.bias");

	for (int o = 0; o < net_head_rows(&n->spec); o++)
		y[o] = reference_affine(weight, bias, o, net_width(&n->spec), h);
}

/* Context and weights of a query's state; the pool has no query. */
static void reference_context(const struct test_network *n, const struct encoded *from, double *weights,
                              double *context)
{
	const int att = n->spec.attention, T = from->T, width = from->width;
	const float *query = test_tensor(n, "decoder.attention.query.weight");

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
		q[a] = query ? reference_affine(query, NULL, a, width, from->h) : 0;
		v[a] = test_tensor(n, "decoder.attention.score.weight")[a];
	}
	reference_attend(T, att, width, q, keys, v, from->states, weights, context);
	free(keys);
}

static int reference_argmax(const double *y, int n)
{
	int best = 0;

	for (int i = 1; i < n; i++)
		if (y[i] > y[best])
			best = i;
	return best;
}

/* What step `step` reads of the answer so far. */
static void reference_previous(const struct test_network *n, int step, const struct reference_answer *to,
                               double *previous)
{
	const struct net_spec *s = &n->spec;
	const double *before = to->y + (size_t)(step - 1) * net_outputs(s);
	const float *codes = test_tensor(n, "decoder.embedding.weight");
	const int said = !s->classes || !step ? NET_BOUNDARY
	                                      : to->said ? to->said[step - 1] : reference_argmax(before, s->classes);

	for (int i = 0; s->classes && i < s->embedding; i++)
		previous[i] = codes[(size_t)said * s->embedding + i];
	for (int i = 0; !s->classes && i < s->targets; i++)
		previous[i] = step ? before[i * s->levels + s->median_level] : 0;
}

/* The decoder begins with the summary and writes over it. */
static void reference_decoder(const struct test_network *n, struct encoded *from, struct reference_answer *to)
{
	const struct net_spec *s = &n->spec;
	const int width = from->width, in = net_decoder_inputs(s);
	const struct reference_cell cell = reference_cell_of(n, net_decoder_cell(s), "decoder.cell", "", in, width);
	double *input = must_alloc((size_t)(in + width) * sizeof *input), *next = input + in;

	for (int step = 0; step < s->horizon; step++) {
		reference_context(n, from, to->attention + (size_t)step * from->T, input);
		if (net_feeds_back(s))
			reference_previous(n, step, to, input + width);
		reference_step(&cell, input, from->h, from->c, next);
		memcpy(from->h, next, (size_t)width * sizeof *next);
		reference_head(n, from->h, to->y + (size_t)step * net_outputs(s));
	}
	free(input);
}

static void reference_pool(const struct test_network *n, struct encoded *from, struct reference_answer *to)
{
	const size_t T = (size_t)from->T;

	reference_context(n, from, to->attention, from->h);
	for (int step = 1; step < n->spec.horizon; step++)
		memcpy(to->attention + step * T, to->attention, T * sizeof *to->attention);
	reference_head(n, from->h, to->y);
}

static void reference_reconstruct(const struct test_network *n, struct encoded *from, struct reference_answer *to)
{
	const int width = from->width;
	const struct reference_cell cell = reference_cell_of(n, net_decoder_cell(&n->spec), "decoder.cell", "", width,
	                                                     width);
	double *h = must_alloc(2 * (size_t)width * sizeof *h), *next = h + width;

	memcpy(h, from->h, (size_t)width * sizeof *h);
	for (int t = 0; t < from->T; t++) {
		reference_step(&cell, from->h, h, from->c, next);
		memcpy(h, next, (size_t)width * sizeof *h);
		reference_head(n, h, to->y + (size_t)t * net_outputs(&n->spec));
	}
	free(h);
}

static void reference_decode(const struct test_network *n, struct encoded *from, struct reference_answer *to)
{
	switch (n->spec.decoder) {
	case DECODER_ATTENTION:
		reference_decoder(n, from, to);
		break;
	case DECODER_POOL:
		reference_pool(n, from, to);
		break;
	case DECODER_RECONSTRUCT:
		reference_reconstruct(n, from, to);
		break;
	case DECODER_TOKEN:
		for (int t = 0; t < from->T; t++)
			reference_head(n, from->states + (size_t)t * from->width,
			               to->y + (size_t)t * net_outputs(&n->spec));
		break;
	default:
		reference_head(n, from->h, to->y);
	}
}

/* What the encoder reads of the sequence, [T][in]. */
static void reference_front(const struct test_network *n, const struct infer_sequence *seq, double *x)
{
	const struct net_spec *s = &n->spec;
	const float *codes = test_tensor(n, "embedding.weight");
	const int in = net_encoder_inputs(s);

	for (int i = 0; i < seq->T * in; i++)
		x[i] = codes ? codes[(size_t)seq->x[i / in] * in + i % in] : seq->x[i];
}

/* relu(W s + b) of the channel's segments, zeros before its first step. */
static void reference_segments(const struct test_network *n, const struct infer_sequence *seq, int channel, int steps,
                               double *x)
{
	const struct net_spec *s = &n->spec;
	const int size = s->segment, lacking = steps * size - seq->T;
	double *cut = must_alloc((size_t)size * sizeof *cut);

	for (int step = 0; step < steps; step++) {
		for (int i = 0; i < size; i++) {
			const int t = step * size + i - lacking;
			cut[i] = t < 0 ? 0 : (double)seq->x[t * s->inputs + channel] -
			                     seq->x[(seq->T - 1) * s->inputs + channel];
		}
		for (int u = 0; u < s->hidden; u++)
			x[step * s->hidden + u] =
				fmax(0, reference_affine(test_tensor(n, "segment.weight"),
			                                 test_tensor(n, "segment.bias"), u, size, cut));
	}
	free(cut);
}

/* The channel's answer: a step of the encoder's cell for each segment, from the same state. */
static void reference_channel(const struct test_network *n, const struct infer_sequence *seq, int channel, double *y)
{
	const struct net_spec *s = &n->spec;
	const int hid = s->hidden, half = hid / 2, rows = net_head_rows(s);
	const int steps = (seq->T + s->segment - 1) / s->segment;
	const float *position = test_tensor(n, "decoder.position.weight");
	const float *code_of_channel = test_tensor(n, "decoder.channel.weight") + channel * (hid - half);
	const struct reference_cell cell = reference_cell_of(n, net_encoder_cell(s), "encoder", "_l0", hid, hid);
	double *x = must_alloc((size_t)(steps + 3) * hid * sizeof *x), *out = must_alloc((size_t)rows * sizeof *out);
	double *c = x + (size_t)steps * hid, *next = c + hid, *code = next + hid;

	reference_segments(n, seq, channel, steps, x);
	struct encoded from = reference_encode(n, steps, x, NULL, NULL);
	for (int j = 0; j < s->horizon / s->segment; j++) {
		memcpy(c, from.c, (size_t)hid * sizeof *c);
		for (int u = 0; u < hid; u++)
			code[u] = u < half ? position[j * half + u] : code_of_channel[u - half];
		reference_step(&cell, code, from.h, c, next);
		reference_head(n, next, out);
		for (int o = 0; o < rows; o++) {
			const int step = j * s->segment + o / s->levels;
			y[(step * s->inputs + channel) * s->levels + o % s->levels] =
				out[o] + seq->x[(seq->T - 1) * s->inputs + channel];
		}
	}
	free(from.states);
	free(out);
	free(x);
}

void reference_network(const struct test_network *n, const struct infer_sequence *seq, struct reference_answer *to)
{
	const struct net_spec *s = &n->spec;

	memset(to->attention, 0, (size_t)s->horizon * seq->T * sizeof *to->attention);
	if (s->decoder == DECODER_SEGMENT) {
		for (int c = 0; c < s->inputs; c++)
			reference_channel(n, seq, c, to->y);
		return;
	}
	double *x = must_alloc((size_t)seq->T * net_encoder_inputs(s) * sizeof *x);
	reference_front(n, seq, x);
	struct encoded from = reference_encode(n, seq->T, x, seq->start, to->final);
	reference_decode(n, &from, to);
	free(from.states);
	free(x);
}

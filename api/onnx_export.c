/* onnx_export.c - see onnx_export.h. The chain of stages is that of model/nn/network.c, written in ONNX's operators:
 *
 *     front     Gather of an embedding; segments are cut with Slice, Concat, Reshape
 *     encoder   GRU, LSTM, RNN; a Transformer of MatMul, Softmax, LayerNormalization
 *     norm      Sub, Div, Mul, Add with the statistics of training
 *     decoder   MatMul for heads; attention and its cell unrolled, a group of nodes a step of the horizon
 *
 * Shapes of values stand behind them: T time, B batch, W width. Recurrent operators want [T][B][…]; what a graph takes and
 * gives begins with B. */
#include "api/onnx_export.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "api/onnx_build.h"
#include "api/onnx_cell.h"
#include "model/nn/transformer.h"

#define NORM_EPS 1e-5f      /* PyTorch's, of both norms */
#define MASKED   (-1e30f)   /* a score that softmax makes zero of */
#define TO_END   INT32_MAX  /* of a slice */

struct exporter {
	struct onnx_build b;
	const struct net_spec *s;
	struct tensor_table table;
	int max_steps;
	int input;                  /* as it comes */
	int shape, batch, time;     /* of the input: [.] [1] [1] */
	int attention;              /* [B][steps][T], or ONNX_ABSENT */
};

/* What the encoder leaves for a decoder. */
struct encoded {
	int outputs;                /* [B][T][W] */
	int h, c;                   /* [B][W] the final states; c of an LSTM, else ONNX_ABSENT */
	int batch, time;            /* [1] its own sizes: segments are more sequences of fewer steps */
};

/* --- small parts ---------------------------------------------------------------------------------------------------- */

/* The initialiser of that name: the tensors are the first values. */
__attribute__((format(printf, 2, 3)))
static int tensor(const struct exporter *x, const char *fmt, ...)
{
	char name[sizeof x->table.tensor->name];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	return (int)(tensor_find(&x->table, name) - x->table.tensor);
}

static int squeeze(struct exporter *x, int v, int axis)
{
	return BUILD(&x->b, "Squeeze", v, BUILD_INTS(&x->b, axis));
}

static int unsqueeze(struct exporter *x, int v, int axis)
{
	return BUILD(&x->b, "Unsqueeze", v, BUILD_INTS(&x->b, axis));
}

static int slice(struct exporter *x, int v, int axis, int64_t from, int64_t to)
{
	return BUILD(&x->b, "Slice", v, BUILD_INTS(&x->b, from), BUILD_INTS(&x->b, to), BUILD_INTS(&x->b, axis));
}

/* n equal parts along an axis. */
static void split(struct exporter *x, int v, int axis, int n, int *parts)
{
	const struct onnx_attribute a = attribute_int("axis", axis);
	build_node(&x->b, "Split", &v, 1, parts, n, &a, 1);
}

static int softmax(struct exporter *x, int v)
{
	return BUILD_WITH(&x->b, "Softmax", attribute_int("axis", -1), v);
}

static int scaled(struct exporter *x, int v, double by)
{
	return BUILD(&x->b, "Mul", v, build_float(&x->b, (float)by));
}

/* v W^T */
static int product(struct exporter *x, int v, int weight)
{
	return BUILD(&x->b, "MatMul", v, BUILD_TRANSPOSE(&x->b, weight, 1, 0));
}

static int linear(struct exporter *x, int v, int weight, int bias)
{
	return BUILD(&x->b, "Add", product(x, v, weight), bias);
}

/* output.weight, bias */
static int output(struct exporter *x, int v)
{
	return linear(x, v, tensor(x, "output.weight"), tensor(x, "output.bias"));
}

/* Zeros, or other numbers, repeated to a shape. */
static int expand(struct exporter *x, int v, int shape)
{
	return BUILD(&x->b, "Expand", v, shape);
}

/* --- cells ---------------------------------------------------------------------------------------------------------- */

static int reorder(struct exporter *x, enum cell_type type, int v)
{
	int part[BUILD_MAX_OUTPUTS], ordered[BUILD_MAX_OUTPUTS], gates = cell_gates(type);
	if (gates == 1)
		return v;
	split(x, v, 0, gates, part);
	for (int i = 0; i < gates; i++)
		ordered[i] = part[onnx_cells[type].gate[i]];
	return build_concat(&x->b, 0, ordered, gates);
}

/* A cell's weights as its operator wants them, ready for any number of nodes. */
struct cell_values {
	enum cell_type type;
	int directions, hid;
	bool reverse;
	int w, r, b;                /* b: ONNX_ABSENT without bias */
};

struct cell_result { int y, h, c; };   /* [T][D][B][hid], [D][B][hid] twice; c of an LSTM */

/* The tensors of one direction, each with an axis for it in front. */
static void direction_values(struct exporter *x, enum cell_type type, const char *part, const char *suffix,
                             struct cell_values *v)
{
	v->w = unsqueeze(x, reorder(x, type, tensor(x, "%s.weight_ih%s", part, suffix)), 0);
	v->r = unsqueeze(x, reorder(x, type, tensor(x, "%s.weight_hh%s", part, suffix)), 0);
	v->b = ONNX_ABSENT;
	if (!x->s->bias)
		return;
	int ih = reorder(x, type, tensor(x, "%s.bias_ih%s", part, suffix));
	int hh = reorder(x, type, tensor(x, "%s.bias_hh%s", part, suffix));
	v->b = unsqueeze(x, BUILD_CONCAT(&x->b, 0, ih, hh), 0);
}

static struct cell_values decoder_cell(struct exporter *x)
{
	struct cell_values v = { .type = net_decoder_cell(x->s), .directions = 1, .hid = net_width(x->s) };
	direction_values(x, v.type, "decoder.cell", "", &v);
	return v;
}

static struct cell_values encoder_cell(struct exporter *x, int layer)
{
	const struct net_spec *s = x->s;
	struct cell_values v = { .type = net_encoder_cell(s), .directions = net_directions(s), .hid = s->hidden };
	struct cell_values back;
	char suffix[CELL_SUFFIX];
	v.reverse = s->reverse;
	net_cell_suffix(layer, 0, suffix);
	direction_values(x, v.type, "encoder", suffix, &v);
	if (!s->bidirectional)
		return v;
	net_cell_suffix(layer, 1, suffix);
	direction_values(x, v.type, "encoder", suffix, &back);
	v.w = BUILD_CONCAT(&x->b, 0, v.w, back.w);
	v.r = BUILD_CONCAT(&x->b, 0, v.r, back.r);
	v.b = s->bias ? BUILD_CONCAT(&x->b, 0, v.b, back.b) : ONNX_ABSENT;
	return v;
}

/* in [T][B][…]; h and c [D][B][hid] the states before, or ONNX_ABSENT: zeros. */
static struct cell_result cell(struct exporter *x, const struct cell_values *v, int in, int h, int c)
{
	static const char *const relu[] = { "Relu", "Relu" };
	const int inputs[] = { in, v->w, v->r, v->b, ONNX_ABSENT, h, c };
	struct onnx_attribute a[3] = { attribute_int("hidden_size", v->hid) };
	int out[3] = { 0, 0, ONNX_ABSENT }, n = 1;
	if (v->directions == 2 || v->reverse)
		a[n++] = attribute_text("direction", v->reverse ? "reverse" : "bidirectional");
	if (v->type == CELL_GRU)
		a[n++] = attribute_int("linear_before_reset", x->s->reset_after);
	else if (v->type == CELL_RNN && x->s->relu)
		a[n++] = attribute_texts("activations", relu, v->directions);
	build_node(&x->b, onnx_cells[v->type].op, inputs, v->type == CELL_LSTM ? 7 : 6, out, v->type == CELL_LSTM ? 3 : 2,
	           a, n);
	return (struct cell_result){ out[0], out[1], out[2] };
}

/* --- front ---------------------------------------------------------------------------------------------------------- */

/* What the encoder reads of numbers and of tokens: [B][T][in]. */
static int front(struct exporter *x)
{
	return x->s->vocabulary ? BUILD(&x->b, "Gather", tensor(x, "embedding.weight"), x->input) : x->input;
}

/* The last row of a series: [B][1][C]. */
static int last_values(struct exporter *x)
{
	return slice(x, x->input, 1, -1, TO_END);
}

/* Channels less their last values, with zeros in front up to whole segments: [B * C][segments][segment]. */
static int cut_segments(struct exporter *x, int *segments)
{
	struct onnx_build *b = &x->b;
	int n = build_ints(b, (const int64_t[]){ x->s->segment }, 1);
	int centred = BUILD_TRANSPOSE(b, BUILD(b, "Sub", x->input, last_values(x)), 0, 2, 1);
	*segments = BUILD(b, "Div", BUILD(b, "Add", x->time, BUILD_INTS(b, x->s->segment - 1)), n);
	int missing = BUILD(b, "Sub", BUILD(b, "Mul", *segments, n), x->time);
	int zeros = BUILD(b, "ConstantOfShape", BUILD_CONCAT(b, 0, x->batch, BUILD_INTS(b, x->s->inputs), missing));
	int whole = BUILD_CONCAT(b, 2, zeros, centred);
	return BUILD(b, "Reshape", whole, BUILD_CONCAT(b, 0, BUILD_INTS(b, -1), *segments, n));
}

/* --- encoder -------------------------------------------------------------------------------------------------------- */

/* in [B][T][…]. Writes outputs, before the norm, and of an LSTM c. */
static void encode_recurrent(struct exporter *x, int in, struct encoded *out)
{
	struct onnx_build *b = &x->b;
	int width = net_width(x->s), v = BUILD_TRANSPOSE(b, in, 1, 0, 2);
	struct cell_result r = { 0 };
	for (int k = 0; k < x->s->layers; k++) {
		struct cell_values values = encoder_cell(x, k);
		r = cell(x, &values, v, ONNX_ABSENT, ONNX_ABSENT);
		v = BUILD_RESHAPE(b, BUILD_TRANSPOSE(b, r.y, 0, 2, 1, 3), 0, 0, width);   /* [T][B][W] */
	}
	out->outputs = BUILD_TRANSPOSE(b, v, 1, 0, 2);
	out->c = r.c == ONNX_ABSENT ? r.c : BUILD_RESHAPE(b, BUILD_TRANSPOSE(b, r.c, 1, 0, 2), 0, width);
}

static int layer_norm(struct exporter *x, int v, const char *part)
{
	int weight = tensor(x, "%s.weight", part), bias = tensor(x, "%s.bias", part);
	const struct onnx_attribute eps = { .name = "epsilon", .member = ONNX_MEMBER_F, .f = (double)NORM_EPS, .s = "" };
	return BUILD_WITH(&x->b, "LayerNormalization", eps, v, weight, bias);
}

/* [1][1][T][T]: true where a step may not look, which is ahead. */
static int causal_mask(struct exporter *x)
{
	struct onnx_build *b = &x->b;
	int steps = BUILD(b, "Range", build_int(b, 0), squeeze(x, x->time, 0), build_int(b, 1));
	int ahead = BUILD(b, "Greater", unsqueeze(x, steps, 0), unsqueeze(x, steps, 1));
	return BUILD(b, "Unsqueeze", ahead, BUILD_INTS(b, 0, 1));
}

/* [B][T][hid] to [B][heads][T][size] */
static int to_heads(struct exporter *x, int v)
{
	int split = BUILD_RESHAPE(&x->b, v, 0, 0, x->s->heads, x->s->hidden / x->s->heads);
	return BUILD_TRANSPOSE(&x->b, split, 0, 2, 1, 3);
}

static int self_attention(struct exporter *x, int v, const char *part, int mask)
{
	struct onnx_build *b = &x->b;
	int qkv[3], hidden = x->s->hidden;
	split(x, linear(x, v, tensor(x, "%s.self_attn.in_proj_weight", part), tensor(x, "%s.self_attn.in_proj_bias", part)),
	      2, 3, qkv);
	int keys = BUILD_TRANSPOSE(b, to_heads(x, qkv[1]), 0, 1, 3, 2);
	int score = scaled(x, BUILD(b, "MatMul", to_heads(x, qkv[0]), keys), 1 / sqrt(hidden / x->s->heads));
	if (mask != ONNX_ABSENT)
		score = BUILD(b, "Where", mask, build_float(b, MASKED), score);
	int mixed = BUILD(b, "MatMul", softmax(x, score), to_heads(x, qkv[2]));
	mixed = BUILD_RESHAPE(b, BUILD_TRANSPOSE(b, mixed, 0, 2, 1, 3), 0, 0, hidden);
	return linear(x, mixed, tensor(x, "%s.self_attn.out_proj.weight", part),
	              tensor(x, "%s.self_attn.out_proj.bias", part));
}

static int feedforward(struct exporter *x, int v, const char *part)
{
	struct onnx_build *b = &x->b;
	int up = linear(x, v, tensor(x, "%s.linear1.weight", part), tensor(x, "%s.linear1.bias", part));
	if (x->s->gelu) {
		int half = scaled(x, up, 0.5), error = BUILD(b, "Erf", scaled(x, up, M_SQRT1_2));
		up = BUILD(b, "Add", half, BUILD(b, "Mul", half, error));
	} else {
		up = BUILD(b, "Relu", up);
	}
	return linear(x, up, tensor(x, "%s.linear2.weight", part), tensor(x, "%s.linear2.bias", part));
}

/* Around a sublayer: v + f(norm(v)) or norm(v + f(v)). */
static int sublayer(struct exporter *x, int v, int layer, int which, int mask)
{
	char part[48], norm[64];
	snprintf(part, sizeof part, "encoder.layers.%d", layer);
	snprintf(norm, sizeof norm, "%s.norm%d", part, which + 1);
	int in = x->s->norm_first ? layer_norm(x, v, norm) : v;
	int sum = BUILD(&x->b, "Add", v, which ? feedforward(x, in, part) : self_attention(x, in, part, mask));
	return x->s->norm_first ? sum : layer_norm(x, sum, norm);
}

/* The table of positions up to the longest sequence, cut to this one's: [T][hid]. */
static int positions(struct exporter *x)
{
	struct onnx_build *b = &x->b;
	struct onnx_array t = { .type = ONNX_FLOAT, .ndim = 2, .dim = { x->max_steps, x->s->hidden } };
	t.count = (size_t)x->max_steps * (size_t)x->s->hidden;
	float *at = arena_calloc(b->arena, t.count, sizeof *at);
	b->failed |= !at;
	if (!at)
		return 0;
	transformer_positions(x->max_steps, x->s->hidden, at);
	t.at = at;
	const struct onnx_attribute value = { .name = "value", .member = ONNX_MEMBER_T, .t = &t, .s = "" };
	int table = build_node(b, "Constant", NULL, 0, NULL, 1, &value, 1);
	return BUILD(b, "Slice", table, BUILD_INTS(b, 0), x->time, BUILD_INTS(b, 0));
}

static void encode_transformer(struct exporter *x, int in, struct encoded *out)
{
	const struct net_spec *s = x->s;
	int v = linear(x, in, tensor(x, "encoder.embedding.weight"), tensor(x, "encoder.embedding.bias"));
	int mask = s->causal ? causal_mask(x) : ONNX_ABSENT;
	v = BUILD(&x->b, "Add", v, positions(x));
	for (int k = 0; k < 2 * s->layers; k++)
		v = sublayer(x, v, k / 2, k % 2, mask);
	out->outputs = s->norm_first ? layer_norm(x, v, "encoder.norm") : v;
	out->c = ONNX_ABSENT;
}

/* (v - mean) / sqrt(var + eps) * weight + bias, of the last axis. */
static int batch_norm(struct exporter *x, int v)
{
	struct onnx_build *b = &x->b;
	int deviation = BUILD(b, "Sqrt", BUILD(b, "Add", tensor(x, "norm.running_var"), build_float(b, NORM_EPS)));
	int normal = BUILD(b, "Div", BUILD(b, "Sub", v, tensor(x, "norm.running_mean")), deviation);
	return BUILD(b, "Add", BUILD(b, "Mul", normal, tensor(x, "norm.weight")), tensor(x, "norm.bias"));
}

/* [B][W]: each direction's output behind its own last step. */
static int final_states(struct exporter *x, int outputs)
{
	struct onnx_build *b = &x->b;
	int last = BUILD_WITH(b, "Gather", attribute_int("axis", 1), outputs, build_int(b, x->s->reverse ? 0 : -1));
	if (!x->s->bidirectional)
		return last;
	int first = BUILD_WITH(b, "Gather", attribute_int("axis", 1), outputs, build_int(b, 0));
	return BUILD_CONCAT(b, 1, slice(x, last, 1, 0, x->s->hidden), slice(x, first, 1, x->s->hidden, TO_END));
}

static int mean_states(struct exporter *x, int outputs)
{
	const int64_t time = 1;
	const struct onnx_attribute a[] = { attribute_ints("axes", &time, 1), attribute_int("keepdims", 0) };
	return build_node(&x->b, "ReduceMean", &outputs, 1, NULL, 1, a, 2);
}

static struct encoded encode(struct exporter *x)
{
	struct encoded out = { .batch = x->batch, .time = x->time };
	if (x->s->decoder == DECODER_SEGMENT) {
		int cut = cut_segments(x, &out.time);
		int in = BUILD(&x->b, "Relu", linear(x, cut, tensor(x, "segment.weight"), tensor(x, "segment.bias")));
		out.batch = BUILD(&x->b, "Mul", x->batch, BUILD_INTS(&x->b, x->s->inputs));
		encode_recurrent(x, in, &out);
	} else if (x->s->encoder == ENCODER_TRANSFORMER) {
		encode_transformer(x, front(x), &out);
	} else {
		encode_recurrent(x, front(x), &out);
	}
	if (x->s->batch_norm)
		out.outputs = batch_norm(x, out.outputs);
	out.h = net_summary_is_mean(x->s) ? mean_states(x, out.outputs) : final_states(x, out.outputs);
	return out;
}

/* --- decoders ------------------------------------------------------------------------------------------------------- */

/* All steps from one summary: [B][horizon][outputs]. */
static int decode_head(struct exporter *x, int summary)
{
	return BUILD_RESHAPE(&x->b, output(x, summary), 0, x->s->horizon, net_outputs(x->s));
}

/* Weights [B][1][T] of the steps for queries [B][1][att]; query ONNX_ABSENT: zeros. keys [B][T][att]. */
static int additive_weights(struct exporter *x, int query, int keys)
{
	int sum = query == ONNX_ABSENT ? keys : BUILD(&x->b, "Add", keys, query);
	int score = product(x, BUILD(&x->b, "Tanh", sum), tensor(x, "decoder.attention.score.weight"));
	return softmax(x, BUILD_TRANSPOSE(&x->b, score, 0, 2, 1));
}

static int additive_keys(struct exporter *x, const struct encoded *in)
{
	return linear(x, in->outputs, tensor(x, "decoder.attention.key.weight"), tensor(x, "decoder.attention.key.bias"));
}

static int decode_pool(struct exporter *x, const struct encoded *in)
{
	struct onnx_build *b = &x->b;
	int weights = additive_weights(x, ONNX_ABSENT, additive_keys(x, in));
	x->attention = expand(x, weights, BUILD_INTS(b, 1, x->s->horizon, 1));
	return decode_head(x, squeeze(x, BUILD(b, "MatMul", weights, in->outputs), 1));
}

/* One head over all steps' states, [T][B][W] or [B][T][W]. */
static int decode_token(struct exporter *x, const struct encoded *in)
{
	return output(x, in->outputs);
}

/* The final states begin the cell, and their h is what it reads at every step. */
static int decode_reconstruct(struct exporter *x, const struct encoded *in)
{
	struct onnx_build *b = &x->b;
	struct cell_values values = decoder_cell(x);
	int h = unsqueeze(x, in->h, 0), c = in->c == ONNX_ABSENT ? in->c : unsqueeze(x, in->c, 0);
	int read = expand(x, h, BUILD_CONCAT(b, 0, in->time, BUILD_INTS(b, 1, 1)));
	struct cell_result r = cell(x, &values, read, h, c);
	return BUILD_TRANSPOSE(b, output(x, squeeze(x, r.y, 1)), 1, 0, 2);
}

/* The attention decoder while it is unrolled. */
struct unrolled {
	struct cell_values cell;
	int outputs, keys;          /* [B][T][W], [B][T][att]; of the dot, keys are [B][W][T] */
	int h, c;                   /* [1][B][W] */
	int previous;               /* [1][B][n] what the next step reads beside the context, or ONNX_ABSENT */
};

/* Zeros, or the vector of the boundary. */
static int first_previous(struct exporter *x)
{
	struct onnx_build *b = &x->b;
	int one = BUILD_INTS(b, 1), shape;
	if (!net_feeds_back(x->s))
		return ONNX_ABSENT;
	if (!x->s->classes)
		return BUILD(b, "ConstantOfShape", BUILD_CONCAT(b, 0, one, x->batch, BUILD_INTS(b, x->s->targets)));
	shape = BUILD_CONCAT(b, 0, one, x->batch, one);
	int vector = BUILD(b, "Gather", tensor(x, "decoder.embedding.weight"), BUILD_INTS(b, NET_BOUNDARY));
	return expand(x, unsqueeze(x, vector, 0), shape);
}

/* Of a step's answer [1][B][outputs], what the next one reads. */
static int next_previous(struct exporter *x, int y)
{
	struct onnx_build *b = &x->b;
	const struct net_spec *s = x->s;
	int64_t place[NET_MAX_TARGETS];
	if (!net_feeds_back(s))
		return ONNX_ABSENT;
	if (s->classes) {
		const struct onnx_attribute a[] = { attribute_int("axis", 2), attribute_int("keepdims", 0) };
		int best = build_node(b, "ArgMax", &y, 1, NULL, 1, a, 2);
		return BUILD(b, "Gather", tensor(x, "decoder.embedding.weight"), best);
	}
	for (int k = 0; k < s->targets; k++)
		place[k] = (int64_t)k * s->levels + s->median_level;
	return BUILD_WITH(b, "Gather", attribute_int("axis", 2), y, build_ints(b, place, s->targets));
}

static int attention_weights(struct exporter *x, const struct unrolled *u)
{
	int query = BUILD_TRANSPOSE(&x->b, u->h, 1, 0, 2);   /* [B][1][W] */
	if (x->s->score == SCORE_ADDITIVE)
		return additive_weights(x, product(x, query, tensor(x, "decoder.attention.query.weight")), u->keys);
	return softmax(x, scaled(x, BUILD(&x->b, "MatMul", query, u->keys), 1 / sqrt(net_width(x->s))));
}

/* One step: its answer [1][B][outputs], and its weights [B][1][T]. */
static int unrolled_step(struct exporter *x, struct unrolled *u, int *weights)
{
	struct onnx_build *b = &x->b;
	*weights = attention_weights(x, u);
	int read = BUILD_TRANSPOSE(b, BUILD(b, "MatMul", *weights, u->outputs), 1, 0, 2);
	if (u->previous != ONNX_ABSENT)
		read = BUILD_CONCAT(b, 2, read, u->previous);
	struct cell_result r = cell(x, &u->cell, read, u->h, u->c);
	u->h = r.h;
	u->c = r.c;
	int y = output(x, r.h);
	u->previous = next_previous(x, y);
	return y;
}

static int decode_attention(struct exporter *x, const struct encoded *in)
{
	struct onnx_build *b = &x->b;
	int y[NET_MAX_HORIZON], weights[NET_MAX_HORIZON];
	struct unrolled u = { .cell = decoder_cell(x), .outputs = in->outputs, .c = ONNX_ABSENT };
	u.h = unsqueeze(x, in->h, 0);
	u.keys = x->s->score == SCORE_ADDITIVE ? additive_keys(x, in) : BUILD_TRANSPOSE(b, in->outputs, 0, 2, 1);
	if (in->c != ONNX_ABSENT)
		u.c = unsqueeze(x, in->c, 0);
	u.previous = first_previous(x);
	for (int k = 0; k < x->s->horizon; k++)
		y[k] = unrolled_step(x, &u, &weights[k]);
	x->attention = build_concat(b, 1, weights, x->s->horizon);
	return BUILD_TRANSPOSE(b, build_concat(b, 0, y, x->s->horizon), 1, 0, 2);
}

/* The codes of all segments for all channels of all series, [segments][B][C][hid], as one step of as many sequences. */
static int segment_codes(struct exporter *x, int segments)
{
	struct onnx_build *b = &x->b;
	int hid = x->s->hidden, half = hid / 2, channels = x->s->inputs;
	int shape = BUILD_CONCAT(b, 0, BUILD_INTS(b, segments), x->batch, BUILD_INTS(b, channels, 1));
	int position = expand(x, BUILD_RESHAPE(b, tensor(x, "decoder.position.weight"), segments, 1, 1, half), shape);
	int channel = expand(x, BUILD_RESHAPE(b, tensor(x, "decoder.channel.weight"), 1, 1, channels, hid - half), shape);
	return BUILD_RESHAPE(b, BUILD_CONCAT(b, 3, position, channel), 1, -1, hid);
}

/* A final state, repeated for each segment: [1][segments * B * C][hid] */
static int segment_state(struct exporter *x, int state, int segments)
{
	struct onnx_build *b = &x->b;
	if (state == ONNX_ABSENT)
		return state;
	return BUILD_RESHAPE(b, expand(x, unsqueeze(x, state, 0), BUILD_INTS(b, segments, 1, 1)), 1, -1, x->s->hidden);
}

static int decode_segments(struct exporter *x, const struct encoded *in)
{
	struct onnx_build *b = &x->b;
	const struct net_spec *s = x->s;
	int segments = s->horizon / s->segment;
	struct cell_values values = encoder_cell(x, 0);
	struct cell_result r = cell(x, &values, segment_codes(x, segments), segment_state(x, in->h, segments),
	                            segment_state(x, in->c, segments));
	int y = BUILD_RESHAPE(b, output(x, r.h), segments, -1, s->inputs, s->segment, s->levels);
	y = BUILD_RESHAPE(b, BUILD_TRANSPOSE(b, y, 1, 0, 3, 2, 4), 0, s->horizon, s->inputs, s->levels);
	y = BUILD(b, "Add", y, unsqueeze(x, last_values(x), 3));
	return BUILD_RESHAPE(b, y, 0, 0, net_outputs(s));
}

static int decode(struct exporter *x, const struct encoded *in)
{
	switch (x->s->decoder) {
	case DECODER_ATTENTION:   return decode_attention(x, in);
	case DECODER_POOL:        return decode_pool(x, in);
	case DECODER_RECONSTRUCT: return decode_reconstruct(x, in);
	case DECODER_TOKEN:       return decode_token(x, in);
	case DECODER_SEGMENT:     return decode_segments(x, in);
	case DECODER_LAST:
	case DECODER_MEAN:        break;
	}
	return decode_head(x, in->h);
}

/* --- the whole ------------------------------------------------------------------------------------------------------ */

static void open_graph(struct exporter *x, const float *params, const struct onnx_rider *rider)
{
	static const char *const names[] = { "batch", "time", NULL };
	const int dim[] = { 0, 0, x->s->inputs };
	struct onnx_build *b = &x->b;
	for (int i = 0; i < x->table.n; i++) {
		const struct tensor *t = &x->table.tensor[i];
		build_initialiser(b, t->name, (const int[]){ (int)t->shape[0], (int)t->shape[1] }, t->ndim, params + t->offset);
	}
	if (rider)
		build_initialiser(b, rider->name, rider->dim, rider->ndim, rider->at);
	x->input = build_input(b, "input", x->s->vocabulary ? ONNX_INT64 : ONNX_FLOAT, x->s->vocabulary ? 2 : 3, dim,
	                       names);
	x->shape = BUILD(b, "Shape", x->input);
	x->batch = slice(x, x->shape, 0, 0, 1);
	x->time = slice(x, x->shape, 0, 1, 2);
}

static void close_graph(struct exporter *x, int y)
{
	static const char *const steps[] = { "batch", "time", NULL }, *const weights[] = { "batch", NULL, "time" };
	int horizon = net_answers_steps(x->s) ? 0 : x->s->horizon;
	build_output(&x->b, y, "output", 3, (const int[]){ 0, horizon, net_outputs(x->s) }, steps);
	if (x->attention != ONNX_ABSENT)
		build_output(&x->b, x->attention, "attention", 3, (const int[]){ 0, x->s->horizon, 0 }, weights);
}

enum err onnx_export(const struct net_spec *s, const float *params, const struct onnx_rider *rider, int steps,
                     struct arena *a, struct onnx_graph *out, struct error *e)
{
	struct exporter x = { .s = s, .max_steps = steps, .attention = ONNX_ABSENT };
	if (!onnx_cells[net_encoder_cell(s)].op || !onnx_cells[net_decoder_cell(s)].op)
		return fail(e, ERR_INVALID, "format", "ONNX has no operator for the cell of this model; safetensors keeps it");
	net_tensors(s, &x.table);
	build_init(&x.b, a);
	open_graph(&x, params, rider);
	struct encoded encoded = encode(&x);
	close_graph(&x, decode(&x, &encoded));
	return build_end(&x.b, out, e);
}

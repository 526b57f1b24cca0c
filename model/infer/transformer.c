/* transformer.c - see transformer.h. */
#include "model/infer/transformer.h"

#include <math.h>
#include <string.h>

/* A norm has no inputs: its weights, its biases and the mask of its units are packed as sums. */
static struct pack norm_shape(int lanes, int units)
{
	return pack_shape(lanes, 0, units, 0, NORM_SUMS);
}

void transformer_shape(struct transformer *t, const struct net_spec *s, int lanes)
{
	const int hidden = s->hidden, d = hidden / s->heads;

	*t = (struct transformer){
		.inputs = net_encoder_inputs(s), .hidden = hidden, .width = kernels_pad(hidden), .layers = s->layers,
		.heads = s->heads, .head = kernels_pad(d), .feedforward = kernels_pad(s->feedforward),
		.norm_first = s->norm_first, .gelu = s->gelu, .causal = s->causal,
	};
	t->embedding = pack_shape(lanes, t->inputs, hidden, 1, 1);
	for (int i = 0; i < s->layers; i++)
		t->layer[i] = (struct transformer_layer){
			.qkv = pack_shape(lanes, hidden, 3 * t->heads * t->head, 1, 1),
			.out = pack_shape(lanes, t->heads * t->head, hidden, 1, 1),
			.up = pack_shape(lanes, hidden, s->feedforward, 1, 1),
			.down = pack_shape(lanes, s->feedforward, hidden, 1, 1),
			.norm = { norm_shape(lanes, hidden), norm_shape(lanes, hidden) },
		};
	if (s->norm_first)
		t->norm = norm_shape(lanes, hidden);
}

int transformer_packs(struct transformer *t, struct pack *all[TRANSFORMER_MAX_PACKS])
{
	int n = 0;

	all[n++] = &t->embedding;
	for (int i = 0; i < t->layers; i++) {
		struct transformer_layer *l = &t->layer[i];
		struct pack *own[] = { &l->qkv, &l->out, &l->up, &l->down, &l->norm[0], &l->norm[1] };
		for (size_t j = 0; j < sizeof own / sizeof *own; j++)
			all[n++] = own[j];
	}
	all[n++] = &t->norm;
	return n;
}

static void pack_norm(const struct packer *k, struct pack *p, int units, const float *weight, const float *bias)
{
	static const float one = 1;

	pack_bias(k, p, NORM_WEIGHT, 0, units, weight, 1);
	pack_bias(k, p, NORM_BIAS, 0, units, bias, 1);
	for (int u = 0; u < units; u++)
		pack_bias(k, p, NORM_MASK, u, 1, &one, 1);
}

/* Part 0, 1, 2 of in_proj is q, k, v; the heads of each are set apart by their padding. */
static void pack_qkv(const struct transformer *t, const struct packer *k, struct pack *p, const float *weight,
                     const float *bias)
{
	const int d = t->hidden / t->heads;

	for (int i = 0; i < 3 * t->heads; i++) {
		const double scale = i < t->heads ? ATTEND_SCALE_DOT / sqrt(d) : 1;
		const struct piece rows = { weight + (size_t)i * d * t->hidden, d, t->hidden, t->hidden, scale };
		pack_weights(k, p, 0, i * t->head, 0, &rows);
		pack_bias(k, p, 0, i * t->head, d, bias + (size_t)i * d, scale);
	}
}

static void pack_out(const struct transformer *t, const struct packer *k, struct pack *p, const float *weight,
                     const float *bias)
{
	const int d = t->hidden / t->heads;

	for (int i = 0; i < t->heads; i++) {
		const struct piece columns = { weight + (size_t)i * d, t->hidden, d, t->hidden, 1 };
		pack_weights(k, p, 0, 0, i * t->head, &columns);
	}
	pack_bias(k, p, 0, 0, t->hidden, bias, 1);
}

static void pack_layer(const struct transformer *t, const struct net_spec *s, const struct packer *k, int i,
                       struct transformer_layer *l)
{
	pack_qkv(t, k, &l->qkv, packer_tensor(k, "encoder.layers.%d.self_attn.in_proj_weight", i),
	         packer_tensor(k, "encoder.layers.%d.self_attn.in_proj_bias", i));
	pack_out(t, k, &l->out, packer_tensor(k, "encoder.layers.%d.self_attn.out_proj.weight", i),
	         packer_tensor(k, "encoder.layers.%d.self_attn.out_proj.bias", i));
	pack_linear(k, &l->up, s->feedforward, packer_tensor(k, "encoder.layers.%d.linear1.weight", i),
	            packer_tensor(k, "encoder.layers.%d.linear1.bias", i), 1);
	pack_linear(k, &l->down, s->hidden, packer_tensor(k, "encoder.layers.%d.linear2.weight", i),
	            packer_tensor(k, "encoder.layers.%d.linear2.bias", i), 1);
	for (int j = 0; j < 2; j++)
		pack_norm(k, &l->norm[j], s->hidden, packer_tensor(k, "encoder.layers.%d.norm%d.weight", i, j + 1),
		          packer_tensor(k, "encoder.layers.%d.norm%d.bias", i, j + 1));
}

void transformer_pack(struct transformer *t, const struct net_spec *s, const struct packer *k)
{
	pack_linear(k, &t->embedding, s->hidden, packer_tensor(k, "encoder.embedding.weight"),
	            packer_tensor(k, "encoder.embedding.bias"), 1);
	for (int i = 0; i < s->layers; i++)
		pack_layer(t, s, k, i, &t->layer[i]);
	if (s->norm_first)
		pack_norm(k, &t->norm, s->hidden, packer_tensor(k, "encoder.norm.weight"),
		          packer_tensor(k, "encoder.norm.bias"));
}

/* sin and cos of t times each pair's frequency, from step to step by turning: in double it stays exact enough
 * for any window, and costs no table. */
void transformer_sinusoids(const struct transformer *t, int T, float *positions)
{
	memset(positions, 0, (size_t)T * t->width * sizeof *positions);
	for (int j = 0; j < t->hidden; j += 2) {
		const double frequency = pow(10000, -(double)j / t->hidden);
		const double turn_sin = sin(frequency), turn_cos = cos(frequency);
		double s = 0, c = 1;
		for (int i = 0; i < T; i++) {
			float *pair = positions + (size_t)i * t->width + j;
			pair[0] = (float)s;
			if (j + 1 < t->hidden)
				pair[1] = (float)c;
			const double next = s * turn_cos + c * turn_sin;
			c = c * turn_cos - s * turn_sin;
			s = next;
		}
	}
}

/* n rows of x, `stride` apart, become the columns of a panel. */
static void pack_panel(int lanes, int n, int head, const float *x, size_t stride, float *panel)
{
	for (int i = 0; i < head; i++, panel += lanes)
		for (int column = 0; column < n; column++)
			panel[column] = x[column * stride + i];
}

/* The keys of a head, rows of x `stride` apart: transposed. Of the last panel, those behind T are any numbers. */
static struct pack pack_keys(const struct transformer *t, int lanes, int T, const float *x, size_t stride,
                             const struct transformer_scratch *s)
{
	struct pack p = pack_shape(lanes, t->head, T, 1, 1);

	p.w = s->keys;
	p.bias = s->zeros;
	for (int first = 0; first < T; first += lanes, x += lanes * stride)
		pack_panel(lanes, T - first < lanes ? T - first : lanes, t->head, x, stride, p.w + (size_t)first * t->head);
	return p;
}

static struct pack pack_values(const struct transformer *t, int lanes, int T, const float *x, size_t stride,
                               const struct transformer_scratch *s)
{
	struct pack p = pack_shape(lanes, T, t->head, 1, 1);
	float *value = s->values;

	p.w = s->values;
	p.bias = s->zeros;
	for (int panel = 0; panel < p.panels; panel++)
		for (int step = 0; step < T; step++, value += lanes)
			memcpy(value, x + step * stride + (size_t)panel * lanes, (size_t)lanes * sizeof *value);
	return p;
}

/* mixed of every step, of one head. Of a causal one, steps see themselves and those before. */
static void mix_head(const struct transformer *t, const struct kernels *k, int T, int head,
                     const struct transformer_scratch *s)
{
	const size_t part = (size_t)t->heads * t->head, stride = 3 * part;
	const float *q = s->qkv + (size_t)head * t->head;
	float *mixed = s->mixed + (size_t)head * t->head;
	struct pack keys = pack_keys(t, k->width, T, q + part, stride, s);
	struct pack values = pack_values(t, k->width, T, q + 2 * part, stride, s);

	for (int first = 0; first < T; first += KERNEL_ROWS) {
		const int steps = T - first < KERNEL_ROWS ? T - first : KERNEL_ROWS;
		const int seen = t->causal ? first + steps : T;

		keys.panels = kernels_pad(seen) / k->width;
		values.in = seen;
		k->linear(&keys, steps, q + first * stride, stride, s->scores, s->score_stride);
		k->softmax(steps, t->causal ? first + 1 : T, t->causal, kernels_pad(seen), s->scores, s->score_stride);
		k->linear(&values, steps, s->scores, s->score_stride, mixed + first * part, part);
	}
}

static void mix(const struct transformer *t, const struct kernels *k, int T, const struct transformer_scratch *s)
{
	memset(s->zeros, 0, (size_t)transformer_zeros(t, T) * sizeof *s->zeros);
	for (int head = 0; head < t->heads; head++)
		mix_head(t, k, T, head, s);
}

static void norm(const struct transformer *t, const struct kernels *k, const struct pack *p, int T, const float *x,
                 float *y)
{
	k->layer_norm(p, t->hidden, T, x, y, (size_t)t->width);
}

/* What a sublayer reads: its input x, or with norm_first the norm of it, in narrow. */
static const float *sublayer_begin(const struct transformer *t, const struct kernels *k, const struct pack *p, int T,
                                   const float *x, float *narrow)
{
	if (!t->norm_first)
		return x;
	norm(t, k, p, T, x, narrow);
	return narrow;
}

/* x plus what the sublayer left in narrow. */
static void sublayer_end(const struct transformer *t, const struct kernels *k, const struct pack *p, int T, float *x,
                         const float *narrow)
{
	k->add(x, narrow, (size_t)T * t->width);
	if (!t->norm_first)
		norm(t, k, p, T, x, x);
}

static void attention(const struct transformer *t, const struct transformer_layer *l, const struct kernels *k, int T,
                      float *x, const struct transformer_scratch *s)
{
	const size_t width = (size_t)t->width, part = (size_t)t->heads * t->head;
	const float *in = sublayer_begin(t, k, &l->norm[0], T, x, s->narrow);

	k->linear(&l->qkv, T, in, width, s->qkv, 3 * part);
	mix(t, k, T, s);
	k->linear(&l->out, T, s->mixed, part, s->narrow, width);
	sublayer_end(t, k, &l->norm[0], T, x, s->narrow);
}

static void feedforward(const struct transformer *t, const struct transformer_layer *l, const struct kernels *k, int T,
                        float *x, const struct transformer_scratch *s)
{
	const size_t width = (size_t)t->width, wide = (size_t)t->feedforward;
	const float *in = sublayer_begin(t, k, &l->norm[1], T, x, s->narrow);

	k->linear(&l->up, T, in, width, s->wide, wide);
	(t->gelu ? k->gelu : k->relu)(s->wide, (size_t)T * wide);
	k->linear(&l->down, T, s->wide, wide, s->narrow, width);
	sublayer_end(t, k, &l->norm[1], T, x, s->narrow);
}

void transformer_run(const struct transformer *t, const struct kernels *k, int T, const float *x, float *y,
                     const struct transformer_scratch *s)
{
	const size_t width = (size_t)t->width;

	k->linear(&t->embedding, T, x, (size_t)t->inputs, y, width);
	k->add(y, s->positions, (size_t)T * width);
	for (int i = 0; i < t->layers; i++) {
		attention(t, &t->layer[i], k, T, y, s);
		for (int first = 0; first < T; first += TRANSFORMER_STEPS)
			feedforward(t, &t->layer[i], k, T - first < TRANSFORMER_STEPS ? T - first : TRANSFORMER_STEPS,
			            y + first * width, s);
	}
	if (t->norm_first)
		norm(t, k, &t->norm, T, y, y);
}

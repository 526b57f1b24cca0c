/* kernels.c - the kernels of one CPU level; built once per level (see kernels.h).
 *
 * Each kernel is a tile of R rows x S panels, written once with R, S and the
 * number of gates as constants of an inlined call, so that every sum lives in
 * a register:
 *
 *              panel 0      panel 1                R x S x gates sums, at most
 *           r    z    n   r    z    n              VEC_ACCUMULATORS of them:
 *     row 0 .    .    .   .    .    .              many rows x one panel where
 *     row 1 .    .    .   .    .    .              there are rows, few rows x
 *                                                  many panels where not
 */
#include "model/infer/kernels.h"
#include "model/infer/vec.h"

#include <math.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Tiles are as tall as three gates allow; four gates allow fewer rows. */
#define MAX_ROWS   (VEC_ACCUMULATORS / 3)
/* Two, though one row could have more: a layer of 64 units is then two tiles at the
 * widest level, and a backward step finds the last tile's weights still in the cache. */
#define MAX_PANELS 2
#define MAX_GATES  4

#define NORM_EPS   1e-5f   /* PyTorch's */

enum kind { LINEAR, GRU_RESET_AFTER, GRU_GATES, GRU_CANDIDATE, LSTM, RNN_TANH, RNN_RELU };

/* What the tiles of a call share. A linear has no state: hid = 0. */
struct call {
	const struct pack *p;
	int in, hid;
	struct cell_step s;
};

struct sums {
	vf at[MAX_ROWS][MAX_PANELS][MAX_GATES];
};

/* Begin gate g of the tile's sums at bias number b. */
INLINE void begin(struct sums *c, const int R, const int S, const struct pack *p, int panel, const int g, const int b)
{
	UNROLL for (int s = 0; s < S; s++) {
		vf bias = vf_load(p->bias + ((size_t)(panel + s) * p->sums + b) * VF);
		UNROLL for (int r = 0; r < R; r++)
			c->at[r][s][g] = bias;
	}
}

/* Every sum meets n inputs in order, one multiply-add each: w are the panel's
 * weights from the first of them on. What is used more often is held in registers. */
INLINE void chain(struct sums *c, const int R, const int S, const int G, int n, const float *w, size_t panel_size,
                  const float *x, size_t stride)
{
	for (int k = 0; k < n; k++, w += G * VF) {
		if (R > S * G) {
			vf weight[MAX_PANELS][MAX_GATES];
			UNROLL for (int s = 0; s < S; s++)
				UNROLL for (int g = 0; g < G; g++)
					weight[s][g] = vf_load(w + s * panel_size + g * VF);
			UNROLL for (int r = 0; r < R; r++) {
				vf input = vf_set1(x[r * stride + k]);
				UNROLL for (int s = 0; s < S; s++)
					UNROLL for (int g = 0; g < G; g++)
						c->at[r][s][g] = vf_fma(input, weight[s][g], c->at[r][s][g]);
			}
		} else {
			vf input[MAX_ROWS];
			UNROLL for (int r = 0; r < R; r++)
				input[r] = vf_set1(x[r * stride + k]);
			UNROLL for (int s = 0; s < S; s++)
				UNROLL for (int g = 0; g < G; g++) {
					vf weight = vf_load(w + s * panel_size + g * VF);
					UNROLL for (int r = 0; r < R; r++)
						c->at[r][s][g] = vf_fma(input[r], weight, c->at[r][s][g]);
				}
		}
	}
}

/* h' = (1 - z) n + z h */
INLINE vf blend(vf z, vf n, vf h)
{
	return vf_fma(z, h - n, n);
}

/* c' = f c + i g, written over c; h' = o tanh(c') */
INLINE vf lstm_output(const vf sum[MAX_GATES], float *c)
{
	const vf state = vf_fma(vf_sigmoid(sum[1]), vf_load(c), vf_sigmoid(sum[0]) * vf_tanh(sum[2]));

	vf_store(c, state);
	return vf_sigmoid(sum[3]) * vf_tanh(state);
}

/* One tile: rows row … row + R - 1, panels panel … panel + S - 1. */
INLINE void tile(const enum kind kind, const int R, const int S, const int G, const struct call *a, int row, int panel)
{
	const struct pack *p = a->p;
	const struct cell_step *st = &a->s;
	const size_t panel_size = (size_t)p->k * G * VF, scratch_stride = (size_t)p->panels * VF;
	const float *w = p->w + panel * panel_size, *wh = w + (size_t)a->in * G * VF;
	const size_t unit = (size_t)panel * VF;
	struct sums c;
	vf input_part[MAX_ROWS][MAX_PANELS];   /* of n */

	UNROLL for (int g = 0; g < G; g++)
		begin(&c, R, S, p, panel, g, g);
	chain(&c, R, S, G, a->in, w, panel_size, st->x + row * st->x_stride, st->x_stride);
	if (kind == GRU_RESET_AFTER) {
		UNROLL for (int r = 0; r < R; r++)
			UNROLL for (int s = 0; s < S; s++)
				input_part[r][s] = c.at[r][s][2];
		/* Held in memory: left to itself the compiler spills the running sums instead. */
		__asm__("" : "+m"(input_part));
		begin(&c, R, S, p, panel, 2, 3);
	}
	if (kind == GRU_CANDIDATE)
		chain(&c, R, S, G, a->hid, wh, panel_size, st->rh + row * scratch_stride, scratch_stride);
	else if (kind != LINEAR)
		chain(&c, R, S, G, a->hid, wh, panel_size, st->h + row * st->h_stride, st->h_stride);

	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int s = 0; s < S; s++) {
			const size_t at = unit + (size_t)s * VF;
			float *out = st->out + (row + r) * st->out_stride + at;
			const size_t scratch = (row + r) * scratch_stride + at, own = (row + r) * st->h_stride + at;
			const vf *sum = c.at[r][s];

			switch (kind) {
			case LINEAR:
				vf_store(out, sum[0]);
				break;
			case GRU_RESET_AFTER:
				vf_store(out, blend(vf_sigmoid(sum[1]),
				                    vf_tanh(vf_fma(vf_sigmoid(sum[0]), sum[2], input_part[r][s])),
				                    vf_load(st->h + own)));
				break;
			case GRU_GATES:
				vf_store(st->rh + scratch, vf_sigmoid(sum[0]) * vf_load(st->h + own));
				vf_store(st->z + scratch, vf_sigmoid(sum[1]));
				break;
			case GRU_CANDIDATE:
				vf_store(out, blend(vf_load(st->z + scratch), vf_tanh(sum[0]), vf_load(st->h + own)));
				break;
			case LSTM:
				vf_store(out, lstm_output(sum, st->c + (row + r) * st->c_stride + at));
				break;
			case RNN_TANH:
				vf_store(out, vf_tanh(sum[0]));
				break;
			case RNN_RELU:
				vf_store(out, vf_relu(sum[0]));
				break;
			}
		}
}

/* All panels of R rows: as many at once as registers allow, what is left over alone. */
INLINE void panels(const enum kind kind, const int R, const int G, const struct call *a, int row)
{
	const int fit = VEC_ACCUMULATORS / (R * G), S = fit > MAX_PANELS ? MAX_PANELS : fit;
	const int all = a->p->panels, groups = (all + S - 1) / S;

	for (int i = 0; i < groups; i++) {
		int panel = (a->s.backward ? groups - 1 - i : i) * S;
		if (panel + S <= all)
			tile(kind, R, S, G, a, row, panel);
		else
			for (; panel < all; panel++)
				tile(kind, R, 1, G, a, row, panel);
	}
}

/* All rows, the tallest tile first. */
INLINE void sweep(const enum kind kind, const int G, const struct call *a)
{
	const int fit = VEC_ACCUMULATORS / G, tallest = fit < MAX_ROWS ? fit : MAX_ROWS;
	int row = 0;

	for (; a->s.rows - row >= tallest; row += tallest)
		panels(kind, tallest, G, a, row);
	switch (a->s.rows - row) {
#if VEC_ACCUMULATORS >= 24
	case 7: if (tallest > 7) panels(kind, 7, G, a, row); break;
	case 6: if (tallest > 6) panels(kind, 6, G, a, row); break;
	case 5: panels(kind, 5, G, a, row); break;
	case 4: panels(kind, 4, G, a, row); break;
#endif
	case 3: if (tallest > 3) panels(kind, 3, G, a, row); break;
	case 2: panels(kind, 2, G, a, row); break;
	case 1: panels(kind, 1, G, a, row); break;
	}
}

static void linear(const struct pack *p, int rows, const float *x, size_t x_stride, float *out, size_t out_stride)
{
	const struct cell_step s = { .rows = rows, .x = x, .x_stride = x_stride, .out = out, .out_stride = out_stride };

	sweep(LINEAR, 1, &(struct call){ .p = p, .in = p->k, .s = s });
}

static struct call cell_call(const struct cell *c, const struct cell_step *s)
{
	return (struct call){ .p = &c->gates, .in = c->in, .hid = c->hid, .s = *s };
}

static void gru_reset_after(const struct cell *c, const struct cell_step *s)
{
	const struct call a = cell_call(c, s);

	sweep(GRU_RESET_AFTER, 3, &a);
}

static void gru_reset_before(const struct cell *c, const struct cell_step *s)
{
	struct call a = cell_call(c, s);

	sweep(GRU_GATES, 2, &a);
	a.p = &c->candidate;
	sweep(GRU_CANDIDATE, 1, &a);
}

static void lstm(const struct cell *c, const struct cell_step *s)
{
	const struct call a = cell_call(c, s);

	sweep(LSTM, 4, &a);
}

static void rnn_tanh(const struct cell *c, const struct cell_step *s)
{
	const struct call a = cell_call(c, s);

	sweep(RNN_TANH, 1, &a);
}

static void rnn_relu(const struct cell *c, const struct cell_step *s)
{
	const struct call a = cell_call(c, s);

	sweep(RNN_RELU, 1, &a);
}

/* v . tanh(q + k) in units of log2: with -2 log2(e) folded into q and k and
 * 2 log2(e) into v, tanh is 2 / (1 + 2^u) - 1, and its constant -1, the same
 * for every step, cancels in the softmax. */
static float additive_score(int n, const float *q, const float *k, const float *v)
{
	vf sum[VEC_PARTS] = { 0 };

	for (int i = 0; i < n; i += VEC_LANES)
		UNROLL for (int j = 0; j < VEC_PARTS; j++) {
			const int at = i + j * VF;
			vf u = vf_exp2(vf_load(q + at) + vf_load(k + at));
			sum[j] = vf_fma(vf_load(v + at), vf_set1(1) / (vf_set1(1) + u), sum[j]);
		}
	return vf_sum16(sum);
}

static float dot_score(int n, const float *q, const float *k, float scale)
{
	vf sum[VEC_PARTS] = { 0 };

	for (int i = 0; i < n; i += VEC_LANES)
		UNROLL for (int j = 0; j < VEC_PARTS; j++)
			sum[j] = vf_fma(vf_load(q + i + j * VF), vf_load(k + i + j * VF), sum[j]);
	return scale * vf_sum16(sum);
}

static float score(const struct attend *a, int t)
{
	const float *k = a->keys + (size_t)t * a->key_stride;

	return a->v ? additive_score(a->attention, a->query, k, a->v) : dot_score(a->attention, a->query, k, a->scale);
}

/* 2^(s - max) over their sum, in place over whole vectors; behind T stands -inf, which gives 0. */
static void softmax2(float *s, int n, float max)
{
	vf sum[VEC_PARTS] = { 0 };

	for (int i = 0; i < n; i += VEC_LANES)
		UNROLL for (int j = 0; j < VEC_PARTS; j++) {
			vf e = vf_exp2(vf_load(s + i + j * VF) - vf_set1(max));
			vf_store(s + i + j * VF, e);
			sum[j] += e;
		}
	const vf total = vf_set1(vf_sum16(sum));
	for (int i = 0; i < n; i += VF)
		vf_store(s + i, vf_load(s + i) / total);
}

static void attend(const struct attend *a)
{
	const int padded = kernels_pad(a->T);
	float max = -INFINITY;

	for (int t = 0; t < a->T; t++) {
		a->weights[t] = score(a, t);
		max = a->weights[t] > max ? a->weights[t] : max;   /* a NaN score is left to the sum */
	}
	for (int t = a->T; t < padded; t++)
		a->weights[t] = -INFINITY;
	softmax2(a->weights, padded, max);

	for (int i = 0; i < a->hidden; i += VEC_LANES) {
		vf sum[VEC_PARTS] = { 0 };
		for (int t = 0; t < a->T; t++)
			UNROLL for (int j = 0; j < VEC_PARTS; j++)
				sum[j] = vf_fma(vf_set1(a->weights[t]),
				                vf_load(a->states + (size_t)t * a->state_stride + i + j * VF), sum[j]);
		UNROLL for (int j = 0; j < VEC_PARTS; j++)
			vf_store(a->context + i + j * VF, sum[j]);
	}
}

/* Panel by panel, as many as make up VEC_LANES at once. */
static void layer_norm(const struct pack *p, int units, int rows, const float *x, float *y, size_t stride)
{
	const int n = p->panels * VF, sums = NORM_SUMS * VF;

	for (; rows > 0; rows--, x += stride, y += stride) {
		vf sum[VEC_PARTS] = { 0 }, squares[VEC_PARTS] = { 0 };
		for (int i = 0; i < n; i += VEC_LANES)
			UNROLL for (int j = 0; j < VEC_PARTS; j++)
				sum[j] += vf_load(x + i + j * VF);
		const vf mean = vf_set1(vf_sum16(sum) / (float)units);
		for (int i = 0; i < n; i += VEC_LANES)
			UNROLL for (int j = 0; j < VEC_PARTS; j++) {
				const int at = i + j * VF;
				vf d = (vf_load(x + at) - mean) * vf_load(p->bias + at / VF * sums + NORM_MASK * VF);
				vf_store(y + at, d);
				squares[j] = vf_fma(d, d, squares[j]);
			}
		const vf inverse = vf_set1(1 / sqrtf(vf_sum16(squares) / (float)units + NORM_EPS));
		for (int at = 0; at < n; at += VF) {
			const float *own = p->bias + at / VF * sums;
			vf_store(y + at, vf_fma(vf_load(y + at) * inverse, vf_load(own + NORM_WEIGHT * VF),
			                        vf_load(own + NORM_BIAS * VF)));
		}
	}
}

static void sigmoid_all(float *x, size_t n)
{
	for (size_t i = 0; i < n; i += VF)
		vf_store(x + i, vf_sigmoid(vf_load(x + i)));
}

static void tanh_all(float *x, size_t n)
{
	for (size_t i = 0; i < n; i += VF)
		vf_store(x + i, vf_tanh(vf_load(x + i)));
}

static void relu_all(float *x, size_t n)
{
	for (size_t i = 0; i < n; i += VF)
		vf_store(x + i, vf_relu(vf_load(x + i)));
}

static void gelu_all(float *x, size_t n)
{
	for (size_t i = 0; i < n; i += VF)
		vf_store(x + i, vf_gelu(vf_load(x + i)));
}

#if INFER_LEVEL == 2
const struct kernels kernels_avx512 = { "avx512",
#elif INFER_LEVEL == 1
const struct kernels kernels_avx2 = { "avx2",
#else
const struct kernels kernels_c = { "c",
#endif
	VF, linear,
	{ [FORM_GRU_RESET_AFTER] = gru_reset_after, [FORM_GRU_RESET_BEFORE] = gru_reset_before, [FORM_LSTM] = lstm,
	  [FORM_RNN_TANH] = rnn_tanh, [FORM_RNN_RELU] = rnn_relu },
	attend, layer_norm, sigmoid_all, tanh_all, relu_all, gelu_all };

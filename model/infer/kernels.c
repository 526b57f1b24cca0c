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
#include "model/infer/int8.h"
#include "model/infer/vec.h"
#include "model/infer/vec_int.h"

#include <float.h>
#include <math.h>

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

/* Tiles are as tall as three gates allow, those of four gates lower: where there are 16 registers, three rows
 * would leave one for the weights, and the sums spill (156 us for an LSTM's layer that takes 134 with two). So
 * do quantised sums, whose products need a register of their own before they are added. */
#define MAX_ROWS        (VEC_ACCUMULATORS / 3)
#define MAX_ROWS_OF_4   (VEC_ACCUMULATORS >= 24 ? 6 : 2)
#define MAX_ROWS_INT8   (VEC_ACCUMULATORS >= 24 ? 8 : VEC_ACCUMULATORS / 4)
_Static_assert(MAX_ROWS_INT8 <= MAX_ROWS && MAX_ROWS_OF_4 <= MAX_ROWS, "sweep() has a tile for any number of rows");
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

/* The rows of a tile, and the scales of their inputs and states: see int8.h. */
struct quantised {
	_Alignas(64) int16_t q[INT8_ROOM];   /* what crossed lines when it was stored would be loaded late */
	size_t stride;
	float scale[PACK_PARTS][MAX_ROWS];
};

/* What a row's state part reads: the candidate's state is reset before. */
INLINE size_t state_stride(const enum kind kind, const struct call *a)
{
	return kind == GRU_CANDIDATE ? (size_t)a->p->panels * VF : a->s.h_stride;
}

INLINE const float *state_of(const enum kind kind, const struct call *a, int row)
{
	return (kind == GRU_CANDIDATE ? a->s.rh : a->s.h) + row * state_stride(kind, a);
}

/* n numbers as whole multiples of the scale that is returned, whole vectors of them. NaN for what is not finite. */
static float quantise(const float *x, int n, int16_t *q)
{
	const int whole = n - n % VF, limit = int8_limit(n);
	const vf tail = vf_load_first(x + whole, n - whole);
	vi most = vf_magnitude(tail);
	float peak;

	for (int i = 0; i < whole; i += VF)
		most = vi_max(most, vf_magnitude(vf_load(x + i)));
	const int32_t bits = vi_max_lane(most);
	memcpy(&peak, &bits, sizeof peak);
	if (!(peak >= INT8_LEAST && peak <= FLT_MAX)) {
		memset(q, 0, (size_t)kernels_pad(n) * sizeof *q);
		return peak < INT8_LEAST ? 0 : NAN;
	}
	const vf inverse = vf_set1((float)limit / peak);
	for (int i = 0; i < whole; i += VF)
		vf_store_rounded(q + i, vf_load(x + i) * inverse);
	if (whole < n)
		vf_store_rounded(q + whole, tail * inverse);
	return peak / (float)limit;
}

INLINE void quantise_rows(const enum kind kind, const int R, const struct call *a, int row, struct quantised *to)
{
	to->stride = (size_t)int8_row(a->in, a->hid);
	for (int r = 0; r < R; r++) {
		int16_t *q = to->q + r * to->stride;
		to->scale[PART_INPUT][r] = quantise(a->s.x + (row + r) * a->s.x_stride, a->in, q);
		if (kind != LINEAR)
			to->scale[PART_STATE][r] = quantise(state_of(kind, a, row + r), a->hid, q + kernels_pad(a->in));
	}
}

struct integer_sums {
	vi at[MAX_ROWS][MAX_PANELS][MAX_GATES];
};

/* chain() over n quantised inputs, two at a time, from zero. */
INLINE void chain_int8(struct integer_sums *c, const int R, const int S, const int G, int n, const int8_t *w,
                       size_t panel_size, const int16_t *x, size_t stride)
{
	UNROLL for (int r = 0; r < R; r++)
		UNROLL for (int s = 0; s < S; s++)
			UNROLL for (int g = 0; g < G; g++)
				c->at[r][s][g] = vi_set1(0);
	for (int k = 0; k < n; k += 2, w += G * VEC_PAIRS) {
		if (R > S * G) {
			vi weight[MAX_PANELS][MAX_GATES];
			UNROLL for (int s = 0; s < S; s++)
				UNROLL for (int g = 0; g < G; g++)
					weight[s][g] = vi_weights(w + s * panel_size + g * VEC_PAIRS);
			UNROLL for (int r = 0; r < R; r++) {
				const vi input = vi_pair(x + r * stride + k);
				UNROLL for (int s = 0; s < S; s++)
					UNROLL for (int g = 0; g < G; g++)
						c->at[r][s][g] = vi_multiply_add(c->at[r][s][g], weight[s][g], input);
			}
		} else {
			vi input[MAX_ROWS];
			UNROLL for (int r = 0; r < R; r++)
				input[r] = vi_pair(x + r * stride + k);
			UNROLL for (int s = 0; s < S; s++)
				UNROLL for (int g = 0; g < G; g++) {
					const vi weight = vi_weights(w + s * panel_size + g * VEC_PAIRS);
					UNROLL for (int r = 0; r < R; r++)
						c->at[r][s][g] = vi_multiply_add(c->at[r][s][g], weight, input[r]);
				}
		}
	}
}

/* The integer sums in their scales, onto the others. Product and sum are rounded apart at every level, so that all of
 * them give the same bits. */
INLINE void dequantise(struct sums *c, const int R, const int S, const int G, const struct integer_sums *from,
                       const float *unit_scale, size_t panel_scales, const float *row_scale)
{
	UNROLL for (int s = 0; s < S; s++)
		UNROLL for (int g = 0; g < G; g++) {
			const vf unit = vf_load(unit_scale + s * panel_scales + g * VF);
			UNROLL for (int r = 0; r < R; r++)
				c->at[r][s][g] += vi_float(from->at[r][s][g]) * (unit * vf_set1(row_scale[r]));
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

/* The rows' inputs, or their states, by their part of the weights, onto the sums. */
INLINE void product_float(struct sums *c, const enum kind kind, const int R, const int S, const int G,
                          const enum pack_part part, const struct call *a, int row, int panel)
{
	const size_t panel_size = (size_t)a->p->k * G * VF;
	const float *w = a->p->w + panel * panel_size;

	if (part == PART_INPUT)
		chain(c, R, S, G, a->in, w, panel_size, a->s.x + row * a->s.x_stride, a->s.x_stride);
	else
		chain(c, R, S, G, a->hid, w + (size_t)a->in * G * VF, panel_size, state_of(kind, a, row),
		      state_stride(kind, a));
}

INLINE void product_int8(struct sums *c, const int R, const int S, const int G, const enum pack_part part,
                         const struct call *a, int panel, const struct quantised *q)
{
	const size_t inputs = (size_t)int8_pairs(a->in) * G * VEC_PAIRS;
	const size_t panel_size = inputs + (size_t)int8_pairs(a->hid) * G * VEC_PAIRS;
	const size_t scales = (size_t)(a->hid ? PACK_PARTS : 1) * G * VF;
	const int8_t *w = a->p->q + panel * panel_size + (part == PART_INPUT ? 0 : inputs);
	const int16_t *x = q->q + (part == PART_INPUT ? 0 : kernels_pad(a->in));
	struct integer_sums sums;

	chain_int8(&sums, R, S, G, part == PART_INPUT ? a->in : a->hid, w, panel_size, x, q->stride);
	dequantise(c, R, S, G, &sums, a->p->scale + panel * scales + (size_t)part * G * VF, scales, q->scale[part]);
}

INLINE void product(struct sums *c, const enum kind kind, const int R, const int S, const int G,
                    const enum pack_part part, const struct call *a, int row, int panel, const struct quantised *q)
{
	if (q)
		product_int8(c, R, S, G, part, a, panel, q);
	else
		product_float(c, kind, R, S, G, part, a, row, panel);
}

/* One tile: rows row … row + R - 1, panels panel … panel + S - 1; of the quantised rows, if there are any. */
INLINE void tile(const enum kind kind, const int R, const int S, const int G, const struct call *a, int row, int panel,
                 const struct quantised *q)
{
	const struct pack *p = a->p;
	const struct cell_step *st = &a->s;
	const size_t scratch_stride = (size_t)p->panels * VF;
	const size_t unit = (size_t)panel * VF;
	struct sums c;
	vf input_part[MAX_ROWS][MAX_PANELS];   /* of n */

	UNROLL for (int g = 0; g < G; g++)
		begin(&c, R, S, p, panel, g, g);
	product(&c, kind, R, S, G, PART_INPUT, a, row, panel, q);
	if (kind == GRU_RESET_AFTER) {
		UNROLL for (int r = 0; r < R; r++)
			UNROLL for (int s = 0; s < S; s++)
				input_part[r][s] = c.at[r][s][2];
		/* Held in memory: left to itself the compiler spills the running sums instead. */
		__asm__("" : "+m"(input_part));
		begin(&c, R, S, p, panel, 2, 3);
	}
	if (kind != LINEAR)
		product(&c, kind, R, S, G, PART_STATE, a, row, panel, q);

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
INLINE void panels(const enum kind kind, const int R, const int G, const bool int8, const struct call *a, int row)
{
	const int fit = VEC_ACCUMULATORS / (R * G), S = fit > MAX_PANELS ? MAX_PANELS : fit;
	const int all = a->p->panels, groups = (all + S - 1) / S;
	struct quantised q;

	if (int8)
		quantise_rows(kind, R, a, row, &q);
	for (int i = 0; i < groups; i++) {
		int panel = (a->s.backward ? groups - 1 - i : i) * S;
		if (panel + S <= all)
			tile(kind, R, S, G, a, row, panel, int8 ? &q : NULL);
		else
			for (; panel < all; panel++)
				tile(kind, R, 1, G, a, row, panel, int8 ? &q : NULL);
	}
}

/* All rows, the tallest tile first. */
INLINE void sweep(const enum kind kind, const int G, const bool int8, const struct call *a)
{
	const int tallest = G == 4 ? MAX_ROWS_OF_4 : int8 ? MAX_ROWS_INT8 : MAX_ROWS;
	const int room = int8 ? INT8_ROOM / int8_row(a->in, a->hid) : tallest;

	for (int row = 0, rows; row < a->s.rows; row += rows) {
		rows = a->s.rows - row;
		rows = rows > tallest ? tallest : rows;
		rows = rows > room ? room : rows;
		switch (rows) {
#if VEC_ACCUMULATORS >= 24
		case 8: if (tallest >= 8) panels(kind, 8, G, int8, a, row); break;
		case 7: if (tallest >= 7) panels(kind, 7, G, int8, a, row); break;
		case 6: panels(kind, 6, G, int8, a, row); break;
		case 5: panels(kind, 5, G, int8, a, row); break;
#endif
#if VEC_ACCUMULATORS >= 12
		case 4: if (tallest >= 4) panels(kind, 4, G, int8, a, row); break;
		case 3: if (tallest >= 3) panels(kind, 3, G, int8, a, row); break;
#endif
		case 2: panels(kind, 2, G, int8, a, row); break;
		case 1: panels(kind, 1, G, int8, a, row); break;
		}
	}
}

INLINE void run_linear(const bool int8, const struct pack *p, int rows, const float *x, size_t x_stride, float *out,
                       size_t out_stride)
{
	const struct cell_step s = { .rows = rows, .x = x, .x_stride = x_stride, .out = out, .out_stride = out_stride };

	sweep(LINEAR, 1, int8, &(struct call){ .p = p, .in = p->k, .s = s });
}

INLINE void run_cell(const enum cell_form form, const bool int8, const struct cell *c, const struct cell_step *s)
{
	struct call a = { .p = &c->gates, .in = c->in, .hid = c->hid, .s = *s };

	switch (form) {
	case FORM_GRU_RESET_AFTER:
		sweep(GRU_RESET_AFTER, 3, int8, &a);
		break;
	case FORM_GRU_RESET_BEFORE:
		sweep(GRU_GATES, 2, int8, &a);
		a.p = &c->candidate;
		sweep(GRU_CANDIDATE, 1, int8, &a);
		break;
	case FORM_LSTM:
		sweep(LSTM, 4, int8, &a);
		break;
	case FORM_RNN_TANH:
		sweep(RNN_TANH, 1, int8, &a);
		break;
	case FORM_RNN_RELU:
		sweep(RNN_RELU, 1, int8, &a);
		break;
	case FORM_COUNT:
		break;
	}
}

/* Floats and quantised are functions of their own: together they are more than the compiler allocates registers for
 * with care, and the sums spill (twice the time of an LSTM's layer). */
#define OUTLINE static __attribute__((noinline)) void
#define CELL(name, form) \
	OUTLINE name##_float(const struct cell *c, const struct cell_step *s) { run_cell(form, false, c, s); } \
	OUTLINE name##_int8(const struct cell *c, const struct cell_step *s) { run_cell(form, true, c, s); } \
	static void name(const struct cell *c, const struct cell_step *s) { (c->gates.q ? name##_int8 : name##_float)(c, s); }

CELL(gru_reset_after, FORM_GRU_RESET_AFTER)
CELL(gru_reset_before, FORM_GRU_RESET_BEFORE)
CELL(lstm, FORM_LSTM)
CELL(rnn_tanh, FORM_RNN_TANH)
CELL(rnn_relu, FORM_RNN_RELU)

OUTLINE linear_float(const struct pack *p, int rows, const float *x, size_t x_stride, float *out, size_t out_stride)
{
	run_linear(false, p, rows, x, x_stride, out, out_stride);
}

OUTLINE linear_int8(const struct pack *p, int rows, const float *x, size_t x_stride, float *out, size_t out_stride)
{
	run_linear(true, p, rows, x, x_stride, out, out_stride);
}

static void linear(const struct pack *p, int rows, const float *x, size_t x_stride, float *out, size_t out_stride)
{
	(p->q ? linear_int8 : linear_float)(p, rows, x, x_stride, out, out_stride);
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

#define STEP(ID, FUNCTION, ...) [FORM_##ID] = FUNCTION,

#if INFER_LEVEL == 3
const struct kernels kernels_neon = { "neon",
#elif INFER_LEVEL == 2
const struct kernels kernels_avx512 = { "avx512",
#elif INFER_LEVEL == 1
const struct kernels kernels_avx2 = { "avx2",
#else
const struct kernels kernels_c = { "c",
#endif
	VF, linear,
	{ CELL_FORMS(STEP) },
	attend, layer_norm, sigmoid_all, tanh_all, relu_all, gelu_all };

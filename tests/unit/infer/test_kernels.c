/* test_kernels.c - each kernel of one level against obvious loops in double:
 * every size 1 … 80, every number of rows up to one past a tile, guard floats
 * behind every row. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/infer/support.h"

#define MAX_SIZE   80
#define MAX_TILE   (KERNEL_ROWS + 1)
#define TOLERANCE  2e-6

static struct net_spec spec_of(int inputs, int hidden, int attention, bool bias)
{
	return (struct net_spec){
		.inputs = inputs, .hidden = hidden, .layers = 1, .bias = bias,
		.attention = attention, .targets = 1, .levels = 1, .horizon = 1,
	};
}

static void fill(float *p, size_t n, float value)
{
	for (size_t i = 0; i < n; i++)
		p[i] = value;
}

static void widen(double *to, const float *from, int n)
{
	for (int i = 0; i < n; i++)
		to[i] = from[i];
}

/* The key product: attention units over hidden inputs, scaled by ATTEND_SCALE_IN. */
static void check_linear(struct rng *r, int in, int units)
{
	const struct net_spec s = spec_of(1, in, units, true);
	const size_t stride = (size_t)kernels_pad(units) + 1, x_stride = (size_t)in + 3;
	struct test_network n;
	float *x = must_alloc(MAX_TILE * x_stride * sizeof *x), *out = must_alloc(MAX_TILE * stride * sizeof *out);

	test_network_init(&n, &s, r);
	struct infer_model *m = test_model(&n, level);
	const float *w = test_tensor(&n, "decoder.attention.key.weight");
	const float *b = test_tensor(&n, "decoder.attention.key.bias");
	draw_floats(r, x, MAX_TILE * x_stride, 1);

	for (int rows = 1; rows <= MAX_TILE; rows++) {
		fill(out, MAX_TILE * stride, GUARD);
		level->linear(&m->key, rows, x, x_stride, out, stride);
		for (int row = 0; row < rows; row++) {
			for (int u = 0; u < units; u++) {
				double want = b[u];
				for (int k = 0; k < in; k++)
					want += (double)w[u * in + k] * x[row * x_stride + k];
				ck_assert(fabs(out[row * stride + u] - want * ATTEND_SCALE_IN) <= 2 * TOLERANCE);
			}
			ck_assert(out[row * stride + stride - 1] == GUARD);
		}
		for (size_t i = rows * stride; i < MAX_TILE * stride; i++)
			ck_assert(out[i] == GUARD);
	}
	infer_model_free(m);
	test_network_fini(&n);
	free(out);
	free(x);
}

START_TEST(linear_is_the_product)
{
	struct rng r;

	rng_init(&r, 11, RNG_TEST, 0);
	for (int units = 1; units <= MAX_SIZE; units++) {
		check_linear(&r, draw_int(&r, 1, MAX_SIZE), units);
		check_linear(&r, units, draw_int(&r, 1, MAX_SIZE));
	}
}
END_TEST

/* A cell as the first encoder layer of a network: every number of rows, h and the LSTM's c. */
static void check_cell(struct rng *r, const struct net_spec *s)
{
	const int in = s->inputs, hid = s->hidden;
	const size_t padded = (size_t)kernels_pad(hid), stride = padded + 1, x_stride = (size_t)in + 5;
	const size_t states = MAX_TILE * stride;
	struct test_network n;
	float *x = must_alloc(MAX_TILE * x_stride * sizeof *x), *h = must_alloc(states * sizeof *h);
	float *out = must_alloc(states * sizeof *out);
	float *before = must_alloc(states * sizeof *before), *c = must_alloc(states * sizeof *c);
	float *z = must_alloc(MAX_TILE * padded * sizeof *z), *rh = must_alloc(MAX_TILE * padded * sizeof *rh);
	double xd[MAX_SIZE], hd[MAX_SIZE], cd[MAX_SIZE], want[MAX_SIZE];

	test_network_init(&n, s, r);
	struct infer_model *m = test_model(&n, level);
	const struct reference_cell g = reference_cell_of(&n, net_encoder_cell(s), "encoder", "_l0", in, hid);
	draw_floats(r, x, MAX_TILE * x_stride, 2);
	draw_floats(r, h, states, 1);
	draw_floats(r, before, states, 2);
	for (int row = 0; row < MAX_TILE; row++)
		before[row * stride + padded] = GUARD;

	for (int rows = 1; rows <= MAX_TILE; rows++) {
		fill(out, states, GUARD);
		memcpy(c, before, states * sizeof *c);
		kernels_step(level, &m->encoder[0][0], &(struct cell_step){
			.rows = rows, .x = x, .x_stride = x_stride, .h = h, .h_stride = stride, .out = out,
			.out_stride = stride, .c = c, .c_stride = stride, .z = z, .rh = rh, .backward = rows % 2,
		});
		for (int row = 0; row < rows; row++) {
			widen(xd, x + row * x_stride, in);
			widen(hd, h + row * stride, hid);
			widen(cd, before + row * stride, hid);
			reference_step(&g, xd, hd, cd, want);
			for (int u = 0; u < hid; u++) {
				ck_assert(fabs(out[row * stride + u] - want[u]) <= TOLERANCE);
				ck_assert(fabs(c[row * stride + u] - cd[u]) <= TOLERANCE);
			}
			ck_assert(out[row * stride + padded] == GUARD && c[row * stride + padded] == GUARD);
		}
		for (size_t i = rows * stride; i < states; i++)
			ck_assert(out[i] == GUARD && c[i] == before[i]);
	}
	infer_model_free(m);
	test_network_fini(&n);
	free(rh);
	free(z);
	free(c);
	free(before);
	free(out);
	free(h);
	free(x);
}

static const struct { const char *name; enum encoder_type encoder; bool reset_after, relu; } cells[] = {
	{ "gru, reset after",  ENCODER_GRU,  true,  false },
	{ "gru, reset before", ENCODER_GRU,  false, false },
	{ "lstm",              ENCODER_LSTM, false, false },
	{ "rnn, tanh",         ENCODER_RNN,  false, false },
	{ "rnn, relu",         ENCODER_RNN,  false, true },
};
#define CELL_CASES (sizeof cells / sizeof *cells)

START_TEST(cells_are_the_equations)
{
	struct rng r;

	rng_init(&r, 12, RNG_TEST, (uint32_t)_i);
	for (int size = 1; size <= MAX_SIZE; size++)
		for (int turn = 0; turn < 2; turn++) {
			struct net_spec s = spec_of(turn ? size : draw_int(&r, 1, MAX_SIZE),
			                            turn ? draw_int(&r, 1, 20) : size, 1, size % 3 != 0);
			s.encoder = cells[_i].encoder;
			s.reset_after = cells[_i].reset_after;
			s.relu = cells[_i].relu;
			check_cell(&r, &s);
		}
}
END_TEST

static void check_attend(struct rng *r, int T, int att, int hid, bool dot)
{
	const int weights = kernels_pad(T);
	double *all = must_alloc((size_t)(T * (att + hid + 1) + 2 * att + hid) * sizeof *all);
	double *k = all, *states = k + T * att, *want = states + T * hid, *q = want + T, *v = q + att;
	double *context = v + att;
	float *f = must_alloc((size_t)(T * (att + hid) + 2 * att + hid + weights + 2) * sizeof *f);
	float *fk = f, *fstates = fk + T * att, *fq = fstates + T * hid, *fv = fq + att;
	float *fcontext = fv + att, *fweights = fcontext + hid + 1;

	draw_floats(r, f, (size_t)(T * (att + hid) + 2 * att), 1);
	widen(k, fk, T * att);
	widen(states, fstates, T * hid);
	widen(q, fq, att);
	widen(v, fv, att);
	reference_attend(T, att, hid, q, k, dot ? NULL : v, states, want, context);

	for (int i = 0; i < T * att && !dot; i++)
		fk[i] *= (float)ATTEND_SCALE_IN;
	for (int i = 0; i < att && !dot; i++) {
		fq[i] *= (float)ATTEND_SCALE_IN;
		fv[i] *= (float)ATTEND_SCALE_V;
	}
	fcontext[hid] = fweights[weights] = GUARD;
	level->attend(&(struct attend){
		.T = T, .attention = att, .hidden = hid, .query = fq, .keys = fk,
		.v = dot ? NULL : fv, .scale = (float)(ATTEND_SCALE_DOT / sqrt(att)), .states = fstates,
		.key_stride = (size_t)att, .state_stride = (size_t)hid,
		.weights = fweights, .context = fcontext,
	});
	for (int t = 0; t < T; t++)
		ck_assert(fabs(fweights[t] - want[t]) <= 2e-6);
	for (int t = T; t < weights; t++)
		ck_assert(fweights[t] == 0);
	for (int u = 0; u < hid; u++)
		ck_assert(fabs(fcontext[u] - context[u]) <= 3e-6);
	ck_assert(fcontext[hid] == GUARD && fweights[weights] == GUARD);
	free(f);
	free(all);
}

START_TEST(attend_is_the_softmax_of_scores)
{
	struct rng r;

	rng_init(&r, 14, RNG_TEST, 0);
	for (int T = 1; T <= MAX_SIZE; T++)
		for (int i = 0; i < 6; i++)
			check_attend(&r, T, 16 * draw_int(&r, 1, 5), 16 * draw_int(&r, 1, 5), i % 2);
}
END_TEST

/* Rows of scores in units of log2, each `step` longer than the one before. */
static void check_softmax(struct rng *r, int rows, int n, int step)
{
	const int longest = n + (rows - 1) * step, padded = kernels_pad(longest);
	const size_t stride = (size_t)padded + 1;
	float *s = must_alloc((size_t)rows * stride * sizeof *s), *got = must_alloc((size_t)rows * stride * sizeof *got);

	draw_floats(r, s, (size_t)rows * stride, 150);
	for (int row = 0; row < rows; row++)
		s[row * stride + padded] = GUARD;
	memcpy(got, s, (size_t)rows * stride * sizeof *got);
	level->softmax(rows, n, step, padded, got, stride);
	for (int row = 0; row < rows; row++, s += stride, got += stride) {
		const int own = n + row * step;
		double max = s[0], sum = 0;
		for (int i = 1; i < own; i++)
			max = fmax(max, s[i]);
		for (int i = 0; i < own; i++)
			sum += exp2(s[i] - max);
		for (int i = 0; i < own; i++)
			ck_assert(fabs(got[i] - exp2(s[i] - max) / sum) <= 5e-7);
		for (int i = own; i < padded; i++)
			ck_assert(got[i] == 0);
		ck_assert(got[padded] == GUARD);
	}
	free(got - rows * stride);
	free(s - rows * stride);
}

START_TEST(softmax_is_the_equation)
{
	struct rng r;

	rng_init(&r, 16, RNG_TEST, 0);
	for (int n = 1; n <= MAX_SIZE; n++)
		for (int rows = 1; rows <= KERNEL_ROWS; rows++)
			for (int step = 0; step < 2; step++)
				check_softmax(&r, rows, n, step);
}
END_TEST

/* A score that is not a number is in every sum of its row, and of no other. */
START_TEST(softmax_keeps_nan)
{
	for (int at = 0; at < 2 * KERNEL_UNITS; at++) {
		float s[2][2 * KERNEL_UNITS] = { 0 };
		s[0][at] = NAN;
		level->softmax(2, 2 * KERNEL_UNITS, 0, 2 * KERNEL_UNITS, s[0], 2 * KERNEL_UNITS);
		for (int i = 0; i < 2 * KERNEL_UNITS; i++)
			ck_assert(isnan(s[0][i]) && fabs(s[1][i] - 0.5 / KERNEL_UNITS) <= 1e-8);
	}
}
END_TEST

START_TEST(add_is_the_sum)
{
	struct rng r;
	float x[MAX_SIZE + 1], y[MAX_SIZE + 1], got[MAX_SIZE + 1];

	rng_init(&r, 17, RNG_TEST, 0);
	for (size_t n = 0; n <= MAX_SIZE; n += KERNEL_UNITS) {
		draw_floats(&r, x, MAX_SIZE + 1, 3);
		draw_floats(&r, y, MAX_SIZE + 1, 3);
		memcpy(got, x, sizeof got);
		level->add(got, y, n);
		for (size_t i = 0; i <= MAX_SIZE; i++)
			ck_assert(got[i] == (i < n ? x[i] + y[i] : x[i]));
	}
}
END_TEST

/* The norm of a Transformer's first layer; in place on odd turns. */
static void check_layer_norm(struct rng *r, int units)
{
	struct net_spec s = spec_of(1, units, 1, true);
	const size_t padded = (size_t)kernels_pad(units), stride = padded + 16;
	float *x = must_alloc(MAX_TILE * stride * sizeof *x), *y = must_alloc(MAX_TILE * stride * sizeof *y);
	double xd[MAX_SIZE], want[MAX_SIZE];
	struct test_network n;

	s.encoder = ENCODER_TRANSFORMER;
	s.heads = s.feedforward = 1;
	test_network_init(&n, &s, r);
	struct infer_model *m = test_model(&n, level);
	const float *w = test_tensor(&n, "encoder.layers.0.norm1.weight");
	const float *b = test_tensor(&n, "encoder.layers.0.norm1.bias");
	for (int turn = 0; turn < 2; turn++) {
		float *out = turn ? x : y;
		fill(x, MAX_TILE * stride, 0);
		for (int row = 0; row < MAX_TILE; row++) {
			draw_floats(r, x + row * stride, (size_t)units, 3);
			x[row * stride + padded] = y[row * stride + padded] = GUARD;
		}
		if (turn)
			memcpy(y, x, MAX_TILE * stride * sizeof *x);   /* where the inputs survive */
		level->layer_norm(&m->transformer.layer[0].norm[0], units, MAX_TILE, x, out, stride);
		for (int row = 0; row < MAX_TILE; row++) {
			widen(xd, (turn ? y : x) + row * stride, units);
			reference_norm(units, w, b, xd, want);
			for (int u = 0; u < units; u++)
				ck_assert(fabs(out[row * stride + u] - want[u]) <= 4e-6);
			for (size_t u = (size_t)units; u < padded; u++)
				ck_assert(out[row * stride + u] == 0);
			ck_assert(out[row * stride + padded] == GUARD);
		}
	}
	infer_model_free(m);
	test_network_fini(&n);
	free(y);
	free(x);
}

START_TEST(layer_norm_is_the_equation)
{
	struct rng r;

	rng_init(&r, 15, RNG_TEST, 0);
	for (int units = 1; units <= MAX_SIZE; units++)
		check_layer_norm(&r, units);
}
END_TEST

/* Dense from -110 to 110, finer near zero, both signs, up to the largest float. */
static int draw_arguments(float *x)
{
	int n = 0;

	for (double a = -110; a <= 110; a += 1.0 / 512)
		x[n++] = (float)a;
	for (double a = 1e-38; a < 3e38; a *= 1.5) {
		x[n++] = (float)a;
		x[n++] = (float)-a;
	}
	const float edge[] = { 0, -0.0f, FLT_MAX, -FLT_MAX, INFINITY, -INFINITY };
	memcpy(x + n, edge, sizeof edge);
	n += (int)(sizeof edge / sizeof *edge);
	while (n % KERNEL_UNITS)
		x[n++] = 0.5f;
	return n;
}

static double exact_sigmoid(double x)
{
	return 1 / (1 + exp(-x));
}

START_TEST(gate_functions_are_within_3e_7)
{
	float *x = must_alloc(120000 * sizeof *x), *y = must_alloc(120000 * sizeof *y);
	const int n = draw_arguments(x);
	const struct { void (*run)(float *, size_t); double (*exact)(double); } functions[] = {
		{ level->sigmoid, exact_sigmoid },
		{ level->tanh, tanh },
	};

	for (size_t f = 0; f < 2; f++) {
		memcpy(y, x, (size_t)n * sizeof *x);
		functions[f].run(y, (size_t)n);
		for (int i = 0; i < n; i++)
			ck_assert(fabs(y[i] - functions[f].exact(x[i])) <= 3e-7);
	}
	free(y);
	free(x);
}
END_TEST

static double exact_relu(double x)
{
	return fmax(0, x);
}

/* Errors of these grow with the number. */
START_TEST(activations_are_within_4e_7)
{
	float *x = must_alloc(120000 * sizeof *x), *y = must_alloc(120000 * sizeof *y);
	int n = 0;
	const struct { void (*run)(float *, size_t); double (*exact)(double); } functions[] = {
		{ level->relu, exact_relu },
		{ level->gelu, reference_gelu },
	};

	for (double a = -110; a < 110; a += 1.0 / 512)
		x[n++] = (float)a;
	for (size_t f = 0; f < 2; f++) {
		memcpy(y, x, (size_t)n * sizeof *x);
		functions[f].run(y, (size_t)n);
		for (int i = 0; i < n; i++)
			ck_assert(fabs(y[i] - functions[f].exact(x[i])) <= 4e-7 * fmax(1, fabs(x[i])));
	}
	free(y);
	free(x);
}
END_TEST

/* NaNs of every payload class, each in every lane; the other lanes do not change. */
START_TEST(functions_keep_nan)
{
	static const uint32_t payloads[] = { 0x7fc00000, 0xffc00000, 0x7fc00001, 0x7fffffff, 0xffffffff, 0x7fc001ff };
	void (*const functions[])(float *, size_t) = { level->sigmoid, level->tanh, level->relu, level->gelu };

	for (size_t f = 0; f < sizeof functions / sizeof *functions; f++)
		for (size_t p = 0; p < sizeof payloads / sizeof *payloads; p++)
			for (int lane = 0; lane < KERNEL_UNITS; lane++) {
				float x[KERNEL_UNITS], clean[KERNEL_UNITS];
				for (int i = 0; i < KERNEL_UNITS; i++)
					x[i] = clean[i] = (float)(i - 8);
				memcpy(&x[lane], &payloads[p], sizeof *payloads);
				functions[f](x, KERNEL_UNITS);
				functions[f](clean, KERNEL_UNITS);
				for (int i = 0; i < KERNEL_UNITS; i++)
					ck_assert(i == lane ? isnan(x[i]) : x[i] == clean[i]);
			}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("kernels");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 300);
	tcase_add_test(t, linear_is_the_product);
	tcase_add_loop_test(t, cells_are_the_equations, 0, CELL_CASES);
	tcase_add_test(t, attend_is_the_softmax_of_scores);
	tcase_add_test(t, softmax_is_the_equation);
	tcase_add_test(t, softmax_keeps_nan);
	tcase_add_test(t, add_is_the_sum);
	tcase_add_test(t, layer_norm_is_the_equation);
	tcase_add_test(t, activations_are_within_4e_7);
	tcase_add_test(t, gate_functions_are_within_3e_7);
	tcase_add_test(t, functions_keep_nan);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}

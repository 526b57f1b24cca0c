/* test_int8.c - quantised weights at one level: a product has the very bits that whole numbers and two scales give, so
 * all levels agree; cells are their equations; a model differs little from its floats, answers alike in any
 * company, and shows what is not finite. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/infer/int8.h"
#include "model/infer/pack.h"
#include "tests/unit/infer/sequences.h"

#define MAX_SIZE  80
#define MAX_TILE  (KERNEL_ROWS + 1)
#define MAX_T     40
/* Root of the mean square of the differences between outputs, over that of the outputs: of all drawn networks together,
 * and of any one. Rows of 16 bits leave 0.0021 and 0.014, rows of 8 bits would leave 0.0035 and 0.052. */
#define DIFFERENCE       0.003
#define WORST_DIFFERENCE 0.02

/* ---- products ----------------------------------------------------------- */

/* y = W x + b, packed and quantised; weight and bias are the test's to change before product_pack(). */
struct product {
	int in, units;
	size_t x_stride, stride;
	float *weight, *bias, *x, *out, *block, *quantised;
	struct pack pack;
};

static void product_init(struct product *p, int in, int units, struct rng *r)
{
	*p = (struct product){
		.in = in, .units = units, .x_stride = (size_t)in + 3, .stride = (size_t)kernels_pad(units) + 1,
	};
	p->weight = must_alloc((size_t)units * in * sizeof *p->weight);
	p->bias = must_alloc((size_t)units * sizeof *p->bias);
	p->x = must_alloc(MAX_TILE * p->x_stride * sizeof *p->x);
	p->out = must_alloc(MAX_TILE * p->stride * sizeof *p->out);
	draw_floats(r, p->weight, (size_t)units * in, 1);
	draw_floats(r, p->bias, (size_t)units, 1);
	draw_floats(r, p->x, MAX_TILE * p->x_stride, 3);
}

static void product_pack(struct product *p)
{
	const struct packer k = { .lanes = level->width };
	struct pack whole = pack_shape(k.lanes, p->in, p->units, 1, 1);
	const size_t floats = pack_size(&whole, k.lanes), quantised = int8_pack_size(&whole, k.lanes);

	p->block = must_alloc(floats * sizeof *p->block);
	p->quantised = must_alloc(quantised * sizeof *p->quantised);
	memset(p->block, 0, floats * sizeof *p->block);
	memset(p->quantised, 0, quantised * sizeof *p->quantised);
	pack_place(&whole, k.lanes, p->block);
	pack_linear(&k, &whole, p->units, p->weight, p->bias, 1);
	int8_pack(&whole, k.lanes, p->quantised, &p->pack);
}

static void product_run(const struct product *p, int rows)
{
	for (size_t i = 0; i < MAX_TILE * p->stride; i++)
		p->out[i] = GUARD;
	level->linear(&p->pack, rows, p->x, p->x_stride, p->out, p->stride);
}

static void product_fini(struct product *p)
{
	free(p->quantised);
	free(p->block);
	free(p->out);
	free(p->x);
	free(p->bias);
	free(p->weight);
}

static float greatest(const float *v, int n)
{
	float most = 0;

	for (int i = 0; i < n; i++)
		most = fmaxf(most, fabsf(v[i]));
	return most;
}

/* What the product of finite numbers is to the last bit. */
static float exact(const struct product *p, int row, int unit)
{
	const float *w = p->weight + (size_t)unit * p->in, *x = p->x + row * p->x_stride;
	const int limit = int8_limit(p->in);
	const float unit_scale = greatest(w, p->in) / INT8_WEIGHT_LIMIT, peak = greatest(x, p->in);
	const float row_scale = peak / (float)limit, inverse = (float)limit / peak;
	int64_t sum = 0;

	for (int k = 0; k < p->in; k++)
		sum += (int64_t)lrintf(w[k] / unit_scale) * lrintf(x[k] * inverse);
	ck_assert_int_le(llabs(sum), INT32_MAX);
	return p->bias[unit] + (float)sum * (unit_scale * row_scale);
}

static void check_product(const struct product *p)
{
	for (int rows = 1; rows <= MAX_TILE; rows++) {
		product_run(p, rows);
		for (int row = 0; row < rows; row++) {
			for (int u = 0; u < p->units; u++)
				ck_assert(p->out[row * p->stride + u] == exact(p, row, u));
			ck_assert(p->out[row * p->stride + p->stride - 1] == GUARD);
		}
		for (size_t i = rows * p->stride; i < MAX_TILE * p->stride; i++)
			ck_assert(p->out[i] == GUARD);
	}
}

START_TEST(a_product_has_the_bits_of_whole_numbers)
{
	struct product p;
	struct rng r;

	rng_init(&r, 31, RNG_TEST, 0);
	for (int size = 1; size <= MAX_SIZE; size++)
		for (int turn = 0; turn < 2; turn++) {
			const int other = draw_int(&r, 1, MAX_SIZE);
			product_init(&p, turn ? size : other, turn ? other : size, &r);
			product_pack(&p);
			check_product(&p);
			product_fini(&p);
		}
}
END_TEST

/* All numbers as great as they may be and of one sign: the sum that would first leave 32 bits. */
START_TEST(the_greatest_sums_fit)
{
	static const int sizes[] = { 515, 516, 517, 1024, 2048, 2049, 8191, 8192 };
	struct product p;
	struct rng r;

	rng_init(&r, 32, RNG_TEST, 0);
	for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
		product_init(&p, sizes[s], 3, &r);
		for (size_t i = 0; i < (size_t)p.units * p.in; i++)
			p.weight[i] = i < 2 * (size_t)p.in ? 0.7f : -0.7f;
		for (size_t i = 0; i < MAX_TILE * p.x_stride; i++)
			p.x[i] = 2.5f;
		product_pack(&p);
		check_product(&p);
		product_fini(&p);
	}
}
END_TEST

/* A unit or a row of zeros is its bias; one weight above all others keeps its own product; numbers near the least
 * float are nothing, not infinity. */
START_TEST(zeros_and_giants)
{
	const int in = 37;
	struct product p;
	struct rng r;

	rng_init(&r, 33, RNG_TEST, 0);
	product_init(&p, in, 4, &r);
	for (int k = 0; k < in; k++) {
		p.weight[k] = 0;
		p.x[k] = 0;
		p.x[p.x_stride + k] = FLT_MIN / 8;
		p.weight[3 * in + k] = FLT_MIN / 8;
	}
	p.weight[in + 5] = 1e30f;
	product_pack(&p);
	product_run(&p, 3);
	for (int row = 0; row < 3; row++) {
		const float *out = p.out + row * p.stride, *x = p.x + row * p.x_stride;
		ck_assert(out[0] == p.bias[0] && out[3] == p.bias[3]);
		if (row < 2)
			ck_assert(out[1] == p.bias[1] && out[2] == p.bias[2]);
		else
			ck_assert(fabsf(out[1] - 1e30f * x[5]) <= 1e-3f * 1e30f && out[2] == exact(&p, row, 2));
	}
	product_fini(&p);
}
END_TEST

/* A number that is not finite makes its row, or its unit, NaN, wherever it stands; the others keep their bits. */
START_TEST(what_is_not_finite_shows)
{
	static const float wrong[] = { NAN, -NAN, INFINITY, -INFINITY };
	struct product p;
	struct rng r;

	rng_init(&r, 34, RNG_TEST, 0);
	for (int in = 1; in <= 35; in++)
		for (int at = 0; at < in; at++) {
			const int victim_row = at % 5, victim_unit = at % 7;
			product_init(&p, in, 7, &r);
			p.x[victim_row * p.x_stride + at] = wrong[(in + at) % 4];
			p.weight[victim_unit * in + at] = wrong[at % 4];
			product_pack(&p);
			product_run(&p, 5);
			for (int row = 0; row < 5; row++)
				for (int u = 0; u < 7; u++) {
					const float out = p.out[row * p.stride + u];
					ck_assert(row == victim_row || u == victim_unit ? isnan(out) : out == exact(&p, row, u));
				}
			product_fini(&p);
		}
}
END_TEST

/* ---- cells -------------------------------------------------------------- */

/* Rows of n numbers that are quantised without loss: whole multiples of 1 / steps, the greatest limit / steps. */
static void draw_exact(struct rng *r, float *v, size_t rows, size_t n, size_t stride, int limit, int steps)
{
	for (size_t row = 0; row < rows; row++, v += stride) {
		for (size_t i = 0; i < n; i++)
			v[i] = (float)draw_int(r, -limit, limit) / (float)steps;
		v[rng_below(r, n)] = (float)limit / (float)steps;
	}
}

static struct net_spec cell_spec(int inputs, int hidden)
{
	return (struct net_spec){
		.inputs = inputs, .hidden = hidden, .layers = 1, .bias = true, .decoder = DECODER_LAST, .targets = 1,
		.levels = 1, .horizon = 1,
	};
}

/* `reset` is by how much the product of a state that is reset first may differ: r * h is no whole multiple. */
static void check_cell(struct rng *r, const struct net_spec *s, double reset)
{
	const int in = s->inputs, hid = s->hidden;
	const size_t padded = (size_t)kernels_pad(hid), stride = padded + 1, x_stride = (size_t)in + 5;
	const size_t states = MAX_TILE * stride;
	struct test_network n;
	float *x = must_alloc(MAX_TILE * x_stride * sizeof *x), *h = must_alloc(states * sizeof *h);
	float *out = must_alloc(states * sizeof *out), *c = must_alloc(states * sizeof *c);
	float *z = must_alloc(MAX_TILE * padded * sizeof *z), *rh = must_alloc(MAX_TILE * padded * sizeof *rh);
	double xd[MAX_SIZE], hd[MAX_SIZE], cd[MAX_SIZE], want[MAX_SIZE];

	test_network_init(&n, s, r);
	for (int i = 0; i < n.table.n; i++) {
		const struct tensor *t = &n.table.tensor[i];
		if (t->ndim == 2)
			draw_exact(r, n.params + t->offset, t->shape[0], t->shape[1], t->shape[1], INT8_WEIGHT_LIMIT, 1024);
	}
	struct infer_model *m = test_model_int8(&n, level);
	const struct reference_cell g = reference_cell_of(&n, net_encoder_cell(s), "encoder", "_l0", in, hid);
	memset(h, 0, states * sizeof *h);
	draw_exact(r, x, MAX_TILE, (size_t)in, x_stride, INT16_MAX, 1 << 14);
	draw_exact(r, h, MAX_TILE, (size_t)hid, stride, INT16_MAX, 1 << 15);

	for (int rows = 1; rows <= MAX_TILE; rows++) {
		for (size_t i = 0; i < states; i++) {
			out[i] = GUARD;
			c[i] = 0.5f;
		}
		kernels_step(level, &m->encoder[0][0], &(struct cell_step){
			.rows = rows, .x = x, .x_stride = x_stride, .h = h, .h_stride = stride, .out = out,
			.out_stride = stride, .c = c, .c_stride = stride, .z = z, .rh = rh, .backward = rows % 2,
		});
		for (int row = 0; row < rows; row++) {
			for (int k = 0; k < in; k++)
				xd[k] = x[row * x_stride + k];
			for (int u = 0; u < hid; u++) {
				hd[u] = h[row * stride + u];
				cd[u] = 0.5;
			}
			reference_step(&g, xd, hd, cd, want);
			for (int u = 0; u < hid; u++) {
				ck_assert(fabs(out[row * stride + u] - want[u]) <= 4e-6 + reset);
				ck_assert(s->encoder != ENCODER_LSTM || fabs(c[row * stride + u] - cd[u]) <= 4e-6);
			}
			ck_assert(out[row * stride + padded] == GUARD);
		}
		for (size_t i = rows * stride; i < states; i++)
			ck_assert(out[i] == GUARD);
	}
	infer_model_free(m);
	test_network_fini(&n);
	free(rh);
	free(z);
	free(c);
	free(out);
	free(h);
	free(x);
}

static const struct { const char *name; enum encoder_type encoder; bool reset_after, relu; double reset; } cells[] = {
	{ "gru, reset after",  ENCODER_GRU,  true,  false, 0 },
	{ "gru, reset before", ENCODER_GRU,  false, false, 1e-4 },
	{ "lstm",              ENCODER_LSTM, false, false, 0 },
	{ "rnn, tanh",         ENCODER_RNN,  false, false, 0 },
	{ "rnn, relu",         ENCODER_RNN,  false, true,  0 },
};
#define CELLS (sizeof cells / sizeof *cells)

START_TEST(cells_of_exact_numbers_are_the_equations)
{
	struct rng r;

	rng_init(&r, 35, RNG_TEST, (uint32_t)_i);
	for (int size = 1; size <= MAX_SIZE; size++)
		for (int turn = 0; turn < 2; turn++) {
			struct net_spec s = cell_spec(turn ? size : draw_int(&r, 1, MAX_SIZE), turn ? draw_int(&r, 1, 20) : size);
			s.encoder = cells[_i].encoder;
			s.reset_after = cells[_i].reset_after;
			s.relu = cells[_i].relu;
			check_cell(&r, &s, cells[_i].reset);
		}
}
END_TEST

/* ---- models ------------------------------------------------------------- */

/* A drawn network as floats and quantised, and the same sequences for each. */
struct twins {
	struct test_network n;
	struct infer_model *model, *model_int8;
	struct infer_ws *w;
	struct sequences q, q_int8;
};

static void twins_init(struct twins *t, const struct net_spec *s, int rows, struct rng *r)
{
	test_network_init(&t->n, s, r);
	t->model = test_model(&t->n, level);
	t->model_int8 = test_model_int8(&t->n, level);
	t->w = test_workspace(t->model, MAX_ROWS, MAX_T);
	sequences_init(&t->q, s, rows, MAX_T, r);
	sequences_again(&t->q_int8, &t->q);
}

static void twins_fini(struct twins *t)
{
	sequences_fini(&t->q_int8);
	sequences_fini(&t->q);
	infer_ws_free(t->w);
	infer_model_free(t->model_int8);
	infer_model_free(t->model);
	test_network_fini(&t->n);
}

/* Squares of the differences between the twins' answers, and of the floats' answers. */
static void add_squares(const struct twins *t, double *difference, double *size)
{
	const struct net_spec *s = &t->n.spec;

	for (int i = 0; i < t->q.n; i++) {
		const float *want = t->q.seq[i].y, *got = t->q_int8.seq[i].y;
		for (size_t o = 0; o < (size_t)net_steps(s, t->q.seq[i].T) * net_outputs(s); o++) {
			*difference += pow(got[o] - want[o], 2);
			*size += pow(want[o], 2);
		}
	}
}

START_TEST(drawn_networks_differ_little_from_their_floats)
{
	double difference = 0, size = 0;
	struct rng r;

	rng_init(&r, 36, RNG_TEST, 0);
	for (int i = 0; i < 300; i++) {
		struct net_spec s = draw_spec(&r);
		double own_difference = 0, own_size = 0;
		struct twins t;

		if (s.classes && net_feeds_back(&s))
			s.horizon = 1;   /* a close call of the first class would change all that follows */
		twins_init(&t, &s, 8, &r);
		run_mixed(t.model, t.w, &t.q, &r);
		run_mixed(t.model_int8, t.w, &t.q_int8, &r);
		check_guards(&s, &t.q_int8);
		add_squares(&t, &own_difference, &own_size);
		ck_assert(own_difference > 0);
		ck_assert(own_difference <= pow(WORST_DIFFERENCE, 2) * own_size);
		difference += own_difference;
		size += own_size;
		twins_fini(&t);
	}
	ck_assert(difference <= pow(DIFFERENCE, 2) * size);
}
END_TEST

START_TEST(company_does_not_change_a_bit)
{
	struct rng r;

	rng_init(&r, 37, RNG_TEST, 0);
	for (int i = 0; i < 100; i++) {
		const struct net_spec s = draw_spec(&r);
		struct twins t;

		twins_init(&t, &s, 100, &r);
		run_alone(t.model_int8, t.w, &t.q);
		run_mixed(t.model_int8, t.w, &t.q_int8, &r);
		check_same_bits(&t.q, &t.q_int8);
		twins_fini(&t);
	}
}
END_TEST

/* Only a CPU that runs avx512 gets here, and it runs avx2 too. */
START_TEST(both_fused_levels_give_the_same_bits)
{
	struct rng r;

	rng_init(&r, 38, RNG_TEST, 0);
	for (int i = 0; i < 100; i++) {
		const struct net_spec s = draw_spec(&r);
		struct twins t;

		twins_init(&t, &s, 20, &r);
		struct infer_model *narrow = test_model_int8(&t.n, kernels_find("avx2"));
		ck_assert_int_eq(infer_ws_reserve(t.w, narrow, MAX_T, NULL), ERR_OK);
		run_mixed(narrow, t.w, &t.q, &r);
		run_mixed(t.model_int8, t.w, &t.q_int8, &r);
		check_same_bits(&t.q, &t.q_int8);
		infer_model_free(narrow);
		twins_fini(&t);
	}
}
END_TEST

/* One number of one row is not finite: nothing of that row's answer is, and its neighbours do not change. */
START_TEST(a_row_that_is_not_finite_stays_alone)
{
	static const float wrong[] = { NAN, INFINITY, -INFINITY };
	struct rng r;

	rng_init(&r, 39, RNG_TEST, 0);
	for (int i = 0; i < 100; i++) {
		const struct net_spec s = draw_spec(&r);
		struct twins t;

		if (s.vocabulary || s.decoder == DECODER_TOKEN || s.decoder == DECODER_SEGMENT)
			continue;   /* a token is a whole number; the others' answers depend on a part of their row only */
		twins_init(&t, &s, 10, &r);
		const int victim = draw_int(&r, 0, t.q.n - 1);
		run_mixed(t.model_int8, t.w, &t.q, &r);
		t.q.x[victim * t.q.x_size + draw_int(&r, 0, t.q.seq[victim].T * s.inputs - 1)] = wrong[i % 3];
		run_mixed(t.model_int8, t.w, &t.q_int8, &r);
		for (int row = 0; row < t.q.n; row++)
			for (size_t o = 0; o < (size_t)net_steps(&s, t.q.seq[row].T) * net_outputs(&s); o++) {
				const float clean = t.q.seq[row].y[o], hurt = t.q_int8.seq[row].y[o];
				ck_assert(row == victim ? !isfinite(hurt) : hurt == clean);
			}
		twins_fini(&t);
	}
}
END_TEST

/* Weights, scales and biases of a layer of `hidden` units against the floats'. */
START_TEST(a_quarter_of_the_bytes)
{
	static const struct { int hidden; double most; } sizes[] = {
		{ 64, 0.30 }, { 128, 0.28 }, { 256, 0.265 }, { 512, 0.26 },
	};
	struct rng r;

	rng_init(&r, 40, RNG_TEST, 0);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct net_spec s = cell_spec(8, sizes[i].hidden);
		struct test_network n;

		s.layers = 2;
		test_network_init(&n, &s, &r);
		struct infer_model *whole = test_model(&n, level);
		struct infer_model *quantised = test_model_int8(&n, level);
		ck_assert(infer_model_bytes(quantised) - sizeof *quantised <=
		          sizes[i].most * (double)(infer_model_bytes(whole) - sizeof *whole));
		infer_model_free(quantised);
		infer_model_free(whole);
		test_network_fini(&n);
	}
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("int8");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, a_product_has_the_bits_of_whole_numbers);
	tcase_add_test(t, the_greatest_sums_fit);
	tcase_add_test(t, zeros_and_giants);
	tcase_add_test(t, what_is_not_finite_shows);
	tcase_add_loop_test(t, cells_of_exact_numbers_are_the_equations, 0, CELLS);
	tcase_add_test(t, drawn_networks_differ_little_from_their_floats);
	tcase_add_test(t, company_does_not_change_a_bit);
	if (argc > 1 && !strcmp(argv[1], "avx512"))
		tcase_add_test(t, both_fused_levels_give_the_same_bits);
	tcase_add_test(t, a_row_that_is_not_finite_stays_alone);
	tcase_add_test(t, a_quarter_of_the_bytes);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}

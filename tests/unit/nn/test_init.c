/* test_init.c - the weights that training starts from: their distributions, their streams and their options. */
#include "model/nn/init.h"

#include "model/base/rng.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static const struct init_options usual = { 0 };

/* Each kind of tensor is in one of them. */
static const struct net_spec specs[] = {
	{ .encoder = ENCODER_GRU, .inputs = 3, .hidden = 64, .layers = 2, .bias = true, .reset_after = true,
	  .attention = 7, .decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 2, .levels = 3, .median_level = 1, .horizon = 4 },
	{ .encoder = ENCODER_LSTM, .inputs = 1, .vocabulary = 30, .embedding = 20, .hidden = 33, .layers = 1,
	  .bias = true, .bidirectional = true, .batch_norm = true, .score = SCORE_DOT, .decoder_input = DECODER_CONTEXT_PREVIOUS,
	  .classes = 31, .targets = 1, .levels = 1, .horizon = 4 },
	{ .encoder = ENCODER_RNN, .inputs = 3, .hidden = 40, .layers = 1, .decoder = DECODER_SEGMENT, .targets = 3,
	  .levels = 1, .horizon = 8, .segment = 2 },
	{ .encoder = ENCODER_TRANSFORMER, .inputs = 3, .hidden = 64, .layers = 2, .heads = 4, .feedforward = 50,
	  .norm_first = true, .decoder = DECODER_POOL, .attention = 5, .targets = 1, .levels = 1, .horizon = 4 },
};

/* To be freed. */
static real *start_of(const struct net_spec *s, const struct init_options *o, uint64_t seed, struct tensor_table *table)
{
	struct error e;
	ck_assert_msg(net_spec_check(s, &e) == ERR_OK, "%s", e.what);
	net_tensors(s, table);
	real *params = reals(table->count);
	network_init(s, o, seed, params);
	return params;
}

/* What number k of a tensor must be, of its stream: fans are those of one gate's matrix. */
static double expected(const struct tensor *t, struct rng *r)
{
	double bound = t->ndim == 2 ? sqrt(6 / ((double)t->shape[1] + (double)t->shape[0] / t->blocks)) : 0;
	switch (t->init) {
	case INIT_ONE:
		return 1;
	case INIT_NORMAL:
		return rng_normal(r);
	case INIT_XAVIER_UNIFORM:
	case INIT_RECURRENT:
		return bound * (2 * rng_uniform(r) - 1);
	default:
		return 0;
	}
}

/* These are the numbers that earlier versions started from, too: a seed keeps its weights. */
START_TEST(numbers_are_those_of_the_documented_stream)
{
	struct tensor_table table;
	real *params = start_of(&specs[_i], &usual, 42, &table);
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		struct rng r;
		rng_init(&r, 42, RNG_INIT, (uint32_t)i);
		for (size_t k = 0; k < t->count; k++)
			if (!(params[t->offset + k] == (real)expected(t, &r)))    /* an assertion each is slow */
				ck_abort_msg("%s[%zu]", t->name, k);
	}
	free(params);
}
END_TEST

/* Within a gate's bounds, and filling them. */
START_TEST(matrices_fill_their_bounds)
{
	struct tensor_table table;
	real *params = start_of(&specs[_i], &usual, 42, &table);
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		double bound = sqrt(6 / ((double)t->shape[1] + (double)t->shape[0] / t->blocks)), top = 0;
		if (t->init != INIT_XAVIER_UNIFORM && t->init != INIT_RECURRENT)
			continue;
		for (size_t k = t->offset; k < t->offset + t->count; k++)
			top = fmax(top, fabs((double)params[k]));
		ck_assert_msg(top <= bound * (1 + 1e-6) && top >= bound / 2, "%s reaches %g of %g", t->name, top, bound);
	}
	free(params);
}
END_TEST

/* Rows of a gate's matrix have length 1 and meet at right angles; so do its columns, then. */
static void check_orthogonal(const char *name, size_t n, const real *q)
{
	for (size_t a = 0; a < n; a++) {
		for (size_t b = 0; b <= a; b++) {
			double sum = 0;
			for (size_t i = 0; i < n; i++)
				sum += (double)q[a * n + i] * (double)q[b * n + i];
			if (!(fabs(sum - (a == b)) <= TOLERANCE_SAME / 10))
				ck_abort_msg("%s: rows %zu and %zu: %g", name, a, b, sum);
		}
	}
}

static bool recurrent(const struct tensor *t)
{
	return strstr(t->name, "weight_hh") != NULL;
}

START_TEST(recurrent_matrices_are_orthogonal_on_demand)
{
	const struct init_options orthogonal = { .orthogonal = true };
	struct tensor_table table;
	real *params = start_of(&specs[_i], &orthogonal, 42, &table), *other = start_of(&specs[_i], &usual, 42, &table);
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		size_t n = t->shape[1];
		if (!recurrent(t))
			ck_assert_mem_eq(params + t->offset, other + t->offset, t->count * sizeof(real));
		for (int gate = 0; recurrent(t) && gate < t->blocks; gate++)
			check_orthogonal(t->name, n, params + t->offset + (size_t)gate * n * n);
	}
	free(params);
	free(other);
}
END_TEST

/* Of all rotations and reflections alike: over many seeds no entry has a sign or a size of its own. */
START_TEST(orthogonal_matrices_have_no_preference)
{
	enum { SEEDS = 4000 };
	struct net_spec s = specs[0];
	s.hidden = 2;
	s.layers = 1;
	double mean[4] = { 0 }, square[4] = { 0 };
	for (int seed = 0; seed < SEEDS; seed++) {
		struct tensor_table table;
		real *params = start_of(&s, &(struct init_options){ .orthogonal = true }, (uint64_t)seed, &table);
		const real *q = params + tensor_find(&table, "encoder.weight_hh_l0")->offset;
		check_orthogonal("2 x 2", 2, q);    /* also where the second row is nearly the first */
		for (int i = 0; i < 4; i++) {
			mean[i] += q[i] / SEEDS;
			square[i] += q[i] * q[i] / SEEDS;
		}
		free(params);
	}
	for (int i = 0; i < 4; i++) {
		ck_assert(fabs(mean[i]) <= 5 * sqrt(0.5 / SEEDS));
		ck_assert(fabs(square[i] - 0.5) <= 5 * sqrt(0.125 / SEEDS));
	}
}
END_TEST

/* An LSTM's, in bias_ih alone: the two biases add. */
START_TEST(forget_gates_are_open_on_demand)
{
	const struct init_options open = { .forget_bias = 1.5 };
	const struct net_spec *s = &specs[_i];
	struct tensor_table table;
	real *params = start_of(s, &open, 42, &table), *other = start_of(s, &usual, 42, &table);
	int opened = 0;
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		size_t n = t->shape[0] / 4;
		if (s->encoder == ENCODER_LSTM && strstr(t->name, "bias_ih")) {
			for (size_t k = n; k < 2 * n; k++)
				other[t->offset + k] += (real)1.5;
			opened++;
		}
	}
	ck_assert_int_eq(opened, s->encoder == ENCODER_LSTM ? 3 : 0);    /* both directions, and the decoder's cell */
	ck_assert_mem_eq(params, other, table.count * sizeof(real));
	free(params);
	free(other);
}
END_TEST

START_TEST(seeds_differ)
{
	struct tensor_table table;
	real *a = start_of(&specs[_i], &usual, 1, &table), *b = start_of(&specs[_i], &usual, 2, &table);
	ck_assert_mem_ne(a, b, table.count * sizeof(real));
	free(a);
	free(b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("init, " BUILD);
	TCase *tc = tcase_create("init");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, numbers_are_those_of_the_documented_stream, 0, COUNT(specs));
	tcase_add_loop_test(tc, matrices_fill_their_bounds, 0, COUNT(specs));
	tcase_add_loop_test(tc, recurrent_matrices_are_orthogonal_on_demand, 0, COUNT(specs));
	tcase_add_test(tc, orthogonal_matrices_have_no_preference);
	tcase_add_loop_test(tc, forget_gates_are_open_on_demand, 0, COUNT(specs));
	tcase_add_loop_test(tc, seeds_differ, 0, COUNT(specs));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

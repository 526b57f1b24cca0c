/* test_weight_dropout.c - which weights a step of training does without, how many, and the gradient of the others. */
#include "model/nn/network.h"
#include "model/nn/weight_dropout.h"

#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static const struct net_spec specs[] = {
	{ .inputs = 3, .hidden = 40, .layers = 2, .encoder = ENCODER_LSTM, .decoder = DECODER_LAST, .horizon = 2,
	  .targets = 1, .levels = 1, .bias = true, .bidirectional = true },
	{ .inputs = 2, .hidden = 48, .layers = 1, .encoder = ENCODER_GRU, .decoder = DECODER_ATTENTION, .horizon = 2,
	  .targets = 1, .levels = 1, .bias = true },
	{ .inputs = 2, .hidden = 5, .layers = 1, .encoder = ENCODER_RNN, .decoder = DECODER_LAST, .horizon = 1,
	  .targets = 1, .levels = 1 },
};

static const double rates[] = { 0.1, 0.5, 0.95 };

static real *ones(size_t n)
{
	real *w = reals(n);
	for (size_t i = 0; i < n; i++)
		w[i] = 1;
	return w;
}

static bool recurs(const struct tensor *t)
{
	return strstr(t->name, "weight_hh") != NULL;
}

/* A 256th is the finest share; within five standard deviations of it. */
START_TEST(a_share_of_the_recurrent_weights_goes)
{
	const struct net_spec *s = &specs[_i / COUNT(rates)];
	const struct dropout_key key = { .seed = 7, .key = 3 };
	struct tensor_table table;
	double rate = round(rates[_i % COUNT(rates)] * 256) / 256, kept = 1 / (1 - rate);
	size_t n = 0, gone = 0;
	net_tensors(s, &table);
	real *w = ones(table.count);
	weight_dropout(&table, &key, rates[_i % COUNT(rates)], w);
	for (int k = 0; k < table.n; k++) {
		const struct tensor *t = &table.tensor[k];
		for (size_t i = t->offset; i < t->offset + t->count; i++) {
			ck_assert_msg(recurs(t) ? w[i] == 0 || fabs((double)w[i] - kept) <= 1e-5 * kept : w[i] == 1, "%s: %g", t->name,
			              (double)w[i]);
			n += recurs(t);
			gone += w[i] == 0;
		}
	}
	ck_assert_msg(fabs((double)gone - rate * (double)n) <= 5 * sqrt((double)n * rate * (1 - rate)), "%zu of %zu", gone, n);
	free(w);
}
END_TEST

/* How many weights two keys treat alike. */
static size_t alike(const struct dropout_key *a, const struct dropout_key *b, size_t *n)
{
	struct tensor_table table;
	size_t same = 0;
	net_tensors(&specs[0], &table);
	real *v = ones(table.count), *w = ones(table.count);
	weight_dropout(&table, a, 0.5, v);
	weight_dropout(&table, b, 0.5, w);
	for (size_t i = 0; i < table.count; i++)
		same += v[i] == w[i];
	free(v);
	free(w);
	*n = table.count;
	return same;
}

/* The mask is the seed's and the step's; a shard's row does not matter. */
START_TEST(key_and_seed_choose)
{
	const struct dropout_key key = { .seed = 7, .key = 3 }, row = { .seed = 7, .key = 3, .row_base = 16 };
	const struct dropout_key step = { .seed = 7, .key = 4 }, seed = { .seed = 8, .key = 3 };
	size_t n;
	ck_assert_uint_eq(alike(&key, &key, &n), n);
	ck_assert_uint_eq(alike(&key, &row, &n), n);
	ck_assert_uint_lt(alike(&key, &step, &n), n * 9 / 10);
	ck_assert_uint_lt(alike(&key, &seed, &n), n * 9 / 10);
}
END_TEST

/* Tensors of one length, as two layers have, are not dropped alike. */
START_TEST(tensors_draw_for_themselves)
{
	const struct dropout_key key = { .seed = 7, .key = 3 };
	struct tensor_table table;
	net_tensors(&specs[0], &table);
	real *w = ones(table.count);
	weight_dropout(&table, &key, 0.5, w);
	const struct tensor *a = tensor_find(&table, "encoder.weight_hh_l0"), *b = tensor_find(&table, "encoder.weight_hh_l1");
	ck_assert(a && b && a->count == b->count);
	ck_assert_int_ne(memcmp(w + a->offset, w + b->offset, a->count * sizeof *w), 0);
	free(w);
}
END_TEST

#ifdef GATECAST_DOUBLE
static double loss(const struct net_spec *s, const struct tensor_table *table, const struct dropout_key *key,
                   const real *params, const struct network_input *in, real *y, real *ws)
{
	real *thinned = reals(table->count);
	memcpy(thinned, params, table->count * sizeof *params);
	weight_dropout(table, key, 0.5, thinned);
	network_forward(s, thinned, in, &(struct network_output){ .y = y }, ws);
	double sum = y[0];
	free(thinned);
	return sum;
}

/* The gradient at the thinned weights, times the mask, is that of the weights. */
START_TEST(the_gradient_is_the_thinned_networks)
{
	const struct net_spec *s = &specs[2];
	const struct dropout_key key = { .seed = 7, .key = 3 };
	const int lengths[] = { 4 };
	struct tensor_table table;
	net_tensors(s, &table);
	real *params = random_reals(table.count, 1), *x = random_reals(8, 2), *ws = reals(network_scratch(s, 4, 1));
	real *thinned = reals(table.count), *gradient = reals(table.count), y[1], dy[] = { 1 };
	const struct network_input in = { .T = 4, .B = 1, .lengths = lengths, .x = x };
	memcpy(thinned, params, table.count * sizeof *params);
	weight_dropout(&table, &key, 0.5, thinned);
	network_forward(s, thinned, &in, &(struct network_output){ .y = y }, ws);
	network_backward(s, thinned, &in, dy, gradient, NULL, ws);
	weight_dropout(&table, &key, 0.5, gradient);
	for (size_t i = 0; i < table.count; i++) {
		real kept = params[i];
		params[i] = kept + 1e-5;
		double above = loss(s, &table, &key, params, &in, y, ws);
		params[i] = kept - 1e-5;
		double want = (above - loss(s, &table, &key, params, &in, y, ws)) / 2e-5;
		params[i] = kept;
		ck_assert_msg(fabs(gradient[i] - want) <= 1e-8 * (1 + fabs(want)), "%zu: %g, not %g", i, (double)gradient[i], want);
	}
	free(params);
	free(x);
	free(ws);
	free(thinned);
	free(gradient);
}
END_TEST
#endif

int main(void)
{
	Suite *suite = suite_create("weight dropout " BUILD);
	TCase *tcase = tcase_create("masks");
	tcase_add_loop_test(tcase, a_share_of_the_recurrent_weights_goes, 0, COUNT(specs) * COUNT(rates));
	tcase_add_test(tcase, key_and_seed_choose);
	tcase_add_test(tcase, tensors_draw_for_themselves);
#ifdef GATECAST_DOUBLE
	tcase_add_test(tcase, the_gradient_is_the_thinned_networks);
#endif
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}

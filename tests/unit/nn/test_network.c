/* test_network.c - what holds of a whole network whatever its numbers (call.h), and two directions are one and one from
 * behind. */
#include "call.h"

#include "model/base/rng.h"
#include "model/nn/dropout.h"
#include "support.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = CALL_STEPS, B = CALL_ROWS };

static const int *const lengths = call_lengths;

static const struct net_spec plain = {
	.inputs = 3, .hidden = 9, .layers = 2, .bias = true, .reset_after = true, .attention = 7,
	.decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 2, .levels = 3, .median_level = 1, .horizon = 4,
};

/* What a composition changes of `plain`. */
static const struct composition {
	const char *name;
	enum encoder_type encoder;
	bool bidirectional, relu;
	enum decoder_type decoder;
	enum score_type score;
} compositions[] = {
	{ "gru, additive",         ENCODER_GRU,  false, false, DECODER_ATTENTION, SCORE_ADDITIVE },
	{ "gru both ways, dot",    ENCODER_GRU,  true,  false, DECODER_ATTENTION, SCORE_DOT },
	{ "gru both ways, mean",   ENCODER_GRU,  true,  false, DECODER_MEAN,      SCORE_ADDITIVE },
	{ "lstm, additive",        ENCODER_LSTM, false, false, DECODER_ATTENTION, SCORE_ADDITIVE },
	{ "lstm both ways, dot",   ENCODER_LSTM, true,  false, DECODER_ATTENTION, SCORE_DOT },
	{ "lstm both ways, last",  ENCODER_LSTM, true,  false, DECODER_LAST,      SCORE_ADDITIVE },
	{ "rnn, last",             ENCODER_RNN,  false, false, DECODER_LAST,      SCORE_ADDITIVE },
	{ "rnn both ways, mean",   ENCODER_RNN,  true,  true,  DECODER_MEAN,      SCORE_ADDITIVE },
	{ "rnn both ways, added",  ENCODER_RNN,  true,  false, DECODER_ATTENTION, SCORE_ADDITIVE },
	{ "gru, pool",             ENCODER_GRU,  false, false, DECODER_POOL,      SCORE_ADDITIVE },
	{ "lstm both ways, pool",  ENCODER_LSTM, true,  false, DECODER_POOL,      SCORE_ADDITIVE },
};

#define COMPOSITIONS ((int)(sizeof compositions / sizeof *compositions))

static struct net_spec composed(int i, double dropout)
{
	const struct composition *c = &compositions[i];
	struct net_spec s = plain;
	s.encoder = c->encoder;
	s.bidirectional = c->bidirectional;
	s.relu = c->relu;
	s.decoder = c->decoder;
	s.score = c->score;
	s.dropout = dropout;
	if (!net_additive(&s))
		s.attention = 0;
	ck_assert_int_eq(net_spec_check(&s, NULL), ERR_OK);
	return s;
}

START_TEST(each_sequence_is_as_if_alone)
{
	struct net_spec s = composed(_i, 0);
	check_shards(&s, 1, &(struct dropout_key){ 0 });
}
END_TEST

START_TEST(shards_draw_what_the_whole_draws)
{
	struct net_spec s = composed(_i, 0.5);
	check_shards(&s, 2, &(struct dropout_key){ .seed = 3, .key = 8, .row_base = 16 });
	check_shards(&s, 1, &(struct dropout_key){ .seed = 3, .key = 8, .row_base = 16 });
}
END_TEST

START_TEST(padding_is_not_read)
{
	struct net_spec s = composed(_i, 0);
	check_padding(&s);
}
END_TEST

START_TEST(the_same_call_gives_the_same_bits)
{
	struct net_spec s = composed(_i, 0.5);
	check_same_bits(&s);
}
END_TEST

START_TEST(attention_weights_are_shares_or_none)
{
	struct net_spec s = composed(_i, 0);
	struct call c;
	call_init_whole(&c, &s);
	real *params = random_reals(c.n_params, 1);
	for (size_t i = 0; i < c.n_a; i++)
		c.attention[i] = NAN;
	call_run(&c, params, NULL);
	for (int i = 0; i < plain.horizon * B; i++) {
		double sum = 0;
		for (int t = 0; t < T; t++) {
			real a = c.attention[i * T + t];
			ck_assert(t < lengths[i % B] && net_attends(&s) ? a > 0 && a <= 1 : a == 0);
			sum += a;
		}
		ck_assert(fabs(sum - net_attends(&s)) <= 1e-6);
	}
	free(params);
	call_fini(&c);
}
END_TEST

START_TEST(dropout_key_matters)
{
	struct net_spec s = composed(_i, 0.5);
	check_key_matters(&s);
}
END_TEST

/* Both directions of one layer, apart: a network of one direction, and one that reads each sequence from behind.
 * A head is linear in the two summaries, so its columns can be parted and the forecasts added. */

static void reverse_rows(int width, const real *from, real *to)
{
	for (int b = 0; b < B; b++)
		for (int t = 0; t < lengths[b]; t++)
			memcpy(to + (t * B + b) * width, from + ((lengths[b] - 1 - t) * B + b) * width,
			       (size_t)width * sizeof(real));
}

/* Copy a tensor of the network of both directions to, or back from, that of one; `back` adds. */
static void tensor_part(const struct tensor_table *both, real *whole, const struct tensor *t, real *part, int d,
                        bool back)
{
	char name[sizeof t->name];
	bool head = !strcmp(t->name, "output.weight");
	snprintf(name, sizeof name, "%s%s", t->name, d && !strncmp(t->name, "encoder.", 8) ? "_reverse" : "");
	const struct tensor *w = tensor_find(both, name);
	ck_assert_ptr_nonnull(w);
	size_t cols = t->ndim == 2 ? t->shape[1] : 1, stride = head ? 2 * cols : cols;
	for (size_t i = 0; i < t->count; i++) {
		real *in_whole = whole + w->offset + i / cols * stride + (head && d ? cols : 0) + i % cols;
		if (back)
			*in_whole += part[t->offset + i];
		else
			part[t->offset + i] = *in_whole;
	}
}

static void tensors_part(const struct net_spec *both, real *whole, const struct net_spec *one, real *part, int d,
                         bool back)
{
	struct tensor_table table, part_table;
	net_tensors(both, &table);
	net_tensors(one, &part_table);
	for (int i = 0; i < part_table.n; i++)
		if (d == 0 || strcmp(part_table.tensor[i].name, "output.bias"))    /* the bias is added once */
			tensor_part(&table, whole, &part_table.tensor[i], part, d, back);
}

static void add_to(size_t n, const real *a, real *sum)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += a[i];
}

static void check_directions(const struct net_spec *both)
{
	struct net_spec one = *both;
	struct call whole;
	one.bidirectional = false;
	call_init_whole(&whole, both);
	real *params = random_reals(whole.n_params, 1), *dparams = reals(whole.n_params);
	real *y = reals(whole.n_y), *dx = reals(whole.n_x), *reversed = reals(whole.n_x);
	call_run(&whole, params, NULL);
	for (int d = 0; d < 2; d++) {
		struct call c;
		call_init_whole(&c, &one);
		real *part = reals(c.n_params);
		tensors_part(both, params, &one, part, d, false);
		if (d)
			reverse_rows(one.inputs, whole.x, c.x);
		call_run(&c, part, NULL);
		add_to(c.n_y, c.y, y);
		memcpy(reversed, c.dx, c.n_x * sizeof(real));
		if (d)
			reverse_rows(one.inputs, c.dx, reversed);
		add_to(c.n_x, reversed, dx);
		tensors_part(both, dparams, &one, c.dparams, d, true);
		free(part);
		call_fini(&c);
	}
	check_close("y", whole.n_y, whole.y, y, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	check_close("dx", whole.n_x, whole.dx, dx, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	check_close("dparams", whole.n_params, whole.dparams, dparams, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	real *all[] = { params, dparams, y, dx, reversed };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	call_fini(&whole);
}

START_TEST(two_directions_are_one_and_one_reversed)
{
	struct net_spec s = plain;
	s.layers = 1;
	s.attention = 0;
	s.bidirectional = true;
	s.encoder = (enum encoder_type)_i;
	for (int relu = 0; relu < 2; relu++) {
		s.relu = relu;
		s.decoder = DECODER_LAST;
		check_directions(&s);
		s.decoder = DECODER_MEAN;
		check_directions(&s);
	}
}
END_TEST

START_TEST(dropout_drops_its_share)
{
	enum { STEPS = 50, ROWS = 8, UNITS = 33 };
	const double rate = 0.3;
	int all[ROWS], dropped = 0;
	for (int b = 0; b < ROWS; b++)
		all[b] = STEPS;
	struct packing p;
	struct scratch measure = { 0 };
	packing_take(&p, STEPS, ROWS, &measure);
	real *ws = reals(measure.used), *mask = reals((size_t)STEPS * ROWS * UNITS);
	packing_take(&p, STEPS, ROWS, &(struct scratch){ .base = ws });
	packing_fill(&p, all);
	dropout_mask(&(struct dropout_key){ .seed = 4, .key = 1 }, rate, 1, &p, UNITS, mask);
	for (int i = 0; i < STEPS * ROWS * UNITS; i++) {
		ck_assert(mask[i] == 0 || mask[i] == (real)(1 / (1 - rate)));
		dropped += mask[i] == 0;
	}
	ck_assert(fabs(dropped / (double)(STEPS * ROWS * UNITS) - rate) <= 0.02);   /* 5 standard errors */
	free(ws);
	free(mask);
}
END_TEST

START_TEST(scratch_beyond_an_int_meets_no_allocation)
{
	ck_assert_uint_eq(network_scratch(&plain, INT_MAX / 2, 3), SIZE_MAX / sizeof(real));
	ck_assert_uint_eq(network_scratch(&plain, 1, INT_MAX), SIZE_MAX / sizeof(real));
	ck_assert_uint_gt(network_scratch(&plain, 31, 16), network_scratch(&plain, 30, 16));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("network, " BUILD);
	TCase *tc = tcase_create("network");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, each_sequence_is_as_if_alone, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, shards_draw_what_the_whole_draws, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, padding_is_not_read, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, the_same_call_gives_the_same_bits, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, attention_weights_are_shares_or_none, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, dropout_key_matters, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, two_directions_are_one_and_one_reversed, 0, CELL_COUNT);
	tcase_add_test(tc, dropout_drops_its_share);
	tcase_add_test(tc, scratch_beyond_an_int_meets_no_allocation);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_infer.c - infer_run() at one level: against the whole network in
 * double, against the training execution, and against itself. A row's bits are the same alone, in any company
 * and at either level that fuses multiply and add. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/nn/network.h"
#include "tests/unit/infer/support.h"

#define MAX_T     120
#define MAX_ROWS  64

/* Sequences of drawn lengths with room for their answers; inputs and outputs as the spec has them. */
struct sequences {
	struct infer_sequence *seq;
	float *x, *y, *attention;
	size_t x_size, y_size, attention_size;   /* of one sequence, in floats */
	int n;
};

static void sequences_init(struct sequences *q, const struct net_spec *s, int n, int max_T, struct rng *r)
{
	q->n = n;
	q->x_size = (size_t)max_T * s->inputs;
	q->y_size = (size_t)s->horizon * net_outputs(s) + 1;
	q->attention_size = (size_t)s->horizon * max_T + 1;
	q->seq = must_alloc((size_t)n * sizeof *q->seq);
	q->x = must_alloc(n * q->x_size * sizeof *q->x);
	q->y = must_alloc(n * q->y_size * sizeof *q->y);
	q->attention = must_alloc(n * q->attention_size * sizeof *q->attention);
	draw_floats(r, q->x, n * q->x_size, 2);
	for (int i = 0; i < n; i++)
		q->seq[i] = (struct infer_sequence){
			.x = q->x + i * q->x_size, .T = draw_int(r, 1, max_T),
			.y = q->y + i * q->y_size, .attention = q->attention + i * q->attention_size,
		};
}

static void sequences_fini(struct sequences *q)
{
	free(q->attention);
	free(q->y);
	free(q->x);
	free(q->seq);
}

/* The same questions, answers of their own. */
static void sequences_again(struct sequences *q, const struct sequences *of)
{
	*q = *of;
	q->x = NULL;
	q->seq = must_alloc((size_t)q->n * sizeof *q->seq);
	q->y = must_alloc(q->n * q->y_size * sizeof *q->y);
	q->attention = must_alloc(q->n * q->attention_size * sizeof *q->attention);
	for (int i = 0; i < q->n; i++) {
		q->seq[i] = of->seq[i];
		q->seq[i].y = q->y + i * q->y_size;
		q->seq[i].attention = q->attention + i * q->attention_size;
	}
}

/* Forget the answers: a guard where each ends, rubbish where it stands. */
static void sequences_clear(struct sequences *q)
{
	for (size_t i = 0; i < q->n * q->y_size; i++)
		q->y[i] = GUARD;
	for (size_t i = 0; i < q->n * q->attention_size; i++)
		q->attention[i] = GUARD;
}

static void run_alone(const struct infer_model *m, struct infer_ws *w, struct sequences *q)
{
	sequences_clear(q);
	for (int i = 0; i < q->n; i++)
		infer_run(m, w, &q->seq[i], 1);
}

/* In drawn company: every sequence once, in calls of 1 … MAX_ROWS, in a drawn order. */
static void run_mixed(const struct infer_model *m, struct infer_ws *w, struct sequences *q, struct rng *r)
{
	uint32_t *order = must_alloc((size_t)q->n * sizeof *order);
	struct infer_sequence call[MAX_ROWS];

	sequences_clear(q);
	for (int i = 0; i < q->n; i++)
		order[i] = (uint32_t)i;
	rng_shuffle(r, order, (size_t)q->n);
	for (int first = 0; first < q->n;) {
		int rows = draw_int(r, 1, MAX_ROWS);
		if (rows > q->n - first)
			rows = q->n - first;
		for (int i = 0; i < rows; i++)
			call[i] = q->seq[order[first + i]];
		infer_run(m, w, call, rows);
		first += rows;
	}
	free(order);
}

/* Everything in the answers, guards included. */
static void check_same_bits(const struct sequences *a, const struct sequences *b)
{
	ck_assert_int_eq(memcmp(a->y, b->y, a->n * a->y_size * sizeof *a->y), 0);
	ck_assert_int_eq(memcmp(a->attention, b->attention, a->n * a->attention_size * sizeof *a->attention), 0);
}

static void check_against_reference(const struct test_network *n, const struct sequences *q)
{
	const struct net_spec *s = &n->spec;
	const size_t outputs = q->y_size - 1;
	double *y = must_alloc(outputs * sizeof *y), *attention = must_alloc(q->attention_size * sizeof *attention);

	for (int i = 0; i < q->n; i++) {
		const struct infer_sequence *seq = &q->seq[i];
		const size_t weights = (size_t)s->horizon * seq->T;
		reference_network(n, seq->T, seq->x, y, attention);
		for (size_t o = 0; o < outputs; o++)
			ck_assert(fabs(seq->y[o] - y[o]) <= 2e-5 * fmax(1, fabs(y[o])));
		for (size_t t = 0; t < weights; t++)
			ck_assert(fabs(seq->attention[t] - attention[t]) <= 2e-5);
		ck_assert(seq->y[outputs] == GUARD && seq->attention[weights] == GUARD);
	}
	free(attention);
	free(y);
}

START_TEST(drawn_networks_match_the_reference)
{
	struct rng r;

	rng_init(&r, 21, RNG_TEST, 0);
	for (int i = 0; i < 300; i++) {
		const struct net_spec s = draw_spec(&r);
		struct test_network n;
		struct sequences q;

		test_network_init(&n, &s, &r);
		struct infer_model *m = test_model(&n, level);
		struct infer_ws *w = test_workspace(m, MAX_ROWS, 30);
		sequences_init(&q, &s, draw_int(&r, 1, 4), 30, &r);
		run_mixed(m, w, &q, &r);
		check_against_reference(&n, &q);
		sequences_fini(&q);
		infer_ws_free(w);
		infer_model_free(m);
		test_network_fini(&n);
	}
}
END_TEST

/* The training execution wants its rows sorted and side by side: x [T][rows][inputs], y [horizon][rows][outputs]. */
static void check_against_training(const struct test_network *n, const struct sequences *q)
{
	const struct net_spec *s = &n->spec;
	const int rows = q->n, T = q->seq[0].T, in = s->inputs, outputs = net_outputs(s);
	int *lengths = must_alloc((size_t)rows * sizeof *lengths);
	float *x = must_alloc((size_t)T * rows * in * sizeof *x);
	float *y = must_alloc((size_t)s->horizon * rows * outputs * sizeof *y);
	float *attention = must_alloc((size_t)s->horizon * rows * T * sizeof *attention);
	float *ws = must_alloc(network_scratch(s, T, rows) * sizeof *ws);

	for (int b = 0; b < rows; b++) {
		lengths[b] = q->seq[b].T;
		for (int t = 0; t < T; t++)
			for (int i = 0; i < in; i++)
				x[(t * rows + b) * in + i] = t < lengths[b] ? q->seq[b].x[t * in + i] : NAN;
	}
	network_forward(s, n->params, &(struct network_input){ .T = T, .B = rows, .lengths = lengths, .x = x },
	                &(struct network_output){ .y = y, .attention = attention }, ws);
	for (int b = 0; b < rows; b++)
		for (int step = 0; step < s->horizon; step++) {
			for (int o = 0; o < outputs; o++) {
				const float want = y[(step * rows + b) * outputs + o];
				const float got = q->seq[b].y[step * outputs + o];
				ck_assert(fabsf(got - want) <= 2e-5f * fmaxf(1, fabsf(want)));
			}
			for (int t = 0; t < lengths[b]; t++)
				ck_assert(fabsf(q->seq[b].attention[step * lengths[b] + t] -
				                attention[(step * rows + b) * T + t]) <= 2e-5f);
		}
	free(ws);
	free(attention);
	free(y);
	free(x);
	free(lengths);
}

static int by_falling_length(const void *a, const void *b)
{
	return ((const struct infer_sequence *)b)->T - ((const struct infer_sequence *)a)->T;
}

START_TEST(drawn_networks_match_the_training_execution)
{
	struct rng r;

	rng_init(&r, 26, RNG_TEST, 0);
	for (int i = 0; i < 300; i++) {
		const struct net_spec s = draw_spec(&r);
		struct test_network n;
		struct sequences q;

		test_network_init(&n, &s, &r);
		struct infer_model *m = test_model(&n, level);
		struct infer_ws *w = test_workspace(m, MAX_ROWS, 40);
		sequences_init(&q, &s, draw_int(&r, 1, 12), 40, &r);
		qsort(q.seq, (size_t)q.n, sizeof *q.seq, by_falling_length);
		run_mixed(m, w, &q, &r);
		check_against_training(&n, &q);
		sequences_fini(&q);
		infer_ws_free(w);
		infer_model_free(m);
		test_network_fini(&n);
	}
}
END_TEST

/* Networks that between them take every path. Sizes leave padding behind the units of each direction. */
static const struct net_spec bit_specs[] = {
	{ .inputs = 5, .hidden = 40, .layers = 2, .bias = true, .reset_after = true, .attention = 24,
	  .decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 2, .levels = 3, .median_level = 1, .horizon = 3 },
	{ .inputs = 3, .hidden = 72, .layers = 1, .bias = false, .reset_after = false, .attention = 10,
	  .decoder_input = DECODER_CONTEXT, .targets = 1, .levels = 1, .horizon = 2 },
	{ .inputs = 4, .encoder = ENCODER_LSTM, .hidden = 56, .layers = 2, .bias = true, .attention = 20,
	  .decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 2, .levels = 1, .horizon = 3 },
	{ .inputs = 6, .encoder = ENCODER_LSTM, .hidden = 25, .layers = 2, .bidirectional = true, .bias = true,
	  .score = SCORE_DOT, .decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 1, .levels = 3, .horizon = 2 },
	{ .inputs = 2, .encoder = ENCODER_RNN, .hidden = 50, .layers = 1, .bidirectional = true, .bias = true,
	  .decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 20 },
	{ .inputs = 7, .encoder = ENCODER_RNN, .hidden = 33, .layers = 3, .bias = true, .relu = true,
	  .decoder = DECODER_MEAN, .targets = 3, .levels = 1, .horizon = 4 },
	{ .inputs = 3, .encoder = ENCODER_GRU, .hidden = 20, .layers = 3, .bidirectional = true, .bias = true,
	  .reset_after = true, .score = SCORE_DOT, .targets = 1, .levels = 1, .horizon = 3 },
	{ .inputs = 3, .encoder = ENCODER_GRU, .hidden = 17, .layers = 2, .bidirectional = true, .bias = true,
	  .reset_after = false, .decoder = DECODER_MEAN, .targets = 1, .levels = 1, .horizon = 3 },
	{ .inputs = 5, .encoder = ENCODER_RNN, .hidden = 24, .layers = 2, .bidirectional = true, .bias = true,
	  .reset_after = true, .attention = 12, .targets = 2, .levels = 1, .horizon = 2 },
	{ .inputs = 4, .encoder = ENCODER_TRANSFORMER, .hidden = 36, .layers = 2, .heads = 3, .feedforward = 50,
	  .decoder = DECODER_MEAN, .targets = 2, .levels = 1, .horizon = 3 },
	{ .inputs = 3, .encoder = ENCODER_TRANSFORMER, .hidden = 32, .layers = 1, .heads = 2, .feedforward = 64,
	  .norm_first = true, .gelu = true, .bias = true, .reset_after = true, .score = SCORE_DOT, .targets = 1,
	  .levels = 1, .horizon = 2 },
	{ .inputs = 3, .encoder = ENCODER_TRANSFORMER, .hidden = 21, .layers = 3, .heads = 7, .feedforward = 33,
	  .gelu = true, .causal = true, .decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 2 },
};
#define BIT_SPECS (sizeof bit_specs / sizeof *bit_specs)

START_TEST(company_does_not_change_a_bit)
{
	const struct net_spec *s = &bit_specs[_i];
	struct test_network n;
	struct sequences alone, mixed;
	struct rng r;

	rng_init(&r, 22, RNG_TEST, (uint32_t)_i);
	test_network_init(&n, s, &r);
	struct infer_model *m = test_model(&n, level);
	struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
	sequences_init(&alone, s, 2000, MAX_T, &r);
	sequences_again(&mixed, &alone);
	run_alone(m, w, &alone);
	run_mixed(m, w, &mixed, &r);
	check_same_bits(&alone, &mixed);
	sequences_fini(&mixed);
	sequences_fini(&alone);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

/* Only a CPU that runs avx512 gets here, and it runs avx2 too. */
START_TEST(both_fused_levels_give_the_same_bits)
{
	const struct net_spec *s = &bit_specs[_i];
	struct test_network n;
	struct sequences narrow, wide;
	struct rng r;

	rng_init(&r, 23, RNG_TEST, (uint32_t)_i);
	test_network_init(&n, s, &r);
	struct infer_model *narrow_model = test_model(&n, kernels_find("avx2")), *wide_model = test_model(&n, level);
	struct infer_ws *w = test_workspace(wide_model, MAX_ROWS, MAX_T);
	ck_assert_int_eq(infer_ws_reserve(w, narrow_model, MAX_T, NULL), ERR_OK);
	sequences_init(&narrow, s, 500, MAX_T, &r);
	sequences_again(&wide, &narrow);
	run_mixed(narrow_model, w, &narrow, &r);
	run_mixed(wide_model, w, &wide, &r);
	check_same_bits(&narrow, &wide);
	sequences_fini(&wide);
	sequences_fini(&narrow);
	infer_ws_free(w);
	infer_model_free(wide_model);
	infer_model_free(narrow_model);
	test_network_fini(&n);
}
END_TEST

/* One number of one row is NaN: all of that row's answer is, and its neighbours do not change. */
START_TEST(nan_stays_in_its_row)
{
	const struct net_spec *s = &bit_specs[_i];
	const int rows = 21;
	struct test_network n;
	struct sequences clean, hurt;
	struct rng r;

	rng_init(&r, 24, RNG_TEST, (uint32_t)_i);
	test_network_init(&n, s, &r);
	struct infer_model *m = test_model(&n, level);
	struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
	sequences_init(&clean, s, rows, MAX_T, &r);
	sequences_again(&hurt, &clean);
	run_alone(m, w, &clean);
	for (int victim = 0; victim < rows; victim++) {
		float *x = clean.x + victim * clean.x_size + draw_int(&r, 0, clean.seq[victim].T * s->inputs - 1);
		const float kept = *x;
		*x = NAN;
		run_mixed(m, w, &hurt, &r);
		*x = kept;
		for (int i = 0; i < rows; i++)
			for (size_t o = 0; o < hurt.y_size - 1; o++)
				ck_assert(i == victim ? isnan(hurt.seq[i].y[o]) : hurt.seq[i].y[o] == clean.seq[i].y[o]);
	}
	sequences_fini(&hurt);
	sequences_fini(&clean);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

/* attention = NULL: the same forecast. One workspace serves models of different sizes. */
START_TEST(attention_is_optional)
{
	struct rng r;
	struct infer_ws *w = NULL;

	rng_init(&r, 25, RNG_TEST, 0);
	ck_assert_int_eq(infer_ws_new(MAX_ROWS, &w, NULL), ERR_OK);
	for (size_t i = 0; i < BIT_SPECS; i++) {
		struct test_network n;
		struct sequences with, without;

		test_network_init(&n, &bit_specs[i], &r);
		struct infer_model *m = test_model(&n, level);
		ck_assert_int_eq(infer_ws_reserve(w, m, MAX_T, NULL), ERR_OK);
		sequences_init(&with, &bit_specs[i], 20, MAX_T, &r);
		sequences_again(&without, &with);
		for (int k = 0; k < without.n; k++)
			without.seq[k].attention = NULL;
		run_mixed(m, w, &with, &r);
		run_mixed(m, w, &without, &r);
		ck_assert_int_eq(memcmp(with.y, without.y, with.n * with.y_size * sizeof *with.y), 0);
		sequences_fini(&without);
		sequences_fini(&with);
		infer_model_free(m);
		test_network_fini(&n);
	}
	infer_ws_free(w);
}
END_TEST

START_TEST(a_bad_spec_is_refused)
{
	struct net_spec s = bit_specs[0];
	struct infer_model *m = NULL;
	struct error e;

	s.hidden = NET_MAX_HIDDEN + 1;
	ck_assert_int_eq(infer_model_new(&s, NULL, NULL, &m, &e), ERR_INVALID);
	ck_assert_ptr_null(m);
	infer_model_free(NULL);
	infer_ws_free(NULL);
}
END_TEST

/* The environment asks for a level; a name that nobody knows is no request. */
START_TEST(environment_chooses_the_level)
{
	ck_assert_int_eq(setenv("GATECAST_CPU", level->name, 1), 0);
	ck_assert_str_eq(infer_kernels_name(), level->name);
	ck_assert_int_eq(setenv("GATECAST_CPU", "abacus", 1), 0);
	const char *fallback = infer_kernels_name();
	ck_assert_int_eq(unsetenv("GATECAST_CPU"), 0);
	ck_assert_str_eq(infer_kernels_name(), fallback);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("infer");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 600);
	tcase_add_test(t, drawn_networks_match_the_reference);
	tcase_add_test(t, drawn_networks_match_the_training_execution);
	tcase_add_loop_test(t, company_does_not_change_a_bit, 0, BIT_SPECS);
	if (argc > 1 && !strcmp(argv[1], "avx512"))
		tcase_add_loop_test(t, both_fused_levels_give_the_same_bits, 0, BIT_SPECS);
	tcase_add_loop_test(t, nan_stays_in_its_row, 0, BIT_SPECS);
	tcase_add_test(t, attention_is_optional);
	tcase_add_test(t, a_bad_spec_is_refused);
	tcase_add_test(t, environment_chooses_the_level);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}

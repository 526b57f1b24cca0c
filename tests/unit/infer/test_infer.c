/* test_infer.c - infer_run() at one level: against the whole network in double and against itself. A row's bits are
 * the same alone, in any company and at either level that fuses multiply and add. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/infer/networks.h"
#include "tests/unit/infer/sequences.h"

#define MAX_T     120
#define TOLERANCE 2e-5

static void check_near(const float *got, const double *want, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert(fabs(got[i] - want[i]) <= TOLERANCE * fmax(1, fabs(want[i])));
}

/* Whether two of a step's scores are so near that a class may be the one or the other's. */
static bool is_open(const double *score, int classes)
{
	double first = -INFINITY, second = -INFINITY;

	for (int c = 0; c < classes; c++)
		if (score[c] > first) {
			second = first;
			first = score[c];
		} else if (score[c] > second) {
			second = score[c];
		}
	return !(first - second > 2 * TOLERANCE * fmax(1, fabs(first)));
}

/* Steps of the answer that can be compared: all, or up to the first whose class is open and is read by the next. */
static int closed_steps(const struct net_spec *s, int T, const double *y)
{
	const int steps = net_steps(s, T);

	for (int step = 0; s->classes && net_feeds_back(s) && step < steps; step++)
		if (is_open(y + (size_t)step * s->classes, s->classes))
			return step + 1;
	return steps;
}

static void check_against_reference(const struct test_network *n, const struct sequences *q)
{
	const struct net_spec *s = &n->spec;
	if (!reference_knows(s))
		return;
	struct reference_answer want = {
		.y = must_alloc(q->y_size * sizeof *want.y),
		.attention = must_alloc(q->attention_size * sizeof *want.attention),
		.final = must_alloc(q->state_size * sizeof *want.final),
	};

	for (int i = 0; i < q->n; i++) {
		const struct infer_sequence *seq = &q->seq[i];
		reference_network(n, seq, &want);
		const int steps = closed_steps(s, seq->T, want.y);
		check_near(seq->y, want.y, (size_t)steps * net_outputs(s));
		check_near(seq->attention, want.attention,
		           (size_t)(net_answers_steps(s) ? s->horizon : steps) * seq->T);
		check_near(seq->final, want.final, q->state_size - 1);
	}
	check_guards(s, q);
	free(want.final);
	free(want.attention);
	free(want.y);
}

START_TEST(drawn_networks_match_the_reference)
{
	struct rng r;

	rng_init(&r, 21, RNG_TEST, (uint32_t)_i);
	for (int i = 0; i < 100; i++) {
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

START_TEST(company_does_not_change_a_bit)
{
	const struct net_spec *s = &networks[_i];
	struct test_network n;
	struct sequences alone, mixed;
	struct rng r;

	rng_init(&r, 22, RNG_TEST, (uint32_t)_i);
	test_network_init(&n, s, &r);
	struct infer_model *m = test_model(&n, level);
	struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
	sequences_init(&alone, s, 500, MAX_T, &r);
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
	const struct net_spec *s = &networks[_i];
	struct test_network n;
	struct sequences narrow, wide;
	struct rng r;

	rng_init(&r, 23, RNG_TEST, (uint32_t)_i);
	test_network_init(&n, s, &r);
	struct infer_model *narrow_model = test_model(&n, kernels_find("avx2")), *wide_model = test_model(&n, level);
	struct infer_ws *w = test_workspace(wide_model, MAX_ROWS, MAX_T);
	ck_assert_int_eq(infer_ws_reserve(w, narrow_model, MAX_T, NULL), ERR_OK);
	sequences_init(&narrow, s, 300, MAX_T, &r);
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

/* A number that the row reads: of its input or, where tokens go in, of its start; NULL if it has none. */
static float *number_of(const struct sequences *q, const struct net_spec *s, int row, struct rng *r)
{
	if (!s->vocabulary)
		return q->x + row * q->x_size + draw_int(r, 0, q->seq[row].T * s->inputs - 1);
	return q->seq[row].start ? q->start + row * q->state_size + draw_int(r, 0, net_state_size(s) - 1) : NULL;
}

static size_t count_nan(const float *y, size_t n)
{
	size_t found = 0;

	for (size_t i = 0; i < n; i++)
		found += isnan(y[i]) != 0;
	return found;
}

/* One number of one row is NaN: all of that row's answer is, and its neighbours do not change. Of tokens what comes
 * behind it, of segments its channel's. */
START_TEST(nan_stays_in_its_row)
{
	const struct net_spec *s = &networks[_i];
	const bool all = s->decoder != DECODER_TOKEN && s->decoder != DECODER_SEGMENT;
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
		float *number = number_of(&clean, s, victim, &r);
		if (!number)
			continue;
		const float kept = *number;
		*number = NAN;
		run_mixed(m, w, &hurt, &r);
		*number = kept;
		for (int i = 0; i < rows; i++) {
			const size_t size = (size_t)net_steps(s, hurt.seq[i].T) * net_outputs(s);
			const size_t found = count_nan(hurt.seq[i].y, size);
			if (i == victim)
				ck_assert(all ? found == size : found > 0);
			else
				ck_assert_int_eq(memcmp(hurt.seq[i].y, clean.seq[i].y, size * sizeof *clean.y), 0);
		}
	}
	sequences_fini(&hurt);
	sequences_fini(&clean);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

/* attention = NULL, final = NULL: the same forecast. One workspace serves models of different sizes. */
START_TEST(attention_and_states_are_optional)
{
	struct rng r;
	struct infer_ws *w = NULL;

	rng_init(&r, 25, RNG_TEST, 0);
	ck_assert_int_eq(infer_ws_new(MAX_ROWS, &w, NULL), ERR_OK);
	for (size_t i = 0; i < NETWORKS; i++) {
		struct test_network n;
		struct sequences with, without;

		test_network_init(&n, &networks[i], &r);
		struct infer_model *m = test_model(&n, level);
		ck_assert_int_eq(infer_ws_reserve(w, m, MAX_T, NULL), ERR_OK);
		sequences_init(&with, &networks[i], 20, MAX_T, &r);
		sequences_again(&without, &with);
		for (int k = 0; k < without.n; k++)
			without.seq[k].attention = without.seq[k].final = NULL;
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

/* A text in pieces, each of which begins where the one before ended, in the same array: the bits of the text at once.
 * A first piece may be read for its states alone. */
START_TEST(pieces_are_the_whole)
{
	static const struct { enum encoder_type encoder; int layers; bool batch_norm; } cases[] = {
		{ ENCODER_GRU, 1, false }, { ENCODER_LSTM, 3, true }, { ENCODER_RNN, 2, false }, { ENCODER_LSTM, 1, true },
	};
	const struct net_spec s = {
		.inputs = 1, .vocabulary = 20, .embedding = 12, .encoder = cases[_i].encoder, .hidden = 25,
		.layers = cases[_i].layers, .bias = true, .reset_after = true, .batch_norm = cases[_i].batch_norm,
		.decoder = DECODER_TOKEN, .classes = 20, .targets = 1, .levels = 1, .horizon = 1,
	};
	struct test_network n;
	struct sequences whole, pieces;
	struct rng r;

	rng_init(&r, 27, RNG_TEST, (uint32_t)_i);
	test_network_init(&n, &s, &r);
	struct infer_model *m = test_model(&n, level);
	struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
	sequences_init(&whole, &s, 40, MAX_T, &r);
	sequences_again(&pieces, &whole);
	run_alone(m, w, &whole);
	run_alone(m, w, &pieces);                /* fills final and the guards */
	for (int i = 0; i < pieces.n; i++) {
		struct infer_sequence *seq = &pieces.seq[i], piece = *seq;
		for (int done = 0; done < seq->T; done += piece.T) {
			piece.T = draw_int(&r, 1, seq->T - done);
			piece.x = seq->x + done;
			piece.y = seq->y + (size_t)done * s.classes;
			memset(piece.y, 0, (size_t)piece.T * s.classes * sizeof *piece.y);
			if (i % 4 == 0 && !done) {
				memcpy(piece.y, whole.seq[i].y, (size_t)piece.T * s.classes * sizeof *piece.y);
				piece.y = NULL;
			}
			infer_run(m, w, &piece, 1);
			piece.start = piece.final;
		}
	}
	check_same_bits(&whole, &pieces);
	sequences_fini(&pieces);
	sequences_fini(&whole);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

START_TEST(a_bad_spec_is_refused)
{
	struct net_spec s = networks[0];
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
	tcase_add_loop_test(t, drawn_networks_match_the_reference, 0, 4);
	tcase_add_loop_test(t, company_does_not_change_a_bit, 0, NETWORKS);
	if (argc > 1 && !strcmp(argv[1], "avx512"))
		tcase_add_loop_test(t, both_fused_levels_give_the_same_bits, 0, NETWORKS);
	tcase_add_loop_test(t, nan_stays_in_its_row, 0, NETWORKS);
	tcase_add_test(t, attention_and_states_are_optional);
	tcase_add_loop_test(t, pieces_are_the_whole, 0, 4);
	tcase_add_test(t, a_bad_spec_is_refused);
	tcase_add_test(t, environment_chooses_the_level);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}

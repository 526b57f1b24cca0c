/* test_beam.c - infer_beam() at one level: greedy is the chain of infer_run(), a wide beam finds everything, and any
 * beam finds what a plain search over the reference finds. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/infer/sequences.h"

#define MAX_T      20
#define MAX_STEPS  8
#define TOLERANCE  2e-5   /* of a step's scores */

/* Answers with their arrays; guards behind each. */
struct answers {
	struct infer_answer answer[INFER_MAX_BEAM];
	int32_t token[INFER_MAX_BEAM][MAX_STEPS + 1];
	float attention[INFER_MAX_BEAM][MAX_STEPS * MAX_T + 1];
	int n;
};

static void search(const struct infer_model *m, struct infer_ws *w, const struct infer_sequence *seq, int width,
                   int max_steps, double penalty, struct answers *a)
{
	for (int i = 0; i < INFER_MAX_BEAM; i++) {
		a->answer[i] = (struct infer_answer){ .token = a->token[i], .attention = a->attention[i] };
		a->token[i][max_steps] = -1;
		a->attention[i][max_steps * seq->T] = GUARD;
	}
	a->n = infer_beam(m, w, seq, width, max_steps, penalty, a->answer);
	ck_assert(a->n >= 1 && a->n <= width);
	for (int i = 0; i < INFER_MAX_BEAM; i++) {
		ck_assert_ptr_eq(a->answer[i].token, a->token[i]);
		ck_assert_ptr_eq(a->answer[i].attention, a->attention[i]);
		ck_assert_int_eq(a->token[i][max_steps], -1);
		ck_assert(a->attention[i][max_steps * seq->T] == GUARD);
	}
}

static struct net_spec draw_translator(struct rng *r, int classes)
{
	struct net_spec s;

	do
		s = draw_spec(r);
	while (s.decoder != DECODER_ATTENTION || !s.classes || !net_feeds_back(&s) || !reference_knows(&s));
	s.classes = classes;
	s.horizon = MAX_STEPS;
	return s;
}

/* Classes' scores of an untrained network are near each other: larger ones make answers that differ. */
static void sharpen(struct test_network *n)
{
	const struct tensor *t = tensor_find(&n->table, "output.weight");

	for (size_t i = 0; i < t->count; i++)
		n->params[t->offset + i] *= 4;
}

/* Every second class has always the score of the one before it. */
static void pair_classes(struct test_network *n)
{
	for (int i = n->table.n - 2; i < n->table.n; i++) {   /* output.weight, output.bias */
		const struct tensor *t = &n->table.tensor[i];
		const size_t row = t->count / t->shape[0];
		float *p = n->params + t->offset;
		for (size_t c = 1; c < t->shape[0]; c += 2)
			memcpy(p + c * row, p + (c - 1) * row, row * sizeof *p);
	}
}

static double log_softmax(const double *score, int classes, int class)
{
	double sum = 0;

	for (int c = 0; c < classes; c++)
		sum += exp(score[c] - score[class]);
	return -log(sum);
}

/* Steps that an answer took: its classes and the boundary. */
static int length_of(const struct infer_answer *a, int max_steps)
{
	return a->n < max_steps ? a->n + 1 : max_steps;
}

START_TEST(greedy_is_the_chain_of_infer_run)
{
	struct rng r;

	rng_init(&r, 31, RNG_TEST, 0);
	for (int i = 0; i < 60; i++) {
		const struct net_spec s = draw_translator(&r, draw_int(&r, 1, 30));
		struct test_network n;
		struct sequences q;
		struct answers a;

		test_network_init(&n, &s, &r);
		sharpen(&n);
		if (i % 2)
			pair_classes(&n);
		struct infer_model *m = test_model(&n, level);
		struct infer_ws *w = test_workspace(m, MAX_ROWS, MAX_T);
		sequences_init(&q, &s, 5, MAX_T, &r);
		run_mixed(m, w, &q, &r);
		for (int k = 0; k < q.n; k++) {
			const struct infer_sequence *seq = &q.seq[k];
			double log_probability = 0;
			int step = 0, said;
			search(m, w, seq, 1, MAX_STEPS, draw_int(&r, 0, 2) / 2.0, &a);
			do {
				double score[30];
				said = 0;
				for (int c = 0; c < s.classes; c++) {
					score[c] = seq->y[step * s.classes + c];
					said = score[c] > score[said] ? c : said;
				}
				log_probability += log_softmax(score, s.classes, said);
				ck_assert_int_eq(a.token[0][step], said);
				step++;
			} while (said != NET_BOUNDARY && step < MAX_STEPS);
			ck_assert_int_eq(length_of(&a.answer[0], MAX_STEPS), step);
			ck_assert(fabs(a.answer[0].log_probability - log_probability) <= 1e-6);
			ck_assert_int_eq(memcmp(a.attention[0], seq->attention, (size_t)step * seq->T * sizeof(float)),
			                 0);
			for (int rest = step; rest < MAX_STEPS; rest++)
				ck_assert_int_eq(a.token[0][rest], NET_BOUNDARY);
			for (int at = step * seq->T; at < MAX_STEPS * seq->T; at++)
				ck_assert(a.attention[0][at] == 0);
		}
		sequences_fini(&q);
		infer_ws_free(w);
		infer_model_free(m);
		test_network_fini(&n);
	}
}
END_TEST

/* Where the beam holds all that can be said, the probabilities add up to 1, best first. */
START_TEST(a_wide_beam_finds_everything)
{
	static const struct { int classes, max_steps, answers; } cases[] = {
		{ 1, 3, 1 },     /* nothing but the boundary */
		{ 2, 7, 8 },     /* b, 1b, 11b … 1111111 */
		{ 3, 2, 7 },     /* b, 1b, 2b, 11, 12, 21, 22 */
		{ 8, 1, 8 },
	};
	struct rng r;

	rng_init(&r, 32, RNG_TEST, (uint32_t)_i);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct net_spec s = draw_translator(&r, cases[i].classes);
		struct test_network n;
		struct sequences q;
		struct answers a;
		double sum = 0;

		test_network_init(&n, &s, &r);
		struct infer_model *m = test_model(&n, level);
		struct infer_ws *w = test_workspace(m, 1, MAX_T);
		sequences_init(&q, &s, 1, MAX_T, &r);
		search(m, w, q.seq, INFER_MAX_BEAM, cases[i].max_steps, 0, &a);
		ck_assert_int_eq(a.n, cases[i].answers);
		for (int k = 0; k < a.n; k++) {
			sum += exp(a.answer[k].log_probability);
			ck_assert(k == 0 || a.answer[k].log_probability <= a.answer[k - 1].log_probability);
			for (int other = 0; other < k; other++)
				ck_assert_int_ne(memcmp(a.token[k], a.token[other],
				                        cases[i].max_steps * sizeof(int32_t)), 0);
		}
		ck_assert(fabs(sum - 1) <= 1e-5);
		sequences_fini(&q);
		infer_ws_free(w);
		infer_model_free(m);
		test_network_fini(&n);
	}
}
END_TEST

/* A search without slots: each hypothesis is its classes, and the reference is run anew for each. */
struct plain {
	int32_t said[MAX_STEPS];
	int length;
	bool ended;
	double log_probability, merit;
};

static int by_merit(const void *a, const void *b)
{
	const double x = ((const struct plain *)a)->merit, y = ((const struct plain *)b)->merit;

	return (x < y) - (x > y);
}

/* Scores of the step behind what the hypothesis said, and attention [MAX_STEPS][T]. */
static void plain_run(const struct test_network *n, const struct infer_sequence *seq, const struct plain *p,
                      double *score, double *attention)
{
	const size_t classes = (size_t)n->spec.classes;
	struct reference_answer a = {
		.y = must_alloc((MAX_STEPS + 1) * classes * sizeof *a.y), .attention = attention, .said = p->said,
	};

	reference_network(n, seq, &a);
	memcpy(score, a.y + p->length * classes, classes * sizeof *score);
	free(a.y);
}

/* The best answers into best; false where merits are so near that one might have gone instead of another. */
static bool plain_search(const struct test_network *n, const struct infer_sequence *seq, int width, int max_steps,
                         double penalty, struct plain best[INFER_MAX_BEAM], int *found)
{
	const int classes = n->spec.classes;
	struct plain *next = must_alloc((size_t)width * (classes + 1) * sizeof *next);
	bool clear = true;

	memset(best, 0, INFER_MAX_BEAM * sizeof *best);
	*found = 1;
	for (int step = 0; step < max_steps; step++) {
		int candidates = 0;
		for (int i = 0; i < *found; i++) {
			double score[30], attention[MAX_STEPS * MAX_T];
			if (best[i].ended) {
				next[candidates++] = best[i];
				continue;
			}
			plain_run(n, seq, &best[i], score, attention);
			for (int c = 0; c < classes; c++) {
				struct plain *child = &next[candidates++];
				*child = best[i];
				child->said[child->length++] = c;
				child->ended = c == NET_BOUNDARY;
				child->log_probability += log_softmax(score, classes, c);
				child->merit = child->log_probability / pow(child->length, penalty);
			}
		}
		qsort(next, (size_t)candidates, sizeof *next, by_merit);
		for (int i = 1; i < candidates && i <= width; i++)
			clear = clear && next[i - 1].merit - next[i].merit > 1e-4;
		*found = candidates < width ? candidates : width;
		memcpy(best, next, (size_t)*found * sizeof *best);
	}
	free(next);
	return clear;
}

static void check_answer(const struct test_network *n, const struct infer_sequence *seq, int max_steps,
                         const struct infer_answer *got, const struct plain *want)
{
	double score[30], attention[MAX_STEPS * MAX_T];

	ck_assert_int_eq(got->n, want->length - want->ended);
	ck_assert_int_eq(memcmp(got->token, want->said, (size_t)max_steps * sizeof *got->token), 0);
	ck_assert(fabs(got->log_probability - want->log_probability) <=
	          2 * TOLERANCE * want->length * fmax(1, -want->log_probability));
	plain_run(n, seq, want, score, attention);
	for (int i = 0; i < max_steps * seq->T; i++)
		ck_assert(fabs(got->attention[i] - (i < want->length * seq->T ? attention[i] : 0)) <= TOLERANCE);
}

START_TEST(any_beam_finds_what_a_plain_search_finds)
{
	const int drawn = 60;
	int compared = 0;
	struct rng r;

	rng_init(&r, 33, RNG_TEST, 0);
	for (int i = 0; i < drawn; i++) {
		const struct net_spec s = draw_translator(&r, draw_int(&r, 2, 12));
		const int width = draw_int(&r, 1, INFER_MAX_BEAM), max_steps = draw_int(&r, 1, MAX_STEPS);
		const double penalty = draw_int(&r, 0, 3) / 2.0;
		struct test_network n;
		struct sequences q;
		struct answers a;
		struct plain want[INFER_MAX_BEAM];
		int found;

		test_network_init(&n, &s, &r);
		sharpen(&n);
		struct infer_model *m = test_model(&n, level);
		struct infer_ws *w = test_workspace(m, 1, MAX_T);
		sequences_init(&q, &s, 1, MAX_T, &r);
		search(m, w, q.seq, width, max_steps, penalty, &a);
		if (plain_search(&n, q.seq, width, max_steps, penalty, want, &found)) {
			compared++;
			ck_assert_int_eq(a.n, found);
			for (int k = 0; k < found; k++)
				check_answer(&n, q.seq, max_steps, &a.answer[k], &want[k]);
		}
		sequences_fini(&q);
		infer_ws_free(w);
		infer_model_free(m);
		test_network_fini(&n);
	}
	ck_assert_int_ge(compared, drawn / 2);
}
END_TEST

/* All scores are equal: hypotheses stay in the order of their parents and of classes. */
START_TEST(equals_stay_in_order)
{
	static const int32_t want[3][4] = { { 0, 0, 0, 0 }, { 1, 0, 0, 0 }, { 1, 1, 0, 0 } };
	struct rng r;
	struct test_network n;
	struct sequences q;
	struct answers a;

	rng_init(&r, 34, RNG_TEST, 0);
	const struct net_spec s = draw_translator(&r, 5);
	test_network_init(&n, &s, &r);
	memset(n.params, 0, n.table.count * sizeof *n.params);
	struct infer_model *m = test_model(&n, level);
	struct infer_ws *w = test_workspace(m, 1, MAX_T);
	sequences_init(&q, &s, 1, MAX_T, &r);
	search(m, w, q.seq, 3, 4, 1, &a);   /* by the mean of a step: all the same */
	ck_assert_int_eq(a.n, 3);
	for (int k = 0; k < 3; k++) {
		ck_assert_int_eq(memcmp(a.token[k], want[k], sizeof want[k]), 0);
		ck_assert(fabs(a.answer[k].log_probability + length_of(&a.answer[k], 4) * log(5)) <= 1e-6);
	}
	sequences_fini(&q);
	infer_ws_free(w);
	infer_model_free(m);
	test_network_fini(&n);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("beam");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 300);
	tcase_add_test(t, greedy_is_the_chain_of_infer_run);
	tcase_add_loop_test(t, a_wide_beam_finds_everything, 0, 5);
	tcase_add_test(t, any_beam_finds_what_a_plain_search_finds);
	tcase_add_test(t, equals_stay_in_order);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}

/* Examples of each kind: what a share holds, in which order it comes and how it is laid out; and what counting pairs of
 * tokens tells. */
#include "fixture.h"

#include "model/base/rng.h"
#include "model/examples_corpus.h"
#include "model/examples_pairs.h"
#include "model/examples_series.h"
#include "model/text/bigram.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

static struct frame *texts(const char *const *rows, int n, int columns)
{
	static const char *const names[] = { "text", "label" };
	struct frame *f = frame_new();
	ck_assert_ptr_nonnull(f);
	for (int c = 0; c < columns; c++)
		ck_assert_int_eq(frame_add_column(f, names[c], COLUMN_TEXT, NULL), ERR_OK);
	for (int i = 0; i < n; i++) {
		ck_assert_int_eq(frame_add_row(f, NULL), ERR_OK);
		for (int c = 0; c < columns; c++)
			ck_assert_int_eq(frame_set_text(f, c, (size_t)i, rows[i * columns + c], strlen(rows[i * columns + c]), NULL),
			                 ERR_OK);
	}
	return f;
}

static void text_recipe(struct recipe *r, enum preset preset, int window, int horizon)
{
	fixture_recipe(r);
	recipe_preset(r, preset);
	r->targets = 0;
	if (preset != PRESET_CHAR_RNN)
		strcpy(r->target[r->targets++], "label");
	r->window = window;
	r->horizon = horizon;
	r->batch_size = 4;
}

static struct examples *new_examples(const struct recipe *r, struct frame *f)
{
	struct examples *x = NULL;
	struct error e = { 0 };
	enum err rc = examples_new(r, f, &x, &e);
	ck_assert_msg(rc == ERR_OK, "%s: %s", e.where, e.what);
	frame_free(f);
	return x;
}

/* One example alone. */
static void load_one(const struct examples *x, struct batch *b, enum share share, size_t index, int epoch)
{
	struct example i = { share, index, epoch };
	batch_fill(b, x, &i, 1);
}

/* ---- corpus ---- */

static const char *const alphabet[] = { "abcdefghij", "klmnopqrst", "uvwxyz\xc3\xa9!?" };

static char letter(const struct corpus_examples *c, double token)
{
	return vocabulary_token(c->source, (int)token)[0];
}

/* 32 bytes: the train share ends within é, which stays whole. */
START_TEST(a_corpus_is_cut_where_a_character_begins)
{
	struct recipe r;
	text_recipe(&r, PRESET_CHAR_RNN, 5, 1);
	r.train = 29.0 / 32;
	r.validation = 2.0 / 32;
	r.test = 1.0 / 32;
	struct examples *x = new_examples(&r, texts(alphabet, 3, 1));
	const struct corpus_examples *c = corpus_of(x);
	ck_assert_uint_eq(c->first[0], 1);
	ck_assert_uint_eq(c->first[SHARES], 1 + 10 + 1 + 10 + 1 + 9);   /* characters, and two ends of lines */
	for (int s = 0; s < SHARES; s++)
		ck_assert(c->first[s + 1] > c->first[s]);
	ck_assert_int_eq(c->token[0], TOKEN_BOUNDARY);
	ck_assert_int_eq(letter(c, c->token[1]), 'a');
	ck_assert_int_eq(letter(c, c->token[11]), '\n');
	ck_assert_int_eq(letter(c, c->token[12]), 'k');
	/* the vocabulary is the training share's */
	ck_assert_int_eq(vocabulary_size(c->source), 2 + (int)(c->first[1] - c->first[0]) - 1);
	for (size_t i = c->first[SHARE_TEST]; i < c->first[SHARES]; i++)
		ck_assert_int_eq(c->token[i], TOKEN_UNKNOWN);
	examples_free(x);
}
END_TEST

START_TEST(each_token_is_told_from_those_before)
{
	struct recipe r;
	struct batch b;
	text_recipe(&r, PRESET_CHAR_RNN, 5, 1);
	r.random_crop = false;
	struct examples *x = new_examples(&r, texts(alphabet, 3, 1));
	const struct corpus_examples *c = corpus_of(x);
	size_t n = c->first[1] - c->first[0];
	ck_assert_uint_eq(x->count[SHARE_TRAIN], n / 5);
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	for (size_t i = 0; i < x->count[SHARE_TRAIN]; i++) {
		load_one(x, &b, SHARE_TRAIN, i, 1);
		ck_assert(b.T == 5 && b.S == 5 && b.B == 1 && b.lengths[0] == 5);
		for (size_t k = 0; k < 5; k++) {
			ck_assert(b.x[k] == (float)c->token[i * 5 + k]);
			ck_assert(b.target[k] == (float)c->token[i * 5 + k + 1]);
		}
	}
	load_one(x, &b, SHARE_VALIDATION, 0, 0);   /* shorter than the window: whole */
	ck_assert_int_eq(b.T, (int)(c->first[2] - c->first[1]));
	ck_assert(b.target[0] == (float)c->token[c->first[1]]);
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* Each epoch shifts all its pieces alike, each token is told in some epoch, and none twice in one. */
START_TEST(crops_shift_a_corpus)
{
	struct recipe r;
	struct batch b;
	text_recipe(&r, PRESET_CHAR_RNN, 4, 1);
	r.train = 0.8;
	r.validation = r.test = 0.1;
	struct examples *x = new_examples(&r, texts(alphabet, 3, 1));
	const struct corpus_examples *c = corpus_of(x);
	size_t n = c->first[1] - c->first[0];
	int *told = calloc(n, sizeof *told), shifts = 0;
	float last = -1;
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	for (int epoch = 1; epoch <= 40; epoch++) {
		load_one(x, &b, SHARE_TRAIN, 0, epoch);
		size_t first = 0;
		while ((float)c->token[1 + first] != b.target[0])
			first++;
		ck_assert(first + x->count[SHARE_TRAIN] * 4 <= n);
		shifts += b.target[0] != last;
		last = b.target[0];
		for (size_t i = 0; i < x->count[SHARE_TRAIN]; i++) {
			load_one(x, &b, SHARE_TRAIN, i, epoch);
			for (size_t k = 0; k < 4; k++) {
				ck_assert(b.target[k] == (float)c->token[1 + first + 4 * i + k]);
				told[first + 4 * i + k]++;
			}
		}
	}
	ck_assert_int_gt(shifts, 10);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(told[i] > 0, "token %zu of %zu is never told", i, n);
	free(told);
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* ---- pairs ---- */

static struct frame *many_pairs(void)
{
	const char *rows[2 * 50];
	static char cell[2 * 50][24];
	for (int i = 0; i < 50; i++) {
		int n = 1 + i * 7 % 13;
		for (int k = 0; k < n; k++)
			cell[2 * i][k] = (char)('a' + (i + k) % 5);
		cell[2 * i][n] = 0;
		snprintf(cell[2 * i + 1], sizeof cell[0], "%.*s", 1 + i % 6, "123456");
		rows[2 * i] = cell[2 * i];
		rows[2 * i + 1] = cell[2 * i + 1];
	}
	return texts(rows, 50, 2);
}

START_TEST(pairs_are_laid_out_side_by_side)
{
	struct recipe r;
	struct batch b;
	uint32_t order[50];
	text_recipe(&r, PRESET_SEQ2SEQ, 10, 7);
	struct examples *x = new_examples(&r, many_pairs());
	const struct pair_examples *p = pairs_of(x);
	struct place *place = calloc(examples_places(x), sizeof *place);
	ck_assert(x->count[SHARE_TRAIN] == 35 && x->count[SHARE_VALIDATION] == 5 && x->count[SHARE_TEST] == 10);
	ck_assert(x->most.length == 10 && x->most.steps == 7);
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	examples_order(x, SHARE_TRAIN, 1, order, place);
	struct example which[4];
	for (size_t at = 0; at + 4 <= 35; at += 4) {
		for (size_t i = 0; i < 4; i++)
			which[i] = (struct example){ SHARE_TRAIN, order[at + i], 1 };
		batch_fill(&b, x, which, 4);
		for (int i = 0; i < 4; i++) {
			const struct pair *pair = pair_at(p, SHARE_TRAIN, order[at + (size_t)i]);
			const int32_t *token = p->token + pair->at, *answer = token + pair->n;
			int n = pair->n < 10 ? pair->n : 10;
			ck_assert_int_eq(b.lengths[i], n);
			ck_assert(i == 0 || b.lengths[i] <= b.lengths[i - 1]);
			for (int k = 0; k < n; k++)   /* from its end */
				ck_assert(b.x[k * 4 + i] == (float)token[pair->n - n + k]);
			for (int k = 0; k < b.S; k++)
				ck_assert(b.target[k * 4 + i] == (k < pair->answers ? (float)answer[k] : -1));
			ck_assert_int_eq(answer[pair->answers - 1], TOKEN_BOUNDARY);
		}
		ck_assert_int_eq(b.T, b.lengths[0]);
	}
	free(place);
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* Rows that lack a cell are left out; the rest is dealt out by the seed, each once. */
START_TEST(rows_are_dealt_out_once)
{
	static const char *const rows[] = { "a", "x", "", "x", "b", "y", "c", "", "c", "x", "d", "y", "e", "x", "f", "y", "gg", "x" };
	struct recipe r;
	text_recipe(&r, PRESET_CLASSIFIER, 5, 1);
	r.train = 0.5;
	r.validation = r.test = 0.25;
	char order[2][16];
	for (int seed = 0; seed < 2; seed++) {
		bool seen[128] = { false };
		r.seed = (uint64_t)seed + 1;
		struct examples *x = new_examples(&r, texts(rows, 9, 2));
		const struct pair_examples *p = pairs_of(x);
		ck_assert(x->rows == 7 && x->filled == 2 && p->first[SHARES] == 7);
		ck_assert_int_eq(vocabulary_size(p->target), 2);
		for (size_t i = 0; i < 7; i++) {
			const int32_t *token = p->token + p->pair[i].at;
			char c = i < p->first[1] ? vocabulary_token(p->source, token[0])[0] : (char)('0' + i);
			ck_assert(!seen[(int)c]);
			seen[(int)c] = true;
			order[seed][i] = c;
			ck_assert(p->pair[i].answers == 1 && token[p->pair[i].n] < 2);
		}
		order[seed][7] = 0;
		examples_free(x);
	}
	ck_assert_str_ne(order[0], order[1]);
}
END_TEST

/* A cropped text is any run of its tokens; validation reads its end. */
START_TEST(crops_of_a_text_lie_anywhere)
{
	static const char *const rows[] = {
		"abcdefghij", "x", "abcdefghij", "y", "abcdefghij", "x", "abcdefghij", "y", "abcdefghij", "x", "abcdefghij", "y",
	};
	struct recipe r;
	struct batch b;
	bool begins[8] = { false };
	text_recipe(&r, PRESET_CLASSIFIER, 4, 1);
	r.random_crop = true;
	r.train = 0.5;
	r.validation = r.test = 0.25;
	struct examples *x = new_examples(&r, texts(rows, 6, 2));
	const struct pair_examples *p = pairs_of(x);
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	for (int epoch = 1; epoch <= 60; epoch++) {
		load_one(x, &b, SHARE_TRAIN, 0, epoch);
		char first = vocabulary_token(p->source, (int)b.x[0])[0];
		for (int k = 0; k < 4; k++)
			ck_assert_int_eq(vocabulary_token(p->source, (int)b.x[k])[0], first + k);
		begins[first - 'a'] = true;
	}
	for (int k = 0; k <= 6; k++)
		ck_assert_msg(begins[k], "no crop begins at %d", k);
	load_one(x, &b, SHARE_VALIDATION, 0, 0);
	ck_assert_int_eq(vocabulary_token(p->source, (int)b.x[0])[0], 'g');
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* ---- order ---- */

/* Each example once; another epoch, another order; the same epoch, the same. */
START_TEST(an_order_has_each_once)
{
	struct recipe r;
	uint32_t order[35], again[35], other[35];
	text_recipe(&r, PRESET_SEQ2SEQ, 10, 7);
	struct examples *x = new_examples(&r, many_pairs());
	struct place *place = calloc(examples_places(x), sizeof *place);
	examples_order(x, SHARE_TRAIN, 1, order, place);
	examples_order(x, SHARE_TRAIN, 1, again, place);
	examples_order(x, SHARE_TRAIN, 2, other, place);
	ck_assert_int_eq(memcmp(order, again, sizeof order), 0);
	ck_assert_int_ne(memcmp(order, other, sizeof order), 0);
	bool seen[35] = { false };
	for (int i = 0; i < 35; i++) {
		ck_assert(order[i] < 35 && !seen[order[i]]);
		seen[order[i]] = true;
	}
	free(place);
	examples_free(x);
}
END_TEST

/* A share of what is read, never of what is told, other places in each epoch; validation reads all. */
START_TEST(dropped_tokens_are_read_as_unknown)
{
	struct recipe r;
	struct batch b, again;
	size_t n = 0, dropped = 0, moved = 0;
	text_recipe(&r, PRESET_CHAR_RNN, 3, 1);
	r.random_crop = false;
	r.token_dropout = 0.25;
	r.train = 0.8;
	r.validation = r.test = 0.1;
	struct examples *x = new_examples(&r, texts(alphabet, 3, 1));
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	ck_assert_int_eq(batch_init(&again, x, 16, NULL), ERR_OK);
	for (int epoch = 1; epoch <= 300; epoch++)
		for (size_t i = 0; i < x->count[SHARE_TRAIN]; i++) {
			load_one(x, &b, SHARE_TRAIN, i, epoch);
			load_one(x, &again, SHARE_TRAIN, i, epoch + 1);
			for (size_t k = 0; k < 3; k++) {
				const float read = (float)corpus_of(x)->token[i * 3 + k];
				ck_assert(b.x[k] == read || b.x[k] == TOKEN_UNKNOWN);
				ck_assert(b.target[k] == (float)corpus_of(x)->token[i * 3 + k + 1]);
				n++;
				dropped += b.x[k] != read;
				moved += b.x[k] != again.x[k];
			}
		}
	ck_assert_msg(fabs((double)dropped - 0.25 * (double)n) <= 5 * sqrt((double)n * 0.25 * 0.75), "%zu of %zu", dropped, n);
	ck_assert_msg(fabs((double)moved - 0.375 * (double)n) <= 5 * sqrt((double)n * 0.375 * 0.625), "%zu of %zu", moved, n);
	load_one(x, &b, SHARE_VALIDATION, 0, 0);
	for (int k = 0; k < b.T; k++)
		ck_assert(b.x[k] == (float)corpus_of(x)->token[corpus_of(x)->first[1] + (size_t)k - 1]);
	batch_fini(&again);
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* Row k of the minibatches reads one run from end to end, in every epoch the same; what is left over comes last. */
START_TEST(stateful_minibatches_go_on)
{
	struct recipe r;
	uint32_t order[32], later[32];
	text_recipe(&r, PRESET_CHAR_RNN, 2, 1);
	r.random_crop = false;
	r.stateful = true;
	r.batch_size = 4;
	r.train = 0.8;
	r.validation = r.test = 0.1;
	struct examples *x = new_examples(&r, texts(alphabet, 3, 1));
	size_t n = x->count[SHARE_TRAIN], length = n / 4;
	ck_assert(n <= 32 && length >= 2 && n % 4 > 0);
	examples_order(x, SHARE_TRAIN, 1, order, NULL);
	examples_order(x, SHARE_TRAIN, 2, later, NULL);
	for (size_t i = 0; i < n; i++) {
		ck_assert_uint_eq(order[i], i < length * 4 ? i % 4 * length + i / 4 : i);
		ck_assert_uint_eq(later[i], order[i]);
	}
	examples_free(x);
}
END_TEST

/* ---- series ---- */

/* What reconstructs has its window for a target, within its share, standardised by the training rows. */
START_TEST(a_window_is_its_own_target)
{
	struct recipe r;
	struct batch b;
	fixture_recipe(&r);
	recipe_preset(&r, PRESET_AUTOENCODER);
	r.window = 16;
	r.train = 0.6;
	r.validation = r.test = 0.2;
	recipe_settle(&r);
	struct frame *f = fixture_sine(200, 0.1);
	double *y = calloc(200, sizeof *y), mean = 0, square = 0;
	memcpy(y, f->column[0].number, 200 * sizeof *y);
	for (int i = 0; i < 120; i++)
		mean += y[i] / 120;
	for (int i = 0; i < 120; i++)
		square += (y[i] - mean) * (y[i] - mean) / 120;
	struct examples *x = new_examples(&r, f);
	const size_t first[] = { 0, 120, 160 };
	ck_assert(x->count[0] == 120 - 16 + 1 && x->count[1] == 40 - 16 + 1 && x->count[2] == 40 - 16 + 1);
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	for (int s = 0; s < SHARES; s++)
		for (size_t i = 0; i < x->count[s]; i++) {
			load_one(x, &b, (enum share)s, i, 0);
			ck_assert(b.T == 16 && b.S == 16);
			for (size_t k = 0; k < 16; k++) {
				ck_assert(b.x[k] == b.target[k]);
				ck_assert(fabs((double)b.x[k] - (y[first[s] + i + k] - mean) / sqrt(square)) <= 1e-5);
			}
		}
	free(y);
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* A crop is a shorter window with the same end and the same future. */
START_TEST(crops_keep_the_newest_rows)
{
	struct recipe r;
	struct batch b, whole;
	fixture_recipe(&r);
	r.random_crop = true;
	struct examples *x = new_examples(&r, fixture_sine(200, 0.1));
	bool seen[17] = { false };
	ck_assert(x->ragged);
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	ck_assert_int_eq(batch_init(&whole, x, 16, NULL), ERR_OK);
	for (int epoch = 1; epoch <= 100; epoch++) {
		load_one(x, &b, SHARE_TRAIN, (size_t)epoch % 5, epoch);
		load_one(x, &whole, SHARE_TRAIN, (size_t)epoch % 5, 0);
		ck_assert(b.T >= 8 && b.T <= 16 && whole.T == 16 && b.S == 4);
		seen[b.T] = true;
		ck_assert_int_eq(memcmp(b.x, whole.x + (16 - b.T), (size_t)b.T * sizeof *b.x), 0);
		ck_assert_int_eq(memcmp(b.target, whole.target, 4 * sizeof *b.target), 0);
	}
	for (int n = 8; n <= 16; n++)
		ck_assert_msg(seen[n], "no crop has %d rows", n);
	batch_fini(&whole);
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* The next window's last change is the target of this one, turned round: with an instance norm in the same units. */
START_TEST(an_instance_norm_shares_units)
{
	struct recipe r;
	struct batch b;
	fixture_recipe(&r);
	r.instance_norm = true;
	struct examples *x = new_examples(&r, fixture_sine(200, 0.1));
	ck_assert_int_eq(batch_init(&b, x, 16, NULL), ERR_OK);
	for (size_t i = 0; i + 1 < x->count[SHARE_TRAIN]; i++) {
		load_one(x, &b, SHARE_TRAIN, i, 0);
		float next = b.target[0];
		load_one(x, &b, SHARE_TRAIN, i + 1, 0);
		ck_assert(fabsf(next + b.x[14]) <= 1e-5f && b.x[15] == 0);
	}
	batch_fini(&b);
	examples_free(x);
}
END_TEST

/* ---- pairs of tokens ---- */

START_TEST(bigrams_count)
{
	static const int32_t token[] = { 0, 1, 2, 1, 2, 1, 3, 1, 2 };
	static const struct { int32_t a, b; double p; } want[] = {
		{ 0, 1, 2.0 / 6 }, { 0, 0, 1.0 / 6 }, { 1, 2, 4.0 / 9 }, { 1, 3, 2.0 / 9 }, { 1, 1, 1.0 / 9 }, { 2, 1, 3.0 / 7 },
		{ 4, 4, 1.0 / 5 },   /* never seen */
	};
	struct bigram *b = NULL;
	ck_assert_int_eq(bigram_new(token, 9, 5, &b, NULL), ERR_OK);
	for (size_t i = 0; i < sizeof want / sizeof *want; i++)
		ck_assert_msg(fabs(bigram_nats(b, want[i].a, want[i].b) + log(want[i].p)) <= 1e-12, "%d %d", want[i].a, want[i].b);
	ck_assert(bigram_likeliest(b, 1) == 2 && bigram_likeliest(b, 2) == 1 && bigram_likeliest(b, 0) == 1);
	for (int32_t a = 0; a < 5; a++) {
		double sum = 0;
		for (int32_t next = 0; next < 5; next++)
			sum += exp(-bigram_nats(b, a, next));
		ck_assert(fabs(sum - 1) <= 1e-12);
	}
	bigram_free(b);
	ck_assert_int_eq(bigram_new(token, 1, 5, &b, NULL), ERR_OK);   /* no pair at all */
	ck_assert(fabs(bigram_nats(b, 1, 2) - log(5)) <= 1e-12);
	bigram_free(b);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("examples");
	TCase *c = tcase_create("examples");
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, a_corpus_is_cut_where_a_character_begins);
	tcase_add_test(c, each_token_is_told_from_those_before);
	tcase_add_test(c, crops_shift_a_corpus);
	tcase_add_test(c, pairs_are_laid_out_side_by_side);
	tcase_add_test(c, rows_are_dealt_out_once);
	tcase_add_test(c, crops_of_a_text_lie_anywhere);
	tcase_add_test(c, an_order_has_each_once);
	tcase_add_test(c, stateful_minibatches_go_on);
	tcase_add_test(c, dropped_tokens_are_read_as_unknown);
	tcase_add_test(c, a_window_is_its_own_target);
	tcase_add_test(c, crops_keep_the_newest_rows);
	tcase_add_test(c, an_instance_norm_shares_units);
	tcase_add_test(c, bigrams_count);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

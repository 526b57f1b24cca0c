/* Every preset through a training: it learns what can be learnt, its bits depend on nothing but recipe and data, and a
 * restored one continues bit for bit. */
#include "fixture.h"

#include "model/base/rng.h"
#include "model/nn/network.h"
#include "model/trainer_state.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

#define EPOCHS 3
#define LINES  900   /* of the corpus */

/* ---- data ---- */

static struct frame *new_texts(const char *first, const char *second)
{
	struct frame *f = frame_new();
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(frame_add_column(f, first, COLUMN_TEXT, NULL), ERR_OK);
	if (second)
		ck_assert_int_eq(frame_add_column(f, second, COLUMN_TEXT, NULL), ERR_OK);
	return f;
}

static void add_row(struct frame *f, const char *first, const char *second)
{
	size_t row = f->rows;
	ck_assert_int_eq(frame_add_row(f, NULL), ERR_OK);
	ck_assert_int_eq(frame_set_text(f, 0, row, first, strlen(first), NULL), ERR_OK);
	if (second)
		ck_assert_int_eq(frame_set_text(f, 1, row, second, strlen(second), NULL), ERR_OK);
}

/* Two kinds of lines in turn: what follows an "a" depends on which, so that pairs of characters do not tell. */
static struct frame *corpus(void)
{
	struct frame *f = new_texts("text", NULL);
	for (int i = 0; i < LINES; i++)
		add_row(f, i % 2 ? "xa1 xa2 xa3" : "ya3 ya2 ya1", NULL);
	return f;
}

/* The label is which of two letters a text of up to 12 holds. */
static struct frame *labelled(void)
{
	struct frame *f = new_texts("text", "label");
	struct rng rng;
	char text[16];
	rng_init(&rng, 9, RNG_TEST, 0);
	for (int i = 0; i < 300; i++) {
		size_t n = 2 + (size_t)rng_below(&rng, 10);
		bool good = rng_below(&rng, 2);
		for (size_t k = 0; k < n; k++)
			text[k] = (char)('a' + rng_below(&rng, 4));
		text[rng_below(&rng, n)] = good ? '+' : '-';
		text[n] = 0;
		add_row(f, text, good ? "good" : "bad");
	}
	return f;
}

/* Up to five letters in capitals. */
static struct frame *pairs(void)
{
	struct frame *f = new_texts("from", "to");
	struct rng rng;
	char from[8], to[8];
	rng_init(&rng, 11, RNG_TEST, 0);
	for (int i = 0; i < 600; i++) {
		size_t n = 1 + (size_t)rng_below(&rng, 5);
		for (size_t k = 0; k < n; k++) {
			from[k] = (char)('a' + rng_below(&rng, 5));
			to[k] = (char)(from[k] - 'a' + 'A');
		}
		from[n] = to[n] = 0;
		add_row(f, from, to);
	}
	return f;
}

static struct frame *sine(void)
{
	return fixture_sine(600, 0.1);
}

/* ---- one of each ---- */

static const struct task_case {
	const char *name;
	enum preset preset;
	struct frame *(*data)(void);
	const char *target;
	int window, horizon, hidden, epochs;
	double rate;
	double loss, baseline;       /* of the model on the test part at most, of the baseline at least: scores below */
	enum encoder_type encoder;
	enum decoder_type decoder;
	bool batch_norm, instance_norm, crop, reverse, orthogonal, stateful;
	double dropout, teacher, weight_dropout, token_dropout, average;
	int cache;
} cases[] = {
	{ "segments", PRESET_SEGMENT_GRU, sine, "y", 24, 6, 12, 12, 0.01, 0.3, 1.5, ENCODER_GRU, DECODER_SEGMENT,
	  .dropout = 0.1 },
	{ "autoencoder", PRESET_AUTOENCODER, sine, "y", 16, 1, 12, 16, 0.01, 0.2, 1.8, ENCODER_LSTM, DECODER_RECONSTRUCT,
	  .orthogonal = true },
	{ "cropped autoencoder", PRESET_AUTOENCODER, sine, "y", 16, 1, 12, 16, 0.01, 0.9, 1.8, ENCODER_GRU, DECODER_RECONSTRUCT,
	  .crop = true },
	{ "cropped pool", PRESET_LSTM, sine, "y", 24, 4, 12, 12, 0.01, 0.5, 1.1, ENCODER_LSTM, DECODER_POOL, .crop = true,
	  .batch_norm = true },
	{ "teacher", PRESET_ATTENTION_LSTM, sine, "y", 16, 4, 12, 12, 0.01, 0.3, 1.1, ENCODER_LSTM, DECODER_ATTENTION,
	  .teacher = 0.5, .reverse = true },
	{ "segments, instance norm", PRESET_SEGMENT_GRU, sine, "y", 24, 6, 12, 12, 0.01, 0.3, 1.5, ENCODER_GRU,
	  DECODER_SEGMENT, .instance_norm = true },
	{ "teacher, instance norm", PRESET_ATTENTION_GRU, sine, "y", 16, 4, 12, 12, 0.01, 0.3, 1.1, ENCODER_GRU,
	  DECODER_ATTENTION, .teacher = 0.5, .instance_norm = true },
	{ "language", PRESET_CHAR_RNN, corpus, NULL, 24, 1, 24, 20, 0.02, 0.05, 0.5, ENCODER_LSTM, DECODER_TOKEN, .crop = true },
	{ "language, gru", PRESET_CHAR_RNN, corpus, "text", 16, 1, 24, 20, 0.02, 0.05, 0.5, ENCODER_GRU, DECODER_TOKEN,
	  .batch_norm = true, .orthogonal = true },
	{ "language, stateful", PRESET_CHAR_RNN, corpus, NULL, 12, 1, 24, 20, 0.02, 0.05, 0.5, ENCODER_LSTM, DECODER_TOKEN,
	  .crop = true, .stateful = true, .weight_dropout = 0.2, .token_dropout = 0.05,
	  .average = 0.9, .cache = 40 },
	{ "language, stateful gru", PRESET_CHAR_RNN, corpus, NULL, 12, 1, 24, 20, 0.02, 0.05, 0.5, ENCODER_GRU, DECODER_TOKEN,
	  .stateful = true, .dropout = 0.1 },
	{ "labels", PRESET_CLASSIFIER, labelled, "label", 16, 1, 12, 20, 0.02, 0.05, 0.4, ENCODER_LSTM, DECODER_POOL,
	  .dropout = 0.1 },
	{ "cropped labels", PRESET_CLASSIFIER, labelled, "label", 9, 1, 12, 20, 0.02, 0.15, 0.4, ENCODER_GRU, DECODER_MEAN,
	  .crop = true, .batch_norm = true },
	{ "answers", PRESET_SEQ2SEQ, pairs, "to", 8, 8, 24, 25, 0.02, 0.2, 0.9, ENCODER_LSTM, DECODER_ATTENTION, .teacher = 1 },
	{ "answers, gru", PRESET_SEQ2SEQ, pairs, "to", 8, 8, 24, 25, 0.02, 0.45, 0.9, ENCODER_GRU, DECODER_ATTENTION,
	  .teacher = 0.7, .batch_norm = true },
};
#define FIRST_TEXT 7    /* of the cases: "language" */

static void make_recipe(const struct task_case *c, struct recipe *r)
{
	recipe_default(r);
	recipe_preset(r, c->preset);
	strcpy(r->dataset, "d");
	strcpy(r->model, "m");
	if (c->target)
		strcpy(r->target[r->targets++], c->target);
	r->window = c->window;
	r->horizon = c->horizon;
	r->hidden = c->hidden;
	if (r->categorical)
		r->embedding = 8;
	r->batch_size = 32;
	r->epochs = c->epochs;
	r->learning_rate = c->rate;
	r->scheduler = SCHEDULER_NONE;
	r->encoder = c->encoder;
	r->decoder = c->decoder;
	r->bidirectional = c->preset == PRESET_CLASSIFIER;
	r->batch_norm = c->batch_norm;
	r->instance_norm = c->instance_norm;
	r->random_crop = c->crop;
	r->reverse = c->reverse;
	r->stateful = c->stateful;
	r->weight_dropout = c->weight_dropout;
	r->token_dropout = c->token_dropout;
	r->average_decay = c->average;
	r->cache = c->cache;
	r->init.orthogonal = c->orthogonal;
	r->init.forget_bias = c->encoder == ENCODER_LSTM ? 1 : 0;
	r->dropout = c->dropout;
	r->layers = c->dropout > 0 && c->decoder != DECODER_SEGMENT ? 2 : 1;
	if (c->teacher > 0)
		r->teacher_forcing = c->teacher;
	recipe_settle(r);
	struct error e = { 0 };
	ck_assert_msg(recipe_check(r, &e) == ERR_OK, "%s: %s %s", c->name, e.where, e.what);
}

static struct trainer *new_trainer(const struct task_case *c, int epochs)
{
	struct recipe r;
	make_recipe(c, &r);
	if (epochs)
		r.epochs = epochs;
	return fixture_trainer(&r, c->data());
}

/* The score that decides the verdict, so that less is better. */
static double loss_of(const struct evaluation *v)
{
	switch (v->task) {
	case TASK_GENERATE: return v->text.nats;
	case TASK_CLASSIFY: return 1 - v->text.accuracy;
	case TASK_TRANSLATE: return 1 - v->text.exact;
	default: return v->model.mae;
	}
}

static double baseline_of(const struct evaluation *v)
{
	switch (v->task) {
	case TASK_FORECAST: return v->baseline[BASELINE_NAIVE].mae;
	case TASK_RECONSTRUCT: return v->baseline[BASELINE_MEAN].mae;
	case TASK_GENERATE: return v->text_baseline.nats;
	case TASK_CLASSIFY: return 1 - v->text_baseline.accuracy;
	default: return 1 - v->text_baseline.exact;
	}
}

START_TEST(it_learns)
{
	const struct task_case *c = &cases[_i];
	struct epoch_report first, last;
	struct trained made = { 0 };
	struct evaluation v = { 0 };
	struct error e = { 0 };
	struct trainer *t = new_trainer(c, 0);
	float *params = calloc(trainer_plan(t)->weights, sizeof *params);
	ck_assert_int_eq(fixture_epoch(t, 2, &first, NULL), ERR_OK);
	ck_assert_int_eq(fixture_train(t, 2, &last, NULL), ERR_OK);
	ck_assert_msg(last.train_loss < 0.7 * first.train_loss, "%s: %g, then %g", c->name, first.train_loss, last.train_loss);
	ck_assert_msg(trainer_finish(t, &made, params, &v, &e) == ERR_OK, "%s: %s %s", c->name, e.where, e.what);
	ck_assert_int_eq(v.task, recipe_task(&t->recipe));
	ck_assert((v.task >= TASK_GENERATE) == (made.text != NULL) && !made.text == (made.forecaster != NULL));
	ck_assert_msg(loss_of(&v) <= c->loss, "%s: loss %g", c->name, loss_of(&v));
	ck_assert_msg(baseline_of(&v) >= c->baseline, "%s: baseline %g", c->name, baseline_of(&v));
	ck_assert_int_eq(v.verdict, VERDICT_BETTER);
	ck_assert(v.p_value < 0.05);
	double skill = v.task == TASK_FORECAST ? v.skill[0] : v.task == TASK_RECONSTRUCT ? v.skill[BASELINE_MEAN] : v.text_skill;
	ck_assert_msg(fabs(skill - (1 - loss_of(&v) / baseline_of(&v))) <= 1e-12, "skill %g", skill);
	ck_assert_int_eq(memcmp(params, t->best, t->plan.weights * sizeof *params), 0);
	evaluation_fini(&v);
	trained_fini(&made);
	free(params);
	trainer_free(t);
}
END_TEST

static void save(const struct trainer *t, struct strbuf *out)
{
	strbuf_init(out, 1 << 26);
	trainer_save(t, out);
	ck_assert(strbuf_ok(out));
}

static void assert_same(const struct strbuf *a, const struct strbuf *b)
{
	ck_assert_uint_eq(a->len, b->len);
	ck_assert_int_eq(memcmp(a->s, b->s, a->len), 0);
}

START_TEST(threads_do_not_change_a_bit)
{
	struct strbuf state[3];
	for (int i = 0; i < 3; i++) {
		struct trainer *t = new_trainer(&cases[_i], 2);
		ck_assert_int_eq(fixture_train(t, 1 << i, NULL, NULL), ERR_OK);
		save(t, &state[i]);
		trainer_free(t);
	}
	assert_same(&state[0], &state[1]);
	assert_same(&state[0], &state[2]);
	for (int i = 0; i < 3; i++)
		strbuf_fini(&state[i]);
}
END_TEST

START_TEST(a_restored_training_continues_bit_for_bit)
{
	struct strbuf state[EPOCHS + 1], end;
	struct epoch_report report;
	struct trainer *t = new_trainer(&cases[_i], EPOCHS);
	save(t, &state[0]);
	for (int i = 1; i <= EPOCHS; i++) {
		ck_assert_int_eq(fixture_epoch(t, 1, &report, NULL), ERR_OK);
		save(t, &state[i]);
	}
	trainer_free(t);
	for (int i = 0; i <= EPOCHS; i++) {
		struct error e = { 0 };
		t = new_trainer(&cases[_i], EPOCHS);
		ck_assert_msg(trainer_load(t, state[i].s, state[i].len, &e) == ERR_OK, "%s", e.what);
		ck_assert_int_eq(fixture_train(t, 2, NULL, NULL), ERR_OK);
		save(t, &end);
		assert_same(&end, &state[EPOCHS]);
		strbuf_fini(&end);
		trainer_free(t);
	}
	for (int i = 0; i <= EPOCHS; i++)
		strbuf_fini(&state[i]);
}
END_TEST

/* A state belongs to its texts. */
START_TEST(a_state_of_other_texts_is_refused)
{
	struct recipe r;
	struct strbuf state;
	struct error e;
	struct trainer *t = new_trainer(&cases[_i], 1);
	save(t, &state);
	make_recipe(&cases[_i], &r);
	r.epochs = 1;
	trainer_free(t);
	struct frame *f = cases[_i].data(), *other = frame_new();
	/* the same rows, but for the last */
	for (int c = 0; c < f->columns; c++)
		ck_assert_int_eq(frame_add_column(other, f->column[c].name, COLUMN_TEXT, NULL), ERR_OK);
	for (size_t i = 0; i < f->rows; i++) {
		size_t from = i + 1 < f->rows ? i : 0;
		add_row(other, frame_text(f, 0, from), f->columns > 1 ? frame_text(f, 1, from) : NULL);
	}
	frame_free(f);
	t = fixture_trainer(&r, other);
	ck_assert_int_eq(trainer_load(t, state.s, state.len, &e), ERR_SYNTAX);
	strbuf_fini(&state);
	trainer_free(t);
}
END_TEST

/* ---- batch norm ---- */

/* What is measured is not moved by the optimiser, nor decayed, nor clipped; it follows the shards' own statistics. */
START_TEST(statistics_are_measured)
{
	const struct task_case *c = &cases[3];
	struct recipe r;
	make_recipe(c, &r);
	r.weight_decay = 0.5;
	r.learning_rate = 1e-8;
	struct trainer *t = fixture_trainer(&r, c->data());
	const struct tensor_run s = t->statistics;
	size_t width = s.count / 2;
	ck_assert(s.count > 0 && width == 12);
	float mean[12], variance[12];
	memcpy(mean, t->now.weights + s.offset, sizeof mean);
	memcpy(variance, t->now.weights + s.offset + width, sizeof variance);
	struct trainer_ws *w = NULL;
	ck_assert_int_eq(trainer_ws_new(t, &w, NULL), ERR_OK);
	trainer_begin_epoch(t);
	int shards = trainer_begin_step(t);
	ck_assert_int_eq(shards, 2);
	for (int i = 0; i < shards; i++)
		trainer_shard(t, i, w);
	double own[24];
	for (size_t k = 0; k < s.count; k++)
		own[k] = ((double)t->gradient[s.offset + k] + (double)t->gradient[t->plan.weights + s.offset + k]) / shards;
	ck_assert_int_eq(trainer_end_step(t, NULL), ERR_OK);
	for (size_t k = 0; k < width; k++) {
		ck_assert(fabs((double)t->now.weights[s.offset + k] - (0.9 * (double)mean[k] + 0.1 * own[k])) <= 1e-6);
		ck_assert(fabs((double)t->now.weights[s.offset + width + k] - (0.9 * (double)variance[k] + 0.1 * own[width + k])) <= 1e-6);
	}
	trainer_ws_free(w);
	trainer_free(t);
}
END_TEST

/* ---- figures of texts ---- */

/* The model's own answers, one by one with the training execution, make the same figures. */
/* Half of what is trained on is drawn letters; then a word comes, over and over, that nobody has seen. */
static struct frame *new_word(void)
{
	struct frame *f = new_texts("text", NULL);
	struct rng rng;
	char row[] = "abcdefgh";
	rng_init(&rng, 6, RNG_TEST, 0);
	for (int i = 0; i < 400; i++) {
		for (int k = 0; k < 8; k++)
			row[k] = (char)('a' + rng_below(&rng, 8));
		add_row(f, i < 280 || i % 2 ? row : "hagbfced", NULL);
	}
	return f;
}

static double nats_with_cache(int cache, struct cache_options *chosen)
{
	struct task_case c = cases[FIRST_TEXT];
	struct recipe r;
	struct trained made = { 0 };
	struct evaluation v = { 0 };
	c.cache = cache;
	make_recipe(&c, &r);
	r.epochs = 2;
	struct trainer *t = fixture_trainer(&r, new_word());
	float *params = calloc(trainer_plan(t)->weights, sizeof *params);
	ck_assert_int_eq(fixture_train(t, 2, NULL, NULL), ERR_OK);
	ck_assert_int_eq(trainer_finish(t, &made, params, &v, NULL), ERR_OK);
	*chosen = made.text->cache;
	double nats = v.text.nats;
	evaluation_fini(&v);
	trained_fini(&made);
	free(params);
	trainer_free(t);
	return nats;
}

START_TEST(a_cache_knows_what_has_been_said)
{
	struct cache_options none, chosen;
	double without = nats_with_cache(0, &none), with = nats_with_cache(300, &chosen);
	ck_assert(none.size == 0 && chosen.size == 300 && chosen.sharpness > 0 && chosen.share > 0);
	ck_assert_msg(with < without - 0.1, "%g nats with, %g without", with, without);
}
END_TEST

START_TEST(nats_are_those_of_one_long_text)
{
	const struct task_case *c = &cases[FIRST_TEXT];
	struct trained made = { 0 };
	struct evaluation v = { 0 };
	struct trainer *t = new_trainer(c, 4);
	float *params = calloc(trainer_plan(t)->weights, sizeof *params);
	ck_assert_int_eq(fixture_train(t, 2, NULL, NULL), ERR_OK);
	ck_assert_int_eq(trainer_finish(t, &made, params, &v, NULL), ERR_OK);

	const char *text = "xa1 xa2 xa3\nya3 ya2 ya1\n";   /* 24 characters a turn; the split is known by its shares */
	size_t bytes = LINES * 12 - 1, from = (size_t)llround((double)bytes * (1 - t->recipe.test)), n = bytes - from;
	ck_assert_uint_eq(v.tokens, n);
	float *x = calloc(n, sizeof *x), *y = calloc(n * (size_t)t->net.classes, sizeof *y);
	int *truth = calloc(n, sizeof *truth);
	for (size_t i = 0; i < n; i++) {
		int32_t before, token;
		/* line 0 is of the second kind */
		ck_assert_uint_eq(vocabulary_encode(made.text->source, &text[(from + i - 1 + 12) % 24], 1, &before, 1), 1);
		ck_assert_uint_eq(vocabulary_encode(made.text->source, &text[(from + i + 12) % 24], 1, &token, 1), 1);
		x[i] = (float)before;
		truth[i] = token;
	}
	float *ws = floats_new(network_scratch(&t->net, (int)n, 1), 1);
	const int length = (int)n;
	network_forward(&t->net, params, &(struct network_input){ .T = length, .B = 1, .lengths = &length, .x = x },
	                &(struct network_output){ .y = y }, ws);
	double nats = 0;
	for (size_t i = 0; i < n; i++) {
		double sum = 0;
		const float *score = y + i * (size_t)t->net.classes;
		for (int k = 0; k < t->net.classes; k++)
			sum += exp((double)score[k]);
		nats += log(sum) - (double)score[truth[i]];
	}
	ck_assert_msg(fabs(nats / (double)n - v.text.nats) <= 1e-4, "%g, not %g", v.text.nats, nats / (double)n);
	free(x);
	free(y);
	free(truth);
	free(ws);
	free(params);
	trained_fini(&made);
	evaluation_fini(&v);
	trainer_free(t);
}
END_TEST

/* ---- what is refused ---- */

static struct frame *few(void)
{
	struct frame *f = new_texts("text", "label");
	add_row(f, "a", "x");
	add_row(f, "", "y");
	add_row(f, "b", "y");
	add_row(f, "c", "");
	return f;
}

static struct frame *one_label(void)
{
	struct frame *f = new_texts("text", "label");
	for (int i = 0; i < 30; i++)
		add_row(f, "some", "same");
	return f;
}

static struct frame *three_texts(void)
{
	struct frame *f = frame_new();
	ck_assert_int_eq(frame_add_column(f, "a", COLUMN_TEXT, NULL), ERR_OK);
	ck_assert_int_eq(frame_add_column(f, "b", COLUMN_TEXT, NULL), ERR_OK);
	ck_assert_int_eq(frame_add_column(f, "c", COLUMN_TEXT, NULL), ERR_OK);
	return f;
}

static struct frame *no_text(void)
{
	return fixture_sine(50, 0);
}

static struct frame *empty_corpus(void)
{
	struct frame *f = new_texts("text", NULL);
	for (int i = 0; i < 2; i++)
		add_row(f, "", NULL);
	return f;
}

static struct frame *long_answer(void)
{
	struct frame *f = pairs();
	add_row(f, "a", "AAAAAAAA");   /* with its end, 9 */
	return f;
}

/* 3,000 different words, in a window of 1,000. */
static struct frame *many_words(void)
{
	struct frame *f = new_texts("text", NULL);
	char word[16];
	for (int i = 0; i < 3000; i++) {
		snprintf(word, sizeof word, "w%d", i);
		add_row(f, word, NULL);
	}
	return f;
}

static const struct {
	struct frame *(*data)(void);
	enum preset preset;
	const char *target, *feature, *where, *says;
	bool at_once;                 /* trainer_check says so, too */
} refusals[] = {
	{ few,          PRESET_CLASSIFIER, "label", NULL,   "/dataset",    "2 rows",                   false },
	{ one_label,    PRESET_CLASSIFIER, "label", NULL,   "/target",     "same label, \"same\"",     false },
	{ three_texts,  PRESET_CLASSIFIER, "c",     NULL,   "/features",   "2 columns hold text",      true },
	{ three_texts,  PRESET_CHAR_RNN,   NULL,    NULL,   "/target",     "3 columns hold text",      true },
	{ three_texts,  PRESET_SEQ2SEQ,    "c",     "c",    "/features/0", "is the target",            true },
	{ no_text,      PRESET_CHAR_RNN,   NULL,    NULL,   "/target",     "0 columns hold text",      true },
	{ no_text,      PRESET_CHAR_RNN,   "y",     NULL,   "/target/0",   "?text=y",                  true },
	{ labelled,     PRESET_CLASSIFIER, "lable", NULL,   "/target/0",   "did you mean \"label\"",   true },
	{ labelled,     PRESET_CLASSIFIER, "label", "txt",  "/features/0", "did you mean \"text\"",    true },
	{ labelled,     PRESET_LSTM,       "label", NULL,   "/target/0",   "not numbers",              true },
	{ many_words,   PRESET_CHAR_RNN,   NULL,    NULL,   "/text/max_vocabulary", "2097152",         false },
	{ empty_corpus, PRESET_CHAR_RNN,   NULL,    NULL,   "/dataset",    "no word",                  false },
	{ long_answer,  PRESET_SEQ2SEQ,    "to",    "from", "/horizon",    "row 601 has 8 tokens",     false },
};

START_TEST(bad_texts_are_refused)
{
	struct recipe r;
	struct trainer *t = NULL;
	struct error e = { 0 };
	fixture_recipe(&r);
	recipe_preset(&r, refusals[_i].preset);
	r.targets = r.features = 0;
	if (refusals[_i].target)
		strcpy(r.target[r.targets++], refusals[_i].target);
	if (refusals[_i].feature)
		strcpy(r.feature[r.features++], refusals[_i].feature);
	if (r.preset == PRESET_SEQ2SEQ)
		r.horizon = 8;
	if (r.preset == PRESET_CHAR_RNN) {
		r.unit = TOKEN_WORD;
		r.window = 1000;
	}
	struct frame *f = refusals[_i].data();
	if (refusals[_i].at_once) {
		ck_assert_int_eq(trainer_check(&r, f, 600, &e), ERR_INVALID);
		ck_assert_str_eq(e.where, refusals[_i].where);
		ck_assert_msg(strstr(e.what, refusals[_i].says) != NULL, "%s", e.what);
	}
	ck_assert_int_eq(trainer_new(&r, f, &t, &e), ERR_INVALID);
	ck_assert_ptr_null(t);
	ck_assert_str_eq(e.where, refusals[_i].where);
	ck_assert_msg(strstr(e.what, refusals[_i].says) != NULL, "%s", e.what);
	frame_free(f);
}
END_TEST

#define COUNT(table) (int)(sizeof(table) / sizeof *(table))

int main(void)
{
	Suite *s = suite_create("tasks");
	TCase *c = tcase_create("tasks");
	suite_add_tcase(s, c);
	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, it_learns, 0, COUNT(cases));
	tcase_add_loop_test(c, threads_do_not_change_a_bit, 0, COUNT(cases));
	tcase_add_loop_test(c, a_restored_training_continues_bit_for_bit, 0, COUNT(cases));
	tcase_add_loop_test(c, a_state_of_other_texts_is_refused, FIRST_TEXT, COUNT(cases));
	tcase_add_test(c, statistics_are_measured);
	tcase_add_test(c, nats_are_those_of_one_long_text);
	tcase_add_test(c, a_cache_knows_what_has_been_said);
	tcase_add_loop_test(c, bad_texts_are_refused, 0, COUNT(refusals));
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* test_text_model.c - texts from models with drawn weights, held against a plain loop over the training execution; the
 * same text in any company, by any seed's word; what is refused; failing allocations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/base/utf8.h"
#include "model/trained.h"
#include "tests/unit/text/faults.h"
#include "tests/unit/text/toy.h"

#include "tests/unit/series/suite.h"

#define ROWS 40        /* more than a group of the inference execution */
#define MOST 128       /* tokens of any test's input and answer together */
#define CLASSES 64
#define COUNT(a) (int)(sizeof (a) / sizeof (a)[0])

static struct text_ws *workspace(const struct text_model *m)
{
	struct text_ws *w = NULL;

	ck_assert_int_eq(text_ws_new(ROWS, &w, NULL), ERR_OK);
	ck_assert_int_eq(text_ws_reserve(w, m, NULL), ERR_OK);
	return w;
}

/* Turns until all n jobs are over; those that are leave the line. */
static void run_all(const struct text_model *m, struct text_ws *w, struct text_job *job, int n)
{
	struct text_job *line[ROWS];
	bool done[ROWS];

	for (int i = 0; i < n; i++)
		line[i] = &job[i];
	for (int turns = 0; n > 0; turns++) {
		int left = 0;
		ck_assert_int_lt(turns, 1000);
		ck_assert_int_eq(text_model_run(m, w, line, n, done, NULL), ERR_OK);
		for (int i = 0; i < n; i++)
			if (!done[i])
				line[left++] = line[i];
		n = left;
	}
}

static void run_one(const struct text_model *m, struct text_job *job)
{
	struct text_ws *w = workspace(m);

	run_all(m, w, job, 1);
	text_job_fini(job);
	text_ws_free(w);
}

static struct text_job job_of(const char *text, struct strbuf *out)
{
	strbuf_init(out, 1 << 20);
	return (struct text_job){
		.text = text, .len = strlen(text), .max_tokens = 30, .beam_width = 1, .max_answer = 9, .out = out,
	};
}

/* ---- which networks are models of texts ---- */

START_TEST(tasks)
{
	static const struct {
		enum decoder_type decoder;
		int vocabulary, classes;
		bool is;
		enum text_task task;
	} cases[] = {
		{ DECODER_TOKEN, 5, 5, true, TEXT_GENERATE }, { DECODER_LAST, 5, 2, true, TEXT_CLASSIFY },
		{ DECODER_MEAN, 5, 2, true, TEXT_CLASSIFY }, { DECODER_POOL, 5, 2, true, TEXT_CLASSIFY },
		{ DECODER_ATTENTION, 5, 7, true, TEXT_TRANSLATE }, { DECODER_RECONSTRUCT, 5, 5, false, 0 },
		{ DECODER_SEGMENT, 5, 5, false, 0 }, { DECODER_ATTENTION, 0, 7, false, 0 }, { DECODER_LAST, 5, 0, false, 0 },
	};

	for (int i = 0; i < COUNT(cases); i++) {
		const struct net_spec net = {
			.decoder = cases[i].decoder, .vocabulary = cases[i].vocabulary, .classes = cases[i].classes,
		};
		enum text_task task = TEXT_TRANSLATE;
		ck_assert_int_eq(text_task_of(&net, &task), cases[i].is);
		ck_assert(!cases[i].is || task == cases[i].task);
	}
}
END_TEST

enum answers_in { NO_TARGET, LABELS, CHARACTERS };
static const struct {
	const char *name;
	enum text_task task;
	enum encoder_type encoder;
	bool bidirectional, reverse;
	int horizon, more_vocabulary, more_classes, max_steps;
	enum answers_in target;
	const char *where, *what;
} refused[] = {
	{ "transformer", TEXT_GENERATE, ENCODER_TRANSFORMER, 0, 0, 1, 0, 0, 5, NO_TARGET, "encoder", "recurrent encoder of one" },
	{ "both ways", TEXT_GENERATE, ENCODER_GRU, 1, 0, 1, 0, 0, 5, NO_TARGET, "encoder", "recurrent encoder of one" },
	{ "backwards", TEXT_GENERATE, ENCODER_GRU, 0, 1, 1, 0, 0, 5, NO_TARGET, "encoder", "read forwards" },
	{ "two vocabularies", TEXT_GENERATE, ENCODER_GRU, 0, 0, 1, 0, 0, 5, CHARACTERS, "classes", "one vocabulary" },
	{ "other classes", TEXT_GENERATE, ENCODER_GRU, 0, 0, 1, 0, 1, 5, NO_TARGET, "classes", "one vocabulary" },
	{ "no window", TEXT_GENERATE, ENCODER_GRU, 0, 0, 1, 0, 0, 0, NO_TARGET, "window", "at least 1" },
	{ "source", TEXT_CLASSIFY, ENCODER_LSTM, 1, 0, 1, 1, 0, 5, LABELS, "vocabulary", "21 tokens, its vocabulary has 20 characters" },
	{ "no labels", TEXT_CLASSIFY, ENCODER_LSTM, 1, 0, 1, 0, 0, 5, NO_TARGET, "target", "labels" },
	{ "characters for labels", TEXT_CLASSIFY, ENCODER_LSTM, 1, 0, 1, 0, 0, 5, CHARACTERS, "target", "labels" },
	{ "labels lack", TEXT_CLASSIFY, ENCODER_LSTM, 1, 0, 1, 0, 2, 5, LABELS, "classes", "has 4 classes, its vocabulary 2" },
	{ "two steps", TEXT_CLASSIFY, ENCODER_LSTM, 1, 0, 2, 0, 0, 5, LABELS, "horizon", "one label" },
	{ "labels for words", TEXT_TRANSLATE, ENCODER_LSTM, 0, 0, 9, 0, 0, 5, LABELS, "target", "characters or words" },
	{ "what no network is", TEXT_CLASSIFY, ENCODER_TRANSFORMER, 1, 0, 1, 0, 0, 5, LABELS, "bidirectional", "" },
};

START_TEST(refuses)
{
	static const char *const label[] = { "a", "b" };
	struct vocabulary *source = toy_vocabulary(TOKEN_CHARACTER, toy_corpus[TOKEN_CHARACTER]), *target = NULL;
	struct net_spec net = toy_net(refused[_i].task, refused[_i].encoder);
	struct text_model *m = NULL;
	struct error e = { 0 };

	if (refused[_i].target == LABELS)
		ck_assert_int_eq(vocabulary_new(TOKEN_LABEL, label, 2, &target, NULL), ERR_OK);
	else if (refused[_i].target == CHARACTERS)
		target = toy_vocabulary(TOKEN_CHARACTER, "xyz");
	net.bidirectional = refused[_i].bidirectional;
	net.reverse = refused[_i].reverse;
	net.horizon = refused[_i].horizon;
	net.attention = net_additive(&net) ? 6 : 0;
	net.vocabulary = vocabulary_size(source) + refused[_i].more_vocabulary;
	net.classes = (refused[_i].task == TEXT_GENERATE ? net.vocabulary : 2) + refused[_i].more_classes;
	float *params = calloc(1 << 16, sizeof *params);
	ck_assert_ptr_nonnull(params);
	ck_assert_int_eq(text_model_new(&net, params, NULL, source, target, refused[_i].max_steps, &m, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, refused[_i].where);
	ck_assert_msg(strstr(e.what, refused[_i].what), "%s: %s", refused[_i].name, e.what);
	ck_assert_ptr_null(m);
	free(params);
}
END_TEST

/* ---- generate ---- */

static const struct {
	enum encoder_type encoder;
	int layers;
	bool batch_norm;
	enum token_unit unit;
	struct cache_options cache;
} speakers[] = {
	{ ENCODER_LSTM, 2, false, TOKEN_CHARACTER, { 0 } }, { ENCODER_GRU, 1, false, TOKEN_CHARACTER, { 0 } },
	{ ENCODER_RNN, 3, false, TOKEN_WORD, { 0 } }, { ENCODER_LSTM, 1, true, TOKEN_WORD, { 0 } },
	{ ENCODER_LSTM, 2, false, TOKEN_CHARACTER, { 500, 15, 0.3 } }, { ENCODER_GRU, 1, true, TOKEN_CHARACTER, { 5, 4, 0.9 } },
	{ ENCODER_RNN, 1, false, TOKEN_WORD, { 1, 30, 0.5 } }, { ENCODER_GRU, 1, false, TOKEN_CHARACTER, { 20, 10, 0 } },
};

/* The toy's cache, which toy_load() forgets. */
static void give_cache(struct toy *t, int i)
{
	if (speakers[i].cache.size)
		ck_assert_int_eq(text_model_set_cache(t->model, &speakers[i].cache, NULL), ERR_OK);
}

static void speaker(struct toy *t, int i, uint64_t seed)
{
	struct net_spec net = toy_net(TEXT_GENERATE, speakers[i].encoder);

	net.layers = speakers[i].layers;
	net.batch_norm = speakers[i].batch_norm;
	toy_init(t, &net, speakers[i].unit, seed);
	if (net.batch_norm) {
		size_t n;
		float *variance = toy_tensor(t, "norm.running_var", &n);
		for (size_t k = 0; k < n; k++)
			variance[k] = 1 + fabsf(variance[k]);
		toy_load(t);
	}
	give_cache(t, i);
}

static const char *const prompts[] = {
	"", "a", "abc", "one two", "one two three (four) five, six; don't stop: never! why? no.",
	"abcdefg", "abcdefgh", "abcdefghijabcdefghijabcdefghij", "é→😀 unknown: xyz",
};

static const struct sampling samplings[] = {
	{ 0, 0, 1 }, { 1, 0, 2 }, { 1, 0, 3 }, { 0.5, 0, 4 }, { 2.5, 3, 5 }, { 1, 1, 6 }, { 1, 1000, 7 }, { 1e-300, 0, 8 },
};

/* Of n scores the token that token number i of a text is, by sorting in the head and adding up. */
static int32_t plain_draw(const float *score, int n, const struct sampling *s, int i)
{
	double weight[CLASSES], sum = 0, at = 0;
	int32_t said = -1;
	struct rng r;

	for (int k = 0; k < n; k++) {
		int better = 0, best = 0;
		for (int other = 0; other < n; other++) {
			better += score[other] > score[k] || (score[other] == score[k] && other < k);
			best = score[other] > score[best] ? other : best;
		}
		if (s->temperature == 0 && better == 0)
			return k;
		bool kept = s->top_k == 0 || better < s->top_k;
		weight[k] = kept ? exp(((double)score[k] - score[best]) / s->temperature) : 0;
		sum += weight[k];
	}
	rng_init(&r, s->seed, RNG_SAMPLE, (uint32_t)i);
	double u = rng_uniform(&r);
	for (int k = 0; k < n && said < 0; k++) {
		at += weight[k];
		if (u * sum < at)
			said = k;
	}
	return said;
}

static double cosine(const float *a, const float *b, int n)
{
	double ab = 0, aa = 0, bb = 0;

	for (int k = 0; k < n; k++) {
		ab += (double)a[k] * b[k];
		aa += (double)a[k] * a[k];
		bb += (double)b[k] * b[k];
	}
	return ab / sqrt(aa * bb);
}

/* What a cache makes of the scores behind n tokens: state [n][width] is what stood behind each of them. */
static void plain_cache(const struct text_model *m, const int32_t *token, int n, const float *state, float *score)
{
	const struct cache_options *o = &m->cache;
	int classes = m->net.classes, width = net_width(&m->net), from = n - 1 > o->size ? n - 1 - o->size : 0;
	double memory[CLASSES] = { 0 }, sum = 0, log_probability[CLASSES];

	for (int i = from; i < n - 1; i++) {
		double weight = exp(o->sharpness * cosine(state + i * width, state + (n - 1) * width, width));
		memory[token[i + 1]] += weight;
		sum += weight;
	}
	for (int k = 0; k < classes; k++)
		log_probability[k] = toy_log_probability(score, classes, k);
	for (int k = 0; k < classes && sum > 0; k++)
		score[k] = (float)log((1 - o->share) * exp(log_probability[k]) + o->share * memory[k] / sum);
}

/* The job's text is what a plain loop says, which reads everything again for each token. */
static void check_text(const struct toy *t, const struct text_job *j)
{
	static float y[MOST * CLASSES], state[MOST * CLASSES];
	int32_t token[MOST] = { TOKEN_BOUNDARY };
	const struct text_model *m = t->model;
	int n = m->net.classes, prompt = (int)vocabulary_encode(m->source, j->text, j->len, token, MOST), said = 0;
	int begin = prompt ? prompt : 1;
	double log_probability = 0;
	bool ended = false;
	struct strbuf want;

	while (said < j->max_tokens && !ended) {
		toy_forward(t, token, begin + said, y, NULL);
		float *score = y + (size_t)(begin + said - 1) * n;
		if (m->cache.size) {
			toy_hidden(t, token, begin + said, state);
			plain_cache(m, token, begin + said, state, score);
		}
		token[begin + said] = plain_draw(score, n, &j->sampling, said);
		log_probability += toy_log_probability(score, n, token[begin + said]);
		ended = token[begin + said] == TOKEN_BOUNDARY;
		said += !ended;
	}
	strbuf_init(&want, 1 << 16);
	vocabulary_decode(m->source, token[begin - 1], token + begin, (size_t)said, &want);
	ck_assert_str_eq(j->out->s, want.s);
	strbuf_fini(&want);
	ck_assert_int_eq(j->tokens_in, prompt);
	ck_assert_int_eq(j->tokens_out, said);
	ck_assert(j->ended == ended && j->finite && !j->truncated);
	ck_assert(fabs(j->log_probability - log_probability) <= 1e-3);
}

/* All prompts with all samplings, each alone. */
START_TEST(generates_what_a_plain_loop_says)
{
	struct toy t;
	struct strbuf out;
	int ended = 0;

	speaker(&t, _i, 11);
	for (int p = 0; p < COUNT(prompts); p++)
		for (int s = 0; s < COUNT(samplings); s++) {
			struct text_job j = job_of(prompts[p], &out);
			j.sampling = samplings[s];
			run_one(t.model, &j);
			check_text(&t, &j);
			ended += j.ended;
			strbuf_fini(&out);
		}
	ck_assert(ended > 0 || speakers[_i].cache.size);   /* both ends of a text have been seen */
	ck_assert_int_lt(ended, COUNT(prompts) * COUNT(samplings));
	toy_fini(&t);
}
END_TEST

/* Equal scores stand in the order of their numbers. */
START_TEST(equals_go_by_their_numbers)
{
	struct toy t;
	struct strbuf out;
	size_t n;

	speaker(&t, 0, 19);
	float *weight = toy_tensor(&t, "output.weight", &n);
	memset(weight, 0, n * sizeof *weight);
	float *bias = toy_tensor(&t, "output.bias", &n);
	memset(bias, 0, n * sizeof *bias);
	toy_load(&t);
	for (int k = 0; k <= (int)n + 1; k++)
		for (uint64_t seed = 0; seed < 20; seed++) {
			struct text_job j = job_of("abc", &out);
			j.sampling = (struct sampling){ 1, k, seed };
			run_one(t.model, &j);
			check_text(&t, &j);
			strbuf_fini(&out);
		}
	toy_fini(&t);
}
END_TEST

/* Jobs that come and go among others say to the last bit what they say alone. */
START_TEST(company_changes_nothing)
{
	struct toy t;
	struct strbuf out[ROWS], alone;
	struct text_job job[ROWS];

	speaker(&t, _i, 12);
	struct text_ws *w = workspace(t.model);
	for (int i = 0; i < ROWS; i++) {
		job[i] = job_of(prompts[i % COUNT(prompts)], &out[i]);
		job[i].sampling = samplings[i % COUNT(samplings)];
		job[i].max_tokens = 7 * i % 45;
	}
	run_all(t.model, w, job, ROWS);
	for (int i = 0; i < ROWS; i++) {
		struct text_job j = job_of(job[i].text, &alone);
		j.sampling = job[i].sampling;
		j.max_tokens = job[i].max_tokens;
		run_one(t.model, &j);
		ck_assert_str_eq(out[i].s, alone.s);
		ck_assert(j.log_probability == job[i].log_probability);
		ck_assert(j.tokens_out == job[i].tokens_out && j.ended == job[i].ended);
		text_job_fini(&job[i]);
		strbuf_fini(&out[i]);
		strbuf_fini(&alone);
	}
	text_ws_free(w);
	toy_fini(&t);
}
END_TEST

static void say(const struct toy *t, struct sampling sampling, struct strbuf *out)
{
	struct text_job j = job_of("abc", out);

	j.sampling = sampling;
	j.max_tokens = 60;
	run_one(t->model, &j);
}

START_TEST(a_seed_is_a_text)
{
	struct toy t;
	struct strbuf one, again, other, likeliest, first;

	speaker(&t, 0, 13);
	say(&t, (struct sampling){ 1, 0, 5 }, &one);
	say(&t, (struct sampling){ 1, 0, 5 }, &again);
	say(&t, (struct sampling){ 1, 0, 6 }, &other);
	say(&t, (struct sampling){ 0, 0, 5 }, &likeliest);
	say(&t, (struct sampling){ 3, 1, 6 }, &first);
	ck_assert_str_eq(one.s, again.s);
	ck_assert_str_ne(one.s, other.s);
	ck_assert_str_eq(likeliest.s, first.s);   /* the only one of the best one */
	ck_assert_str_ne(one.s, likeliest.s);
	strbuf_fini(&one);
	strbuf_fini(&again);
	strbuf_fini(&other);
	strbuf_fini(&likeliest);
	strbuf_fini(&first);
	toy_fini(&t);
}
END_TEST

/* A listener who has enough after `most` pieces. */
struct listener { struct strbuf text; int pieces, most; };

static bool listen(void *arg, const char *text, size_t len)
{
	struct listener *l = arg;

	ck_assert(utf8_valid(text, len) && len > 0);
	strbuf_add(&l->text, text, len);
	return ++l->pieces < l->most;
}

START_TEST(pieces_make_the_text)
{
	struct toy t;
	struct strbuf out;

	speaker(&t, _i, 14);
	for (int most = 1; most <= 40; most += 13) {
		struct text_job j = job_of("one", &out);
		struct listener l = { .most = most };
		strbuf_init(&l.text, 1 << 16);
		j.sampling = (struct sampling){ 1, 0, 3 };
		j.piece = listen;
		j.arg = &l;
		run_one(t.model, &j);
		ck_assert_str_eq(l.text.s, out.s);
		ck_assert_int_eq(l.pieces, j.tokens_out);
		ck_assert(j.ended || j.tokens_out == (most < j.max_tokens ? most : j.max_tokens));
		strbuf_fini(&l.text);
		strbuf_fini(&out);
	}
	toy_fini(&t);
}
END_TEST

static const struct { enum text_task task; struct cache_options cache; const char *where; } refused_caches[] = {
	{ TEXT_CLASSIFY,  { 10, 10, 0.5 },    "cache" },
	{ TEXT_TRANSLATE, { 10, 10, 0.5 },    "cache" },
	{ TEXT_GENERATE,  { 0, 10, 0.5 },     "size" },
	{ TEXT_GENERATE,  { -1, 10, 0.5 },    "size" },
	{ TEXT_GENERATE,  { 10001, 10, 0.5 }, "size" },
	{ TEXT_GENERATE,  { 10, 0, 0.5 },     "sharpness" },
	{ TEXT_GENERATE,  { 10, NAN, 0.5 },   "sharpness" },
	{ TEXT_GENERATE,  { 10, 1e9, 0.5 },   "sharpness" },
	{ TEXT_GENERATE,  { 10, 10, -0.1 },   "share" },
	{ TEXT_GENERATE,  { 10, 10, 1.1 },    "share" },
	{ TEXT_GENERATE,  { 10, 10, NAN },    "share" },
};

START_TEST(refuses_caches)
{
	struct net_spec net = toy_net(refused_caches[_i].task, ENCODER_GRU);
	struct error e = { 0 };
	struct toy t;

	toy_init(&t, &net, TOKEN_CHARACTER, 3);
	ck_assert_int_eq(text_model_set_cache(t.model, &refused_caches[_i].cache, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, refused_caches[_i].where);
	ck_assert_int_eq(t.model->cache.size, 0);
	toy_fini(&t);
}
END_TEST

START_TEST(nothing_asked_nothing_said)
{
	struct toy t;
	struct strbuf out;

	speaker(&t, 0, 15);
	struct text_job j = job_of("a long prompt that is never read to its end", &out);
	j.max_tokens = 0;
	run_one(t.model, &j);
	ck_assert(out.len == 0 && j.tokens_out == 0 && !j.ended && j.finite);
	toy_fini(&t);
}
END_TEST

/* One workspace serves models of different sizes and tasks in turn. */
START_TEST(a_workspace_is_anyones)
{
	struct toy small, large, classifier;
	struct net_spec net = toy_net(TEXT_GENERATE, ENCODER_LSTM), classes = toy_net(TEXT_CLASSIFY, ENCODER_TRANSFORMER);
	struct strbuf out;

	net.hidden = 40;
	speaker(&small, 1, 16);
	toy_init(&large, &net, TOKEN_WORD, 17);
	toy_init(&classifier, &classes, TOKEN_WORD, 18);
	const struct toy *turns[] = { &small, &large, &classifier, &small, &large };
	struct text_ws *w = workspace(small.model);
	for (int i = 0; i < COUNT(turns); i++) {
		struct text_job j = job_of("one two", &out);
		j.sampling = samplings[1];
		ck_assert_int_eq(text_ws_reserve(w, turns[i]->model, NULL), ERR_OK);
		run_all(turns[i]->model, w, &j, 1);
		if (turns[i] != &classifier)
			check_text(turns[i], &j);
		text_job_fini(&j);
		strbuf_fini(&out);
	}
	text_ws_free(w);
	toy_fini(&small);
	toy_fini(&large);
	toy_fini(&classifier);
}
END_TEST

/* ---- classify ---- */

static const struct { enum encoder_type encoder; bool bidirectional, reverse; enum decoder_type decoder; } judges[] = {
	{ ENCODER_LSTM, true, false, DECODER_POOL }, { ENCODER_GRU, false, true, DECODER_LAST },
	{ ENCODER_TRANSFORMER, false, false, DECODER_MEAN }, { ENCODER_RNN, false, false, DECODER_LAST },
};

/* The last TOY_STEPS tokens, or a boundary: what the network reads. */
static int window(const struct vocabulary *v, const char *text, int32_t *token)
{
	int n = (int)vocabulary_encode(v, text, strlen(text), token, MOST), skip = n > TOY_STEPS ? n - TOY_STEPS : 0;

	memmove(token, token + skip, (size_t)(n - skip) * sizeof *token);
	if (n == 0)
		token[0] = TOKEN_BOUNDARY;
	return n ? n - skip : 1;
}

static void check_label(const struct toy *t, const struct text_job *j)
{
	int32_t token[MOST];
	float y[CLASSES];
	double sum = 0;
	int n = t->net.classes, T = window(t->model->source, j->text, token);

	toy_forward(t, token, T, y, NULL);
	for (int k = 0; k < n; k++) {
		ck_assert(fabs(j->probability[k] - exp(toy_log_probability(y, n, k))) <= 1e-5);
		ck_assert(y[k] <= y[j->label]);
		sum += j->probability[k];
	}
	ck_assert(fabs(sum - 1) <= 1e-6);
	ck_assert_int_eq(j->truncated, j->tokens_in > TOY_STEPS);
}

START_TEST(classifies_what_the_network_says)
{
	struct net_spec net = toy_net(TEXT_CLASSIFY, judges[_i].encoder);
	struct text_job job[ROWS];
	struct strbuf out;
	float probability[ROWS][CLASSES], alone[CLASSES];
	struct toy t;

	net.bidirectional = judges[_i].bidirectional;
	net.reverse = judges[_i].reverse;
	net.decoder = judges[_i].decoder;
	toy_init(&t, &net, TOKEN_CHARACTER, 21);
	struct text_ws *w = workspace(t.model);
	for (int i = 0; i < ROWS; i++) {
		job[i] = job_of(prompts[i % COUNT(prompts)] + (i < COUNT(prompts) || i % COUNT(prompts) == 0 ? 0 : 1), &out);
		job[i].probability = probability[i];
	}
	run_all(t.model, w, job, ROWS);
	for (int i = 0; i < ROWS; i++) {
		struct text_job j = job_of(job[i].text, &out);
		check_label(&t, &job[i]);
		j.probability = alone;
		run_one(t.model, &j);
		ck_assert(memcmp(alone, probability[i], (size_t)t.net.classes * sizeof *alone) == 0);
		ck_assert_int_eq(j.label, job[i].label);
		text_job_fini(&job[i]);
	}
	text_ws_free(w);
	toy_fini(&t);
}
END_TEST

START_TEST(a_label_without_probabilities)
{
	struct net_spec net = toy_net(TEXT_CLASSIFY, ENCODER_GRU);
	float probability[CLASSES];
	struct strbuf out;
	struct toy t;

	toy_init(&t, &net, TOKEN_WORD, 22);
	struct text_job one = job_of("one two", &out), two = one;
	one.probability = probability;
	run_one(t.model, &one);
	run_one(t.model, &two);
	ck_assert_int_eq(one.label, two.label);
	toy_fini(&t);
}
END_TEST

/* ---- translate ---- */

static const struct { enum encoder_type encoder; bool bidirectional; enum score_type score; enum decoder_input input; }
translators[] = {
	{ ENCODER_LSTM, false, SCORE_ADDITIVE, DECODER_CONTEXT_PREVIOUS },
	{ ENCODER_GRU, true, SCORE_DOT, DECODER_CONTEXT_PREVIOUS },
	{ ENCODER_TRANSFORMER, false, SCORE_ADDITIVE, DECODER_CONTEXT_PREVIOUS },
	{ ENCODER_RNN, false, SCORE_DOT, DECODER_CONTEXT },
};

/* The likeliest class of each step of network_forward(), which reads its own answers, until a boundary. */
static void check_answer(const struct toy *t, const struct text_job *j)
{
	int32_t token[MOST], said[16];
	float y[16 * CLASSES], attention[16 * TOY_STEPS];
	double log_probability = 0;
	int n = t->net.classes, T = window(t->model->source, j->text, token), steps = 0;
	bool ended = false;
	struct strbuf want;

	toy_forward(t, token, T, y, attention);
	while (steps < t->net.horizon && !ended) {
		const float *score = y + steps * n;
		int best = 0;
		for (int k = 1; k < n; k++)
			best = score[k] > score[best] ? k : best;
		log_probability += toy_log_probability(score, n, best);
		ended = best == TOKEN_BOUNDARY;
		said[steps] = best;
		steps += !ended;
	}
	strbuf_init(&want, 1 << 16);
	vocabulary_decode(t->model->target, -1, said, (size_t)steps, &want);
	ck_assert_str_eq(j->out->s, want.s);
	ck_assert(j->ended == ended && j->tokens_out == steps);
	ck_assert(fabs(j->log_probability - log_probability) <= 1e-4);
	ck_assert(j->truncated == (j->tokens_in > TOY_STEPS));
	for (int i = 0; j->attention && i < steps * T; i++)
		ck_assert(fabsf(j->attention[i] - attention[i]) <= 1e-5f);
	ck_assert(!j->attention == (!j->want_attention || steps == 0));
	strbuf_fini(&want);
}

START_TEST(translates_what_the_network_says)
{
	struct net_spec net = toy_net(TEXT_TRANSLATE, translators[_i].encoder);
	struct text_job job[ROWS];
	struct strbuf out[ROWS];
	int said = 0;
	struct toy t;

	net.bidirectional = translators[_i].bidirectional;
	net.score = translators[_i].score;
	net.decoder_input = translators[_i].input;
	for (uint64_t seed = 31; seed < 35; seed++) {
		toy_init(&t, &net, TOKEN_CHARACTER, seed);
		struct text_ws *w = workspace(t.model);
		for (int i = 0; i < COUNT(prompts); i++) {
			job[i] = job_of(prompts[i], &out[i]);
			job[i].want_attention = i % 2;
		}
		run_all(t.model, w, job, COUNT(prompts));
		for (int i = 0; i < COUNT(prompts); i++) {
			check_answer(&t, &job[i]);
			said += job[i].tokens_out;
			free(job[i].attention);
			text_job_fini(&job[i]);
			strbuf_fini(&out[i]);
		}
		text_ws_free(w);
		toy_fini(&t);
	}
	ck_assert_int_gt(said, 0);
}
END_TEST

/* A wider beam never finds less likely answers here, and its best stands in the job. */
START_TEST(a_wider_beam_finds_no_less)
{
	struct net_spec net = toy_net(TEXT_TRANSLATE, ENCODER_LSTM);
	struct strbuf out;
	double last = -INFINITY;
	struct toy t;

	toy_init(&t, &net, TOKEN_CHARACTER, 36);
	for (int width = 1; width <= INFER_MAX_BEAM; width += 7) {
		struct text_job j = job_of("abc", &out);
		j.beam_width = width;
		j.max_answer = 4;
		j.want_attention = true;
		run_one(t.model, &j);
		ck_assert(j.log_probability >= last);
		ck_assert_int_le(j.tokens_out, 4);
		for (int i = 0; i < j.tokens_out; i++) {
			double sum = 0;
			for (int k = 0; k < 3; k++)
				sum += j.attention[i * 3 + k];
			ck_assert(fabs(sum - 1) <= 1e-5);
		}
		last = j.log_probability;
		free(j.attention);
		strbuf_fini(&out);
	}
	toy_fini(&t);
}
END_TEST

/* ---- numbers that are none, and memory that is none ---- */

START_TEST(says_when_it_is_not_finite)
{
	static const float bad[] = { NAN, INFINITY };
	struct net_spec net = toy_net((enum text_task)(_i / COUNT(bad)), ENCODER_LSTM);
	float probability[CLASSES] = { 7 };
	struct strbuf out;
	struct toy t;

	toy_init(&t, &net, TOKEN_CHARACTER, 41);
	size_t n;
	float *head = toy_tensor(&t, "output.weight", &n);
	for (size_t i = 0; i < n; i++)
		head[i] = bad[_i % COUNT(bad)];
	toy_load(&t);
	struct text_job j = job_of("abc", &out);
	j.probability = probability;
	j.want_attention = true;
	j.beam_width = 2;
	run_one(t.model, &j);
	ck_assert(!j.finite);
	ck_assert_uint_eq(out.len, 0);
	ck_assert(probability[0] == 7 && !j.attention);
	toy_fini(&t);
}
END_TEST

/* Everything from the workspace to the answer with allocation k failing. */
static enum err whole(const struct toy *t, struct text_job *j)
{
	struct text_ws *w = NULL;
	bool done = false;
	enum err rc = text_ws_new(4, &w, NULL);

	if (!rc)
		rc = text_ws_reserve(w, t->model, NULL);
	for (int turn = 0; turn < 10 && !rc && !done; turn++)
		rc = text_model_run(t->model, w, &(struct text_job *){ j }, 1, &done, NULL);
	text_job_fini(j);
	text_ws_free(w);
	return rc;
}

START_TEST(every_allocation_may_fail)
{
	struct net_spec net = toy_net((enum text_task)_i, ENCODER_GRU);
	float probability[CLASSES];
	struct strbuf out;
	struct toy t;
	long n = -1;

	toy_init(&t, &net, TOKEN_CHARACTER, 51);
	if (net.decoder == DECODER_TOKEN)
		ck_assert_int_eq(text_model_set_cache(t.model, &(struct cache_options){ 9, 10, 0.2 }, NULL), ERR_OK);
	for (long k = 0; n < 0; k++) {
		struct text_job j = job_of("abcdefghij", &out);
		j.probability = probability;
		j.want_attention = true;
		strbuf_adds(&out, "what memory the text needs it has:");
		allocations = 0;
		fail_at = k;
		enum err rc = whole(&t, &j);
		fail_at = -1;
		ck_assert(rc == ERR_OK || rc == ERR_NOMEM);
		n = allocations <= k ? k : n;   /* none failed */
		ck_assert(n < 0 || !rc);
		free(j.attention);
		strbuf_fini(&out);
	}
	ck_assert_int_ge(n, 12);
	toy_fini(&t);
}
END_TEST

START_TEST(a_trained_thing_is_one_of_two)
{
	struct net_spec net = toy_net(TEXT_CLASSIFY, ENCODER_GRU);
	struct trained nothing = { 0 }, text = { 0 };
	struct toy t;

	toy_init(&t, &net, TOKEN_WORD, 61);
	text.text = t.model;
	ck_assert_ptr_eq(trained_net(&text), &t.model->net);
	ck_assert_uint_eq(trained_bytes(&text), text_model_bytes(t.model));
	ck_assert_uint_gt(trained_bytes(&text), infer_model_bytes(t.model->infer));
	trained_fini(&text);
	ck_assert_ptr_null(text.text);
	trained_fini(&nothing);
	t.model = NULL;
	toy_fini(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("text_model");
	TCase *c = new_case(s, "models");
	tcase_add_test(c, tasks);
	tcase_add_loop_test(c, refuses, 0, COUNT(refused));
	tcase_add_test(c, a_trained_thing_is_one_of_two);
	c = new_case(s, "generate");
	tcase_add_loop_test(c, generates_what_a_plain_loop_says, 0, COUNT(speakers));
	tcase_add_test(c, equals_go_by_their_numbers);
	tcase_add_loop_test(c, refuses_caches, 0, COUNT(refused_caches));
	tcase_add_loop_test(c, company_changes_nothing, 0, COUNT(speakers));
	tcase_add_test(c, a_seed_is_a_text);
	tcase_add_loop_test(c, pieces_make_the_text, 0, COUNT(speakers));
	tcase_add_test(c, nothing_asked_nothing_said);
	tcase_add_test(c, a_workspace_is_anyones);
	c = new_case(s, "classify");
	tcase_add_loop_test(c, classifies_what_the_network_says, 0, COUNT(judges));
	tcase_add_test(c, a_label_without_probabilities);
	c = new_case(s, "translate");
	tcase_add_loop_test(c, translates_what_the_network_says, 0, COUNT(translators));
	tcase_add_test(c, a_wider_beam_finds_no_less);
	c = new_case(s, "what may lack");
	tcase_add_loop_test(c, says_when_it_is_not_finite, 0, 6);
	tcase_add_loop_test(c, every_allocation_may_fail, 0, 3);
	return run_suite(s);
}

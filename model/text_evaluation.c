/* text_evaluation.c - models of texts against the simplest there is.
 *
 *     each text, or block of tokens ─► loss of the model    ─┬─► tallies ─► verdict
 *                                   ─► loss of the baseline ─┘
 *
 * The losses: mean nats of a block's tokens; 1 for a text whose label, or whose answer, is wrong. Blocks, because
 * the losses of neighbouring tokens are not independent, which the test supposes. */
#include "model/text_evaluation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/corpus_reader.h"
#include "model/examples_corpus.h"
#include "model/examples_pairs.h"
#include "model/text/bigram.h"
#include "model/text_work.h"

#define BLOCK      64         /* tokens */
#define ROWS       16         /* texts a call */

/* Model and baseline over the same texts or blocks. */
struct duel { struct tally *model, *baseline; };

static enum err duel_init(struct duel *d, size_t rounds, struct error *e)
{
	*d = (struct duel){ 0 };
	enum err rc = tally_new(1, rounds, 0, &d->model, e);
	return rc ? rc : tally_new(1, rounds, 0, &d->baseline, e);
}

static void duel_fini(struct duel *d)
{
	tally_free(d->model);
	tally_free(d->baseline);
}

static void duel_add(struct duel *d, double model, double baseline)
{
	const double none = 0;   /* a tally counts |loss - 0| */
	tally_add(d->model, &model, &none);
	tally_add(d->baseline, &baseline, &none);
}

/* Skill from the losses that decide the task. */
static void duel_end(const struct duel *d, double model, double baseline, struct evaluation *v)
{
	v->verdict = tally_compare(d->model, d->baseline, &v->p_value);
	v->text_skill = baseline > 0 ? 1 - model / baseline : 0;
}

static const struct text_scores no_scores = { NAN, NAN, NAN, NAN };

static int likeliest(const float *score, int n)
{
	int best = 0;
	for (int k = 1; k < n; k++)
		if (score[k] > score[best])
			best = k;
	return best;
}

/* ---- generate ---- */

/* A model on its way through a corpus. */
struct telling {
	struct corpus_reader reader;
	struct text_cache *cache;   /* NULL: the model has none */
	double *weight;             /* [2][classes] */
};

static void telling_fini(struct telling *t)
{
	corpus_reader_fini(&t->reader);
	text_cache_free(t->cache);
	free(t->weight);
}

static enum err telling_init(struct telling *t, const struct text_model *m, struct error *e)
{
	*t = (struct telling){ .weight = calloc(2 * (size_t)m->net.classes, sizeof *t->weight) };
	enum err rc = t->weight ? corpus_reader_init(&t->reader, m, e) : fail_nomem(e);
	if (!rc && m->cache.size)
		rc = text_cache_new(m->cache.size, net_width(&m->net), &t->cache, e);
	return rc;
}

struct told { double nats, right; };   /* sums */

static void told_add(struct told *to, struct told t)
{
	to->nats += t.nats;
	to->right += t.right;
}

/* The i-th token of those that were read. */
static struct told tell_one(struct telling *t, const struct text_model *m, int i, int32_t token)
{
	int classes = m->net.classes;
	float *score = t->reader.score + (size_t)i * (size_t)classes;
	const float *state = t->reader.hidden + (size_t)i * (size_t)net_width(&m->net);
	if (t->cache) {
		text_cache_mix(t->cache, &m->cache, state, classes, score, t->weight);
		text_cache_add(t->cache, state, token);
	}
	return (struct told){
		.nats = text_log_sum(score, classes, t->weight) - (double)score[token],
		.right = likeliest(score, classes) == token,
	};
}

/* Each of n tokens from those before: token[-1] is the first that is read. */
static struct told tell(struct telling *t, const struct text_model *m, const int32_t *token, int n)
{
	struct told told = { 0 };
	for (int at = 0; at < n; at += t->reader.room) {
		int some = n - at < t->reader.room ? n - at : t->reader.room;
		corpus_read(&t->reader, token + at, some);
		for (int i = 0; i < some; i++)
			told_add(&told, tell_one(t, m, i, token[at + i]));
	}
	return told;
}

static struct told tell_by_pairs(const struct bigram *b, const int32_t *token, int n)
{
	struct told told = { 0 };
	for (int i = 0; i < n; i++) {
		told.nats += bigram_nats(b, token[i - 1], token[i]);
		told.right += bigram_likeliest(b, token[i - 1]) == token[i];
	}
	return told;
}

static void told_scores(const struct told *t, size_t n, struct text_scores *out)
{
	*out = no_scores;
	out->nats = t->nats / (double)n;
	out->accuracy = t->right / (double)n;
}

static enum err evaluate_corpus(const struct text_model *m, const struct corpus_examples *c, struct evaluation *v,
                                struct error *e)
{
	size_t from = c->first[SHARE_TEST], n = c->first[SHARES] - from;
	struct telling telling = { 0 };
	struct bigram *pairs = NULL;
	struct told model = { 0 }, baseline = { 0 };
	struct duel duel;
	enum err rc = duel_init(&duel, (n + BLOCK - 1) / BLOCK, e);
	if (!rc)
		rc = telling_init(&telling, m, e);
	if (!rc)
		rc = bigram_new(c->token, c->first[SHARE_VALIDATION], m->net.vocabulary, &pairs, e);
	for (size_t at = 0; !rc && at < n; at += BLOCK) {
		int block = n - at < BLOCK ? (int)(n - at) : BLOCK;
		struct told by_model = tell(&telling, m, c->token + from + at, block);
		struct told by_pairs = tell_by_pairs(pairs, c->token + from + at, block);
		duel_add(&duel, by_model.nats / block, by_pairs.nats / block);
		told_add(&model, by_model);
		told_add(&baseline, by_pairs);
	}
	if (!rc) {
		v->tokens = n;
		told_scores(&model, n, &v->text);
		told_scores(&baseline, n, &v->text_baseline);
		duel_end(&duel, v->text.nats, v->text_baseline.nats, v);
	}
	duel_fini(&duel);
	telling_fini(&telling);
	bigram_free(pairs);
	return rc;
}

/* ---- classify ---- */

/* How often each label was there, was said, and both. */
struct confusion { size_t *truth, *said, *both, n, right; int classes; };

static enum err confusion_init(struct confusion *c, int classes, struct error *e)
{
	size_t n = (size_t)classes;
	*c = (struct confusion){
		.classes = classes, .truth = calloc(n, sizeof *c->truth), .said = calloc(n, sizeof *c->said),
		.both = calloc(n, sizeof *c->both),
	};
	return c->truth && c->said && c->both ? ERR_OK : fail_nomem(e);
}

static void confusion_fini(struct confusion *c)
{
	free(c->truth);
	free(c->said);
	free(c->both);
}

static bool confusion_add(struct confusion *c, int truth, int said)
{
	c->truth[truth]++;
	c->said[said]++;
	c->both[truth] += truth == said;
	c->right += truth == said;
	c->n++;
	return truth == said;
}

static void confusion_scores(const struct confusion *c, struct text_scores *out)
{
	double sum = 0, labels = 0;
	for (int k = 0; k < c->classes; k++) {
		if (!c->truth[k])
			continue;
		sum += 2 * (double)c->both[k] / (double)(c->truth[k] + c->said[k]);   /* F1 */
		labels++;
	}
	*out = no_scores;
	out->accuracy = (double)c->right / (double)c->n;
	out->macro_f1 = sum / labels;
}

static const struct pair *test_pair(const struct pair_examples *p, size_t i)
{
	return pair_at(p, SHARE_TEST, i);
}

static const int32_t *answer_of(const struct pair_examples *p, const struct pair *pair)
{
	return p->token + pair->at + pair->n;
}

/* The label that most of the training share has. */
static enum err majority(const struct pair_examples *p, int classes, int *out, struct error *e)
{
	size_t *count = calloc((size_t)classes, sizeof *count);
	if (!count)
		return fail_nomem(e);
	for (size_t i = 0; i < p->first[SHARE_VALIDATION]; i++)
		count[answer_of(p, &p->pair[i])[0]]++;
	*out = 0;
	for (int k = 1; k < classes; k++)
		if (count[k] > count[*out])
			*out = k;
	free(count);
	return ERR_OK;
}

/* Texts of the test share on their way through the network, up to ROWS a call. */
struct texts {
	struct infer_ws *infer;
	struct infer_sequence seq[ROWS];
	float *x, *y;            /* [ROWS][window], [ROWS][classes] */
};

static void texts_fini(struct texts *t)
{
	infer_ws_free(t->infer);
	free(t->x);
	free(t->y);
}

static enum err texts_init(struct texts *t, const struct text_model *m, struct error *e)
{
	*t = (struct texts){ 0 };
	enum err rc = infer_ws_new(ROWS, &t->infer, e);
	if (!rc)
		rc = infer_ws_reserve(t->infer, m->infer, m->max_steps, e);
	if (rc)
		return rc;
	t->x = calloc((size_t)ROWS * (size_t)m->max_steps, sizeof *t->x);
	t->y = calloc((size_t)ROWS * (size_t)m->net.classes, sizeof *t->y);
	return t->x && t->y ? ERR_OK : fail_nomem(e);
}

/* The last max_steps tokens as row k. */
static void texts_load(struct texts *t, const struct text_model *m, const struct pair_examples *p,
                       const struct pair *pair, int k)
{
	int n = pair->n < m->max_steps ? pair->n : m->max_steps;
	float *x = t->x + (size_t)k * (size_t)m->max_steps;
	text_load(x, p->token + pair->at + (pair->n - n), (size_t)n);
	t->seq[k] = (struct infer_sequence){ .x = x, .T = n, .y = t->y + (size_t)k * (size_t)m->net.classes };
}

static void classify_all(struct texts *t, const struct text_model *m, const struct pair_examples *p, int usual,
                         struct confusion *model, struct confusion *baseline, struct duel *duel)
{
	size_t all = p->base.count[SHARE_TEST];
	for (size_t at = 0; at < all; at += ROWS) {
		int n = all - at < ROWS ? (int)(all - at) : ROWS;
		for (int k = 0; k < n; k++)
			texts_load(t, m, p, test_pair(p, at + (size_t)k), k);
		infer_run(m->infer, t->infer, t->seq, n);
		for (int k = 0; k < n; k++) {
			int truth = answer_of(p, test_pair(p, at + (size_t)k))[0];
			bool right = confusion_add(model, truth, likeliest(t->seq[k].y, m->net.classes));
			duel_add(duel, !right, !confusion_add(baseline, truth, usual));
		}
	}
}

static enum err evaluate_labels(const struct text_model *m, const struct pair_examples *p, struct evaluation *v,
                                struct error *e)
{
	struct texts texts = { 0 };
	struct confusion model = { 0 }, baseline = { 0 };
	struct duel duel;
	int usual = 0;
	enum err rc = duel_init(&duel, p->base.count[SHARE_TEST], e);
	if (!rc)
		rc = texts_init(&texts, m, e);
	if (!rc)
		rc = confusion_init(&model, m->net.classes, e);
	if (!rc)
		rc = confusion_init(&baseline, m->net.classes, e);
	if (!rc)
		rc = majority(p, m->net.classes, &usual, e);
	if (!rc) {
		classify_all(&texts, m, p, usual, &model, &baseline, &duel);
		v->texts = v->tokens = model.n;
		confusion_scores(&model, &v->text);
		confusion_scores(&baseline, &v->text_baseline);
		duel_end(&duel, 1 - v->text.accuracy, 1 - v->text_baseline.accuracy, v);
	}
	confusion_fini(&baseline);
	confusion_fini(&model);
	texts_fini(&texts);
	duel_fini(&duel);
	return rc;
}

/* ---- translate ---- */

struct matches { size_t texts, exact, tokens, right; };

/* said: n tokens without the boundary; same tells whether the i-th is the truth's. A token that the vocabulary does not
 * have cannot be said. */
static bool matches_add(struct matches *m, const int32_t *truth, int answers, int n, const bool *same)
{
	int right = 0;
	for (int i = 0; i < answers; i++) {
		bool end = truth[i] == TOKEN_BOUNDARY;
		right += end ? n == answers - 1 : i < n && same[i] && truth[i] != TOKEN_UNKNOWN;
	}
	m->texts++;
	m->exact += right == answers;
	m->tokens += (size_t)answers;
	m->right += (size_t)right;
	return right == answers;
}

static void matches_scores(const struct matches *m, struct text_scores *out)
{
	*out = no_scores;
	out->exact = (double)m->exact / (double)m->texts;
	out->accuracy = (double)m->right / (double)m->tokens;
}

struct translation {
	const struct text_model *m;
	const struct pair_examples *p;
	struct texts texts;
	int32_t *token;          /* [horizon] of the answer */
	bool *same;              /* [longest text or answer] */
	struct matches model, copy;
	struct duel duel;
};

static bool translate_right(struct translation *t, const struct pair *pair)
{
	const int32_t *truth = answer_of(t->p, pair);
	struct infer_answer answer = { .token = t->token };
	texts_load(&t->texts, t->m, t->p, pair, 0);
	infer_beam(t->m->infer, t->texts.infer, &t->texts.seq[0], 1, t->m->net.horizon, 0, &answer);
	for (int i = 0; i < answer.n && i < pair->answers; i++)
		t->same[i] = answer.token[i] == truth[i];
	return matches_add(&t->model, truth, pair->answers, answer.n, t->same);
}

static bool copy_right(struct translation *t, const struct pair *pair)
{
	const int32_t *text = t->p->token + pair->at, *truth = answer_of(t->p, pair);
	for (int i = 0; i < pair->n && i < pair->answers; i++)
		t->same[i] = text[i] != TOKEN_UNKNOWN
			&& !strcmp(vocabulary_token(t->m->source, text[i]), vocabulary_token(t->m->target, truth[i]));
	return matches_add(&t->copy, truth, pair->answers, pair->n, t->same);
}

static enum err translation_init(struct translation *t, struct error *e)
{
	enum err rc = duel_init(&t->duel, t->p->base.count[SHARE_TEST], e);
	if (!rc)
		rc = texts_init(&t->texts, t->m, e);
	if (rc)
		return rc;
	t->token = calloc((size_t)t->m->net.horizon, sizeof *t->token);
	t->same = calloc((size_t)t->p->base.most.steps, sizeof *t->same);
	return t->token && t->same ? ERR_OK : fail_nomem(e);
}

static void translation_fini(struct translation *t)
{
	texts_fini(&t->texts);
	free(t->token);
	free(t->same);
	duel_fini(&t->duel);
}

static enum err evaluate_answers(const struct text_model *m, const struct pair_examples *p, struct evaluation *v,
                                 struct error *e)
{
	struct translation t = { .m = m, .p = p };
	enum err rc = translation_init(&t, e);
	for (size_t i = 0; !rc && i < p->base.count[SHARE_TEST]; i++) {
		const struct pair *pair = test_pair(p, i);
		bool right = translate_right(&t, pair);
		duel_add(&t.duel, !right, !copy_right(&t, pair));
	}
	if (!rc) {
		v->texts = t.model.texts;
		v->tokens = t.model.tokens;
		matches_scores(&t.model, &v->text);
		matches_scores(&t.copy, &v->text_baseline);
		duel_end(&t.duel, 1 - v->text.exact, 1 - v->text_baseline.exact, v);
	}
	translation_fini(&t);
	return rc;
}

enum err text_evaluate(const struct text_model *m, const struct examples *x, struct evaluation *out, struct error *e)
{
	struct evaluation v = { 0 };
	enum err rc;
	switch (m->task) {
	case TEXT_GENERATE:
		v.task = TASK_GENERATE;
		rc = evaluate_corpus(m, corpus_of(x), &v, e);
		break;
	case TEXT_CLASSIFY:
		v.task = TASK_CLASSIFY;
		rc = evaluate_labels(m, pairs_of(x), &v, e);
		break;
	default:
		v.task = TASK_TRANSLATE;
		rc = evaluate_answers(m, pairs_of(x), &v, e);
		break;
	}
	if (!rc)
		*out = v;
	return rc;
}

/* examples_pairs.c - see examples_pairs.h.
 *
 *     rows ─► those with both cells ─► shuffled by the seed ─► train │ validation │ test
 *
 * A text longer than the window is read from its end, as the model will be; with random_crop, anywhere. An answer longer
 * than the horizon is a mistake: it could not be learnt whole. */
#include "model/examples_pairs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/text_columns.h"

#define TOKENS_MAX (64u << 20)
#define ROWS_MIN   3u   /* one for each share */

static struct extent extent(const struct examples *x, const struct example *i)
{
	const struct pair_examples *p = pairs_of(x);
	const struct pair *pair = pair_at(p, i->share, i->index);
	return (struct extent){ pair->n < p->window ? pair->n : p->window, pair->answers };
}

static void load(const struct examples *x, const struct example *i, struct batch *b, int column)
{
	const struct pair_examples *p = pairs_of(x);
	const struct pair *pair = pair_at(p, i->share, i->index);
	size_t stride = (size_t)b->B, at = (size_t)column, length = (size_t)b->lengths[column], skip = (size_t)pair->n - length;
	if (skip && p->crop && i->epoch)
		skip = examples_crop(x, i, (size_t)pair->n, length);
	const int32_t *text = p->token + pair->at + skip, *answer = p->token + pair->at + pair->n;
	for (size_t t = 0; t < length; t++)
		b->x[t * stride + at] = (float)text[t];
	for (size_t k = 0; k < (size_t)pair->answers; k++)
		b->target[k * stride + at] = (float)answer[k];
}

static uint64_t fingerprint(const struct examples *x, uint64_t h)
{
	const struct pair_examples *p = pairs_of(x);
	h = fnv1a(h, p->first, sizeof p->first);
	for (size_t i = 0; i < p->first[SHARES]; i++) {
		h = fnv1a(h, &p->pair[i].n, sizeof p->pair[i].n);
		h = fnv1a(h, &p->pair[i].answers, sizeof p->pair[i].answers);
		h = fnv1a(h, p->token + p->pair[i].at, (size_t)(p->pair[i].n + p->pair[i].answers) * sizeof *p->token);
	}
	return h;
}

static void free_pairs(struct examples *x)
{
	struct pair_examples *p = (struct pair_examples *)x;
	vocabulary_free(p->source);
	vocabulary_free(p->target);
	free(p->token);
	free(p->pair);
	free(p);
}

static const struct examples_type pair_type = { extent, load, fingerprint, free_pairs };

/* ---- from rows to tokens ---- */

/* The rows of a frame that have both cells, in the order of the shares. */
struct rows {
	const struct frame *f;
	struct text_columns column;
	uint32_t *row;
	size_t n;
};

static enum err take_rows(struct rows *k, const struct recipe *r, const struct frame *f, struct error *e)
{
	struct rng rng;
	*k = (struct rows){ .f = f };
	enum err rc = text_columns_find(r, f, &k->column, e);
	if (rc)
		return rc;
	if (f->rows > UINT32_MAX)
		return fail(e, ERR_INVALID, "/dataset", "more than %u rows cannot be trained on", UINT32_MAX);
	k->row = calloc(f->rows + 1, sizeof *k->row);
	if (!k->row)
		return fail_nomem(e);
	for (size_t i = 0; i < f->rows; i++)
		if (frame_text(f, k->column.input, i)[0] && frame_text(f, k->column.answer, i)[0])
			k->row[k->n++] = (uint32_t)i;
	rng_init(&rng, r->seed, RNG_SHUFFLE, 0);   /* the epochs' are 1 … */
	rng_shuffle(&rng, k->row, k->n);
	return ERR_OK;
}

static enum err split_rows(struct pair_examples *p, const struct recipe *r, size_t n, struct error *e)
{
	size_t train = (size_t)llround((double)n * r->train), test = (size_t)llround((double)n * r->test);
	if (n < ROWS_MIN || !train || !test || train + test >= n)
		return fail(e, ERR_INVALID, "/dataset", "%zu rows with a text and an answer are too few for that split", n);
	p->first[SHARE_VALIDATION] = train;
	p->first[SHARE_TEST] = n - test;
	p->first[SHARES] = n;
	for (int s = 0; s < SHARES; s++)
		p->base.count[s] = p->first[s + 1] - p->first[s];
	return ERR_OK;
}

/* Of a column's first n rows. */
static enum err build_vocabulary(const struct rows *k, int column, size_t n, enum token_unit unit, const struct recipe *r,
                                 struct vocabulary **out, struct error *e)
{
	struct vocabulary_builder *b = NULL;
	enum err rc = vocabulary_builder_new(unit, &b, e);
	for (size_t i = 0; !rc && i < n; i++) {
		const char *s = frame_text(k->f, column, k->row[i]);
		rc = vocabulary_builder_add(b, s, strlen(s), e);
	}
	if (!rc)
		rc = vocabulary_builder_end(b, r->max_vocabulary, r->min_count, out, e);
	vocabulary_builder_free(b);
	return rc;
}

static enum err build_vocabularies(struct pair_examples *p, const struct recipe *r, const struct rows *k, struct error *e)
{
	bool labels = recipe_task(r) == TASK_CLASSIFY;
	size_t train = p->first[SHARE_VALIDATION];
	enum err rc = build_vocabulary(k, k->column.input, train, r->unit, r, &p->source, e);
	if (!rc)   /* a label that training never sees is told apart all the same: its rows count as wrong */
		rc = build_vocabulary(k, k->column.answer, labels ? k->n : train, labels ? TOKEN_LABEL : r->unit, r, &p->target, e);
	if (!rc && labels && vocabulary_size(p->target) < 2)
		rc = fail(e, ERR_INVALID, "/target", "all texts have the same label, \"%.64s\"", vocabulary_token(p->target, 0));
	return rc;
}

static size_t encoded(const struct vocabulary *v, const char *s)
{
	return vocabulary_encode(v, s, strlen(s), NULL, 0);
}

/* How many tokens all rows have, boundaries too. */
static enum err count_tokens(struct pair_examples *p, const struct rows *k, struct error *e)
{
	for (size_t i = 0; i < k->n; i++) {
		p->tokens += encoded(p->source, frame_text(k->f, k->column.input, k->row[i]))
			+ encoded(p->target, frame_text(k->f, k->column.answer, k->row[i])) + 1;
		if (p->tokens > TOKENS_MAX)
			return fail(e, ERR_INVALID, "/dataset", "texts to train on have at most %u tokens together", TOKENS_MAX);
	}
	return ERR_OK;
}

/* Append a row's tokens at `at`; a text of blanks has no word, and reads as the boundary. */
static size_t encode_row(struct pair_examples *p, const struct rows *k, size_t i, size_t at, struct pair *out)
{
	const char *text = frame_text(k->f, k->column.input, k->row[i]);
	const char *answer = frame_text(k->f, k->column.answer, k->row[i]);
	size_t room = p->tokens - at, n = vocabulary_encode(p->source, text, strlen(text), p->token + at, room);
	if (!n)
		p->token[at + n++] = TOKEN_BOUNDARY;
	size_t answers = vocabulary_encode(p->target, answer, strlen(answer), p->token + at + n, room - n);
	if (vocabulary_unit(p->target) != TOKEN_LABEL)
		p->token[at + n + answers++] = TOKEN_BOUNDARY;
	*out = (struct pair){ at, (int)n, (int)answers };
	return at + n + answers;
}

static enum err encode_rows(struct pair_examples *p, const struct recipe *r, const struct rows *k, struct error *e)
{
	enum err rc = count_tokens(p, k, e);
	if (rc)
		return rc;
	p->tokens += k->n;   /* what encode_row() may put for a text without tokens */
	p->token = reallocarray(NULL, p->tokens, sizeof *p->token);
	p->pair = calloc(k->n, sizeof *p->pair);
	if (!p->token || !p->pair)
		return fail_nomem(e);
	for (size_t i = 0, at = 0; i < k->n; i++) {
		at = encode_row(p, k, i, at, &p->pair[i]);
		if (p->pair[i].answers > r->horizon)
			return fail(e, ERR_INVALID, "/horizon", "the answer in row %u has %d tokens and an end; a horizon of %d is too short",
				k->row[i] + 1, p->pair[i].answers - 1, r->horizon);
	}
	return ERR_OK;
}

static struct extent longest(const struct pair_examples *p)
{
	struct extent most = { 1, 1 };
	for (size_t i = 0; i < p->first[SHARES]; i++) {
		const struct pair *pair = &p->pair[i];
		int length = pair->n < p->window ? pair->n : p->window;
		most.length = length > most.length ? length : most.length;
		most.steps = pair->answers > most.steps ? pair->answers : most.steps;
	}
	return most;
}

enum err pairs_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e)
{
	struct text_columns columns;
	struct pair_examples p = { 0 };
	enum err rc = text_columns_find(r, f, &columns, e);
	return rc ? rc : split_rows(&p, r, rows, e);
}

static enum err read_rows(struct pair_examples *p, const struct recipe *r, const struct frame *f, struct error *e)
{
	struct rows k;
	enum err rc = take_rows(&k, r, f, e);
	if (!rc)
		rc = split_rows(p, r, k.n, e);
	if (!rc)
		rc = build_vocabularies(p, r, &k, e);
	if (!rc)
		rc = encode_rows(p, r, &k, e);
	p->base.rows = k.n;
	p->base.filled = f->rows - k.n;
	free(k.row);
	return rc;
}

enum err pair_examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e)
{
	struct pair_examples *p = calloc(1, sizeof *p);
	if (!p)
		return fail_nomem(e);
	p->base.type = &pair_type;
	p->window = r->window;
	p->crop = r->random_crop && recipe_task(r) == TASK_CLASSIFY;
	enum err rc = read_rows(p, r, f, e);
	if (rc) {
		free_pairs(&p->base);
		return rc;
	}
	struct examples *x = &p->base;
	recipe_text_net(r, vocabulary_size(p->source), vocabulary_size(p->target), &x->net);
	x->most = longest(p);
	x->ragged = true;
	*out = x;
	return ERR_OK;
}

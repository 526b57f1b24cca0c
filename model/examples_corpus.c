/* examples_corpus.c - see examples_corpus.h.
 *
 *     rows joined with \n:   F i r s t   C i t i z e n : \n B e f o r e …
 *     shares                 ◄───── train ─────►◄ validation ►◄ test ►         at bytes, where a character begins
 *     pieces                 [ window ][ window ]… what is left over
 *     cropped                   [ window ][ window ]…                          from another offset in each epoch
 *
 *     a piece   x  ␀ F i r        target  F i r s
 */
#include "model/examples_corpus.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/strbuf.h"
#include "model/base/utf8.h"
#include "model/text_columns.h"

#define TEXT_BYTES_MAX (64u << 20)

static size_t share_tokens(const struct corpus_examples *c, enum share s)
{
	return c->first[s + 1] - c->first[s];
}

static int piece_length(const struct corpus_examples *c, enum share s)
{
	size_t n = share_tokens(c, s);
	return n < (size_t)c->window ? (int)n : c->window;
}

static size_t pieces(const struct corpus_examples *c, enum share s)
{
	size_t n = share_tokens(c, s), length = (size_t)piece_length(c, s), all = length ? n / length : 0;
	bool no_room = c->crop && s == SHARE_TRAIN && all > 1 && n % length == 0;
	return no_room ? all - 1 : all;
}

static struct extent extent(const struct examples *x, const struct example *i)
{
	int length = piece_length(corpus_of(x), i->share);
	return (struct extent){ length, length };
}

/* The first token that a piece has to tell. All pieces of an epoch are shifted alike. */
static const int32_t *piece(const struct corpus_examples *c, const struct example *i)
{
	size_t n = share_tokens(c, i->share), length = (size_t)piece_length(c, i->share), shift = 0;
	struct example epoch = { .epoch = i->epoch };
	if (c->crop && i->epoch)
		shift = examples_crop(&c->base, &epoch, n, pieces(c, i->share) * length);
	return c->token + c->first[i->share] + shift + i->index * length;
}

static void load(const struct examples *x, const struct example *i, struct batch *b, int column)
{
	const int32_t *token = piece(corpus_of(x), i);
	size_t stride = (size_t)b->B, at = (size_t)column, length = (size_t)b->lengths[column];
	for (size_t t = 0; t < length; t++) {
		b->x[t * stride + at] = (float)token[(ptrdiff_t)t - 1];   /* the boundary precedes them all */
		b->target[t * stride + at] = (float)token[t];
	}
}

static uint64_t fingerprint(const struct examples *x, uint64_t h)
{
	const struct corpus_examples *c = corpus_of(x);
	h = fnv1a(h, c->first, sizeof c->first);
	return fnv1a(h, c->token, c->first[SHARES] * sizeof *c->token);
}

static void free_corpus(struct examples *x)
{
	struct corpus_examples *c = (struct corpus_examples *)x;
	vocabulary_free(c->source);
	free(c->token);
	free(c);
}

static const struct examples_type corpus_type = { extent, load, fingerprint, free_corpus };

/* ---- from rows to tokens ---- */

static enum err join_rows(const struct frame *f, int column, struct strbuf *out, struct error *e)
{
	size_t bytes = f->rows;
	for (size_t i = 0; i < f->rows; i++)
		bytes += strlen(frame_text(f, column, i));
	if (bytes > TEXT_BYTES_MAX)
		return fail(e, ERR_INVALID, "/dataset", "a text to train on has at most %u bytes, not %zu", TEXT_BYTES_MAX,
			bytes);
	for (size_t i = 0; i < f->rows; i++) {
		if (i)
			strbuf_addc(out, '\n');
		strbuf_adds(out, frame_text(f, column, i));
	}
	return strbuf_ok(out) ? ERR_OK : fail_nomem(e);
}

/* Where in n bytes a share of them ends: a character's beginning. */
static size_t border(const char *s, size_t n, double share)
{
	size_t at = (size_t)llround((double)n * share);
	while (at < n && ((unsigned char)s[at] & 0xc0) == 0x80)
		at++;
	return at < n ? at : n;
}

static enum err build_vocabulary(struct corpus_examples *c, const struct recipe *r, const char *s, size_t len,
                                 struct error *e)
{
	struct vocabulary_builder *b = NULL;
	struct error detail;
	enum err rc = vocabulary_builder_new(r->unit, &b, &detail);
	if (!rc)
		rc = vocabulary_builder_add(b, s, len, &detail);
	if (!rc)
		rc = vocabulary_builder_end(b, r->max_vocabulary, r->min_count, &c->source, &detail);
	vocabulary_builder_free(b);
	return rc ? fail(e, rc, "/dataset", "%s", detail.what) : ERR_OK;
}

/* Append the tokens of a share. */
static void encode(struct corpus_examples *c, enum share share, const char *s, size_t len, size_t room)
{
	c->first[share + 1] = c->first[share] + vocabulary_encode(c->source, s, len, c->token + c->first[share], room);
}

static enum err read_text(struct corpus_examples *c, const struct recipe *r, const struct strbuf *text, struct error *e)
{
	size_t n = text->len, end[SHARES] = { border(text->s, n, r->train), border(text->s, n, 1 - r->test), n };
	enum err rc = build_vocabulary(c, r, text->s, end[SHARE_TRAIN], e);
	if (rc)
		return rc;
	c->token = reallocarray(NULL, n + 1, sizeof *c->token);   /* a token has a byte at least */
	if (!c->token)
		return fail_nomem(e);
	c->token[0] = TOKEN_BOUNDARY;
	c->first[0] = 1;
	for (int s = 0; s < SHARES; s++) {
		size_t from = s ? end[s - 1] : 0;
		encode(c, (enum share)s, text->s + from, end[s] - from, n + 1 - c->first[s]);
		c->base.count[s] = pieces(c, (enum share)s);
		if (!c->base.count[s])
			return fail(e, ERR_INVALID, "/dataset", "a text of %zu bytes is too short: a part of the split has no "
				"token", n);
	}
	return ERR_OK;
}

enum err corpus_check(const struct recipe *r, const struct frame *f, struct error *e)
{
	struct text_columns columns;
	return text_columns_find(r, f, &columns, e);
}

enum err corpus_examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e)
{
	struct text_columns columns;
	struct strbuf text;
	struct corpus_examples *c = calloc(1, sizeof *c);
	if (!c)
		return fail_nomem(e);
	c->base.type = &corpus_type;
	c->window = r->window;
	c->crop = r->random_crop;
	c->base.stateful = r->stateful;
	strbuf_init(&text, TEXT_BYTES_MAX);
	enum err rc = text_columns_find(r, f, &columns, e);
	if (!rc)
		rc = join_rows(f, columns.input, &text, e);
	if (!rc)
		rc = read_text(c, r, &text, e);
	strbuf_fini(&text);
	if (rc) {
		free_corpus(&c->base);
		return rc;
	}
	struct examples *x = &c->base;
	recipe_text_net(r, vocabulary_size(c->source), vocabulary_size(c->source), &x->net);
	x->most = (struct extent){ r->window, r->window };
	x->rows = f->rows;
	*out = x;
	return ERR_OK;
}

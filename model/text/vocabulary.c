#include "model/text/vocabulary.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/utf8.h"
#include "model/text/token_set.h"

#define SPECIAL 2   /* numbers before the first token, of every unit but labels */
#define UNKNOWN_TEXT "\xEF\xBF\xBD"   /* U+FFFD */
#define SHOWN 40    /* bytes of a token that a message repeats */

const char *const token_unit_names[] = { "character", "word", "label", NULL };

struct vocabulary {
	enum token_unit unit;
	int special;                  /* SPECIAL, or 0 of labels */
	struct token_set set;         /* token k has the number k - special */
	int32_t ascii[128];           /* tokens of one such byte: what most characters of a text are */
};

struct vocabulary_builder {
	enum token_unit unit;
	struct token_set set;
	uint64_t *count;              /* [cap], of each text of the set */
	size_t cap;
};

/* ---- a vocabulary from its tokens ---- */

static int32_t find(const struct vocabulary *v, const char *s, size_t len)
{
	int32_t at = token_set_find(&v->set, s, len);

	if (at >= 0)
		return at + v->special;
	return v->unit == TOKEN_LABEL ? -1 : TOKEN_UNKNOWN;
}

static void fill_ascii(struct vocabulary *v)
{
	for (int c = 0; c < 128; c++)
		v->ascii[c] = find(v, &(char){ (char)c }, 1);
}

/* NULL, or what keeps s from being a token. */
static const char *fault(const char *s, size_t len)
{
	if (len == 0)
		return "an empty token";
	if (len > TOKEN_MAX_BYTES)
		return "a token of more than 256 bytes";
	return utf8_valid(s, len) ? NULL : "a token that is not UTF-8";
}
_Static_assert(TOKEN_MAX_BYTES == 256, "the sentence says so");

static enum err fail_token(struct error *e, int index, const char *what)
{
	char where[16];

	snprintf(where, sizeof where, "%d", index);
	return fail(e, ERR_INVALID, where, "%s", what);
}

static enum err add_token(struct vocabulary *v, const char *s, int index, struct error *e)
{
	size_t len = strlen(s);
	int32_t before = v->set.n, number;

	if (index < v->special)
		return len == 0 ? ERR_OK : fail_token(e, index, "tokens 0 and 1 are the boundary and the unknown, and have no text");
	if (fault(s, len))
		return fail_token(e, index, fault(s, len));
	enum err rc = token_set_add(&v->set, s, len, &number, e);
	return !rc && number != before ? fail_token(e, index, "a token that is there twice") : rc;
}

enum err vocabulary_new(enum token_unit unit, const char *const *token, int n, struct vocabulary **out, struct error *e)
{
	int special = unit == TOKEN_LABEL ? 0 : SPECIAL;

	if (n < special || n < 1 || n > VOCABULARY_MAX)
		return fail(e, ERR_INVALID, "", "a vocabulary has %d to %d tokens, not %d", special ? special : 1, VOCABULARY_MAX, n);
	struct vocabulary *v = calloc(1, sizeof *v);
	if (!v)
		return fail_nomem(e);
	v->unit = unit;
	v->special = special;
	enum err rc = token_set_init(&v->set, e);
	for (int k = 0; k < n && !rc; k++)
		rc = add_token(v, token[k], k, e);
	if (rc) {
		vocabulary_free(v);
		return rc;
	}
	fill_ascii(v);
	*out = v;
	return ERR_OK;
}

void vocabulary_free(struct vocabulary *v)
{
	if (!v)
		return;
	token_set_fini(&v->set);
	free(v);
}

enum token_unit vocabulary_unit(const struct vocabulary *v)
{
	return v->unit;
}

int vocabulary_size(const struct vocabulary *v)
{
	return v->set.n + v->special;
}

size_t vocabulary_bytes(const struct vocabulary *v)
{
	return sizeof *v + token_set_bytes(&v->set);
}

const char *vocabulary_token(const struct vocabulary *v, int token)
{
	assert(token >= 0 && token < vocabulary_size(v));
	return token < v->special ? "" : token_set_get(&v->set, token - v->special);
}

/* ---- text to tokens ---- */

size_t vocabulary_encode(const struct vocabulary *v, const char *s, size_t len, int32_t *out, size_t cap)
{
	size_t n = 0, size, skip;

	for (; (size = token_next(v->unit, s, len, &skip)) > 0; n++) {
		s += skip;
		if (n < cap)
			out[n] = size == 1 && (unsigned char)*s < 128 ? v->ascii[(unsigned char)*s] : find(v, s, size);
		s += size;
		len -= skip + size;
	}
	return n;
}

/* ---- tokens to text ---- */

/* Whether s is one of the ASCII signs. */
static bool is_sign(const char *s, const char *signs)
{
	return s[0] && !s[1] && strchr(signs, s[0]);
}

static bool space_between(const struct vocabulary *v, int32_t previous, int32_t token)
{
	if (v->unit != TOKEN_WORD || previous < 0 || previous == TOKEN_BOUNDARY)
		return false;
	return !is_sign(vocabulary_token(v, token), ".,;:!?)'") && !is_sign(vocabulary_token(v, previous), "(");
}

void vocabulary_decode(const struct vocabulary *v, int32_t previous, const int32_t *token, size_t n, struct strbuf *out)
{
	for (size_t i = 0; i < n; previous = token[i++]) {
		if (v->special && token[i] == TOKEN_BOUNDARY)
			continue;
		if (space_between(v, previous, token[i]))
			strbuf_addc(out, ' ');
		strbuf_adds(out, v->special && token[i] == TOKEN_UNKNOWN ? UNKNOWN_TEXT : vocabulary_token(v, token[i]));
	}
}

/* ---- counting ---- */

enum err vocabulary_builder_new(enum token_unit unit, struct vocabulary_builder **out, struct error *e)
{
	struct vocabulary_builder *b = calloc(1, sizeof *b);

	if (!b)
		return fail_nomem(e);
	b->unit = unit;
	enum err rc = token_set_init(&b->set, e);
	if (rc)
		free(b);
	else
		*out = b;
	return rc;
}

void vocabulary_builder_free(struct vocabulary_builder *b)
{
	if (!b)
		return;
	token_set_fini(&b->set);
	free(b->count);
	free(b);
}

/* Room for one count more. */
static bool grow_counts(struct vocabulary_builder *b)
{
	if ((size_t)b->set.n < b->cap)
		return true;
	size_t cap = b->cap ? b->cap * 2 : 256;
	uint64_t *count = reallocarray(b->count, cap, sizeof *count);
	if (!count)
		return false;
	memset(count + b->cap, 0, (cap - b->cap) * sizeof *count);
	b->count = count;
	b->cap = cap;
	return true;
}

static enum err count_token(struct vocabulary_builder *b, const char *s, size_t len, struct error *e)
{
	int32_t number;

	if (len > TOKEN_MAX_BYTES)
		return fail(e, ERR_INVALID, "", "\"%.*s…\" is a %s of %zu bytes; at most %d", (int)utf8_prefix(s, len, SHOWN), s,
			token_unit_names[b->unit], len, TOKEN_MAX_BYTES);
	if (!grow_counts(b))
		return fail_nomem(e);
	enum err rc = token_set_add(&b->set, s, len, &number, e);
	if (rc)
		return rc;
	if (b->unit == TOKEN_LABEL && b->set.n > VOCABULARY_MAX)
		return fail(e, ERR_INVALID, "", "more than %d different labels", VOCABULARY_MAX);
	b->count[number]++;
	return ERR_OK;
}

enum err vocabulary_builder_add(struct vocabulary_builder *b, const char *s, size_t len, struct error *e)
{
	size_t size, skip;
	enum err rc = ERR_OK;

	if (b->unit == TOKEN_LABEL && (len == 0 || memchr(s, '\0', len)))
		return fail(e, ERR_INVALID, "", "a label is empty or has a NUL in it");
	while (!rc && (size = token_next(b->unit, s, len, &skip)) > 0) {
		s += skip;
		if (*s)   /* a NUL has no text, and stays unknown */
			rc = count_token(b, s, size, e);
		s += size;
		len -= skip + size;
	}
	return rc;
}

struct counted { uint64_t count; const char *text; };

static int by_count(const void *a, const void *b)
{
	const struct counted *x = a, *y = b;

	return x->count != y->count ? (x->count < y->count) - (x->count > y->count) : strcmp(x->text, y->text);
}

/* The tokens that were seen often enough, in order; how many of them. */
static int32_t rank(const struct vocabulary_builder *b, int min_count, struct counted *out)
{
	int32_t n = 0;

	for (int32_t k = 0; k < b->set.n; k++)
		if (b->unit == TOKEN_LABEL || b->count[k] >= (uint64_t)min_count)
			out[n++] = (struct counted){ b->count[k], token_set_get(&b->set, k) };
	qsort(out, (size_t)n, sizeof *out, by_count);
	return n;
}

enum err vocabulary_builder_end(const struct vocabulary_builder *b, int max, int min_count, struct vocabulary **out,
                                struct error *e)
{
	int special = b->unit == TOKEN_LABEL ? 0 : SPECIAL, most = b->unit == TOKEN_LABEL ? VOCABULARY_MAX : max;
	assert(most > special && most <= VOCABULARY_MAX && min_count >= 0);
	struct counted *seen = reallocarray(NULL, (size_t)b->set.n + 1, sizeof *seen);
	const char **token = reallocarray(NULL, (size_t)most, sizeof *token);
	enum err rc = seen && token ? ERR_OK : fail_nomem(e);
	if (rc)
		goto done;

	int32_t n = rank(b, min_count, seen);
	if (n == 0) {
		rc = fail(e, ERR_INVALID, "", "the texts have no %s that occurs %d times", token_unit_names[b->unit], min_count);
		goto done;
	}
	n = n < most - special ? n : most - special;
	for (int k = 0; k < special; k++)
		token[k] = "";
	for (int32_t k = 0; k < n; k++)
		token[special + k] = seen[k].text;
	rc = vocabulary_new(b->unit, token, n + special, out, e);
done:
	free(seen);
	free(token);
	return rc;
}

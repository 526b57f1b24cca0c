/* test_vocabulary.c - tokens of a text, their numbers, and the way back; failing allocations. */
#include <stdio.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/base/utf8.h"
#include "model/text/token_set.h"
#include "model/text/vocabulary.h"
#include "tests/unit/series/suite.h"
#include "tests/unit/text/faults.h"

#define MOST 4096

static enum err build(enum token_unit unit, const char *const *text, int n, int max, int min_count,
                      struct vocabulary **out, struct error *e)
{
	struct vocabulary_builder *b = NULL;
	enum err rc = vocabulary_builder_new(unit, &b, e);

	for (int i = 0; !rc && i < n; i++)
		rc = vocabulary_builder_add(b, text[i], strlen(text[i]), e);
	if (!rc)
		rc = vocabulary_builder_end(b, max, min_count, out, e);
	vocabulary_builder_free(b);
	return rc;
}

static struct vocabulary *built(enum token_unit unit, const char *text, int max, int min_count)
{
	struct vocabulary *v = NULL;
	struct error e = { 0 };

	ck_assert_msg(build(unit, &text, 1, max, min_count, &v, &e) == ERR_OK, "%s", e.what);
	return v;
}

/* ---- where tokens begin and end ---- */

static const struct { enum token_unit unit; const char *text, *tokens; } cut_cases[] = {
	{ TOKEN_CHARACTER, "", "" },
	{ TOKEN_CHARACTER, "To b\n", "T|o| |b|\n|" },
	{ TOKEN_CHARACTER, "é→😀", "é|→|😀|" },
	{ TOKEN_WORD, "", "" },
	{ TOKEN_WORD, " \t\r\n\v\f", "" },
	{ TOKEN_WORD, "To be, or", "To|be|,|or|" },
	{ TOKEN_WORD, "  ...a1(b)", ".|.|.|a1|(|b|)|" },
	{ TOKEN_WORD, "don't 'tis dogs' ''", "don't|'|tis|dogs|'|'|'|" },
	{ TOKEN_WORD, "l’été o’ ’", "l’été|o|’|’|" },
	{ TOKEN_WORD, "a''b x'y'z 1'000", "a|'|'|b|x'y'z|1'000|" },
	{ TOKEN_WORD, "naïve Straße ждать λόγος", "naïve|Straße|ждать|λόγος|" },
	{ TOKEN_WORD, "a\u00A0b\u2003c\u3000d", "a|b|c|d|" },
	{ TOKEN_WORD, "«oui»—1×2 3÷4 ½ ª", "«|oui|»|—|1|×|2|3|÷|4|½|ª|" },
	{ TOKEN_WORD, "了。好😀x", "了|。|好|😀|x|" },
	{ TOKEN_WORD, "snake_case 3.14", "snake|_|case|3|.|14|" },
	{ TOKEN_LABEL, "", "" },
	{ TOKEN_LABEL, " very good ", " very good |" },
};

START_TEST(cuts)
{
	const char *s = cut_cases[_i].text;
	size_t len = strlen(s), size, skip;
	struct strbuf got;

	strbuf_init(&got, MOST);
	while ((size = token_next(cut_cases[_i].unit, s, len, &skip)) > 0) {
		strbuf_add(&got, s + skip, size);
		strbuf_addc(&got, '|');
		s += skip + size;
		len -= skip + size;
	}
	ck_assert_str_eq(got.s, cut_cases[_i].tokens);
	strbuf_fini(&got);
}
END_TEST

START_TEST(reads_code_points)
{
	static const struct { const char *s; unsigned point; } cases[] = {
		{ "A", 0x41 }, { "\x7F", 0x7F }, { "\xC2\x80", 0x80 }, { "\u07FF", 0x7FF }, { "\u0800", 0x800 },
		{ "\uFFFD", 0xFFFD }, { "\U00010000", 0x10000 }, { "\U0010FFFF", 0x10FFFF },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = strlen(cases[i].s);
		ck_assert_uint_eq(utf8_length(cases[i].s, len), len);
		ck_assert_uint_eq(utf8_point(cases[i].s, len), cases[i].point);
	}
	ck_assert_uint_eq(utf8_prefix("aé→", 6, 5), 3);
	ck_assert_uint_eq(utf8_prefix("aé→", 6, 6), 6);
	ck_assert_uint_eq(utf8_prefix("a\xFF", 2, 6), 1);
}
END_TEST

/* ---- numbers ---- */

START_TEST(ranks_by_count_then_bytes)
{
	struct vocabulary *v = built(TOKEN_CHARACTER, "bbaaacé", 100, 1);

	ck_assert_int_eq(vocabulary_size(v), 6);
	static const char *const want[] = { "", "", "a", "b", "c", "é" };
	for (int k = 0; k < 6; k++)
		ck_assert_str_eq(vocabulary_token(v, k), want[k]);
	ck_assert_int_eq(vocabulary_unit(v), TOKEN_CHARACTER);
	ck_assert_uint_gt(vocabulary_bytes(v), 6);
	vocabulary_free(v);
}
END_TEST

START_TEST(keeps_the_most_frequent)
{
	struct vocabulary *v = built(TOKEN_WORD, "the cat the dog the cat a , ,", 4, 1);
	int32_t token[8];

	ck_assert_int_eq(vocabulary_size(v), 4);   /* the; "," before "cat", by its bytes */
	ck_assert_str_eq(vocabulary_token(v, 3), ",");
	ck_assert_uint_eq(vocabulary_encode(v, "the cat,", 8, token, 8), 3);
	ck_assert_int_eq(token[0], 2);
	ck_assert_int_eq(token[1], TOKEN_UNKNOWN);
	ck_assert_int_eq(token[2], 3);
	vocabulary_free(v);

	v = built(TOKEN_WORD, "the cat the dog the cat a", 100, 2);
	ck_assert_int_eq(vocabulary_size(v), 4);
	vocabulary_free(v);
}
END_TEST

START_TEST(labels_are_classes)
{
	static const char *const text[] = { "spam", "good mail", "good mail", "x" };
	struct vocabulary *v = NULL;
	int32_t token = 7;

	ck_assert_int_eq(build(TOKEN_LABEL, text, 4, 0, 5, &v, NULL), ERR_OK);
	ck_assert_int_eq(vocabulary_size(v), 3);   /* all of them, whatever max and min_count */
	ck_assert_str_eq(vocabulary_token(v, 0), "good mail");
	ck_assert_str_eq(vocabulary_token(v, 1), "spam");
	ck_assert_uint_eq(vocabulary_encode(v, "spam", 4, &token, 1), 1);
	ck_assert_int_eq(token, 1);
	ck_assert_uint_eq(vocabulary_encode(v, "x", 1, &token, 1), 1);
	ck_assert_int_eq(token, 2);
	ck_assert_uint_eq(vocabulary_encode(v, "y", 1, &token, 1), 1);
	ck_assert_int_eq(token, -1);
	ck_assert_uint_eq(vocabulary_encode(v, "ham", 3, &token, 1), 1);
	ck_assert_int_eq(token, -1);
	vocabulary_free(v);
}
END_TEST

START_TEST(encode_counts_past_the_cap)
{
	struct vocabulary *v = built(TOKEN_CHARACTER, "abc", 100, 1);
	int32_t token[3] = { 9, 9, 9 };

	ck_assert_uint_eq(vocabulary_encode(v, "cbaab", 5, token, 2), 5);
	ck_assert_int_eq(token[0], 4);
	ck_assert_int_eq(token[1], 3);
	ck_assert_int_eq(token[2], 9);
	ck_assert_uint_eq(vocabulary_encode(v, "abc", 3, NULL, 0), 3);
	ck_assert_uint_eq(vocabulary_encode(v, "a\0b", 3, token, 3), 3);
	ck_assert_int_eq(token[1], TOKEN_UNKNOWN);   /* a NUL is never in it */
	vocabulary_free(v);
}
END_TEST

START_TEST(a_nul_is_not_counted)
{
	struct vocabulary_builder *b = NULL;
	struct vocabulary *v = NULL;

	ck_assert_int_eq(vocabulary_builder_new(TOKEN_CHARACTER, &b, NULL), ERR_OK);
	ck_assert_int_eq(vocabulary_builder_add(b, "a\0a", 3, NULL), ERR_OK);
	ck_assert_int_eq(vocabulary_builder_end(b, 100, 1, &v, NULL), ERR_OK);
	ck_assert_int_eq(vocabulary_size(v), 3);
	vocabulary_builder_free(b);
	vocabulary_free(v);
}
END_TEST

/* ---- and back ---- */

/* Drawn texts of characters of every length: encode, decode whole and in pieces. */
START_TEST(characters_come_back_exactly)
{
	static const char *const alphabet[] = { "a", "B", " ", "\n", "\t", "é", "ß", "→", "了", "😀", "'", "\"", "\\" };
	struct vocabulary *v = built(TOKEN_CHARACTER, "aB \n\téß→了😀'\"\\", 100, 1);
	struct strbuf text, got;
	int32_t token[MOST];
	struct rng r;

	rng_init(&r, 1, RNG_TEST, 0);
	strbuf_init(&text, MOST);
	strbuf_init(&got, MOST);
	for (int round = 0; round < 200; round++) {
		strbuf_reset(&text);
		strbuf_reset(&got);
		size_t want = (size_t)rng_below(&r, 300);
		for (size_t i = 0; i < want; i++)
			strbuf_adds(&text, alphabet[rng_below(&r, 13)]);
		size_t n = vocabulary_encode(v, text.s, text.len, token, MOST), cut = (size_t)rng_below(&r, want + 1);
		ck_assert_uint_eq(n, want);
		vocabulary_decode(v, -1, token, cut, &got);
		vocabulary_decode(v, cut ? token[cut - 1] : -1, token + cut, n - cut, &got);
		ck_assert_str_eq(got.s, text.s);
	}
	strbuf_fini(&text);
	strbuf_fini(&got);
	vocabulary_free(v);
}
END_TEST

static const struct { const char *text, *back; } word_cases[] = {
	{ "", "" },
	{ "To be, or not", "To be, or not" },
	{ "  To   be ,or\nnot", "To be, or not" },
	{ "Oh! (To be: not) be; why?", "Oh! (To be: not) be; why?" },
	{ "don't dogs' be", "don't dogs' be" },
	{ "be zebra or", "be \uFFFD or" },
	{ "zebra", "\uFFFD" },
	{ "zebra, zebra", "\uFFFD, \uFFFD" },
};

START_TEST(words_come_back_spaced)
{
	struct vocabulary *v = built(TOKEN_WORD, "To be, or not (Oh!: ;why?) don't dogs'", 100, 1);
	const char *text = word_cases[_i].text;
	int32_t token[64];
	size_t n = vocabulary_encode(v, text, strlen(text), token, 64);
	struct strbuf got;

	for (size_t cut = 0; cut <= n; cut++) {
		strbuf_init(&got, MOST);
		vocabulary_decode(v, -1, token, cut, &got);
		vocabulary_decode(v, cut ? token[cut - 1] : -1, token + cut, n - cut, &got);
		ck_assert_str_eq(got.s, word_cases[_i].back);
		strbuf_fini(&got);
	}
	vocabulary_free(v);
}
END_TEST

START_TEST(a_boundary_has_no_text)
{
	struct vocabulary *v = built(TOKEN_WORD, "to to be", 100, 1);
	struct strbuf got;

	strbuf_init(&got, MOST);
	vocabulary_decode(v, -1, (int32_t[]){ 0, 2, 3, 0, 0, 2, 3 }, 7, &got);
	ck_assert_str_eq(got.s, "to beto be");   /* what follows a boundary begins a text */
	strbuf_fini(&got);
	vocabulary_free(v);
}
END_TEST

/* ---- refused ---- */

static char too_long[TOKEN_MAX_BYTES + 2];
static const struct { const char *name; enum token_unit unit; const char *token[4]; int n; const char *where, *what; } bad[] = {
	{ "none", TOKEN_CHARACTER, { NULL }, 0, "", "2 to 65536" },
	{ "one special", TOKEN_WORD, { "" }, 1, "", "2 to 65536" },
	{ "no label", TOKEN_LABEL, { NULL }, 0, "", "1 to 65536" },
	{ "too many", TOKEN_WORD, { NULL }, VOCABULARY_MAX + 1, "", "not 65537" },
	{ "negative", TOKEN_WORD, { NULL }, -1, "", "not -1" },
	{ "a text for the boundary", TOKEN_WORD, { "a", "", "b" }, 3, "0", "boundary" },
	{ "a text for the unknown", TOKEN_WORD, { "", "a", "b" }, 3, "1", "boundary" },
	{ "empty", TOKEN_CHARACTER, { "", "", "a", "" }, 4, "3", "empty" },
	{ "empty label", TOKEN_LABEL, { "" }, 1, "0", "empty" },
	{ "twice", TOKEN_CHARACTER, { "", "", "a", "a" }, 4, "3", "twice" },
	{ "not UTF-8", TOKEN_CHARACTER, { "", "", "\xC3" }, 3, "2", "UTF-8" },
	{ "too long", TOKEN_LABEL, { "a", too_long }, 2, "1", "256" },
};

START_TEST(refuses_bad_documents)
{
	struct vocabulary *v = NULL;
	struct error e = { 0 };

	memset(too_long, 'x', sizeof too_long - 1);
	ck_assert_int_eq(vocabulary_new(bad[_i].unit, bad[_i].token, bad[_i].n, &v, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, bad[_i].where);
	ck_assert_msg(strstr(e.what, bad[_i].what), "%s: %s", bad[_i].name, e.what);
	ck_assert_ptr_null(v);
}
END_TEST

START_TEST(refuses_bad_texts)
{
	struct vocabulary *v = NULL;
	struct error e = { 0 };
	const char *text = too_long;

	memset(too_long, 'x', sizeof too_long - 1);
	ck_assert_int_eq(build(TOKEN_WORD, &text, 1, 100, 1, &v, &e), ERR_INVALID);
	ck_assert_msg(strstr(e.what, "a word of 257 bytes; at most 256"), "%s", e.what);
	ck_assert_int_eq(build(TOKEN_CHARACTER, &text, 1, 100, 1, &v, &e), ERR_OK);
	vocabulary_free(v);
	v = NULL;
	ck_assert_int_eq(build(TOKEN_WORD, &(const char *){ "a b" }, 1, 100, 2, &v, &e), ERR_INVALID);
	ck_assert_msg(strstr(e.what, "no word that occurs 2 times"), "%s", e.what);
	ck_assert_int_eq(build(TOKEN_LABEL, &(const char *){ "" }, 1, 100, 2, &v, &e), ERR_INVALID);

	struct vocabulary_builder *b = NULL;
	char label[16];
	ck_assert_int_eq(vocabulary_builder_new(TOKEN_LABEL, &b, NULL), ERR_OK);
	for (int k = 0; k < VOCABULARY_MAX; k++)
		ck_assert_int_eq(vocabulary_builder_add(b, label, (size_t)snprintf(label, sizeof label, "%d", k), &e), ERR_OK);
	ck_assert_int_eq(vocabulary_builder_add(b, "7", 1, &e), ERR_OK);
	ck_assert_int_eq(vocabulary_builder_add(b, "one more", 8, &e), ERR_INVALID);
	ck_assert_msg(strstr(e.what, "65536"), "%s", e.what);
	vocabulary_builder_free(b);
}
END_TEST

/* ---- the set, and memory ---- */

START_TEST(the_set_holds_many)
{
	struct token_set t;
	char text[16];
	int32_t k;

	ck_assert_int_eq(token_set_init(&t, NULL), ERR_OK);
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < 20000; i++) {
			int len = snprintf(text, sizeof text, "%d", i);
			ck_assert_int_eq(token_set_add(&t, text, (size_t)len, &k, NULL), ERR_OK);
			ck_assert_int_eq(k, i);
		}
	ck_assert_int_eq(t.n, 20000);
	for (int i = 0; i < 20000; i++) {
		size_t len = (size_t)snprintf(text, sizeof text, "%d", i);
		ck_assert_int_eq(token_set_find(&t, text, len), i);
		ck_assert_str_eq(token_set_get(&t, i), text);
		ck_assert_uint_eq(token_set_length(&t, i), len);
	}
	ck_assert_int_eq(token_set_find(&t, "-1", 2), -1);
	token_set_fini(&t);
}
END_TEST

START_TEST(a_document_gives_the_same_vocabulary)
{
	struct vocabulary *v = built(TOKEN_WORD, "the cat sat, the dog didn't", 100, 1), *again = NULL;
	const char *token[16];
	int n = vocabulary_size(v);

	for (int k = 0; k < n; k++)
		token[k] = vocabulary_token(v, k);
	ck_assert_int_eq(vocabulary_new(TOKEN_WORD, token, n, &again, NULL), ERR_OK);
	for (int k = 0; k < n; k++)
		ck_assert_str_eq(vocabulary_token(again, k), token[k]);
	vocabulary_free(v);
	vocabulary_free(again);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
	struct strbuf text;
	struct vocabulary *v = NULL;
	long n = -1;

	strbuf_init(&text, 1 << 16);
	for (int i = 0; i < 1000; i++)
		strbuf_addf(&text, "w%d ", i);
	for (long k = 0; n < 0; k++) {
		struct error e = { 0 };
		allocations = 0;
		fail_at = k;
		enum err rc = build(TOKEN_WORD, &(const char *){ text.s }, 1, 2000, 1, &v, &e);
		fail_at = -1;
		if (!rc)
			n = k;
		else
			ck_assert_int_eq(rc, ERR_NOMEM);
		ck_assert(!rc || !v);
	}
	ck_assert_int_ge(n, 12);
	ck_assert_int_eq(vocabulary_size(v), 1002);
	vocabulary_free(v);
	strbuf_fini(&text);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("vocabulary");
	TCase *c = new_case(s, "tokens");
	tcase_add_loop_test(c, cuts, 0, sizeof cut_cases / sizeof cut_cases[0]);
	tcase_add_test(c, reads_code_points);
	c = new_case(s, "numbers");
	tcase_add_test(c, ranks_by_count_then_bytes);
	tcase_add_test(c, keeps_the_most_frequent);
	tcase_add_test(c, labels_are_classes);
	tcase_add_test(c, encode_counts_past_the_cap);
	tcase_add_test(c, a_nul_is_not_counted);
	c = new_case(s, "and back");
	tcase_add_test(c, characters_come_back_exactly);
	tcase_add_loop_test(c, words_come_back_spaced, 0, sizeof word_cases / sizeof word_cases[0]);
	tcase_add_test(c, a_boundary_has_no_text);
	c = new_case(s, "refused");
	tcase_add_loop_test(c, refuses_bad_documents, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(c, refuses_bad_texts);
	c = new_case(s, "memory");
	tcase_add_test(c, the_set_holds_many);
	tcase_add_test(c, a_document_gives_the_same_vocabulary);
	tcase_add_test(c, every_allocation_may_fail);
	return run_suite(s);
}

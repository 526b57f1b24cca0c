/* test_dataset_reader.c - texts, tab-separated values and columns that are text by name: each upload byte by byte and
 * cut in two everywhere, with the exact place and sentence of what is wrong. */
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "api/dataset_reader.h"
#include "api/text_lines.h"
#include "model/base/rng.h"
#include "tests/unit/api_data/print_frame.h"
#include "tests/unit/check.h"

#define COUNT(a) (int)(sizeof (a) / sizeof (a)[0])

/* A piece in memory of its own, so that the sanitizer sees a read past its end. */
static char *copy_piece(const char *s, size_t len)
{
	char *piece = malloc(len ? len : 1);

	ck_assert_ptr_nonnull(piece);
	memcpy(piece, s, len);
	return piece;
}

static void print_outcome(enum err rc, const struct frame *f, const struct error *e, struct strbuf *out)
{
	strbuf_reset(out);
	if (rc)
		strbuf_addf(out, "%s %s: %s", err_row(e->code)->label, e->where, e->what);
	else
		print_frame(f, out);
}

/* Read s: first bytes at once, then pieces of `piece`. */
static void outcome(enum dataset_format format, const char *text, const char *s, size_t len, size_t first, size_t piece,
                    struct strbuf *out)
{
	struct dataset_reader *r = NULL;
	struct frame *f = NULL;
	struct error e = { 0 };
	enum err rc = dataset_reader_new(format, text, &r, &e);

	for (size_t i = 0, n = first; i < len && r; i += n, n = piece) {
		n = n < len - i ? n : len - i;
		char *bytes = copy_piece(s + i, n);
		rc = dataset_reader_push(r, bytes, n, &e);
		free(bytes);
	}
	if (r)
		rc = dataset_reader_finish(r, &f, &e);
	print_outcome(rc, f, &e, out);
	frame_free(f);
	dataset_reader_free(r);
}

static void expect(enum dataset_format format, const char *text, const char *s, size_t len, const char *want)
{
	struct strbuf got;

	strbuf_init(&got, 1 << 24);
	outcome(format, text, s, len, 1, 1, &got);
	ck_assert_msg(strcmp(got.s, want) == 0, "\n  text %s\n  got  %s\n  want %s", s, got.s, want);
	for (size_t cut = 0; cut <= len; cut++) {
		outcome(format, text, s, len, cut, len, &got);
		ck_assert_msg(strcmp(got.s, want) == 0, "\n  text %s\n  cut  %zu\n  got  %s\n  want %s", s, cut, got.s, want);
	}
	strbuf_fini(&got);
}

/* ---- text ---- */

#define BYTES(s) s, sizeof s - 1

static const struct { const char *s; size_t len; const char *want; } text_cases[] = {
	{ BYTES("a"), "text:t=a" },
	{ BYTES("a\n"), "text:t=a" },
	{ BYTES("a\r\nb\nc"), "text:t=a|b|c" },
	{ BYTES("a\n\n\nb\n\n"), "text:t=a|||b|" },
	{ BYTES("\n\r\na"), "text:t=||a" },
	{ BYTES("a\r\r\nb\rc\r"), "text:t=a\r|b\rc\r" },
	{ BYTES(" a,\"b\" \t; \n"), "text:t= a,\"b\" \t; " },
	{ BYTES("\xEF\xBB\xBF""a\nb"), "text:t=a|b" },
	{ BYTES("\xEF\xBB\xBF\r\nb"), "text:t=|b" },
	{ BYTES("a\n\xEF\xBB\xBF""b"), "text:t=a|\xEF\xBB\xBF""b" },
	{ BYTES("é→\n😀"), "text:t=é→|😀" },
	{ BYTES("2017-11-15\n3\n"), "text:t=2017-11-15|3" },
	/* refused */
	{ BYTES(""), "invalid : the text is empty" },
	{ BYTES("\n\n\r\n"), "invalid : the text is empty" },
	{ BYTES("\xEF\xBB\xBF"), "invalid : the text is empty" },
	{ BYTES("\xFF\xFE""a\0"), "syntax line 1, byte 1: bytes that are not UTF-8" },
	{ BYTES("a\nb\0c"), "syntax line 2, byte 2: a NUL byte" },
	{ BYTES("\0"), "syntax line 1, byte 1: a NUL byte" },
	{ BYTES("ok\r\né\xC3\nz"), "syntax line 2, byte 3: bytes that are not UTF-8" },
	{ BYTES("ok\n\nabc\xE2\x86"), "syntax line 3, byte 4: bytes that are not UTF-8" },
	{ BYTES("\xED\xA0\x80"), "syntax line 1, byte 1: bytes that are not UTF-8" },
	{ BYTES("a\xC0\xAF"), "syntax line 1, byte 2: bytes that are not UTF-8" },
	{ BYTES("\xF4\x90\x80\x80"), "syntax line 1, byte 1: bytes that are not UTF-8" },
	{ BYTES("\xEF\xBB\xBF""a\x80"), "syntax line 1, byte 5: bytes that are not UTF-8" },
	{ BYTES("\x80\0"), "syntax line 1, byte 1: bytes that are not UTF-8" },
};

START_TEST(texts)
{
	expect(DATASET_TEXT, NULL, text_cases[_i].s, text_cases[_i].len, text_cases[_i].want);
}
END_TEST

static const struct text_limits few = { .max_rows = 3, .max_line = 4 };
static const struct { const char *s, *want; } limit_cases[] = {
	{ "abcd\r\nabcd\nab", "text:t=abcd|abcd|ab" },
	{ "\xEF\xBB\xBF""abcd\r\n", "text:t=abcd" },
	{ "abcde", "invalid line 1: a line may have at most 4 bytes" },
	{ "a\nabcd\r", "invalid line 2: a line may have at most 4 bytes" },
	{ "a\nb\nabcdefghijklmnopq\n", "invalid line 3: a line may have at most 4 bytes" },
	{ "a\nb\nc\n", "text:t=a|b|c" },
	{ "a\nb\nc\n\n", "too_large line 4: more than 3 lines" },
	{ "a\nb\nc\nd", "too_large line 4: more than 3 lines" },
};

START_TEST(text_limits)
{
	const char *s = limit_cases[_i].s;
	struct strbuf got;

	strbuf_init(&got, 1 << 16);
	for (size_t cut = 0; cut <= strlen(s); cut++) {
		struct text_reader *r = NULL;
		struct frame *f = NULL;
		struct error e = { 0 };
		ck_assert_int_eq(text_new(&few, &r, &e), ERR_OK);
		enum err first = text_push(r, s, cut, &e), second = text_push(r, s + cut, strlen(s) - cut, &e);
		ck_assert(first == ERR_OK || second == first);
		enum err rc = text_finish(r, &f, &e);
		print_outcome(rc, f, &e, &got);
		ck_assert_str_eq(got.s, limit_cases[_i].want);
		frame_free(f);
		text_free(r);
	}
	strbuf_fini(&got);
}
END_TEST

START_TEST(long_lines)
{
	struct strbuf text, got;

	strbuf_init(&text, 1 << 22);
	strbuf_init(&got, 1 << 22);
	for (size_t i = 0; i < text_default_limits.max_line; i++)
		strbuf_addc(&text, 'x');
	outcome(DATASET_TEXT, NULL, text.s, text.len, 65536, 65536, &got);
	ck_assert_uint_eq(got.len, text.len + strlen("text:t="));
	strbuf_addc(&text, 'x');
	outcome(DATASET_TEXT, NULL, text.s, text.len, 65536, 65536, &got);
	ck_assert_str_eq(got.s, "invalid line 1: a line may have at most 1048576 bytes");
	strbuf_fini(&got);
	strbuf_fini(&text);
}
END_TEST

/* Any bytes, cut anywhere, have one outcome. */
START_TEST(drawn_bytes)
{
	static const char *const parts[] = { "a", "\n", "\r", "\r\n", "\t", "\"", ",", "\xC3", "\xA9", "é", "1", "2017-11-15",
		"\xEF\xBB\xBF", "\xF0\x9F", " " };
	struct strbuf s, whole, cut;
	struct rng r;

	rng_init(&r, 5, RNG_TEST, 0);
	strbuf_init(&s, 1 << 16);
	strbuf_init(&whole, 1 << 16);
	strbuf_init(&cut, 1 << 16);
	for (int round = 0; round < 3000; round++) {
		strbuf_reset(&s);
		enum dataset_format format = (enum dataset_format)rng_below(&r, 3);
		const char *text = format == DATASET_TEXT || rng_below(&r, 2) ? NULL : "a";
		for (uint64_t n = rng_below(&r, 24); n > 0; n--)
			strbuf_adds(&s, parts[rng_below(&r, COUNT(parts))]);
		outcome(format, text, s.s, s.len, s.len, 1, &whole);
		outcome(format, text, s.s, s.len, 1 + (size_t)rng_below(&r, 9), 1 + (size_t)rng_below(&r, 9), &cut);
		ck_assert_str_eq(whole.s, cut.s);
	}
	strbuf_fini(&cut);
	strbuf_fini(&whole);
	strbuf_fini(&s);
}
END_TEST

/* ---- tabs, and columns that are text by name ---- */

static const struct { enum dataset_format format; const char *text, *s, *want; } column_cases[] = {
	{ DATASET_TSV, NULL, "a\tb\n1\tx, y; z\n", "a:n=1;b:t=x, y; z" },
	{ DATASET_TSV, NULL, "a,b;c,d;e\tf\n1\t2\n", "a,b;c,d;e:n=1;f:n=2" },
	{ DATASET_TSV, NULL, "only,one;column\nx\n", "only,one;column:t=x" },
	{ DATASET_TSV, NULL, "a\tb\n\"x\ty\"\t\"say \"\"hi\"\"\"\n", "a:t=x\ty;b:t=say \"hi\"" },
	{ DATASET_TSV, NULL, "a\tb\r\n\"two\r\nlines\"\t\r\n", "a:t=two\r\nlines;b:n=" },
	{ DATASET_TSV, NULL, "a\tb\n1\t2\t3\n", "syntax line 2: the row has 3 fields, the header has 2" },
	{ DATASET_TSV, "b,a", "a\tb\n17.5.2003\t2003-05-17\n1.1.1990\t1990-01-01\n",
	  "a:t=17.5.2003|1.1.1990;b:t=2003-05-17|1990-01-01" },
	{ DATASET_CSV, "d", "d,v\n2017-11-15,1\n2017-11-15,2\n", "d:t=2017-11-15|2017-11-15;v:n=1|2" },
	{ DATASET_CSV, "d", "d,e\n2017-11-15,2017-11-16\n", "d:t=2017-11-15;*e:d=2017-11-16" },
	{ DATASET_CSV, "V", "d,v\n2017-11-15,nan\n2017-11-16,\n", "*d:d=2017-11-15|2017-11-16;v:t=nan|" },
	{ DATASET_CSV, "v,v", "v\n1\n", "v:t=1" },
	{ DATASET_CSV, "v", "v\n\"\"\n", "v:t=" },
	{ DATASET_CSV, "Texts", "text,label\nx,y\n", "invalid text: there is no column \"Texts\"; did you mean \"text\"?" },
	{ DATASET_CSV, "text,", "text,label\nx,y\n", "invalid text: there is no column \"\"" },
	{ DATASET_CSV, "quite another", "text,label\nx,y\n", "invalid text: there is no column \"quite another\"" },
	{ DATASET_TEXT, "text", "x\n", "invalid text: a text has one column, \"text\"; only columns of CSV and TSV are named" },
};

START_TEST(columns)
{
	expect(column_cases[_i].format, column_cases[_i].text, column_cases[_i].s, strlen(column_cases[_i].s),
		column_cases[_i].want);
}
END_TEST

/* A text with everything in it, written as CSV, reads back to the same rows. */
START_TEST(texts_survive_csv)
{
	static const char s[] = "To be, or \"not\"\n\n  2017-11-15\n; tab\there \ré\n\"\n";
	struct dataset_reader *r = NULL;
	struct frame *f = NULL;
	struct strbuf csv, before, after;

	strbuf_init(&csv, 1 << 16);
	strbuf_init(&before, 1 << 16);
	strbuf_init(&after, 1 << 16);
	ck_assert_int_eq(dataset_reader_new(DATASET_TEXT, NULL, &r, NULL), ERR_OK);
	ck_assert_int_eq(dataset_reader_push(r, s, sizeof s - 1, NULL), ERR_OK);
	ck_assert_int_eq(dataset_reader_finish(r, &f, NULL), ERR_OK);
	dataset_reader_free(r);
	print_frame(f, &before);
	csv_write(f, &csv);
	frame_free(f);
	outcome(DATASET_CSV, "text", csv.s, csv.len, 3, 5, &after);
	ck_assert_str_eq(before.s, after.s);
	strbuf_fini(&after);
	strbuf_fini(&before);
	strbuf_fini(&csv);
}
END_TEST

/* ---- formats ---- */

START_TEST(formats)
{
	static const struct { const char *media; enum dataset_format want; } media[] = {
		{ "text/csv", DATASET_CSV }, { "text/plain", DATASET_TEXT }, { "Text/Plain; charset=utf-8", DATASET_TEXT },
		{ "text/tab-separated-values\t;x", DATASET_TSV }, { "text/plainer", DATASET_CSV }, { "", DATASET_CSV },
	};
	static const struct { const char *path; enum dataset_format want; } path[] = {
		{ "a.csv", DATASET_CSV }, { "a.b.TXT", DATASET_TEXT }, { "/x.txt/a.tsv", DATASET_TSV }, { "a.tab", DATASET_TSV },
		{ "-", DATASET_CSV }, { "txt", DATASET_CSV }, { "a.txt.gz", DATASET_CSV },
	};

	for (int i = 0; i < COUNT(media); i++)
		ck_assert_int_eq(dataset_format_of_media(media[i].media), media[i].want);
	for (int i = 0; i < COUNT(path); i++)
		ck_assert_int_eq(dataset_format_of_path(path[i].path), path[i].want);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("dataset_reader");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, texts, 0, COUNT(text_cases));
	tcase_add_loop_test(t, text_limits, 0, COUNT(limit_cases));
	tcase_add_test(t, long_lines);
	tcase_add_test(t, drawn_bytes);
	tcase_add_loop_test(t, columns, 0, COUNT(column_cases));
	tcase_add_test(t, texts_survive_csv);
	tcase_add_test(t, formats);
	suite_add_tcase(s, t);
	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* test_csv.c - uploads good and bad, each cut in every way, with the exact place and sentence of what is wrong. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/csv.h"
#include "model/base/rng.h"
#include "model/series/calendar.h"
#include "tests/unit/api_data/print_frame.h"
#include "tests/unit/check.h"

static const struct csv_limits small = { .max_rows = 5, .max_cells = 12, .max_field = 80 };

/* How a text is cut into pieces. */
enum cut { WHOLE, BYTES, RANDOM, CUTS };

/* Parse text and print the frame, or "CODE where: what". */
static void outcome(const char *text, size_t len, const struct csv_limits *l, enum cut cut, struct rng *rng, struct strbuf *out)
{
	struct csv_reader *r = NULL;
	struct frame *f = NULL;
	struct error e;
	enum err rc = csv_new(l, NULL, &r, &e);

	ck_assert_int_eq(rc, ERR_OK);
	for (size_t i = 0, n; i < len; i += n) {
		n = cut == WHOLE ? len : cut == BYTES ? 1 : 1 + rng_below(rng, 7);
		n = n < len - i ? n : len - i;
		char *piece = malloc(n);   /* of its own, so that the sanitizer sees a read past its end */
		ck_assert_ptr_nonnull(piece);
		memcpy(piece, text + i, n);
		rc = csv_push(r, piece, n, &e);
		free(piece);
	}
	enum err last = csv_finish(r, &f, &e);
	ck_assert(rc == ERR_OK || last == rc);
	if (last)
		strbuf_addf(out, "%s %s: %s", err_row(e.code)->label, e.where, e.what);
	else
		print_frame(f, out);
	frame_free(f);
	csv_free(r);
}

static void expect(const char *text, size_t len, const struct csv_limits *l, const char *want)
{
	struct rng rng;
	struct strbuf got;

	rng_init(&rng, 3, RNG_TEST, 0);
	strbuf_init(&got, 1 << 20);
	for (int i = 0; i < CUTS + 4; i++) {
		strbuf_reset(&got);
		outcome(text, len, l, i < CUTS ? (enum cut)i : RANDOM, &rng, &got);
		ck_assert_msg(strcmp(got.s, want) == 0, "\n  text %s\n  cut  %d\n  got  %s\n  want %s", text, i, got.s, want);
	}
	strbuf_fini(&got);
}

/* ---- accepted ---- */

static const struct { const char *text, *want; } good_cases[] = {
	/* ends of line */
	{ "a\n1\n", "a:n=1" },
	{ "a\n1", "a:n=1" },
	{ "a\r\n1\r\n", "a:n=1" },
	{ "a\r1\r", "a:n=1" },
	{ "a\r1", "a:n=1" },
	{ "a\n1\r\n2\r3\n", "a:n=1|2|3" },
	{ "a,b\n1,2\n3,4\n", "a:n=1|3;b:n=2|4" },
	{ "\n\na\n1\n", "a:n=1" },
	{ "\r\n\r\na\r\n1\r\n", "a:n=1" },
	{ "a\n\n1\n\n\n2\n\n", "a:n=1|2" },
	{ "a\n   \n1\n\t\n2\n", "a:n=1|2" },
	{ "a,b\n1,2\n   \n3,4", "a:n=1|3;b:n=2|4" },
	{ "a\n1\r\r2", "a:n=1|2" },
	{ "a\n1\n\r2", "a:n=1|2" },
	/* byte order mark */
	{ "\xEF\xBB\xBF""a\n1\n", "a:n=1" },
	{ "\xEF\xBB\xBF\"a\"\n1\n", "a:n=1" },
	{ "\xEF\xBB\xBF\n\na\n1\n", "a:n=1" },
	/* delimiters */
	{ "a;b\n1;2\n", "a:n=1;b:n=2" },
	{ "a\tb\n1\t2\n", "a:n=1;b:n=2" },
	{ "a;b;c,d\n1;2;3\n", "a:n=1;b:n=2;c,d:n=3" },
	{ "\"a,b,c\";d\n1;2\n", "a,b,c:n=1;d:n=2" },
	{ "a;\"b\nc;;;,,,,\"\n1;2\n", "a:n=1;b\nc;;;,,,,:n=2" },
	{ "a,b;c\n1,2\n", "a:n=1;b;c:n=2" },
	{ "a\tb\n1\t\n", "a:n=1;b:n=" },
	{ "a\tb\n\t2\n", "a:n=;b:n=2" },
	{ "a\tb\n\t\n1\t2", "a:n=|1;b:n=|2" },
	{ "a b\n1\n", "a b:n=1" },
	/* quotes */
	{ "\"a\"\n\"1\"\n", "a:n=1" },
	{ "\"a\"\"b\"\n1\n", "a\"b:n=1" },
	{ "a,b\n1,\"x,y\"\n", "a:n=1;b:t=x,y" },
	{ "a,b\n1,\"x\ny\"\n", "a:n=1;b:t=x\ny" },
	{ "a,b\n1,\"x\r\ny\"\n", "a:n=1;b:t=x\r\ny" },
	{ "a,b\n1,\"x\ry\"\n", "a:n=1;b:t=x\ry" },
	{ "a,b\n1,\"\"\"\"\n", "a:n=1;b:t=\"" },
	{ "a,b\n1,\"\"\"x\"\"\"\n", "a:n=1;b:t=\"x\"" },
	{ "a,b\n1,\"\"\n", "a:n=1;b:n=" },
	{ "a,b\n1, \"x\" \n", "a:n=1;b:t=x" },
	{ "a,b\n1,\t\"x\"\t\n", "a:n=1;b:t=x" },
	{ "a,b\n1,\"x\"", "a:n=1;b:t=x" },
	{ "a,b\n1,\" x \"\n", "a:n=1;b:t= x " },
	{ "a\n\"\"\n1\n", "a:n=|1" },
	{ "a\n\"1\"\r\n\"2\"\r\n", "a:n=1|2" },
	{ "a,b\n\"1\",\"2\"\n", "a:n=1;b:n=2" },
	{ "a\n\" 5 \"\n", "a:n=5" },
	/* numbers */
	{ "a\n+1\n-2\n.5\n3.\n4e2", "a:n=1|-2|0.5|3|400" },
	{ "a\n 1 \n\t2\n", "a:n=1|2" },
	{ "a\n0.1\n1e-3\n007\n", "a:n=0.10000000000000001|0.001|7" },
	{ "a\n1e-400\n", "a:n=0" },
	{ "a\n20171115\n", "a:n=20171115" },
	{ "a\n2017\n", "a:n=2017" },
	/* missing */
	{ "a,b\n1,\n,2\n", "a:n=1|;b:n=|2" },
	{ "a,b\n,\n1,2\n", "a:n=|1;b:n=|2" },
	{ "a,b\n1,\n2,\n", "a:n=1|2;b:n=|" },
	{ "a,b\n1,  \n2,3\n", "a:n=1|2;b:n=|3" },
	{ "a,b\n1,\n2,x\n3,\n", "a:n=1|2|3;b:t=|x|" },
	/* dates */
	{ "d,a\n2017-11-15,1\n2017-11-16,2\n", "*d:d=2017-11-15|2017-11-16;a:n=1|2" },
	{ "a,d\n1,2017-11-15\n2,2017-11-16\n", "a:n=1|2;*d:d=2017-11-15|2017-11-16" },
	{ "d,a\n2017-11,1\n2017-12,2\n", "*d:d=2017-11-01|2017-12-01;a:n=1|2" },
	{ "d,a\n11/15/2017,1\n11/16/2017,2\n", "*d:d=2017-11-15|2017-11-16;a:n=1|2" },
	{ "d,a\n2017-11-15T08:30:00Z,1\n", "*d:d=2017-11-15T08:30:00Z;a:n=1" },
	{ "d,a\n2017-11-15 08:30,1\n", "*d:d=2017-11-15T08:30:00Z;a:n=1" },
	{ "d,a\n\"2017-11-15\",1\n", "*d:d=2017-11-15;a:n=1" },
	{ "d,e,a\n2017-11-15,2020-01-01,1\n2017-11-16,2019-01-01,2\n",
	  "*d:d=2017-11-15|2017-11-16;e:d=2020-01-01|2019-01-01;a:n=1|2" },
	{ "d,e,a\n2017-11-15,,1\n2017-11-16,2019-01-01,2\n", "*d:d=2017-11-15|2017-11-16;e:d=|2019-01-01;a:n=1|2" },
	{ "e,d,a\n,2017-11-15,1\n2019-01-01,2017-11-16,2\n", "e:d=|2019-01-01;*d:d=2017-11-15|2017-11-16;a:n=1|2" },
	/* text and names */
	{ "t,a\nx,1\ny,2\n", "t:t=x|y;a:n=1|2" },
	{ "t,a\nx,1\n5,2\n", "t:t=x|5;a:n=1|2" },
	{ "t,a\nNA,1\n", "t:t=NA;a:n=1" },
	{ " a , b \n1,2\n", "a:n=1;b:n=2" },
	{ "\" a\",a\n1,2\n", " a:n=1;a:n=2" },
	{ "Close,close\n1,2\n", "Close:n=1;close:n=2" },
	{ "caf\xC3\xA9,\xE2\x82\xAC\n1,\xF0\x9F\x98\x80\n", "caf\xC3\xA9:n=1;\xE2\x82\xAC:t=\xF0\x9F\x98\x80" },
	{ "0,1\n5,6\n", "0:n=5;1:n=6" },
	{ "1234567890123456789012345678901234567890123456789012345678901234\n1\n",
	  "1234567890123456789012345678901234567890123456789012345678901234:n=1" },
	{ "a\n1\n2\n3\n4\n5\n", "a:n=1|2|3|4|5" },
	{ "a,b,c\n1,2,3\n4,5,6\n7,8,9\n1,1,1\n", "a:n=1|4|7|1;b:n=2|5|8|1;c:n=3|6|9|1" },
	{ "a\n12345678901234567890123456789012345678901234567890123456789012345678901234567890\n", "a:n=1.2345678901234568e+79" },
	{ "a,b\nx,1\n", "a:t=x;b:n=1" },
};

START_TEST(good)
{
	expect(good_cases[_i].text, strlen(good_cases[_i].text), &small, good_cases[_i].want);
}
END_TEST

/* ---- refused ---- */

#define FIELD_81 "123456789012345678901234567890123456789012345678901234567890123456789012345678901"

static const struct { const char *text, *want; } bad_cases[] = {
	/* nothing there */
	{ "", "invalid : the file is empty; a header row with the columns' names comes first" },
	{ "\n\n", "invalid : the file is empty; a header row with the columns' names comes first" },
	{ "\xEF\xBB\xBF", "invalid : the file is empty; a header row with the columns' names comes first" },
	{ " ", "invalid : the file is empty; a header row with the columns' names comes first" },
	{ "a", "invalid : there is no row after the header" },
	{ "a,b\n", "invalid : there is no row after the header" },
	{ "a\n\n \n", "invalid : there is no row after the header" },
	{ "a\n\"\"\n", "invalid : no column holds numbers or text" },
	{ "a,b\n,\n", "invalid : no column holds numbers or text" },
	{ "d,e\n2017-11-15,\n", "invalid : no column holds numbers or text" },
	/* header */
	{ "a,\n1,2\n", "invalid line 1, column 2: the column has no name" },
	{ ",a\n1,2\n", "invalid line 1, column 1: the column has no name" },
	{ "a,,b\n1,2,3\n", "invalid line 1, column 2: the column has no name" },
	{ "a,\"\",b\n1,2,3\n", "invalid line 1, column 2: the column has no name" },
	{ "a,  ,b\n1,2,3\n", "invalid line 1, column 2: the column has no name" },
	{ "\n\n,\n", "invalid line 3, column 1: the column has no name" },
	{ "\"\"\n1\n", "invalid line 1, column 1: the column has no name" },
	{ "a,b,a\n1,2,3\n", "invalid line 1, column 3: two columns have the name \"a\"" },
	{ "a, a \n1,2\n", "invalid line 1, column 2: two columns have the name \"a\"" },
	{ "x,12345678901234567890123456789012345678901234567890123456789012345\n1,2\n",
	  "invalid line 1, column 2: a column's name may have at most 64 bytes, not 65" },
	{ "x," FIELD_81 "\n1,2\n", "invalid line 1, column 2: a field may have at most 80 bytes" },
	{ "a\"b\n1\n", "syntax line 1, column 1: a quote inside a field that does not begin with one" },
	{ "\"a\"b\n1\n", "syntax line 1, column 1: text after the closing quote" },
	{ "\"a\n1\n", "syntax line 1, column 1: the quote that opens this field is never closed" },
	{ "a,\"b\n1,2\n", "syntax line 1, column 2: the quote that opens this field is never closed" },
	{ "a\xFF\n1\n", "syntax line 1, column 1: bytes that are not UTF-8" },
	{ "\xFF\xFE""a\n1\n", "syntax line 1, column 1: bytes that are not UTF-8" },
	/* fields per row */
	{ "a,b\n1\n", "syntax line 2: the row has 1 field, the header has 2" },
	{ "a,b\n1,2,3\n", "syntax line 2: the row has 3 fields, the header has 2" },
	{ "a,b\n1,2,\n", "syntax line 2: the row has 3 fields, the header has 2" },
	{ "a,b\n1,2\n3,4\n5", "syntax line 4: the row has 1 field, the header has 2" },
	{ "a,b\n1,2\n\n\n5", "syntax line 5: the row has 1 field, the header has 2" },
	{ "a\n1,2\n", "syntax line 2: the row has 2 fields, the header has 1" },
	{ "a\n1\n,\n", "syntax line 3: the row has 2 fields, the header has 1" },
	{ "a,b\r\n1,2\r\n3\r\n", "syntax line 3: the row has 1 field, the header has 2" },
	{ "a,b\r1,2\r3\r", "syntax line 3: the row has 1 field, the header has 2" },
	{ "a,t\n1,\"x\ny\nz\"\n3\n", "syntax line 5: the row has 1 field, the header has 2" },
	{ "a,t\r\n1,\"x\r\ny\r\nz\"\r\n3\r\n", "syntax line 5: the row has 1 field, the header has 2" },
	{ "a,t\r1,\"x\ry\rz\"\r3\r", "syntax line 5: the row has 1 field, the header has 2" },
	{ "a;b\n1,2\n", "syntax line 2: the row has 1 field, the header has 2" },
	{ "a,b\n\"\"\n", "syntax line 2: the row has 1 field, the header has 2" },
	/* cells: numbers */
	{ "Close\n1\nabc\n", "invalid line 3, column 1 (Close): expected a number, found \"abc\"" },
	{ "a,Close\n1,2\n3,x\n", "invalid line 3, column 2 (Close): expected a number, found \"x\"" },
	{ "a\n1\n\n\nx", "invalid line 5, column 1 (a): expected a number, found \"x\"" },
	{ "a\n1\n2017-11-15\n", "invalid line 3, column 1 (a): expected a number, found \"2017-11-15\"" },
	{ "a\n1\n1 2\n", "invalid line 3, column 1 (a): expected a number, found \"1 2\"" },
	{ "a\n1\n0x10\n", "invalid line 3, column 1 (a): expected a number, found \"0x10\"" },
	{ "a\n1\n1e999\n", "invalid line 3, column 1 (a): expected a number, found \"1e999\"" },
	{ "a\n1\n\"1,5\"\n", "invalid line 3, column 1 (a): expected a number, found \"1,5\"" },
	{ "a\n1\n$5\n", "invalid line 3, column 1 (a): expected a number, found \"$5\"" },
	{ "a\n1\n\"  \"\n", "invalid line 3, column 1 (a): expected a number, found \"  \"" },
	{ "a\n1\nNA\n", "invalid line 3, column 1 (a): expected a number, found \"NA\"" },
	{ "a\n1\nNaN\n", "invalid line 3, column 1 (a): expected a finite number (or nothing where it is missing), found \"NaN\"" },
	{ "a\nnan\n1\n", "invalid line 2, column 1 (a): expected a finite number (or nothing where it is missing), found \"nan\"" },
	{ "a\ninf\n", "invalid line 2, column 1 (a): expected a finite number (or nothing where it is missing), found \"inf\"" },
	{ "a\n1\n-Infinity\n",
	  "invalid line 3, column 1 (a): expected a finite number (or nothing where it is missing), found \"-Infinity\"" },
	{ "a\n1\n+INF\n", "invalid line 3, column 1 (a): expected a finite number (or nothing where it is missing), found \"+INF\"" },
	{ "a\n1\nabcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n",
	  "invalid line 3, column 1 (a): expected a number, found \"abcdefghijklmnopqrstuvwxyzabcdefghijklmn…\"" },
	{ "a\n1\n123456789012345678901234567890123456789\xC3\xA9\n",
	  "invalid line 3, column 1 (a): expected a number, found \"123456789012345678901234567890123456789…\"" },
	{ "a,t\n1,\"x\ny\"\n\"z\nw\",u\n", "invalid line 4, column 1 (a): expected a number, found \"z\nw\"" },
	{ "a,b\n1,2\n3,\"\n4\"\n", "invalid line 3, column 2 (b): expected a number, found \"\n4\"" },
	/* cells: dates */
	{ "d,a\n2017-11-15,1\n2017-11-15,2\n", "invalid line 3, column 1 (d): dates must rise: 2017-11-15 does not come after 2017-11-15" },
	{ "d,a\n2017-11-16,1\n2017-11-15,2\n", "invalid line 3, column 1 (d): dates must rise: 2017-11-15 does not come after 2017-11-16" },
	{ "a,d\n1,2017-11-16\n2,2017-11-17\n3,2017-11-01\n",
	  "invalid line 4, column 2 (d): dates must rise: 2017-11-01 does not come after 2017-11-17" },
	{ "d,a\n2017-11-15,1\n,2\n", "invalid line 3, column 1 (d): a date of the time axis is missing" },
	{ "d,a\n2017-11-15,1\n\"\",2\n", "invalid line 3, column 1 (d): a date of the time axis is missing" },
	{ "d,a\n,1\n2017-11-15,2\n", "invalid line 2, column 1 (d): a date of the time axis is missing" },
	{ "a,d\n1,\n\n2,\n3,2017-11-15\n", "invalid line 2, column 2 (d): a date of the time axis is missing" },
	{ "d,a\n2017-11-15,1\n2017-02-30,2\n", "invalid line 3, column 1 (d): expected a date, found \"2017-02-30\"" },
	{ "d,a\n2017-11-15,1\n5,2\n", "invalid line 3, column 1 (d): expected a date, found \"5\"" },
	{ "d,a\n2017-11-15,1\ntomorrow,2\n", "invalid line 3, column 1 (d): expected a date, found \"tomorrow\"" },
	{ "d,e,a\n2017-11-15,2017-11-15,1\n2017-11-16,x,2\n", "invalid line 3, column 2 (e): expected a date, found \"x\"" },
	/* quotes and bytes in rows */
	{ "a,t\n1,x\"y\n", "syntax line 2, column 2 (t): a quote inside a field that does not begin with one" },
	{ "a,t\n1,x\"y\"\n", "syntax line 2, column 2 (t): a quote inside a field that does not begin with one" },
	{ "a,t\n1,\"x\"y\n", "syntax line 2, column 2 (t): text after the closing quote" },
	{ "a,t\n1,\"x\" y\n", "syntax line 2, column 2 (t): text after the closing quote" },
	{ "a,t\n1,\"x\" \"y\"\n", "syntax line 2, column 2 (t): text after the closing quote" },
	{ "a,t\n1,\"x\n2,y\n", "syntax line 2, column 2 (t): the quote that opens this field is never closed" },
	{ "a,t\n1,\"x\"\"", "syntax line 2, column 2 (t): the quote that opens this field is never closed" },
	{ "a,t\n1,\"", "syntax line 2, column 2 (t): the quote that opens this field is never closed" },
	{ "a,t\n1,\xC3\n", "syntax line 2, column 2 (t): bytes that are not UTF-8" },
	{ "a,t\n1,\"\xC0\x80\"\n", "syntax line 2, column 2 (t): bytes that are not UTF-8" },
	{ "a,t\n1,caf\xE9\n", "syntax line 2, column 2 (t): bytes that are not UTF-8" },
	{ "a,t\n1,\xED\xA0\x80\n", "syntax line 2, column 2 (t): bytes that are not UTF-8" },
	{ "a\n1,\xFF\n", "syntax line 2, column 2: bytes that are not UTF-8" },
	{ "a\n1,x\"\n", "syntax line 2, column 2: a quote inside a field that does not begin with one" },
	/* limits */
	{ "a\n1\n2\n3\n4\n5\n6\n", "too_large line 7: more than 5 rows" },
	{ "a\n1\n\n2\n3\n4\n5\n\n6\n", "too_large line 9: more than 5 rows" },
	{ "a,b,c\n1,2,3\n1,2,3\n1,2,3\n1,2,3\n1,2,3\n", "too_large line 6: more than 12 cells (rows times columns)" },
	{ "a,t\n1," FIELD_81 "\n", "invalid line 2, column 2 (t): a field may have at most 80 bytes" },
	{ "a,t\n1,\"" FIELD_81 "\"\n", "invalid line 2, column 2 (t): a field may have at most 80 bytes" },
	/* the first failure is the one that is told */
	{ "a,b\n1,2\nx,y\nz\n", "invalid line 3, column 1 (a): expected a number, found \"x\"" },
};

START_TEST(bad)
{
	expect(bad_cases[_i].text, strlen(bad_cases[_i].text), &small, bad_cases[_i].want);
}
END_TEST

/* Bytes that a C string cannot hold. */
static const struct { const char *text; size_t len; const char *want; } nul_cases[] = {
	{ "a\0b\n1\n", 6, "syntax line 1, column 1: a NUL byte" },
	{ "a\n1\0\n", 5, "syntax line 2, column 1 (a): a NUL byte" },
	{ "a,t\n1,\"x\0\"\n", 11, "syntax line 2, column 2 (t): a NUL byte" },
	{ "a\n\"1\"\0\n", 7, "syntax line 2, column 1 (a): a NUL byte" },
	{ "\0", 1, "syntax line 1, column 1: a NUL byte" },
	{ "\xFF\xFE""a\0\n\0", 6, "syntax line 1, column 1: a NUL byte" },
};

START_TEST(nul)
{
	expect(nul_cases[_i].text, nul_cases[_i].len, &small, nul_cases[_i].want);
}
END_TEST

/* ---- sizes ---- */

static void header_of(int columns, struct strbuf *out)
{
	for (int j = 0; j < columns; j++)
		strbuf_addf(out, "%sc%d", j ? "," : "", j);
	strbuf_addc(out, '\n');
}

START_TEST(too_many_columns)
{
	struct strbuf text, want;

	strbuf_init(&text, 1 << 20);
	strbuf_init(&want, 1 << 20);
	header_of(FRAME_MAX_COLUMNS + 1, &text);
	strbuf_addf(&want, "invalid line 1, column %d: more than %d columns", FRAME_MAX_COLUMNS + 1, FRAME_MAX_COLUMNS);
	expect(text.s, text.len, &csv_default_limits, want.s);
	strbuf_fini(&want);
	strbuf_fini(&text);
}
END_TEST

/* A header row longer than what is kept of it is read all the same. */
START_TEST(long_header)
{
	struct strbuf text, want;

	strbuf_init(&text, 1 << 20);
	strbuf_init(&want, 1 << 20);
	for (int i = 0; i < 70000; i++)
		strbuf_addc(&text, '\n');
	strbuf_adds(&text, "a,b\n1,x\n");
	strbuf_adds(&want, "a:n=1;b:t=x");
	expect(text.s, text.len, &csv_default_limits, want.s);
	strbuf_fini(&want);
	strbuf_fini(&text);
}
END_TEST

/* Columns whose type shows late, after the frame has grown a few times. */
START_TEST(late_types)
{
	struct csv_reader *r = NULL;
	struct frame *f = NULL;
	struct error e;

	ck_assert_int_eq(csv_new(&csv_default_limits, NULL, &r, &e), ERR_OK);
	ck_assert_int_eq(csv_push(r, "a,t,d\n", 6, &e), ERR_OK);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(csv_push(r, "1,,\n", 4, &e), ERR_OK);
	ck_assert_int_eq(csv_push(r, "2,late,\n3,,\n", 12, &e), ERR_OK);
	ck_assert_int_eq(csv_finish(r, &f, &e), ERR_OK);
	ck_assert_uint_eq(f->rows, 1002);
	ck_assert_int_eq(f->column[1].type, COLUMN_TEXT);
	ck_assert_str_eq(frame_text(f, 1, 0), "");
	ck_assert_str_eq(frame_text(f, 1, 1000), "late");
	ck_assert_str_eq(frame_text(f, 1, 1001), "");
	ck_assert(f->column[0].number[1001] == 3);
	frame_free(f);
	csv_free(r);
}
END_TEST

START_TEST(error_stays)
{
	struct csv_reader *r = NULL;
	struct frame *f = NULL;
	struct error e, again;

	ck_assert_int_eq(csv_new(&csv_default_limits, NULL, &r, NULL), ERR_OK);
	ck_assert_int_eq(csv_push(r, "a,b\n1\n", 6, &e), ERR_SYNTAX);
	ck_assert_int_eq(csv_push(r, "1,2\n", 4, &again), ERR_SYNTAX);
	ck_assert_str_eq(again.what, e.what);
	ck_assert_str_eq(again.where, "line 2");
	ck_assert_int_eq(csv_push(r, "", 0, NULL), ERR_SYNTAX);
	ck_assert_int_eq(csv_finish(r, &f, &again), ERR_SYNTAX);
	ck_assert_str_eq(again.what, e.what);
	ck_assert_ptr_null(f);
	csv_free(r);
	csv_free(NULL);
}
END_TEST

/* ---- writing ---- */

static struct frame *parse(const char *text, size_t len)
{
	struct csv_reader *r = NULL;
	struct frame *f = NULL;
	struct error e = { 0 };

	ck_assert_int_eq(csv_new(&csv_default_limits, NULL, &r, &e), ERR_OK);
	csv_push(r, text, len, &e);
	ck_assert_msg(csv_finish(r, &f, &e) == ERR_OK, "%s: %s\n%s", e.where, e.what, text);
	csv_free(r);
	return f;
}

static const struct { const char *text, *want; } write_cases[] = {
	{ "a;b\r\n1.50;x\r\n", "a,b\n1.5,x\n" },
	{ "d,a\n11/15/2017,1e3\n11/16/2017 08:30,\n", "d,a\n2017-11-15,1000\n2017-11-16T08:30:00Z,\n" },
	{ "\"a,b\",\"c\"\"d\",e\n1,2,\" x\"\n", "\"a,b\",\"c\"\"d\",e\n1,2,\" x\"\n" },
	{ "a\n\"\"\n1\n", "a\n\"\"\n1\n" },
	{ "a,t\n1,\"x\r\ny\"\n", "a,t\n1,\"x\r\ny\"\n" },
	{ "a,t\n1,\"x;y\"\n2,\n", "a,t\n1,\"x;y\"\n2,\n" },
	{ "a\n0.1\n-0\n5e-324\n", "a\n0.1\n-0\n5e-324\n" },
};

START_TEST(write_known)
{
	struct frame *f = parse(write_cases[_i].text, strlen(write_cases[_i].text));
	struct strbuf out;

	strbuf_init(&out, 4096);
	csv_write(f, &out);
	ck_assert_str_eq(out.s, write_cases[_i].want);
	strbuf_fini(&out);
	frame_free(f);
}
END_TEST

static void random_text(struct rng *rng, struct strbuf *out)
{
	static const char *const bits[] = { "a", "b", ",", ";", "\t", "\"", "\n", "\r", "\r\n", " ", "\xC3\xA9", "'", "1", "-" };
	int n = (int)rng_below(rng, 8);

	for (int i = 0; i < n; i++)
		strbuf_adds(out, bits[rng_below(rng, sizeof bits / sizeof bits[0])]);
}

static struct frame *random_frame(struct rng *rng)
{
	struct frame *f = frame_new();
	struct strbuf text;
	int columns = 1 + (int)rng_below(rng, 5);
	size_t rows = 1 + rng_below(rng, 100);
	char name[32];

	strbuf_init(&text, 4096);
	for (int j = 0; j < columns; j++) {
		snprintf(name, sizeof name, "c%d%s", j, rng_below(rng, 3) ? "" : ", \"x\"");
		ck_assert_int_eq(frame_add_column(f, name, j ? (enum column_type)rng_below(rng, 3) : COLUMN_NUMBER, NULL), ERR_OK);
	}
	for (size_t i = 0; i < rows; i++) {
		ck_assert_int_eq(frame_add_row(f, NULL), ERR_OK);
		for (int j = 0; j < columns; j++) {
			/* the first row has all cells, of the column's type beyond doubt */
			if (i > 0 && j != f->date_column && rng_below(rng, 4) == 0)
				continue;
			if (f->column[j].type == COLUMN_NUMBER)
				frame_set_number(f, j, i, rng_below(rng, 2) ? rng_normal(rng) : (double)rng_below(rng, 100000) / 100);
			else if (f->column[j].type == COLUMN_DATE)
				frame_set_date(f, j, i, (int64_t)i * 86400 + (int64_t)rng_below(rng, 86400));
			else {
				strbuf_reset(&text);
				if (i == 0)
					strbuf_adds(&text, "text");
				random_text(rng, &text);
				ck_assert_int_eq(frame_set_text(f, j, i, text.s, text.len, NULL), ERR_OK);
			}
		}
	}
	strbuf_fini(&text);
	return f;
}

START_TEST(write_round_trip)
{
	struct rng rng;
	struct strbuf text, before, after;

	rng_init(&rng, 5, RNG_TEST, 1);
	strbuf_init(&text, 1 << 20);
	strbuf_init(&before, 1 << 20);
	strbuf_init(&after, 1 << 20);
	for (int i = 0; i < 300; i++) {
		struct frame *f = random_frame(&rng);
		strbuf_reset(&text);
		strbuf_reset(&before);
		strbuf_reset(&after);
		csv_write(f, &text);
		print_frame(f, &before);
		outcome(text.s, text.len, &csv_default_limits, i % 3 ? RANDOM : WHOLE, &rng, &after);
		ck_assert_msg(strcmp(before.s, after.s) == 0, "\n%s\n%s\n%s", text.s, before.s, after.s);
		frame_free(f);
	}
	strbuf_fini(&after);
	strbuf_fini(&before);
	strbuf_fini(&text);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof table[0]))

int main(void)
{
	Suite *s = suite_create("csv");
	TCase *t = tcase_create("csv");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, good, 0, COUNT(good_cases));
	tcase_add_loop_test(t, bad, 0, COUNT(bad_cases));
	tcase_add_loop_test(t, nul, 0, COUNT(nul_cases));
	tcase_add_test(t, too_many_columns);
	tcase_add_test(t, long_header);
	tcase_add_test(t, late_types);
	tcase_add_test(t, error_stays);
	tcase_add_loop_test(t, write_known, 0, COUNT(write_cases));
	tcase_add_test(t, write_round_trip);
	suite_add_tcase(s, t);

	SRunner *runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

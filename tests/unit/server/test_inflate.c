/* test_inflate.c - compressed bodies in pieces of all sizes, what is no such body, and bombs. */
#include "server/inflate.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "model/base/rng.h"
#include "model/base/strbuf.h"
#include "tests/unit/check.h"

#define MIB (1u << 20)

static const char *const codings[] = { "gzip", "zstd" };

static void gzip(const void *plain, size_t len, struct strbuf *out)
{
	z_stream z = { 0 };
	size_t cap = len + len / 100 + 1024;
	unsigned char *bytes = malloc(cap);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)plain;
	z.avail_in = (uInt)len;
	z.next_out = bytes;
	z.avail_out = (uInt)cap;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	strbuf_add(out, bytes, z.total_out);
	deflateEnd(&z);
	free(bytes);
}

static void zstd(const void *plain, size_t len, struct strbuf *out)
{
	size_t cap = ZSTD_compressBound(len);
	char *bytes = malloc(cap);
	ck_assert_ptr_nonnull(bytes);
	size_t n = ZSTD_compress(bytes, cap, plain, len, 3);
	ck_assert(!ZSTD_isError(n));
	strbuf_add(out, bytes, n);
	free(bytes);
}

static void compress_as(const char *coding, const void *plain, size_t len, struct strbuf *out)
{
	if (!strcmp(coding, "zstd"))
		zstd(plain, len, out);
	else
		gzip(plain, len, out);
}

static enum err collect(void *arg, const char *bytes, size_t len, struct error *e)
{
	struct strbuf *out = arg;
	ck_assert_uint_le(len, INFLATE_PIECE);
	strbuf_add(out, bytes, len);
	if (strbuf_ok(out))
		return ERR_OK;
	*e = (struct error){ .code = ERR_TOO_LARGE, .what = "over the limit" };
	return ERR_TOO_LARGE;
}

/* All of it, in pieces of at most `most` bytes, each in its own memory. */
static enum err unpack(const char *coding, const struct strbuf *packed, size_t most, struct strbuf *out, struct error *e)
{
	struct inflate *z = NULL;
	enum err rc = inflate_new(coding, &z, e);
	for (size_t at = 0; !rc && at < packed->len;) {
		size_t n = packed->len - at < most ? packed->len - at : most;
		char *piece = malloc(n);
		ck_assert_ptr_nonnull(piece);
		memcpy(piece, packed->s + at, n);
		rc = inflate_push(z, piece, n, collect, out, e);
		free(piece);
		at += n;
	}
	if (!rc)
		rc = inflate_finish(z, e);
	inflate_free(z);
	return rc;
}

/* Numbers as people send them. */
static void fill(struct strbuf *b, size_t len)
{
	struct rng r;
	rng_init(&r, 5, RNG_TEST, 0);
	while (b->len < len)
		strbuf_addf(b, "%.3f,", rng_normal(&r));
}

static const size_t pieces[] = { 1, 2, 7, 1000, MIB };

START_TEST(round_trip)
{
	struct strbuf plain, packed, out;
	struct error e = { 0 };
	const char *coding = codings[_i % 2];
	strbuf_init(&plain, MIB);
	strbuf_init(&packed, MIB);
	strbuf_init(&out, MIB);
	fill(&plain, 200000);
	compress_as(coding, plain.s, plain.len, &packed);
	ck_assert_uint_lt(packed.len, plain.len);
	ck_assert_msg(!unpack(coding, &packed, pieces[_i / 2], &out, &e), "%s", e.what);
	ck_assert(out.len == plain.len && !memcmp(out.s, plain.s, out.len));
	strbuf_fini(&plain);
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

/* Exactly a piece, or two, one more or less: nothing is left inside. */
START_TEST(borders)
{
	struct strbuf plain, packed, out;
	struct error e = { 0 };
	strbuf_init(&plain, MIB);
	fill(&plain, 4 * INFLATE_PIECE);
	for (int twice = 1; twice <= 2; twice++)
		for (int more = -1; more <= 1; more++) {
			size_t len = (size_t)(twice * (int)INFLATE_PIECE + more);
			strbuf_init(&packed, MIB);
			strbuf_init(&out, MIB);
			compress_as(codings[_i], plain.s, len, &packed);
			ck_assert_msg(!unpack(codings[_i], &packed, MIB, &out, &e), "%s", e.what);
			ck_assert_uint_eq(out.len, len);
			strbuf_fini(&packed);
			strbuf_fini(&out);
		}
	strbuf_fini(&plain);
}
END_TEST

/* Members of gzip and frames of zstd in a row are one body. */
START_TEST(members)
{
	struct strbuf packed, out;
	struct error e = { 0 };
	strbuf_init(&packed, MIB);
	strbuf_init(&out, MIB);
	compress_as(codings[_i % 2], "{\"a\"", 4, &packed);
	compress_as(codings[_i % 2], ":1}", 3, &packed);
	ck_assert_msg(!unpack(codings[_i % 2], &packed, pieces[_i / 2], &out, &e), "%s", e.what);
	ck_assert_str_eq(out.s, "{\"a\":1}");
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

START_TEST(cut_short)
{
	struct strbuf packed, out;
	strbuf_init(&packed, MIB);
	strbuf_init(&out, MIB);
	compress_as(codings[_i], "{\"instances\":[[1,2,3]]}", 23, &packed);
	for (size_t whole = packed.len, n = 0; n < whole; n++) {
		struct error e = { 0 };
		packed.len = n;
		ck_assert_msg(unpack(codings[_i], &packed, MIB, &out, &e) == ERR_SYNTAX, "%zu of %zu bytes", n, whole);
		ck_assert_ptr_nonnull(strstr(e.what, "its end is missing"));
	}
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

static const struct { const char *coding, *bytes; size_t len; } not_packed[] = {
	{ "gzip", "{\"a\":1}", 7 }, { "zstd", "{\"a\":1}", 7 }, { "gzip", "\x1f\x8b\x08\x00", 4 }, { "zstd", "\x28\xb5\x2f\xfd", 4 },
	{ "gzip", "\x78\x9c\x03\x00\x00\x00\x00\x01", 8 },   /* zlib's own header */
	{ "zstd", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20 },
	{ "gzip", "", 0 }, { "zstd", "", 0 },
};

START_TEST(refused)
{
	struct strbuf packed, out;
	struct error e = { 0 };
	strbuf_init(&packed, MIB);
	strbuf_init(&out, MIB);
	strbuf_add(&packed, not_packed[_i].bytes, not_packed[_i].len);
	ck_assert_int_eq(unpack(not_packed[_i].coding, &packed, MIB, &out, &e), ERR_SYNTAX);
	ck_assert_str_eq(e.where, "body");
	ck_assert_ptr_nonnull(strstr(e.what, not_packed[_i].coding));
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

START_TEST(damaged)
{
	struct strbuf plain, packed, out;
	struct rng r;
	strbuf_init(&plain, MIB);
	strbuf_init(&packed, MIB);
	strbuf_init(&out, MIB);
	fill(&plain, 5000);
	gzip(plain.s, plain.len, &packed);
	rng_init(&r, 9, RNG_TEST, 1);
	for (int i = 0; i < 500; i++) {
		struct error e = { 0 };
		size_t at = 10 + rng_below(&r, (uint32_t)packed.len - 10);   /* behind the header: the check sum covers it */
		packed.s[at] ^= (char)(1 << rng_below(&r, 8));
		strbuf_reset(&out);
		ck_assert_msg(unpack("gzip", &packed, 100, &out, &e) != ERR_OK, "byte %zu", at);
		packed.s[at] = 0;   /* and stays damaged in another way */
	}
	strbuf_fini(&plain);
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

static const struct { const char *coding; enum err want; bool none; } names[] = {
	{ "gzip", ERR_OK, false }, { "GZIP", ERR_OK, false }, { "x-gzip", ERR_OK, false }, { "zstd", ERR_OK, false },
	{ "identity", ERR_OK, true }, { "", ERR_OK, true }, { "deflate", ERR_MEDIA_TYPE, true }, { "br", ERR_MEDIA_TYPE, true },
	{ "gzip, gzip", ERR_MEDIA_TYPE, true }, { "gzip;q=1", ERR_MEDIA_TYPE, true }, { "gz", ERR_MEDIA_TYPE, true },
};

START_TEST(coding_names)
{
	struct inflate *z;
	struct error e = { 0 };
	ck_assert_int_eq(inflate_new(names[_i].coding, &z, &e), names[_i].want);
	ck_assert(!z == names[_i].none);
	if (names[_i].want)
		ck_assert_ptr_nonnull(strstr(e.what, INFLATE_CODINGS));
	inflate_free(z);
}
END_TEST

static size_t seen;

static enum err count(void *arg, const char *bytes, size_t len, struct error *e)
{
	seen += len;
	return ERR_OK;
}

/* 100 MiB of zeros: given up when they pass the ratio, not at their end. */
START_TEST(bomb)
{
	struct strbuf packed;
	struct error e = { 0 };
	struct inflate *z;
	size_t len = 100 * MIB;
	char *zeros = calloc(1, len);
	ck_assert_ptr_nonnull(zeros);
	strbuf_init(&packed, MIB);
	compress_as(codings[_i], zeros, len, &packed);
	free(zeros);
	ck_assert(strbuf_ok(&packed));
	ck_assert_int_eq(inflate_new(codings[_i], &z, &e), ERR_OK);
	seen = 0;
	ck_assert_int_eq(inflate_push(z, packed.s, packed.len, count, NULL, &e), ERR_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(e.what, "256 times"));
	ck_assert_uint_le(seen, packed.len * INFLATE_RATIO + INFLATE_PIECE + INFLATE_ALWAYS);
	inflate_free(z);
	strbuf_fini(&packed);
}
END_TEST

/* The body's own limit ends it at once, too. */
START_TEST(sink_fails)
{
	struct strbuf plain, packed, out;
	struct error e = { 0 };
	strbuf_init(&plain, MIB);
	strbuf_init(&packed, MIB);
	strbuf_init(&out, 40000);
	fill(&plain, 500000);
	compress_as(codings[_i], plain.s, plain.len, &packed);
	ck_assert_int_eq(unpack(codings[_i], &packed, MIB, &out, &e), ERR_TOO_LARGE);
	ck_assert_str_eq(e.what, "over the limit");
	ck_assert_uint_le(out.len, out.max);
	strbuf_fini(&plain);
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

START_TEST(wide_window)
{
	struct strbuf packed, out;
	struct error e = { 0 };
	static char plain[64];
	char bytes[256];
	ZSTD_CCtx *c = ZSTD_createCCtx();
	ck_assert_ptr_nonnull(c);
	ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, 24);
	ZSTD_inBuffer in = { plain, sizeof plain, 0 };
	ZSTD_outBuffer to = { bytes, sizeof bytes, 0 };
	ck_assert(!ZSTD_isError(ZSTD_compressStream2(c, &to, &in, ZSTD_e_flush)));   /* of unknown size: the window stays */
	ck_assert_uint_eq(ZSTD_compressStream2(c, &to, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(c);
	strbuf_init(&packed, MIB);
	strbuf_init(&out, MIB);
	strbuf_add(&packed, bytes, to.pos);
	ck_assert_int_eq(unpack("zstd", &packed, MIB, &out, &e), ERR_TOO_LARGE);
	ck_assert_ptr_nonnull(strstr(e.what, "8 MiB"));
	strbuf_fini(&packed);
	strbuf_fini(&out);
}
END_TEST

#define COUNT(table) ((int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *s = suite_create("inflate");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, round_trip, 0, 2 * COUNT(pieces));
	tcase_add_loop_test(t, borders, 0, 2);
	tcase_add_loop_test(t, members, 0, 2 * COUNT(pieces));
	tcase_add_loop_test(t, cut_short, 0, 2);
	tcase_add_loop_test(t, refused, 0, COUNT(not_packed));
	tcase_add_test(t, damaged);
	tcase_add_loop_test(t, coding_names, 0, COUNT(names));
	tcase_add_loop_test(t, bomb, 0, 2);
	tcase_add_loop_test(t, sink_fails, 0, 2);
	tcase_add_test(t, wide_window);
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

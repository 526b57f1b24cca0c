#include "server/inflate.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#define ZLIB_CONST
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define GZIP_ONLY      (16 + MAX_WBITS)   /* zlib: no other header is taken */
#define ZSTD_WINDOW    23                 /* log2: 8 MiB */

/* One call of a library: some input to some output. */
struct step {
	const char *in;
	size_t in_left;
	char *out;
	size_t out_left;
};

struct coding {
	const char *name;
	bool (*init)(struct inflate *z);
	enum err (*step)(struct inflate *z, struct step *s, struct error *e);   /* moves s on, sets z->whole */
	void (*fini)(struct inflate *z);
};

struct inflate {
	const struct coding *coding;
	z_stream gzip;
	ZSTD_DStream *zstd;
	size_t received, inflated;
	bool whole;                        /* a member or frame ended with the last byte */
};

static enum err fail_data(const struct inflate *z, const char *why, struct error *e)
{
	return fail(e, ERR_SYNTAX, "body", "the body is not %s: %s", z->coding->name, why);
}

/* ---- gzip --------------------------------------------------------------- */

static bool gzip_init(struct inflate *z)
{
	return inflateInit2(&z->gzip, GZIP_ONLY) == Z_OK;
}

static enum err gzip_step(struct inflate *z, struct step *s, struct error *e)
{
	z_stream *g = &z->gzip;
	if (z->whole && s->in_left && inflateReset(g) != Z_OK)   /* a further member */
		return fail_nomem(e);
	g->next_in = (const Bytef *)s->in;
	g->avail_in = (uInt)s->in_left;
	g->next_out = (Bytef *)s->out;
	g->avail_out = (uInt)s->out_left;
	int rc = inflate(g, Z_NO_FLUSH);
	s->in += s->in_left - g->avail_in;
	s->in_left = g->avail_in;
	s->out_left = g->avail_out;
	z->whole = rc == Z_STREAM_END;
	if (rc == Z_MEM_ERROR)
		return fail_nomem(e);
	if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
		return fail_data(z, g->msg ? g->msg : "it needs a dictionary", e);
	return ERR_OK;
}

static void gzip_fini(struct inflate *z)
{
	inflateEnd(&z->gzip);
}

/* ---- zstd --------------------------------------------------------------- */

static bool zstd_init(struct inflate *z)
{
	z->zstd = ZSTD_createDStream();
	return z->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW));
}

static enum err zstd_step(struct inflate *z, struct step *s, struct error *e)
{
	ZSTD_inBuffer in = { s->in, s->in_left, 0 };
	ZSTD_outBuffer out = { s->out, s->out_left, 0 };
	size_t rc = ZSTD_decompressStream(z->zstd, &out, &in);
	if (ZSTD_getErrorCode(rc) == ZSTD_error_memory_allocation)
		return fail_nomem(e);
	if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
		return fail(e, ERR_TOO_LARGE, "body", "the body's zstd window is over the limit of %d MiB", 1 << (ZSTD_WINDOW - 20));
	if (ZSTD_isError(rc))
		return fail_data(z, ZSTD_getErrorName(rc), e);
	s->in += in.pos;
	s->in_left -= in.pos;
	s->out_left -= out.pos;
	z->whole = rc == 0;
	return ERR_OK;
}

static void zstd_fini(struct inflate *z)
{
	ZSTD_freeDStream(z->zstd);
}

/* ---- both --------------------------------------------------------------- */

static const struct coding codings[] = {
	{ "gzip", gzip_init, gzip_step, gzip_fini },
	{ "x-gzip", gzip_init, gzip_step, gzip_fini },
	{ "zstd", zstd_init, zstd_step, zstd_fini },
};

static const struct coding *find(const char *name)
{
	for (size_t i = 0; i < sizeof codings / sizeof *codings; i++)
		if (!strcasecmp(name, codings[i].name))
			return &codings[i];
	return NULL;
}

enum err inflate_new(const char *name, struct inflate **out, struct error *e)
{
	*out = NULL;
	if (!*name || !strcasecmp(name, "identity"))
		return ERR_OK;
	const struct coding *coding = find(name);
	if (!coding)
		return fail(e, ERR_MEDIA_TYPE, "Content-Encoding",
		            "the coding \"%.64s\" is not offered; one of " INFLATE_CODINGS " is", name);
	struct inflate *z = calloc(1, sizeof *z);
	if (!z)
		return fail_nomem(e);
	z->coding = coding;
	if (!coding->init(z)) {
		inflate_free(z);
		return fail_nomem(e);
	}
	*out = z;
	return ERR_OK;
}

void inflate_free(struct inflate *z)
{
	if (!z)
		return;
	z->coding->fini(z);
	free(z);
}

static enum err check_ratio(const struct inflate *z, struct error *e)
{
	if (z->inflated <= INFLATE_ALWAYS || z->inflated / INFLATE_RATIO <= z->received)
		return ERR_OK;
	return fail(e, ERR_TOO_LARGE, "body", "the body inflates to more than %d times its size, the limit beyond %u KiB",
	            INFLATE_RATIO, INFLATE_ALWAYS >> 10);
}

enum err inflate_push(struct inflate *z, const char *bytes, size_t len, inflate_sink *sink, void *arg, struct error *e)
{
	char piece[INFLATE_PIECE];
	struct step s = { .in = bytes, .in_left = len };
	size_t got;
	z->received += len;
	do {   /* a full piece may hide more */
		s.out = piece;
		s.out_left = sizeof piece;
		enum err rc = z->coding->step(z, &s, e);
		got = sizeof piece - s.out_left;
		z->inflated += got;
		if (!rc)
			rc = check_ratio(z, e);
		if (!rc && got)
			rc = sink(arg, piece, got, e);
		if (rc)
			return rc;
	} while (s.in_left || (got == sizeof piece && !z->whole));
	return ERR_OK;
}

enum err inflate_finish(const struct inflate *z, struct error *e)
{
	return z->whole ? ERR_OK : fail_data(z, "its end is missing", e);
}

#include "api/text_lines.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/strbuf.h"
#include "model/base/utf8.h"

const struct text_limits text_default_limits = { .max_rows = 10000000, .max_line = 1 << 20 };

#define BOM       "\xEF\xBB\xBF"
#define BOM_BYTES 3

struct text_reader {
	struct text_limits limits;
	struct error error;       /* code: the failure that every later call repeats */
	struct frame *frame;
	struct strbuf line;       /* bytes of a line whose end has not come yet, with the mark and a CR */
};

/* byte counts from 1 in the line; 0: the whole line is meant. */
__attribute__((format(printf, 4, 5)))
static enum err fail_line(struct text_reader *r, size_t byte, enum err code, const char *fmt, ...)
{
	char where[64], what[128];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	int n = snprintf(where, sizeof where, "line %zu", r->frame->rows + 1);
	if (byte)
		snprintf(where + n, sizeof where - (size_t)n, ", byte %zu", byte);
	return fail(&r->error, code, where, "%s", what);
}

static enum err fail_long(struct text_reader *r)
{
	return fail_line(r, 0, ERR_INVALID, "a line may have at most %zu bytes", r->limits.max_line);
}

static enum err check_line(struct text_reader *r, size_t bom, size_t len)
{
	const char *s = r->line.s;
	size_t good = utf8_prefix(s, len, len);
	const char *nul = memchr(s, '\0', good);

	if (len - bom > r->limits.max_line)
		return fail_long(r);
	if (nul)
		return fail_line(r, (size_t)(nul - s) + 1, ERR_SYNTAX, "a NUL byte");
	if (good < len)
		return fail_line(r, good + 1, ERR_SYNTAX, "bytes that are not UTF-8");
	if (r->frame->rows == r->limits.max_rows)
		return fail_line(r, 0, ERR_TOO_LARGE, "more than %zu lines", r->limits.max_rows);
	return ERR_OK;
}

/* The line is complete; a CR before its LF is not part of it. */
static enum err end_line(struct text_reader *r, bool before_lf)
{
	struct frame *f = r->frame;
	const char *s = r->line.s;
	size_t len = r->line.len, bom = f->rows == 0 && len >= BOM_BYTES && memcmp(s, BOM, BOM_BYTES) == 0 ? BOM_BYTES : 0;

	len -= before_lf && len > bom && s[len - 1] == '\r';
	enum err rc = check_line(r, bom, len);
	if (!rc)
		rc = frame_add_row(f, &r->error);
	if (!rc)
		rc = frame_set_text(f, 0, f->rows - 1, s + bom, len - bom, &r->error);
	strbuf_reset(&r->line);
	return rc;
}

static enum err append(struct text_reader *r, const char *s, size_t len)
{
	if (len > r->line.max - r->line.len)
		return fail_long(r);
	strbuf_add(&r->line, s, len);
	return strbuf_ok(&r->line) ? ERR_OK : fail_nomem(&r->error);
}

static enum err push(struct text_reader *r, const char *s, size_t len)
{
	enum err rc = ERR_OK;

	while (len > 0 && !rc) {
		const char *lf = memchr(s, '\n', len);
		size_t n = lf ? (size_t)(lf - s) : len;
		rc = append(r, s, n);
		if (!rc && lf)
			rc = end_line(r, true);
		n += lf != NULL;
		s += n;
		len -= n;
	}
	return rc;
}

static enum err finish(struct text_reader *r)
{
	enum err rc = r->line.len > 0 ? end_line(r, false) : ERR_OK;

	if (rc)
		return rc;
	for (size_t i = 0; i < r->frame->rows; i++)
		if (*frame_text(r->frame, 0, i))
			return ERR_OK;
	return fail(&r->error, ERR_INVALID, "", "the text is empty");
}

/* ---- what callers see ---- */

enum err text_new(const struct text_limits *l, struct text_reader **out, struct error *e)
{
	struct text_reader *r = calloc(1, sizeof *r);

	if (!r)
		return fail_nomem(e);
	r->limits = *l;
	strbuf_init(&r->line, l->max_line + BOM_BYTES + 1);
	r->frame = frame_new();
	enum err rc = r->frame ? frame_add_column(r->frame, "text", COLUMN_TEXT, e) : fail_nomem(e);
	if (rc)
		text_free(r);
	else
		*out = r;
	return rc;
}

void text_free(struct text_reader *r)
{
	if (!r)
		return;
	frame_free(r->frame);
	strbuf_fini(&r->line);
	free(r);
}

static enum err report(const struct text_reader *r, struct error *e)
{
	if (r->error.code && e)
		*e = r->error;
	return r->error.code;
}

enum err text_push(struct text_reader *r, const char *bytes, size_t len, struct error *e)
{
	if (!r->error.code)
		r->error.code = push(r, bytes, len);
	return report(r, e);
}

enum err text_finish(struct text_reader *r, struct frame **out, struct error *e)
{
	if (!r->error.code)
		r->error.code = finish(r);
	if (!r->error.code) {
		*out = r->frame;
		r->frame = NULL;
	}
	return report(r, e);
}

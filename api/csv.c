/* csv.c - the upload's state machine.
 *
 *                 quote after blanks only               quote
 *     PLAIN ───────────────────────────► QUOTED ───────────────────► CLOSING ──blank──► CLOSED
 *       ▲                                  ▲                        quote │                │
 *       │                                  └──────────────────────────────┘                │
 *       └────────────── delimiter or end of line (the field, or the row, is complete) ◄────┘  (from PLAIN, CLOSING, CLOSED)
 *
 * The bytes of the header row are kept until the row is complete, because it decides the delimiter; then they go through
 * the machine like all others. A field is collected in one buffer and judged when it is complete, so where the pieces of an
 * upload are cut makes no difference. Every column starts as a number column and takes its type from its first cell. */
#include "api/csv.h"

#include <limits.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/number.h"
#include "model/base/nearest.h"
#include "model/base/utf8.h"
#include "model/series/calendar.h"

const struct csv_limits csv_default_limits = { .max_rows = 10000000, .max_cells = 32000000, .max_field = 65536 };

#define HEADER_KEPT 65536   /* bytes of a header row that are looked at to find the delimiter */
#define FOUND_SHOWN 40      /* bytes of a wrong cell that a message repeats */
#define DATE_TEXT   32

enum state { PLAIN, QUOTED, CLOSING, CLOSED };

struct csv_reader {
	struct csv_limits limits;
	struct csv_form form;
	struct error error;           /* code: the failure that every later call repeats */
	struct frame *frame;
	bool typed[FRAME_MAX_COLUMNS];

	struct strbuf header;         /* raw bytes before the machine starts … */
	bool started;                 /* … which it then has */
	bool header_quoted, header_content;

	enum state state;
	char delimiter;
	bool special[256];            /* bytes that the machine has to look at */
	bool after_cr;
	bool header_done;
	bool quoted;                  /* the field had quotes */
	size_t line, field_line, row_line, first_row_line;
	int column;                   /* of the field, 0 … */
	char *field;                  /* [max_field] */
	size_t field_len;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Fill in the place of the current field: line, column and, after the header, the column's name. */
static void place(const struct csv_reader *r, char *out, size_t cap)
{
	if (r->header_done && r->column < r->frame->columns)
		snprintf(out, cap, "line %zu, column %d (%s)", r->field_line, r->column + 1, r->frame->column[r->column].name);
	else
		snprintf(out, cap, "line %zu, column %d", r->field_line, r->column + 1);
}

#define fail_field(r, code, ...) \
	fail_at((r), fail(&(r)->error, (code), "", __VA_ARGS__))

static enum err fail_at(struct csv_reader *r, enum err code)
{
	place(r, r->error.where, sizeof r->error.where);
	return code;
}

static enum err fail_line(struct csv_reader *r, enum err code, size_t line, const char *what)
{
	fail(&r->error, code, "", "%s", what);
	snprintf(r->error.where, sizeof r->error.where, "line %zu", line);
	return code;
}

static enum err fail_expected(struct csv_reader *r, const char *expected, const char *s, size_t len)
{
	int n = (int)utf8_prefix(s, len, FOUND_SHOWN);

	return fail_field(r, ERR_INVALID, "expected %s, found \"%.*s%s\"", expected, n, s, (size_t)n < len ? "…" : "");
}

/* ---- columns ---- */

static enum err header_field(struct csv_reader *r, const char *name, size_t len)
{
	char text[FRAME_NAME_MAX + 1];

	if (len == 0)
		return fail_field(r, ERR_INVALID, "the column has no name");
	if (len > FRAME_NAME_MAX)
		return fail_field(r, ERR_INVALID, "a column's name may have at most %d bytes, not %zu", FRAME_NAME_MAX, len);
	memcpy(text, name, len);
	text[len] = '\0';
	enum err rc = frame_add_column(r->frame, text, COLUMN_NUMBER, &r->error);
	return rc == ERR_INVALID ? fail_at(r, rc) : rc;
}

/* The column of that name becomes one of texts. */
static enum err force_text(struct csv_reader *r, const char *name, size_t len)
{
	char text[FRAME_NAME_MAX + 1];
	const char *known[FRAME_MAX_COLUMNS];

	snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text), name);
	int column = len < sizeof text ? frame_find(r->frame, text) : -1;
	if (column >= 0) {
		r->typed[column] = true;
		return frame_retype(r->frame, column, COLUMN_TEXT, &r->error);
	}
	for (int j = 0; j < r->frame->columns; j++)
		known[j] = r->frame->column[j].name;
	const char *near = nearest_name(text, known, (size_t)r->frame->columns);
	return fail(&r->error, ERR_INVALID, "text", "there is no column \"%s\"%s%s%s", text, near ? "; did you mean \"" : "",
		near ? near : "", near ? "\"?" : "");
}

static enum err end_header(struct csv_reader *r)
{
	const char *name = r->form.text;
	enum err rc = ERR_OK;

	r->header_done = true;
	while (name && !rc) {
		size_t len = strcspn(name, ",");
		rc = force_text(r, name, len);
		name = name[len] ? name + len + 1 : NULL;
	}
	return rc;
}

static bool is_not_finite(const char *s, size_t len)
{
	static const char *const words[] = { "nan", "inf", "infinity" };

	if (len > 0 && (*s == '+' || *s == '-')) {
		s++;
		len--;
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (len == strlen(words[i]) && strncasecmp(s, words[i], len) == 0)
			return true;
	return false;
}

static enum column_type type_of(const char *s, size_t len)
{
	int64_t date;
	double number;

	if (date_parse(s, len, &date))
		return COLUMN_DATE;
	return number_cell(s, len, &number) || is_not_finite(s, len) ? COLUMN_NUMBER : COLUMN_TEXT;
}

/* The first cell of a column says its type. */
static enum err settle_type(struct csv_reader *r, const char *s, size_t len)
{
	enum column_type type = type_of(s, len);
	enum err rc = ERR_OK;

	if (type != COLUMN_NUMBER)
		rc = frame_retype(r->frame, r->column, type, &r->error);
	if (rc)
		return rc;
	r->typed[r->column] = true;
	if (r->frame->date_column == r->column && r->frame->rows > 1) {
		r->field_line = r->first_row_line;
		return fail_field(r, ERR_INVALID, "a date of the time axis is missing");
	}
	return ERR_OK;
}

/* ---- cells ---- */

static enum err number_field(struct csv_reader *r, size_t row, const char *s, size_t len)
{
	double v;

	if (!number_cell(s, len, &v))
		return fail_expected(r, is_not_finite(s, len) ? "a finite number (or nothing where it is missing)" : "a number",
			s, len);
	frame_set_number(r->frame, r->column, row, v);
	return ERR_OK;
}

static enum err fail_order(struct csv_reader *r, int64_t last, int64_t t)
{
	char before[DATE_TEXT], now[DATE_TEXT];

	date_format(last, before);
	date_format(t, now);
	return fail_field(r, ERR_INVALID, "dates must rise: %s does not come after %s", now, before);
}

static enum err date_field(struct csv_reader *r, size_t row, const char *s, size_t len)
{
	const int64_t *date = r->frame->column[r->column].date;
	int64_t t;

	if (!date_parse(s, len, &t))
		return fail_expected(r, "a date", s, len);
	if (r->column == r->frame->date_column && row > 0 && t <= date[row - 1])
		return fail_order(r, date[row - 1], t);
	frame_set_date(r->frame, r->column, row, t);
	return ERR_OK;
}

static enum err cell(struct csv_reader *r, const char *s, size_t len)
{
	size_t row = r->frame->rows - 1;
	enum err rc;

	if (len == 0)
		return r->column == r->frame->date_column ? fail_field(r, ERR_INVALID, "a date of the time axis is missing") : ERR_OK;
	if (!r->typed[r->column]) {
		rc = settle_type(r, s, len);
		if (rc)
			return rc;
	}
	switch (r->frame->column[r->column].type) {
	case COLUMN_NUMBER: return number_field(r, row, s, len);
	case COLUMN_DATE:   return date_field(r, row, s, len);
	case COLUMN_TEXT:   break;
	}
	return frame_set_text(r->frame, r->column, row, s, len, &r->error);
}

static enum err begin_row(struct csv_reader *r)
{
	char what[96];
	size_t columns = (size_t)r->frame->columns;

	if (r->frame->rows >= r->limits.max_rows) {
		snprintf(what, sizeof what, "more than %zu rows", r->limits.max_rows);
		return fail_line(r, ERR_TOO_LARGE, r->row_line, what);
	}
	if (r->frame->rows + 1 > r->limits.max_cells / columns) {
		snprintf(what, sizeof what, "more than %zu cells (rows times columns)", r->limits.max_cells);
		return fail_line(r, ERR_TOO_LARGE, r->row_line, what);
	}
	if (r->frame->rows == 0)
		r->first_row_line = r->row_line;
	return frame_add_row(r->frame, &r->error);
}

/* ---- fields and rows ---- */

static void trim(const char **s, size_t *len)
{
	while (*len > 0 && is_blank(**s)) {
		(*s)++;
		(*len)--;
	}
	while (*len > 0 && is_blank((*s)[*len - 1]))
		(*len)--;
}

static void next_field(struct csv_reader *r)
{
	r->state = PLAIN;
	r->quoted = false;
	r->field_len = 0;
	r->field_line = r->line;
}

static enum err judge_field(struct csv_reader *r)
{
	const char *s = r->field;
	size_t len = r->field_len;
	enum err rc;

	if (!utf8_valid(s, len))
		return fail_field(r, ERR_SYNTAX, "bytes that are not UTF-8");
	if (!r->quoted)
		trim(&s, &len);
	if (!r->header_done)
		return header_field(r, s, len);
	if (r->column == 0) {
		rc = begin_row(r);
		if (rc)
			return rc;
	}
	return r->column < r->frame->columns ? cell(r, s, len) : ERR_OK;   /* too many: the end of the row counts them */
}

static enum err end_field(struct csv_reader *r)
{
	enum err rc = judge_field(r);

	if (rc)
		return rc;
	r->column += r->column < INT_MAX;
	next_field(r);
	return ERR_OK;
}

static bool row_is_blank(const struct csv_reader *r)
{
	const char *s = r->field;
	size_t len = r->field_len;

	trim(&s, &len);
	return r->column == 0 && !r->quoted && len == 0;
}

/* The row before the end of line at r->line is complete; the next one begins on line next. */
static enum err end_row(struct csv_reader *r, size_t next)
{
	char what[96];
	enum err rc;

	if (!row_is_blank(r)) {
		rc = end_field(r);
		if (rc)
			return rc;
		if (r->header_done && r->column != r->frame->columns) {
			snprintf(what, sizeof what, "the row has %d field%s, the header has %d", r->column,
				r->column == 1 ? "" : "s", r->frame->columns);
			return fail_line(r, ERR_SYNTAX, r->row_line, what);
		}
		rc = r->header_done ? ERR_OK : end_header(r);
		if (rc)
			return rc;
	}
	r->column = 0;
	r->line = r->row_line = next;
	next_field(r);
	return ERR_OK;
}

/* ---- bytes ---- */

static enum err append(struct csv_reader *r, const char *s, size_t len)
{
	if (len > r->limits.max_field - r->field_len)
		return fail_field(r, ERR_INVALID, "a field may have at most %zu bytes", r->limits.max_field);
	memcpy(r->field + r->field_len, s, len);
	r->field_len += len;
	return ERR_OK;
}

static bool field_is_blank(const struct csv_reader *r)
{
	for (size_t i = 0; i < r->field_len; i++)
		if (!is_blank(r->field[i]))
			return false;
	return true;
}

static enum err take_quote(struct csv_reader *r)
{
	switch (r->state) {
	case PLAIN:
		if (!field_is_blank(r))
			return fail_field(r, ERR_SYNTAX, "a quote inside a field that does not begin with one");
		r->field_len = 0;
		r->quoted = true;
		r->state = QUOTED;
		return ERR_OK;
	case QUOTED:
		r->state = CLOSING;
		return ERR_OK;
	case CLOSING:
		r->state = QUOTED;
		return append(r, "\"", 1);
	case CLOSED:
		break;
	}
	return fail_field(r, ERR_SYNTAX, "text after the closing quote");
}

/* LF, CR or CRLF. A LF right after a CR ended no line of its own. */
static enum err take_line_end(struct csv_reader *r, char c)
{
	bool second = c == '\n' && r->after_cr;

	r->after_cr = c == '\r';
	if (r->state == QUOTED) {
		r->line += !second;
		return append(r, &c, 1);
	}
	return second ? ERR_OK : end_row(r, r->line + 1);
}

/* What remains: a NUL, a delimiter, or any byte behind a closing quote (plain_run has taken the others). */
static enum err take_byte(struct csv_reader *r, char c)
{
	if (c == '\0')
		return fail_field(r, ERR_SYNTAX, "a NUL byte");
	if (r->state == QUOTED)
		return append(r, &c, 1);
	if (c == r->delimiter)
		return end_field(r);
	if (!is_blank(c))
		return fail_field(r, ERR_SYNTAX, "text after the closing quote");
	r->state = CLOSED;
	return ERR_OK;
}

static enum err take(struct csv_reader *r, char c)
{
	if (c == '\n' || c == '\r')
		return take_line_end(r, c);
	r->after_cr = false;
	return c == '"' ? take_quote(r) : take_byte(r, c);
}

/* Bytes from s that a field takes as they are. */
static size_t plain_run(const struct csv_reader *r, const char *s, size_t len)
{
	size_t n = 0;

	if (r->state != PLAIN && r->state != QUOTED)
		return 0;
	while (n < len && !r->special[(unsigned char)s[n]])
		n++;
	return n;
}

static enum err run(struct csv_reader *r, const char *s, size_t len)
{
	enum err rc = ERR_OK;

	for (size_t i = 0; i < len && !rc;) {
		size_t n = plain_run(r, s + i, len - i);
		if (n > 0) {
			r->after_cr = false;
			rc = append(r, s + i, n);
			i += n;
		} else {
			rc = take(r, s[i++]);
		}
	}
	return rc;
}

/* ---- the header row decides the delimiter ---- */

/* The candidate that occurs most outside quotes; of equals the first. */
static char find_delimiter(const char *s, size_t len)
{
	static const char candidates[] = ",;\t";
	size_t count[3] = { 0 }, best = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		const char *c = s[i] ? strchr(candidates, s[i]) : NULL;
		quoted ^= s[i] == '"';
		if (c && !quoted)
			count[c - candidates]++;
	}
	for (size_t k = 1; k < 3; k++)
		if (count[k] > count[best])
			best = k;
	return candidates[best];
}

static enum err start(struct csv_reader *r)
{
	static const char bom[] = "\xEF\xBB\xBF";
	size_t skip = r->header.len >= 3 && memcmp(r->header.s, bom, 3) == 0 ? 3 : 0;

	r->started = true;
	r->delimiter = r->form.delimiter ? r->form.delimiter : find_delimiter(r->header.s, r->header.len);
	for (const char *c = "\"\r\n"; *c; c++)
		r->special[(unsigned char)*c] = true;
	r->special[0] = true;
	r->special[(unsigned char)r->delimiter] = true;
	enum err rc = run(r, r->header.s + skip, r->header.len - skip);
	strbuf_fini(&r->header);
	return rc;
}

/* Keep c; true when the row that it ends has anything in it, or too much. */
static bool keep_header(struct csv_reader *r, char c)
{
	bool ends = (c == '\n' || c == '\r') && !r->header_quoted;

	strbuf_addc(&r->header, c);
	r->header_quoted ^= c == '"';
	r->header_content |= !is_blank(c) && c != '\n' && c != '\r';
	return (ends && r->header_content) || r->header.len == HEADER_KEPT;
}

static enum err push(struct csv_reader *r, const char *bytes, size_t len)
{
	size_t i = 0;
	enum err rc = ERR_OK;

	while (i < len && !r->started) {
		bool complete = keep_header(r, bytes[i++]);
		if (!strbuf_ok(&r->header))
			return fail_nomem(&r->error);
		if (complete)
			rc = start(r);
	}
	return rc ? rc : run(r, bytes + i, len - i);
}

static enum err finish(struct csv_reader *r)
{
	enum err rc = r->started ? ERR_OK : start(r);

	if (!rc && r->state == QUOTED)
		rc = fail_field(r, ERR_SYNTAX, "the quote that opens this field is never closed");
	if (!rc)
		rc = end_row(r, r->line);
	if (rc)
		return rc;
	if (!r->header_done)
		return fail(&r->error, ERR_INVALID, "", "the file is empty; a header row with the columns' names comes first");
	if (r->frame->rows == 0)
		return fail(&r->error, ERR_INVALID, "", "there is no row after the header");
	for (int j = 0; j < r->frame->columns; j++)
		if (r->typed[j] && r->frame->column[j].type != COLUMN_DATE)
			return ERR_OK;
	return fail(&r->error, ERR_INVALID, "", "no column holds numbers or text");
}

/* ---- what callers see ---- */

enum err csv_new(const struct csv_limits *l, const struct csv_form *form, struct csv_reader **out, struct error *e)
{
	struct csv_reader *r = calloc(1, sizeof *r);

	if (!r)
		return fail_nomem(e);
	strbuf_init(&r->header, HEADER_KEPT);
	r->limits = *l;
	r->form = form ? *form : (struct csv_form){ 0 };
	r->line = r->field_line = r->row_line = 1;
	r->frame = frame_new();
	r->field = malloc(l->max_field ? l->max_field : 1);
	if (!r->frame || !r->field) {
		csv_free(r);
		return fail_nomem(e);
	}
	*out = r;
	return ERR_OK;
}

void csv_free(struct csv_reader *r)
{
	if (!r)
		return;
	frame_free(r->frame);
	strbuf_fini(&r->header);
	free(r->field);
	free(r);
}

static enum err report(const struct csv_reader *r, struct error *e)
{
	if (r->error.code && e)
		*e = r->error;
	return r->error.code;
}

enum err csv_push(struct csv_reader *r, const char *bytes, size_t len, struct error *e)
{
	if (!r->error.code)
		r->error.code = push(r, bytes, len);
	return report(r, e);
}

enum err csv_finish(struct csv_reader *r, struct frame **out, struct error *e)
{
	if (!r->error.code)
		r->error.code = finish(r);
	if (!r->error.code) {
		*out = r->frame;
		r->frame = NULL;
	}
	return report(r, e);
}

/* ---- writing ---- */

static bool needs_quotes(const char *s, size_t len)
{
	return len > 0 && (strpbrk(s, ",;\t\"\r\n") || is_blank(s[0]) || is_blank(s[len - 1]));
}

static void write_text(struct strbuf *out, const char *s)
{
	if (!needs_quotes(s, strlen(s))) {
		strbuf_adds(out, s);
		return;
	}
	strbuf_addc(out, '"');
	for (; *s; s++) {
		if (*s == '"')
			strbuf_addc(out, '"');
		strbuf_addc(out, *s);
	}
	strbuf_addc(out, '"');
}

static void write_cell(const struct frame *f, int column, size_t row, struct strbuf *out)
{
	const struct column *c = &f->column[column];
	char date[DATE_TEXT];

	switch (c->type) {
	case COLUMN_NUMBER:
		if (!isnan(c->number[row]))
			number_write(out, c->number[row]);
		break;
	case COLUMN_DATE:
		if (c->date[row] != FRAME_NO_DATE) {
			date_format(c->date[row], date);
			strbuf_adds(out, date);
		}
		break;
	case COLUMN_TEXT:
		write_text(out, frame_text(f, column, row));
		break;
	}
}

static void write_row(const struct frame *f, size_t row, struct strbuf *out)
{
	size_t before = out->len;

	for (int j = 0; j < f->columns; j++) {
		if (j > 0)
			strbuf_addc(out, ',');
		write_cell(f, j, row, out);
	}
	if (out->len == before)
		strbuf_adds(out, "\"\"");   /* an empty line would be no row */
	strbuf_addc(out, '\n');
}

void csv_write(const struct frame *f, struct strbuf *out)
{
	for (int j = 0; j < f->columns; j++) {
		if (j > 0)
			strbuf_addc(out, ',');
		write_text(out, f->column[j].name);
	}
	strbuf_addc(out, '\n');
	for (size_t i = 0; i < f->rows; i++)
		write_row(f, i, out);
}

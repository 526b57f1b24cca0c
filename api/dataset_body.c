/* dataset_body.c - a dataset described, and what a careful reader would remark about it.
 *
 * The audit is a list of findings {code, message, column?, row?}; row counts from 0, as `from` of the rows does, and is the
 * first one meant. At most AUDIT_MAX findings are written; one more, of code "more", counts the rest. */
#include "api/dataset_body.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "api/json_write.h"
#include "api/number.h"
#include "model/series/calendar.h"
#include "model/text/token.h"

#define AUDIT_MAX      100
#define NO_ROW         SIZE_MAX
#define NO_COLUMN      (-1)
#define DATE_TEXT      32
#define HOLIDAYS       2      /* business days in a row that are no gap */
#define OUTLIER_SIGMAS 10.0   /* of one-step changes */
#define OUTLIER_ROWS   30     /* changes below which no deviation is worth a word */

struct audit {
	const struct frame *frame;
	struct strbuf *out;
	size_t findings;
};

__attribute__((format(printf, 5, 6)))
static void finding(struct audit *a, const char *code, int column, size_t row, const char *fmt, ...)
{
	char message[384];
	va_list ap;

	if (a->findings++ >= AUDIT_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(message, sizeof message, fmt, ap);
	va_end(ap);
	if (a->findings > 1)
		strbuf_addc(a->out, ',');
	strbuf_adds(a->out, "{\"code\":");
	json_write_string(a->out, code);
	strbuf_adds(a->out, ",\"message\":");
	json_write_string(a->out, message);
	if (column != NO_COLUMN) {
		strbuf_adds(a->out, ",\"column\":");
		json_write_string(a->out, a->frame->column[column].name);
	}
	if (row != NO_ROW)
		strbuf_addf(a->out, ",\"row\":%zu", row);
	strbuf_addc(a->out, '}');
}

/* ---- columns ---- */

struct summary {
	size_t missing, first_missing;
	size_t low, high;   /* rows of the least and the greatest value; NO_ROW: none, or text */
};

static bool is_missing(const struct frame *f, int j, size_t row)
{
	switch (f->column[j].type) {
	case COLUMN_NUMBER: return isnan(f->column[j].number[row]);
	case COLUMN_DATE:   return f->column[j].date[row] == FRAME_NO_DATE;
	case COLUMN_TEXT:   break;
	}
	return frame_text(f, j, row)[0] == '\0';
}

static bool is_less(const struct column *c, size_t row, size_t than)
{
	return c->type == COLUMN_NUMBER ? c->number[row] < c->number[than] : c->date[row] < c->date[than];
}

static struct summary summarise(const struct frame *f, int j)
{
	const struct column *c = &f->column[j];
	struct summary s = { .first_missing = NO_ROW, .low = NO_ROW, .high = NO_ROW };

	for (size_t i = 0; i < f->rows; i++) {
		if (is_missing(f, j, i)) {
			s.first_missing = s.missing++ ? s.first_missing : i;
			continue;
		}
		if (c->type == COLUMN_TEXT)
			continue;
		s.low = s.low == NO_ROW || is_less(c, i, s.low) ? i : s.low;
		s.high = s.high == NO_ROW || is_less(c, s.high, i) ? i : s.high;
	}
	return s;
}

static void write_date(struct strbuf *out, int64_t t)
{
	char text[DATE_TEXT];

	date_format(t, text);
	json_write_string(out, text);
}

/* A cell as JSON; row NO_ROW or a missing cell is null. */
static void write_value(const struct frame *f, int j, size_t row, struct strbuf *out)
{
	const struct column *c = &f->column[j];

	if (row == NO_ROW || is_missing(f, j, row))
		strbuf_adds(out, "null");
	else if (c->type == COLUMN_NUMBER)
		number_write(out, c->number[row]);
	else if (c->type == COLUMN_DATE)
		write_date(out, c->date[row]);
	else
		json_write_string(out, frame_text(f, j, row));
}

/* How long the texts of a column are: what a window and a limit of tokens are chosen by. */
static void write_lengths(const struct frame *f, int j, struct strbuf *out)
{
	size_t count[2] = { 0 }, longest[2] = { 0 };
	static const enum token_unit unit[2] = { TOKEN_CHARACTER, TOKEN_WORD };

	for (size_t i = 0; i < f->rows; i++)
		for (int u = 0; u < 2; u++) {
			size_t n = token_count(unit[u], frame_text(f, j, i), strlen(frame_text(f, j, i)));
			count[u] += n;
			longest[u] = n > longest[u] ? n : longest[u];
		}
	strbuf_addf(out, ",\"characters\":%zu,\"longest_characters\":%zu,\"words\":%zu,\"longest_words\":%zu", count[0],
		longest[0], count[1], longest[1]);
}

static void write_range(const struct frame *f, int j, const struct summary *s, struct strbuf *out)
{
	strbuf_adds(out, ",\"min\":");
	write_value(f, j, s->low, out);
	strbuf_adds(out, ",\"max\":");
	write_value(f, j, s->high, out);
}

static const char *type_name(enum column_type type)
{
	static const char *const names[] = { [COLUMN_NUMBER] = "number", [COLUMN_DATE] = "date", [COLUMN_TEXT] = "text" };

	return names[type];
}

static void write_columns(const struct frame *f, struct strbuf *out)
{
	strbuf_adds(out, "\"columns\":[");
	for (int j = 0; j < f->columns; j++) {
		struct summary s = summarise(f, j);

		strbuf_adds(out, j > 0 ? ",{\"name\":" : "{\"name\":");
		json_write_string(out, f->column[j].name);
		strbuf_addf(out, ",\"type\":\"%s\",\"missing\":%zu", type_name(f->column[j].type), s.missing);
		if (f->column[j].type == COLUMN_TEXT)
			write_lengths(f, j, out);
		else
			write_range(f, j, &s, out);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

/* ---- the audit ---- */

/* A text of lines: the empty ones belong to it. */
static bool is_text_alone(const struct frame *f)
{
	return f->columns == 1 && f->column[0].type == COLUMN_TEXT;
}

static bool has_numbers(const struct frame *f)
{
	for (int j = 0; j < f->columns; j++)
		if (f->column[j].type == COLUMN_NUMBER)
			return true;
	return false;
}

static void audit_column(struct audit *a, int j)
{
	const struct frame *f = a->frame;
	const struct column *c = &f->column[j];
	struct summary s = summarise(f, j);

	if (s.missing && !is_text_alone(f))
		finding(a, "missing_cells", j, s.first_missing, "%zu of %zu cells of %s are missing", s.missing, f->rows, c->name);
	if (c->type == COLUMN_NUMBER && s.low != NO_ROW && f->rows - s.missing > 1 && !is_less(c, s.low, s.high))
		finding(a, "constant_column", j, NO_ROW, "%s never changes", c->name);
}

/* Changes between a known value and the known value before it. */
struct changes { size_t n; double mean, square; };

static double changes_deviation(const struct changes *c)
{
	return sqrt(c->square / (double)c->n);
}

/* Welford's sums. */
static void changes_add(struct changes *c, double change)
{
	double from_old = change - c->mean;

	c->n++;
	c->mean += from_old / (double)c->n;
	c->square += from_old * (change - c->mean);
}

/* The row of the next known value after row, or f->rows. */
static size_t next_known(const struct column *c, size_t rows, size_t row)
{
	do
		row++;
	while (row < rows && isnan(c->number[row]));
	return row;
}

static void audit_outliers(struct audit *a, int j)
{
	const struct column *c = &a->frame->column[j];
	size_t rows = a->frame->rows, first = isnan(c->number[0]) ? next_known(c, rows, 0) : 0;
	struct changes all = { 0 };
	size_t count = 0, worst = NO_ROW;
	double worst_change = 0;

	if (first == rows)
		return;
	for (size_t i = first, k; (k = next_known(c, rows, i)) < rows; i = k)
		changes_add(&all, c->number[k] - c->number[i]);
	if (all.n < OUTLIER_ROWS)
		return;
	double limit = OUTLIER_SIGMAS * changes_deviation(&all);
	for (size_t i = first, k; (k = next_known(c, rows, i)) < rows; i = k) {
		double change = fabs(c->number[k] - c->number[i] - all.mean);
		count += change > limit;
		if (change > limit && change > worst_change) {
			worst_change = change;
			worst = k;
		}
	}
	if (count)
		finding(a, "outlier", j, worst, "%zu step%s of %s exceed%s %g standard deviations of its steps; the largest is given",
			count, count == 1 ? "" : "s", c->name, count == 1 ? "s" : "", OUTLIER_SIGMAS);
}

static void audit_gap(struct audit *a, size_t row, int64_t before, int64_t now)
{
	char from[DATE_TEXT], to[DATE_TEXT];

	date_format(before, from);
	date_format(now, to);
	finding(a, "gap", a->frame->date_column, row, "no rows between %s and %s", from, to);
}

/* A step is the frequency's, or a whole number of them more (a gap, beyond holidays), or irregular. */
static void audit_calendar(struct audit *a)
{
	const struct frame *f = a->frame;
	const int64_t *date = f->column[f->date_column].date;
	struct frequency every = frequency_infer(date, f->rows);
	int tolerated = every.unit == FREQ_BUSINESS_DAY ? HOLIDAYS : 0;
	size_t irregular = 0, first = NO_ROW;

	if (every.unit == FREQ_NONE) {
		if (f->rows > 1)
			finding(a, "irregular_steps", f->date_column, NO_ROW, "the dates have no regular step");
		return;
	}
	for (size_t i = 1; i < f->rows; i++) {
		int64_t one = frequency_advance(every, date[i - 1], 1), two = frequency_advance(every, date[i - 1], 2);

		if (date[i] >= frequency_advance(every, date[i - 1], 2 + tolerated))
			audit_gap(a, i, date[i - 1], date[i]);
		else if (date[i] < two && date[i] != one)
			first = irregular++ ? first : i;
	}
	if (irregular)
		finding(a, "irregular_steps", f->date_column, first, "%zu of %zu steps are not the calendar's", irregular, f->rows - 1);
}

/* Price bars, recognised by the names of their columns. */
struct bars { int open, high, low, close; };

static int number_column(const struct frame *f, const char *name)
{
	for (int j = 0; j < f->columns; j++)
		if (f->column[j].type == COLUMN_NUMBER && strcasecmp(f->column[j].name, name) == 0)
			return j;
	return NO_COLUMN;
}

static double price(const struct frame *f, int j, size_t row)
{
	return j == NO_COLUMN ? NAN : f->column[j].number[row];
}

/* What is wrong with a bar, or NULL; a missing price is never wrong. */
static const char *bar_fault(const struct frame *f, const struct bars *b, size_t row)
{
	double open = price(f, b->open, row), high = price(f, b->high, row);
	double low = price(f, b->low, row), close = price(f, b->close, row);

	if (low > high)
		return "the low is above the high";
	if (open < low || open > high)
		return "the open is outside low and high";
	if (close < low || close > high)
		return "the close is outside low and high";
	return NULL;
}

static void audit_negative(struct audit *a, int j)
{
	const struct frame *f = a->frame;
	size_t count = 0, first = NO_ROW;

	for (size_t i = 0; j != NO_COLUMN && i < f->rows; i++)
		if (f->column[j].number[i] < 0)
			first = count++ ? first : i;
	if (count)
		finding(a, "negative_price", j, first, "%zu prices of %s are negative", count, f->column[j].name);
}

static void audit_bars(struct audit *a)
{
	const struct frame *f = a->frame;
	const struct bars b = {
		number_column(f, "open"), number_column(f, "high"), number_column(f, "low"), number_column(f, "close")
	};

	if (b.high == NO_COLUMN || b.low == NO_COLUMN)
		return;
	audit_negative(a, b.open);
	audit_negative(a, b.high);
	audit_negative(a, b.low);
	audit_negative(a, b.close);
	for (size_t i = 0; i < f->rows; i++) {
		const char *fault = bar_fault(f, &b, i);
		if (fault)
			finding(a, "price_inconsistent", NO_COLUMN, i, "%s", fault);
	}
}

static void write_audit(const struct frame *f, struct strbuf *out)
{
	struct audit a = { .frame = f, .out = out };

	strbuf_adds(out, "\"audit\":[");
	if (f->date_column < 0 && has_numbers(f))
		finding(&a, "no_date_column", NO_COLUMN, NO_ROW, "no column holds dates; rows are taken as evenly spaced");
	for (int j = 0; j < f->columns; j++)
		audit_column(&a, j);
	for (int j = 0; j < f->columns; j++)
		if (f->column[j].type == COLUMN_NUMBER && f->rows > 0)
			audit_outliers(&a, j);
	if (f->date_column >= 0)
		audit_calendar(&a);
	audit_bars(&a);
	if (a.findings > AUDIT_MAX)
		strbuf_addf(out, ",{\"code\":\"more\",\"message\":\"%zu more findings\"}", a.findings - AUDIT_MAX);
	strbuf_addc(out, ']');
}

/* ---- what callers see ---- */

static void write_span(const struct frame *f, struct strbuf *out)
{
	char every[DATE_TEXT];

	if (f->date_column < 0 || f->rows == 0) {
		strbuf_adds(out, "\"start\":null,\"end\":null,\"frequency\":null");
		return;
	}
	const int64_t *date = f->column[f->date_column].date;
	struct frequency frequency = frequency_infer(date, f->rows);
	frequency_format(frequency, every, sizeof every);
	strbuf_adds(out, "\"start\":");
	write_date(out, date[0]);
	strbuf_adds(out, ",\"end\":");
	write_date(out, date[f->rows - 1]);
	strbuf_adds(out, ",\"frequency\":");
	json_write_string(out, frequency.unit == FREQ_NONE ? NULL : every);
}

void dataset_describe(const struct frame *f, struct strbuf *out)
{
	write_columns(f, out);
	strbuf_addc(out, ',');
	write_span(f, out);
	strbuf_addc(out, ',');
	write_audit(f, out);
}

void dataset_render(const char *name, int version, size_t rows, const char *description, const char *sha256,
                    int64_t created_at_us, struct strbuf *out)
{
	strbuf_adds(out, "{\"name\":");
	json_write_string(out, name);
	strbuf_addf(out, ",\"object\":\"dataset\",\"version\":%d,\"rows\":%zu,%s,\"sha256\":", version, rows, description);
	json_write_string(out, sha256);
	strbuf_adds(out, ",\"created_at\":");
	json_time_us(out, created_at_us);
	strbuf_addc(out, '}');
}

static void write_row(const struct frame *f, size_t row, struct strbuf *out)
{
	strbuf_adds(out, row > 0 ? ",[" : "[");
	for (int j = 0; j < f->columns; j++) {
		if (j > 0)
			strbuf_addc(out, ',');
		write_value(f, j, row, out);
	}
	strbuf_addc(out, ']');
}

void dataset_rows_render(const struct frame *f, size_t from, bool has_more, struct strbuf *out)
{
	strbuf_adds(out, "{\"object\":\"list\",\"columns\":[");
	for (int j = 0; j < f->columns; j++) {
		if (j > 0)
			strbuf_addc(out, ',');
		json_write_string(out, f->column[j].name);
	}
	strbuf_adds(out, "],\"data\":[");
	for (size_t i = 0; i < f->rows; i++)
		write_row(f, i, out);
	strbuf_addf(out, "],\"from\":%zu,\"has_more\":%s}", from, has_more ? "true" : "false");
}

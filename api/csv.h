/* csv.h - a CSV upload, byte by byte, into a frame (RFC 4180 and what people really send).
 *
 * Push parser: feed pieces of any size. Header row first (names; BOM skipped); fields may be quoted with doubled quotes
 * and line breaks inside; LF, CRLF or CR ends a line; blank lines are skipped; delimiter , ; or tab, found from the header
 * where the form does not say it.
 * A column's type comes from its first non-empty cell: date (calendar.h's forms), number, else text; every later cell must
 * fit: "line 57, column 3 (Close): expected a number, found \"abc\"". An empty cell is missing; NaN and inf are refused.
 * Columns that the form calls text are that whatever their cells look like. The first date column is the time axis; its dates must rise strictly and may not be missing. (A date column whose first
 * cells are empty is the time axis only where no other column is, and is then refused for what is missing.)
 * Blanks around a field that is not quoted do not belong to it. All text is UTF-8 without NUL.
 *
 * Errors: ERR_SYNTAX (quotes, NUL, UTF-8, fields per row), ERR_INVALID (names, cells, dates), ERR_TOO_LARGE (rows, cells). */
#ifndef GATECAST_API_CSV_H
#define GATECAST_API_CSV_H

#include "model/base/strbuf.h"
#include "model/series/frame.h"

struct csv_limits { size_t max_rows, max_cells, max_field; };
extern const struct csv_limits csv_default_limits;   /* 10 M rows, 32 M cells, 64 KiB a field */

/* What is known before the first byte. */
struct csv_form {
	char delimiter;     /* 0: found from the header */
	const char *text;   /* names of text columns, separated by commas; NULL: none. Borrowed until the header row is over. */
};

struct csv_reader;
/** form NULL: nothing is known. */
enum err csv_new(const struct csv_limits *l, const struct csv_form *form, struct csv_reader **out, struct error *e);
void csv_free(struct csv_reader *r);
/** After an error every later call returns the same error. where = "line L, column C (Name)" of where the field begins. */
enum err csv_push(struct csv_reader *r, const char *bytes, size_t len, struct error *e);
/** End of input: the frame is handed over (frame_free). At least one row, and one column of numbers or text. */
enum err csv_finish(struct csv_reader *r, struct frame **out, struct error *e);

/** f as CSV with a header row; shortest round-trip numbers; missing = empty. csv_finish reads it back to the same frame
 *  (with a form that names the text columns whose first cell looks like a number or a date). */
void csv_write(const struct frame *f, struct strbuf *out);

#endif

/* frame.h - a dataset in memory: named columns of equal length.
 *
 * A missing number is NaN, a missing date FRAME_NO_DATE, a missing text "".
 * Dates are seconds since 1970-01-01 UTC, without a zone of their own. */
#ifndef GATECAST_SERIES_FRAME_H
#define GATECAST_SERIES_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"

#define FRAME_MAX_COLUMNS 256
#define FRAME_NAME_MAX    64      /* bytes of a column's name, without the NUL */
#define FRAME_NO_DATE     INT64_MIN

enum column_type { COLUMN_NUMBER, COLUMN_DATE, COLUMN_TEXT };

struct column {
	char name[FRAME_NAME_MAX + 1];
	enum column_type type;
	double *number;       /* COLUMN_NUMBER: [rows] */
	int64_t *date;        /* COLUMN_DATE: [rows] */
	char *text;           /* COLUMN_TEXT: NUL-terminated strings … */
	size_t *text_at;      /* … and where each row's begins: [rows] */
	size_t text_len, text_cap;
};

struct frame {
	size_t rows, cap;
	int columns;
	struct column *column;
	int date_column;      /* index of the time axis, or -1 */
};

struct frame *frame_new(void);
void frame_free(struct frame *f);   /* NULL is fine */
/** Add an empty column; only while rows = 0. The first date column becomes the time axis.
 *  ERR_INVALID on a duplicate or overlong name, too many. */
enum err frame_add_column(struct frame *f, const char *name, enum column_type type, struct error *e);
/** Append one row of missing values; the caller then sets cells with frame_set_*. Grows by doubling. */
enum err frame_add_row(struct frame *f, struct error *e);
/** Give a column whose cells are all missing another type; they stay missing. A column that becomes the first of
 *  dates becomes the time axis. On failure the column is as it was. */
enum err frame_retype(struct frame *f, int column, enum column_type type, struct error *e);
void frame_set_number(struct frame *f, int column, size_t row, double v);
void frame_set_date(struct frame *f, int column, size_t row, int64_t t);
/** Rows must be set in rising order. */
enum err frame_set_text(struct frame *f, int column, size_t row, const char *s, size_t len, struct error *e);
const char *frame_text(const struct frame *f, int column, size_t row);
/** Index of the column of that name (exact; else ignoring case if only one fits), or -1. */
int frame_find(const struct frame *f, const char *name);

#endif

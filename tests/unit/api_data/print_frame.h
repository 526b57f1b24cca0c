/* print_frame.h - a frame as a line that a test can compare. */
#ifndef GATECAST_TESTS_API_DATA_PRINT_FRAME_H
#define GATECAST_TESTS_API_DATA_PRINT_FRAME_H

#include <math.h>

#include "model/base/strbuf.h"
#include "model/series/calendar.h"
#include "model/series/frame.h"

/** "name:type=cell|cell;…" with a * before the time axis. */
static inline void print_frame(const struct frame *f, struct strbuf *out)
{
	char date[32];

	for (int j = 0; j < f->columns; j++) {
		const struct column *c = &f->column[j];
		strbuf_addf(out, "%s%s%s:%c=", j ? ";" : "", j == f->date_column ? "*" : "", c->name, "ndt"[c->type]);
		for (size_t i = 0; i < f->rows; i++) {
			if (i > 0)
				strbuf_addc(out, '|');
			if (c->type == COLUMN_NUMBER && !isnan(c->number[i]))
				strbuf_addf(out, "%.17g", c->number[i]);
			else if (c->type == COLUMN_DATE && c->date[i] != FRAME_NO_DATE) {
				date_format(c->date[i], date);
				strbuf_adds(out, date);
			} else if (c->type == COLUMN_TEXT)
				strbuf_adds(out, frame_text(f, j, i));
		}
	}
}

#endif

/* number.h - text to double and back, exactly.
 *
 * The arithmetic is decimal.h's. */
#ifndef GATECAST_API_NUMBER_H
#define GATECAST_API_NUMBER_H

#include <stdbool.h>

#include "model/base/strbuf.h"

/** Read a JSON number at s (not past end); returns the first byte after it, or NULL when there is none there or it
 *  overflows. Correctly rounded. */
const char *number_json(const char *s, const char *end, double *out);
/** A CSV cell: all len bytes, surrounding blanks and a leading + allowed; no NaN, inf, hex. */
bool number_cell(const char *s, size_t len, double *out);
/** Shortest text that reads back as the same double / float; null for what is not finite. */
void number_write(struct strbuf *b, double v);
void number_write_float(struct strbuf *b, float v);

#endif

/* text_lines.h - a text upload, byte by byte, into a frame of one text column named "text", a row a line.
 *
 *     To be,\n                   text
 *     or not\r\n        ──►      "To be,"  "or not"  ""  "to be"
 *     \n
 *     to be
 *
 * LF or CRLF ends a line, and the last line may have no end. Empty lines are rows like others, so the rows joined with LF are
 * the text again. A byte order mark is skipped. All text is UTF-8 without NUL.
 *
 * Errors: ERR_SYNTAX (NUL, UTF-8; where = "line L, byte B"), ERR_INVALID (a line too long, no text at all),
 * ERR_TOO_LARGE (rows). */
#ifndef GATECAST_API_TEXT_LINES_H
#define GATECAST_API_TEXT_LINES_H

#include "model/series/frame.h"

struct text_limits { size_t max_rows, max_line; };
extern const struct text_limits text_default_limits;   /* 10 M rows, 1 MiB a line */

struct text_reader;
enum err text_new(const struct text_limits *l, struct text_reader **out, struct error *e);
void text_free(struct text_reader *r);   /* NULL is fine */
/** After an error every later call returns the same error. */
enum err text_push(struct text_reader *r, const char *bytes, size_t len, struct error *e);
/** End of input: the frame is handed over (frame_free). At least one line that is not empty. */
enum err text_finish(struct text_reader *r, struct frame **out, struct error *e);

#endif

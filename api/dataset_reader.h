/* dataset_reader.h - an upload in any format that a dataset comes in, byte by byte, into a frame.
 *
 *     csv     text/csv                      .csv and every other name     csv.h, the delimiter found
 *     tsv     text/tab-separated-values     .tsv .tab                     csv.h, with tabs
 *     text    text/plain                    .txt                          text_lines.h */
#ifndef GATECAST_API_DATASET_READER_H
#define GATECAST_API_DATASET_READER_H

#include "model/series/frame.h"

enum dataset_format { DATASET_CSV, DATASET_TSV, DATASET_TEXT };

/** The format of a Content-Type ("text/plain; charset=utf-8") or of a path; of what is not in the drawing CSV. */
enum dataset_format dataset_format_of_media(const char *content_type);
enum dataset_format dataset_format_of_path(const char *path);

struct dataset_reader;
/** text: names of columns that are text whatever their cells look like, separated by commas, or NULL; borrowed until the
 *  reader is freed. ERR_INVALID: a text has one column, which is not named. */
enum err dataset_reader_new(enum dataset_format format, const char *text, struct dataset_reader **out, struct error *e);
void dataset_reader_free(struct dataset_reader *r);   /* NULL is fine */
/** After an error every later call returns the same error. */
enum err dataset_reader_push(struct dataset_reader *r, const char *bytes, size_t len, struct error *e);
/** End of input: the frame is handed over (frame_free). */
enum err dataset_reader_finish(struct dataset_reader *r, struct frame **out, struct error *e);

#endif

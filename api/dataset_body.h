/* dataset_body.h - what is said of a dataset. */
#ifndef GATECAST_API_DATASET_BODY_H
#define GATECAST_API_DATASET_BODY_H

#include <stdbool.h>

#include "model/base/strbuf.h"
#include "model/series/frame.h"

/** The JSON members that depend on the data alone, without braces: "columns":[…],"start":…,"end":…,"frequency":…,"audit":[…].
 *  A column of texts has characters, words and those of its longest text where others have min and max.
 *  audit codes: missing_cells, gap, constant_column, outlier, price_inconsistent, irregular_steps, no_date_column, negative_price;
 *  at most 100, then one of code "more" that counts the rest. A finding is {code, message, column?, row?}, rows from 0. */
void dataset_describe(const struct frame *f, struct strbuf *out);
/** {name, object:"dataset", version, rows, <description>, sha256, created_at} */
void dataset_render(const char *name, int version, size_t rows, const char *description, const char *sha256,
                    int64_t created_at_us, struct strbuf *out);
/** Rows as {object:"list", columns:[…], data:[[…]], from, has_more}. */
void dataset_rows_render(const struct frame *f, size_t from, bool has_more, struct strbuf *out);

#endif

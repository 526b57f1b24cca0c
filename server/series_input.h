/* series_input.h - the rows that a request asks about, in the columns of a model: values that were sent, or a dataset.
 *
 *     {"columns": {"volume": [7, 8], "close": [1, null]}}  ─┐
 *                                                           ├─► rows [n][columns], oldest first, in the model's order
 *     {"dataset": "sp500"}, its end or all of it           ─┘ */
#ifndef GATECAST_SERVER_SERIES_INPUT_H
#define GATECAST_SERVER_SERIES_INPUT_H

#include "api/forecast_body.h"
#include "server/registry.h"

struct series_rows {
	double *value;                     /* [n][columns], of the arena; NaN is missing */
	size_t n;
	const int64_t *date;               /* [n] of a dataset with dates, or NULL */
	size_t skipped;                    /* rows of what was read of a dataset that came before the first full one */
	size_t filled;                     /* cells of a dataset that were filled with the value before */
};

/** Every column that the model reads, of equal length, and no other. where: the JSON pointer of "columns". */
enum err series_from_columns(const struct model *m, const struct series_input *in, struct arena *a, const char *where,
                             struct series_rows *out, struct error *e);
/** The last `most` rows of the newest version, filled; what comes before the first full row is left out. */
enum err series_from_dataset(const struct model *m, struct store *s, const char *name, size_t most, struct arena *a,
                             const char *where, struct series_rows *out, struct error *e);

#endif

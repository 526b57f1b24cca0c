/* series_body.h - the parts of a body that hold a series: numbers by column, or the name of a dataset.
 *
 * Numbers of a body go into one pool in the arena, made at the first array. A number and its comma are at least two
 * bytes, so there are no more numbers than commas that follow (and one), nor than half the bytes: the pool never grows
 * or moves, and is at most four times the body.
 *
 *     {"columns": {"Close": [1,2,null], "Volume": [7,8,9]}}        columns[0].value ─┐  columns[1].value ─┐
 *                                                              pool: 1 2 NaN       7 8 9
 *     {"instances": [[[1,2],[3,4]]]}                                [rows][steps][columns], row-major */
#ifndef GATECAST_API_SERIES_BODY_H
#define GATECAST_API_SERIES_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/scan.h"

#define SERIES_MAX_NUMBERS 4000000     /* of a body */

struct series_column { const char *name; const double *value; size_t n; };  /* null is NaN */

struct series_input {
	const char *dataset;               /* NULL: columns are given, all as long */
	struct series_column *column; int columns;
	bool has_start; int64_t start;     /* date of the first value */
};

struct number_pool { double *next; size_t left; };

/** Make room for what the body may still hold; nothing when it was made before. */
bool pool_open(struct scan *s, struct number_pool *pool);
/** The whole array at the scanner, behind what the pool holds already. */
bool pool_numbers(struct scan *s, struct number_pool *pool, const double **value, size_t *n);

/* The members of an object with a series in it, for the table of its known names, in this order. */
#define SERIES_MEMBERS "columns", "dataset", "start"
enum { SERIES_COLUMNS, SERIES_DATASET, SERIES_START, SERIES_OWN };

/** Read the value of a member, SERIES_COLUMNS … SERIES_START; -1 and others are left alone. */
bool series_member(struct scan *s, int which, struct number_pool *pool, struct series_input *out);
/** At the end of the object: whether what is there goes together. */
bool series_check(struct scan *s, const struct series_input *in);

#endif

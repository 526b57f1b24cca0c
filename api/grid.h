/* grid.h - nested arrays of numbers, read as they came, before anyone knows what they should be.
 *
 *     [[[1,2],[3,4],[5,6]]]     rank 3, dim 1 3 2, value 1 2 3 4 5 6 */
#ifndef GATECAST_API_GRID_H
#define GATECAST_API_GRID_H

#include "api/scan.h"

#define GRID_MAX_RANK 3

struct grid {
	int rank;                       /* 0: not read yet */
	size_t dim[GRID_MAX_RANK];      /* 0: not known yet */
	const double *value;            /* NULL: not read; null is NaN */
	size_t count;
};

/** An array of numbers, or of such arrays, or of arrays of such: rectangular, with nothing empty. */
bool grid_read(struct scan *s, struct grid *g);
/** As sequences: [rows][steps] is [rows][steps][1]. */
void grid_sizes(const struct grid *g, size_t *rows, size_t *steps, size_t *columns);
/** At most FORECAST_MAX_ROWS of them. */
bool grid_check_rows(struct scan *s, size_t rows);

#endif

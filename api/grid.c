#include "api/grid.h"

#include "api/forecast_body.h"

/* Every array of one level has the length of the first. */
static bool same_length(struct scan *s, struct grid *g, int level, size_t n, const char *items)
{
	if (n == 0)
		return scan_fail(s, ERR_INVALID, "has no %s", items);
	if (g->dim[level] == 0)
		g->dim[level] = n;
	return g->dim[level] == n || scan_fail(s, ERR_INVALID, "has %zu %s, expected %zu", n, items, g->dim[level]);
}

static bool grid_array(struct scan *s, struct grid *g, struct number_pool *pool, int level)
{
	size_t n = 0;
	if (scan_peek(s) != SCAN_ARRAY)
		return scan_array(s);
	if (scan_first(s) != SCAN_ARRAY) {
		const double *value;
		if (g->rank && g->rank != level + 1)
			return scan_fail(s, ERR_INVALID, "expected arrays in the array, as in the first one");
		g->rank = level + 1;
		return pool_numbers(s, pool, &value, &n) && same_length(s, g, level, n, "numbers");
	}
	if (level + 1 == GRID_MAX_RANK || (g->rank && g->rank == level + 1))
		return scan_fail(s, ERR_INVALID, "expected numbers, found an array");
	for (scan_array(s); scan_element(s); n++)
		if (!grid_array(s, g, pool, level + 1))
			return false;
	return !s->rc && same_length(s, g, level, n, "arrays");
}

bool grid_read(struct scan *s, struct grid *g)
{
	struct number_pool pool = { 0 };
	*g = (struct grid){ 0 };
	if (!pool_open(s, &pool))
		return false;
	const double *first = pool.next;
	if (!grid_array(s, g, &pool, 0))
		return false;
	g->value = first;
	g->count = (size_t)(pool.next - first);
	return true;
}

void grid_sizes(const struct grid *g, size_t *rows, size_t *steps, size_t *columns)
{
	*rows = g->dim[0];
	*steps = g->dim[1];
	*columns = g->rank == 3 ? g->dim[2] : 1;
}

bool grid_check_rows(struct scan *s, size_t rows)
{
	return rows <= FORECAST_MAX_ROWS
		|| scan_fail(s, ERR_INVALID, "has %zu sequences, the limit is %d", rows, FORECAST_MAX_ROWS);
}

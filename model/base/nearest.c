/* nearest.c - Levenshtein's distance by its recurrence, one row of the table at a time:
 *
 *     d[i][j] = min(d[i-1][j] + 1, d[i][j-1] + 1, d[i-1][j-1] + (a[i] != b[j]))
 *
 * where d[i][j] is the distance between the first i bytes of a and the first j of b. */
#include "model/base/nearest.h"

#include <string.h>
#include <strings.h>

#define MAX_LENGTH 128   /* bytes; the row below lives on the stack */

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

/* Both at most MAX_LENGTH bytes. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t row[MAX_LENGTH + 1];   /* d[i][0 … nb] */
	for (size_t j = 0; j <= nb; j++)
		row[j] = j;
	for (size_t i = 1; i <= na; i++) {
		size_t diagonal = row[0];   /* d[i-1][j-1] */
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t above = row[j];
			size_t differs = strncasecmp(a + i - 1, b + j - 1, 1) != 0;
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + differs);
			diagonal = above;
		}
	}
	return row[nb];
}

const char *nearest_name(const char *name, const char *const *known, size_t n)
{
	size_t length = strlen(name);
	if (length > MAX_LENGTH)
		return NULL;
	size_t best = (length / 3 > 2 ? length / 3 : 2) + 1;
	const char *found = NULL;
	for (size_t i = 0; i < n; i++) {
		size_t other = strlen(known[i]);
		if (other > MAX_LENGTH)
			continue;
		size_t d = distance(name, length, known[i], other);
		if (d < best && d < (length > other ? length : other)) {
			best = d;
			found = known[i];
		}
	}
	return found;
}

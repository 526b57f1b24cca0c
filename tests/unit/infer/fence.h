/* fence.h - memory whose end nobody may overstep, nor its beginning.
 *
 *     no access | canary … | floats | no access
 *                                   └ a page ends here
 *
 * To read or write behind the floats is a fault at once; to write before them fence_intact() sees. */
#ifndef GATECAST_TEST_INFER_FENCE_H
#define GATECAST_TEST_INFER_FENCE_H

#include <stdbool.h>
#include <stddef.h>

struct fence {
	float *at;
	size_t n;
	unsigned char *map;   /* the pages, and their bytes */
	size_t mapped;
};

/** False: out of memory. n = 0 is a fence with at = NULL. */
bool fence_init(struct fence *f, size_t n);
/** NULL fields are fine. */
void fence_fini(struct fence *f);
/** From now on to write the floats is a fault too. */
void fence_seal(const struct fence *f);
/** What the floats are before they are written, and still are where fence_untouched(). */
void fence_clear(const struct fence *f);
bool fence_untouched(const float *from, const float *to);
/** Nothing was written before the floats. */
bool fence_intact(const struct fence *f);

#endif

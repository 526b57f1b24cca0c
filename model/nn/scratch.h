/* scratch.h - cutting a caller's block into arrays.
 *
 * The same function that cuts a block also measures it: with base = NULL the
 * pieces are NULL and `used` is the size that a block must have. So there is
 * one list of the pieces, and no size that could disagree with it. */
#ifndef GATECAST_NN_SCRATCH_H
#define GATECAST_NN_SCRATCH_H

#include "model/nn/real.h"

#include <stddef.h>

struct scratch {
	real *base;      /* aligned to 64 bytes, or NULL to measure */
	size_t used;     /* numbers */
};

/** The next n numbers, aligned to 64 bytes; not cleared. */
static inline real *scratch_take(struct scratch *s, size_t n)
{
	const size_t line = 64 / sizeof(real);
	real *piece = s->base ? s->base + s->used : NULL;
	s->used += (n + line - 1) / line * line;
	return piece;
}

/** The same of ints. */
static inline int *scratch_take_ints(struct scratch *s, size_t n)
{
	return (void *)scratch_take(s, (n * sizeof(int) + sizeof(real) - 1) / sizeof(real));
}

#endif

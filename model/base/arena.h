/* arena.h - memory that lives as long as one request.
 *
 * Blocks are chained; everything is freed at once. `cap` bounds the sum of
 * all allocations, so a client cannot grow a request without limit. */
#ifndef GATECAST_BASE_ARENA_H
#define GATECAST_BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
	struct arena_block *head;
	size_t used, cap;
	size_t first;     /* bytes of the first block, if more than usual */
};

void arena_init(struct arena *a, size_t cap);
void arena_fini(struct arena *a);
/** Forget what was allocated; up to keep bytes of memory stay for the next use, which then needs one block at most. */
void arena_reset(struct arena *a, size_t keep);
/** n bytes aligned to 16, not zeroed; NULL over cap or out of memory. n = 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t n);
/** count * size with overflow check, zeroed. */
void *arena_calloc(struct arena *a, size_t count, size_t size);
/** A NUL-terminated copy of len bytes. */
char *arena_strndup(struct arena *a, const char *s, size_t len);

#endif

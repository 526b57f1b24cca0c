#include "model/base/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct arena_block {
	struct arena_block *next;
	size_t size, used;
	_Alignas(16) unsigned char bytes[];
};

#define BLOCK_MIN 4096

void arena_init(struct arena *a, size_t cap)
{
	*a = (struct arena){ .cap = cap };
}

void arena_fini(struct arena *a)
{
	while (a->head) {
		struct arena_block *next = a->head->next;
		free(a->head);
		a->head = next;
	}
	a->used = 0;
}

void arena_reset(struct arena *a, size_t keep)
{
	struct arena_block *b = a->head;
	if (b && !b->next && b->size <= keep) {
		b->used = a->used = 0;
		return;
	}
	size_t used = a->used;
	arena_fini(a);
	a->first = used <= keep ? used : 0;
}

/* What a new block holds besides its head. */
static size_t block_size(const struct arena *a, size_t n)
{
	size_t least = !a->head && a->first > BLOCK_MIN ? a->first : BLOCK_MIN;
	return n > least ? n : least;
}

void *arena_alloc(struct arena *a, size_t n)
{
	if (n > SIZE_MAX - sizeof(struct arena_block) - 15)   /* rounding up and the block's head must not wrap */
		return NULL;
	n = n ? (n + 15) & ~(size_t)15 : 16;
	if (n > a->cap - a->used)
		return NULL;
	struct arena_block *b = a->head;
	if (!b || n > b->size - b->used) {
		size_t size = block_size(a, n);
		b = malloc(sizeof *b + size);
		if (!b)
			return NULL;
		*b = (struct arena_block){ .next = a->head, .size = size };
		a->head = b;
	}
	void *p = b->bytes + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *arena_calloc(struct arena *a, size_t count, size_t size)
{
	size_t n;
	if (__builtin_mul_overflow(count, size, &n))
		return NULL;
	void *p = arena_alloc(a, n);
	if (p)
		memset(p, 0, n);
	return p;
}

char *arena_strndup(struct arena *a, const char *s, size_t len)
{
	char *p = len < SIZE_MAX ? arena_alloc(a, len + 1) : NULL;
	if (p) {
		memcpy(p, s, len);
		p[len] = '\0';
	}
	return p;
}

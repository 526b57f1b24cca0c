/* token_set.h - different texts, numbered in the order in which they came.
 *
 *     bytes   t h e \0 c a t \0 …          at   0  4  8 …        slot   [hash] ─► number, -1 where free
 *                                                                       (open addressing, at most half full)
 *
 * at[n] is where the next text would begin, so lengths need no place of their own. */
#ifndef GATECAST_TEXT_TOKEN_SET_H
#define GATECAST_TEXT_TOKEN_SET_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"

struct token_set {
	char *bytes;
	size_t cap;
	size_t *at;          /* [n + 1] */
	int32_t *slot;       /* [slots], slots a power of two */
	size_t slots;
	int32_t n;
};

enum err token_set_init(struct token_set *t, struct error *e);
void token_set_fini(struct token_set *t);   /* zeroed is fine */
/** The number of s, which is put there if it is new; then it is the n before the call. On failure nothing changes. */
enum err token_set_add(struct token_set *t, const char *s, size_t len, int32_t *number, struct error *e);
/** Its number, or -1. */
int32_t token_set_find(const struct token_set *t, const char *s, size_t len);
/** NUL-terminated, until the next token_set_add. */
static inline const char *token_set_get(const struct token_set *t, int32_t number) { return t->bytes + t->at[number]; }
static inline size_t token_set_length(const struct token_set *t, int32_t number)
{
	return t->at[number + 1] - t->at[number] - 1;
}
/** Bytes it holds. */
size_t token_set_bytes(const struct token_set *t);

#endif

#include "model/text/token_set.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SLOTS 256
#define FIRST_BYTES 1024

static int32_t *empty_slots(size_t n)
{
	int32_t *slot = reallocarray(NULL, n, sizeof *slot);

	if (slot)
		memset(slot, 0xFF, n * sizeof *slot);   /* -1 in every one */
	return slot;
}

enum err token_set_init(struct token_set *t, struct error *e)
{
	*t = (struct token_set){ .cap = FIRST_BYTES, .slots = FIRST_SLOTS };
	t->bytes = malloc(t->cap);
	t->at = calloc(t->slots / 2 + 1, sizeof *t->at);
	t->slot = empty_slots(t->slots);
	if (t->bytes && t->at && t->slot)
		return ERR_OK;
	token_set_fini(t);
	return fail_nomem(e);
}

void token_set_fini(struct token_set *t)
{
	free(t->bytes);
	free(t->at);
	free(t->slot);
	*t = (struct token_set){ 0 };
}

/* FNV-1a, its high bits folded in: a table takes the low ones. */
static size_t hash(const char *s, size_t len)
{
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)s[i]) * 1099511628211u;
	return (size_t)(h ^ h >> 32);
}

/* The slot of s, or the free one where it would go. */
static size_t find_slot(const struct token_set *t, const char *s, size_t len)
{
	size_t i = hash(s, len) & (t->slots - 1);

	while (t->slot[i] >= 0) {
		int32_t k = t->slot[i];
		if (token_set_length(t, k) == len && memcmp(token_set_get(t, k), s, len) == 0)
			break;
		i = (i + 1) & (t->slots - 1);
	}
	return i;
}

static enum err grow_bytes(struct token_set *t, size_t more, struct error *e)
{
	size_t used = t->at[t->n], cap = t->cap;

	if (more > SIZE_MAX / 4 - used)
		return fail_nomem(e);
	while (cap - used < more)
		cap *= 2;
	if (cap == t->cap)
		return ERR_OK;
	char *bytes = realloc(t->bytes, cap);
	if (!bytes)
		return fail_nomem(e);
	t->bytes = bytes;
	t->cap = cap;
	return ERR_OK;
}

/* Twice the slots, and room for the texts that may then be there. */
static enum err grow_slots(struct token_set *t, struct error *e)
{
	size_t slots = t->slots * 2;
	if (slots > INT32_MAX)
		return fail_nomem(e);
	size_t *at = reallocarray(t->at, slots / 2 + 1, sizeof *at);
	t->at = at ? at : t->at;
	int32_t *slot = at ? empty_slots(slots) : NULL;
	if (!slot)
		return fail_nomem(e);
	free(t->slot);
	t->slot = slot;
	t->slots = slots;
	for (int32_t k = 0; k < t->n; k++)
		t->slot[find_slot(t, token_set_get(t, k), token_set_length(t, k))] = k;
	return ERR_OK;
}

enum err token_set_add(struct token_set *t, const char *s, size_t len, int32_t *number, struct error *e)
{
	size_t i = find_slot(t, s, len);
	if (t->slot[i] >= 0) {
		*number = t->slot[i];
		return ERR_OK;
	}
	enum err rc = grow_bytes(t, len + 1, e);
	if (!rc && (size_t)t->n == t->slots / 2) {
		rc = grow_slots(t, e);
		i = find_slot(t, s, len);
	}
	if (rc)
		return rc;
	char *to = t->bytes + t->at[t->n];
	memcpy(to, s, len);
	to[len] = '\0';
	t->at[t->n + 1] = t->at[t->n] + len + 1;
	t->slot[i] = t->n;
	*number = t->n++;
	return ERR_OK;
}

int32_t token_set_find(const struct token_set *t, const char *s, size_t len)
{
	return t->slot[find_slot(t, s, len)];
}

size_t token_set_bytes(const struct token_set *t)
{
	return t->cap + (t->slots / 2 + 1) * sizeof *t->at + t->slots * sizeof *t->slot;
}

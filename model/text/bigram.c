/* bigram.c - all neighbours as numbers a << 32 | b, sorted: the pairs of a token are a run, and a pair's count the length
 * of its own. */
#include "model/text/bigram.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

struct bigram {
	int vocabulary;
	size_t n;
	uint64_t *pair;         /* [n] rising */
	int32_t *likeliest;     /* [vocabulary] */
};

static uint64_t pair_of(int32_t a, int32_t b)
{
	return (uint64_t)(uint32_t)a << 32 | (uint32_t)b;
}

static int by_value(const void *a, const void *b)
{
	uint64_t p = *(const uint64_t *)a, q = *(const uint64_t *)b;
	return p < q ? -1 : p > q;
}

/* Pairs below p. */
static size_t below(const struct bigram *b, uint64_t p)
{
	size_t low = 0, high = b->n;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (b->pair[middle] < p)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void find_likeliest(struct bigram *b)
{
	size_t most = 0;
	for (size_t from = 0, to; from < b->n; from = to) {
		int32_t token = (int32_t)(b->pair[from] >> 32);
		bool new_token = from == 0 || (int32_t)(b->pair[from - 1] >> 32) != token;
		for (to = from + 1; to < b->n && b->pair[to] == b->pair[from];)
			to++;
		if (new_token || to - from > most) {
			most = to - from;
			b->likeliest[token] = (int32_t)(uint32_t)b->pair[from];
		}
	}
}

enum err bigram_new(const int32_t *token, size_t n, int vocabulary, struct bigram **out, struct error *e)
{
	struct bigram *b = calloc(1, sizeof *b);
	if (!b)
		return fail_nomem(e);
	b->vocabulary = vocabulary;
	b->n = n ? n - 1 : 0;
	b->pair = calloc(n + 1, sizeof *b->pair);
	b->likeliest = calloc((size_t)vocabulary, sizeof *b->likeliest);
	if (!b->pair || !b->likeliest) {
		bigram_free(b);
		return fail_nomem(e);
	}
	for (size_t i = 0; i < b->n; i++)
		b->pair[i] = pair_of(token[i], token[i + 1]);
	qsort(b->pair, b->n, sizeof *b->pair, by_value);
	find_likeliest(b);
	*out = b;
	return ERR_OK;
}

void bigram_free(struct bigram *b)
{
	if (!b)
		return;
	free(b->pair);
	free(b->likeliest);
	free(b);
}

double bigram_nats(const struct bigram *b, int32_t token, int32_t next)
{
	uint64_t pair = pair_of(token, next);
	double together = (double)(below(b, pair + 1) - below(b, pair));
	double all = (double)(below(b, pair_of(token + 1, 0)) - below(b, pair_of(token, 0)));
	return log(all + b->vocabulary) - log(together + 1);
}

int32_t bigram_likeliest(const struct bigram *b, int32_t token)
{
	return b->likeliest[token];
}

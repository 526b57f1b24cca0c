/* weight_dropout.c - see weight_dropout.h. */
#include "model/nn/weight_dropout.h"

#include <math.h>

#include "model/base/rng.h"
#include "model/nn/network.h"

/* A byte of a block decides about a weight. */
enum { MASKS = 16, DRAWS = 256 };

/* Of DRAWS bytes so many drop; what stays makes up for them. */
struct share { unsigned dropped; real keep; };

static struct share share_of(double rate)
{
	unsigned dropped = (unsigned)lround(rate * DRAWS);
	return (struct share){ .dropped = dropped, .keep = (real)DRAWS / (real)(DRAWS - dropped) };
}

static void drop(const struct dropout_key *key, struct share share, uint32_t tensor, size_t n, real *weight)
{
	const uint32_t seed[2] = { (uint32_t)key->seed, (uint32_t)(key->seed >> 32) };
	for (size_t i = 0; i < n; i += MASKS) {
		uint32_t counter[4] = { (uint32_t)(i / MASKS), tensor, RNG_WEIGHTS, key->key };
		uint32_t word[4];
		rng_philox(counter, seed, word);
		for (size_t k = 0; k < MASKS && i + k < n; k++)
			weight[i + k] *= (word[k / 4] >> 8 * (k % 4) & 0xff) < share.dropped ? 0 : share.keep;
	}
}

void weight_dropout(const struct tensor_table *t, const struct dropout_key *key, double rate, real *block)
{
	const struct share share = share_of(rate);
	for (int i = 0; i < t->n; i++)
		if (t->tensor[i].init == INIT_RECURRENT)
			drop(key, share, (uint32_t)i, t->tensor[i].count, block + t->tensor[i].offset);
}

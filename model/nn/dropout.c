/* dropout.c - see dropout.h. */
#include "model/nn/dropout.h"

#include "model/base/rng.h"
#include "model/nn/network.h"
#include "model/nn/vector.h"

#include <assert.h>

_Static_assert(NET_MAX_HIDDEN / 4 <= 512, "a unit must fit the counter");

void dropout_mask(const struct dropout_key *key, double rate, int layer, const struct packing *p, int n, real *mask)
{
	const uint32_t seed[2] = { (uint32_t)key->seed, (uint32_t)(key->seed >> 32) };
	const double threshold = rate * 0x1p32;    /* of 2^32 words so many drop */
	const real keep = (real)(1 / (1 - rate));

	assert(p->T <= DROPOUT_MAX_STEPS);
	for (int t = 0; t < p->T; t++) {
		for (int b = 0; b < p->active[t]; b++) {
			real *row = mask + packing_row(p, t, b) * (size_t)n;
			for (int j = 0; j < n; j += 4) {
				uint32_t place = (uint32_t)layer % 8 << 29 | (uint32_t)t << 9 | (uint32_t)j / 4;
				uint32_t stream = (uint32_t)layer / 8 << 8 | RNG_DROPOUT;
				uint32_t counter[4] = { key->row_base + (uint32_t)b, place, stream, key->key };
				uint32_t word[4];
				rng_philox(counter, seed, word);
				for (int i = 0; i < 4 && j + i < n; i++)
					row[j + i] = word[i] < threshold ? 0 : keep;
			}
		}
	}
}

const struct dropout_key *dropout_in_force(double rate, const struct dropout_key *key)
{
	return key && key->key && rate > 0 ? key : NULL;
}

VECTORISED static void multiply(size_t n, const real *x, const real *mask, real *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = x[i] * mask[i];
}

void dropout_apply(size_t n, const real *x, const real *mask, real *y)
{
	multiply(n, x, mask, y);
}

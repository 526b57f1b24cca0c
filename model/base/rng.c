#include "model/base/rng.h"

#include <math.h>

static inline void mulhilo(uint32_t a, uint32_t b, uint32_t *hi, uint32_t *lo)
{
	uint64_t p = (uint64_t)a * b;
	*hi = (uint32_t)(p >> 32);
	*lo = (uint32_t)p;
}

void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
	uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
	uint32_t k0 = key[0], k1 = key[1];
	for (int round = 0; round < 10; round++) {
		uint32_t hi0, lo0, hi1, lo1;
		mulhilo(0xD2511F53u, c0, &hi0, &lo0);
		mulhilo(0xCD9E8D57u, c2, &hi1, &lo1);
		c0 = hi1 ^ c1 ^ k0;
		c1 = lo1;
		c2 = hi0 ^ c3 ^ k1;
		c3 = lo0;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	out[0] = c0;
	out[1] = c1;
	out[2] = c2;
	out[3] = c3;
}

void rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint32_t substream)
{
	*r = (struct rng){ .seed = seed, .stream = stream, .substream = substream };
}

uint32_t rng_u32(struct rng *r)
{
	uint64_t block = r->counter >> 2;
	uint32_t key[2] = { (uint32_t)r->seed, (uint32_t)(r->seed >> 32) };
	uint32_t counter[4] = { (uint32_t)block, (uint32_t)(block >> 32), r->stream, r->substream };
	uint32_t out[4];
	rng_philox(counter, key, out);
	return out[r->counter++ & 3];
}

double rng_uniform(struct rng *r)
{
	uint64_t hi = rng_u32(r), lo = rng_u32(r);
	return (double)((hi << 32 | lo) >> 11) * 0x1p-53;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
	uint64_t limit = UINT64_MAX - UINT64_MAX % n;   /* reject the tail: no modulo bias */
	uint64_t v;
	do {
		uint64_t hi = rng_u32(r);
		v = hi << 32 | rng_u32(r);
	} while (v >= limit);
	return v % n;
}

double rng_normal(struct rng *r)
{
	double u = 1.0 - rng_uniform(r);   /* (0, 1] */
	double v = rng_uniform(r);
	return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

void rng_shuffle(struct rng *r, uint32_t *items, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t j = (size_t)rng_below(r, i);
		uint32_t t = items[i - 1];
		items[i - 1] = items[j];
		items[j] = t;
	}
}

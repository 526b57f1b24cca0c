/* rng.h - counter-based random numbers (Philox4x32-10; Salmon et al., SC'11).
 *
 * A number is a pure function of (seed, stream, counter): no state has to be
 * saved, so a resumed training draws what an uninterrupted one would. */
#ifndef GATECAST_BASE_RNG_H
#define GATECAST_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/** What the numbers are for; keeps the streams of one seed apart. */
enum rng_stream { RNG_INIT = 1, RNG_SHUFFLE, RNG_DROPOUT, RNG_SAMPLE, RNG_TEST, RNG_TEACHER, RNG_CROP, RNG_WEIGHTS,
                  RNG_TOKENS };

struct rng {
	uint64_t seed;
	uint32_t stream, substream;   /* substream: tensor, epoch, layer … */
	uint64_t counter;             /* of the next number */
};

void rng_init(struct rng *r, uint64_t seed, enum rng_stream stream, uint32_t substream);
uint32_t rng_u32(struct rng *r);
/** Uniform in [0, 1), 53 bits. */
double rng_uniform(struct rng *r);
/** Uniform in 0 … n-1 without bias; n > 0. */
uint64_t rng_below(struct rng *r, uint64_t n);
/** Standard normal (Box-Muller). */
double rng_normal(struct rng *r);
/** Fisher-Yates. */
void rng_shuffle(struct rng *r, uint32_t *items, size_t n);
/** One block of the generator, for tests against the published vectors. */
void rng_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif

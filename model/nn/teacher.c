/* teacher.c - see teacher.h. */
#include "model/nn/teacher.h"

#include "model/base/rng.h"

static bool drawn(const struct dropout_key *key, double ratio, int b, int step)
{
	const uint32_t seed[2] = { (uint32_t)key->seed, (uint32_t)(key->seed >> 32) };
	const uint32_t counter[4] = { key->row_base + (uint32_t)b, (uint32_t)step / 4, RNG_TEACHER, key->key };
	uint32_t word[4];
	rng_philox(counter, seed, word);
	return word[step % 4] < ratio * 0x1p32;
}

bool teacher_forces(const struct network_input *in, int b, int step)
{
	if (!in->teacher)
		return false;
	if (in->teacher_ratio >= 1)
		return true;
	return in->dropout && in->dropout->key && drawn(in->dropout, in->teacher_ratio, b, step);
}

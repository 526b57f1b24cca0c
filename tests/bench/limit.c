/* limit.c - the machine's limit as a racer (racer.h): as many multiply-adds as the case has, from registers to
 * registers, as fast as one core does them. Nothing that computes the case can be faster; how near it comes is a share
 * of the peak. */
#include <stdlib.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "tests/bench/racer.h"

#define CHAINS 12        /* sums that do not wait for each other: more than latency x width */
#define VECTOR 16        /* floats of the widest vector; a narrower one takes two instructions for it */

struct limit {
	long rounds;         /* of CHAINS multiply-adds of VECTOR floats */
	void (*burn)(long rounds, float *out);
	float out[VECTOR];
};

/* What is added goes through memory only at the end. The products cannot be foreseen: the factor is volatile. */
static volatile float factor = 0.5f;

#if defined(__x86_64__)
__attribute__((target("avx512f")))
static void burn_avx512(long rounds, float *out)
{
	__m512 sum[CHAINS], f = _mm512_set1_ps(factor);
	for (int i = 0; i < CHAINS; i++)
		sum[i] = _mm512_set1_ps((float)i);
	for (long r = 0; r < rounds; r++)
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			sum[i] = _mm512_fmadd_ps(sum[i], f, f);
	for (int i = 1; i < CHAINS; i++)
		sum[0] = _mm512_add_ps(sum[0], sum[i]);
	_mm512_storeu_ps(out, sum[0]);
}

__attribute__((target("avx2,fma")))
static void burn_avx2(long rounds, float *out)
{
	__m256 sum[CHAINS], f = _mm256_set1_ps(factor);
	for (int i = 0; i < CHAINS; i++)
		sum[i] = _mm256_set1_ps((float)i);
	for (long r = 0; r < 2 * rounds; r++)
#pragma GCC unroll 12
		for (int i = 0; i < CHAINS; i++)
			sum[i] = _mm256_fmadd_ps(sum[i], f, f);
	for (int i = 1; i < CHAINS; i++)
		sum[0] = _mm256_add_ps(sum[0], sum[i]);
	_mm256_storeu_ps(out, sum[0]);
}
#endif

static const char *prepare(void *self, const struct bench_case *c, int T, int batch)
{
	struct limit *l = self;
	l->rounds = (long)(batch * bench_case_flops(c, T) / (2.0 * VECTOR * CHAINS));
	if (!l->rounds)
		return "its operations are not counted";
#if defined(__x86_64__)
	l->burn = __builtin_cpu_supports("avx512f") ? burn_avx512 : __builtin_cpu_supports("fma") ? burn_avx2 : NULL;
#endif
	return l->burn ? NULL : "this kind of CPU is not known";
}

static void run(void *self)
{
	struct limit *l = self;
	l->burn(l->rounds, l->out);
}

/* There is nothing to compare. */
static const float *outputs(void *self, size_t *n)
{
	*n = 0;
	return ((struct limit *)self)->out;
}

int main(void)
{
	static struct limit l;
	return racer_follow(&(struct racer){ prepare, run, outputs, &l, false });
}

/* vector.h - loops over rows of numbers, written so that the compiler makes
 * vector instructions of them.
 *
 * VECTORISED compiles a function for AVX2 and AVX-512 too and picks at load time. No
 * instruction set may contract or reorder (-ffp-contract=off, no -ffast-math),
 * so each gives the same bits. The sanitizers cannot run the picking code,
 * which is called before they are set up: there, one version must do. Nor does
 * clang 14, whose clones of static functions of one name clash at link time. */
#ifndef GATECAST_NN_VECTOR_H
#define GATECAST_NN_VECTOR_H

#include "model/nn/real.h"

#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define VECTOR_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VECTOR_SANITIZED 1
#endif

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__) && !defined(VECTOR_SANITIZED)
#define VECTORISED __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define VECTORISED
#endif

#define VECTOR_LANES 16   /* partial sums of a reduction: an AVX-512 register of floats */

/* The sum of the lanes, in an order that no instruction set changes: each half to the other, as one vector, since a
 * loop over an array would go through memory. */
typedef real vector_lanes __attribute__((vector_size(VECTOR_LANES * sizeof(real))));

static inline __attribute__((always_inline)) real vector_fold(const real lane[VECTOR_LANES])
{
	vector_lanes v;
	memcpy(&v, lane, sizeof v);
	v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
	v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7);
	v += __builtin_shufflevector(v, v, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3, 2, 3);
	v += __builtin_shufflevector(v, v, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
	return v[0];
}

/* Sum of a[i] b[i]. */
static inline __attribute__((always_inline)) real vector_dot(int n, const real *restrict a, const real *restrict b)
{
	real lane[VECTOR_LANES] = { 0 };
	int i = 0;
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		for (int l = 0; l < VECTOR_LANES; l++)
			lane[l] += a[i + l] * b[i + l];
	for (int l = 0; i < n; i++, l++)
		lane[l] += a[i] * b[i];
	return vector_fold(lane);
}

/* Sum of a[i]. */
static inline __attribute__((always_inline)) real vector_sum(int n, const real *a)
{
	real lane[VECTOR_LANES] = { 0 };
	int i = 0;
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		for (int l = 0; l < VECTOR_LANES; l++)
			lane[l] += a[i + l];
	for (int l = 0; i < n; i++, l++)
		lane[l] += a[i];
	return vector_fold(lane);
}

/* y += a x */
static inline __attribute__((always_inline)) void vector_add_scaled(int n, real a, const real *restrict x,
                                                                    real *restrict y)
{
	for (int i = 0; i < n; i++)
		y[i] += a * x[i];
}

#endif

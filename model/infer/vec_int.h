/* vec_int.h - integers of one CPU level, for products of quantised numbers (int8.h).
 *
 * A vector of VF sums meets two inputs at a time. Each lane of weights and of inputs holds the two as 16-bit
 * integers; their products are exact in 32 bits, and so is their sum:
 *
 *     sum[lane] += weight[lane][0] * input[0] + weight[lane][1] * input[1]
 *
 * Integer addition has one result whatever its order, so all levels give the same sums. */
#ifndef GATECAST_INFER_VEC_INT_H
#define GATECAST_INFER_VEC_INT_H

#include "model/infer/vec.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

typedef int32_t vi __attribute__((vector_size(4 * VF)));   /* sums, or pairs of 16-bit integers */
typedef uint16_t vh __attribute__((vector_size(2 * VF)));

#define VEC_PAIRS (2 * VF)   /* weights of a vector */

#if INFER_LEVEL == 3
static inline vi vi_set1(int32_t x) { return vdupq_n_s32(x); }
static inline vi vi_max(vi a, vi b) { return vmaxq_s32(a, b); }
static inline vf vi_float(vi a) { return vcvtq_f32_s32(a); }
static inline int32_t vi_max_lane(vi a) { return vmaxvq_s32(a); }
static inline vi vi_weights(const int8_t *w) { return (vi)vmovl_s8(vld1_s8(w)); }

/* The dot product instructions multiply 8-bit integers only, and rows are of 16. */
static inline vi vi_multiply_add(vi sum, vi weight, vi input)
{
	const int16x8_t w = (int16x8_t)weight, x = (int16x8_t)input;

	return sum + vpaddq_s32(vmull_s16(vget_low_s16(w), vget_low_s16(x)), vmull_high_s16(w, x));
}
#elif INFER_LEVEL == 2
static inline vi vi_set1(int32_t x) { return (vi)_mm512_set1_epi32(x); }
static inline vi vi_max(vi a, vi b) { return (vi)_mm512_max_epi32((__m512i)a, (__m512i)b); }
static inline vf vi_float(vi a) { return _mm512_cvtepi32_ps((__m512i)a); }
static inline int32_t vi_max_lane(vi a) { return _mm512_reduce_max_epi32((__m512i)a); }

/* The first n numbers from x on, zeros behind them. */
static inline vf vf_load_first(const float *x, int n)
{
	return _mm512_maskz_loadu_ps((__mmask16)((1 << n) - 1), x);
}

static inline vi vi_weights(const int8_t *w)
{
	return (vi)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const void *)w));
}

static inline vi vi_multiply_add(vi sum, vi weight, vi input)
{
	return sum + (vi)_mm512_madd_epi16((__m512i)weight, (__m512i)input);
}
#elif INFER_LEVEL == 1
static inline vi vi_set1(int32_t x) { return (vi)_mm256_set1_epi32(x); }
static inline vi vi_max(vi a, vi b) { return (vi)_mm256_max_epi32((__m256i)a, (__m256i)b); }
static inline vf vi_float(vi a) { return _mm256_cvtepi32_ps((__m256i)a); }

static inline int32_t vi_max_lane(vi a)
{
	__m128i m = _mm_max_epi32(_mm256_castsi256_si128((__m256i)a), _mm256_extracti128_si256((__m256i)a, 1));

	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4e));
	m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0xb1));
	return _mm_cvtsi128_si32(m);
}

/* The first n numbers from x on, zeros behind them. */
static inline vf vf_load_first(const float *x, int n)
{
	const vi lane = { 0, 1, 2, 3, 4, 5, 6, 7 };

	return _mm256_maskload_ps(x, (__m256i)(lane < n));
}

static inline vi vi_weights(const int8_t *w)
{
	return (vi)_mm256_cvtepi8_epi16(_mm_loadu_si128((const void *)w));
}

static inline vi vi_multiply_add(vi sum, vi weight, vi input)
{
	return sum + (vi)_mm256_madd_epi16((__m256i)weight, (__m256i)input);
}
#else
static inline vi vi_set1(int32_t x) { return (vi){ x, x, x, x }; }
static inline vf vi_float(vi a) { return __builtin_convertvector(a, vf); }

static inline vi vi_max(vi a, vi b)
{
	const vi mask = a > b;
	return (mask & a) | (~mask & b);
}

static inline int32_t vi_max_lane(vi a)
{
	int32_t most = a[0];

	for (int i = 1; i < VF; i++)
		most = a[i] > most ? a[i] : most;
	return most;
}

static inline vi vi_weights(const int8_t *w)
{
	typedef int8_t bytes __attribute__((vector_size(VEC_PAIRS)));
	typedef int16_t words __attribute__((vector_size(2 * VEC_PAIRS)));
	bytes narrow;

	memcpy(&narrow, w, sizeof narrow);
	return (vi)__builtin_convertvector(narrow, words);
}

#if defined(__SSE2__)   /* every x86-64 has it */
static inline vi vi_multiply_add(vi sum, vi weight, vi input)
{
	return sum + (vi)_mm_madd_epi16((__m128i)weight, (__m128i)input);
}
#else
static inline vi vi_low(vi a) { return (vi)((vu)a << 16) >> 16; }
static inline vi vi_high(vi a) { return a >> 16; }

static inline vi vi_multiply_add(vi sum, vi weight, vi input)
{
	return sum + vi_low(weight) * vi_low(input) + vi_high(weight) * vi_high(input);
}
#endif
#endif

#if VF == 4   /* no instruction loads a part of a vector there */
/* The first n numbers from x on, zeros behind them. */
static inline vf vf_load_first(const float *x, int n)
{
	float lane[VF] = { 0 };

	for (int i = 0; i < n; i++)
		lane[i] = x[i];
	return vf_load(lane);
}
#endif

/* Two inputs, the same for every lane. */
static inline vi vi_pair(const int16_t *x)
{
	int32_t pair;

	memcpy(&pair, x, sizeof pair);
	return vi_set1(pair);
}

/* |x| as an integer: its order is that of the magnitudes, infinity above all numbers and NaN above infinity. */
static inline vi vf_magnitude(vf x)
{
	return (vi)x & 0x7fffffff;
}

/* x rounded to nearest, ties to even, for |x| <= 2^15 - 1: added to 1.5 * 2^23 it is left in the low bits. */
static inline void vf_store_rounded(int16_t *p, vf x)
{
	const vh low = __builtin_convertvector((vu)(x + vf_set1(0x1.8p23f)), vh);

	memcpy(p, &low, sizeof low);
}

#endif

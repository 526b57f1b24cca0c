/* vec.h - the vector of one CPU level, so that kernels.c is written once.
 *
 *     INFER_LEVEL   0  c        4 floats, compiler's vectors, product and sum rounded apart
 *                   1  avx2     8 floats, fused multiply-add
 *                   2  avx512  16 floats, fused multiply-add
 *                   3  neon     4 floats, fused multiply-add (AArch64)
 *
 * Only the width differs between avx2, avx512 and neon: the same operations in
 * the same order meet every number, and each of them is rounded as IEEE 754
 * says, so all three give the same bits. Sums across lanes are taken over 16
 * lanes in one tree (i with i + 8, i + 4, i + 2, i + 1) whatever the width. Everything here is static: code built with a level's
 * flags must not be linked into anything else. */
#ifndef GATECAST_INFER_VEC_H
#define GATECAST_INFER_VEC_H

#include <stdint.h>
#include <string.h>

#ifndef INFER_LEVEL
#define INFER_LEVEL 0
#endif

/* With the sanitizers each tile compiles slowly, so they see short tiles only: the same text, and, as
 * a row's arithmetic does not depend on its tile, the same bits. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define VEC_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define VEC_SANITIZED 1
#endif
#endif

/* VF is the width; VEC_ACCUMULATORS how many sums a tile may hold in registers: avx2 has 16 of them, avx512 and neon 32. */
#if INFER_LEVEL == 3
#include <arm_neon.h>
#define VF 4
#define VEC_ACCUMULATORS 24
#elif INFER_LEVEL == 2
#include <immintrin.h>
#define VF 16
#define VEC_ACCUMULATORS 24
#elif INFER_LEVEL == 1
#include <immintrin.h>
#define VF 8
#define VEC_ACCUMULATORS 12
#else
#define VF 4
#define VEC_ACCUMULATORS 12
#endif
#ifdef VEC_SANITIZED
#undef VEC_ACCUMULATORS
#define VEC_ACCUMULATORS 8
#endif

#define VEC_LANES 16                 /* of a sum, at every level */
#define VEC_PARTS (VEC_LANES / VF)   /* vectors that make them up */

typedef float vf __attribute__((vector_size(4 * VF)));
typedef uint32_t vu __attribute__((vector_size(4 * VF)));

/* vf_min and vf_max return b where a or b is NaN or both are zeros, as the x86 instructions do; neon's own would return
 * the NaN, and so compares and selects. */
#if INFER_LEVEL == 3
static inline vf vf_set1(float x) { return vdupq_n_f32(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return vfmaq_f32(c, a, b); }
static inline vf vf_min(vf a, vf b) { return vbslq_f32(vcltq_f32(a, b), a, b); }
static inline vf vf_max(vf a, vf b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
#elif INFER_LEVEL == 2
static inline vf vf_set1(float x) { return _mm512_set1_ps(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm512_fmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm512_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm512_max_ps(a, b); }
#elif INFER_LEVEL == 1
static inline vf vf_set1(float x) { return _mm256_set1_ps(x); }
static inline vf vf_fma(vf a, vf b, vf c) { return _mm256_fmadd_ps(a, b, c); }
static inline vf vf_min(vf a, vf b) { return _mm256_min_ps(a, b); }
static inline vf vf_max(vf a, vf b) { return _mm256_max_ps(a, b); }
#else
static inline vf vf_set1(float x) { return (vf){ x, x, x, x }; }
static inline vf vf_fma(vf a, vf b, vf c) { return a * b + c; }
static inline vf vf_select(vu mask, vf a, vf b) { return (vf)((mask & (vu)a) | (~mask & (vu)b)); }
static inline vf vf_min(vf a, vf b) { return vf_select((vu)(a < b), a, b); }
static inline vf vf_max(vf a, vf b) { return vf_select((vu)(a > b), a, b); }
#endif

static inline vf vf_load(const float *p)
{
	vf v;
	memcpy(&v, p, sizeof v);
	return v;
}

static inline void vf_store(float *p, vf v)
{
	memcpy(p, &v, sizeof v);
}

/* The sum of 16 lanes held in VEC_PARTS vectors. */
static inline float vf_sum16(const vf part[VEC_PARTS])
{
	float lane[VEC_LANES];

	memcpy(lane, part, sizeof lane);
	for (int half = VEC_LANES / 2; half > 0; half /= 2)
		for (int i = 0; i < half; i++)
			lane[i] += lane[i + half];
	return lane[0];
}

/* 2^x to a relative 1.5e-7: 2^n times a polynomial of degree 5 on [-1/2, 1/2],
 * interpolated at the Chebyshev nodes. Exactly 0 from -127 down (so 2^-inf is
 * 0), bounded by 2^127. n is found by adding 1.5 * 2^23, which leaves it in the
 * low bits; the scale is multiplied, never added to the exponent, so that a
 * NaN stays one whatever its payload. */
static inline vf vf_exp2(vf x)
{
	const vf magic = vf_set1(0x1.8p23f);

	x = vf_max(vf_set1(-127), vf_min(vf_set1(127), x));
	vf shifted = x + magic;
	vf f = x - (shifted - magic);
	vf p = vf_set1(0x1.5f0890p-10f);
	p = vf_fma(p, f, vf_set1(0x1.3d1070p-7f));
	p = vf_fma(p, f, vf_set1(0x1.c6af6cp-5f));
	p = vf_fma(p, f, vf_set1(0x1.ebf906p-3f));
	p = vf_fma(p, f, vf_set1(0x1.62e430p-1f));
	p = vf_fma(p, f, vf_set1(0x1.000002p+0f));
	return p * (vf)(((vu)shifted + 127) << 23);
}

/* Both to 3e-7 absolutely, NaN for NaN. */
static inline vf vf_sigmoid(vf x)
{
	const vf one = vf_set1(1);

	return one / (one + vf_exp2(x * vf_set1(-0x1.715476p+0f)));
}

static inline vf vf_tanh(vf x)
{
	return vf_set1(2) / (vf_set1(1) + vf_exp2(x * vf_set1(-0x1.715476p+1f))) - vf_set1(1);
}

/* NaN for NaN. */
static inline vf vf_relu(vf x)
{
	return vf_max(vf_set1(0), x);
}

/* x times the normal distribution's function = relu(x) - |x| tail(|x|), the tail being half of erfc by
 * Abramowitz and Stegun's 7.1.26 (their p over the root of 2, half of their coefficients). To 3e-7 |x|, NaN for NaN. */
static inline vf vf_gelu(vf x)
{
	const vf size = vf_max(-x, x), t = vf_set1(1) / vf_fma(size, vf_set1(0.231641888f), vf_set1(1));
	vf p = vf_set1(0.5307027145f);

	p = vf_fma(p, t, vf_set1(-0.7265760135f));
	p = vf_fma(p, t, vf_set1(0.7107068705f));
	p = vf_fma(p, t, vf_set1(-0.142248368f));
	p = vf_fma(p, t, vf_set1(0.127414796f));
	return vf_relu(x) - size * (p * t * vf_exp2(x * x * vf_set1(-0x1.715476p-1f)));
}

#endif

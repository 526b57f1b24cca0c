/* activation.h - exp, sigmoid and tanh as loops can use them.
 *
 * The double build takes libm's: it is the one that checks. The float build
 * has its own, without branches, tables or calls, so that the compiler makes
 * vectors of them:
 *
 *     x = k ln 2 + f,  |f| <= ln 2 / 2        exp(x) - 1 = 2^k p(f) + (2^k - 1)
 *     p(f) = exp(f) - 1: its Taylor series to degree 8, economised to
 *            degree 6 with Chebyshev's polynomials; error below 1e-8
 *
 * Largest absolute error against double: sigmoid 1.2e-7, tanh 1.5e-7, and tanh
 * keeps its relative precision near 0. NaN stays NaN. tests/unit/nn/test_activation.c
 * measures all of it.
 *
 * The normal distribution's function, for GELU(x) = x P(x), by Abramowitz and
 * Stegun's 7.1.26 for erf, applied to the tail: error below 3e-7. */
#ifndef GATECAST_NN_ACTIVATION_H
#define GATECAST_NN_ACTIVATION_H

#include "model/nn/real.h"

#include <stdint.h>

#define ACTIVATION_INLINE static inline __attribute__((always_inline))

#ifdef GATECAST_DOUBLE

ACTIVATION_INLINE real activation_exp(real x)
{
	return exp(x);
}

ACTIVATION_INLINE real activation_sigmoid(real x)
{
	return 1 / (1 + exp(-x));
}

ACTIVATION_INLINE real activation_tanh(real x)
{
	return tanh(x);
}

ACTIVATION_INLINE real activation_normal(real x)
{
	return erfc(-x * M_SQRT1_2) / 2;
}

#else

/* Into ±limit. Written so that NaN passes through. */
ACTIVATION_INLINE float activation_clamp(float x, float limit)
{
	x = x > limit ? limit : x;
	return x < -limit ? -limit : x;
}

struct activation_parts { float scale, p; };   /* exp(x) = scale (1 + p), |x| <= 87 */

ACTIVATION_INLINE struct activation_parts activation_split(float x)
{
	const float to_integer = 0x1.8p23f + 127;   /* a float this large has no fraction: adding rounds */
	union { float f; uint32_t u; } shifted = { .f = x * 1.44269504f + to_integer };
	float k = shifted.f - to_integer;
	float f = (x - k * 0.693359375f) - k * -2.12194440e-4f;   /* ln 2 in two parts: the first product is exact */
	float p = 0.00139345f;
	p = p * f + 0.0083637f;
	p = p * f + 0.04166646f;
	p = p * f + 0.16666574f;
	p = p * f + 0.5f;
	shifted.u <<= 23;                           /* the low bits are k + 127: an exponent */
	return (struct activation_parts){ shifted.f, f + f * f * p };
}

ACTIVATION_INLINE float activation_exp(float x)
{
	struct activation_parts e = activation_split(activation_clamp(x, 87));   /* beyond, not normal */
	return e.scale + e.scale * e.p;
}

ACTIVATION_INLINE float activation_sigmoid(float x)
{
	return 1 / (1 + activation_exp(-x));
}

ACTIVATION_INLINE float activation_tanh(float x)
{
	struct activation_parts e = activation_split(2 * activation_clamp(x, 10));   /* 1 from 9.02 on */
	float expm1 = e.scale * e.p + (e.scale - 1);
	return expm1 / (expm1 + 2);
}

/* 1/2 erfc(|x| / sqrt 2) is the tail; half of the published coefficients. */
ACTIVATION_INLINE float activation_normal(float x)
{
	float t = 1 / (1 + 0.231641888f * fabsf(x));    /* 0.3275911 / sqrt 2 */
	float p = 0.5307027145f;
	p = p * t - 0.7265760135f;
	p = p * t + 0.7107068705f;
	p = p * t - 0.142248368f;
	p = p * t + 0.127414796f;
	float tail = p * t * activation_exp(-x * x / 2);
	return x > 0 ? 1 - tail : tail;
}

#endif

/* GELU (Hendrycks and Gimpel 2016), the exact form. */
ACTIVATION_INLINE real activation_gelu(real x)
{
	return x * activation_normal(x);
}

ACTIVATION_INLINE real activation_gelu_slope(real x)
{
	const real density = (real)0.39894228040143267794;    /* 1 / sqrt(2 pi) */
	return activation_normal(x) + x * density * activation_exp(-x * x / 2);
}

#endif

/* decimal.c - see decimal.h. Products of 64 and 128 bits keep every bit; nothing here rounds but where it says so. */
#include "api/decimal.h"

#include <math.h>
#include <string.h>

typedef unsigned __int128 uint128;

#define EXACT_FIRST 0    /* 5^q of these fits 128 bits */
#define EXACT_LAST  55

#define DOUBLE_BITS     52      /* of the fraction */
#define DOUBLE_BIAS     1023
#define DOUBLE_INFINITE 0x7FF   /* the exponent's field */
#define FLOAT_BITS      23
#define FLOAT_BIAS      127

static struct decimal_power power_down(int q)
{
	return decimal_powers[q - DECIMAL_FIRST];
}

/* Rounded up. The low half never is all ones, so nothing is carried. */
static struct decimal_power power_up(int q)
{
	struct decimal_power p = power_down(q);
	p.low += q < EXACT_FIRST || q > EXACT_LAST;
	return p;
}

/* floor(log2(10^q)), |q| <= 400: 217706 / 2^16 is log2(10). */
static int log2_of_power(int q)
{
	return (q * 217706) >> 16;
}

static double double_of(uint64_t fraction, uint64_t exponent)
{
	uint64_t bits = exponent << DOUBLE_BITS | fraction;
	double v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

/* --- reading ------------------------------------------------------------------------------------------------------ */

struct product { uint64_t high, low; };

/* The highest 128 bits of digits 5^q, digits with their top bit set. The power's lower half is looked at only where it
 * could reach the bits that count: below the 55 that a double and its rounding need, 9 ones would pass a carry on. */
static struct product multiply(uint64_t digits, int q)
{
	const uint64_t carries = (UINT64_C(1) << 9) - 1;
	struct decimal_power p = q < 0 ? power_up(q) : power_down(q);
	uint128 first = (uint128)digits * p.high;
	if (((uint64_t)(first >> 64) & carries) == carries)
		first += (uint64_t)((uint128)digits * p.low >> 64);
	return (struct product){ (uint64_t)(first >> 64), (uint64_t)first };
}

/* Half a unit in the last place is decided by the bit below; ties, which can only come of small powers, go to even. */
static uint64_t drop_tie(uint64_t mantissa, int shift, const struct product *p, int q)
{
	bool tie = p->low <= 1 && q >= -4 && q <= 23 && (mantissa & 3) == 1 && mantissa << shift == p->high;
	return tie ? mantissa & ~UINT64_C(1) : mantissa;
}

bool decimal_to_double(uint64_t digits, int64_t exponent, double *out)
{
	if (digits == 0 || exponent < DECIMAL_FIRST) {
		*out = 0;
		return true;
	}
	if (exponent > 308) {
		*out = INFINITY;
		return true;
	}
	int q = (int)exponent, zeros = __builtin_clzll(digits);
	struct product p = multiply(digits << zeros, q);
	if (p.low == UINT64_MAX && (q < -27 || q > EXACT_LAST))
		return false;

	int top = (int)(p.high >> 63), shift = top + 64 - DOUBLE_BITS - 3;
	uint64_t mantissa = p.high >> shift;     /* the leading bit, 52 of the fraction, one to round by */
	int field = log2_of_power(q) + 63 + top - zeros + DOUBLE_BIAS;
	if (field <= 0) {                        /* subnormal */
		if (1 - field >= 64) {
			*out = 0;
			return true;
		}
		mantissa >>= 1 - field;
		mantissa = (mantissa + (mantissa & 1)) >> 1;
		*out = double_of(mantissa, 0);   /* a carry into the exponent's field is the smallest normal number */
		return true;
	}
	mantissa = drop_tie(mantissa, shift, &p, q);
	mantissa = (mantissa + (mantissa & 1)) >> 1;
	if (mantissa >> (DOUBLE_BITS + 1)) {
		mantissa >>= 1;
		field++;
	}
	if (field >= DOUBLE_INFINITE)
		*out = INFINITY;
	else
		*out = double_of(mantissa & ~(UINT64_C(1) << DOUBLE_BITS), (uint64_t)field);
	return true;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

/* floor(log10(2^e)), and of 3/4 2^e: 1262611 / 2^22 is log10(2). */
static int log10_of_power(int e)
{
	return (e * 1262611) >> 22;
}

static int log10_of_three_quarters(int e)
{
	return (e * 1262611 - 524031) >> 22;
}

/* The product's part above 2^128, its last bit set when anything was cut off: rounded to odd. */
static uint64_t round_to_odd(struct decimal_power g, uint64_t c)
{
	uint128 low = (uint128)g.low * c, high = (uint128)g.high * c + (uint64_t)(low >> 64);
	return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* c 2^q, with whether the number below is only half as far as the one above. */
static struct decimal shortest(uint64_t c, int q, bool closer_below)
{
	int k = closer_below ? log10_of_three_quarters(q) : log10_of_power(q);
	int h = q + log2_of_power(-k) + 1;
	struct decimal_power g = power_up(-k);
	uint64_t open = c & 1;      /* an even c owns the ends of its interval */
	/* Four times the number and the ends of its interval, in units of 10^k. */
	uint64_t middle = round_to_odd(g, (4 * c) << h);
	uint64_t low = round_to_odd(g, (4 * c - 2 + closer_below) << h) + open;
	uint64_t high = round_to_odd(g, (4 * c + 2) << h) - open;

	uint64_t s = middle / 4, tens = s / 10 * 10;
	if (s >= 10) {              /* one digit less, if just one such number lies inside */
		bool below = low <= 4 * tens, above = 4 * (tens + 10) <= high;
		if (below != above)
			return (struct decimal){ below ? tens / 10 : tens / 10 + 1, k + 1 };
	}
	bool below = low <= 4 * s, above = 4 * (s + 1) <= high;
	if (below != above)
		return (struct decimal){ below ? s : s + 1, k };
	uint64_t half = 4 * s + 2;
	bool down = middle < half || (middle == half && s % 2 == 0);
	return (struct decimal){ down ? s : s + 1, k };
}

/* The fields of a number to c and q. */
static struct decimal of_fields(uint64_t fraction, int field, int bits, int bias)
{
	uint64_t c = field ? fraction | UINT64_C(1) << bits : fraction;
	int q = (field ? field : 1) - bias - bits;
	return shortest(c, q, fraction == 0 && field > 1);
}

struct decimal decimal_of_double(double v)
{
	uint64_t u;
	memcpy(&u, &v, sizeof u);
	return of_fields(u & ((UINT64_C(1) << DOUBLE_BITS) - 1), (int)(u >> DOUBLE_BITS), DOUBLE_BITS, DOUBLE_BIAS);
}

struct decimal decimal_of_float(float v)
{
	uint32_t u;
	memcpy(&u, &v, sizeof u);
	return of_fields(u & ((UINT32_C(1) << FLOAT_BITS) - 1), (int)(u >> FLOAT_BITS), FLOAT_BITS, FLOAT_BIAS);
}

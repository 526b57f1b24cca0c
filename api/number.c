/* number.c - decimal text and binary floating point, both ways.
 *
 * Reading. A number is its significant digits times a power of ten. Where the digits fit 53 bits and the power is at most
 * 10^22, both are exact doubles and one IEEE multiplication or division rounds once, hence correctly (Clinger 1990).
 * Up to 19 digits and 10^27 are exact in x86's 80-bit format: there the operation rounds once to 64 bits, and the second
 * rounding, to 53, is right unless the 11 bits that it drops are exactly one half.
 * Everything else goes through strtod on a copy of bounded size: beyond 768 significant digits only "is anything left?"
 * can change the result, and one last digit says it. strtod reads a point because no thread ever sets a locale.
 *
 * Writing. Most numbers of people are short decimals: the smallest k for which round(v 10^k) / 10^k is v again gives the
 * shortest text. What that does not find is tried with rising precision until it reads back. */
#include "api/number.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MANTISSA_DIGITS 19                   /* always fit 64 bits */
#define SLOW_DIGITS     768
#define EXPONENT_LIMIT  1000000000000000LL   /* far beyond any double, far from overflow */

static const double power_of_ten[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};
#define EXACT_POWER 22

/* The digits of a number as they stand in the text, value = digits x 10^exponent. */
struct decimal {
	const char *begin, *end;   /* mantissa: digits and at most one point */
	size_t digits;             /* from the first that is not 0 */
	uint64_t mantissa;         /* of the first 19 of them */
	int64_t exponent;
	bool negative;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *scan_digits(const char *s, const char *end, struct decimal *d)
{
	for (; s < end && is_digit(*s); s++) {
		if (d->digits == 0 && *s == '0')
			continue;
		if (d->digits < MANTISSA_DIGITS)
			d->mantissa = d->mantissa * 10 + (uint64_t)(*s - '0');
		d->digits++;
	}
	return s;
}

/* Past e, a sign and digits; NULL when the digits are not there. */
static const char *scan_exponent(const char *s, const char *end, struct decimal *d)
{
	int64_t value = 0;
	bool negative = false;
	const char *first;

	s++;
	if (s < end && (*s == '+' || *s == '-'))
		negative = *s++ == '-';
	for (first = s; s < end && is_digit(*s); s++)
		if (value < EXPONENT_LIMIT)
			value = value * 10 + (*s - '0');
	d->exponent += negative ? -value : value;
	return s > first ? s : NULL;
}

/* An unsigned decimal. Strict is JSON's: one leading zero at most, digits on both sides of a point; else on one side. */
static const char *scan_decimal(const char *s, const char *end, bool strict, struct decimal *d)
{
	const char *whole = s, *fraction;

	d->begin = s;
	s = strict && s < end && *s == '0' ? s + 1 : scan_digits(s, end, d);
	size_t before = (size_t)(s - whole), after = 0;
	if (s < end && *s == '.') {
		fraction = s + 1;
		s = scan_digits(fraction, end, d);
		after = (size_t)(s - fraction);
		if (strict && after == 0)
			return NULL;
	}
	if (before == 0 && (strict || after == 0))
		return NULL;
	d->exponent = -(int64_t)after;
	d->end = s;
	return s < end && (*s == 'e' || *s == 'E') ? scan_exponent(s, end, d) : s;
}

#if LDBL_MANT_DIG == 64
#define EXTENDED_POWER 27   /* 5^27 < 2^64 */
#define DROPPED_BITS   0x7FF
#define DROPPED_HALF   0x400

/* One operation in the extended format; false where its result cannot be rounded again. */
static bool value_extended(const struct decimal *d, double *out)
{
	static const long double power[] = { 1, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L };
	int64_t e = llabs(d->exponent);
	uint64_t bits;

	if (d->digits > MANTISSA_DIGITS || e > EXTENDED_POWER)
		return false;
	long double p = e <= EXACT_POWER ? (long double)power_of_ten[e] : power[e - EXACT_POWER];
	long double v = d->exponent < 0 ? (long double)d->mantissa / p : (long double)d->mantissa * p;
	memcpy(&bits, &v, sizeof bits);   /* the mantissa comes first */
	*out = (double)v;
	return (bits & DROPPED_BITS) != DROPPED_HALF;
}
#else
static bool value_extended(const struct decimal *d, double *out)
{
	return false;
}
#endif

static double value_slow(const struct decimal *d)
{
	char text[SLOW_DIGITS + 32];
	size_t n = 0, seen = 0;
	bool rest = false;

	for (const char *s = d->begin; s < d->end; s++) {
		if (*s == '.' || (seen == 0 && *s == '0'))
			continue;
		seen++;
		if (n < SLOW_DIGITS)
			text[n++] = *s;
		else
			rest |= *s != '0';
	}
	int64_t exponent = d->exponent + (int64_t)(seen - n);
	if (rest) {
		text[n++] = '1';
		exponent--;
	}
	snprintf(text + n, sizeof text - n, "e%lld", (long long)exponent);
	return strtod(text, NULL);
}

static bool value_of(const struct decimal *d, double *out)
{
	double v;

	if (d->digits == 0)
		v = 0;
	else if (d->digits <= MANTISSA_DIGITS && d->mantissa <= (1ULL << 53) && llabs(d->exponent) <= EXACT_POWER)
		v = d->exponent < 0 ? (double)d->mantissa / power_of_ten[-d->exponent]
			: (double)d->mantissa * power_of_ten[d->exponent];
	else if (!value_extended(d, &v))
		v = value_slow(d);
	if (!isfinite(v))
		return false;
	*out = d->negative ? -v : v;
	return true;
}

#define SHORT_DIGITS 15   /* always below 2^53 */

/* What most numbers of people are, without a struct: up to 15 digits, a point perhaps, no exponent. NULL for all others,
 * right or wrong; they are for the full grammar. */
static const char *read_short(const char *s, const char *end, double *out)
{
	bool negative = s < end && *s == '-';
	const char *whole = s + negative, *p = whole, *point;
	uint64_t m = 0;

	for (; p < end && is_digit(*p); p++)
		m = m * 10 + (uint64_t)(*p - '0');
	ptrdiff_t digits = p - whole, places = 0;
	if (digits == 0 || (*whole == '0' && digits > 1))
		return NULL;
	if (p < end && *p == '.') {
		for (point = ++p; p < end && is_digit(*p); p++)
			m = m * 10 + (uint64_t)(*p - '0');
		places = p - point;
		if (places == 0)
			return NULL;
	}
	if (digits + places > SHORT_DIGITS || (p < end && (*p == 'e' || *p == 'E')))
		return NULL;
	double v = (double)m / power_of_ten[places];
	*out = negative ? -v : v;
	return p;
}

const char *number_json(const char *s, const char *end, double *out)
{
	struct decimal d = { 0 };
	const char *next = read_short(s, end, out);

	if (next)
		return next;
	if (s < end && *s == '-') {
		d.negative = true;
		s++;
	}
	s = scan_decimal(s, end, true, &d);
	return s && value_of(&d, out) ? s : NULL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool number_cell(const char *s, size_t len, double *out)
{
	struct decimal d = { 0 };
	const char *end = s + len;

	while (s < end && is_blank(*s))
		s++;
	while (s < end && is_blank(end[-1]))
		end--;
	if (s < end && (*s == '+' || *s == '-'))
		d.negative = *s++ == '-';
	return scan_decimal(s, end, false, &d) == end && value_of(&d, out);
}

/* m with its last `places` digits behind a point. */
static void write_decimal(struct strbuf *b, bool negative, uint64_t m, int places)
{
	char text[40], *s = text + sizeof text;

	for (int i = 0; m > 0 || i <= places; i++) {
		if (i == places && places > 0)
			*--s = '.';
		*--s = (char)('0' + m % 10);
		m /= 10;
	}
	if (negative)
		*--s = '-';
	strbuf_add(b, s, (size_t)(text + sizeof text - s));
}

static bool reads_as_double(double back, double v)
{
	return back == v;
}

/* Whether text near `back` is v both when read as a float and when read as a double and then cut: so it must
 * stay clear of the midpoints between floats. v > 0. */
static bool reads_as_float(double back, double v)
{
	double gap = v - (double)nextafterf((float)v, 0);

	return fabs(back - v) < 0.499 * gap;
}

#define SHORT_PLACES   15
#define SHORT_SMALLEST 1e-5   /* below, an exponent is shorter than the zeros */
#define DOUBLE_LIMIT   1e15   /* fifteen digits tell apart more than doubles can hold, … */
#define FLOAT_LIMIT    1e9    /* … and nine hold every float */

/* The shortest decimal without exponent, if its digits are below limit and there are at most 15 places. */
static bool write_short(struct strbuf *b, double v, double limit, bool (*reads_as)(double back, double v))
{
	double a = fabs(v);

	if (a < SHORT_SMALLEST)
		return false;
	for (int k = 0; k <= SHORT_PLACES; k++) {
		double m = rint(a * power_of_ten[k]);
		if (m >= limit)
			return false;
		if (reads_as(m / power_of_ten[k], a)) {
			write_decimal(b, signbit(v), (uint64_t)m, k);
			return true;
		}
	}
	return false;
}

static bool write_special(struct strbuf *b, double v)
{
	if (!isfinite(v))
		strbuf_adds(b, "null");
	else if (v == 0)
		strbuf_adds(b, signbit(v) ? "-0" : "0");
	else
		return false;
	return true;
}

void number_write(struct strbuf *b, double v)
{
	char text[32];

	if (write_special(b, v) || write_short(b, v, DOUBLE_LIMIT, reads_as_double))
		return;
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	strbuf_adds(b, text);
}

void number_write_float(struct strbuf *b, float v)
{
	char text[32];

	if (write_special(b, v) || write_short(b, v, FLOAT_LIMIT, reads_as_float))
		return;
	for (int digits = 6; digits <= 9; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, (double)v);
		if (strtof(text, NULL) == v)
			break;
	}
	strbuf_adds(b, text);
}

/* number.c - the grammars of numbers, and how a number looks; decimal.h does the arithmetic.
 *
 * Reading. The digits and a power of ten go to decimal.h, eight digits at a time. Where the digits fit 53 bits and the
 * power is at most 10^22, both are exact doubles and one IEEE division rounds once, hence correctly (Clinger 1990).
 * More than 19 digits are cut: where the cut number and the next give the same double, so does the whole. What stays
 * undecided goes through strtod on a copy of bounded size: beyond 768 significant digits only "is anything left?"
 * can change the result, and one last digit says it. strtod reads a point because no thread ever sets a locale. */
#include "api/number.h"

#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/decimal.h"

#define MANTISSA_DIGITS 19                   /* always fit 64 bits */
#define SLOW_DIGITS     768
#define EXPONENT_LIMIT  1000000000000000LL   /* far beyond any double, far from overflow */

static const double power_of_ten[] = {
	1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15,
};

/* The digits of a number as they stand in the text, value = digits x 10^exponent. */
struct numeral {
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

static const char *scan_digits(const char *s, const char *end, struct numeral *d)
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
static const char *scan_exponent(const char *s, const char *end, struct numeral *d)
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
static const char *scan_decimal(const char *s, const char *end, bool strict, struct numeral *d)
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

static double value_slow(const struct numeral *d)
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

/* The digits that did not fit: they lie between none and one more in the last place. */
static bool value_cut(const struct numeral *d, double *out)
{
	int64_t exponent = d->exponent + (int64_t)(d->digits - MANTISSA_DIGITS);
	double above;

	return decimal_to_double(d->mantissa, exponent, out) && decimal_to_double(d->mantissa + 1, exponent, &above)
		&& *out == above;
}

static bool value_of(const struct numeral *d, double *out)
{
	double v = 0;
	bool decided = d->digits <= MANTISSA_DIGITS ? decimal_to_double(d->mantissa, d->exponent, &v) : value_cut(d, &v);

	if (!decided)
		v = value_slow(d);
	if (!isfinite(v))
		return false;
	*out = d->negative ? -v : v;
	return true;
}

/* Eight characters as they lie in memory, the first lowest; a digit's byte is its value, any other's is above 9. */
static uint64_t load_digits(const char *s)
{
	uint64_t v;

	memcpy(&v, s, sizeof v);
	return le64toh(v) ^ UINT64_C(0x3030303030303030);
}

/* How many of the first are digits. */
static int leading_digits(uint64_t v)
{
	uint64_t others = (v | (v + UINT64_C(0x7676767676767676))) & UINT64_C(0x8080808080808080);

	return others ? __builtin_ctzll(others) / 8 : 8;
}

/* The number that eight digits make: pairs, then fours, then all. */
static uint64_t join_digits(uint64_t v)
{
	v = (v * 10 + (v >> 8)) & UINT64_C(0x00FF00FF00FF00FF);
	v = (v * 100 + (v >> 16)) & UINT64_C(0x0000FFFF0000FFFF);
	return (v * 10000 + (v >> 32)) & UINT32_MAX;
}

/* *m = *m and the digits at s behind it; where they end. Beyond 19 digits *m is meaningless. */
static inline const char *read_digits(const char *s, const char *end, uint64_t *m)
{
	static const uint64_t power[] = { 1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000 };

	while (end - s >= 8) {
		uint64_t v = load_digits(s);
		int n = leading_digits(v);
		if (n > 0)
			*m = *m * power[n] + join_digits(v << (64 - 8 * n));
		s += n;
		if (n < 8)
			return s;
	}
	for (; s < end && is_digit(*s); s++)
		*m = *m * 10 + (uint64_t)(*s - '0');
	return s;
}

#define EXACT_DIGITS 15   /* always below 2^53 */

/* What most numbers are, without a struct: up to 19 digits, a point perhaps, no exponent. NULL for all others,
 * right or wrong; they are for the full grammar. */
static const char *read_plain(const char *s, const char *end, double *out)
{
	bool negative = s < end && *s == '-';
	const char *whole = s + negative;
	const char *p = whole;
	uint64_t m = 0;
	double v;

	/* A few digits, as many as in the number before: one by one, the processor guesses the end and runs ahead. */
	for (; p < end && is_digit(*p); p++)
		m = m * 10 + (uint64_t)(*p - '0');
	ptrdiff_t digits = p - whole, places = 0;
	if (digits == 0 || (*whole == '0' && digits > 1))
		return NULL;
	if (p < end && *p == '.') {
		const char *fraction = p + 1;
		p = read_digits(fraction, end, &m);
		places = p - fraction;
		if (places == 0)
			return NULL;
	}
	if (digits + places > MANTISSA_DIGITS || (p < end && (*p == 'e' || *p == 'E')))
		return NULL;
	if (digits + places <= EXACT_DIGITS)
		v = (double)m / power_of_ten[places];
	else if (!decimal_to_double(m, -places, &v))
		return NULL;
	*out = negative ? -v : v;
	return p;
}

const char *number_json(const char *s, const char *end, double *out)
{
	struct numeral d = { 0 };
	const char *next = read_plain(s, end, out);

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
	struct numeral d = { 0 };
	const char *end = s + len;

	while (s < end && is_blank(*s))
		s++;
	while (s < end && is_blank(end[-1]))
		end--;
	if (s < end && (*s == '+' || *s == '-'))
		d.negative = *s++ == '-';
	return scan_decimal(s, end, false, &d) == end && value_of(&d, out);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

#define PLAIN_FIRST (-5)   /* the power of ten of the first digit from which no exponent is written, … */
#define PLAIN_LAST  16     /* … and to which */

static char *put_zeros(char *to, int n)
{
	while (n-- > 0)
		*to++ = '0';
	return to;
}

static char *put(char *to, const char *digits, int n)
{
	while (n-- > 0)
		*to++ = *digits++;
	return to;
}

/* The point behind the first `whole` digits; before them all and some zeros where whole <= 0, after some where it is more. */
static char *put_plain(char *to, const char *digits, int n, int whole)
{
	if (whole >= n)
		return put_zeros(put(to, digits, n), whole - n);
	if (whole <= 0) {
		to = put_zeros(put(to, "0.", 2), -whole);
		return put(to, digits, n);
	}
	to = put(to, digits, whole);
	*to++ = '.';
	return put(to, digits + whole, n - whole);
}

static char *put_exponent(char *to, const char *digits, int n, int exponent)
{
	*to++ = digits[0];
	if (n > 1)
		*to++ = '.';
	to = put(to, digits + 1, n - 1);
	return to + sprintf(to, "e%d", exponent);
}

/* m's digits without the zeros at its end, which count into *exponent. */
static int digits_of(uint64_t m, char digits[20], int *exponent)
{
	char text[20], *s = text + sizeof text;

	for (; m % 10 == 0; m /= 10)
		++*exponent;
	for (; m > 0; m /= 10)
		*--s = (char)('0' + m % 10);
	int n = (int)(text + sizeof text - s);
	memcpy(digits, s, (size_t)n);
	return n;
}

static void write_decimal(struct strbuf *b, bool negative, struct decimal d)
{
	char digits[20], text[48], *end = text;
	int n = digits_of(d.digits, digits, &d.exponent), first = d.exponent + n - 1;

	if (negative)
		*end++ = '-';
	if (first >= PLAIN_FIRST && first <= PLAIN_LAST)
		end = put_plain(end, digits, n, first + 1);
	else
		end = put_exponent(end, digits, n, first);
	strbuf_add(b, text, (size_t)(end - text));
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
	if (!write_special(b, v))
		write_decimal(b, signbit(v), decimal_of_double(fabs(v)));
}

/* What the double nearest to the decimal is as a float: readers of JSON go that way. */
static bool reads_as_float(struct decimal d, float v)
{
	double wide;

	return decimal_to_double(d.digits, d.exponent, &wide) && (float)wide == v;
}

void number_write_float(struct strbuf *b, float v)
{
	if (write_special(b, (double)v))
		return;
	struct decimal d = decimal_of_float(fabsf(v));
	if (!reads_as_float(d, fabsf(v)))
		d = decimal_of_double((double)fabsf(v));
	write_decimal(b, signbit(v), d);
}

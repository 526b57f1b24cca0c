/* utf8.c - the well-formed byte sequences of Unicode's table 3-7:
 *
 *     00..7F
 *     C2..DF 80..BF
 *     E0     A0..BF 80..BF        ED     80..9F 80..BF        E1..EC, EE..EF  80..BF 80..BF
 *     F0     90..BF 80..BF 80..BF F4     80..8F 80..BF 80..BF F1..F3          80..BF 80..BF 80..BF */
#include "model/base/utf8.h"

static bool between(unsigned char c, unsigned char low, unsigned char high)
{
	return c >= low && c <= high;
}

/* The second byte alone keeps out overlong forms, surrogates and what lies past U+10FFFF. */
static bool second_fits(unsigned char first, unsigned char second)
{
	switch (first) {
	case 0xE0: return between(second, 0xA0, 0xBF);
	case 0xED: return between(second, 0x80, 0x9F);
	case 0xF0: return between(second, 0x90, 0xBF);
	case 0xF4: return between(second, 0x80, 0x8F);
	default:   return between(second, 0x80, 0xBF);
	}
}

size_t utf8_length(const char *s, size_t len)
{
	const unsigned char *u = (const unsigned char *)s;
	size_t want = u[0] < 0x80 ? 1 : between(u[0], 0xC2, 0xDF) ? 2 : between(u[0], 0xE0, 0xEF) ? 3
		: between(u[0], 0xF0, 0xF4) ? 4 : 0;

	if (want == 0 || want > len || (want > 1 && !second_fits(u[0], u[1])))
		return 0;
	for (size_t i = 2; i < want; i++)
		if (!between(u[i], 0x80, 0xBF))
			return 0;
	return want;
}

bool utf8_valid(const char *s, size_t len)
{
	size_t i = 0;

	while (i < len) {
		size_t n = utf8_length(s + i, len - i);
		if (n == 0)
			return false;
		i += n;
	}
	return true;
}

size_t utf8_prefix(const char *s, size_t len, size_t most)
{
	size_t n = 0, next;

	while (n < len && (next = utf8_length(s + n, len - n)) > 0 && n + next <= most)
		n += next;
	return n;
}

unsigned utf8_point(const char *s, size_t size)
{
	static const unsigned char lead[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };   /* bits of the first byte that count */
	unsigned point = (unsigned char)s[0] & lead[size];

	for (size_t i = 1; i < size; i++)
		point = point << 6 | ((unsigned char)s[i] & 0x3F);
	return point;
}

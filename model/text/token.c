#include "model/text/token.h"

#include "model/base/utf8.h"

enum kind { BLANK, SIGN, LETTER };

/* Characters past ASCII that are no letters, by code point and rising; all others are. Latin-1's signs, then general
 * punctuation to arrows and boxes, CJK punctuation, and what only formats or looks like a sign. */
static const struct { unsigned first, last; enum kind kind; } ranges[] = {
	{ 0x80, 0x84, SIGN },     { 0x85, 0x85, BLANK },    { 0x86, 0x9F, SIGN },     { 0xA0, 0xA0, BLANK },    { 0xA1, 0xA9, SIGN },
	{ 0xAB, 0xB4, SIGN },     { 0xB6, 0xB9, SIGN },     { 0xBB, 0xBF, SIGN },     { 0xD7, 0xD7, SIGN },
	{ 0xF7, 0xF7, SIGN },     { 0x1680, 0x1680, BLANK }, { 0x2000, 0x200A, BLANK }, { 0x200B, 0x2027, SIGN },
	{ 0x2028, 0x2029, BLANK }, { 0x202A, 0x202E, SIGN }, { 0x202F, 0x202F, BLANK }, { 0x2030, 0x205E, SIGN },
	{ 0x205F, 0x205F, BLANK }, { 0x2060, 0x2BFF, SIGN }, { 0x2E00, 0x2E7F, SIGN }, { 0x3000, 0x3000, BLANK },
	{ 0x3001, 0x3004, SIGN }, { 0x3008, 0x3030, SIGN }, { 0xFE10, 0xFE1F, SIGN }, { 0xFE30, 0xFE6F, SIGN },
	{ 0xFEFF, 0xFEFF, SIGN }, { 0xFF01, 0xFF0F, SIGN }, { 0xFF1A, 0xFF20, SIGN }, { 0xFF3B, 0xFF40, SIGN },
	{ 0xFF5B, 0xFF65, SIGN }, { 0xFFE0, 0xFFFF, SIGN }, { 0x1F000, 0x1FAFF, SIGN },
};

static enum kind ascii_kind(unsigned point)
{
	unsigned lower = point | 0x20;

	if ((lower >= 'a' && lower <= 'z') || (point >= '0' && point <= '9'))
		return LETTER;
	return point == ' ' || (point >= '\t' && point <= '\r') ? BLANK : SIGN;
}

static enum kind kind_of(unsigned point)
{
	if (point < 0x80)
		return ascii_kind(point);
	size_t low = 0, high = sizeof ranges / sizeof ranges[0];

	while (low < high) {
		size_t middle = (low + high) / 2;
		if (point > ranges[middle].last)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < sizeof ranges / sizeof ranges[0] && point >= ranges[low].first;
	return found ? ranges[low].kind : LETTER;
}

/* The character at s; how many bytes it has goes into *size. */
static enum kind next_kind(const char *s, size_t len, size_t *size)
{
	*size = utf8_length(s, len);
	return kind_of(utf8_point(s, *size));
}

/* Bytes of an apostrophe at s that a letter follows, else 0. */
static size_t inner_apostrophe(const char *s, size_t len)
{
	size_t size, after;

	if (next_kind(s, len, &size) != SIGN)
		return 0;
	unsigned point = utf8_point(s, size);
	if ((point != '\'' && point != 0x2019) || size == len)
		return 0;
	return next_kind(s + size, len - size, &after) == LETTER ? size : 0;
}

/* Bytes of the run of letters that s begins with. */
static size_t letters(const char *s, size_t len)
{
	size_t n = 0, size;

	while (n < len) {
		if (next_kind(s + n, len - n, &size) != LETTER)
			size = n > 0 ? inner_apostrophe(s + n, len - n) : 0;
		if (size == 0)
			break;
		n += size;
	}
	return n;
}

static size_t next_word(const char *s, size_t len, size_t *skip)
{
	size_t i = 0, size = 0;
	enum kind kind = BLANK;

	while (i < len && (kind = next_kind(s + i, len - i, &size)) == BLANK)
		i += size;
	*skip = i;
	if (i == len)
		return 0;
	return kind == LETTER ? letters(s + i, len - i) : size;
}

size_t token_next(enum token_unit unit, const char *s, size_t len, size_t *skip)
{
	*skip = 0;
	if (len == 0 || unit == TOKEN_LABEL)
		return len;
	return unit == TOKEN_WORD ? next_word(s, len, skip) : utf8_length(s, len);
}

size_t token_count(enum token_unit unit, const char *s, size_t len)
{
	size_t n = 0, size, skip;

	for (; (size = token_next(unit, s, len, &skip)) > 0; n++) {
		s += skip + size;
		len -= skip + size;
	}
	return n;
}

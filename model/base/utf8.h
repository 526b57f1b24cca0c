/* utf8.h - what counts as UTF-8 here: RFC 3629, so no surrogates, no overlong forms, nothing past U+10FFFF. */
#ifndef GATECAST_BASE_UTF8_H
#define GATECAST_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/** Bytes of the character that begins at s (len > 0 bytes follow); 0 where none does. */
size_t utf8_length(const char *s, size_t len);
/** True when all len bytes are whole characters. */
bool utf8_valid(const char *s, size_t len);
/** Bytes of the whole characters that s begins with, at most `most`. */
size_t utf8_prefix(const char *s, size_t len, size_t most);
/** The code point of the character at s, of size bytes as utf8_length() said. */
unsigned utf8_point(const char *s, size_t size);

#endif

/* token.h - where the tokens of a text begin and end.
 *
 *     characters    each character of UTF-8
 *     words         a run of letters and digits, with apostrophes between two of them; or one other character.
 *                   Blanks separate and belong to no token.
 *     label         the whole text
 *
 * What is a letter comes from a table of ranges that are none, not from the locale, so a text has the same tokens
 * everywhere. */
#ifndef GATECAST_TEXT_TOKEN_H
#define GATECAST_TEXT_TOKEN_H

#include <stddef.h>

enum token_unit { TOKEN_CHARACTER, TOKEN_WORD, TOKEN_LABEL };

/** The next token of s (valid UTF-8): it begins *skip bytes on and has so many bytes; 0 when there is none. */
size_t token_next(enum token_unit unit, const char *s, size_t len, size_t *skip);
/** How many tokens s (valid UTF-8) has. */
size_t token_count(enum token_unit unit, const char *s, size_t len);

#endif

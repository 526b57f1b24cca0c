/* vocabulary.h - which token is which number, and back.
 *
 *     "To be, or" ─┬─ characters ─► T o ␣ b e , ␣ o r        a token is a character of UTF-8
 *                  └─ words ──────► To be , or               a run of letters and digits (or don't), or one
 *                                                            other character; blanks are not kept
 *
 *     0  boundary   begins and ends a text (NET_BOUNDARY)
 *     1  unknown    stands for every token that is not here
 *     2 …           the tokens, the most frequent first, equals by their bytes
 *
 * token.h says where tokens begin and end. A vocabulary of labels is one whose texts are one token each, without the
 * first two: labels are classes. Immutable after creation; threads may share it. */
#ifndef GATECAST_TEXT_VOCABULARY_H
#define GATECAST_TEXT_VOCABULARY_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"
#include "model/base/strbuf.h"
#include "model/text/token.h"

#define TOKEN_BOUNDARY 0
#define TOKEN_UNKNOWN  1
#define TOKEN_MAX_BYTES 256      /* of one token */
#define VOCABULARY_MAX 65536     /* tokens */

extern const char *const token_unit_names[];   /* "character", "word", "label", NULL */

struct vocabulary;

/* Counts tokens of texts as they come. */
struct vocabulary_builder;
enum err vocabulary_builder_new(enum token_unit unit, struct vocabulary_builder **out, struct error *e);
void vocabulary_builder_free(struct vocabulary_builder *b);   /* NULL is fine */
/** s: valid UTF-8. ERR_NOMEM; ERR_INVALID, a token of more than TOKEN_MAX_BYTES or too many different labels. */
enum err vocabulary_builder_add(struct vocabulary_builder *b, const char *s, size_t len, struct error *e);
/** The most frequent `max` tokens (with the two special ones; of labels all), seen at least min_count times. */
enum err vocabulary_builder_end(const struct vocabulary_builder *b, int max, int min_count, struct vocabulary **out,
                                struct error *e);

/** From the tokens as vocabulary_token() gave them, n in all; what a document keeps. ERR_INVALID, where = the index:
 *  a token that is empty, not UTF-8, too long, there twice. The special ones are given as "" and "". */
enum err vocabulary_new(enum token_unit unit, const char *const *token, int n, struct vocabulary **out, struct error *e);
void vocabulary_free(struct vocabulary *v);   /* NULL is fine */

enum token_unit vocabulary_unit(const struct vocabulary *v);
int vocabulary_size(const struct vocabulary *v);
size_t vocabulary_bytes(const struct vocabulary *v);
/** The token's text, NUL-terminated, of the vocabulary's own; "" for the special ones. */
const char *vocabulary_token(const struct vocabulary *v, int token);
/** The tokens of a text, at most cap of them written; returns how many there are. A label that
 *  is not here is -1. s must be valid UTF-8. */
size_t vocabulary_encode(const struct vocabulary *v, const char *s, size_t len, int32_t *out, size_t cap);
/** Append the text of n tokens: characters as they are, words with a space between two words, none before . , ; : ! ? ) ' and
 *  none after ( ; unknown is U+FFFD; a boundary gives nothing. previous: the token before the first, or -1: so a text can be
 *  decoded in pieces. */
void vocabulary_decode(const struct vocabulary *v, int32_t previous, const int32_t *token, size_t n, struct strbuf *out);

#endif

/* bigram.h - what a token tells of the next, by counting: the least that a network over texts has to know.
 *
 *     p(b | a) = (count of a b + 1) / (count of a _ + V)        add-one smoothing over V tokens */
#ifndef GATECAST_TEXT_BIGRAM_H
#define GATECAST_TEXT_BIGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"

struct bigram;

/** Counts the n - 1 neighbours among token[0 … n-1], each in 0 … vocabulary - 1. */
enum err bigram_new(const int32_t *token, size_t n, int vocabulary, struct bigram **out, struct error *e);
void bigram_free(struct bigram *b);   /* NULL is fine */
/** -log p(next | token). */
double bigram_nats(const struct bigram *b, int32_t token, int32_t next);
/** The likeliest behind a token, the lowest of equals. */
int32_t bigram_likeliest(const struct bigram *b, int32_t token);

#endif

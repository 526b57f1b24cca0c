/* text_cache.h - what a text said when its model was in a state like this one: the continuous cache of Grave, Joulin and
 * Usunier 2017.
 *
 *     memory        state before a token, of length 1 ─► the token        the last `size` of the text, a ring
 *     similarity    cosine of the state now and each of those
 *     p(token)      (1 - share) network's + share * sum of softmax(sharpness * similarity) where the memory says so
 *
 * A name that the training part did not know is known from its second time on. Sharpness and share are chosen where the
 * weights are: on the validation part (text_cache_fit.h). One text's own; not shared between threads. */
#ifndef GATECAST_MODEL_TEXT_CACHE_H
#define GATECAST_MODEL_TEXT_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"

#define TEXT_CACHE_MAX 10000      /* states */
#define TEXT_CACHE_NUMBERS_MAX (4 << 20)   /* of all states */

struct cache_options {
	int size;                 /* states; 0: no cache */
	double sharpness;         /* above 0 */
	double share;             /* 0 … 1 */
};

struct text_cache;

enum err text_cache_new(int size, int width, struct text_cache **out, struct error *e);
void text_cache_free(struct text_cache *c);   /* NULL is fine */
/** Forget everything. */
void text_cache_clear(struct text_cache *c);
/** How many states it remembers. */
int text_cache_count(const struct text_cache *c);
/** Behind `state` [width], any numbers, came this token. The oldest is forgotten when there is no room. */
void text_cache_add(struct text_cache *c, const float *state, int32_t token);

/** The cosines of state to what is remembered, in no particular order; valid until the next call. 0 for a state of zeros. */
const float *text_cache_similarity(struct text_cache *c, const float *state);
/** What the memory alone gives the tokens, [classes], from the similarities; sums to 1, or to 0 when it is empty. Tokens
 *  are below classes. */
void text_cache_weigh(const struct text_cache *c, const float *similarity, double sharpness, int classes, double *p);
/** Turn a network's scores [classes] in this state into log probabilities of both together; when the cache is empty, they
 *  stay as they are. Work: [2 * classes]. */
void text_cache_mix(struct text_cache *c, const struct cache_options *o, const float *state, int classes, float *score,
                    double *work);

#endif

/* text_cache_fit.h - sharpness and share of a cache, chosen on the validation part. Private to the trainer. */
#ifndef GATECAST_MODEL_TEXT_CACHE_FIT_H
#define GATECAST_MODEL_TEXT_CACHE_FIT_H

#include "model/examples_corpus.h"
#include "model/text_model.h"

/** The options with which m tells the validation part best, out of a grid; size 0 where it is best without. */
enum err text_cache_fit(const struct text_model *m, const struct corpus_examples *c, int size, struct cache_options *out,
                        struct error *e);

#endif

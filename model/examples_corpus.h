/* examples_corpus.h - pieces of one long text, in which each token's answer is the next. */
#ifndef GATECAST_MODEL_EXAMPLES_CORPUS_H
#define GATECAST_MODEL_EXAMPLES_CORPUS_H

#include "model/examples.h"

struct corpus_examples {
	struct examples base;
	struct vocabulary *source;      /* of the training share */
	int32_t *token;                 /* the boundary, then the text; what precedes a token is read to tell it */
	size_t first[SHARES + 1];       /* a share's tokens: token[first[s]] … token[first[s + 1] - 1] */
	int window;
	bool crop;
};

enum err corpus_check(const struct recipe *r, const struct frame *f, struct error *e);
enum err corpus_examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e);
/** The kind's own, of examples that are one. */
static inline const struct corpus_examples *corpus_of(const struct examples *x) { return (const struct corpus_examples *)x; }

#endif

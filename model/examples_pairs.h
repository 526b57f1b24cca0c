/* examples_pairs.h - texts with an answer each: a label, or another text. */
#ifndef GATECAST_MODEL_EXAMPLES_PAIRS_H
#define GATECAST_MODEL_EXAMPLES_PAIRS_H

#include "model/examples.h"

/* Places in `token`: n tokens of the text, then those of the answer: a label, or tokens and the boundary. */
struct pair { size_t at; int n, answers; };

struct pair_examples {
	struct examples base;
	struct vocabulary *source, *target;   /* of the training share; labels of all rows */
	int32_t *token;
	size_t tokens;
	struct pair *pair;                    /* in the order that the seed gives them; a share is a run of them */
	size_t first[SHARES + 1];
	int window;
	bool crop;
};

/** f: the columns only. */
enum err pairs_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e);
enum err pair_examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e);
/** The kind's own, of examples that are one. */
static inline const struct pair_examples *pairs_of(const struct examples *x) { return (const struct pair_examples *)x; }
static inline const struct pair *pair_at(const struct pair_examples *p, enum share s, size_t i) { return &p->pair[p->first[s] + i]; }

#endif

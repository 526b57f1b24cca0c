/* examples.h - what a trainer trains on, whatever the data. Private to the trainer.
 *
 *     frame ─┬─ series_examples   windows of rows and the rows behind them        ─┐
 *            ├─ corpus_examples   pieces of a text and each token's next           ├─► order ─► batch ─► network
 *            └─ pair_examples     texts and their labels, texts and their answers  ┘
 *
 * Each kind counts its examples, says how long one is and lays it out; here they are put in order and gathered into
 * batches as model/nn/network.h wants them. An example belongs to one share, and no target is seen from two.
 * Immutable after creation; threads may share it. */
#ifndef GATECAST_MODEL_EXAMPLES_H
#define GATECAST_MODEL_EXAMPLES_H

#include "model/recipe.h"

enum share { SHARE_TRAIN, SHARE_VALIDATION, SHARE_TEST, SHARES };

/* Which one, and in which epoch: 1 …, of the random crops; 0 where nothing is random. */
struct example { enum share share; size_t index; int epoch; };
struct extent { int length, steps; };   /* steps of an example's input, and of its answer */

/* A shard's examples, laid out for the network. */
struct batch {
	int T, B, S;             /* longest input, examples, longest answer */
	int *lengths;            /* [B], falling */
	float *x;                /* [T][B][inputs] */
	float *target;           /* [S][B][targets]; classes: below 0 is none */
	double *scratch;         /* a kind's own */
	float *row;              /* [most.length][inputs], a kind's own */
};

struct examples;
struct examples_type {
	struct extent (*extent)(const struct examples *x, const struct example *i);
	/** As column b->B of b, whose T, S and target have been prepared. */
	void (*load)(const struct examples *x, const struct example *i, struct batch *b, int column);
	/** Of everything that the course of a training depends on, continued from h. */
	uint64_t (*fingerprint)(const struct examples *x, uint64_t h);
	void (*free)(struct examples *x);
};

struct examples {
	const struct examples_type *type;
	struct net_spec net;         /* checked */
	size_t count[SHARES];
	struct extent most;          /* of the longest of all */
	bool ragged;                 /* examples differ in length */
	bool stateful;               /* a minibatch goes on where the one before ended, row by row */
	size_t scratch;              /* doubles that load wants */
	size_t rows, filled;         /* usable rows, cells filled or left out */
	double token_dropout;        /* in training so many tokens are read as unknown ones */
	uint64_t seed;
	int batch_size;
};

/** Before a job is taken: what examples_new would refuse for the columns of f or for having that many rows. The rows
 *  of f are not looked at. */
enum err examples_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e);
/** Nothing of f is kept. */
enum err examples_new(const struct recipe *r, const struct frame *f, struct examples **out, struct error *e);
void examples_free(struct examples *x);   /* NULL is fine */

/**
 * The examples of a share as an epoch takes them, [count[share]]: shuffled by (seed, epoch) in training, in their own
 * order else. A minibatch is batch_size neighbours, a shard any run of one; where lengths differ, a minibatch's are
 * alike and fall. Stateful, row k of the minibatches reads the k-th run of neighbouring examples from end to end; the
 * last minibatch, if it is not full, holds what was left over.
 */
struct place { struct extent extent; double blurred; uint32_t index; size_t at; };
void examples_order(const struct examples *x, enum share share, int epoch, uint32_t *order, struct place *place);
/** How many places examples_order() works with; 0: it may get NULL. */
size_t examples_places(const struct examples *x);
struct extent examples_extent(const struct examples *x, const struct example *i);
/** Numbers, or classes, that the loss of an answer of so many steps is a sum of. */
size_t examples_targets(const struct examples *x, struct extent e);

/** Room for `rows` examples. */
enum err batch_init(struct batch *b, const struct examples *x, int rows, struct error *e);
void batch_fini(struct batch *b);   /* zeroed is fine */
/** Lay out n examples whose lengths fall. */
void batch_fill(struct batch *b, const struct examples *x, const struct example *example, int n);

/** Zeroed numbers for BLAS: aligned to a cache line. NULL on overflow or lack of memory. */
float *floats_new(size_t a, size_t b);
/** FNV-1a, 64 bits, continued from h; begin with FNV_START. */
#define FNV_START 0xcbf29ce484222325u
uint64_t fnv1a(uint64_t h, const void *bytes, size_t len);
/** Where a random piece of `length` out of n begins: 0 … n - length, from (seed, epoch, index). */
size_t examples_crop(const struct examples *x, const struct example *i, size_t n, size_t length);

#endif

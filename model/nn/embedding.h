/* embedding.h - a table of vectors: y = the row of the table that the token's number names. */
#ifndef GATECAST_NN_EMBEDDING_H
#define GATECAST_NN_EMBEDDING_H

#include "model/nn/scratch.h"
#include "model/nn/spec.h"

struct embedding {
	int codes, n;       /* rows of the table, numbers of a row */
	size_t w;           /* offset into the block */
};

struct embedding_tape {
	real *y;            /* [rows][n] */
};

struct embedding embedding_at(const struct tensor_table *t, const char *weight);
void embedding_tape_take(struct embedding_tape *t, const struct embedding *m, size_t rows, struct scratch *s);

/** tokens [rows]: whole numbers in 0 … codes - 1, exact in a float. */
void embedding_forward(const struct embedding *m, const real *params, int rows, const real *tokens,
                       struct embedding_tape *tape);
/** dparams' rows are added to, in the order of dy's rows [rows][n]. */
void embedding_backward(const struct embedding *m, int rows, const real *tokens, const real *dy, real *dparams);

#endif

/* sequence_head.h - an output a step of the input: y_t = W outputs_t + b. */
#ifndef GATECAST_NN_SEQUENCE_HEAD_H
#define GATECAST_NN_SEQUENCE_HEAD_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct sequence_head {
	struct linear output;   /* width -> a step's outputs */
};

struct sequence_head_tape {
	real *wt;
	real *rows;             /* [rows][outputs]: y, or dy, without padding */
};

struct sequence_head sequence_head_at(const struct tensor_table *t);
void sequence_head_tape_take(struct sequence_head_tape *t, const struct sequence_head *h, size_t rows,
                             struct scratch *s);

/** x [rows][width], y [T][B][outputs], zeros behind a sequence's end. */
void sequence_head_forward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                           struct sequence_head_tape *tape, real *y);
/** dx [rows][width] and dparams are added to. */
void sequence_head_backward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                            const real *dy, struct sequence_head_tape *tape, real *dparams, real *dx);

#endif

/* sequence_head.h - an output a step of the input: y_t = W outputs_t + b; dropout falls on outputs_t. */
#ifndef GATECAST_NN_SEQUENCE_HEAD_H
#define GATECAST_NN_SEQUENCE_HEAD_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct dropout_key;

struct sequence_head {
	struct linear output;   /* width -> a step's outputs */
	double dropout;
	int layer;              /* in whose place masks are drawn: the one above the encoder's */
};

struct sequence_head_tape {
	real *wt;
	real *rows;             /* [rows][outputs]: y, or dy, without padding */
	real *mask, *masked;    /* [rows][width] with dropout */
};

struct sequence_head sequence_head_at(const struct net_spec *s, const struct tensor_table *t);
void sequence_head_tape_take(struct sequence_head_tape *t, const struct sequence_head *h, size_t rows,
                             struct scratch *s);

/** x [rows][width], dropout NULL for none; y [T][B][outputs], zeros behind a sequence's end. */
void sequence_head_forward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                           const struct dropout_key *dropout, struct sequence_head_tape *tape, real *y);
/** dropped: whether forward had a key. dx [rows][width] and dparams are added to. */
void sequence_head_backward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                            bool dropped, const real *dy, struct sequence_head_tape *tape, real *dparams, real *dx);

#endif

/* reconstruct.h - a decoder that gives the input again: the second half of an autoencoder (Malhotra et al. 2016).
 *
 *     h_0 = what the encoder ends with, an LSTM's c beside h          summary = that h
 *     h_{t+1} = cell(summary, h_t)                                    the same input at every step
 *     y_t     = output(h_{t+1})                                       for each of the sequence's own steps
 *
 * That a sequence must pass through one state is what makes it a model of the usual ones: an unusual one comes back
 * wrong. The cell never sees the input or its own answer, so the steps need no teacher. */
#ifndef GATECAST_NN_RECONSTRUCT_H
#define GATECAST_NN_RECONSTRUCT_H

#include "model/nn/cell.h"

struct reconstruct {
	struct cell cell;               /* width -> width */
	struct linear output;           /* width -> inputs */
};

struct reconstruct_tape {
	struct cell_tape cell;          /* rows as the sequences' own */
	real *wt_output;
	real *summary, *dsummary;       /* [rows][width]: what each step reads */
	real *dh;                       /* [rows][width] */
	real *answer;                   /* [rows][inputs]: y, or dy, without padding */
};

struct reconstruct reconstruct_at(const struct net_spec *s, const struct tensor_table *t);
void reconstruct_tape_take(struct reconstruct_tape *t, const struct reconstruct *r, size_t rows, int B,
                           struct scratch *s);

/** first [B][width], the state h_0; y [T][B][inputs], zeros behind a sequence's end. */
void reconstruct_forward(const struct reconstruct *r, const real *params, const struct packing *p,
                         struct cell_state first, struct reconstruct_tape *tape, real *y);
/** dparams is added to; dfirst [B][width] is written. */
void reconstruct_backward(const struct reconstruct *r, const real *params, const struct packing *p, const real *dy,
                          struct reconstruct_tape *tape, real *dparams, struct cell_state dfirst);

#endif

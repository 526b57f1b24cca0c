/* encoded.h - what stands before a decoder, and what it sends back. */
#ifndef GATECAST_NN_ENCODED_H
#define GATECAST_NN_ENCODED_H

#include "model/nn/cell.h"

/* B and rows are those of the packing: the sequences as the encoder reads them. */
struct encoded {
	const struct packing *packing;
	const real *outputs;            /* [rows][width] */
	struct cell_state final;        /* [B][width], c of an LSTM: what the encoder ends with */
	const real *base;               /* [B]: what the front took off each sequence; NULL: nothing */
};

/* Gradients of the same. All is zero before a decoder runs backward; it adds to what it read. */
struct encoded_gradient {
	real *outputs;
	struct cell_state final;
	real *base;                     /* there even without a base */
	real *teacher;                  /* of the teacher's values where the decoder read them; NULL: nobody asks */
};

#endif

/* encoder.h - from a sequence to a row of `width` numbers a step, and to a final state.
 *
 * The one place that knows the kinds of encoder; what stands behind it (heads,
 * decoder) does not. Kinds: a stack of recurrent layers (stack.h), a Transformer (transformer.h). */
#ifndef GATECAST_NN_ENCODER_H
#define GATECAST_NN_ENCODER_H

#include "model/nn/stack.h"
#include "model/nn/transformer.h"

struct encoder {
	enum encoder_type type;
	int in, width;
	double dropout;
	union {
		struct stack stack;
		struct transformer transformer;
	};
};

struct encoder_tape {
	union {
		struct stack_tape stack;
		struct transformer_tape transformer;
	};
};

void encoder_at(const struct net_spec *s, const struct tensor_table *t, struct encoder *e);
void encoder_tape_take(struct encoder_tape *t, const struct encoder *e, int T, int B, struct scratch *s);

/** x [rows][in]; dropout NULL for none. encoder_outputs() are written. */
void encoder_forward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                     const struct dropout_key *dropout, struct encoder_tape *tape);
/** Where the tape keeps the outputs [rows][width]. */
const real *encoder_outputs(const struct encoder *e, const struct encoder_tape *tape);
/** The final states [B][width], a Transformer's output at the last step; c only of an LSTM. */
void encoder_final(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                   struct cell_state final);
/**
 *   dropped    whether encoder_forward() had a key
 *   doutputs   [rows][width], overwritten
 *   dfinal     [B][width]; NULL for zeros, each of h and c
 *   dx         [rows][in], written, or NULL
 * dparams is added to.
 */
void encoder_backward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                      bool dropped, real *doutputs, struct cell_state dfinal, struct encoder_tape *tape,
                      real *dparams, real *dx);

#endif

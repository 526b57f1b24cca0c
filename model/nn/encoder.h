/* encoder.h - from a sequence to a row of `width` numbers a step, and to a final state.
 *
 * The one place that knows the kinds of encoder; what stands behind it (heads,
 * decoder) does not. Kinds: a stack of recurrent layers (stack.h), a Transformer (transformer.h). */
#ifndef GATECAST_NN_ENCODER_H
#define GATECAST_NN_ENCODER_H

#include "model/nn/network.h"
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
/** Whether its final states have a c. */
bool encoder_has_memory(const struct encoder *e);
void encoder_tape_take(struct encoder_tape *t, const struct encoder *e, int T, int B, struct scratch *s);

/** x [rows][in]; start, where it is given, what network.h says; dropout NULL or key 0 for none. encoder_outputs() are
 *  written. */
void encoder_forward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                     struct network_state start, const struct dropout_key *dropout, struct encoder_tape *tape);
/** Where the tape keeps the outputs [rows][width]. */
const real *encoder_outputs(const struct encoder *e, const struct encoder_tape *tape);
/** What the top layer ends with [B][width]. h: of those outputs, which a norm may have changed, each direction's own
 *  last; a Transformer, which has no state, ends with its last output. c only of an LSTM. */
void encoder_final(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                   const real *outputs, struct cell_state final);
/** doutputs [rows][width] += the gradient of that h [B][width]. */
void encoder_final_backward(const struct encoder *e, const struct packing *p, const real *dh, real *doutputs);
/** The final states of all layers, as network.h says; h NULL, c NULL where not wanted. A Transformer has none. */
void encoder_states(const struct encoder *e, const struct packing *p, const struct encoder_tape *tape,
                    struct network_state final);
/**
 *   dropout    as encoder_forward() had it
 *   doutputs   [rows][width], overwritten
 *   dmemory    [B][width]: gradient of the top layer's final c; NULL but of an LSTM
 *   dx         [rows][in], written, or NULL
 * dparams is added to. What came before the start is not the network's: it gets no gradient.
 */
void encoder_backward(const struct encoder *e, const real *params, const struct packing *p, const real *x,
                      const struct dropout_key *dropout, real *doutputs, const real *dmemory,
                      struct encoder_tape *tape, real *dparams, real *dx);

#endif

/* attention_decoder.h - the answer, a step after the other:
 *
 *     h_0 = what the encoder ends with         keys = the encoder's outputs
 *     context_t = attention(h_t, keys)
 *     h_{t+1}   = cell([context_t, previous_t], h_t)      an LSTM's c beside h
 *     y_t       = output(h_{t+1})                         numbers, or classes' scores
 *     previous_{t+1} = what feedback.h makes of y_t or of the teacher's value in its place
 *
 * `previous` is there with decoder_input context+previous. */
#ifndef GATECAST_NN_ATTENTION_DECODER_H
#define GATECAST_NN_ATTENTION_DECODER_H

#include "model/nn/attention.h"
#include "model/nn/cell.h"
#include "model/nn/feedback.h"

struct attention_decoder {
	struct attention attention;
	struct cell cell;
	struct feedback feedback;
	struct linear output;
	int horizon;
};

struct attention_decoder_tape {
	struct attention_tape attention;
	struct cell_tape cell;          /* rows [horizon][B] */
	struct feedback_tape feedback;
	real *wt_output;
	real *input;                    /* [horizon][B][din] */
	real *dinput;                   /* [B][din], alive during one step */
	real *dy;                       /* [horizon][B][outputs], with what comes back through `previous` */
};

struct attention_decoder attention_decoder_at(const struct net_spec *s, const struct tensor_table *t);
void attention_decoder_tape_take(struct attention_decoder_tape *t, const struct attention_decoder *d, size_t rows,
                                 int T, int B, struct scratch *s);

/** keys [rows][width], packed; first [B][width], the state h_0; of `in` the teacher and the key; y
 *  [horizon][B][outputs]. The attention's weights stay in tape->attention.weights. */
void attention_decoder_forward(const struct attention_decoder *d, const real *params, const struct packing *p,
                               const real *keys, struct cell_state first, const struct network_input *in,
                               struct attention_decoder_tape *tape, real *y);
/** dkeys [rows][width], dparams and dteacher [horizon][B][targets], which may be NULL, are added to; dfirst [B][width] is
 *  written. */
void attention_decoder_backward(const struct attention_decoder *d, const real *params, const struct packing *p,
                                const real *keys, const struct network_input *in, const real *dy,
                                struct attention_decoder_tape *tape, real *dparams, real *dkeys,
                                struct cell_state dfirst, real *dteacher);

#endif

/* decoder.h - the forecast, a step per horizon:
 *
 *     h_0 = the encoder's last state           keys = the encoder's states
 *     context_t = attention(h_t, keys)
 *     h_{t+1}   = GRUCell([context_t, previous_t], h_t)
 *     y_t       = output(h_{t+1})
 *     previous_{t+1} = y_t's middle level,  previous_0 = 0
 *
 * `previous` is there with decoder_input context+previous. It is always the
 * decoder's own forecast, in training too (no teacher forcing), so the
 * gradient flows back through it from step to step. */
#ifndef GATECAST_NN_DECODER_H
#define GATECAST_NN_DECODER_H

#include "model/nn/attention.h"
#include "model/nn/gru.h"

struct decoder {
	struct attention attention;
	struct gru cell;
	struct linear output;
	bool previous;
	int horizon, targets, levels, median_level;
};

struct decoder_tape {
	struct attention_tape attention;
	struct gru_tape cell;           /* rows [horizon][B] */
	real *wt_output;
	real *input;                    /* [horizon][B][din] */
	real *dinput;                   /* [B][din], alive during one step */
	real *dy;                       /* [horizon][B][outputs], with what comes back through `previous` */
	real *state;                    /* [B][hid]: h_0; backward: the running gradient */
};

void decoder_tape_take(struct decoder_tape *t, const struct decoder *d, size_t rows, int T, int B, struct scratch *s);

/** keys [rows][hid], packed; y [horizon][B][outputs]. The attention's weights stay in tape->attention.weights. */
void decoder_forward(const struct decoder *d, const real *params, const struct packing *p, const real *keys,
                     struct decoder_tape *tape, real *y);
/** dkeys [rows][hid] and dparams are added to; dkeys includes the gradient of h_0. */
void decoder_backward(const struct decoder *d, const real *params, const struct packing *p, const real *keys,
                      const real *dy, struct decoder_tape *tape, real *dparams, real *dkeys);

#endif

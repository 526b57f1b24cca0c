/* decoder.h - from what the encoder leaves to the answer.
 *
 *     attention           outputs, summary ─► attention_decoder.h ─► y [horizon][B][outputs]
 *     last, mean, pool               summary ─► head.h            ─► y [horizon][B][outputs]
 *     token               outputs ───────────► sequence_head.h     ─► y [T][B][outputs]
 *     reconstruct         final states ──────► reconstruct.h       ─► y [T][B][inputs]
 *     segment             final states, base ─► segment_decoder.h  ─► y [horizon][B][inputs levels]
 *
 * The summary is pooling.h's. The one place that knows the kinds of decoder. */
#ifndef GATECAST_NN_DECODER_H
#define GATECAST_NN_DECODER_H

#include "model/nn/attention_decoder.h"
#include "model/nn/head.h"
#include "model/nn/network.h"
#include "model/nn/pooling.h"
#include "model/nn/reconstruct.h"
#include "model/nn/segment_decoder.h"
#include "model/nn/sequence_head.h"

struct decoder {
	enum decoder_type type;
	int horizon;
	struct pooling pooling;
	union {
		struct attention_decoder attention;
		struct head head;
		struct sequence_head token;
		struct reconstruct reconstruct;
		struct segment_decoder segment;
	};
};

struct decoder_tape {
	struct pooling_tape pooling;
	union {
		struct attention_decoder_tape attention;
		struct head_tape head;
		struct sequence_head_tape token;
		struct reconstruct_tape reconstruct;
		struct segment_decoder_tape segment;
	};
};

void decoder_at(const struct net_spec *s, const struct tensor_table *t, struct decoder *d);
/** T and B of the sequences as the encoder reads them. */
void decoder_tape_take(struct decoder_tape *t, const struct decoder *d, int T, int B, struct scratch *s);

/** `in` has the teacher's values and what dropout is drawn from. out->y and out->attention are written. */
void decoder_forward(const struct decoder *d, const real *params, const struct encoded *from,
                     const struct network_input *in, struct decoder_tape *tape, const struct network_output *out);
/** dy as out->y; dparams and dfrom are added to. */
void decoder_backward(const struct decoder *d, const real *params, const struct encoded *from,
                      const struct network_input *in, const real *dy, struct decoder_tape *tape, real *dparams,
                      const struct encoded_gradient *dfrom);

#endif

/* front.h - from what the caller gives to what the encoder reads.
 *
 *     numbers      as they are
 *     embedding    tokens become rows of a table (embedding.h)
 *     segments     C channels of T steps become C sequences of T / segment steps (segments.h)
 *
 * The one place that knows the kinds of front. What stands behind it asks for the packing, since segments make another
 * of it than the caller's, and for the rows. */
#ifndef GATECAST_NN_FRONT_H
#define GATECAST_NN_FRONT_H

#include "model/nn/embedding.h"
#include "model/nn/network.h"
#include "model/nn/segments.h"

enum front_type { FRONT_NUMBERS, FRONT_EMBEDDING, FRONT_SEGMENTS };

struct front {
	enum front_type type;
	int in, out;                    /* numbers of a step, the caller's and the encoder's */
	union {
		struct embedding embedding;
		struct segments segments;
	};
};

struct front_tape {
	struct packing packing;         /* of the caller's sequences */
	real *x, *dx;                   /* [rows][in] */
	real *dy;                       /* [rows][out]: where the encoder leaves its gradient */
	union {
		struct embedding_tape embedding;
		struct segments_tape segments;
	};
};

/** Sequences that the encoder reads for each of the caller's. */
static inline int front_sequences(const struct net_spec *s) { return s->decoder == DECODER_SEGMENT ? s->inputs : 1; }

void front_at(const struct net_spec *s, const struct tensor_table *t, struct front *f);
void front_tape_take(struct front_tape *t, const struct front *f, int T, int B, struct scratch *s);
/** Fill the packings: first of all, before backward too. */
void front_open(const struct front *f, const struct network_input *in, struct front_tape *tape);

void front_forward(const struct front *f, const real *params, const struct network_input *in, struct front_tape *tape);
/** The sequences that the encoder reads; their T and B are known once the tape is taken. */
const struct packing *front_packing(const struct front *f, const struct front_tape *tape);
/** Their steps [rows][out]. */
const real *front_outputs(const struct front *f, const struct front_tape *tape);
/** What was taken off each of them [B] and the decoder adds again; NULL: nothing. */
const real *front_base(const struct front *f, const struct front_tape *tape);

/** Where the gradient of the outputs is wanted, or NULL where nobody reads it. dx: the caller's. */
real *front_gradient(const struct front *f, const real *dx, const struct front_tape *tape);
/**
 * From front_gradient().
 *   dbase  [B]: of front_base(); overwritten
 *   dx     [T][B][in] as the caller has it, written, or NULL; zeros of tokens
 * dparams is added to.
 */
void front_backward(const struct front *f, const real *params, const struct network_input *in, real *dbase,
                    struct front_tape *tape, real *dparams, real *dx);

#endif

/* pooling.h - what a sequence comes down to, a row of `width` numbers:
 *
 *     final        what the encoder ends with, an LSTM's c beside h
 *     mean         of the outputs, over the sequence's own length
 *     attention    sum over its steps of a_t outputs_t,  a = softmax of v · tanh(W outputs_t + b)
 *
 * The last is additive attention that is asked nothing (attention.h): one learnt question for all sequences. */
#ifndef GATECAST_NN_POOLING_H
#define GATECAST_NN_POOLING_H

#include "model/nn/attention.h"
#include "model/nn/encoded.h"

enum pooling_type { POOLING_FINAL, POOLING_MEAN, POOLING_ATTENTION };

struct pooling {
	enum pooling_type type;
	int width;
	struct attention attention;
};

struct pooling_tape {
	real *summary, *dsummary;           /* [B][width]; not of the final states, which lie elsewhere */
	struct attention_tape attention;    /* one step */
};

struct pooling pooling_at(const struct net_spec *s, const struct tensor_table *t);
void pooling_tape_take(struct pooling_tape *t, const struct pooling *p, size_t rows, int T, int B, struct scratch *s);

void pooling_forward(const struct pooling *p, const real *params, const struct encoded *from,
                     struct pooling_tape *tape);
/** Where forward left the summaries [B][width]; c only where the final states have one. */
struct cell_state pooling_summary(const struct pooling *p, const struct encoded *from, const struct pooling_tape *tape);
/** Where their gradient belongs, before backward. */
struct cell_state pooling_gradient(const struct pooling *p, const struct encoded_gradient *d,
                                   const struct pooling_tape *tape);
/** d and dparams are added to. */
void pooling_backward(const struct pooling *p, const real *params, const struct encoded *from,
                      struct pooling_tape *tape, real *dparams, const struct encoded_gradient *d);

#endif

/* head.h - all steps of a forecast from one summary of the sequence:
 *
 *     y[t][b] = rows t outputs … (t + 1) outputs - 1 of  W summary_b + b
 *
 * so W's rows come in the order [horizon][outputs]. */
#ifndef GATECAST_NN_HEAD_H
#define GATECAST_NN_HEAD_H

#include "model/nn/linear.h"
#include "model/nn/scratch.h"

struct head {
	struct linear output;   /* width -> horizon outputs */
	int horizon;
};

struct head_tape {
	real *wt;
	real *rows;             /* [B][horizon outputs]: y, or dy, a sequence at a time */
};

struct head head_at(const struct net_spec *s, const struct tensor_table *t);
void head_tape_take(struct head_tape *t, const struct head *h, int B, struct scratch *s);

/** summary [B][width], y [horizon][B][outputs]. */
void head_forward(const struct head *h, const real *params, int B, const real *summary, struct head_tape *tape,
                  real *y);
/** dsummary [B][width] is written, dparams added to. */
void head_backward(const struct head *h, const real *params, int B, const real *summary, const real *dy,
                   struct head_tape *tape, real *dparams, real *dsummary);

#endif

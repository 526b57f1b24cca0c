/* multihead.h - multi-head self-attention (Vaswani et al. 2017) over the steps
 * of each sequence. With q, k, v = W x + b cut into `heads` parts of d numbers:
 *
 *     a_ts = softmax over s of q_t · k_s / sqrt(d)      with causal, s <= t only
 *     o_t  = sum over s of a_ts v_s                     the heads' o lie side by side
 *     y_t  = Wo o_t + bo
 *
 * Rows are packed; a sequence's rows are gathered into one matrix, its heads
 * are then products of columns of it, and the results are scattered back:
 *
 *     projected [rows][3 hid] ──gather──► qkv [length][q | k | v]
 *     mixed [rows][hid]       ◄─scatter── o   [length][hid]
 *
 * Scores exist for a block of steps at a time, in forward and again in
 * backward: kept, they would cost rows x T x heads numbers. A tape serves one
 * backward, which leaves gradients in `projected` and `mixed`. */
#ifndef GATECAST_NN_MULTIHEAD_H
#define GATECAST_NN_MULTIHEAD_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct multihead {
	int hid, heads;             /* heads divides hid */
	bool causal;
	struct linear in, out;      /* hid -> 3 hid, rows q, k, v; hid -> hid */
};

struct multihead_tape {
	real *wt_in, *wt_out;       /* transposed weights */
	real *projected, *mixed;    /* [rows][3 hid], [rows][hid] */
	real *qkv, *dqkv;           /* [T][3 hid], alive during one sequence */
	real *o;                    /* [T][hid], the same; backward: its gradient */
	real *shares, *dscores;     /* [block][T], alive during one block of one head */
};

void multihead_tape_take(struct multihead_tape *t, const struct multihead *m, size_t rows, int T, struct scratch *s);
/** x, y [rows][hid]. */
void multihead_forward(const struct multihead *m, const real *params, const struct packing *p, const real *x,
                       struct multihead_tape *tape, real *y);
/** After a forward pass over one sequence of T steps: the shares a_ts [T][T] of one head. */
void multihead_shares(const struct multihead *m, int T, int head, struct multihead_tape *tape, real *shares);
/** dx is written, dparams added to. */
void multihead_backward(const struct multihead *m, const real *params, const struct packing *p, const real *x,
                        const real *dy, struct multihead_tape *tape, real *dparams, real *dx);

#endif

/* attention.h - attention over the steps of each sequence. For a query q (the
 * decoder's state) and keys k_s, one of two scores:
 *
 *     additive (Bahdanau et al. 2015)    e_s = v · tanh(Wq q + Wk k_s + b)
 *     dot (Luong et al. 2015, scaled)    e_s = q · k_s / sqrt(key)
 *
 *     a = softmax over s of e            context = sum over s of a_s k_s
 *
 * Wk k_s + b is projected once a sequence and used by every decoder step, and so is its exponential:
 *
 *     tanh(q + k) = 1 - 2 / (1 + e^2q e^2k)
 *
 * costs a step one division. The product overflows to infinity or 0, whose tanh is 1 or -1, as it should; only where
 * float holds neither exponential, at q > 43 beside k < -43 or the other way round, is the sum lost: it counts as 0.
 * Backward computes the tanh a second time: saving it would cost
 * horizon x rows x att numbers, which leaves the cache sooner than it helps.
 * The dot has no tensors and projects nothing. The pool's attention is additive without a query: q and Wq are left out,
 * states NULL. */
#ifndef GATECAST_NN_ATTENTION_H
#define GATECAST_NN_ATTENTION_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct attention {
	enum score_type score;
	int key;
	int query;                          /* numbers of a query as scores use it: att; of the dot, key */
	struct linear query_map, key_map;   /* additive: no bias, in = 0 without a query; with bias */
	size_t v;                           /* additive: offset of v [att] */
};

struct attention_tape {
	real *query;                        /* [steps][B][query]: e^(2 Wq q), or q; backward leaves the gradient */
	real *weights;                      /* [steps][B][T], zero behind a sequence's end */
	real *dquery;                       /* [query], alive during one row */
	real *dscores;                      /* [T], the same */
	/* Of the additive score: */
	real *wt_query, *wt_key;            /* transposed weights */
	real *projected, *dprojected;       /* [rows][att]: e^2k of k = Wk k_s + b, the gradient of k */
};

struct attention attention_at(const struct net_spec *s, const struct tensor_table *t);

/** A tape for up to `rows` packed rows and `steps` decoder steps. */
void attention_tape_take(struct attention_tape *t, const struct attention *a, size_t rows, int T, int B, int steps,
                         struct scratch *s);

/** Before the first step: project the keys [rows][key]. */
void attention_prepare(const struct attention *a, const real *params, const struct packing *p, const real *keys,
                       struct attention_tape *tape);
/** Decoder step `step`: from state [B][query] to context [B][key], `ld` numbers a row. */
void attention_forward(const struct attention *a, const real *params, const struct packing *p, int step,
                       const real *keys, const real *state, real *context, int ld, struct attention_tape *tape);
/** Backward through that step: dkeys, dparams' v and dstate are added to. Start with attention_clear(). */
void attention_backward(const struct attention *a, const real *params, const struct packing *p, int step,
                        const real *keys, const real *dcontext, int ld, struct attention_tape *tape, real *dkeys,
                        real *dparams, real *dstate);
/** Before the first backward step. */
void attention_clear(const struct attention *a, const struct packing *p, struct attention_tape *tape);
/** After the last: gradients of Wq, Wk, b, and the projection's part of dkeys. states [steps][B][query]. */
void attention_weights_backward(const struct attention *a, const real *params, const struct packing *p, int steps,
                                const real *keys, const real *states, const struct attention_tape *tape,
                                real *dkeys, real *dparams);

#endif

/* sublayer.h - one half of a Transformer's layer: f, self-attention or
 * feed-forward, with the residual connection, layer normalisation and dropout
 * around it.
 *
 *     norm_first          y = x + drop(f(norm(x)))       "pre-norm"
 *     otherwise           y = norm(x + drop(f(x)))       "post-norm", as in Vaswani et al. 2017
 *
 * Two of them, attention then feed-forward, are PyTorch's TransformerEncoderLayer. */
#ifndef GATECAST_NN_SUBLAYER_H
#define GATECAST_NN_SUBLAYER_H

#include "model/nn/feedforward.h"
#include "model/nn/layer_norm.h"
#include "model/nn/multihead.h"

enum sublayer_type { SUBLAYER_ATTENTION, SUBLAYER_FEEDFORWARD };

struct sublayer {
	enum sublayer_type type;
	bool norm_first;
	struct layer_norm norm;
	union {
		struct multihead attention;
		struct feedforward feedforward;
	};
};

struct sublayer_tape {
	struct layer_norm_tape norm;
	union {
		struct multihead_tape attention;
		struct feedforward_tape feedforward;
	};
	real *normed;       /* [rows][hid]: what f reads with norm_first */
	real *y;            /* [rows][hid] */
	real *df, *dinner;  /* [rows][hid], alive during backward */
};

void sublayer_tape_take(struct sublayer_tape *t, const struct sublayer *l, size_t rows, int T, struct scratch *s);
/** x [rows][hid] to tape->y. mask [rows][hid] multiplies f's output; NULL: no dropout. */
void sublayer_forward(const struct sublayer *l, const real *params, const struct packing *p, const real *x,
                      const real *mask, struct sublayer_tape *tape);
/** d [rows][hid]: in, the gradient of y; out, that of x. dparams is added to. */
void sublayer_backward(const struct sublayer *l, const real *params, const struct packing *p, const real *x,
                       const real *mask, struct sublayer_tape *tape, real *dparams, real *d);

#endif

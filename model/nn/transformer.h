/* transformer.h - the Transformer's encoder (Vaswani et al. 2017):
 *
 *     x ─embedding─► + position ─drop─► attention ─► feed-forward ─► … ─► (norm) ─► y
 *                                       └────── x layers, 2 sublayers each ─────┘
 *
 *     position[t][2i] = sin(t / 10000^(2i / hid))      position[t][2i + 1] = cos of the same
 *
 * The norm at the end is there with norm_first, whose layers leave a plain
 * sum. Rows are packed; a step sees its own sequence only, with `causal` its
 * own past. Dropout masks are numbered as they come: 0 behind the positions,
 * then one a sublayer. */
#ifndef GATECAST_NN_TRANSFORMER_H
#define GATECAST_NN_TRANSFORMER_H

#include "model/nn/spec.h"
#include "model/nn/sublayer.h"

struct dropout_key;

struct transformer {
	int hid, sublayers;
	bool norm_first;
	double dropout;
	struct linear embedding;
	struct sublayer sublayer[2 * NET_MAX_LAYERS];
	struct layer_norm norm;
};

struct transformer_tape {
	real *wt_embedding;
	real *embedded;                                 /* [rows][hid], with positions */
	real *mask[1 + 2 * NET_MAX_LAYERS];             /* [rows][hid] with dropout, else NULL */
	struct sublayer_tape sublayer[2 * NET_MAX_LAYERS];
	struct layer_norm_tape norm;
	real *positions;                                /* [T][hid] */
	real *y;                                        /* [rows][hid] */
};

/** The encoder that a spec of a Transformer says. */
void transformer_at(const struct net_spec *s, const struct tensor_table *t, struct transformer *f);
void transformer_tape_take(struct transformer_tape *t, const struct transformer *f, int T, int B, struct scratch *s);
/** x [rows][in] to tape->y. dropout: NULL where nothing is to be dropped. */
void transformer_forward(const struct transformer *f, const real *params, const struct packing *p, const real *x,
                         const struct dropout_key *dropout, struct transformer_tape *tape);
/**
 *   dropped  whether forward was given a key
 *   d        [rows][hid]: in, the gradient of y; it is written over
 *   dx       [rows][in], written, or NULL
 * dparams is added to.
 */
void transformer_backward(const struct transformer *f, const real *params, const struct packing *p, const real *x,
                          bool dropped, struct transformer_tape *tape, real *dparams, real *d, real *dx);

/** positions [n][hid] of steps first …, computed in double whatever the build. */
void transformer_positions(int first, int n, int hid, real *positions);

#endif

/* transformer.h - the Transformer's encoder in inference, a sequence at a time.
 * The equations are those of nn/transformer.h. Each head's q, k and v are padded
 * to whole panels, so that a step's scores and sums are those of `attend`:
 *
 *     qkv    [T][q: head 0 | head 1 | …][k: …][v: …]       a head: pad(hidden / heads)
 *     mixed  [T][head 0 | head 1 | …] */
#ifndef GATECAST_INFER_TRANSFORMER_H
#define GATECAST_INFER_TRANSFORMER_H

#include "model/infer/pack.h"

struct transformer_layer {
	struct pack qkv, out, up, down;
	struct pack norm[2];        /* behind or, with norm_first, before attention and feed-forward */
};

struct transformer {
	int inputs, hidden, width;  /* width: hidden, padded */
	int layers, heads, head;    /* head: numbers of one, padded */
	int feedforward;            /* padded */
	bool norm_first, gelu, causal;
	float score_scale;
	struct pack embedding;
	struct transformer_layer layer[NET_MAX_LAYERS];
	struct pack norm;           /* of norm_first */
};
#define TRANSFORMER_MAX_PACKS (6 * NET_MAX_LAYERS + 2)

/* Room for one sequence of T steps, in floats: see transformer_scratch(). */
struct transformer_scratch {
	float *qkv, *mixed, *narrow;   /* narrow [T][width] */
	float *wide;                   /* [TRANSFORMER_STEPS][feedforward] */
	float *weights;                /* [T, padded] */
};
/* Steps that go through the feed-forward together: what lies between its products stays in the cache. */
#define TRANSFORMER_STEPS 32

void transformer_shape(struct transformer *t, const struct net_spec *s, int lanes);
/** All packs, in the order in which they lie in the block; returns how many. */
int transformer_packs(struct transformer *t, struct pack *all[TRANSFORMER_MAX_PACKS]);
/** Fill them. */
void transformer_pack(struct transformer *t, const struct net_spec *s, const struct packer *k);

/** x [T][inputs] to y [T][width]. */
void transformer_run(const struct transformer *t, const struct kernels *k, int T, const float *x, float *y,
                     const struct transformer_scratch *scratch);

#endif

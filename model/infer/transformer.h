/* transformer.h - the Transformer's encoder in inference, a sequence at a time.
 * The equations are those of nn/transformer.h. Each head's q, k and v are padded
 * to whole panels:
 *
 *     qkv    [T][q: head 0 | head 1 | …][k: …][v: …]       a head: pad(hidden / heads)
 *     mixed  [T][head 0 | head 1 | …]
 *
 * A head's keys and values are packed as a linear's weights, so that its attention is two linears with a softmax
 * between them, KERNEL_ROWS steps at a time:
 *
 *     scores [steps][T] = q k'      keys    [panel of T][head][width]
 *     mixed  [steps][head] = scores v      values  [panel of head][T][width]
 *
 * The root of the width and the softmax's base are folded into the weights of q. */
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
	struct pack embedding;
	struct transformer_layer layer[NET_MAX_LAYERS];
	struct pack norm;           /* of norm_first */
};
#define TRANSFORMER_MAX_PACKS (6 * NET_MAX_LAYERS + 2)

/* Room for one sequence of T steps, in floats: see transformer_scratch(). */
struct transformer_scratch {
	float *qkv, *mixed, *narrow;   /* narrow [T][width] */
	float *wide;                   /* [TRANSFORMER_STEPS][feedforward] */
	float *positions;              /* [T][width] of transformer_sinusoids() */
	float *keys, *values;          /* a head's packs: [T, padded][head] each */
	float *zeros;                  /* [T, padded, or head]: where their sums start */
	float *scores;                 /* [KERNEL_ROWS][score_stride] */
	size_t score_stride;
};
/* Steps that go through the feed-forward together: what lies between its products stays in the cache. */
#define TRANSFORMER_STEPS 32

/** Numbers of `zeros`. */
static inline int transformer_zeros(const struct transformer *t, int T)
{
	return kernels_pad(T) > t->head ? kernels_pad(T) : t->head;
}

void transformer_shape(struct transformer *t, const struct net_spec *s, int lanes);
/** All packs, in the order in which they lie in the block; returns how many. */
int transformer_packs(struct transformer *t, struct pack *all[TRANSFORMER_MAX_PACKS]);
/** Fill them. */
void transformer_pack(struct transformer *t, const struct net_spec *s, const struct packer *k);

/** What is added to an embedding of T steps or fewer, positions [T][width]: before transformer_run(). */
void transformer_sinusoids(const struct transformer *t, int T, float *positions);
/** x [T][inputs] to y [T][width]. */
void transformer_run(const struct transformer *t, const struct kernels *k, int T, const float *x, float *y,
                     const struct transformer_scratch *scratch);

#endif

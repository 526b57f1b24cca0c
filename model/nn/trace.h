/* trace.h - what happened inside of a pass: named views of what network_forward() left in its scratch.
 *
 *     part                  names                                      a row is
 *     encoder.l0            reset update candidate, h      (GRU)       a step of the sequence; so each recurrent layer
 *                           input forget cell output, h, c (LSTM)
 *                           h                              (RNN)
 *     encoder.l0_reverse    the same, of its reverse direction         a step of the sequence, in its order
 *     encoder.l0            h                                          a step: the output of a Transformer's layer
 *     encoder.norm          h                                          a step: what norm_first puts behind the layers
 *     decoder               gates, h and c of its cell                 a step of the answer, or a segment of it
 *                           attention                                  a step of the answer; of the pool, all of them
 *
 * Nothing is copied: of a layer that reads backwards, a view has a negative stride. An RNN has no gates, its state is all
 * that it has. With a segment decoder each channel is a sequence of its own, whose steps are segments, and a trace is
 * that of one channel. */
#ifndef GATECAST_NN_TRACE_H
#define GATECAST_NN_TRACE_H

#include "model/nn/network.h"

#define TRACE_PART 32

enum trace_kind {
	TRACE_GATE,         /* 0 … 1: how much passes */
	TRACE_CANDIDATE,    /* -1 … 1: what is proposed */
	TRACE_STATE,        /* h */
	TRACE_MEMORY,       /* c of an LSTM */
	TRACE_ATTENTION,    /* units are steps of the input; a row sums to 1 */
};

struct trace_view {
	char part[TRACE_PART];
	const char *name;
	enum trace_kind kind;
	int steps, units;
	const real *first;          /* of the first step */
	ptrdiff_t stride;           /* numbers from a step to the next */
};

static inline const real *trace_row(const struct trace_view *v, int step)
{
	return v->first + (ptrdiff_t)step * v->stride;
}

/* Four gates, h and c of each layer and direction and of the decoder; a norm, an attention. */
#define TRACE_MAX_VIEWS (6 * (2 * NET_MAX_LAYERS + 1) + 2)

struct trace {
	struct trace_view view[TRACE_MAX_VIEWS];
	int n;
};

/** How many traces a sequence has: one, or one a channel with a segment decoder. */
int network_traces(const struct net_spec *s);
/**
 * The views of trace `index` of the one sequence of `in` (B = 1), which network_forward() ran in ws, or will run: where
 * they lie follows from spec and length. They live as long as ws, until the next backward.
 */
void network_trace(const struct net_spec *s, const struct network_input *in, real *ws, int index, struct trace *out);
/** Of a Transformer, after that pass: what each step takes from each other one, shares [T][T] of one head of a layer. */
void network_head(const struct net_spec *s, const struct network_input *in, real *ws, int layer, int head,
                  real *shares);

#endif

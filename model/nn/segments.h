/* segments.h - the front of a segment network (SegRNN; Lin et al. 2023, arXiv 2308.11200): each channel of each
 * sequence becomes a sequence of its own, and its steps are segments of the channel's.
 *
 *     a channel of 5 steps             3  4  6  5  7
 *     less its last value             -4 -3 -1 -2  0
 *     filled up, cut into segments     0 -4 | -3 -1 | -2  0         segment = 2
 *     y_j = relu(W s_j + b)             y_0     y_1      y_2
 *
 * Zeros go in front of a length that `segment` does not divide: they are the last value, and the oldest. Channel c of
 * sequence b is sequence b * channels + c of the packing that comes out, so lengths keep falling. The segment decoder
 * adds the last values again (segment_decoder.h). */
#ifndef GATECAST_NN_SEGMENTS_H
#define GATECAST_NN_SEGMENTS_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct segments {
	struct linear map;              /* segment -> hid */
	int channels;
};

/* rows: those of `packing`. */
struct segments_tape {
	struct packing packing;         /* of what comes out */
	int *lengths;                   /* [B channels] in segments */
	real *last;                     /* [B channels]: what was subtracted */
	real *wt;
	real *cut;                      /* [rows][segment]; backward leaves its gradient */
	real *y;                        /* [rows][hid]; backward leaves the gradient of relu's argument */
};

struct segments segments_at(const struct net_spec *s, const struct tensor_table *t);
void segments_tape_take(struct segments_tape *t, const struct segments *g, int T, int B, struct scratch *s);

/** Fill tape->packing from the caller's: before forward, and before backward again. */
void segments_open(const struct segments *g, const struct packing *p, struct segments_tape *tape);

/** x [rows of p][channels]. tape->last and tape->y are written. */
void segments_forward(const struct segments *g, const real *params, const struct packing *p, const real *x,
                      struct segments_tape *tape);
/**
 *   dy     [rows][hid]
 *   dlast  [B channels]: gradient of the last values where they were added again; overwritten
 *   dx     [rows of p][channels], written, or NULL
 * dparams is added to.
 */
void segments_backward(const struct segments *g, const real *params, const struct packing *p, const real *dy,
                       real *dlast, struct segments_tape *tape, real *dparams, real *dx);

#endif

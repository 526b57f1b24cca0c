/* segment_decoder.h - a forecast in segments, all of them at once: SegRNN's parallel decoding, behind segments.h. For
 * each channel c of each sequence, and each segment j of the horizon:
 *
 *     p_j   = [position_j, channel_c]          learned codes: which segment, of which channel
 *     h_j   = cell(p_j, state)                 one step of the encoder's own cell, from where the encoder ended
 *     y_j   = output(h_j) + last_c             `segment` steps of all levels; dropout falls on h_j
 *
 * No segment waits for another, so errors do not add up along the horizon. Rows are [segment j][sequence][channel]. */
#ifndef GATECAST_NN_SEGMENT_DECODER_H
#define GATECAST_NN_SEGMENT_DECODER_H

#include "model/nn/cell.h"

struct dropout_key;

struct segment_decoder {
	struct cell cell;               /* the encoder's: its gradients add up */
	struct linear output;           /* hid -> segment levels */
	size_t position, channel;       /* offsets of the codes: [segments][hid / 2], [channels][hid - hid / 2] */
	int segments, channels, steps, levels;   /* steps: of a segment */
	double dropout;
};

/* R = B channels sequences come from the front. */
struct segment_decoder_tape {
	struct cell_tape cell;          /* rows [segments][R] */
	struct packing packing;         /* of those rows: R sequences, `segments` steps each */
	int *lengths;                   /* [R] */
	real *wt_output;
	real *codes;                    /* [segments][R][hid]: what the cell reads; backward leaves its gradient */
	real *mask, *masked;            /* [segments][R][hid] with dropout */
	real *dh, *dc;                  /* [segments][R][hid]; [R][hid] of an LSTM */
	real *answer;                   /* [segments][R][segment levels]: y, or dy */
};

struct segment_decoder segment_decoder_at(const struct net_spec *s, const struct tensor_table *t);
void segment_decoder_tape_take(struct segment_decoder_tape *t, const struct segment_decoder *d, int R,
                               struct scratch *s);

/** state [R][hid], last [R], dropout NULL for none; y [horizon][R][levels], which is [horizon][B][channels levels]. */
void segment_decoder_forward(const struct segment_decoder *d, const real *params, int R, struct cell_state state,
                             const real *last, const struct dropout_key *dropout,
                             struct segment_decoder_tape *tape, real *y);
/** dropped: whether forward had a key. dparams is added to; dstate [R][hid] and dlast [R] are written. */
void segment_decoder_backward(const struct segment_decoder *d, const real *params, int R, const real *dy,
                              bool dropped, struct segment_decoder_tape *tape, real *dparams,
                              struct cell_state dstate, real *dlast);

#endif

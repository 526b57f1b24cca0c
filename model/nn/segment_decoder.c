/* segment_decoder.c - see segment_decoder.h. */
#include "model/nn/segment_decoder.h"

#include "model/nn/dropout.h"
#include "model/nn/network.h"
#include "model/nn/vector.h"

#include <string.h>

#define DROPOUT_LAYER 1    /* what stands behind the encoder's layer 0 */

struct segment_decoder segment_decoder_at(const struct net_spec *s, const struct tensor_table *t)
{
	char suffix[CELL_SUFFIX];
	net_cell_suffix(0, 0, suffix);
	return (struct segment_decoder){
		.cell = cell_at(s, t, net_encoder_cell(s), "encoder", suffix),
		.output = linear_at(t, "output.weight", "output.bias"),
		.position = tensor_find(t, "decoder.position.weight")->offset,
		.channel = tensor_find(t, "decoder.channel.weight")->offset,
		.segments = s->horizon / s->segment,
		.channels = s->inputs,
		.steps = s->segment,
		.levels = s->levels,
		.dropout = s->dropout,
	};
}

void segment_decoder_tape_take(struct segment_decoder_tape *t, const struct segment_decoder *d, int R,
                               struct scratch *s)
{
	size_t hid = (size_t)d->cell.hid, rows = (size_t)d->segments * (size_t)R;
	*t = (struct segment_decoder_tape){ 0 };
	cell_tape_take(&t->cell, &d->cell, rows, R, s);
	t->wt_output = scratch_take(s, hid * (size_t)d->output.out);
	t->codes = scratch_take(s, rows * hid);
	t->dh = scratch_take(s, rows * hid);
	t->answer = scratch_take(s, rows * (size_t)d->output.out);
	if (cell_has_memory(&d->cell))
		t->dc = scratch_take(s, (size_t)R * hid);
	if (d->dropout > 0) {
		packing_take(&t->packing, d->segments, R, s);
		t->lengths = scratch_take_ints(s, (size_t)R);
		t->mask = scratch_take(s, rows * hid);
		t->masked = scratch_take(s, rows * hid);
	}
}

/* Numbers of a position's code; a channel's has the rest. */
static int position_size(const struct segment_decoder *d)
{
	return d->cell.in / 2;
}

static void codes_fill(const struct segment_decoder *d, const real *params, int R, real *codes)
{
	int half = position_size(d), rest = d->cell.in - half;
	for (int j = 0; j < d->segments; j++) {
		for (int r = 0; r < R; r++) {
			real *row = codes + ((size_t)j * (size_t)R + (size_t)r) * (size_t)d->cell.in;
			memcpy(row, params + d->position + j * half, (size_t)half * sizeof(real));
			memcpy(row + half, params + d->channel + r % d->channels * rest, (size_t)rest * sizeof(real));
		}
	}
}

/* A channel's rows lie `channels` apart, over all segments. */
static void codes_backward(const struct segment_decoder *d, int R, const real *dcodes, real *dparams)
{
	int in = d->cell.in, half = position_size(d), rest = in - half;
	for (int j = 0; j < d->segments; j++)
		rows_sum(R, half, dcodes + (size_t)j * (size_t)R * (size_t)in, in, dparams + d->position + j * half);
	for (int c = 0; c < d->channels; c++)
		rows_sum(d->segments * R / d->channels, rest, dcodes + c * in + half, d->channels * in,
		         dparams + d->channel + c * rest);
}

/* A shard that begins at sequence k of the minibatch begins at row k * channels of its rows. */
static void mask_fill(const struct segment_decoder *d, int R, const struct dropout_key *dropout,
                      struct segment_decoder_tape *tape)
{
	struct dropout_key key = *dropout;
	key.row_base *= (uint32_t)d->channels;
	for (int r = 0; r < R; r++)
		tape->lengths[r] = d->segments;
	packing_fill(&tape->packing, tape->lengths);
	dropout_mask(&key, d->dropout, DROPOUT_LAYER, &tape->packing, d->cell.hid, tape->mask);
	dropout_apply((size_t)tape->packing.rows * (size_t)d->cell.hid, tape->cell.h, tape->mask, tape->masked);
}

/* What the output reads. */
static const real *output_input(const struct segment_decoder_tape *tape, bool dropped)
{
	return dropped ? tape->masked : tape->cell.h;
}

/* Segment j of an array with n numbers a row. */
static size_t segment_at(int j, int R, int n)
{
	return (size_t)j * (size_t)R * (size_t)n;
}

/* The rows' answers become steps of the forecast, and the last values are added again. */
static void answer_give(const struct segment_decoder *d, int R, const real *answer, const real *last, real *y)
{
	int horizon = d->segments * d->steps, out = d->output.out;
	for (int j = 0; j < d->segments; j++)
		rows_swap(R, d->steps, d->levels, answer + segment_at(j, R, out), y + segment_at(j, R, out));
	for (int t = 0; t < horizon; t++)
		for (int r = 0; r < R; r++)
			for (int l = 0; l < d->levels; l++)
				y[segment_at(t, R, d->levels) + (size_t)(r * d->levels + l)] += last[r];
}

static void answer_backward(const struct segment_decoder *d, int R, const real *dy, real *danswer, real *dlast)
{
	int horizon = d->segments * d->steps, out = d->output.out;
	for (int j = 0; j < d->segments; j++)
		rows_swap(d->steps, R, d->levels, dy + segment_at(j, R, out), danswer + segment_at(j, R, out));
	memset(dlast, 0, (size_t)R * sizeof(real));
	for (int t = 0; t < horizon; t++)
		for (int r = 0; r < R; r++)
			for (int l = 0; l < d->levels; l++)
				dlast[r] += dy[segment_at(t, R, d->levels) + (size_t)(r * d->levels + l)];
}

void segment_decoder_forward(const struct segment_decoder *d, const real *params, int R, struct cell_state state,
                             const real *last, const struct dropout_key *dropout,
                             struct segment_decoder_tape *tape, real *y)
{
	int rows = d->segments * R;
	codes_fill(d, params, R, tape->codes);
	cell_prepare(&d->cell, params, &tape->cell);
	cell_input_forward(&d->cell, params, 0, rows, tape->codes, &tape->cell);
	for (int j = 0; j < d->segments; j++)
		cell_step_forward(&d->cell, params, j * R, R, state, &tape->cell);
	if (dropout)
		mask_fill(d, R, dropout, tape);
	linear_transpose(&d->output, params, tape->wt_output);
	linear_forward(&d->output, params, tape->wt_output, rows, output_input(tape, dropout != NULL), tape->answer);
	answer_give(d, R, tape->answer, last, y);
}

/* Each segment's step backward from tape->dh; what they say of the state they began at adds up. */
static void steps_backward(const struct segment_decoder *d, const real *params, int R,
                           struct segment_decoder_tape *tape, struct cell_state dstate)
{
	int n = R * d->cell.hid;
	cell_state_clear(&d->cell, R, dstate);
	for (int j = 0; j < d->segments; j++) {
		struct cell_state own = { .h = tape->dh + segment_at(j, R, d->cell.hid), .c = tape->dc };
		if (own.c)
			memset(own.c, 0, (size_t)n * sizeof(real));
		cell_step_backward(&d->cell, params, j * R, R, &tape->cell, own);
		vector_add_scaled(n, 1, own.h, dstate.h);
		if (own.c)
			vector_add_scaled(n, 1, own.c, dstate.c);
	}
}

void segment_decoder_backward(const struct segment_decoder *d, const real *params, int R, const real *dy,
                              bool dropped, struct segment_decoder_tape *tape, real *dparams,
                              struct cell_state dstate, real *dlast)
{
	int rows = d->segments * R;
	answer_backward(d, R, dy, tape->answer, dlast);
	linear_backward_weights(&d->output, rows, output_input(tape, dropped), tape->answer, dparams);
	linear_backward_input(&d->output, params, rows, tape->answer, 0, tape->dh);
	if (dropped)
		dropout_apply((size_t)rows * (size_t)d->cell.hid, tape->dh, tape->mask, tape->dh);
	steps_backward(d, params, R, tape, dstate);
	cell_weights_backward(&d->cell, rows, tape->codes, &tape->cell, dparams);
	cell_input_backward(&d->cell, params, 0, rows, &tape->cell, tape->codes);
	codes_backward(d, R, tape->codes, dparams);
}

/* segment.c - the segment decoder: all segments of the answer at once. Each is one step of the encoder's own cell from
 * the final states, its input the segment's position and the row's channel; the channel's last value is added again. */
#include <string.h>

#include "model/infer/group.h"

/* What the cell reads: the codes of the segment's position and of the row's channel. */
static void read_codes(const struct group *g, const struct infer_model *m, int segment)
{
	const size_t position = (size_t)m->spec.hidden / 2, channel = (size_t)m->spec.hidden - position;

	for (int r = 0; r < g->rows; r++) {
		float *input = g->input + r * g->input_stride;
		memcpy(input, m->positions + segment * position, position * sizeof *input);
		memcpy(input + position, m->channels + g->row[r].channel * channel, channel * sizeof *input);
	}
}

/* Output row [step of the segment][level] of y into the sequence's [horizon][channel][level]. */
static void answer_segment(const struct group *g, const struct infer_model *m, int segment)
{
	const size_t channels = (size_t)m->spec.inputs, levels = (size_t)m->spec.levels;
	const size_t steps = (size_t)m->spec.segment;

	for (int r = 0; r < g->rows; r++) {
		const struct infer_sequence *seq = g->row[r].seq;
		const size_t channel = (size_t)g->row[r].channel;
		const float last = instance_seen(g, m, r, (int)channel, seq->x[((size_t)seq->T - 1) * channels + channel]);
		const float *y = g->y + (size_t)r * m->outputs;
		for (size_t step = 0; step < steps; step++)
			for (size_t level = 0; level < levels; level++)
				seq->y[((segment * steps + step) * channels + channel) * levels + level] =
					y[step * levels + level] + last;
	}
}

void decode_segments(const struct group *g, const struct infer_model *m)
{
	const size_t width = (size_t)m->width, states = (size_t)g->rows * width;
	float *memory = g->summary;     /* the c that every segment begins with: a step writes over its own */

	final_states(g, m, g->h[0]);
	memcpy(memory, g->c, states * sizeof *memory);
	for (int segment = 0; segment < m->spec.horizon / m->spec.segment; segment++) {
		read_codes(g, m, segment);
		memcpy(g->c, memory, states * sizeof *memory);
		decoder_step(g, m, &m->encoder[0][0], g->rows, g->input, g->input_stride, 0);   /* from h[0], always */
		answer_segment(g, m, segment);
	}
}

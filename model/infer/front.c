/* front.c - what stands before the encoder:
 *
 *     numbers     as they are, or by their sequence's instance norm, as those of segments
 *     tokens      each number becomes its vector: embedding.weight
 *     segments    a channel less its last value, cut from its end; each segment through a linear and relu.
 *                 What the first one lacks is zeros:
 *
 *                     0 0 0 x x x | x x x x x x | x x x x x x        T = 15, segment = 6, the encoder takes 3 steps */
#include <assert.h>
#include <string.h>

#include "model/infer/group.h"

static void load_tokens(const struct group *g, const struct infer_model *m, int r)
{
	const struct infer_sequence *seq = g->row[r].seq;
	const size_t n = (size_t)m->spec.embedding;
	float *x = g->x + r * g->x_stride;

	for (int t = 0; t < seq->T; t++) {
		assert(seq->x[t] >= 0 && seq->x[t] < (float)m->spec.vocabulary);
		memcpy(x + t * n, m->tokens + (size_t)seq->x[t] * n, n * sizeof *x);
	}
}

static void load_numbers(const struct group *g, const struct infer_model *m, int r)
{
	const struct infer_sequence *seq = g->row[r].seq;
	const int channels = m->spec.inputs;
	float *x = g->x + r * g->x_stride;

	if (!m->spec.instance_norm) {
		memcpy(x, seq->x, (size_t)seq->T * channels * sizeof *x);
		return;
	}
	for (int i = 0; i < seq->T * channels; i++)
		x[i] = instance_seen(g, m, r, i % channels, seq->x[i]);
}

static void load_segments(const struct group *g, const struct infer_model *m, int r)
{
	const struct row *row = &g->row[r];
	const int T = row->seq->T, segment = m->spec.segment;
	const size_t channels = (size_t)m->spec.inputs, lacking = (size_t)row->T * segment - T;
	const float *from = row->seq->x + row->channel;
	const float last = instance_seen(g, m, r, row->channel, from[(T - 1) * channels]);
	float *x = g->x + r * g->x_stride;

	memset(g->cut, 0, lacking * sizeof *g->cut);
	for (int t = 0; t < T; t++)
		g->cut[lacking + t] = instance_seen(g, m, r, row->channel, from[t * channels]) - last;
	m->kernels->linear(&m->segment, row->T, g->cut, (size_t)segment, x, g->x_step);
	m->kernels->relu(x, (size_t)row->T * g->x_step);
}

void front_load(const struct group *g, const struct infer_model *m)
{
	if (m->spec.instance_norm)
		instance_measure(g, m);
	for (int r = 0; r < g->rows; r++) {
		if (m->spec.vocabulary)
			load_tokens(g, m, r);
		else if (m->spec.decoder == DECODER_SEGMENT)
			load_segments(g, m, r);
		else
			load_numbers(g, m, r);
	}
}

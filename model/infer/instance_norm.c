/* instance_norm.c - around the network, each sequence by its own mean and deviation: see model/nn/instance_norm.h.
 *
 *     front.c: x ─► (x - mean) / deviation * weight + bias ─► …  decode.c: ─► (y - bias) / weight * deviation + mean
 *
 * With segments a row is one channel of its sequence, and measures and inverts that one alone. */
#include <math.h>

#include "model/infer/group.h"

#define EPS 1e-5   /* its authors' */

/* The channels that are a row's: first … end - 1. */
struct channels { int first, end; };

static struct channels channels_of(const struct group *g, const struct infer_model *m, int r, int all)
{
	if (m->spec.decoder == DECODER_SEGMENT)
		return (struct channels){ g->row[r].channel, g->row[r].channel + 1 };
	return (struct channels){ 0, all };
}

static void measure_channel(const struct group *g, const struct infer_model *m, int r, int channel)
{
	const struct infer_sequence *seq = g->row[r].seq;
	const size_t at = (size_t)r * m->spec.inputs + channel, channels = (size_t)m->spec.inputs;
	double mean = 0, var = 0;

	for (int t = 0; t < seq->T; t++)
		mean += (double)seq->x[t * channels + channel] / seq->T;
	for (int t = 0; t < seq->T; t++) {
		const double d = (double)seq->x[t * channels + channel] - mean;
		var += d * d / seq->T;
	}
	g->mean[at] = (float)mean;
	g->deviation[at] = (float)sqrt(var + EPS);
}

void instance_measure(const struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++) {
		const struct channels own = channels_of(g, m, r, m->spec.inputs);
		for (int c = own.first; c < own.end; c++)
			measure_channel(g, m, r, c);
	}
}

float instance_seen(const struct group *g, const struct infer_model *m, int r, int channel, float x)
{
	const size_t at = (size_t)r * m->spec.inputs + channel;

	if (!m->spec.instance_norm)
		return x;
	return (x - g->mean[at]) / g->deviation[at] * m->instance_weight[channel] + m->instance_bias[channel];
}

void instance_invert(const struct group *g, const struct infer_model *m)
{
	const int levels = m->spec.levels, outputs = net_outputs(&m->spec);

	for (int r = 0; r < g->rows; r++) {
		const struct channels own = channels_of(g, m, r, m->spec.targets);
		for (int i = 0; i < m->spec.horizon * outputs; i++) {
			const int target = i % outputs / levels;
			const size_t at = (size_t)r * m->spec.inputs + target;
			float *y = g->row[r].seq->y + i;
			if (target >= own.first && target < own.end)
				*y = (*y - m->instance_bias[target]) / (m->instance_weight[target] + (float)(EPS * EPS))
					* g->deviation[at] + g->mean[at];
		}
	}
}

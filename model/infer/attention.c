/* attention.c - the attention decoder, a step of the horizon at a time: query,
 * attention over the row's own steps, cell, output; what a step says, the next one reads. */
#include <string.h>

#include "model/infer/group.h"

/* The dot score reads lanes of a decoder's state behind those that its cell writes: they are cleared, those of rows
 * that a beam will need as well. */
void attention_begin(struct group *g, const struct infer_model *m)
{
	memset(g->y, 0, (size_t)g->rows * m->outputs * sizeof *g->y);
	for (int i = 0; i < 2; i++)
		memset(g->h[i], 0, KERNEL_ROWS * (size_t)m->width * sizeof *g->h[i]);
	if (net_summary_is_mean(&m->spec))
		mean_states(g, m, g->h[0]);
	else
		final_states(g, m, g->h[0]);
	if (net_additive(&m->spec))
		state_keys(g, m);
}

/* The rows' queries [row][attention] of the decoder's states h. */
static const float *queries(const struct group *g, const struct infer_model *m, const float *h)
{
	if (!net_additive(&m->spec))
		return h;
	m->kernels->linear(&m->query, g->rows, h, (size_t)m->width, g->query, (size_t)m->attention);
	return g->query;
}

/* What the row said at the step before: the vector of its class, or the targets' values of one level. */
static void read_previous(const struct group *g, const struct infer_model *m, int r, float *previous)
{
	const struct net_spec *s = &m->spec;
	const float *y = g->y + (size_t)r * m->outputs + s->median_level;

	if (s->classes)
		memcpy(previous, m->classes + (size_t)g->row[r].said * s->embedding,
		       (size_t)s->embedding * sizeof *previous);
	else
		for (int target = 0; target < s->targets; target++)
			previous[target] = y[(size_t)target * s->levels];
}

/* What the cell reads: the context and, over its padding, what was said. */
static void read_input(const struct group *g, const struct infer_model *m, const float *query, int r)
{
	const struct row *row = &g->row[r];
	float *input = g->input + r * g->input_stride;

	attend_states(g, m, row, query + (size_t)r * m->attention, input);
	if (row->attention)
		memcpy(row->attention, g->weights, (size_t)row->T * sizeof *g->weights);
	if (net_feeds_back(&m->spec))
		read_previous(g, m, r, input + net_width(&m->spec));
}

void attention_step(const struct group *g, const struct infer_model *m, int step)
{
	const float *query = queries(g, m, g->h[step % 2]);

	for (int r = 0; r < g->rows; r++)
		read_input(g, m, query, r);
	decoder_step(g, m, &m->cell, g->rows, g->input, g->input_stride, step);
}

/* The class with the greatest score, the first of equals. */
static int likeliest(const float *score, int classes)
{
	int best = 0;

	for (int c = 1; c < classes; c++)
		if (score[c] > score[best])
			best = c;
	return best;
}

void attention_say(const struct infer_model *m, struct row *row, const float *y)
{
	if (m->spec.classes)
		row->said = likeliest(y, m->spec.classes);
}

void decode_attention(struct group *g, const struct infer_model *m)
{
	attention_begin(g, m);
	for (int step = 0; step < m->spec.horizon; step++) {
		attention_step(g, m, step);
		for (int r = 0; r < g->rows; r++) {
			struct row *row = &g->row[r];
			attention_say(m, row, g->y + (size_t)r * m->outputs);
			if (row->attention)
				row->attention += row->T;
		}
		answer(g, m, g->rows, (size_t)step * net_outputs(&m->spec));
	}
}

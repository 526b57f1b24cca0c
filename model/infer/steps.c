/* steps.c - the decoder token: one head, an answer to every step of the input.
 * Steps of all rows are gathered, so that a product serves many of them even where each row has one. */
#include <string.h>

#include "model/infer/group.h"

/* Steps that wait for their product, their states in h[0], and where their answers go. */
struct gathered {
	int n;
	float *to[GROUP_OUTPUTS];
};

static void flush(const struct group *g, const struct infer_model *m, struct gathered *q)
{
	m->kernels->linear(&m->output, q->n, g->h[0], (size_t)m->width, g->y, (size_t)m->outputs);
	for (int i = 0; i < q->n; i++)
		memcpy(q->to[i], g->y + (size_t)i * m->outputs, (size_t)net_outputs(&m->spec) * sizeof *g->y);
	q->n = 0;
}

/* What the product reads, for those who ask. */
static void show_hidden(const struct infer_model *m, const struct row *row, const float *states)
{
	const size_t width = (size_t)net_width(&m->spec);

	for (int t = 0; row->seq->hidden && t < row->T; t++)
		memcpy(row->seq->hidden + t * width, states + t * m->width, width * sizeof *states);
}

void decode_steps(const struct group *g, const struct infer_model *m)
{
	const size_t width = (size_t)m->width, outputs = (size_t)net_outputs(&m->spec);
	struct gathered q = { 0 };

	for (int r = 0; r < g->rows; r++) {
		const float *states = top_states(g, m, r);
		show_hidden(m, &g->row[r], states);
		for (int t = 0; g->row[r].seq->y && t < g->row[r].T; t++) {
			memcpy(g->h[0] + q.n * width, states + t * width, width * sizeof *states);
			q.to[q.n++] = g->row[r].seq->y + t * outputs;
			if (q.n == GROUP_OUTPUTS)
				flush(g, m, &q);
		}
	}
	flush(g, m, &q);
}

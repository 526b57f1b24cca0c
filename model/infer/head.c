/* head.c - the decoders last, mean and pool: all steps of the answer in one product of one summary. */
#include <string.h>

#include "model/infer/group.h"

/* Attention pooling: a query of zeros. Every step of the answer has the same weights. */
static void pool_states(const struct group *g, const struct infer_model *m, float *h)
{
	state_keys(g, m);
	memset(g->query, 0, (size_t)m->attention * sizeof *g->query);
	for (int r = 0; r < g->rows; r++) {
		const struct row *row = &g->row[r];
		attend_states(g, m, row, g->query, h + (size_t)r * m->width);
		for (int step = 0; row->attention && step < m->spec.horizon; step++)
			memcpy(row->attention + (size_t)step * row->T, g->weights, (size_t)row->T * sizeof *g->weights);
	}
}

void decode_head(const struct group *g, const struct infer_model *m)
{
	if (m->spec.decoder == DECODER_POOL)
		pool_states(g, m, g->h[0]);
	else if (net_summary_is_mean(&m->spec))
		mean_states(g, m, g->h[0]);
	else
		final_states(g, m, g->h[0]);
	m->kernels->linear(&m->output, g->rows, g->h[0], (size_t)m->width, g->y, (size_t)m->outputs);
	answer(g, m, g->rows, 0);
}

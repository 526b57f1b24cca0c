/* reconstruct.c - the decoder that gives the input again: a cell that begins with the final states and reads their h
 * at every step, as many steps as the row has. */
#include <string.h>

#include "model/infer/group.h"

void decode_reconstruct(const struct group *g, const struct infer_model *m)
{
	const size_t width = (size_t)m->width;

	final_states(g, m, g->summary);
	memcpy(g->h[0], g->summary, (size_t)g->rows * width * sizeof *g->summary);
	for (int t = 0; t < g->row[0].T; t++) {
		const int rows = active_rows(g, t);
		decoder_step(g, m, &m->cell, rows, g->summary, width, t);
		answer(g, m, rows, (size_t)t * net_outputs(&m->spec));
	}
}

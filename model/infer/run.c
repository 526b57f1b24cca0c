/* run.c - a network over the sequences of one call.
 *
 * Sequences are ordered by falling length and carried through the whole
 * network in groups of KERNEL_ROWS, so that a group's states stay near:
 *
 *     step      0  1  2  3  4  5  6
 *     row 0     ■  ■  ■  ■  ■  ■  ■       a step's active rows are a prefix:
 *     row 1     ■  ■  ■  ■  ■             7 rows at step 0, 1 row at step 6,
 *     row 2     ■  ■                      nothing is padded
 *
 * With the segment decoder a row is one channel of a sequence. The stages are
 * the files that group.h names. */
#include <assert.h>
#include <stdlib.h>

#include "model/infer/group.h"

#define ALIGNMENT 64

enum err infer_ws_new(int max_rows, struct infer_ws **out, struct error *e)
{
	assert(max_rows > 0);
	struct infer_ws *w = calloc(1, sizeof *w);

	if (!w)
		return fail_nomem(e);
	w->max_rows = max_rows;
	w->order = calloc((size_t)max_rows, sizeof *w->order);
	if (!w->order) {
		infer_ws_free(w);
		return fail_nomem(e);
	}
	*out = w;
	return ERR_OK;
}

void infer_ws_free(struct infer_ws *w)
{
	if (!w)
		return;
	free(w->block);
	free(w->order);
	free(w);
}

enum err infer_ws_reserve(struct infer_ws *w, const struct infer_model *m, int max_T, struct error *e)
{
	struct group g;
	const size_t floats = group_layout(&g, m, KERNEL_ROWS, max_T, NULL);

	if (floats <= w->floats)
		return ERR_OK;
	float *block = aligned_alloc(ALIGNMENT, floats * sizeof *block);
	if (!block)
		return fail_nomem(e);
	free(w->block);
	w->block = block;
	w->floats = floats;
	return ERR_OK;
}

/* Insertion sort: n is small, and callers that batch by length give it sorted. */
static void order_by_length(int *order, const struct infer_sequence *seq, int n)
{
	for (int i = 0; i < n; i++) {
		int at = i;
		for (; at > 0 && seq[order[at - 1]].T < seq[i].T; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

void infer_run(const struct infer_model *m, struct infer_ws *w, const struct infer_sequence *seq, int n)
{
	const size_t channels = m->spec.decoder == DECODER_SEGMENT ? (size_t)m->spec.inputs : 1;
	const size_t rows = (size_t)n * channels;

	assert(n <= w->max_rows);
	order_by_length(w->order, seq, n);
	for (size_t first = 0; first < rows; first += KERNEL_ROWS) {
		struct group g = { .rows = rows - first < KERNEL_ROWS ? (int)(rows - first) : KERNEL_ROWS };
		for (int r = 0; r < g.rows; r++) {
			const size_t i = first + (size_t)r;
			group_row(&g, m, r, &seq[w->order[i / channels]], (int)(i % channels));
		}
		group_encode(&g, m, w);
		decode(&g, m);
	}
}

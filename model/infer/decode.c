/* decode.c - from the encoder's states to the answers. Each kind of decoder is a file of its own. */
#include <string.h>

#include "model/infer/group.h"

void decoder_step(const struct group *g, const struct infer_model *m, const struct cell *cell, int rows, const float *x,
                  size_t x_stride, int step)
{
	const size_t width = (size_t)m->width;
	float *next = g->h[(step + 1) % 2];

	kernels_step(m->kernels, cell, &(struct cell_step){
		.rows = rows, .x = x, .x_stride = x_stride, .h = g->h[step % 2], .h_stride = width,
		.out = next, .out_stride = width, .c = g->c, .c_stride = width, .z = g->z, .rh = g->rh,
		.backward = step % 2,
	});
	m->kernels->linear(&m->output, rows, next, width, g->y, (size_t)m->outputs);
}

void answer(const struct group *g, const struct infer_model *m, int rows, size_t at)
{
	const size_t n = (size_t)net_head_rows(&m->spec);

	for (int r = 0; r < rows; r++)
		memcpy(g->row[r].seq->y + at, g->y + (size_t)r * m->outputs, n * sizeof *g->y);
}

/* Decoders without attention give zeros to who asks for its weights. */
static void clear_attention(const struct group *g, const struct infer_model *m)
{
	for (int r = 0; r < g->rows; r++) {
		const struct row *row = &g->row[r];
		if (row->attention)
			memset(row->attention, 0, (size_t)m->spec.horizon * row->seq->T * sizeof *row->attention);
	}
}

void decode(struct group *g, const struct infer_model *m)
{
	if (!net_attends(&m->spec))
		clear_attention(g, m);
	switch (m->spec.decoder) {
	case DECODER_ATTENTION:
		decode_attention(g, m);
		break;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		decode_head(g, m);
		break;
	case DECODER_RECONSTRUCT:
		decode_reconstruct(g, m);
		break;
	case DECODER_TOKEN:
		decode_steps(g, m);
		break;
	case DECODER_SEGMENT:
		decode_segments(g, m);
		break;
	}
	if (m->spec.instance_norm)
		instance_invert(g, m);
}

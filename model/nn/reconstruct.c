/* reconstruct.c - see reconstruct.h. */
#include "model/nn/reconstruct.h"

#include "model/nn/vector.h"

#include <string.h>

struct reconstruct reconstruct_at(const struct net_spec *s, const struct tensor_table *t)
{
	return (struct reconstruct){
		.cell = cell_at(s, t, net_decoder_cell(s), "decoder.cell", ""),
		.output = linear_at(t, "output.weight", "output.bias"),
	};
}

void reconstruct_tape_take(struct reconstruct_tape *t, const struct reconstruct *r, size_t rows, int B,
                           struct scratch *s)
{
	size_t width = (size_t)r->cell.hid;
	cell_tape_take(&t->cell, &r->cell, rows, B, s);
	t->wt_output = scratch_take(s, width * (size_t)r->output.out);
	t->summary = scratch_take(s, rows * width);
	t->dsummary = scratch_take(s, rows * width);
	t->dh = scratch_take(s, rows * width);
	t->answer = scratch_take(s, rows * (size_t)r->output.out);
}

/* The sequences that run at a step are the first ones, so their summaries are a prefix of all. */
static void repeat(const struct packing *p, int n, const real *summary, real *rows)
{
	for (int t = 0; t < p->T; t++)
		memcpy(rows + packing_row(p, t, 0) * (size_t)n, summary,
		       (size_t)p->active[t] * (size_t)n * sizeof(real));
}

/* dsummary += the sum over the steps. */
static void repeat_backward(const struct packing *p, int n, const real *drows, real *dsummary)
{
	for (int t = 0; t < p->T; t++)
		vector_add_scaled(p->active[t] * n, 1, drows + packing_row(p, t, 0) * (size_t)n, dsummary);
}

void reconstruct_forward(const struct reconstruct *r, const real *params, const struct packing *p,
                         struct cell_state first, struct reconstruct_tape *tape, real *y)
{
	repeat(p, r->cell.in, first.h, tape->summary);
	cell_forward(&r->cell, params, p, tape->summary, first, &tape->cell);
	linear_transpose(&r->output, params, tape->wt_output);
	linear_forward(&r->output, params, tape->wt_output, p->rows, tape->cell.h, tape->answer);
	packing_unpack(p, r->output.out, tape->answer, y);
}

void reconstruct_backward(const struct reconstruct *r, const real *params, const struct packing *p, const real *dy,
                          struct reconstruct_tape *tape, real *dparams, struct cell_state dfirst)
{
	packing_pack(p, r->output.out, dy, tape->answer);
	linear_backward_weights(&r->output, p->rows, tape->cell.h, tape->answer, dparams);
	linear_backward_input(&r->output, params, p->rows, tape->answer, 0, tape->dh);
	cell_state_clear(&r->cell, p->B, dfirst);       /* nothing follows the last states */
	cell_backward(&r->cell, params, p, tape->summary, tape->dh, dfirst, &tape->cell, dparams, tape->dsummary);
	repeat_backward(p, r->cell.in, tape->dsummary, dfirst.h);
}

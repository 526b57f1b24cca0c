/* sequence_head.c - see sequence_head.h. */
#include "model/nn/sequence_head.h"

struct sequence_head sequence_head_at(const struct tensor_table *t)
{
	return (struct sequence_head){ .output = linear_at(t, "output.weight", "output.bias") };
}

void sequence_head_tape_take(struct sequence_head_tape *t, const struct sequence_head *h, size_t rows,
                             struct scratch *s)
{
	t->wt = scratch_take(s, (size_t)h->output.in * (size_t)h->output.out);
	t->rows = scratch_take(s, rows * (size_t)h->output.out);
}

void sequence_head_forward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                           struct sequence_head_tape *tape, real *y)
{
	linear_transpose(&h->output, params, tape->wt);
	linear_forward(&h->output, params, tape->wt, p->rows, x, tape->rows);
	packing_unpack(p, h->output.out, tape->rows, y);
}

void sequence_head_backward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                            const real *dy, struct sequence_head_tape *tape, real *dparams, real *dx)
{
	packing_pack(p, h->output.out, dy, tape->rows);
	linear_backward_weights(&h->output, p->rows, x, tape->rows, dparams);
	linear_backward_input(&h->output, params, p->rows, tape->rows, 1, dx);
}

/* head.c - see head.h. */
#include "model/nn/head.h"

struct head head_at(const struct net_spec *s, const struct tensor_table *t)
{
	return (struct head){ .output = linear_at(t, "output.weight", "output.bias"), .horizon = s->horizon };
}

void head_tape_take(struct head_tape *t, const struct head *h, int B, struct scratch *s)
{
	t->wt = scratch_take(s, (size_t)h->output.in * (size_t)h->output.out);
	t->rows = scratch_take(s, (size_t)B * (size_t)h->output.out);
}

void head_forward(const struct head *h, const real *params, int B, const real *summary, struct head_tape *tape,
                  real *y)
{
	linear_transpose(&h->output, params, tape->wt);
	linear_forward(&h->output, params, tape->wt, B, summary, tape->rows);
	rows_swap(B, h->horizon, h->output.out / h->horizon, tape->rows, y);
}

void head_backward(const struct head *h, const real *params, int B, const real *summary, const real *dy,
                   struct head_tape *tape, real *dparams, real *dsummary)
{
	rows_swap(h->horizon, B, h->output.out / h->horizon, dy, tape->rows);
	linear_backward_weights(&h->output, B, summary, tape->rows, dparams);
	linear_backward_input(&h->output, params, B, tape->rows, 0, dsummary);
}

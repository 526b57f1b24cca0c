/* sequence_head.c - see sequence_head.h. */
#include "model/nn/sequence_head.h"

#include "model/nn/dropout.h"
#include "model/nn/vector.h"

struct sequence_head sequence_head_at(const struct net_spec *s, const struct tensor_table *t)
{
	return (struct sequence_head){
		.output = linear_at(t, "output.weight", "output.bias"), .dropout = s->dropout, .layer = s->layers,
	};
}

void sequence_head_tape_take(struct sequence_head_tape *t, const struct sequence_head *h, size_t rows,
                             struct scratch *s)
{
	size_t in = (size_t)h->output.in, out = (size_t)h->output.out;
	*t = (struct sequence_head_tape){ 0 };
	t->wt = scratch_take(s, in * out);
	t->rows = scratch_take(s, rows * out);
	if (h->dropout > 0) {
		t->mask = scratch_take(s, rows * in);
		t->masked = scratch_take(s, rows * in);
	}
}

void sequence_head_forward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                           const struct dropout_key *dropout, struct sequence_head_tape *tape, real *y)
{
	if (dropout) {
		dropout_mask(dropout, h->dropout, h->layer, p, h->output.in, tape->mask);
		dropout_apply((size_t)p->rows * (size_t)h->output.in, x, tape->mask, tape->masked);
		x = tape->masked;
	}
	linear_transpose(&h->output, params, tape->wt);
	linear_forward(&h->output, params, tape->wt, p->rows, x, tape->rows);
	packing_unpack(p, h->output.out, tape->rows, y);
}

/* dx += the gradient of what was dropped from; nobody reads tape->masked any more. */
static void dropped_backward(const struct sequence_head *h, const real *params, int rows,
                             struct sequence_head_tape *tape, real *dx)
{
	size_t n = (size_t)rows * (size_t)h->output.in;
	linear_backward_input(&h->output, params, rows, tape->rows, 0, tape->masked);
	dropout_apply(n, tape->masked, tape->mask, tape->masked);
	vector_add_scaled((int)n, 1, tape->masked, dx);
}

void sequence_head_backward(const struct sequence_head *h, const real *params, const struct packing *p, const real *x,
                            bool dropped, const real *dy, struct sequence_head_tape *tape, real *dparams, real *dx)
{
	packing_pack(p, h->output.out, dy, tape->rows);
	linear_backward_weights(&h->output, p->rows, dropped ? tape->masked : x, tape->rows, dparams);
	if (dropped)
		dropped_backward(h, params, p->rows, tape, dx);
	else
		linear_backward_input(&h->output, params, p->rows, tape->rows, 1, dx);
}

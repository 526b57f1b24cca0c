/* sublayer.c - see sublayer.h. */
#include "model/nn/sublayer.h"

#include "model/nn/dropout.h"
#include "model/nn/vector.h"

void sublayer_tape_take(struct sublayer_tape *t, const struct sublayer *l, size_t rows, int T, struct scratch *s)
{
	size_t n = rows * (size_t)l->norm.n;
	layer_norm_tape_take(&t->norm, &l->norm, rows, s);
	if (l->type == SUBLAYER_ATTENTION)
		multihead_tape_take(&t->attention, &l->attention, rows, T, s);
	else
		feedforward_tape_take(&t->feedforward, &l->feedforward, rows, s);
	t->normed = l->norm_first ? scratch_take(s, n) : NULL;
	t->y = scratch_take(s, n);
	t->df = scratch_take(s, n);
	t->dinner = scratch_take(s, n);
}

VECTORISED static void add(size_t n, const real *restrict x, real *restrict sum)
{
	for (size_t i = 0; i < n; i++)
		sum[i] += x[i];
}

static void inner_forward(const struct sublayer *l, const real *params, const struct packing *p, const real *x,
                          struct sublayer_tape *tape, real *y)
{
	if (l->type == SUBLAYER_ATTENTION)
		multihead_forward(&l->attention, params, p, x, &tape->attention, y);
	else
		feedforward_forward(&l->feedforward, params, p->rows, x, &tape->feedforward, y);
}

static void inner_backward(const struct sublayer *l, const real *params, const struct packing *p, const real *x,
                           const real *dy, struct sublayer_tape *tape, real *dparams, real *dx)
{
	if (l->type == SUBLAYER_ATTENTION)
		multihead_backward(&l->attention, params, p, x, dy, &tape->attention, dparams, dx);
	else
		feedforward_backward(&l->feedforward, params, p->rows, x, dy, &tape->feedforward, dparams, dx);
}

void sublayer_forward(const struct sublayer *l, const real *params, const struct packing *p, const real *x,
                      const real *mask, struct sublayer_tape *tape)
{
	size_t n = (size_t)p->rows * (size_t)l->norm.n;
	real *y = tape->y;

	if (l->norm_first)
		layer_norm_forward(&l->norm, params, p->rows, x, &tape->norm, tape->normed);
	inner_forward(l, params, p, l->norm_first ? tape->normed : x, tape, y);
	if (mask)
		dropout_apply(n, y, mask, y);
	add(n, x, y);
	if (!l->norm_first)
		layer_norm_forward(&l->norm, params, p->rows, y, &tape->norm, y);
}

void sublayer_backward(const struct sublayer *l, const real *params, const struct packing *p, const real *x,
                       const real *mask, struct sublayer_tape *tape, real *dparams, real *d)
{
	size_t n = (size_t)p->rows * (size_t)l->norm.n;
	const real *df = d;

	if (!l->norm_first)
		layer_norm_backward(&l->norm, params, p->rows, &tape->norm, dparams, d);
	if (mask) {
		dropout_apply(n, d, mask, tape->df);
		df = tape->df;
	}
	inner_backward(l, params, p, l->norm_first ? tape->normed : x, df, tape, dparams, tape->dinner);
	if (l->norm_first)
		layer_norm_backward(&l->norm, params, p->rows, &tape->norm, dparams, tape->dinner);
	add(n, tape->dinner, d);
}

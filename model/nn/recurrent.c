/* recurrent.c - see recurrent.h. */
#include "model/nn/recurrent.h"

#include "model/nn/blas.h"

void recurrent_forward(const struct cell *c, const real *params, int gate, int count, int n, const real *x,
                       struct cell_tape *tape)
{
	const struct linear *u = &c->recurrent;
	int at = gate * c->hid, width = count * c->hid;
	real *y = tape->step + at;
	if (u->bias)
		rows_fill(n, width, params + u->b + at, y, u->out);
	blas_product(n, width, c->hid, x, c->hid, tape->wt_recurrent + at, u->out, u->bias, y, u->out);
}

/* Where the rows of U from that gate on lie in the block. */
static size_t gate_rows(const struct cell *c, int gate)
{
	return c->recurrent.w + (size_t)gate * (size_t)c->hid * (size_t)c->hid;
}

void recurrent_backward(const struct cell *c, const real *params, int gate, int count, int n, const real *d, int ld,
                        real beta, real *dx)
{
	blas_product(n, c->hid, count * c->hid, d, ld, params + gate_rows(c, gate), c->hid, beta, dx, c->hid);
}

void recurrent_gates_weights(const struct cell *c, int gate, int count, int rows, const real *d, int ld,
                             const real *x, real *dparams)
{
	int hid = c->hid;
	blas_product_transposed(count * hid, hid, rows, d, ld, x, hid, dparams + gate_rows(c, gate), hid);
	if (c->recurrent.bias)
		rows_sum(rows, count * hid, d, ld, dparams + c->recurrent.b + gate * hid);
}

void recurrent_weights(const struct cell *c, int rows, const struct cell_tape *tape, real *dparams)
{
	recurrent_gates_weights(c, 0, cell_gates(c->type), rows, tape->gates, c->recurrent.out, tape->before, dparams);
}

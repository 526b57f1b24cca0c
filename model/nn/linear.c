/* linear.c - see linear.h. */
#include "model/nn/linear.h"

#include "model/nn/blas.h"
#include "model/nn/vector.h"

#include <assert.h>
#include <string.h>

struct linear linear_at(const struct tensor_table *t, const char *weight, const char *bias)
{
	const struct tensor *w = tensor_find(t, weight), *b = bias ? tensor_find(t, bias) : NULL;
	assert(w && (b || !bias));
	return (struct linear){ .in = (int)w->shape[1], .out = (int)w->shape[0], .bias = b != NULL,
	                        .w = w->offset, .b = b ? b->offset : 0 };
}

void linear_transpose(const struct linear *l, const real *params, real *wt)
{
	const real *w = params + l->w;
	for (int i = 0; i < l->in; i++)
		for (int o = 0; o < l->out; o++)
			wt[(size_t)i * (size_t)l->out + (size_t)o] = w[(size_t)o * (size_t)l->in + (size_t)i];
}

void linear_forward(const struct linear *l, const real *params, const real *wt, int rows, const real *x, real *y)
{
	if (l->bias)
		rows_fill(rows, l->out, params + l->b, y, l->out);
	blas_product(rows, l->out, l->in, x, l->in, wt, l->out, l->bias, y, l->out);
}

void linear_backward_input(const struct linear *l, const real *params, int rows, const real *dy, real beta, real *dx)
{
	blas_product(rows, l->in, l->out, dy, l->out, params + l->w, l->in, beta, dx, l->in);
}

void linear_backward_weights(const struct linear *l, int rows, const real *x, const real *dy, real *dparams)
{
	blas_product_transposed(l->out, l->in, rows, dy, l->out, x, l->in, dparams + l->w, l->in);
	if (l->bias)
		rows_sum(rows, l->out, dy, l->out, dparams + l->b);
}

void rows_fill(int rows, int n, const real *b, real *y, int ld)
{
	for (int i = 0; i < rows; i++)
		memcpy(y + (size_t)i * (size_t)ld, b, (size_t)n * sizeof(real));
}

VECTORISED static void add_row(int n, const real *y, real *sum)
{
	vector_add_scaled(n, 1, y, sum);
}

void rows_sum(int rows, int n, const real *y, int ld, real *sum)
{
	for (int i = 0; i < rows; i++)
		add_row(n, y + (size_t)i * (size_t)ld, sum);
}

void rows_swap(int A, int B, int n, const real *from, real *to)
{
	for (size_t a = 0; a < (size_t)A; a++)
		for (size_t b = 0; b < (size_t)B; b++)
			memcpy(to + (b * (size_t)A + a) * (size_t)n, from + (a * (size_t)B + b) * (size_t)n,
			       (size_t)n * sizeof(real));
}

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

/* Rows and columns of the squares that a matrix is turned by, in registers. */
#define TILE 4
typedef real tile_row __attribute__((vector_size(TILE * sizeof(real))));

/* One square: w's rows are ldw apart, wt's ldt. */
static void transpose_tile(const real *w, size_t ldw, real *wt, size_t ldt)
{
	tile_row row[TILE], column[TILE];
	for (size_t i = 0; i < TILE; i++)
		memcpy(&row[i], w + i * ldw, sizeof *row);
	tile_row low = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
	tile_row low2 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
	tile_row high = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
	tile_row high2 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
	column[0] = __builtin_shufflevector(low, low2, 0, 1, 4, 5);
	column[1] = __builtin_shufflevector(low, low2, 2, 3, 6, 7);
	column[2] = __builtin_shufflevector(high, high2, 0, 1, 4, 5);
	column[3] = __builtin_shufflevector(high, high2, 2, 3, 6, 7);
	for (size_t i = 0; i < TILE; i++)
		memcpy(wt + i * ldt, &column[i], sizeof *column);
}

void linear_transpose(const struct linear *l, const real *params, real *wt)
{
	const real *w = params + l->w;
	size_t in = (size_t)l->in, out = (size_t)l->out, tiled_in = in - in % TILE, tiled_out = out - out % TILE;
	for (size_t o = 0; o < tiled_out; o += TILE)
		for (size_t i = 0; i < tiled_in; i += TILE)
			transpose_tile(w + o * in + i, in, wt + i * out + o, out);
	for (size_t o = 0; o < out; o++)            /* what no square covers */
		for (size_t i = o < tiled_out ? tiled_in : 0; i < in; i++)
			wt[i * out + o] = w[o * in + i];
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

/* Columns whose sums are kept in registers while the rows go by. */
#define SUM_COLUMNS 64

VECTORISED static void sum_columns(int rows, const real *y, int ld, real *sum)
{
	real kept[SUM_COLUMNS];
	memcpy(kept, sum, sizeof kept);
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < SUM_COLUMNS; j++)
			kept[j] += y[(size_t)i * (size_t)ld + (size_t)j];
	memcpy(sum, kept, sizeof kept);
}

VECTORISED static void add_rows(int rows, int n, const real *y, int ld, real *sum)
{
	for (int i = 0; i < rows; i++)
		vector_add_scaled(n, 1, y + (size_t)i * (size_t)ld, sum);
}

void rows_sum(int rows, int n, const real *y, int ld, real *sum)
{
	int j = 0;
	for (; j + SUM_COLUMNS <= n; j += SUM_COLUMNS)
		sum_columns(rows, y + j, ld, sum + j);
	add_rows(rows, n - j, y + j, ld, sum + j);
}

void rows_swap(int A, int B, int n, const real *from, real *to)
{
	for (size_t a = 0; a < (size_t)A; a++)
		for (size_t b = 0; b < (size_t)B; b++)
			memcpy(to + (b * (size_t)A + a) * (size_t)n, from + (a * (size_t)B + b) * (size_t)n,
			       (size_t)n * sizeof(real));
}

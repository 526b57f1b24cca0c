/* batch_norm.c - see batch_norm.h. A column's sums run over the rows in their order, row by row, so that the loops
 * are over neighbours in memory and the bits do not depend on the instruction set. */
#include "model/nn/batch_norm.h"

#include "model/nn/linear.h"
#include "model/nn/vector.h"

#include <assert.h>
#include <string.h>

#define EPS 1e-5    /* PyTorch's */

static size_t offset_of(const struct tensor_table *t, const char *name)
{
	const struct tensor *found = tensor_find(t, name);
	assert(found);
	return found->offset;
}

struct batch_norm batch_norm_at(const struct net_spec *s, const struct tensor_table *t)
{
	if (!s->batch_norm)
		return (struct batch_norm){ 0 };
	return (struct batch_norm){
		.n = net_width(s),
		.w = offset_of(t, "norm.weight"),
		.b = offset_of(t, "norm.bias"),
		.running_mean = offset_of(t, "norm.running_mean"),
		.running_var = offset_of(t, "norm.running_var"),
	};
}

void batch_norm_tape_take(struct batch_norm_tape *t, const struct batch_norm *l, size_t rows, struct scratch *s)
{
	size_t n = (size_t)l->n;
	t->mean = scratch_take(s, n);
	t->var = scratch_take(s, n);
	t->inverse = scratch_take(s, n);
	t->normal = scratch_take(s, rows * n);
	t->y = scratch_take(s, rows * n);
	t->dw = scratch_take(s, n);
	t->db = scratch_take(s, n);
}

static size_t row_at(const struct batch_norm *l, int row)
{
	return (size_t)row * (size_t)l->n;
}

/* sum += a * b */
VECTORISED static void add_products(int n, const real *a, const real *b, real *restrict sum)
{
	for (int j = 0; j < n; j++)
		sum[j] += a[j] * b[j];
}

VECTORISED static void subtract(int n, const real *x, const real *mean, real *restrict d)
{
	for (int j = 0; j < n; j++)
		d[j] = x[j] - mean[j];
}

/* normal: in, x less the mean; out, n. */
VECTORISED static void scale(int n, const real *restrict inverse, const real *restrict w, const real *restrict b,
                             real *restrict normal, real *restrict y)
{
	for (int j = 0; j < n; j++) {
		normal[j] *= inverse[j];
		y[j] = w[j] * normal[j] + b[j];
	}
}

/* With g = w * dy:  dx = inverse (g - mean(g) - n mean(g n)); share = 1 / rows, or 0 where the statistics were not
 * those of the rows. */
VECTORISED static void scale_backward(int n, real share, const real *restrict inverse, const real *restrict w,
                                      const real *restrict dw, const real *restrict db, const real *restrict normal,
                                      real *restrict d)
{
	for (int j = 0; j < n; j++)
		d[j] = w[j] * inverse[j] * (d[j] - share * (db[j] + normal[j] * dw[j]));
}

static void divide(int n, int by, real *sum)
{
	for (int j = 0; j < n; j++)
		sum[j] /= (real)by;
}

/* tape->normal = x less that mean. */
static void centre(const struct batch_norm *l, int rows, const real *x, const real *mean, struct batch_norm_tape *tape)
{
	for (int i = 0; i < rows; i++)
		subtract(l->n, x + row_at(l, i), mean, tape->normal + row_at(l, i));
}

/* The second pass over the differences costs little and keeps a variance far below the mean exact. */
static void measure(const struct batch_norm *l, int rows, const real *x, struct batch_norm_tape *tape)
{
	memset(tape->mean, 0, (size_t)l->n * sizeof(real));
	memset(tape->var, 0, (size_t)l->n * sizeof(real));
	rows_sum(rows, l->n, x, l->n, tape->mean);
	divide(l->n, rows, tape->mean);
	centre(l, rows, x, tape->mean, tape);
	for (int i = 0; i < rows; i++)
		add_products(l->n, tape->normal + row_at(l, i), tape->normal + row_at(l, i), tape->var);
	divide(l->n, rows, tape->var);
}

void batch_norm_forward(const struct batch_norm *l, const real *params, int rows, const real *x, bool training,
                        struct batch_norm_tape *tape)
{
	if (!l->n)
		return;
	if (training)
		measure(l, rows, x, tape);
	else
		centre(l, rows, x, params + l->running_mean, tape);
	const real *var = training ? tape->var : params + l->running_var;
	for (int j = 0; j < l->n; j++)
		tape->inverse[j] = 1 / REAL(sqrt)(var[j] + (real)EPS);
	for (int i = 0; i < rows; i++)
		scale(l->n, tape->inverse, params + l->w, params + l->b, tape->normal + row_at(l, i),
		      tape->y + row_at(l, i));
}

const real *batch_norm_outputs(const struct batch_norm *l, const real *x, const struct batch_norm_tape *tape)
{
	return l->n ? tape->y : x;
}

/* The rows' own mean, and their variance as an estimate of all others'. */
static void statistics_give(const struct batch_norm *l, int rows, const struct batch_norm_tape *tape, real *dparams)
{
	const real unbiased = rows > 1 ? (real)rows / (real)(rows - 1) : 0;
	vector_add_scaled(l->n, 1, tape->mean, dparams + l->running_mean);
	vector_add_scaled(l->n, unbiased, tape->var, dparams + l->running_var);
}

void batch_norm_backward(const struct batch_norm *l, const real *params, int rows, bool training,
                         const struct batch_norm_tape *tape, real *dparams, real *d)
{
	if (!l->n)
		return;
	memset(tape->dw, 0, (size_t)l->n * sizeof(real));
	memset(tape->db, 0, (size_t)l->n * sizeof(real));
	for (int i = 0; i < rows; i++)
		add_products(l->n, d + row_at(l, i), tape->normal + row_at(l, i), tape->dw);
	rows_sum(rows, l->n, d, l->n, tape->db);
	for (int i = 0; i < rows; i++)
		scale_backward(l->n, training ? 1 / (real)rows : 0, tape->inverse, params + l->w, tape->dw, tape->db,
		               tape->normal + row_at(l, i), d + row_at(l, i));
	vector_add_scaled(l->n, 1, tape->dw, dparams + l->w);
	vector_add_scaled(l->n, 1, tape->db, dparams + l->b);
	if (training)
		statistics_give(l, rows, tape, dparams);
}

/* layer_norm.c - see layer_norm.h. */
#include "model/nn/layer_norm.h"

#include "model/nn/vector.h"

void layer_norm_tape_take(struct layer_norm_tape *t, const struct layer_norm *l, size_t rows, struct scratch *s)
{
	t->normal = scratch_take(s, rows * (size_t)l->n);
	t->inverse = scratch_take(s, rows);
}

/* The second pass over the differences costs little and keeps a variance far below the mean exact. */
VECTORISED static real normalise(int n, real eps, const real *x, real *restrict normal)
{
	real mean = vector_sum(n, x) / (real)n;
	for (int i = 0; i < n; i++)
		normal[i] = x[i] - mean;
	real inverse = 1 / REAL(sqrt)(vector_dot(n, normal, normal) / (real)n + eps);
	for (int i = 0; i < n; i++)
		normal[i] *= inverse;
	return inverse;
}

VECTORISED static void scale(int n, const real *restrict normal, const real *restrict w, const real *restrict b,
                             real *restrict y)
{
	for (int i = 0; i < n; i++)
		y[i] = normal[i] * w[i] + b[i];
}

void layer_norm_forward(const struct layer_norm *l, const real *params, int rows, const real *x,
                        struct layer_norm_tape *tape, real *y)
{
	for (int i = 0; i < rows; i++) {
		size_t row = (size_t)i * (size_t)l->n;
		tape->inverse[i] = normalise(l->n, l->eps, x + row, tape->normal + row);
		scale(l->n, tape->normal + row, params + l->w, params + l->b, y + row);
	}
}

/* With g = dy * w, the gradient of n:  dx = inverse (g - mean(g) - n mean(g n)). */
VECTORISED static void normalise_backward(int n, real inverse, const real *restrict normal, const real *restrict w,
                                          real *restrict dw, real *restrict db, real *restrict d)
{
	for (int i = 0; i < n; i++) {
		dw[i] += d[i] * normal[i];
		db[i] += d[i];
		d[i] *= w[i];
	}
	real mean = vector_sum(n, d) / (real)n, slope = vector_dot(n, d, normal) / (real)n;
	for (int i = 0; i < n; i++)
		d[i] = inverse * (d[i] - mean - normal[i] * slope);
}

void layer_norm_backward(const struct layer_norm *l, const real *params, int rows, const struct layer_norm_tape *tape,
                         real *dparams, real *d)
{
	for (int i = 0; i < rows; i++) {
		size_t row = (size_t)i * (size_t)l->n;
		normalise_backward(l->n, tape->inverse[i], tape->normal + row, params + l->w, dparams + l->w,
		                   dparams + l->b, d + row);
	}
}

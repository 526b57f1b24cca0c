/* pooling.c - see pooling.h. */
#include "model/nn/pooling.h"

#include "model/nn/vector.h"

#include <string.h>

/* The steps are added in their order, so a sequence gives the same bits in any company. */
void pooling_mean(const struct packing *p, int n, const real *x, real *mean)
{
	memset(mean, 0, (size_t)p->B * (size_t)n * sizeof(real));
	for (int b = 0; b < p->B; b++) {
		real *sum = mean + (size_t)b * (size_t)n;
		for (int t = 0; t < p->lengths[b]; t++)
			vector_add_scaled(n, 1, x + packing_row(p, t, b) * (size_t)n, sum);
		for (int j = 0; j < n; j++)
			sum[j] /= (real)p->lengths[b];
	}
}

void pooling_mean_backward(const struct packing *p, int n, const real *dmean, real *dx)
{
	for (int b = 0; b < p->B; b++)
		for (int t = 0; t < p->lengths[b]; t++)
			vector_add_scaled(n, 1 / (real)p->lengths[b], dmean + (size_t)b * (size_t)n,
			                  dx + packing_row(p, t, b) * (size_t)n);
}

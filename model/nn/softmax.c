/* softmax.c - see softmax.h. */
#include "model/nn/softmax.h"

#include "model/nn/activation.h"
#include "model/nn/vector.h"

VECTORISED static void exp_shifted(int n, real shift, real *e)
{
	for (int i = 0; i < n; i++)
		e[i] = activation_exp(e[i] - shift);
}

void softmax(int n, real *e)
{
	real top = e[0], sum = 0;
	for (int i = 1; i < n; i++)
		top = e[i] > top ? e[i] : top;
	exp_shifted(n, top, e);
	for (int i = 0; i < n; i++)
		sum += e[i];
	for (int i = 0; i < n; i++)
		e[i] /= sum;
}

void softmax_backward(int n, const real *a, real *d)
{
	real mean = 0;
	for (int i = 0; i < n; i++)
		mean += a[i] * d[i];
	for (int i = 0; i < n; i++)
		d[i] = a[i] * (d[i] - mean);
}

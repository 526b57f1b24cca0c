/* loss.c - see loss.h. One function a loss of a number: the value, and its slope in y. Of classes, a function a row. */
#include "model/nn/loss.h"

#include <assert.h>
#include <string.h>

struct value { double loss, slope; };

static struct value mse(double d)
{
	return (struct value){ d * d, 2 * d };
}

static struct value mae(double d)
{
	return (struct value){ fabs(d), d > 0 ? 1 : d < 0 ? -1 : d };   /* 0 at 0, NaN at NaN */
}

static struct value huber(double d, double delta)
{
	if (fabs(d) <= delta)
		return (struct value){ d * d / 2, d };
	return (struct value){ delta * (fabs(d) - delta / 2), d > 0 ? delta : d < 0 ? -delta : d };
}

static struct value pinball(double d, double tau)   /* d = y - t */
{
	if (d < 0)
		return (struct value){ -tau * d, -tau };
	return (struct value){ (1 - tau) * d, 1 - tau };
}

static struct value evaluate(const struct loss *l, int level, double d)
{
	switch (l->type) {
	case LOSS_MSE:
		return mse(d);
	case LOSS_MAE:
		return mae(d);
	case LOSS_HUBER:
		return huber(d, l->delta);
	case LOSS_PINBALL:
		return pinball(d, l->level[level]);
	case LOSS_CROSS_ENTROPY:
		break;
	}
	return (struct value){ NAN, NAN };
}

/* The loss of one row of scores and, unless NULL, its gradient times weight. The largest score is taken off first, so
 * no exponential overflows. */
static double cross_entropy(int classes, const real *y, int t, double weight, real *dy)
{
	double top = y[0], sum = 0;
	for (int k = 1; k < classes; k++)
		top = y[k] > top ? y[k] : top;
	for (int k = 0; k < classes; k++) {
		double e = exp(y[k] - top);
		sum += e;
		if (dy)
			dy[k] = (real)e;
	}
	if (dy) {
		for (int k = 0; k < classes; k++)
			dy[k] = (real)(dy[k] / sum * weight);
		dy[t] -= (real)weight;
	}
	return log(sum) + top - y[t];
}

static double classes_forward_backward(const struct loss *l, size_t groups, const real *y, const real *t,
                                       double weight, real *dy)
{
	size_t classes = (size_t)l->classes;
	double sum = 0;
	for (size_t g = 0; g < groups; g++) {
		real *own = dy ? dy + g * classes : NULL;
		assert(t[g] < l->classes);
		if (t[g] >= 0)
			sum += cross_entropy(l->classes, y + g * classes, (int)t[g], weight, own);
		else if (own)
			memset(own, 0, classes * sizeof(real));
	}
	return sum;
}

static double numbers_forward_backward(const struct loss *l, size_t groups, const real *y, const real *t,
                                       double weight, real *dy)
{
	size_t levels = (size_t)l->levels;
	double sum = 0;
	for (size_t g = 0; g < groups; g++) {
		for (size_t k = 0; k < levels; k++) {
			struct value v = evaluate(l, (int)k, (double)y[g * levels + k] - (double)t[g]);
			sum += v.loss;
			if (dy)
				dy[g * levels + k] = (real)(v.slope * weight);
		}
	}
	return sum;
}

double loss_forward_backward(const struct loss *l, size_t groups, const real *y, const real *t,
                             double weight, real *dy)
{
	return l->type == LOSS_CROSS_ENTROPY ? classes_forward_backward(l, groups, y, t, weight, dy)
	                                     : numbers_forward_backward(l, groups, y, t, weight, dy);
}

/* loss.c - see loss.h. One function a loss: the value, and its slope in y. */
#include "model/nn/loss.h"

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
	}
	return (struct value){ NAN, NAN };
}

double loss_forward_backward(const struct loss *l, size_t groups, const real *y, const real *t,
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

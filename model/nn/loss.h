/* loss.h - what training minimises. Means over all n numbers.
 *     mse      (y - t)^2                      mae   |y - t|      (gradient 0 at 0)
 *     huber    d^2/2 if |d| <= delta, else delta (|d| - delta/2)      (PyTorch's HuberLoss)
 *     pinball  max(tau (t - y), (tau - 1)(t - y)); gradient -tau if t > y, else 1 - tau
 *     cross entropy  -log softmax(y)_t of the class t; gradient softmax(y) - onehot(t). A class below 0 is unknown and
 *                    asks nothing: no loss, no gradient.
 */
#ifndef GATECAST_NN_LOSS_H
#define GATECAST_NN_LOSS_H

#include "model/nn/real.h"

#include <stddef.h>

enum loss_type { LOSS_MSE, LOSS_MAE, LOSS_HUBER, LOSS_PINBALL, LOSS_CROSS_ENTROPY };

struct loss {
	enum loss_type type;
	double delta;              /* huber */
	int levels;                /* pinball: y is [groups][levels], t is [groups]; else 1 */
	double level[33];          /* pinball: tau of each level */
	int classes;               /* cross entropy: y is [groups][classes], t is [groups], whole numbers */
};

/**
 * Sum (not mean) of the loss over `groups` targets, in double; dy (may be
 * NULL) receives the gradient of sum * weight. y [groups][levels] or [groups][classes], t [groups].
 */
double loss_forward_backward(const struct loss *l, size_t groups, const real *y, const real *t,
                             double weight, real *dy);

#endif

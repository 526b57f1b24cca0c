/* optimizer.h - Adam and what steers it.
 *     m = b1 m + (1 - b1) g      v = b2 v + (1 - b2) g^2
 *     p -= lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)
 * weight_decay is L2 added to g, as in PyTorch's Adam. */
#ifndef GATECAST_NN_OPTIMIZER_H
#define GATECAST_NN_OPTIMIZER_H

#include "model/nn/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct adam { double learning_rate, beta1, beta2, epsilon, weight_decay; };

/** One step, step counted from 1. p, m, v, g: n numbers each; g is only read. */
void adam_step(const struct adam *a, uint64_t step, size_t n, real *p, real *m, real *v, const real *g);

/** L2 norm of g, summed in double in a fixed order. NaN or inf when g holds one. */
double gradient_norm(const real *g, size_t n);
/** Scale g by max_norm / (norm + 1e-6) if norm > max_norm, as PyTorch's clip_grad_norm_. */
void gradient_clip(real *g, size_t n, double norm, double max_norm);

/** Multiply the rate by factor after `patience` epochs without a better value
 *  (relative threshold 1e-4, as PyTorch's ReduceLROnPlateau in mode min). */
struct plateau { double factor; int patience; double min_rate; double best; int bad; };
void plateau_init(struct plateau *p, double factor, int patience, double min_rate);
/** The rate to use from now on. */
double plateau_step(struct plateau *p, double value, double rate);

/** Stop after `patience` epochs without a better value. patience 0: never. */
struct early_stop { int patience; double best; int bad; int best_epoch; };
void early_stop_init(struct early_stop *s, int patience);
/** Returns true when training should stop; *is_best tells whether this one is the best. */
bool early_stop_step(struct early_stop *s, int epoch, double value, bool *is_best);

#endif

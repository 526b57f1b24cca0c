/* optimizer.h - what moves the weights, and what steers it. In the loops g is the gradient, with m and v two numbers
 * that the optimiser keeps for each weight; PyTorch's definitions and defaults:
 *
 *     adam     m = 0.9 m + 0.1 g      v = 0.999 v + 0.001 g^2
 *              p -= lr * (m / (1 - 0.9^t)) / (sqrt(v / (1 - 0.999^t)) + eps)
 *     adamw    p -= lr * decay * p, then adam without decay                       (Loshchilov, Hutter 2019)
 *     sgd      m = momentum m + g     p -= lr * m
 *     rmsprop  v = 0.99 v + 0.01 g^2  m = momentum m + g / (sqrt(v) + eps)        p -= lr * m
 *
 * eps = 1e-8. Everywhere but in adamw, weight_decay is L2: g + decay * p takes g's place. */
#ifndef GATECAST_NN_OPTIMIZER_H
#define GATECAST_NN_OPTIMIZER_H

#include "model/nn/real.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum optimizer_type { OPTIMIZER_ADAM, OPTIMIZER_ADAMW, OPTIMIZER_SGD, OPTIMIZER_RMSPROP };

struct optimizer {
	enum optimizer_type type;
	double learning_rate, momentum /* sgd, rmsprop */, weight_decay;
};

/** One step, step counted from 1. p, m, v, g: n numbers each, m and v zero before the first step; g is only read. */
void optimizer_step(const struct optimizer *o, uint64_t step, size_t n, real *p, real *m, real *v, const real *g);

/* Statistics (batch norm's running mean and variance) lie among the weights but are measured, not learnt:
 *
 *     block     | learnt … | statistics | learnt … |       net_statistics() says where
 *
 * Step, norm and clip are for the runs before and behind them (the norm of both is their hypot()); the statistics have
 * a step of their own. Without statistics the first run is the whole block. */

/** running += 0.1 (mean - running), PyTorch's momentum; mean = sum / calls, where `sum` holds what `calls` passes
 *  backward have added to the gradient. n numbers each. */
void statistics_step(size_t n, int calls, real *running, const real *sum);

/** average += (1 - d) (p - average) with d = decay, but at most (1 + step) / (10 + step), so that the first steps are soon
 *  forgotten; step counted from 1. n numbers each; average equals the p of step 0 before. */
void average_step(double decay, uint64_t step, size_t n, real *average, const real *p);

/** The sum of the shards' gradients g [shards][n], pairwise, (0+1)+(2+3) …, into the first; the others are used up. */
void gradient_reduce(real *g, int shards, size_t n);
/** L2 norm of g, summed in double in a fixed order. NaN or inf when g holds one. */
double gradient_norm(const real *g, size_t n);
/** Scale g by max_norm / (norm + 1e-6) if norm > max_norm, as PyTorch's clip_grad_norm_. */
void gradient_clip(real *g, size_t n, double norm, double max_norm);

/* The rate of an epoch from a base rate. All but the plateau are functions of the epoch, counted from 0:
 *
 *     step     base * gamma^(epoch / step_size), a whole quotient
 *     cosine   min_rate + (base - min_rate) * (1 + cos(pi * epoch / epochs)) / 2
 *
 * and in the first warmup_epochs of any of them, times (epoch + 1) / (warmup_epochs + 1).
 * The plateau lowers the base. */
enum scheduler_type { SCHEDULER_NONE, SCHEDULER_REDUCE_ON_PLATEAU, SCHEDULER_STEP, SCHEDULER_COSINE };

struct schedule {
	enum scheduler_type type;
	int epochs, warmup_epochs, step_size;
	double gamma, min_rate;
};

double schedule_rate(const struct schedule *s, double base, int epoch);

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

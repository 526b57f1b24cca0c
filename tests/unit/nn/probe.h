/* probe.h - a whole network's hand-written gradient against central differences. For the double build.
 *
 * The probe is loss = sum over y of c * y with fixed random c, so dy = c. Every learnt weight and every real number
 * of x is moved by ±STEP and ±2 STEP; the quotient's own error is about STEP^4 + 1e-16 / STEP, far below TOLERANCE,
 * also where a relu cell's large states make a dot attention steep. */
#ifndef GATECAST_TESTS_NN_PROBE_H
#define GATECAST_TESTS_NN_PROBE_H

#include "model/nn/network.h"

#define PROBE_MAX_BATCH 3

struct probe_case {
	char name[96];
	struct net_spec spec;
	int B, lengths[PROBE_MAX_BATCH];
	uint32_t key;               /* of dropout and of the teacher; 0: none */
	bool start;                 /* from other states than zeros */
	bool teacher;
	double teacher_ratio;
};

/** Weights, x and teacher are random numbers, tokens and classes where the spec has those. */
struct probe {
	const struct probe_case *c;
	struct dropout_key key;
	struct network_input in;
	struct tensor_table table;
	size_t n_x, n_y;
	real *params, *x, *start, *teacher, *weight, *y, *ws;    /* weight: c of the loss */
	real *dparams, *dx;
};

void probe_init(struct probe *p, const struct probe_case *c);
void probe_fini(struct probe *p);
/** A forward pass. */
double probe_loss(struct probe *p);
/** A backward pass behind it, which adds to dparams; dx may be NULL. */
void probe_backward(struct probe *p, real *dparams, real *dx);
/** Every number of both gradients. */
void probe_check(const struct probe_case *c);

#endif

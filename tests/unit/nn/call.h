/* call.h - one call of a whole network, all that it writes, and what must hold of it whatever the numbers: sequences
 * do not see each other, padding is not read, a cut minibatch draws and adds up to the whole one, the same call gives
 * the same bits, another key others. */
#ifndef GATECAST_TESTS_NN_CALL_H
#define GATECAST_TESTS_NN_CALL_H

#include "model/nn/network.h"

/* The whole minibatch. */
enum { CALL_STEPS = 6, CALL_ROWS = 5 };
extern const int call_lengths[CALL_ROWS];

struct call {
	const struct net_spec *spec;
	int steps, rows, answers;        /* answers: steps of the answer */
	const int *lengths;
	size_t n_x, n_teacher, n_y, n_a, n_params;
	real *x, *teacher;               /* with a key, half the steps of a decoder that feeds back are forced */
	real *y, *attention, *dy, *dx, *dparams, *ws;
};

/** A call on zeros. */
void call_init(struct call *c, const struct net_spec *s, int steps, int rows, const int *lengths);
/** The whole minibatch, of random numbers. */
void call_init_whole(struct call *c, const struct net_spec *s);
void call_fini(struct call *c);
/** Forward and backward; key may be NULL. */
void call_run(struct call *c, const real *params, const struct dropout_key *key);

/** Cut the minibatch into shards of `n` rows; each must give its rows, and their gradients must add up. */
void check_shards(const struct net_spec *s, int n, const struct dropout_key *key);
/** NaN behind the ends changes no bit. */
void check_padding(const struct net_spec *s);
/** Nor does what the scratch held before. */
void check_same_bits(const struct net_spec *s);
/** Seed, key and row each choose others: of a spec with dropout. */
void check_key_matters(const struct net_spec *s);

#endif

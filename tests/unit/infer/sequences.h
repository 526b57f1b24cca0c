/* sequences.h - sequences with room for their answers, run alone or in company. */
#ifndef GATECAST_TEST_INFER_SEQUENCES_H
#define GATECAST_TEST_INFER_SEQUENCES_H

#include "tests/unit/infer/support.h"

#define MAX_ROWS 64   /* of a call */

/* Every answer ends with a guard. */
struct sequences {
	struct infer_sequence *seq;
	float *x, *start, *y, *attention, *final;
	size_t x_size, y_size, attention_size, state_size;   /* of one sequence, in floats */
	int n;
};

/* Of drawn lengths 1 … max_T; a recurrent encoder's start from drawn states, every other one. */
void sequences_init(struct sequences *q, const struct net_spec *s, int n, int max_T, struct rng *r);
void sequences_fini(struct sequences *q);
/* The same questions, answers of their own. */
void sequences_again(struct sequences *q, const struct sequences *of);

/* Forget the answers. */
void sequences_clear(struct sequences *q);

/* Each in a call of its own. */
void run_alone(const struct infer_model *m, struct infer_ws *w, struct sequences *q);
/* In drawn company: every sequence once, in calls of 1 … MAX_ROWS, in a drawn order. */
void run_mixed(const struct infer_model *m, struct infer_ws *w, struct sequences *q, struct rng *r);
/* Everything in the answers, guards included. */
void check_same_bits(const struct sequences *a, const struct sequences *b);
/* Nothing is written behind the answers; their sizes are those of the spec and the sequences' lengths. */
void check_guards(const struct net_spec *s, const struct sequences *q);

#endif

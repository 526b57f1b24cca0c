/* feedback.h - what a step of the attention decoder reads of the step before, in the columns behind its context:
 *
 *                 at the first step      later, its own answer                  later, forced (teacher.h)
 *     numbers     zeros                  each target's middle level             the teacher's values
 *     classes     NET_BOUNDARY's vector  the vector of the best scored class,   that of the teacher's class
 *                                        the lowest of equals
 *
 * The gradient flows back through own numbers, and to the teacher's where somebody asks; a choice of a class has none. The
 * vectors, which are weights, receive theirs from every step that read them. */
#ifndef GATECAST_NN_FEEDBACK_H
#define GATECAST_NN_FEEDBACK_H

#include "model/nn/network.h"
#include "model/nn/scratch.h"

struct feedback {
	int n;                          /* numbers that a step reads; 0: it reads nothing of the step before */
	int outputs;                    /* numbers of a step's answer */
	int targets, levels, median_level;
	int classes;                    /* 0: numbers */
	size_t vectors;                 /* offset of the classes' vectors [classes][n] */
};

struct feedback_tape {
	int *read;                      /* [horizon][B]: the class whose vector each step read */
};

struct feedback feedback_at(const struct net_spec *s, const struct tensor_table *t);
void feedback_tape_take(struct feedback_tape *t, const struct feedback *f, int horizon, int B, struct scratch *s);

/** y [B][outputs] of the step before, NULL at step 0; to [B][n], `ld` apart. */
void feedback_forward(const struct feedback *f, const real *params, const struct network_input *in, int step,
                      const real *y, struct feedback_tape *tape, real *to, int ld);
/** From the gradient of what was read to dy [B][outputs] of the step before, to dteacher as in->teacher (numbers; may be
 *  NULL) and to dparams, all added to. */
void feedback_backward(const struct feedback *f, const struct network_input *in, int step, const real *dread, int ld,
                       const struct feedback_tape *tape, real *dparams, real *dy, real *dteacher);

#endif

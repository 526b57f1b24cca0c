/* trainer_state.h - what a trainer holds; private to trainer.c, trainer_state.c and trainer_finish.c.
 *
 *     course   what the next epoch depends on besides the weights; saved
 *     moving   weights and the optimiser's moments; `now` is saved, `good` is `now` as it was after the last epoch
 *     best     weights of the epoch with the least validation loss; saved
 *     pass     sums of the running epoch; begins anew with each */
#ifndef GATECAST_MODEL_TRAINER_STATE_H
#define GATECAST_MODEL_TRAINER_STATE_H

#include "model/examples.h"
#include "model/nn/network.h"
#include "model/nn/optimizer.h"
#include "model/nn/weight_dropout.h"
#include "model/trainer.h"

#define GUARD_SKIPS 3         /* so many skips … */
#define GUARD_STEPS 100       /* … within so many steps roll back */
#define GUARD_ROLLBACKS 3     /* and so many roll-backs in a row end the job */

/* The numeric guard of trainer.h. */
struct guard {
	double average;                  /* moving average of the gradient norm of accepted steps */
	uint64_t accepted;
	uint64_t skips;                  /* since the last roll-back */
	uint64_t skipped_at[GUARD_SKIPS];   /* the last skips' steps, a ring */
	int rollbacks;                   /* since an epoch that went well */
};

struct course {
	int epoch;                       /* done */
	bool stopped;
	uint64_t step;                   /* training steps ever begun: the key of the dropout */
	uint64_t optimizer_steps;        /* those that moved the weights */
	double rate;                     /* the base that the schedule starts from */
	struct plateau plateau;
	struct early_stop early_stop;    /* best_epoch 0: there is no best yet */
	struct guard guard;
};

struct moving {
	float *weights, *m, *v;
	float *average;                  /* of the weights over the steps; where none is kept, the weights */
};

enum phase { PHASE_TRAIN, PHASE_VALIDATION, PHASE_OVER };

struct pass {
	enum phase phase;
	size_t next;                     /* examples of the phase that are done */
	size_t rows, targets;            /* of the running step: examples, and numbers that its loss is a mean over */
	int shards;
	double loss, norm, validation;   /* sums */
	size_t loss_targets, validation_targets, norm_steps;
	int skipped;
	bool rolled_back;
};

struct trainer {
	struct recipe recipe;
	struct examples *examples;
	struct net_spec net;             /* the examples' */
	struct tensor_table table;       /* of net */
	struct tensor_run statistics;    /* of the weights: measured, not learnt */
	struct loss loss;
	struct trainer_plan plan;
	uint64_t fingerprint;            /* of recipe and rows: a state of another job is refused */

	struct course course;
	struct moving now, good;
	uint64_t good_optimizer_steps;
	float *best;

	struct pass pass;
	uint32_t *order;                 /* the phase's examples, minibatch after minibatch */
	struct place *place;             /* that putting them in order works with */
	float *carried;                  /* stateful: what each row of a minibatch ends with, [shards][rows' states] */
	float *thinned;                  /* with weight dropout: the weights of the running training step */
	float *gradient;                 /* [shards][weights]; the sum ends in the first */
	double *shard_loss;              /* [shards] */
};

static inline bool moving_averages(const struct moving *s) { return s->average != s->weights; }
/** Copy weights and moments, `weights` numbers of each. */
void moving_copy(struct moving *to, const struct moving *from, size_t weights);
/** The weights as they are become those that the guard rolls back to. */
void trainer_mark_good(struct trainer *t);
/** Of everything that the course of a training depends on. */
uint64_t trainer_fingerprint(const struct trainer *t);

#endif

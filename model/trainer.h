/* trainer.h - one training job as a state machine without threads, clocks or I/O.
 *
 *   trainer_new ─► [ trainer_begin_epoch ─► { trainer_begin_step ─► trainer_shard x n ─► trainer_end_step }
 *                                        ─► trainer_end_epoch ]*  ─► trainer_finish
 *
 * A minibatch is cut into fixed shards of TRAINER_SHARD_ROWS rows; shards may run on any threads, their gradients
 * are added in a fixed tree, so the weights have the same bits for any number of threads. What is random
 * comes from (seed, epoch, step): a trainer restored from trainer_save() continues bit for bit.
 *
 * Numeric guard: a step whose loss or gradient norm is not finite, or whose norm exceeds 10 x its moving average (after
 * 20 steps) and would be clipped, is skipped; 3 skips within 100 steps roll back to the last good epoch and halve
 * the rate; 3 roll-backs in a row end the job with ERR_DIVERGED. */
#ifndef GATECAST_MODEL_TRAINER_H
#define GATECAST_MODEL_TRAINER_H

#include "model/base/strbuf.h"
#include "model/evaluation.h"
#include "model/recipe.h"
#include "model/trained.h"

#define TRAINER_SHARD_ROWS 16

struct trainer;
struct trainer_ws;     /* one thread's scratch for trainer_shard */

/** Before a job is taken: can a dataset with the columns of f (whose rows do not matter) and that many rows be trained
 *  on? */
enum err trainer_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e);

/** Splits the data, fits scalers or builds vocabularies on the training part, initialises the weights. The frame is
 *  copied from, not kept. Errors: too few rows for window and horizon in a part (names the minimum), unknown columns, … */
enum err trainer_new(const struct recipe *r, const struct frame *f, struct trainer **out, struct error *e);
void trainer_free(struct trainer *t);
enum err trainer_ws_new(const struct trainer *t, struct trainer_ws **out, struct error *e);
void trainer_ws_free(struct trainer_ws *w);

struct trainer_plan {   /* fixed at trainer_new */
	int epochs, steps;          /* steps an epoch */
	size_t train_examples, validation_examples, test_examples, weights, rows, filled_cells;
};
const struct trainer_plan *trainer_plan(const struct trainer *t);

/** Number of epochs done; the loop runs while !trainer_done(). */
int trainer_epoch(const struct trainer *t);
bool trainer_done(const struct trainer *t);

/* A phase of an epoch is a sequence of steps: training minibatches, then validation batches.
 * begin_step returns the number of shards of the next step, 0 when the phase is over. */
void trainer_begin_epoch(struct trainer *t);
int trainer_begin_step(struct trainer *t);
void trainer_shard(struct trainer *t, int shard, struct trainer_ws *w);   /* any thread, distinct shards */
enum err trainer_end_step(struct trainer *t, struct error *e);

struct epoch_report {
	int epoch;                 /* 1 … */
	double train_loss, validation_loss, learning_rate, gradient_norm;
	int skipped_steps;
	bool best, rolled_back, stop;
};
/** After begin_step returned 0. The validation loss is computed in the same begin_step loop. */
enum err trainer_end_epoch(struct trainer *t, struct epoch_report *out, struct error *e);

/** The whole state between epochs, with its own digest; appended to out. */
void trainer_save(const struct trainer *t, struct strbuf *out);
/** Into a trainer_new() of the same recipe and frame; ERR_SYNTAX on a damaged or foreign state. */
enum err trainer_load(struct trainer *t, const void *bytes, size_t len, struct error *e);

/**
 * The best epoch's weights, ready to answer, evaluated on the test part with the inference execution (evaluation.h).
 * params (trainer_plan()->weights floats) receives the weights.
 *
 * A forecaster is shrunk towards the last known value by the factor in 0, 0.1 … 1 with the least absolute
 * error on the validation part, times the confidence that this is less than without the network (1 - 1 / z^2 of a
 * Diebold-Mariano test; as it is with fewer than 30 origins) (pipeline.target[].shrink), calibrated on the validation
 * part and backtested by walking through the test part, every origin. One that reconstructs is calibrated and
 * backtested, but not shrunk: it has no last value to hold on to. Several targets: scores are means over targets.
 */
enum err trainer_finish(struct trainer *t, struct trained *out, float *params, struct evaluation *v, struct error *e);

#endif

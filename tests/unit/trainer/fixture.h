/* fixture.h - small series, a small recipe, and a loop over epochs on any number of threads. */
#ifndef GATECAST_TESTS_TRAINER_FIXTURE_H
#define GATECAST_TESTS_TRAINER_FIXTURE_H

#include "model/trainer.h"

/** Column "y": 10 + 3 sin(2 pi i / 24) + noise * normal. */
struct frame *fixture_sine(size_t rows, double noise);
/** Column "y": a Gaussian random walk around 100 that is what no model can forecast. */
struct frame *fixture_walk(size_t rows, uint64_t seed);
/** Columns "y" (a sine around 10) and "z" (a slower one around 0, a thousand times as large). */
struct frame *fixture_pair(size_t rows);

/** Target y, window 16, horizon 4, hidden 12, 6 epochs of batches of 32. */
void fixture_recipe(struct recipe *r);

/** One epoch with its shards on that many threads. */
enum err fixture_epoch(struct trainer *t, int threads, struct epoch_report *report, struct error *e);
/** Epochs until trainer_done() or an error; report may be NULL. */
enum err fixture_train(struct trainer *t, int threads, struct epoch_report *last, struct error *e);
/** trainer_new, asserting success; the frame is freed. */
struct trainer *fixture_trainer(const struct recipe *r, struct frame *f);

#endif

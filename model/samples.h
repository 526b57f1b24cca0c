/* samples.h - a dataset cut for training: rows in time order, three parts, a window at every origin.
 *
 *     rows   0 ───────── train ─────────┬─ validation ─┬──── test ──── n
 *                       context         │ targets      │
 *     window        ◄─────────────── o ]│[ ► ► ►       │            o = origin, the last known row
 *
 * A window belongs to the part that holds all its target rows, so no target is ever seen from two parts;
 * its context may look back over the part's left border. Where the window itself is the target it may not.
 * Private to the trainer. */
#ifndef GATECAST_MODEL_SAMPLES_H
#define GATECAST_MODEL_SAMPLES_H

#include "model/recipe.h"
#include "model/series/calendar.h"

struct part { size_t first, windows; };   /* origins first … first + windows - 1 */

struct samples {
	struct pipeline pipeline;        /* fitted on the training rows */
	struct frequency frequency;
	size_t n, train_rows, filled;    /* usable rows; those of the training part; cells filled forward */
	int context;                     /* rows of a window's context */
	size_t ahead, back;              /* target rows behind the origin, or up to it */
	double *block, *rows;            /* [n][columns]; rows points into block */
	double *series;                  /* [targets][n]: the targets alone, for the baselines */
	struct part train, validation, test;
};

/** ERR_INVALID names the minimum when the rows do not suffice. Nothing of f is kept. */
enum err samples_init(struct samples *s, const struct recipe *r, const struct frame *f, struct error *e);
void samples_fini(struct samples *s);   /* zeroed is fine */
/** What samples_init would refuse for the columns of f or for having that many rows. The rows of f are not looked at. */
enum err samples_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e);

/** The context that ends with row `origin`: [context][columns]. */
const double *samples_context(const struct samples *s, size_t origin);
/** Values of a target from row 0; what follows origin o begins at o + 1. */
const double *samples_series(const struct samples *s, int target);

#endif

/* cost.h - what a model's work takes, learnt from each run and asked before the next.
 *
 *     time of a run = sequences * sequence_ns + units * step_ns
 *
 * A unit is a step read or written of a series, a token of a text. Divided by its units a run is a point, sequences a unit
 * against time a unit, and the two numbers are the line through the points of late, older ones fading. Runs of equal
 * lengths all lie on one spot: then it is all step_ns. */
#ifndef GATECAST_SERVER_COST_H
#define GATECAST_SERVER_COST_H

#include <stdatomic.h>
#include <stdint.h>

struct cost {
	_Atomic uint64_t sequence_ns, step_ns;   /* both 0: not known yet */
	/* of the points, under the learner's lock: */
	unsigned runs;
	double x, y, xx, xy;                     /* means, variance, covariance */
};

/** Callers take turns. units: 1 … */
void cost_learn(struct cost *c, uint64_t sequences, uint64_t units, int64_t ns);
/** Nobody ran because of what is known: doubt it a little, so that one run that was held up does not shut the door. */
void cost_doubt(struct cost *c);
/** Any thread; 0: not known yet. */
uint64_t cost_of(const struct cost *c, uint64_t sequences, uint64_t units);

#endif

/* racer.h - one runtime in a race: a process that does as it is told, line by line.
 *
 *     race.py                          racer
 *       prepare CASE STEPS BATCH ────►        build it, warm it up
 *                                ◄──── ready
 *       answer FILE              ────►        run once, write all outputs as floats
 *                                ◄──── ready
 *       time MILLISECONDS        ────►        run for about so long
 *                                ◄──── 12.345         microseconds a call
 *
 * Whoever cannot do a case says `no REASON`. Racers take turns on one core: who waits for a line costs the others
 * nothing. The time is the process's CPU time, which is what the clock on the wall says of a lone thread, less what
 * others on the machine took; of several threads it is the wall's. */
#ifndef GATECAST_TESTS_BENCH_RACER_H
#define GATECAST_TESTS_BENCH_RACER_H

#include "tests/bench/cases.h"

struct racer {
	/** Release what was prepared, build the case. NULL, or why not. */
	const char *(*prepare)(void *self, const struct bench_case *c, int T, int batch);
	/** One call: the whole batch. */
	void (*run)(void *self);
	/** The outputs of the last call, *n of them. */
	const float *(*outputs)(void *self, size_t *n);
	void *self;
	bool threads;              /* has several */
};

/** Follow the lines of standard input to their end. The exit status. */
int racer_follow(const struct racer *r);

#endif

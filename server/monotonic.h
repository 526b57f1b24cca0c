/* monotonic.h - the clock for durations and deadlines. */
#ifndef GATECAST_SERVER_MONOTONIC_H
#define GATECAST_SERVER_MONOTONIC_H

#include <stdint.h>
#include <time.h>

static inline int64_t monotonic_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif

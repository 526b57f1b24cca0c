/* conformal.h - intervals from calibration residuals, per horizon step.
 *
 * Scores are s = (y - f) / volatility in network units, from the validation part, signed and sorted.
 * The quantile at level p is f + volatility * s_(k): for p > 1/2, k = ceil((n + 1) p); for p < 1/2, k = floor((n + 1) p);
 * p = 1/2 is f itself for a point forecast. A rank outside 1 … n is infinite:
 * the caller says so. A quantile network's levels each have scores of their own and
 * the nearest trained level is shifted. Overlapping windows are not exchangeable, so coverage is nominal. */
#ifndef GATECAST_SERIES_CONFORMAL_H
#define GATECAST_SERIES_CONFORMAL_H

#include <stddef.h>

#include "model/base/error.h"

struct conformal {
	int levels, targets, horizon, n;   /* n calibration origins */
	float *score;                      /* [levels][targets][horizon][n], each row sorted */
};

enum err conformal_new(int levels, int targets, int horizon, int n, struct conformal **out, struct error *e);
void conformal_free(struct conformal *c);
/** Numbers in score. */
size_t conformal_count(const struct conformal *c);
/** Sort every row; scores were filled in any order. */
void conformal_sort(struct conformal *c);
/** The shift in units of volatility; +-INFINITY when n is too small for p. */
double conformal_shift(const struct conformal *c, int level, int target, int h, double p);

#endif

/* baseline.h - the forecasts that a model has to beat. y is the history, oldest first, n >= 1. */
#ifndef GATECAST_SERIES_BASELINE_H
#define GATECAST_SERIES_BASELINE_H

#include <stddef.h>

enum baseline { BASELINE_NAIVE, BASELINE_DRIFT, BASELINE_SEASONAL_NAIVE, BASELINE_COUNT };

const char *baseline_name(enum baseline b);   /* "naive", "drift", "seasonal_naive" */
/** The value h steps (1 …) after y[n-1]. drift: last + h (last - first) / (n - 1); seasonal:
 *  the value `season` rows before, repeated; falls back to naive where n is too short. */
double baseline_forecast(enum baseline b, const double *y, size_t n, int season, int h);

#endif

/* evaluate.h - errors of forecasts against what happened, per horizon step.
 *
 * mase divides the MAE by the mean absolute seasonal-naive one-season change over the training part
 * (Hyndman & Koehler 2006); smape is the mean of 200 |y - f| / (|y| + |f|), 0 where both are 0.
 * The verdict compares absolute errors, averaged over the horizon of an origin, with naive's by a
 * Diebold-Mariano test (Bartlett HAC variance with horizon - 1 lags, two-sided 5 %). */
#ifndef GATECAST_SERIES_EVALUATE_H
#define GATECAST_SERIES_EVALUATE_H

#include <stddef.h>

#include "model/base/error.h"

enum verdict { VERDICT_BETTER, VERDICT_NO_BETTER, VERDICT_WORSE };

struct scores { double mae, rmse, mase, smape; };

struct tally;   /* running sums of one forecaster over origins */

/** season_change: the denominator of mase (<= 0: mase is NaN). */
enum err tally_new(int horizon, size_t max_origins, double season_change, struct tally **out, struct error *e);
void tally_free(struct tally *t);
/** One origin: forecast and actual, [horizon] each, in own units. NaN actuals are skipped. */
void tally_add(struct tally *t, const double *forecast, const double *actual);
struct scores tally_scores(const struct tally *t);
/** Of horizon step h (0 …). */
struct scores tally_step(const struct tally *t, int h);
size_t tally_origins(const struct tally *t);

/** Fewer origins say nothing. */
#define TALLY_MIN_ORIGINS 30
/** The test's z, negative where the model's errors are smaller; 0 with too few origins or losses that do not vary. */
double tally_statistic(const struct tally *model, const struct tally *reference);
/** Model against reference over the same origins; p_value may be NULL. Fewer than TALLY_MIN_ORIGINS, or losses that do not
 *  vary against each other: no better, with a p-value of 1. */
enum verdict tally_compare(const struct tally *model, const struct tally *reference, double *p_value);
const char *verdict_name(enum verdict v);     /* "better", "no better", "worse" */

/** Mean |y[t] - y[t - season]|, the denominator of mase; 0 where n <= season. */
double season_change(const double *y, size_t n, int season);

#endif

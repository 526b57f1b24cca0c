/* backtest.h - what a trained forecaster is worth: shrunk and calibrated on the validation part, then walked
 * through the test part with the execution that will serve it. Private to the trainer. */
#ifndef GATECAST_MODEL_BACKTEST_H
#define GATECAST_MODEL_BACKTEST_H

#include "model/samples.h"
#include "model/trainer.h"

#define BACKTEST_ROWS 64          /* windows a call; the size of the workspace */
#define CALIBRATION_MAX 2000      /* the newest origins serve, so that a long series does not dilute them */

/** f->pipeline.target[].shrink: the factor in 0, 0.1 … 1 with the least absolute error, times 1 - 1 / z^2, where z says
 *  how sure it is that this is less than the last known value's (0 for |z| < 1): the part that chooses the factor
 *  has chosen the epoch too, so what it promises is too good. */
enum err backtest_shrink(struct forecaster *f, struct forecast_ws *w, const struct samples *s, struct error *e);
/** f->conformal from the scores of the validation part. */
enum err backtest_calibrate(struct forecaster *f, struct forecast_ws *w, const struct samples *s, struct error *e);
/** Every origin of the test part. *v is written on success; evaluation_fini() frees it. */
enum err backtest_run(const struct forecaster *f, struct forecast_ws *w, const struct samples *s,
                      struct evaluation *v, struct error *e);

#endif

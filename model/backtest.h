/* backtest.h - what a trained forecaster is worth: shrunk and calibrated on the validation part, then walked
 * through the test part with the execution that will serve it. Private to the trainer. */
#ifndef GATECAST_MODEL_BACKTEST_H
#define GATECAST_MODEL_BACKTEST_H

#include "model/samples.h"
#include "model/trainer.h"

#define BACKTEST_ROWS 64          /* windows a call; the size of the workspace */
#define CALIBRATION_MAX 2000      /* the newest origins serve, so that a long series does not dilute them */

/** f->pipeline.target[].shrink becomes the factor in 0, 0.1 … 1 with the least absolute error. */
void backtest_shrink(struct forecaster *f, struct forecast_ws *w, const struct samples *s);
/** f->conformal from the scores of the validation part. */
enum err backtest_calibrate(struct forecaster *f, struct forecast_ws *w, const struct samples *s, struct error *e);
/** Every origin of the test part. *v is written on success; evaluation_fini() frees it. */
enum err backtest_run(const struct forecaster *f, struct forecast_ws *w, const struct samples *s,
                      struct evaluation *v, struct error *e);

#endif

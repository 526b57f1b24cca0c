/* trainer_finish.c - from the best epoch's weights to a forecaster with its figures. */
#include "model/backtest.h"
#include "model/trainer_state.h"

#include <string.h>

static bool has_best(const struct trainer *t)
{
	return t->course.early_stop.best_epoch > 0;
}

enum err trainer_finish(struct trainer *t, struct forecaster **out, float *params, struct evaluation *v, struct error *e)
{
	enum err rc;
	struct forecaster *f = NULL;
	struct forecast_ws *w = NULL;

	if (!has_best(t))
		return fail(e, ERR_CONFLICT, "job", "no epoch has been completed yet");
	rc = forecaster_new(&t->samples.pipeline, &t->net, t->recipe.level, t->samples.frequency, t->best, NULL, NULL, &f, e);
	if (rc)
		goto done;
	rc = forecast_ws_new(BACKTEST_ROWS, &w, e);
	if (rc)
		goto done;
	rc = forecast_ws_reserve(w, f, e);
	if (rc)
		goto done;
	rc = backtest_shrink(f, w, &t->samples, e);
	if (rc)
		goto done;
	rc = backtest_calibrate(f, w, &t->samples, e);
	if (rc)
		goto done;
	rc = backtest_run(f, w, &t->samples, v, e);
	if (rc)
		goto done;
	memcpy(params, t->best, t->plan.weights * sizeof *params);
	*out = f;
	f = NULL;
done:
	forecast_ws_free(w);
	forecaster_free(f);
	return rc;
}

/* trainer_finish.c - from the best epoch's weights to a model with its figures. */
#include "model/backtest.h"
#include "model/examples_corpus.h"
#include "model/examples_pairs.h"
#include "model/examples_series.h"
#include "model/text_cache_fit.h"
#include "model/text_evaluation.h"
#include "model/trainer_state.h"

#include <stdlib.h>
#include <string.h>

static bool has_best(const struct trainer *t)
{
	return t->course.early_stop.best_epoch > 0;
}

/* ---- of numbers ---- */

static enum err finish_forecaster(const struct trainer *t, struct forecaster **out, struct evaluation *v,
                                  struct error *e)
{
	const struct samples *s = &series_of(t->examples)->samples;
	struct forecaster *f = NULL;
	struct forecast_ws *w = NULL;
	enum err rc = forecaster_new(&s->pipeline, &t->net, t->recipe.level, s->frequency, t->best, NULL, NULL, &f, e);
	if (rc)
		goto done;
	rc = forecast_ws_new(BACKTEST_ROWS, &w, e);
	if (rc)
		goto done;
	rc = forecast_ws_reserve(w, f, e);
	if (rc)
		goto done;
	if (recipe_task(&t->recipe) == TASK_FORECAST) {
		rc = backtest_shrink(f, w, s, e);
		if (rc)
			goto done;
	}
	rc = backtest_calibrate(f, w, s, e);
	if (rc)
		goto done;
	rc = backtest_run(f, w, s, v, e);
	if (rc)
		goto done;
	*out = f;
	f = NULL;
done:
	forecast_ws_free(w);
	forecaster_free(f);
	return rc;
}

/* ---- of texts ---- */

/* The examples keep theirs. NULL gives NULL. */
static enum err copy_vocabulary(const struct vocabulary *v, struct vocabulary **out, struct error *e)
{
	if (!v)
		return ERR_OK;
	int n = vocabulary_size(v);
	const char **token = calloc((size_t)n + 1, sizeof *token);
	if (!token)
		return fail_nomem(e);
	for (int i = 0; i < n; i++)
		token[i] = vocabulary_token(v, i);
	enum err rc = vocabulary_new(vocabulary_unit(v), token, n, out, e);
	free(token);
	return rc;
}

static void vocabularies(const struct examples *x, const struct vocabulary **source, const struct vocabulary **target)
{
	bool corpus = x->net.decoder == DECODER_TOKEN;
	*source = corpus ? corpus_of(x)->source : pairs_of(x)->source;
	*target = corpus ? NULL : pairs_of(x)->target;
}

static enum err give_cache(const struct trainer *t, struct text_model *m, struct error *e)
{
	struct cache_options chosen = { 0 };
	enum err rc = text_cache_fit(m, corpus_of(t->examples), t->recipe.cache, &chosen, e);
	return rc || !chosen.size ? rc : text_model_set_cache(m, &chosen, e);
}

static enum err finish_text(const struct trainer *t, struct text_model **out, struct evaluation *v, struct error *e)
{
	const struct vocabulary *source, *target;
	struct vocabulary *own_source = NULL, *own_target = NULL;
	struct text_model *m = NULL;
	vocabularies(t->examples, &source, &target);
	enum err rc = copy_vocabulary(source, &own_source, e);
	if (!rc)
		rc = copy_vocabulary(target, &own_target, e);
	if (rc) {
		vocabulary_free(own_source);
		return rc;
	}
	rc = text_model_new(&t->net, t->best, NULL, own_source, own_target, t->recipe.window, &m, e);
	if (!rc && t->recipe.cache)
		rc = give_cache(t, m, e);
	if (!rc)
		rc = text_evaluate(m, t->examples, v, e);
	if (rc)
		text_model_free(m);
	else
		*out = m;
	return rc;
}

enum err trainer_finish(struct trainer *t, struct trained *out, float *params, struct evaluation *v, struct error *e)
{
	struct trained made = { 0 };
	if (!has_best(t))
		return fail(e, ERR_CONFLICT, "job", "no epoch has been completed yet");
	enum err rc = recipe_reads_text(&t->recipe) ? finish_text(t, &made.text, v, e)
		: finish_forecaster(t, &made.forecaster, v, e);
	if (rc)
		return rc;
	memcpy(params, t->best, t->plan.weights * sizeof *params);
	*out = made;
	return ERR_OK;
}

/* backtest.c - shrinkage, calibration and the walk forward.
 *
 *     validation part ─► shrink ─► conformal scores
 *     test part ─► forecaster ─┬─► scores, coverage, verdict
 *                  baselines ──┘   (from the whole history before each origin) */
#include "model/backtest.h"

#include <math.h>
#include <stdlib.h>

#define FACTORS 11   /* 0, 0.1 … 1 */

/* Step h of what is told from an origin: rows that follow it, or those of the window that it ends. */
static double actual(const struct samples *s, int target, size_t origin, int h)
{
	return samples_series(s, target)[origin + 1 + (size_t)h - s->back];
}

/* Called for each window that forecaster_network() has run on; row is its place in the workspace. */
typedef void visit_fn(void *arg, const struct forecast_ws *w, int row, size_t origin);

/* Windows `skip` … of a part, BACKTEST_ROWS a call. */
static void visit_windows(const struct forecaster *f, struct forecast_ws *w, const struct samples *s,
                          const struct part *part, size_t skip, visit_fn *visit, void *arg)
{
	struct forecast job[BACKTEST_ROWS] = { 0 }, *jobs[BACKTEST_ROWS];
	for (int i = 0; i < BACKTEST_ROWS; i++)
		jobs[i] = &job[i];
	for (size_t at = skip; at < part->windows; at += BACKTEST_ROWS) {
		size_t left = part->windows - at, first = part->first + at;
		int n = left < BACKTEST_ROWS ? (int)left : BACKTEST_ROWS;
		for (int i = 0; i < n; i++)
			job[i].context = samples_context(s, first + (size_t)i);
		forecaster_network(f, w, jobs, n);
		for (int i = 0; i < n; i++)
			visit(arg, w, i, first + (size_t)i);
	}
}

struct shrinking {
	const struct forecaster *f;
	const struct samples *s;
	double error[PIPELINE_MAX_TARGETS][FACTORS];
};

static void measure_factors(void *arg, const struct forecast_ws *w, int row, size_t origin)
{
	struct shrinking *m = arg;
	const struct pipeline *p = &m->f->pipeline;
	const struct anchor *a = forecaster_anchor(w, row);
	double level[NET_MAX_LEVELS];

	for (int t = 0; t < p->targets; t++)
		for (int h = 0; h < p->horizon; h++) {
			forecaster_levels(m->f, w, row, t, h, level);
			double y = level[m->f->net.median_level], truth = actual(m->s, t, origin, h);
			for (int k = 0; k < FACTORS; k++)
				m->error[t][k] += fabs(pipeline_decode(p, t, a, y * k / (FACTORS - 1)) - truth);
		}
}

/* The factor with the least error, for each target. */
static void least_error(struct forecaster *f, struct forecast_ws *w, const struct samples *s)
{
	struct shrinking m = { .f = f, .s = s };
	for (int t = 0; t < f->pipeline.targets; t++)
		f->pipeline.target[t].shrink = 1;
	visit_windows(f, w, s, &s->validation, 0, measure_factors, &m);
	for (int t = 0; t < f->pipeline.targets; t++) {
		int best = 0;
		for (int k = 1; k < FACTORS; k++)
			if (m.error[t][k] < m.error[t][best])
				best = k;
		f->pipeline.target[t].shrink = (double)best / (FACTORS - 1);
	}
}

/* Model against the last known value on the validation part, each target. */
struct gain {
	const struct forecaster *f;
	const struct samples *s;
	struct tally *model[PIPELINE_MAX_TARGETS], *naive[PIPELINE_MAX_TARGETS];
	double *forecast, *last, *truth;   /* [horizon] */
};

static void gain_fini(struct gain *m)
{
	for (int t = 0; t < PIPELINE_MAX_TARGETS; t++) {
		tally_free(m->model[t]);
		tally_free(m->naive[t]);
	}
	free(m->forecast);
	free(m->last);
	free(m->truth);
}

static enum err gain_init(struct gain *m, struct error *e)
{
	size_t horizon = (size_t)m->f->net.horizon, windows = m->s->validation.windows;
	enum err rc = ERR_OK;
	m->forecast = calloc(horizon, sizeof *m->forecast);
	m->last = calloc(horizon, sizeof *m->last);
	m->truth = calloc(horizon, sizeof *m->truth);
	if (!m->forecast || !m->last || !m->truth)
		return fail_nomem(e);
	for (int t = 0; t < m->f->net.targets && !rc; t++) {
		rc = tally_new((int)horizon, windows, 0, &m->model[t], e);
		if (!rc)
			rc = tally_new((int)horizon, windows, 0, &m->naive[t], e);
	}
	return rc;
}

static void measure_gain(void *arg, const struct forecast_ws *w, int row, size_t origin)
{
	struct gain *m = arg;
	const struct anchor *a = forecaster_anchor(w, row);
	double level[NET_MAX_LEVELS];

	for (int t = 0; t < m->f->net.targets; t++) {
		for (int h = 0; h < m->f->net.horizon; h++) {
			forecaster_levels(m->f, w, row, t, h, level);
			m->forecast[h] = pipeline_decode(&m->f->pipeline, t, a, level[m->f->net.median_level]);
			m->last[h] = a->last[t];
			m->truth[h] = actual(m->s, t, origin, h);
		}
		tally_add(m->model[t], m->forecast, m->truth);
		tally_add(m->naive[t], m->last, m->truth);
	}
}

/* James and Stein's positive part: an estimate z deviations away from nothing is worth 1 - 1 / z^2 of itself. */
static double confidence(const struct tally *model, const struct tally *naive)
{
	if (tally_origins(model) < TALLY_MIN_ORIGINS)
		return 1;
	double z = tally_statistic(model, naive);
	return z < -1 ? 1 - 1 / (z * z) : 0;
}

enum err backtest_shrink(struct forecaster *f, struct forecast_ws *w, const struct samples *s, struct error *e)
{
	struct gain m = { .f = f, .s = s };
	enum err rc = gain_init(&m, e);
	if (rc)
		goto done;
	least_error(f, w, s);
	visit_windows(f, w, s, &s->validation, 0, measure_gain, &m);
	for (int t = 0; t < f->pipeline.targets; t++)
		f->pipeline.target[t].shrink *= confidence(m.model[t], m.naive[t]);
done:
	gain_fini(&m);
	return rc;
}

struct calibration {
	const struct forecaster *f;
	const struct samples *s;
	struct conformal *c;
	int at;   /* origins done */
};

static void add_score(void *arg, const struct forecast_ws *w, int row, size_t origin)
{
	struct calibration *m = arg;
	struct conformal *c = m->c;
	const struct anchor *a = forecaster_anchor(w, row);
	double level[NET_MAX_LEVELS];

	for (int t = 0; t < c->targets; t++)
		for (int h = 0; h < c->horizon; h++) {
			double truth = pipeline_encode(&m->f->pipeline, t, a, actual(m->s, t, origin, h));
			forecaster_levels(m->f, w, row, t, h, level);
			for (int l = 0; l < c->levels; l++) {
				size_t line = ((size_t)l * (size_t)c->targets + (size_t)t) * (size_t)c->horizon + (size_t)h;
				c->score[line * (size_t)c->n + (size_t)m->at] =
					(float)((truth - level[l]) / a->volatility[t]);
			}
		}
	m->at++;
}

enum err backtest_calibrate(struct forecaster *f, struct forecast_ws *w, const struct samples *s, struct error *e)
{
	size_t windows = s->validation.windows, n = windows < CALIBRATION_MAX ? windows : CALIBRATION_MAX;
	struct calibration m = { .f = f, .s = s };
	enum err rc = conformal_new(f->net.levels, f->net.targets, forecaster_steps(f), (int)n, &m.c, e);
	if (rc)
		return rc;
	visit_windows(f, w, s, &s->validation, windows - n, add_score, &m);
	conformal_sort(m.c);
	conformal_free(f->conformal);
	f->conformal = m.c;
	return ERR_OK;
}

/* The four ends of the two intervals. */
enum { QUANTILES = 4, INTERVALS = 2 };
static const double quantile_levels[QUANTILES] = { 0.05, 0.1, 0.9, 0.95 };
static const struct { int low, high; } interval[INTERVALS] = { { 1, 2 }, { 0, 3 } };   /* 80 %, 90 % */

enum { MODEL = EVALUATION_BASELINES, FORECASTERS };   /* the baselines, then the model */

/* A walk through the test part. For the verdict all targets count alike: their errors are pooled
 * in units of their one-step changes in training. */
struct walk {
	const struct forecaster *f;
	const struct samples *s;
	enum task task;
	int season, steps;
	int from, to;                          /* the baselines that are walked */
	struct tally *tally[PIPELINE_MAX_TARGETS][FORECASTERS];
	struct tally *pooled[FORECASTERS];
	double unit[PIPELINE_MAX_TARGETS];
	struct forecast job;                   /* of one origin; its buffers are below */
	double *mean, *quantile;               /* [targets][steps], [QUANTILES][targets][steps] */
	double *truth, *pooled_truth;          /* [targets][steps], in own and in pooled units */
	size_t covered[INTERVALS], counted;
};

static void walk_fini(struct walk *k)
{
	for (int i = 0; i < FORECASTERS; i++) {
		for (int t = 0; t < PIPELINE_MAX_TARGETS; t++)
			tally_free(k->tally[t][i]);
		tally_free(k->pooled[i]);
	}
	free(k->mean);
	free(k->quantile);
	free(k->truth);
	free(k->pooled_truth);
}

static size_t numbers(const struct walk *k)
{
	return (size_t)k->f->net.targets * (size_t)k->steps;
}

static bool takes_part(const struct walk *k, int who)
{
	return who == MODEL || (who >= k->from && who < k->to);
}

static enum err new_tallies(struct walk *k, struct error *e)
{
	const struct samples *s = k->s;
	int targets = k->f->net.targets, steps = k->steps;
	enum err rc = ERR_OK;

	for (int t = 0; t < targets; t++) {
		const double *y = samples_series(s, t);
		double step = season_change(y, s->train_rows, 1), season = season_change(y, s->train_rows, k->season);
		k->unit[t] = step > 0 ? step : 1;
		for (int i = 0; i < FORECASTERS && !rc; i++)
			if (takes_part(k, i))
				rc = tally_new(steps, s->test.windows, season, &k->tally[t][i], e);
	}
	for (int i = 0; i < FORECASTERS && !rc; i++)
		if (takes_part(k, i))
			rc = tally_new(targets * steps, s->test.windows, 0, &k->pooled[i], e);
	return rc;
}

static enum err walk_init(struct walk *k, const struct forecaster *f, const struct samples *s, struct error *e)
{
	k->f = f;
	k->s = s;
	k->season = frequency_season(s->frequency);
	k->steps = forecaster_steps(f);
	k->task = net_answers_steps(&f->net) ? TASK_RECONSTRUCT : TASK_FORECAST;
	evaluation_baselines(k->task, &k->from, &k->to);
	size_t n = numbers(k);
	k->mean = calloc(n, sizeof *k->mean);
	k->quantile = calloc(n, QUANTILES * sizeof *k->quantile);
	k->truth = calloc(n, sizeof *k->truth);
	k->pooled_truth = calloc(n, sizeof *k->pooled_truth);
	if (!k->mean || !k->quantile || !k->truth || !k->pooled_truth)
		return fail_nomem(e);
	k->job = (struct forecast){
		.mean = k->mean, .quantiles = QUANTILES, .quantile_level = quantile_levels, .quantile = k->quantile,
	};
	return new_tallies(k, e);
}

/* value [targets][steps] against truth; value is turned into pooled units on the way. */
static void tally_forecast(struct walk *k, int who, double *value)
{
	for (int t = 0; t < k->f->net.targets; t++) {
		double *line = value + (size_t)t * (size_t)k->steps;
		tally_add(k->tally[t][who], line, k->truth + (size_t)t * (size_t)k->steps);
		for (int h = 0; h < k->steps; h++)
			line[h] /= k->unit[t];
	}
	tally_add(k->pooled[who], value, k->pooled_truth);
}

static void load_truth(struct walk *k, size_t origin)
{
	size_t at = 0;
	for (int t = 0; t < k->f->net.targets; t++)
		for (int h = 0; h < k->steps; h++, at++) {
			k->truth[at] = actual(k->s, t, origin, h);
			k->pooled_truth[at] = k->truth[at] / k->unit[t];
		}
}

static void count_coverage(struct walk *k)
{
	size_t n = numbers(k);
	for (size_t at = 0; at < n; at++)
		for (int i = 0; i < INTERVALS; i++) {
			double low = k->quantile[(size_t)interval[i].low * n + at];
			double high = k->quantile[(size_t)interval[i].high * n + at];
			k->covered[i] += k->truth[at] >= low && k->truth[at] <= high;
		}
	k->counted += n;
}

static double baseline_value(const struct walk *k, int b, int target, size_t origin, int h)
{
	if (b == BASELINE_MEAN)
		return k->f->pipeline.target[target].mean;
	return baseline_forecast((enum baseline)b, samples_series(k->s, target), origin + 1, k->season, h + 1);
}

/* Reuses the buffer of the model's forecast, which has been tallied by then. */
static void walk_baseline(struct walk *k, int b, size_t origin)
{
	size_t at = 0;
	for (int t = 0; t < k->f->net.targets; t++)
		for (int h = 0; h < k->steps; h++, at++)
			k->mean[at] = baseline_value(k, b, t, origin, h);
	tally_forecast(k, b, k->mean);
}

static void walk_origin(void *arg, const struct forecast_ws *w, int row, size_t origin)
{
	struct walk *k = arg;
	forecaster_decode(k->f, w, row, &k->job);
	load_truth(k, origin);
	count_coverage(k);
	tally_forecast(k, MODEL, k->mean);
	for (int b = k->from; b < k->to; b++)
		walk_baseline(k, b, origin);
}

/* Means over the targets; step < 0: of all steps. */
static struct scores mean_scores(const struct walk *k, int who, int step)
{
	struct scores sum = { 0 };
	int targets = k->f->net.targets;
	for (int t = 0; t < targets; t++) {
		const struct tally *y = k->tally[t][who];
		struct scores one = step < 0 ? tally_scores(y) : tally_step(y, step);
		sum.mae += one.mae / targets;
		sum.rmse += one.rmse / targets;
		sum.mase += one.mase / targets;
		sum.smape += one.smape / targets;
	}
	return sum;
}

static double mean_shrink(const struct pipeline *p)
{
	double sum = 0;
	for (int t = 0; t < p->targets; t++)
		sum += p->target[t].shrink;
	return sum / p->targets;
}

static enum err evaluate(const struct walk *k, struct evaluation *out, struct error *e)
{
	const struct net_spec *net = &k->f->net;
	size_t steps = (size_t)k->steps;
	struct evaluation v = {
		.task = k->task, .horizon = k->steps, .targets = net->targets, .n_levels = net->levels,
		.origins = k->s->test.windows, .season = k->season, .model = mean_scores(k, MODEL, -1),
		.shrinkage = mean_shrink(&k->f->pipeline),
	};
	v.per_step = calloc(steps, sizeof *v.per_step);
	bool room = v.per_step;
	for (int b = k->from; b < k->to; b++) {
		v.baseline_step[b] = calloc(steps, sizeof *v.baseline_step[b]);
		room = room && v.baseline_step[b];
	}
	if (!room) {
		evaluation_fini(&v);
		return fail_nomem(e);
	}
	for (int h = 0; h < k->steps; h++) {
		v.per_step[h] = mean_scores(k, MODEL, h);
		for (int b = k->from; b < k->to; b++)
			v.baseline_step[b][h] = mean_scores(k, b, h);
	}
	for (int b = k->from; b < k->to; b++) {
		v.baseline[b] = mean_scores(k, b, -1);
		v.skill[b] = v.baseline[b].mae > 0 ? 1 - v.model.mae / v.baseline[b].mae : 0;
	}
	for (int i = 0; i < INTERVALS; i++)
		v.coverage[i] = (double)k->covered[i] / (double)k->counted;
	v.verdict = tally_compare(k->pooled[MODEL], k->pooled[k->from], &v.p_value);
	*out = v;
	return ERR_OK;
}

enum err backtest_run(const struct forecaster *f, struct forecast_ws *w, const struct samples *s,
                      struct evaluation *v, struct error *e)
{
	enum err rc;
	struct walk *k = calloc(1, sizeof *k);
	if (!k)
		return fail_nomem(e);
	rc = walk_init(k, f, s, e);
	if (rc)
		goto done;
	visit_windows(f, w, s, &s->test, 0, walk_origin, k);
	rc = evaluate(k, v, e);
done:
	walk_fini(k);
	free(k);
	return rc;
}

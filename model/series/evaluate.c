/* evaluate.c - running sums a horizon step, and one mean absolute error an origin for the Diebold-Mariano test:
 *
 *     d[i] = loss of the model - loss of the reference at origin i,        n origins
 *     g[l] = 1/n sum (d[i] - mean)(d[i-l] - mean)
 *     S    = g[0] + 2 sum_{l=1}^{horizon-1} (1 - l / horizon) g[l]         Bartlett's weights
 *     z    = mean / sqrt(S / n),  p = P(|N(0,1)| >= |z|)
 */
#include "model/series/evaluate.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#define SIGNIFICANT         0.05
/* Loss differences below this share of the losses are rounding, not skill. */
#define ROUNDING            1e-12
/* The weighted sum of covariances is not negative but for rounding; it is kept above this share of g[0]. */
#define VARIANCE_FLOOR      1e-9

struct sums { double absolute, square, percent; size_t n; };

struct tally {
	int horizon;
	size_t origins, max_origins;
	double season_change;
	double *loss;            /* [max_origins]; NaN where nothing was known */
	struct sums step[];      /* [horizon] */
};

enum err tally_new(int horizon, size_t max_origins, double season, struct tally **out, struct error *e)
{
	assert(horizon > 0);
	struct tally *t = calloc(1, sizeof *t + (size_t)horizon * sizeof *t->step);
	if (!t)
		return fail_nomem(e);
	t->horizon = horizon;
	t->max_origins = max_origins;
	t->season_change = season;
	t->loss = calloc(max_origins ? max_origins : 1, sizeof *t->loss);
	if (!t->loss) {
		tally_free(t);
		return fail_nomem(e);
	}
	*out = t;
	return ERR_OK;
}

void tally_free(struct tally *t)
{
	if (!t)
		return;
	free(t->loss);
	free(t);
}

static double percent_error(double error, double forecast, double actual)
{
	double size = fabs(forecast) + fabs(actual);
	return size > 0 ? 200 * error / size : 0;
}

void tally_add(struct tally *t, const double *forecast, const double *actual)
{
	assert(t->origins < t->max_origins);
	double sum = 0, known = 0;
	for (int h = 0; h < t->horizon; h++) {
		if (isnan(actual[h]))
			continue;
		double error = fabs(forecast[h] - actual[h]);
		t->step[h].absolute += error;
		t->step[h].square += error * error;
		t->step[h].percent += percent_error(error, forecast[h], actual[h]);
		t->step[h].n++;
		sum += error;
		known++;
	}
	t->loss[t->origins++] = known > 0 ? sum / known : NAN;
}

/* NaN where nothing was known, which is what 0 / 0 gives. */
static struct scores scores_of(const struct tally *t, const struct sums *s)
{
	double n = (double)s->n, mae = s->absolute / n;
	return (struct scores){
		.mae = mae,
		.rmse = sqrt(s->square / n),
		.mase = t->season_change > 0 ? mae / t->season_change : NAN,
		.smape = s->percent / n,
	};
}

struct scores tally_scores(const struct tally *t)
{
	struct sums all = { 0 };
	for (int h = 0; h < t->horizon; h++) {
		all.absolute += t->step[h].absolute;
		all.square += t->step[h].square;
		all.percent += t->step[h].percent;
		all.n += t->step[h].n;
	}
	return scores_of(t, &all);
}

struct scores tally_step(const struct tally *t, int h)
{
	assert(h >= 0 && h < t->horizon);
	return scores_of(t, &t->step[h]);
}

size_t tally_origins(const struct tally *t)
{
	return t->origins;
}

/* The two losses of the origins that both know. */
struct pairs { const double *model, *reference; size_t n; };

static double difference(const struct pairs *p, size_t i)
{
	return p->model[i] - p->reference[i];   /* NaN if either is */
}

/* sum of (d[i] - mean)(d[i-lag] - mean) over the origins where both are known */
static double covariance_sum(const struct pairs *p, size_t lag, double mean)
{
	double sum = 0;
	for (size_t i = lag; i < p->n; i++) {
		double product = (difference(p, i) - mean) * (difference(p, i - lag) - mean);
		sum += isnan(product) ? 0 : product;
	}
	return sum;
}

/* The test's z; 0 where the losses do not differ by more than rounding, or do not vary. */
static double diebold_mariano(const struct pairs *p, int horizon)
{
	double sum = 0, size = 0, n = 0;
	for (size_t i = 0; i < p->n; i++) {
		double d = difference(p, i);
		if (isnan(d))
			continue;
		sum += d;
		size += p->model[i] + p->reference[i];
		n++;
	}
	if (n < TALLY_MIN_ORIGINS)
		return 0;
	double mean = sum / n, rounding = ROUNDING * size / n;
	double own = covariance_sum(p, 0, mean) / n;
	if (!(own > rounding * rounding))
		return 0;
	double variance = own;
	for (int lag = 1; lag < horizon && (size_t)lag < p->n; lag++)
		variance += 2 * (1 - (double)lag / horizon) * covariance_sum(p, (size_t)lag, mean) / n;
	return mean / sqrt(fmax(variance, VARIANCE_FLOOR * own) / n);
}

double tally_statistic(const struct tally *model, const struct tally *reference)
{
	assert(model->horizon == reference->horizon && model->origins == reference->origins);
	const struct pairs pairs = { model->loss, reference->loss, model->origins };
	return diebold_mariano(&pairs, model->horizon);
}

enum verdict tally_compare(const struct tally *model, const struct tally *reference, double *p_value)
{
	double z = tally_statistic(model, reference), p = erfc(fabs(z) / sqrt(2));
	if (p_value)
		*p_value = p;
	if (!(p < SIGNIFICANT))
		return VERDICT_NO_BETTER;
	return z < 0 ? VERDICT_BETTER : VERDICT_WORSE;
}

const char *verdict_name(enum verdict v)
{
	static const char *const names[] = {
		[VERDICT_BETTER] = "better", [VERDICT_NO_BETTER] = "no better", [VERDICT_WORSE] = "worse",
	};
	return names[v];
}

double season_change(const double *y, size_t n, int season)
{
	assert(season > 0);
	if (n <= (size_t)season)
		return 0;
	double sum = 0;
	for (size_t t = (size_t)season; t < n; t++)
		sum += fabs(y[t] - y[t - (size_t)season]);
	return sum / (double)(n - (size_t)season);
}

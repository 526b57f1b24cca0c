/* pipeline.c - names to columns, columns to channels, and the way back.
 *
 * Columns begin with the targets, so target t is column t. Every feature gives one or two channels, in order:
 *
 *     features   close   sma_10   macd_12_26_9      volume
 *     channels   0       1        2 (line) 3 (signal) 4
 *     column     0       0        0                 1
 *
 * Fitting works through one feature at a time over the training rows; pipeline_window() does the same over
 * the context rows of one forecast. Both get the values from feature_compute(). */
#include "model/series/pipeline.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/nearest.h"

#define CLIP             8.0
#define VOLATILITY_FLOOR 1e-6
/* A spread below this share of the values is the rounding of a constant. */
#define ROUNDING         1e-12
/* Terms in a spread; longer series are thinned evenly. */
#define SPREAD_TERMS     5e7
#define WORK_ARRAYS      5   /* of feature_compute and the fit, see struct work */

/* ---- names ---- */

static const char *nearest_number_column(const struct frame *f, const char *name)
{
	const char *known[FRAME_MAX_COLUMNS];
	size_t n = 0;
	for (int j = 0; j < f->columns; j++)
		if (f->column[j].type == COLUMN_NUMBER)
			known[n++] = f->column[j].name;
	return nearest_name(name, known, n);
}

static enum err fail_not_number(const struct column *c, const char *where, struct error *e)
{
	return fail(e, ERR_INVALID, where, "column \"%s\" holds %s, not numbers", c->name,
		c->type == COLUMN_DATE ? "dates" : "text");
}

/* The pipeline's index of the frame's column j, added if it is new. */
static enum err use_column(struct pipeline *p, const struct frame *f, int j, const char *where, int *index,
                           struct error *e)
{
	const struct column *c = &f->column[j];
	if (c->type != COLUMN_NUMBER)
		return fail_not_number(c, where, e);
	for (int k = 0; k < p->columns; k++) {
		if (strcmp(p->column[k], c->name) == 0) {
			*index = k;
			return ERR_OK;
		}
	}
	if (p->columns == PIPELINE_MAX_COLUMNS)
		return fail(e, ERR_INVALID, where, "a model reads at most %d columns", PIPELINE_MAX_COLUMNS);
	memcpy(p->column[p->columns], c->name, sizeof c->name);
	*index = p->columns++;
	return ERR_OK;
}

static enum err add_target(struct pipeline *p, const struct frame *f, const char *name, struct error *e)
{
	char where[32];
	snprintf(where, sizeof where, "/target/%d", p->targets);
	int found = frame_find(f, name), index;
	if (found < 0) {
		const char *near = nearest_number_column(f, name);
		return fail(e, ERR_INVALID, where, "there is no column \"%.80s\"%s%s%s", name, near ? "; did you mean \"" : "",
			near ? near : "", near ? "\"?" : "");
	}
	enum err rc = use_column(p, f, found, where, &index, e);
	if (rc)
		return rc;
	if (index < p->targets)
		return fail(e, ERR_INVALID, where, "column \"%s\" is a target twice", p->column[index]);
	p->target[p->targets++] = (struct target){ .column = index, .scale = 1, .shrink = 1 };
	return ERR_OK;
}

/* A name that is no column: an indicator of the first target. */
static enum err resolve_indicator(const struct frame *f, const char *name, const char *where, struct feature *out,
                                  struct error *e)
{
	struct error detail;
	enum err rc = feature_parse(name, out, &detail);
	if (!rc)
		return ERR_OK;
	const char *near = nearest_number_column(f, name);
	if (near)
		return fail(e, ERR_INVALID, where, "there is no column or indicator \"%.80s\"; did you mean \"%s\"?", name, near);
	return fail(e, rc, where, "%s", detail.what);
}

static bool same_feature(const struct feature *a, const struct feature *b)
{
	return a->kind == b->kind && a->column == b->column && memcmp(a->n, b->n, sizeof a->n) == 0;
}

static enum err add_feature(struct pipeline *p, const struct frame *f, const char *name, struct error *e)
{
	char where[32];
	snprintf(where, sizeof where, "/features/%d", p->features);
	struct feature feature = { .kind = FEATURE_COLUMN };
	int found = frame_find(f, name);
	enum err rc = found >= 0 ? use_column(p, f, found, where, &feature.column, e)
				 : resolve_indicator(f, name, where, &feature, e);
	if (rc)
		return rc;
	for (int k = 0; k < p->features; k++)
		if (same_feature(&p->feature[k], &feature))
			return fail(e, ERR_INVALID, where, "\"%.80s\" is listed twice", name);
	p->feature[p->features++] = feature;
	p->channels += feature_channels(&feature);
	return ERR_OK;
}

static int longest_lookback(const struct pipeline *p)
{
	int longest = 0;
	for (int k = 0; k < p->features; k++) {
		int lookback = feature_lookback(&p->feature[k]);
		longest = lookback > longest ? lookback : longest;
	}
	return longest;
}

static enum err check_sizes(int n_targets, int n_features, int window, int horizon, struct error *e)
{
	if (n_targets < 1 || n_targets > PIPELINE_MAX_TARGETS)
		return fail(e, ERR_INVALID, "/target", "a model has 1 … %d targets, not %d", PIPELINE_MAX_TARGETS, n_targets);
	if (n_features > PIPELINE_MAX_FEATURES)
		return fail(e, ERR_INVALID, "/features", "a model has at most %d features, not %d", PIPELINE_MAX_FEATURES,
			n_features);
	if (window < 1 || window > PIPELINE_MAX_CONTEXT)
		return fail(e, ERR_INVALID, "/window", "the window has 1 … %d rows, not %d", PIPELINE_MAX_CONTEXT, window);
	if (horizon < 1)
		return fail(e, ERR_INVALID, "/horizon", "the horizon has at least one step, not %d", horizon);
	return ERR_OK;
}

enum err pipeline_init(struct pipeline *p, const char *const *targets, int n_targets, const char *const *features,
                       int n_features, int window, int horizon, const struct frame *f, struct error *e)
{
	_Static_assert(PIPELINE_MAX_CHANNELS >= 2 * PIPELINE_MAX_FEATURES, "every feature may have two channels");
	struct pipeline made = { .window = window, .horizon = horizon };
	if (!features || n_features == 0) {
		features = targets;
		n_features = n_targets;
	}
	enum err rc = check_sizes(n_targets, n_features, window, horizon, e);
	for (int i = 0; !rc && i < n_targets; i++)
		rc = add_target(&made, f, targets[i], e);
	for (int i = 0; !rc && i < n_features; i++)
		rc = add_feature(&made, f, features[i], e);
	if (rc)
		return rc;
	if (pipeline_context(&made) > PIPELINE_MAX_CONTEXT)
		return fail(e, ERR_INVALID, "/window", "the window of %d rows and the longest look-back of %d exceed %d rows",
			window, longest_lookback(&made), PIPELINE_MAX_CONTEXT);
	for (int c = 0; c < made.channels; c++)
		made.channel[c] = (struct channel){ .transform = TRANSFORM_NONE, .scale = 1 };
	*p = made;
	return ERR_OK;
}

static enum err check_raw(const char *const *columns, int n_columns, int n_targets, int window, struct error *e)
{
	if (n_columns < 1 || n_columns > PIPELINE_MAX_COLUMNS)
		return fail(e, ERR_INVALID, "columns", "a model reads 1 … %d columns, not %d", PIPELINE_MAX_COLUMNS, n_columns);
	if (n_targets < 1 || n_targets > PIPELINE_MAX_TARGETS || n_targets > n_columns)
		return fail(e, ERR_INVALID, "targets", "a model of %d columns forecasts 1 … %d of them, not %d", n_columns,
			n_columns < PIPELINE_MAX_TARGETS ? n_columns : PIPELINE_MAX_TARGETS, n_targets);
	if (window < 1 || window > PIPELINE_MAX_CONTEXT)
		return fail(e, ERR_INVALID, "window", "the window has 1 … %d rows, not %d", PIPELINE_MAX_CONTEXT, window);
	for (int i = 0; i < n_columns; i++) {
		size_t len = strlen(columns[i]);
		if (len < 1 || len > FRAME_NAME_MAX)
			return fail(e, ERR_INVALID, "columns", "the name of column %d has %zu bytes, expected 1 to %d", i, len,
				FRAME_NAME_MAX);
		for (int k = 0; k < i; k++)
			if (strcmp(columns[i], columns[k]) == 0)
				return fail(e, ERR_INVALID, "columns", "\"%s\" is listed twice", columns[i]);
	}
	return ERR_OK;
}

enum err pipeline_init_raw(struct pipeline *p, const char *const *columns, int n_columns, int n_targets, int window,
                           int horizon, struct error *e)
{
	enum err rc = check_raw(columns, n_columns, n_targets, window, e);
	if (rc)
		return rc;
	*p = (struct pipeline){ .columns = n_columns, .targets = n_targets, .features = n_columns, .channels = n_columns,
		.window = window, .horizon = horizon };
	for (int i = 0; i < n_columns; i++) {
		memcpy(p->column[i], columns[i], strlen(columns[i]) + 1);
		p->minimum[i] = -DBL_MAX;
		p->maximum[i] = DBL_MAX;
		p->feature[i] = (struct feature){ .kind = FEATURE_COLUMN, .column = i };
		p->channel[i] = (struct channel){ .transform = TRANSFORM_NONE, .scale = 1 };
	}
	for (int t = 0; t < n_targets; t++)
		p->target[t] = (struct target){ .column = t, .scale = 1, .shrink = 1, .absolute = true };
	return ERR_OK;
}

int pipeline_context(const struct pipeline *p)
{
	return p->window + longest_lookback(p);
}

/* ---- rows ---- */

/* Fill one column of [n][stride] forward; *first = the first row that has a value (n: none). */
static size_t fill_column(double *x, size_t n, size_t stride, size_t *first)
{
	size_t row = 0, filled = 0;
	while (row < n && isnan(x[row * stride]))
		row++;
	*first = row;
	for (row++; row < n; row++) {
		if (isnan(x[row * stride])) {
			x[row * stride] = x[(row - 1) * stride];
			filled++;
		}
	}
	return filled;
}

long fill_forward(double *rows, size_t n, int columns, int *column, size_t *row)
{
	size_t filled = 0, first;
	for (int j = 0; j < columns; j++) {
		filled += fill_column(rows + j, n, (size_t)columns, &first);
		if (first > 0 && n > 0) {
			*column = j;
			*row = 0;
			return -1;
		}
	}
	return (long)filled;
}

void pipeline_channel_name(const struct pipeline *p, int c, char out[PIPELINE_CHANNEL_NAME])
{
	const struct feature *f = p->feature;
	char indicator[FRAME_NAME_MAX - 8];
	for (; c >= feature_channels(f); f++)
		c -= feature_channels(f);
	feature_format(f, indicator, sizeof indicator);
	if (f->kind == FEATURE_COLUMN)
		memcpy(out, p->column[f->column], sizeof p->column[f->column]);
	else
		snprintf(out, PIPELINE_CHANNEL_NAME, "%s%s", indicator, c ? "_signal" : "");
}

enum err pipeline_rows(const struct pipeline *p, const struct frame *f, double *out, size_t *first, size_t *filled,
                       struct error *e)
{
	size_t usable = 0, replaced = 0, stride = (size_t)p->columns;
	for (int j = 0; j < p->columns; j++) {
		int found = frame_find(f, p->column[j]);
		if (found < 0)
			return fail(e, ERR_INVALID, p->column[j], "the dataset has no column \"%s\"", p->column[j]);
		if (f->column[found].type != COLUMN_NUMBER)
			return fail_not_number(&f->column[found], p->column[j], e);
		for (size_t i = 0; i < f->rows; i++)
			out[i * stride + (size_t)j] = f->column[found].number[i];
		size_t begins;
		replaced += fill_column(out + j, f->rows, stride, &begins);
		if (begins == f->rows)
			return fail(e, ERR_INVALID, p->column[j], "column \"%s\" has no value in any row", p->column[j]);
		usable = begins > usable ? begins : usable;
	}
	*first = usable;
	*filled = replaced;
	return ERR_OK;
}

/* ---- fitting ---- */

struct work {
	size_t n;
	double *column;      /* what the feature reads */
	double *anchor;      /* the target, in logs if it is a log target */
	double *out[2];      /* the feature's channels */
	double *scratch;
};

static enum err work_init(struct work *w, size_t n, struct error *e)
{
	double *block = reallocarray(NULL, n, WORK_ARRAYS * sizeof *block);
	if (!block)
		return fail_nomem(e);
	*w = (struct work){ n, block, block + n, { block + 2 * n, block + 3 * n }, block + 4 * n };
	return ERR_OK;
}

static void work_fini(struct work *w)
{
	free(w->column);   /* where the block begins */
}

static void copy_column(const double *rows, size_t n, int columns, int j, double *out)
{
	for (size_t i = 0; i < n; i++)
		out[i] = rows[i * (size_t)columns + (size_t)j];
}

static void take_logs(double *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = log(x[i]);
}

static double scale_or_one(double spread, double smallest)
{
	return isfinite(spread) && spread > smallest ? spread : 1;
}

/* Root mean square of value[i - lag] - anchor[i] over the lags, and all i for which the value is there. */
static double lagged_spread(const double *value, const double *anchor, size_t n, int from, int to)
{
	double sum = 0, terms = 0;
	size_t stride = 1 + (size_t)((double)n * (to - from + 1) / SPREAD_TERMS);
	for (size_t i = (size_t)from; i < n; i += stride) {
		for (size_t lag = (size_t)from; lag <= (size_t)to && lag <= i; lag++) {
			double change = value[i - lag] - anchor[i];
			if (isnan(change))
				continue;   /* within the look-back */
			sum += change * change;
			terms++;
		}
	}
	return sqrt(sum / terms);
}

/* Root mean square of the values there are. */
static double root_mean_square(const double *x, size_t n)
{
	double sum = 0, terms = 0;
	for (size_t i = 0; i < n; i++) {
		if (isfinite(x[i])) {
			sum += x[i] * x[i];
			terms++;
		}
	}
	return sqrt(sum / terms);
}

/* Mean and deviation (over n) of the values there are. x is used up. */
static struct channel fit_standard(enum transform transform, double *x, size_t n)
{
	double sum = 0, terms = 0;
	for (size_t i = 0; i < n; i++) {
		if (isfinite(x[i])) {
			sum += x[i];
			terms++;
		}
	}
	double mean = terms > 0 ? sum / terms : 0;
	for (size_t i = 0; i < n; i++)
		x[i] -= mean;
	double deviation = root_mean_square(x, n);
	return (struct channel){ transform, 0, mean, scale_or_one(deviation, ROUNDING * fabs(mean)) };
}

/* The least spread of changes of target t that is more than rounding; log changes are relative already. */
static double least_change(const struct pipeline *p, int t)
{
	int j = p->target[t].column;
	return p->target[t].log ? ROUNDING : ROUNDING * fmax(fabs(p->minimum[j]), fabs(p->maximum[j]));
}

static bool all_positive(const struct pipeline *p, int column)
{
	return p->minimum[column] > 0;
}

static void fit_range(struct pipeline *p, const double *rows, size_t n)
{
	for (int j = 0; j < p->columns; j++) {
		p->minimum[j] = INFINITY;
		p->maximum[j] = -INFINITY;
	}
	for (size_t i = 0; i < n; i++) {
		for (int j = 0; j < p->columns; j++) {
			double v = rows[i * (size_t)p->columns + (size_t)j];
			p->minimum[j] = fmin(p->minimum[j], v);
			p->maximum[j] = fmax(p->maximum[j], v);
		}
	}
}

/* The target's column into w->anchor, in the terms in which its changes are taken. */
static void load_anchor(const struct pipeline *p, int t, const double *rows, struct work *w)
{
	copy_column(rows, w->n, p->columns, p->target[t].column, w->anchor);
	if (p->target[t].log)
		take_logs(w->anchor, w->n);
}

static void fit_target(struct pipeline *p, int t, const double *rows, struct work *w)
{
	if (p->target[t].absolute) {
		copy_column(rows, w->n, p->columns, p->target[t].column, w->anchor);
		struct channel c = fit_standard(TRANSFORM_STANDARD, w->anchor, w->n);
		p->target[t].mean = c.mean;
		p->target[t].scale = c.scale;
		return;
	}
	p->target[t].log = all_positive(p, p->target[t].column);
	load_anchor(p, t, rows, w);
	double spread = lagged_spread(w->anchor, w->anchor, w->n, 1, p->horizon);
	p->target[t].scale = scale_or_one(spread, least_change(p, t));
}

/* A channel in the units of target t. */
static struct channel fit_change(const struct pipeline *p, int t, double *x, const double *rows, struct work *w)
{
	load_anchor(p, t, rows, w);
	if (p->target[t].log)
		take_logs(x, w->n);
	double spread = lagged_spread(x, w->anchor, w->n, 0, p->window - 1);
	return (struct channel){ TRANSFORM_CHANGE, t, 0, scale_or_one(spread, least_change(p, t)) };
}

/* A difference of averages of the first target, which is what the feature's column holds. */
static struct channel fit_difference(const struct pipeline *p, double *x, const struct work *w)
{
	bool ratio = p->target[0].log;
	for (size_t i = 0; ratio && i < w->n; i++)
		x[i] /= w->column[i];
	double scale = scale_or_one(root_mean_square(x, w->n), least_change(p, 0));
	return (struct channel){ ratio ? TRANSFORM_RATIO : TRANSFORM_STANDARD, 0, 0, scale };
}

static struct channel fit_column(const struct pipeline *p, int column, double *x, const double *rows, struct work *w)
{
	if (column < p->targets && p->target[column].absolute)
		return fit_standard(TRANSFORM_STANDARD, x, w->n);
	if (column < p->targets)
		return fit_change(p, column, x, rows, w);
	if (!all_positive(p, column))
		return fit_standard(TRANSFORM_STANDARD, x, w->n);
	take_logs(x, w->n);
	return fit_standard(TRANSFORM_LOG_STANDARD, x, w->n);
}

static struct channel fit_channel(const struct pipeline *p, const struct feature *f, double *x, const double *rows,
                                  struct work *w)
{
	switch (f->kind) {
	case FEATURE_COLUMN:
		return fit_column(p, f->column, x, rows, w);
	case FEATURE_SMA:
	case FEATURE_EMA:
		return fit_change(p, 0, x, rows, w);
	case FEATURE_MACD:
		return fit_difference(p, x, w);
	case FEATURE_RSI:
	case FEATURE_LOG_RETURN:
	case FEATURE_LOG_VOLATILITY:
		break;
	}
	return fit_standard(TRANSFORM_STANDARD, x, w->n);
}

enum err pipeline_fit(struct pipeline *p, const double *rows, size_t n, struct error *e)
{
	size_t least = (size_t)pipeline_context(p) + (size_t)p->horizon;
	if (n < least)
		return fail(e, ERR_INVALID, "", "the training part has %zu rows; window, look-back and horizon need %zu", n, least);
	struct work w;
	enum err rc = work_init(&w, n, e);
	if (rc)
		return rc;
	fit_range(p, rows, n);
	for (int t = 0; t < p->targets; t++)
		fit_target(p, t, rows, &w);
	for (int k = 0, c = 0; k < p->features; k++) {
		const struct feature *f = &p->feature[k];
		copy_column(rows, n, p->columns, f->column, w.column);
		feature_compute(f, w.column, n, w.out, w.scratch);
		for (int i = 0; i < feature_channels(f); i++, c++)
			p->channel[c] = fit_channel(p, f, w.out[i], rows, &w);
	}
	work_fini(&w);
	return ERR_OK;
}

/* ---- one forecast ---- */

/* From one value of a target to another; log changes of what has no log count as none. */
static double change_between(const struct target *t, double from, double to)
{
	if (!t->log)
		return to - from;
	return from > 0 && to > 0 ? log(to / from) : 0;
}

static float channel_value(const struct pipeline *p, const struct channel *c, const struct anchor *a, double v)
{
	double last = a->last[c->anchor], x = 0;
	switch (c->transform) {
	case TRANSFORM_CHANGE:
		x = change_between(&p->target[c->anchor], last, v) / c->scale;
		break;
	case TRANSFORM_RATIO:
		x = last > 0 ? v / last / c->scale : 0;
		break;
	case TRANSFORM_STANDARD:
		x = (v - c->mean) / c->scale;
		break;
	case TRANSFORM_LOG_STANDARD:
		x = v > 0 ? (log(v) - c->mean) / c->scale : 0;
		break;
	case TRANSFORM_NONE:
		return (float)v;
	}
	if (x > -CLIP && x < CLIP)   /* almost all */
		return (float)x;
	return isnan(x) ? 0 : x < 0 ? (float)-CLIP : (float)CLIP;
}

/* x: the window's rows of the target's column. A single row moves by the usual measure. */
static double volatility(const struct target *t, const double *x, int window)
{
	double sum = 0;
	for (int i = 1; i < window; i++) {
		double change = change_between(t, x[i - 1], x[i]) / t->scale;
		sum += change * change;
	}
	return window > 1 && !t->absolute ? fmax(sqrt(sum / (window - 1)), VOLATILITY_FLOOR) : 1;
}

void pipeline_share_units(struct pipeline *p)
{
	for (int t = 0; t < p->targets; t++)
		p->target[t].scale = p->channel[t].scale;
}

size_t pipeline_scratch(const struct pipeline *p)
{
	return 4 * (size_t)pipeline_context(p);   /* a column, two channels, feature_compute's own */
}

void pipeline_window(const struct pipeline *p, const double *context, double *scratch, float *x, struct anchor *a)
{
	size_t n = (size_t)pipeline_context(p), start = n - (size_t)p->window;
	double *column = scratch, *out[2] = { scratch + n, scratch + 2 * n };
	for (int t = 0; t < p->targets; t++) {
		copy_column(context, n, p->columns, p->target[t].column, column);
		a->last[t] = column[n - 1];
		a->volatility[t] = volatility(&p->target[t], column + start, p->window);
	}
	for (int k = 0, c = 0; k < p->features; k++) {
		const struct feature *f = &p->feature[k];
		copy_column(context, n, p->columns, f->column, column);
		feature_compute(f, column, n, out, scratch + 3 * n);
		for (int j = 0; j < feature_channels(f); j++, c++)
			for (int i = 0; i < p->window; i++)
				x[i * p->channels + c] = channel_value(p, &p->channel[c], a, out[j][start + (size_t)i]);
	}
}

bool pipeline_is_pointwise(const struct pipeline *p)
{
	for (int t = 0; t < p->targets; t++)
		if (!p->target[t].absolute)
			return false;
	for (int k = 0; k < p->features; k++)
		if (p->feature[k].kind != FEATURE_COLUMN)
			return false;
	for (int c = 0; c < p->channels; c++)
		if (p->channel[c].transform == TRANSFORM_CHANGE || p->channel[c].transform == TRANSFORM_RATIO)
			return false;
	return true;
}

void pipeline_piece(const struct pipeline *p, const double *rows, int n, float *x, struct anchor *a)
{
	assert(pipeline_is_pointwise(p) && n > 0);   /* so a feature is a channel */
	const double *last = rows + (size_t)(n - 1) * (size_t)p->columns;
	for (int t = 0; t < p->targets; t++) {
		a->last[t] = last[p->target[t].column];
		a->volatility[t] = 1;
	}
	for (int i = 0; i < n; i++, rows += p->columns, x += p->channels)
		for (int c = 0; c < p->channels; c++)
			x[c] = channel_value(p, &p->channel[c], a, rows[p->feature[c].column]);
}

double pipeline_encode(const struct pipeline *p, int target, const struct anchor *a, double v)
{
	assert(target >= 0 && target < p->targets);
	const struct target *t = &p->target[target];
	return (t->absolute ? v - t->mean : change_between(t, a->last[target], v)) / t->scale;
}

double pipeline_decode(const struct pipeline *p, int target, const struct anchor *a, double y)
{
	assert(target >= 0 && target < p->targets);
	const struct target *t = &p->target[target];
	if (t->absolute)
		return t->mean + y * t->scale;
	return t->log ? a->last[target] * exp(y * t->scale) : a->last[target] + y * t->scale;
}

/* forecaster.c - from context rows to a forecast with its intervals.
 *
 *     network output  ─► sort levels ─► shrink the median towards the last value, the others move along
 *                     ─► + volatility * conformal shift ─► decode to own units */
#include "model/forecaster.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct forecast_ws {
	int max_rows;
	struct infer_ws *infer;
	struct infer_flights *flights;   /* NULL until they are asked for */
	struct infer_sequence *seq;      /* [max_rows] */
	struct anchor *anchor;           /* [max_rows] */
	float *x, *y;                    /* [max_rows][window][channels], [max_rows][horizon][outputs] */
	double *scratch;
	size_t x_size, y_size, scratch_size;   /* numbers they hold */
};

static bool fits(const struct pipeline *p, const struct net_spec *net, const struct conformal *c)
{
	return net->inputs == p->channels && net->targets == p->targets && net->horizon == p->horizon
		&& (!c || (c->levels == net->levels && c->targets == net->targets && c->horizon == net_steps(net, p->window)));
}

enum err forecaster_new(const struct pipeline *p, const struct net_spec *net, const double *levels,
                        struct frequency frequency, const float *params, const struct infer_options *o,
                        struct conformal *conformal, struct forecaster **out, struct error *e)
{
	enum err rc;
	struct forecaster *f = calloc(1, sizeof *f);
	if (!f) {
		conformal_free(conformal);
		return fail_nomem(e);
	}
	f->conformal = conformal;
	f->pipeline = *p;
	f->net = *net;
	f->frequency = frequency;
	if (!fits(p, net, conformal)) {
		rc = fail(e, ERR_INVALID, "model", "network, pipeline and calibration differ in their sizes");
		goto done;
	}
	rc = infer_model_new(net, params, o, &f->infer, e);   /* checks net, so net->levels is in range after it */
	if (rc)
		goto done;
	if (net->levels > 1)
		memcpy(f->level, levels, (size_t)net->levels * sizeof *levels);
	*out = f;
done:
	if (rc)
		forecaster_free(f);
	return rc;
}

void forecaster_free(struct forecaster *f)
{
	if (!f)
		return;
	infer_model_free(f->infer);
	conformal_free(f->conformal);
	free(f);
}

size_t forecaster_bytes(const struct forecaster *f)
{
	size_t scores = f->conformal ? sizeof *f->conformal + conformal_count(f->conformal) * sizeof(float) : 0;
	return sizeof *f + infer_model_bytes(f->infer) + scores;
}

enum err forecast_ws_new(int max_rows, struct forecast_ws **out, struct error *e)
{
	enum err rc = ERR_OK;
	struct forecast_ws *w = calloc(1, sizeof *w);
	if (!w)
		return fail_nomem(e);
	w->max_rows = max_rows;
	w->seq = calloc((size_t)max_rows, sizeof *w->seq);
	w->anchor = calloc((size_t)max_rows, sizeof *w->anchor);
	if (!w->seq || !w->anchor) {
		rc = fail_nomem(e);
		goto done;
	}
	rc = infer_ws_new(max_rows, &w->infer, e);
	if (rc)
		goto done;
	*out = w;
done:
	if (rc)
		forecast_ws_free(w);
	return rc;
}

void forecast_ws_free(struct forecast_ws *w)
{
	if (!w)
		return;
	infer_ws_free(w->infer);
	infer_flights_free(w->flights);
	free(w->seq);
	free(w->anchor);
	free(w->x);
	free(w->y);
	free(w->scratch);
	free(w);
}

/* A block for at least need items; what it held is lost. NULL, and *have = 0, when memory lacks. */
static void *grow(void *block, size_t *have, size_t need, size_t item)
{
	if (need <= *have)
		return block;
	free(block);
	block = reallocarray(NULL, need, item);
	*have = block ? need : 0;
	return block;
}

static size_t x_stride(const struct forecaster *f)
{
	return (size_t)f->pipeline.window * (size_t)f->pipeline.channels;
}

static size_t y_stride(const struct forecaster *f)
{
	return (size_t)forecaster_steps(f) * (size_t)net_outputs(&f->net);
}

static enum err reserve_buffers(struct forecast_ws *w, const struct forecaster *f, struct error *e)
{
	size_t rows = (size_t)w->max_rows;
	w->x = grow(w->x, &w->x_size, rows * x_stride(f), sizeof *w->x);
	w->y = grow(w->y, &w->y_size, rows * y_stride(f), sizeof *w->y);
	w->scratch = grow(w->scratch, &w->scratch_size, pipeline_scratch(&f->pipeline), sizeof *w->scratch);
	return w->x && w->y && w->scratch ? ERR_OK : fail_nomem(e);
}

enum err forecast_ws_reserve(struct forecast_ws *w, const struct forecaster *f, struct error *e)
{
	enum err rc = reserve_buffers(w, f, e);
	return rc ? rc : infer_ws_reserve(w->infer, f->infer, f->pipeline.window, e);
}

enum err forecast_ws_reserve_flights(struct forecast_ws *w, const struct forecaster *f, struct error *e)
{
	assert(w->max_rows >= INFER_FLIGHTS);
	enum err rc = reserve_buffers(w, f, e);
	if (!rc && !w->flights)
		rc = infer_flights_new(&w->flights, e);
	return rc ? rc : infer_flights_reserve(w->flights, f->infer, f->pipeline.window, e);
}

/* The job's window, or the rows behind its state, into its row of x, its answer to the row's y. */
static void load(const struct forecaster *f, struct forecast_ws *w, const struct forecast *job, int row)
{
	const int steps = forecast_window(f, job);
	const size_t skipped = job->state ? 0 : (size_t)(f->pipeline.window - steps);
	float *x = w->x + (size_t)row * x_stride(f);
	assert(row < w->max_rows && steps <= f->pipeline.window);
	if (job->state)
		pipeline_piece(&f->pipeline, job->context, steps, x, &w->anchor[row]);
	else
		pipeline_window(&f->pipeline, job->context, w->scratch, x, &w->anchor[row]);
	w->seq[row] = (struct infer_sequence){
		.x = x + skipped * (size_t)f->pipeline.channels, .T = steps, .y = w->y + (size_t)row * y_stride(f),
		.attention = job->attention, .start = job->state, .final = job->state,
	};
}

enum err forecaster_carries(const struct forecaster *f, struct error *e)
{
	const struct net_spec *s = &f->net;
	if (s->encoder == ENCODER_TRANSFORMER)
		return fail(e, ERR_INVALID, "", "a Transformer has no state that goes on");
	if (s->bidirectional || s->reverse)
		return fail(e, ERR_INVALID, "", "its encoder reads a window from its end");
	if (s->decoder != DECODER_LAST)
		return fail(e, ERR_INVALID, "", "its decoder reads more of a window than the last state");
	if (s->instance_norm)
		return fail(e, ERR_INVALID, "", "it reads each window by the window's own mean and deviation");
	if (!pipeline_is_pointwise(&f->pipeline))
		return fail(e, ERR_INVALID, "", "it reads a window as changes against its last value, or as indicators");
	return ERR_OK;
}

void forecaster_network(const struct forecaster *f, struct forecast_ws *w, struct forecast *const *jobs, int n)
{
	assert(n <= w->max_rows && (size_t)n * x_stride(f) <= w->x_size && (size_t)n * y_stride(f) <= w->y_size);
	for (int i = 0; i < n; i++)
		load(f, w, jobs[i], i);
	infer_run(f->infer, w->infer, w->seq, n);
}

int forecaster_begin(const struct forecaster *f, struct forecast_ws *w, const struct forecast *job)
{
	const int number = infer_flights_next(w->flights);
	load(f, w, job, number);
	return infer_flight_begin(w->flights, &w->seq[number]);
}

void forecaster_drop(struct forecast_ws *w, int number)
{
	infer_flight_drop(w->flights, number);
}

int forecaster_tick(struct forecast_ws *w, int landed[INFER_FLIGHTS])
{
	return infer_flights_tick(w->flights, landed);
}

const struct anchor *forecaster_anchor(const struct forecast_ws *w, int row)
{
	return &w->anchor[row];
}

static void sort_rising(double *v, int n)
{
	for (int i = 1; i < n; i++) {
		double x = v[i];
		int k = i;
		for (; k && v[k - 1] > x; k--)
			v[k] = v[k - 1];
		v[k] = x;
	}
}

void forecaster_levels(const struct forecaster *f, const struct forecast_ws *w, int row, int target, int h, double *out)
{
	int levels = f->net.levels;
	const float *y = w->y + (size_t)row * y_stride(f) + (size_t)(h * net_outputs(&f->net) + target * levels);
	for (int l = 0; l < levels; l++)
		out[l] = (double)y[l];
	sort_rising(out, levels);
	double back = (1 - f->pipeline.target[target].shrink) * out[f->net.median_level];
	for (int l = 0; l < levels; l++)
		out[l] -= back;
}

static int nearest_level(const struct forecaster *f, double p)
{
	int best = 0;
	for (int l = 1; l < f->net.levels; l++)
		if (fabs(f->level[l] - p) < fabs(f->level[best] - p))
			best = l;
	return best;
}

/* Without calibration nothing is known but the middle. */
static double shift_of(const struct forecaster *f, int level, int target, int h, double p)
{
	if (f->conformal)
		return conformal_shift(f->conformal, level, target, h, p);
	if (p == 0.5)
		return 0;
	return p < 0.5 ? -INFINITY : INFINITY;
}

/* The quantile at p, never on the wrong side of the middle. */
static double quantile(const struct forecaster *f, const struct anchor *a, const double *level, int target, int h, double p)
{
	int l = nearest_level(f, p);
	double shift = shift_of(f, l, target, h, p), middle = level[f->net.median_level];
	if (isinf(shift))
		return shift;
	double y = level[l] + shift * a->volatility[target];
	if (p <= 0.5)
		y = fmin(y, middle);
	if (p >= 0.5)
		y = fmax(y, middle);
	return pipeline_decode(&f->pipeline, target, a, y);
}

/* Levels calibrated one by one may cross: exchange the values until they rise with their levels (Chernozhukov,
 * Fernandez-Val and Galichon 2010: rearranged quantiles are never farther from the true ones). */
static void rearrange(const double *level, double *value, int n, size_t stride)
{
	bool exchanged;
	do {
		exchanged = false;
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n; k++) {
				double *low = &value[(size_t)i * stride], *high = &value[(size_t)k * stride], swap = *low;
				if (!(level[i] < level[k] && *low > *high))
					continue;
				*low = *high;
				*high = swap;
				exchanged = true;
			}
	} while (exchanged);   /* each exchange takes one inversion away */
}

static void decode_step(const struct forecaster *f, const struct forecast_ws *w, int row, int target, int h,
                        struct forecast *job)
{
	const struct anchor *a = &w->anchor[row];
	size_t step = (size_t)target * (size_t)forecaster_steps(f) + (size_t)h;
	size_t stride = (size_t)f->net.targets * (size_t)forecaster_steps(f);
	double level[NET_MAX_LEVELS];

	forecaster_levels(f, w, row, target, h, level);
	for (int l = 0; l < f->net.levels; l++)
		job->finite = job->finite && isfinite(level[l]);
	job->mean[step] = pipeline_decode(&f->pipeline, target, a, level[f->net.median_level]);
	job->finite = job->finite && isfinite(job->mean[step]);
	for (int q = 0; q < job->quantiles; q++)
		job->quantile[(size_t)q * stride + step] = quantile(f, a, level, target, h, job->quantile_level[q]);
	if (job->quantiles)
		rearrange(job->quantile_level, &job->quantile[step], job->quantiles, stride);
}

void forecaster_decode(const struct forecaster *f, const struct forecast_ws *w, int row, struct forecast *job)
{
	job->finite = true;
	for (int t = 0; t < f->net.targets; t++)
		for (int h = 0; h < forecaster_steps(f); h++)
			decode_step(f, w, row, t, h, job);
}

void forecaster_run(const struct forecaster *f, struct forecast_ws *w, struct forecast *const *jobs, int n)
{
	forecaster_network(f, w, jobs, n);
	for (int i = 0; i < n; i++)
		forecaster_decode(f, w, i, jobs[i]);
}

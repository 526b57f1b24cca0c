#include "server/prediction.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/inside.h"

struct prediction *prediction_new(struct request *r)
{
	struct prediction *p = (struct prediction *)inference_new(r, sizeof *p, inference_memory(r));
	if (p)
		p->in.uses = 1u << USE_FORECAST;
	return p;
}

void prediction_warn(struct prediction *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	char *copy = p->warnings < PREDICTION_WARNINGS ? arena_strndup(&p->in.arena, text, len) : NULL;
	if (copy)
		p->warning[p->warnings++] = copy;
}

/* ---- the items ---------------------------------------------------------- */

/* Outputs of one item in the request's arena. */
static bool room_for_outputs(struct prediction *p, struct forecast *f)
{
	const struct forecaster *c = prediction_forecaster(p);
	struct arena *a = &p->in.arena;
	size_t cells = (size_t)c->net.targets * (size_t)c->net.horizon;
	f->mean = arena_calloc(a, cells, sizeof *f->mean);
	f->quantiles = p->forecast.levels;
	f->quantile_level = p->forecast.level;
	f->quantile = arena_calloc(a, cells * (size_t)f->quantiles, sizeof *f->quantile);
	f->attention = p->forecast.return_attention
		? arena_calloc(a, (size_t)c->net.horizon * (size_t)c->pipeline.window, sizeof *f->attention) : NULL;
	return f->mean && f->quantile && (f->attention || !p->forecast.return_attention);
}

enum err prediction_room(struct prediction *p, int n, struct error *e)
{
	p->in.batch.item = arena_calloc(&p->in.arena, (size_t)n, sizeof *p->in.batch.item);
	p->in.batch.n = n;
	for (int i = 0; p->in.batch.item && i < n; i++) {
		if (!room_for_outputs(p, &p->in.batch.item[i].forecast))
			return fail_nomem(e);
	}
	return p->in.batch.item ? ERR_OK : fail_nomem(e);
}

enum err prediction_fill(struct prediction *p, double *rows, size_t n, const char *where, struct error *e)
{
	const struct pipeline *l = &prediction_forecaster(p)->pipeline;
	int column;
	size_t row;
	long filled = fill_forward(rows, n, l->columns, &column, &row);
	if (filled < 0)
		return fail(e, ERR_INVALID, where, "the value of %s at step %zu is missing and none comes before it",
		            l->column[column], row);
	if (filled)
		prediction_warn(p, "%ld missing values were filled with the value before", filled);
	return ERR_OK;
}

/* Not so the targets' values: they are learnt as changes, at any level. */
void prediction_watch(struct prediction *p, const double *rows, size_t n)
{
	const struct pipeline *l = &prediction_forecaster(p)->pipeline;
	size_t columns = (size_t)l->columns, outside = 0;
	size_t first = (size_t)l->targets, values = n * (columns - first);   /* targets are the first columns */
	for (size_t t = 0; t < n; t++)
		for (size_t c = first; c < columns; c++) {
			double v = rows[t * columns + c];
			outside += v < l->minimum[c] || v > l->maximum[c];
		}
	p->in.m->metrics.inputs += values;
	p->in.m->metrics.out_of_range += outside;
	if (outside)
		prediction_warn(p, "%zu of %zu input values lie outside the range seen in training", outside, values);
}

enum err prediction_context(struct prediction *p, int item, double *rows, size_t n, const char *where, struct error *e)
{
	const struct pipeline *l = &prediction_forecaster(p)->pipeline;
	size_t context = (size_t)pipeline_context(l);
	if (n < context)
		return fail(e, ERR_INVALID, where, "%s needs at least %zu steps (window and look-back of its features), got %zu",
		            p->in.m->name, context, n);
	enum err rc = prediction_fill(p, rows, n, where, e);
	if (rc)
		return rc;
	p->in.batch.item[item].forecast.context = rows + (n - context) * (size_t)l->columns;
	prediction_watch(p, p->in.batch.item[item].forecast.context, context);
	return ERR_OK;
}

/* ---- the answer of /v1/forecast ------------------------------------------ */

static int steps_of(const struct prediction *p)
{
	return p->forecast.prediction_length ? p->forecast.prediction_length : prediction_forecaster(p)->net.horizon;
}

enum err prediction_begin(struct prediction *p, struct error *e)
{
	struct forecast_body *b = &p->forecast;
	const struct net_spec *net = &prediction_forecaster(p)->net;
	b->return_attention |= b->inside & INSPECT_ATTENTION && net_attends(net);
	if (b->prediction_length > net->horizon)
		return fail(e, ERR_INVALID, "/parameters/prediction_length", "%s forecasts at most %d steps, not %d", p->in.m->name,
		            net->horizon, b->prediction_length);
	if (b->return_attention && !net_attends(net))
		return fail(e, ERR_INVALID, "/parameters/return_attention", "%s has no attention: its decoder is %s", p->in.m->name,
		            decoder_names[net->decoder]);
	p->timestamp = arena_calloc(&p->in.arena, (size_t)b->inputs, sizeof *p->timestamp);
	return p->timestamp ? prediction_room(p, b->inputs, e) : fail_nomem(e);
}

const int64_t *prediction_dates(struct prediction *p, int64_t last)
{
	struct frequency q = prediction_forecaster(p)->frequency;
	int steps = steps_of(p);
	int64_t *dates = q.unit == FREQ_NONE ? NULL : arena_calloc(&p->in.arena, (size_t)steps, sizeof *dates);
	for (int h = 0; dates && h < steps; h++)
		dates[h] = frequency_advance(q, last, h + 1);
	return dates;
}

/* All but a decoder's attention. */
enum err prediction_look(struct prediction *p, struct store *s, struct error *e)
{
	const struct net_spec *net = &prediction_forecaster(p)->net;
	unsigned what = p->forecast.inside;
	if (net_attends(net) && net->encoder != ENCODER_TRANSFORMER)
		what &= ~(unsigned)INSPECT_ATTENTION;
	if (!what || !p->in.batch.n)
		return ERR_OK;
	p->inside = arena_calloc(&p->in.arena, (size_t)p->in.batch.n, sizeof *p->inside);
	if (!p->inside)
		return fail_nomem(e);
	return inside_look(s, p->in.m, what, p->in.batch.item, p->in.batch.n, p->inside, e);
}

void prediction_fini(struct prediction *p)
{
	for (int i = 0; p->inside && i < p->in.batch.n; i++)
		strbuf_fini(&p->inside[i]);
}

static struct forecast_output output_of(const struct prediction *p, int i, int target)
{
	const struct forecast_body *b = &p->forecast;
	const struct forecaster *f = prediction_forecaster(p);
	const struct forecast *c = &p->in.batch.item[i].forecast;
	size_t horizon = (size_t)f->net.horizon, at = (size_t)target * horizon;
	return (struct forecast_output){
		.target = f->pipeline.column[f->pipeline.target[target].column],
		.steps = steps_of(p),
		.timestamp = p->timestamp[i],
		.mean = c->mean + at,
		.level = b->level, .levels = b->levels,
		.quantile = c->quantile + at, .quantile_stride = (size_t)f->net.targets * horizon,
		.attention = c->attention, .window = f->pipeline.window,
		.inside = p->inside ? &p->inside[i] : NULL,
	};
}

void prediction_render(struct prediction *p)
{
	const struct forecaster *f = prediction_forecaster(p);
	const struct model *m = p->in.m;
	struct strbuf *body = &p->in.request->reply.body;
	int targets = f->net.targets, n = p->in.batch.n * targets;
	struct forecast_output *out = arena_calloc(&p->in.arena, (size_t)n, sizeof *out);
	if (!out) {
		body->failed = true;
		return;
	}
	bool infinite = false;
	for (int k = 0; k < n; k++) {
		out[k] = output_of(p, k / targets, k % targets);
		for (int q = 0; q < out[k].levels; q++)
			infinite |= !isfinite(out[k].quantile[(size_t)q * out[k].quantile_stride]);
	}
	if (infinite)
		prediction_warn(p, f->conformal ? "the calibration is too small for some quantile levels; they are null"
		                                : "the model has no calibration, so quantile levels other than 0.5 are null");
	forecast_render(m->name, m->version, out, n, &m->skill, p->warning, p->warnings, body);
}

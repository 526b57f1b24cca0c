/* routes_predict.c - forecasts in three dialects, from body to reply.
 *
 * The dialects differ in how they are parsed and rendered; in between a forecast is a forecast. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/forecast_body.h"
#include "api/infer_body.h"
#include "server/handlers.h"
#include "server/inference.h"
#include "server/inside.h"
#include "server/series_input.h"
#include "server/version.h"

#define WARNINGS_MAX 8

struct prediction {
	struct inference in;               /* first */
	/* what was asked */
	struct forecast_body forecast;
	struct tensor_body tensor;
	/* on the way */
	const int64_t **timestamp;         /* /v1/forecast: [inputs] of [steps], NULL where no date is known */
	const char *warning[WARNINGS_MAX];
	int warnings;
	struct strbuf *inside;             /* [inputs] of "return", else NULL */
};

static const struct forecaster *forecaster_of(const struct prediction *p)
{
	return p->in.m->trained.forecaster;
}

/* ---- the items ---------------------------------------------------------- */

static void warn(struct prediction *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct prediction *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	char *copy = p->warnings < WARNINGS_MAX ? arena_strndup(&p->in.arena, text, len) : NULL;
	if (copy)
		p->warning[p->warnings++] = copy;
}

/* Values that no training row had are worth a word. Not so the targets': they are learnt as changes, at any level. */
static void watch_range(struct prediction *p, const double *context)
{
	const struct pipeline *l = &forecaster_of(p)->pipeline;
	size_t steps = (size_t)pipeline_context(l), columns = (size_t)l->columns, outside = 0;
	size_t first = (size_t)l->targets, n = steps * (columns - first);   /* targets are the first columns */
	for (size_t t = 0; t < steps; t++)
		for (size_t c = first; c < columns; c++) {
			double v = context[t * columns + c];
			outside += v < l->minimum[c] || v > l->maximum[c];
		}
	p->in.m->metrics.inputs += n;
	p->in.m->metrics.out_of_range += outside;
	if (outside)
		warn(p, "%zu of %zu input values lie outside the range seen in training", outside, n);
}

/* Outputs of one item in the request's arena. */
static bool room_for_outputs(struct prediction *p, struct forecast *f)
{
	const struct forecaster *c = forecaster_of(p);
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

static enum err room_for_items(struct prediction *p, int n, struct error *e)
{
	p->in.batch.item = arena_calloc(&p->in.arena, (size_t)n, sizeof *p->in.batch.item);
	p->in.batch.n = n;
	for (int i = 0; p->in.batch.item && i < n; i++) {
		if (!room_for_outputs(p, &p->in.batch.item[i].forecast))
			return fail_nomem(e);
	}
	return p->in.batch.item ? ERR_OK : fail_nomem(e);
}

/* rows [n][columns], the newest last: fill what is missing and take the end that the model looks at. */
static enum err set_context(struct prediction *p, int item, double *rows, size_t n, const char *where, struct error *e)
{
	const struct pipeline *l = &forecaster_of(p)->pipeline;
	size_t context = (size_t)pipeline_context(l);
	int column;
	size_t row;
	if (n < context)
		return fail(e, ERR_INVALID, where, "%s needs at least %zu steps (window and look-back of its features), got %zu",
		            p->in.m->name, context, n);
	long filled = fill_forward(rows, n, l->columns, &column, &row);
	if (filled < 0)
		return fail(e, ERR_INVALID, where, "the value of %s at step %zu is missing and none comes before it",
		            l->column[column], row);
	if (filled)
		warn(p, "%ld missing values were filled with the value before", filled);
	p->in.batch.item[item].forecast.context = rows + (n - context) * (size_t)l->columns;
	watch_range(p, p->in.batch.item[item].forecast.context);
	return ERR_OK;
}

static struct prediction *prediction_new(struct request *r)
{
	struct prediction *p = (struct prediction *)inference_new(r, sizeof *p, inference_memory(r));
	if (p)
		p->in.uses = 1u << USE_FORECAST;
	return p;
}

/* ---- POST /v1/forecast -------------------------------------------------- */

/* The dates of the forecast steps. */
static const int64_t *dates_after(struct prediction *p, int64_t last, int steps)
{
	struct frequency q = forecaster_of(p)->frequency;
	int64_t *dates = q.unit == FREQ_NONE ? NULL : arena_calloc(&p->in.arena, (size_t)steps, sizeof *dates);
	for (int h = 0; dates && h < steps; h++)
		dates[h] = frequency_advance(q, last, h + 1);
	return dates;
}

static enum err input_rows(struct prediction *p, struct store *s, const struct series_input *in, const char *where,
                           struct series_rows *out, struct error *e)
{
	if (!in->dataset)
		return series_from_columns(p->in.m, in, &p->in.arena, where, out, e);
	size_t most = 2 * (size_t)pipeline_context(&forecaster_of(p)->pipeline);   /* its end, and rows to fill gaps from */
	enum err rc = series_from_dataset(p->in.m, s, in->dataset, most, &p->in.arena, where, out, e);
	if (!rc && out->filled)
		warn(p, "%zu missing values of %s were filled with the value before", out->filled, in->dataset);
	return rc;
}

static enum err prepare_input(struct prediction *p, struct store *s, int i, int steps, struct error *e)
{
	const struct series_input *in = &p->forecast.input[i];
	struct series_rows rows = { 0 };
	char where[64];
	snprintf(where, sizeof where, "/inputs/%d%s", i, in->dataset ? "/dataset" : "/columns");
	enum err rc = input_rows(p, s, in, where, &rows, e);
	if (!rc)
		rc = set_context(p, i, rows.value, rows.n, where, e);
	if (rc)
		return rc;
	int64_t last = in->start;
	if (rows.date)
		last = rows.date[rows.n - 1];
	else if (rows.n > 1)
		last = frequency_advance(forecaster_of(p)->frequency, in->start, (int)rows.n - 1);
	p->timestamp[i] = rows.date || in->has_start ? dates_after(p, last, steps) : NULL;
	return ERR_OK;
}

static void release_inside(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	for (int i = 0; p->inside && i < p->forecast.inputs; i++)
		strbuf_fini(&p->inside[i]);
}

/* What the kernels do not keep: all but a decoder's attention. */
static enum err look_inside(struct prediction *p, struct store *s, struct error *e)
{
	const struct net_spec *net = &forecaster_of(p)->net;
	unsigned what = p->forecast.inside;
	if (net_attends(net) && net->encoder != ENCODER_TRANSFORMER)
		what &= ~(unsigned)INSPECT_ATTENTION;
	if (!what)
		return ERR_OK;
	p->inside = arena_calloc(&p->in.arena, (size_t)p->forecast.inputs, sizeof *p->inside);
	if (!p->inside)
		return fail_nomem(e);
	return inside_look(s, p->in.m, what, p->in.batch.item, p->forecast.inputs, p->inside, e);
}

static enum err prepare_forecast(struct inference *in, struct store *s, struct error *e)
{
	struct prediction *p = (struct prediction *)in;
	struct forecast_body *b = &p->forecast;
	const struct net_spec *net = &forecaster_of(p)->net;
	b->return_attention |= b->inside & INSPECT_ATTENTION && net_attends(net);
	if (b->prediction_length > net->horizon)
		return fail(e, ERR_INVALID, "/parameters/prediction_length", "%s forecasts at most %d steps, not %d", p->in.m->name,
		            net->horizon, b->prediction_length);
	if (b->return_attention && !net_attends(net))
		return fail(e, ERR_INVALID, "/parameters/return_attention", "%s has no attention: its decoder is %s", p->in.m->name,
		            decoder_names[net->decoder]);
	int steps = b->prediction_length ? b->prediction_length : net->horizon;
	enum err rc = room_for_items(p, b->inputs, e);
	p->timestamp = arena_calloc(&p->in.arena, (size_t)b->inputs, sizeof *p->timestamp);
	if (!rc && !p->timestamp)
		rc = fail_nomem(e);
	for (int i = 0; !rc && i < b->inputs; i++)
		rc = prepare_input(p, s, i, steps, e);
	return rc ? rc : look_inside(p, s, e);
}

static void render_forecast(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	const struct forecast_body *b = &p->forecast;
	const struct forecaster *f = forecaster_of(p);
	const struct net_spec *net = &f->net;
	int n = b->inputs * net->targets;
	struct forecast_output *out = arena_calloc(&p->in.arena, (size_t)n, sizeof *out);
	if (!out) {
		p->in.request->reply.body.failed = true;
		return;
	}
	bool infinite = false;
	for (int k = 0; k < n; k++) {
		int i = k / net->targets, target = k % net->targets;
		const struct forecast *c = &p->in.batch.item[i].forecast;
		size_t at = (size_t)target * (size_t)net->horizon;
		out[k] = (struct forecast_output){
			.target = f->pipeline.column[f->pipeline.target[target].column],
			.steps = b->prediction_length ? b->prediction_length : net->horizon,
			.timestamp = p->timestamp[i],
			.mean = c->mean + at,
			.level = b->level, .levels = b->levels,
			.quantile = c->quantile + at, .quantile_stride = (size_t)net->targets * (size_t)net->horizon,
			.attention = c->attention, .window = f->pipeline.window,
			.inside = p->inside ? &p->inside[i] : NULL,
		};
		for (int q = 0; q < b->levels; q++)
			infinite |= !isfinite(out[k].quantile[(size_t)q * out[k].quantile_stride]);
	}
	if (infinite)
		warn(p, f->conformal ? "the calibration is too small for some quantile levels; they are null"
		                     : "the model has no calibration, so quantile levels other than 0.5 are null");
	forecast_render(p->in.m->name, p->in.m->version, out, n, &p->in.m->skill, p->warning, p->warnings, &p->in.request->reply.body);
}

HANDLER(post_forecast)
{
	struct prediction *p = prediction_new(r);
	if (!p)
		return fail_nomem(e);
	enum err rc = forecast_body_parse(r->body.s, r->body.len, &p->in.arena, &p->forecast, e);
	if (rc) {
		inference_free(&p->in);
		return rc;
	}
	p->in.model = p->forecast.model;
	p->in.version = p->forecast.version;
	p->in.timeout_ms = p->forecast.timeout_ms;
	p->in.batch.class = p->forecast.bulk ? CLASS_BULK : CLASS_INTERACTIVE;
	p->in.prepare = prepare_forecast;
	p->in.render = render_forecast;
	p->in.fini = release_inside;
	p->in.reads_store = p->forecast.inside != 0;
	for (int i = 0; i < p->forecast.inputs; i++)
		p->in.reads_store |= p->forecast.input[i].dataset != NULL;
	inference_go(&p->in);
	return ERR_OK;
}

/* ---- tensors: TensorFlow Serving and Open Inference --------------------- */

static enum err prepare_tensor(struct inference *in, struct store *s, struct error *e)
{
	struct prediction *p = (struct prediction *)in;
	const struct tensor_body *b = &p->tensor;
	const struct pipeline *l = &forecaster_of(p)->pipeline;
	const char *where = b->dialect == DIALECT_INSTANCES ? "/instances" : "/inputs";
	if (b->columns != (size_t)l->columns)
		return fail(e, ERR_INVALID, where, "%s reads %d columns, the tensor has %zu", p->in.m->name, l->columns, b->columns);
	size_t each = b->steps * b->columns;
	double *rows = arena_alloc(&p->in.arena, b->rows * each * sizeof *rows);
	enum err rc = rows ? room_for_items(p, (int)b->rows, e) : fail_nomem(e);
	if (!rc)
		memcpy(rows, b->value, b->rows * each * sizeof *rows);
	for (size_t i = 0; !rc && i < b->rows; i++)
		rc = set_context(p, (int)i, rows + i * each, b->steps, where, e);
	return rc;
}

static void render_infer(struct prediction *p, const double *value, size_t n, struct strbuf *out)
{
	const struct net_spec *net = &forecaster_of(p)->net;
	struct reply *reply = &p->in.request->reply;
	reply->json_len = infer_render(p->in.m->name, p->in.m->version, &p->tensor, value, n, (size_t)net->horizon,
	                               (size_t)net->targets, out);
	if (reply->json_len)
		reply->content_type = "application/octet-stream";
}

static void render_tensor(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	const struct net_spec *net = &forecaster_of(p)->net;
	size_t H = (size_t)net->horizon, D = (size_t)net->targets, n = p->tensor.rows;
	struct strbuf *out = &p->in.request->reply.body;
	double *value = arena_alloc(&p->in.arena, n * H * D * sizeof *value);
	if (!value) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++)   /* [target][step] of an item to [step][target] */
		for (size_t h = 0; h < H; h++)
			for (size_t d = 0; d < D; d++)
				value[(i * H + h) * D + d] = p->in.batch.item[i].forecast.mean[d * H + h];
	if (p->tensor.dialect == DIALECT_V2)
		render_infer(p, value, n, out);
	else
		predict_render(p->tensor.dialect, value, n, H, D, out);
}

typedef enum err (*tensor_parser)(const struct request *r, struct arena *a, struct tensor_body *out, struct error *e);

static enum err parse_predict(const struct request *r, struct arena *a, struct tensor_body *out, struct error *e)
{
	return predict_body_parse(r->body.s, r->body.len, a, out, e);
}

static enum err parse_infer(const struct request *r, struct arena *a, struct tensor_body *out, struct error *e)
{
	const char *text = r->header[HEADER_INFERENCE_LENGTH];
	size_t json_len = r->body.len;
	if (text) {
		char *end;
		errno = 0;
		json_len = strtoul(text, &end, 10);
		if (!isdigit((unsigned char)*text) || *end || errno)
			return fail(e, ERR_SYNTAX, "Inference-Header-Content-Length", "\"%.32s\" is not a whole number", text);
	}
	return infer_body_parse(r->body.s, r->body.len, json_len, a, out, e);
}

static enum err post_tensor(struct request *r, tensor_parser parse, const char *version, const char *label, struct error *e)
{
	struct prediction *p = prediction_new(r);
	if (!p)
		return fail_nomem(e);
	enum err rc = parse(r, &p->in.arena, &p->tensor, e);
	if (!rc && version)
		rc = version_number(version, &p->in.version, e);
	if (rc) {
		inference_free(&p->in);
		return rc;
	}
	p->in.model = r->param[0];
	p->in.label = label;
	p->in.in_path = true;
	p->in.timeout_ms = p->tensor.timeout_ms;
	p->in.batch.class = p->tensor.bulk ? CLASS_BULK : CLASS_INTERACTIVE;
	p->in.prepare = prepare_tensor;
	p->in.render = render_tensor;
	inference_go(&p->in);
	return ERR_OK;
}

HANDLER(post_predict)
{
	return post_tensor(r, parse_predict, NULL, NULL, e);
}

HANDLER(post_predict_version)
{
	return post_tensor(r, parse_predict, r->param[1], NULL, e);
}

HANDLER(post_predict_label)
{
	return post_tensor(r, parse_predict, NULL, r->param[1], e);
}

HANDLER(post_infer)
{
	return post_tensor(r, parse_infer, NULL, NULL, e);
}

HANDLER(post_infer_version)
{
	return post_tensor(r, parse_infer, r->param[1], NULL, e);
}

/* routes_predict.c - one prediction, from body to reply.
 *
 *   HTTP thread      parse ─► model loaded and no dataset named? ─┬─ yes ─────────────────► prepare ─► batcher_submit
 *   reader lane                                                   └─ no ─► load, read rows ─► prepare ─► batcher_submit
 *   compute thread   forecaster_run ─► computed(): check, render, request_finish
 *
 * The three dialects differ in how they are parsed and rendered; in between a prediction is a prediction. All its
 * memory is the request's arena. */
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/forecast_body.h"
#include "server/app.h"
#include "server/batcher.h"
#include "server/handlers.h"
#include "server/lane.h"
#include "server/monotonic.h"
#include "server/registry.h"
#include "storage/dataset.h"

#define WARNINGS_MAX 8

struct prediction {
	struct batch batch;                /* first: the batcher gives it back */
	struct lane_task task;
	struct request *request;
	enum err (*prepare)(struct prediction *p, struct store *s, struct error *e);
	void (*render)(struct prediction *p);
	/* what was asked */
	const char *model, *label;
	int version;
	int64_t timeout_ms;
	struct forecast_body forecast;
	struct tensor_body tensor;
	/* on the way */
	struct model *m;
	const int64_t **timestamp;         /* /v1/forecast: [inputs] of [steps], NULL where no date is known */
	const char *warning[WARNINGS_MAX];
	int warnings;
	int64_t parse_ns;
};

static struct prediction *of_task(struct lane_task *t)
{
	return (struct prediction *)((char *)t - offsetof(struct prediction, task));
}

/* ---- the end ------------------------------------------------------------ */

static enum outcome outcome_of(enum err rc)
{
	switch (rc) {
	case ERR_OK: return OUTCOME_OK;
	case ERR_BUSY: case ERR_STOPPING: case ERR_QUOTA: return OUTCOME_REJECTED;
	case ERR_TIMEOUT: return OUTCOME_TIMEOUT;
	case ERR_CANCELLED: return OUTCOME_CANCELLED;
	default: return err_row(rc)->status < 500 ? OUTCOME_INVALID : OUTCOME_ERROR;
	}
}

/* Every prediction that was begun ends here, on whatever thread. */
static void finish(struct prediction *p, enum err rc, const struct error *e)
{
	if (p->m)
		p->m->metrics.requests[outcome_of(rc)]++;
	model_unref(p->m);
	request_finish(p->request, rc, e);
}

static double phase(struct prediction *p, enum phase which, int64_t from_ns, int64_t to_ns)
{
	double seconds = (double)(to_ns - from_ns) / 1e9;
	histogram_add(&p->m->metrics.duration[which], metric_seconds, seconds);
	return seconds * 1e3;
}

/* On a compute thread. */
static void computed(struct batch *b, enum err rc, const struct error *e)
{
	struct prediction *p = (struct prediction *)b;
	struct error own;
	for (int i = 0; !rc && i < b->n; i++) {
		if (b->item[i].forecast.finite)
			continue;
		p->m->metrics.nonfinite_outputs++;
		rc = fail(&own, ERR_INTERNAL, "", "the model's output is not finite for these inputs");
		e = &own;
	}
	if (!rc) {
		double parse = phase(p, PHASE_PARSE, p->request->started_ns, p->parse_ns);
		double queue = phase(p, PHASE_QUEUE, b->queued_ns, b->started_ns);
		double compute = phase(p, PHASE_COMPUTE, b->started_ns, b->finished_ns);
		p->render(p);
		double render = phase(p, PHASE_RENDER, b->finished_ns, monotonic_ns());
		snprintf(p->request->reply.timing, sizeof p->request->reply.timing,
		         "parse;dur=%.3f, queue;dur=%.3f, compute;dur=%.3f, render;dur=%.3f", parse, queue, compute, render);
	}
	finish(p, rc, e);
}

static bool abandoned(const struct batch *b)
{
	return request_abandoned(((const struct prediction *)b)->request);
}

/* ---- the way to the batcher --------------------------------------------- */

static void warn(struct prediction *p, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void warn(struct prediction *p, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	char *copy = p->warnings < WARNINGS_MAX ? arena_strndup(&p->request->arena, text, len) : NULL;
	if (copy)
		p->warning[p->warnings++] = copy;
}

/* Values that no training row had are worth a word. Not so the targets': they are learnt as changes, at any level. */
static void watch_range(struct prediction *p, const double *context)
{
	const struct pipeline *l = &p->m->forecaster->pipeline;
	size_t steps = (size_t)pipeline_context(l), columns = (size_t)l->columns, outside = 0;
	size_t first = (size_t)l->targets, n = steps * (columns - first);   /* targets are the first columns */
	for (size_t t = 0; t < steps; t++)
		for (size_t c = first; c < columns; c++) {
			double v = context[t * columns + c];
			outside += v < l->minimum[c] || v > l->maximum[c];
		}
	p->m->metrics.inputs += n;
	p->m->metrics.out_of_range += outside;
	if (outside)
		warn(p, "%zu of %zu input values lie outside the range seen in training", outside, n);
}

/* Outputs of one item in the request's arena. */
static bool room_for_outputs(struct prediction *p, struct forecast *f)
{
	const struct forecaster *c = p->m->forecaster;
	struct arena *a = &p->request->arena;
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
	p->batch.item = arena_calloc(&p->request->arena, (size_t)n, sizeof *p->batch.item);
	p->batch.n = n;
	for (int i = 0; p->batch.item && i < n; i++) {
		if (!room_for_outputs(p, &p->batch.item[i].forecast))
			return fail_nomem(e);
	}
	return p->batch.item ? ERR_OK : fail_nomem(e);
}

/* rows [n][columns], the newest last: fill what is missing and take the end that the model looks at. */
static enum err set_context(struct prediction *p, int item, double *rows, size_t n, const char *where, struct error *e)
{
	const struct pipeline *l = &p->m->forecaster->pipeline;
	size_t context = (size_t)pipeline_context(l);
	int column;
	size_t row;
	if (n < context)
		return fail(e, ERR_INVALID, where, "%s needs at least %zu steps (window and look-back of its features), got %zu",
		            p->m->name, context, n);
	long filled = fill_forward(rows, n, l->columns, &column, &row);
	if (filled < 0)
		return fail(e, ERR_INVALID, where, "the value of %s at step %zu is missing and none comes before it",
		            l->column[column], row);
	if (filled)
		warn(p, "%ld missing values were filled with the value before", filled);
	p->batch.item[item].forecast.context = rows + (n - context) * (size_t)l->columns;
	watch_range(p, p->batch.item[item].forecast.context);
	return ERR_OK;
}

static void submit(struct prediction *p)
{
	struct error e;
	const struct options *o = p->request->app->options;
	int64_t ms = p->timeout_ms && p->timeout_ms < o->deadline_ms ? p->timeout_ms : o->deadline_ms;
	p->batch.model = p->m;
	p->batch.deadline_ns = p->request->started_ns + ms * 1000000;
	p->batch.abandoned = abandoned;
	p->batch.done = computed;
	enum err rc = batcher_submit(p->request->app->batcher, &p->batch, &p->request->reply.retry_after, &e);
	if (rc)
		finish(p, rc, &e);
}

static enum err from_store(struct lane_task *t, struct store *s, struct error *e)
{
	struct prediction *p = of_task(t);
	enum err rc = ERR_OK;
	if (!p->m)
		rc = registry_load(p->request->app->registry, s, p->model, p->version, p->label, &p->m, e);
	return rc ? rc : p->prepare(p, s, e);
}

static void from_store_done(struct lane_task *t, enum err rc, const struct error *e)
{
	struct prediction *p = of_task(t);
	if (rc)
		finish(p, rc, e);
	else
		submit(p);
}

/* The body is parsed. From here on the prediction ends in finish(). */
static void go(struct prediction *p, bool needs_store)
{
	struct error e;
	p->parse_ns = monotonic_ns();
	if (!p->label)
		p->m = registry_get(p->request->app->registry, p->model, p->version);
	if (!p->m || needs_store) {
		p->task.run = from_store;
		p->task.done = from_store_done;
		lane_post(p->request->app->reader, &p->task);
		return;
	}
	enum err rc = p->prepare(p, NULL, &e);
	if (rc)
		finish(p, rc, &e);
	else
		submit(p);
}

static struct prediction *prediction_new(struct request *r)
{
	struct prediction *p = arena_calloc(&r->arena, 1, sizeof *p);
	if (p)
		p->request = r;
	return p;
}

/* ---- POST /v1/forecast -------------------------------------------------- */

/* The columns of a request in the model's order, as rows. */
static enum err gather_columns(struct prediction *p, const struct forecast_input *in, int i, double **rows, size_t *n,
                               struct error *e)
{
	const struct pipeline *l = &p->m->forecaster->pipeline;
	char where[128];
	const struct forecast_column *found[PIPELINE_MAX_COLUMNS];
	for (int c = 0; c < l->columns; c++) {
		found[c] = NULL;
		for (int k = 0; k < in->columns; k++)
			if (!strcmp(in->column[k].name, l->column[c]))
				found[c] = &in->column[k];
		snprintf(where, sizeof where, "/inputs/%d/columns", i);
		if (!found[c])
			return fail(e, ERR_INVALID, where, "the column %s is missing; %s reads it", l->column[c], p->m->name);
		snprintf(where, sizeof where, "/inputs/%d/columns/%s", i, l->column[c]);
		if (found[c]->n != found[0]->n)
			return fail(e, ERR_INVALID, where, "%s has %zu values, %s has %zu", l->column[c], found[c]->n,
			            l->column[0], found[0]->n);
	}
	for (int k = 0; k < in->columns; k++) {
		bool used = false;
		for (int c = 0; c < l->columns; c++)
			used |= found[c] == &in->column[k];
		snprintf(where, sizeof where, "/inputs/%d/columns/%s", i, in->column[k].name);
		if (!used)
			return fail(e, ERR_INVALID, where, "%s does not read a column %s", p->m->name, in->column[k].name);
	}
	*n = found[0]->n;
	*rows = arena_calloc(&p->request->arena, *n * (size_t)l->columns, sizeof **rows);
	if (!*rows)
		return fail_nomem(e);
	for (size_t t = 0; t < *n; t++)
		for (int c = 0; c < l->columns; c++)
			(*rows)[t * (size_t)l->columns + (size_t)c] = found[c]->value[t];
	return ERR_OK;
}

/* The end of a stored dataset: enough rows to fill gaps from. */
static enum err gather_dataset(struct prediction *p, struct store *s, const char *name, const char *where,
                               double **rows, size_t *n, int64_t *last_date, bool *dated, struct error *e)
{
	const struct pipeline *l = &p->m->forecaster->pipeline;
	struct dataset_info d = { 0 };
	struct frame *f = NULL;
	size_t want = 2 * (size_t)pipeline_context(l), first, filled;
	enum err rc = dataset_get(s, name, 0, &d, e);
	if (!rc)
		rc = dataset_rows(s, d.id, d.rows > want ? d.rows - want : 0, want, &f, e);
	if (rc)
		goto done;
	*rows = arena_calloc(&p->request->arena, (f->rows + 1) * (size_t)l->columns, sizeof **rows);
	if (!*rows) {
		rc = fail_nomem(e);
		goto done;
	}
	rc = pipeline_rows(l, f, *rows, &first, &filled, e);
	if (rc) {
		snprintf(e->where, sizeof e->where, "%s", where);
		goto done;
	}
	*rows += first * (size_t)l->columns;
	*n = f->rows - first;
	*dated = f->date_column >= 0 && f->rows > 0;
	if (*dated)
		*last_date = f->column[f->date_column].date[f->rows - 1];
	if (filled)
		warn(p, "%zu missing values of %s were filled with the value before", filled, name);
done:
	frame_free(f);
	dataset_info_fini(&d);
	return rc;
}

/* The dates of the forecast steps. */
static const int64_t *dates_after(struct prediction *p, int64_t last, int steps)
{
	struct frequency q = p->m->forecaster->frequency;
	int64_t *dates = q.unit == FREQ_NONE ? NULL : arena_calloc(&p->request->arena, (size_t)steps, sizeof *dates);
	for (int h = 0; dates && h < steps; h++)
		dates[h] = frequency_advance(q, last, h + 1);
	return dates;
}

static enum err prepare_input(struct prediction *p, struct store *s, int i, int steps, struct error *e)
{
	const struct forecast_input *in = &p->forecast.input[i];
	double *rows = NULL;
	size_t n = 0;
	int64_t last = in->start;
	bool dated = in->has_start;
	char where[64];
	snprintf(where, sizeof where, "/inputs/%d%s", i, in->dataset ? "/dataset" : "/columns");
	enum err rc = in->dataset ? gather_dataset(p, s, in->dataset, where, &rows, &n, &last, &dated, e)
	                          : gather_columns(p, in, i, &rows, &n, e);
	if (!rc)
		rc = set_context(p, i, rows, n, where, e);
	if (rc)
		return rc;
	if (in->has_start && !in->dataset && n > 1)
		last = frequency_advance(p->m->forecaster->frequency, in->start, (int)n - 1);
	p->timestamp[i] = dated ? dates_after(p, last, steps) : NULL;
	return ERR_OK;
}

static enum err prepare_forecast(struct prediction *p, struct store *s, struct error *e)
{
	const struct forecast_body *b = &p->forecast;
	const struct net_spec *net = &p->m->forecaster->net;
	if (b->prediction_length > net->horizon)
		return fail(e, ERR_INVALID, "/parameters/prediction_length", "%s forecasts at most %d steps, not %d", p->m->name,
		            net->horizon, b->prediction_length);
	if (b->return_attention && net->decoder != DECODER_ATTENTION)
		return fail(e, ERR_INVALID, "/parameters/return_attention", "%s has no attention: its decoder is %s", p->m->name,
		            decoder_names[net->decoder]);
	int steps = b->prediction_length ? b->prediction_length : net->horizon;
	enum err rc = room_for_items(p, b->inputs, e);
	p->timestamp = arena_calloc(&p->request->arena, (size_t)b->inputs, sizeof *p->timestamp);
	if (!rc && !p->timestamp)
		rc = fail_nomem(e);
	for (int i = 0; !rc && i < b->inputs; i++)
		rc = prepare_input(p, s, i, steps, e);
	return rc;
}

static void render_forecast(struct prediction *p)
{
	const struct forecast_body *b = &p->forecast;
	const struct forecaster *f = p->m->forecaster;
	const struct net_spec *net = &f->net;
	int n = b->inputs * net->targets;
	struct forecast_output *out = arena_calloc(&p->request->arena, (size_t)n, sizeof *out);
	if (!out) {
		p->request->reply.body.failed = true;
		return;
	}
	bool infinite = false;
	for (int k = 0; k < n; k++) {
		int i = k / net->targets, target = k % net->targets;
		const struct forecast *c = &p->batch.item[i].forecast;
		size_t at = (size_t)target * (size_t)net->horizon;
		out[k] = (struct forecast_output){
			.target = f->pipeline.column[f->pipeline.target[target].column],
			.steps = b->prediction_length ? b->prediction_length : net->horizon,
			.timestamp = p->timestamp[i],
			.mean = c->mean + at,
			.level = b->level, .levels = b->levels,
			.quantile = c->quantile + at, .quantile_stride = (size_t)net->targets * (size_t)net->horizon,
			.attention = c->attention, .window = f->pipeline.window,
		};
		for (int q = 0; q < b->levels; q++)
			infinite |= !isfinite(out[k].quantile[(size_t)q * out[k].quantile_stride]);
	}
	if (infinite)
		warn(p, f->conformal ? "the calibration is too small for some quantile levels; they are null"
		                     : "the model has no calibration, so quantile levels other than 0.5 are null");
	forecast_render(p->m->name, p->m->version, out, n, &p->m->skill, p->warning, p->warnings, &p->request->reply.body);
}

HANDLER(post_forecast)
{
	struct prediction *p = prediction_new(r);
	if (!p)
		return fail_nomem(e);
	enum err rc = forecast_body_parse(r->body.s, r->body.len, &r->arena, &p->forecast, e);
	if (rc)
		return rc;
	p->model = p->forecast.model;
	p->version = p->forecast.version;
	p->timeout_ms = p->forecast.timeout_ms;
	p->prepare = prepare_forecast;
	p->render = render_forecast;
	bool datasets = false;
	for (int i = 0; i < p->forecast.inputs; i++)
		datasets |= p->forecast.input[i].dataset != NULL;
	go(p, datasets);
	return ERR_OK;
}

/* ---- tensors: TensorFlow Serving and Open Inference --------------------- */

static enum err prepare_tensor(struct prediction *p, struct store *s, struct error *e)
{
	const struct tensor_body *b = &p->tensor;
	const struct pipeline *l = &p->m->forecaster->pipeline;
	const char *where = b->dialect == DIALECT_INSTANCES ? "/instances" : "/inputs";
	if (b->columns != (size_t)l->columns)
		return fail(e, ERR_INVALID, where, "%s reads %d columns, the tensor has %zu", p->m->name, l->columns, b->columns);
	size_t each = b->steps * b->columns;
	double *rows = arena_alloc(&p->request->arena, b->rows * each * sizeof *rows);
	enum err rc = rows ? room_for_items(p, (int)b->rows, e) : fail_nomem(e);
	if (!rc)
		memcpy(rows, b->value, b->rows * each * sizeof *rows);
	for (size_t i = 0; !rc && i < b->rows; i++)
		rc = set_context(p, (int)i, rows + i * each, b->steps, where, e);
	return rc;
}

static void render_tensor(struct prediction *p)
{
	const struct net_spec *net = &p->m->forecaster->net;
	size_t H = (size_t)net->horizon, D = (size_t)net->targets, n = p->tensor.rows;
	struct strbuf *out = &p->request->reply.body;
	double *value = arena_alloc(&p->request->arena, n * H * D * sizeof *value);
	if (!value) {
		out->failed = true;
		return;
	}
	for (size_t i = 0; i < n; i++)   /* [target][step] of an item to [step][target] */
		for (size_t h = 0; h < H; h++)
			for (size_t d = 0; d < D; d++)
				value[(i * H + h) * D + d] = p->batch.item[i].forecast.mean[d * H + h];
	if (p->tensor.dialect == DIALECT_V2)
		infer_render(p->m->name, p->m->version, p->tensor.id, value, n, H, D, out);
	else
		predict_render(p->tensor.dialect, value, n, H, D, out);
}

typedef enum err (*tensor_parser)(const char *s, size_t len, struct arena *a, struct tensor_body *out, struct error *e);

static enum err post_tensor(struct request *r, tensor_parser parse, const char *version, const char *label, struct error *e)
{
	struct prediction *p = prediction_new(r);
	if (!p)
		return fail_nomem(e);
	enum err rc = parse(r->body.s, r->body.len, &r->arena, &p->tensor, e);
	if (rc)
		return rc;
	if (version) {
		char *end;
		long v = strtol(version, &end, 10);
		if (*end || v < 1 || v > INT32_MAX)
			return fail(e, ERR_NOT_FOUND, "version", "\"%s\" is not a version; versions are numbers from 1", version);
		p->version = (int)v;
	}
	p->model = r->param[0];
	p->label = label;
	p->timeout_ms = p->tensor.timeout_ms;
	p->prepare = prepare_tensor;
	p->render = render_tensor;
	go(p, false);
	return ERR_OK;
}

HANDLER(post_predict)
{
	return post_tensor(r, predict_body_parse, NULL, NULL, e);
}

HANDLER(post_predict_version)
{
	return post_tensor(r, predict_body_parse, r->param[1], NULL, e);
}

HANDLER(post_predict_label)
{
	return post_tensor(r, predict_body_parse, NULL, r->param[1], e);
}

HANDLER(post_infer)
{
	return post_tensor(r, infer_body_parse, NULL, NULL, e);
}

HANDLER(post_infer_version)
{
	return post_tensor(r, infer_body_parse, r->param[1], NULL, e);
}

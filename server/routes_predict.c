/* routes_predict.c - forecasts in three dialects, from body to reply.
 *
 * The dialects differ in how they are parsed and rendered; in between a forecast is a forecast: prediction.h. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/infer_body.h"
#include "server/app.h"
#include "server/handlers.h"
#include "server/monotonic.h"
#include "server/series_input.h"
#include "server/session_step.h"
#include "server/version.h"

/* ---- POST /v1/forecast -------------------------------------------------- */

static enum err input_rows(struct prediction *p, struct store *s, const struct series_input *in, const char *where,
                           struct series_rows *out, struct error *e)
{
	if (!in->dataset)
		return series_from_columns(p->in.m, in, &p->in.arena, where, out, e);
	size_t context = (size_t)pipeline_context(&prediction_forecaster(p)->pipeline);
	size_t most = 2 * context;   /* its end, and rows to fill gaps from */
	enum err rc = series_from_dataset(p->in.m, s, in->dataset, most, &p->in.arena, where, out, e);
	if (!rc && out->filled)
		prediction_warn(p, "%zu missing values of %s were filled with the value before", out->filled, in->dataset);
	return rc;
}

static enum err prepare_input(struct prediction *p, struct store *s, int i, struct error *e)
{
	const struct series_input *in = &p->forecast.input[i];
	struct series_rows rows = { 0 };
	char where[64];
	snprintf(where, sizeof where, "/inputs/%d%s", i, in->dataset ? "/dataset" : "/columns");
	enum err rc = input_rows(p, s, in, where, &rows, e);
	if (!rc)
		rc = prediction_context(p, i, rows.value, rows.n, where, e);
	if (rc)
		return rc;
	int64_t last = in->start;
	if (rows.date)
		last = rows.date[rows.n - 1];
	else if (rows.n > 1)
		last = frequency_advance(prediction_forecaster(p)->frequency, in->start, (int)rows.n - 1);
	p->timestamp[i] = rows.date || in->has_start ? prediction_dates(p, last) : NULL;
	return ERR_OK;
}

static enum err prepare_forecast(struct inference *in, struct store *s, struct error *e)
{
	struct prediction *p = (struct prediction *)in;
	enum err rc = prediction_begin(p, e);
	for (int i = 0; !rc && i < p->forecast.inputs; i++)
		rc = prepare_input(p, s, i, e);
	return rc ? rc : prediction_look(p, s, e);
}

static void render_forecast(struct inference *in)
{
	prediction_render((struct prediction *)in);
}

static void release_inside(struct inference *in)
{
	prediction_fini((struct prediction *)in);
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

static enum err check_columns(const struct prediction *p, const char *where, struct error *e)
{
	int columns = prediction_forecaster(p)->pipeline.columns;
	if (p->tensor.columns != (size_t)columns)
		return fail(e, ERR_INVALID, where, "%s reads %d columns, the tensor has %zu", p->in.m->name, columns,
		            p->tensor.columns);
	return ERR_OK;
}

static enum err prepare_tensor(struct inference *in, struct store *s, struct error *e)
{
	struct prediction *p = (struct prediction *)in;
	const struct tensor_body *b = &p->tensor;
	const char *where = b->dialect == DIALECT_INSTANCES ? "/instances" : "/inputs";
	enum err rc = check_columns(p, where, e);
	if (rc)
		return rc;
	size_t each = b->steps * b->columns;
	double *rows = arena_alloc(&p->in.arena, b->rows * each * sizeof *rows);
	rc = rows ? prediction_room(p, (int)b->rows, e) : fail_nomem(e);
	if (!rc)
		memcpy(rows, b->value, b->rows * each * sizeof *rows);
	for (size_t i = 0; !rc && i < b->rows; i++)
		rc = prediction_context(p, (int)i, rows + i * each, b->steps, where, e);
	return rc;
}

static void render_infer(struct prediction *p, const double *value, size_t n, size_t steps, struct strbuf *out)
{
	struct reply *reply = &p->in.request->reply;
	reply->json_len = infer_render(p->in.m->name, p->in.m->version, &p->tensor, value, n, steps,
	                               (size_t)prediction_forecaster(p)->net.targets, out);
	if (reply->json_len)
		reply->content_type = "application/octet-stream";
}

static void render_tensor(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	const struct net_spec *net = &prediction_forecaster(p)->net;
	size_t H = p->in.batch.n ? (size_t)net->horizon : 0;   /* a sequence may be too short yet */
	size_t D = (size_t)net->targets, n = p->tensor.rows;
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
		render_infer(p, value, n, H, out);
	else
		predict_render(p->tensor.dialect, value, n, H, D, out);
}

/* ---- a piece of a v2 sequence -------------------------------------------- */

/* The key of a session says whose it is, of what model, and the client's own number; no "/" is in the first two. */
static const char *sequence_key(const struct prediction *p, struct arena *a)
{
	char key[SESSION_KEY_MAX];
	int n = snprintf(key, sizeof key, "%s/%s/%s", p->in.request->key, p->in.model, p->tensor.sequence);
	return arena_strndup(a, key, (size_t)n);
}

static enum err prepare_sequence(struct inference *in, struct store *s, struct error *e)
{
	struct prediction *p = (struct prediction *)in;
	const struct tensor_body *b = &p->tensor;
	enum err rc = check_columns(p, "/inputs", e);
	if (!rc && b->rows != 1)
		rc = fail(e, ERR_INVALID, "/inputs/0/shape", "a sequence is one row of the batch, not %zu", b->rows);
	if (!rc && b->sequence_start)
		rc = session_step_begin(p, p->step.key, e);
	if (!rc)
		rc = prediction_room(p, 1, e);
	return rc ? rc : session_step_rows(p, b->value, b->steps, "/inputs", e);
}

static void render_sequence(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	const struct session *session = p->step.session;
	render_tensor(in);
	session_step_commit(p, session->sequence + 1, false);
	if (p->step.committed && p->tensor.sequence_end)
		sessions_delete(in->request->app->sessions, session->key, session->owner, monotonic_ns(), NULL);
}

/* The request is a piece of a sequence: of one that is there, or the first of one that prepare() begins. */
static enum err join_sequence(struct prediction *p, struct error *e)
{
	int version = p->in.version;
	p->step.key = sequence_key(p, &p->in.arena);
	p->in.prepare = prepare_sequence;
	p->in.next = session_step_next;
	p->in.render = render_sequence;
	p->in.fini = session_step_fini;
	if (!p->step.key)
		return fail_nomem(e);
	enum err rc = p->tensor.sequence_start ? ERR_OK : session_step_claim(p, p->step.key, e);
	if (!rc && version && version != p->in.version)
		return fail(e, ERR_CONFLICT, "version", "the sequence was begun with version %d", p->in.version);
	return rc;
}

/* ---- from the body to the batcher ------------------------------------------ */

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
	p->in.model = r->param[0];
	p->in.label = label;
	p->in.in_path = true;
	p->in.timeout_ms = p->tensor.timeout_ms;
	p->in.batch.class = p->tensor.bulk ? CLASS_BULK : CLASS_INTERACTIVE;
	p->in.prepare = prepare_tensor;
	p->in.render = render_tensor;
	if (!rc && p->tensor.sequence)
		rc = join_sequence(p, e);
	if (rc) {
		inference_free(&p->in);
		return rc;
	}
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

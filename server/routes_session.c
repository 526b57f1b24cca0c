/* routes_session.c - /v1/sessions: a series that is forecast row by row as it comes.
 *
 *   POST sessions ─► id ─► POST steps 1, 2, 3 … ─► DELETE, or it expires, or makes room for others
 *                              the same number again: the same answer again; a gap: 409 */
#include <stdio.h>
#include <string.h>

#include "server/app.h"
#include "server/handlers.h"
#include "server/monotonic.h"
#include "server/series_input.h"
#include "server/session_step.h"

/* ---- the session itself --------------------------------------------------- */

static enum err describe(struct request *r, const char *id, const struct model *m, struct error *e)
{
	const struct pipeline *l = &m->trained.forecaster->pipeline;
	struct session_look s;
	enum err rc = sessions_look(r->app->sessions, id, r->key, monotonic_ns(), &s, e);
	if (rc)
		return rc;
	int needed = s.carries ? s.seen == 0 : pipeline_context(l) - s.rows;
	session_render(&(struct session_view){ .id = id, .model = s.model, .version = s.version,
		.keep = s.carries ? KEEP_STATE : KEEP_ROWS, .pipeline = l, .sequence = s.sequence, .rows = s.seen,
		.rows_needed = needed, .created_us = s.created_us, .expires_us = store_now_us() + s.left_ns / 1000 }, &r->reply.body);
	return ERR_OK;
}

static enum err create(struct request *r, const struct model *m, enum session_keep keep, struct error *e)
{
	struct session_plan plan;
	struct session *made;
	char id[SESSION_KEY_MAX];
	if (model_use(m) != USE_FORECAST)
		return fail(e, ERR_INVALID, "/model", "%s does not forecast series; only a model that does has sessions", m->name);
	enum err rc = session_plan_for(m, keep, &plan, e);
	if (rc)
		return rc;
	plan.owner = r->key;
	rc = sessions_create(r->app->sessions, &plan, monotonic_ns(), &made, e);
	if (rc)
		return rc;
	memcpy(id, made->key, sizeof id);
	sessions_release(r->app->sessions, made, monotonic_ns());
	r->reply.status = 201;
	snprintf(r->reply.location, sizeof r->reply.location, "/v1/sessions/%.64s", id);
	return describe(r, id, m, e);
}

HANDLER(post_session)
{
	struct session_body b;
	struct model *m = NULL;
	enum err rc = session_body_parse(r->body.s, r->body.len, &r->arena, &b, e);
	if (!rc)
		rc = registry_load(r->app->registry, s, b.model, b.version, NULL, &m, e);
	if (!rc)
		rc = create(r, m, b.keep, e);
	model_unref(m);
	return rc;
}

HANDLER(get_session)
{
	struct session_look look;
	struct model *m = NULL;
	enum err rc = sessions_look(r->app->sessions, r->param[0], r->key, monotonic_ns(), &look, e);
	if (!rc)
		rc = registry_load(r->app->registry, s, look.model, look.version, NULL, &m, e);
	if (!rc)
		rc = describe(r, r->param[0], m, e);
	model_unref(m);
	return rc;
}

HANDLER(delete_session)
{
	r->reply.status = 204;
	return sessions_delete(r->app->sessions, r->param[0], r->key, monotonic_ns(), e);
}

/* ---- a step --------------------------------------------------------------- */

static enum err prepare_step(struct inference *in, struct store *s, struct error *e)
{
	struct prediction *p = (struct prediction *)in;
	const struct series_input *input = &p->forecast.input[0];
	struct series_rows rows;
	int64_t last;
	enum err rc = prediction_begin(p, e);
	if (!rc)
		rc = series_from_columns(in->m, input, &in->arena, "/columns", &rows, e);
	if (!rc)
		rc = session_step_rows(p, rows.value, rows.n, "/columns", e);
	if (rc)
		return rc;
	if (session_step_date(p, input, &last))
		p->timestamp[0] = prediction_dates(p, last);
	return prediction_look(p, s, e);
}

static void render_step(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	prediction_render(p);
	session_step_commit(p, p->step.sequence, true);
}

/* Claim the session for the step that comes next. That which came last is answered as it was then: *again. */
static enum err claim(struct prediction *p, const char *id, bool *again, struct error *e)
{
	enum err rc = session_step_claim(p, id, e);
	if (rc)
		return rc;
	const struct session *s = p->step.session;
	*again = p->step.sequence == s->sequence;
	if (*again)
		strbuf_add(&p->in.request->reply.body, s->answer, s->answer_len);
	else if (p->step.sequence != s->sequence + 1)
		return fail(e, ERR_CONFLICT, "/sequence", "the next step is %lld, this one is %lld", (long long)s->sequence + 1,
		            (long long)p->step.sequence);
	return ERR_OK;
}

HANDLER(post_step)
{
	bool again = false;
	struct prediction *p = prediction_new(r);
	if (!p)
		return fail_nomem(e);
	p->in.fini = session_step_fini;
	enum err rc = step_body_parse(r->body.s, r->body.len, &p->in.arena, &p->forecast, &p->step.sequence, e);
	if (!rc)
		rc = claim(p, r->param[0], &again, e);
	if (rc || again)
		inference_free(&p->in);
	if (!rc && again)
		request_finish(r, ERR_OK, NULL);
	if (rc || again)
		return rc;
	p->in.timeout_ms = p->forecast.timeout_ms;
	p->in.batch.class = p->forecast.bulk ? CLASS_BULK : CLASS_INTERACTIVE;
	p->in.reads_store = p->forecast.inside != 0;
	p->in.prepare = prepare_step;
	p->in.next = session_step_next;
	p->in.render = render_step;
	inference_go(&p->in);
	return ERR_OK;
}

#include "server/session_step.h"

#include <limits.h>
#include <string.h>

#include "server/app.h"
#include "server/monotonic.h"

static struct sessions *sessions_of(const struct prediction *p)
{
	return p->in.request->app->sessions;
}

enum err session_plan_for(const struct model *m, enum session_keep keep, struct session_plan *out, struct error *e)
{
	const struct forecaster *f = m->trained.forecaster;
	struct error why;
	bool carries = keep != KEEP_ROWS && !forecaster_carries(f, &why);
	if (keep == KEEP_STATE && !carries)
		return fail(e, ERR_INVALID, "/keep", "%s cannot keep a state, only rows: %s", m->name, why.what);
	*out = (struct session_plan){ .model = m->name, .version = m->version, .columns = f->pipeline.columns,
		.rows = carries ? 1 : pipeline_context(&f->pipeline), .state = carries ? (size_t)net_state_size(&f->net) : 0 };
	return ERR_OK;
}

enum err session_step_claim(struct prediction *p, const char *key, struct error *e)
{
	enum err rc = sessions_claim(sessions_of(p), key, p->in.request->key, monotonic_ns(), &p->step.session, e);
	if (rc)
		return rc;
	p->in.model = p->step.session->model;
	p->in.version = p->step.session->version;
	return ERR_OK;
}

enum err session_step_begin(struct prediction *p, const char *key, struct error *e)
{
	struct session_plan plan;
	enum err rc = session_plan_for(p->in.m, KEEP_DEFAULT, &plan, e);
	if (rc)
		return rc;
	plan.key = key;
	plan.owner = p->in.request->key;
	rc = sessions_create(sessions_of(p), &plan, monotonic_ns(), &p->step.session, e);
	p->step.begun = !rc;
	return rc;
}

/* ---- rows ----------------------------------------------------------------- */

/* What is remembered and what was sent, one behind the other and without gaps. */
static enum err join(struct prediction *p, const double *rows, size_t n, const char *where, double **out,
                     struct error *e)
{
	const struct session_memory *m = &p->step.session->memory;
	size_t columns = (size_t)p->step.session->columns, kept = (size_t)m->rows;
	double *all = arena_calloc(&p->in.arena, kept + n, columns * sizeof *all);
	if (!all)
		return fail_nomem(e);
	memcpy(all, m->row, kept * columns * sizeof *all);
	memcpy(all + kept * columns, rows, n * columns * sizeof *all);
	*out = all;
	return prediction_fill(p, all, kept + n, where, e);
}

/* A window, or nothing yet. */
static void set_window(struct prediction *p)
{
	const struct session_memory *next = &p->step.next;
	int lacking = p->step.session->rows_most - next->rows;
	if (lacking) {
		p->in.batch.n = 0;
		prediction_warn(p, "%d more rows are needed before the first forecast", lacking);
		return;
	}
	p->in.batch.item[0].forecast.context = next->row;
	prediction_watch(p, next->row, (size_t)next->rows);
}

/* The item reads the next `left` rows at `rows`, as many as a window has. */
static void set_piece(struct prediction *p, const double *rows)
{
	struct session_step *step = &p->step;
	struct forecast *f = &p->in.batch.item[0].forecast;
	int window = prediction_forecaster(p)->pipeline.window;
	f->context = rows;
	f->window = step->left < window ? step->left : window;
	step->left -= f->window;
	p->in.batch.later = (step->left + window - 1) / window;
}

static enum err set_state(struct prediction *p, const double *rows, int n, struct error *e)
{
	const struct session *s = p->step.session;
	float *state = arena_calloc(&p->in.arena, s->state_size, sizeof *state);
	if (!state)
		return fail_nomem(e);
	if (p->forecast.inside)
		return fail(e, ERR_INVALID, "/parameters/return", "a session that keeps a state has no window to look into; "
		            "begin it with \"keep\": \"rows\"");
	memcpy(state, s->memory.state, s->state_size * sizeof *state);
	p->step.next.state = p->in.batch.item[0].forecast.state = state;
	p->step.left = n;
	set_piece(p, rows);
	prediction_watch(p, rows, (size_t)n);
	return ERR_OK;
}

enum err session_step_rows(struct prediction *p, const double *rows, size_t n, const char *where, struct error *e)
{
	const struct session *s = p->step.session;
	struct session_memory *next = &p->step.next;
	size_t columns = (size_t)s->columns, all = (size_t)s->memory.rows + n, most = (size_t)s->rows_most;
	double *joined = NULL;
	enum err rc = join(p, rows, n, where, &joined, e);
	if (rc)
		return rc;
	*next = s->memory;
	next->rows = (int)(all < most ? all : most);
	next->row = joined + (all - (size_t)next->rows) * columns;
	next->seen += n;
	if (s->state_size)
		return set_state(p, joined + (size_t)s->memory.rows * columns, (int)n, e);
	set_window(p);
	return ERR_OK;
}

bool session_step_next(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	const struct forecast *f = &in->batch.item[0].forecast;
	if (!p->step.left)
		return false;
	set_piece(p, f->context + (size_t)f->window * (size_t)p->step.session->columns);
	return true;
}

/* Counted from the date that was given: steps of months added one by one may end elsewhere than added at once. */
bool session_step_date(struct prediction *p, const struct series_input *in, int64_t *last)
{
	struct session_memory *next = &p->step.next;
	if (in->has_start) {
		next->dated = true;
		next->date = in->start;
		next->dated_row = p->step.session->memory.seen;
	}
	uint64_t steps = next->seen - 1 - next->dated_row;
	if (!next->dated || steps > INT_MAX)
		return false;
	*last = steps ? frequency_advance(prediction_forecaster(p)->frequency, next->date, (int)steps) : next->date;
	return true;
}

/* ---- the end -------------------------------------------------------------- */

void session_step_commit(struct prediction *p, int64_t sequence, bool keep_answer)
{
	struct strbuf *body = &p->in.request->reply.body;
	if (!strbuf_ok(body))
		return;
	enum err rc = sessions_commit(sessions_of(p), p->step.session, &p->step.next, sequence, keep_answer ? body->s : NULL,
	                              body->len, NULL);
	body->failed |= rc != ERR_OK;
	p->step.committed = !rc;
}

void session_step_fini(struct inference *in)
{
	struct prediction *p = (struct prediction *)in;
	struct session_step *step = &p->step;
	prediction_fini(p);
	if (!step->session)
		return;
	if (step->begun && !step->committed)
		sessions_delete(sessions_of(p), step->session->key, step->session->owner, monotonic_ns(), NULL);
	sessions_release(sessions_of(p), step->session, monotonic_ns());
}

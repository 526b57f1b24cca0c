#include "server/inference.h"

#include <string.h>

#include "api/problem.h"
#include "server/app.h"
#include "server/monotonic.h"
#include "server/route.h"

#define EVENT_MAX (64u << 10)
#define PHASE_MAX 40   /* ", compute;dur=" and the longest number */
_Static_assert(PHASES * PHASE_MAX <= sizeof((struct reply *)0)->timing, "Server-Timing fits its reply");

static struct inference *of_task(struct lane_task *t)
{
	return (struct inference *)((char *)t - offsetof(struct inference, task));
}

size_t inference_memory(const struct request *r)
{
	return 16 * (size_t)r->app->options->max_body + (1u << 20);
}

struct inference *inference_new(struct request *r, size_t size, size_t memory)
{
	struct inference *p = arena_calloc(&r->arena, 1, size);
	if (!p)
		return NULL;
	p->request = r;
	p->arena = r->arena;
	p->arena.cap = memory;
	arena_init(&r->arena, r->arena.cap);
	return p;
}

void inference_free(struct inference *p)
{
	if (!p)
		return;
	struct arena arena = p->arena;   /* which p lies in */
	struct request *r = p->request;
	if (p->fini)
		p->fini(p);
	if (p->stream)
		stream_close(p->stream);
	stream_unref(p->stream);
	model_unref(p->m);
	arena.cap = r ? r->arena.cap : arena.cap;
	if (r)
		r->arena = arena;
	else
		arena_fini(&arena);
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

/* The status of a stream is sent already: a failure is its last event. */
static void push_problem(struct stream *stream, const struct error *e)
{
	struct strbuf event;
	strbuf_init(&event, EVENT_MAX);
	strbuf_adds(&event, "event: error\ndata: ");
	problem_render(e, NULL, &event);
	strbuf_adds(&event, "\n\n");
	if (strbuf_ok(&event))
		stream_push(stream, event.s, event.len);
	strbuf_fini(&event);
}

/* Every inference that went ends here, on whatever thread. */
static void end(struct inference *p, enum err rc, const struct error *e)
{
	struct request *r = p->request;
	struct error why;   /* e may be p's own */
	if (rc)
		why = *e;
	if (p->m)
		p->m->metrics.requests[outcome_of(rc)]++;
	if (!r && rc)
		push_problem(p->stream, &why);
	inference_free(p);
	if (r)
		request_finish(r, rc, &why);
}

/* "name;dur=12.345" in milliseconds, behind what is there. Every reply has four: printf would show. */
static char *write_phase(char *at, const char *name, int64_t ns)
{
	char digits[24];
	int n = 0;
	for (uint64_t us = ns > 0 ? (uint64_t)ns / 1000 : 0; us || n < 4; us /= 10) {
		digits[n++] = (char)('0' + us % 10);
		if (n == 3)
			digits[n++] = '.';
	}
	at = stpcpy(stpcpy(at, name), ";dur=");
	while (n)
		*at++ = digits[--n];
	*at = '\0';
	return at;
}

/* Add a phase to the model's metrics and, but for the first with a comma, to the reply's Server-Timing. */
static char *phase(struct inference *p, char *at, enum phase which, int64_t ns)
{
	histogram_add(&p->m->metrics.duration[which], metric_seconds, (double)ns / 1e9);
	return write_phase(which ? stpcpy(at, ", ") : at, phase_names[which], ns);
}

/* Render, and say where the time went. */
static void reply(struct inference *p)
{
	int64_t computed_ns = monotonic_ns();
	p->render(p);
	const int64_t ns[PHASES] = { [PHASE_PARSE] = p->parsed_ns, [PHASE_QUEUE] = p->queue_ns, [PHASE_COMPUTE] = p->compute_ns,
		[PHASE_RENDER] = monotonic_ns() - computed_ns };
	char timing[PHASES * PHASE_MAX], *at = timing;
	for (enum phase i = 0; i < PHASES; i++)
		at = phase(p, at, i, ns[i]);
	if (p->request)
		memcpy(p->request->reply.timing, timing, (size_t)(at - timing) + 1);
}

static bool item_finite(const struct inference *p, int item)
{
	const struct batch_item *i = &p->batch.item[item];
	return p->m->trained.text ? i->text.finite : i->forecast.finite;
}

static void submit(struct inference *p);

/* On a compute thread. */
static void computed(struct batch *b, enum err rc, const struct error *e)
{
	struct inference *p = (struct inference *)b;
	struct error own;
	p->queue_ns += b->started_ns - b->queued_ns;
	p->compute_ns += b->finished_ns - b->started_ns;
	for (int i = 0; !rc && i < b->n; i++) {
		if (item_finite(p, i))
			continue;
		p->m->metrics.nonfinite_outputs++;
		rc = fail(&own, ERR_INTERNAL, "", "the model's output is not finite for these inputs");
		e = &own;
	}
	if (!rc && p->next && p->next(p)) {
		submit(p);
		return;
	}
	if (!rc)
		reply(p);
	end(p, rc, e);
}

/* An empty push asks a stream whether anyone listens. */
static bool abandoned(const struct batch *b)
{
	const struct inference *p = (const struct inference *)b;
	return p->stream ? !stream_push(p->stream, "", 0) : request_abandoned(p->request);
}

/* ---- the way to the batcher --------------------------------------------- */

/* The answer comes piece by piece: the reply begins now. */
static void begin_stream(struct request *r, struct stream *stream)
{
	r->reply.stream = stream;
	r->reply.awaited = true;
	r->reply.content_type = "text/event-stream";
	request_finish(r, ERR_OK, NULL);
}

static void submit(struct inference *p)
{
	struct error e;
	struct request *r = p->request;
	struct stream *stream = p->stream ? stream_ref(p->stream) : NULL;
	if (stream)
		p->request = NULL;   /* who is submitted may have ended before the next line */
	enum err rc = batcher_submit(r->app->batcher, &p->batch, &r->reply.retry_after, &e);
	if (rc) {
		p->request = r;
		stream_unref(stream);
		end(p, rc, &e);
	} else if (stream) {
		begin_stream(r, stream);
	}
}

static int64_t deadline_ns(const struct request *r, int64_t timeout_ms)
{
	const int64_t most_ms = r->app->options->deadline_ms;
	return r->started_ns + (timeout_ms && timeout_ms < most_ms ? timeout_ms : most_ms) * 1000000;
}

static void first_submit(struct inference *p)
{
	p->batch.model = p->m;
	p->batch.deadline_ns = deadline_ns(p->request, p->timeout_ms);
	p->batch.abandoned = abandoned;
	p->batch.done = computed;
	if (p->batch.n) {
		submit(p);
		return;
	}
	reply(p);   /* nothing to compute */
	end(p, ERR_OK, NULL);
}

/* A model that is loaded but meant for something else: say what, and where that is done. */
static enum err check_use(const struct inference *p, struct error *e)
{
	static const struct { const char *does, *route; } uses[] = {
		[USE_FORECAST] = { "forecasts series", "/v1/forecast" },
		[USE_RECONSTRUCT] = { "reconstructs series", "/v1/anomalies" },
		[USE_GENERATE] = { "writes texts", "/v1/generate" },
		[USE_CLASSIFY] = { "classifies texts", "/v1/classify" },
		[USE_TRANSLATE] = { "translates texts", "/v1/translate" },
	};
	enum model_use use = model_use(p->m);
	if (p->uses & 1u << use)
		return ERR_OK;
	return fail(e, p->in_path ? ERR_CONFLICT : ERR_INVALID, p->in_path ? "model" : "/model", "%s %s: POST %s", p->m->name,
	            uses[use].does, uses[use].route);
}

static enum err check_and_prepare(struct inference *p, struct store *s, struct error *e)
{
	enum err rc = check_use(p, e);
	return rc ? rc : p->prepare(p, s, e);
}

static enum err from_store(struct lane_task *t, struct store *s, struct error *e)
{
	struct inference *p = of_task(t);
	enum err rc = ERR_OK;
	if (!p->m)
		rc = registry_load(p->request->app->registry, s, p->model, p->version, p->label, &p->m, e);
	return rc ? rc : check_and_prepare(p, s, e);
}

static void prepared(struct lane_task *t, enum err rc, const struct error *e)
{
	struct inference *p = of_task(t);
	if (rc)
		end(p, rc, e);
	else
		first_submit(p);
}

enum err inference_expects(struct request *r, struct error *e)
{
	struct model *m = r->route->flags & ROUTE_MODEL ? registry_get(r->app->registry, r->param[0], 0) : NULL;
	if (!m)
		return ERR_OK;
	enum err rc = batcher_expects(r->app->batcher, m, deadline_ns(r, 0), &r->reply.retry_after, e);
	if (rc)
		m->metrics.requests[OUTCOME_REJECTED]++;
	model_unref(m);
	return rc;
}

void inference_go(struct inference *p)
{
	struct request *r = p->request;
	struct app *app = r->app;
	struct error e;
	p->parsed_ns = monotonic_ns() - r->started_ns;
	if (!p->label)
		p->m = registry_get(app->registry, p->model, p->version);
	if (!p->m || p->reads_store) {
		p->task.run = from_store;
		p->task.done = prepared;
		lane_post(app->reader, &p->task);
	} else {
		r->polled = p->batch.polled = !p->stream && batcher_is_light(p->m);   /* this is the listener's thread */
		prepared(&p->task, check_and_prepare(p, NULL, &e), &e);
	}
}

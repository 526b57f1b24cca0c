#include "server/serve_request.h"

#include "server/app.h"
#include "server/lane.h"
#include "server/request.h"
#include "server/route.h"

/* A request on a lane. */
struct request_task {
	struct lane_task task;
	struct request *request;
};

static enum err run(struct lane_task *t, struct store *s, struct error *e)
{
	struct request *r = ((struct request_task *)t)->request;
	return r->route->handle(r, s, e);
}

static void done(struct lane_task *t, enum err rc, const struct error *e)
{
	struct request *r = ((struct request_task *)t)->request;
	if (!rc && r->committed)
		r->committed(r);
	request_finish(r, rc, e);   /* frees the arena that holds t, soon */
}

void serve_request(struct request *r)
{
	struct error e;
	if (r->route->lane == LANE_PREDICT) {
		enum err rc = r->route->handle(r, NULL, &e);
		if (rc)
			request_finish(r, rc, &e);
		return;
	}
	struct request_task *t = arena_calloc(&r->arena, 1, sizeof *t);
	if (!t) {
		request_finish(r, fail_nomem(&e), &e);
		return;
	}
	t->task.run = run;
	t->task.done = done;
	t->request = r;
	lane_post(r->route->lane == LANE_WRITE ? r->app->writer : r->app->reader, &t->task);
}

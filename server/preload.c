#include "server/preload.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/log.h"

struct preload {
	struct lane_task task;                /* first: the lane gives it back */
	struct registry *registry;
	struct lane *reader;
	char name[STORE_NAME_MAX + 1];        /* of the last one; models come in the order of their names */
	int loaded;
	bool ended;
	_Atomic bool stopping;
	sem_t done;
};

/* Whether one more of that size would have to take another's place. */
static bool is_full(struct registry *g, size_t bytes)
{
	struct registry_usage usage = registry_usage(g);
	return usage.bytes + bytes > usage.max_bytes;
}

/* One damaged model keeps no other from being loaded. */
static void load(struct preload *p, struct store *s)
{
	struct model *m = NULL;
	struct error why;
	if (registry_load(p->registry, s, p->name, 0, NULL, &m, &why)) {
		log_failure("model_load_failed", &why);
		return;
	}
	p->loaded++;
	p->ended |= is_full(p->registry, m->bytes);
	model_unref(m);
}

static enum err load_next(struct lane_task *t, struct store *s, struct error *e)
{
	struct preload *p = (struct preload *)t;
	struct model_name *next = NULL;
	size_t n = 0;
	bool more = false;
	enum err rc = p->stopping ? ERR_OK : model_list(s, p->name, 1, &next, &n, &more, e);
	p->ended = !more;
	if (n) {
		memcpy(p->name, next->name, sizeof p->name);
		load(p, s);
	}
	free(next);
	return rc;
}

/* To the end of the lane's queue again, behind the requests that came meanwhile. */
static void go_on(struct lane_task *t, enum err rc, const struct error *e)
{
	struct preload *p = (struct preload *)t;
	if (rc)
		log_failure("preload_failed", e);
	if (!p->ended) {
		lane_post(p->reader, t);
		return;
	}
	log_line(LOG_INFO, "models_loaded", "models=%d", p->loaded);
	sem_post(&p->done);
}

enum err preload_new(struct registry *g, struct lane *reader, struct preload **out, struct error *e)
{
	struct preload *p = calloc(1, sizeof *p);
	if (!p)
		return fail_nomem(e);
	p->task = (struct lane_task){ .run = load_next, .done = go_on };
	p->registry = g;
	p->reader = reader;
	sem_init(&p->done, 0, 0);
	lane_post(reader, &p->task);
	*out = p;
	return ERR_OK;
}

void preload_free(struct preload *p)
{
	if (!p)
		return;
	p->stopping = true;
	while (sem_wait(&p->done))
		;   /* a signal came between */
	sem_destroy(&p->done);
	free(p);
}

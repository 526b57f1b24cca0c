#include "server/lane.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "server/log.h"
#include "server/metrics.h"
#include "server/monotonic.h"

#define GROUP_MAX 64
#define IDLE_S 5   /* a quiet writer truncates the WAL */

struct lane {
	struct store *store;
	enum store_mode mode;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct lane_task *head, **tail;
	bool stopping;
};

/* Up to GROUP_MAX tasks, oldest first; waits for the first. NULL: stop, or idle (then *idle). */
static struct lane_task *take_group(struct lane *l, int most, bool *idle)
{
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += IDLE_S;
	*idle = false;

	pthread_mutex_lock(&l->lock);
	while (!l->head && !l->stopping && !*idle)
		*idle = pthread_cond_timedwait(&l->wake, &l->lock, &until) != 0 && !l->head;
	struct lane_task *first = l->head, *last = NULL;
	for (int n = 0; l->head && n < most; n++) {
		last = l->head;
		l->head = last->next;
	}
	if (!l->head)
		l->tail = &l->head;
	if (last)
		last->next = NULL;
	pthread_mutex_unlock(&l->lock);
	return first;
}

static void run_in_savepoint(struct lane_task *t, struct store *s)
{
	t->rc = store_savepoint(s, &t->error);
	if (t->rc)
		return;
	t->rc = t->run(t, s, &t->error);
	if (t->rc) {
		store_rollback_to(s);
	} else {
		t->rc = store_release(s, &t->error);
	}
}

static void write_group(struct lane *l, struct lane_task *group)
{
	struct error e = { 0 };
	int64_t start = monotonic_ns();
	enum err rc = store_begin(l->store, &e);
	if (!rc) {
		for (struct lane_task *t = group; t; t = t->next)
			run_in_savepoint(t, l->store);
		rc = store_commit(l->store, &e);
		if (rc)
			store_rollback(l->store);
	}
	histogram_add(&metrics.sqlite_write, metric_seconds, (double)(monotonic_ns() - start) / 1e9);

	for (struct lane_task *t = group, *next; t; t = next) {
		next = t->next;
		if (rc)   /* nothing of the group is durable */
			t->done(t, rc, &e);
		else
			t->done(t, t->rc, &t->error);
	}
	if (store_broken(l->store)) {
		log_failure("store_broken", &e);
		_exit(1);   /* what is on disk is not known any more: recovery at the next start decides */
	}
	store_checkpoint(l->store, false);
}

static void *lane_main(void *arg)
{
	struct lane *l = arg;
	for (;;) {
		bool idle;
		struct lane_task *group = take_group(l, l->mode == STORE_WRITER ? GROUP_MAX : 1, &idle);
		if (group && l->mode == STORE_WRITER) {
			write_group(l, group);
		} else if (group) {
			group->rc = group->run(group, l->store, &group->error);
			group->done(group, group->rc, &group->error);
		} else if (!idle) {
			return NULL;
		} else if (l->mode == STORE_WRITER) {
			store_checkpoint(l->store, true);
		}
	}
}

enum err lane_new(const char *db, enum store_mode mode, struct lane **out, struct error *e)
{
	struct lane *l = calloc(1, sizeof *l);
	if (!l)
		return fail_nomem(e);
	enum err rc = store_open(db, mode, &l->store, e);
	if (rc) {
		free(l);
		return rc;
	}
	l->mode = mode;
	l->tail = &l->head;
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	if (pthread_create(&l->thread, NULL, lane_main, l)) {
		store_close(l->store);
		free(l);
		return fail(e, ERR_NOMEM, "", "cannot start a thread for the store");
	}
	*out = l;
	return ERR_OK;
}

void lane_free(struct lane *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	store_close(l->store);
	pthread_cond_destroy(&l->wake);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void lane_post(struct lane *l, struct lane_task *t)
{
	t->next = NULL;
	pthread_mutex_lock(&l->lock);
	*l->tail = t;
	l->tail = &t->next;
	pthread_cond_signal(&l->wake);
	pthread_mutex_unlock(&l->lock);
}

/* A task that somebody waits for. */
struct call {
	struct lane_task task;
	enum err (*run)(void *arg, struct store *s, struct error *e);
	void *arg;
	struct error *e;
	enum err rc;
	bool finished;
	pthread_mutex_t lock;
	pthread_cond_t wake;
};

static enum err call_run(struct lane_task *t, struct store *s, struct error *e)
{
	struct call *c = (struct call *)t;
	return c->run(c->arg, s, e);
}

static void call_done(struct lane_task *t, enum err rc, const struct error *e)
{
	struct call *c = (struct call *)t;
	pthread_mutex_lock(&c->lock);
	c->rc = rc;
	if (rc && c->e)
		*c->e = *e;
	c->finished = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
}

enum err lane_call(struct lane *l, enum err (*run)(void *arg, struct store *s, struct error *e), void *arg, struct error *e)
{
	struct call c = { .task = { .run = call_run, .done = call_done }, .run = run, .arg = arg, .e = e };
	pthread_mutex_init(&c.lock, NULL);
	pthread_cond_init(&c.wake, NULL);
	lane_post(l, &c.task);
	pthread_mutex_lock(&c.lock);
	while (!c.finished)
		pthread_cond_wait(&c.wake, &c.lock);
	pthread_mutex_unlock(&c.lock);
	pthread_cond_destroy(&c.wake);
	pthread_mutex_destroy(&c.lock);
	return c.rc;
}

/* lane.h - the threads that own the store's connections.
 *
 *      any thread ── lane_post ──►  [ queue ]  ──►  lane thread, one connection
 *
 *   writer lane:  begin ─ { savepoint, run, release or roll back } x up to 64 ─ commit ─► done x all
 *   reader lane:  run ─► done, one by one
 *
 * A group forms only because the thread was busy committing the one before: no delay. done() of a write is called
 * after its commit returned, so what it acknowledges is on disk. A failed fsync is fatal: the waiting
 * writes get the error and the process ends. */
#ifndef GATECAST_SERVER_LANE_H
#define GATECAST_SERVER_LANE_H

#include "model/base/error.h"
#include "storage/store.h"

struct lane;

struct lane_task {
	struct lane_task *next;
	/** On the lane's thread. An error undoes this task's writes alone. */
	enum err (*run)(struct lane_task *t, struct store *s, struct error *e);
	/** After the commit, with run's result or the commit's. The task may be freed in it. */
	void (*done)(struct lane_task *t, enum err rc, const struct error *e);
	enum err rc;
	struct error error;
};

/** Opens the store and starts the thread. */
enum err lane_new(const char *db, enum store_mode mode, struct lane **out, struct error *e);
/** Runs what is queued, then ends. NULL is fine. */
void lane_free(struct lane *l);
/** Never blocks; the caller owns t until done(). */
void lane_post(struct lane *l, struct lane_task *t);
/** Run on the lane and wait for it. */
enum err lane_call(struct lane *l, enum err (*run)(void *arg, struct store *s, struct error *e), void *arg, struct error *e);

#endif

/* supervisor.h - leases queued jobs, runs each in a child process, and writes down what the child says.
 *
 *   queue ─ claim ─► dataset, checkpoint ─► spawn `gatecast worker` ═socket═► EPOCH, CHECKPOINT: stored
 *                                                                   ═══════► RESULT: version published, job ended, one commit
 *                                                                   ═══════► end of file without a result: queued again
 *
 * One thread does all of it. Every write carries the claim's epoch, so a worker that lost its lease changes nothing. */
#ifndef GATECAST_SERVER_SUPERVISOR_H
#define GATECAST_SERVER_SUPERVISOR_H

#include <stdbool.h>

#include "model/base/error.h"

struct lane;
struct registry;
struct events;
struct supervisor;

struct supervisor_settings {
	struct lane *writer, *reader;
	struct registry *registry;       /* told of new versions; may be NULL */
	struct events *events;           /* may be NULL */
	int workers, threads, checkpoint_interval_s;
};

enum err supervisor_new(const struct supervisor_settings *s, struct supervisor **out, struct error *e);
/** Ends the children at once; their jobs go on from the last checkpoint at the next start. NULL is fine. */
void supervisor_free(struct supervisor *v);
/** A job was queued, or a request to cancel or pause was committed. Any thread. */
void supervisor_wake(struct supervisor *v);
/** Children that train now. */
int supervisor_running(const struct supervisor *v);

#endif

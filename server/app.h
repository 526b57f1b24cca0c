/* app.h - the running service: its parts, made in this order and ended in the reverse. */
#ifndef GATECAST_SERVER_APP_H
#define GATECAST_SERVER_APP_H

#include <stdatomic.h>

#include "server/options.h"

struct app {
	const struct options *options;
	struct lane *writer, *reader;      /* lane.h: the store's threads */
	struct registry *registry;         /* registry.h: loaded models */
	struct preload *preload;           /* preload.h: loads them behind the start; NULL: it did not begin */
	struct batcher *batcher;           /* batcher.h: compute threads */
	struct sessions *sessions;         /* sessions.h: series that are forecast as they come */
	struct events *events;             /* events.h: live event streams */
	struct supervisor *supervisor;     /* supervisor.h: training children */
	struct key_ring *keys;             /* storage/key_store.h, NULL: no key needed */
	_Atomic bool draining;             /* readyz says 503, replies close their connection */
};

/** Everything but the listeners. path and limits from options; ERR_* of the first part that fails. */
enum err app_start(struct app *a, const struct options *o, struct error *e);
/** Ends what app_start made; half-made is fine. */
void app_stop(struct app *a);

#endif

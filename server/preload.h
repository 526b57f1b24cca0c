/* preload.h - the models of the store, loaded behind the start.
 *
 *   reader lane:  request ─ model "a" ─ request ─ request ─ model "b" ─ …  until the last, or until the cache is full
 *
 * The daemon is ready before: who asks for a model that is not loaded yet waits for that one alone. */
#ifndef GATECAST_SERVER_PRELOAD_H
#define GATECAST_SERVER_PRELOAD_H

#include "server/lane.h"
#include "server/registry.h"

struct preload;

/** Begins at once; both are borrowed until preload_free(). */
enum err preload_new(struct registry *g, struct lane *reader, struct preload **out, struct error *e);
/** Waits for the model that is being loaded. NULL is fine. */
void preload_free(struct preload *p);

#endif

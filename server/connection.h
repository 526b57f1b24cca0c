/* connection.h - the open sockets, and the reaper that ends those which are late.
 *
 *     opened ─► deadline for a header ─► for a body ─► none: the request is with a lane ─► for the reply ─► for the next request
 *                      │                      │               │                               │
 *                      └──────────────────────┴── passed: the reaper shuts the socket down ───┘
 *                                                             └── the client left: *abandoned = true
 *
 * Deadlines are absolute: a byte now and then buys no time. The reaper looks once a second. */
#ifndef GATECAST_SERVER_CONNECTION_H
#define GATECAST_SERVER_CONNECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"

struct connections;

/* One socket. Its thread is that of the listener it came to; the reaper reads. */
struct connection {
	struct connection *prev, *next;
	struct connections *list;
	int fd;
	_Atomic int64_t deadline_ns;         /* CLOCK_MONOTONIC, 0: none */
	_Atomic bool *abandoned;             /* of the request that sleeps, whose client may leave; or NULL */
};

enum err connections_new(struct connections **out, struct error *e);
/** Ends the reaper; the sockets are the listeners'. NULL is fine. */
void connections_free(struct connections *l);

/** NULL: out of memory. */
struct connection *connection_new(struct connections *l, int fd);
/** NULL is fine. */
void connection_free(struct connection *c);

/** Due `seconds` from then on, and a second more for each 2 KiB of bytes: slower peers count as stuck. */
void connection_due(struct connection *c, int64_t from_ns, long seconds, size_t bytes);
/** Nothing is due. */
void connection_rest(struct connection *c);
/** For how long its last bytes have waited in the socket, as the kernel counts, in its ticks; 0 where it does not say. */
int64_t connection_waited_ns(const struct connection *c);
/** The request sleeps: nothing is due, but *abandoned becomes true when the client leaves. NULL: it is awake. Any thread. */
void connection_watch(struct connection *c, _Atomic bool *abandoned);

#endif

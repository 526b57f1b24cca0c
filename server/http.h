/* http.h - the listeners. The only user of libmicrohttpd.
 *
 *   headers ─► gate ─► route, key, limits ─► body (buffer or upload sink) ─► the route's lane, connection suspended
 *                                                                                │
 *   reply ◄─ queued by the HTTP thread ◄─ resumed ◄────────── request_finish() ◄─┘
 *
 * One epoll thread a listener does all of libmicrohttpd's work; another thread, the reaper, ends once a second the
 * sockets whose absolute deadline has passed and notices clients that left. */
#ifndef GATECAST_SERVER_HTTP_H
#define GATECAST_SERVER_HTTP_H

#include "model/base/error.h"

struct app;
struct http;

/** Listen on options' listen and admin addresses. */
enum err http_new(struct app *app, struct http **out, struct error *e);
/** The bound addresses as "127.0.0.1:8080"; valid until http_free. */
const char *http_address(const struct http *h);
const char *http_admin_address(const struct http *h);
/** No new connections on the main listener. */
void http_quiesce(struct http *h);
/** Requests begun and not yet completed, but for event streams. */
int http_in_flight(const struct http *h);
/** Wait until no request is with a lane; those that come from now on are refused. A listener must not end before. */
void http_close(struct http *h);
/** Ends the listeners, after http_close and the end of all event streams. NULL is fine. */
void http_free(struct http *h);

#endif

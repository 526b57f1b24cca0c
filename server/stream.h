/* stream.h - the connection's side of a stream (request.h has the producer's). */
#ifndef GATECAST_SERVER_STREAM_H
#define GATECAST_SERVER_STREAM_H

#include "server/request.h"

#define STREAM_END (-1)

/** Up to cap bytes; 0 after sleep(arg) was called because nothing is pending: wake(arg) will follow; STREAM_END. */
long stream_pull(struct stream *s, char *out, size_t cap, void (*sleep)(void *), void (*wake)(void *), void *arg);
/** The client is gone; wake() is not called any more. */
void stream_leave(struct stream *s);

#endif

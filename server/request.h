/* request.h - one HTTP request as the routes see it, and the reply they fill.
 *
 *   http.c reads ─► route's handler (on its lane) fills reply ─► http.c sends
 *
 * A handler returns an error, and http.c renders the problem; or it fills `reply` and returns ERR_OK; or, for
 * LANE_PREDICT, it hands the request on and whoever finishes it calls request_finish(). */
#ifndef GATECAST_SERVER_REQUEST_H
#define GATECAST_SERVER_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "model/base/arena.h"
#include "model/base/error.h"
#include "model/base/strbuf.h"
#include "storage/key_store.h"

struct app;
struct route;
struct store;
struct stream;

enum request_header { HEADER_CONTENT_TYPE, HEADER_ACCEPT, HEADER_AUTHORIZATION, HEADER_IDEMPOTENCY_KEY,
	HEADER_LAST_EVENT_ID, HEADER_INFERENCE_LENGTH, HEADER_CONTENT_ENCODING, REQUEST_HEADERS };

#define REQUEST_PARAMS 3
#define REQUEST_PARAM_MAX 64
#define REQUEST_REPLY_MAX (256u << 20)

struct reply {
	int status;                        /* 0: 200 */
	const char *content_type;          /* NULL: application/json */
	struct strbuf body;
	size_t json_len;                   /* of an inference whose numbers follow as bytes: the JSON before them; else 0 */
	char location[160];                /* "" : none */
	char timing[160];                  /* Server-Timing, "" : none */
	int retry_after;                   /* seconds, 0: none */
	struct stream *stream;             /* instead of body: an event stream; owned by http.c */
	bool awaited;                      /* the stream is one answer in pieces: a stopping service waits for its end */
};

struct request {
	struct app *app;
	const struct route *route;
	const char *path;
	char param[REQUEST_PARAMS][REQUEST_PARAM_MAX + 1];   /* what the pattern's {…} matched */
	char key[KEY_ID_MAX];              /* whose API key came with it, "" where none is asked for */
	const char *header[REQUEST_HEADERS];                 /* NULL: absent */
	struct strbuf body;
	struct arena arena;                /* lives as long as the request */
	int64_t started_ns;                /* CLOCK_MONOTONIC */
	void *upload;                      /* of a route with a body sink */
	void *work;                        /* of a prediction on its way */
	bool polled;                       /* its listener takes turns at the batcher until it is finished: batcher.h */
	struct reply reply;
	/** Called after the commit that made the handler's writes durable; may be NULL. */
	void (*committed)(struct request *r);
};

/** A query argument, or NULL. */
const char *request_query(const struct request *r, const char *name);
/** A query argument as a whole number in lo … hi; fallback when absent; ERR_INVALID, where = name. */
enum err request_query_int(const struct request *r, const char *name, int64_t lo, int64_t hi, int64_t fallback,
                           int64_t *out, struct error *e);
/** True when the client was seen to have left: its work may be dropped. Any thread. */
bool request_abandoned(const struct request *r);
/** The request is done (rc ERR_OK: reply is filled; else e says why). Any thread; r must not be touched after. */
void request_finish(struct request *r, enum err rc, const struct error *e);

/* A reply that goes on: server-sent events. Two owners: the producer and the connection. */
struct stream *stream_new(size_t max_pending);
void stream_unref(struct stream *s);
struct stream *stream_ref(struct stream *s);
/** False when the client left or does not keep up: the producer drops the stream. Any thread. */
bool stream_push(struct stream *s, const char *bytes, size_t len);
/** No more will come. */
void stream_close(struct stream *s);

#endif

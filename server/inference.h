/* inference.h - one request to a model, from its parsed body to its reply.
 *
 *   HTTP thread      parse ─► model loaded and nothing to read? ─┬─ yes ─────────► prepare ─► batcher_submit
 *   reader lane                                                  └─ no ─► load ──► prepare ─► batcher_submit
 *   compute thread   items ─► next ─┬─ more: batcher_submit                                      │ a streamed answer:
 *                                   └─ no: render ─► request_finish                              ▼ request_finish
 *
 * What is asked and what is answered is the route's; in between one request is like another. An inference lies in its
 * request's arena, which is its own until it ends: a streamed answer goes on when its request is long finished. */
#ifndef GATECAST_SERVER_INFERENCE_H
#define GATECAST_SERVER_INFERENCE_H

#include <stddef.h>

#include "model/base/arena.h"
#include "server/batcher.h"
#include "server/lane.h"
#include "server/registry.h"
#include "server/request.h"

struct inference {
	struct batch batch;                /* first: the batcher gives it back */
	struct lane_task task;
	struct request *request;           /* NULL once the reply is under way, as a stream */
	struct arena arena;
	/* what is asked; the route's */
	const char *model, *label;         /* label NULL: the version, or the latest */
	int version;
	bool in_path;                      /* where the model is named; else in the body */
	unsigned uses;                     /* bits 1 << enum model_use: what it must be good for, one of them */
	int64_t timeout_ms;                /* 0: the server's */
	bool reads_store;                  /* prepare() reads datasets */
	struct stream *stream;             /* the answer goes here, piece by piece; one reference, closed at the end; or NULL */
	/** Check against the model p->m, fill the batch's items; none: the answer is rendered at once. s is NULL unless
	 *  reads_store. */
	enum err (*prepare)(struct inference *p, struct store *s, struct error *e);
	/** On a compute thread, a batch computed: prepare another and return true, or NULL: there is one batch. */
	bool (*next)(struct inference *p);
	/** On a compute thread: write the reply's body, or the end of the stream. */
	void (*render)(struct inference *p);
	/** Release what is not in the arena, or NULL. */
	void (*fini)(struct inference *p);
	/* on the way */
	struct model *m;
	int64_t parsed_ns, queue_ns, compute_ns;
};

/** size bytes, zeroed, that begin with a struct inference; its arena may hold `memory` bytes. NULL: out of memory. */
struct inference *inference_new(struct request *r, size_t size, size_t memory);
/** Of one that never went. NULL is fine. */
void inference_free(struct inference *p);
/** The body is parsed: from here on it ends by itself, and p must not be touched. */
void inference_go(struct inference *p);

/** What the headers say of a request to a model that has no time for another: ERR_BUSY, and its body need not be parsed. On
 *  the HTTP thread. */
enum err inference_expects(struct request *r, struct error *e);

/** The arena of a request that a body of --max-body fits in, parsed. */
size_t inference_memory(const struct request *r);

#endif

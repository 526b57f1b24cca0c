/* batcher.h - sequences of many requests share the compute threads.
 *
 *   batcher_submit ─► the model's line of a class ─► ready list: a turn a line ─► compute thread
 *
 *   a turn of a model that flies      ┌─► join ─► tick ─┬─► landed: done() of each whole request
 *   (infer.h)                         └─────────────────┘   until the turn is spent and the air is empty
 *
 *   a turn of any other               up to BATCH_ROWS run to their end; a text some tokens, then to the end of its line
 *
 * Work-conserving: at the border of a tick all that waits joins, as far as there is room, so company forms only because
 * the threads were busy; there is no delay to tune. Who is short leaves early, nothing is padded, and an answer has the same
 * bits in any company. What expired, or whose client left, is dropped at the border of a tick, waiting or in the air.
 *
 * Fairness: deficit round robin. A line gets TURN_NS of predicted cost a turn while others wait, what it took beyond that
 * counts against its next one. Interactive lines go first; bulk gets what they leave and one turn of BULK_EVERY.
 *
 * Admission by predicted cost: a request is taken if the backlog before it and its own cost fit into 0.8 of its deadline,
 * else it is refused at once. Cost is counted in units that a model's time is proportional to: a step read or written for
 * a forecaster, a token read or written for a model of texts. */
#ifndef GATECAST_SERVER_BATCHER_H
#define GATECAST_SERVER_BATCHER_H

#include <stdatomic.h>

#include "server/registry.h"

#define BATCH_ROWS 64

struct batch_item {
	struct batch_item *next;
	struct batch *batch;
	uint64_t predicted_ns;              /* its share of the backlog while it waits */
	union {                             /* as the batch's model is */
		struct forecast forecast;
		struct text_job text;
	};
};

/* The sequences of one request. The caller owns it until done(). */
struct batch {
	struct model *model;                /* the caller's reference */
	struct batch_item *item;
	int n;
	enum batch_class class;
	long later;                         /* further items like these that the caller will submit: counted at admission */
	int64_t deadline_ns;                /* CLOCK_MONOTONIC */
	bool (*abandoned)(const struct batch *b);
	/** On a compute thread, once all items ended. */
	void (*done)(struct batch *b, enum err rc, const struct error *e);
	/* written by the batcher */
	int64_t queued_ns, started_ns, finished_ns;
	_Atomic int left;
	_Atomic int failed;                 /* enum err of an item that was not computed */
};

struct batcher;

enum err batcher_new(int threads, long capacity, struct batcher **out, struct error *e);
/** Ends after what is queued was computed. NULL is fine. */
void batcher_free(struct batcher *b);
/** ERR_BUSY (with *retry_after_s) or ERR_STOPPING: nothing was queued, done() is not called. */
enum err batcher_submit(struct batcher *b, struct batch *batch, int *retry_after_s, struct error *e);
/** Gauges of the queue. */
void batcher_metrics(struct batcher *b, struct strbuf *out);

#endif

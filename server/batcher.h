/* batcher.h - sequences of many requests share the compute threads.
 *
 *   batcher_submit ─► queue.h: lines, turns ─► compute thread     ─┬─► turn.h: in batches, or in the air ─► done()
 *                                          └─► batcher_turn: light ─┘
 *
 * What is light, less than a turn (BATCH_TURN_NS), runs to its end in a batch of all that waits; so does what cannot fly. A
 * heavy sequence of a recurrent model flies (model/infer/infer.h): at the border of a tick all that waits joins, as far as
 * there is room, and who is done leaves. A text is written a few tokens a turn.
 *
 * Work-conserving: company forms only because the threads were busy; there is no delay to tune. Lengths may differ, nothing
 * is padded, and an answer has the same bits in any company. What expired, or whose client left, is dropped before it costs
 * anything more.
 *
 * A thread that waits for its own requests anyway, a listener's, computes too: batcher_turn(). What is known to be light is
 * left to it, and nobody is woken, while there is no more than a turn of it. */
#ifndef GATECAST_SERVER_BATCHER_H
#define GATECAST_SERVER_BATCHER_H

#include <stdatomic.h>

#include "server/registry.h"

#define BATCH_ROWS 64
#define BATCH_TURN_NS 2000000
#define BATCH_LIGHT_NS (BATCH_TURN_NS / 8)   /* a tile of them is less than a turn */

struct batch_item {
	struct batch_item *next;
	struct batch *batch;
	uint64_t predicted_ns;              /* what it takes, as was known when it was queued */
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
	bool polled;                        /* light, and the caller calls batcher_turn() until it is done */
	bool (*abandoned)(const struct batch *b);
	/** On a compute thread, once all items ended. */
	void (*done)(struct batch *b, enum err rc, const struct error *e);
	/* written by the batcher */
	int64_t queued_ns, started_ns, finished_ns;
	_Atomic int left;
	_Atomic int failed;                 /* enum err of an item that was not computed */
};

struct batcher;
struct batch_ws;

enum err batcher_new(int threads, long capacity, struct batcher **out, struct error *e);
/** Ends after what is queued was computed. NULL is fine. */
void batcher_free(struct batcher *b);
/** ERR_BUSY (with *retry_after_s) or ERR_STOPPING: nothing was queued, done() is not called. */
enum err batcher_submit(struct batcher *b, struct batch *batch, int *retry_after_s, struct error *e);
/** Whether a sequence of a whole window would be let in now, by a body that is not read yet. ERR_BUSY as above. */
enum err batcher_expects(struct batcher *b, struct model *m, int64_t deadline_ns, int *retry_after_s, struct error *e);
/** Whether a sequence of a whole window is known to take less than a turn. */
bool batcher_is_light(const struct model *m);
/** What a thread computes with, other than the batcher's own. */
enum err batch_ws_new(struct batch_ws **out, struct error *e);
void batch_ws_free(struct batch_ws *ws);
/** Compute what waits, on this thread, for about BATCH_TURN_NS. False: nothing that light waits; others see to it. */
bool batcher_turn(struct batcher *b, struct batch_ws *ws);
/** Gauges and counters of the queue. */
void batcher_metrics(struct batcher *b, struct strbuf *out);

#endif

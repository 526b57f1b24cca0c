/* queue.h - who waits for the compute threads, who is let in, and whose turn it is.
 *
 *     queue_admit ─► a model's line of a class ─► queue_begin: a turn ─► queue_join: some of the line ─► computed
 *                          ▲                                                                           │     │
 *                          └──────────────── queue_return: a text that is not at its end ◄─────────────┘     ▼
 *                                                                                                       queue_leave
 *
 * Fairness: deficit round robin. Lines where somebody waits take turns; a turn is worth TURN_NS of predicted cost, and what
 * a line took beyond that counts against its next one. Interactive lines go first; bulk gets what they leave, and one turn
 * of BULK_EVERY.
 *
 * Admission: a request is let in if what goes before it and its own cost fit into ADMIT_SHARE of its deadline. Since lines
 * take turns, what goes before it is its own line, of each other one no more than of its own, and what is under way.
 *
 * Every function takes the lock by itself. */
#ifndef GATECAST_SERVER_QUEUE_H
#define GATECAST_SERVER_QUEUE_H

#include <pthread.h>

#include "server/batcher.h"

/* Lines where somebody waits, whose turn it is first. */
struct ready {
	struct model_line *head, **tail;
	int n;
};

struct queue {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct ready ready[BATCH_CLASSES];
	unsigned turns;
	long waiting[BATCH_CLASSES], capacity;      /* sequences */
	uint64_t waiting_ns[BATCH_CLASSES];         /* what they will take, as predicted, */
	uint64_t underway_ns;                       /* and what those take that are being computed */
	int threads, running;                       /* compute threads, and those at work */
	bool stopping;
};

/* How a turn computes:
 *     OUTSIDE   not on a compute thread: what is light, together, no longer than BATCH_TURN_NS
 *     BATCH     together, to its end; texts some tokens
 *     FLIGHTS   tick by tick, others join and leave */
enum turn_kind { TURN_OUTSIDE, TURN_BATCH, TURN_FLIGHTS };

struct turn {
	enum turn_kind kind;
	struct model_line *line;     /* refers to its model */
	int joined;                  /* sequences so far, */
	uint64_t joined_ns;          /* and their predicted cost */
};

enum err queue_init(struct queue *q, int threads, long capacity, struct error *e);
void queue_fini(struct queue *q);
/** As batcher_submit(). */
enum err queue_admit(struct queue *q, struct batch *batch, int *retry_after_s, struct error *e);
/** As batcher_expects(). */
enum err queue_expects(struct queue *q, struct model *m, int64_t deadline_ns, int *retry_after_s, struct error *e);
/** No more are let in; who waits for turns is woken. */
void queue_stop(struct queue *q);

/** Wait for a turn. False: there will be no more. */
bool queue_begin(struct queue *q, struct turn *t);
/** A turn outside. False: nothing that light waits; somebody was woken for what does. */
bool queue_begin_outside(struct queue *q, struct turn *t);
/** Up to `room` sequences join the turn; 0: nobody may. A turn that began has one at least, unless others took it. */
int queue_join(struct queue *q, struct turn *t, struct batch_item **out, int room);
void queue_end(struct queue *q, struct turn *t);

/** It waits again. */
void queue_return(struct queue *q, struct batch_item *item);
/** They are under way no more. */
void queue_leave(struct queue *q, struct batch_item *const *item, int n);
void queue_learn(struct queue *q, struct model *m, uint64_t sequences, uint64_t units, int64_t ns);

/** Units of work that an item has behind it: tokens; of a series, which is done at once, none. */
uint64_t item_units_done(const struct batch_item *item);
/** And at most before it. */
uint64_t item_units_left(const struct batch_item *item);
/** What a batch takes, with what its caller will submit later, if nobody else is there. */
uint64_t batch_cost_ns(const struct batch *batch);

/** When the one that waits longest was queued; 0: nobody waits. */
int64_t queue_oldest(struct queue *q);

#endif

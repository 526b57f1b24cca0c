#include "server/batcher.h"

#include <stdlib.h>
#include <unistd.h>

#include "server/log.h"
#include "server/monotonic.h"
#include "server/queue.h"
#include "server/turn.h"

struct batcher {
	struct queue queue;
	pthread_t *thread;   /* [queue.threads] */
	int started;
};

static void *thread_main(void *arg)
{
	struct batcher *b = arg;
	struct batch_ws *ws;
	struct turn turn;
	struct error e;
	if (batch_ws_new(&ws, &e)) {
		log_failure("compute_thread_failed", &e);
		_exit(1);   /* at start: nothing was acknowledged yet */
	}
	while (queue_begin(&b->queue, &turn)) {
		turn_run(&b->queue, &turn, ws);
		queue_end(&b->queue, &turn);
	}
	batch_ws_free(ws);
	return NULL;
}

bool batcher_turn(struct batcher *b, struct batch_ws *ws)
{
	struct turn turn;
	if (!queue_begin_outside(&b->queue, &turn))
		return false;
	turn_run(&b->queue, &turn, ws);
	queue_end(&b->queue, &turn);
	return true;
}

enum err batcher_submit(struct batcher *b, struct batch *batch, int *retry_after_s, struct error *e)
{
	return queue_admit(&b->queue, batch, retry_after_s, e);
}

enum err batcher_expects(struct batcher *b, struct model *m, int64_t deadline_ns, int *retry_after_s, struct error *e)
{
	return queue_expects(&b->queue, m, deadline_ns, retry_after_s, e);
}

/* ---- life ---------------------------------------------------------------- */

enum err batcher_new(int threads, long capacity, struct batcher **out, struct error *e)
{
	struct batcher *b = calloc(1, sizeof *b);
	if (!b)
		return fail_nomem(e);
	enum err rc = queue_init(&b->queue, threads, capacity, e);
	if (rc) {
		free(b);
		return rc;
	}
	b->thread = calloc((size_t)threads, sizeof *b->thread);
	while (b->thread && b->started < threads && !pthread_create(&b->thread[b->started], NULL, thread_main, b))
		b->started++;
	if (b->started < threads) {
		batcher_free(b);
		return fail(e, ERR_NOMEM, "", "cannot start %d compute threads", threads);
	}
	*out = b;
	return ERR_OK;
}

void batcher_free(struct batcher *b)
{
	if (!b)
		return;
	queue_stop(&b->queue);
	for (int i = 0; i < b->started; i++)
		pthread_join(b->thread[i], NULL);
	queue_fini(&b->queue);
	free(b->thread);
	free(b);
}

/* ---- metrics ------------------------------------------------------------- */

static void write_labelled(struct strbuf *out, const char *name, const char *key, const char *value, const char *more,
                           counter *v)
{
	struct strbuf l;
	strbuf_init(&l, 128);
	metric_label(&l, key, value);
	if (more)
		metric_label(&l, "reason", more);
	metric_value(out, name, l.s, (double)*v);
	strbuf_fini(&l);
}

void batcher_metrics(struct batcher *b, struct strbuf *out)
{
	static const char *const classes[BATCH_CLASSES] = { "interactive", "bulk" };
	static const char *const drops[DROPS] = { "expired", "left" };
	static const char *const refusals[REFUSALS] = { "headers", "body", "capacity" };
	const int64_t oldest = queue_oldest(&b->queue);
	const uint64_t bulk = metrics.queue_depth[CLASS_BULK];
	metric_head(out, "inference_queue_depth", "gauge", "Sequences waiting for a compute thread.");
	metric_value(out, "inference_queue_depth", "", (double)(metrics.queue_depth[CLASS_INTERACTIVE] + bulk));
	metric_head(out, "inference_bulk_queue_depth", "gauge", "Those of them that are of the bulk class.");
	metric_value(out, "inference_bulk_queue_depth", "", (double)bulk);
	metric_head(out, "inference_queue_capacity", "gauge", "Most sequences that may wait.");
	metric_value(out, "inference_queue_capacity", "", (double)b->queue.capacity);
	metric_head(out, "inference_oldest_request_age_seconds", "gauge", "Age of the oldest waiting sequence.");
	metric_value(out, "inference_oldest_request_age_seconds", "",
	             oldest ? (double)(monotonic_ns() - oldest) / 1e9 : 0);
	metric_head(out, "inference_flights", "gauge", "Sequences in the air: carried some steps a tick, until they land.");
	metric_value(out, "inference_flights", "", (double)metrics.flights);
	metric_head(out, "inference_ticks_total", "counter", "Ticks: some steps of sequences in the air, together.");
	metric_value(out, "inference_ticks_total", "", (double)metrics.ticks);
	metric_head(out, "inference_dropped_total", "counter",
	            "Sequences given up: their deadline passed, or their client left.");
	for (int c = 0; c < BATCH_CLASSES; c++)
		for (int why = 0; why < DROPS; why++)
			write_labelled(out, "inference_dropped_total", "class", classes[c], drops[why], &metrics.dropped[c][why]);
	metric_head(out, "inference_refused_total", "counter",
	            "Requests refused for lack of time or room, by what was known of them: headers are before the body is read.");
	for (int by = 0; by < REFUSALS; by++)
		write_labelled(out, "inference_refused_total", "by", refusals[by], NULL, &metrics.refused[by]);
}

#include "server/batcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/log.h"
#include "server/monotonic.h"

#define ADMIT_SHARE 0.8   /* of the deadline that backlog and own cost may take */

struct batcher {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct model *ready, **ready_tail;   /* models with waiting sequences, whose turn it is first */
	long waiting, capacity;              /* sequences */
	uint64_t backlog_ns;                 /* predicted cost of what waits */
	int threads;
	bool stopping;
	pthread_t *thread;
	int started;
};

/* ---- queue (under the lock) --------------------------------------------- */

static void make_ready(struct batcher *b, struct model *m)
{
	if (m->queue.ready || !m->queue.head)
		return;
	m->queue.ready = true;
	m->queue.next_ready = NULL;
	*b->ready_tail = m;
	b->ready_tail = &m->queue.next_ready;
}

static struct model *take_ready(struct batcher *b)
{
	struct model *m = b->ready;
	b->ready = m->queue.next_ready;
	if (!b->ready)
		b->ready_tail = &b->ready;
	m->queue.ready = false;
	return m;
}

/* Up to BATCH_ROWS waiting sequences of the model whose turn it is; the rest goes to the end of the line. */
static int take_batch(struct batcher *b, struct batch_item *out[BATCH_ROWS])
{
	struct model *m = take_ready(b);
	uint64_t cost = m->cost_ns;
	int64_t now = monotonic_ns();
	int n = 0;
	while (m->queue.head && n < BATCH_ROWS) {
		out[n] = m->queue.head;
		if (!out[n]->batch->started_ns)
			out[n]->batch->started_ns = now;
		m->queue.head = out[n++]->next;
	}
	if (!m->queue.head)
		m->queue.tail = &m->queue.head;
	make_ready(b, m);
	b->waiting -= n;
	metrics.queue_depth = (uint64_t)b->waiting;
	uint64_t taken = cost * (uint64_t)n;   /* the average moved since they were added: never below zero */
	b->backlog_ns = b->waiting && b->backlog_ns > taken ? b->backlog_ns - taken : 0;
	return n;
}

enum err batcher_submit(struct batcher *b, struct batch *batch, int *retry_after_s, struct error *e)
{
	struct model *m = batch->model;
	int64_t now = monotonic_ns();
	enum err rc = ERR_OK;
	batch->queued_ns = now;
	batch->started_ns = 0;
	batch->left = batch->n;
	batch->failed = ERR_OK;

	pthread_mutex_lock(&b->lock);
	uint64_t own = m->cost_ns * (uint64_t)batch->n;
	double wait = (double)(b->backlog_ns + own) / b->threads;
	if (b->stopping)
		rc = fail(e, ERR_STOPPING, "", "the service is shutting down");
	else if (b->waiting + batch->n > b->capacity)
		rc = fail(e, ERR_BUSY, "", "%ld sequences wait, the most allowed is %ld (option --queue-capacity)",
		          b->waiting, b->capacity);
	else if (wait > ADMIT_SHARE * (double)(batch->deadline_ns - now))
		rc = fail(e, ERR_BUSY, "", "the work waiting would take %.0f ms, too long for the deadline", wait / 1e6);
	if (rc) {
		*retry_after_s = 1 + (int)(wait / 1e9);
	} else {
		for (int i = 0; i < batch->n; i++) {
			struct batch_item *item = &batch->item[i];
			item->batch = batch;
			item->next = NULL;
			*m->queue.tail = item;
			m->queue.tail = &item->next;
		}
		b->waiting += batch->n;
		b->backlog_ns += own;
		metrics.queue_depth = (uint64_t)b->waiting;
		make_ready(b, m);
		pthread_cond_signal(&b->wake);
		if (batch->n > BATCH_ROWS)
			pthread_cond_broadcast(&b->wake);
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* ---- compute threads ---------------------------------------------------- */

static void finish_item(struct batch_item *item)
{
	struct batch *batch = item->batch;
	if (--batch->left)
		return;
	struct error e;
	enum err rc = (enum err)batch->failed;
	batch->finished_ns = monotonic_ns();
	if (rc == ERR_TIMEOUT)
		fail(&e, rc, "", "the deadline of %.0f ms passed while the request waited",
		     (double)(batch->deadline_ns - batch->queued_ns) / 1e6);
	else if (rc == ERR_CANCELLED)
		fail(&e, rc, "", "the client left");
	else if (rc)
		fail_nomem(&e);
	batch->done(batch, rc, &e);
}

/* Drop what needs no answer any more; returns how many stay, at the front. */
static int drop_expired(struct batch_item **item, int n)
{
	int64_t now = monotonic_ns();
	int kept = 0;
	for (int i = 0; i < n; i++) {
		struct batch *batch = item[i]->batch;
		enum err why = now > batch->deadline_ns ? ERR_TIMEOUT : batch->abandoned(batch) ? ERR_CANCELLED : ERR_OK;
		if (why) {
			batch->failed = (int)why;
			finish_item(item[i]);
		} else {
			item[kept++] = item[i];
		}
	}
	return kept;
}

static void compute(struct batch_item **item, int n, struct forecast_ws *ws)
{
	struct model *m = item[0]->batch->model;
	struct forecast *jobs[BATCH_ROWS];
	struct error e;
	if (forecast_ws_reserve(ws, m->forecaster, &e)) {
		log_failure("compute_failed", &e);
		for (int i = 0; i < n; i++) {
			item[i]->batch->failed = ERR_NOMEM;
			finish_item(item[i]);
		}
		return;
	}
	model_ref(m);   /* done() of the last request may drop the others */
	for (int i = 0; i < n; i++)
		jobs[i] = &item[i]->forecast;
	int64_t start = monotonic_ns();
	forecaster_run(m->forecaster, ws, jobs, n);
	uint64_t each = (uint64_t)(monotonic_ns() - start) / (uint64_t)n;
	uint64_t old = m->cost_ns;
	m->cost_ns = old ? (7 * old + each) / 8 : each;
	histogram_add(&m->metrics.batch_size, metric_rows, n);
	m->metrics.sequences += (uint64_t)n;
	m->metrics.decoder_steps += (uint64_t)n * (uint64_t)m->forecaster->net.horizon;
	for (int i = 0; i < n; i++)
		finish_item(item[i]);
	model_unref(m);
}

static void *thread_main(void *arg)
{
	struct batcher *b = arg;
	struct forecast_ws *ws = NULL;
	struct error e;
	if (forecast_ws_new(BATCH_ROWS, &ws, &e)) {
		log_failure("compute_thread_failed", &e);
		_exit(1);   /* at start: nothing was acknowledged yet */
	}
	for (;;) {
		struct batch_item *item[BATCH_ROWS];
		pthread_mutex_lock(&b->lock);
		while (!b->ready && !b->stopping)
			pthread_cond_wait(&b->wake, &b->lock);
		int n = b->ready ? take_batch(b, item) : 0;
		pthread_mutex_unlock(&b->lock);
		if (!n)
			break;
		n = drop_expired(item, n);
		if (n)
			compute(item, n, ws);
	}
	forecast_ws_free(ws);
	return NULL;
}

/* ---- life --------------------------------------------------------------- */

enum err batcher_new(int threads, long capacity, struct batcher **out, struct error *e)
{
	struct batcher *b = calloc(1, sizeof *b);
	if (!b)
		return fail_nomem(e);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->wake, NULL);
	b->ready_tail = &b->ready;
	b->threads = threads;
	b->capacity = capacity;
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
	pthread_mutex_lock(&b->lock);
	b->stopping = true;
	pthread_cond_broadcast(&b->wake);
	pthread_mutex_unlock(&b->lock);
	for (int i = 0; i < b->started; i++)
		pthread_join(b->thread[i], NULL);
	pthread_cond_destroy(&b->wake);
	pthread_mutex_destroy(&b->lock);
	free(b->thread);
	free(b);
}

void batcher_metrics(struct batcher *b, struct strbuf *out)
{
	int64_t oldest = 0;
	pthread_mutex_lock(&b->lock);
	for (struct model *m = b->ready; m; m = m->queue.next_ready) {
		int64_t queued = m->queue.head->batch->queued_ns;
		if (!oldest || queued < oldest)
			oldest = queued;
	}
	long capacity = b->capacity;
	pthread_mutex_unlock(&b->lock);
	metric_head(out, "inference_queue_depth", "gauge", "Sequences waiting for a compute thread.");
	metric_value(out, "inference_queue_depth", "", (double)metrics.queue_depth);
	metric_head(out, "inference_queue_capacity", "gauge", "Most sequences that may wait.");
	metric_value(out, "inference_queue_capacity", "", (double)capacity);
	metric_head(out, "inference_oldest_request_age_seconds", "gauge", "Age of the oldest waiting sequence.");
	metric_value(out, "inference_oldest_request_age_seconds", "",
	             oldest ? (double)(monotonic_ns() - oldest) / 1e9 : 0);
}

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
	uint64_t backlog_ns;                 /* sum of what waits, predicted_ns */
	int threads, running;                /* compute threads, and those at work */
	bool stopping;
	pthread_t *thread;
	int started;
};

/* ---- cost ---------------------------------------------------------------- */

/* Tokens that a job has read and written so far. */
static uint64_t text_done(const struct text_model *m, const struct text_job *j)
{
	int read = m->task == TEXT_GENERATE || j->tokens_in < m->max_steps ? j->tokens_in : m->max_steps;
	uint64_t written = (uint64_t)j->tokens_out;
	return (uint64_t)read + (m->task == TEXT_TRANSLATE ? written * (uint64_t)j->beam_width : written);
}

/* Tokens that it may read and write in all. A token is a byte or more. */
static uint64_t text_most(const struct text_model *m, const struct text_job *j)
{
	size_t window = (size_t)m->max_steps;
	switch (m->task) {
	case TEXT_GENERATE: return j->len + (uint64_t)j->max_tokens;
	case TEXT_CLASSIFY: return j->len < window ? j->len : window;
	case TEXT_TRANSLATE: return (j->len < window ? j->len : window) + (uint64_t)j->beam_width * (uint64_t)j->max_answer;
	}
	return 0;
}

/* Units of work that an item has behind it; of a forecast all or nothing. */
static uint64_t units_done(const struct batch_item *item)
{
	const struct text_model *text = item->batch->model->trained.text;
	return text ? text_done(text, &item->text) : 0;
}

/* And at most before it. */
static uint64_t units_left(const struct batch_item *item)
{
	const struct text_model *text = item->batch->model->trained.text;
	if (!text)
		return 1;
	uint64_t most = text_most(text, &item->text), done = text_done(text, &item->text);
	return most > done ? most - done : 1;
}

static void learn_cost(struct model *m, int64_t ns, uint64_t units)
{
	uint64_t each = (uint64_t)ns / (units ? units : 1), old = m->cost_ns;
	m->cost_ns = old ? (7 * old + each) / 8 : each;
}

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

static void count_waiting(struct batcher *b, long change)
{
	b->waiting += change;
	metrics.queue_depth = (uint64_t)b->waiting;
}

/* To the end of its model's line. */
static void enqueue(struct batcher *b, struct batch_item *item)
{
	struct model *m = item->batch->model;
	item->next = NULL;
	item->predicted_ns = m->cost_ns * units_left(item);
	b->backlog_ns += item->predicted_ns;
	*m->queue.tail = item;
	m->queue.tail = &item->next;
	count_waiting(b, 1);
	make_ready(b, m);
}

static struct batch_item *dequeue(struct batcher *b, struct model *m)
{
	struct batch_item *item = m->queue.head;
	m->queue.head = item->next;
	if (!m->queue.head)
		m->queue.tail = &m->queue.head;
	b->backlog_ns -= item->predicted_ns;
	count_waiting(b, -1);
	return item;
}

/* Up to `most` waiting sequences of the model whose turn it is; the rest goes to the end of the line. */
static int take_batch(struct batcher *b, int most, struct batch_item *out[BATCH_ROWS])
{
	struct model *m = take_ready(b);
	int64_t now = monotonic_ns();
	int n = 0;
	while (m->queue.head && n < most) {
		out[n] = dequeue(b, m);
		if (!out[n]->batch->started_ns)
			out[n]->batch->started_ns = now;
		n++;
	}
	make_ready(b, m);
	return n;
}

static uint64_t predicted_cost(const struct batch *batch)
{
	uint64_t units = 0;
	for (int i = 0; i < batch->n; i++)
		units += units_left(&batch->item[i]);
	return batch->model->cost_ns * (units + units / (uint64_t)batch->n * (uint64_t)batch->later);
}

bool batcher_is_light(const struct model *m)
{
	return m->trained.forecaster && m->cost_ns && m->cost_ns <= BATCH_TURN_NS;
}

/* A compute thread is needed for what no caller computes in a turn, when a core is left for it. */
static void wake_threads(struct batcher *b, const struct batch *batch)
{
	if (batch->polled && (b->backlog_ns <= BATCH_TURN_NS || b->running + 1 >= b->threads))
		return;
	pthread_cond_signal(&b->wake);
	if (batch->n > BATCH_ROWS)
		pthread_cond_broadcast(&b->wake);
}

enum err batcher_submit(struct batcher *b, struct batch *batch, int *retry_after_s, struct error *e)
{
	int64_t now = monotonic_ns();
	enum err rc = ERR_OK;
	batch->queued_ns = now;
	batch->started_ns = 0;
	batch->left = batch->n;
	batch->failed = ERR_OK;
	for (int i = 0; i < batch->n; i++)
		batch->item[i].batch = batch;

	pthread_mutex_lock(&b->lock);
	double wait = (double)(b->backlog_ns + predicted_cost(batch)) / b->threads;
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
		for (int i = 0; i < batch->n; i++)
			enqueue(b, &batch->item[i]);
		wake_threads(b, batch);
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

/* A thread's workspaces: which is used, the model says. */
struct batch_ws {
	struct forecast_ws *series;
	struct text_ws *text;
};

static enum err run_series(struct model *m, struct forecast_ws *ws, struct batch_item **item, int n, bool *over,
                           struct error *e)
{
	struct forecast *jobs[BATCH_ROWS];
	const struct forecaster *f = m->trained.forecaster;
	enum err rc = forecast_ws_reserve(ws, f, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		jobs[i] = &item[i]->forecast;
		over[i] = true;
	}
	int64_t start = monotonic_ns();
	forecaster_run(f, ws, jobs, n);
	learn_cost(m, monotonic_ns() - start, (uint64_t)n);
	m->metrics.sequences += (uint64_t)n;
	m->metrics.decoder_steps += (uint64_t)n * (uint64_t)f->net.horizon;
	return ERR_OK;
}

static enum err run_texts(struct model *m, struct text_ws *ws, struct batch_item **item, int n, bool *over,
                          struct error *e)
{
	struct text_job *jobs[BATCH_ROWS];
	uint64_t before = 0, after = 0, written = 0;
	enum err rc = text_ws_reserve(ws, m->trained.text, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		jobs[i] = &item[i]->text;
		before += units_done(item[i]);
		written -= (uint64_t)jobs[i]->tokens_out;
	}
	int64_t start = monotonic_ns();
	rc = text_model_run(m->trained.text, ws, jobs, n, over, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		after += units_done(item[i]);
		written += (uint64_t)jobs[i]->tokens_out;
		m->metrics.sequences += over[i];
	}
	learn_cost(m, monotonic_ns() - start, after - before);
	m->metrics.decoder_steps += written;
	return ERR_OK;
}

static void go_on_later(struct batcher *b, struct batch_item *item)
{
	pthread_mutex_lock(&b->lock);
	enqueue(b, item);
	pthread_cond_signal(&b->wake);
	pthread_mutex_unlock(&b->lock);
}

static void compute(struct batcher *b, struct batch_item **item, int n, struct batch_ws *ws)
{
	struct model *m = model_ref(item[0]->batch->model);   /* done() of the last request may drop the others */
	bool over[BATCH_ROWS];
	struct error e;
	histogram_add(&m->metrics.batch_size, metric_rows, n);
	enum err rc = m->trained.text ? run_texts(m, ws->text, item, n, over, &e) : run_series(m, ws->series, item, n, over, &e);
	if (rc)
		log_failure("compute_failed", &e);
	for (int i = 0; i < n; i++) {
		if (rc)
			item[i]->batch->failed = (int)rc;
		if (rc || over[i])
			finish_item(item[i]);
		else
			go_on_later(b, item[i]);
	}
	model_unref(m);
}

enum err batch_ws_new(struct batch_ws **out, struct error *e)
{
	struct batch_ws *ws = calloc(1, sizeof *ws);
	enum err rc = ws ? forecast_ws_new(BATCH_ROWS, &ws->series, e) : fail_nomem(e);
	if (!rc)
		rc = text_ws_new(BATCH_ROWS, &ws->text, e);
	if (rc)
		batch_ws_free(ws);
	else
		*out = ws;
	return rc;
}

void batch_ws_free(struct batch_ws *ws)
{
	if (!ws)
		return;
	forecast_ws_free(ws->series);
	text_ws_free(ws->text);
	free(ws);
}

/* What was taken off the queue. */
static void run(struct batcher *b, struct batch_item **item, int n, struct batch_ws *ws)
{
	n = drop_expired(item, n);
	if (n)
		compute(b, item, n, ws);
}

static int rows_of_turn(const struct model *m)
{
	uint64_t n = BATCH_TURN_NS / m->cost_ns;
	return n < BATCH_ROWS ? (int)n : BATCH_ROWS;
}

bool batcher_turn(struct batcher *b, struct batch_ws *ws)
{
	struct batch_item *item[BATCH_ROWS];
	int n = 0;
	pthread_mutex_lock(&b->lock);
	if (b->ready && batcher_is_light(b->ready))
		n = take_batch(b, rows_of_turn(b->ready), item);
	else if (b->ready)
		pthread_cond_signal(&b->wake);   /* the caller will sleep */
	pthread_mutex_unlock(&b->lock);
	if (n)
		run(b, item, n, ws);
	return n > 0;
}

static void *thread_main(void *arg)
{
	struct batcher *b = arg;
	struct batch_ws *ws;
	struct error e;
	if (batch_ws_new(&ws, &e)) {
		log_failure("compute_thread_failed", &e);
		_exit(1);   /* at start: nothing was acknowledged yet */
	}
	for (;;) {
		struct batch_item *item[BATCH_ROWS];
		pthread_mutex_lock(&b->lock);
		b->running--;
		while (!b->ready && !b->stopping)
			pthread_cond_wait(&b->wake, &b->lock);
		int n = b->ready ? take_batch(b, BATCH_ROWS, item) : 0;
		b->running++;
		pthread_mutex_unlock(&b->lock);
		if (!n)
			break;
		run(b, item, n, ws);
	}
	batch_ws_free(ws);
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
	b->threads = b->running = threads;   /* each lies down once before its first work */
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

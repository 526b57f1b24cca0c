#include "server/batcher.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/log.h"
#include "server/monotonic.h"

#define ADMIT_SHARE 0.8       /* of the deadline that backlog and own cost may take */
#define TURN_NS     5000000   /* of predicted cost a turn, where others wait; and never more than BATCH_ROWS sequences */
#define BULK_EVERY  8         /* turns, one of which is bulk's where interactive waits as well */
#define BULK_ROWS   8         /* sequences of such a turn */

/* Lines where somebody waits, whose turn it is first. */
struct ready {
	struct model_line *head, **tail;
};

struct batcher {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct ready ready[BATCH_CLASSES];
	unsigned turns;
	long waiting[BATCH_CLASSES], capacity;   /* sequences */
	uint64_t backlog_ns[BATCH_CLASSES];      /* sum of what waits, predicted_ns */
	int threads;
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

/* Units of work that an item has behind it; of a forecast, which waits only before it begins, none. */
static uint64_t units_done(const struct batch_item *item)
{
	const struct text_model *text = item->batch->model->trained.text;
	return text ? text_done(text, &item->text) : 0;
}

static uint64_t series_units(const struct forecaster *f, const struct forecast *job)
{
	return (uint64_t)forecast_window(f, job) + (uint64_t)forecaster_steps(f);
}

/* And at most before it. */
static uint64_t units_left(const struct batch_item *item)
{
	const struct text_model *text = item->batch->model->trained.text;
	if (!text)
		return series_units(item->batch->model->trained.forecaster, &item->forecast);
	uint64_t most = text_most(text, &item->text), done = text_done(text, &item->text);
	return most > done ? most - done : 1;
}

static void learn_cost(struct model *m, int64_t ns, uint64_t units)
{
	uint64_t each = (uint64_t)ns / (units ? units : 1), old = m->cost_ns;
	m->cost_ns = old ? (7 * old + each) / 8 : each;
}

/* ---- lines (under the lock) ---------------------------------------------- */

static enum batch_class class_of(const struct model_line *line)
{
	return (enum batch_class)(line - line->model->line);
}

/* A line is in its class's ready list as long as it is not empty. */
static void make_ready(struct batcher *b, struct model_line *line)
{
	struct ready *r = &b->ready[class_of(line)];
	line->next_ready = NULL;
	*r->tail = line;
	r->tail = &line->next_ready;
}

static void make_unready(struct batcher *b, struct model_line *line)
{
	struct ready *r = &b->ready[class_of(line)];
	struct model_line **at = &r->head;
	while (*at != line)
		at = &(*at)->next_ready;
	*at = line->next_ready;
	if (!*at)
		r->tail = at;
}

static void count_waiting(struct batcher *b, enum batch_class class, long change)
{
	b->waiting[class] += change;
	metrics.queue_depth[class] = (uint64_t)b->waiting[class];
}

/* To the end of its line. */
static void enqueue(struct batcher *b, struct batch_item *item)
{
	struct model_line *line = &item->batch->model->line[item->batch->class];
	if (!line->head)
		make_ready(b, line);
	item->next = NULL;
	item->predicted_ns = line->model->cost_ns * units_left(item);
	b->backlog_ns[item->batch->class] += item->predicted_ns;
	*line->tail = item;
	line->tail = &item->next;
	count_waiting(b, item->batch->class, 1);
}

static struct batch_item *dequeue(struct batcher *b, struct model_line *line)
{
	struct batch_item *item = line->head;
	line->head = item->next;
	line->credit_ns -= (int64_t)item->predicted_ns;
	b->backlog_ns[class_of(line)] -= item->predicted_ns;
	count_waiting(b, class_of(line), -1);
	if (!line->head) {   /* who has nothing to do saves nothing up, and owes nothing */
		line->tail = &line->head;
		line->credit_ns = 0;
		make_unready(b, line);
	}
	return item;
}

/* ---- turns (under the lock) ---------------------------------------------- */

/* What a compute thread is about. */
struct turn {
	struct model_line *line;
	int joined;                               /* so far */
	struct batch_item *item[INFER_FLIGHTS];   /* in the air, by number; NULL: nobody */
	int flights;
	int64_t busy_ns;                          /* since the cost was learnt last */
	uint64_t units;
};

/* The class whose turn it is; somebody waits. */
static enum batch_class next_class(struct batcher *b)
{
	if (!b->ready[CLASS_BULK].head)
		return CLASS_INTERACTIVE;
	if (!b->ready[CLASS_INTERACTIVE].head)
		return CLASS_BULK;
	return ++b->turns % BULK_EVERY ? CLASS_INTERACTIVE : CLASS_BULK;
}

/* The line whose turn it is, which goes to the end of its list. Lines in debt are passed over; their debt shrinks. */
static struct model_line *next_line(struct batcher *b)
{
	const enum batch_class class = next_class(b);
	for (;;) {
		struct model_line *line = b->ready[class].head;
		make_unready(b, line);
		make_ready(b, line);
		line->credit_ns = line->credit_ns < 0 ? line->credit_ns + TURN_NS : TURN_NS;
		if (line->credit_ns > 0 || b->ready[class].head == line)
			return line;
	}
}

static bool others_wait(const struct batcher *b, const struct turn *t)
{
	const struct model_line *first = b->ready[class_of(t->line)].head;
	return first && (first != t->line || first->next_ready);
}

/* Whether others go first now. A turn has at least one sequence. */
static bool is_spent(const struct batcher *b, const struct turn *t)
{
	if (!t->joined)
		return false;
	if (class_of(t->line) == CLASS_BULK && b->ready[CLASS_INTERACTIVE].head && t->joined >= BULK_ROWS)
		return true;
	return others_wait(b, t) && (t->line->credit_ns <= 0 || t->joined >= BATCH_ROWS);
}

/* Where the next one to join waits, or NULL: once a turn of bulk had its share, the same model's interactive line goes
 * first. */
static struct model_line *joining_line(const struct batcher *b, const struct turn *t)
{
	struct model_line *interactive = &t->line->model->line[CLASS_INTERACTIVE];
	if (is_spent(b, t))
		return NULL;
	if (interactive->head && (class_of(t->line) == CLASS_INTERACTIVE || t->joined >= BULK_ROWS))
		return interactive;
	return t->line->head ? t->line : NULL;
}

/* Up to `room` waiting sequences join the turn. */
static int join(struct batcher *b, struct turn *t, struct batch_item **out, int room)
{
	int64_t now = monotonic_ns();
	struct model_line *line;
	int n = 0;
	pthread_mutex_lock(&b->lock);
	while (n < room && (line = joining_line(b, t))) {
		out[n] = dequeue(b, line);
		if (!out[n]->batch->started_ns)
			out[n]->batch->started_ns = now;
		n++;
		t->joined++;
	}
	pthread_mutex_unlock(&b->lock);
	return n;
}

/* ---- admission ----------------------------------------------------------- */

static uint64_t predicted_cost(const struct batch *batch)
{
	uint64_t units = 0;
	for (int i = 0; i < batch->n; i++)
		units += units_left(&batch->item[i]);
	return batch->model->cost_ns * (units + units / (uint64_t)batch->n * (uint64_t)batch->later);
}

/* What goes first: interactive work waits only for its own kind. */
static uint64_t backlog_before(const struct batcher *b, enum batch_class class)
{
	const uint64_t interactive = b->backlog_ns[CLASS_INTERACTIVE];
	return class == CLASS_BULK ? interactive + b->backlog_ns[CLASS_BULK] : interactive;
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
	long waiting = b->waiting[CLASS_INTERACTIVE] + b->waiting[CLASS_BULK];
	double wait = (double)(backlog_before(b, batch->class) + predicted_cost(batch)) / b->threads;
	if (b->stopping)
		rc = fail(e, ERR_STOPPING, "", "the service is shutting down");
	else if (waiting + batch->n > b->capacity)
		rc = fail(e, ERR_BUSY, "", "%ld sequences wait, the most allowed is %ld (option --queue-capacity)",
		          waiting, b->capacity);
	else if (wait > ADMIT_SHARE * (double)(batch->deadline_ns - now))
		rc = fail(e, ERR_BUSY, "", "the work waiting would take %.0f ms, too long for the deadline", wait / 1e6);
	if (rc) {
		*retry_after_s = 1 + (int)(wait / 1e9);
	} else {
		for (int i = 0; i < batch->n; i++)
			enqueue(b, &batch->item[i]);
		pthread_cond_signal(&b->wake);
		if (batch->n > BATCH_ROWS)
			pthread_cond_broadcast(&b->wake);
	}
	pthread_mutex_unlock(&b->lock);
	return rc;
}

/* ---- the end of an item, and batches ------------------------------------- */

static void finish_item(struct batch_item *item)
{
	struct batch *batch = item->batch;
	if (--batch->left)
		return;
	struct error e;
	enum err rc = (enum err)batch->failed;
	batch->finished_ns = monotonic_ns();
	if (rc == ERR_TIMEOUT)
		fail(&e, rc, "", "the deadline of %.0f ms passed before the answer was there",
		     (double)(batch->deadline_ns - batch->queued_ns) / 1e6);
	else if (rc == ERR_CANCELLED)
		fail(&e, rc, "", "the client left");
	else if (rc)
		fail_nomem(&e);
	batch->done(batch, rc, &e);
}

/* Give up on what needs no answer any more. */
static bool drop(struct batch_item *item, int64_t now)
{
	struct batch *batch = item->batch;
	enum err why = now > batch->deadline_ns ? ERR_TIMEOUT : batch->abandoned(batch) ? ERR_CANCELLED : ERR_OK;
	if (!why)
		return false;
	batch->failed = (int)why;
	finish_item(item);
	return true;
}

/* Returns how many stay, at the front. */
static int drop_expired(struct batch_item **item, int n)
{
	int64_t now = monotonic_ns();
	int kept = 0;
	for (int i = 0; i < n; i++)
		if (!drop(item[i], now))
			item[kept++] = item[i];
	return kept;
}

/* A thread's workspaces: which is used, the model says. */
struct workspace {
	struct forecast_ws *series;
	struct text_ws *text;
};

static enum err run_series(struct model *m, struct forecast_ws *ws, struct batch_item **item, int n, bool *over,
                           struct error *e)
{
	struct forecast *jobs[BATCH_ROWS];
	const struct forecaster *f = m->trained.forecaster;
	uint64_t units = 0;
	enum err rc = forecast_ws_reserve(ws, f, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		jobs[i] = &item[i]->forecast;
		units += units_left(item[i]);
		over[i] = true;
	}
	int64_t start = monotonic_ns();
	forecaster_run(f, ws, jobs, n);
	learn_cost(m, monotonic_ns() - start, units);
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

/* A turn of a model that does not fly. */
static void run_batch(struct batcher *b, struct turn *t, struct workspace *ws)
{
	struct model *m = t->line->model;
	struct batch_item *item[BATCH_ROWS];
	bool over[BATCH_ROWS];
	struct error e;
	const int n = drop_expired(item, join(b, t, item, BATCH_ROWS));
	if (!n)
		return;
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
}

/* ---- flights ------------------------------------------------------------- */

static void begin_flights(struct turn *t, struct forecast_ws *ws, struct batch_item **item, int n)
{
	const int64_t start = monotonic_ns();
	for (int i = 0; i < n; i++)
		t->item[forecaster_begin(t->line->model->trained.forecaster, ws, &item[i]->forecast)] = item[i];
	t->flights += n;
	t->busy_ns += monotonic_ns() - start;
}

static void drop_flights(struct turn *t, struct forecast_ws *ws)
{
	int64_t now = monotonic_ns();
	for (int i = 0; i < INFER_FLIGHTS; i++)
		if (t->item[i] && drop(t->item[i], now)) {
			forecaster_drop(ws, i);
			t->item[i] = NULL;
			t->flights--;
		}
}

static void land(struct turn *t, struct forecast_ws *ws, int number)
{
	struct model *m = t->line->model;
	struct batch_item *item = t->item[number];
	forecaster_decode(m->trained.forecaster, ws, number, &item->forecast);
	m->metrics.sequences++;
	m->metrics.decoder_steps += (uint64_t)m->trained.forecaster->net.horizon;
	t->units += units_left(item);
	t->item[number] = NULL;
	t->flights--;
	finish_item(item);
}

/* Once the air is empty the units are those of the time exactly; in long turns, as good as that. */
static void learn_flights(struct turn *t)
{
	if (t->units && (!t->flights || t->joined >= BATCH_ROWS)) {
		learn_cost(t->line->model, t->busy_ns, t->units);
		t->busy_ns = 0;
		t->units = 0;
	}
}

static void tick(struct turn *t, struct forecast_ws *ws)
{
	int landed[INFER_FLIGHTS];
	const int64_t start = monotonic_ns();
	histogram_add(&t->line->model->metrics.batch_size, metric_rows, t->flights);
	const int n = forecaster_tick(ws, landed);
	t->busy_ns += monotonic_ns() - start;
	for (int i = 0; i < n; i++)
		land(t, ws, landed[i]);
	learn_flights(t);
}

/* A turn of a model that flies: at each border of a tick some leave, some join. */
static void run_flights(struct batcher *b, struct turn *t, struct forecast_ws *ws)
{
	do {
		struct batch_item *item[INFER_FLIGHTS];
		drop_flights(t, ws);
		begin_flights(t, ws, item, drop_expired(item, join(b, t, item, INFER_FLIGHTS - t->flights)));
		if (t->flights)
			tick(t, ws);
	} while (t->flights);
}

/* Without memory for it nobody takes off. */
static void fail_batch(struct batcher *b, struct turn *t, enum err why)
{
	struct batch_item *item[BATCH_ROWS];
	const int n = join(b, t, item, BATCH_ROWS);
	for (int i = 0; i < n; i++) {
		item[i]->batch->failed = (int)why;
		finish_item(item[i]);
	}
}

static void run_turn(struct batcher *b, struct turn *t, struct workspace *ws)
{
	const struct forecaster *f = t->line->model->trained.forecaster;
	struct error e;
	if (!f || !forecaster_flies(f)) {
		run_batch(b, t, ws);
		return;
	}
	enum err rc = forecast_ws_reserve_flights(ws->series, f, &e);
	if (rc) {
		log_failure("compute_failed", &e);
		fail_batch(b, t, rc);
	} else {
		run_flights(b, t, ws->series);
	}
}

/* ---- compute threads ----------------------------------------------------- */

static bool somebody_waits(const struct batcher *b)
{
	return b->ready[CLASS_INTERACTIVE].head || b->ready[CLASS_BULK].head;
}

/* Wait for a turn; it holds a reference to its model. False: there will be no more. */
static bool take_turn(struct batcher *b, struct turn *t)
{
	*t = (struct turn){ 0 };
	pthread_mutex_lock(&b->lock);
	while (!somebody_waits(b) && !b->stopping)
		pthread_cond_wait(&b->wake, &b->lock);
	if (somebody_waits(b)) {
		t->line = next_line(b);
		model_ref(t->line->model);
	}
	pthread_mutex_unlock(&b->lock);
	return t->line;
}

static void workspace_fini(struct workspace *ws)
{
	forecast_ws_free(ws->series);
	text_ws_free(ws->text);
}

static void *thread_main(void *arg)
{
	struct batcher *b = arg;
	struct workspace ws = { 0 };
	struct turn turn;
	struct error e;
	if (forecast_ws_new(BATCH_ROWS, &ws.series, &e) || text_ws_new(BATCH_ROWS, &ws.text, &e)) {
		log_failure("compute_thread_failed", &e);
		_exit(1);   /* at start: nothing was acknowledged yet */
	}
	while (take_turn(b, &turn)) {
		struct model *m = turn.line->model;
		run_turn(b, &turn, &ws);
		model_unref(m);
	}
	workspace_fini(&ws);
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
	for (int c = 0; c < BATCH_CLASSES; c++)
		b->ready[c].tail = &b->ready[c].head;
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

/* When the one that waits longest was queued; 0: nobody waits. */
static int64_t oldest_waiting(const struct batcher *b)
{
	int64_t oldest = 0;
	for (int c = 0; c < BATCH_CLASSES; c++)
		for (const struct model_line *line = b->ready[c].head; line; line = line->next_ready) {
			int64_t queued = line->head->batch->queued_ns;
			if (!oldest || queued < oldest)
				oldest = queued;
		}
	return oldest;
}

void batcher_metrics(struct batcher *b, struct strbuf *out)
{
	pthread_mutex_lock(&b->lock);
	int64_t oldest = oldest_waiting(b);
	long capacity = b->capacity;
	pthread_mutex_unlock(&b->lock);
	const uint64_t bulk = metrics.queue_depth[CLASS_BULK];
	metric_head(out, "inference_queue_depth", "gauge", "Sequences waiting for a compute thread.");
	metric_value(out, "inference_queue_depth", "", (double)(metrics.queue_depth[CLASS_INTERACTIVE] + bulk));
	metric_head(out, "inference_bulk_queue_depth", "gauge", "Those of them that are of the bulk class.");
	metric_value(out, "inference_bulk_queue_depth", "", (double)bulk);
	metric_head(out, "inference_queue_capacity", "gauge", "Most sequences that may wait.");
	metric_value(out, "inference_queue_capacity", "", (double)capacity);
	metric_head(out, "inference_oldest_request_age_seconds", "gauge", "Age of the oldest waiting sequence.");
	metric_value(out, "inference_oldest_request_age_seconds", "",
	             oldest ? (double)(monotonic_ns() - oldest) / 1e9 : 0);
}

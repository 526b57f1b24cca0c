#include "server/queue.h"

#include "server/monotonic.h"

#define ADMIT_SHARE 0.7        /* of the deadline that may be spent until the answer is computed */
#define TURN_NS     20000000   /* of predicted cost a turn, where others wait */
#define BULK_EVERY  8          /* turns, one of which is bulk's where interactive waits as well */
#define BULK_ROWS   8          /* sequences of such a turn */

enum err queue_init(struct queue *q, int threads, long capacity, struct error *e)
{
	*q = (struct queue){ .threads = threads, .capacity = capacity };
	for (int c = 0; c < BATCH_CLASSES; c++)
		q->ready[c].tail = &q->ready[c].head;
	if (pthread_mutex_init(&q->lock, NULL))
		return fail_nomem(e);
	if (!pthread_cond_init(&q->wake, NULL))
		return ERR_OK;
	pthread_mutex_destroy(&q->lock);
	return fail_nomem(e);
}

void queue_fini(struct queue *q)
{
	pthread_cond_destroy(&q->wake);
	pthread_mutex_destroy(&q->lock);
}

/* ---- work ---------------------------------------------------------------- */

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

uint64_t item_units_done(const struct batch_item *item)
{
	const struct text_model *text = item->batch->model->trained.text;
	return text ? text_done(text, &item->text) : 0;
}

static uint64_t series_units(const struct forecaster *f, int window)
{
	return (uint64_t)window + (uint64_t)forecaster_steps(f);
}

static uint64_t item_units(const struct batch_item *item)
{
	const struct trained *t = &item->batch->model->trained;
	if (t->forecaster)
		return series_units(t->forecaster, forecast_window(t->forecaster, &item->forecast));
	return text_most(t->text, &item->text);
}

uint64_t item_units_left(const struct batch_item *item)
{
	const uint64_t most = item_units(item), done = item_units_done(item);
	return most > done ? most - done : 1;
}

uint64_t batch_cost_ns(const struct batch *batch)
{
	const uint64_t n = (uint64_t)batch->n, later = (uint64_t)batch->later;
	uint64_t units = 0;
	for (int i = 0; i < batch->n; i++)
		units += item_units(&batch->item[i]);
	return cost_of(&batch->model->cost, n + later, units + units / n * later);
}

/* A whole window. */
static uint64_t usual_cost(const struct model *m)
{
	const struct forecaster *f = m->trained.forecaster;
	return f ? cost_of(&m->cost, 1, series_units(f, f->pipeline.window)) : 0;
}

static bool is_light(uint64_t ns)
{
	return ns && ns <= BATCH_LIGHT_NS;
}

bool batcher_is_light(const struct model *m)
{
	return is_light(usual_cost(m));
}

static bool item_is_light(const struct batch_item *item)
{
	return item->batch->model->trained.forecaster && is_light(item->predicted_ns);
}

/* ---- lines (under the lock, as is all that follows) ---------------------- */

static enum batch_class class_of(const struct model_line *line)
{
	return (enum batch_class)(line - line->model->line);
}

/* A line is in its class's ready list as long as it is not empty. */
static void make_ready(struct queue *q, struct model_line *line)
{
	struct ready *r = &q->ready[class_of(line)];
	line->next_ready = NULL;
	*r->tail = line;
	r->tail = &line->next_ready;
	r->n++;
}

static void make_unready(struct queue *q, struct model_line *line)
{
	struct ready *r = &q->ready[class_of(line)];
	struct model_line **at = &r->head;
	while (*at != line)
		at = &(*at)->next_ready;
	*at = line->next_ready;
	if (!*at)
		r->tail = at;
	r->n--;
}

static void count_waiting(struct queue *q, enum batch_class class, long change)
{
	q->waiting[class] += change;
	metrics.queue_depth[class] = (uint64_t)q->waiting[class];
}

/* To the end of its line. */
static void enqueue(struct queue *q, struct batch_item *item)
{
	struct model_line *line = &item->batch->model->line[item->batch->class];
	if (!line->head)
		make_ready(q, line);
	item->next = NULL;
	item->predicted_ns = cost_of(&line->model->cost, 1, item_units_left(item));
	line->waiting_ns += item->predicted_ns;
	q->waiting_ns[item->batch->class] += item->predicted_ns;
	*line->tail = item;
	line->tail = &item->next;
	count_waiting(q, item->batch->class, 1);
}

/* The first of the line is under way. */
static struct batch_item *dequeue(struct queue *q, struct model_line *line)
{
	struct batch_item *item = line->head;
	line->head = item->next;
	line->waiting_ns -= item->predicted_ns;
	line->credit_ns -= (int64_t)item->predicted_ns;
	q->waiting_ns[class_of(line)] -= item->predicted_ns;
	q->underway_ns += item->predicted_ns;
	count_waiting(q, class_of(line), -1);
	if (!line->head) {   /* who has nothing to do saves nothing up, and owes nothing */
		line->tail = &line->head;
		line->credit_ns = 0;
		make_unready(q, line);
	}
	return item;
}

/* ---- admission ----------------------------------------------------------- */

/* How long something that costs own_ns would be on its way, if it were let in now. */
static double predicted_wait(const struct queue *q, const struct model_line *line, uint64_t own_ns)
{
	const enum batch_class class = class_of(line);
	const uint64_t first = class == CLASS_BULK ? q->waiting_ns[CLASS_INTERACTIVE] : 0;
	const uint64_t mine = line->waiting_ns + own_ns, others = q->waiting_ns[class] - line->waiting_ns;
	const uint64_t turns = (uint64_t)(q->ready[class].n - (line->head != NULL)) * (mine + TURN_NS);
	return (double)(q->underway_ns + first + mine + (turns < others ? turns : others)) / q->threads;
}

static enum err check_wait(double wait_ns, int64_t deadline_ns, int *retry_after_s, struct error *e)
{
	if (wait_ns <= ADMIT_SHARE * (double)(deadline_ns - monotonic_ns()))
		return ERR_OK;
	*retry_after_s = 1 + (int)(wait_ns / 1e9);
	return fail(e, ERR_BUSY, "", "the work waiting would take %lld ms, too long for the deadline",
	            (long long)(wait_ns / 1e6));
}

static uint64_t all_waiting_ns(const struct queue *q)
{
	return q->waiting_ns[CLASS_INTERACTIVE] + q->waiting_ns[CLASS_BULK];
}

static enum err check_capacity(const struct queue *q, int n, int *retry_after_s, struct error *e)
{
	const long waiting = q->waiting[CLASS_INTERACTIVE] + q->waiting[CLASS_BULK];
	if (waiting + n <= q->capacity)
		return ERR_OK;
	*retry_after_s = 1 + (int)((double)all_waiting_ns(q) / q->threads / 1e9);
	return fail(e, ERR_BUSY, "", "%ld sequences wait, the most allowed is %ld (option --queue-capacity)", waiting,
	            q->capacity);
}

static bool is_idle(const struct queue *q)
{
	return !q->running && !q->underway_ns && !q->waiting[CLASS_INTERACTIVE] && !q->waiting[CLASS_BULK];
}

static enum err check_batch(struct queue *q, const struct batch *batch, int *retry_after_s, struct error *e)
{
	if (q->stopping)
		return fail(e, ERR_STOPPING, "", "the service is shutting down");
	enum err rc = check_capacity(q, batch->n, retry_after_s, e);
	if (rc) {
		metrics.refused[REFUSED_BY_CAPACITY]++;
		return rc;
	}
	rc = check_wait(predicted_wait(q, &batch->model->line[batch->class], batch_cost_ns(batch)), batch->deadline_ns,
	                retry_after_s, e);
	if (rc)
		metrics.refused[REFUSED_BY_BODY]++;
	if (rc && is_idle(q))
		cost_doubt(&batch->model->cost);
	return rc;
}

/* A compute thread is needed for what no caller computes in a turn, when a core is left for it. */
static void wake_threads(struct queue *q, const struct batch *batch)
{
	if (batch->polled && (all_waiting_ns(q) <= BATCH_TURN_NS || q->running + 1 >= q->threads))
		return;
	pthread_cond_signal(&q->wake);
	if (batch->n > BATCH_ROWS)
		pthread_cond_broadcast(&q->wake);
}

enum err queue_admit(struct queue *q, struct batch *batch, int *retry_after_s, struct error *e)
{
	batch->queued_ns = monotonic_ns();
	batch->started_ns = 0;
	batch->left = batch->n;
	batch->failed = ERR_OK;
	for (int i = 0; i < batch->n; i++)
		batch->item[i].batch = batch;

	pthread_mutex_lock(&q->lock);
	enum err rc = check_batch(q, batch, retry_after_s, e);
	for (int i = 0; !rc && i < batch->n; i++)
		enqueue(q, &batch->item[i]);
	if (!rc)
		wake_threads(q, batch);
	pthread_mutex_unlock(&q->lock);
	return rc;
}

enum err queue_expects(struct queue *q, struct model *m, int64_t deadline_ns, int *retry_after_s, struct error *e)
{
	enum err rc = ERR_OK;
	pthread_mutex_lock(&q->lock);
	if (!is_idle(q))   /* else the body may be shorter than usual */
		rc = check_wait(predicted_wait(q, &m->line[CLASS_INTERACTIVE], usual_cost(m)), deadline_ns, retry_after_s, e);
	pthread_mutex_unlock(&q->lock);
	if (rc)
		metrics.refused[REFUSED_BY_HEADERS]++;
	return rc;
}

/* ---- turns --------------------------------------------------------------- */

static bool anybody_waits(const struct queue *q)
{
	return q->ready[CLASS_INTERACTIVE].head || q->ready[CLASS_BULK].head;
}

/* The class whose turn it is; somebody waits. */
static enum batch_class next_class(struct queue *q)
{
	if (!q->ready[CLASS_BULK].head)
		return CLASS_INTERACTIVE;
	if (!q->ready[CLASS_INTERACTIVE].head)
		return CLASS_BULK;
	return ++q->turns % BULK_EVERY ? CLASS_INTERACTIVE : CLASS_BULK;
}

/* The line goes to the end of its list, and is given its due. */
static void grant(struct queue *q, struct model_line *line)
{
	make_unready(q, line);
	make_ready(q, line);
	line->credit_ns = line->credit_ns < 0 ? line->credit_ns + TURN_NS : TURN_NS;
}

/* The line whose turn it is. Lines in debt are passed over; their debt shrinks. */
static struct model_line *next_line(struct queue *q)
{
	const struct ready *r = &q->ready[next_class(q)];
	for (;;) {
		struct model_line *line = r->head;
		grant(q, line);
		if (line->credit_ns > 0 || r->n == 1)
			return line;
	}
}

/* The first line that begins with something light, or NULL. */
static struct model_line *next_light_line(struct queue *q)
{
	for (int c = 0; c < BATCH_CLASSES; c++)
		for (struct model_line *line = q->ready[c].head; line; line = line->next_ready)
			if (item_is_light(line->head)) {
				grant(q, line);
				return line;
			}
	return NULL;
}

/* What is light runs together to its end: there is nothing to win in the air. */
static bool begins_with_flight(const struct model_line *line)
{
	const struct forecaster *f = line->model->trained.forecaster;
	return f && forecaster_flies(f) && !item_is_light(line->head);
}

static void turn_init(struct turn *t, enum turn_kind kind, struct model_line *line)
{
	*t = (struct turn){ .kind = kind, .line = line };
	model_ref(line->model);   /* done() of the last request may drop all others */
}

bool queue_begin(struct queue *q, struct turn *t)
{
	pthread_mutex_lock(&q->lock);
	while (!anybody_waits(q) && !q->stopping)
		pthread_cond_wait(&q->wake, &q->lock);
	const bool any = anybody_waits(q);
	if (any) {
		struct model_line *line = next_line(q);
		turn_init(t, begins_with_flight(line) ? TURN_FLIGHTS : TURN_BATCH, line);
		q->running++;
	}
	pthread_mutex_unlock(&q->lock);
	return any;
}

bool queue_begin_outside(struct queue *q, struct turn *t)
{
	pthread_mutex_lock(&q->lock);
	struct model_line *line = next_light_line(q);
	if (line)
		turn_init(t, TURN_OUTSIDE, line);
	else if (anybody_waits(q))
		pthread_cond_signal(&q->wake);   /* the caller will sleep */
	pthread_mutex_unlock(&q->lock);
	return line;
}

void queue_end(struct queue *q, struct turn *t)
{
	pthread_mutex_lock(&q->lock);
	q->running -= t->kind != TURN_OUTSIDE;
	pthread_mutex_unlock(&q->lock);
	model_unref(t->line->model);
}

static bool others_wait(const struct queue *q, const struct turn *t)
{
	const enum batch_class class = class_of(t->line);
	return q->ready[class].n > (t->line->head != NULL) || (class == CLASS_INTERACTIVE && q->ready[CLASS_BULK].head);
}

/* Bulk that had its share while interactive work waits. */
static bool gives_way(const struct queue *q, const struct turn *t)
{
	return class_of(t->line) == CLASS_BULK && q->ready[CLASS_INTERACTIVE].head && t->joined >= BULK_ROWS;
}

/* Together, what takes a turn; of the heavy as many as fill two tiles; of texts, which take a turn's tokens each, all. */
static bool batch_has_room(const struct turn *t, const struct batch_item *item)
{
	if (t->kind == TURN_OUTSIDE)
		return t->joined_ns + item->predicted_ns <= BATCH_TURN_NS;
	return t->joined_ns + item->predicted_ns <= TURN_NS || t->joined < INFER_FLIGHTS || item->batch->model->trained.text;
}

/* Short ones of a heavy model fly with its long ones. One whose cost was not known may prove to be light. */
static bool is_of_kind(const struct turn *t, const struct batch_item *item)
{
	switch (t->kind) {
	case TURN_OUTSIDE: return item_is_light(item);
	case TURN_BATCH: return !begins_with_flight(t->line);
	case TURN_FLIGHTS: return !t->joined || !batcher_is_light(t->line->model);
	}
	return false;
}

/* Whether the item, the first of its line, goes along. A turn has at least one sequence. */
static bool may_join(const struct queue *q, const struct turn *t, const struct batch_item *item)
{
	if (!is_of_kind(t, item))
		return false;
	if (!t->joined)
		return true;
	if (gives_way(q, t))
		return false;
	if (t->kind == TURN_FLIGHTS)
		return !others_wait(q, t) || (t->line->credit_ns > 0 && t->joined < BATCH_ROWS);
	return batch_has_room(t, item);
}

int queue_join(struct queue *q, struct turn *t, struct batch_item **out, int room)
{
	const int64_t now = monotonic_ns();
	int n = 0;
	pthread_mutex_lock(&q->lock);
	while (n < room && t->line->head && may_join(q, t, t->line->head)) {
		struct batch_item *item = out[n++] = dequeue(q, t->line);
		t->joined++;
		t->joined_ns += item->predicted_ns;
		if (!item->batch->started_ns)
			item->batch->started_ns = now;
	}
	pthread_mutex_unlock(&q->lock);
	return n;
}

/* ---- ways out ------------------------------------------------------------ */

void queue_return(struct queue *q, struct batch_item *item)
{
	pthread_mutex_lock(&q->lock);
	q->underway_ns -= item->predicted_ns;
	enqueue(q, item);
	pthread_cond_signal(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

void queue_leave(struct queue *q, struct batch_item *const *item, int n)
{
	pthread_mutex_lock(&q->lock);
	for (int i = 0; i < n; i++)
		q->underway_ns -= item[i]->predicted_ns;
	pthread_mutex_unlock(&q->lock);
}

void queue_learn(struct queue *q, struct model *m, uint64_t sequences, uint64_t units, int64_t ns)
{
	pthread_mutex_lock(&q->lock);
	cost_learn(&m->cost, sequences, units, ns);
	pthread_mutex_unlock(&q->lock);
}

void queue_stop(struct queue *q)
{
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	pthread_cond_broadcast(&q->wake);
	pthread_mutex_unlock(&q->lock);
}

int64_t queue_oldest(struct queue *q)
{
	int64_t oldest = 0;
	pthread_mutex_lock(&q->lock);
	for (int c = 0; c < BATCH_CLASSES; c++)
		for (const struct model_line *line = q->ready[c].head; line; line = line->next_ready) {
			int64_t queued = line->head->batch->queued_ns;
			if (!oldest || queued < oldest)
				oldest = queued;
		}
	pthread_mutex_unlock(&q->lock);
	return oldest;
}

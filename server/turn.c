#include "server/turn.h"

#include <stdlib.h>

#include "server/log.h"
#include "server/monotonic.h"

/* A thread's workspaces: which is used, the model says. */
struct batch_ws {
	struct forecast_ws *series;
	struct text_ws *text;
};

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

/* ---- the end of an item -------------------------------------------------- */

static void finish_batch(struct batch *batch)
{
	struct error e;
	const enum err rc = (enum err)batch->failed;
	const double deadline_ms = (double)(batch->deadline_ns - batch->queued_ns) / 1e6;
	batch->finished_ns = monotonic_ns();
	if (rc == ERR_TIMEOUT)
		fail(&e, rc, "", "the deadline of %.0f ms passed; this alone takes about %.0f ms", deadline_ms,
		     (double)batch_cost_ns(batch) / 1e6);
	else if (rc == ERR_BUSY)
		fail(&e, rc, "", "the deadline of %.0f ms passed while others were computed", deadline_ms);
	else if (rc == ERR_CANCELLED)
		fail(&e, rc, "", "the client left");
	else if (rc)
		fail_nomem(&e);
	batch->done(batch, rc, &e);
}

static void finish_item(struct batch_item *item, enum err why)
{
	struct batch *batch = item->batch;
	if (why)
		batch->failed = (int)why;
	if (!--batch->left)
		finish_batch(batch);
}

/* Why nobody needs the answer any more. What would have been in time alone is late because of others: it may be asked
 * again. */
static enum err why_drop(const struct batch *batch, int64_t now)
{
	if (now > batch->deadline_ns)
		return (double)batch_cost_ns(batch) > (double)(batch->deadline_ns - batch->queued_ns) ? ERR_TIMEOUT : ERR_BUSY;
	return batch->abandoned(batch) ? ERR_CANCELLED : ERR_OK;
}

static bool drop(struct queue *q, struct batch_item *item, int64_t now)
{
	const enum err why = why_drop(item->batch, now);
	if (!why)
		return false;
	metrics.dropped[item->batch->class][why == ERR_CANCELLED ? DROP_LEFT : DROP_EXPIRED]++;
	queue_leave(q, &item, 1);
	finish_item(item, why);
	return true;
}

/* Up to `room` of those that wait and are still wanted. */
static int join(struct queue *q, struct turn *t, struct batch_item **item, int room)
{
	const int n = queue_join(q, t, item, room);
	const int64_t now = monotonic_ns();
	int kept = 0;
	for (int i = 0; i < n; i++)
		if (!drop(q, item[i], now))
			item[kept++] = item[i];
	return kept;
}

static struct model *model_of(const struct turn *t)
{
	return t->line->model;
}

/* ---- batches ------------------------------------------------------------- */

static enum err run_series(struct queue *q, struct model *m, struct forecast_ws *ws, struct batch_item **item, int n,
                           bool *over, struct error *e)
{
	struct forecast *jobs[BATCH_ROWS];
	const struct forecaster *f = m->trained.forecaster;
	uint64_t units = 0;
	enum err rc = forecast_ws_reserve(ws, f, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		jobs[i] = &item[i]->forecast;
		units += item_units_left(item[i]);
		over[i] = true;
	}
	int64_t start = monotonic_ns();
	forecaster_run(f, ws, jobs, n);
	queue_learn(q, m, (uint64_t)n, units, monotonic_ns() - start);
	m->metrics.sequences += (uint64_t)n;
	m->metrics.decoder_steps += (uint64_t)n * (uint64_t)f->net.horizon;
	return ERR_OK;
}

static enum err run_texts(struct queue *q, struct model *m, struct text_ws *ws, struct batch_item **item, int n, bool *over,
                          struct error *e)
{
	struct text_job *jobs[BATCH_ROWS];
	uint64_t before = 0, after = 0, written = 0;
	enum err rc = text_ws_reserve(ws, m->trained.text, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		jobs[i] = &item[i]->text;
		before += item_units_done(item[i]);
		written -= (uint64_t)jobs[i]->tokens_out;
	}
	int64_t start = monotonic_ns();
	rc = text_model_run(m->trained.text, ws, jobs, n, over, e);
	if (rc)
		return rc;
	for (int i = 0; i < n; i++) {
		after += item_units_done(item[i]);
		written += (uint64_t)jobs[i]->tokens_out;
		m->metrics.sequences += over[i];
	}
	queue_learn(q, m, (uint64_t)n, after > before ? after - before : 1, monotonic_ns() - start);
	m->metrics.decoder_steps += written;
	return ERR_OK;
}

static void run_batch(struct queue *q, struct turn *t, struct batch_ws *ws)
{
	struct model *m = model_of(t);
	struct batch_item *item[BATCH_ROWS];
	bool over[BATCH_ROWS];
	struct error e;
	const int n = join(q, t, item, BATCH_ROWS);
	if (!n)
		return;
	histogram_add(&m->metrics.batch_size, metric_rows, n);
	enum err rc = m->trained.text
		? run_texts(q, m, ws->text, item, n, over, &e) : run_series(q, m, ws->series, item, n, over, &e);
	if (rc)
		log_failure("compute_failed", &e);
	for (int i = 0; i < n; i++) {
		if (!rc && !over[i]) {
			queue_return(q, item[i]);
			continue;
		}
		queue_leave(q, &item[i], 1);
		finish_item(item[i], rc);
	}
}

/* ---- flights ------------------------------------------------------------- */

/* Who is in the air. */
struct air {
	struct batch_item *item[INFER_FLIGHTS];   /* by number; NULL: nobody */
	int n;
	int64_t since_ns;                         /* the cost was learnt last, */
	uint64_t sequences, units;                /* what has landed since */
};

static void count_flights(struct air *a, int change)
{
	a->n += change;
	metrics.flights += (uint64_t)change;   /* a gauge of all threads: a fall is added as well, modulo 2^64 */
}

static void take_off(struct turn *t, struct air *a, struct forecast_ws *ws, struct batch_item **item, int n)
{
	for (int i = 0; i < n; i++)
		a->item[forecaster_begin(model_of(t)->trained.forecaster, ws, &item[i]->forecast)] = item[i];
	count_flights(a, n);
}

static void drop_flights(struct queue *q, struct air *a, struct forecast_ws *ws)
{
	const int64_t now = monotonic_ns();
	for (int i = 0; i < INFER_FLIGHTS; i++)
		if (a->item[i] && drop(q, a->item[i], now)) {
			forecaster_drop(ws, i);
			a->item[i] = NULL;
			count_flights(a, -1);
		}
}

/* Its answer, while its number is its own. */
static struct batch_item *land(struct model *m, struct air *a, struct forecast_ws *ws, int number)
{
	struct batch_item *item = a->item[number];
	forecaster_decode(m->trained.forecaster, ws, number, &item->forecast);
	m->metrics.sequences++;
	m->metrics.decoder_steps += (uint64_t)m->trained.forecaster->net.horizon;
	a->sequences++;
	a->units += item_units_left(item);
	a->item[number] = NULL;
	count_flights(a, -1);
	return item;
}

/* Once the air is empty the units are those of the time exactly; in long turns, as good as that. The time is the clock's,
 * with all that happens between ticks: it is what others wait. */
static void learn_flights(struct queue *q, struct model *m, struct air *a)
{
	if (!a->sequences || (a->n && a->sequences < INFER_FLIGHTS))
		return;
	const int64_t now = monotonic_ns();
	queue_learn(q, m, a->sequences, a->units, now - a->since_ns);
	a->since_ns = now;
	a->sequences = a->units = 0;
}

static void tick(struct queue *q, struct model *m, struct air *a, struct forecast_ws *ws)
{
	struct batch_item *item[INFER_FLIGHTS];
	int landed[INFER_FLIGHTS];
	histogram_add(&m->metrics.batch_size, metric_rows, a->n);
	metrics.ticks++;
	const int n = forecaster_tick(ws, landed);
	for (int i = 0; i < n; i++)
		item[i] = land(m, a, ws, landed[i]);
	queue_leave(q, item, n);
	for (int i = 0; i < n; i++)
		finish_item(item[i], ERR_OK);
	learn_flights(q, m, a);
}

static void run_flights(struct queue *q, struct turn *t, struct forecast_ws *ws)
{
	struct air a = { .since_ns = monotonic_ns() };
	do {
		struct batch_item *item[INFER_FLIGHTS];
		drop_flights(q, &a, ws);
		take_off(t, &a, ws, item, join(q, t, item, INFER_FLIGHTS - a.n));
		if (a.n)
			tick(q, model_of(t), &a, ws);
	} while (a.n);
}

/* Without memory for it nobody takes off. */
static void fail_flights(struct queue *q, struct turn *t, enum err why)
{
	struct batch_item *item[INFER_FLIGHTS];
	const int n = queue_join(q, t, item, INFER_FLIGHTS);
	queue_leave(q, item, n);
	for (int i = 0; i < n; i++)
		finish_item(item[i], why);
}

void turn_run(struct queue *q, struct turn *t, struct batch_ws *ws)
{
	struct error e;
	if (t->kind != TURN_FLIGHTS) {
		run_batch(q, t, ws);
		return;
	}
	enum err rc = forecast_ws_reserve_flights(ws->series, model_of(t)->trained.forecaster, &e);
	if (rc) {
		log_failure("compute_failed", &e);
		fail_flights(q, t, rc);
	} else {
		run_flights(q, t, ws->series);
	}
}

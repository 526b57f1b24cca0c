/* Requests share compute threads: the same bits in any company, turns between models, and who is refused or dropped. */
#include "server/batcher.h"

#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "server/monotonic.h"

#include "tests/unit/server/fixture.h"

enum { MODELS = 2, ITEMS_MAX = 3 * BATCH_ROWS, LATER_S = 600 };

struct bench {
	struct fixture f;
	struct store *s;
	struct registry *g;
	struct model *m[MODELS];
	struct batcher *b;
};

static void open_bench(struct bench *b, int threads, long capacity)
{
	static const int hidden[MODELS] = { 6, 11 };
	fixture_open(&b->f);
	ck_ok(store_open(b->f.path, STORE_WRITER, &b->s, &b->f.e));
	ck_ok(registry_new(1 << 30, NULL, &b->g, &b->f.e));
	for (int i = 0; i < MODELS; i++) {
		char name[] = { (char)('a' + i), '\0' };
		fixture_publish(b->s, name, hidden[i], (uint64_t)i + 1);
		ck_ok(registry_load(b->g, b->s, name, 0, NULL, &b->m[i], &b->f.e));
	}
	ck_ok(batcher_new(threads, capacity, &b->b, &b->f.e));
}

static void close_bench(struct bench *b)
{
	batcher_free(b->b);
	for (int i = 0; i < MODELS; i++)
		model_unref(b->m[i]);
	registry_free(b->g);
	store_close(b->s);
	fixture_close(&b->f);
}

/* A request, and what became of it. */
struct ask {
	struct batch batch;   /* first: the batcher gives it back */
	struct batch_item item[ITEMS_MAX];
	double context[ITEMS_MAX][FIXTURE_WINDOW], mean[ITEMS_MAX][FIXTURE_HORIZON];
	bool left;
	enum err rc;
	struct error e;
	_Atomic int *order;   /* counts who is done; may be NULL */
	int place;
	sem_t done;
	sem_t *go;            /* done() waits for it and keeps its compute thread busy; may be NULL */
};

static bool has_left(const struct batch *batch)
{
	return ((const struct ask *)batch)->left;
}

static void done(struct batch *batch, enum err rc, const struct error *e)
{
	struct ask *a = (struct ask *)batch;
	a->rc = rc;
	if (rc)
		a->e = *e;
	a->place = a->order ? (*a->order)++ : 0;
	sem_t *go = a->go;
	sem_post(&a->done);
	if (go)
		sem_wait(go);
}

/* n sequences of m, of the contexts first, first + 1 … */
static struct ask *ask_new(struct model *m, int n, int first)
{
	struct ask *a = calloc(1, sizeof *a);
	ck_assert_ptr_nonnull(a);
	ck_assert_int_le(n, ITEMS_MAX);
	a->batch = (struct batch){ .model = m, .item = a->item, .n = n, .deadline_ns = monotonic_ns() + LATER_S * 1000000000LL,
		.abandoned = has_left, .done = done };
	for (int i = 0; i < n; i++) {
		fixture_context(first + i, a->context[i]);
		a->item[i].forecast = (struct forecast){ .context = a->context[i], .mean = a->mean[i] };
	}
	sem_init(&a->done, 0, 0);
	return a;
}

static enum err submit(struct bench *b, struct ask *a)
{
	int retry = 0;
	enum err rc = batcher_submit(b->b, &a->batch, &retry, &a->e);
	ck_assert(rc != ERR_BUSY || retry >= 1);
	return rc;
}

static void wait_for(struct ask *a)
{
	while (sem_wait(&a->done))
		;
}

/* As if many runs had shown that a sequence takes so long. */
static void pretend(struct model *m, uint64_t sequence_ns)
{
	const double step_ns = (double)(sequence_ns / (FIXTURE_WINDOW + FIXTURE_HORIZON));
	m->cost = (struct cost){ .step_ns = (uint64_t)step_ns, .runs = 1000, .x = 1.0 / (FIXTURE_WINDOW + FIXTURE_HORIZON),
		.y = step_ns };
}

/* Too long for a turn: it flies. */
static void make_heavy(struct model *m)
{
	pretend(m, 50 * BATCH_TURN_NS);
}

/* Keep the only compute thread busy until go is posted. */
static struct ask *plug(struct bench *b, sem_t *go)
{
	struct ask *a = ask_new(b->m[0], 1, 0);
	sem_init(go, 0, 0);
	a->go = go;
	ck_ok(submit(b, a));
	wait_for(a);
	return a;
}

/* What the model says to one context alone, on this thread. */
static void alone(const struct model *m, int first, int window, double mean[FIXTURE_HORIZON])
{
	double context[FIXTURE_WINDOW];
	struct forecast job = { .context = context, .window = window, .mean = mean };
	struct forecast *jobs[] = { &job };
	struct forecast_ws *ws;
	fixture_context(first, context);
	ck_ok(forecast_ws_new(1, &ws, NULL));
	ck_ok(forecast_ws_reserve(ws, m->trained.forecaster, NULL));
	forecaster_run(m->trained.forecaster, ws, jobs, 1);
	forecast_ws_free(ws);
	ck_assert(job.finite && isfinite(mean[0]));
}

/* Bits, not numbers. */
static bool right(const struct ask *a, const struct model *m, int first)
{
	double want[FIXTURE_HORIZON];
	for (int i = 0; i < a->batch.n; i++) {
		alone(m, first + i, a->item[i].forecast.window, want);
		if (!a->item[i].forecast.finite || memcmp(a->mean[i], want, sizeof want))
			return false;
	}
	return true;
}

START_TEST(same_bits_in_any_batch)
{
	static const int sizes[] = { 1, 2, 3, 17, BATCH_ROWS - 1, BATCH_ROWS, BATCH_ROWS + 1, ITEMS_MAX };
	struct bench b;
	open_bench(&b, 2, 10000);
	make_heavy(b.m[1]);
	for (int k = 0; k < MODELS; k++) {
		struct ask *a = ask_new(b.m[k], sizes[_i], 5);
		ck_ok(submit(&b, a));
		wait_for(a);
		ck_ok(a->rc);
		ck_assert(right(a, b.m[k], 5));
		ck_assert(a->batch.queued_ns <= a->batch.started_ns && a->batch.started_ns <= a->batch.finished_ns);
		free(a);
	}
	close_bench(&b);
}
END_TEST

/* Some fly with sequences of any length, some alone, and both threads have some of each request. */
START_TEST(same_bits_in_mixed_lengths)
{
	enum { REQUESTS = 40 };
	struct bench b;
	struct ask *a[REQUESTS];
	open_bench(&b, 1 + _i, 100000);
	make_heavy(b.m[1]);
	for (int k = 0; k < REQUESTS; k++) {
		a[k] = ask_new(b.m[k % MODELS], 1 + k * 31 % ITEMS_MAX, k);
		for (int i = 0; i < a[k]->batch.n; i++)
			a[k]->item[i].forecast.window = 1 + (k + i) % FIXTURE_WINDOW;
		a[k]->batch.class = k % 3 ? CLASS_INTERACTIVE : CLASS_BULK;
		ck_ok(submit(&b, a[k]));
	}
	for (int k = 0; k < REQUESTS; k++) {
		wait_for(a[k]);
		ck_ok(a[k]->rc);
		ck_assert(right(a[k], b.m[k % MODELS], k));
		free(a[k]);
	}
	close_bench(&b);
}
END_TEST

/* Strangers share a batch: requests of one sequence each that wait together. */
START_TEST(same_bits_among_strangers)
{
	enum { REQUESTS = BATCH_ROWS };
	struct bench b;
	struct ask *a[REQUESTS];
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	make_heavy(b.m[0]);
	for (int i = 0; i < REQUESTS; i++) {
		a[i] = ask_new(b.m[0], 1, i);
		ck_ok(submit(&b, a[i]));
	}
	uint64_t full = b.m[0]->metrics.batch_size.bucket[4];   /* le 16, above 8 */
	sem_post(&go);
	for (int i = 0; i < REQUESTS; i++) {
		wait_for(a[i]);
		ck_ok(a[i]->rc);
		ck_assert(right(a[i], b.m[0], i));
		free(a[i]);
	}
	ck_assert_uint_ge(b.m[0]->metrics.batch_size.bucket[4], full + REQUESTS / INFER_FLIGHTS);   /* they flew together */
	free(p);
	close_bench(&b);
}
END_TEST

/* 200 requests of one model wait; one of another has its turn after the first batch of them. */
START_TEST(turns)
{
	enum { MANY = 200 };
	struct bench b;
	struct ask *many[MANY];
	_Atomic int order = 0;
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	pretend(b.m[0], 1000);
	for (int i = 0; i < MANY; i++) {
		many[i] = ask_new(b.m[0], 1, i);
		many[i]->order = &order;
		ck_ok(submit(&b, many[i]));
	}
	struct ask *other = ask_new(b.m[1], 1, 0);
	other->order = &order;
	ck_ok(submit(&b, other));
	sem_post(&go);
	wait_for(other);
	ck_assert_int_eq(other->place, BATCH_ROWS);
	for (int i = 0; i < MANY; i++) {
		wait_for(many[i]);
		ck_assert_int_eq(many[i]->place, i + (i >= BATCH_ROWS));   /* first come, first served */
		free(many[i]);
	}
	free(other);
	free(p);
	close_bench(&b);
}
END_TEST

/* Both models have many waiting: a turn is the same predicted cost, not the same number. */
START_TEST(turns_by_cost)
{
	enum { MANY = 60 };
	struct bench b;
	struct ask *dear[MANY], *cheap[MANY];
	_Atomic int order = 0;
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	pretend(b.m[0], 12000000);   /* two of them are a turn of 20 ms, and in debt */
	pretend(b.m[1], 3900000);
	for (int i = 0; i < MANY; i++) {
		dear[i] = ask_new(b.m[0], 1, i);
		cheap[i] = ask_new(b.m[1], 1, i);
		dear[i]->order = cheap[i]->order = &order;
		ck_ok(submit(&b, dear[i]));
		ck_ok(submit(&b, cheap[i]));
	}
	sem_post(&go);
	for (int i = 0; i < MANY; i++) {
		wait_for(dear[i]);
		wait_for(cheap[i]);
	}
	ck_assert_int_eq(cheap[0]->place, 2);   /* after two dear ones, what is predicted being what counts */
	ck_assert_int_eq(dear[2]->place, 2 + 6);   /* the last of a turn overdraws */
	for (int i = 0; i < MANY; i++) {
		ck_assert(right(dear[i], b.m[0], i) && right(cheap[i], b.m[1], i));
		free(dear[i]);
		free(cheap[i]);
	}
	free(p);
	close_bench(&b);
}
END_TEST

/* Bulk was there first; interactive work goes before it, but for a turn of BULK_EVERY. */
START_TEST(classes)
{
	enum { BULK = 40, MANY = 10 * BATCH_ROWS };
	struct bench b;
	struct ask *bulk[BULK], *many[MANY];
	_Atomic int order = 0;
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	pretend(b.m[0], 1000);
	pretend(b.m[1], 1000);
	for (int i = 0; i < BULK; i++) {
		bulk[i] = ask_new(b.m[1], 1, i);
		bulk[i]->batch.class = CLASS_BULK;
		bulk[i]->order = &order;
		ck_ok(submit(&b, bulk[i]));
	}
	for (int i = 0; i < MANY; i++) {   /* two lines, so that turns change */
		many[i] = ask_new(b.m[i % MODELS], 1, i);
		many[i]->order = &order;
		ck_ok(submit(&b, many[i]));
	}
	sem_post(&go);
	for (int i = 0; i < MANY; i++)
		wait_for(many[i]);
	for (int i = 0; i < BULK; i++)
		wait_for(bulk[i]);
	int early = 0;
	for (int i = 0; i < BULK; i++)
		early += bulk[i]->place < MANY;
	ck_assert_int_ge(bulk[0]->place, 7 * BATCH_ROWS / 2);   /* seven turns before it; of few, where they are dear */
	ck_assert_int_ge(early, 8);                             /* and yet it had one before the end */
	ck_assert_int_lt(early, BULK);
	for (int i = 0; i < MANY; i++)
		free(many[i]);
	for (int i = 0; i < BULK; i++)
		free(bulk[i]);
	free(p);
	close_bench(&b);
}
END_TEST

START_TEST(expired_and_abandoned)
{
	struct bench b;
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	struct ask *late = ask_new(b.m[0], 2, 0), *gone = ask_new(b.m[0], 70, 0), *good = ask_new(b.m[0], 3, 9);
	struct ask *long_one = ask_new(b.m[1], 2, 0);
	pretend(b.m[0], 1);
	pretend(b.m[1], 100000000000);
	ck_ok(submit(&b, long_one));
	ck_ok(submit(&b, late));
	ck_ok(submit(&b, gone));
	ck_ok(submit(&b, good));
	late->batch.deadline_ns = long_one->batch.deadline_ns = monotonic_ns() - 1;   /* time passes: a second */
	late->batch.queued_ns = long_one->batch.queued_ns = monotonic_ns() - 1000000000;
	gone->left = true;
	sem_post(&go);
	wait_for(late);
	wait_for(long_one);
	wait_for(gone);
	wait_for(good);
	ck_err(ERR_BUSY, late->rc);   /* for the others' sake: it may be asked again */
	ck_assert_ptr_nonnull(strstr(late->e.what, "others"));
	ck_err(ERR_TIMEOUT, long_one->rc);
	ck_assert_ptr_nonnull(strstr(long_one->e.what, "alone"));
	ck_err(ERR_CANCELLED, gone->rc);
	ck_ok(good->rc);
	ck_assert(right(good, b.m[0], 9));
	ck_assert_uint_eq(b.m[0]->metrics.sequences, 1 + 3);   /* the others cost nothing */
	free(late);
	free(long_one);
	free(gone);
	free(good);
	free(p);
	close_bench(&b);
}
END_TEST

/* Both take off together; the first fills the tiles and lands, and then the other's client is gone, or out of time. */
START_TEST(dropped_in_the_air)
{
	enum { HALF = INFER_FLIGHTS / 2 };
	struct bench b;
	sem_t go, go_first;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	make_heavy(b.m[0]);
	struct ask *first = ask_new(b.m[0], HALF, 0), *second = ask_new(b.m[0], HALF, 0), *third = ask_new(b.m[0], 3, 5);
	sem_init(&go_first, 0, 0);
	first->go = &go_first;
	ck_ok(submit(&b, first));
	ck_ok(submit(&b, second));
	ck_ok(submit(&b, third));
	sem_post(&go);
	wait_for(first);
	ck_assert_int_ne(second->batch.started_ns, 0);
	if (_i)
		second->left = true;
	else
		second->batch.deadline_ns = monotonic_ns() - 1;
	sem_post(&go_first);
	wait_for(second);
	wait_for(third);
	ck_err(_i ? ERR_CANCELLED : ERR_TIMEOUT, second->rc);
	ck_assert(right(first, b.m[0], 0) && right(third, b.m[0], 5));
	ck_assert_uint_eq(b.m[0]->metrics.sequences, 1 + HALF + 3);
	ck_assert_uint_eq(metrics.flights, 0);
	ck_assert_uint_gt(metrics.ticks, 0);
	ck_assert_uint_eq(metrics.dropped[CLASS_INTERACTIVE][_i ? DROP_LEFT : DROP_EXPIRED], HALF);
	free(first);
	free(second);
	free(third);
	free(p);
	close_bench(&b);
}
END_TEST

START_TEST(capacity)
{
	struct bench b;
	sem_t go;
	open_bench(&b, 1, 10);
	struct ask *p = plug(&b, &go);
	struct ask *fits = ask_new(b.m[0], 7, 0), *over = ask_new(b.m[1], 4, 0), *last = ask_new(b.m[1], 3, 0);
	ck_ok(submit(&b, fits));
	ck_err(ERR_BUSY, submit(&b, over));
	ck_assert_ptr_nonnull(strstr(over->e.what, "--queue-capacity"));
	ck_ok(submit(&b, last));
	ck_err(ERR_BUSY, submit(&b, over));
	sem_post(&go);
	wait_for(fits);
	wait_for(last);
	ck_ok(submit(&b, over));   /* there is room again */
	wait_for(over);
	ck_ok(over->rc);
	free(fits);
	free(over);
	free(last);
	free(p);
	close_bench(&b);
}
END_TEST

/* A sequence costs a second, says the model: who allows less than that over 0.8 is refused at once. */
START_TEST(admission_by_cost)
{
	struct bench b;
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	struct ask *a[3];
	static const struct { int n; long seconds; enum err want; } cases[3] = {
		{ 2, 2, ERR_BUSY }, { 2, 300, ERR_OK }, { 1, 3, ERR_BUSY },   /* the last one has two seconds before it */
	};
	pretend(b.m[1], 1000000000 + FIXTURE_WINDOW + FIXTURE_HORIZON);
	for (int i = 0; i < 3; i++) {
		a[i] = ask_new(b.m[1], cases[i].n, 0);
		a[i]->batch.deadline_ns = monotonic_ns() + cases[i].seconds * 1000000000LL;
		int retry = 0;
		ck_err(cases[i].want, batcher_submit(b.b, &a[i]->batch, &retry, &a[i]->e));
		ck_assert_int_eq(retry, cases[i].want ? 1 + cases[i].n + (i == 2 ? 2 : 0) : 0);
	}
	sem_post(&go);
	wait_for(a[1]);
	ck_ok(a[1]->rc);
	for (int i = 0; i < 3; i++)
		free(a[i]);
	free(p);
	close_bench(&b);
}
END_TEST

/* A queue full of one model's work has room for another's: its turn comes soon. */
START_TEST(admission_by_turns)
{
	struct bench b;
	sem_t go;
	open_bench(&b, 1, 10000);
	struct ask *p = plug(&b, &go);
	struct ask *many = ask_new(b.m[0], 100, 0), *more = ask_new(b.m[0], 1, 0), *other = ask_new(b.m[1], 1, 0);
	struct ask *bulk = ask_new(b.m[1], 1, 0);
	pretend(b.m[0], 10000000);
	pretend(b.m[1], 10000000);
	bulk->batch.class = CLASS_BULK;
	more->batch.deadline_ns = other->batch.deadline_ns = bulk->batch.deadline_ns = monotonic_ns() + 1000000000;
	ck_ok(submit(&b, many));
	ck_err(ERR_BUSY, submit(&b, more));     /* a second of work is before it */
	ck_err(ERR_BUSY, submit(&b, bulk));
	ck_ok(submit(&b, other));               /* a turn or two */
	other->batch.deadline_ns = monotonic_ns() + LATER_S * 1000000000LL;
	sem_post(&go);
	wait_for(many);
	wait_for(other);
	ck_assert(other->rc == ERR_OK && right(other, b.m[1], 0));
	free(many);
	free(more);
	free(other);
	free(bulk);
	free(p);
	close_bench(&b);
}
END_TEST

/* Before a body is read: a window of the model would have to fit in. */
START_TEST(admission_by_headers)
{
	struct bench b;
	sem_t go;
	int retry = 0;
	open_bench(&b, 1, 10000);
	const int64_t soon = monotonic_ns() + 1000000000, later = soon + LATER_S * 1000000000LL;
	pretend(b.m[1], 5000000000);
	ck_ok(batcher_expects(b.b, b.m[1], soon, &retry, &b.f.e));   /* nobody is there: the body may be short */
	struct ask *p = plug(&b, &go);
	const uint64_t before = metrics.refused[REFUSED_BY_HEADERS];
	ck_err(ERR_BUSY, batcher_expects(b.b, b.m[1], soon, &retry, &b.f.e));
	ck_assert_int_ge(retry, 5);
	ck_assert_uint_eq(metrics.refused[REFUSED_BY_HEADERS], before + 1);
	ck_ok(batcher_expects(b.b, b.m[1], later, &retry, &b.f.e));
	ck_ok(batcher_expects(b.b, b.m[0], soon, &retry, &b.f.e));   /* light */
	sem_post(&go);
	free(p);
	close_bench(&b);
}
END_TEST

/* Who refuses all because of one bad run would never learn better. */
START_TEST(doubt_opens_the_door)
{
	struct bench b;
	struct ask *a;
	enum err rc = ERR_BUSY;
	open_bench(&b, 1, 10000);
	pretend(b.m[0], 100000000000);
	for (int i = 0; rc && i < 1000; i++) {
		a = ask_new(b.m[0], 1, 0);
		a->batch.deadline_ns = monotonic_ns() + 60000000000;
		rc = submit(&b, a);
		ck_assert(!rc || rc == ERR_BUSY);
		ck_assert(i || rc);
		if (rc)
			free(a);
	}
	ck_ok(rc);
	wait_for(a);
	ck_ok(a->rc);
	free(a);
	close_bench(&b);
}
END_TEST

START_TEST(gauges)
{
	struct bench b;
	struct strbuf out;
	sem_t go;
	open_bench(&b, 1, 123);
	struct ask *p = plug(&b, &go), *a = ask_new(b.m[1], 5, 0);
	ck_ok(submit(&b, a));
	strbuf_init(&out, 10000);
	batcher_metrics(b.b, &out);
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_inference_queue_depth 5\n"));
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_inference_queue_capacity 123\n"));
	ck_assert_ptr_null(strstr(out.s, "gatecast_inference_oldest_request_age_seconds 0\n"));
	sem_post(&go);
	wait_for(a);
	strbuf_reset(&out);
	batcher_metrics(b.b, &out);
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_inference_queue_depth 0\n"));
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_inference_oldest_request_age_seconds 0\n"));
	strbuf_fini(&out);
	free(a);
	free(p);
	close_bench(&b);
}
END_TEST

/* ---- the end ------------------------------------------------------------ */

static void *free_batcher(void *arg)
{
	batcher_free(arg);
	return NULL;
}

START_TEST(stop)
{
	enum { MOST = 20000 };
	struct bench b;
	struct ask **a = calloc(MOST, sizeof *a);
	pthread_t thread;
	sem_t go;
	int n = 0;
	open_bench(&b, 1, MOST);
	struct ask *p = plug(&b, &go);
	ck_assert_int_eq(pthread_create(&thread, NULL, free_batcher, b.b), 0);
	for (enum err rc = ERR_OK; !rc && n < MOST; n++) {   /* until the other thread has come so far */
		a[n] = ask_new(b.m[n % MODELS], 1, n);
		rc = submit(&b, a[n]);
		ck_assert(rc == ERR_OK || rc == ERR_STOPPING);
		usleep(500);
	}
	ck_assert_int_lt(n, MOST);
	sem_post(&go);
	pthread_join(thread, NULL);
	b.b = NULL;
	for (int i = 0; i < n; i++) {
		if (i < n - 1) {   /* whoever was accepted was answered; the last one was not */
			ck_assert_int_eq(sem_trywait(&a[i]->done), 0);
			ck_ok(a[i]->rc);
		}
		free(a[i]);
	}
	free(a);
	free(p);
	close_bench(&b);
}
END_TEST

/* ---- threads ------------------------------------------------------------ */

enum { CLIENTS = 8, ROUNDS = 60 };

struct client {
	struct bench *b;
	int number, bad, cancelled;
};

static void *client_main(void *arg)
{
	struct client *c = arg;
	for (int i = 0; i < ROUNDS; i++) {
		struct model *m = c->b->m[(i + c->number) % MODELS];
		int n = i % 10 == 9 ? BATCH_ROWS + 9 : 1 + i % 5, retry;
		struct ask *a = ask_new(m, n, i);
		a->left = i % 11 == 10;
		if (batcher_submit(c->b->b, &a->batch, &retry, &a->e)) {
			c->bad++;
		} else {
			wait_for(a);
			if (a->left)
				c->bad += a->rc != ERR_CANCELLED;
			else
				c->bad += a->rc != ERR_OK || !right(a, m, i);
		}
		free(a);
	}
	return NULL;
}

START_TEST(threads)
{
	struct bench b;
	struct client c[CLIENTS];
	pthread_t thread[CLIENTS];
	open_bench(&b, 3, 100000);
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = (struct client){ .b = &b, .number = i };
		ck_assert_int_eq(pthread_create(&thread[i], NULL, client_main, &c[i]), 0);
	}
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_int_eq(c[i].bad, 0);
	}
	close_bench(&b);
}
END_TEST

/* ---- turns of a thread outside -------------------------------------------- */

static bool is_done(struct ask *a)
{
	return !sem_trywait(&a->done);
}

/* While the only compute thread is busy, the caller computes what is light, a turn at a time, with the same bits. */
START_TEST(turns_outside)
{
	struct bench b;
	struct batch_ws *ws;
	sem_t go;
	open_bench(&b, 1, 1000);
	ck_ok(batch_ws_new(&ws, &b.f.e));
	struct ask *first = plug(&b, &go);
	pretend(b.m[0], BATCH_TURN_NS / 20);
	struct ask *light = ask_new(b.m[0], 50, 3);
	light->batch.polled = true;
	ck_assert(batcher_is_light(b.m[0]));
	ck_ok(submit(&b, light));
	ck_assert(!is_done(light));
	for (int turn = 0; turn < 3; turn++) {   /* 20, 20, 10 */
		ck_assert(!is_done(light));
		ck_assert(batcher_turn(b.b, ws));
	}
	ck_assert(is_done(light));
	ck_assert(light->rc == ERR_OK && right(light, b.m[0], 3));
	ck_assert(!batcher_turn(b.b, ws));
	sem_post(&go);
	batch_ws_free(ws);
	close_bench(&b);
	free(first);
	free(light);
}
END_TEST

/* What is heavy, or not known yet, is for the compute threads, also when its caller polls. */
START_TEST(heavy_is_for_threads)
{
	static const uint64_t cost[] = { 0, BATCH_TURN_NS + 1000 };
	struct bench b;
	struct batch_ws *ws;
	open_bench(&b, 1, 1000);
	ck_ok(batch_ws_new(&ws, &b.f.e));
	pretend(b.m[0], cost[_i]);
	ck_assert(!batcher_is_light(b.m[0]));
	struct ask *a = ask_new(b.m[0], 2, 5);
	a->batch.polled = true;   /* as when it was light a moment ago: nobody is woken */
	ck_ok(submit(&b, a));
	batcher_turn(b.b, ws);    /* finds it too heavy, and wakes a thread */
	wait_for(a);
	ck_assert(a->rc == ERR_OK && right(a, b.m[0], 5));
	batch_ws_free(ws);
	close_bench(&b);
	free(a);
}
END_TEST

/* More than a turn waits, and a core is left: a compute thread helps though nobody takes turns. */
START_TEST(backlog_wakes_threads)
{
	struct bench b;
	open_bench(&b, 2, 1000);
	pretend(b.m[0], BATCH_TURN_NS / 4);
	struct ask *a = ask_new(b.m[0], 5, 7);
	a->batch.polled = true;
	ck_ok(submit(&b, a));
	wait_for(a);
	ck_assert(a->rc == ERR_OK && right(a, b.m[0], 7));
	close_bench(&b);
	free(a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("batcher");
	TCase *c = tcase_create("batcher");
	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, same_bits_in_any_batch, 0, 8);
	tcase_add_loop_test(c, same_bits_in_mixed_lengths, 0, 2);
	tcase_add_test(c, same_bits_among_strangers);
	tcase_add_test(c, turns);
	tcase_add_test(c, turns_by_cost);
	tcase_add_test(c, classes);
	tcase_add_test(c, expired_and_abandoned);
	tcase_add_loop_test(c, dropped_in_the_air, 0, 2);
	tcase_add_test(c, capacity);
	tcase_add_test(c, admission_by_cost);
	tcase_add_test(c, admission_by_turns);
	tcase_add_test(c, admission_by_headers);
	tcase_add_test(c, doubt_opens_the_door);
	tcase_add_test(c, gauges);
	tcase_add_test(c, stop);
	tcase_add_test(c, threads);
	tcase_add_test(c, turns_outside);
	tcase_add_loop_test(c, heavy_is_for_threads, 0, 2);
	tcase_add_test(c, backlog_wakes_threads);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

/* The store's threads: order, groups, one task undone alone, and done() only after the commit. */
#include "server/lane.h"

#include <pthread.h>
#include <semaphore.h>

#include "storage/model_store.h"

#include "tests/unit/server/fixture.h"

/* What happened, in order: "r1" a task ran, "d1" it was done. */
struct history {
	char text[8192];
	struct store *reader;   /* of the lane's thread, to look at what is committed; may be NULL */
};

struct task {
	struct lane_task task;   /* first: the lane gives it back */
	struct history *history;
	const char *model;       /* publishes a version of it */
	enum err fails;
	sem_t *started, *go;     /* run() waits, so that others queue behind it */
	int number, version;
	enum err rc;
	struct error e;
	bool visible;            /* in done(): another connection saw the version */
	sem_t *done;
};

static enum err put(struct store *s, const char *model, int *version, struct error *e)
{
	static const float weight[] = { 1 };
	const struct model_blobs b = { .document = "{}", .weights = weight, .n_weights = 1 };
	return model_put(s, model, &b, NULL, version, e);
}

/* Number of the latest version that s sees; 0: none. */
static int latest(struct store *s, const char *model)
{
	struct model_version v = { 0 };
	enum err rc = model_get(s, model, 0, NULL, false, &v, NULL);
	int version = rc ? 0 : v.version;
	model_version_fini(&v);
	return version;
}

static void note(struct history *h, char what, int number)
{
	size_t n = strlen(h->text);
	snprintf(h->text + n, sizeof h->text - n, "%c%d ", what, number);
}

static enum err run(struct lane_task *task, struct store *s, struct error *e)
{
	struct task *t = (struct task *)task;
	if (t->history)
		note(t->history, 'r', t->number);
	if (t->started) {
		sem_post(t->started);
		sem_wait(t->go);
	}
	enum err rc = t->model ? put(s, t->model, &t->version, e) : ERR_OK;
	return !rc && t->fails ? fail(e, t->fails, "there", "task %d fails", t->number) : rc;
}

static void done(struct lane_task *task, enum err rc, const struct error *e)
{
	struct task *t = (struct task *)task;
	t->rc = rc;
	if (rc)
		t->e = *e;
	if (t->history) {
		note(t->history, 'd', t->number);
		if (t->history->reader && !rc)
			t->visible = latest(t->history->reader, t->model) >= t->version;
	}
	sem_post(t->done);
}

struct bench {
	struct fixture f;
	struct lane *lane;
	struct history history;
	sem_t done;
};

static void open_bench(struct bench *b)
{
	memset(b, 0, sizeof *b);
	fixture_open(&b->f);
	ck_ok(lane_new(b->f.path, STORE_WRITER, &b->lane, &b->f.e));
	ck_ok(store_open(b->f.path, STORE_READER, &b->history.reader, &b->f.e));
	sem_init(&b->done, 0, 0);
}

static void close_bench(struct bench *b)
{
	lane_free(b->lane);
	store_close(b->history.reader);
	fixture_close(&b->f);
}

static struct task task_of(struct bench *b, int number)
{
	return (struct task){ .task = { .run = run, .done = done }, .history = &b->history, .model = "m", .number = number,
		.done = &b->done };
}

static void wait_for(struct bench *b, int n)
{
	while (n--)
		sem_wait(&b->done);
}

START_TEST(one_group)
{
	enum { TASKS = 12, BAD = 5 };
	struct bench b;
	struct task first, t[TASKS];
	sem_t started, go;
	open_bench(&b);
	sem_init(&started, 0, 0);
	sem_init(&go, 0, 0);
	first = task_of(&b, 0);
	first.started = &started;
	first.go = &go;
	lane_post(b.lane, &first.task);
	sem_wait(&started);
	for (int i = 0; i < TASKS; i++) {   /* they wait behind the first, and make one group */
		t[i] = task_of(&b, i + 1);
		t[i].fails = i == BAD ? ERR_CONFLICT : ERR_OK;
		lane_post(b.lane, &t[i].task);
	}
	sem_post(&go);
	wait_for(&b, TASKS + 1);
	ck_assert_str_eq(b.history.text, "r0 d0 r1 r2 r3 r4 r5 r6 r7 r8 r9 r10 r11 r12 d1 d2 d3 d4 d5 d6 d7 d8 d9 d10 d11 d12 ");
	int version = first.version;
	for (int i = 0; i < TASKS; i++) {
		if (i == BAD) {
			ck_err(ERR_CONFLICT, t[i].rc);
			ck_assert_str_eq(t[i].e.what, "task 6 fails");
			continue;
		}
		ck_ok(t[i].rc);
		ck_assert_int_eq(t[i].version, ++version);   /* the failed one's number was given back */
		ck_assert(t[i].visible);
	}
	ck_assert_int_eq(latest(b.history.reader, "m"), TASKS);
	close_bench(&b);
}
END_TEST

START_TEST(more_than_a_group)
{
	enum { TASKS = 300 };
	struct bench b;
	static struct task t[TASKS];
	open_bench(&b);
	for (int i = 0; i < TASKS; i++) {
		t[i] = task_of(&b, i);
		lane_post(b.lane, &t[i].task);
	}
	wait_for(&b, TASKS);
	for (int i = 0; i < TASKS; i++) {
		ck_ok(t[i].rc);
		ck_assert_int_eq(t[i].version, i + 1);
		ck_assert(t[i].visible);
	}
	close_bench(&b);
}
END_TEST

START_TEST(all_fail)
{
	enum { TASKS = 5 };
	struct bench b;
	struct task t[TASKS];
	open_bench(&b);
	for (int i = 0; i < TASKS; i++) {
		t[i] = task_of(&b, i);
		t[i].fails = ERR_INVALID;
		lane_post(b.lane, &t[i].task);
	}
	wait_for(&b, TASKS);
	for (int i = 0; i < TASKS; i++)
		ck_err(ERR_INVALID, t[i].rc);
	ck_assert_int_eq(latest(b.history.reader, "m"), 0);
	struct task after = task_of(&b, TASKS);   /* and the lane goes on */
	lane_post(b.lane, &after.task);
	wait_for(&b, 1);
	ck_ok(after.rc);
	ck_assert_int_eq(after.version, 1);
	close_bench(&b);
}
END_TEST

START_TEST(free_runs_what_waits)
{
	enum { TASKS = 100 };
	struct bench b;
	static struct task t[TASKS];
	open_bench(&b);
	for (int i = 0; i < TASKS; i++) {
		t[i] = task_of(&b, i);
		lane_post(b.lane, &t[i].task);
	}
	lane_free(b.lane);
	b.lane = NULL;
	wait_for(&b, TASKS);
	ck_assert_int_eq(latest(b.history.reader, "m"), TASKS);
	close_bench(&b);
}
END_TEST

START_TEST(reader)
{
	struct bench b;
	struct lane *lane;
	struct task t;
	open_bench(&b);
	ck_ok(lane_new(b.f.path, STORE_READER, &lane, &b.f.e));
	t = task_of(&b, 0);
	lane_post(lane, &t.task);
	wait_for(&b, 1);
	ck_assert_int_ne(t.rc, ERR_OK);   /* it may not write */
	ck_assert_int_eq(latest(b.history.reader, "m"), 0);
	lane_free(lane);
	close_bench(&b);
}
END_TEST

START_TEST(cannot_open)
{
	struct bench b;
	struct lane *lane = NULL;
	struct error e = { 0 };
	open_bench(&b);
	ck_err(ERR_CONFLICT, lane_new(b.f.path, STORE_WRITER, &lane, &e));   /* one writer a database */
	ck_assert_int_ne(e.what[0], '\0');
	ck_assert_int_ne(lane_new("/nowhere/at/all/db", STORE_WRITER, &lane, &e), ERR_OK);
	ck_assert_ptr_null(lane);
	lane_free(NULL);
	close_bench(&b);
}
END_TEST

/* ---- lane_call ---------------------------------------------------------- */

enum { THREADS = 8, CALLS = 40 };

struct caller {
	struct lane *lane;
	struct store *s;
	char model[16];
	int version, bad;
	bool fails;
};

static enum err call(void *arg, struct store *s, struct error *e)
{
	struct caller *c = arg;
	enum err rc = put(s, c->model, &c->version, e);
	return rc ? rc : c->fails ? (fail)(e, ERR_QUOTA, c->model, "call of %s", c->model) : ERR_OK;
}

static void *caller_main(void *arg)
{
	struct caller *c = arg;
	int good = 0;
	for (int i = 0; i < CALLS; i++) {
		struct error e = { 0 };
		c->fails = i % 4 == 3;
		enum err rc = lane_call(c->lane, call, c, &e);
		if (c->fails)
			c->bad += rc != ERR_QUOTA || strcmp(e.where, c->model);
		else
			c->bad += rc != ERR_OK || c->version != ++good || latest(c->s, c->model) != good;
	}
	c->bad += lane_call(c->lane, call, c, NULL) != ERR_QUOTA;
	return NULL;
}

START_TEST(calls_from_threads)
{
	struct bench b;
	struct caller c[THREADS];
	pthread_t thread[THREADS];
	open_bench(&b);
	for (int i = 0; i < THREADS; i++) {
		c[i] = (struct caller){ .lane = b.lane };
		snprintf(c[i].model, sizeof c[i].model, "m%d", i);
		ck_ok(store_open(b.f.path, STORE_READER, &c[i].s, &b.f.e));
	}
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, caller_main, &c[i]), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_int_eq(c[i].bad, 0);
		store_close(c[i].s);
	}
	close_bench(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lane");
	TCase *c = tcase_create("lane");
	tcase_set_timeout(c, 300);
	tcase_add_test(c, one_group);
	tcase_add_test(c, more_than_a_group);
	tcase_add_test(c, all_fail);
	tcase_add_test(c, free_runs_what_waits);
	tcase_add_test(c, reader);
	tcase_add_test(c, cannot_open);
	tcase_add_test(c, calls_from_threads);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

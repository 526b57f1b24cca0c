/* Models loaded behind the start: all that fit, one at a time, and no further than to the end. */
#include "server/preload.h"

#include <time.h>

#include "server/metrics.h"

#include "tests/unit/server/fixture.h"

enum { HIDDEN = 6, PATIENCE_MS = 60000 };

struct bench {
	struct fixture f;
	const char *names;
	struct lane *writer, *reader;
	struct registry *g;
	struct preload *p;
};

/* A model for each of the names. '!' has weights that do not fit its document. */
static enum err publish(void *arg, struct store *s, struct error *e)
{
	static const float weight[] = { 1 };
	const struct model_blobs damaged = { .document = "{}", .weights = weight, .n_weights = 1 };
	int version;
	const struct bench *b = arg;
	for (const char *name = b->names; *name; name++) {
		if (*name == '!')
			ck_ok(model_put(s, "b-damaged", &damaged, NULL, &version, e));
		else
			fixture_publish(s, (char[]){ *name, '\0' }, HIDDEN, 1);
	}
	return ERR_OK;
}

static void open_bench(struct bench *b, const char *names, size_t max_bytes)
{
	*b = (struct bench){ .names = names };
	fixture_open(&b->f);
	ck_ok(lane_new(b->f.path, STORE_WRITER, &b->writer, &b->f.e));
	ck_ok(lane_call(b->writer, publish, b, &b->f.e));
	ck_ok(lane_new(b->f.path, STORE_READER, &b->reader, &b->f.e));
	ck_ok(registry_new(max_bytes, NULL, &b->g, &b->f.e));
}

static void close_bench(struct bench *b)
{
	preload_free(b->p);
	lane_free(b->reader);
	lane_free(b->writer);
	registry_free(b->g);
	fixture_close(&b->f);
}

static void wait_for(struct bench *b, const char *name)
{
	const struct timespec tick = { .tv_nsec = 1000000 };
	int ms = 0;
	while (!registry_has(b->g, name, 1) && ms++ < PATIENCE_MS)
		nanosleep(&tick, NULL);
	ck_assert(registry_has(b->g, name, 1));
}

static enum err nothing(void *arg, struct store *s, struct error *e)
{
	return ERR_OK;
}

/* Whatever is queued, and what that queues: a few times round. */
static void let_it_go_on(struct bench *b)
{
	for (int i = 0; i < 10; i++)
		ck_ok(lane_call(b->reader, nothing, NULL, &b->f.e));
}

START_TEST(all_but_the_damaged)
{
	struct bench b;
	uint64_t failed = metrics.model_loads[1];
	open_bench(&b, "ab!c", 1 << 30);
	ck_ok(preload_new(b.g, b.reader, &b.p, &b.f.e));
	wait_for(&b, "c");
	ck_assert(registry_has(b.g, "a", 1) && registry_has(b.g, "b", 1));
	ck_assert_uint_eq(metrics.model_loads[1], failed + 1);
	struct model *latest = registry_get(b.g, "b", 0);   /* loaded as the latest, so found without a number */
	ck_assert_ptr_nonnull(latest);
	model_unref(latest);
	close_bench(&b);
}
END_TEST

static enum err size_of_one(void *arg, struct store *s, struct error *e)
{
	struct registry *g = NULL;
	struct model *m = NULL;
	size_t *bytes = arg;
	ck_ok(registry_new(1 << 30, NULL, &g, e));
	ck_ok(registry_load(g, s, "a", 0, NULL, &m, e));
	*bytes = m->bytes;
	ck_assert_uint_eq(registry_usage(g).bytes, *bytes);
	model_unref(m);
	registry_free(g);
	return ERR_OK;
}

START_TEST(until_the_cache_is_full)
{
	struct bench b;
	size_t each = 0;
	open_bench(&b, "abcdef", 1 << 30);
	ck_ok(lane_call(b.reader, size_of_one, &each, &b.f.e));
	registry_free(b.g);
	ck_ok(registry_new(3 * each + each / 2, NULL, &b.g, &b.f.e));
	uint64_t evictions = metrics.model_evictions;
	ck_ok(preload_new(b.g, b.reader, &b.p, &b.f.e));
	wait_for(&b, "c");
	let_it_go_on(&b);
	ck_assert(registry_has(b.g, "a", 1) && registry_has(b.g, "b", 1) && !registry_has(b.g, "d", 1));
	ck_assert_uint_eq(registry_usage(b.g).bytes, 3 * each);
	ck_assert_uint_eq(metrics.model_evictions, evictions);
	close_bench(&b);
}
END_TEST

/* A request that comes first, and one that comes while "a" is loaded: neither waits for "b". */
struct request {
	struct lane_task task;
	struct bench *b;
	struct request *next;
	const char *has, *has_not;
	bool begins;
};

static enum err look(struct lane_task *t, struct store *s, struct error *e)
{
	struct request *r = (struct request *)t;
	ck_assert(!r->has || registry_has(r->b->g, r->has, 1));
	ck_assert(!registry_has(r->b->g, r->has_not, 1));
	if (r->begins)
		ck_ok(preload_new(r->b->g, r->b->reader, &r->b->p, e));
	if (r->next)
		lane_post(r->b->reader, &r->next->task);
	return ERR_OK;
}

static void looked(struct lane_task *t, enum err rc, const struct error *e)
{
	ck_ok(rc);
}

START_TEST(requests_come_between)
{
	struct bench b;
	open_bench(&b, "abc", 1 << 30);
	struct request third = { .task = { .run = look, .done = looked }, .b = &b, .has = "b", .has_not = "c" };
	struct request second = { .task = third.task, .b = &b, .next = &third, .has = "a", .has_not = "b" };
	struct request first = { .task = third.task, .b = &b, .next = &second, .has_not = "a", .begins = true };
	lane_post(b.reader, &first.task);
	wait_for(&b, "c");
	let_it_go_on(&b);
	close_bench(&b);
}
END_TEST

START_TEST(stopped_at_once)
{
	struct bench b;
	open_bench(&b, "abcdef", 1 << 30);
	ck_ok(preload_new(b.g, b.reader, &b.p, &b.f.e));
	close_bench(&b);
}
END_TEST

START_TEST(an_empty_store)
{
	struct bench b;
	open_bench(&b, "", 1 << 30);
	ck_ok(preload_new(b.g, b.reader, &b.p, &b.f.e));
	let_it_go_on(&b);
	ck_assert_uint_eq(registry_usage(b.g).bytes, 0);
	close_bench(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload");
	TCase *c = tcase_create("preload");
	tcase_set_timeout(c, 300);
	tcase_add_test(c, all_but_the_damaged);
	tcase_add_test(c, until_the_cache_is_full);
	tcase_add_test(c, requests_come_between);
	tcase_add_test(c, stopped_at_once);
	tcase_add_test(c, an_empty_store);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

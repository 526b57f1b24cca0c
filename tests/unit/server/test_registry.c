/* Loaded models: found, shared, replaced, forgotten, and let go when memory is short. */
#include "server/model_metrics.h"
#include "server/registry.h"

#include <math.h>
#include <pthread.h>

#include "tests/unit/server/fixture.h"

enum { HIDDEN = 6 };

struct bench {
	struct fixture f;
	struct store *s;
	struct registry *g;
};

static void open_bench(struct bench *b, size_t max_bytes)
{
	fixture_open(&b->f);
	ck_ok(store_open(b->f.path, STORE_WRITER, &b->s, &b->f.e));
	ck_ok(registry_new(max_bytes, NULL, &b->g, &b->f.e));
}

static void close_bench(struct bench *b)
{
	registry_free(b->g);
	store_close(b->s);
	fixture_close(&b->f);
}

static struct model *load(struct bench *b, const char *name, int version, const char *label)
{
	struct model *m = NULL;
	enum err rc = registry_load(b->g, b->s, name, version, label, &m, &b->f.e);
	ck_assert_msg(rc == ERR_OK, "%s: %s", name, b->f.e.what);
	ck_assert_str_eq(m->name, name);
	return m;
}

/* Load it and let go: it stays in the table. */
static void touch(struct bench *b, const char *name, int version)
{
	model_unref(load(b, name, version, NULL));
}

/* The first value that m forecasts for the i-th context. */
static double answer(const struct model *m, int i)
{
	double context[FIXTURE_WINDOW], mean[FIXTURE_HORIZON] = { NAN };
	struct forecast job = { .context = context, .mean = mean };
	struct forecast *jobs[] = { &job };
	struct forecast_ws *ws;
	fixture_context(i, context);
	ck_ok(forecast_ws_new(1, &ws, NULL));
	ck_ok(forecast_ws_reserve(ws, m->trained.forecaster, NULL));
	forecaster_run(m->trained.forecaster, ws, jobs, 1);
	forecast_ws_free(ws);
	ck_assert(job.finite && isfinite(mean[0]));
	return mean[0];
}

START_TEST(load_and_get)
{
	struct bench b;
	open_bench(&b, 1 << 30);
	fixture_publish(b.s, "a", HIDDEN, 1);
	fixture_publish(b.s, "a", HIDDEN, 2);
	ck_assert_ptr_null(registry_get(b.g, "a", 0));
	ck_assert_ptr_null(registry_get(b.g, "a", 1));
	struct model *one = load(&b, "a", 1, NULL);
	ck_assert_int_eq(one->version, 1);
	ck_assert(registry_has(b.g, "a", 1) && !registry_has(b.g, "a", 2));
	ck_assert_ptr_null(registry_get(b.g, "a", 0));   /* that 1 was asked for does not make it the latest */
	struct model *two = load(&b, "a", 0, NULL), *again = registry_get(b.g, "a", 0), *number = registry_get(b.g, "a", 2);
	ck_assert_int_eq(two->version, 2);
	ck_assert_ptr_eq(two, again);
	ck_assert_ptr_eq(two, number);
	ck_assert(answer(one, 0) != answer(two, 0));
	ck_assert_uint_eq(strlen(two->sha256), DIGEST_HEX - 1);
	ck_assert_int_gt((int)two->bytes, (int)sizeof *two);
	model_unref(one);
	model_unref(two);
	model_unref(again);
	model_unref(number);
	close_bench(&b);
}
END_TEST

START_TEST(unknown)
{
	struct bench b;
	struct model *m = NULL;
	open_bench(&b, 1 << 30);
	fixture_publish(b.s, "a", HIDDEN, 1);
	ck_err(ERR_NOT_FOUND, registry_load(b.g, b.s, "b", 0, NULL, &m, NULL));
	ck_err(ERR_NOT_FOUND, registry_load(b.g, b.s, "a", 2, NULL, &m, NULL));
	ck_err(ERR_NOT_FOUND, registry_load(b.g, b.s, "a", 0, "stable", &m, NULL));
	ck_assert_ptr_null(m);
	registry_forget(b.g, "b", 0);
	registry_forget(b.g, "a", 7);
	close_bench(&b);
}
END_TEST

START_TEST(damaged_document)
{
	static const float weights[] = { 1, 2, 3 };
	static const char *const documents[] = { "{}", "[]", "not JSON" };
	struct bench b;
	struct model *m = NULL;
	int version;
	open_bench(&b, 1 << 30);
	for (size_t i = 0; i < COUNT(documents); i++) {
		const struct model_blobs blobs = { .document = documents[i], .weights = weights, .n_weights = 3 };
		if (model_put(b.s, "broken", &blobs, NULL, &version, NULL))
			continue;   /* the store may refuse what is no JSON */
		ck_assert_int_ne(registry_load(b.g, b.s, "broken", version, NULL, &m, NULL), ERR_OK);
		ck_assert_ptr_null(m);
	}
	close_bench(&b);
}
END_TEST

/* A label is looked up, not loaded again: one version is one object. */
START_TEST(labels)
{
	struct bench b;
	open_bench(&b, 1 << 30);
	fixture_publish(b.s, "a", HIDDEN, 1);
	fixture_publish(b.s, "a", HIDDEN, 2);
	ck_ok(model_label_set(b.s, "a", "stable", 1, NULL));
	struct model *stable = load(&b, "a", 0, "stable"), *same = load(&b, "a", 0, "stable"), *one = load(&b, "a", 1, NULL);
	ck_assert_int_eq(stable->version, 1);
	ck_assert_ptr_eq(stable, same);
	ck_assert_ptr_eq(stable, one);
	struct model *latest = load(&b, "a", 0, "latest"), *again = load(&b, "a", 0, NULL);
	ck_assert_int_eq(latest->version, 2);
	ck_assert_ptr_eq(latest, again);
	ck_ok(model_label_set(b.s, "a", "stable", 2, NULL));
	struct model *moved = load(&b, "a", 0, "stable");
	ck_assert_ptr_eq(moved, latest);
	struct model *all[] = { stable, same, one, latest, again, moved };
	for (size_t i = 0; i < COUNT(all); i++)
		model_unref(all[i]);
	close_bench(&b);
}
END_TEST

START_TEST(publish_while_in_use)
{
	struct bench b;
	open_bench(&b, 1 << 30);
	fixture_publish(b.s, "a", HIDDEN, 1);
	struct model *old = load(&b, "a", 0, NULL);
	double before = answer(old, 3);
	fixture_publish(b.s, "a", HIDDEN, 2);
	struct model *still = registry_get(b.g, "a", 0);   /* until it is loaded */
	ck_assert_ptr_eq(still, old);
	touch(&b, "a", 0);
	struct model *new = registry_get(b.g, "a", 0);
	ck_assert_int_eq(new->version, 2);
	ck_assert(answer(old, 3) == before);
	registry_forget(b.g, "a", 0);
	ck_assert(!registry_has(b.g, "a", 1) && !registry_has(b.g, "a", 2));
	ck_assert(answer(old, 3) == before && answer(new, 3) != before);   /* those who hold it may go on */
	model_unref(old);
	model_unref(still);
	model_unref(new);
	close_bench(&b);
}
END_TEST

START_TEST(forget)
{
	struct bench b;
	open_bench(&b, 1 << 30);
	for (int i = 0; i < 3; i++)
		fixture_publish(b.s, "a", HIDDEN, 1);
	fixture_publish(b.s, "b", HIDDEN, 1);
	touch(&b, "a", 1);
	touch(&b, "a", 0);
	touch(&b, "b", 0);
	registry_forget(b.g, "a", 3);
	ck_assert_ptr_null(registry_get(b.g, "a", 0));   /* which is the latest now, the store knows */
	ck_assert(registry_has(b.g, "a", 1));
	ck_ok(model_delete(b.s, "a", 3, NULL));
	struct model *m = load(&b, "a", 0, NULL);
	ck_assert_int_eq(m->version, 2);
	model_unref(m);
	registry_forget(b.g, "a", 0);
	ck_assert(!registry_has(b.g, "a", 1) && !registry_has(b.g, "a", 2) && registry_has(b.g, "b", 1));
	close_bench(&b);
}
END_TEST

START_TEST(least_recently_used)
{
	struct bench b;
	open_bench(&b, 1 << 30);
	fixture_publish(b.s, "a", HIDDEN, 1);
	struct model *m = load(&b, "a", 0, NULL);
	size_t each = m->bytes;
	model_unref(m);
	close_bench(&b);

	open_bench(&b, 3 * each + each / 2);
	for (const char *name = "abcde"; *name; name++)
		fixture_publish(b.s, (char[]){ *name, '\0' }, HIDDEN, 1);
	touch(&b, "a", 0);
	touch(&b, "b", 0);
	touch(&b, "c", 0);
	model_unref(registry_get(b.g, "a", 0));
	touch(&b, "d", 0);
	ck_assert(!registry_has(b.g, "b", 1));   /* nobody asked for it longest */
	ck_assert(registry_has(b.g, "a", 1) && registry_has(b.g, "c", 1) && registry_has(b.g, "d", 1));
	touch(&b, "c", 1);
	struct model *held = registry_get(b.g, "a", 0);
	double before = answer(held, 1);
	touch(&b, "c", 1);
	touch(&b, "d", 1);
	touch(&b, "e", 0);
	ck_assert(!registry_has(b.g, "a", 1) && registry_has(b.g, "c", 1) && registry_has(b.g, "d", 1));
	ck_assert(answer(held, 1) == before);
	model_unref(held);
	touch(&b, "b", 0);                       /* what left comes back */
	ck_assert(registry_has(b.g, "b", 1));
	close_bench(&b);
}
END_TEST

/* A model above the limit serves all the same, alone. */
START_TEST(larger_than_the_cache)
{
	struct bench b;
	open_bench(&b, 1);
	fixture_publish(b.s, "a", HIDDEN, 1);
	fixture_publish(b.s, "b", HIDDEN, 1);
	touch(&b, "a", 0);
	ck_assert(registry_has(b.g, "a", 1));
	touch(&b, "b", 0);
	ck_assert(registry_has(b.g, "b", 1) && !registry_has(b.g, "a", 1));
	close_bench(&b);
}
END_TEST

START_TEST(metrics_text)
{
	struct bench b;
	struct strbuf out;
	open_bench(&b, 1 << 30);
	fixture_publish(b.s, "a", HIDDEN, 1);
	struct model *m = load(&b, "a", 0, NULL);
	m->metrics.requests[OUTCOME_TIMEOUT] = 3;
	strbuf_init(&out, 1 << 20);
	model_metrics_write(b.g, &out);
	ck_assert(strbuf_ok(&out));
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_model_loaded{model=\"a\",version=\"1\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_inference_requests_total{model=\"a\",version=\"1\",outcome=\"timeout\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(out.s, "gatecast_inference_duration_seconds_count{model=\"a\",version=\"1\",phase=\"render\"} 0\n"));
	model_unref(m);
	strbuf_fini(&out);
	close_bench(&b);
}
END_TEST

/* ---- threads ------------------------------------------------------------ */

enum { THREADS = 4, ROUNDS = 60, MODELS = 3 };
static const char *const names[MODELS] = { "a", "b", "c" };

struct visitor {
	struct registry *g;
	struct store *s;
	int number, bad;
	double want[MODELS];   /* of versions 1 */
};

static void visit(struct visitor *v, int round)
{
	int k = (round + v->number) % MODELS;
	struct model *m = registry_get(v->g, names[k], 1), *latest = NULL;
	if (!m && registry_load(v->g, v->s, names[k], 1, NULL, &m, NULL)) {
		v->bad++;
		return;
	}
	if (registry_load(v->g, v->s, names[k], 0, NULL, &latest, NULL))
		v->bad++;
	if (round % 5 == v->number % 5)
		registry_forget(v->g, names[k], round % 2);
	v->bad += m->version != 1 || answer(m, 0) != v->want[k] || latest->version < 1;
	model_unref(latest);
	model_unref(m);
}

static void *visitor_main(void *arg)
{
	struct visitor *v = arg;
	for (int round = 0; round < ROUNDS; round++) {
		struct strbuf out;
		visit(v, round);
		strbuf_init(&out, 1 << 20);
		model_metrics_write(v->g, &out);
		v->bad += !strbuf_ok(&out);
		strbuf_fini(&out);
	}
	return NULL;
}

START_TEST(threads)
{
	struct bench b;
	struct visitor v[THREADS];
	pthread_t thread[THREADS];
	double want[MODELS];
	open_bench(&b, 1 << 30);
	for (int k = 0; k < MODELS; k++) {
		fixture_publish(b.s, names[k], HIDDEN, (uint64_t)k + 1);
		struct model *m = load(&b, names[k], 1, NULL);
		want[k] = answer(m, 0);
		model_unref(m);
	}
	registry_free(b.g);
	ck_ok(registry_new(1 << 14, NULL, &b.g, &b.f.e));   /* some have to leave all the time */
	for (int i = 0; i < THREADS; i++) {
		v[i] = (struct visitor){ .g = b.g, .number = i };
		memcpy(v[i].want, want, sizeof want);
		ck_ok(store_open(b.f.path, STORE_READER, &v[i].s, &b.f.e));
		ck_assert_int_eq(pthread_create(&thread[i], NULL, visitor_main, &v[i]), 0);
	}
	for (int i = 0; i < 10; i++)
		fixture_publish(b.s, names[i % MODELS], HIDDEN, 100 + (uint64_t)i);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(thread[i], NULL);
		ck_assert_int_eq(v[i].bad, 0);
		store_close(v[i].s);
	}
	close_bench(&b);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("registry");
	TCase *c = tcase_create("registry");
	tcase_set_timeout(c, 300);
	tcase_add_test(c, load_and_get);
	tcase_add_test(c, unknown);
	tcase_add_test(c, damaged_document);
	tcase_add_test(c, labels);
	tcase_add_test(c, publish_while_in_use);
	tcase_add_test(c, forget);
	tcase_add_test(c, least_recently_used);
	tcase_add_test(c, larger_than_the_cache);
	tcase_add_test(c, metrics_text);
	tcase_add_test(c, threads);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

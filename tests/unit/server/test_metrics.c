/* Metrics: where a value falls, how labels are written, and Prometheus's own opinion of the text. */
#include "server/metrics.h"

#include <math.h>
#include <pthread.h>
#include <sys/wait.h>

#include "server/route.h"

#include "tests/unit/server/fixture.h"

static const double *const all_bounds[] = { metric_seconds, metric_bytes, metric_rows };

/* le is inclusive: a value on a bound belongs to that bound's bucket. */
START_TEST(boundaries)
{
	const double *bounds = all_bounds[_i];
	for (int i = 0; i < METRIC_BUCKETS; i++) {
		struct histogram h = { 0 };
		ck_assert(i == 0 || bounds[i] > bounds[i - 1]);
		histogram_add(&h, bounds, bounds[i]);
		ck_assert_uint_eq(h.bucket[i], 1);
		histogram_add(&h, bounds, nextafter(bounds[i], INFINITY));
		ck_assert_uint_eq(h.bucket[i + 1], 1);
	}
	struct histogram h = { 0 };
	histogram_add(&h, bounds, 0);
	ck_assert_uint_eq(h.bucket[0], 1);
	histogram_add(&h, bounds, 1e12);
	ck_assert_uint_eq(h.bucket[METRIC_BUCKETS], 1);
}
END_TEST

START_TEST(histogram_text)
{
	struct histogram h = { 0 };
	struct strbuf b;
	histogram_add(&h, metric_seconds, 0.0005);
	histogram_add(&h, metric_seconds, 0.3);
	histogram_add(&h, metric_seconds, 0.4);
	histogram_add(&h, metric_seconds, 60);
	strbuf_init(&b, 10000);
	metric_histogram(&b, "x", "a=\"1\"", metric_seconds, &h);
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_bucket{a=\"1\",le=\"0.0005\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_bucket{a=\"1\",le=\"0.25\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_bucket{a=\"1\",le=\"0.5\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_bucket{a=\"1\",le=\"5\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_bucket{a=\"1\",le=\"+Inf\"} 4\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_sum{a=\"1\"} 60.700500\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_count{a=\"1\"} 4\n"));
	strbuf_reset(&b);
	metric_histogram(&b, "x", "", metric_seconds, &h);
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_bucket{le=\"1\"} 3\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "gatecast_x_count 4\n"));
	strbuf_fini(&b);
}
END_TEST

static const struct { const char *value, *text; } labels[] = {
	{ "", "k=\"\"" },
	{ "plain", "k=\"plain\"" },
	{ "/v1/models/{}:predict", "k=\"/v1/models/{}:predict\"" },
	{ "a\"b", "k=\"a\\\"b\"" },
	{ "a\\b", "k=\"a\\\\b\"" },
	{ "a\nb", "k=\"a\\nb\"" },
	{ "\"\\\n", "k=\"\\\"\\\\\\n\"" },
	{ "caf\xc3\xa9", "k=\"caf\xc3\xa9\"" },
};

START_TEST(label)
{
	struct strbuf b;
	strbuf_init(&b, 1000);
	metric_label(&b, "k", labels[_i].value);
	ck_assert_str_eq(b.s, labels[_i].text);
	metric_label(&b, "second", "2");
	ck_assert_ptr_nonnull(strstr(b.s, "\",second=\"2\""));
	strbuf_fini(&b);
}
END_TEST

static const struct { double v; const char *text; } values[] = {
	{ 0, "gatecast_x 0\n" }, { 1, "gatecast_x 1\n" }, { -3, "gatecast_x -3\n" }, { 0.5, "gatecast_x 0.5\n" },
	{ 1e14, "gatecast_x 100000000000000\n" }, { 1e20, "gatecast_x 1e+20\n" }, { NAN, "gatecast_x NaN\n" },
	{ INFINITY, "gatecast_x inf\n" },
};

START_TEST(value)
{
	struct strbuf b;
	strbuf_init(&b, 1000);
	metric_value(&b, "x", "", values[_i].v);
	ck_assert_str_eq(b.s, values[_i].text);
	strbuf_reset(&b);
	metric_value(&b, "x", "k=\"1\"", 2);
	ck_assert_str_eq(b.s, "gatecast_x{k=\"1\"} 2\n");
	strbuf_fini(&b);
}
END_TEST

START_TEST(codes)
{
	int other = metric_code_index(999);
	for (int code = 0; code < ERR_COUNT; code++) {
		int status = code ? err_row((enum err)code)->status : 200;
		ck_assert_msg(metric_code_index(status) != other, "status %d has no slot", status);
	}
	ck_assert_int_eq(other, METRIC_CODES - 1);
	ck_assert_int_eq(metric_code_index(-1), other);
	ck_assert_int_ne(metric_code_index(200), metric_code_index(201));
}
END_TEST

/* Everything at once, with a count in each route, as promtool reads it. */
START_TEST(text_passes_promtool)
{
	struct strbuf b;
	for (int i = 0; i < n_routes; i++) {
		metrics.route[i].code[metric_code_index(200)]++;
		metrics.route[i].code[metric_code_index(418)]++;
		histogram_add(&metrics.route[i].duration, metric_seconds, 0.1 * i);
	}
	strbuf_init(&b, 4 << 20);
	metrics_write(&b);
	ck_assert(strbuf_ok(&b));
	ck_assert_ptr_nonnull(strstr(b.s, "code=\"other\"} 1\n"));
	ck_assert_ptr_nonnull(strstr(b.s, "\nprocess_resident_memory_bytes "));

	char command[4200];
	const char *promtool = getenv("PROMTOOL");
	ck_assert_ptr_nonnull(promtool);
	snprintf(command, sizeof command, "%s check metrics", promtool);
	FILE *p = popen(command, "w");
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(fwrite(b.s, 1, b.len, p), b.len);
	int status = pclose(p);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	strbuf_fini(&b);
}
END_TEST

enum { THREADS = 4, ADDS = 20000 };

static void *add(void *arg)
{
	for (int i = 0; i < ADDS; i++)
		histogram_add(arg, metric_rows, i % 100);
	return NULL;
}

START_TEST(threads)
{
	static struct histogram h;
	pthread_t thread[THREADS];
	uint64_t total = 0;
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, add, &h), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i <= METRIC_BUCKETS; i++)
		total += h.bucket[i];
	ck_assert_uint_eq(total, THREADS * ADDS);
	ck_assert_uint_eq(h.sum, (uint64_t)THREADS * (ADDS / 100) * 4950 * 1000000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *c = tcase_create("metrics");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, boundaries, 0, 3);
	tcase_add_test(c, histogram_text);
	tcase_add_loop_test(c, label, 0, COUNT(labels));
	tcase_add_loop_test(c, value, 0, COUNT(values));
	tcase_add_test(c, codes);
	tcase_add_test(c, text_passes_promtool);
	tcase_add_test(c, threads);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

/* Followers of jobs: each event once, in order, to those who follow that job, and an end. */
#include "server/events.h"

#include <jansson.h>
#include <pthread.h>

#include "server/stream.h"

#include "tests/unit/server/fixture.h"

static void on_sleep(void *arg) { ++*(int *)arg; }
static void on_wake(void *arg) { }

/* All that waits in the stream as a text; "END" is added when no more will come. */
static void read_all(struct stream *s, char *out, size_t cap)
{
	int slept = 0;
	size_t len = 0;
	long n;
	while ((n = stream_pull(s, out + len, cap - len - 4, on_sleep, on_wake, &slept)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	if (n == STREAM_END)
		strcat(out, "END");
}

static struct event_view event(int64_t id, const char *job)
{
	return (struct event_view){ .id = id, .job = job, .level = "info", .type = "status", .message = "m", .created_at_us = 1 };
}

static void publish(struct events *v, int64_t id, const char *job, bool ended)
{
	struct event_view view = event(id, job);
	events_publish(v, &view, ended);
}

/* The ids of a text of events, as "1 2 3". */
static void ids_of(const char *text, char *out)
{
	*out = '\0';
	for (const char *at = text; (at = strstr(at, "id: ")); at += 4)
		if (at == text || at[-1] == '\n')
			sprintf(out + strlen(out), "%s%lld", *out ? " " : "", atoll(at + 4));
	if (strlen(text) >= 3 && !strcmp(text + strlen(text) - 3, "END"))
		strcat(out, " END");
}

static void check_ids(struct stream *s, const char *want)
{
	char text[8192], ids[256];
	read_all(s, text, sizeof text);
	ids_of(text, ids);
	ck_assert_str_eq(ids, want);
}

START_TEST(text_of_an_event)
{
	struct strbuf b;
	struct event_view v = event(42, "job_1");
	v.message = "line\nand \"quotes\"";
	strbuf_init(&b, 4096);
	event_stream_render(&v, &b);
	static const char head[] = "id: 42\nevent: status\ndata: ";
	ck_assert_int_eq(strncmp(b.s, head, strlen(head)), 0);
	ck_assert_str_eq(b.s + b.len - 2, "\n\n");
	ck_assert_ptr_eq(strchr(b.s + strlen(head), '\n'), b.s + b.len - 2);   /* a line break in the data would end it */
	json_t *data = json_loads(b.s + strlen(head), 0, NULL);
	ck_assert_ptr_nonnull(data);
	ck_assert_str_eq(json_string_value(json_object_get(data, "message")), v.message);
	json_decref(data);
	strbuf_fini(&b);
}
END_TEST

START_TEST(each_once)
{
	struct events *v;
	struct stream *s = stream_new(100000);
	ck_ok(events_new(&v, NULL));
	ck_ok(events_follow(v, "a", 5, false, stream_ref(s), NULL));
	publish(v, 4, "a", false);   /* was in the past that the follower read */
	publish(v, 5, "a", false);
	publish(v, 6, "a", false);
	publish(v, 6, "a", false);
	publish(v, 9, "b", false);   /* another job's */
	publish(v, 8, "a", false);
	check_ids(s, "6 8");
	publish(v, 10, "a", true);
	check_ids(s, "10 END");
	publish(v, 11, "a", false);
	check_ids(s, " END");
	events_free(v);
	stream_unref(s);
}
END_TEST

/* The last event may be known from the past; the end is told all the same. */
START_TEST(known_end)
{
	struct events *v;
	struct stream *s = stream_new(1000);
	ck_ok(events_new(&v, NULL));
	ck_ok(events_follow(v, "a", 7, false, stream_ref(s), NULL));
	publish(v, 7, "a", true);
	check_ids(s, " END");
	events_free(v);
	stream_unref(s);
}
END_TEST

START_TEST(past_alone)
{
	struct events *v;
	struct stream *s = stream_new(1000);
	ck_ok(events_new(&v, NULL));
	stream_push(s, "id: 1\n\n", 7);
	ck_ok(events_follow(v, "a", 1, true, stream_ref(s), NULL));
	publish(v, 2, "a", false);
	check_ids(s, "1 END");
	events_free(v);
	stream_unref(s);
}
END_TEST

START_TEST(many_followers)
{
	enum { FOLLOWERS = 30 };
	struct events *v;
	struct stream *s[FOLLOWERS];
	ck_ok(events_new(&v, NULL));
	for (int i = 0; i < FOLLOWERS; i++) {
		s[i] = stream_new(i == 3 ? 10 : 10000);   /* one that cannot keep up */
		ck_ok(events_follow(v, i % 2 ? "odd" : "even", 0, false, stream_ref(s[i]), NULL));
	}
	publish(v, 1, "odd", false);
	publish(v, 2, "even", true);
	stream_leave(s[5]);
	publish(v, 3, "odd", false);
	for (int i = 0; i < FOLLOWERS; i++) {
		if (i == 3)
			check_ids(s[i], " END");
		else if (i == 5)
			check_ids(s[i], "1 3 END");   /* nobody reads that; and no follower is left */
		else
			check_ids(s[i], i % 2 ? "1 3" : "2 END");
	}
	events_close(v);
	for (int i = 0; i < FOLLOWERS; i++) {
		check_ids(s[i], " END");
		stream_unref(s[i]);
	}
	events_free(v);
}
END_TEST

/* ---- threads ------------------------------------------------------------ */

enum { THREADS = 4, EVENTS = 500 };

static void *come_and_go(void *arg)
{
	struct events *v = arg;
	for (int i = 0; i < EVENTS; i++) {
		struct stream *s = stream_new(1 << 20);
		if (events_follow(v, "a", 0, i % 10 == 0, stream_ref(s), NULL))
			stream_unref(s);
		stream_leave(s);
		stream_unref(s);
	}
	return NULL;
}

START_TEST(threads)
{
	struct events *v;
	pthread_t thread[THREADS];
	struct stream *s = stream_new(16 << 20);
	ck_ok(events_new(&v, NULL));
	ck_ok(events_follow(v, "a", 0, false, stream_ref(s), NULL));
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, come_and_go, v), 0);
	for (int i = 1; i <= EVENTS; i++)
		publish(v, i, "a", i == EVENTS);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);

	char *text = calloc(1, 1 << 20);
	read_all(s, text, 1 << 20);
	int64_t want = 1;
	for (const char *at = text; (at = strstr(at, "id: ")); at += 4)
		if (at == text || at[-1] == '\n')
			ck_assert_int_eq(atoll(at + 4), want++);
	ck_assert_int_eq(want, EVENTS + 1);
	free(text);
	events_free(v);
	stream_unref(s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("events");
	TCase *c = tcase_create("events");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, text_of_an_event);
	tcase_add_test(c, each_once);
	tcase_add_test(c, known_end);
	tcase_add_test(c, past_alone);
	tcase_add_test(c, many_followers);
	tcase_add_test(c, threads);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

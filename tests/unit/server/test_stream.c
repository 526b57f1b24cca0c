/* A stream between a producer and a connection: order, sleep and wake, the two ways to end, and both on threads. */
#include "server/stream.h"

#include <pthread.h>

#include "tests/unit/server/fixture.h"

/* The connection: counts what the stream asks of it. */
struct peer {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	int slept, woken;
};

static void peer_init(struct peer *p)
{
	*p = (struct peer){ 0 };
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
}

static void on_sleep(void *arg)
{
	struct peer *p = arg;
	pthread_mutex_lock(&p->lock);
	p->slept++;
	pthread_mutex_unlock(&p->lock);
}

static void on_wake(void *arg)
{
	struct peer *p = arg;
	pthread_mutex_lock(&p->lock);
	p->woken++;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

static long pull(struct stream *s, struct peer *p, char *out, size_t cap)
{
	return stream_pull(s, out, cap, on_sleep, on_wake, p);
}

START_TEST(pieces)
{
	static const size_t caps[] = { 1, 2, 3, 7, 100 };
	struct peer p;
	struct stream *s = stream_new(1000);
	char got[64] = "", piece[100];
	size_t len = 0;
	long n;
	peer_init(&p);
	ck_assert(stream_push(s, "one ", 4));
	ck_assert(stream_push(s, "two ", 4));
	n = pull(s, &p, piece, caps[_i]);
	memcpy(got, piece, (size_t)n);
	len = (size_t)n;
	ck_assert(stream_push(s, "three", 5));   /* in the middle of what is left */
	while ((n = pull(s, &p, piece, caps[_i])) > 0) {
		memcpy(got + len, piece, (size_t)n);
		len += (size_t)n;
	}
	ck_assert_int_eq(n, 0);
	ck_assert_int_eq(p.slept, 1);
	ck_assert_uint_eq(len, 13);
	ck_assert_int_eq(memcmp(got, "one two three", 13), 0);
	stream_unref(s);
}
END_TEST

START_TEST(sleep_and_wake)
{
	struct peer p;
	struct stream *s = stream_new(1000);
	char out[10];
	peer_init(&p);
	ck_assert_int_eq(pull(s, &p, out, 10), 0);
	ck_assert_int_eq(p.slept, 1);
	ck_assert_int_eq(p.woken, 0);
	ck_assert(stream_push(s, "a", 1));
	ck_assert_int_eq(p.woken, 1);
	ck_assert(stream_push(s, "b", 1));
	ck_assert_int_eq(p.woken, 1);   /* once a sleep */
	ck_assert_int_eq(pull(s, &p, out, 10), 2);
	ck_assert_int_eq(p.slept, 1);
	stream_unref(s);
}
END_TEST

START_TEST(close_lets_the_rest_out)
{
	struct peer p;
	struct stream *s = stream_new(1000);
	char out[10];
	peer_init(&p);
	stream_push(s, "last", 4);
	stream_close(s);
	ck_assert(!stream_push(s, "", 0));
	ck_assert_int_eq(pull(s, &p, out, 10), 4);
	ck_assert_int_eq(pull(s, &p, out, 10), STREAM_END);
	ck_assert_int_eq(pull(s, &p, out, 10), STREAM_END);
	ck_assert_int_eq(p.slept, 0);
	stream_unref(s);
}
END_TEST

START_TEST(close_wakes)
{
	struct peer p;
	struct stream *s = stream_new(1000);
	char out[10];
	peer_init(&p);
	ck_assert_int_eq(pull(s, &p, out, 10), 0);
	stream_close(s);
	ck_assert_int_eq(p.woken, 1);
	ck_assert_int_eq(pull(s, &p, out, 10), STREAM_END);
	stream_unref(s);
}
END_TEST

START_TEST(overflow)
{
	struct peer p;
	struct stream *s = stream_new(10);
	char out[20];
	peer_init(&p);
	ck_assert(stream_push(s, "12345678", 8));
	ck_assert(!stream_push(s, "abc", 3));   /* the client does not keep up */
	ck_assert(!stream_push(s, "d", 1));
	ck_assert_int_eq(pull(s, &p, out, 20), 8);   /* whole pieces only */
	ck_assert_int_eq(memcmp(out, "12345678", 8), 0);
	ck_assert_int_eq(pull(s, &p, out, 20), STREAM_END);
	stream_unref(s);
}
END_TEST

START_TEST(overflow_wakes_a_sleeper)
{
	struct peer p;
	struct stream *s = stream_new(4);
	char out[20];
	peer_init(&p);
	ck_assert_int_eq(pull(s, &p, out, 20), 0);
	ck_assert(!stream_push(s, "too much", 8));
	ck_assert_int_eq(p.woken, 1);
	ck_assert_int_eq(pull(s, &p, out, 20), STREAM_END);
	stream_unref(s);
}
END_TEST

/* What was pulled makes room: the limit is on what waits. */
START_TEST(room_again)
{
	struct peer p;
	struct stream *s = stream_new(64);
	char out[20];
	peer_init(&p);
	for (int i = 0; i < 1000; i++) {
		ck_assert(stream_push(s, "0123456789", 10));
		ck_assert_int_eq(pull(s, &p, out, 10), 10);
		ck_assert_int_eq(memcmp(out, "0123456789", 10), 0);
	}
	stream_unref(s);
}
END_TEST

START_TEST(leave)
{
	struct peer p;
	struct stream *s = stream_ref(stream_new(100));
	char out[10];
	peer_init(&p);
	ck_assert_int_eq(pull(s, &p, out, 10), 0);
	stream_leave(s);
	stream_unref(s);                       /* the connection's */
	ck_assert(!stream_push(s, "a", 1));
	stream_close(s);
	ck_assert_int_eq(p.woken, 0);          /* there is nobody to wake */
	stream_unref(s);
}
END_TEST

/* ---- threads ------------------------------------------------------------ */

enum { PUSHES = 20000 };

static void *producer(void *arg)
{
	struct stream *s = arg;
	for (uint32_t i = 0; i < PUSHES; i++)
		if (!stream_push(s, (const char *)&i, sizeof i))
			break;
	stream_close(s);
	stream_unref(s);
	return NULL;
}

/* Wait as the connection does: until somebody woke it as often as it slept. */
static void wait_for_wake(struct peer *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->woken < p->slept)
		pthread_cond_wait(&p->wake, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

START_TEST(threads)
{
	struct peer p;
	pthread_t thread;
	struct stream *s = stream_new(PUSHES * sizeof(uint32_t));
	uint32_t value = 0, want = 0;
	size_t have = 0;
	long n;
	peer_init(&p);
	ck_assert_int_eq(pthread_create(&thread, NULL, producer, stream_ref(s)), 0);
	while ((n = pull(s, &p, (char *)&value + have, sizeof value - have)) != STREAM_END) {
		if (n == 0)
			wait_for_wake(&p);
		have += (size_t)n;
		if (have == sizeof value) {
			ck_assert_uint_eq(value, want++);
			have = 0;
		}
	}
	ck_assert_uint_eq(want, PUSHES);
	pthread_join(thread, NULL);
	stream_unref(s);
}
END_TEST

START_TEST(leave_while_pushed)
{
	struct peer p;
	peer_init(&p);
	for (int round = 0; round < 200; round++) {
		pthread_t thread;
		char out[16];
		struct stream *s = stream_new(PUSHES * sizeof(uint32_t));
		ck_assert_int_eq(pthread_create(&thread, NULL, producer, stream_ref(s)), 0);
		for (int i = 0; i < round % 8; i++)
			if (pull(s, &p, out, sizeof out) == 0)
				wait_for_wake(&p);
		stream_leave(s);
		stream_unref(s);
		pthread_join(thread, NULL);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stream");
	TCase *c = tcase_create("stream");
	tcase_set_timeout(c, 300);
	tcase_add_loop_test(c, pieces, 0, 5);
	tcase_add_test(c, sleep_and_wake);
	tcase_add_test(c, close_lets_the_rest_out);
	tcase_add_test(c, close_wakes);
	tcase_add_test(c, overflow);
	tcase_add_test(c, overflow_wakes_a_sleeper);
	tcase_add_test(c, room_again);
	tcase_add_test(c, leave);
	tcase_add_test(c, threads);
	tcase_add_test(c, leave_while_pushed);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

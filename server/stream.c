/* stream.c - a reply that goes on: bytes pushed by a producer, pulled by the connection.
 *
 *   producer ── stream_push ──► [ pending ] ── stream_pull ──► connection
 *                                   │ empty: the connection sleeps, and the next push wakes it */
#include "server/stream.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct stream {
	pthread_mutex_t lock;
	struct strbuf pending;
	size_t pulled;    /* bytes at the front of pending that are gone already */
	bool closed;      /* by the producer */
	bool gone;        /* the client left, or fell behind */
	void (*wake)(void *arg);
	void *wake_arg;
	bool asleep;
	int refs;
};

struct stream *stream_new(size_t max_pending)
{
	struct stream *s = calloc(1, sizeof *s);
	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	strbuf_init(&s->pending, max_pending);
	s->refs = 1;
	return s;
}

struct stream *stream_ref(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->refs++;
	pthread_mutex_unlock(&s->lock);
	return s;
}

void stream_unref(struct stream *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	bool last = --s->refs == 0;
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	strbuf_fini(&s->pending);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Forget what was pulled once it is the larger part: each byte is moved once at most. */
static void compact(struct stream *s)
{
	if (s->pulled < s->pending.len - s->pulled)
		return;
	s->pending.len -= s->pulled;
	if (s->pending.len)
		memmove(s->pending.s, s->pending.s + s->pulled, s->pending.len);
	s->pulled = 0;
}

/* Under the lock. */
static void wake(struct stream *s)
{
	if (!s->asleep)
		return;
	s->asleep = false;
	s->wake(s->wake_arg);
}

bool stream_push(struct stream *s, const char *bytes, size_t len)
{
	pthread_mutex_lock(&s->lock);
	strbuf_add(&s->pending, bytes, len);
	if (!strbuf_ok(&s->pending))
		s->gone = true;
	bool alive = !s->gone && !s->closed;
	wake(s);
	pthread_mutex_unlock(&s->lock);
	return alive;
}

void stream_close(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->closed = true;
	wake(s);
	pthread_mutex_unlock(&s->lock);
}

void stream_leave(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	s->gone = true;
	s->asleep = false;
	pthread_mutex_unlock(&s->lock);
}

long stream_pull(struct stream *s, char *out, size_t cap, void (*sleep)(void *), void (*wake_up)(void *), void *arg)
{
	pthread_mutex_lock(&s->lock);
	size_t left = s->pending.len - s->pulled, n = left < cap ? left : cap;
	long result = (long)n;
	if (n) {
		memcpy(out, s->pending.s + s->pulled, n);
		s->pulled += n;
		compact(s);
	} else if (s->closed || s->gone) {
		result = STREAM_END;
	} else {
		s->wake = wake_up;
		s->wake_arg = arg;
		s->asleep = true;
		sleep(arg);
	}
	pthread_mutex_unlock(&s->lock);
	return result;
}

#include "server/events.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/request.h"
#include "storage/job_store.h"

#define PING_TICKS 150      /* of 100 ms: 15 s */
#define EVENT_MAX  (1u << 20)

struct follower {
	struct follower *next;
	char job[JOB_ID_MAX + 1];
	int64_t last_id;
	struct stream *stream;
};

struct events {
	pthread_mutex_t lock;
	struct follower *followers;
	pthread_t pinger;
	_Atomic bool stopping;
};

void event_stream_render(const struct event_view *v, struct strbuf *out)
{
	strbuf_addf(out, "id: %lld\nevent: %s\ndata: ", (long long)v->id, v->type);
	event_render(v, out);
	strbuf_adds(out, "\n\n");
}

static void drop(struct follower **at)
{
	struct follower *f = *at;
	*at = f->next;
	stream_close(f->stream);
	stream_unref(f->stream);
	free(f);
}

static void ping_all(struct events *v)
{
	static const char ping[] = ": ping\n\n";
	pthread_mutex_lock(&v->lock);
	for (struct follower **at = &v->followers; *at;) {
		if (stream_push((*at)->stream, ping, sizeof ping - 1))
			at = &(*at)->next;
		else
			drop(at);
	}
	pthread_mutex_unlock(&v->lock);
}

static void *pinger_main(void *arg)
{
	struct events *v = arg;
	for (int tick = 1; !v->stopping; tick++) {
		usleep(100 * 1000);
		if (tick % PING_TICKS == 0)
			ping_all(v);
	}
	return NULL;
}

enum err events_new(struct events **out, struct error *e)
{
	struct events *v = calloc(1, sizeof *v);
	if (!v)
		return fail_nomem(e);
	pthread_mutex_init(&v->lock, NULL);
	if (pthread_create(&v->pinger, NULL, pinger_main, v)) {
		free(v);
		return fail(e, ERR_NOMEM, "", "cannot start the events' thread");
	}
	*out = v;
	return ERR_OK;
}

void events_close(struct events *v)
{
	pthread_mutex_lock(&v->lock);
	while (v->followers)
		drop(&v->followers);
	pthread_mutex_unlock(&v->lock);
}

void events_free(struct events *v)
{
	if (!v)
		return;
	v->stopping = true;
	pthread_join(v->pinger, NULL);
	events_close(v);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

static enum err add_follower(struct events *v, const char *job, int64_t last_id, struct stream *s, struct error *e)
{
	struct follower *f = calloc(1, sizeof *f);
	if (!f)
		return fail_nomem(e);
	strncpy(f->job, job, sizeof f->job - 1);
	f->last_id = last_id;
	f->stream = s;
	pthread_mutex_lock(&v->lock);
	f->next = v->followers;
	v->followers = f;
	pthread_mutex_unlock(&v->lock);
	return ERR_OK;
}

enum err events_follow(struct events *v, const char *job, int64_t last_id, bool ended, struct stream *s, struct error *e)
{
	if (ended) {
		stream_close(s);
		stream_unref(s);
		return ERR_OK;
	}
	return add_follower(v, job, last_id, s, e);
}

enum err events_keep_awake(struct events *v, struct stream *s, struct error *e)
{
	enum err rc = add_follower(v, "", 0, stream_ref(s), e);   /* no job has that name */
	if (rc)
		stream_unref(s);
	return rc;
}

void events_publish(struct events *v, const struct event_view *event, bool ended)
{
	struct strbuf text;
	strbuf_init(&text, EVENT_MAX);
	event_stream_render(event, &text);

	pthread_mutex_lock(&v->lock);
	for (struct follower **at = &v->followers; *at;) {
		struct follower *f = *at;
		bool keep = true;
		if (!strcmp(f->job, event->job)) {
			if (event->id > f->last_id) {
				f->last_id = event->id;
				keep = strbuf_ok(&text) && stream_push(f->stream, text.s, text.len);   /* else it asks again, from last_id */
			}
			keep = keep && !ended;
		}
		if (keep)
			at = &f->next;
		else
			drop(at);
	}
	pthread_mutex_unlock(&v->lock);
	strbuf_fini(&text);
}

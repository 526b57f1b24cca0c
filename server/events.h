/* events.h - who watches which job live (server-sent events).
 *
 *   writer lane: events_follow() with the past in the stream ──► followers ◄── events_publish() after each commit
 *
 * A follower remembers the last event it was given, so one that came both from the past and live is sent once.
 * A comment line every 15 s keeps proxies awake and is how a client that left is noticed. */
#ifndef GATECAST_SERVER_EVENTS_H
#define GATECAST_SERVER_EVENTS_H

#include "api/job_body.h"

struct events;
struct stream;

enum err events_new(struct events **out, struct error *e);
/** Closes all streams. NULL is fine. */
void events_free(struct events *v);
/** Watch a job from the event after last_id. Takes one reference of the stream. ended: the past is all there is. */
enum err events_follow(struct events *v, const char *job, int64_t last_id, bool ended, struct stream *s, struct error *e);
/** Ping a stream of another kind too, until its producer closes it. */
enum err events_keep_awake(struct events *v, struct stream *s, struct error *e);
/** Tell the followers of v->job. ended: no more will come. */
void events_publish(struct events *v, const struct event_view *event, bool ended);
/** End every stream: the service stops. */
void events_close(struct events *v);
/** One event as text/event-stream: id, event (its type), data (its JSON). */
void event_stream_render(const struct event_view *v, struct strbuf *out);

#endif

#include "server/job_note.h"

#include <stdio.h>

enum err job_note_add(struct job_note *n, struct store *s, const char *job, const char *level, const char *type,
                      const char *message, const char *data, struct error *e)
{
	snprintf(n->job, sizeof n->job, "%s", job);
	snprintf(n->message, sizeof n->message, "%s", message);
	n->view = (struct event_view){ .job = n->job, .level = level, .type = type, .message = n->message, .data = data,
		.created_at_us = store_now_us() };
	return job_event_add(s, n->job, level, type, n->message, data, &n->view.id, e);
}

void job_note_publish(const struct job_note *n, struct events *events, bool ended)
{
	if (events && n->view.id)
		events_publish(events, &n->view, ended);
}

/* job_note.h - an event of a job: written in the transaction of what it tells, told to followers after the commit. */
#ifndef GATECAST_SERVER_JOB_NOTE_H
#define GATECAST_SERVER_JOB_NOTE_H

#include "server/events.h"
#include "storage/job_store.h"

struct job_note {
	struct event_view view;          /* view.id 0: nothing was noted */
	char job[JOB_ID_MAX + 1];
	char message[256];
};

/** In the caller's transaction. level, type and data must outlive the publishing. */
enum err job_note_add(struct job_note *n, struct store *s, const char *job, const char *level, const char *type,
                      const char *message, const char *data, struct error *e);
/** After the commit. events may be NULL. ended: the job will not say more. */
void job_note_publish(const struct job_note *n, struct events *events, bool ended);

#endif

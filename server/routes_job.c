/* routes_job.c - training jobs: start, watch, cancel, pause, go on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_body.h"
#include "server/app.h"
#include "server/events.h"
#include "server/handlers.h"
#include "server/job_note.h"
#include "server/paging.h"
#include "server/supervisor.h"
#include "storage/dataset.h"
#include "storage/digest.h"
#include "storage/job_store.h"

#define SPEC_MAX    (1u << 20)
#define STREAM_MAX  (4u << 20)
#define STREAM_PAST 2000           /* events replayed at most; then the stream ends, and its client comes back for the next */

static void render(const struct job *j, struct strbuf *out)
{
	struct job_view v = {
		.id = j->id, .status = job_status_name(j->status), .model = j->model, .dataset = j->dataset, .version = j->version,
		.created_at_us = j->created_at_us, .started_at_us = j->started_at_us, .finished_at_us = j->finished_at_us,
		.attempts = j->attempts, .progress = j->progress, .metrics = j->metrics, .result = j->result, .spec = j->spec,
		.error = j->error, .metadata = j->metadata,
	};
	struct progress p;
	if (j->status == JOB_RUNNING && j->progress && !progress_parse(j->progress, &p) && p.eta_s >= 0)
		v.estimated_finish_us = store_now_us() + (int64_t)(p.eta_s * 1e6);
	struct recipe spec;
	char *metadata = NULL;
	if (!job_body_parse(j->spec, strlen(j->spec), &spec, &metadata, NULL))
		v.seed = spec.seed;
	free(metadata);
	job_render(&v, out);
}

/* After the commit: tell the followers, wake the supervisor. */
static void tell(struct request *r)
{
	struct job_note *note = r->work;
	job_note_publish(note, r->app->events, note->view.level && !strcmp(note->message, "cancelled"));
	supervisor_wake(r->app->supervisor);
}

/* Note an event in this transaction and tell it after the commit. */
static enum err note(struct request *r, struct store *s, const char *job, const char *message, const char *data, struct error *e)
{
	struct job_note *n = arena_calloc(&r->arena, 1, sizeof *n);
	if (!n)
		return fail_nomem(e);
	r->work = n;
	r->committed = tell;
	return job_note_add(n, s, job, "info", "status", message, data, e);
}

/* What the newest version of the dataset alone can tell of a recipe, so that it is said now and not by a failed job. */
static enum err check_dataset(const struct recipe *recipe, struct store *s, struct error *e)
{
	struct dataset_info d = { 0 };
	struct frame *first_row = NULL;
	enum err rc = dataset_get(s, recipe->dataset, 0, &d, e);
	if (!rc)
		rc = dataset_rows(s, d.id, 0, 1, &first_row, e);
	if (!rc)
		rc = trainer_check(recipe, first_row, d.rows, e);
	frame_free(first_row);
	dataset_info_fini(&d);
	return rc;
}

HANDLER(post_job)
{
	struct recipe recipe;
	struct job job = { 0 };
	struct strbuf spec;
	char *metadata = NULL, body_sha256[DIGEST_HEX];
	bool replayed = false;
	strbuf_init(&spec, SPEC_MAX);

	enum err rc = job_body_parse(r->body.s, r->body.len, &recipe, &metadata, e);
	if (rc)
		goto done;
	recipe_render(&recipe, &spec);
	if (!strbuf_ok(&spec)) {
		rc = fail_nomem(e);
		goto done;
	}
	digest_hex(r->body.s, r->body.len, body_sha256);
	const struct job_new in = { .model = recipe.model, .dataset = recipe.dataset, .spec = spec.s, .metadata = metadata,
		.idempotency_key = r->header[HEADER_IDEMPOTENCY_KEY], .body_sha256 = body_sha256 };
	rc = job_create(s, &in, (int)r->app->options->max_queued_jobs, &job, &replayed, e);
	if (rc == ERR_QUOTA)
		fail(e, rc, "", "%ld jobs are waiting, the most allowed (option --max-queued-jobs)", r->app->options->max_queued_jobs);
	if (!rc && !replayed)
		rc = check_dataset(&recipe, s, e);   /* an error undoes the job: this is one transaction */
	if (!rc && !replayed)
		rc = note(r, s, job.id, "queued", "{\"status\":\"queued\"}", e);
	if (rc)
		goto done;
	r->reply.status = 202;
	snprintf(r->reply.location, sizeof r->reply.location, "/v1/jobs/%s", job.id);
	render(&job, &r->reply.body);
done:
	job_fini(&job);
	strbuf_fini(&spec);
	free(metadata);
	return rc;
}

HANDLER(list_jobs)
{
	struct page page;
	struct job *list = NULL;
	size_t n = 0;
	bool more = false;
	enum err rc = page_read(r, &page, e);
	if (!rc)
		rc = job_list(s, page.after, page.limit, &list, &n, &more, e);
	if (rc)
		return rc;
	list_begin(&r->reply.body);
	for (size_t i = 0; i < n; i++) {
		list_next(&r->reply.body, i == 0);
		render(&list[i], &r->reply.body);
	}
	list_end(&r->reply.body, more);
	job_list_free(list, n);
	return ERR_OK;
}

HANDLER(get_job)
{
	struct job job = { 0 };
	enum err rc = job_get(s, r->param[0], &job, e);
	if (!rc)
		render(&job, &r->reply.body);
	job_fini(&job);
	return rc;
}

static struct event_view view_of(const struct job_event *v)
{
	return (struct event_view){ .id = v->id, .job = v->job, .level = v->level, .type = v->type, .message = v->message,
		.data = v->data, .created_at_us = v->created_at_us };
}

/* On the writer lane, so that no event falls between the past that is read here and the live ones that follow. */
static enum err follow(struct request *r, struct store *s, const struct job *job, int64_t after, struct error *e)
{
	struct job_event *past = NULL;
	size_t n = 0;
	bool more;
	enum err rc = job_events(s, job->id, after, STREAM_PAST, &past, &n, &more, e);
	if (rc)
		return rc;
	struct strbuf text;
	struct stream *stream = stream_new(STREAM_MAX);
	strbuf_init(&text, STREAM_MAX);
	for (size_t i = 0; i < n; i++) {
		struct event_view v = view_of(&past[i]);
		event_stream_render(&v, &text);
		after = past[i].id;
	}
	job_events_free(past, n);
	if (!stream || !strbuf_ok(&text)) {
		rc = fail_nomem(e);
	} else {
		if (text.len)
			stream_push(stream, text.s, text.len);
		rc = events_follow(r->app->events, job->id, after, more || job_status_ended(job->status), stream_ref(stream), e);
		if (rc)
			stream_unref(stream);
	}
	strbuf_fini(&text);
	if (rc) {
		stream_unref(stream);
		return rc;
	}
	r->reply.stream = stream;
	r->reply.content_type = "text/event-stream";
	return ERR_OK;
}

static enum err events_page(struct request *r, struct store *s, const struct job *job, const struct page *page,
                            int64_t after, struct error *e)
{
	struct job_event *list = NULL;
	size_t n = 0;
	bool more;
	enum err rc = job_events(s, job->id, after, page->limit, &list, &n, &more, e);
	if (rc)
		return rc;
	list_begin(&r->reply.body);
	for (size_t i = 0; i < n; i++) {
		struct event_view v = view_of(&list[i]);
		list_next(&r->reply.body, i == 0);
		event_render(&v, &r->reply.body);
	}
	list_end(&r->reply.body, more);
	job_events_free(list, n);
	return ERR_OK;
}

HANDLER(get_job_events)
{
	struct job job = { 0 };
	struct page page;
	int64_t after;
	const char *accept = r->header[HEADER_ACCEPT];
	bool live = accept && strstr(accept, "text/event-stream");

	enum err rc = page_read(r, &page, e);
	if (!rc && live && r->header[HEADER_LAST_EVENT_ID])
		page.after = r->header[HEADER_LAST_EVENT_ID];
	if (!rc)
		rc = page_after_number(&page, &after, e);
	if (!rc)
		rc = job_get(s, r->param[0], &job, e);
	if (!rc)
		rc = live ? follow(r, s, &job, after, e) : events_page(r, s, &job, &page, after, e);
	job_fini(&job);
	return rc;
}

HANDLER(get_job_checkpoints)
{
	struct job job = { 0 };
	struct job_checkpoint *list = NULL;
	struct page page;
	int64_t after;
	size_t n = 0;
	bool more;
	enum err rc = page_read(r, &page, e);
	if (!rc)
		rc = page_after_number(&page, &after, e);
	if (!rc)
		rc = job_get(s, r->param[0], &job, e);
	if (!rc)
		rc = job_checkpoints(s, job.id, after, page.limit, &list, &n, &more, e);
	if (rc)
		goto done;
	list_begin(&r->reply.body);
	for (size_t i = 0; i < n; i++) {
		struct checkpoint_view v = { .id = list[i].id, .job = list[i].job, .metrics = list[i].metrics,
			.sha256 = list[i].sha256, .epoch = list[i].epoch_number, .created_at_us = list[i].created_at_us };
		list_next(&r->reply.body, i == 0);
		checkpoint_render(&v, &r->reply.body);
	}
	list_end(&r->reply.body, more);
	job_checkpoints_free(list, n);
done:
	job_fini(&job);
	return rc;
}

/* ---- requests to a job -------------------------------------------------- */

/* Answer with the job as it is now, and note what was asked. */
static enum err asked(struct request *r, struct store *s, struct job *job, enum err rc, const char *message,
                      const char *data, struct error *e)
{
	if (!rc)
		rc = note(r, s, job->id, message, data, e);
	if (!rc)
		render(job, &r->reply.body);
	job_fini(job);
	return rc;
}

HANDLER(cancel_job)
{
	struct job job = { 0 };
	bool discard = false;
	enum err rc = cancel_body_parse(r->body.s, r->body.len, &discard, e);
	if (!rc)
		rc = job_request_cancel(s, r->param[0], discard, &job, e);
	bool now = job.status == JOB_CANCELLED;
	return asked(r, s, &job, rc, now ? "cancelled" : "asked to cancel", now ? "{\"status\":\"cancelled\"}" : NULL, e);
}

HANDLER(pause_job)
{
	struct job job = { 0 };
	enum err rc = job_request_pause(s, r->param[0], &job, e);
	bool now = job.status == JOB_PAUSED;
	return asked(r, s, &job, rc, now ? "paused" : "asked to pause", now ? "{\"status\":\"paused\"}" : NULL, e);
}

HANDLER(resume_job)
{
	struct job job = { 0 };
	enum err rc = job_request_resume(s, r->param[0], &job, e);
	return asked(r, s, &job, rc, "queued again", "{\"status\":\"queued\"}", e);
}

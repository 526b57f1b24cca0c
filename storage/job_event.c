/* job_event.c - what happened to a job, in order. Ids rise over all jobs, so one number resumes any stream. */
#include <stdlib.h>
#include <string.h>

#include "storage/job_row.h"
#include "storage/job_store.h"

static bool one_of(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

static enum err check_event(const char *level, const char *type, struct error *e)
{
	static const char *const levels[] = { "info", "warn", "error" };
	static const char *const types[] = { "message", "metrics", "status" };
	if (!one_of(level, levels, sizeof levels / sizeof *levels))
		return fail(e, ERR_INVALID, "level", "\"%s\" is none of info, warn, error", level);
	if (!one_of(type, types, sizeof types / sizeof *types))
		return fail(e, ERR_INVALID, "type", "\"%s\" is none of message, metrics, status", type);
	return ERR_OK;
}

enum err job_event_add(struct store *s, const char *job, const char *level, const char *type, const char *message,
		const char *data, int64_t *id, struct error *e)
{
	enum err rc = check_event(level, type, e);
	if (!rc)
		rc = job_row_exists(s, job, e);
	if (!rc)
		rc = db_ints(s, "INSERT INTO job_event (job_id, level, type, message, data, created_at_us)"
			" VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING id",
			DB_VALUES(db_text(job), db_text(level), db_text(type), db_text(message), db_text(data),
				db_int(store_now_us())), id, 1, e);
	return rc;
}

static void event_fini(void *item)
{
	struct job_event *v = item;
	free(v->message);
	free(v->data);
}

static enum err event_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct job_event *v = item;
	v->id = sqlite3_column_int64(q, 0);
	v->created_at_us = sqlite3_column_int64(q, 6);
	enum err rc = db_copy_text(q, 1, v->job, sizeof v->job, e);
	if (!rc)
		rc = db_copy_text(q, 2, v->level, sizeof v->level, e);
	if (!rc)
		rc = db_copy_text(q, 3, v->type, sizeof v->type, e);
	if (!rc)
		rc = db_dup_text(q, 4, &v->message, e);
	if (!rc)
		rc = db_dup_text(q, 5, &v->data, e);
	return rc;
}

static const struct db_kind event_kind = { sizeof(struct job_event), event_read, event_fini };

enum err job_events(struct store *s, const char *job, int64_t after, int limit, struct job_event **out, size_t *n,
		bool *more, struct error *e)
{
	void *items = NULL;
	enum err rc = job_row_exists(s, job, e);
	if (!rc)
		rc = db_list(s, "SELECT id, job_id, level, type, message, data, created_at_us FROM job_event"
			" WHERE job_id = ?1 AND id > ?2 ORDER BY id",
			DB_VALUES(db_text(job), db_int(after)), limit, &event_kind, &items, n, more, e);
	if (!rc)
		*out = items;
	return rc;
}

void job_events_free(struct job_event *list, size_t n)
{
	db_list_free(list, n, &event_kind);
}

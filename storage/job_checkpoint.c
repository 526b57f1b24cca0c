/* job_checkpoint.c - states to resume a training from. Only the newest two of a job are kept (the second in case
 * the first turns out damaged), and none once it has ended; the rows with their metrics stay as its history. */
#include <stdlib.h>
#include <string.h>

#include "storage/job_row.h"
#include "storage/job_store.h"

void job_checkpoint_fini(struct job_checkpoint *c)
{
	free(c->metrics);
	free(c->state);
	c->metrics = NULL;
	c->state = NULL;
	c->len = 0;
}

static void checkpoint_fini(void *item)
{
	job_checkpoint_fini(item);
}

#define CHECKPOINT_COLUMNS "id, job_id, epoch_number, metrics, sha256, created_at_us"

static enum err checkpoint_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct job_checkpoint *c = item;
	c->id = sqlite3_column_int64(q, 0);
	c->epoch_number = sqlite3_column_int(q, 2);
	c->created_at_us = sqlite3_column_int64(q, 5);
	enum err rc = db_copy_text(q, 1, c->job, sizeof c->job, e);
	if (!rc)
		rc = db_dup_text(q, 3, &c->metrics, e);
	if (!rc)
		rc = db_copy_text(q, 4, c->sha256, sizeof c->sha256, e);
	return rc;
}

static enum err checkpoint_read_state(sqlite3_stmt *q, void *item, struct error *e)
{
	struct job_checkpoint *c = item;
	enum err rc = checkpoint_read(q, c, e);
	if (!rc)
		rc = db_dup_blob(q, 6, &c->state, &c->len, e);
	return rc;
}

static const struct db_kind checkpoint_kind = { sizeof(struct job_checkpoint), checkpoint_read, checkpoint_fini };
static const struct db_kind state_kind = { sizeof(struct job_checkpoint), checkpoint_read_state, checkpoint_fini };

static enum err add(struct store *s, const char *job, int64_t epoch, int epoch_number, const char *metrics,
		const void *state, size_t len, struct error *e)
{
	char sha256[DIGEST_HEX];
	enum err rc = job_row_got_checkpoint(s, job, epoch, e);
	if (rc)
		return rc;
	digest_hex(state, len, sha256);
	rc = db_run(s, "INSERT INTO job_checkpoint (job_id, epoch_number, metrics, sha256, created_at_us, state)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
		DB_VALUES(db_text(job), db_int(epoch_number), db_text(metrics), db_text(sha256), db_int(store_now_us()),
			db_blob(state, len)), NULL, e);
	if (!rc)
		rc = db_run(s, "UPDATE job_checkpoint SET state = NULL WHERE job_id = ?1 AND state IS NOT NULL"
			" AND id NOT IN (SELECT id FROM job_checkpoint WHERE job_id = ?1 ORDER BY id DESC LIMIT 2)",
			DB_VALUES(db_text(job)), NULL, e);
	return rc;
}

enum err job_checkpoint_add(struct store *s, const char *job, int64_t epoch, int epoch_number, const char *metrics,
		const void *state, size_t len, struct error *e)
{
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = add(s, job, epoch, epoch_number, metrics, state, len, e);
	return db_part_end(s, rc, e);
}

enum err job_checkpoint_latest(struct store *s, const char *job, struct job_checkpoint *out, struct error *e)
{
	int64_t before = INT64_MAX;
	for (;;) {
		struct job_checkpoint c;
		char got[DIGEST_HEX];
		enum err rc = db_get(s, "SELECT " CHECKPOINT_COLUMNS ", state FROM job_checkpoint"
			" WHERE job_id = ?1 AND id < ?2 AND state IS NOT NULL ORDER BY id DESC LIMIT 1",
			DB_VALUES(db_text(job), db_int(before)), &state_kind, &c, e);
		if (rc == ERR_NOT_FOUND)
			return fail(e, rc, "", "job \"%s\" has no checkpoint to resume from", job);
		if (rc)
			return rc;
		digest_hex(c.state, c.len, got);
		if (strcmp(got, c.sha256) == 0) {
			*out = c;
			return ERR_OK;
		}
		before = c.id;   /* damaged: an older one still is better than a start from nothing */
		job_checkpoint_fini(&c);
	}
}

enum err job_checkpoints(struct store *s, const char *job, int64_t after, int limit, struct job_checkpoint **out,
		size_t *n, bool *more, struct error *e)
{
	void *items = NULL;
	enum err rc = job_row_exists(s, job, e);
	if (!rc)
		rc = db_list(s, "SELECT " CHECKPOINT_COLUMNS " FROM job_checkpoint WHERE job_id = ?1 AND id > ?2"
			" ORDER BY id", DB_VALUES(db_text(job), db_int(after)), limit, &checkpoint_kind, &items, n,
			more, e);
	if (!rc)
		*out = items;
	return rc;
}

void job_checkpoints_free(struct job_checkpoint *list, size_t n)
{
	db_list_free(list, n, &checkpoint_kind);
}

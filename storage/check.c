/* check.c - is everything in the database as it was written? Pages by SQLite, contents by their digests. */
#include <stdio.h>
#include <string.h>

#include "storage/db.h"

struct report {
	void (*say)(void *arg, const char *line);
	void *arg;
	int problems;
};

static void tell(struct report *r, const char *line)
{
	r->problems++;
	r->say(r->arg, line);
}

/* Each row: what SQLite complains about; a lone "ok" is no complaint. */
static enum err check_pages(struct store *s, struct report *r, struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false;
	enum err rc = db_query(s, "PRAGMA integrity_check", DB_NONE, &q, e);
	while (!rc && !(rc = db_next(s, q, &row, e)) && row) {
		char line[512];
		rc = db_copy_text(q, 0, line, sizeof line, e);
		if (!rc && strcmp(line, "ok") != 0)
			tell(r, line);
	}
	db_done(q);
	return rc;
}

static enum err check_references(struct store *s, struct report *r, struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false;
	enum err rc = db_query(s, "SELECT \"table\" || ' row ' || coalesce(rowid, '?') || ' refers to a missing '"
		" || parent FROM pragma_foreign_key_check", DB_NONE, &q, e);
	while (!rc && !(rc = db_next(s, q, &row, e)) && row) {
		char line[512];
		rc = db_copy_text(q, 0, line, sizeof line, e);
		if (!rc)
			tell(r, line);
	}
	db_done(q);
	return rc;
}

/* Rows of (what it is, its digest, the blobs that the digest covers …). */
static enum err check_digests(struct store *s, const char *sql, struct report *r, struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false;
	enum err rc = db_query(s, sql, DB_NONE, &q, e);
	while (!rc && !(rc = db_next(s, q, &row, e)) && row) {
		char what[192], want[DIGEST_HEX], got[DIGEST_HEX], line[256];
		rc = db_copy_text(q, 0, what, sizeof what, e);
		if (!rc)
			rc = db_copy_text(q, 1, want, sizeof want, e);
		if (!rc)
			rc = db_digest(q, 2, sqlite3_column_count(q) - 1, got, e);
		if (rc || strcmp(want, got) == 0)
			continue;
		snprintf(line, sizeof line, "%s does not match its digest", what);
		tell(r, line);
	}
	db_done(q);
	return rc;
}

enum err store_check(struct store *s, void (*say)(void *arg, const char *line), void *arg, int *problems,
		struct error *e)
{
	struct report r = { .say = say, .arg = arg };
	enum err rc = check_pages(s, &r, e);
	if (!rc)
		rc = check_references(s, &r, e);
	if (!rc)
		rc = check_digests(s, "SELECT 'dataset ' || d.name || ' version ' || d.version || ' column '"
			" || c.position || ' chunk ' || c.chunk, c.sha256, c.cells"
			" FROM dataset_chunk c JOIN dataset d ON d.id = c.dataset_id", &r, e);
	if (!rc)
		rc = check_digests(s, "SELECT 'model ' || m.name || ' version ' || v.version, v.sha256, v.document,"
			" v.weights, v.calibration FROM model_version v JOIN model m ON m.id = v.model_id", &r, e);
	if (!rc)
		rc = check_digests(s, "SELECT 'checkpoint ' || id || ' of ' || job_id, sha256, state"
			" FROM job_checkpoint WHERE state IS NOT NULL", &r, e);
	if (!rc)
		*problems = r.problems;
	return rc;
}

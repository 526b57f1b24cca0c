/* schema.c - the tables and how older files become this version. docs/formats/database.md explains each table.
 *
 *   file of version v ─► copy PATH.v{v}.bak, verified ─► [ BEGIN, steps[v], user_version = v + 1, COMMIT ] … ─► n
 *
 * A crash between two steps leaves a whole database of the version between, and the next start goes on from there. */
#include "storage/schema.h"

#include <linux/limits.h>
#include <stdio.h>
#include <string.h>

static const char step_1[] =
	"CREATE TABLE dataset ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),"
	"  version INTEGER NOT NULL CHECK (version >= 1),"
	"  rows INTEGER NOT NULL CHECK (rows >= 0),"
	"  date_column INTEGER NOT NULL CHECK (date_column >= -1),"
	"  description TEXT NOT NULL,"
	"  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),"
	"  created_at_us INTEGER NOT NULL,"
	"  UNIQUE (name, version)) STRICT;"

	"CREATE TABLE dataset_column ("
	"  dataset_id INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,"
	"  position INTEGER NOT NULL CHECK (position >= 0),"
	"  name TEXT NOT NULL,"
	"  type INTEGER NOT NULL CHECK (type IN (0, 1, 2)),"
	"  PRIMARY KEY (dataset_id, position)) STRICT, WITHOUT ROWID;"

	"CREATE TABLE dataset_chunk ("
	"  dataset_id INTEGER NOT NULL REFERENCES dataset ON DELETE CASCADE,"
	"  position INTEGER NOT NULL,"
	"  chunk INTEGER NOT NULL CHECK (chunk >= 0),"
	"  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),"
	"  cells BLOB NOT NULL,"
	"  PRIMARY KEY (dataset_id, position, chunk)) STRICT;"

	"CREATE TABLE model ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),"
	"  last_version INTEGER NOT NULL CHECK (last_version >= 1),"
	"  created_at_us INTEGER NOT NULL) STRICT;"

	"CREATE TABLE model_version ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  model_id INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,"
	"  version INTEGER NOT NULL CHECK (version >= 1),"
	"  job TEXT NOT NULL,"
	"  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),"
	"  created_at_us INTEGER NOT NULL,"
	"  document TEXT NOT NULL,"
	"  evaluation TEXT,"
	"  weights BLOB NOT NULL CHECK (length(weights) % 4 = 0),"
	"  calibration BLOB NOT NULL CHECK (length(calibration) % 4 = 0),"
	"  UNIQUE (model_id, version)) STRICT;"
	/* A job publishes once, whatever its callers do. */
	"CREATE UNIQUE INDEX model_version_job ON model_version (job) WHERE job <> '';"

	"CREATE TABLE model_label ("
	"  model_id INTEGER NOT NULL REFERENCES model ON DELETE CASCADE,"
	"  label TEXT NOT NULL CHECK (length(label) BETWEEN 1 AND 64),"
	"  version INTEGER NOT NULL,"
	"  PRIMARY KEY (model_id, label),"
	"  FOREIGN KEY (model_id, version) REFERENCES model_version (model_id, version)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX model_label_version ON model_label (model_id, version);"

	"CREATE TABLE job ("
	"  id TEXT NOT NULL PRIMARY KEY CHECK (length(id) = 28),"
	"  status TEXT NOT NULL"
	"    CHECK (status IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')),"
	"  model TEXT NOT NULL,"
	"  dataset TEXT NOT NULL,"
	"  dataset_version INTEGER NOT NULL,"
	"  dataset_id INTEGER REFERENCES dataset ON DELETE SET NULL,"
	"  version INTEGER NOT NULL DEFAULT 0,"
	"  created_at_us INTEGER NOT NULL,"
	"  started_at_us INTEGER NOT NULL DEFAULT 0,"
	"  finished_at_us INTEGER NOT NULL DEFAULT 0,"
	"  epoch INTEGER NOT NULL DEFAULT 0,"
	"  attempts INTEGER NOT NULL DEFAULT 0,"
	"  losses INTEGER NOT NULL DEFAULT 0,"
	"  cancel_requested INTEGER NOT NULL DEFAULT 0 CHECK (cancel_requested IN (0, 1)),"
	"  pause_requested INTEGER NOT NULL DEFAULT 0 CHECK (pause_requested IN (0, 1)),"
	"  discard INTEGER NOT NULL DEFAULT 0 CHECK (discard IN (0, 1)),"
	"  lease_boot TEXT NOT NULL DEFAULT '',"
	"  lease_until_us INTEGER NOT NULL DEFAULT 0,"
	"  idempotency_key TEXT UNIQUE CHECK (length(idempotency_key) BETWEEN 1 AND 255),"
	"  body_sha256 TEXT,"
	"  spec TEXT NOT NULL,"
	"  progress TEXT, metrics TEXT, result TEXT, error TEXT, metadata TEXT) STRICT;"
	"CREATE INDEX job_status ON job (status, id);"
	"CREATE INDEX job_dataset ON job (dataset_id);"

	"CREATE TABLE job_event ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  job_id TEXT NOT NULL REFERENCES job ON DELETE CASCADE,"
	"  level TEXT NOT NULL CHECK (level IN ('info', 'warn', 'error')),"
	"  type TEXT NOT NULL CHECK (type IN ('message', 'metrics', 'status')),"
	"  message TEXT NOT NULL,"
	"  data TEXT,"
	"  created_at_us INTEGER NOT NULL) STRICT;"
	"CREATE INDEX job_event_job ON job_event (job_id, id);"

	"CREATE TABLE job_checkpoint ("
	"  id INTEGER PRIMARY KEY AUTOINCREMENT,"
	"  job_id TEXT NOT NULL REFERENCES job ON DELETE CASCADE,"
	"  epoch_number INTEGER NOT NULL CHECK (epoch_number >= 0),"
	"  metrics TEXT,"
	"  sha256 TEXT NOT NULL CHECK (length(sha256) = 64),"
	"  created_at_us INTEGER NOT NULL,"
	"  state BLOB) STRICT;"
	"CREATE INDEX job_checkpoint_job ON job_checkpoint (job_id, id);"
	"CREATE INDEX job_checkpoint_state ON job_checkpoint (job_id, id) WHERE state IS NOT NULL;"

	"CREATE TABLE api_key ("
	"  id TEXT NOT NULL PRIMARY KEY,"
	"  name TEXT NOT NULL,"
	"  scopes INTEGER NOT NULL CHECK (scopes BETWEEN 1 AND 15),"
	"  secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),"
	"  created_at_us INTEGER NOT NULL,"
	"  revoked_at_us INTEGER NOT NULL DEFAULT 0) STRICT, WITHOUT ROWID;";

const char *const schema_steps[] = { step_1 };
const int schema_version = sizeof schema_steps / sizeof *schema_steps;

int store_schema_version(void)
{
	return schema_version;
}

struct identity {
	int64_t version, application_id, tables;
};

static enum err identity_read(struct store *s, struct identity *id, struct error *e)
{
	int64_t v[3];
	enum err rc = db_ints(s, "SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)"
		" FROM pragma_user_version, pragma_application_id", DB_NONE, v, 3, e);
	if (!rc)
		*id = (struct identity){ .version = v[0], .application_id = v[1], .tables = v[2] };
	return rc;
}

static enum err refuse_foreign(struct store *s, const struct identity *id, int newest, struct error *e)
{
	if (id->tables > 0 && id->application_id != SCHEMA_APPLICATION_ID)
		return fail(e, ERR_STORAGE, "", "%s is a SQLite database, but not one of gatecast", s->path);
	if (id->version > newest)
		return fail(e, ERR_STORAGE, "",
			"%s has schema version %lld and this build knows %d: use a newer gatecast",
			s->path, (long long)id->version, newest);
	return ERR_OK;
}

enum err schema_expect(struct store *s, int n, struct error *e)
{
	struct identity id;
	enum err rc = identity_read(s, &id, e);
	if (!rc)
		rc = refuse_foreign(s, &id, n, e);
	if (!rc && id.version < n)
		rc = fail(e, ERR_STORAGE, "", "%s has schema version %lld of %d: start the server once to migrate it",
			s->path, (long long)id.version, n);
	return rc;
}

static int copy_all(sqlite3 *from, sqlite3 *to)
{
	sqlite3_backup *copy = sqlite3_backup_init(to, "main", from, "main");
	if (!copy)
		return sqlite3_extended_errcode(to);
	sqlite3_backup_step(copy, -1);
	return sqlite3_backup_finish(copy);
}

static int first_text_is_ok(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *q = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);
	if (!rc && sqlite3_step(q) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(q, 0);
		rc = text && strcmp(text, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
	} else if (!rc) {
		rc = sqlite3_extended_errcode(db);
	}
	sqlite3_finalize(q);
	return rc;
}

static enum err backup(struct store *s, int64_t version, struct error *e)
{
	char path[PATH_MAX];
	sqlite3 *to = NULL;
	if ((size_t)snprintf(path, sizeof path, "%s.v%lld.bak", s->path, (long long)version) >= sizeof path)
		return fail(e, ERR_STORAGE, "", "the path of the database is longer than %d bytes", PATH_MAX);
	int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (!rc)
		rc = copy_all(s->db, to);
	if (!rc)
		rc = first_text_is_ok(to, "PRAGMA integrity_check(1)");
	sqlite3_close(to);
	if (rc)
		return fail(e, (rc & 0xff) == SQLITE_NOMEM ? ERR_NOMEM : ERR_STORAGE, "",
			"cannot keep a copy of the database as %s before migrating: %s", path, sqlite3_errstr(rc));
	return ERR_OK;
}

static enum err apply(struct store *s, const char *step, int version, struct error *e)
{
	char stamp[96];
	snprintf(stamp, sizeof stamp, "PRAGMA application_id = %d; PRAGMA user_version = %d",
		SCHEMA_APPLICATION_ID, version);
	enum err rc = store_begin(s, e);
	if (rc)
		return rc;
	rc = db_exec(s, step, e);
	if (!rc)
		rc = db_exec(s, stamp, e);
	if (!rc)
		return store_commit(s, e);
	store_rollback(s);
	return rc;
}

enum err schema_migrate(struct store *s, const char *const *steps, int n, struct error *e)
{
	struct identity id;
	enum err rc = identity_read(s, &id, e);
	if (!rc)
		rc = refuse_foreign(s, &id, n, e);
	if (!rc && id.version > 0 && id.version < n)
		rc = backup(s, id.version, e);
	for (int v = (int)id.version; v < n && !rc; v++)
		rc = apply(s, steps[v], v + 1, e);
	return rc;
}

/* model_store.c - names, versions and labels of trained models.
 *
 *   model "aapl-5d" ─┬─ version 1                     a number is never given twice while the model exists:
 *                    ├─ version 2 ◄── label stable    last_version only rises
 *                    └─ version 3 ◄── label latest    always the newest that remains
 */
#include "storage/model_store.h"

#include <stdlib.h>
#include <string.h>

#include "storage/db.h"

static const char LATEST[] = "latest";

void model_version_fini(struct model_version *m)
{
	free(m->document);
	free(m->evaluation);
	free(m->weights);
	free(m->calibration);
	m->document = m->evaluation = NULL;
	m->weights = m->calibration = NULL;
	m->n_weights = m->n_calibration = 0;
}

static void version_fini(void *item)
{
	model_version_fini(item);
}

#define VERSION_COLUMNS "v.id, m.name, v.version, v.document, v.evaluation, v.sha256, v.job, v.created_at_us"

static enum err version_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct model_version *m = item;
	m->id = sqlite3_column_int64(q, 0);
	m->version = sqlite3_column_int(q, 2);
	m->created_at_us = sqlite3_column_int64(q, 7);
	enum err rc = db_copy_text(q, 1, m->name, sizeof m->name, e);
	if (!rc)
		rc = db_dup_text(q, 3, &m->document, e);
	if (!rc)
		rc = db_dup_text(q, 4, &m->evaluation, e);
	if (!rc)
		rc = db_copy_text(q, 5, m->sha256, sizeof m->sha256, e);
	if (!rc)
		rc = db_copy_text(q, 6, m->job, sizeof m->job, e);
	return rc;
}

static enum err floats_read(sqlite3_stmt *q, int column, float **out, size_t *n, struct error *e)
{
	void *bytes = NULL;
	size_t len = 0;
	enum err rc = db_dup_blob(q, column, &bytes, &len, e);
	if (!rc) {
		*out = bytes;
		*n = len / sizeof **out;
	}
	return rc;
}

#define BLOB_COLUMNS ", v.document, v.weights, v.calibration"   /* in the order of the digest */

static enum err version_read_blobs(sqlite3_stmt *q, void *item, struct error *e)
{
	struct model_version *m = item;
	char got[DIGEST_HEX];
	enum err rc = version_read(q, m, e);
	if (!rc)
		rc = db_digest(q, 8, 10, got, e);
	if (!rc && strcmp(got, m->sha256) != 0)
		rc = fail(e, ERR_STORAGE, "", "version %d of model \"%s\" is damaged: it does not match its digest",
			m->version, m->name);
	if (!rc)
		rc = floats_read(q, 9, &m->weights, &m->n_weights, e);
	if (!rc)
		rc = floats_read(q, 10, &m->calibration, &m->n_calibration, e);
	return rc;
}

static const struct db_kind version_kind = { sizeof(struct model_version), version_read, version_fini };
static const struct db_kind version_blobs_kind = { sizeof(struct model_version), version_read_blobs, version_fini };

static enum err name_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct model_name *m = item;
	m->latest = sqlite3_column_int(q, 1);
	m->versions = sqlite3_column_int(q, 2);
	m->created_at_us = sqlite3_column_int64(q, 3);
	return db_copy_text(q, 0, m->name, sizeof m->name, e);
}

static enum err label_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct model_label *l = item;
	l->version = sqlite3_column_int(q, 1);
	return db_copy_text(q, 0, l->label, sizeof l->label, e);
}

static const struct db_kind name_kind = { sizeof(struct model_name), name_read, NULL };
static const struct db_kind label_kind = { sizeof(struct model_label), label_read, NULL };

static enum err no_model(const char *name, struct error *e)
{
	return fail(e, ERR_NOT_FOUND, "", "there is no model \"%s\"", name);
}

static enum err no_version(const char *name, int version, struct error *e)
{
	return fail(e, ERR_NOT_FOUND, "", "there is no version %d of a model \"%s\"", version, name);
}

static enum err model_id(struct store *s, const char *name, int64_t *id, struct error *e)
{
	enum err rc = db_ints(s, "SELECT id FROM model WHERE name = ?1", DB_VALUES(db_text(name)), id, 1, e);
	return rc == ERR_NOT_FOUND ? no_model(name, e) : rc;
}

/* --- publishing --- */

static enum err blobs_digest(const struct model_blobs *b, char out[DIGEST_HEX], struct error *e)
{
	struct digest *d = digest_new();
	if (!d)
		return fail_nomem(e);
	digest_add(d, b->document, strlen(b->document));
	digest_add(d, b->weights, b->n_weights * sizeof *b->weights);
	digest_add(d, b->calibration, b->n_calibration * sizeof *b->calibration);
	digest_end(d, out);
	return ERR_OK;
}

static enum err next_version(struct store *s, const char *name, int64_t *id, int64_t *version, struct error *e)
{
	int64_t got[2];
	enum err rc = db_ints(s, "INSERT INTO model (name, last_version, created_at_us) VALUES (?1, 1, ?2)"
		" ON CONFLICT (name) DO UPDATE SET last_version = last_version + 1 RETURNING id, last_version",
		DB_VALUES(db_text(name), db_int(store_now_us())), got, 2, e);
	if (!rc) {
		*id = got[0];
		*version = got[1];
	}
	return rc;
}

static enum err label_put(struct store *s, int64_t id, const char *label, int64_t version, struct error *e)
{
	return db_run(s, "INSERT INTO model_label (model_id, label, version) VALUES (?1, ?2, ?3)"
		" ON CONFLICT (model_id, label) DO UPDATE SET version = excluded.version",
		DB_VALUES(db_int(id), db_text(label), db_int(version)), NULL, e);
}

static enum err publish(struct store *s, const char *name, const struct model_blobs *b, const char *job,
		int64_t *version, struct error *e)
{
	int64_t id = 0;
	char sha256[DIGEST_HEX];
	enum err rc = blobs_digest(b, sha256, e);
	if (!rc)
		rc = next_version(s, name, &id, version, e);
	if (!rc)
		rc = db_run(s, "INSERT INTO model_version (model_id, version, job, sha256, created_at_us, document,"
			" evaluation, weights, calibration) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			DB_VALUES(db_int(id), db_int(*version), db_text(job ? job : ""), db_text(sha256),
				db_int(store_now_us()), db_text(b->document), db_text(b->evaluation),
				db_blob(b->weights, b->n_weights * sizeof *b->weights),
				db_blob(b->calibration, b->n_calibration * sizeof *b->calibration)), NULL, e);
	if (!rc)
		rc = label_put(s, id, LATEST, *version, e);
	return rc;
}

enum err model_put(struct store *s, const char *name, const struct model_blobs *b, const char *job, int *version,
		struct error *e)
{
	int64_t published = 0;
	enum err rc = db_check_name("/model", name, e);
	if (!rc)
		rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = publish(s, name, b, job, &published, e);
	rc = db_part_end(s, rc, e);
	if (!rc)
		*version = (int)published;
	return rc;
}

/* --- reading --- */

#define SQL_GET(columns) \
	"SELECT " columns " FROM model m JOIN model_version v ON v.model_id = m.id WHERE m.name = ?1 AND v.version =" \
	" CASE WHEN ?2 > 0 THEN ?2 ELSE (SELECT version FROM model_label WHERE model_id = m.id AND label = ?3) END"

enum err model_get(struct store *s, const char *name, int version, const char *label, bool blobs,
		struct model_version *out, struct error *e)
{
	if (!label)
		label = LATEST;
	const struct db_value *v = DB_VALUES(db_text(name), db_int(version), db_text(label));
	enum err rc = blobs ? db_get(s, SQL_GET(VERSION_COLUMNS BLOB_COLUMNS), v, &version_blobs_kind, out, e)
		: db_get(s, SQL_GET(VERSION_COLUMNS), v, &version_kind, out, e);
	if (rc != ERR_NOT_FOUND)
		return rc;
	if (version > 0)
		return no_version(name, version, e);
	if (strcmp(label, LATEST) == 0)
		return no_model(name, e);
	return fail(e, rc, "", "there is no label \"%s\" of a model \"%s\"", label, name);
}

enum err model_list(struct store *s, const char *after, int limit, struct model_name **out, size_t *n, bool *more,
		struct error *e)
{
	void *items = NULL;
	enum err rc = db_list(s, "SELECT m.name, l.version, (SELECT count(*) FROM model_version WHERE model_id = m.id),"
		" m.created_at_us FROM model m JOIN model_label l ON l.model_id = m.id AND l.label = 'latest'"
		" WHERE m.name > ?1 ORDER BY m.name",
		DB_VALUES(db_text(after ? after : "")), limit, &name_kind, &items, n, more, e);
	if (!rc)
		*out = items;
	return rc;
}

enum err model_versions(struct store *s, const char *name, int after, int limit, struct model_version **out, size_t *n,
		bool *more, struct error *e)
{
	void *items = NULL;
	int64_t id;
	enum err rc = model_id(s, name, &id, e);
	if (!rc)
		rc = db_list(s, "SELECT " VERSION_COLUMNS " FROM model m JOIN model_version v ON v.model_id = m.id"
			" WHERE m.id = ?1 AND v.version > ?2 ORDER BY v.version",
			DB_VALUES(db_int(id), db_int(after)), limit, &version_kind, &items, n, more, e);
	if (!rc)
		*out = items;
	return rc;
}

void model_versions_free(struct model_version *list, size_t n)
{
	db_list_free(list, n, &version_kind);
}

enum err model_labels(struct store *s, const char *name, struct model_label **out, size_t *n, struct error *e)
{
	void *items = NULL;
	int64_t id;
	enum err rc = model_id(s, name, &id, e);
	if (!rc)
		rc = db_list(s, "SELECT label, version FROM model_label WHERE model_id = ?1 ORDER BY label",
			DB_VALUES(db_int(id)), INT_MAX, &label_kind, &items, n, NULL, e);
	if (!rc)
		*out = items;
	return rc;
}

/* --- changing --- */

static enum err version_id(struct store *s, const char *name, int version, int64_t *id, struct error *e)
{
	enum err rc = db_ints(s, "SELECT m.id FROM model m JOIN model_version v ON v.model_id = m.id"
		" WHERE m.name = ?1 AND v.version = ?2", DB_VALUES(db_text(name), db_int(version)), id, 1, e);
	return rc == ERR_NOT_FOUND ? no_version(name, version, e) : rc;
}

enum err model_label_set(struct store *s, const char *name, const char *label, int version, struct error *e)
{
	int64_t id = 0;
	enum err rc = db_check_name("label", label, e);
	if (!rc && strcmp(label, LATEST) == 0)
		rc = fail(e, ERR_INVALID, "label", "\"latest\" always names the newest version and cannot be set");
	if (!rc)
		rc = version_id(s, name, version, &id, e);
	if (!rc)
		rc = label_put(s, id, label, version, e);
	return rc;
}

static enum err delete_all(struct store *s, const char *name, struct error *e)
{
	int deleted = 0;
	enum err rc = db_run(s, "DELETE FROM model WHERE name = ?1", DB_VALUES(db_text(name)), &deleted, e);
	if (!rc && !deleted)
		rc = no_model(name, e);
	return rc;
}

static enum err delete_version(struct store *s, const char *name, int version, struct error *e)
{
	int64_t id = 0, around[2];
	enum err rc = version_id(s, name, version, &id, e);
	if (!rc)
		rc = db_ints(s, "SELECT (SELECT count(*) FROM model_label WHERE model_id = ?1 AND version = ?2"
			" AND label <> 'latest'),"
			" (SELECT coalesce(max(version), 0) FROM model_version WHERE model_id = ?1 AND version <> ?2)",
			DB_VALUES(db_int(id), db_int(version)), around, 2, e);
	if (rc)
		return rc;
	int64_t labels = around[0], newest_other = around[1];
	if (labels)
		return fail(e, ERR_CONFLICT, "", "a label names version %d of \"%s\": move it first", version, name);
	if (!newest_other)
		return delete_all(s, name, e);
	rc = label_put(s, id, LATEST, newest_other, e);
	if (!rc)
		rc = db_run(s, "DELETE FROM model_version WHERE model_id = ?1 AND version = ?2",
			DB_VALUES(db_int(id), db_int(version)), NULL, e);
	return rc;
}

enum err model_delete(struct store *s, const char *name, int version, struct error *e)
{
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = version ? delete_version(s, name, version, e) : delete_all(s, name, e);
	return db_part_end(s, rc, e);
}

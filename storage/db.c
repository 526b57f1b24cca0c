/* db.c - statements, rows and errors of SQLite. See db.h. */
#include "storage/db.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

struct db_statement {
	const char *sql;   /* a literal: its address is the key */
	sqlite3_stmt *q;
};

static const char SQL_BEGIN[] = "BEGIN IMMEDIATE";
static const char SQL_COMMIT[] = "COMMIT";
static const char SQL_ROLLBACK[] = "ROLLBACK";
static const char SQL_SAVEPOINT[] = "SAVEPOINT operation";
static const char SQL_RELEASE[] = "RELEASE operation";
static const char SQL_ROLLBACK_TO[] = "ROLLBACK TO operation";
static const char SQL_PART[] = "SAVEPOINT part";
static const char SQL_PART_RELEASE[] = "RELEASE part";
static const char SQL_PART_ROLLBACK[] = "ROLLBACK TO part";

static atomic_uint_fast64_t busy_total;

uint64_t store_busy_total(void)
{
	return atomic_load(&busy_total);
}

/* --- errors --- */

/* A full disk may also show as an I/O error whose errno says so; a sync that failed is never just that. */
static bool disk_is_full(struct store *s, int rc)
{
	int primary = rc & 0xff;
	if (primary == SQLITE_FULL)
		return true;
	if (primary != SQLITE_IOERR && primary != SQLITE_CANTOPEN)
		return false;
	return rc != SQLITE_IOERR_FSYNC && rc != SQLITE_IOERR_DIR_FSYNC && sqlite3_system_errno(s->db) == ENOSPC;
}

static enum err code_of(struct store *s, int rc)
{
	if (rc == SQLITE_IOERR_NOMEM)
		return ERR_NOMEM;
	if (disk_is_full(s, rc))
		return ERR_DISK_FULL;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_TOOBIG:
		return ERR_TOO_LARGE;
	case SQLITE_CONSTRAINT:
	case SQLITE_MISUSE:
	case SQLITE_RANGE:
		return ERR_INTERNAL;
	default:
		return ERR_STORAGE;
	}
}

/* After a failed write or sync the kernel may have dropped the page and will not report it again. Reads change
 * nothing. */
static bool io_error_is_final(int rc)
{
	return (rc & 0xff) == SQLITE_IOERR && rc != SQLITE_IOERR_READ && rc != SQLITE_IOERR_SHORT_READ;
}

static void note_lost(struct store *s, enum err code)
{
	if (s->open && !s->lost && sqlite3_get_autocommit(s->db))
		s->lost = code;
}

enum err db_fail(struct store *s, int rc, struct error *e)
{
	enum err code = code_of(s, rc);
	if (code == ERR_BUSY)
		atomic_fetch_add(&busy_total, 1);
	if (code == ERR_STORAGE && s->mode == STORE_WRITER && io_error_is_final(rc))
		s->broken = true;
	note_lost(s, code);
	if (code == ERR_NOMEM)
		return fail_nomem(e);
	if (code == ERR_DISK_FULL)
		return fail(e, code, "", "the disk that holds %s is full", s->path);
	return fail(e, code, "", "%s: %s", s->path, sqlite3_errmsg(s->db));
}

enum err db_check_name(const char *where, const char *name, struct error *e)
{
	if (name && store_name_ok(name))
		return ERR_OK;
	return fail(e, ERR_INVALID, where,
		"a name is a letter or digit, then at most %d letters, digits, '.', '_' or '-'", STORE_NAME_MAX - 1);
}

/* --- statements --- */

struct db_value db_int(int64_t v)
{
	return (struct db_value){ .type = DB_INT, .i = v };
}

struct db_value db_text(const char *s)
{
	return (struct db_value){ .type = DB_TEXT, .p = s, .len = s ? strlen(s) : 0 };
}

struct db_value db_blob(const void *p, size_t len)
{
	return (struct db_value){ .type = DB_BLOB, .p = p, .len = len };
}

static enum err cache_grow(struct store *s, struct error *e)
{
	if (s->statements < s->statements_cap)
		return ERR_OK;
	size_t cap = s->statements_cap ? 2 * s->statements_cap : 32;
	struct db_statement *grown = realloc(s->statement, cap * sizeof *grown);
	if (!grown)
		return fail_nomem(e);
	s->statement = grown;
	s->statements_cap = cap;
	return ERR_OK;
}

static enum err prepare(struct store *s, const char *sql, sqlite3_stmt **q, struct error *e)
{
	for (size_t i = 0; i < s->statements; i++) {
		if (s->statement[i].sql == sql) {
			*q = s->statement[i].q;
			return ERR_OK;
		}
	}
	enum err rc = cache_grow(s, e);
	if (rc)
		return rc;
	int failed = sqlite3_prepare_v3(s->db, sql, -1, SQLITE_PREPARE_PERSISTENT, q, NULL);
	if (failed)
		return db_fail(s, failed, e);
	s->statement[s->statements++] = (struct db_statement){ sql, *q };
	return ERR_OK;
}

enum err db_prepare_control(struct store *s, struct error *e)
{
	static const char *const control[] = { SQL_BEGIN, SQL_COMMIT, SQL_ROLLBACK, SQL_SAVEPOINT, SQL_RELEASE,
		SQL_ROLLBACK_TO, SQL_PART, SQL_PART_RELEASE, SQL_PART_ROLLBACK };
	sqlite3_stmt *q;
	enum err rc = ERR_OK;
	for (size_t i = 0; i < sizeof control / sizeof *control && !rc; i++)
		rc = prepare(s, control[i], &q, e);
	return rc;
}

void db_finalize_all(struct store *s)
{
	for (size_t i = 0; i < s->statements; i++)
		sqlite3_finalize(s->statement[i].q);
	free(s->statement);
	s->statement = NULL;
	s->statements = s->statements_cap = 0;
}

static int bind(sqlite3_stmt *q, int at, const struct db_value *v)
{
	switch (v->type) {
	case DB_INT:
		return sqlite3_bind_int64(q, at, v->i);
	case DB_TEXT:
		return sqlite3_bind_text64(q, at, v->p, v->len, SQLITE_STATIC, SQLITE_UTF8);
	case DB_BLOB:
		if (v->len)
			return sqlite3_bind_blob64(q, at, v->p, v->len, SQLITE_STATIC);
		return sqlite3_bind_zeroblob(q, at, 0);
	case DB_END:
		break;
	}
	return SQLITE_MISUSE;
}

enum err db_query(struct store *s, const char *sql, const struct db_value *v, sqlite3_stmt **q, struct error *e)
{
	*q = NULL;
	if (s->lost)
		return fail(e, s->lost, "", "an earlier failure rolled this transaction back");
	sqlite3_stmt *found = NULL;
	enum err rc = prepare(s, sql, &found, e);
	if (rc)
		return rc;
	assert(!sqlite3_stmt_busy(found));
	for (int i = 0; v[i].type != DB_END; i++) {
		int failed = bind(found, i + 1, &v[i]);
		if (failed) {
			db_done(found);
			return db_fail(s, failed, e);
		}
	}
	*q = found;
	return ERR_OK;
}

enum err db_next(struct store *s, sqlite3_stmt *q, bool *row, struct error *e)
{
	int rc = sqlite3_step(q);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return db_fail(s, rc, e);
	*row = rc == SQLITE_ROW;
	return ERR_OK;
}

void db_done(sqlite3_stmt *q)
{
	if (!q)
		return;
	sqlite3_reset(q);            /* repeats an error that db_next has told */
	sqlite3_clear_bindings(q);   /* values were borrowed */
}

enum err db_run(struct store *s, const char *sql, const struct db_value *v, int *changes, struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false;
	enum err rc = db_query(s, sql, v, &q, e);
	if (!rc)
		rc = db_next(s, q, &row, e);
	assert(rc || !row);
	if (!rc && changes)
		*changes = sqlite3_changes(s->db);
	db_done(q);
	return rc;
}

/* Step to the end: a statement with RETURNING commits there, and may fail there. */
static enum err expect_end(struct store *s, sqlite3_stmt *q, struct error *e)
{
	bool row = false;
	enum err rc = db_next(s, q, &row, e);
	assert(rc || !row);
	return rc;
}

static enum err first_row(struct store *s, const char *sql, const struct db_value *v, sqlite3_stmt **q, struct error *e)
{
	bool row = false;
	enum err rc = db_query(s, sql, v, q, e);
	if (!rc)
		rc = db_next(s, *q, &row, e);
	if (!rc && !row)
		rc = fail(e, ERR_NOT_FOUND, "", "there is no such thing");
	return rc;
}

enum err db_ints(struct store *s, const char *sql, const struct db_value *v, int64_t *out, int n, struct error *e)
{
	sqlite3_stmt *q = NULL;
	enum err rc = first_row(s, sql, v, &q, e);
	if (!rc) {
		for (int i = 0; i < n; i++)
			out[i] = sqlite3_column_int64(q, i);
		rc = expect_end(s, q, e);
	}
	db_done(q);
	return rc;
}

static void item_fini(const struct db_kind *kind, void *item)
{
	if (kind->fini)
		kind->fini(item);
}

/* Read the current row into item, which is left zeroed on failure. */
static enum err read_item(sqlite3_stmt *q, const struct db_kind *kind, void *item, struct error *e)
{
	memset(item, 0, kind->size);
	enum err rc = kind->read(q, item, e);
	if (rc) {
		item_fini(kind, item);
		memset(item, 0, kind->size);
	}
	return rc;
}

enum err db_get(struct store *s, const char *sql, const struct db_value *v, const struct db_kind *kind, void *out,
		struct error *e)
{
	sqlite3_stmt *q = NULL;
	void *item = calloc(1, kind->size);
	if (!item)
		return fail_nomem(e);
	enum err rc = first_row(s, sql, v, &q, e);
	if (!rc)
		rc = read_item(q, kind, item, e);
	if (!rc) {
		rc = expect_end(s, q, e);
		if (rc)
			item_fini(kind, item);
		else
			memcpy(out, item, kind->size);
	}
	db_done(q);
	free(item);
	return rc;
}

struct page {
	char *items;
	size_t n, cap;
};

static enum err page_add(struct page *p, sqlite3_stmt *q, const struct db_kind *kind, struct error *e)
{
	if (p->n == p->cap) {
		size_t cap = p->cap ? 2 * p->cap : 16;
		char *grown = reallocarray(p->items, cap, kind->size);
		if (!grown)
			return fail_nomem(e);
		p->items = grown;
		p->cap = cap;
	}
	enum err rc = read_item(q, kind, p->items + p->n * kind->size, e);
	if (!rc)
		p->n++;
	return rc;
}

enum err db_list(struct store *s, const char *sql, const struct db_value *v, int limit, const struct db_kind *kind,
		void **out, size_t *n, bool *more, struct error *e)
{
	struct page p = { 0 };
	sqlite3_stmt *q = NULL;
	bool row = false;
	if (limit < 1)
		return fail(e, ERR_INVALID, "limit", "a page holds at least one item");
	enum err rc = db_query(s, sql, v, &q, e);
	while (!rc) {
		rc = db_next(s, q, &row, e);
		if (rc || !row || p.n == (size_t)limit)
			break;
		rc = page_add(&p, q, kind, e);
	}
	db_done(q);
	if (rc) {
		db_list_free(p.items, p.n, kind);
		return rc;
	}
	*out = p.items;
	*n = p.n;
	if (more)
		*more = row;
	return ERR_OK;
}

void db_list_free(void *items, size_t n, const struct db_kind *kind)
{
	for (size_t i = 0; i < n; i++)
		item_fini(kind, (char *)items + i * kind->size);
	free(items);
}

enum err db_exec(struct store *s, const char *sql, struct error *e)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);
	return rc ? db_fail(s, rc, e) : ERR_OK;
}

/* --- transactions --- */

enum err store_begin(struct store *s, struct error *e)
{
	assert(!s->open);
	enum err rc = db_run(s, SQL_BEGIN, DB_NONE, NULL, e);
	s->open = rc == ERR_OK;
	return rc;
}

enum err store_commit(struct store *s, struct error *e)
{
	assert(s->open);
	bool lost = s->lost != ERR_OK;
	enum err rc = db_run(s, SQL_COMMIT, DB_NONE, NULL, e);
	if (rc == ERR_STORAGE && !lost)
		s->broken = true;
	if (rc)
		store_rollback(s);
	s->open = false;
	return rc;
}

void store_rollback(struct store *s)
{
	s->open = false;
	s->lost = ERR_OK;
	if (!sqlite3_get_autocommit(s->db) && db_run(s, SQL_ROLLBACK, DB_NONE, NULL, NULL))
		s->broken = true;   /* nothing known of the connection any more */
}

/* Undo to a savepoint and forget it; if even that fails, the whole transaction goes. */
static void undo(struct store *s, const char *rollback_to, const char *release)
{
	if (sqlite3_get_autocommit(s->db))
		return;   /* SQLite has undone everything by itself */
	if (!db_run(s, rollback_to, DB_NONE, NULL, NULL) && !db_run(s, release, DB_NONE, NULL, NULL))
		return;
	bool open = s->open;
	store_rollback(s);
	s->open = open;
	note_lost(s, ERR_STORAGE);
}

enum err store_savepoint(struct store *s, struct error *e)
{
	return db_run(s, SQL_SAVEPOINT, DB_NONE, NULL, e);
}

enum err store_release(struct store *s, struct error *e)
{
	return db_run(s, SQL_RELEASE, DB_NONE, NULL, e);
}

void store_rollback_to(struct store *s)
{
	undo(s, SQL_ROLLBACK_TO, SQL_RELEASE);
}

enum err db_part_begin(struct store *s, struct error *e)
{
	return db_run(s, SQL_PART, DB_NONE, NULL, e);
}

enum err db_part_end(struct store *s, enum err rc, struct error *e)
{
	if (!rc)
		rc = db_run(s, SQL_PART_RELEASE, DB_NONE, NULL, e);
	if (rc)
		undo(s, SQL_PART_ROLLBACK, SQL_PART_RELEASE);
	return rc;
}

/* --- columns --- */

enum err db_copy_text(sqlite3_stmt *q, int column, char *out, size_t cap, struct error *e)
{
	const char *text = (const char *)sqlite3_column_text(q, column);
	if (!text && sqlite3_column_type(q, column) != SQLITE_NULL)
		return fail_nomem(e);
	size_t len = text ? strlen(text) : 0;
	if (len >= cap)
		len = cap - 1;
	if (len)
		memcpy(out, text, len);
	out[len] = '\0';
	return ERR_OK;
}

/* A NUL follows the copy, so that texts and blobs can share it and an empty one is no special case. */
static void *copy_bytes(const void *bytes, size_t len)
{
	char *copy = malloc(len + 1);
	if (copy) {
		if (len)
			memcpy(copy, bytes, len);
		copy[len] = '\0';
	}
	return copy;
}

enum err db_dup_text(sqlite3_stmt *q, int column, char **out, struct error *e)
{
	if (sqlite3_column_type(q, column) == SQLITE_NULL) {
		*out = NULL;
		return ERR_OK;
	}
	const unsigned char *text = sqlite3_column_text(q, column);
	char *copy = text ? copy_bytes(text, (size_t)sqlite3_column_bytes(q, column)) : NULL;
	if (!copy)
		return fail_nomem(e);
	*out = copy;
	return ERR_OK;
}

/* column_blob gives NULL for an empty blob and for no memory alike; the length tells them apart. */
static enum err column_bytes(sqlite3_stmt *q, int column, const void **bytes, size_t *len, struct error *e)
{
	*bytes = sqlite3_column_blob(q, column);
	*len = (size_t)sqlite3_column_bytes(q, column);
	if (!*bytes && sqlite3_errcode(sqlite3_db_handle(q)) == SQLITE_NOMEM)
		return fail_nomem(e);
	return ERR_OK;
}

enum err db_dup_blob(sqlite3_stmt *q, int column, void **out, size_t *len, struct error *e)
{
	const void *bytes;
	size_t n;
	enum err rc = column_bytes(q, column, &bytes, &n, e);
	if (rc)
		return rc;
	void *copy = copy_bytes(bytes, n);
	if (!copy)
		return fail_nomem(e);
	*out = copy;
	*len = n;
	return ERR_OK;
}

enum err db_digest(sqlite3_stmt *q, int from, int to, char out[DIGEST_HEX], struct error *e)
{
	enum err rc = ERR_OK;
	struct digest *d = digest_new();
	if (!d)
		return fail_nomem(e);
	for (int column = from; column <= to && !rc; column++) {
		const void *bytes;
		size_t len;
		rc = column_bytes(q, column, &bytes, &len, e);
		if (!rc)
			digest_add(d, bytes, len);
	}
	if (rc)
		digest_free(d);
	else
		digest_end(d, out);
	return rc;
}

/* db.h - the little of sqlite3 that storage/ uses. Private to this folder.
 *
 *   db_query ─► db_next … ─► db_done      any statement; they stay prepared for the life of the store
 *   db_run                                a statement without rows
 *   db_ints, db_get                       exactly one row: integers, or a struct through its `kind`
 *   db_list                               a page of structs through their `kind`
 *   db_part_begin ─► … ─► db_part_end     several statements, all or nothing, inside or outside a transaction
 *
 * SQLite may roll a whole transaction back by itself (disk full, no memory). The rest of the batch must not then
 * run autocommitted, so `lost` keeps the reason, every later statement returns it, and so does the commit. */
#ifndef GATECAST_STORAGE_DB_H
#define GATECAST_STORAGE_DB_H

#include <limits.h>
#include <sqlite3.h>

#include "storage/digest.h"
#include "storage/store.h"

struct db_statement;
struct store {
	sqlite3 *db;
	enum store_mode mode;
	char *path;              /* absolute, links resolved */
	int lock_fd;             /* of PATH.lock while a writer lives, else -1 */
	bool open;               /* between store_begin and commit or rollback */
	enum err lost;           /* why the open transaction is already gone, or ERR_OK */
	bool broken;             /* see store_broken */
	int wal_pages;           /* in the log after the last commit */
	char boot_id[40];        /* leases of another boot are void */
	struct db_statement *statement;
	size_t statements, statements_cap;
};

/* A value to bind. A NULL text is SQL's NULL; an empty blob is an empty blob. */
struct db_value {
	enum { DB_END, DB_INT, DB_TEXT, DB_BLOB } type;
	int64_t i;
	const void *p;
	size_t len;
};
struct db_value db_int(int64_t v);
struct db_value db_text(const char *s);
struct db_value db_blob(const void *p, size_t len);
#define DB_VALUES(...) ((const struct db_value[]){ __VA_ARGS__, { .type = DB_END } })
#define DB_NONE        ((const struct db_value[]){ { .type = DB_END } })

/* How a row becomes a struct. read() gets a zeroed item; if it fails, fini() is called on what there is.
 * fini may be NULL: the struct owns nothing. */
struct db_kind {
	size_t size;
	enum err (*read)(sqlite3_stmt *q, void *item, struct error *e);
	void (*fini)(void *item);
};

/** SQLite's answer as ours; marks the store broken or the transaction lost where it must be. */
enum err db_fail(struct store *s, int rc, struct error *e);

/** sql must be a literal: the cache knows statements by address. Values are borrowed until db_done. */
enum err db_query(struct store *s, const char *sql, const struct db_value *v, sqlite3_stmt **q, struct error *e);
enum err db_next(struct store *s, sqlite3_stmt *q, bool *row, struct error *e);
void db_done(sqlite3_stmt *q);
/** changes (may be NULL): rows inserted, updated or deleted. */
enum err db_run(struct store *s, const char *sql, const struct db_value *v, int *changes, struct error *e);
/** The n integers of the only row; ERR_NOT_FOUND without one. */
enum err db_ints(struct store *s, const char *sql, const struct db_value *v, int64_t *out, int n, struct error *e);
/** The only row into *out; ERR_NOT_FOUND without one. */
enum err db_get(struct store *s, const char *sql, const struct db_value *v, const struct db_kind *kind, void *out,
                struct error *e);
/** At most limit rows; *more (may be NULL) tells that others follow. ERR_INVALID for a limit below 1. */
enum err db_list(struct store *s, const char *sql, const struct db_value *v, int limit, const struct db_kind *kind,
                 void **out, size_t *n, bool *more, struct error *e);
void db_list_free(void *items, size_t n, const struct db_kind *kind);

/** Statements without values that are not worth keeping: pragmas, schema. */
enum err db_exec(struct store *s, const char *sql, struct error *e);
/** Prepare what begins and ends transactions, so that a roll-back needs no memory. */
enum err db_prepare_control(struct store *s, struct error *e);
void db_finalize_all(struct store *s);

enum err db_part_begin(struct store *s, struct error *e);
/** rc is what the part came to; it is kept on success and undone otherwise. Returns rc, or why keeping it failed. */
enum err db_part_end(struct store *s, enum err rc, struct error *e);

/* Columns of the current row. A text that is too long for its array is cut; NULL reads as "". */
enum err db_copy_text(sqlite3_stmt *q, int column, char *out, size_t cap, struct error *e);
/** A copy to free; NULL stays NULL. */
enum err db_dup_text(sqlite3_stmt *q, int column, char **out, struct error *e);
/** A copy to free; never NULL on success, even when empty. */
enum err db_dup_blob(sqlite3_stmt *q, int column, void **out, size_t *len, struct error *e);
/** Digest of the blobs or texts of columns from … to, in this order. */
enum err db_digest(sqlite3_stmt *q, int from, int to, char out[DIGEST_HEX], struct error *e);

/** ERR_INVALID, naming the limit, unless store_name_ok. */
enum err db_check_name(const char *where, const char *name, struct error *e);

#endif

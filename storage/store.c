/* store.c - opening, closing and checkpointing the database. Transactions are in db.c.
 *
 *   writer:  folder ok? ─► PATH.lock ─► sqlite3_open ─► pragmas, WAL ─► migrate ─► ready
 *   reader:                             sqlite3_open ─► pragmas, query_only ─► our version? ─► ready */
#include "storage/store.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/db.h"
#include "storage/lock.h"
#include "storage/schema.h"

#define BUSY_TIMEOUT_MS  5000
#define CHECKPOINT_PAGES 1000

/* Of 4 MiB: indices and what is small; models and datasets are read once, and then out of the kernel's cache. SQLite
 * counts it in pages, of the size that it knows when it is told: in a file that is not made yet, a quarter of ours. */
#define CACHE            "PRAGMA cache_size = -4096"

int64_t store_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static bool alphanumeric(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool store_name_ok(const char *name)
{
	size_t len = 0;
	if (!alphanumeric(name[0]))
		return false;
	for (; name[len]; len++)
		if (len == STORE_NAME_MAX || (!alphanumeric(name[len]) && !strchr("._-", name[len])))
			return false;
	return true;
}

bool store_broken(const struct store *s)
{
	return s->broken;
}

/* One name for one file, so that two links to a database do not give two locks. The file may not exist yet. */
static enum err resolve(const char *path, char **out, struct error *e)
{
	char *real = realpath(path, NULL);
	if (!real && errno == ENOENT) {
		const char *slash = strrchr(path, '/');
		char folder[PATH_MAX], whole[PATH_MAX];
		snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
		char *real_folder = realpath(folder, NULL);
		if (real_folder && (size_t)snprintf(whole, sizeof whole, "%s/%s", real_folder,
				slash ? slash + 1 : path) < sizeof whole)
			real = strdup(whole);
		free(real_folder);
	}
	if (!real && errno == ENOMEM)
		return fail_nomem(e);
	if (!real)
		return fail(e, ERR_STORAGE, "", "cannot find %s: %s", path, strerror(errno));
	*out = real;
	return ERR_OK;
}

/* Without /proc the id is empty: leases are then told apart by their time alone. */
static void read_boot_id(char *out, size_t cap)
{
	out[0] = '\0';
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (!f)
		return;
	if (fgets(out, (int)cap, f))
		out[strcspn(out, "\n")] = '\0';
	fclose(f);
}

static int on_commit(void *arg, sqlite3 *db, const char *schema, int pages)
{
	struct store *s = arg;
	s->wal_pages = pages;
	return SQLITE_OK;
}

static enum err connect(struct store *s, struct error *e)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	flags |= s->mode == STORE_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
	int rc = sqlite3_open_v2(s->path, &s->db, flags, NULL);
	if (!s->db)
		return fail_nomem(e);
	if (rc)
		return db_fail(s, rc, e);
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, NULL);
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	return db_exec(s, "PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON", e);
}

/* WAL is refused silently where shared memory does not work; ask what we got. */
static enum err expect_wal(struct store *s, struct error *e)
{
	sqlite3_stmt *q = NULL;
	char mode[16] = "";
	bool row = false;
	enum err rc = db_query(s, "PRAGMA journal_mode = WAL", DB_NONE, &q, e);
	if (!rc)
		rc = db_next(s, q, &row, e);
	if (!rc && row)
		rc = db_copy_text(q, 0, mode, sizeof mode, e);
	db_done(q);
	if (!rc && strcmp(mode, "wal") != 0)
		rc = fail(e, ERR_STORAGE, "", "%s cannot keep a write-ahead log here (journal mode %s)", s->path, mode);
	return rc;
}

/* Checkpoints are ours to time: sqlite3_wal_hook replaces the automatic ones. */
static enum err open_writer(struct store *s, struct error *e)
{
	enum err rc = lock_check_filesystem(s->path, e);
	if (!rc)
		rc = lock_acquire(s->path, &s->lock_fd, e);
	if (!rc)
		rc = connect(s, e);
	if (!rc)
		rc = db_exec(s, "PRAGMA page_size = 16384; PRAGMA secure_delete = OFF", e);
	if (!rc)
		rc = expect_wal(s, e);
	if (!rc)
		rc = db_exec(s, "PRAGMA synchronous = FULL", e);
	if (rc)
		return rc;
	sqlite3_wal_hook(s->db, on_commit, s);
	return schema_migrate(s, schema_steps, schema_version, e);
}

/* The last connection to close would checkpoint; a reader must not. */
static enum err open_reader(struct store *s, struct error *e)
{
	enum err rc = connect(s, e);
	if (rc)
		return rc;
	sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	rc = db_exec(s, "PRAGMA query_only = ON", e);
	if (!rc)
		rc = schema_expect(s, schema_version, e);
	return rc;
}

/* Whatever SQLite says of a file it cannot make sense of, the reader of the message must learn what to do. */
static enum err explain_damage(struct store *s, enum err rc, struct error *e)
{
	int code = s->db ? sqlite3_errcode(s->db) : SQLITE_OK;
	if (rc == ERR_STORAGE && (code == SQLITE_CORRUPT || code == SQLITE_NOTADB))
		return fail(e, rc, "", "%s is damaged or no database at all (%s): restore a backup", s->path,
			sqlite3_errstr(code));
	return rc;
}

enum err store_open(const char *path, enum store_mode mode, struct store **out, struct error *e)
{
	if (sodium_init() < 0)
		return fail(e, ERR_INTERNAL, "", "the cryptographic library cannot start");
	struct store *s = calloc(1, sizeof *s);
	if (!s)
		return fail_nomem(e);
	*s = (struct store){ .mode = mode, .lock_fd = -1 };
	read_boot_id(s->boot_id, sizeof s->boot_id);
	enum err rc = resolve(path, &s->path, e);
	if (!rc)
		rc = explain_damage(s, mode == STORE_WRITER ? open_writer(s, e) : open_reader(s, e), e);
	if (!rc)
		rc = db_exec(s, CACHE, e);
	if (!rc)
		rc = db_prepare_control(s, e);
	if (rc)
		store_close(s);
	else
		*out = s;
	return rc;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	if (s->db && s->open)
		store_rollback(s);
	if (s->db && s->broken)   /* leave the log as it is, for the next start to recover */
		sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	db_finalize_all(s);
	int rc = sqlite3_close(s->db);
	assert(rc == SQLITE_OK);
	(void)rc;
	lock_release(s->lock_fd);   /* last: until here nobody else may write */
	free(s->path);
	free(s);
}

void store_checkpoint(struct store *s, bool idle)
{
	assert(s->mode == STORE_WRITER && !s->open);
	if (s->wal_pages <= (idle ? 0 : CHECKPOINT_PAGES))
		return;
	/* A reader in the way is no reason to keep the writer waiting: the next call comes soon. */
	sqlite3_busy_timeout(s->db, 0);
	int mode = idle ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE;
	int left = 0, done = 0;
	int rc = sqlite3_wal_checkpoint_v2(s->db, "main", mode, &left, &done);
	sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
	if (rc)
		db_fail(s, rc, NULL);
	else if (left == done)
		s->wal_pages = 0;
}

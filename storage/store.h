/* store.h - one SQLite file: connections, transactions, migrations.
 *
 *   writer lane (one thread, one connection)      reader lane(s): query_only
 *        begin ─ savepoint a ─ … ─ release a            │
 *              ─ savepoint b ─ … ─ rollback_to b        ▼
 *        commit (FULL: on disk) ─► acknowledge     WAL snapshot
 *
 * Exactly one connection writes or checkpoints. The functions of dataset.h, model.h, job.h and key.h run inside the
 * caller's transaction (or alone, autocommitted, in tests) and never begin one of their own. A handle is used by one thread
 * at a time. A lock file beside the database stops a second writer.
 *
 * Documents (descriptions, specs, progress, results) are opaque JSON texts here: api/ writes and reads them. */
#ifndef GATECAST_STORAGE_STORE_H
#define GATECAST_STORAGE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/error.h"

struct store;
enum store_mode { STORE_WRITER, STORE_READER };

#define STORE_NAME_MAX 64   /* names: [A-Za-z0-9][A-Za-z0-9._-]{0,63} */

/** STORE_WRITER creates, locks, recovers and migrates (a copy `PATH.v{N}.bak` before). ERR_CONFLICT: another process
 *  has the lock; ERR_STORAGE: damaged, newer than us, on a network file system. Close with store_close (NULL is fine). */
enum err store_open(const char *path, enum store_mode mode, struct store **out, struct error *e);
void store_close(struct store *s);

enum err store_begin(struct store *s, struct error *e);             /* IMMEDIATE */
enum err store_commit(struct store *s, struct error *e);
void store_rollback(struct store *s);
enum err store_savepoint(struct store *s, struct error *e);         /* nests once */
enum err store_release(struct store *s, struct error *e);
void store_rollback_to(struct store *s);

/** True after an I/O error in commit or fsync: nothing may be acknowledged any more; the process must exit. */
bool store_broken(const struct store *s);
/** PASSIVE above 1,000 WAL pages, TRUNCATE when idle. Writer only, outside a transaction. */
void store_checkpoint(struct store *s, bool idle);
/** integrity_check, foreign_key_check and every stored digest. Problems are told one a call to say(). */
enum err store_check(struct store *s, void (*say)(void *arg, const char *line), void *arg, int *problems, struct error *e);
/** Count of SQLITE_BUSY seen by this process (a metric). */
uint64_t store_busy_total(void);
/** Schema version that this build writes. */
int store_schema_version(void);

/** Microseconds since 1970, for display only. */
int64_t store_now_us(void);
/** True for a valid name. */
bool store_name_ok(const char *name);

#endif

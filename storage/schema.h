/* schema.h - the tables, as migrations counted by PRAGMA user_version. Private to this folder. */
#ifndef GATECAST_STORAGE_SCHEMA_H
#define GATECAST_STORAGE_SCHEMA_H

#include "storage/db.h"

#define SCHEMA_APPLICATION_ID 0x67637374   /* "gcst": tells our files from other SQLite files */

/* steps[v] takes a database from version v to v + 1. Released steps never change: a new one follows. */
extern const char *const schema_steps[];
extern const int schema_version;

/** Take the database to version n, a transaction a step, a verified copy PATH.v{N}.bak before the first.
 *  ERR_STORAGE: it is newer than n, or not ours. */
enum err schema_migrate(struct store *s, const char *const *steps, int n, struct error *e);
/** ERR_STORAGE unless the database is ours and of version n. */
enum err schema_expect(struct store *s, int n, struct error *e);

#endif

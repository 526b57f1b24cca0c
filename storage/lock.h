/* lock.h - one writer a database: PATH.lock, held with flock(2) while the writer lives. Private to this folder.
 *
 * The database file itself is never opened by us: close(2) on any descriptor of it would drop SQLite's own locks. */
#ifndef GATECAST_STORAGE_LOCK_H
#define GATECAST_STORAGE_LOCK_H

#include <stdbool.h>

#include "model/base/error.h"

/** ERR_CONFLICT names the process that holds it. *fd: to close with lock_release. */
enum err lock_acquire(const char *path, int *fd, struct error *e);
void lock_release(int fd);   /* -1 is fine */

/** ERR_STORAGE when path lies where locks and shared memory cannot be trusted. */
enum err lock_check_filesystem(const char *path, struct error *e);
/** The same of a statfs(2) f_type. */
bool lock_network_filesystem(long f_type);

#endif

/* lock.c - the lock file and the check of the file system. See lock.h. */
#include "storage/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/vfs.h>
#include <unistd.h>

/* The holder writes its process id into the file, for this message only: the lock is the flock, not the text. */
static enum err held(const char *path, int fd, struct error *e)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	long pid = n > 0 ? strtol(text, NULL, 10) : 0;
	if (pid > 0)
		return fail(e, ERR_CONFLICT, "", "process %ld is writing to this database; %s is its lock", pid, path);
	return fail(e, ERR_CONFLICT, "", "another process is writing to this database; %s is its lock", path);
}

static void write_pid(int fd)
{
	if (ftruncate(fd, 0) == 0)
		dprintf(fd, "%ld\n", (long)getpid());
}

enum err lock_acquire(const char *path, int *fd, struct error *e)
{
	char file[PATH_MAX];
	if ((size_t)snprintf(file, sizeof file, "%s.lock", path) >= sizeof file)
		return fail(e, ERR_STORAGE, "", "the path of the database is longer than %d bytes", PATH_MAX);
	int lock = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (lock < 0)
		return fail(e, ERR_STORAGE, "", "cannot open %s: %s", file, strerror(errno));
	if (flock(lock, LOCK_EX | LOCK_NB) == 0) {
		write_pid(lock);
		*fd = lock;
		return ERR_OK;
	}
	enum err rc = errno == EWOULDBLOCK ? held(file, lock, e)
		: fail(e, ERR_STORAGE, "", "cannot lock %s: %s", file, strerror(errno));
	close(lock);
	return rc;
}

/* The file stays: removing it would let two processes hold locks on two files of one name. */
void lock_release(int fd)
{
	if (fd >= 0)
		close(fd);
}

bool lock_network_filesystem(long f_type)
{
	static const unsigned network[] = {
		0x00006969,   /* NFS */
		0x0000517B,   /* SMB */
		0xFF534D42,   /* CIFS */
		0xFE534D42,   /* SMB2 */
		0x00C36400,   /* Ceph */
		0x5346414F,   /* AFS */
		0x73757245,   /* Coda */
		0x0BD00BD0,   /* Lustre */
		0x01161970,   /* GFS2 */
		0x01021997,   /* 9P */
	};
	for (size_t i = 0; i < sizeof network / sizeof *network; i++)
		if ((unsigned)f_type == network[i])
			return true;
	return false;
}

enum err lock_check_filesystem(const char *path, struct error *e)
{
	char folder[PATH_MAX];
	struct statfs fs;
	const char *slash = strrchr(path, '/');
	int len = slash ? (int)(slash - path) : 0;
	snprintf(folder, sizeof folder, "%.*s/.", len, path);
	if (statfs(folder, &fs) != 0)
		return fail(e, ERR_STORAGE, "", "cannot look at the folder of %s: %s", path, strerror(errno));
	if (lock_network_filesystem((long)fs.f_type))
		return fail(e, ERR_STORAGE, "", "%s is on a network file system, where locks cannot be trusted", path);
	return ERR_OK;
}

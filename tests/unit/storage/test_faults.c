/* What the store does when its surroundings fail.
 *
 *   allocations   every n-th of ours and of SQLite's, once and from then on
 *   I/O           every n-th read, write, sync, truncate of SQLite, once and from then on; and the disk full
 *   kill -9       a process that writes, at random moments
 *
 * GATECAST_FAULT_STEP=1 visits every n instead of every 11th (half an hour or so under the sanitizers).
 *
 * One rule for all: what was acknowledged (commit returned ERR_OK) is there afterwards, and the database is whole. The
 * first two run one scenario with rising n until it passes without meeting its fault. */
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include "model/base/rng.h"

#include "fixture.h"

/* --- allocations: ours through the linker's --wrap, SQLite's through its configuration --- */

static struct { long at, seen; bool persistent, hit; } alloc_fault;   /* at 0: none */

static bool strikes(long at, long *seen, bool persistent, bool *hit)
{
	if (!at || (++*seen != at && !(persistent && *seen > at)))
		return false;
	*hit = true;
	return true;
}

static bool alloc_fails(void)
{
	return strikes(alloc_fault.at, &alloc_fault.seen, alloc_fault.persistent, &alloc_fault.hit);
}

void *__real_malloc(size_t n);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t n);
void *__real_reallocarray(void *p, size_t count, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t n);
void *__wrap_reallocarray(void *p, size_t count, size_t size);
char *__wrap_strdup(const char *s);

void *__wrap_malloc(size_t n) { return alloc_fails() ? NULL : __real_malloc(n); }
void *__wrap_calloc(size_t count, size_t size) { return alloc_fails() ? NULL : __real_calloc(count, size); }
void *__wrap_realloc(void *p, size_t n) { return alloc_fails() ? NULL : __real_realloc(p, n); }
void *__wrap_reallocarray(void *p, size_t count, size_t size)
{
	return alloc_fails() ? NULL : __real_reallocarray(p, count, size);
}
char *__wrap_strdup(const char *s) { return alloc_fails() ? NULL : __real_strdup(s); }

static sqlite3_mem_methods sqlite_memory;

static void *shim_malloc(int n) { return alloc_fails() ? NULL : sqlite_memory.xMalloc(n); }
static void *shim_realloc(void *p, int n) { return alloc_fails() ? NULL : sqlite_memory.xRealloc(p, n); }

static bool install_memory(void)
{
	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory) != SQLITE_OK)
		return false;
	sqlite3_mem_methods shim = sqlite_memory;
	shim.xMalloc = shim_malloc;
	shim.xRealloc = shim_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &shim) == SQLITE_OK;
}

/* --- I/O: a VFS in front of the real one --- */

enum io { IO_READ = 1, IO_WRITE = 2, IO_SYNC = 4, IO_TRUNCATE = 8 };

static struct { long at, seen; bool persistent, hit, full; unsigned kinds; } io_fault;

struct shim_file {
	sqlite3_file base;
	sqlite3_file *real;   /* behind this struct */
};

static sqlite3_vfs shim_vfs, *real_vfs;

static int io_rc(enum io kind, int error)
{
	if (!(io_fault.kinds & kind))
		return SQLITE_OK;
	if (!strikes(io_fault.at, &io_fault.seen, io_fault.persistent, &io_fault.hit))
		return SQLITE_OK;
	return io_fault.full ? SQLITE_FULL : error;
}

static sqlite3_file *real(sqlite3_file *f)
{
	return ((struct shim_file *)f)->real;
}

static int f_close(sqlite3_file *f) { return real(f)->pMethods->xClose(real(f)); }
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
	int rc = io_rc(IO_READ, SQLITE_IOERR_READ);
	return rc ? rc : real(f)->pMethods->xRead(real(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	int rc = io_rc(IO_WRITE, SQLITE_IOERR_WRITE);
	return rc ? rc : real(f)->pMethods->xWrite(real(f), p, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
	int rc = io_rc(IO_TRUNCATE, SQLITE_IOERR_TRUNCATE);
	return rc ? rc : real(f)->pMethods->xTruncate(real(f), n);
}
static int f_sync(sqlite3_file *f, int flags)
{
	int rc = io_rc(IO_SYNC, SQLITE_IOERR_FSYNC);
	return rc ? rc : real(f)->pMethods->xSync(real(f), flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return real(f)->pMethods->xFileSize(real(f), n); }
static int f_lock(sqlite3_file *f, int l) { return real(f)->pMethods->xLock(real(f), l); }
static int f_unlock(sqlite3_file *f, int l) { return real(f)->pMethods->xUnlock(real(f), l); }
static int f_reserved(sqlite3_file *f, int *out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); }
static int f_control(sqlite3_file *f, int op, void *arg) { return real(f)->pMethods->xFileControl(real(f), op, arg); }
static int f_sector(sqlite3_file *f) { return real(f)->pMethods->xSectorSize(real(f)); }
static int f_device(sqlite3_file *f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); }
static int f_shm_map(sqlite3_file *f, int region, int size, int extend, void volatile **p)
{
	return real(f)->pMethods->xShmMap(real(f), region, size, extend, p);
}
static int f_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
	return real(f)->pMethods->xShmLock(real(f), at, n, flags);
}
static void f_shm_barrier(sqlite3_file *f) { real(f)->pMethods->xShmBarrier(real(f)); }
static int f_shm_unmap(sqlite3_file *f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); }

static const sqlite3_io_methods shim_methods = { .iVersion = 2, .xClose = f_close, .xRead = f_read, .xWrite = f_write,
	.xTruncate = f_truncate, .xSync = f_sync, .xFileSize = f_size, .xLock = f_lock, .xUnlock = f_unlock,
	.xCheckReservedLock = f_reserved, .xFileControl = f_control, .xSectorSize = f_sector,
	.xDeviceCharacteristics = f_device, .xShmMap = f_shm_map, .xShmLock = f_shm_lock, .xShmBarrier = f_shm_barrier,
	.xShmUnmap = f_shm_unmap };

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct shim_file *f = (struct shim_file *)file;
	f->real = (sqlite3_file *)(f + 1);
	int rc = real_vfs->xOpen(real_vfs, name, f->real, flags, out_flags);
	f->base.pMethods = f->real->pMethods ? &shim_methods : NULL;
	return rc;
}

static bool install_vfs(void)
{
	real_vfs = sqlite3_vfs_find(NULL);
	if (!real_vfs)
		return false;
	shim_vfs = *real_vfs;
	shim_vfs.zName = "faults";
	shim_vfs.szOsFile = (int)sizeof(struct shim_file) + real_vfs->szOsFile;
	shim_vfs.xOpen = shim_open;
	return sqlite3_vfs_register(&shim_vfs, 1) == SQLITE_OK;
}

/* --- the scenario --- */

static long fault_step(void)
{
	const char *text = getenv("GATECAST_FAULT_STEP");
	long step = text ? strtol(text, NULL, 10) : 0;
	return step > 0 ? step : 11;
}

/* What has been acknowledged. */
struct acks {
	bool opened, dataset, job, claimed, checkpoint, published, key;
	char job_id[JOB_ID_MAX + 1];
	bool broken;                /* as store_broken said at the end */
	enum err commit;            /* what the failing commit returned */
};

static enum err commit(struct store *s, struct acks *a, struct error *e)
{
	enum err rc = store_commit(s, e);
	a->commit = rc;
	return rc;
}

static enum err step_dataset(struct store *s, const struct frame *frame, struct acks *a, struct error *e)
{
	struct dataset_info d = { 0 };
	struct job j = { 0 };
	struct job_new in = { .model = "m", .dataset = "d", .spec = "{}", .idempotency_key = "key",
		.body_sha256 = "aa" };
	bool flag;
	enum err rc = store_begin(s, e);
	if (rc)
		return rc;
	rc = store_savepoint(s, e);
	if (!rc)
		rc = dataset_put(s, "d", frame, "{}", sample_sha256, &d, &flag, e);
	if (!rc)
		rc = store_release(s, e);
	if (!rc)
		rc = job_create(s, &in, 9, &j, &flag, e);
	if (!rc)
		rc = commit(s, a, e);
	else
		store_rollback(s);
	if (!rc) {
		a->dataset = a->job = true;
		memcpy(a->job_id, j.id, sizeof j.id);
	}
	dataset_info_fini(&d);
	job_fini(&j);
	return rc;
}

/* A batch as the server makes them: an operation that fails is undone alone, the others go on to the commit. */
static enum err step_batch(struct store *s, struct acks *a, int64_t *epoch, struct error *e)
{
	struct job j = { 0 };
	int64_t id;
	enum err rc = store_begin(s, e), claimed, checkpoint;
	if (rc)
		return rc;
	claimed = store_savepoint(s, e);
	if (!claimed)
		claimed = job_claim(s, 3600, &j, e);
	if (!claimed)
		claimed = store_release(s, e);
	if (claimed)
		store_rollback_to(s);
	checkpoint = store_savepoint(s, e);
	if (!checkpoint)
		checkpoint = claimed ? claimed : job_checkpoint_add(s, j.id, j.epoch, 1, "{}", "state", 5, e);
	if (!checkpoint)
		checkpoint = job_event_add(s, j.id, "info", "message", "hello", NULL, &id, e);
	if (!checkpoint)
		checkpoint = store_release(s, e);
	if (checkpoint)
		store_rollback_to(s);
	rc = commit(s, a, e);
	a->claimed = !rc && !claimed;
	a->checkpoint = !rc && !checkpoint;
	*epoch = j.epoch;
	job_fini(&j);
	return rc ? rc : claimed ? claimed : checkpoint;
}

static enum err step_publish(struct store *s, struct acks *a, int64_t epoch, struct error *e)
{
	struct model_blobs b = sample_blobs();
	struct key_info key;
	char text[KEY_TEXT_MAX];
	int version;
	enum err rc = store_begin(s, e);
	if (rc)
		return rc;
	rc = job_finish(s, a->job_id, epoch, JOB_SUCCEEDED, &b, "{}", NULL, &version, e);
	if (!rc)
		rc = key_add(s, "k", KEY_READ, text, &key, e);
	if (!rc)
		rc = commit(s, a, e);
	else
		store_rollback(s);
	a->published = a->key = !rc;
	return rc;
}

static enum err step_read(struct store *s, struct error *e)
{
	struct frame *frame = NULL;
	struct model_version m = { 0 };
	struct model_version *versions = NULL;
	struct dataset_info *datasets = NULL;
	struct job *jobs = NULL;
	struct key_ring *ring = NULL;
	size_t n = 0, n_datasets = 0, n_jobs = 0;
	bool more;
	enum err rc = dataset_list(s, NULL, 9, &datasets, &n_datasets, &more, e);
	if (!rc)
		rc = dataset_rows(s, datasets[0].id, 1, 3, &frame, e);
	if (!rc)
		rc = model_get(s, "m", 0, NULL, true, &m, e);
	if (!rc)
		rc = model_versions(s, "m", 0, 9, &versions, &n, &more, e);
	if (!rc)
		rc = job_list(s, NULL, 9, &jobs, &n_jobs, &more, e);
	if (!rc)
		rc = key_ring_load(s, &ring, e);
	key_ring_free(ring);
	job_list_free(jobs, n_jobs);
	model_versions_free(versions, n);
	model_version_fini(&m);
	frame_free(frame);
	dataset_list_free(datasets, n_datasets);
	return rc;
}

static enum err scenario(const char *path, const struct frame *frame, struct acks *a)
{
	struct store *s = NULL, *reader = NULL;
	struct error e;
	int64_t epoch = 0;
	enum err rc = store_open(path, STORE_WRITER, &s, &e);
	a->opened = rc == ERR_OK;
	if (!rc)
		rc = step_dataset(s, frame, a, &e);
	if (!rc)
		rc = step_batch(s, a, &epoch, &e);
	if (!rc)
		store_checkpoint(s, true);
	if (!rc)
		rc = step_publish(s, a, epoch, &e);
	if (!rc)
		rc = store_open(path, STORE_READER, &reader, &e);
	if (!rc)
		rc = step_read(reader, &e);
	a->broken = s && store_broken(s);
	store_close(reader);
	store_close(s);
	return rc;
}

/* With the faults gone: everything acknowledged is there, the database is whole, and it works. */
static void check_acks(struct fixture *f, const struct acks *a)
{
	struct job j = { 0 };
	ck_ok(f, store_open(f->path, STORE_WRITER, &f->s, &f->e));
	ck_assert_int_eq(fixture_problems(f), 0);
	if (a->dataset) {
		struct dataset_info d;
		struct frame *frame;
		ck_ok(f, dataset_get(f->s, "d", 1, &d, &f->e));
		ck_ok(f, dataset_rows(f->s, d.id, 0, SIZE_MAX, &frame, &f->e));
		ck_assert_uint_eq(frame->rows, d.rows);
		frame_free(frame);
		dataset_info_fini(&d);
	}
	if (a->job)
		ck_ok(f, job_get(f->s, a->job_id, &j, &f->e));
	ck_assert(!a->claimed || j.epoch == 1);
	ck_assert(!a->published || (j.status == JOB_SUCCEEDED && j.version == 1));
	job_fini(&j);
	ck_assert_int_ge(fixture_int(f, "SELECT count(*) FROM job_event"), a->checkpoint);
	ck_assert_int_ge(fixture_int(f, "SELECT count(*) FROM job_checkpoint"), a->checkpoint);
	ck_assert_int_eq(fixture_int(f, "SELECT count(*) FROM model_version"),
		fixture_int(f, "SELECT count(*) FROM job WHERE status = 'succeeded'"));
	ck_assert_int_ge(fixture_int(f, "SELECT count(*) FROM api_key"), a->key);
	put_dataset(f, "after", 3);
	fixture_close(f);
}

START_TEST(allocations_fail)
{
	struct frame *frame = sample_frame(20);
	bool hit = true;
	long n, runs = 0, step = fault_step();
	for (n = 1; hit; n += step, runs++) {
		struct fixture f;
		struct acks a = { 0 };
		fixture_folder(&f);
		alloc_fault.at = n;
		alloc_fault.seen = 0;
		alloc_fault.hit = false;
		alloc_fault.persistent = _i;
		enum err rc = scenario(f.path, frame, &a);
		alloc_fault.at = 0;
		hit = alloc_fault.hit;
		/* SQLite can do without some allocations, and gives up some optional work quietly. */
		ck_assert_msg(rc == ERR_OK || (hit && (rc == ERR_NOMEM || rc == ERR_STORAGE)), "allocation %ld: %s", n,
			err_row(rc)->label);
		ck_assert(!a.broken || rc != ERR_OK);
		check_acks(&f, &a);
	}
	ck_assert_int_gt(n, 3000);
	printf("allocations, %s: %ld runs\n", _i ? "from the n-th on" : "the n-th", runs);
	frame_free(frame);
}
END_TEST

static const struct { const char *name; unsigned kinds; bool full, persistent; } io_cases[] = {
	{ "read", IO_READ, false, false },          { "read", IO_READ, false, true },
	{ "write", IO_WRITE, false, false },        { "write", IO_WRITE, false, true },
	{ "sync", IO_SYNC, false, false },          { "sync", IO_SYNC, false, true },
	{ "truncate", IO_TRUNCATE, false, false },  { "truncate", IO_TRUNCATE, false, true },
	{ "disk full", IO_WRITE, true, false },     { "disk full", IO_WRITE, true, true },
	{ "any", IO_READ | IO_WRITE | IO_SYNC | IO_TRUNCATE, false, false },
	{ "any", IO_READ | IO_WRITE | IO_SYNC | IO_TRUNCATE, false, true },
};

START_TEST(io_fails)
{
	struct frame *frame = sample_frame(20);
	bool hit = true;
	long n;
	for (n = 1; hit; n++) {
		struct fixture f;
		struct acks a = { 0 };
		fixture_folder(&f);
		io_fault.at = n;
		io_fault.seen = 0;
		io_fault.hit = false;
		io_fault.kinds = io_cases[_i].kinds;
		io_fault.full = io_cases[_i].full;
		io_fault.persistent = io_cases[_i].persistent;
		enum err rc = scenario(f.path, frame, &a);
		io_fault.at = 0;
		hit = io_fault.hit;
		ck_assert_msg(rc == ERR_OK || (hit && rc == (io_cases[_i].full ? ERR_DISK_FULL : ERR_STORAGE)),
			"%s %ld: %s", io_cases[_i].name, n, err_row(rc)->label);
		/* a full disk is no reason to die; a commit that failed otherwise is */
		if (io_cases[_i].full)
			ck_assert(!a.broken);
		else if (a.commit && !(io_cases[_i].kinds & IO_READ))
			ck_assert_msg(a.broken, "%s %ld: a commit failed and the store goes on", io_cases[_i].name, n);
		check_acks(&f, &a);
	}
	printf("%s, %s: %ld runs\n", io_cases[_i].name, io_cases[_i].persistent ? "from the n-th on" : "the n-th",
		n - 1);
	frame_free(frame);
}
END_TEST

/* The disk is full, then it is not: the same handle goes on. */
START_TEST(disk_full_passes)
{
	struct fixture f;
	struct frame *frame = sample_frame(20);
	struct acks a = { 0 };
	fixture_open(&f);
	io_fault.at = 1;
	io_fault.seen = 0;
	io_fault.kinds = IO_WRITE;
	io_fault.full = io_fault.persistent = true;
	for (int i = 0; i < 3; i++)
		ck_err(ERR_DISK_FULL, step_dataset(f.s, frame, &a, &f.e));
	struct model_version m;
	ck_err(ERR_NOT_FOUND, model_get(f.s, "m", 0, NULL, true, &m, &f.e));   /* reads go on meanwhile */
	ck_assert(!store_broken(f.s));
	io_fault.at = 0;
	ck_ok(&f, step_dataset(f.s, frame, &a, &f.e));
	ck_assert_int_eq(fixture_problems(&f), 0);
	frame_free(frame);
	fixture_close(&f);
}
END_TEST

/* Operations after one that lost the whole transaction must not slip into the database by themselves. */
START_TEST(rest_of_a_lost_batch_is_refused)
{
	struct fixture f;
	struct frame *frame = sample_frame(20);
	struct model_blobs b = sample_blobs();
	struct key_info key;
	char text[KEY_TEXT_MAX];
	int version;
	bool lost = false;
	fixture_open(&f);
	for (long n = 1; !lost && n < 1000; n++) {
		ck_ok(&f, store_begin(f.s, &f.e));
		ck_ok(&f, store_savepoint(f.s, &f.e));
		alloc_fault.at = n;
		alloc_fault.seen = 0;
		alloc_fault.persistent = false;
		enum err rc = model_put(f.s, "m", &b, NULL, &version, &f.e);
		alloc_fault.at = 0;
		store_rollback_to(f.s);
		lost = rc && key_add(f.s, "late", KEY_READ, text, &key, &f.e);
		if (lost)
			ck_err(ERR_NOMEM, store_commit(f.s, &f.e));
		else
			store_rollback(f.s);
	}
	ck_assert(lost);
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM api_key"), 0);
	ck_ok(&f, store_begin(f.s, &f.e));   /* and the handle is well again */
	ck_ok(&f, key_add(f.s, "next", KEY_READ, text, &key, &f.e));
	ck_ok(&f, store_commit(f.s, &f.e));
	frame_free(frame);
	fixture_close(&f);
}
END_TEST

/* --- kill -9 --- */

#define KILLS 60

/* Write numbered rows, a few a transaction, and tell each number after its commit. */
static void write_until_killed(const char *path, const char *job, long from, int out)
{
	struct store *s;
	struct error e;
	struct model_blobs b = sample_blobs();
	if (store_open(path, STORE_WRITER, &s, &e))
		_exit(1);
	for (long i = from;; i++) {
		char text[32];
		int64_t id;
		int version;
		enum err rc = store_begin(s, &e);
		snprintf(text, sizeof text, "%ld", i);
		if (!rc)
			rc = job_event_add(s, job, "info", "message", text, NULL, &id, &e);
		if (!rc && i % 4 == 0)
			rc = model_put(s, "m", &b, NULL, &version, &e);
		if (!rc)
			rc = store_commit(s, &e);
		if (rc || write(out, &i, sizeof i) != sizeof i)
			_exit(2);
		store_checkpoint(s, i % 16 == 0);
	}
}

static long read_acks(int in, long last)
{
	long i;
	while (read(in, &i, sizeof i) == sizeof i)
		last = i;
	return last;
}

static void check_acknowledged(struct fixture *f, const char *job, long last)
{
	struct store *reader;
	struct job_event *events;
	size_t n;
	bool more;
	/* first as a reader sees it who finds the log that the dead writer left, then as the next writer does */
	ck_ok(f, store_open(f->path, STORE_READER, &reader, &f->e));
	ck_ok(f, job_events(reader, job, 0, INT32_MAX, &events, &n, &more, &f->e));
	long present = 0;
	for (size_t i = 0; i < n; i++)
		present += strtol(events[i].message, NULL, 10) == (long)i + 1;
	job_events_free(events, n);
	store_close(reader);
	ck_assert_int_ge(present, last);
	ck_ok(f, store_open(f->path, STORE_WRITER, &f->s, &f->e));
	ck_assert_int_eq(fixture_problems(f), 0);
	ck_assert_int_eq(fixture_int(f, "SELECT count(*) FROM job_event"), present);
	ck_assert_int_eq(fixture_int(f, "SELECT count(*) FROM model_version"), present / 4);
	store_close(f->s);
	f->s = NULL;
}

START_TEST(killed_while_writing)
{
	struct fixture f;
	struct rng rng;
	char job[JOB_ID_MAX + 1];
	long last = 0;
	rng_init(&rng, 1, RNG_TEST, 0);
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	put_job(&f, "d", job);
	store_close(f.s);
	f.s = NULL;
	for (int round = 0; round < KILLS; round++) {
		int pipe_fd[2], status;
		long present = fixture_int(&f, "SELECT count(*) FROM job_event");
		ck_assert_int_eq(pipe(pipe_fd), 0);
		pid_t pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			write_until_killed(f.path, job, present + 1, pipe_fd[1]);
		close(pipe_fd[1]);
		struct pollfd first = { .fd = pipe_fd[0], .events = POLLIN };
		if (round % 5)   /* every fifth is killed while it opens */
			ck_assert_int_eq(poll(&first, 1, 60000), 1);
		usleep((useconds_t)rng_below(&rng, 20000));
		ck_assert_int_eq(kill(pid, SIGKILL), 0);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		last = read_acks(pipe_fd[0], last);
		close(pipe_fd[0]);
		check_acknowledged(&f, job, last);
	}
	ck_assert_int_gt(last, KILLS);
	printf("kill -9: %d kills, %ld acknowledged rows\n", KILLS, last);
	fixture_close(&f);
}
END_TEST

int main(void)
{
	if (!install_memory() || !install_vfs())
		return EXIT_FAILURE;
	Suite *suite = suite_create("faults");
	TCase *allocations = tcase_create("allocations"), *io = tcase_create("io"), *kills = tcase_create("kills");
	tcase_add_loop_test(allocations, allocations_fail, 0, 2);
	tcase_add_test(allocations, rest_of_a_lost_batch_is_refused);
	tcase_add_loop_test(io, io_fails, 0, sizeof io_cases / sizeof *io_cases);
	tcase_add_test(io, disk_full_passes);
	tcase_add_test(kills, killed_while_writing);
	TCase *const all[] = { allocations, io, kills };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
		tcase_set_timeout(all[i], 3600);
		suite_add_tcase(suite, all[i]);
	}
	return run_suite(suite);
}

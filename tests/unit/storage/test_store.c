/* Opening, locking, migrating, transactions, checking; two processes on one database. */
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "storage/lock.h"
#include "storage/schema.h"

#include "fixture.h"

static const struct { const char *name; bool ok; } name_cases[] = {
	{ "a", true }, { "A1", true }, { "0-._x", true }, { "aapl-5d", true },
	{ "0123456789012345678901234567890123456789012345678901234567890123", true },
	{ "01234567890123456789012345678901234567890123456789012345678901234", false },
	{ "", false }, { ".a", false }, { "-a", false }, { "_a", false }, { "a b", false }, { "a/b", false },
	{ "\xc3\xa9", false }, { "a\xc3\xa9", false }, { "a\n", false },
};

START_TEST(valid_names)
{
	ck_assert_int_eq(store_name_ok(name_cases[_i].name), name_cases[_i].ok);
}
END_TEST

START_TEST(digests)
{
	char whole[DIGEST_HEX], parts[DIGEST_HEX];
	digest_hex("", 0, whole);
	ck_assert_str_eq(whole, sample_sha256);
	digest_hex("abc", 3, whole);
	ck_assert_str_eq(whole, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	struct digest *d = digest_new();
	ck_assert_ptr_nonnull(d);
	digest_add(d, "a", 1);
	digest_add(d, NULL, 0);
	digest_add(d, "bc", 2);
	digest_end(d, parts);
	ck_assert_str_eq(parts, whole);
	digest_free(NULL);
	digest_free(digest_new());
}
END_TEST

START_TEST(opens_durable)
{
	struct fixture f;
	fixture_open(&f);
	ck_assert_int_eq(fixture_int(&f, "PRAGMA user_version"), store_schema_version());
	ck_assert_int_eq(fixture_int(&f, "PRAGMA page_size"), 16384);
	ck_assert_int_eq(fixture_int(&f, "PRAGMA application_id"), SCHEMA_APPLICATION_ID);
	ck_assert_int_eq(fixture_int(&f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
	ck_assert_int_eq(fixture_problems(&f), 0);
	ck_assert(!store_broken(f.s));
	fixture_close(&f);
	store_close(NULL);
}
END_TEST

START_TEST(second_writer_is_refused)
{
	struct fixture f;
	struct store *other = NULL;
	char pid[32], path[128];
	fixture_open(&f);
	ck_err(ERR_CONFLICT, store_open(f.path, STORE_WRITER, &other, &f.e));
	ck_assert_ptr_null(other);
	snprintf(pid, sizeof pid, "process %ld ", (long)getpid());
	ck_assert_ptr_nonnull(strstr(f.e.what, pid));
	/* by a link just as well */
	snprintf(path, sizeof path, "%s/link", f.folder);
	ck_assert_int_eq(symlink(f.path, path), 0);
	ck_err(ERR_CONFLICT, store_open(path, STORE_WRITER, &other, &f.e));
	fixture_reopen(&f);   /* the lock goes with its holder */
	fixture_close(&f);
}
END_TEST

static const struct { long type; bool network; } file_systems[] = {
	{ 0x6969, true }, { 0x517B, true }, { 0xFF534D42, true }, { (long)(int)0xFF534D42, true }, { 0xFE534D42, true },
	{ 0xEF53, false }, { 0x01021994, false }, { 0x794C7630, false }, { 0x58465342, false },
};

START_TEST(network_file_systems)
{
	ck_assert_int_eq(lock_network_filesystem(file_systems[_i].type), file_systems[_i].network);
}
END_TEST

START_TEST(bad_paths)
{
	struct store *s = NULL;
	struct error e;
	ck_err(ERR_STORAGE, store_open("/nowhere/at/all/db", STORE_WRITER, &s, &e));
	ck_assert_ptr_nonnull(strstr(e.what, "/nowhere/at/all/db"));
	ck_err(ERR_STORAGE, store_open("/proc/db", STORE_WRITER, &s, &e));
	ck_err(ERR_STORAGE, store_open("/tmp/no-such-database-for-readers", STORE_READER, &s, &e));
	ck_assert_ptr_null(s);
}
END_TEST

static void write_file(const char *path, off_t at, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, at), (ssize_t)len);
	close(fd);
}

START_TEST(damage_is_refused)
{
	struct fixture f;
	struct store *s = NULL;
	struct stat st;
	char noise[16384];
	fixture_open(&f);
	put_dataset(&f, "d", 20000);
	store_close(f.s);
	f.s = NULL;
	memset(noise, 0xA5, sizeof noise);
	if (_i == 0)
		write_file(f.path, 0, noise, 100);              /* the header */
	else if (_i == 1)
		write_file(f.path, 100, noise, 4000);           /* the schema page */
	else
		ck_assert_int_eq(stat(f.path, &st) || truncate(f.path, st.st_size / 2), 0);
	for (enum store_mode mode = STORE_WRITER; mode <= STORE_READER; mode++) {
		ck_err(ERR_STORAGE, store_open(f.path, mode, &s, &f.e));
		ck_assert_msg(strstr(f.e.what, "is damaged") && strstr(f.e.what, f.path), "%s", f.e.what);
	}
	fixture_close(&f);
}
END_TEST

START_TEST(foreign_databases_are_refused)
{
	struct fixture f;
	struct store *s = NULL;
	fixture_folder(&f);
	fixture_sql(&f, "CREATE TABLE theirs (x)");
	ck_err(ERR_STORAGE, store_open(f.path, STORE_WRITER, &s, &f.e));
	ck_assert_ptr_nonnull(strstr(f.e.what, "not one of gatecast"));
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM sqlite_schema"), 1);
	fixture_close(&f);
}
END_TEST

START_TEST(newer_databases_are_refused)
{
	struct fixture f;
	struct store *s = NULL;
	fixture_open(&f);
	store_close(f.s);
	f.s = NULL;
	fixture_sql(&f, "PRAGMA user_version = 99");
	for (enum store_mode mode = STORE_WRITER; mode <= STORE_READER; mode++) {
		ck_err(ERR_STORAGE, store_open(f.path, mode, &s, &f.e));
		ck_assert_ptr_nonnull(strstr(f.e.what, "schema version 99"));
	}
	fixture_close(&f);
}
END_TEST

START_TEST(readers_do_not_migrate)
{
	struct fixture f;
	struct store *s = NULL;
	fixture_folder(&f);
	fixture_sql(&f, "PRAGMA user_version = 0; VACUUM");
	ck_err(ERR_STORAGE, store_open(f.path, STORE_READER, &s, &f.e));
	ck_assert_ptr_nonnull(strstr(f.e.what, "migrate"));
	ck_ok(&f, store_open(f.path, STORE_WRITER, &f.s, &f.e));   /* version 0, no tables: a new database */
	ck_ok(&f, store_open(f.path, STORE_READER, &s, &f.e));
	store_close(s);
	fixture_close(&f);
}
END_TEST

/* A step that works, then one that fails half-way: the first is kept, the second leaves nothing, a copy exists. */
START_TEST(migrations_are_whole)
{
	struct fixture f, copy;
	fixture_open(&f);
	const char *steps[] = { schema_steps[0], "CREATE TABLE two (x INTEGER) STRICT; INSERT INTO two VALUES (2)",
		"CREATE TABLE three (x INTEGER) STRICT; INSERT INTO nowhere VALUES (1)" };
	ck_err(ERR_STORAGE, schema_migrate(f.s, steps, 3, &f.e));
	ck_assert_int_eq(fixture_int(&f, "PRAGMA user_version"), 2);
	ck_assert_int_eq(fixture_int(&f, "SELECT x FROM two"), 2);
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM sqlite_schema WHERE name = 'three'"), 0);
	copy = f;
	snprintf(copy.path, sizeof copy.path, "%s/db.v1.bak", f.folder);
	ck_assert_int_eq(fixture_int(&copy, "PRAGMA user_version"), 1);
	ck_assert_int_eq(fixture_int(&copy, "SELECT count(*) FROM sqlite_schema WHERE name = 'two'"), 0);
	unlink(copy.path);
	ck_ok(&f, schema_migrate(f.s, steps, 2, &f.e));   /* nothing to do, no copy */
	ck_assert_int_ne(access(copy.path, F_OK), 0);
	ck_ok(&f, schema_expect(f.s, 2, &f.e));
	ck_err(ERR_STORAGE, schema_expect(f.s, 1, &f.e));
	ck_err(ERR_STORAGE, schema_expect(f.s, 3, &f.e));
	fixture_close(&f);
}
END_TEST

static bool has_dataset(struct fixture *f, const char *name)
{
	struct dataset_info d;
	enum err rc = dataset_get(f->s, name, 0, &d, &f->e);
	if (!rc)
		dataset_info_fini(&d);
	return !rc;
}

START_TEST(transactions)
{
	struct fixture f;
	fixture_open(&f);
	ck_ok(&f, store_begin(f.s, &f.e));
	put_dataset(&f, "gone", 3);
	store_rollback(f.s);
	ck_assert(!has_dataset(&f, "gone"));

	ck_ok(&f, store_begin(f.s, &f.e));
	ck_ok(&f, store_savepoint(f.s, &f.e));
	put_dataset(&f, "kept", 3);
	ck_ok(&f, store_release(f.s, &f.e));
	ck_ok(&f, store_savepoint(f.s, &f.e));
	put_dataset(&f, "undone", 3);
	store_rollback_to(f.s);
	ck_ok(&f, store_savepoint(f.s, &f.e));
	ck_err(ERR_NOT_FOUND, dataset_delete(f.s, "nothing", &f.e));
	ck_ok(&f, store_release(f.s, &f.e));
	ck_ok(&f, store_commit(f.s, &f.e));
	ck_assert(has_dataset(&f, "kept"));
	ck_assert(!has_dataset(&f, "undone"));
	fixture_close(&f);
}
END_TEST

START_TEST(closing_rolls_back)
{
	struct fixture f;
	fixture_open(&f);
	ck_ok(&f, store_begin(f.s, &f.e));
	put_dataset(&f, "open", 3);
	fixture_reopen(&f);
	ck_assert(!has_dataset(&f, "open"));
	fixture_close(&f);
}
END_TEST

/* A writer of another kind in the way: ERR_BUSY, counted; nothing happened. */
START_TEST(busy_is_counted)
{
	struct fixture f;
	struct store *other;
	fixture_open(&f);
	ck_ok(&f, store_open(f.path, STORE_READER, &other, &f.e));
	uint64_t before = store_busy_total();
	sqlite3 *raw;
	ck_assert_int_eq(sqlite3_open(f.path, &raw), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(raw, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	ck_err(ERR_BUSY, store_begin(f.s, &f.e));
	ck_assert_uint_eq(store_busy_total(), before + 1);
	sqlite3_close(raw);
	ck_ok(&f, store_begin(f.s, &f.e));
	ck_ok(&f, store_commit(f.s, &f.e));
	store_close(other);
	fixture_close(&f);
}
END_TEST

static long long wal_bytes(const struct fixture *f)
{
	char path[96];
	struct stat st;
	snprintf(path, sizeof path, "%s-wal", f->path);
	return stat(path, &st) == 0 ? (long long)st.st_size : -1;
}

START_TEST(checkpoints_of_the_log)
{
	struct fixture f;
	struct store *reader;
	struct model_name *names = NULL;
	size_t n;
	bool more;
	fixture_open(&f);
	ck_ok(&f, store_open(f.path, STORE_READER, &reader, &f.e));
	put_dataset(&f, "d", 100);
	ck_assert_int_gt(wal_bytes(&f), 0);
	store_checkpoint(f.s, false);      /* below 1,000 pages: nothing to do */
	ck_assert_int_gt(wal_bytes(&f), 0);
	store_checkpoint(f.s, true);
	ck_assert_int_eq(wal_bytes(&f), 0);
	for (int i = 0; i < 12; i++)
		put_dataset(&f, "big", 60000);
	ck_assert_int_gt(wal_bytes(&f), 16 << 20);
	store_checkpoint(f.s, false);      /* above: written back, the next commit starts the log again */
	long long before = wal_bytes(&f);
	put_dataset(&f, "d", 100);
	ck_assert_int_eq(wal_bytes(&f), before);
	ck_ok(&f, model_list(reader, NULL, 1, &names, &n, &more, &f.e));
	store_close(reader);
	fixture_close(&f);
}
END_TEST

static const struct { const char *what, *sql; } damages[] = {
	{ "weights", "UPDATE model_version SET weights = zeroblob(16)" },
	{ "one byte of the weights", "UPDATE model_version SET weights = CAST(substr(weights, 1, 5) || x'01' ||"
		" substr(weights, 7) AS BLOB)" },
	{ "calibration", "UPDATE model_version SET calibration = zeroblob(8)" },
	{ "document", "UPDATE model_version SET document = '{}'" },
	{ "cells", "UPDATE dataset_chunk SET cells = zeroblob(length(cells)) WHERE position = 1" },
	{ "state", "UPDATE job_checkpoint SET state = x'00'" },
	{ "reference", "PRAGMA foreign_keys = OFF; DELETE FROM dataset_column;"
		" UPDATE dataset_chunk SET dataset_id = 77" },
};

/* Of a file that this connection made, and of one that it found. */
START_TEST(memory_does_not_grow_with_the_file)
{
	enum { MODELS = 48, FLOATS = 1 << 16, CACHE = 4 << 20, BESIDE = 2 << 20 };
	struct fixture f;
	struct model_blobs blobs = sample_blobs();
	float *weights = calloc(FLOATS, sizeof *weights);
	int version;
	ck_assert_ptr_nonnull(weights);
	blobs.weights = weights;
	blobs.n_weights = FLOATS;
	fixture_open(&f);
	if (_i)
		fixture_reopen(&f);
	for (int i = 0; i < MODELS; i++)
		ck_ok(&f, model_put(f.s, "m", &blobs, NULL, &version, &f.e));
	ck_assert_int_le(sqlite3_memory_used(), CACHE + BESIDE);
	fixture_close(&f);
	free(weights);
}
END_TEST

START_TEST(check_finds_damage)
{
	struct fixture f;
	struct model_blobs b = sample_blobs();
	char id[JOB_ID_MAX + 1];
	int version;
	fixture_open(&f);
	put_dataset(&f, "d", 10);
	put_job(&f, "d", id);
	int64_t epoch = claim_job(&f, id);
	ck_ok(&f, job_checkpoint_add(f.s, id, epoch, 1, "{}", "state", 5, &f.e));
	ck_ok(&f, model_put(f.s, "m", &b, NULL, &version, &f.e));
	ck_assert_int_eq(fixture_problems(&f), 0);
	fixture_sql(&f, damages[_i].sql);
	ck_assert_int_gt(fixture_problems(&f), 0);
	fixture_close(&f);
}
END_TEST

/* --- two processes --- */

static void write_models(const char *path, int ready, int go)
{
	struct store *s;
	struct error e;
	struct model_blobs b = sample_blobs();
	char c;
	int version;
	if (store_open(path, STORE_WRITER, &s, &e) || write(ready, "r", 1) != 1 || read(go, &c, 1) != 1)
		_exit(1);
	for (int i = 0; i < 300; i++) {
		if (store_begin(s, &e) || model_put(s, "m", &b, NULL, &version, &e) || store_commit(s, &e))
			_exit(2);
		store_checkpoint(s, i % 50 == 0);
	}
	store_close(s);
	_exit(0);
}

START_TEST(two_processes)
{
	struct fixture f;
	struct store *s = NULL, *reader;
	int ready[2], go[2], status, seen = 0;
	char c, pid_text[32];
	fixture_folder(&f);
	ck_assert_int_eq(pipe(ready) | pipe(go), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		write_models(f.path, ready[1], go[0]);
	ck_assert_int_eq(read(ready[0], &c, 1), 1);
	ck_err(ERR_CONFLICT, store_open(f.path, STORE_WRITER, &s, &f.e));
	snprintf(pid_text, sizeof pid_text, "process %ld ", (long)pid);
	ck_assert_ptr_nonnull(strstr(f.e.what, pid_text));
	ck_ok(&f, store_open(f.path, STORE_READER, &reader, &f.e));
	ck_assert_int_eq(write(go[1], "g", 1), 1);
	while (seen < 300) {
		struct model_name *names = NULL;
		size_t n;
		bool more;
		ck_ok(&f, model_list(reader, NULL, 10, &names, &n, &more, &f.e));
		ck_assert(n == 0 || (names[0].latest >= seen && names[0].versions == names[0].latest));
		seen = n ? names[0].latest : 0;
		free(names);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	store_close(reader);
	ck_ok(&f, store_open(f.path, STORE_WRITER, &f.s, &f.e));
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("store");
	TCase *t = tcase_create("store");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, valid_names, 0, sizeof name_cases / sizeof *name_cases);
	tcase_add_test(t, digests);
	tcase_add_test(t, opens_durable);
	tcase_add_test(t, second_writer_is_refused);
	tcase_add_loop_test(t, network_file_systems, 0, sizeof file_systems / sizeof *file_systems);
	tcase_add_test(t, bad_paths);
	tcase_add_loop_test(t, damage_is_refused, 0, 3);
	tcase_add_test(t, foreign_databases_are_refused);
	tcase_add_test(t, newer_databases_are_refused);
	tcase_add_test(t, readers_do_not_migrate);
	tcase_add_test(t, migrations_are_whole);
	tcase_add_test(t, transactions);
	tcase_add_test(t, closing_rolls_back);
	tcase_add_test(t, busy_is_counted);
	tcase_add_test(t, checkpoints_of_the_log);
	tcase_add_loop_test(t, memory_does_not_grow_with_the_file, 0, 2);
	tcase_add_loop_test(t, check_finds_damage, 0, sizeof damages / sizeof *damages);
	tcase_add_test(t, two_processes);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}

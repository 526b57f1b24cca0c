#include "fixture.h"

#include <math.h>
#include <sqlite3.h>
#include <unistd.h>

const char sample_sha256[DIGEST_HEX] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

void fixture_folder(struct fixture *f)
{
	memset(f, 0, sizeof *f);
	/* In memory where possible: the tests are of what is written, not of a disk. */
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(f->folder, sizeof f->folder, "%s/gatecast-test-XXXXXX", base);
	ck_assert_ptr_nonnull(mkdtemp(f->folder));
	snprintf(f->path, sizeof f->path, "%s/db", f->folder);
}

void fixture_open(struct fixture *f)
{
	fixture_folder(f);
	ck_ok(f, store_open(f->path, STORE_WRITER, &f->s, &f->e));
}

void fixture_reopen(struct fixture *f)
{
	store_close(f->s);
	f->s = NULL;
	ck_ok(f, store_open(f->path, STORE_WRITER, &f->s, &f->e));
}

void fixture_close(struct fixture *f)
{
	static const char *const names[] = { "db", "db-wal", "db-shm", "db.lock", "db-journal", "db.v1.bak", "link",
		"link.lock" };
	char file[128];
	store_close(f->s);
	f->s = NULL;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		snprintf(file, sizeof file, "%s/%s", f->folder, names[i]);
		unlink(file);
	}
	ck_assert_int_eq(rmdir(f->folder), 0);
}

static sqlite3 *raw_open(const struct fixture *f)
{
	sqlite3 *db;
	ck_assert_int_eq(sqlite3_open(f->path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	return db;
}

void fixture_sql(const struct fixture *f, const char *sql)
{
	sqlite3 *db = raw_open(f);
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	sqlite3_close(db);
}

long long fixture_int(const struct fixture *f, const char *sql)
{
	sqlite3 *db = raw_open(f);
	sqlite3_stmt *q = NULL;
	ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK, "%s: %s", sql, sqlite3_errmsg(db));
	ck_assert_int_eq(sqlite3_step(q), SQLITE_ROW);
	long long v = sqlite3_column_int64(q, 0);
	sqlite3_finalize(q);
	sqlite3_close(db);
	return v;
}

static void count_line(void *arg, const char *line)
{
	int *lines = arg;
	ck_assert_int_gt((int)strlen(line), 0);
	(*lines)++;
}

int fixture_problems(struct fixture *f)
{
	int problems = -1, lines = 0;
	ck_ok(f, store_check(f->s, count_line, &lines, &problems, &f->e));
	ck_assert_int_eq(problems, lines);
	return problems;
}

struct frame *sample_frame(size_t rows)
{
	struct error e;
	struct frame *f = frame_new();
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(frame_add_column(f, "date", COLUMN_DATE, &e), ERR_OK);
	ck_assert_int_eq(frame_add_column(f, "close", COLUMN_NUMBER, &e), ERR_OK);
	ck_assert_int_eq(frame_add_column(f, "note", COLUMN_TEXT, &e), ERR_OK);
	f->date_column = 0;
	for (size_t r = 0; r < rows; r++) {
		char text[32];
		int len = snprintf(text, sizeof text, "row %zu", r);
		ck_assert_int_eq(frame_add_row(f, &e), ERR_OK);
		frame_set_date(f, 0, r, (int64_t)r * 86400);
		if (r % 7)
			frame_set_number(f, 1, r, (double)r + 0.5);
		if (r % 3)
			ck_assert_int_eq(frame_set_text(f, 2, r, text, (size_t)len, &e), ERR_OK);
	}
	return f;
}

struct model_blobs sample_blobs(void)
{
	static const float weights[] = { 1.5f, -2.0f, 3.25f, 0.0f }, calibration[] = { 0.5f, 0.75f };
	return (struct model_blobs){ .document = "{\"network\":1}", .evaluation = "{\"mae\":1}",
		.weights = weights, .n_weights = 4, .calibration = calibration, .n_calibration = 2 };
}

int64_t put_dataset(struct fixture *f, const char *name, size_t rows)
{
	struct frame *frame = sample_frame(rows);
	struct dataset_info d;
	bool replaced;
	ck_ok(f, dataset_put(f->s, name, frame, "{\"columns\":3}", sample_sha256, &d, &replaced, &f->e));
	frame_free(frame);
	dataset_info_fini(&d);
	return d.id;
}

void put_job(struct fixture *f, const char *dataset, char id[JOB_ID_MAX + 1])
{
	struct job_new in = { .model = "m", .dataset = dataset, .spec = "{\"preset\":\"gru\"}", .metadata = "{}" };
	struct job j;
	bool replayed;
	ck_ok(f, job_create(f->s, &in, 1000, &j, &replayed, &f->e));
	ck_assert(!replayed);
	memcpy(id, j.id, sizeof j.id);
	job_fini(&j);
}

int64_t claim_job(struct fixture *f, char id[JOB_ID_MAX + 1])
{
	struct job j;
	ck_ok(f, job_claim(f->s, 3600, &j, &f->e));
	memcpy(id, j.id, sizeof j.id);
	job_fini(&j);
	return j.epoch;
}

enum job_status status_of(struct fixture *f, const char *id)
{
	struct job j;
	ck_ok(f, job_get(f->s, id, &j, &f->e));
	job_fini(&j);
	return j.status;
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner), run = srunner_ntests_run(runner);
	srunner_free(runner);
	return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

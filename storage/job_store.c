/* job_store.c - the queue of training jobs: states, leases, fencing. Events are in job_event.c, checkpoints in
 * job_checkpoint.c; the drawing of the states is in job_store.h.
 *
 * A lease is a time of CLOCK_BOOTTIME (it runs on while the machine sleeps and nobody can set it) together with the
 * id of the boot it belongs to. A lease that ran out, or is of another boot, means that the worker is gone. */
#include "storage/job_store.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "storage/dataset.h"
#include "storage/db.h"
#include "storage/job_row.h"
#include "storage/retention.h"

#define IDEMPOTENCY_KEY_MAX 255

/* --- states --- */

static const char *const status_names[] = {
	[JOB_QUEUED] = "queued", [JOB_RUNNING] = "running", [JOB_PAUSED] = "paused",
	[JOB_SUCCEEDED] = "succeeded", [JOB_FAILED] = "failed", [JOB_CANCELLED] = "cancelled",
};

#define STATUSES (sizeof status_names / sizeof *status_names)

const char *job_status_name(enum job_status s)
{
	return status_names[s];
}

bool job_status_ended(enum job_status s)
{
	return s == JOB_SUCCEEDED || s == JOB_FAILED || s == JOB_CANCELLED;
}

bool job_move_allowed(enum job_status from, enum job_status to)
{
	static const bool allowed[STATUSES][STATUSES] = {
		[JOB_QUEUED]  = { [JOB_RUNNING] = true, [JOB_PAUSED] = true, [JOB_CANCELLED] = true },
		[JOB_RUNNING] = { [JOB_QUEUED] = true, [JOB_PAUSED] = true, [JOB_SUCCEEDED] = true, [JOB_FAILED] = true,
				  [JOB_CANCELLED] = true },
		[JOB_PAUSED]  = { [JOB_QUEUED] = true, [JOB_CANCELLED] = true },
	};
	return from < STATUSES && to < STATUSES && allowed[from][to];
}

static enum err status_read(sqlite3_stmt *q, int column, enum job_status *out, struct error *e)
{
	char name[16];
	enum err rc = db_copy_text(q, column, name, sizeof name, e);
	if (rc)
		return rc;
	for (size_t i = 0; i < STATUSES; i++) {
		if (strcmp(name, status_names[i]) == 0) {
			*out = (enum job_status)i;
			return ERR_OK;
		}
	}
	return fail(e, ERR_STORAGE, "", "a job has the unknown status \"%s\"", name);
}

/* --- rows --- */

#define JOB_COLUMNS \
	"id, status, model, dataset, dataset_version, version, coalesce(dataset_id, 0), created_at_us, started_at_us," \
	" finished_at_us, epoch, attempts, losses, cancel_requested, pause_requested, discard, spec, progress," \
	" metrics, result, error, metadata"

void job_fini(struct job *j)
{
	char **const texts[] = { &j->spec, &j->progress, &j->metrics, &j->result, &j->error, &j->metadata };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		free(*texts[i]);
		*texts[i] = NULL;
	}
}

static void row_fini(void *item)
{
	job_fini(item);
}

static enum err texts_read(sqlite3_stmt *q, struct job *j, struct error *e)
{
	char **const texts[] = { &j->spec, &j->progress, &j->metrics, &j->result, &j->error, &j->metadata };
	enum err rc = ERR_OK;
	for (size_t i = 0; i < sizeof texts / sizeof *texts && !rc; i++)
		rc = db_dup_text(q, 16 + (int)i, texts[i], e);
	return rc;
}

static enum err row_read(sqlite3_stmt *q, void *item, struct error *e)
{
	struct job *j = item;
	j->dataset_version = sqlite3_column_int(q, 4);
	j->version = sqlite3_column_int(q, 5);
	j->dataset_id = sqlite3_column_int64(q, 6);
	j->created_at_us = sqlite3_column_int64(q, 7);
	j->started_at_us = sqlite3_column_int64(q, 8);
	j->finished_at_us = sqlite3_column_int64(q, 9);
	j->epoch = sqlite3_column_int64(q, 10);
	j->attempts = sqlite3_column_int(q, 11);
	j->losses = sqlite3_column_int(q, 12);
	j->cancel_requested = sqlite3_column_int(q, 13);
	j->pause_requested = sqlite3_column_int(q, 14);
	j->discard = sqlite3_column_int(q, 15);
	enum err rc = db_copy_text(q, 0, j->id, sizeof j->id, e);
	if (!rc)
		rc = status_read(q, 1, &j->status, e);
	if (!rc)
		rc = db_copy_text(q, 2, j->model, sizeof j->model, e);
	if (!rc)
		rc = db_copy_text(q, 3, j->dataset, sizeof j->dataset, e);
	if (!rc)
		rc = texts_read(q, j, e);
	return rc;
}

static const struct db_kind job_kind = { sizeof(struct job), row_read, row_fini };

static enum err no_job(const char *id, struct error *e)
{
	return fail(e, ERR_NOT_FOUND, "", "there is no job \"%s\"", id);
}

enum err job_get(struct store *s, const char *id, struct job *out, struct error *e)
{
	enum err rc = db_get(s, "SELECT " JOB_COLUMNS " FROM job WHERE id = ?1", DB_VALUES(db_text(id)), &job_kind,
		out, e);
	return rc == ERR_NOT_FOUND ? no_job(id, e) : rc;
}

enum err job_row_exists(struct store *s, const char *id, struct error *e)
{
	int64_t one;
	enum err rc = db_ints(s, "SELECT 1 FROM job WHERE id = ?1", DB_VALUES(db_text(id)), &one, 1, e);
	return rc == ERR_NOT_FOUND ? no_job(id, e) : rc;
}

enum err job_list(struct store *s, const char *after, int limit, struct job **out, size_t *n, bool *more,
		struct error *e)
{
	void *items = NULL;
	enum err rc = db_list(s, "SELECT " JOB_COLUMNS " FROM job WHERE id < ?1 ORDER BY id DESC",
		DB_VALUES(db_text(after && *after ? after : "~")), limit, &job_kind, &items, n, more, e);
	if (!rc)
		*out = items;
	return rc;
}

void job_list_free(struct job *list, size_t n)
{
	db_list_free(list, n, &job_kind);
}

enum err job_counts(struct store *s, int64_t counts[JOB_CANCELLED + 1], struct error *e)
{
	return db_ints(s, "SELECT count(*) FILTER (WHERE status = 'queued'),"
		" count(*) FILTER (WHERE status = 'running'), count(*) FILTER (WHERE status = 'paused'),"
		" count(*) FILTER (WHERE status = 'succeeded'),"
		" count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'cancelled') FROM job",
		DB_NONE, counts, (int)STATUSES, e);
}

/* --- ids --- */

#define ID_PREFIX "job_"
#define ID_DIGITS 24

static const char base32[] = "0123456789abcdefghjkmnpqrstvwxyz";   /* rising, without the look-alikes i, l, o, u */

/* 48 bits of milliseconds and 72 random bits, so that ids sort by time and cannot be guessed. */
static void id_fresh(char id[JOB_ID_MAX + 1])
{
	unsigned char bits[15];
	uint64_t ms = (uint64_t)store_now_us() / 1000;
	randombytes_buf(bits, sizeof bits);
	for (int i = 0; i < 6; i++)
		bits[i] = (unsigned char)(ms >> (40 - 8 * i));
	memcpy(id, ID_PREFIX, sizeof ID_PREFIX);
	char *digit = id + strlen(ID_PREFIX);
	for (int d = 0; d < ID_DIGITS; d++) {
		int at = 5 * d;
		unsigned pair = (unsigned)bits[at / 8] << 8 | (at / 8 + 1 < (int)sizeof bits ? bits[at / 8 + 1] : 0);
		digit[d] = base32[pair >> (11 - at % 8) & 31];
	}
	digit[ID_DIGITS] = '\0';
}

static void id_increment(char id[JOB_ID_MAX + 1])
{
	for (size_t d = strlen(id); d-- > strlen(ID_PREFIX);) {
		const char *at = strchr(base32, id[d]);
		if (at && at[0] && at[1]) {
			id[d] = at[1];
			return;
		}
		id[d] = base32[0];   /* carry */
	}
}

static enum err id_read(sqlite3_stmt *q, void *item, struct error *e)
{
	return db_copy_text(q, 0, item, JOB_ID_MAX + 1, e);
}

static const struct db_kind id_kind = { JOB_ID_MAX + 1, id_read, NULL };

/* Ids are the order of the queue, so they rise even within a millisecond and when the clock is set back. */
static enum err id_next(struct store *s, char id[JOB_ID_MAX + 1], struct error *e)
{
	char newest[JOB_ID_MAX + 1] = "";
	enum err rc = db_get(s, "SELECT coalesce(max(id), '') FROM job", DB_NONE, &id_kind, newest, e);
	if (rc)
		return rc;
	id_fresh(id);
	if (strcmp(id, newest) <= 0) {
		memcpy(id, newest, sizeof newest);
		id_increment(id);
	}
	return ERR_OK;
}

/* --- creating --- */

/* ERR_NOT_FOUND: the key is new. */
static enum err replay(struct store *s, const struct job_new *in, struct job *out, struct error *e)
{
	sqlite3_stmt *q = NULL;
	bool row = false, same = false;
	char id[JOB_ID_MAX + 1];
	enum err rc = db_query(s, "SELECT id, body_sha256 IS ?2 FROM job WHERE idempotency_key = ?1",
		DB_VALUES(db_text(in->idempotency_key), db_text(in->body_sha256)), &q, e);
	if (!rc)
		rc = db_next(s, q, &row, e);
	if (!rc && !row)
		rc = ERR_NOT_FOUND;
	if (!rc) {
		same = sqlite3_column_int(q, 1);
		rc = db_copy_text(q, 0, id, sizeof id, e);
	}
	db_done(q);
	if (rc)
		return rc;
	if (!same)
		return fail(e, ERR_INVALID, "", "this idempotency key came with another body before");
	return job_get(s, id, out, e);
}

static enum err check_new(struct store *s, const struct job_new *in, int max_queued, struct error *e)
{
	int64_t queued;
	size_t key = in->idempotency_key ? strlen(in->idempotency_key) : 1;
	enum err rc = db_check_name("/model", in->model, e);
	if (!rc && (key < 1 || key > IDEMPOTENCY_KEY_MAX))
		rc = fail(e, ERR_INVALID, "", "an idempotency key has 1 to %d bytes", IDEMPOTENCY_KEY_MAX);
	if (!rc)
		rc = db_ints(s, "SELECT count(*) FROM job WHERE status = 'queued'", DB_NONE, &queued, 1, e);
	if (!rc && queued >= max_queued)
		rc = fail(e, ERR_QUOTA, "", "%d jobs are waiting, which is the limit", max_queued);
	return rc;
}

static enum err insert(struct store *s, const struct job_new *in, const struct dataset_info *d, struct job *out,
		struct error *e)
{
	char id[JOB_ID_MAX + 1];
	enum err rc = id_next(s, id, e);
	if (!rc)
		rc = db_get(s, "INSERT INTO job (id, status, model, dataset, dataset_version, dataset_id,"
			" created_at_us, idempotency_key, body_sha256, spec, metadata)"
			" VALUES (?1, 'queued', ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING " JOB_COLUMNS,
			DB_VALUES(db_text(id), db_text(in->model), db_text(d->name), db_int(d->version), db_int(d->id),
				db_int(store_now_us()), db_text(in->idempotency_key), db_text(in->body_sha256),
				db_text(in->spec), db_text(in->metadata)), &job_kind, out, e);
	return rc;
}

enum err job_create(struct store *s, const struct job_new *in, int max_queued, struct job *out, bool *replayed,
		struct error *e)
{
	struct dataset_info d = { 0 };
	enum err rc = in->idempotency_key ? replay(s, in, out, e) : ERR_NOT_FOUND;
	if (rc != ERR_NOT_FOUND) {
		if (!rc)
			*replayed = true;
		return rc;
	}
	rc = check_new(s, in, max_queued, e);
	if (!rc)
		rc = dataset_get(s, in->dataset, in->dataset_version, &d, e);
	if (!rc)
		rc = insert(s, in, &d, out, e);
	if (!rc)
		*replayed = false;
	dataset_info_fini(&d);
	return rc;
}

/* --- workers --- */

static int64_t boottime_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_BOOTTIME, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t lease_end(int lease_s)
{
	return boottime_us() + (int64_t)lease_s * 1000000;
}

/* An UPDATE of the worker's row; ?1 and ?2 of sql are its id and epoch. Nothing changed: it owns the row no more. */
static enum err fenced(struct store *s, const char *sql, const struct db_value *v, struct error *e)
{
	const char *id = v[0].p;
	int changed = 0;
	enum err rc = db_run(s, sql, v, &changed, e);
	if (rc || changed)
		return rc;
	rc = job_row_exists(s, id, e);
	if (rc)
		return rc;
	return fail(e, ERR_CONFLICT, "", "epoch %lld of job \"%s\" is over", (long long)v[1].i, id);
}

#define FENCED " WHERE id = ?1 AND epoch = ?2 AND status = 'running'"

enum err job_heartbeat(struct store *s, const char *id, int64_t epoch, int lease_s, struct error *e)
{
	return fenced(s, "UPDATE job SET lease_boot = ?3, lease_until_us = ?4" FENCED,
		DB_VALUES(db_text(id), db_int(epoch), db_text(s->boot_id), db_int(lease_end(lease_s))), e);
}

enum err job_progress(struct store *s, const char *id, int64_t epoch, const char *progress, const char *metrics,
		struct error *e)
{
	return fenced(s, "UPDATE job SET progress = coalesce(?3, progress), metrics = coalesce(?4, metrics)" FENCED,
		DB_VALUES(db_text(id), db_int(epoch), db_text(progress), db_text(metrics)), e);
}

enum err job_row_got_checkpoint(struct store *s, const char *id, int64_t epoch, struct error *e)
{
	return fenced(s, "UPDATE job SET losses = 0" FENCED, DB_VALUES(db_text(id), db_int(epoch)), e);
}

/* How a running job stops running, all ways alike. */
struct stop {
	enum job_status to;
	int losses;
	const char *result, *error;   /* NULL keeps what there is */
};

static enum err stop_running(struct store *s, const char *id, int64_t epoch, const struct stop *how, struct error *e)
{
	assert(job_move_allowed(JOB_RUNNING, how->to));
	int64_t finished_at = job_status_ended(how->to) ? store_now_us() : 0;
	enum err rc = fenced(s, "UPDATE job SET status = ?3, finished_at_us = ?4, losses = ?5,"
		" result = coalesce(?6, result), error = coalesce(?7, error), pause_requested = 0,"
		" lease_boot = '', lease_until_us = 0" FENCED,
		DB_VALUES(db_text(id), db_int(epoch), db_text(job_status_name(how->to)), db_int(finished_at),
			db_int(how->losses), db_text(how->result), db_text(how->error)), e);
	if (!rc && job_status_ended(how->to))
		rc = retention_apply(s, e);
	return rc;
}

/* Where a job goes that stops without a result. A pause that was taken back meanwhile is no pause. */
static enum job_status stopped_status(const struct job *j)
{
	if (j->cancel_requested)
		return JOB_CANCELLED;
	return j->pause_requested ? JOB_PAUSED : JOB_QUEUED;
}

/* Queue again what lost its worker: leases of other boots, and those of this boot that end before `now`. */
static enum err requeue(struct store *s, int64_t now, int *requeued, struct error *e)
{
	void *items = NULL;
	size_t n = 0;
	int back = 0;
	enum err rc = db_list(s, "SELECT " JOB_COLUMNS " FROM job WHERE status = 'running'"
		" AND (lease_boot <> ?1 OR lease_until_us <= ?2) ORDER BY id",
		DB_VALUES(db_text(s->boot_id), db_int(now)), INT_MAX, &job_kind, &items, &n, NULL, e);
	const struct job *j = items;
	for (size_t i = 0; i < n && !rc; i++) {
		struct stop how = { .to = stopped_status(&j[i]), .losses = j[i].losses };
		rc = stop_running(s, j[i].id, j[i].epoch, &how, e);
		back += how.to == JOB_QUEUED;
	}
	job_list_free(items, n);
	if (!rc)
		*requeued = back;
	return rc;
}

enum err job_recover(struct store *s, int *requeued, struct error *e)
{
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	int back = 0;
	rc = requeue(s, INT64_MAX, &back, e);
	rc = db_part_end(s, rc, e);
	if (!rc)
		*requeued = back;
	return rc;
}

static enum err claim_oldest(struct store *s, int lease_s, struct job *out, struct error *e)
{
	enum err rc = db_get(s, "UPDATE job SET status = 'running', epoch = epoch + 1, attempts = attempts + 1,"
		" lease_boot = ?1, lease_until_us = ?2,"
		" started_at_us = CASE started_at_us WHEN 0 THEN ?3 ELSE started_at_us END"
		" WHERE id = (SELECT min(id) FROM job WHERE status = 'queued') RETURNING " JOB_COLUMNS,
		DB_VALUES(db_text(s->boot_id), db_int(lease_end(lease_s)), db_int(store_now_us())), &job_kind, out, e);
	return rc == ERR_NOT_FOUND ? fail(e, rc, "", "no job waits") : rc;
}

enum err job_claim(struct store *s, int lease_s, struct job *out, struct error *e)
{
	struct job claimed = { 0 };
	int requeued;
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = requeue(s, boottime_us(), &requeued, e);
	if (!rc)
		rc = claim_oldest(s, lease_s, &claimed, e);
	bool none = rc == ERR_NOT_FOUND;   /* what was cancelled or paused on the way stays so */
	rc = db_part_end(s, none ? ERR_OK : rc, e);
	if (rc)
		job_fini(&claimed);
	else if (!none)
		*out = claimed;
	return rc ? rc : none ? ERR_NOT_FOUND : ERR_OK;
}

static enum err lose_worker(struct store *s, const char *id, int64_t epoch, int max_attempts, const char *error_json,
		enum job_status *now, struct error *e)
{
	struct job j;
	enum err rc = job_get(s, id, &j, e);
	if (rc)
		return rc;
	struct stop how = { .to = stopped_status(&j), .losses = j.losses + 1, .error = error_json };
	if (how.to == JOB_QUEUED && how.losses >= max_attempts)
		how.to = JOB_FAILED;
	job_fini(&j);
	rc = stop_running(s, id, epoch, &how, e);
	if (!rc)
		*now = how.to;
	return rc;
}

enum err job_lost(struct store *s, const char *id, int64_t epoch, int max_attempts, const char *error_json,
		enum job_status *now, struct error *e)
{
	enum job_status to = JOB_QUEUED;
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = lose_worker(s, id, epoch, max_attempts, error_json, &to, e);
	rc = db_part_end(s, rc, e);
	if (!rc)
		*now = to;
	return rc;
}

static enum err stop_for_pause(struct store *s, const char *id, int64_t epoch, struct error *e)
{
	struct job j;
	enum err rc = job_get(s, id, &j, e);
	if (rc)
		return rc;
	struct stop how = { .to = stopped_status(&j), .losses = j.losses };
	job_fini(&j);
	return stop_running(s, id, epoch, &how, e);
}

enum err job_paused(struct store *s, const char *id, int64_t epoch, struct error *e)
{
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = stop_for_pause(s, id, epoch, e);
	return db_part_end(s, rc, e);
}

static enum err publish(struct store *s, const char *id, const struct model_blobs *blobs, int *version, struct error *e)
{
	struct job j;
	enum err rc = job_get(s, id, &j, e);
	if (rc)
		return rc;
	rc = model_put(s, j.model, blobs, id, version, e);
	job_fini(&j);
	if (!rc)
		rc = db_run(s, "UPDATE job SET version = ?2 WHERE id = ?1", DB_VALUES(db_text(id), db_int(*version)),
			NULL, e);
	return rc;
}

enum err job_finish(struct store *s, const char *id, int64_t epoch, enum job_status status,
		const struct model_blobs *blobs, const char *result, const char *error_json, int *version,
		struct error *e)
{
	assert(job_status_ended(status));
	int published = 0;
	struct stop how = { .to = status, .result = result, .error = error_json };
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = stop_running(s, id, epoch, &how, e);
	if (!rc && blobs)
		rc = publish(s, id, blobs, &published, e);
	rc = db_part_end(s, rc, e);
	if (!rc)
		*version = published;
	return rc;
}

/* --- users --- */

/* sql changes the row ?1 unless it has ended, and returns it. */
static enum err request(struct store *s, const char *sql, const struct db_value *v, struct job *out, struct error *e)
{
	const char *id = v[0].p;
	struct job j = { 0 };
	enum err rc = db_part_begin(s, e);
	if (rc)
		return rc;
	rc = db_get(s, sql, v, &job_kind, &j, e);
	if (rc == ERR_NOT_FOUND) {
		rc = job_row_exists(s, id, e);
		if (!rc)
			rc = fail(e, ERR_CONFLICT, "", "job \"%s\" has ended", id);
	}
	if (!rc && job_status_ended(j.status))
		rc = retention_apply(s, e);
	rc = db_part_end(s, rc, e);
	if (rc)
		job_fini(&j);
	else
		*out = j;
	return rc;
}

#define NOT_ENDED " WHERE id = ?1 AND status IN ('queued', 'running', 'paused') RETURNING " JOB_COLUMNS

enum err job_request_cancel(struct store *s, const char *id, bool discard, struct job *out, struct error *e)
{
	return request(s, "UPDATE job SET status = CASE status WHEN 'running' THEN 'running' ELSE 'cancelled' END,"
		" finished_at_us = CASE status WHEN 'running' THEN 0 ELSE ?2 END, cancel_requested = 1,"
		" discard = ?3" NOT_ENDED,
		DB_VALUES(db_text(id), db_int(store_now_us()), db_int(discard)), out, e);
}

enum err job_request_pause(struct store *s, const char *id, struct job *out, struct error *e)
{
	return request(s, "UPDATE job SET status = CASE status WHEN 'running' THEN 'running' ELSE 'paused' END,"
		" pause_requested = (status = 'running')" NOT_ENDED, DB_VALUES(db_text(id)), out, e);
}

enum err job_request_resume(struct store *s, const char *id, struct job *out, struct error *e)
{
	return request(s, "UPDATE job SET status = CASE status WHEN 'running' THEN 'running' ELSE 'queued' END,"
		" pause_requested = 0" NOT_ENDED, DB_VALUES(db_text(id)), out, e);
}

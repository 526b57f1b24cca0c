/* The queue: states, fencing, leases, idempotency, publishing once, checkpoints, events. */
#include "fixture.h"

/* --- states --- */

static const char moves[6][7] = {
	/*  to: Q R P S F C          from */
	"011001",                 /* queued */
	"101111",                 /* running */
	"100001",                 /* paused */
	"000000", "000000", "000000",
};

START_TEST(all_moves)
{
	enum job_status from = (enum job_status)(_i / 6), to = (enum job_status)(_i % 6);
	ck_assert_int_eq(job_move_allowed(from, to), moves[from][to] == '1');
	ck_assert_int_eq(job_status_ended(from), from >= JOB_SUCCEEDED);
	ck_assert(!job_move_allowed((enum job_status)6, to));
	ck_assert(!job_move_allowed(from, (enum job_status)6));
}
END_TEST

START_TEST(status_names)
{
	static const char *const names[] = { "queued", "running", "paused", "succeeded", "failed", "cancelled" };
	for (int i = 0; i < 6; i++)
		ck_assert_str_eq(job_status_name((enum job_status)i), names[i]);
}
END_TEST

/* A job in each status, by the functions that lead there. Returns its epoch. */
static int64_t bring_to(struct fixture *f, enum job_status status, char id[JOB_ID_MAX + 1])
{
	struct job j = { 0 };
	int version;
	int64_t epoch = 0;
	put_job(f, "d", id);
	if (status == JOB_PAUSED)
		ck_ok(f, job_request_pause(f->s, id, &j, &f->e));
	else if (status != JOB_QUEUED)
		epoch = claim_job(f, id);
	job_fini(&j);
	if (job_status_ended(status))
		ck_ok(f, job_finish(f->s, id, epoch, status, NULL, NULL, NULL, &version, &f->e));
	ck_assert_int_eq(status_of(f, id), status);
	return epoch;
}

enum action { CANCEL, PAUSE, RESUME, FINISH, PAUSED, LOST, RECOVER, CLAIM, ACTIONS };

static enum err act(struct fixture *f, enum action a, const char *id, int64_t epoch)
{
	struct job j = { 0 };
	enum job_status now;
	int n;
	enum err rc = ERR_INTERNAL;
	switch (a) {
	case CANCEL:  rc = job_request_cancel(f->s, id, false, &j, &f->e); break;
	case PAUSE:   rc = job_request_pause(f->s, id, &j, &f->e); break;
	case RESUME:  rc = job_request_resume(f->s, id, &j, &f->e); break;
	case FINISH:  rc = job_finish(f->s, id, epoch, JOB_SUCCEEDED, NULL, NULL, NULL, &n, &f->e); break;
	case PAUSED:  rc = job_paused(f->s, id, epoch, &f->e); break;
	case LOST:    rc = job_lost(f->s, id, epoch, 2, NULL, &now, &f->e); break;
	case RECOVER: rc = job_recover(f->s, &n, &f->e); break;
	case CLAIM:   rc = job_claim(f->s, 3600, &j, &f->e); break;
	case ACTIONS: break;
	}
	job_fini(&j);
	return rc;
}

#define NO ERR_CONFLICT

/* What each action comes to in each status: the error, or the next status. */
/* cancel, pause, resume, finish,
 * paused, lost, recover, claim */
static const struct { enum err rc; enum job_status to; } act_cases[6][ACTIONS] = {
	[JOB_QUEUED] = {
		{ 0, JOB_CANCELLED }, { 0, JOB_PAUSED }, { 0, JOB_QUEUED }, { NO, JOB_QUEUED },
		{ NO, JOB_QUEUED }, { NO, JOB_QUEUED }, { 0, JOB_QUEUED }, { 0, JOB_RUNNING },
	},
	[JOB_RUNNING] = {
		{ 0, JOB_RUNNING }, { 0, JOB_RUNNING }, { 0, JOB_RUNNING }, { 0, JOB_SUCCEEDED },
		{ 0, JOB_QUEUED }, { 0, JOB_QUEUED }, { 0, JOB_QUEUED }, { ERR_NOT_FOUND, JOB_RUNNING },
	},
	[JOB_PAUSED] = {
		{ 0, JOB_CANCELLED }, { 0, JOB_PAUSED }, { 0, JOB_QUEUED }, { NO, JOB_PAUSED },
		{ NO, JOB_PAUSED }, { NO, JOB_PAUSED }, { 0, JOB_PAUSED }, { ERR_NOT_FOUND, JOB_PAUSED },
	},
	[JOB_SUCCEEDED] = {
		{ NO, JOB_SUCCEEDED }, { NO, JOB_SUCCEEDED }, { NO, JOB_SUCCEEDED }, { NO, JOB_SUCCEEDED },
		{ NO, JOB_SUCCEEDED }, { NO, JOB_SUCCEEDED }, { 0, JOB_SUCCEEDED }, { ERR_NOT_FOUND, JOB_SUCCEEDED },
	},
	[JOB_FAILED] = {
		{ NO, JOB_FAILED }, { NO, JOB_FAILED }, { NO, JOB_FAILED }, { NO, JOB_FAILED },
		{ NO, JOB_FAILED }, { NO, JOB_FAILED }, { 0, JOB_FAILED }, { ERR_NOT_FOUND, JOB_FAILED },
	},
	[JOB_CANCELLED] = {
		{ NO, JOB_CANCELLED }, { NO, JOB_CANCELLED }, { NO, JOB_CANCELLED }, { NO, JOB_CANCELLED },
		{ NO, JOB_CANCELLED }, { NO, JOB_CANCELLED }, { 0, JOB_CANCELLED }, { ERR_NOT_FOUND, JOB_CANCELLED },
	},
};

START_TEST(all_actions)
{
	struct fixture f;
	char id[JOB_ID_MAX + 1];
	enum job_status from = (enum job_status)(_i / ACTIONS);
	enum action a = (enum action)(_i % ACTIONS);
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	int64_t epoch = bring_to(&f, from, id);
	ck_err(act_cases[from][a].rc, act(&f, a, id, epoch));
	ck_assert_int_eq(status_of(&f, id), act_cases[from][a].to);
	ck_assert_int_eq(fixture_problems(&f), 0);
	fixture_close(&f);
}
END_TEST

/* What was asked of a running job decides where it goes when it stops. */
static const struct { enum action asked, then_asked, stop; enum job_status to; } stop_cases[] = {
	{ CANCEL, ACTIONS, LOST, JOB_CANCELLED },   { CANCEL, ACTIONS, RECOVER, JOB_CANCELLED },
	{ PAUSE, ACTIONS, LOST, JOB_PAUSED },       { PAUSE, ACTIONS, RECOVER, JOB_PAUSED },
	{ PAUSE, ACTIONS, PAUSED, JOB_PAUSED },     { PAUSE, CANCEL, PAUSED, JOB_CANCELLED },
	{ PAUSE, RESUME, PAUSED, JOB_QUEUED },      { PAUSE, RESUME, LOST, JOB_QUEUED },
	{ CANCEL, ACTIONS, FINISH, JOB_SUCCEEDED },
};

START_TEST(requests_are_honoured)
{
	struct fixture f;
	char id[JOB_ID_MAX + 1];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	int64_t epoch = bring_to(&f, JOB_RUNNING, id);
	ck_ok(&f, act(&f, stop_cases[_i].asked, id, epoch));
	if (stop_cases[_i].then_asked != ACTIONS)
		ck_ok(&f, act(&f, stop_cases[_i].then_asked, id, epoch));
	ck_ok(&f, act(&f, stop_cases[_i].stop, id, epoch));
	ck_assert_int_eq(status_of(&f, id), stop_cases[_i].to);
	fixture_close(&f);
}
END_TEST

START_TEST(flags_of_a_running_job)
{
	struct fixture f;
	struct job j;
	char id[JOB_ID_MAX + 1];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	bring_to(&f, JOB_RUNNING, id);
	ck_ok(&f, job_request_pause(f.s, id, &j, &f.e));
	ck_assert(j.pause_requested && !j.cancel_requested);
	job_fini(&j);
	ck_ok(&f, job_request_resume(f.s, id, &j, &f.e));
	ck_assert(!j.pause_requested);
	job_fini(&j);
	ck_ok(&f, job_request_cancel(f.s, id, true, &j, &f.e));
	ck_assert(j.cancel_requested && j.discard && j.status == JOB_RUNNING && j.finished_at_us == 0);
	job_fini(&j);
	bring_to(&f, JOB_QUEUED, id);
	ck_ok(&f, job_request_cancel(f.s, id, false, &j, &f.e));
	ck_assert(j.status == JOB_CANCELLED && !j.discard && j.finished_at_us > 0);
	job_fini(&j);
	fixture_close(&f);
}
END_TEST

/* --- creating --- */

START_TEST(create)
{
	struct fixture f;
	struct job j;
	bool replayed = true;
	struct job_new in = { .model = "m", .dataset = "d", .spec = "{\"a\":1}", .metadata = "{\"b\":2}" };
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	int64_t id = put_dataset(&f, "d", 4);
	ck_ok(&f, job_create(f.s, &in, 1, &j, &replayed, &f.e));
	ck_assert(!replayed && j.status == JOB_QUEUED && j.epoch == 0 && j.attempts == 0 && j.version == 0);
	ck_assert(j.dataset_version == 2 && j.dataset_id == id && j.created_at_us > 0 && j.started_at_us == 0);
	ck_assert_str_eq(j.spec, "{\"a\":1}");
	ck_assert_str_eq(j.metadata, "{\"b\":2}");
	ck_assert(!j.progress && !j.metrics && !j.result && !j.error);
	ck_assert_uint_eq(strlen(j.id), 28);
	ck_assert_uint_eq(strspn(j.id + 4, "0123456789abcdefghijklmnopqrstuvwxyz"), 24);
	job_fini(&j);
	ck_err(ERR_QUOTA, job_create(f.s, &in, 1, &j, &replayed, &f.e));
	in.dataset = "none";
	ck_err(ERR_NOT_FOUND, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	in.dataset = "d";
	in.dataset_version = 1;
	ck_err(ERR_NOT_FOUND, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	in.dataset_version = 2;
	in.model = "no name";
	ck_err(ERR_INVALID, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	ck_err(ERR_NOT_FOUND, job_get(f.s, "job_none", &j, &f.e));
	fixture_close(&f);
}
END_TEST

START_TEST(idempotency)
{
	struct fixture f;
	struct job first, j;
	bool replayed;
	char long_key[257];
	struct job_new in = { .model = "m", .dataset = "d", .spec = "{}", .idempotency_key = "k", .body_sha256 = "aa" };
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	ck_ok(&f, job_create(f.s, &in, 1, &first, &replayed, &f.e));
	ck_assert(!replayed);
	ck_ok(&f, job_create(f.s, &in, 1, &j, &replayed, &f.e));   /* not even the quota matters */
	ck_assert(replayed);
	ck_assert_str_eq(j.id, first.id);
	job_fini(&j);
	in.body_sha256 = "bb";
	ck_err(ERR_INVALID, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	in.idempotency_key = "l";
	ck_ok(&f, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	ck_assert(!replayed && strcmp(j.id, first.id) != 0);
	job_fini(&j);
	memset(long_key, 'k', 256);
	long_key[256] = '\0';
	in.idempotency_key = long_key;
	ck_err(ERR_INVALID, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	in.idempotency_key = "";
	ck_err(ERR_INVALID, job_create(f.s, &in, 9, &j, &replayed, &f.e));
	job_fini(&first);
	fixture_close(&f);
}
END_TEST

/* Ids rise within a millisecond, and from an id of the far future as well; the last digit carries. */
START_TEST(ids_rise)
{
	struct fixture f;
	char last[JOB_ID_MAX + 1] = "", id[JOB_ID_MAX + 1];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	for (int i = 0; i < 200; i++) {
		if (i == 100)
			fixture_sql(&f, "UPDATE job SET id = 'job_zyyyyyyyyyyyyyyyyyyyyyzz'"
				" WHERE id = (SELECT max(id) FROM job)");
		put_job(&f, "d", id);
		ck_assert_str_gt(id, last);
		memcpy(last, id, sizeof last);
		if (i == 100)
			ck_assert_str_eq(id, "job_zyyyyyyyyyyyyyyyyyyyyz00");
	}
	fixture_close(&f);
}
END_TEST

START_TEST(pages)
{
	struct fixture f;
	struct job *page;
	size_t n;
	bool more;
	char id[5][JOB_ID_MAX + 1], after[JOB_ID_MAX + 1] = "";
	int64_t counts[6];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	for (int i = 0; i < 5; i++)
		put_job(&f, "d", id[i]);
	int seen = 5;
	do {
		ck_ok(&f, job_list(f.s, seen == 5 ? NULL : after, 2, &page, &n, &more, &f.e));
		for (size_t i = 0; i < n; i++)
			ck_assert_str_eq(page[i].id, id[--seen]);
		memcpy(after, page[n - 1].id, sizeof after);
		job_list_free(page, n);
	} while (more);
	ck_assert_int_eq(seen, 0);
	ck_err(ERR_INVALID, job_list(f.s, NULL, -1, &page, &n, &more, &f.e));
	char claimed[JOB_ID_MAX + 1];
	claim_job(&f, claimed);
	ck_assert_str_eq(claimed, id[0]);   /* first in, first out */
	ck_ok(&f, job_counts(f.s, counts, &f.e));
	ck_assert(counts[JOB_QUEUED] == 4 && counts[JOB_RUNNING] == 1);
	ck_assert(counts[JOB_PAUSED] + counts[JOB_SUCCEEDED] + counts[JOB_FAILED] + counts[JOB_CANCELLED] == 0);
	fixture_close(&f);
}
END_TEST

/* --- fencing --- */

START_TEST(old_epochs_change_nothing)
{
	struct fixture f;
	struct model_blobs b = sample_blobs();
	struct job before, after;
	enum job_status now;
	char id[JOB_ID_MAX + 1];
	int version = 77, n;
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	int64_t old = bring_to(&f, JOB_RUNNING, id);
	ck_ok(&f, job_recover(f.s, &n, &f.e));
	ck_assert_int_eq(n, 1);
	int64_t epoch = claim_job(&f, id);
	ck_assert_int_gt(epoch, old);
	ck_ok(&f, job_progress(f.s, id, epoch, "{\"p\":1}", "{\"m\":1}", &f.e));
	ck_ok(&f, job_get(f.s, id, &before, &f.e));
	ck_assert_int_eq(before.attempts, 2);
	for (int64_t wrong = old; wrong <= epoch + 1; wrong += 2) {
		ck_err(ERR_CONFLICT, job_heartbeat(f.s, id, wrong, 9, &f.e));
		ck_err(ERR_CONFLICT, job_progress(f.s, id, wrong, "{}", "{}", &f.e));
		ck_err(ERR_CONFLICT, job_checkpoint_add(f.s, id, wrong, 1, "{}", "x", 1, &f.e));
		ck_err(ERR_CONFLICT, job_paused(f.s, id, wrong, &f.e));
		ck_err(ERR_CONFLICT, job_lost(f.s, id, wrong, 1, "{}", &now, &f.e));
		ck_err(ERR_CONFLICT, job_finish(f.s, id, wrong, JOB_SUCCEEDED, &b, "{}", NULL, &version, &f.e));
	}
	ck_assert_int_eq(version, 77);
	ck_ok(&f, job_get(f.s, id, &after, &f.e));
	ck_assert(after.status == JOB_RUNNING && after.epoch == epoch && !after.error && !after.result);
	ck_assert_str_eq(after.progress, before.progress);
	ck_assert_str_eq(after.metrics, before.metrics);
	ck_assert_int_eq(fixture_int(&f, "SELECT (SELECT count(*) FROM model)"
		" + (SELECT count(*) FROM job_checkpoint)"), 0);
	job_fini(&before);
	job_fini(&after);
	ck_err(ERR_NOT_FOUND, job_heartbeat(f.s, "job_none", 1, 9, &f.e));
	ck_err(ERR_NOT_FOUND, job_paused(f.s, "job_none", 1, &f.e));
	ck_err(ERR_NOT_FOUND, job_lost(f.s, "job_none", 1, 1, NULL, &now, &f.e));
	ck_err(ERR_NOT_FOUND, act(&f, CANCEL, "job_none", 1));
	fixture_close(&f);
}
END_TEST

START_TEST(publishes_once)
{
	struct fixture f;
	struct model_blobs b = sample_blobs();
	struct model_version m;
	struct job j;
	char id[JOB_ID_MAX + 1];
	int version = 0;
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	int64_t epoch = bring_to(&f, JOB_RUNNING, id);
	ck_ok(&f, job_checkpoint_add(f.s, id, epoch, 1, "{}", "state", 5, &f.e));
	ck_ok(&f, job_finish(f.s, id, epoch, JOB_SUCCEEDED, &b, "{\"r\":1}", NULL, &version, &f.e));
	ck_assert_int_eq(version, 1);
	ck_err(ERR_CONFLICT, job_finish(f.s, id, epoch, JOB_SUCCEEDED, &b, "{}", NULL, &version, &f.e));
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM model_version"), 1);
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM job_checkpoint WHERE state IS NOT NULL"), 0);
	ck_ok(&f, job_get(f.s, id, &j, &f.e));
	ck_assert(j.version == 1 && j.status == JOB_SUCCEEDED && j.finished_at_us > 0);
	ck_assert_str_eq(j.result, "{\"r\":1}");
	job_fini(&j);
	ck_ok(&f, model_get(f.s, "m", 0, NULL, true, &m, &f.e));
	ck_assert_str_eq(m.job, id);
	model_version_fini(&m);
	/* whatever a caller does, the schema holds it to one version a job */
	ck_err(ERR_INTERNAL, model_put(f.s, "m", &b, id, &version, &f.e));
	ck_assert_int_eq(fixture_int(&f, "SELECT last_version FROM model"), 1);
	/* a model deleted while its job runs comes back */
	epoch = bring_to(&f, JOB_RUNNING, id);
	ck_ok(&f, model_delete(f.s, "m", 0, &f.e));
	ck_ok(&f, job_finish(f.s, id, epoch, JOB_CANCELLED, &b, NULL, "{}", &version, &f.e));
	ck_assert_int_eq(version, 1);
	epoch = bring_to(&f, JOB_RUNNING, id);
	ck_ok(&f, job_finish(f.s, id, epoch, JOB_FAILED, NULL, NULL, "{\"e\":1}", &version, &f.e));
	ck_assert_int_eq(version, 0);
	fixture_close(&f);
}
END_TEST

START_TEST(leases)
{
	struct fixture f;
	struct job j;
	char id[JOB_ID_MAX + 1], again[JOB_ID_MAX + 1];
	int64_t epoch;
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	epoch = bring_to(&f, JOB_RUNNING, id);
	ck_err(ERR_NOT_FOUND, act(&f, CLAIM, id, 0));           /* an hour left */
	ck_ok(&f, job_heartbeat(f.s, id, epoch, 0, &f.e));
	ck_assert_int_eq(claim_job(&f, again), epoch + 1);      /* ran out */
	ck_assert_str_eq(again, id);
	ck_err(ERR_CONFLICT, job_heartbeat(f.s, id, epoch, 9, &f.e));
	fixture_sql(&f, "UPDATE job SET lease_boot = 'before'");
	ck_assert_int_eq(claim_job(&f, again), epoch + 2);      /* a lease of another boot */
	ck_ok(&f, job_request_cancel(f.s, id, false, &j, &f.e));
	job_fini(&j);
	ck_ok(&f, job_heartbeat(f.s, id, epoch + 2, 0, &f.e));
	ck_err(ERR_NOT_FOUND, act(&f, CLAIM, id, 0));           /* and a cancelled one does not come back */
	ck_assert_int_eq(status_of(&f, id), JOB_CANCELLED);
	fixture_close(&f);
}
END_TEST

START_TEST(lost_workers)
{
	struct fixture f;
	struct job j;
	enum job_status now;
	char id[JOB_ID_MAX + 1];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	put_job(&f, "d", id);
	for (int round = 0; round < 2; round++) {
		ck_ok(&f, job_lost(f.s, id, claim_job(&f, id), 3, "{\"n\":1}", &now, &f.e));
		ck_assert_int_eq(now, JOB_QUEUED);
	}
	int64_t epoch = claim_job(&f, id);
	ck_ok(&f, job_checkpoint_add(f.s, id, epoch, 1, NULL, "s", 1, &f.e));   /* progress: counted from zero again */
	for (int round = 1; round <= 3; round++) {
		ck_ok(&f, job_lost(f.s, id, epoch, 3, "{\"n\":2}", &now, &f.e));
		ck_assert_int_eq(now, round < 3 ? JOB_QUEUED : JOB_FAILED);
		if (round < 3)
			epoch = claim_job(&f, id);
	}
	ck_ok(&f, job_get(f.s, id, &j, &f.e));
	ck_assert(j.attempts == 5 && j.losses == 3 && j.finished_at_us > 0);
	ck_assert_str_eq(j.error, "{\"n\":2}");
	job_fini(&j);
	fixture_close(&f);
}
END_TEST

/* --- checkpoints and events --- */

START_TEST(checkpoints)
{
	struct fixture f;
	struct job_checkpoint c, *page;
	size_t n;
	bool more;
	char id[JOB_ID_MAX + 1];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	int64_t epoch = bring_to(&f, JOB_RUNNING, id);
	ck_err(ERR_NOT_FOUND, job_checkpoint_latest(f.s, id, &c, &f.e));
	for (int i = 1; i <= 4; i++)
		ck_ok(&f, job_checkpoint_add(f.s, id, epoch, i, i > 1 ? "{\"loss\":1}" : NULL,
			&"state"[i % 4], 3, &f.e));
	ck_ok(&f, job_checkpoint_latest(f.s, id, &c, &f.e));
	ck_assert(c.epoch_number == 4 && c.len == 3 && !memcmp(c.state, "sta", 3) && !strcmp(c.job, id));
	job_checkpoint_fini(&c);
	ck_assert_int_eq(fixture_int(&f, "SELECT count(*) FROM job_checkpoint WHERE state IS NOT NULL"), 2);
	fixture_sql(&f, "UPDATE job_checkpoint SET state = x'00' WHERE epoch_number = 4");
	ck_ok(&f, job_checkpoint_latest(f.s, id, &c, &f.e));   /* damaged: the one before */
	ck_assert(c.epoch_number == 3 && !memcmp(c.state, "te", 3));
	job_checkpoint_fini(&c);
	fixture_sql(&f, "UPDATE job_checkpoint SET state = x'00' WHERE epoch_number = 3");
	ck_err(ERR_NOT_FOUND, job_checkpoint_latest(f.s, id, &c, &f.e));
	ck_ok(&f, job_checkpoints(f.s, id, 0, 3, &page, &n, &more, &f.e));
	ck_assert(n == 3 && more && page[0].epoch_number == 1 && !page[0].metrics && !page[2].state && page[2].metrics);
	int64_t after = page[2].id;
	job_checkpoints_free(page, n);
	ck_ok(&f, job_checkpoints(f.s, id, after, 3, &page, &n, &more, &f.e));
	ck_assert(n == 1 && !more);
	job_checkpoints_free(page, n);
	ck_err(ERR_NOT_FOUND, job_checkpoints(f.s, "job_none", 0, 3, &page, &n, &more, &f.e));
	fixture_close(&f);
}
END_TEST

START_TEST(events)
{
	struct fixture f;
	struct job_event *page;
	size_t n;
	bool more;
	char a[JOB_ID_MAX + 1], b[JOB_ID_MAX + 1];
	int64_t id = 0, last = 0;
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	put_job(&f, "d", a);
	put_job(&f, "d", b);
	for (int i = 0; i < 5; i++) {
		ck_ok(&f, job_event_add(f.s, i % 2 ? b : a, "info", "message", "text", i ? "{}" : NULL, &id, &f.e));
		ck_assert_int_gt(id, last);
		last = id;
	}
	ck_ok(&f, job_events(f.s, a, 0, 2, &page, &n, &more, &f.e));
	ck_assert(n == 2 && more && page[0].id < page[1].id && !page[0].data && !strcmp(page[1].data, "{}"));
	ck_assert(!strcmp(page[0].job, a) && !strcmp(page[0].level, "info") && !strcmp(page[0].type, "message"));
	ck_assert_str_eq(page[0].message, "text");
	id = page[1].id;
	job_events_free(page, n);
	ck_ok(&f, job_events(f.s, a, id, 2, &page, &n, &more, &f.e));
	ck_assert(n == 1 && !more && page[0].id == last);
	job_events_free(page, n);
	ck_err(ERR_INVALID, job_event_add(f.s, a, "fatal", "message", "", NULL, &id, &f.e));
	ck_err(ERR_INVALID, job_event_add(f.s, a, "info", "news", "", NULL, &id, &f.e));
	ck_err(ERR_NOT_FOUND, job_event_add(f.s, "job_none", "info", "message", "", NULL, &id, &f.e));
	ck_err(ERR_NOT_FOUND, job_events(f.s, "job_none", 0, 2, &page, &n, &more, &f.e));
	fixture_close(&f);
}
END_TEST

START_TEST(unknown_status_is_damage)
{
	struct fixture f;
	struct job j;
	char id[JOB_ID_MAX + 1];
	fixture_open(&f);
	put_dataset(&f, "d", 3);
	put_job(&f, "d", id);
	fixture_sql(&f, "PRAGMA ignore_check_constraints = ON; UPDATE job SET status = 'lost'");
	ck_err(ERR_STORAGE, job_get(f.s, id, &j, &f.e));
	fixture_close(&f);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("job_store");
	TCase *t = tcase_create("job_store");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, all_moves, 0, 36);
	tcase_add_test(t, status_names);
	tcase_add_loop_test(t, all_actions, 0, 6 * ACTIONS);
	tcase_add_loop_test(t, requests_are_honoured, 0, sizeof stop_cases / sizeof *stop_cases);
	tcase_add_test(t, flags_of_a_running_job);
	tcase_add_test(t, create);
	tcase_add_test(t, idempotency);
	tcase_add_test(t, ids_rise);
	tcase_add_test(t, pages);
	tcase_add_test(t, old_epochs_change_nothing);
	tcase_add_test(t, publishes_once);
	tcase_add_test(t, leases);
	tcase_add_test(t, lost_workers);
	tcase_add_test(t, checkpoints);
	tcase_add_test(t, events);
	tcase_add_test(t, unknown_status_is_damage);
	suite_add_tcase(suite, t);
	return run_suite(suite);
}

/* job_store.h - training jobs: a queue with leases and fencing.
 *
 *              claim             finish (publishes the version)
 *   queued ───────────► running ───────────► succeeded
 *     ▲ ▲                │ │ │ └─────────────► failed
 *     │ └── worker lost ─┘ │ └───────────────► cancelled
 *     │                    ▼
 *     └──── resume ───── paused        queued, paused ──► cancelled;  queued ──► paused
 *
 * A claim raises `epoch`, the fencing token. Every write of a worker carries it; a write whose epoch is not the row's
 * changes nothing and returns ERR_CONFLICT, so a job runs at least once and publishes exactly once. */
#ifndef GATECAST_STORAGE_JOB_STORE_H
#define GATECAST_STORAGE_JOB_STORE_H

#include "storage/model_store.h"
#include "storage/store.h"

enum job_status { JOB_QUEUED, JOB_RUNNING, JOB_PAUSED, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED };
const char *job_status_name(enum job_status s);
bool job_status_ended(enum job_status s);
/** The drawing above as a table. */
bool job_move_allowed(enum job_status from, enum job_status to);

#define JOB_ID_MAX 39

struct job {
	char id[JOB_ID_MAX + 1];         /* "job_" and 24 base32 digits, rising with time */
	enum job_status status;
	char model[STORE_NAME_MAX + 1], dataset[STORE_NAME_MAX + 1];
	int dataset_version, version;     /* version 0: none yet */
	int64_t dataset_id, created_at_us, started_at_us, finished_at_us;   /* 0: not yet */
	int64_t epoch;                    /* fencing token */
	int attempts;
	int losses;                       /* workers lost in a row since the last checkpoint */
	bool cancel_requested, pause_requested, discard;
	char *spec;                       /* JSON; never NULL */
	char *progress, *metrics, *result, *error, *metadata;   /* JSON or NULL */
};
void job_fini(struct job *j);

struct job_new {
	const char *model, *dataset;
	int dataset_version;
	const char *spec, *metadata;      /* JSON; metadata may be NULL */
	const char *idempotency_key;      /* or NULL */
	const char *body_sha256;          /* compared when the key is known */
};

/** Queue a job. The same idempotency key: *replayed and the first job again; with another digest ERR_INVALID.
 *  More than max_queued jobs waiting: ERR_QUOTA. ERR_NOT_FOUND: dataset. */
enum err job_create(struct store *s, const struct job_new *in, int max_queued, struct job *out, bool *replayed, struct error *e);
enum err job_get(struct store *s, const char *id, struct job *out, struct error *e);
/** Newest first; jobs older than `after`. */
enum err job_list(struct store *s, const char *after, int limit, struct job **out, size_t *n, bool *more, struct error *e);
void job_list_free(struct job *list, size_t n);
/** How many in each status. */
enum err job_counts(struct store *s, int64_t counts[JOB_CANCELLED + 1], struct error *e);

/** At start: whatever was running has lost its worker and is queued again (requests to cancel or pause are honoured). */
enum err job_recover(struct store *s, int *requeued, struct error *e);
/** The oldest queued job becomes running, epoch + 1, attempts + 1. ERR_NOT_FOUND: none waits. lease_s: boottime lease. */
enum err job_claim(struct store *s, int lease_s, struct job *out, struct error *e);
enum err job_heartbeat(struct store *s, const char *id, int64_t epoch, int lease_s, struct error *e);
enum err job_progress(struct store *s, const char *id, int64_t epoch, const char *progress, const char *metrics, struct error *e);
/** The worker is gone without a word: queued again, or failed after max_attempts in a row without a new checkpoint. */
enum err job_lost(struct store *s, const char *id, int64_t epoch, int max_attempts, const char *error_json,
                  enum job_status *now, struct error *e);

/** Requests of users. Queued and paused jobs end or pause at once, running ones get a flag. ERR_CONFLICT from an ended status. */
enum err job_request_cancel(struct store *s, const char *id, bool discard, struct job *out, struct error *e);
enum err job_request_pause(struct store *s, const char *id, struct job *out, struct error *e);
enum err job_request_resume(struct store *s, const char *id, struct job *out, struct error *e);

/** Ends of a running job. finish: one transaction step publishes blobs (NULL: nothing to publish) and ends it; checkpoints go.
 *  status is JOB_SUCCEEDED, JOB_FAILED or JOB_CANCELLED. *version: the published one or 0. */
enum err job_finish(struct store *s, const char *id, int64_t epoch, enum job_status status, const struct model_blobs *blobs,
                    const char *result, const char *error_json, int *version, struct error *e);
/** A running job stops with its checkpoint kept. */
enum err job_paused(struct store *s, const char *id, int64_t epoch, struct error *e);

struct job_event {
	int64_t id;                       /* rising over all jobs */
	char job[JOB_ID_MAX + 1];
	char level[8], type[16];          /* info|warn|error; message|metrics|status */
	char *message, *data;             /* data: JSON or NULL */
	int64_t created_at_us;
};
enum err job_event_add(struct store *s, const char *job, const char *level, const char *type,
                       const char *message, const char *data, int64_t *id, struct error *e);
/** Events with id > after, rising. */
enum err job_events(struct store *s, const char *job, int64_t after, int limit, struct job_event **out, size_t *n, bool *more, struct error *e);
void job_events_free(struct job_event *list, size_t n);

struct job_checkpoint {
	int64_t id;
	char job[JOB_ID_MAX + 1];
	int epoch_number;                 /* training epochs done */
	char *metrics;                    /* JSON */
	void *state; size_t len;          /* only from job_checkpoint_latest */
	char sha256[DIGEST_HEX];
	int64_t created_at_us;
};
void job_checkpoint_fini(struct job_checkpoint *c);
/** Fenced. Keeps the states of the newest two; older rows stay without their state. */
enum err job_checkpoint_add(struct store *s, const char *job, int64_t epoch, int epoch_number, const char *metrics,
                            const void *state, size_t len, struct error *e);
/** The newest with an undamaged state; ERR_NOT_FOUND when there is none. */
enum err job_checkpoint_latest(struct store *s, const char *job, struct job_checkpoint *out, struct error *e);
enum err job_checkpoints(struct store *s, const char *job, int64_t after, int limit, struct job_checkpoint **out, size_t *n, bool *more, struct error *e);
void job_checkpoints_free(struct job_checkpoint *list, size_t n);

#endif

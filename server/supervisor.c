#include "server/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "api/problem.h"
#include "server/events.h"
#include "server/job_note.h"
#include "server/lane.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/monotonic.h"
#include "server/registry.h"
#include "server/wire.h"
#include "server/worker.h"
#include "storage/dataset.h"
#include "storage/job_store.h"

#define BEAT_NS      5000000000LL   /* a heartbeat a lease */
#define LEASE_S      30
#define MAX_ATTEMPTS 3              /* in a row without a new checkpoint */

extern char **environ;

/* A place for one training child. */
struct slot {
	pid_t pid;                  /* 0: free */
	int fd;
	struct wire_inbox inbox;
	char job[JOB_ID_MAX + 1], model[STORE_NAME_MAX + 1];
	int64_t epoch;              /* fencing token of the claim */
	int64_t beat_ns;
	bool lost;                  /* the child is gone, the store does not know yet */
	bool told_cancel, told_pause;
};

struct supervisor {
	struct supervisor_settings settings;
	struct slot *slot;
	pthread_t thread;
	int wake_fd;
	int64_t look_ns;            /* when to look into the queue next: at news, else now and then for leases that ran out */
	_Atomic bool stopping;
	_Atomic int running;
};

/* ---- what is written down ----------------------------------------------- */

/* One change of one job, with the event that tells it. */
struct change {
	const struct slot *slot;
	struct job_note note;
	const char *level, *type, *message, *data;
	char text[48];              /* of data, where it is made here */
	enum job_status status;     /* where the job goes, if it stops */
	/* by kind */
	const char *progress, *metrics;
	int epoch_number;
	const void *state;
	size_t state_len;
	const struct model_blobs *blobs;
	const char *result, *error;
	int version;
};

static enum err note_change(struct change *c, struct store *s, struct error *e)
{
	return job_note_add(&c->note, s, c->slot->job, c->level, c->type, c->message, c->data, e);
}

static enum err write_progress(void *arg, struct store *s, struct error *e)
{
	struct change *c = arg;
	enum err rc = job_progress(s, c->slot->job, c->slot->epoch, c->progress, c->metrics, e);
	return rc ? rc : note_change(c, s, e);
}

static enum err write_checkpoint(void *arg, struct store *s, struct error *e)
{
	struct change *c = arg;
	enum err rc = job_checkpoint_add(s, c->slot->job, c->slot->epoch, c->epoch_number, c->metrics, c->state, c->state_len, e);
	return rc ? rc : note_change(c, s, e);
}

static enum err write_finish(void *arg, struct store *s, struct error *e)
{
	struct change *c = arg;
	enum err rc = job_finish(s, c->slot->job, c->slot->epoch, c->status, c->blobs, c->result, c->error, &c->version, e);
	return rc ? rc : note_change(c, s, e);
}

/* A job that stops without a result goes where the store says: a request to cancel or pause may have come between. */
static enum err note_stop(struct change *c, struct store *s, struct error *e)
{
	static const char *const messages[] = {
		[JOB_QUEUED] = "the job waits again", [JOB_RUNNING] = "", [JOB_PAUSED] = "paused", [JOB_SUCCEEDED] = "",
		[JOB_FAILED] = "the training process was lost too often", [JOB_CANCELLED] = "cancelled",
	};
	c->message = messages[c->status];
	snprintf(c->text, sizeof c->text, "{\"status\":\"%s\"}", job_status_name(c->status));
	c->data = c->text;
	return note_change(c, s, e);
}

static enum err write_paused(void *arg, struct store *s, struct error *e)
{
	struct change *c = arg;
	struct job now = { 0 };
	enum err rc = job_paused(s, c->slot->job, c->slot->epoch, e);
	if (!rc)
		rc = job_get(s, c->slot->job, &now, e);
	if (rc)
		return rc;
	c->status = now.status;
	job_fini(&now);
	return note_stop(c, s, e);
}

static enum err write_lost(void *arg, struct store *s, struct error *e)
{
	struct change *c = arg;
	enum err rc = job_lost(s, c->slot->job, c->slot->epoch, MAX_ATTEMPTS, c->error, &c->status, e);
	return rc ? rc : note_stop(c, s, e);
}

/* ---- children ----------------------------------------------------------- */

static pid_t spawn_worker(int child_fd)
{
	static char name[] = "gatecast", command[] = "worker";
	char *argv[] = { name, command, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	pid_t pid = 0;
	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, child_fd, WORKER_FD);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);   /* a Ctrl-C is ours alone */
	posix_spawnattr_setsigmask(&attributes, &none);
	int failed = posix_spawn(&pid, "/proc/self/exe", &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return failed ? 0 : pid;
}

static void end_child(struct supervisor *v, struct slot *s)
{
	if (!s->pid)
		return;
	close(s->fd);
	kill(s->pid, SIGKILL);
	while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
		;
	wire_inbox_fini(&s->inbox);
	s->pid = 0;
	v->running--;
}

static void free_slot(struct supervisor *v, struct slot *s)
{
	end_child(v, s);
	*s = (struct slot){ 0 };
	v->look_ns = 0;
}

/* Write a change; what the store refuses because the lease is gone ends the child. */
static enum err commit(struct supervisor *v, struct slot *s, enum err (*write)(void *, struct store *, struct error *),
                       struct change *c)
{
	struct error e;
	c->slot = s;
	enum err rc = lane_call(v->settings.writer, write, c, &e);
	if (!rc)
		job_note_publish(&c->note, v->settings.events, job_status_ended(c->status));
	else
		log_failure("job_write_failed", &e);
	return rc;
}

static void error_text(const struct error *e, struct strbuf *out)
{
	strbuf_init(out, 4096);
	error_object_render(e, out);
}

static void fail_job(struct supervisor *v, struct slot *s, const struct error *e)
{
	struct strbuf text;
	error_text(e, &text);
	struct change c = { .level = "error", .type = "status", .message = e->what, .data = "{\"status\":\"failed\"}",
		.status = JOB_FAILED, .error = text.s };
	s->lost = commit(v, s, write_finish, &c) != ERR_OK;
	if (!s->lost) {
		metrics.jobs_ended[1]++;
		log_line(LOG_WARN, "job_failed", "job=%s code=%s detail=%s", s->job, err_row(e->code)->label, e->what);
	}
	strbuf_fini(&text);
}

/* ---- starting a job ----------------------------------------------------- */

struct claimed {
	struct job job;
	struct frame *frame;
	struct job_checkpoint checkpoint;
	struct job_note note;
};

static enum err claim(void *arg, struct store *s, struct error *e)
{
	struct claimed *c = arg;
	enum err rc = job_claim(s, LEASE_S, &c->job, e);
	if (rc == ERR_NOT_FOUND)
		return ERR_OK;   /* none waits; an error would undo what the claim settled about expired leases */
	if (rc)
		return rc;
	return job_note_add(&c->note, s, c->job.id, "info", "status",
	                    c->job.attempts > 1 ? "training goes on" : "training began", "{\"status\":\"running\"}", e);
}

static enum err fetch(void *arg, struct store *s, struct error *e)
{
	struct claimed *c = arg;
	enum err rc = dataset_rows(s, c->job.dataset_id, 0, SIZE_MAX, &c->frame, e);
	if (rc)
		return rc;
	rc = job_checkpoint_latest(s, c->job.id, &c->checkpoint, e);
	return rc == ERR_NOT_FOUND ? ERR_OK : rc;   /* none yet: from the beginning */
}

static enum err start_child(struct supervisor *v, struct slot *s, struct claimed *c, struct error *e)
{
	static const struct timeval patience = { .tv_sec = LEASE_S };
	int pair[2];
	struct strbuf start;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return fail(e, ERR_IO, "", "cannot make a socket pair: %s", strerror(errno));
	s->pid = spawn_worker(pair[1]);
	close(pair[1]);
	if (!s->pid) {
		close(pair[0]);
		return fail(e, ERR_NOMEM, "", "cannot start a training process: %s", strerror(errno));
	}
	s->fd = pair[0];
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);   /* a stopped child stops only itself */
	s->beat_ns = monotonic_ns();
	wire_inbox_init(&s->inbox);
	v->running++;

	strbuf_init(&start, WIRE_MAX);
	wire_u32(&start, (uint32_t)v->settings.threads);
	wire_u32(&start, (uint32_t)v->settings.checkpoint_interval_s);
	wire_bytes(&start, c->job.spec, strlen(c->job.spec));
	wire_frame(&start, c->frame);
	wire_bytes(&start, c->checkpoint.state, c->checkpoint.len);
	bool sent = wire_send(s->fd, WIRE_START, &start);
	bool memory = strbuf_ok(&start);
	strbuf_fini(&start);
	return sent ? ERR_OK : memory ? fail(e, ERR_IO, "", "the training process left at once") : fail_nomem(e);
}

/* Take the oldest queued job into a free slot; false when there is none. */
static bool start_job(struct supervisor *v, struct slot *s)
{
	struct claimed c = { 0 };
	struct error e;
	enum err rc = lane_call(v->settings.writer, claim, &c, &e);
	if (rc) {
		log_failure("job_claim_failed", &e);
		v->look_ns = 0;   /* again in a second */
	}
	if (rc || !c.job.id[0])
		return false;
	job_note_publish(&c.note, v->settings.events, false);
	snprintf(s->job, sizeof s->job, "%s", c.job.id);
	snprintf(s->model, sizeof s->model, "%s", c.job.model);
	s->epoch = c.job.epoch;
	rc = lane_call(v->settings.reader, fetch, &c, &e);
	if (!rc)
		rc = start_child(v, s, &c, &e);
	if (rc) {
		log_failure("job_start_failed", &e);
		end_child(v, s);
		s->lost = true;   /* queued again, or failed after some attempts */
	} else {
		log_line(LOG_INFO, "job_started", "job=%s model=%s attempt=%d pid=%d checkpoint_epoch=%d", s->job, s->model,
		         c.job.attempts, (int)s->pid, c.checkpoint.epoch_number);
	}
	job_fini(&c.job);
	job_checkpoint_fini(&c.checkpoint);
	frame_free(c.frame);
	return true;
}

/* ---- what a child says -------------------------------------------------- */

/* A piece of a message as a text of its own; NULL when empty or out of memory. */
static char *text_of(struct wire_reader *r)
{
	size_t len;
	const char *p = wire_get_bytes(r, &len);
	return len ? strndup(p, len) : NULL;
}

static void on_epoch(struct supervisor *v, struct slot *s, struct wire_reader *r)
{
	char *progress = text_of(r), *measured = text_of(r), *message = text_of(r);
	double seconds = wire_get_f64(r);
	uint64_t samples = wire_get_u64(r);
	histogram_add(&metrics.epoch, metric_seconds, seconds);
	metrics.training_samples += samples;
	struct change c = { .level = "info", .type = "metrics", .message = message ? message : "", .data = measured,
		.progress = progress, .metrics = measured };
	if (commit(v, s, write_progress, &c) == ERR_CONFLICT)
		free_slot(v, s);
	free(progress);
	free(measured);
	free(message);
}

static void on_checkpoint(struct supervisor *v, struct slot *s, struct wire_reader *r)
{
	char message[64];
	struct change c = { .level = "info", .type = "message", .message = message };
	c.epoch_number = (int)wire_get_u32(r);
	char *measured = text_of(r);
	c.metrics = measured;
	c.state = wire_get_bytes(r, &c.state_len);
	snprintf(message, sizeof message, "checkpoint after epoch %d", c.epoch_number);
	enum err rc = commit(v, s, write_checkpoint, &c);
	if (!rc)
		metrics.training_checkpoint_time = (uint64_t)time(NULL);
	else if (rc == ERR_CONFLICT)
		free_slot(v, s);
	free(measured);
}

static enum err load_latest(void *arg, struct store *s, struct error *e)
{
	struct slot *slot = ((void **)arg)[0];
	struct registry *registry = ((void **)arg)[1];
	struct model *m = NULL;
	enum err rc = registry_load(registry, s, slot->model, 0, NULL, &m, e);
	model_unref(m);
	return rc;
}

/* The new version is durable: let the next request have it. */
static void swap_version(struct supervisor *v, struct slot *s)
{
	struct error e;
	void *arg[] = { s, v->settings.registry };
	if (v->settings.registry && lane_call(v->settings.reader, load_latest, arg, &e))
		log_failure("model_load_failed", &e);
}

static void on_result(struct supervisor *v, struct slot *s, struct wire_reader *r)
{
	bool cancelled = wire_get_u8(r);
	char *document = text_of(r), *evaluation = text_of(r);
	size_t weights, calibration;
	struct model_blobs b = { .document = document, .evaluation = evaluation };
	/* blobs are copied: inside the message they are not aligned */
	const char *w = wire_get_bytes(r, &weights), *k = wire_get_bytes(r, &calibration);
	float *numbers = malloc(weights + calibration + 1);
	if (numbers) {
		memcpy(numbers, w, weights);
		memcpy((char *)numbers + weights, k, calibration);
	}
	b.weights = numbers;
	b.n_weights = weights / sizeof(float);
	b.calibration = numbers ? numbers + b.n_weights : NULL;
	b.n_calibration = calibration / sizeof(float);

	struct change c = { .level = "info", .type = "status",
		.blobs = document && numbers ? &b : NULL, .result = evaluation,
		.status = cancelled ? JOB_CANCELLED : JOB_SUCCEEDED, .message = cancelled ? "cancelled" : "succeeded",
		.data = cancelled ? "{\"status\":\"cancelled\"}" : "{\"status\":\"succeeded\"}" };
	if ((!cancelled && !c.blobs) || r->failed || commit(v, s, write_finish, &c)) {
		end_child(v, s);
		s->lost = true;
	} else {
		metrics.jobs_ended[cancelled ? 2 : 0]++;
		log_line(LOG_INFO, "job_ended", "job=%s status=%s model=%s version=%d", s->job,
		         job_status_name(c.status), s->model, c.version);
		if (c.version)
			swap_version(v, s);
		free_slot(v, s);
	}
	free(numbers);
	free(document);
	free(evaluation);
}

static void on_failed(struct supervisor *v, struct slot *s, struct wire_reader *r)
{
	struct error e;
	enum err code = (enum err)wire_get_u32(r);
	char *where = text_of(r), *what = text_of(r);
	fail(&e, code, where, "%s", what ? what : "training failed");
	free(where);
	free(what);
	fail_job(v, s, &e);
	end_child(v, s);
	if (!s->lost)
		free_slot(v, s);
}

static void on_paused(struct supervisor *v, struct slot *s)
{
	struct change c = { .level = "info", .type = "status" };
	if (commit(v, s, write_paused, &c)) {
		end_child(v, s);
		s->lost = true;
	} else {
		free_slot(v, s);
	}
}

/* Read once and handle what is whole; the child may be gone afterwards. */
static void listen_to_child(struct supervisor *v, struct slot *s)
{
	enum wire_type type;
	struct wire_reader r;
	bool open = wire_fill(&s->inbox, s->fd);
	while (s->pid && wire_next(&s->inbox, &type, &r)) {
		if (type == WIRE_EPOCH)
			on_epoch(v, s, &r);
		else if (type == WIRE_CHECKPOINT)
			on_checkpoint(v, s, &r);
		else if (type == WIRE_RESULT)
			on_result(v, s, &r);
		else if (type == WIRE_FAILED)
			on_failed(v, s, &r);
		else if (type == WIRE_PAUSED)
			on_paused(v, s);
	}
	if (s->pid && !open) {
		end_child(v, s);
		s->lost = true;
	}
}

/* The child ended without a result: the job waits again, or has failed too often. */
static void report_lost(struct supervisor *v, struct slot *s)
{
	struct error e;
	struct strbuf text;
	fail(&e, ERR_INTERNAL, "", "the training process ended %d times in a row without a checkpoint or a result", MAX_ATTEMPTS);
	error_text(&e, &text);
	struct change c = { .level = "warn", .type = "status", .error = text.s };
	enum err rc = commit(v, s, write_lost, &c);
	if (!rc || rc == ERR_CONFLICT || rc == ERR_NOT_FOUND) {   /* else: try again in a second */
		metrics.workers_lost++;
		if (!rc && job_status_ended(c.status))
			metrics.jobs_ended[c.status == JOB_FAILED ? 1 : 2]++;
		log_line(LOG_WARN, "worker_lost", "job=%s status=%s", s->job, job_status_name(c.status));
		free_slot(v, s);
	}
	strbuf_fini(&text);
}

/* ---- requests of users and leases --------------------------------------- */

struct beat { struct slot *slot; struct job job; };

static enum err look(void *arg, struct store *s, struct error *e)
{
	struct beat *b = arg;
	return job_get(s, b->slot->job, &b->job, e);
}

static enum err heartbeat(void *arg, struct store *s, struct error *e)
{
	struct slot *slot = arg;
	return job_heartbeat(s, slot->job, slot->epoch, LEASE_S, e);
}

/* Pass a committed request to cancel or pause on to the child, once. */
static void pass_requests(struct supervisor *v, struct slot *s)
{
	struct beat b = { .slot = s };
	struct error e;
	if (lane_call(v->settings.reader, look, &b, &e) == ERR_OK) {
		if (b.job.cancel_requested && !s->told_cancel) {
			struct strbuf payload;
			strbuf_init(&payload, 16);
			wire_u8(&payload, b.job.discard);
			s->told_cancel = wire_send(s->fd, WIRE_CANCEL, &payload);
			strbuf_fini(&payload);
		}
		if (b.job.pause_requested && !s->told_pause)
			s->told_pause = wire_send(s->fd, WIRE_PAUSE, NULL);
		job_fini(&b.job);
	}
}

static void keep_lease(struct supervisor *v, struct slot *s)
{
	struct error e;
	if (monotonic_ns() - s->beat_ns < BEAT_NS)
		return;
	s->beat_ns = monotonic_ns();
	pass_requests(v, s);   /* one that was made before this child began woke nobody */
	if (lane_call(v->settings.writer, heartbeat, s, &e) == ERR_CONFLICT)
		free_slot(v, s);   /* deleted or taken over: nothing it says counts any more */
}

/* ---- the loop ----------------------------------------------------------- */

/* Start what waits while there is a place. Not without a reason: an idle writer lane tidies up. */
static void fill_slots(struct supervisor *v)
{
	if (monotonic_ns() < v->look_ns)
		return;
	v->look_ns = monotonic_ns() + LEASE_S * 1000000000LL;
	for (int i = 0; i < v->settings.workers; i++) {
		struct slot *s = &v->slot[i];
		if (!s->pid && !s->lost && !start_job(v, s))
			return;
	}
}

static void wait_for_news(struct supervisor *v, struct pollfd *fds)
{
	int n = v->settings.workers;
	fds[n] = (struct pollfd){ .fd = v->wake_fd, .events = POLLIN };
	for (int i = 0; i < n; i++)
		fds[i] = (struct pollfd){ .fd = v->slot[i].pid ? v->slot[i].fd : -1, .events = POLLIN };
	poll(fds, (nfds_t)n + 1, 1000);
}

static void *supervisor_main(void *arg)
{
	struct supervisor *v = arg;
	int n = v->settings.workers;
	struct pollfd *fds = calloc((size_t)n + 1, sizeof *fds);
	while (fds && !v->stopping) {
		fill_slots(v);
		wait_for_news(v, fds);
		bool woken = fds[n].revents;
		uint64_t count;
		if (woken && read(v->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
			break;
		if (woken)
			v->look_ns = 0;
		for (int i = 0; i < n && !v->stopping; i++) {
			struct slot *s = &v->slot[i];
			if (s->pid && fds[i].revents)
				listen_to_child(v, s);
			if (s->pid && woken)
				pass_requests(v, s);
			if (s->pid)
				keep_lease(v, s);
			if (s->lost)
				report_lost(v, s);
		}
	}
	for (int i = 0; i < n; i++)
		end_child(v, &v->slot[i]);
	free(fds);
	return NULL;
}

enum err supervisor_new(const struct supervisor_settings *settings, struct supervisor **out, struct error *e)
{
	struct supervisor *v = calloc(1, sizeof *v);
	if (!v)
		return fail_nomem(e);
	v->settings = *settings;
	v->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	v->slot = calloc((size_t)settings->workers + 1, sizeof *v->slot);
	if (!v->slot || v->wake_fd < 0 || pthread_create(&v->thread, NULL, supervisor_main, v)) {
		if (v->wake_fd >= 0)
			close(v->wake_fd);
		free(v->slot);
		free(v);
		return fail(e, ERR_NOMEM, "", "cannot start the supervisor");
	}
	*out = v;
	return ERR_OK;
}

void supervisor_free(struct supervisor *v)
{
	if (!v)
		return;
	v->stopping = true;
	supervisor_wake(v);
	pthread_join(v->thread, NULL);
	close(v->wake_fd);
	free(v->slot);
	free(v);
}

void supervisor_wake(struct supervisor *v)
{
	uint64_t one = 1;
	ssize_t ignored = write(v->wake_fd, &one, sizeof one);   /* full: it will wake anyway */
	(void)ignored;
}

int supervisor_running(const struct supervisor *v)
{
	return v->running;
}

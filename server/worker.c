#include "server/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "api/job_body.h"
#include "api/model_body.h"
#include "model/trainer.h"
#include "server/monotonic.h"
#include "server/shards.h"
#include "server/wire.h"

#define DOCUMENT_MAX (64u << 20)

struct worker {
	int fd;
	struct wire_inbox inbox;
	struct recipe recipe;
	struct trainer *trainer;
	struct shards *shards;
	int threads, checkpoint_interval_s;
	bool cancel, discard, pause, orphan;
	int64_t started_ns, checkpoint_ns;
	int first_epoch;             /* epochs already done when this process began */
	struct strbuf metrics;       /* of the last epoch, JSON */
};

/* ---- what the parent says ----------------------------------------------- */

static void listen_to_parent(struct worker *w)
{
	enum wire_type type;
	struct wire_reader r;
	if (!wire_fill(&w->inbox, w->fd))
		w->orphan = true;
	while (wire_next(&w->inbox, &type, &r)) {
		if (type == WIRE_PAUSE)
			w->pause = true;
		if (type == WIRE_CANCEL) {
			w->cancel = true;
			w->discard = wire_get_u8(&r);
		}
	}
}

static enum err start(struct worker *w, struct wire_reader *r, struct error *e)
{
	size_t recipe_len, state_len;
	w->threads = (int)wire_get_u32(r);
	w->checkpoint_interval_s = (int)wire_get_u32(r);
	const char *recipe = wire_get_bytes(r, &recipe_len);
	struct frame *frame = wire_get_frame(r);
	const char *state = wire_get_bytes(r, &state_len);
	char *metadata = NULL;
	enum err rc = r->failed ? fail(e, ERR_INTERNAL, "", "the start message is damaged")
	                        : job_body_parse(recipe, recipe_len, &w->recipe, &metadata, e);
	free(metadata);
	if (!rc)
		rc = trainer_new(&w->recipe, frame, &w->trainer, e);
	if (!rc && state_len)
		rc = trainer_load(w->trainer, state, state_len, e);
	if (!rc) {
		w->first_epoch = trainer_epoch(w->trainer);
		rc = shards_new(w->trainer, w->threads, &w->shards, e);
	}
	frame_free(frame);
	return rc;
}

static enum err wait_for_start(struct worker *w, struct error *e)
{
	enum wire_type type;
	struct wire_reader r;
	while (!wire_next(&w->inbox, &type, &r)) {
		if (!wire_fill(&w->inbox, w->fd))
			return fail(e, ERR_IO, "", "the parent left before the job began");
	}
	if (type != WIRE_START)
		return fail(e, ERR_INTERNAL, "", "the first message is not START");
	enum err rc = start(w, &r, e);
	fcntl(w->fd, F_SETFL, O_NONBLOCK);   /* from now on the parent's words are looked for between steps */
	return rc;
}

/* ---- what the parent hears ---------------------------------------------- */

/* The socket does not block for reading; wait where it is full for writing. */
static void say(struct worker *w, enum wire_type type, struct strbuf *payload)
{
	fcntl(w->fd, F_SETFL, 0);
	if (!wire_send(w->fd, type, payload))
		w->orphan = true;
	fcntl(w->fd, F_SETFL, O_NONBLOCK);
	if (payload)
		strbuf_fini(payload);
}

static void say_epoch(struct worker *w, const struct epoch_report *r, double seconds)
{
	const struct trainer_plan *plan = trainer_plan(w->trainer);
	struct strbuf out, progress;
	strbuf_init(&out, DOCUMENT_MAX);
	strbuf_init(&progress, DOCUMENT_MAX);
	int done = r->epoch - w->first_epoch, to_do = r->stop ? 0 : plan->epochs - r->epoch;
	struct progress p = {
		.epoch = r->epoch, .epochs = plan->epochs, .step = (long)r->epoch * plan->steps,
		.steps = (long)plan->epochs * plan->steps,
		.samples_per_second = seconds > 0 ? (double)plan->train_examples / seconds : 0,
		.eta_s = (double)(monotonic_ns() - w->started_ns) / 1e9 / done * to_do,
	};
	progress_render(&p, &progress);
	wire_bytes(&out, progress.s, progress.len);
	strbuf_reset(&w->metrics);
	metrics_render(r, &w->metrics);
	wire_bytes(&out, w->metrics.s, w->metrics.len);
	char message[160];
	int n = snprintf(message, sizeof message, "epoch %d: training loss %.6g, validation loss %.6g%s%s", r->epoch,
	                 r->train_loss, r->validation_loss, r->best ? ", the best so far" : "",
	                 r->rolled_back ? ", rolled back" : "");
	wire_bytes(&out, message, (size_t)n);
	wire_f64(&out, seconds);
	wire_u64(&out, plan->train_examples);
	strbuf_fini(&progress);
	say(w, WIRE_EPOCH, &out);
}

static void say_checkpoint(struct worker *w)
{
	struct strbuf out, state;
	strbuf_init(&out, WIRE_MAX);
	strbuf_init(&state, WIRE_MAX);
	trainer_save(w->trainer, &state);
	wire_u32(&out, (uint32_t)trainer_epoch(w->trainer));
	wire_bytes(&out, w->metrics.len ? w->metrics.s : "{}", w->metrics.len ? w->metrics.len : 2);
	wire_bytes(&out, state.s, state.len);
	if (strbuf_ok(&state))
		say(w, WIRE_CHECKPOINT, &out);
	else
		strbuf_fini(&out);   /* no memory for it: the one before stays good */
	strbuf_fini(&state);
	w->checkpoint_ns = monotonic_ns();
}

static enum err say_result(struct worker *w, struct error *e)
{
	struct trained made = { 0 };
	struct evaluation v = { 0 };
	struct strbuf out, document, evaluation;
	strbuf_init(&out, WIRE_MAX);
	strbuf_init(&document, DOCUMENT_MAX);
	strbuf_init(&evaluation, DOCUMENT_MAX);
	size_t n = trainer_plan(w->trainer)->weights;
	float *weights = malloc(n * sizeof *weights);
	enum err rc = weights ? ERR_OK : fail_nomem(e);
	bool publish = !(w->cancel && w->discard) && trainer_epoch(w->trainer) > 0;

	wire_u8(&out, w->cancel);
	if (!rc && publish)
		rc = trainer_finish(w->trainer, &made, weights, &v, e);
	if (rc)
		goto done;
	if (publish) {
		document_render(&made, &w->recipe, &document);
		evaluation_render(&v, &evaluation);
		wire_bytes(&out, document.s, document.len);
		wire_bytes(&out, evaluation.s, evaluation.len);
		wire_bytes(&out, weights, n * sizeof *weights);
		const struct conformal *c = made.forecaster ? made.forecaster->conformal : NULL;
		wire_bytes(&out, c ? c->score : NULL, c ? conformal_count(c) * sizeof(float) : 0);
	} else {
		for (int i = 0; i < 4; i++)
			wire_bytes(&out, NULL, 0);
	}
	if (!strbuf_ok(&document) || !strbuf_ok(&evaluation) || !strbuf_ok(&out)) {
		rc = fail_nomem(e);
		goto done;
	}
	say(w, WIRE_RESULT, &out);
done:
	strbuf_fini(&out);
	strbuf_fini(&document);
	strbuf_fini(&evaluation);
	evaluation_fini(&v);
	trained_fini(&made);
	free(weights);
	return rc;
}

static void say_failed(struct worker *w, const struct error *e)
{
	struct strbuf out;
	strbuf_init(&out, 4096);
	wire_u32(&out, (uint32_t)e->code);
	wire_bytes(&out, e->where, strlen(e->where));
	wire_bytes(&out, e->what, strlen(e->what));
	say(w, WIRE_FAILED, &out);
}

/* ---- training ----------------------------------------------------------- */

/* A cancel does not wait for the epoch's end: the best epoch's weights are what counts. A pause does, because the
 * state between epochs is what a checkpoint holds. */
static bool interrupted(const struct worker *w)
{
	return w->cancel || w->orphan;
}

static enum err run_epoch(struct worker *w, struct error *e)
{
	int64_t start_ns = monotonic_ns();
	int shards;
	trainer_begin_epoch(w->trainer);
	while ((shards = trainer_begin_step(w->trainer)) > 0) {
		shards_run(w->shards, shards);
		enum err rc = trainer_end_step(w->trainer, e);
		if (rc)
			return rc;
		listen_to_parent(w);
		if (interrupted(w))
			return ERR_OK;
	}
	struct epoch_report report;
	enum err rc = trainer_end_epoch(w->trainer, &report, e);
	if (rc)
		return rc;
	say_epoch(w, &report, (double)(monotonic_ns() - start_ns) / 1e9);
	if (monotonic_ns() - w->checkpoint_ns >= w->checkpoint_interval_s * 1000000000LL)
		say_checkpoint(w);
	return ERR_OK;
}

static enum err train(struct worker *w, struct error *e)
{
	w->started_ns = w->checkpoint_ns = monotonic_ns();
	while (!trainer_done(w->trainer) && !interrupted(w) && !w->pause) {
		enum err rc = run_epoch(w, e);
		if (rc)
			return rc;
	}
	if (w->orphan)
		return ERR_OK;
	if (w->pause && !w->cancel && !trainer_done(w->trainer)) {
		if (trainer_epoch(w->trainer) > 0)
			say_checkpoint(w);
		say(w, WIRE_PAUSED, NULL);
		return ERR_OK;
	}
	return say_result(w, e);
}

/* Predictions come first: this process runs when nothing else wants the core, and dies first when memory is short. */
static void be_modest(void)
{
	struct sched_param none = { 0 };
	sched_setscheduler(0, SCHED_IDLE, &none);
	setpriority(PRIO_PROCESS, 0, 19);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	FILE *f = fopen("/proc/self/oom_score_adj", "w");
	if (f) {
		fputs("500", f);
		fclose(f);
	}
}

int worker_main(int fd)
{
	struct worker w = { .fd = fd };
	struct error e;
	be_modest();
	wire_inbox_init(&w.inbox);
	strbuf_init(&w.metrics, DOCUMENT_MAX);
	enum err rc = wait_for_start(&w, &e);
	if (!rc)
		rc = train(&w, &e);
	if (rc)
		say_failed(&w, &e);
	shards_free(w.shards);
	trainer_free(w.trainer);
	wire_inbox_fini(&w.inbox);
	strbuf_fini(&w.metrics);
	return rc || w.orphan ? 1 : 0;
}

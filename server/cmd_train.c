/* cmd_train.c - the whole job without a server: store the series, queue a job, run it, show how far it is. */
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/csv.h"
#include "api/dataset_body.h"
#include "api/job_body.h"
#include "api/model_body.h"
#include "server/app.h"
#include "server/commands.h"
#include "server/lane.h"
#include "server/series_file.h"
#include "server/supervisor.h"
#include "storage/dataset.h"
#include "storage/job_store.h"

#define TEXT_MAX (4u << 20)

/* What the store is asked for: the series and the job in one transaction, then the job again and again. */
struct training {
	const struct options *options;
	struct series_file file;
	struct recipe recipe;
	struct job job;
};

/* "data/sp500.csv" gives "sp500". */
static void dataset_name(const char *path, char out[RECIPE_NAME_MAX + 1])
{
	char copy[4096];
	snprintf(copy, sizeof copy, "%s", path);
	const char *base = basename(copy);
	size_t n = strcspn(base, ".");
	snprintf(out, RECIPE_NAME_MAX + 1, "%.*s", (int)(n < RECIPE_NAME_MAX ? n : RECIPE_NAME_MAX), base);
}

static enum err split_features(struct recipe *r, const char *list, struct error *e)
{
	while (list && *list) {
		size_t n = strcspn(list, ",");
		if (r->features == PIPELINE_MAX_FEATURES)
			return fail(e, ERR_INVALID, "--features", "at most %d features", PIPELINE_MAX_FEATURES);
		if (n == 0 || n > FRAME_NAME_MAX)
			return fail(e, ERR_INVALID, "--features", "a feature's name has 1 to %d bytes", FRAME_NAME_MAX);
		snprintf(r->feature[r->features++], FRAME_NAME_MAX + 1, "%.*s", (int)n, list);
		list += n + (list[n] == ',');
	}
	return ERR_OK;
}

static enum err choose_preset(struct recipe *r, const char *name, struct error *e)
{
	enum preset preset;
	if (!preset_find(name, &preset))
		return fail(e, ERR_INVALID, "--preset", "\"%s\" is none; see gatecast train --help", name);
	recipe_preset(r, preset);
	return ERR_OK;
}

static enum err make_recipe(const struct options *o, struct recipe *r, struct error *e)
{
	if (o->model && strlen(o->model) > RECIPE_NAME_MAX)
		return fail(e, ERR_INVALID, "--model", "a name has at most %d bytes", RECIPE_NAME_MAX);
	recipe_default(r);
	enum err rc = choose_preset(r, o->preset, e);
	if (rc)
		return rc;
	if (!o->target && recipe_task(r) != TASK_GENERATE)
		return fail(e, ERR_INVALID, "--target", recipe_reads_text(r) ? "say which column holds the answers"
			: "say which column to forecast");
	dataset_name(o->argument[0], r->dataset);
	if (o->target)
		snprintf(r->target[r->targets++], sizeof r->target[0], "%s", o->target);
	if (o->window)
		r->window = (int)o->window;
	if (o->horizon)
		r->horizon = (int)o->horizon;
	r->hidden = (int)o->hidden;
	r->epochs = (int)o->epochs;
	r->seed = (uint64_t)o->seed;
	if (o->model)
		snprintf(r->model, sizeof r->model, "%s", o->model);
	else if (recipe_model_name(r, r->model, sizeof r->model) >= (int)sizeof r->model)
		return fail(e, ERR_INVALID, r->dataset, "makes too long a name; choose one with --model");
	if (!store_name_ok(r->dataset) || !store_name_ok(r->model))
		return fail(e, ERR_INVALID, r->model, "a name has letters, digits, '.', '_' and '-'; choose one with --model");
	rc = split_features(r, o->features, e);
	if (rc)
		return rc;
	recipe_settle(r);
	return recipe_check(r, e);
}

static enum err queue_job(void *arg, struct store *s, struct error *e)
{
	struct training *t = arg;
	struct dataset_info d = { 0 };
	struct strbuf text;
	bool replaced, replayed;
	strbuf_init(&text, TEXT_MAX);
	dataset_describe(t->file.frame, &text);
	enum err rc = dataset_put(s, t->recipe.dataset, t->file.frame, text.s, t->file.sha256, &d, &replaced, e);
	strbuf_reset(&text);
	recipe_render(&t->recipe, &text);
	const struct job_new in = { .model = t->recipe.model, .dataset = t->recipe.dataset, .dataset_version = d.version,
		.spec = text.s };
	if (!rc)
		rc = job_create(s, &in, 1000000, &t->job, &replayed, e);
	strbuf_fini(&text);
	dataset_info_fini(&d);
	return rc;
}

static enum err look_at_job(void *arg, struct store *s, struct error *e)
{
	struct training *t = arg;
	struct job now = { 0 };
	enum err rc = job_get(s, t->job.id, &now, e);
	if (rc)
		return rc;
	job_fini(&t->job);
	t->job = now;
	return ERR_OK;
}

static void draw_bar(const struct progress *p)
{
	static const char full[] = "########################################";
	int width = (int)sizeof full - 1, done = p->epochs ? width * p->epoch / p->epochs : 0;
	fprintf(stderr, "\r[%-*.*s] epoch %d of at most %d, %.0f examples/s ", width, done, full, p->epoch, p->epochs,
	        p->samples_per_second);
	fflush(stderr);
}

static enum err follow(struct app *a, struct training *t, struct error *e)
{
	const struct timespec tick = { .tv_nsec = 100000000 };
	bool terminal = isatty(STDERR_FILENO);
	while (!job_status_ended(t->job.status)) {
		nanosleep(&tick, NULL);
		enum err rc = lane_call(a->reader, look_at_job, t, e);
		if (rc)
			return rc;
		struct progress p;
		if (terminal && t->job.progress && !progress_parse(t->job.progress, &p))
			draw_bar(&p);
	}
	if (terminal)
		fputc('\n', stderr);
	return ERR_OK;
}

static void say_forecaster(const struct training *t)
{
	struct skill_view skill;
	skill_parse(t->job.result, &skill);
	printf("backtest on the untouched test part: MASE %.3f, %s than naive (%.3f times its error)\n", skill.mase,
	       skill.verdict ? skill.verdict : "not compared", 1 - skill.vs_naive);
	printf("forecast with: gatecast predict %s %s --db %s\n", t->job.model, t->options->argument[0], t->options->db);
}

static void say_other(const struct training *t)
{
	static const char *const routes[] = {
		[TASK_FORECAST] = "forecast", [TASK_RECONSTRUCT] = "anomalies", [TASK_GENERATE] = "generate",
		[TASK_CLASSIFY] = "classify", [TASK_TRANSLATE] = "translate",
	};
	struct strbuf summary;
	strbuf_init(&summary, TEXT_MAX);
	evaluation_summary(t->job.result, &summary);
	printf("on the untouched test part: %s\n", summary.s);
	printf("use it with: gatecast serve --db %s, POST /v1/%s\n", t->options->db, routes[recipe_task(&t->recipe)]);
	strbuf_fini(&summary);
}

static int say_result(const struct training *t)
{
	if (t->job.status != JOB_SUCCEEDED) {
		fprintf(stderr, "gatecast: job %s %s: %s\n", t->job.id, job_status_name(t->job.status),
		        t->job.error ? t->job.error : "");
		return 1;
	}
	printf("model %s, version %d, is in %s\n", t->job.model, t->job.version, t->options->db);
	if (recipe_task(&t->recipe) == TASK_FORECAST)
		say_forecaster(t);
	else
		say_other(t);
	return 0;
}

int command_train(const struct options *o)
{
	struct app app = { 0 };
	struct training t = { .options = o };
	struct options run = *o;
	struct error e;
	run.workers = 1;
	run.queue_capacity = 1;
	run.model_cache = 1;

	enum err rc = make_recipe(o, &t.recipe, &e);
	int failure = rc ? 2 : 1;   /* a usage error, or a series or job that fails */
	if (!rc)
		rc = series_file_read(o->argument[0], &t.file, &e);
	if (!rc)
		rc = trainer_check(&t.recipe, t.file.frame, t.file.frame->rows, &e);
	if (!rc)
		rc = app_start(&app, &run, &e);
	if (!rc)
		rc = lane_call(app.writer, queue_job, &t, &e);
	if (!rc) {
		supervisor_wake(app.supervisor);
		rc = follow(&app, &t, &e);
	}
	int code = rc ? failure : say_result(&t);
	if (rc)
		command_failed(&e);
	app_stop(&app);
	job_fini(&t.job);
	series_file_fini(&t.file);
	return code;
}

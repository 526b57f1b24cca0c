/* job_body.c - a job's small bodies and its answers. Answers go straight into the buffer; what the store keeps as
 * JSON is embedded as it is. */
#include "api/job_body.h"

#include <math.h>
#include <string.h>

#include "api/json_tree.h"
#include "api/number.h"

static const struct tree_limits small_limits = { .bytes = 4096, .tokens = 64 };
static const struct tree_limits evaluation_limits = { .bytes = 8 << 20, .tokens = 200000 };

/* --- small bodies ------------------------------------------------------------------------------------------------- */

/* An object with that member and no other. */
static enum err parse_single(const char *s, size_t len, const char *member, json_t **out, struct error *e)
{
	json_t *tree = NULL;
	enum err rc = tree_parse(s, len, &small_limits, &tree, e);
	if (rc)
		return rc;
	if (!json_is_object(tree))
		rc = fail(e, ERR_INVALID, "", "expected an object");
	for (void *i = json_object_iter(tree); i && !rc; i = json_object_iter_next(tree, i))
		if (strcmp(json_object_iter_key(i), member))
			rc = tree_fail(e, ERR_INVALID, "", json_object_iter_key(i),
				"unknown member; the only one is \"%s\"", member);
	if (rc)
		json_decref(tree);
	else
		*out = tree;
	return rc;
}

enum err cancel_body_parse(const char *s, size_t len, bool *discard, struct error *e)
{
	json_t *tree = NULL;
	enum err rc;
	bool v = false;
	if (len > 0) {
		rc = parse_single(s, len, "discard", &tree, e);
		if (rc)
			return rc;
		rc = json_object_size(tree) ? tree_flag(tree, "", "discard", &v, e) : ERR_OK;
		json_decref(tree);
		if (rc)
			return rc;
	}
	*discard = v;
	return ERR_OK;
}

enum err label_body_parse(const char *s, size_t len, int *version, struct error *e)
{
	json_t *tree = NULL;
	int64_t v;
	enum err rc = parse_single(s, len, "version", &tree, e);
	if (rc)
		return rc;
	rc = tree_whole(tree, "", "version", 1, INT32_MAX, &v, e);
	json_decref(tree);
	if (rc)
		return rc;
	*version = (int)v;
	return ERR_OK;
}

/* --- documents of the worker -------------------------------------------------------------------------------------- */

void progress_render(const struct progress *p, struct strbuf *out)
{
	strbuf_addf(
		out, "{\"epoch\":%d,\"epochs\":%d,\"step\":%ld,\"steps\":%ld", p->epoch, p->epochs, p->step, p->steps);
	json_member_number(out, "samples_per_second", p->samples_per_second);
	json_member_number(out, "eta_s", p->eta_s < 0 ? NAN : p->eta_s);
	strbuf_addc(out, '}');
}

static enum err read_progress(const json_t *tree, struct progress *p)
{
	int64_t epoch, epochs, step, steps;
	enum err rc = tree_whole(tree, "", "epoch", 0, INT32_MAX, &epoch, NULL);
	if (!rc)
		rc = tree_whole(tree, "", "epochs", 0, INT32_MAX, &epochs, NULL);
	if (!rc)
		rc = tree_whole(tree, "", "step", 0, INT64_C(1) << 53, &step, NULL);
	if (!rc)
		rc = tree_whole(tree, "", "steps", 0, INT64_C(1) << 53, &steps, NULL);
	if (rc)
		return rc;
	const json_t *rate = json_object_get(tree, "samples_per_second"), *eta = json_object_get(tree, "eta_s");
	*p = (struct progress){
		.epoch = (int)epoch, .epochs = (int)epochs, .step = (long)step, .steps = (long)steps,
		.samples_per_second = json_is_real(rate) ? json_real_value(rate) : NAN,
		.eta_s = json_is_real(eta) ? json_real_value(eta) : -1,
	};
	return ERR_OK;
}

enum err progress_parse(const char *json, struct progress *out)
{
	json_t *tree = NULL;
	enum err rc = tree_parse(json, strlen(json), &small_limits, &tree, NULL);
	if (rc)
		return rc;
	rc = read_progress(tree, out);
	json_decref(tree);
	return rc;
}

void metrics_render(const struct epoch_report *r, struct strbuf *out)
{
	strbuf_addf(out, "{\"epoch\":%d", r->epoch);
	json_member_number(out, "train_loss", r->train_loss);
	json_member_number(out, "validation_loss", r->validation_loss);
	json_member_number(out, "learning_rate", r->learning_rate);
	json_member_number(out, "gradient_norm", r->gradient_norm);
	json_member_int(out, "skipped_steps", r->skipped_steps);
	json_member_flag(out, "best", r->best);
	json_member_flag(out, "rolled_back", r->rolled_back);
	strbuf_addc(out, '}');
}

/* "mae":…,"rmse":…,"mase":…,"smape":… */
static void write_scores(struct strbuf *out, const struct scores *s)
{
	strbuf_adds(out, "\"mae\":");
	number_write(out, s->mae);
	json_member_number(out, "rmse", s->rmse);
	json_member_number(out, "mase", s->mase);
	json_member_number(out, "smape", s->smape);
}

static void write_per_horizon(struct strbuf *out, const struct scores *step, int horizon)
{
	json_member(out, "per_horizon");
	strbuf_addc(out, '[');
	for (int h = 0; step && h < horizon; h++) {
		strbuf_adds(out, h ? ",{" : "{");
		write_scores(out, &step[h]);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

static void write_coverage(struct strbuf *out, const double coverage[2])
{
	strbuf_adds(out, ",\"coverage\":{\"0.8\":");
	number_write(out, coverage[0]);
	json_member_number(out, "0.9", coverage[1]);
	strbuf_addc(out, '}');
}

static void write_numbers(const struct evaluation *v, struct strbuf *out)
{
	int from, to;
	evaluation_baselines(v->task, &from, &to);
	strbuf_adds(out, "{\"test\":{");
	write_scores(out, &v->model);
	write_per_horizon(out, v->per_step, v->horizon);
	strbuf_addc(out, '}');
	for (int b = from; b < to; b++) {
		json_member(out, evaluation_baseline_name(b));
		strbuf_addc(out, '{');
		write_scores(out, &v->baseline[b]);
		write_per_horizon(out, v->baseline_step[b], v->horizon);
		json_member_number(out, "skill", v->skill[b]);   /* of the model, against this */
		strbuf_addc(out, '}');
	}
	json_member_number(out, "skill", v->skill[from]);
	write_coverage(out, v->coverage);
	strbuf_addf(out, ",\"origins\":%zu", v->origins);
	json_member_number(out, "season", v->season);
	json_member_number(out, "shrinkage", v->shrinkage);
}

/* Those that the task has. */
static void write_text_scores(struct strbuf *out, const struct text_scores *s)
{
	const struct { const char *name; double value; } scores[] = {
		{ "nats", s->nats }, { "perplexity", exp(s->nats) }, { "exact", s->exact }, { "macro_f1", s->macro_f1 },
	};
	strbuf_adds(out, "\"accuracy\":");
	number_write(out, s->accuracy);
	for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
		if (!isnan(scores[i].value))
			json_member_number(out, scores[i].name, scores[i].value);
}

static void write_texts(const struct evaluation *v, struct strbuf *out)
{
	strbuf_adds(out, "{\"test\":{");
	write_text_scores(out, &v->text);
	strbuf_addc(out, '}');
	json_member(out, evaluation_text_baseline_name(v->task));
	strbuf_addc(out, '{');
	write_text_scores(out, &v->text_baseline);
	json_member_number(out, "skill", v->text_skill);
	strbuf_addc(out, '}');
	json_member_number(out, "skill", v->text_skill);
	strbuf_addf(out, ",\"texts\":%zu,\"tokens\":%zu", v->texts, v->tokens);
}

void evaluation_render(const struct evaluation *v, struct strbuf *out)
{
	if (v->task == TASK_FORECAST || v->task == TASK_RECONSTRUCT)
		write_numbers(v, out);
	else
		write_texts(v, out);
	json_member_text(out, "task", task_names[v->task]);
	json_member_text(out, "verdict", verdict_name(v->verdict));
	json_member_number(out, "p_value", v->p_value);
	strbuf_addc(out, '}');
}

/* "accuracy 0.93 (majority 0.4)" */
static void say_score(const json_t *test, const json_t *baseline, const char *baseline_name, const char *name,
                      struct strbuf *out)
{
	strbuf_addf(out, "%s %.4g (%s %.4g)", name, json_real_value(json_object_get(test, name)), baseline_name,
		json_real_value(json_object_get(baseline, name)));
}

void evaluation_summary(const char *evaluation, struct strbuf *out)
{
	/* The score that decides a task's verdict, and the baseline that it is compared with. */
	static const struct { const char *score, *baseline; } deciding[] = {
		[TASK_FORECAST] = { "mase", "naive" }, [TASK_RECONSTRUCT] = { "mae", "mean" }, [TASK_GENERATE] = { "nats", "bigram" },
		[TASK_CLASSIFY] = { "accuracy", "majority" }, [TASK_TRANSLATE] = { "exact", "copy" },
	};
	json_t *tree = NULL;
	int task = TASK_FORECAST;   /* documents of the first releases do not say it */
	if (!evaluation || tree_parse(evaluation, strlen(evaluation), &evaluation_limits, &tree, NULL))
		return;
	const char *name = json_string_value(json_object_get(tree, "task")), *verdict = json_string_value(json_object_get(tree, "verdict"));
	for (int i = 0; name && task_names[i]; i++)
		if (!strcmp(task_names[i], name))
			task = i;
	say_score(json_object_get(tree, "test"), json_object_get(tree, deciding[task].baseline), deciding[task].baseline,
		deciding[task].score, out);
	strbuf_addf(out, ", %s", verdict ? verdict : "not compared");
	json_decref(tree);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

void job_render(const struct job_view *j, struct strbuf *out)
{
	strbuf_adds(out, "{\"id\":");
	json_write_string(out, j->id);
	json_member_text(out, "object", "job");
	json_member_text(out, "status", j->status);
	json_member_text(out, "model", j->model);
	json_member(out, "version");
	if (j->version > 0)
		strbuf_addf(out, "%d", j->version);
	else
		strbuf_adds(out, "null");
	json_member_text(out, "dataset", j->dataset);
	json_member_time(out, "created_at", j->created_at_us);
	json_member_time(out, "started_at", j->started_at_us);
	json_member_time(out, "finished_at", j->finished_at_us);
	json_member_time(out, "estimated_finish", j->estimated_finish_us);
	json_member_int(out, "attempts", j->attempts);
	json_member_raw(out, "progress", j->progress);
	json_member_raw(out, "metrics", j->metrics);
	json_member_raw(out, "result", j->result);
	json_member_raw(out, "spec", j->spec);
	strbuf_addf(out, ",\"seed\":%llu", (unsigned long long)j->seed);
	json_member_raw(out, "error", j->error);
	json_member_raw(out, "metadata", j->metadata);
	strbuf_addc(out, '}');
}

void event_render(const struct event_view *v, struct strbuf *out)
{
	strbuf_addf(out, "{\"id\":%lld", (long long)v->id);
	json_member_text(out, "object", "job.event");
	json_member_text(out, "job", v->job);
	json_member_time(out, "created_at", v->created_at_us);
	json_member_text(out, "level", v->level);
	json_member_text(out, "type", v->type);
	json_member_text(out, "message", v->message);
	json_member_raw(out, "data", v->data);
	strbuf_addc(out, '}');
}

void checkpoint_render(const struct checkpoint_view *v, struct strbuf *out)
{
	strbuf_addf(out, "{\"id\":%lld", (long long)v->id);
	json_member_text(out, "object", "job.checkpoint");
	json_member_text(out, "job", v->job);
	json_member_int(out, "epoch", v->epoch);
	json_member_time(out, "created_at", v->created_at_us);
	json_member_raw(out, "metrics", v->metrics);
	json_member_text(out, "sha256", v->sha256);
	strbuf_addc(out, '}');
}

/* model_body.c - the registry's answers. */
#include "api/model_body.h"

#include <math.h>
#include <string.h>

#include "api/json_tree.h"
#include "api/json_write.h"
#include "api/scan.h"
#include "model/series/evaluate.h"

static const struct tree_limits evaluation_limits = { .bytes = 8 << 20, .tokens = 200000 };

/* --- skill -------------------------------------------------------------------------------------------------------- */

static double number_at(const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);
	return json_is_real(v) ? json_real_value(v) : NAN;
}

static const char *verdict_constant(const json_t *v)
{
	const char *name = json_string_value(v);
	for (int i = VERDICT_BETTER; name && i <= VERDICT_WORSE; i++)
		if (!strcmp(verdict_name((enum verdict)i), name))
			return verdict_name((enum verdict)i);
	return NULL;
}

void skill_parse(const char *evaluation, struct skill_view *out)
{
	json_t *tree = NULL;
	*out = (struct skill_view){ NAN, NAN, NAN, NULL };
	if (!evaluation || tree_parse(evaluation, strlen(evaluation), &evaluation_limits, &tree, NULL))
		return;
	out->mase = number_at(json_object_get(tree, "test"), "mase");
	out->vs_naive = number_at(json_object_get(tree, "naive"), "skill");
	out->vs_seasonal_naive = number_at(json_object_get(tree, "seasonal_naive"), "skill");
	out->verdict = verdict_constant(json_object_get(tree, "verdict"));
	json_decref(tree);
}

/* --- the registry's answers --------------------------------------------------------------------------------------- */

static void write_names(struct strbuf *out, const struct pipeline *p)
{
	char name[64];
	strbuf_adds(out, ",\"columns\":[");
	for (int i = 0; i < p->columns; i++) {
		json_comma(out, i);
		json_write_string(out, p->column[i]);
	}
	strbuf_adds(out, "],\"targets\":[");
	for (int i = 0; i < p->targets; i++) {
		json_comma(out, i);
		json_write_string(out, p->column[p->target[i].column]);
	}
	strbuf_adds(out, "],\"features\":[");
	for (int i = 0; i < p->features; i++) {
		const struct feature *f = &p->feature[i];
		json_comma(out, i);
		if (f->kind != FEATURE_COLUMN)
			feature_format(f, name, sizeof name);
		json_write_string(out, f->kind == FEATURE_COLUMN ? p->column[f->column] : name);
	}
	strbuf_addc(out, ']');
}

/* The document's member "spec", byte for byte; null where there is none. */
static void write_spec(struct strbuf *out, const char *document)
{
	struct arena names;
	struct scan s;
	struct text name, value, spec = { "null", 4 };
	size_t len = strlen(document);
	arena_init(&names, 4 * len + 64);
	scan_init(&s, document, len, &names, NULL);
	scan_object(&s);
	while (scan_member(&s, &name))
		if (scan_raw(&s, &value) && text_is(name, "spec"))
			spec = value;
	json_member(out, "spec");
	strbuf_add(out, spec.s, spec.len);
	arena_fini(&names);
}

static void write_forecaster(struct strbuf *out, const struct document *d)
{
	char frequency[32];
	frequency_format(d->frequency, frequency, sizeof frequency);
	json_member_text(out, "task",
		task_names[d->net.decoder == DECODER_RECONSTRUCT ? TASK_RECONSTRUCT : TASK_FORECAST]);
	write_names(out, &d->pipeline);
	json_member_int(out, "window", d->pipeline.window);
	json_member_int(out, "context", pipeline_context(&d->pipeline));
	json_member_int(out, "horizon", d->pipeline.horizon);
	json_member_text(out, "frequency", frequency);
}

static void write_labels(struct strbuf *out, const struct vocabulary *labels)
{
	json_member(out, "labels");
	strbuf_addc(out, '[');
	for (int i = 0; i < vocabulary_size(labels); i++) {
		json_comma(out, i);
		json_write_string(out, vocabulary_token(labels, i));
	}
	strbuf_addc(out, ']');
}

static void write_text_model(struct strbuf *out, const struct document *d)
{
	json_member_text(out, "task", text_task_names[d->task]);
	json_member_text(out, "unit", token_unit_names[vocabulary_unit(d->source)]);
	json_member_int(out, "vocabulary", vocabulary_size(d->source));
	json_member_int(out, "window", d->max_steps);
	if (d->task == TEXT_TRANSLATE) {
		json_member_int(out, "answer_vocabulary", vocabulary_size(d->target));
		json_member_int(out, "horizon", d->net.horizon);
	}
	if (d->task == TEXT_CLASSIFY)
		write_labels(out, d->target);
}

static void write_version(const struct version_view *v, const struct document *d, struct strbuf *out)
{
	strbuf_adds(out, "{\"model\":");
	json_write_string(out, v->model);
	json_member_text(out, "object", "model.version");
	json_member_int(out, "version", v->version);
	json_member_time(out, "created_at", v->created_at_us);
	json_member_text(out, "preset", d->preset);
	if (document_is_text(d))
		write_text_model(out, d);
	else
		write_forecaster(out, d);
	json_member_int(out, "parameters", (long)v->weights);
	json_member_flag(out, "loaded", v->loaded);
	json_member_text(out, "sha256", v->sha256);
	json_member_text(out, "job", v->job && v->job[0] ? v->job : NULL);
	json_member_raw(out, "evaluation", v->evaluation);
	write_spec(out, v->document);
	strbuf_addc(out, '}');
}

void version_render(const struct version_view *v, struct strbuf *out)
{
	struct document d;
	if (document_parse(v->document, strlen(v->document), &d, NULL)) {
		out->failed = true;   /* a damaged document has no answer */
		return;
	}
	write_version(v, &d, out);
	document_fini(&d);
}

/* "versions":["1","2"] or [1,2] */
static void write_versions(struct strbuf *out, const int *versions, int n, const char *quote)
{
	strbuf_adds(out, ",\"versions\":[");
	for (int i = 0; i < n; i++) {
		json_comma(out, i);
		strbuf_addf(out, "%s%d%s", quote, versions[i], quote);
	}
	strbuf_addc(out, ']');
}

void model_render(const char *name, int latest, const int *versions, int n, const struct label_view *labels,
	int n_labels, int64_t created_at_us, struct strbuf *out)
{
	strbuf_adds(out, "{\"name\":");
	json_write_string(out, name);
	json_member_text(out, "object", "model");
	json_member_int(out, "latest", latest);
	write_versions(out, versions, n, "");
	strbuf_adds(out, ",\"labels\":{");
	for (int i = 0; i < n_labels; i++) {
		json_comma(out, i);
		json_write_string(out, labels[i].label);
		strbuf_addf(out, ":%d", labels[i].version);
	}
	strbuf_adds(out, "},\"created_at\":");
	json_time_us(out, created_at_us);
	strbuf_addc(out, '}');
}

/* --- the two dialects' metadata ----------------------------------------------------------------------------------- */

void predict_status_render(const int *versions, int n, struct strbuf *out)
{
	strbuf_adds(out, "{\"model_version_status\":[");
	for (int i = 0; i < n; i++) {
		json_comma(out, i);
		strbuf_addf(out,
			"{\"version\":\"%d\",\"state\":\"AVAILABLE\","
			"\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}}",
			versions[i]);
	}
	strbuf_adds(out, "]}");
}

/* A tensor as the dialects describe it: -1 is any size. */
struct tensor_kind {
	const char *name;
	bool text;             /* of strings, not of numbers */
	int dims, dim[3];
};

static void tensors_of(const struct trained *t, struct tensor_kind *in, struct tensor_kind *out)
{
	if (t->text) {
		*in = (struct tensor_kind){ "input", true, 1, { -1 } };
		*out = (struct tensor_kind){ "output", true, 1, { -1 } };
		return;
	}
	const struct pipeline *p = &t->forecaster->pipeline;
	*in = (struct tensor_kind){ "input", false, 3, { -1, -1, p->columns } };
	*out = (struct tensor_kind){ "output", false, 3, { -1, net_steps(&t->forecaster->net, p->window), p->targets } };
}

/* TensorFlow's tensor info: sizes are strings. */
static void write_tensor_info(struct strbuf *out, const struct tensor_kind *k)
{
	strbuf_addf(out, "{\"%s\":{\"dtype\":\"%s\",\"tensor_shape\":{\"dim\":[", k->name, k->text ? "DT_STRING" : "DT_DOUBLE");
	for (int i = 0; i < k->dims; i++) {
		json_comma(out, i);
		strbuf_addf(out, "{\"size\":\"%d\",\"name\":\"\"}", k->dim[i]);
	}
	strbuf_addf(out, "],\"unknown_rank\":false},\"name\":\"%s\"}}", k->name);
}

void predict_metadata_render(const char *model, int version, const struct trained *t, struct strbuf *out)
{
	struct tensor_kind input, output;
	tensors_of(t, &input, &output);
	strbuf_adds(out, "{\"model_spec\":{\"name\":");
	json_write_string(out, model);
	strbuf_addf(out,
		",\"signature_name\":\"\",\"version\":\"%d\"},\"metadata\":{\"signature_def\":{\"signature_def\":"
		"{\"serving_default\":{\"inputs\":",
		version);
	write_tensor_info(out, &input);
	strbuf_adds(out, ",\"outputs\":");
	write_tensor_info(out, &output);
	strbuf_adds(out, ",\"method_name\":\"tensorflow/serving/predict\"}}}}}");
}

static void write_v2_tensor(struct strbuf *out, const char *member, const struct tensor_kind *k)
{
	strbuf_addf(out, ",\"%s\":[{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[", member, k->name, k->text ? "BYTES" : "FP64");
	for (int i = 0; i < k->dims; i++) {
		json_comma(out, i);
		strbuf_addf(out, "%d", k->dim[i]);
	}
	strbuf_adds(out, "]}]");
}

void infer_metadata_render(const char *model, const int *versions, int n, const struct trained *t, struct strbuf *out)
{
	struct tensor_kind input, output;
	tensors_of(t, &input, &output);
	strbuf_adds(out, "{\"name\":");
	json_write_string(out, model);
	write_versions(out, versions, n, "\"");
	strbuf_adds(out, ",\"platform\":\"gatecast\"");
	write_v2_tensor(out, "inputs", &input);
	write_v2_tensor(out, "outputs", &output);
	if (t->text) {
		strbuf_addf(out, ",\"parameters\":{\"task\":\"%s\",\"window\":%d}}", text_task_names[t->text->task], t->text->max_steps);
		return;
	}
	strbuf_addf(out, ",\"parameters\":{\"context\":%d", pipeline_context(&t->forecaster->pipeline));
	write_names(out, &t->forecaster->pipeline);
	strbuf_adds(out, "}}");
}

void infer_server_render(const char *version, struct strbuf *out)
{
	strbuf_adds(out, "{\"name\":\"gatecast\"");
	json_member_text(out, "version", version);
	strbuf_adds(out, ",\"extensions\":[\"binary_tensor_data\",\"sequence\"]}");
}

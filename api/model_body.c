/* model_body.c - a version's document and the registry's answers.
 *
 *     {"format": 2, "preset": "attention_gru", "frequency": "B",
 *      "pipeline": {"window", "horizon",
 *                   "columns":  [{"name", "minimum", "maximum"}],
 *                   "targets":  [{"column", "log", "scale", "shrink", "raw"}],   column: index into columns
 *                   "features": [{"column", "indicator": null | "sma_10"}],
 *                   "channels": [{"transform", "anchor", "mean", "scale"}]},     anchor: index into targets
 *      "network": {"inputs", "encoder": "gru", "hidden", "layers", "bidirectional", "bias", "reset_after", "relu",
 *                  "dropout", "heads", "feedforward", "norm_first", "gelu", "causal",             transformer; else 0 and false
 *                  "decoder": "attention", "score": "additive", "attention", "decoder_input",
 *                  "targets", "levels": [0.1, 0.5, 0.9], "median_level", "horizon"},   levels: [] for a point
 *      "calibration": 2000,
 *      "spec": {…} | null}                                                       the recipe, as POST /v1/jobs takes it
 *
 * Format 1 knew no other composition than a GRU in one direction behind an additive attention, and did not name it.
 *
 * Numbers are written so that they read back to the same bits. Reading trusts nothing: a document may come from a damaged
 * or foreign database, and its sizes decide how far the pipeline and the network reach into memory. */
#include "api/model_body.h"

#include <math.h>
#include <string.h>

#include "api/job_body.h"
#include "api/json_tree.h"
#include "api/number.h"
#include "api/pointer.h"
#include "api/scan.h"

#define DOCUMENT_FORMAT 2
#define CALIBRATION_MAX 100000                       /* origins */
#define SCORES_MAX      (INT64_C(64) << 20)          /* calibration numbers */

static const struct tree_limits document_limits = { .bytes = 512 << 10, .tokens = 20000 };
static const struct tree_limits evaluation_limits = { .bytes = 8 << 20, .tokens = 200000 };

static const char *const transform_names[] = {
	[TRANSFORM_CHANGE] = "change", [TRANSFORM_RATIO] = "ratio", [TRANSFORM_STANDARD] = "standard",
	[TRANSFORM_LOG_STANDARD] = "log_standard", [TRANSFORM_NONE] = "none",
	NULL,
};

static void comma(struct strbuf *out, int i)
{
	if (i)
		strbuf_addc(out, ',');
}

/* --- the document, out -------------------------------------------------------------------------------------------- */

static void write_columns(const struct pipeline *p, struct strbuf *out)
{
	strbuf_adds(out, ",\"columns\":[");
	for (int i = 0; i < p->columns; i++) {
		comma(out, i);
		strbuf_adds(out, "{\"name\":");
		json_write_string(out, p->column[i]);
		json_member_number(out, "minimum", p->minimum[i]);
		json_member_number(out, "maximum", p->maximum[i]);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

static void write_targets(const struct pipeline *p, struct strbuf *out)
{
	strbuf_adds(out, ",\"targets\":[");
	for (int i = 0; i < p->targets; i++) {
		const struct target *t = &p->target[i];
		comma(out, i);
		strbuf_addf(out, "{\"column\":%d", t->column);
		json_member_flag(out, "log", t->log);
		json_member_number(out, "scale", t->scale);
		json_member_number(out, "shrink", t->shrink);
		if (t->raw)   /* absent in documents of trained models: false */
			json_member_flag(out, "raw", true);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

static void write_features(const struct pipeline *p, struct strbuf *out)
{
	char name[64];
	strbuf_adds(out, ",\"features\":[");
	for (int i = 0; i < p->features; i++) {
		const struct feature *f = &p->feature[i];
		comma(out, i);
		if (f->kind != FEATURE_COLUMN)
			feature_format(f, name, sizeof name);
		strbuf_addf(out, "{\"column\":%d", f->column);
		json_member_text(out, "indicator", f->kind == FEATURE_COLUMN ? NULL : name);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

static void write_channels(const struct pipeline *p, struct strbuf *out)
{
	strbuf_adds(out, ",\"channels\":[");
	for (int i = 0; i < p->channels; i++) {
		const struct channel *c = &p->channel[i];
		comma(out, i);
		strbuf_adds(out, "{\"transform\":");
		json_write_string(out, transform_names[c->transform]);
		json_member_int(out, "anchor", c->anchor);
		json_member_number(out, "mean", c->mean);
		json_member_number(out, "scale", c->scale);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

static void write_pipeline(const struct pipeline *p, struct strbuf *out)
{
	strbuf_addf(out, ",\"pipeline\":{\"window\":%d,\"horizon\":%d", p->window, p->horizon);
	write_columns(p, out);
	write_targets(p, out);
	write_features(p, out);
	write_channels(p, out);
	strbuf_addc(out, '}');
}

/* A point network has one output a target and no level: forecaster.level is 0 there. */
static int quantile_levels(const struct net_spec *s, const double *level)
{
	return s->levels == 1 && !(level[0] > 0) ? 0 : s->levels;
}

static void write_encoder(const struct net_spec *s, struct strbuf *out)
{
	json_member_text(out, "encoder", encoder_names[s->encoder]);
	json_member_int(out, "hidden", s->hidden);
	json_member_int(out, "layers", s->layers);
	json_member_flag(out, "bidirectional", s->bidirectional);
	json_member_flag(out, "bias", s->bias);
	json_member_flag(out, "reset_after", s->reset_after);
	json_member_flag(out, "relu", s->relu);
	json_member_number(out, "dropout", s->dropout);
	json_member_int(out, "heads", s->heads);
	json_member_int(out, "feedforward", s->feedforward);
	json_member_flag(out, "norm_first", s->norm_first);
	json_member_flag(out, "gelu", s->gelu);
	json_member_flag(out, "causal", s->causal);
}

static void write_decoder(const struct net_spec *s, struct strbuf *out)
{
	json_member_text(out, "decoder", decoder_names[s->decoder]);
	json_member_text(out, "score", score_names[s->score]);
	json_member_int(out, "attention", s->attention);
	json_member_text(out, "decoder_input", decoder_input_names[s->decoder_input]);
}

static void write_network(const struct net_spec *s, const double *level, struct strbuf *out)
{
	strbuf_addf(out, ",\"network\":{\"inputs\":%d", s->inputs);
	write_encoder(s, out);
	write_decoder(s, out);
	json_member_int(out, "targets", s->targets);
	strbuf_adds(out, ",\"levels\":[");
	for (int i = 0; i < quantile_levels(s, level); i++) {
		comma(out, i);
		number_write(out, level[i]);
	}
	strbuf_addf(out, "],\"median_level\":%d,\"horizon\":%d}", s->median_level, s->horizon);
}

/* The preset that comes closest to a network without a recipe. */
static enum preset net_preset(const struct net_spec *s)
{
	static const enum preset by_encoder[] = {
		[ENCODER_GRU] = PRESET_GRU, [ENCODER_LSTM] = PRESET_LSTM, [ENCODER_RNN] = PRESET_RNN,
		[ENCODER_TRANSFORMER] = PRESET_TRANSFORMER,
	};
	if (s->decoder != DECODER_ATTENTION)
		return by_encoder[s->encoder];
	return s->encoder == ENCODER_LSTM ? PRESET_ATTENTION_LSTM : PRESET_ATTENTION_GRU;
}

void document_render(const struct forecaster *f, const struct recipe *r, struct strbuf *out)
{
	char frequency[32];
	frequency_format(f->frequency, frequency, sizeof frequency);
	strbuf_addf(out, "{\"format\":%d", DOCUMENT_FORMAT);
	json_member_text(out, "preset", preset_names[r ? r->preset : net_preset(&f->net)]);
	json_member_text(out, "frequency", frequency);
	write_pipeline(&f->pipeline, out);
	write_network(&f->net, f->level, out);
	json_member_int(out, "calibration", f->conformal ? f->conformal->n : 0);
	json_member(out, "spec");
	if (r)
		recipe_render(r, out);
	else
		strbuf_adds(out, "null");
	strbuf_addc(out, '}');
}

/* --- the document, in --------------------------------------------------------------------------------------------- */

/* A reader of one object: the first failure sticks, so a list of members reads as one. */
struct reader { const json_t *o; char path[64]; struct error *e; enum err rc; };

static int read_int(struct reader *r, const char *name, int lo, int hi)
{
	int64_t v = lo;
	if (!r->rc)
		r->rc = tree_whole(r->o, r->path, name, lo, hi, &v, r->e);
	return (int)v;
}

static double read_number(struct reader *r, const char *name)
{
	double v = 0;
	if (!r->rc)
		r->rc = tree_number(r->o, r->path, name, &v, r->e);
	return v;
}

static double read_positive(struct reader *r, const char *name)
{
	double v = read_number(r, name);
	if (!r->rc && !(v > 0))
		r->rc = tree_fail(r->e, ERR_INVALID, r->path, name, "must be positive");
	return v;
}

static bool read_flag(struct reader *r, const char *name)
{
	bool v = false;
	if (!r->rc)
		r->rc = tree_flag(r->o, r->path, name, &v, r->e);
	return v;
}

static void read_text(struct reader *r, const char *name, char *out, size_t cap)
{
	if (!r->rc)
		r->rc = tree_text(r->o, r->path, name, out, cap, r->e);
}

/* The index into choice, which ends with NULL. */
static int read_choice(struct reader *r, const char *name, const char *const *choice)
{
	char text[32] = "";
	read_text(r, name, text, sizeof text);
	for (int i = 0; choice[i]; i++)
		if (!strcmp(choice[i], text))
			return i;
	if (!r->rc)
		r->rc = tree_fail(r->e, ERR_INVALID, r->path, name, "unknown: \"%s\"", text);
	return 0;
}

static struct reader reader_object(struct reader *r, const char *name)
{
	json_t *o = NULL;
	struct reader below = { .e = r->e };
	if (!r->rc)
		r->rc = tree_object(r->o, r->path, name, &o, r->e);
	size_t at = (size_t)snprintf(below.path, sizeof below.path, "%s", r->path);
	pointer_add(below.path, at, sizeof below.path, name, strlen(name));
	below.o = o;
	below.rc = r->rc;
	return below;
}

/* The objects of an array: min … max of them. Their number, 0 on failure. */
static int reader_array(struct reader *r, const char *name, int min, int max, json_t **array)
{
	if (r->rc)
		return 0;
	r->rc = tree_array(r->o, r->path, name, (size_t)max, array, r->e);
	if (!r->rc && json_array_size(*array) < (size_t)min)
		r->rc = tree_fail(r->e, ERR_INVALID, r->path, name, "has %zu values, expected at least %d",
			json_array_size(*array), min);
	return r->rc ? 0 : (int)json_array_size(*array);
}

static struct reader reader_item(struct reader *r, const char *name, json_t *array, int i)
{
	struct reader below = { .o = json_array_get(array, (size_t)i), .e = r->e, .rc = r->rc };
	size_t at = (size_t)snprintf(below.path, sizeof below.path, "%s", r->path);
	at = pointer_add(below.path, at, sizeof below.path, name, strlen(name));
	pointer_add_index(below.path, at, sizeof below.path, (size_t)i);
	if (!below.rc && !json_is_object(below.o))
		below.rc = fail(r->e, ERR_INVALID, below.path, "expected an object");
	return below;
}

static void read_columns(struct reader *r, struct pipeline *p)
{
	json_t *array = NULL;
	p->columns = reader_array(r, "columns", 1, PIPELINE_MAX_COLUMNS, &array);
	for (int i = 0; i < p->columns && !r->rc; i++) {
		struct reader c = reader_item(r, "columns", array, i);
		read_text(&c, "name", p->column[i], sizeof p->column[i]);
		p->minimum[i] = read_number(&c, "minimum");
		p->maximum[i] = read_number(&c, "maximum");
		r->rc = c.rc;
	}
}

static void read_targets(struct reader *r, struct pipeline *p)
{
	json_t *array = NULL;
	p->targets = reader_array(r, "targets", 1, PIPELINE_MAX_TARGETS, &array);
	for (int i = 0; i < p->targets && !r->rc; i++) {
		struct reader t = reader_item(r, "targets", array, i);
		p->target[i].column = read_int(&t, "column", 0, p->columns - 1);
		p->target[i].log = read_flag(&t, "log");
		p->target[i].scale = read_positive(&t, "scale");
		p->target[i].shrink = read_number(&t, "shrink");
		p->target[i].raw = json_object_get(t.o, "raw") && read_flag(&t, "raw");
		if (!t.rc && !(p->target[i].shrink >= 0 && p->target[i].shrink <= 1))
			t.rc = tree_fail(r->e, ERR_INVALID, t.path, "shrink", "must lie in 0 … 1");
		r->rc = t.rc;
	}
}

static void read_feature(struct reader *r, const struct pipeline *p, struct feature *out)
{
	char name[64];
	int column = read_int(r, "column", 0, p->columns - 1);
	*out = (struct feature){ .kind = FEATURE_COLUMN };
	if (!r->rc && !json_is_null(json_object_get(r->o, "indicator"))) {
		read_text(r, "indicator", name, sizeof name);
		if (!r->rc)
			r->rc = feature_parse(name, out, r->e);
	}
	out->column = column;
}

static void read_features(struct reader *r, struct pipeline *p)
{
	json_t *array = NULL;
	int channels = 0;
	p->features = reader_array(r, "features", 1, PIPELINE_MAX_FEATURES, &array);
	for (int i = 0; i < p->features && !r->rc; i++) {
		struct reader f = reader_item(r, "features", array, i);
		read_feature(&f, p, &p->feature[i]);
		r->rc = f.rc;
		if (!r->rc)
			channels += feature_channels(&p->feature[i]);
	}
	p->channels = channels;
	if (!r->rc && pipeline_context(p) > PIPELINE_MAX_CONTEXT)
		r->rc = tree_fail(r->e, ERR_INVALID, r->path, "features",
			"a forecast would need %d rows, the limit is %d", pipeline_context(p), PIPELINE_MAX_CONTEXT);
}

static void read_channels(struct reader *r, struct pipeline *p)
{
	json_t *array = NULL;
	int n = reader_array(r, "channels", 1, PIPELINE_MAX_CHANNELS, &array);
	if (!r->rc && n != p->channels)
		r->rc = tree_fail(
			r->e, ERR_INVALID, r->path, "channels", "are %d, the features make %d", n, p->channels);
	for (int i = 0; i < n && !r->rc; i++) {
		struct reader c = reader_item(r, "channels", array, i);
		p->channel[i].transform =
			(enum transform)read_choice(&c, "transform", transform_names);
		p->channel[i].anchor = read_int(&c, "anchor", 0, p->targets - 1);
		p->channel[i].mean = read_number(&c, "mean");
		p->channel[i].scale = read_positive(&c, "scale");
		r->rc = c.rc;
	}
}

static void read_pipeline(struct reader *r, struct pipeline *p)
{
	p->window = read_int(r, "window", 1, PIPELINE_MAX_CONTEXT);
	p->horizon = read_int(r, "horizon", 1, NET_MAX_HORIZON);
	read_columns(r, p);
	read_targets(r, p);
	read_features(r, p);
	read_channels(r, p);
}

static int read_levels(struct reader *r, double *level)
{
	json_t *array = NULL;
	int n = reader_array(r, "levels", 0, NET_MAX_LEVELS, &array);
	for (int i = 0; i < n; i++) {
		const json_t *v = json_array_get(array, (size_t)i);
		level[i] = json_is_real(v) ? json_real_value(v) : 0;
		if (!(level[i] > (i ? level[i - 1] : 0) && level[i] < 1))
			r->rc = tree_fail(r->e, ERR_INVALID, r->path, "levels", "must rise between 0 and 1");
	}
	return n ? n : 1;
}

/* What format 1 leaves at 0: the composition that it means. */
static void read_composition(struct reader *r, struct net_spec *s)
{
	s->encoder = (enum encoder_type)read_choice(r, "encoder", encoder_names);
	s->bidirectional = read_flag(r, "bidirectional");
	s->relu = read_flag(r, "relu");
	s->heads = read_int(r, "heads", 0, NET_MAX_HEADS);
	s->feedforward = read_int(r, "feedforward", 0, NET_MAX_FEEDFORWARD);
	s->norm_first = read_flag(r, "norm_first");
	s->gelu = read_flag(r, "gelu");
	s->causal = read_flag(r, "causal");
	s->decoder = (enum decoder_type)read_choice(r, "decoder", decoder_names);
	s->score = (enum score_type)read_choice(r, "score", score_names);
}

static void read_network(struct reader *r, int format, struct net_spec *s, double *level)
{
	if (format > 1)
		read_composition(r, s);
	s->inputs = read_int(r, "inputs", 1, NET_MAX_INPUTS);
	s->hidden = read_int(r, "hidden", 1, NET_MAX_HIDDEN);
	s->layers = read_int(r, "layers", 1, NET_MAX_LAYERS);
	s->bias = read_flag(r, "bias");
	s->reset_after = read_flag(r, "reset_after");
	s->dropout = read_number(r, "dropout");
	s->attention = read_int(r, "attention", 0, NET_MAX_HIDDEN);
	s->decoder_input = (enum decoder_input)read_choice(r, "decoder_input", decoder_input_names);
	s->targets = read_int(r, "targets", 1, NET_MAX_TARGETS);
	s->levels = read_levels(r, level);
	s->median_level = read_int(r, "median_level", 0, s->levels - 1);
	s->horizon = read_int(r, "horizon", 1, NET_MAX_HORIZON);
	if (!r->rc)
		r->rc = net_spec_check(s, r->e);
}

/* Pipeline, network and calibration must fit together. */
static enum err check_fit(const struct document *d, struct error *e)
{
	const struct net_spec *s = &d->net;
	const struct pipeline *p = &d->pipeline;
	if (s->inputs != p->channels)
		return fail(e, ERR_INVALID, "/network/inputs", "is %d, the pipeline has %d channels", s->inputs,
			p->channels);
	if (s->targets != p->targets)
		return fail(e, ERR_INVALID, "/network/targets", "is %d, the pipeline has %d", s->targets, p->targets);
	if (s->horizon != p->horizon)
		return fail(e, ERR_INVALID, "/network/horizon", "is %d, the pipeline's is %d", s->horizon, p->horizon);
	int64_t scores = (int64_t)s->levels * s->targets * s->horizon * d->calibration;
	if (scores > SCORES_MAX)
		return fail(e, ERR_INVALID, "/calibration", "makes %lld scores, the limit is %lld",
			(long long)scores, (long long)SCORES_MAX);
	return ERR_OK;
}

static enum err read_document(const json_t *tree, struct document *d, struct error *e)
{
	char frequency[32] = "";
	struct reader r = { .o = tree, .e = e };
	int format = read_int(&r, "format", 1, DOCUMENT_FORMAT);
	snprintf(d->preset, sizeof d->preset, "%s",
		preset_names[read_choice(&r, "preset", preset_names)]);
	read_text(&r, "frequency", frequency, sizeof frequency);
	if (!r.rc && !frequency_parse(frequency, &d->frequency))
		r.rc = fail(e, ERR_INVALID, "/frequency", "unknown: \"%s\"", frequency);
	struct reader pipeline = reader_object(&r, "pipeline");
	read_pipeline(&pipeline, &d->pipeline);
	r.rc = pipeline.rc;
	struct reader network = reader_object(&r, "network");
	read_network(&network, format, &d->net, d->level);
	r.rc = network.rc;
	d->calibration = read_int(&r, "calibration", 0, CALIBRATION_MAX);
	return r.rc ? r.rc : check_fit(d, e);
}

enum err document_parse(const char *json, size_t len, struct document *out, struct error *e)
{
	struct document d = { 0 };
	json_t *tree = NULL;
	enum err rc = tree_parse(json, len, &document_limits, &tree, e);
	if (rc)
		return rc;
	rc = read_document(tree, &d, e);
	json_decref(tree);
	if (!rc)
		*out = d;
	return rc;
}

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
		comma(out, i);
		json_write_string(out, p->column[i]);
	}
	strbuf_adds(out, "],\"targets\":[");
	for (int i = 0; i < p->targets; i++) {
		comma(out, i);
		json_write_string(out, p->column[p->target[i].column]);
	}
	strbuf_adds(out, "],\"features\":[");
	for (int i = 0; i < p->features; i++) {
		const struct feature *f = &p->feature[i];
		comma(out, i);
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

static void write_version(const struct version_view *v, const struct document *d, struct strbuf *out)
{
	char frequency[32];
	frequency_format(d->frequency, frequency, sizeof frequency);
	strbuf_adds(out, "{\"model\":");
	json_write_string(out, v->model);
	json_member_text(out, "object", "model.version");
	json_member_int(out, "version", v->version);
	json_member_time(out, "created_at", v->created_at_us);
	write_names(out, &d->pipeline);
	json_member_int(out, "window", d->pipeline.window);
	json_member_int(out, "context", pipeline_context(&d->pipeline));
	json_member_int(out, "horizon", d->pipeline.horizon);
	json_member_text(out, "preset", d->preset);
	json_member_text(out, "frequency", frequency);
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
	if (document_parse(v->document, strlen(v->document), &d, NULL))
		out->failed = true;   /* a damaged document has no answer */
	else
		write_version(v, &d, out);
}

/* "versions":["1","2"] or [1,2] */
static void write_versions(struct strbuf *out, const int *versions, int n, const char *quote)
{
	strbuf_adds(out, ",\"versions\":[");
	for (int i = 0; i < n; i++) {
		comma(out, i);
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
		comma(out, i);
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
		comma(out, i);
		strbuf_addf(out,
			"{\"version\":\"%d\",\"state\":\"AVAILABLE\","
			"\"status\":{\"error_code\":\"OK\",\"error_message\":\"\"}}",
			versions[i]);
	}
	strbuf_adds(out, "]}");
}

/* TensorFlow's tensor info: sizes are strings, -1 is any. */
static void write_tensor_info(struct strbuf *out, const char *name, int steps, int columns)
{
	strbuf_addf(out,
		"{\"%s\":{\"dtype\":\"DT_DOUBLE\",\"tensor_shape\":{\"dim\":[{\"size\":\"-1\",\"name\":\"\"},"
		"{\"size\":\"%d\",\"name\":\"\"},{\"size\":\"%d\",\"name\":\"\"}],\"unknown_rank\":false},"
		"\"name\":\"%s\"}}",
		name, steps, columns, name);
}

void predict_metadata_render(const char *model, int version, const struct pipeline *p, struct strbuf *out)
{
	strbuf_adds(out, "{\"model_spec\":{\"name\":");
	json_write_string(out, model);
	strbuf_addf(out,
		",\"signature_name\":\"\",\"version\":\"%d\"},\"metadata\":{\"signature_def\":{\"signature_def\":"
		"{\"serving_default\":{\"inputs\":",
		version);
	write_tensor_info(out, "input", -1, p->columns);
	strbuf_adds(out, ",\"outputs\":");
	write_tensor_info(out, "output", p->horizon, p->targets);
	strbuf_adds(out, ",\"method_name\":\"tensorflow/serving/predict\"}}}}}");
}

void infer_metadata_render(const char *model, const int *versions, int n, const struct pipeline *p, struct strbuf *out)
{
	strbuf_adds(out, "{\"name\":");
	json_write_string(out, model);
	write_versions(out, versions, n, "\"");
	strbuf_addf(out,
		",\"platform\":\"gatecast\","
		"\"inputs\":[{\"name\":\"input\",\"datatype\":\"FP64\",\"shape\":[-1,-1,%d]}],"
		"\"outputs\":[{\"name\":\"output\",\"datatype\":\"FP64\",\"shape\":[-1,%d,%d]}],"
		"\"parameters\":{\"context\":%d",
		p->columns, p->horizon, p->targets, pipeline_context(p));
	write_names(out, p);
	strbuf_adds(out, "}}");
}

void infer_server_render(const char *version, struct strbuf *out)
{
	strbuf_adds(out, "{\"name\":\"gatecast\"");
	json_member_text(out, "version", version);
	strbuf_adds(out, ",\"extensions\":[]}");
}

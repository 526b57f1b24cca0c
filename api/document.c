/* document.c - a version's document, out and in.
 *
 *     {"format": 3, "preset": "attention_gru",
 *      "network": {"inputs", "vocabulary", "embedding",                              vocabulary: 0 of numbers
 *                  "encoder": "gru", "hidden", "layers", "bidirectional", "reverse", "bias", "reset_after", "relu",
 *                  "dropout", "heads", "feedforward", "norm_first", "gelu", "causal",  transformer; else 0 and false
 *                  "batch_norm", "instance_norm",
 *                  "decoder": "attention", "score": "additive", "attention", "decoder_input", "segment",
 *                  "classes", "targets", "levels": [0.1, 0.5, 0.9], "median_level", "horizon"},
 *
 *      of a forecaster                                                  of a model of texts
 *      "frequency": "B",                                                "text": {"task": "translate", "max_steps",
 *                                                                                "cache": {"size", "sharpness", "share"},
 *      "pipeline": {"window", "horizon",                                         "source": {"unit": "character",
 *          "columns":  [{"name", "minimum", "maximum"}],                                    "tokens": ["", "", "e"]},
 *          "targets":  [{"column", "log", "scale", "shrink", "mean"}],           "target": {…} | null},
 *          "features": [{"column", "indicator": null | "sma_10"}],
 *          "channels": [{"transform", "anchor", "mean", "scale"}]},
 *      "calibration": 2000,
 *
 *      "spec": {…} | null}                                              the recipe, as POST /v1/jobs takes it
 *
 * levels: [] for a point. column: index into columns; anchor: index into targets; a target's mean is there when the network speaks of values
 * and not of changes. target is null when the answers are in the source's tokens. cache
 * is not there when the model has none.
 *
 * Format 1 knew no other composition than a GRU in one direction behind an additive attention, and did not name it.
 * Format 2 knew forecasters only, without segments, batch norm or reversed input; a target in own units was "raw".
 *
 * Numbers are written so that they read back to the same bits. Reading trusts nothing: a document may come from a
 * damaged or foreign database, and its sizes decide how far the pipeline and the network reach into memory. */
#include "api/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_body.h"
#include "api/json_tree.h"
#include "api/json_write.h"
#include "api/number.h"
#include "api/pointer.h"

#define DOCUMENT_FORMAT 3
#define CALIBRATION_MAX 100000                       /* origins */
#define SCORES_MAX      (INT64_C(64) << 20)          /* calibration numbers */

static const struct tree_limits document_limits = { .bytes = DOCUMENT_BYTES_MAX, .tokens = 2 * VOCABULARY_MAX + 20000 };

static const char *const transform_names[] = {
	[TRANSFORM_CHANGE] = "change", [TRANSFORM_RATIO] = "ratio", [TRANSFORM_STANDARD] = "standard",
	[TRANSFORM_LOG_STANDARD] = "log_standard", [TRANSFORM_NONE] = "none",
	NULL,
};
const char *const text_task_names[] = {
	[TEXT_GENERATE] = "generate", [TEXT_CLASSIFY] = "classify", [TEXT_TRANSLATE] = "translate", NULL,
};

/* --- the document, out -------------------------------------------------------------------------------------------- */

static void write_columns(const struct pipeline *p, struct strbuf *out)
{
	strbuf_adds(out, ",\"columns\":[");
	for (int i = 0; i < p->columns; i++) {
		json_comma(out, i);
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
		json_comma(out, i);
		strbuf_addf(out, "{\"column\":%d", t->column);
		json_member_flag(out, "log", t->log);
		json_member_number(out, "scale", t->scale);
		json_member_number(out, "shrink", t->shrink);
		if (t->absolute)
			json_member_number(out, "mean", t->mean);
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
		json_comma(out, i);
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
		json_comma(out, i);
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
	json_member_flag(out, "reverse", s->reverse);
	json_member_flag(out, "bias", s->bias);
	json_member_flag(out, "reset_after", s->reset_after);
	json_member_flag(out, "relu", s->relu);
	json_member_number(out, "dropout", s->dropout);
	json_member_int(out, "heads", s->heads);
	json_member_int(out, "feedforward", s->feedforward);
	json_member_flag(out, "norm_first", s->norm_first);
	json_member_flag(out, "gelu", s->gelu);
	json_member_flag(out, "causal", s->causal);
	json_member_flag(out, "batch_norm", s->batch_norm);
	json_member_flag(out, "instance_norm", s->instance_norm);
}

static void write_decoder(const struct net_spec *s, struct strbuf *out)
{
	json_member_text(out, "decoder", decoder_names[s->decoder]);
	json_member_text(out, "score", score_names[s->score]);
	json_member_int(out, "attention", s->attention);
	json_member_text(out, "decoder_input", decoder_input_names[s->decoder_input]);
	json_member_int(out, "segment", s->segment);
	json_member_int(out, "classes", s->classes);
}

static void write_network(const struct net_spec *s, const double *level, struct strbuf *out)
{
	strbuf_addf(out, ",\"network\":{\"inputs\":%d", s->inputs);
	json_member_int(out, "vocabulary", s->vocabulary);
	json_member_int(out, "embedding", s->embedding);
	write_encoder(s, out);
	write_decoder(s, out);
	json_member_int(out, "targets", s->targets);
	strbuf_adds(out, ",\"levels\":[");
	for (int i = 0; i < quantile_levels(s, level); i++) {
		json_comma(out, i);
		number_write(out, level[i]);
	}
	strbuf_addf(out, "],\"median_level\":%d,\"horizon\":%d}", s->median_level, s->horizon);
}

static void write_vocabulary(const char *name, const struct vocabulary *v, struct strbuf *out)
{
	json_member(out, name);
	if (!v) {
		strbuf_adds(out, "null");
		return;
	}
	strbuf_adds(out, "{\"unit\":");
	json_write_string(out, token_unit_names[vocabulary_unit(v)]);
	strbuf_adds(out, ",\"tokens\":[");
	for (int i = 0; i < vocabulary_size(v); i++) {
		json_comma(out, i);
		json_write_string(out, vocabulary_token(v, i));
	}
	strbuf_adds(out, "]}");
}

static void write_cache(const struct cache_options *c, struct strbuf *out)
{
	if (!c->size)
		return;
	strbuf_addf(out, ",\"cache\":{\"size\":%d", c->size);
	json_member_number(out, "sharpness", c->sharpness);
	json_member_number(out, "share", c->share);
	strbuf_addc(out, '}');
}

static void write_text(const struct text_model *m, struct strbuf *out)
{
	strbuf_adds(out, ",\"text\":{\"task\":");
	json_write_string(out, text_task_names[m->task]);
	json_member_int(out, "max_steps", m->max_steps);
	write_cache(&m->cache, out);
	write_vocabulary("source", m->source, out);
	write_vocabulary("target", m->target, out);
	strbuf_addc(out, '}');
}

static void write_forecaster(const struct forecaster *f, struct strbuf *out)
{
	char frequency[32];
	frequency_format(f->frequency, frequency, sizeof frequency);
	json_member_text(out, "frequency", frequency);
	write_pipeline(&f->pipeline, out);
	json_member_int(out, "calibration", f->conformal ? f->conformal->n : 0);
}

/* The preset that comes closest to a network without a recipe. */
static enum preset net_preset(const struct net_spec *s)
{
	static const struct { enum encoder_type encoder; enum preset preset; } plain[] = {
		{ ENCODER_LSTM, PRESET_LSTM }, { ENCODER_RNN, PRESET_RNN }, { ENCODER_TRANSFORMER, PRESET_TRANSFORMER },
	};
	switch (s->decoder) {
	case DECODER_ATTENTION:
		if (s->classes)
			return PRESET_SEQ2SEQ;
		return s->encoder == ENCODER_LSTM ? PRESET_ATTENTION_LSTM : PRESET_ATTENTION_GRU;
	case DECODER_RECONSTRUCT:
		return PRESET_AUTOENCODER;
	case DECODER_TOKEN:
		return PRESET_CHAR_RNN;
	case DECODER_SEGMENT:
		return PRESET_SEGMENT_GRU;
	default:
		break;
	}
	if (s->classes)
		return PRESET_CLASSIFIER;
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (s->encoder == plain[i].encoder)
			return plain[i].preset;
	return PRESET_GRU;
}

void document_render(const struct trained *t, const struct recipe *r, struct strbuf *out)
{
	static const double no_level;
	const struct net_spec *net = trained_net(t);
	strbuf_addf(out, "{\"format\":%d", DOCUMENT_FORMAT);
	json_member_text(out, "preset", preset_names[r ? r->preset : net_preset(net)]);
	if (t->text)
		write_text(t->text, out);
	else
		write_forecaster(t->forecaster, out);
	write_network(net, t->text ? &no_level : t->forecaster->level, out);
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

/* A target of values has a mean; before format 3 it had none, and was "raw". */
static void read_absolute(struct reader *r, int format, struct target *t)
{
	if (format < 3)
		t->absolute = json_object_get(r->o, "raw") && read_flag(r, "raw");
	else if (json_object_get(r->o, "mean")) {
		t->absolute = true;
		t->mean = read_number(r, "mean");
	}
}

static void read_targets(struct reader *r, int format, struct pipeline *p)
{
	json_t *array = NULL;
	p->targets = reader_array(r, "targets", 1, PIPELINE_MAX_TARGETS, &array);
	for (int i = 0; i < p->targets && !r->rc; i++) {
		struct reader t = reader_item(r, "targets", array, i);
		p->target[i].column = read_int(&t, "column", 0, p->columns - 1);
		p->target[i].log = read_flag(&t, "log");
		p->target[i].scale = read_positive(&t, "scale");
		p->target[i].shrink = read_number(&t, "shrink");
		read_absolute(&t, format, &p->target[i]);
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

static void read_pipeline(struct reader *r, int format, struct pipeline *p)
{
	p->window = read_int(r, "window", 1, PIPELINE_MAX_CONTEXT);
	p->horizon = read_int(r, "horizon", 1, NET_MAX_HORIZON);
	read_columns(r, p);
	read_targets(r, format, p);
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

/* What format 2 leaves at 0 as well. */
static void read_additions(struct reader *r, struct net_spec *s)
{
	s->vocabulary = read_int(r, "vocabulary", 0, NET_MAX_VOCABULARY);
	s->embedding = read_int(r, "embedding", 0, NET_MAX_HIDDEN);
	s->reverse = read_flag(r, "reverse");
	s->batch_norm = read_flag(r, "batch_norm");
	s->instance_norm = read_flag(r, "instance_norm");
	s->segment = read_int(r, "segment", 0, NET_MAX_HORIZON);
	s->classes = read_int(r, "classes", 0, NET_MAX_VOCABULARY);
}

static void read_network(struct reader *r, int format, struct net_spec *s, double *level)
{
	if (format > 1)
		read_composition(r, s);
	if (format > 2)
		read_additions(r, s);
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
static enum err check_forecaster(const struct document *d, struct error *e)
{
	const struct net_spec *s = &d->net;
	const struct pipeline *p = &d->pipeline;
	if (s->vocabulary || s->classes)
		return fail(e, ERR_INVALID, s->vocabulary ? "/network/vocabulary" : "/network/classes",
			"a network over numbers has none");
	if (s->inputs != p->channels)
		return fail(e, ERR_INVALID, "/network/inputs", "is %d, the pipeline has %d channels", s->inputs,
			p->channels);
	if (s->targets != p->targets)
		return fail(e, ERR_INVALID, "/network/targets", "is %d, the pipeline has %d", s->targets, p->targets);
	if (s->horizon != p->horizon)
		return fail(e, ERR_INVALID, "/network/horizon", "is %d, the pipeline's is %d", s->horizon, p->horizon);
	int64_t scores = (int64_t)s->levels * s->targets * document_steps(d) * d->calibration;
	if (scores > SCORES_MAX)
		return fail(e, ERR_INVALID, "/calibration", "makes %lld scores, the limit is %lld",
			(long long)scores, (long long)SCORES_MAX);
	return ERR_OK;
}

static void read_forecaster(struct reader *r, int format, struct document *d)
{
	char frequency[32] = "";
	read_text(r, "frequency", frequency, sizeof frequency);
	if (!r->rc && !frequency_parse(frequency, &d->frequency))
		r->rc = fail(r->e, ERR_INVALID, "/frequency", "unknown: \"%s\"", frequency);
	struct reader pipeline = reader_object(r, "pipeline");
	read_pipeline(&pipeline, format, &d->pipeline);
	r->rc = pipeline.rc;
	d->calibration = read_int(r, "calibration", 0, CALIBRATION_MAX);
}

/* tokens are borrowed of the tree while the vocabulary copies them. */
static enum err new_vocabulary(const struct reader *r, enum token_unit unit, json_t *array, struct vocabulary **out)
{
	struct error detail;
	int n = (int)json_array_size(array);
	const char **token = calloc((size_t)n + 1, sizeof *token);
	enum err rc = token ? ERR_OK : fail_nomem(r->e);
	for (int i = 0; !rc && i < n; i++) {
		token[i] = json_string_value(json_array_get(array, (size_t)i));
		if (!token[i])
			rc = tree_fail(r->e, ERR_INVALID, r->path, "tokens", "token %d is not a text", i);
	}
	if (!rc) {
		rc = vocabulary_new(unit, token, n, out, &detail);
		if (rc)
			tree_fail(r->e, rc, r->path, "tokens", "%s", detail.what);
	}
	free(token);
	return rc;
}

static void read_vocabulary(struct reader *r, const char *name, struct vocabulary **out)
{
	json_t *array = NULL;
	struct reader v = reader_object(r, name);
	enum token_unit unit = (enum token_unit)read_choice(&v, "unit", token_unit_names);
	int n = reader_array(&v, "tokens", 1, VOCABULARY_MAX, &array);
	if (n)
		v.rc = new_vocabulary(&v, unit, array, out);
	r->rc = v.rc;
}

static void read_cache(struct reader *r, struct cache_options *out)
{
	if (r->rc || !json_object_get(r->o, "cache"))
		return;
	struct reader c = reader_object(r, "cache");
	out->size = read_int(&c, "size", 1, TEXT_CACHE_MAX);
	out->sharpness = read_positive(&c, "sharpness");
	out->share = read_number(&c, "share");
	r->rc = c.rc;
}

static void read_text_model(struct reader *r, struct document *d)
{
	struct reader t = reader_object(r, "text");
	d->task = (enum text_task)read_choice(&t, "task", text_task_names);
	d->max_steps = read_int(&t, "max_steps", 1, PIPELINE_MAX_CONTEXT);
	if (d->task == TEXT_GENERATE)
		read_cache(&t, &d->cache);
	if (!t.rc)
		read_vocabulary(&t, "source", &d->source);
	if (!t.rc && d->task != TEXT_GENERATE)
		read_vocabulary(&t, "target", &d->target);
	r->rc = t.rc;
}

/* Vocabularies and network must fit together. */
static enum err check_text(const struct document *d, struct error *e)
{
	const struct net_spec *s = &d->net;
	const struct vocabulary *answers = d->target ? d->target : d->source;
	enum text_task task;
	if (!text_task_of(s, &task) || task != d->task)
		return fail(e, ERR_INVALID, "/text/task", "the network does not %s", text_task_names[d->task]);
	if ((vocabulary_unit(answers) == TOKEN_LABEL) != (task == TEXT_CLASSIFY))
		return fail(e, ERR_INVALID, d->target ? "/text/target/unit" : "/text/source/unit",
			"labels are what classifies");
	if (vocabulary_unit(d->source) == TOKEN_LABEL)
		return fail(e, ERR_INVALID, "/text/source/unit", "texts are not made of labels");
	if (s->vocabulary != vocabulary_size(d->source))
		return fail(e, ERR_INVALID, "/network/vocabulary", "is %d, the source has %d tokens", s->vocabulary,
			vocabulary_size(d->source));
	if (s->classes != vocabulary_size(answers))
		return fail(e, ERR_INVALID, "/network/classes", "is %d, the answers have %d tokens", s->classes,
			vocabulary_size(answers));
	return ERR_OK;
}

static enum err read_document(const json_t *tree, struct document *d, struct error *e)
{
	double level[NET_MAX_LEVELS] = { 0 };
	struct reader r = { .o = tree, .e = e };
	int format = read_int(&r, "format", 1, DOCUMENT_FORMAT);
	bool text = format > 2 && json_object_get(tree, "text");
	snprintf(d->preset, sizeof d->preset, "%s",
		preset_names[read_choice(&r, "preset", preset_names)]);
	if (text)
		read_text_model(&r, d);
	else
		read_forecaster(&r, format, d);
	struct reader network = reader_object(&r, "network");
	read_network(&network, format, &d->net, text ? level : d->level);
	r.rc = network.rc;
	if (r.rc)
		return r.rc;
	return text ? check_text(d, e) : check_forecaster(d, e);
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
	if (rc)
		document_fini(&d);
	else
		*out = d;
	return rc;
}

void document_fini(struct document *d)
{
	vocabulary_free(d->source);
	vocabulary_free(d->target);
	*d = (struct document){ 0 };
}

/* test_model.c - documents of versions, and the registry's answers. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "api/job_body.h"
#include "api/model_body.h"
#include "model/base/rng.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

/* A number that decimal text likes least: random bits of any size. */
static double any_number(struct rng *r, bool positive)
{
	for (;;) {
		uint64_t bits = (uint64_t)rng_u32(r) << 32 | rng_u32(r);
		double v;
		if (positive)
			bits &= INT64_MAX;
		memcpy(&v, &bits, sizeof v);
		if (isfinite(v) && (!positive || v > 0))
			return v;
	}
}

static void random_pipeline(struct rng *r, struct pipeline *p)
{
	static const char *const indicators[] = { "sma_10", "ema_3", "rsi_14", "macd_12_26_9", "log_return_1", "log_volatility_20" };
	*p = (struct pipeline){ .window = 1 + (int)rng_below(r, 100), .horizon = 1 + (int)rng_below(r, 20) };
	p->targets = 1 + (int)rng_below(r, 4);
	p->columns = p->targets + (int)rng_below(r, 5);
	for (int i = 0; i < p->columns; i++) {
		snprintf(p->column[i], sizeof p->column[i], "c%d \"\xc3\xa9", i);
		p->minimum[i] = any_number(r, false);
		p->maximum[i] = any_number(r, false);
	}
	for (int i = 0; i < p->targets; i++) {
		p->target[i] = (struct target){ .column = i, .log = rng_below(r, 2), .scale = any_number(r, true), .shrink = rng_uniform(r) };
		p->target[i].absolute = rng_below(r, 3) == 0;
		p->target[i].mean = p->target[i].absolute ? any_number(r, false) : 0;
	}
	p->features = 1 + (int)rng_below(r, 8);
	for (int i = 0; i < p->features; i++) {
		if (rng_below(r, 2))
			ck_assert_int_eq(feature_parse(indicators[rng_below(r, COUNT(indicators))], &p->feature[i], NULL), ERR_OK);
		else
			p->feature[i] = (struct feature){ .kind = FEATURE_COLUMN };
		p->feature[i].column = (int)rng_below(r, (uint64_t)p->columns);
		p->channels += feature_channels(&p->feature[i]);
	}
	for (int i = 0; i < p->channels; i++)
		p->channel[i] = (struct channel){ .transform = (enum transform)rng_below(r, TRANSFORM_NONE + 1),
			.anchor = (int)rng_below(r, (uint64_t)p->targets), .mean = any_number(r, false), .scale = any_number(r, true) };
	p->minimum[0] = -0.0;
}

static void random_forecaster(struct rng *r, struct forecaster *f)
{
	*f = (struct forecaster){ .frequency = { FREQ_BUSINESS_DAY, 1 } };
	random_pipeline(r, &f->pipeline);
	enum decoder_type decoder = (enum decoder_type)rng_below(r, DECODER_POOL + 1);
	enum score_type score = (enum score_type)rng_below(r, 2);
	bool additive = decoder == DECODER_POOL || (decoder == DECODER_ATTENTION && score == SCORE_ADDITIVE);
	f->net = (struct net_spec){
		.inputs = f->pipeline.channels, .hidden = 1 + (int)rng_below(r, 100), .layers = 1 + (int)rng_below(r, 8),
		.encoder = (enum encoder_type)rng_below(r, ENCODER_RNN + 1), .bidirectional = rng_below(r, 2),
		.bias = rng_below(r, 2), .reset_after = rng_below(r, 2), .relu = rng_below(r, 2), .dropout = rng_uniform(r),
		.heads = (int)rng_below(r, 9), .feedforward = (int)rng_below(r, 300), .norm_first = rng_below(r, 2),
		.gelu = rng_below(r, 2), .causal = rng_below(r, 2),
		.decoder = decoder, .score = score, .attention = additive ? 1 + (int)rng_below(r, 100) : 0,
		.decoder_input = rng_below(r, 2) ? DECODER_CONTEXT : DECODER_CONTEXT_PREVIOUS,
		.targets = f->pipeline.targets, .levels = 1 + (int)rng_below(r, 7), .horizon = f->pipeline.horizon,
		.batch_norm = rng_below(r, 2),
		.instance_norm = f->pipeline.targets <= f->pipeline.channels && rng_below(r, 2),
	};
	f->net.reverse = !f->net.bidirectional && rng_below(r, 2);
	f->net.median_level = (int)rng_below(r, (uint64_t)f->net.levels);
	for (int i = 0; i < f->net.levels; i++)
		f->level[i] = (i + 0.1 + 0.8 * rng_uniform(r)) / f->net.levels;
	if (rng_below(r, 3) == 0) {
		f->net.levels = 1;
		f->net.median_level = 0;
		memset(f->level, 0, sizeof f->level);   /* a point */
	}
}

static void job_recipe(struct recipe *r)
{
	char *metadata;
	static const char body[] = "{\"dataset\":\"d\",\"target\":\"y\"}";
	ck_assert_int_eq(job_body_parse(body, strlen(body), r, &metadata, NULL), ERR_OK);
}

static void check_pipeline(const struct pipeline *a, const struct pipeline *b)
{
	ck_assert(a->columns == b->columns && a->targets == b->targets && a->features == b->features);
	ck_assert(a->channels == b->channels && a->window == b->window && a->horizon == b->horizon);
	ck_assert(!memcmp(a->minimum, b->minimum, sizeof a->minimum) && !memcmp(a->maximum, b->maximum, sizeof a->maximum));
	for (int i = 0; i < a->columns; i++)
		ck_assert_str_eq(a->column[i], b->column[i]);
	for (int i = 0; i < a->targets; i++)
		ck_assert(a->target[i].column == b->target[i].column && a->target[i].log == b->target[i].log
			&& a->target[i].scale == b->target[i].scale && a->target[i].shrink == b->target[i].shrink
			&& a->target[i].absolute == b->target[i].absolute && a->target[i].mean == b->target[i].mean);
	ck_assert(!memcmp(a->feature, b->feature, sizeof a->feature));
	for (int i = 0; i < a->channels; i++)
		ck_assert(a->channel[i].transform == b->channel[i].transform && a->channel[i].anchor == b->channel[i].anchor
			&& a->channel[i].mean == b->channel[i].mean && a->channel[i].scale == b->channel[i].scale);
}

static void check_network(const struct net_spec *a, const struct net_spec *b)
{
	ck_assert(a->inputs == b->inputs && a->hidden == b->hidden && a->layers == b->layers && a->bias == b->bias);
	ck_assert(a->reset_after == b->reset_after && a->dropout == b->dropout && a->attention == b->attention);
	ck_assert(a->decoder_input == b->decoder_input && a->targets == b->targets && a->levels == b->levels);
	ck_assert(a->median_level == b->median_level && a->horizon == b->horizon);
	ck_assert(a->encoder == b->encoder && a->bidirectional == b->bidirectional && a->relu == b->relu);
	ck_assert(a->heads == b->heads && a->feedforward == b->feedforward && a->norm_first == b->norm_first);
	ck_assert(a->gelu == b->gelu && a->causal == b->causal && a->decoder == b->decoder && a->score == b->score);
	ck_assert(a->reverse == b->reverse && a->batch_norm == b->batch_norm && a->segment == b->segment);
	ck_assert(a->instance_norm == b->instance_norm);
	ck_assert(a->vocabulary == b->vocabulary && a->embedding == b->embedding && a->classes == b->classes);
}

START_TEST(test_round_trip)
{
	struct rng rng;
	struct strbuf out, again;
	struct recipe r;
	rng_init(&rng, 3, RNG_TEST, 0);
	strbuf_init(&out, 1 << 20);
	strbuf_init(&again, 1 << 20);
	job_recipe(&r);
	for (int k = 0; k < 1000; k++) {
		struct conformal c = { .n = (int)rng_below(&rng, 2000) };
		struct forecaster f;
		struct document d;
		struct error e = { 0 };
		random_forecaster(&rng, &f);
		f.conformal = k % 2 ? &c : NULL;
		strbuf_reset(&out);
		document_render(&(struct trained){ .forecaster = &f }, &r, &out);
		ck_assert(strbuf_ok(&out));
		ck_assert_msg(document_parse(out.s, out.len, &d, &e) == ERR_OK, "%s: %s", e.where, e.what);
		check_pipeline(&d.pipeline, &f.pipeline);
		check_network(&d.net, &f.net);
		ck_assert(!memcmp(d.level, f.level, sizeof d.level));
		ck_assert(d.frequency.unit == FREQ_BUSINESS_DAY && d.frequency.n == 1);
		ck_assert_int_eq(d.calibration, k % 2 ? c.n : 0);
		ck_assert_str_eq(d.preset, "attention_gru");
		f.pipeline = d.pipeline;
		f.net = d.net;
		memcpy(f.level, d.level, sizeof f.level);
		strbuf_reset(&again);
		document_render(&(struct trained){ .forecaster = &f }, &r, &again);
		ck_assert_str_eq(out.s, again.s);
	}
	strbuf_fini(&out);
	strbuf_fini(&again);
}
END_TEST

/* A document of the first release, as its daemon stored it: format 1, a GRU behind an additive attention. */
static const char old[] =
	"{\"format\":1,\"preset\":\"attention_gru\",\"frequency\":\"D\",\"pipeline\":{\"window\":12,"
	"\"horizon\":3,\"columns\":[{\"name\":\"close\",\"minimum\":85.812,\"maximum\":111.943},"
	"{\"name\":\"volume\",\"minimum\":1000,\"maximum\":1499}],\"targets\":[{\"column\":0,\"log\":true,"
	"\"scale\":0.04333429170990058,\"shrink\":1}],\"features\":[{\"column\":0,\"indicator\":null},"
	"{\"column\":1,\"indicator\":null},{\"column\":0,\"indicator\":\"sma_5\"}],"
	"\"channels\":[{\"transform\":\"change\",\"anchor\":0,\"mean\":0,\"scale\":0.08772799687458334},"
	"{\"transform\":\"log_standard\",\"anchor\":0,\"mean\":7.119494261412837,\"scale\":0.11605739021143115},"
	"{\"transform\":\"change\",\"anchor\":0,\"mean\":0,\"scale\":0.09260353745329172}]},"
	"\"network\":{\"inputs\":3,\"hidden\":4,\"layers\":1,\"bias\":true,\"reset_after\":true,\"dropout\":0,"
	"\"attention\":4,\"decoder_input\":\"context+previous\",\"targets\":1,\"levels\":[],\"median_level\":0,"
	"\"horizon\":3},\"calibration\":28,\"spec\":{\"dataset\":\"wave\",\"model\":\"wave-3\","
	"\"target\":[\"close\"],\"features\":[\"close\",\"volume\",\"sma_5\"],\"window\":12,\"horizon\":3,"
	"\"preset\":\"attention_gru\",\"encoder\":{\"cell\":\"gru\",\"hidden_size\":4,\"num_layers\":1,"
	"\"bidirectional\":false,\"bias\":true,\"reset_after\":true,\"dropout\":0},"
	"\"decoder\":{\"type\":\"attention\",\"score\":\"additive\",\"input\":\"context+previous\"},"
	"\"output\":{\"type\":\"point\"},\"split\":{\"train\":0.7,\"validation\":0.1,\"test\":0.2},"
	"\"training\":{\"loss\":\"mse\",\"huber_delta\":1,\"optimizer\":\"adam\",\"learning_rate\":0.001,"
	"\"batch_size\":64,\"epochs\":1,\"clip_norm\":5,\"weight_decay\":0,"
	"\"scheduler\":{\"type\":\"reduce_on_plateau\",\"factor\":0.1,\"patience\":5},"
	"\"early_stopping\":{\"patience\":10},\"seed\":1}}}";

/* A good document, one piece of which is replaced. */
static const char good[] =
	"{\"format\":2,\"preset\":\"lstm\",\"frequency\":\"B\",\"pipeline\":{\"window\":30,\"horizon\":5,"
	"\"columns\":[{\"name\":\"y\",\"minimum\":1,\"maximum\":2}],"
	"\"targets\":[{\"column\":0,\"log\":true,\"scale\":0.5,\"shrink\":0.25}],"
	"\"features\":[{\"column\":0,\"indicator\":null},{\"column\":0,\"indicator\":\"sma_10\"}],"
	"\"channels\":[{\"transform\":\"change\",\"anchor\":0,\"mean\":0,\"scale\":1},"
	"{\"transform\":\"none\",\"anchor\":0,\"mean\":3,\"scale\":4}]},"
	"\"network\":{\"inputs\":2,\"encoder\":\"lstm\",\"hidden\":8,\"layers\":1,\"bidirectional\":true,\"bias\":true,"
	"\"reset_after\":true,\"relu\":false,\"dropout\":0,\"heads\":0,\"feedforward\":0,\"norm_first\":false,"
	"\"gelu\":false,\"causal\":false,\"decoder\":\"attention\",\"score\":\"additive\",\"attention\":8,"
	"\"decoder_input\":\"context\",\"targets\":1,\"levels\":[0.1,0.5,0.9],\"median_level\":1,\"horizon\":5},"
	"\"calibration\":100,\"spec\":{\"a\":[1, 2]}}";

static const struct { const char *from, *to; enum err want; const char *where; } damages[] = {
	{ "", "", ERR_OK, "" },
	{ "\"format\":2", "\"format\":4", ERR_INVALID, "/format" },
	{ "\"format\":2", "\"format\":3", ERR_INVALID, "/network/vocabulary" },   /* which says more */
	{ "\"format\":2", "\"format\":0", ERR_INVALID, "/format" },
	{ "\"format\":2,", "", ERR_INVALID, "/format" },
	{ "\"preset\":\"lstm", "\"preset\":\"other", ERR_INVALID, "/preset" },
	{ "\"encoder\":\"lstm\"", "\"encoder\":\"mlp\"", ERR_INVALID, "/network/encoder" },
	{ "\"encoder\":\"lstm\",", "", ERR_INVALID, "/network/encoder" },
	{ "\"bidirectional\":true", "\"bidirectional\":2", ERR_INVALID, "/network/bidirectional" },
	{ "\"relu\":false", "\"relu\":null", ERR_INVALID, "/network/relu" },
	{ "\"heads\":0", "\"heads\":65", ERR_INVALID, "/network/heads" },
	{ "\"feedforward\":0", "\"feedforward\":-1", ERR_INVALID, "/network/feedforward" },
	{ "\"norm_first\":false", "\"norm_first\":0", ERR_INVALID, "/network/norm_first" },
	{ "\"gelu\":false", "\"gelu\":\"\"", ERR_INVALID, "/network/gelu" },
	{ "\"causal\":false,", "", ERR_INVALID, "/network/causal" },
	{ "\"decoder\":\"attention\"", "\"decoder\":\"\"", ERR_INVALID, "/network/decoder" },
	{ "\"decoder\":\"attention\"", "\"decoder\":\"last\"", ERR_INVALID, "attention" },
	{ "\"score\":\"additive\"", "\"score\":\"multiplicative\"", ERR_INVALID, "/network/score" },
	{ "\"score\":\"additive\",\"attention\":8", "\"score\":\"dot\",\"attention\":0", ERR_OK, "" },
	{ "\"B\"", "\"X\"", ERR_INVALID, "/frequency" },
	{ "\"pipeline\":{", "\"pipelines\":{", ERR_INVALID, "/pipeline" },
	{ "\"window\":30", "\"window\":0", ERR_INVALID, "/pipeline/window" },
	{ "\"window\":30", "\"window\":19999", ERR_INVALID, "/pipeline/features" },
	{ "\"window\":30", "\"window\":1e9", ERR_INVALID, "/pipeline/window" },
	{ "\"horizon\":5,\"col", "\"horizon\":6,\"col", ERR_INVALID, "/network/horizon" },
	{ "\"horizon\":5,\"col", "\"horizon\":-1,\"col", ERR_INVALID, "/pipeline/horizon" },
	{ "{\"name\":\"y\",\"minimum\":1,\"maximum\":2}", "", ERR_INVALID, "/pipeline/columns" },
	{ "{\"name\":\"y\",\"minimum\":1,\"maximum\":2}", "7", ERR_INVALID, "/pipeline/columns/0" },
	{ "\"name\":\"y\"", "\"name\":\"\"", ERR_INVALID, "/pipeline/columns/0/name" },
	{ "\"minimum\":1", "\"minimum\":null", ERR_INVALID, "/pipeline/columns/0/minimum" },
	{ "\"column\":0,\"log\"", "\"column\":1,\"log\"", ERR_INVALID, "/pipeline/targets/0/column" },
	{ "\"column\":0,\"log\"", "\"column\":-1,\"log\"", ERR_INVALID, "/pipeline/targets/0/column" },
	{ "\"log\":true", "\"log\":1", ERR_INVALID, "/pipeline/targets/0/log" },
	{ "\"scale\":0.5", "\"scale\":0", ERR_INVALID, "/pipeline/targets/0/scale" },
	{ "\"scale\":0.5", "\"scale\":1e999", ERR_SYNTAX, "byte 171" },
	{ "\"shrink\":0.25", "\"shrink\":1.5", ERR_INVALID, "/pipeline/targets/0/shrink" },
	{ "\"column\":0,\"ind", "\"column\":1,\"ind", ERR_INVALID, "/pipeline/features/0/column" },
	{ "\"indicator\":null", "\"indicator\":5", ERR_INVALID, "/pipeline/features/0/indicator" },
	{ "\"indicator\":null", "\"indicator\":\"macd_12_26_9\"", ERR_INVALID, "/pipeline/channels" },
	{ "\"sma_10\"", "\"sma_99999\"", ERR_INVALID, "sma_99999" },
	{ "\"transform\":\"none\"", "\"transform\":\"x\"", ERR_INVALID, "/pipeline/channels/1/transform" },
	{ "\"anchor\":0,\"mean\":3", "\"anchor\":1,\"mean\":3", ERR_INVALID, "/pipeline/channels/1/anchor" },
	{ "\"scale\":4", "\"scale\":-4", ERR_INVALID, "/pipeline/channels/1/scale" },
	{ "\"inputs\":2", "\"inputs\":3", ERR_INVALID, "/network/inputs" },
	{ "\"hidden\":8", "\"hidden\":99999", ERR_INVALID, "/network/hidden" },
	{ "\"layers\":1", "\"layers\":0", ERR_INVALID, "/network/layers" },
	{ "\"attention\":8", "\"attention\":0.5", ERR_INVALID, "/network/attention" },
	{ "\"context\"", "\"previous\"", ERR_INVALID, "/network/decoder_input" },
	{ "\"targets\":1", "\"targets\":2", ERR_INVALID, "/network/targets" },
	{ "[0.1,0.5,0.9]", "[0.5,0.1,0.9]", ERR_INVALID, "/network/levels" },
	{ "[0.1,0.5,0.9]", "[0.1,0.5,1]", ERR_INVALID, "/network/levels" },
	{ "[0.1,0.5,0.9]", "[0.1,null,0.9]", ERR_INVALID, "/network/levels" },
	{ "[0.1,0.5,0.9]", "[]", ERR_INVALID, "/network/median_level" },
	{ "\"median_level\":1", "\"median_level\":3", ERR_INVALID, "/network/median_level" },
	{ "\"calibration\":100", "\"calibration\":-1", ERR_INVALID, "/calibration" },
	{ "\"calibration\":100", "\"calibration\":1e6", ERR_INVALID, "/calibration" },
	{ "\"calibration\":100", "\"calibration\":\"x\"", ERR_INVALID, "/calibration" },
	{ "\"spec\":{\"a\":[1, 2]}}", "", ERR_SYNTAX, NULL },
};

/* text with its first `from` replaced; the caller frees. */
static char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out = malloc(strlen(text) + strlen(to) + 1);
	ck_assert(at && out);
	sprintf(out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
	return out;
}

START_TEST(test_damages)
{
	char *text = replaced(good, damages[_i].from, damages[_i].to);
	struct document d;
	struct error e = { 0 };
	enum err rc = document_parse(text, strlen(text), &d, &e);
	struct parse_case c = { damages[_i].to, damages[_i].want, damages[_i].where ? damages[_i].where : e.where };
	case_check(&c, rc, &e);
	free(text);
}
END_TEST

START_TEST(test_old_document)
{
	struct document d;
	struct error e = { 0 };
	ck_assert_msg(document_parse(old, strlen(old), &d, &e) == ERR_OK, "%s: %s", e.where, e.what);
	ck_assert_str_eq(d.preset, "attention_gru");
	check_network(&d.net, &(struct net_spec){
		.inputs = 3, .encoder = ENCODER_GRU, .hidden = 4, .layers = 1, .bias = true, .reset_after = true,
		.decoder = DECODER_ATTENTION, .score = SCORE_ADDITIVE, .attention = 4, .decoder_input = DECODER_CONTEXT_PREVIOUS,
		.targets = 1, .levels = 1, .horizon = 3 });
	ck_assert_int_eq(d.calibration, 28);
}
END_TEST

START_TEST(test_truncated)
{
	for (size_t n = 0; n + 1 < sizeof good; n++) {
		struct document d;
		ck_assert_int_eq(document_parse(good, n, &d, NULL), ERR_SYNTAX);
	}
}
END_TEST

static json_t *read_back(struct strbuf *out)
{
	json_error_t e;
	ck_assert(strbuf_ok(out));
	json_t *t = json_loads(out->s, JSON_REJECT_DUPLICATES, &e);
	ck_assert_msg(t != NULL, "%s in %s", e.text, out->s);
	strbuf_reset(out);
	return t;
}

START_TEST(test_skill)
{
	struct scores step = { 1, 1, 1, 1 };
	struct evaluation v = { .horizon = 1, .model = { .mase = 0.98 }, .skill = { 0.01, 0, 0.2 }, .verdict = VERDICT_WORSE,
		.per_step = &step, .baseline_step = { &step, &step, &step } };
	struct skill_view s;
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	evaluation_render(&v, &out);
	skill_parse(out.s, &s);
	ck_assert(s.mase == 0.98 && s.vs_naive == 0.01 && s.vs_seasonal_naive == 0.2);
	ck_assert_ptr_eq(s.verdict, verdict_name(VERDICT_WORSE));
	static const char *const nothing[] = { NULL, "", "x", "[]", "{}", "{\"verdict\":\"great\",\"test\":5}" };
	for (size_t i = 0; i < COUNT(nothing); i++) {
		skill_parse(nothing[i], &s);
		ck_assert(isnan(s.mase) && isnan(s.vs_naive) && isnan(s.vs_seasonal_naive) && !s.verdict);
	}
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_version)
{
	static const char *const names[] = { "model", "object", "version", "created_at", "columns", "targets", "features", "window", "context",
		"horizon", "preset", "task", "frequency", "parameters", "loaded", "sha256", "job", "evaluation", "spec" };
	struct version_view v = { .model = "m", .version = 3, .document = good, .sha256 = "00", .job = "", .created_at_us = 1000000,
		.weights = 1234, .loaded = true };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	version_render(&v, &out);
	ck_assert_ptr_nonnull(strstr(out.s, "\"spec\":{\"a\":[1, 2]}}"));
	json_t *t = read_back(&out);
	for (size_t i = 0; i < COUNT(names); i++)
		ck_assert_msg(json_object_get(t, names[i]) != NULL, "no \"%s\"", names[i]);
	ck_assert_uint_eq(json_object_size(t), COUNT(names));
	ck_assert_int_eq(json_integer_value(json_object_get(t, "context")), 39);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(t, "features"), 1)), "sma_10");
	ck_assert_str_eq(json_string_value(json_object_get(t, "frequency")), "B");
	ck_assert(json_is_null(json_object_get(t, "job")) && json_is_null(json_object_get(t, "evaluation")));
	json_decref(t);
	v.document = "{}";
	version_render(&v, &out);
	ck_assert(!strbuf_ok(&out));
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_registry)
{
	static const int versions[] = { 1, 2 };
	static const struct label_view labels[] = { { "latest", 2 }, { "stable", 1 } };
	struct document d;
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	ck_assert_int_eq(document_parse(good, strlen(good), &d, NULL), ERR_OK);
	model_render("m", 2, versions, 2, labels, 2, 1000000, &out);
	ck_assert_str_eq(out.s, "{\"name\":\"m\",\"object\":\"model\",\"latest\":2,\"versions\":[1,2],\"labels\":{\"latest\":2,\"stable\":1},"
		"\"created_at\":\"1970-01-01T00:00:01.000Z\"}");
	strbuf_reset(&out);
	predict_status_render(versions, 1, &out);
	ck_assert_str_eq(out.s, "{\"model_version_status\":[{\"version\":\"1\",\"state\":\"AVAILABLE\",\"status\":{\"error_code\":\"OK\","
		"\"error_message\":\"\"}}]}");
	strbuf_reset(&out);
	struct forecaster forecaster = { .pipeline = d.pipeline, .net = d.net };
	const struct trained trained = { .forecaster = &forecaster };
	predict_metadata_render("m", 2, &trained, &out);
	json_t *t = read_back(&out);
	json_t *signature = json_object_get(json_object_get(json_object_get(json_object_get(t, "metadata"), "signature_def"),
		"signature_def"), "serving_default");
	ck_assert(json_is_object(json_object_get(signature, "inputs")) && json_is_object(json_object_get(signature, "outputs")));
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(t, "model_spec"), "version")), "2");
	json_decref(t);
	infer_metadata_render("m", versions, 2, &trained, &out);
	t = read_back(&out);
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(t, "versions"), 1)), "2");
	json_t *shape = json_object_get(json_array_get(json_object_get(t, "outputs"), 0), "shape");
	ck_assert_int_eq(json_integer_value(json_array_get(shape, 1)), 5);
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(t, "parameters"), "context")), 39);
	json_decref(t);
	infer_server_render("1.2", &out);
	ck_assert_str_eq(out.s, "{\"name\":\"gatecast\",\"version\":\"1.2\",\"extensions\":[\"binary_tensor_data\",\"sequence\"]}");
	strbuf_fini(&out);
}
END_TEST

Suite *model_suite(void)
{
	Suite *s = suite_create("model bodies");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_test(t, test_round_trip);
	tcase_add_loop_test(t, test_damages, 0, (int)COUNT(damages));
	tcase_add_test(t, test_old_document);
	tcase_add_test(t, test_truncated);
	tcase_add_test(t, test_skill);
	tcase_add_test(t, test_version);
	tcase_add_test(t, test_registry);
	suite_add_tcase(s, t);
	return s;
}

/* test_document.c - documents of models of texts, and what format 3 brought to those of forecasters. */
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "api/document.h"
#include "api/job_body.h"
#include "api/model_body.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define BODY_MAX 4096

/* A network of texts, the least of each task. */
#define NETWORK(decoder, vocabulary, classes, attention, input, horizon) \
	"\"network\":{\"inputs\":1,\"vocabulary\":" vocabulary ",\"embedding\":4,\"encoder\":\"lstm\",\"hidden\":8,\"layers\":1," \
	"\"bidirectional\":false,\"reverse\":false,\"bias\":true,\"reset_after\":true,\"relu\":false,\"dropout\":0,\"heads\":0," \
	"\"feedforward\":0,\"norm_first\":false,\"gelu\":false,\"causal\":false,\"batch_norm\":true,\"instance_norm\":false,\"decoder\":\"" decoder "\"," \
	"\"score\":\"additive\",\"attention\":" attention ",\"decoder_input\":\"" input "\",\"segment\":0,\"classes\":" classes "," \
	"\"targets\":1,\"levels\":[],\"median_level\":0,\"horizon\":" horizon "},\"spec\":null}"
#define CHARACTERS "{\"unit\":\"character\",\"tokens\":[\"\",\"\",\"e\",\"\xc3\xa9\",\"\\n\",\"\\\"\"]}"
#define WORDS      "{\"unit\":\"word\",\"tokens\":[\"\",\"\",\"to\",\"be\"]}"
#define LABELS     "{\"unit\":\"label\",\"tokens\":[\"good\",\"bad, or worse\",\"\xf0\x9f\x98\x80\"]}"

static const char generate[] = "{\"format\":3,\"preset\":\"char_rnn\",\"text\":{\"task\":\"generate\",\"max_steps\":100,\"source\":" CHARACTERS
	",\"target\":null}," NETWORK("token", "6", "6", "0", "context", "1");
static const char remember[] = "{\"format\":3,\"preset\":\"char_rnn\",\"text\":{\"task\":\"generate\",\"max_steps\":100,"
	"\"cache\":{\"size\":2000,\"sharpness\":20,\"share\":0.25},\"source\":" CHARACTERS
	",\"target\":null}," NETWORK("token", "6", "6", "0", "context", "1");
static const char classify[] = "{\"format\":3,\"preset\":\"classifier\",\"text\":{\"task\":\"classify\",\"max_steps\":200,\"source\":" WORDS
	",\"target\":" LABELS "}," NETWORK("pool", "4", "3", "8", "context", "1");
static const char translate[] = "{\"format\":3,\"preset\":\"seq2seq\",\"text\":{\"task\":\"translate\",\"max_steps\":64,\"source\":" CHARACTERS
	",\"target\":" WORDS "}," NETWORK("attention", "6", "4", "8", "context+previous", "12");

static const struct { const char *json; enum text_task task; } good[] = {
	{ generate, TEXT_GENERATE }, { remember, TEXT_GENERATE }, { classify, TEXT_CLASSIFY }, { translate, TEXT_TRANSLATE },
};

static struct document parse(const char *json)
{
	struct document d;
	struct error e = { 0 };
	ck_assert_msg(document_parse(json, strlen(json), &d, &e) == ERR_OK, "%s: %s", e.where, e.what);
	return d;
}

/* What is read is written again, byte for byte. */
START_TEST(test_texts_read_back)
{
	struct document d = parse(good[_i].json);
	struct text_model m = { .net = d.net, .task = d.task, .source = d.source, .target = d.target, .max_steps = d.max_steps,
	                        .cache = d.cache };
	struct strbuf out;
	ck_assert(document_is_text(&d) && d.task == good[_i].task && !d.calibration);
	strbuf_init(&out, 1 << 20);
	document_render(&(struct trained){ .text = &m }, NULL, &out);
	ck_assert_str_eq(out.s, good[_i].json);
	strbuf_fini(&out);
	document_fini(&d);
	ck_assert(!d.source && !d.target);
}
END_TEST

START_TEST(test_truncated_texts)
{
	const char *json = good[_i].json;
	for (size_t n = 0; json[n]; n++) {
		struct document d;
		ck_assert_int_eq(document_parse(json, n, &d, NULL), ERR_SYNTAX);
	}
}
END_TEST

static const struct { const char *json, *from, *to, *where; } damages[] = {
	{ generate,  "\"task\":\"generate\"", "\"task\":\"write\"", "/text/task" },
	{ generate,  "\"task\":\"generate\"", "\"task\":\"classify\"", "/text/target" },
	{ classify,  "\"task\":\"classify\"", "\"task\":\"translate\"", "/text/task" },
	{ classify,  "\"task\":\"classify\"", "\"task\":\"generate\"", "/text/task" },
	{ generate,  "\"max_steps\":100", "\"max_steps\":0", "/text/max_steps" },
	{ generate,  "\"max_steps\":100", "\"max_steps\":1e9", "/text/max_steps" },
	{ remember,  "\"cache\":{", "\"cache\":7,\"x\":{", "/text/cache" },
	{ remember,  "\"cache\":{", "\"cache\":null,\"x\":{", "/text/cache" },
	{ remember,  "\"size\":2000", "\"size\":0", "/text/cache/size" },
	{ remember,  "\"size\":2000", "\"size\":10001", "/text/cache/size" },
	{ remember,  "\"sharpness\":20", "\"sharpness\":0", "/text/cache/sharpness" },
	{ remember,  "\"sharpness\":20", "\"x\":20", "/text/cache/sharpness" },
	{ remember,  "\"share\":0.25", "\"share\":\"a\"", "/text/cache/share" },
	{ generate,  "\"text\":{", "\"text\":0,\"x\":{", "/text" },
	{ generate,  "\"source\":{", "\"sauce\":{", "/text/source" },
	{ generate,  "\"unit\":\"character\"", "\"unit\":\"byte\"", "/text/source/unit" },
	{ generate,  "\"unit\":\"character\"", "\"unit\":\"label\"", "/text/source/tokens" },
	{ generate,  "\"tokens\":[\"\",\"\",\"e\"", "\"tokens\":[\"\",\"\",7", "/text/source/tokens" },
	{ generate,  "\"tokens\":[\"\",\"\",\"e\"", "\"tokens\":[\"\",\"\",\"\"", "/text/source/tokens" },
	{ generate,  "\"tokens\":[\"\",\"\",\"e\"", "\"tokens\":[\"\",\"\",\"\\n\"", "/text/source/tokens" },
	{ generate,  "\"tokens\":[\"\",\"\",\"e\"", "\"tokens\":[\"a\",\"b\",\"e\"", "/text/source/tokens" },
	{ generate,  "\"tokens\":[\"\",\"\",\"e\"", "\"tokens\":[\"\",\"\"", "/network/vocabulary" },
	{ generate,  "\"vocabulary\":6", "\"vocabulary\":7", "/network/vocabulary" },
	{ generate,  "\"vocabulary\":6", "\"vocabulary\":0", "embedding" },
	{ generate,  "\"vocabulary\":6", "\"vocabulary\":65537", "/network/vocabulary" },
	{ generate,  "\"classes\":6", "\"classes\":5", "/network/classes" },
	{ generate,  "\"classes\":6", "\"classes\":0", "/text/task" },
	{ generate,  "\"embedding\":4", "\"embedding\":0", "embedding" },
	{ generate,  "\"reverse\":false", "\"reverse\":0", "/network/reverse" },
	{ generate,  "\"batch_norm\":true,", "", "/network/batch_norm" },
	{ generate,  "\"instance_norm\":false,", "", "/network/instance_norm" },
	{ generate,  "\"segment\":0", "\"segment\":1", "segment" },
	{ generate,  "\"horizon\":1", "\"horizon\":2", "horizon" },
	{ classify,  "\"unit\":\"label\"", "\"unit\":\"word\"", "/text/target/tokens" },
	{ classify,  "\"target\":{", "\"target\":null,\"x\":{", "/text/target" },
	{ classify,  "\"classes\":3", "\"classes\":4", "/network/classes" },
	{ classify,  "\"tokens\":[\"good\"", "\"tokens\":[\"bad, or worse\"", "/text/target/tokens" },
	{ classify,  "\"attention\":8", "\"attention\":0", "attention" },
	{ translate, "\"classes\":4", "\"classes\":6", "/network/classes" },
	{ translate, "\"format\":3", "\"format\":2", "/frequency" },
	{ translate, "\"preset\":\"seq2seq\"", "\"preset\":\"seq\"", "/preset" },
};

/* json with its first `from` replaced. */
static void replace(const char *json, const char *from, const char *to, char out[BODY_MAX])
{
	const char *at = strstr(json, from);
	ck_assert_msg(at != NULL, "no %s", from);
	int n = snprintf(out, BODY_MAX, "%.*s%s%s", (int)(at - json), json, to, at + strlen(from));
	ck_assert_int_lt(n, BODY_MAX);
}

START_TEST(test_damaged_texts)
{
	char json[BODY_MAX];
	struct document d;
	struct error e = { 0 };
	replace(damages[_i].json, damages[_i].from, damages[_i].to, json);
	struct parse_case c = { damages[_i].to, ERR_INVALID, damages[_i].where };
	case_check(&c, document_parse(json, strlen(json), &d, &e), &e);
}
END_TEST

/* Labels are what classifies, and nothing else. */
START_TEST(test_labels_have_their_place)
{
	static const char from[] = "\"source\":" WORDS, answers[] = "\"target\":" LABELS;
	char json[BODY_MAX], again[BODY_MAX];
	struct document d;
	struct error e = { 0 };
	replace(classify, from, "\"source\":{\"unit\":\"label\",\"tokens\":[\"a\",\"b\",\"c\",\"d\"]}", json);
	ck_assert_int_eq(document_parse(json, strlen(json), &d, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/text/source/unit");
	replace(classify, answers, "\"target\":{\"unit\":\"word\",\"tokens\":[\"\",\"\",\"c\"]}", json);
	ck_assert_int_eq(document_parse(json, strlen(json), &d, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/text/target/unit");
	replace(translate, "\"target\":" WORDS, "\"target\":" LABELS, json);
	replace(json, "\"classes\":4", "\"classes\":3", again);
	ck_assert_int_eq(document_parse(again, strlen(again), &d, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/text/target/unit");
}
END_TEST

/* An autoencoder: absolute targets, and a calibration of as many steps as the window has. */
static const char rebuild[] =
	"{\"format\":3,\"preset\":\"autoencoder\",\"frequency\":\"5min\",\"pipeline\":{\"window\":64,\"horizon\":1,"
	"\"columns\":[{\"name\":\"y\",\"minimum\":1,\"maximum\":2}],"
	"\"targets\":[{\"column\":0,\"log\":false,\"scale\":0.5,\"shrink\":1,\"mean\":1.25}],"
	"\"features\":[{\"column\":0,\"indicator\":null}],"
	"\"channels\":[{\"transform\":\"standard\",\"anchor\":0,\"mean\":1.25,\"scale\":0.5}]},\"calibration\":100,"
	"\"network\":{\"inputs\":1,\"vocabulary\":0,\"embedding\":0,\"encoder\":\"lstm\",\"hidden\":8,\"layers\":1,"
	"\"bidirectional\":false,\"reverse\":false,\"bias\":true,\"reset_after\":true,\"relu\":false,\"dropout\":0,\"heads\":0,"
	"\"feedforward\":0,\"norm_first\":false,\"gelu\":false,\"causal\":false,\"batch_norm\":false,\"instance_norm\":false,\"decoder\":\"reconstruct\","
	"\"score\":\"additive\",\"attention\":0,\"decoder_input\":\"context\",\"segment\":0,\"classes\":0,\"targets\":1,"
	"\"levels\":[],\"median_level\":0,\"horizon\":1},\"spec\":null}";

START_TEST(test_autoencoder)
{
	struct conformal scores = { .n = 100 };
	struct forecaster f = { .conformal = &scores };
	struct strbuf out;
	struct document d = parse(rebuild);
	ck_assert(!document_is_text(&d) && document_steps(&d) == 64 && d.calibration == 100);
	ck_assert(d.pipeline.target[0].absolute && d.pipeline.target[0].mean == 1.25);
	f.pipeline = d.pipeline;
	f.net = d.net;
	f.frequency = d.frequency;
	strbuf_init(&out, 1 << 20);
	document_render(&(struct trained){ .forecaster = &f }, NULL, &out);
	ck_assert_str_eq(out.s, rebuild);
	strbuf_fini(&out);
}
END_TEST

/* Scores are counted for all steps: 100,000 origins of a window of 20,000 rows would be too many. */
START_TEST(test_autoencoder_limits)
{
	static const struct { const char *from, *to, *where; } limits[] = {
		{ "\"calibration\":100", "\"calibration\":100000", "" },
		{ "\"window\":64", "\"window\":20000", "" },
		{ "\"horizon\":1}", "\"horizon\":2}", "horizon" },
		{ "\"mean\":1.25}]", "\"mean\":null}]", "/pipeline/targets/0/mean" },
		{ "\"vocabulary\":0,\"embedding\":0", "\"vocabulary\":9,\"embedding\":4", "vocabulary" },
	};
	char json[BODY_MAX], both[BODY_MAX];
	struct document d;
	struct error e;
	for (size_t i = 0; i < COUNT(limits); i++) {
		replace(rebuild, limits[i].from, limits[i].to, json);
		enum err rc = document_parse(json, strlen(json), &d, &e);
		ck_assert_int_eq(rc, limits[i].where[0] ? ERR_INVALID : ERR_OK);
		if (rc)
			ck_assert_str_eq(e.where, limits[i].where);
	}
	replace(rebuild, limits[0].from, limits[0].to, json);
	replace(json, limits[1].from, limits[1].to, both);
	ck_assert_int_eq(document_parse(both, strlen(both), &d, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/calibration");
}
END_TEST

/* What a version shows of a model of texts. */
static const struct { const char *document, *there[5], *not_there; } shown[] = {
	{ generate, { "\"task\":\"generate\"", "\"unit\":\"character\"", "\"vocabulary\":6", "\"window\":100" }, "\"horizon\"" },
	{ classify, { "\"task\":\"classify\"", "\"labels\":[\"good\",\"bad, or worse\",\"\xf0\x9f\x98\x80\"]", "\"unit\":\"word\"" },
	  "\"columns\"" },
	{ translate, { "\"task\":\"translate\"", "\"answer_vocabulary\":4", "\"horizon\":12" }, "\"labels\"" },
	{ rebuild, { "\"task\":\"reconstruct\"", "\"window\":64", "\"targets\":[\"y\"]" }, "\"vocabulary\"" },
};

START_TEST(test_shown)
{
	struct version_view v = { .model = "m", .version = 1, .document = shown[_i].document, .sha256 = "00", .created_at_us = 1 };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	version_render(&v, &out);
	ck_assert(strbuf_ok(&out));
	json_t *tree = json_loads(out.s, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_ptr_nonnull(tree);
	json_decref(tree);
	for (int i = 0; i < 5 && shown[_i].there[i]; i++)
		ck_assert_msg(strstr(out.s, shown[_i].there[i]) != NULL, "no %s in %s", shown[_i].there[i], out.s);
	ck_assert_msg(!strstr(out.s, shown[_i].not_there), "%s in %s", shown[_i].not_there, out.s);
	strbuf_fini(&out);
}
END_TEST

Suite *document_suite(void)
{
	Suite *s = suite_create("documents");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_texts_read_back, 0, (int)COUNT(good));
	tcase_add_loop_test(t, test_truncated_texts, 0, (int)COUNT(good));
	tcase_add_loop_test(t, test_damaged_texts, 0, (int)COUNT(damages));
	tcase_add_test(t, test_labels_have_their_place);
	tcase_add_test(t, test_autoencoder);
	tcase_add_test(t, test_autoencoder_limits);
	tcase_add_loop_test(t, test_shown, 0, (int)COUNT(shown));
	suite_add_tcase(s, t);
	return s;
}

/* test_job.c - training-job bodies and the job's answers. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "api/job_body.h"
#include "model/base/rng.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define J(more)  "{\"dataset\":\"d\",\"target\":\"y\"" more "}"
#define E(body)  J(",\"encoder\":" body)
#define D(body)  J(",\"decoder\":" body)
#define O(body)  J(",\"output\":" body)
#define S(body)  J(",\"split\":" body)
#define TR(body) J(",\"training\":" body)
#define M(body)  J(",\"metadata\":" body)
#define P(preset, more) J(",\"preset\":\"" preset "\"" more)
#define TEXT(body) P("char_rnn", ",\"text\":" body)
#define A8  "aaaaaaaa"
#define A64 A8 A8 A8 A8 A8 A8 A8 A8

static const struct parse_case cases[] = {
	{ J(""), ERR_OK, "" },
	{ "{\"dataset\":\"d\",\"target\":[\"y\"]}", ERR_OK, "" },
	{ "{\"dataset\":\"d\",\"target\":[\"y\",\"z\"],\"features\":[]}", ERR_OK, "" },
	{ J(",\"features\":[\"y\",\"sma_10\",\"macd_12_26_9\"]"), ERR_OK, "" },
	{ J(",\"features\":\"y\""), ERR_OK, "" },
	{ J(",\"model\":\"m.1-x_Y\",\"window\":20,\"horizon\":3,\"preset\":\"attention_gru\""), ERR_OK, "" },
	{ E("{}"), ERR_OK, "" },
	{ E("{\"cell\":\"gru\",\"hidden_size\":32,\"num_layers\":2,\"bidirectional\":false,\"bias\":false,\"reset_after\":false,"
	    "\"dropout\":0.5}"), ERR_OK, "" },
	{ D("{\"type\":\"attention\",\"score\":\"additive\",\"input\":\"context\"}"), ERR_OK, "" },
	{ D("{\"input\":\"context+previous\"}"), ERR_OK, "" },
	{ J(",\"preset\":\"attention_lstm\""), ERR_OK, "" }, { J(",\"preset\":\"gru\""), ERR_OK, "" },
	{ J(",\"preset\":\"lstm\""), ERR_OK, "" }, { J(",\"preset\":\"rnn\""), ERR_OK, "" },
	{ J(",\"preset\":\"transformer\""), ERR_OK, "" },
	{ J(",\"encoder\":{\"cell\":\"lstm\",\"bidirectional\":true},\"decoder\":{\"type\":\"mean\"}"), ERR_OK, "" },
	{ J(",\"decoder\":{\"type\":\"attention\",\"score\":\"dot\"},\"encoder\":{\"nonlinearity\":\"relu\"},\"preset\":\"rnn\""),
	  ERR_OK, "" },
	{ E("{\"cell\":\"transformer\",\"hidden_size\":48,\"heads\":6,\"feedforward_size\":96,\"norm_first\":true,"
	    "\"activation\":\"gelu\",\"causal\":true}"), ERR_OK, "" },
	{ TR("{\"optimizer\":\"sgd\",\"momentum\":0.9}"), ERR_OK, "" }, { TR("{\"optimizer\":\"adamw\"}"), ERR_OK, "" },
	{ TR("{\"optimizer\":\"rmsprop\",\"momentum\":0}"), ERR_OK, "" },
	{ TR("{\"scheduler\":{\"type\":\"step\",\"step_size\":10,\"gamma\":0.5,\"warmup_epochs\":3}}"), ERR_OK, "" },
	{ TR("{\"scheduler\":{\"type\":\"cosine\",\"min_rate\":1e-5}}"), ERR_OK, "" },
	{ O("{}"), ERR_OK, "" },
	{ O("{\"type\":\"point\"}"), ERR_OK, "" },
	{ O("{\"type\":\"quantile\"}"), ERR_OK, "" },
	{ O("{\"type\":\"quantile\",\"levels\":[0.05,0.5,0.95]}"), ERR_OK, "" },
	{ O("{\"levels\":[0.3]}"), ERR_OK, "" },
	{ O("{\"type\":\"point\",\"levels\":[]}"), ERR_OK, "" },
	{ S("{\"train\":0.6,\"validation\":0.2,\"test\":0.2}"), ERR_OK, "" },
	{ TR("{\"loss\":\"mae\"}"), ERR_OK, "" }, { TR("{\"loss\":\"mse\"}"), ERR_OK, "" },
	{ TR("{\"loss\":\"huber\",\"huber_delta\":0.5}"), ERR_OK, "" },
	{ TR("{\"optimizer\":\"adam\",\"learning_rate\":1e-4,\"batch_size\":32,\"epochs\":1,\"clip_norm\":0,\"weight_decay\":0.01}"),
	  ERR_OK, "" },
	{ TR("{\"scheduler\":null}"), ERR_OK, "" }, { TR("{\"scheduler\":{\"type\":\"none\"}}"), ERR_OK, "" },
	{ TR("{\"scheduler\":{\"type\":\"reduce_on_plateau\",\"factor\":0.5,\"patience\":2}}"), ERR_OK, "" },
	{ TR("{\"early_stopping\":null}"), ERR_OK, "" }, { TR("{\"early_stopping\":{\"patience\":0}}"), ERR_OK, "" },
	{ TR("{\"seed\":0}"), ERR_OK, "" }, { TR("{\"seed\":9007199254740992}"), ERR_OK, "" },
	{ TR("{\"epochs\":100.0}"), ERR_OK, "" },
	{ M("{}"), ERR_OK, "" }, { M("{\"a\":\"b\",\"c\":\"\"}"), ERR_OK, "" },
	{ J(",\"output\":{\"type\":\"quantile\"},\"training\":{\"loss\":\"pinball\"}"), ERR_OK, "" },

	{ "", ERR_SYNTAX, "byte 0" }, { "{", ERR_SYNTAX, "byte 1" }, { J("") "x", ERR_SYNTAX, "byte 28" },
	{ "{\"dataset\":\"\\u0000\"}", ERR_SYNTAX, "byte 12" }, { TR("{\"seed\":1e999}"), ERR_SYNTAX, "byte 47" },
	{ "[]", ERR_INVALID, "" }, { "null", ERR_INVALID, "" }, { "\"x\"", ERR_INVALID, "" },
	{ P("segment_gru", ",\"horizon\":48,\"decoder\":{\"segment\":12}"), ERR_OK, "" },
	{ P("autoencoder", ",\"window\":48,\"encoder\":{\"cell\":\"gru\"},\"training\":{\"random_crop\":true}"), ERR_OK, "" },
	{ P("attention_lstm", ",\"decoder\":{\"type\":\"pool\"}"), ERR_OK, "" },
	{ "{\"dataset\":\"d\",\"preset\":\"char_rnn\"}", ERR_OK, "" },
	{ TEXT("{}"), ERR_OK, "" }, { TEXT("{\"unit\":\"word\",\"max_vocabulary\":500,\"min_count\":2}"), ERR_OK, "" },
	{ P("char_rnn", ",\"output\":{\"type\":\"categorical\"},\"training\":{\"loss\":\"cross_entropy\",\"init\":\"orthogonal\","
	    "\"forget_bias\":1,\"random_crop\":false},\"encoder\":{\"embedding_size\":16,\"batch_norm\":true}"), ERR_OK, "" },
	{ P("classifier", ",\"features\":\"text\",\"encoder\":{\"cell\":\"transformer\"}"), ERR_OK, "" },
	{ P("seq2seq", ",\"horizon\":12,\"decoder\":{\"teacher_forcing\":0.5,\"score\":\"dot\"}"), ERR_OK, "" },
	{ P("lstm", ",\"horizon\":1,\"output\":{\"type\":\"categorical\"}"), ERR_OK, "" },
	{ P("classifier", ",\"output\":{\"type\":\"point\"}"), ERR_OK, "" },   /* a forecaster with a pooled, bidirectional LSTM */
	{ E("{\"reverse\":true,\"batch_norm\":true}"), ERR_OK, "" }, { E("{\"instance_norm\":true}"), ERR_OK, "" },
	{ E("{\"instance_norm\":true},\"features\":[\"y\",\"a\"]"), ERR_OK, "" },
	{ E("{\"instance_norm\":true},\"features\":[\"a\",\"y\"]"), ERR_INVALID, "/features" },
	{ P("segment_gru", ",\"encoder\":{\"instance_norm\":true}"), ERR_OK, "" },
	{ P("autoencoder", ",\"encoder\":{\"instance_norm\":true}"), ERR_INVALID, "/encoder/instance_norm" },
	{ P("classifier", ",\"encoder\":{\"instance_norm\":true}"), ERR_INVALID, "/encoder/instance_norm" },
	{ TR("{\"init\":\"xavier\",\"random_crop\":true}"), ERR_OK, "" },

	{ P("segment_gru", ",\"horizon\":48,\"decoder\":{\"segment\":13}"), ERR_INVALID, "/decoder/segment" },
	{ P("segment_gru", ",\"features\":[\"a\",\"y\"]"), ERR_INVALID, "/features" },
	{ P("autoencoder", ",\"horizon\":5"), ERR_INVALID, "/horizon" },
	{ P("autoencoder", ",\"output\":{\"type\":\"quantile\"}"), ERR_INVALID, "/output/type" },
	{ P("autoencoder", ",\"decoder\":{\"score\":\"dot\"}"), ERR_INVALID, "/decoder/score" },
	{ D("{\"segment\":5}"), ERR_INVALID, "/decoder/segment" }, { D("{\"teacher_forcing\":2}"), ERR_INVALID, "/decoder/teacher_forcing" },
	{ D("{\"type\":\"token\"}"), ERR_INVALID, "/decoder/type" },
	{ TEXT("[]"), ERR_INVALID, "/text" }, { TEXT("{\"unit\":\"label\"}"), ERR_INVALID, "/text/unit" },
	{ TEXT("{\"max_vocabulary\":2}"), ERR_INVALID, "/text/max_vocabulary" },
	{ TEXT("{\"min_count\":0}"), ERR_INVALID, "/text/min_count" }, { TEXT("{\"size\":5}"), ERR_INVALID, "/text/size" },
	{ J(",\"text\":{\"unit\":\"word\"}"), ERR_INVALID, "/text/unit" },
	{ E("{\"embedding_size\":5}"), ERR_INVALID, "/encoder/embedding_size" },
	{ E("{\"bidirectional\":true,\"reverse\":true}"), ERR_INVALID, "/encoder/reverse" },
	{ P("char_rnn", ",\"encoder\":{\"bidirectional\":true}"), ERR_INVALID, "/encoder" },
	{ P("char_rnn", ",\"horizon\":5"), ERR_INVALID, "/horizon" }, { P("char_rnn", ",\"features\":\"a\""), ERR_INVALID, "/features" },
	{ P("char_rnn", ",\"output\":{\"type\":\"point\"}"), ERR_INVALID, "/decoder/type" },
	{ P("char_rnn", ",\"output\":{\"levels\":[0.5]}"), ERR_INVALID, "/output/levels" },
	{ P("char_rnn", ",\"training\":{\"loss\":\"mse\"}"), ERR_INVALID, "/training/loss" },
	{ P("classifier", ",\"horizon\":2"), ERR_INVALID, "/horizon" },
	{ P("seq2seq", ",\"training\":{\"random_crop\":true}"), ERR_INVALID, "/training/random_crop" },
	{ "{\"dataset\":\"d\",\"preset\":\"classifier\"}", ERR_INVALID, "/target" },
	{ P("lstm", ",\"output\":{\"type\":\"categorical\"}"), ERR_INVALID, "/horizon" },
	{ P("transformer", ",\"training\":{\"init\":\"orthogonal\"}"), ERR_INVALID, "/training/init" },
	{ TR("{\"init\":\"zeros\"}"), ERR_INVALID, "/training/init" }, { TR("{\"forget_bias\":1}"), ERR_INVALID, "/training/forget_bias" },
	{ TR("{\"loss\":\"cross_entropy\"}"), ERR_INVALID, "/training/loss" }, { TR("{\"random_crop\":1}"), ERR_INVALID, "/training/random_crop" },
	{ "{}", ERR_INVALID, "/dataset" }, { "{\"dataset\":\"d\"}", ERR_INVALID, "/target" },
	{ "{\"target\":\"y\"}", ERR_INVALID, "/dataset" },
	{ "{\"dataset\":1,\"target\":\"y\"}", ERR_INVALID, "/dataset" }, { "{\"dataset\":\"\",\"target\":\"y\"}", ERR_INVALID, "/dataset" },
	{ "{\"dataset\":\"a b\",\"target\":\"y\"}", ERR_INVALID, "/dataset" },
	{ "{\"dataset\":\"../d\",\"target\":\"y\"}", ERR_INVALID, "/dataset" },
	{ "{\"dataset\":\"" A64 "a\",\"target\":\"y\"}", ERR_INVALID, "/dataset" },
	{ "{\"dataset\":\"" A64 "\",\"target\":\"y\"}", ERR_INVALID, "/model" },
	{ "{\"dataset\":\"d\",\"dataset\":\"d\",\"target\":\"y\"}", ERR_INVALID, "/dataset" },
	{ "{\"dataset\":\"d\",\"target\":[]}", ERR_INVALID, "/target" }, { "{\"dataset\":\"d\",\"target\":5}", ERR_INVALID, "/target" },
	{ "{\"dataset\":\"d\",\"target\":\"\"}", ERR_INVALID, "/target/0" },
	{ "{\"dataset\":\"d\",\"target\":[\"y\",\"y\"]}", ERR_INVALID, "/target/1" },
	{ "{\"dataset\":\"d\",\"target\":[\"y\",7]}", ERR_INVALID, "/target/1" },
	{ "{\"dataset\":\"d\",\"target\":[\"" A64 "a\"]}", ERR_INVALID, "/target/0" },
	{ J(",\"features\":[\"\"]"), ERR_INVALID, "/features/0" }, { J(",\"features\":{}"), ERR_INVALID, "/features" },
	{ J(",\"features\":[\"a\",\"b\",\"a\"]"), ERR_INVALID, "/features/2" }, { J(",\"features\":null"), ERR_INVALID, "/features" },
	{ J(",\"model\":\"\""), ERR_INVALID, "/model" }, { J(",\"model\":\"-m\""), ERR_INVALID, "/model" },
	{ J(",\"model\":null"), ERR_INVALID, "/model" },
	{ J(",\"window\":1"), ERR_INVALID, "/window" }, { J(",\"window\":\"30\""), ERR_INVALID, "/window" },
	{ J(",\"window\":30.5"), ERR_INVALID, "/window" }, { J(",\"window\":1e100"), ERR_INVALID, "/window" },
	{ J(",\"window\":-3"), ERR_INVALID, "/window" }, { J(",\"window\":3000000000"), ERR_INVALID, "/window" },
	{ J(",\"horizon\":0"), ERR_INVALID, "/horizon" }, { J(",\"horizon\":1001"), ERR_INVALID, "/horizon" },
	{ J(",\"horizon\":true"), ERR_INVALID, "/horizon" },
	{ J(",\"preset\":\"attention\""), ERR_INVALID, "/preset" }, { J(",\"preset\":1"), ERR_INVALID, "/preset" },
	{ J(",\"windw\":30"), ERR_INVALID, "/windw" }, { J(",\"a/b~\":30"), ERR_INVALID, "/a~1b~0" },
	{ E("[]"), ERR_INVALID, "/encoder" }, { E("null"), ERR_INVALID, "/encoder" },
	{ E("{\"cell\":\"mlp\"}"), ERR_INVALID, "/encoder/cell" }, { E("{\"cell\":null}"), ERR_INVALID, "/encoder/cell" },
	{ E("{\"cell\":\"transformer\",\"bidirectional\":true}"), ERR_INVALID, "/encoder/bidirectional" },
	{ E("{\"cell\":\"lstm\",\"reset_after\":false}"), ERR_INVALID, "/encoder/reset_after" },
	{ E("{\"nonlinearity\":\"relu\"}"), ERR_INVALID, "/encoder/nonlinearity" },
	{ E("{\"cell\":\"rnn\",\"nonlinearity\":\"gelu\"}"), ERR_INVALID, "/encoder/nonlinearity" },
	{ E("{\"cell\":\"transformer\",\"activation\":\"tanh\"}"), ERR_INVALID, "/encoder/activation" },
	{ E("{\"cell\":\"transformer\",\"heads\":5}"), ERR_INVALID, "/encoder/heads" },
	{ E("{\"heads\":2}"), ERR_INVALID, "/encoder/heads" }, { E("{\"causal\":true}"), ERR_INVALID, "/encoder/causal" },
	{ E("{\"bidirectional\":0}"), ERR_INVALID, "/encoder/bidirectional" },
	{ E("{\"hidden\":3}"), ERR_INVALID, "/encoder/hidden" }, { E("{\"hidden_size\":0}"), ERR_INVALID, "/encoder/hidden_size" },
	{ E("{\"hidden_size\":2049}"), ERR_INVALID, "/encoder/hidden_size" },
	{ E("{\"num_layers\":9}"), ERR_INVALID, "/encoder/num_layers" }, { E("{\"num_layers\":0}"), ERR_INVALID, "/encoder/num_layers" },
	{ E("{\"bias\":1}"), ERR_INVALID, "/encoder/bias" }, { E("{\"reset_after\":\"x\"}"), ERR_INVALID, "/encoder/reset_after" },
	{ E("{\"dropout\":1}"), ERR_INVALID, "/encoder/dropout" }, { E("{\"dropout\":-0.1}"), ERR_INVALID, "/encoder/dropout" },
	{ E("{\"dropout\":false}"), ERR_INVALID, "/encoder/dropout" },
	{ E("{\"bias\":true,\"bias\":true}"), ERR_INVALID, "/encoder/bias" },
	{ D("{\"type\":\"first\"}"), ERR_INVALID, "/decoder/type" }, { D("{\"score\":\"cosine\"}"), ERR_INVALID, "/decoder/score" },
	{ D("{\"type\":\"mean\",\"score\":\"dot\"}"), ERR_INVALID, "/decoder/score" },
	{ D("{\"type\":\"last\",\"input\":\"context\"}"), ERR_INVALID, "/decoder/input" },
	{ D("{\"input\":\"previous\"}"), ERR_INVALID, "/decoder/input" }, { D("{\"kind\":1}"), ERR_INVALID, "/decoder/kind" },
	{ O("{\"type\":\"classes\"}"), ERR_INVALID, "/output/type" }, { O("\"point\""), ERR_INVALID, "/output" },
	{ O("{\"type\":\"point\",\"levels\":[0.5]}"), ERR_INVALID, "/output/levels" },
	{ O("{\"levels\":0.5}"), ERR_INVALID, "/output/levels" }, { O("{\"levels\":[\"a\"]}"), ERR_INVALID, "/output/levels/0" },
	{ O("{\"levels\":[0.5,0.5]}"), ERR_INVALID, "/output/levels/1" }, { O("{\"levels\":[0.9,0.1]}"), ERR_INVALID, "/output/levels/1" },
	{ O("{\"levels\":[0]}"), ERR_INVALID, "/output/levels/0" }, { O("{\"levels\":[0.1,1]}"), ERR_INVALID, "/output/levels/1" },
	{ O("{\"level\":[0.5]}"), ERR_INVALID, "/output/level" },
	{ S("{\"train\":0.8}"), ERR_INVALID, "/split" }, { S("{\"train\":0.70001}"), ERR_INVALID, "/split" },
	{ S("{\"train\":0.8,\"validation\":0.2,\"test\":0}"), ERR_INVALID, "/split/test" },
	{ S("{\"train\":\"0.7\"}"), ERR_INVALID, "/split/train" }, { S("{\"valid\":0.1}"), ERR_INVALID, "/split/valid" },
	{ S("[0.7,0.1,0.2]"), ERR_INVALID, "/split" },
	{ TR("{\"loss\":\"pinball\"}"), ERR_INVALID, "/training/loss" }, { TR("{\"loss\":\"l1\"}"), ERR_INVALID, "/training/loss" },
	{ J(",\"output\":{\"type\":\"quantile\"},\"training\":{\"loss\":\"mse\"}"), ERR_INVALID, "/training/loss" },
	{ TR("{\"optimizer\":\"lion\"}"), ERR_INVALID, "/training/optimizer" },
	{ TR("{\"momentum\":0.9}"), ERR_INVALID, "/training/momentum" },
	{ TR("{\"optimizer\":\"sgd\",\"momentum\":1}"), ERR_INVALID, "/training/momentum" },
	{ TR("{\"learning_rate\":0}"), ERR_INVALID, "/training/learning_rate" },
	{ TR("{\"learning_rate\":2}"), ERR_INVALID, "/training/learning_rate" },
	{ TR("{\"learning_rate\":null}"), ERR_INVALID, "/training/learning_rate" },
	{ TR("{\"batch_size\":0}"), ERR_INVALID, "/training/batch_size" }, { TR("{\"epochs\":0}"), ERR_INVALID, "/training/epochs" },
	{ TR("{\"epochs\":10001}"), ERR_INVALID, "/training/epochs" }, { TR("{\"epoch\":1}"), ERR_INVALID, "/training/epoch" },
	{ TR("{\"clip_norm\":-1}"), ERR_INVALID, "/training/clip_norm" }, { TR("{\"weight_decay\":2}"), ERR_INVALID, "/training/weight_decay" },
	{ TR("{\"scheduler\":{\"type\":\"linear\"}}"), ERR_INVALID, "/training/scheduler/type" },
	{ TR("{\"scheduler\":{\"step_size\":0}}"), ERR_INVALID, "/training/scheduler/step_size" },
	{ TR("{\"scheduler\":{\"warmup_epochs\":-1}}"), ERR_INVALID, "/training/scheduler/warmup_epochs" },
	{ TR("{\"scheduler\":{\"min_rate\":0.01}}"), ERR_INVALID, "/training/scheduler/min_rate" },
	{ TR("{\"scheduler\":{\"factor\":1}}"), ERR_INVALID, "/training/scheduler/factor" },
	{ TR("{\"scheduler\":{\"gamma\":1}}"), ERR_INVALID, "/training/scheduler/gamma" },
	{ TR("{\"scheduler\":\"none\"}"), ERR_INVALID, "/training/scheduler" },
	{ TR("{\"scheduler\":{\"patience\":-1}}"), ERR_INVALID, "/training/scheduler/patience" },
	{ TR("{\"early_stopping\":5}"), ERR_INVALID, "/training/early_stopping" },
	{ TR("{\"early_stopping\":{\"patience\":-1}}"), ERR_INVALID, "/training/early_stopping/patience" },
	{ TR("{\"early_stopping\":{\"min_delta\":1}}"), ERR_INVALID, "/training/early_stopping/min_delta" },
	{ TR("{\"seed\":-1}"), ERR_INVALID, "/training/seed" }, { TR("{\"seed\":9007199254740994}"), ERR_INVALID, "/training/seed" },
	{ TR("{\"seed\":0.5}"), ERR_INVALID, "/training/seed" }, { TR("{\"seed\":\"1\"}"), ERR_INVALID, "/training/seed" },
	{ TR("null"), ERR_INVALID, "/training" },
	{ M("null"), ERR_INVALID, "/metadata" }, { M("[]"), ERR_INVALID, "/metadata" }, { M("{\"a\":1}"), ERR_INVALID, "/metadata/a" },
	{ M("{\"" A64 "a\":\"\"}"), ERR_INVALID, "/metadata/" A64 "a" },
	{ M("{\"a\":\"" A64 A64 A64 A64 A64 A64 A64 A64 "a\"}"), ERR_INVALID, "/metadata/a" },
	{ M("{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\",\"8\":\"\",\"9\":\"\",\"10\":\"\",\"11\":\"\",\"12\":\"\","
	    "\"13\":\"\",\"14\":\"\",\"15\":\"\",\"16\":\"\",\"17\":\"\"}"), ERR_INVALID, "/metadata" },
	{ J(",\"x\":[[[[[[[[1]]]]]]]]"), ERR_INVALID, "/x/0/0/0/0/0/0/0" },
};

START_TEST(test_cases)
{
	struct recipe r;
	char *metadata = NULL;
	struct error e = { 0 };
	case_check(&cases[_i], job_body_parse(cases[_i].body, strlen(cases[_i].body), &r, &metadata, &e), &e);
	free(metadata);
}
END_TEST

static struct recipe parse_good(const char *body, char **metadata)
{
	struct recipe r;
	struct error e = { 0 };
	*metadata = NULL;
	ck_assert_msg(job_body_parse(body, strlen(body), &r, metadata, &e) == ERR_OK, "%s: %s", e.where, e.what);
	return r;
}

START_TEST(test_defaults)
{
	char *metadata;
	struct recipe r = parse_good(J(""), &metadata), d;
	recipe_default(&d);
	ck_assert_ptr_null(metadata);
	ck_assert_str_eq(r.model, "d-5");
	ck_assert(r.targets == 1 && r.features == 1 && !strcmp(r.target[0], "y") && !strcmp(r.feature[0], "y"));
	ck_assert(r.window == d.window && r.hidden == d.hidden && r.loss == LOSS_MSE && r.levels == 0 && r.seed == d.seed);
	r = parse_good(O("{\"type\":\"quantile\"}"), &metadata);
	ck_assert(r.loss == LOSS_PINBALL && r.levels == 3 && r.level[0] == 0.1 && r.level[1] == 0.5 && r.level[2] == 0.9);
	r = parse_good(TR("{\"scheduler\":null,\"early_stopping\":null,\"seed\":9007199254740992}"), &metadata);
	ck_assert(r.scheduler == SCHEDULER_NONE && r.early_stopping_patience == 0 && r.seed == UINT64_C(1) << 53);
	r = parse_good(M("{\"who\":\"\\u00e9\"}"), &metadata);
	ck_assert_str_eq(metadata, "{\"who\":\"\xc3\xa9\"}");
	free(metadata);
}
END_TEST

START_TEST(test_messages)
{
	static const struct { const char *body, *says; } told[] = {
		{ E("{\"cell\":\"x\"}"), "\"gru\", \"lstm\", \"rnn\", \"transformer\"" },
		{ J(",\"preset\":\"x\""), "\"attention_gru\", \"attention_lstm\", \"gru\", \"lstm\", \"rnn\", \"transformer\", "
		  "\"segment_gru\", \"autoencoder\", \"char_rnn\", \"classifier\", \"seq2seq\"" },
		{ D("{\"type\":\"x\"}"), "\"attention\", \"last\", \"mean\", \"pool\", \"reconstruct\", \"token\", \"segment\"" },
		{ TR("{\"optimizer\":\"x\"}"), "\"adam\", \"adamw\", \"sgd\", \"rmsprop\"" },
		{ TR("{\"scheduler\":{\"type\":\"x\"}}"), "\"none\", \"reduce_on_plateau\", \"step\", \"cosine\"" },
		{ E("{\"cell\":\"lstm\",\"reset_after\":false}"), "belongs to GRU cells" },
		{ E("{\"cell\":\"transformer\",\"heads\":5}"), "5 does not divide 64" },
		{ J(",\"windw\":1"), "\"window\"" }, { E("{\"hiden_size\":1}"), "\"hidden_size\"" },
	};
	for (size_t i = 0; i < COUNT(told); i++) {
		struct recipe r;
		char *metadata;
		struct error e = { 0 };
		ck_assert_int_eq(job_body_parse(told[i].body, strlen(told[i].body), &r, &metadata, &e), ERR_INVALID);
		ck_assert_msg(strstr(e.what, told[i].says) != NULL, "%s says: %s", told[i].body, e.what);
	}
}
END_TEST

START_TEST(test_size_limits)
{
	size_t len = (256 << 10) + 1, n = 0;
	char *body = malloc(len);
	struct recipe r;
	char *metadata;
	struct error e = { 0 };
	ck_assert_ptr_nonnull(body);
	memset(body, ' ', len);
	memcpy(body, J(""), strlen(J("")));
	ck_assert_int_eq(job_body_parse(body, len, &r, &metadata, &e), ERR_TOO_LARGE);
	ck_assert_int_eq(job_body_parse(body, len - 1, &r, &metadata, &e), ERR_OK);
	n += (size_t)sprintf(body, "{\"features\":[0");
	for (int i = 1; i < 20000; i++)
		n += (size_t)sprintf(body + n, ",0");
	n += (size_t)sprintf(body + n, "]}");
	ck_assert_int_eq(job_body_parse(body, n, &r, &metadata, &e), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(e.what, "20000"));
	free(body);
}
END_TEST

/* --- render and read: the same recipe */

static double random_in(struct rng *r, double lo, double hi) { return lo + (hi - lo) * rng_uniform(r); }
static int whole_in(struct rng *r, int lo, int hi) { return lo + (int)rng_below(r, (uint64_t)(hi - lo) + 1); }

static void random_names(struct rng *r, char (*names)[FRAME_NAME_MAX + 1], int n, const char *prefix)
{
	static const char *const odd[] = { "", "\"", "\\", "/~", "\xc3\xa9", " \n\t", "\xf0\x9f\x98\x80" };
	for (int i = 0; i < n; i++)
		snprintf(names[i], FRAME_NAME_MAX + 1, "%s%d%s", prefix, i, odd[rng_below(r, COUNT(odd))]);
}

/* Of texts: one column of answers, one of texts, or none. */
static void random_text(struct rng *r, struct recipe *out)
{
	out->targets = 1;
	out->features = out->decoder == DECODER_TOKEN ? 0 : whole_in(r, 0, 1);
	out->unit = rng_below(r, 2) ? TOKEN_CHARACTER : TOKEN_WORD;
	out->max_vocabulary = whole_in(r, 3, NET_MAX_VOCABULARY);
	out->min_count = whole_in(r, 1, 100);
	out->embedding = whole_in(r, 1, 300);
	if (out->decoder == DECODER_ATTENTION)
		out->horizon = whole_in(r, 1, 200);
	else
		out->horizon = 1;
}

static void random_numbers(struct rng *r, struct recipe *out)
{
	bool same = out->decoder == DECODER_SEGMENT || out->decoder == DECODER_RECONSTRUCT;
	out->targets = whole_in(r, 1, PIPELINE_MAX_TARGETS);
	out->features = same ? 0 : whole_in(r, 1, PIPELINE_MAX_FEATURES);
	out->instance_norm = !out->features && recipe_task(out) == TASK_FORECAST && rng_below(r, 2);
	out->horizon = out->decoder == DECODER_RECONSTRUCT ? 1 : whole_in(r, 1, NET_MAX_HORIZON);
	out->levels = out->decoder != DECODER_RECONSTRUCT && rng_below(r, 2) ? whole_in(r, 1, NET_MAX_LEVELS) : 0;
	for (int i = 0; i < out->levels; i++)
		out->level[i] = (i + random_in(r, 0.1, 0.9)) / out->levels;
	out->loss = out->levels ? LOSS_PINBALL : (enum loss_type)whole_in(r, LOSS_MSE, LOSS_HUBER);
}

/* Members that the composition does not read stay at their defaults: others are refused. */
static void random_composition(struct rng *r, struct recipe *out)
{
	static const enum decoder_type plain[] = { DECODER_ATTENTION, DECODER_LAST, DECODER_MEAN, DECODER_POOL };
	recipe_preset(out, (enum preset)rng_below(r, PRESET_SEQ2SEQ + 1));
	bool special = out->decoder == DECODER_TOKEN || out->decoder == DECODER_SEGMENT, one_way = special;
	out->encoder = (enum encoder_type)rng_below(r, special ? ENCODER_TRANSFORMER : ENCODER_TRANSFORMER + 1);
	if (!special && out->decoder != DECODER_RECONSTRUCT)
		out->decoder = plain[rng_below(r, COUNT(plain))];
	bool transformer = out->encoder == ENCODER_TRANSFORMER;
	if (!transformer) {
		out->bidirectional = !one_way && rng_below(r, 2);
		out->reverse = !one_way && !out->bidirectional && rng_below(r, 2);
		out->init.orthogonal = rng_below(r, 2);
	}
	out->init.forget_bias = out->encoder == ENCODER_LSTM ? random_in(r, -1, 1) : 0;
	out->batch_norm = out->decoder != DECODER_SEGMENT && rng_below(r, 2);
	out->bias = rng_below(r, 2);
	out->reset_after = out->encoder != ENCODER_GRU || rng_below(r, 2);
	out->relu = out->encoder == ENCODER_RNN && rng_below(r, 2);
	out->dropout = random_in(r, 0, 0.9);
	if (transformer) {
		out->heads = whole_in(r, 1, 8);
		out->hidden = out->heads * whole_in(r, 1, 16);
		out->feedforward = whole_in(r, 1, 300);
		out->layers = 1;
		out->norm_first = rng_below(r, 2);
		out->gelu = rng_below(r, 2);
		out->causal = rng_below(r, 2);
	}
	if (out->decoder == DECODER_ATTENTION) {
		out->score = (enum score_type)rng_below(r, 2);
		out->decoder_input = rng_below(r, 2) ? DECODER_CONTEXT : DECODER_CONTEXT_PREVIOUS;
		if (out->decoder_input == DECODER_CONTEXT_PREVIOUS)
			out->teacher_forcing = random_in(r, 0, 1);
	}
	if (out->categorical)
		random_text(r, out);
	else
		random_numbers(r, out);
	out->random_crop = recipe_task(out) == TASK_TRANSLATE ? out->random_crop : rng_below(r, 2);
	if (out->decoder == DECODER_SEGMENT)
		out->layers = 1;
}

static void random_steering(struct rng *r, struct recipe *out)
{
	out->optimizer = (enum optimizer_type)rng_below(r, OPTIMIZER_RMSPROP + 1);
	out->momentum = out->optimizer >= OPTIMIZER_SGD ? random_in(r, 0, 0.99) : 0;
	out->learning_rate = random_in(r, 1e-6, 1e-2);
	out->scheduler = (enum scheduler_type)rng_below(r, SCHEDULER_COSINE + 1);
	out->scheduler_factor = random_in(r, 0.01, 0.9);
	out->scheduler_patience = whole_in(r, 0, 100);
	out->scheduler_step_size = whole_in(r, 1, 100);
	out->scheduler_gamma = random_in(r, 0.01, 0.9);
	out->scheduler_min_rate = random_in(r, 0, 1e-6);
	out->warmup_epochs = whole_in(r, 0, 20);
	out->early_stopping_patience = whole_in(r, 0, 100);
}

static void random_recipe(struct rng *r, struct recipe *out)
{
	recipe_default(out);
	snprintf(out->dataset, sizeof out->dataset, "d%d", whole_in(r, 0, 999));
	snprintf(out->model, sizeof out->model, "m.%d_x", whole_in(r, 0, 999));
	out->hidden = whole_in(r, 1, 512);
	out->layers = whole_in(r, 1, NET_MAX_LAYERS);
	random_composition(r, out);
	out->window = whole_in(r, 2, 200);
	random_names(r, out->target, out->targets, "t");
	random_names(r, out->feature, out->features, "f");
	recipe_settle(out);
	out->train = random_in(r, 0.3, 0.6);
	out->validation = random_in(r, 0.1, 0.2);
	out->test = 1 - out->train - out->validation;
	out->huber_delta = random_in(r, 0.1, 3);
	random_steering(r, out);
	out->clip_norm = random_in(r, 0, 10);
	out->weight_decay = random_in(r, 0, 1);
	out->batch_size = whole_in(r, 1, 4096);
	out->epochs = whole_in(r, 1, 10000);
	out->seed = rng_below(r, (UINT64_C(1) << 53) + 1);
}

static void check_names(int n, const char (*a)[FRAME_NAME_MAX + 1], const char (*b)[FRAME_NAME_MAX + 1])
{
	for (int i = 0; i < n; i++)
		ck_assert_str_eq(a[i], b[i]);
}

static void check_same_composition(const struct recipe *a, const struct recipe *b)
{
	ck_assert(a->preset == b->preset && a->encoder == b->encoder && a->decoder == b->decoder && a->score == b->score);
	ck_assert(a->bidirectional == b->bidirectional && a->relu == b->relu && a->heads == b->heads);
	ck_assert(a->feedforward == b->feedforward && a->norm_first == b->norm_first && a->gelu == b->gelu);
	ck_assert(a->causal == b->causal && a->decoder_input == b->decoder_input);
	ck_assert(a->reverse == b->reverse && a->batch_norm == b->batch_norm && a->segment == b->segment);
	ck_assert(a->instance_norm == b->instance_norm);
	ck_assert(a->teacher_forcing == b->teacher_forcing && a->categorical == b->categorical);
	ck_assert(a->unit == b->unit && a->max_vocabulary == b->max_vocabulary && a->min_count == b->min_count);
	ck_assert(a->embedding == b->embedding && a->init.orthogonal == b->init.orthogonal);
	ck_assert(a->init.forget_bias == b->init.forget_bias && a->random_crop == b->random_crop);
}

static void check_same(const struct recipe *a, const struct recipe *b)
{
	ck_assert_str_eq(a->dataset, b->dataset);
	ck_assert_str_eq(a->model, b->model);
	ck_assert(a->targets == b->targets && a->features == b->features);
	check_names(a->targets, a->target, b->target);
	check_names(a->features, a->feature, b->feature);
	ck_assert(a->window == b->window && a->horizon == b->horizon);
	check_same_composition(a, b);
	ck_assert(a->hidden == b->hidden && a->layers == b->layers && a->bias == b->bias && a->reset_after == b->reset_after);
	ck_assert(a->dropout == b->dropout && a->levels == b->levels);
	ck_assert(!memcmp(a->level, b->level, (size_t)a->levels * sizeof *a->level));
	ck_assert(a->train == b->train && a->validation == b->validation && a->test == b->test);
	ck_assert(a->loss == b->loss && a->huber_delta == b->huber_delta && a->learning_rate == b->learning_rate);
	ck_assert(a->clip_norm == b->clip_norm && a->weight_decay == b->weight_decay);
	ck_assert(a->batch_size == b->batch_size && a->epochs == b->epochs && a->seed == b->seed);
	ck_assert(a->scheduler == b->scheduler && a->scheduler_factor == b->scheduler_factor);
	ck_assert(a->optimizer == b->optimizer && a->momentum == b->momentum && a->warmup_epochs == b->warmup_epochs);
	ck_assert(a->scheduler_step_size == b->scheduler_step_size && a->scheduler_gamma == b->scheduler_gamma);
	ck_assert(a->scheduler_min_rate == b->scheduler_min_rate);
	ck_assert(a->scheduler_patience == b->scheduler_patience && a->early_stopping_patience == b->early_stopping_patience);
}

START_TEST(test_round_trip)
{
	struct rng rng;
	struct strbuf out;
	rng_init(&rng, 5, RNG_TEST, 0);
	strbuf_init(&out, 1 << 20);
	for (int k = 0; k < 2000; k++) {
		struct recipe r, back;
		char *metadata = NULL;
		random_recipe(&rng, &r);
		strbuf_reset(&out);
		recipe_render(&r, &out);
		ck_assert(strbuf_ok(&out));
		struct error e = { 0 };
		ck_assert_msg(job_body_parse(out.s, out.len, &back, &metadata, &e) == ERR_OK, "%s: %s", e.where, e.what);
		check_same(&r, &back);
	}
	strbuf_fini(&out);
}
END_TEST

/* A spec as the daemon of the first release stored it with a job: what it does not name is as it was then. */
START_TEST(test_old_spec)
{
	static const char spec[] =
		"{\"dataset\":\"wave\",\"model\":\"wave-3\",\"target\":[\"close\"],\"features\":[\"close\","
		"\"volume\",\"sma_5\"],\"window\":12,\"horizon\":3,\"preset\":\"attention_gru\","
		"\"encoder\":{\"cell\":\"gru\",\"hidden_size\":4,\"num_layers\":1,\"bidirectional\":false,"
		"\"bias\":true,\"reset_after\":true,\"dropout\":0},\"decoder\":{\"type\":\"attention\","
		"\"score\":\"additive\",\"input\":\"context+previous\"},\"output\":{\"type\":\"point\"},"
		"\"split\":{\"train\":0.7,\"validation\":0.1,\"test\":0.2},\"training\":{\"loss\":\"mse\","
		"\"huber_delta\":1,\"optimizer\":\"adam\",\"learning_rate\":0.001,\"batch_size\":64,\"epochs\":1,"
		"\"clip_norm\":5,\"weight_decay\":0,\"scheduler\":{\"type\":\"reduce_on_plateau\",\"factor\":0.1,"
		"\"patience\":5},\"early_stopping\":{\"patience\":10},\"seed\":1}}";
	char *metadata;
	struct recipe r = parse_good(spec, &metadata), d;
	recipe_default(&d);
	check_same_composition(&r, &d);
	ck_assert(r.hidden == 4 && r.reset_after && r.scheduler == SCHEDULER_REDUCE_ON_PLATEAU && r.scheduler_patience == 5);
	ck_assert(r.optimizer == OPTIMIZER_ADAM && r.momentum == 0 && r.warmup_epochs == 0);
}
END_TEST

/* A preset is a set of defaults: wherever it stands, other members win. */
START_TEST(test_preset)
{
	static const struct { const char *body; enum encoder_type encoder; enum decoder_type decoder; } wins[] = {
		{ J(",\"preset\":\"lstm\""), ENCODER_LSTM, DECODER_LAST },
		{ J(",\"preset\":\"lstm\",\"decoder\":{\"type\":\"mean\"}"), ENCODER_LSTM, DECODER_MEAN },
		{ J(",\"decoder\":{\"type\":\"mean\"},\"preset\":\"lstm\""), ENCODER_LSTM, DECODER_MEAN },
		{ J(",\"encoder\":{\"cell\":\"rnn\"},\"preset\":\"transformer\""), ENCODER_RNN, DECODER_LAST },
		{ E("{\"cell\":\"lstm\"}"), ENCODER_LSTM, DECODER_ATTENTION },
	};
	for (size_t i = 0; i < COUNT(wins); i++) {
		char *metadata;
		struct recipe r = parse_good(wins[i].body, &metadata);
		ck_assert_msg(r.encoder == wins[i].encoder && r.decoder == wins[i].decoder, "%s", wins[i].body);
	}
}
END_TEST

/* A spec names what its composition reads, and nothing else. */
START_TEST(test_spec_names_what_counts)
{
	static const struct { const char *body, *there, *not_there; } specs[] = {
		{ J(""), "\"reset_after\"", "\"heads\"" }, { J(""), "\"score\"", "\"momentum\"" },
		{ J(",\"preset\":\"lstm\""), "\"bidirectional\"", "\"reset_after\"" },
		{ J(",\"preset\":\"rnn\""), "\"nonlinearity\":\"tanh\"", "\"score\"" },
		{ J(",\"preset\":\"transformer\""), "\"feedforward_size\":256", "\"bidirectional\"" },
		{ TR("{\"optimizer\":\"sgd\"}"), "\"momentum\":0", "\"heads\"" },
		{ P("segment_gru", ""), "\"segment\":5", "\"text\"" }, { J(""), "\"teacher_forcing\":0", "\"embedding_size\"" },
		{ P("char_rnn", ""), "\"text\":{\"unit\":\"character\",\"cache\":0,\"max_vocabulary\":10000,\"min_count\":1}", "\"features\"" },
		{ P("classifier", ""), "\"categorical\"", "\"teacher_forcing\"" },
	};
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	for (size_t i = 0; i < COUNT(specs); i++) {
		char *metadata;
		struct recipe r = parse_good(specs[i].body, &metadata);
		strbuf_reset(&out);
		recipe_render(&r, &out);
		ck_assert_msg(strstr(out.s, specs[i].there) && !strstr(out.s, specs[i].not_there), "%s", out.s);
	}
	strbuf_fini(&out);
}
END_TEST

/* --- small bodies */

static const struct { const char *body; enum err want; bool discard; const char *where; } cancel_cases[] = {
	{ "", ERR_OK, false, "" }, { "{}", ERR_OK, false, "" }, { "{\"discard\":true}", ERR_OK, true, "" },
	{ "{\"discard\":false}", ERR_OK, false, "" }, { "{\"discard\":1}", ERR_INVALID, false, "/discard" },
	{ "{\"discrad\":true}", ERR_INVALID, false, "/discrad" }, { "[]", ERR_INVALID, false, "" }, { "{", ERR_SYNTAX, false, "byte 1" },
	{ "{\"discard\":true,\"x\":1}", ERR_INVALID, false, "/x" },
};
static const struct { const char *body; enum err want; int version; const char *where; } label_cases[] = {
	{ "{\"version\":2}", ERR_OK, 2, "" }, { "", ERR_SYNTAX, 0, "byte 0" }, { "{}", ERR_INVALID, 0, "/version" },
	{ "{\"version\":0}", ERR_INVALID, 0, "/version" }, { "{\"version\":\"2\"}", ERR_INVALID, 0, "/version" },
	{ "{\"version\":2,\"label\":\"x\"}", ERR_INVALID, 0, "/label" }, { "2", ERR_INVALID, 0, "" },
	{ "{\"version\":1,\"version\":2}", ERR_INVALID, 0, "/version" },
};

START_TEST(test_small_bodies)
{
	for (size_t i = 0; i < COUNT(cancel_cases); i++) {
		struct parse_case c = { cancel_cases[i].body, cancel_cases[i].want, cancel_cases[i].where };
		struct error e = { 0 };
		bool discard = true;
		case_check(&c, cancel_body_parse(c.body, strlen(c.body), &discard, &e), &e);
		ck_assert(c.want || discard == cancel_cases[i].discard);
	}
	for (size_t i = 0; i < COUNT(label_cases); i++) {
		struct parse_case c = { label_cases[i].body, label_cases[i].want, label_cases[i].where };
		struct error e = { 0 };
		int version = 0;
		case_check(&c, label_body_parse(c.body, strlen(c.body), &version, &e), &e);
		ck_assert_int_eq(version, label_cases[i].version);
	}
}
END_TEST

/* --- answers */

static json_t *read_back(struct strbuf *out)
{
	json_error_t e;
	ck_assert(strbuf_ok(out));
	json_t *t = json_loads(out->s, JSON_REJECT_DUPLICATES, &e);
	ck_assert_msg(t != NULL, "%s in %s", e.text, out->s);
	strbuf_reset(out);
	return t;
}

static void check_members(const json_t *o, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(json_object_get(o, names[i]) != NULL, "no \"%s\"", names[i]);
	ck_assert_uint_eq(json_object_size(o), n);
}

START_TEST(test_progress)
{
	struct strbuf out;
	struct progress p = { 3, 100, 7, 50, 1234.5, 60.25 }, back;
	strbuf_init(&out, 4096);
	progress_render(&p, &out);
	ck_assert_int_eq(progress_parse(out.s, &back), ERR_OK);
	ck_assert(back.epoch == 3 && back.epochs == 100 && back.step == 7 && back.steps == 50);
	ck_assert(back.samples_per_second == 1234.5 && back.eta_s == 60.25);
	strbuf_reset(&out);
	p.eta_s = -1;
	progress_render(&p, &out);
	ck_assert_int_eq(progress_parse(out.s, &back), ERR_OK);
	ck_assert(back.eta_s < 0);
	ck_assert_int_ne(progress_parse("{\"epoch\":1}", &back), ERR_OK);
	ck_assert_int_ne(progress_parse("x", &back), ERR_OK);
	ck_assert_int_ne(progress_parse("[]", &back), ERR_OK);
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_evaluation)
{
	struct scores steps[2] = { { 1, 2, 3, 4 }, { 5, 6, NAN, 8 } };
	struct evaluation v = {
		.horizon = 2, .targets = 1, .origins = 77, .season = 5, .model = { 0.5, 0.6, 0.7, 0.8 }, .per_step = steps,
		.coverage = { 0.81, 0.92 }, .skill = { 0.1, 0.2, -0.3 }, .verdict = VERDICT_NO_BETTER, .p_value = 0.4, .shrinkage = 0.5,
	};
	for (int b = 0; b < BASELINE_COUNT; b++)
		v.baseline_step[b] = steps;
	static const char *const names[] = { "test", "naive", "drift", "seasonal_naive", "skill", "verdict", "p_value", "coverage",
		"origins", "season", "shrinkage", "task" };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	evaluation_render(&v, &out);
	json_t *t = read_back(&out);
	check_members(t, names, COUNT(names));
	ck_assert(json_number_value(json_object_get(t, "skill")) == 0.1);
	ck_assert(json_number_value(json_object_get(json_object_get(t, "seasonal_naive"), "skill")) == -0.3);
	ck_assert(json_number_value(json_object_get(json_object_get(t, "coverage"), "0.9")) == 0.92);
	json_t *steps_of_test = json_object_get(json_object_get(t, "test"), "per_horizon");
	ck_assert_uint_eq(json_array_size(steps_of_test), 2);
	ck_assert(json_is_null(json_object_get(json_array_get(steps_of_test, 1), "mase")));
	json_decref(t);
	strbuf_fini(&out);
}
END_TEST

/* What each task has, and what it is compared with; and in a few words. */
static const struct {
	struct evaluation v;
	const char *test[6], *baseline, *says;
} text_evaluations[] = {
	{ { .task = TASK_GENERATE, .verdict = VERDICT_BETTER, .text = { 1.5, 0.5, NAN, NAN }, .text_baseline = { 2.5, 0.25, NAN, NAN },
	    .text_skill = 0.4, .tokens = 1000 }, { "accuracy", "nats", "perplexity" }, "bigram", "nats 1.5 (bigram 2.5), better" },
	{ { .task = TASK_CLASSIFY, .verdict = VERDICT_NO_BETTER, .text = { NAN, 0.75, 0.7, NAN }, .text_baseline = { NAN, 0.5, 0.3, NAN },
	    .text_skill = 0.5, .texts = 10 }, { "accuracy", "macro_f1" }, "majority", "accuracy 0.75 (majority 0.5), no better" },
	{ { .task = TASK_TRANSLATE, .verdict = VERDICT_WORSE, .text = { NAN, 0.9, NAN, 0.25 }, .text_baseline = { NAN, 0.95, NAN, 0.5 },
	    .text_skill = -0.5, .texts = 10 }, { "accuracy", "exact" }, "copy", "exact 0.25 (copy 0.5), worse" },
};

START_TEST(test_text_evaluation)
{
	const struct evaluation *v = &text_evaluations[_i].v;
	const char *names[] = { "test", text_evaluations[_i].baseline, "skill", "texts", "tokens", "task", "verdict", "p_value" };
	struct strbuf out;
	size_t n = 0;
	strbuf_init(&out, 1 << 20);
	evaluation_render(v, &out);
	char *text = strdup(out.s);
	json_t *t = read_back(&out);
	check_members(t, names, COUNT(names));
	while (text_evaluations[_i].test[n])
		n++;
	check_members(json_object_get(t, "test"), text_evaluations[_i].test, n);
	ck_assert(json_number_value(json_object_get(t, "skill")) == v->text_skill);
	ck_assert_uint_eq(json_object_size(json_object_get(t, text_evaluations[_i].baseline)), n + 1);
	ck_assert_str_eq(json_string_value(json_object_get(t, "task")), task_names[v->task]);
	json_decref(t);
	evaluation_summary(text, &out);
	ck_assert_str_eq(out.s, text_evaluations[_i].says);
	free(text);
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_reconstruction)
{
	static const char *const names[] = { "test", "mean", "skill", "verdict", "p_value", "coverage", "origins", "season", "shrinkage",
		"task" };
	struct scores step = { 1, 1, 1, 1 };
	struct evaluation v = { .task = TASK_RECONSTRUCT, .horizon = 1, .targets = 1, .model = { 0.5, 0.6, 0.7, 0.8 },
		.baseline[BASELINE_MEAN] = { 2, 3, 4, 5 }, .skill[BASELINE_MEAN] = 0.75, .per_step = &step };
	struct strbuf out;
	v.baseline_step[BASELINE_MEAN] = &step;
	strbuf_init(&out, 1 << 20);
	evaluation_render(&v, &out);
	char *text = strdup(out.s);
	json_t *t = read_back(&out);
	check_members(t, names, COUNT(names));
	ck_assert(json_number_value(json_object_get(t, "skill")) == 0.75);
	json_decref(t);
	evaluation_summary(text, &out);
	ck_assert_str_eq(out.s, "mae 0.5 (mean 2), better");
	strbuf_reset(&out);
	evaluation_summary("nothing", &out);
	ck_assert_uint_eq(out.len, 0);
	free(text);
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_answers)
{
	static const char *const job[] = { "id", "object", "status", "model", "version", "dataset", "created_at", "started_at",
		"finished_at", "estimated_finish", "attempts", "progress", "metrics", "result", "spec", "seed", "error", "metadata" };
	static const char *const event[] = { "id", "object", "job", "created_at", "level", "type", "message", "data" };
	static const char *const checkpoint[] = { "id", "object", "job", "epoch", "created_at", "metrics", "sha256" };
	static const char *const metrics[] = { "epoch", "train_loss", "validation_loss", "learning_rate", "gradient_norm", "skipped_steps",
		"best", "rolled_back" };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	job_render(&(struct job_view){ .id = "j", .status = "queued", .model = "m", .dataset = "d", .created_at_us = 1,
		.spec = "{\"a\":1}", .seed = UINT64_MAX }, &out);
	ck_assert_ptr_nonnull(strstr(out.s, "\"seed\":18446744073709551615"));
	strbuf_reset(&out);
	job_render(&(struct job_view){ .id = "j", .status = "queued", .model = "m", .dataset = "d", .created_at_us = 1,
		.version = 2, .spec = "{\"a\":1}", .seed = 1 }, &out);
	json_t *t = read_back(&out);
	check_members(t, job, COUNT(job));
	ck_assert(json_is_null(json_object_get(t, "error")) && json_is_null(json_object_get(t, "started_at")));
	ck_assert_str_eq(json_string_value(json_object_get(t, "created_at")), "1970-01-01T00:00:00.000Z");
	ck_assert_int_eq(json_integer_value(json_object_get(json_object_get(t, "spec"), "a")), 1);
	json_decref(t);
	event_render(&(struct event_view){ 9, "j", "info", "message", "a \"b\"", NULL, 5 }, &out);
	t = read_back(&out);
	check_members(t, event, COUNT(event));
	ck_assert_str_eq(json_string_value(json_object_get(t, "message")), "a \"b\"");
	json_decref(t);
	checkpoint_render(&(struct checkpoint_view){ 9, "j", "{}", "00", 4, 5 }, &out);
	t = read_back(&out);
	check_members(t, checkpoint, COUNT(checkpoint));
	json_decref(t);
	metrics_render(&(struct epoch_report){ .epoch = 1, .train_loss = NAN, .best = true }, &out);
	t = read_back(&out);
	check_members(t, metrics, COUNT(metrics));
	ck_assert(json_is_null(json_object_get(t, "train_loss")) && json_is_true(json_object_get(t, "best")));
	json_decref(t);
	strbuf_fini(&out);
}
END_TEST

Suite *job_suite(void)
{
	Suite *s = suite_create("job bodies");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_cases, 0, (int)COUNT(cases));
	tcase_add_test(t, test_defaults);
	tcase_add_test(t, test_messages);
	tcase_add_test(t, test_size_limits);
	tcase_add_test(t, test_round_trip);
	tcase_add_test(t, test_old_spec);
	tcase_add_test(t, test_preset);
	tcase_add_test(t, test_spec_names_what_counts);
	tcase_add_test(t, test_small_bodies);
	tcase_add_test(t, test_progress);
	tcase_add_test(t, test_evaluation);
	tcase_add_loop_test(t, test_text_evaluation, 0, (int)COUNT(text_evaluations));
	tcase_add_test(t, test_reconstruction);
	tcase_add_test(t, test_answers);
	suite_add_tcase(s, t);
	return s;
}

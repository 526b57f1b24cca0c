/* Every limit of a recipe, from both sides, what presets set and what does not go together. */
#include "fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/check.h"

START_TEST(defaults_are_those_of_the_manual)
{
	struct recipe r;
	recipe_default(&r);
	ck_assert_int_eq(r.window, 30);
	ck_assert_int_eq(r.horizon, 5);
	ck_assert_int_eq(r.hidden, 64);
	ck_assert_int_eq(r.batch_size, 64);
	ck_assert_int_eq(r.early_stopping_patience, 10);
	ck_assert(fabs(r.learning_rate - 0.001) <= 0);
	ck_assert(fabs(r.train + r.validation + r.test - 1) <= 1e-12);
	ck_assert_str_eq(r.dataset, "");
	ck_assert_int_eq(recipe_check(&r, NULL), ERR_INVALID);   /* no dataset, model, target */
	fixture_recipe(&r);
	ck_assert_int_eq(recipe_check(&r, NULL), ERR_OK);
}
END_TEST

static const struct { const char *where; size_t at; int low, high; } whole_cases[] = {
	{ "/window",                           offsetof(struct recipe, window),                  2, 10000 },
	{ "/horizon",                          offsetof(struct recipe, horizon),                 1, 1000 },
	{ "/encoder/hidden_size",              offsetof(struct recipe, hidden),                  1, 2048 },
	{ "/encoder/num_layers",               offsetof(struct recipe, layers),                  1, 8 },
	{ "/training/batch_size",              offsetof(struct recipe, batch_size),              1, 4096 },
	{ "/training/epochs",                  offsetof(struct recipe, epochs),                  1, 10000 },
	{ "/encoder/feedforward_size",         offsetof(struct recipe, feedforward),             1, 8192 },
	{ "/training/scheduler/patience",      offsetof(struct recipe, scheduler_patience),      0, 10000 },
	{ "/training/scheduler/step_size",     offsetof(struct recipe, scheduler_step_size),     1, 10000 },
	{ "/training/scheduler/warmup_epochs", offsetof(struct recipe, warmup_epochs),           0, 10000 },
	{ "/training/early_stopping/patience", offsetof(struct recipe, early_stopping_patience), 0, 10000 },
};

static void expect(const struct recipe *r, enum err want, const char *where, const char *what)
{
	struct error e = { .where = "" };
	enum err rc = recipe_check(r, &e);
	ck_assert_msg(rc == want, "%s %s: got %d %s (%s)", where, what, rc, e.where, e.what);
	if (want)
		ck_assert_str_eq(e.where, where);
}

/* One in which every number means something; 4 heads divide 12 units. */
static void busy_recipe(struct recipe *r)
{
	fixture_recipe(r);
	recipe_preset(r, PRESET_TRANSFORMER);
	r->optimizer = OPTIMIZER_SGD;
	r->window = 2;
}

START_TEST(whole_numbers)
{
	struct recipe r;
	const int value[] = { whole_cases[_i].low, whole_cases[_i].high, whole_cases[_i].low - 1, whole_cases[_i].high + 1 };
	for (int k = 0; k < 4; k++) {
		fixture_recipe(&r);
		if (whole_cases[_i].at == offsetof(struct recipe, feedforward))
			busy_recipe(&r);
		memcpy((char *)&r + whole_cases[_i].at, &value[k], sizeof value[k]);
		expect(&r, k < 2 ? ERR_OK : ERR_INVALID, whole_cases[_i].where, k % 2 ? "high" : "low");
	}
}
END_TEST

static const struct { const char *where; size_t at; double low, high, below, above; } number_cases[] = {
	{ "/encoder/dropout",             offsetof(struct recipe, dropout),            0,     0.95,  -0.01, 1 },
	{ "/training/huber_delta",        offsetof(struct recipe, huber_delta),        1e-6,  1e6,   0,     1e7 },
	{ "/training/learning_rate",      offsetof(struct recipe, learning_rate),      1e-8,  1,     0,     1.01 },
	{ "/training/momentum",           offsetof(struct recipe, momentum),           0,     0.999, -0.1,  1 },
	{ "/training/clip_norm",          offsetof(struct recipe, clip_norm),          0,     1e6,   -1,    INFINITY },
	{ "/training/weight_decay",       offsetof(struct recipe, weight_decay),       0,     1,     -1e-9, 1.5 },
	{ "/training/scheduler/factor",   offsetof(struct recipe, scheduler_factor),   0.001, 0.999, 0,     1 },
	{ "/training/scheduler/gamma",    offsetof(struct recipe, scheduler_gamma),    0.001, 0.999, 0,     1 },
	{ "/training/scheduler/min_rate", offsetof(struct recipe, scheduler_min_rate), 0,     0.005, -1,    0.0051 },
};

START_TEST(numbers)
{
	struct recipe r;
	const double value[] = {
		number_cases[_i].low, number_cases[_i].high, number_cases[_i].below, number_cases[_i].above, NAN,
	};
	for (int k = 0; k < 5; k++) {
		busy_recipe(&r);
		memcpy((char *)&r + number_cases[_i].at, &value[k], sizeof value[k]);
		expect(&r, k < 2 ? ERR_OK : ERR_INVALID, number_cases[_i].where, "");
	}
}
END_TEST

static const struct { double train, validation, test; const char *where; } split_cases[] = {
	{ 0.7,  0.1,  0.2,  NULL },
	{ 0.98, 0.01, 0.01, NULL },
	{ 0.7,  0.1,  0.3,  "/split" },
	{ 0.7,  0.1,  0.1,  "/split" },
	{ 1.0,  0.1,  -0.1, "/split/train" },
	{ 0.8,  0,    0.2,  "/split/validation" },
	{ 0.8,  0.2,  0,    "/split/test" },
	{ NAN,  0.1,  0.2,  "/split/train" },
};

START_TEST(splits)
{
	struct recipe r;
	fixture_recipe(&r);
	r.train = split_cases[_i].train;
	r.validation = split_cases[_i].validation;
	r.test = split_cases[_i].test;
	expect(&r, split_cases[_i].where ? ERR_INVALID : ERR_OK, split_cases[_i].where, "");
}
END_TEST

static const struct { int n; double level[3]; enum loss_type loss; const char *where; } level_cases[] = {
	{ 0,  { 0 },             LOSS_MSE,     NULL },
	{ 0,  { 0 },             LOSS_HUBER,   NULL },
	{ 3,  { 0.1, 0.5, 0.9 }, LOSS_PINBALL, NULL },
	{ 1,  { 0.5 },           LOSS_PINBALL, NULL },
	{ 3,  { 0.1, 0.5, 0.9 }, LOSS_MSE,     "/training/loss" },
	{ 0,  { 0 },             LOSS_PINBALL, "/training/loss" },
	{ 2,  { 0.5, 0.5 },      LOSS_PINBALL, "/output/levels/1" },
	{ 2,  { 0.0, 0.5 },      LOSS_PINBALL, "/output/levels/0" },
	{ 2,  { 0.5, 1.0 },      LOSS_PINBALL, "/output/levels/1" },
	{ 2,  { 0.5, NAN },      LOSS_PINBALL, "/output/levels/1" },
	{ 34, { 0.1 },           LOSS_PINBALL, "/output/levels" },
	{ -1, { 0.1 },           LOSS_MSE,     "/output/levels" },
};

START_TEST(levels)
{
	struct recipe r;
	fixture_recipe(&r);
	r.levels = level_cases[_i].n;
	r.loss = level_cases[_i].loss;
	memcpy(r.level, level_cases[_i].level, sizeof level_cases[_i].level);
	expect(&r, level_cases[_i].where ? ERR_INVALID : ERR_OK, level_cases[_i].where, "");
}
END_TEST

static const struct { const char *name; enum err want; } name_cases[] = {
	{ "aapl",      ERR_OK },      { "A.b_c-1", ERR_OK },      { "0",       ERR_OK },
	{ "",          ERR_INVALID }, { ".hidden", ERR_INVALID }, { "a/b",     ERR_INVALID },
	{ "two words", ERR_INVALID }, { "-x",      ERR_INVALID }, { "\xc3\xa4", ERR_INVALID },
};

START_TEST(names)
{
	struct recipe r;
	fixture_recipe(&r);
	snprintf(r.dataset, sizeof r.dataset, "%s", name_cases[_i].name);
	expect(&r, name_cases[_i].want, "/dataset", name_cases[_i].name);
	fixture_recipe(&r);
	snprintf(r.model, sizeof r.model, "%s", name_cases[_i].name);
	expect(&r, name_cases[_i].want, "/model", name_cases[_i].name);
}
END_TEST

START_TEST(columns)
{
	struct recipe r;
	fixture_recipe(&r);
	r.targets = 0;
	expect(&r, ERR_INVALID, "/target", "none");
	r.targets = PIPELINE_MAX_TARGETS + 1;
	expect(&r, ERR_INVALID, "/target", "too many");
	r.targets = 2;
	strcpy(r.target[1], "y");
	expect(&r, ERR_INVALID, "/target/1", "twice");
	r.target[1][0] = '\0';
	expect(&r, ERR_INVALID, "/target/1", "empty");
	r.targets = 1;
	r.features = PIPELINE_MAX_FEATURES + 1;
	expect(&r, ERR_INVALID, "/features", "too many");
	r.features = 2;
	strcpy(r.feature[0], "y");
	strcpy(r.feature[1], "y");
	expect(&r, ERR_INVALID, "/features/1", "twice");
}
END_TEST

START_TEST(activations_have_a_limit_together)
{
	struct recipe r;
	fixture_recipe(&r);
	r.window = 10000;
	r.hidden = 209;
	expect(&r, ERR_OK, "", "just below");
	r.hidden = 210;
	expect(&r, ERR_INVALID, "/window", "just above");
}
END_TEST

START_TEST(a_recipe_implies_a_network)
{
	struct recipe r;
	struct net_spec net;
	struct loss loss;
	fixture_recipe(&r);
	recipe_net(&r, 7, &net);
	recipe_loss(&r, &loss);
	ck_assert_int_eq(net_spec_check(&net, NULL), ERR_OK);
	ck_assert_int_eq(net.inputs, 7);
	ck_assert_int_eq(net.levels, 1);
	ck_assert_int_eq(net.median_level, 0);
	ck_assert_int_eq(loss.levels, 1);
	r.levels = 4;
	memcpy(r.level, (double[]){ 0.05, 0.2, 0.45, 0.9 }, 4 * sizeof(double));
	r.loss = LOSS_PINBALL;
	recipe_net(&r, 7, &net);
	recipe_loss(&r, &loss);
	ck_assert_int_eq(net.levels, 4);
	ck_assert_int_eq(net.median_level, 2);
	ck_assert_int_eq(loss.type, LOSS_PINBALL);
	ck_assert(fabs(loss.level[3] - 0.9) <= 0);
}
END_TEST

/* --- presets and compositions -------------------------------------------------------------------------------------- */

static const struct {
	const char *name;
	enum preset preset;
	enum encoder_type encoder;
	enum decoder_type decoder;
	enum task task;
} preset_cases[] = {
	{ "attention_gru",  PRESET_ATTENTION_GRU,  ENCODER_GRU,         DECODER_ATTENTION,   TASK_FORECAST },
	{ "attention_lstm", PRESET_ATTENTION_LSTM, ENCODER_LSTM,        DECODER_ATTENTION,   TASK_FORECAST },
	{ "gru",            PRESET_GRU,            ENCODER_GRU,         DECODER_LAST,        TASK_FORECAST },
	{ "lstm",           PRESET_LSTM,           ENCODER_LSTM,        DECODER_LAST,        TASK_FORECAST },
	{ "rnn",            PRESET_RNN,            ENCODER_RNN,         DECODER_LAST,        TASK_FORECAST },
	{ "transformer",    PRESET_TRANSFORMER,    ENCODER_TRANSFORMER, DECODER_LAST,        TASK_FORECAST },
	{ "segment_gru",    PRESET_SEGMENT_GRU,    ENCODER_GRU,         DECODER_SEGMENT,     TASK_FORECAST },
	{ "autoencoder",    PRESET_AUTOENCODER,    ENCODER_LSTM,        DECODER_RECONSTRUCT, TASK_RECONSTRUCT },
	{ "char_rnn",       PRESET_CHAR_RNN,       ENCODER_LSTM,        DECODER_TOKEN,       TASK_GENERATE },
	{ "classifier",     PRESET_CLASSIFIER,     ENCODER_LSTM,        DECODER_POOL,        TASK_CLASSIFY },
	{ "seq2seq",        PRESET_SEQ2SEQ,        ENCODER_LSTM,        DECODER_ATTENTION,   TASK_TRANSLATE },
};

START_TEST(a_preset_names_an_encoder_and_a_decoder)
{
	struct recipe r;
	struct net_spec net;
	enum preset found = PRESET_ATTENTION_GRU;
	ck_assert(preset_find(preset_cases[_i].name, &found));
	ck_assert_int_eq(found, preset_cases[_i].preset);
	ck_assert(!preset_find("attention", &found));
	fixture_recipe(&r);
	recipe_preset(&r, found);
	recipe_settle(&r);
	expect(&r, ERR_OK, "", preset_cases[_i].name);
	ck_assert_int_eq(recipe_task(&r), preset_cases[_i].task);
	bool text = preset_cases[_i].task >= TASK_GENERATE;
	ck_assert(recipe_reads_text(&r) == text && r.loss == (text ? LOSS_CROSS_ENTROPY : LOSS_MSE));
	if (text)
		recipe_text_net(&r, 50, 50, &net);
	else   /* the segment and reconstruct decoders give what goes in */
		recipe_net(&r, r.targets, &net);
	ck_assert_int_eq(net.encoder, preset_cases[_i].encoder);
	ck_assert_int_eq(net.decoder, preset_cases[_i].decoder);
	ck_assert_int_eq(net.attention, net.decoder == DECODER_ATTENTION || net.decoder == DECODER_POOL ? 12 : 0);
	ck_assert_int_eq(net.vocabulary, text ? 50 : 0);
	ck_assert_int_eq(net.embedding, text ? 64 : 0);
	ck_assert_int_eq(net.segment, net.decoder == DECODER_SEGMENT ? 5 : 0);
	ck_assert(net.bidirectional == (found == PRESET_CLASSIFIER));
	ck_assert_int_eq(net.decoder_input, net.decoder == DECODER_ATTENTION ? DECODER_CONTEXT_PREVIOUS : DECODER_CONTEXT);
	ck_assert_int_eq(net.heads, net.encoder == ENCODER_TRANSFORMER ? 4 : 0);
	ck_assert_int_eq(net.feedforward, net.encoder == ENCODER_TRANSFORMER ? 256 : 0);
	struct error e = { .what = "" };
	enum err rc = net_spec_check(&net, &e);
	ck_assert_msg(rc == ERR_OK, "%s: %s", e.where, e.what);
}
END_TEST

static const struct { enum preset preset; int window, horizon; double teacher; bool crop; } default_cases[] = {
	{ PRESET_GRU,         30,  5,  0, false },
	{ PRESET_AUTOENCODER, 64,  1,  0, false },
	{ PRESET_CHAR_RNN,    100, 1,  1, true },
	{ PRESET_CLASSIFIER,  200, 1,  1, false },
	{ PRESET_SEQ2SEQ,     64,  64, 1, false },
};

START_TEST(a_preset_sets_sizes)
{
	struct recipe r;
	recipe_default(&r);
	recipe_preset(&r, default_cases[_i].preset);
	ck_assert_int_eq(r.window, default_cases[_i].window);
	ck_assert_int_eq(r.horizon, default_cases[_i].horizon);
	ck_assert(r.teacher_forcing == default_cases[_i].teacher && r.random_crop == default_cases[_i].crop);
}
END_TEST

/* The largest divisor of the horizon up to 24, unless one is said. */
static const struct { int horizon, said, want; } segment_cases[] = {
	{ 5, 0, 5 }, { 24, 0, 24 }, { 96, 0, 24 }, { 720, 0, 24 }, { 47, 0, 1 }, { 50, 0, 10 }, { 96, 12, 12 }, { 1, 0, 1 },
};

START_TEST(segments_settle)
{
	struct recipe r;
	fixture_recipe(&r);
	recipe_preset(&r, PRESET_SEGMENT_GRU);
	r.horizon = segment_cases[_i].horizon;
	r.segment = segment_cases[_i].said;
	recipe_settle(&r);
	ck_assert_int_eq(r.segment, segment_cases[_i].want);
	expect(&r, ERR_OK, "", "segment");
}
END_TEST

START_TEST(a_model_is_named_by_what_it_is)
{
	char name[200];
	struct recipe r;
	fixture_recipe(&r);
	recipe_model_name(&r, name, sizeof name);
	ck_assert_str_eq(name, "series-4");
	recipe_preset(&r, PRESET_CHAR_RNN);
	recipe_model_name(&r, name, sizeof name);
	ck_assert_str_eq(name, "series-char_rnn");
}
END_TEST

/* Texts have one column of answers, and one of texts; a corpus has one in all. */
static const struct { enum preset preset; int targets, features; enum err want; const char *where; } column_cases[] = {
	{ PRESET_CHAR_RNN,    0, 0, ERR_OK,      "" },
	{ PRESET_CHAR_RNN,    1, 0, ERR_OK,      "" },
	{ PRESET_CHAR_RNN,    2, 0, ERR_INVALID, "/target" },
	{ PRESET_CHAR_RNN,    1, 1, ERR_INVALID, "/features" },
	{ PRESET_CLASSIFIER,  1, 0, ERR_OK,      "" },
	{ PRESET_CLASSIFIER,  1, 1, ERR_OK,      "" },
	{ PRESET_CLASSIFIER,  0, 0, ERR_INVALID, "/target" },
	{ PRESET_SEQ2SEQ,     2, 0, ERR_INVALID, "/target" },
	{ PRESET_SEQ2SEQ,     1, 2, ERR_INVALID, "/features" },
	{ PRESET_LSTM,        0, 0, ERR_INVALID, "/target" },
	{ PRESET_AUTOENCODER, 2, 0, ERR_OK,      "" },
	{ PRESET_AUTOENCODER, 1, 1, ERR_INVALID, "/features" },
	{ PRESET_AUTOENCODER, 1, 2, ERR_INVALID, "/features" },
	{ PRESET_SEGMENT_GRU, 1, 1, ERR_INVALID, "/features" },
};

START_TEST(texts_have_columns_of_their_own)
{
	struct recipe r;
	fixture_recipe(&r);
	recipe_preset(&r, column_cases[_i].preset);
	strcpy(r.target[1], "z");
	strcpy(r.feature[0], "a");
	strcpy(r.feature[1], "b");
	r.targets = column_cases[_i].targets;
	r.features = column_cases[_i].features;
	recipe_settle(&r);
	expect(&r, column_cases[_i].want, column_cases[_i].where, preset_names[r.preset]);
}
END_TEST

#define GRU_A         PRESET_ATTENTION_GRU
#define LSTM_A        PRESET_ATTENTION_LSTM
#define GRU_L         PRESET_GRU
#define LSTM_L        PRESET_LSTM
#define RNN_L         PRESET_RNN
#define TRANSFORMER_L PRESET_TRANSFORMER
#define SEGMENTS      PRESET_SEGMENT_GRU
#define REBUILD       PRESET_AUTOENCODER
#define CHARS         PRESET_CHAR_RNN
#define LABELS        PRESET_CLASSIFIER
#define ANSWERS       PRESET_SEQ2SEQ
#define FLAG(member, to)   offsetof(struct recipe, member), sizeof(bool), .flag = to
#define NUMBER(member, to) offsetof(struct recipe, member), sizeof(int), .number = to
#define FRACTION(member, to) offsetof(struct recipe, member), sizeof(double), .real = to

static const struct composition_case {
	const char *where;
	enum preset preset;
	size_t at, size;
	enum err want;
	bool flag;
	int number;
	double real;
} composition_cases[] = {
	{ "/encoder/bidirectional",    GRU_A,         FLAG(bidirectional, true),   .want = ERR_OK },
	{ "/encoder/bidirectional",    RNN_L,         FLAG(bidirectional, true),   .want = ERR_OK },
	{ "/encoder/bidirectional",    TRANSFORMER_L, FLAG(bidirectional, true),   .want = ERR_INVALID },
	{ "/encoder/reset_after",      GRU_L,         FLAG(reset_after, false),    .want = ERR_OK },
	{ "/encoder/reset_after",      LSTM_A,        FLAG(reset_after, false),    .want = ERR_INVALID },
	{ "/encoder/reset_after",      RNN_L,         FLAG(reset_after, false),    .want = ERR_INVALID },
	{ "/encoder/reset_after",      TRANSFORMER_L, FLAG(reset_after, false),    .want = ERR_INVALID },
	{ "/encoder/nonlinearity",     RNN_L,         FLAG(relu, true),            .want = ERR_OK },
	{ "/encoder/nonlinearity",     LSTM_L,        FLAG(relu, true),            .want = ERR_INVALID },
	{ "/encoder/heads",            TRANSFORMER_L, NUMBER(heads, 12),           .want = ERR_OK },
	{ "/encoder/heads",            TRANSFORMER_L, NUMBER(heads, 5),            .want = ERR_INVALID },
	{ "/encoder/heads",            TRANSFORMER_L, NUMBER(heads, 0),            .want = ERR_INVALID },
	{ "/encoder/heads",            TRANSFORMER_L, NUMBER(heads, 65),           .want = ERR_INVALID },
	{ "/encoder/heads",            GRU_L,         NUMBER(heads, 2),            .want = ERR_INVALID },
	{ "/encoder/feedforward_size", GRU_L,         NUMBER(feedforward, 9),      .want = ERR_INVALID },
	{ "/encoder/norm_first",       TRANSFORMER_L, FLAG(norm_first, true),      .want = ERR_OK },
	{ "/encoder/norm_first",       LSTM_L,        FLAG(norm_first, true),      .want = ERR_INVALID },
	{ "/encoder/activation",       TRANSFORMER_L, FLAG(gelu, true),            .want = ERR_OK },
	{ "/encoder/activation",       RNN_L,         FLAG(gelu, true),            .want = ERR_INVALID },
	{ "/encoder/causal",           TRANSFORMER_L, FLAG(causal, true),          .want = ERR_OK },
	{ "/encoder/causal",           GRU_A,         FLAG(causal, true),          .want = ERR_INVALID },
	{ "/decoder/score",            LSTM_A,        NUMBER(score, SCORE_DOT),    .want = ERR_OK },
	{ "/decoder/score",            LSTM_L,        NUMBER(score, SCORE_DOT),    .want = ERR_INVALID },
	{ "/decoder/input",            GRU_A,         NUMBER(decoder_input, DECODER_CONTEXT), .want = ERR_OK },
	{ "/decoder/input",            GRU_L,         NUMBER(decoder_input, DECODER_CONTEXT), .want = ERR_INVALID },
	{ "/encoder/cell",             GRU_A,         NUMBER(encoder, ENCODER_RNN),         .want = ERR_OK },
	{ "/encoder/cell",             GRU_A,         NUMBER(encoder, ENCODER_TRANSFORMER), .want = ERR_OK },
	{ "/encoder/cell",             GRU_A,         NUMBER(encoder, ENCODER_TRANSFORMER + 1), .want = ERR_INVALID },
	{ "/decoder/type",             TRANSFORMER_L, NUMBER(decoder, DECODER_MEAN), .want = ERR_OK },
	{ "/decoder/type",             LSTM_L,        NUMBER(decoder, 7),          .want = ERR_INVALID },
	{ "/decoder/type",             LSTM_L,        NUMBER(decoder, DECODER_POOL), .want = ERR_OK },
	{ "/decoder/type",             LSTM_L,        NUMBER(decoder, DECODER_TOKEN), .want = ERR_INVALID },
	{ "/horizon",                  LSTM_L,        NUMBER(decoder, DECODER_RECONSTRUCT), .want = ERR_INVALID },
	{ "/encoder/embedding_size",   LSTM_L,        NUMBER(embedding, 8),        .want = ERR_INVALID },
	{ "/encoder/embedding_size",   CHARS,         NUMBER(embedding, 8),        .want = ERR_OK },
	{ "/encoder/embedding_size",   CHARS,         NUMBER(embedding, 0),        .want = ERR_INVALID },
	{ "/text/unit",                LSTM_L,        NUMBER(unit, TOKEN_WORD),    .want = ERR_INVALID },
	{ "/text/unit",                CHARS,         NUMBER(unit, TOKEN_WORD),    .want = ERR_OK },
	{ "/text/unit",                CHARS,         NUMBER(unit, TOKEN_LABEL),   .want = ERR_INVALID },
	{ "/text/max_vocabulary",      CHARS,         NUMBER(max_vocabulary, 2),   .want = ERR_INVALID },
	{ "/text/max_vocabulary",      CHARS,         NUMBER(max_vocabulary, 65537), .want = ERR_INVALID },
	{ "/text/min_count",           CHARS,         NUMBER(min_count, 0),        .want = ERR_INVALID },
	{ "/text/min_count",           GRU_A,         NUMBER(min_count, 2),        .want = ERR_INVALID },
	{ "/encoder/reverse",          GRU_A,         FLAG(reverse, true),         .want = ERR_OK },
	{ "/encoder/reverse",          TRANSFORMER_L, FLAG(reverse, true),         .want = ERR_INVALID },
	{ "/encoder/reverse",          LABELS,        FLAG(reverse, true),         .want = ERR_INVALID },
	{ "/encoder",                  CHARS,         FLAG(reverse, true),         .want = ERR_INVALID },
	{ "/encoder",                  CHARS,         FLAG(bidirectional, true),   .want = ERR_INVALID },
	{ "/encoder",                  CHARS,         NUMBER(encoder, ENCODER_TRANSFORMER), .want = ERR_INVALID },
	{ "/encoder/cell",             LABELS,        NUMBER(encoder, ENCODER_TRANSFORMER), .want = ERR_OK },
	{ "/encoder/batch_norm",       CHARS,         FLAG(batch_norm, true),      .want = ERR_OK },
	{ "/encoder/batch_norm",       TRANSFORMER_L, FLAG(batch_norm, true),      .want = ERR_OK },
	{ "/encoder/instance_norm",    SEGMENTS,      FLAG(instance_norm, true),   .want = ERR_OK },
	{ "/encoder/instance_norm",    TRANSFORMER_L, FLAG(instance_norm, true),   .want = ERR_OK },
	{ "/encoder/instance_norm",    CHARS,         FLAG(instance_norm, true),   .want = ERR_INVALID },
	{ "/encoder",                  SEGMENTS,      FLAG(batch_norm, true),      .want = ERR_INVALID },
	{ "/encoder",                  SEGMENTS,      NUMBER(layers, 2),           .want = ERR_INVALID },
	{ "/encoder",                  SEGMENTS,      FLAG(bidirectional, true),   .want = ERR_INVALID },
	{ "/decoder/segment",          SEGMENTS,      NUMBER(segment, 3),          .want = ERR_INVALID },
	{ "/decoder/segment",          SEGMENTS,      NUMBER(segment, 1),          .want = ERR_OK },
	{ "/decoder/segment",          GRU_A,         NUMBER(segment, 1),          .want = ERR_INVALID },
	{ "/decoder/teacher_forcing",  GRU_A,         FRACTION(teacher_forcing, 0.5),  .want = ERR_OK },
	{ "/decoder/teacher_forcing",  GRU_A,         FRACTION(teacher_forcing, 1.5),  .want = ERR_INVALID },
	{ "/decoder/teacher_forcing",  GRU_L,         FRACTION(teacher_forcing, 0.5),  .want = ERR_INVALID },
	{ "/decoder/teacher_forcing",  ANSWERS,       FRACTION(teacher_forcing, 0),    .want = ERR_OK },
	{ "/training/init",            LSTM_L,        FLAG(init.orthogonal, true), .want = ERR_OK },
	{ "/training/init",            TRANSFORMER_L, FLAG(init.orthogonal, true), .want = ERR_INVALID },
	{ "/training/forget_bias",     LSTM_L,        FRACTION(init.forget_bias, 1),   .want = ERR_OK },
	{ "/training/forget_bias",     GRU_L,         FRACTION(init.forget_bias, 1),   .want = ERR_INVALID },
	{ "/training/random_crop",     LSTM_L,        FLAG(random_crop, true),     .want = ERR_OK },
	{ "/training/random_crop",     ANSWERS,       FLAG(random_crop, true),     .want = ERR_INVALID },
	{ "/training/stateful",        CHARS,         FLAG(stateful, true),        .want = ERR_OK },
	{ "/training/stateful",        LSTM_L,        FLAG(stateful, true),        .want = ERR_INVALID },
	{ "/text/cache",               CHARS,         NUMBER(cache, 100),          .want = ERR_OK },
	{ "/text/cache",               CHARS,         NUMBER(cache, 10001),        .want = ERR_INVALID },
	{ "/text/cache",               LABELS,        NUMBER(cache, 100),          .want = ERR_INVALID },
	{ "/training/average_decay",   LSTM_L,        FRACTION(average_decay, 0.999),  .want = ERR_OK },
	{ "/training/average_decay",   LSTM_L,        FRACTION(average_decay, 1),      .want = ERR_INVALID },
	{ "/training/token_dropout",   LABELS,        FRACTION(token_dropout, 0.95),   .want = ERR_OK },
	{ "/training/token_dropout",   CHARS,         FRACTION(token_dropout, 0.96),   .want = ERR_INVALID },
	{ "/training/token_dropout",   LSTM_L,        FRACTION(token_dropout, 0.1),    .want = ERR_INVALID },
	{ "/training/weight_dropout",  LSTM_L,        FRACTION(weight_dropout, 0.95),  .want = ERR_OK },
	{ "/training/weight_dropout",  LSTM_L,        FRACTION(weight_dropout, 0.96),  .want = ERR_INVALID },
	{ "/training/weight_dropout",  TRANSFORMER_L, FRACTION(weight_dropout, 0.5),   .want = ERR_INVALID },
	{ "/training/loss",            CHARS,         NUMBER(loss, LOSS_MSE),      .want = ERR_INVALID },
	{ "/training/loss",            LSTM_L,        NUMBER(loss, LOSS_CROSS_ENTROPY), .want = ERR_INVALID },
	{ "/training/loss",            LSTM_L,        NUMBER(loss, 5),             .want = ERR_INVALID },
	{ "/output/levels",            CHARS,         NUMBER(levels, 1),           .want = ERR_INVALID },
	{ "/output/type",              REBUILD,       NUMBER(levels, 1),           .want = ERR_INVALID },
	{ "/horizon",                  REBUILD,       NUMBER(horizon, 2),          .want = ERR_INVALID },
	{ "/horizon",                  LABELS,        NUMBER(horizon, 2),          .want = ERR_INVALID },
	{ "/horizon",                  ANSWERS,       NUMBER(horizon, 2),          .want = ERR_OK },
	{ "/decoder/type",             LSTM_L,        NUMBER(decoder, -1),         .want = ERR_INVALID },
	{ "/training/optimizer",       GRU_A,         NUMBER(optimizer, 4),        .want = ERR_INVALID },
	{ "/training/scheduler/type",  GRU_A,         NUMBER(scheduler, 4),        .want = ERR_INVALID },
};

START_TEST(what_goes_together)
{
	const struct composition_case *c = &composition_cases[_i];
	struct recipe r;
	fixture_recipe(&r);
	recipe_preset(&r, c->preset);
	r.level[0] = 0.5;   /* of those that have levels */
	recipe_settle(&r);
	const void *value = c->size == sizeof c->flag ? (const void *)&c->flag
		: c->size == sizeof c->real ? (const void *)&c->real : (const void *)&c->number;
	memcpy((char *)&r + c->at, value, c->size);
	expect(&r, c->want, c->where, preset_names[c->preset]);
}
END_TEST

START_TEST(momentum_is_for_those_without_their_own)
{
	struct recipe r;
	for (int o = OPTIMIZER_ADAM; o <= OPTIMIZER_RMSPROP; o++) {
		fixture_recipe(&r);
		r.optimizer = (enum optimizer_type)o;
		r.momentum = 0.5;
		expect(&r, o < OPTIMIZER_SGD ? ERR_INVALID : ERR_OK, "/training/momentum", "");
		ck_assert(recipe_reads(&r, offsetof(struct recipe, momentum)) == (o >= OPTIMIZER_SGD));
	}
}
END_TEST

/* The attention decoder's cell is a GRU's behind an RNN: there reset_after means something. */
START_TEST(reset_after_reaches_the_decoder)
{
	struct recipe r;
	fixture_recipe(&r);
	recipe_preset(&r, PRESET_RNN);
	ck_assert(!recipe_reads(&r, offsetof(struct recipe, reset_after)));
	r.decoder = DECODER_ATTENTION;
	ck_assert(recipe_reads(&r, offsetof(struct recipe, reset_after)));
	r.reset_after = false;
	expect(&r, ERR_OK, "", "rnn, attention");
}
END_TEST

START_TEST(two_directions_are_twice_as_wide)
{
	struct recipe r;
	fixture_recipe(&r);
	r.window = 512;
	r.bidirectional = true;
	r.hidden = 1024;
	r.layers = 2;
	expect(&r, ERR_OK, "", "just below");
	r.window = 513;
	expect(&r, ERR_INVALID, "/window", "just above");
	r.window = 2;
	r.hidden = 1025;
	expect(&r, ERR_INVALID, "/encoder/hidden_size", "too wide");
}
END_TEST

START_TEST(a_transformer_pays_for_its_windows_square)
{
	struct recipe r;
	fixture_recipe(&r);
	recipe_preset(&r, PRESET_TRANSFORMER);
	r.window = 1000;
	expect(&r, ERR_OK, "", "a thousand steps");
	r.window = 2000;
	expect(&r, ERR_INVALID, "/window", "two thousand");
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(c, test, 0, sizeof(table) / sizeof *(table))

int main(void)
{
	Suite *s = suite_create("recipe");
	TCase *c = tcase_create("recipe");
	suite_add_tcase(s, c);
	tcase_add_test(c, defaults_are_those_of_the_manual);
	LOOP(whole_numbers, whole_cases);
	LOOP(numbers, number_cases);
	LOOP(splits, split_cases);
	LOOP(levels, level_cases);
	LOOP(names, name_cases);
	tcase_add_test(c, columns);
	tcase_add_test(c, activations_have_a_limit_together);
	tcase_add_test(c, a_recipe_implies_a_network);
	LOOP(a_preset_names_an_encoder_and_a_decoder, preset_cases);
	LOOP(a_preset_sets_sizes, default_cases);
	LOOP(segments_settle, segment_cases);
	tcase_add_test(c, a_model_is_named_by_what_it_is);
	LOOP(texts_have_columns_of_their_own, column_cases);
	LOOP(what_goes_together, composition_cases);
	tcase_add_test(c, momentum_is_for_those_without_their_own);
	tcase_add_test(c, reset_after_reaches_the_decoder);
	tcase_add_test(c, two_directions_are_twice_as_wide);
	tcase_add_test(c, a_transformer_pays_for_its_windows_square);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

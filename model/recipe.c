/* recipe.c - the defaults and the limits of a training job, as tables. */
#include "model/recipe.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "model/text_cache.h"

#define WINDOW_MAX (PIPELINE_MAX_CONTEXT / 2)    /* leaves as much for the look-back of indicators */
#define STATES_MAX (2 << 20)                     /* window * layers * states(): about 1 GiB of scratch a thread */
#define COUNT(table) (sizeof(table) / sizeof *(table))
#define SHARE_SLACK 1e-6                         /* 0.7 + 0.1 + 0.2 is not 1 in binary */

const char *const preset_names[] = {
	[PRESET_ATTENTION_GRU] = "attention_gru", [PRESET_ATTENTION_LSTM] = "attention_lstm", [PRESET_GRU] = "gru",
	[PRESET_LSTM] = "lstm", [PRESET_RNN] = "rnn", [PRESET_TRANSFORMER] = "transformer",
	[PRESET_SEGMENT_GRU] = "segment_gru", [PRESET_AUTOENCODER] = "autoencoder", [PRESET_CHAR_RNN] = "char_rnn",
	[PRESET_CLASSIFIER] = "classifier", [PRESET_SEQ2SEQ] = "seq2seq", NULL,
};
const char *const task_names[] = {
	[TASK_FORECAST] = "forecast", [TASK_RECONSTRUCT] = "reconstruct", [TASK_GENERATE] = "generate",
	[TASK_CLASSIFY] = "classify", [TASK_TRANSLATE] = "translate", NULL,
};
const char *const encoder_names[] = {
#define NAME(ID, NAME, ...) [ENCODER_##ID] = #NAME,
	CELLS(NAME)
#undef NAME
	[ENCODER_TRANSFORMER] = "transformer", NULL,
};
const char *const decoder_names[] = {
	[DECODER_ATTENTION] = "attention", [DECODER_LAST] = "last", [DECODER_MEAN] = "mean", [DECODER_POOL] = "pool",
	[DECODER_RECONSTRUCT] = "reconstruct", [DECODER_TOKEN] = "token", [DECODER_SEGMENT] = "segment", NULL,
};
const char *const score_names[] = { [SCORE_ADDITIVE] = "additive", [SCORE_DOT] = "dot", NULL };
const char *const decoder_input_names[] = {
	[DECODER_CONTEXT] = "context", [DECODER_CONTEXT_PREVIOUS] = "context+previous", NULL,
};

static const struct {
	enum encoder_type encoder;
	enum decoder_type decoder;
	int window, horizon;
	bool bidirectional, categorical;
} presets[] = {
	[PRESET_ATTENTION_GRU]  = { ENCODER_GRU,         DECODER_ATTENTION,   30,  5,  false, false },
	[PRESET_ATTENTION_LSTM] = { ENCODER_LSTM,        DECODER_ATTENTION,   30,  5,  false, false },
	[PRESET_GRU]            = { ENCODER_GRU,         DECODER_LAST,        30,  5,  false, false },
	[PRESET_LSTM]           = { ENCODER_LSTM,        DECODER_LAST,        30,  5,  false, false },
	[PRESET_RNN]            = { ENCODER_RNN,         DECODER_LAST,        30,  5,  false, false },
	[PRESET_TRANSFORMER]    = { ENCODER_TRANSFORMER, DECODER_LAST,        30,  5,  false, false },
	[PRESET_SEGMENT_GRU]    = { ENCODER_GRU,         DECODER_SEGMENT,     30,  5,  false, false },
	[PRESET_AUTOENCODER]    = { ENCODER_LSTM,        DECODER_RECONSTRUCT, 64,  1,  false, false },
	[PRESET_CHAR_RNN]       = { ENCODER_LSTM,        DECODER_TOKEN,       100, 1,  false, true },
	[PRESET_CLASSIFIER]     = { ENCODER_LSTM,        DECODER_POOL,        200, 1,  true,  true },
	[PRESET_SEQ2SEQ]        = { ENCODER_LSTM,        DECODER_ATTENTION,   64,  64, false, true },
};

void recipe_preset(struct recipe *r, enum preset preset)
{
	r->preset = preset;
	r->encoder = presets[preset].encoder;
	r->bidirectional = presets[preset].bidirectional;
	r->decoder = presets[preset].decoder;
	r->window = presets[preset].window;
	r->horizon = presets[preset].horizon;
	r->random_crop = preset == PRESET_CHAR_RNN;
	recipe_output(r, presets[preset].categorical);
}

void recipe_output(struct recipe *r, bool categorical)
{
	r->categorical = categorical;
	r->loss = categorical ? LOSS_CROSS_ENTROPY : LOSS_MSE;
	r->teacher_forcing = categorical ? 1 : 0;
}

bool preset_find(const char *name, enum preset *out)
{
	for (int i = 0; preset_names[i]; i++) {
		if (!strcmp(preset_names[i], name)) {
			*out = (enum preset)i;
			return true;
		}
	}
	return false;
}

enum task recipe_task(const struct recipe *r)
{
	if (!r->categorical)
		return r->decoder == DECODER_RECONSTRUCT ? TASK_RECONSTRUCT : TASK_FORECAST;
	switch (r->decoder) {
	case DECODER_TOKEN: return TASK_GENERATE;
	case DECODER_ATTENTION: return TASK_TRANSLATE;
	default: return TASK_CLASSIFY;
	}
}

void recipe_default(struct recipe *r)
{
	*r = (struct recipe){
		.unit = TOKEN_CHARACTER, .max_vocabulary = 10000, .min_count = 1, .embedding = 64,
		.hidden = 64, .layers = 1, .bias = true, .reset_after = true, .dropout = 0,
		.heads = 4, .feedforward = 256,
		.score = SCORE_ADDITIVE, .decoder_input = DECODER_CONTEXT_PREVIOUS,
		.train = 0.7, .validation = 0.1, .test = 0.2,
		.huber_delta = 1,
		.optimizer = OPTIMIZER_ADAM, .learning_rate = 0.001, .momentum = 0, .clip_norm = 5, .weight_decay = 0,
		.batch_size = 64, .epochs = 100,
		.scheduler = SCHEDULER_REDUCE_ON_PLATEAU, .scheduler_factor = 0.1, .scheduler_patience = 5,
		.scheduler_step_size = 30, .scheduler_gamma = 0.1, .scheduler_min_rate = 1e-8, .warmup_epochs = 0,
		.early_stopping_patience = 10,
		.seed = 1,
	};
	recipe_preset(r, PRESET_ATTENTION_GRU);
}

#define SEGMENT_USUAL 24   /* steps; SegRNN's authors find longer segments better, up to a day of hours or so */

/* The largest divisor of the horizon that is not longer than usual. */
static int usual_segment(int horizon)
{
	int segment = horizon < SEGMENT_USUAL ? horizon : SEGMENT_USUAL;
	while (segment > 1 && horizon % segment)
		segment--;
	return segment;
}

void recipe_settle(struct recipe *r)
{
	if (r->decoder == DECODER_SEGMENT && r->segment == 0)
		r->segment = usual_segment(r->horizon);
	if (r->features == 0 && !r->categorical) {
		r->features = r->targets;
		memcpy(r->feature, r->target, sizeof r->target);
	}
}

int recipe_model_name(const struct recipe *r, char *out, size_t cap)
{
	if (recipe_task(r) == TASK_FORECAST)
		return snprintf(out, cap, "%s-%d", r->dataset, r->horizon);
	return snprintf(out, cap, "%s-%s", r->dataset, preset_names[r->preset]);
}

/* Both ends are allowed. */
static const struct { const char *where; size_t at; int min, max; } whole_limits[] = {
	{ "/window",                             offsetof(struct recipe, window),                  2, WINDOW_MAX },
	{ "/horizon",                            offsetof(struct recipe, horizon),                 1, NET_MAX_HORIZON },
	{ "/text/cache",                         offsetof(struct recipe, cache),                   0, TEXT_CACHE_MAX },
	{ "/text/max_vocabulary",                offsetof(struct recipe, max_vocabulary),          3, NET_MAX_VOCABULARY },
	{ "/text/min_count",                     offsetof(struct recipe, min_count),               1, 1000000 },
	{ "/encoder/embedding_size",             offsetof(struct recipe, embedding),               1, NET_MAX_HIDDEN },
	{ "/encoder/hidden_size",                offsetof(struct recipe, hidden),                  1, NET_MAX_HIDDEN },
	{ "/encoder/num_layers",                 offsetof(struct recipe, layers),                  1, NET_MAX_LAYERS },
	{ "/encoder/heads",                      offsetof(struct recipe, heads),                   1, NET_MAX_HEADS },
	{ "/encoder/feedforward_size",           offsetof(struct recipe, feedforward),             1, NET_MAX_FEEDFORWARD },
	{ "/decoder/segment",                    offsetof(struct recipe, segment),                 0, NET_MAX_HORIZON },
	{ "/training/batch_size",                offsetof(struct recipe, batch_size),              1, 4096 },
	{ "/training/epochs",                    offsetof(struct recipe, epochs),                  1, 10000 },
	{ "/training/scheduler/patience",        offsetof(struct recipe, scheduler_patience),      0, 10000 },
	{ "/training/scheduler/step_size",       offsetof(struct recipe, scheduler_step_size),     1, 10000 },
	{ "/training/scheduler/warmup_epochs",   offsetof(struct recipe, warmup_epochs),           0, 10000 },
	{ "/training/early_stopping/patience",   offsetof(struct recipe, early_stopping_patience), 0, 10000 },
};

static const struct { const char *where; size_t at; double min, max; } number_limits[] = {
	{ "/encoder/dropout",             offsetof(struct recipe, dropout),            0,     0.95 },
	{ "/decoder/teacher_forcing",     offsetof(struct recipe, teacher_forcing),    0,     1 },
	{ "/split/train",                 offsetof(struct recipe, train),              0.01,  0.98 },
	{ "/split/validation",            offsetof(struct recipe, validation),         0.01,  0.98 },
	{ "/split/test",                  offsetof(struct recipe, test),               0.01,  0.98 },
	{ "/training/huber_delta",        offsetof(struct recipe, huber_delta),        1e-6,  1e6 },
	{ "/training/average_decay",      offsetof(struct recipe, average_decay),      0,     0.99999 },
	{ "/training/token_dropout",      offsetof(struct recipe, token_dropout),      0,     0.95 },
	{ "/training/weight_dropout",     offsetof(struct recipe, weight_dropout),     0,     0.95 },
	{ "/training/forget_bias",        offsetof(struct recipe, init.forget_bias),   -10,   10 },
	{ "/training/learning_rate",      offsetof(struct recipe, learning_rate),      1e-8,  1 },
	{ "/training/momentum",           offsetof(struct recipe, momentum),           0,     0.999 },
	{ "/training/clip_norm",          offsetof(struct recipe, clip_norm),          0,     1e6 },
	{ "/training/weight_decay",       offsetof(struct recipe, weight_decay),       0,     1 },
	{ "/training/scheduler/factor",   offsetof(struct recipe, scheduler_factor),   0.001, 0.999 },
	{ "/training/scheduler/gamma",    offsetof(struct recipe, scheduler_gamma),    0.001, 0.999 },
	{ "/training/scheduler/min_rate", offsetof(struct recipe, scheduler_min_rate), 0,     1 },
};

/* What training keeps of a sequence for a step of a layer, in units of a GRU's six numbers. */
static long states(const struct recipe *r)
{
	if (r->encoder == ENCODER_TRANSFORMER)
		return (8L * r->hidden + 2L * r->feedforward + 2L * r->heads * r->window) / 6;
	return (long)r->hidden * (r->bidirectional ? 2 : 1);
}

static enum err check_limits(const struct recipe *r, struct error *e)
{
	const char *base = (const char *)r;
	for (size_t i = 0; i < COUNT(whole_limits); i++) {
		int v, min = whole_limits[i].min, max = whole_limits[i].max;
		memcpy(&v, base + whole_limits[i].at, sizeof v);
		if (v < min || v > max)
			return fail(e, ERR_INVALID, whole_limits[i].where, "must be in %d … %d, is %d", min, max, v);
	}
	for (size_t i = 0; i < COUNT(number_limits); i++) {
		double v, min = number_limits[i].min, max = number_limits[i].max;
		memcpy(&v, base + number_limits[i].at, sizeof v);
		if (!(v >= min && v <= max))   /* NaN too */
			return fail(e, ERR_INVALID, number_limits[i].where, "must be in %g … %g, is %g", min, max, v);
	}
	if (states(r) * r->window * r->layers > STATES_MAX)
		return fail(e, ERR_INVALID, "/window", "%d steps of %d layers of that size make %ld states to train on, the limit "
			"is %d", r->window, r->layers, states(r) * r->window * r->layers, STATES_MAX);
	if (r->scheduler_min_rate > r->learning_rate)
		return fail(e, ERR_INVALID, "/training/scheduler/min_rate", "must not be above the learning rate, %g; is %g",
			r->learning_rate, r->scheduler_min_rate);
	return ERR_OK;
}

/* What a composition has, for those members that not every one reads. */
enum trait {
	TRAIT_RECURRENT = 1, TRAIT_GRU_CELL = 2, TRAIT_RNN = 4, TRAIT_TRANSFORMER = 8, TRAIT_ATTENTION = 16,
	TRAIT_MOMENTUM = 32, TRAIT_LSTM = 64, TRAIT_FEEDBACK = 128, TRAIT_SEGMENT = 256, TRAIT_TEXT = 512,
	TRAIT_CROP = 1024, TRAIT_FORECAST = 2048, TRAIT_STREAM = 4096,
};

static unsigned traits(const struct recipe *r)
{
	bool transformer = r->encoder == ENCODER_TRANSFORMER, attention = r->decoder == DECODER_ATTENTION;
	bool gru = r->encoder == ENCODER_GRU || ((attention || r->decoder == DECODER_RECONSTRUCT)
		&& net_decoder_cell(&(struct net_spec){ .encoder = r->encoder }) == CELL_GRU);
	const struct { bool has; enum trait trait; } list[] = {
		{ transformer, TRAIT_TRANSFORMER },
		{ !transformer, TRAIT_RECURRENT },
		{ gru, TRAIT_GRU_CELL },
		{ r->encoder == ENCODER_RNN, TRAIT_RNN },
		{ r->encoder == ENCODER_LSTM, TRAIT_LSTM },
		{ attention, TRAIT_ATTENTION },
		{ attention && r->decoder_input == DECODER_CONTEXT_PREVIOUS, TRAIT_FEEDBACK },
		{ r->decoder == DECODER_SEGMENT, TRAIT_SEGMENT },
		{ r->categorical, TRAIT_TEXT },
		{ recipe_task(r) == TASK_FORECAST, TRAIT_FORECAST },
		{ recipe_task(r) == TASK_GENERATE && !transformer, TRAIT_STREAM },
		{ recipe_task(r) != TASK_TRANSLATE, TRAIT_CROP },   /* half a sentence has another translation */
		{ r->optimizer == OPTIMIZER_SGD || r->optimizer == OPTIMIZER_RMSPROP, TRAIT_MOMENTUM },
	};
	unsigned all = 0;
	for (size_t i = 0; i < COUNT(list); i++)
		all |= list[i].has ? list[i].trait : 0;
	return all;
}

#define OWNED(where, member, trait, owner) \
	{ where, offsetof(struct recipe, member), sizeof(((struct recipe *)0)->member), trait, owner }
static const struct { const char *where; size_t at, size; unsigned trait; const char *owner; } owned[] = {
	OWNED("/text/unit",                unit,            TRAIT_TEXT,        "models of texts"),
	OWNED("/text/max_vocabulary",      max_vocabulary,  TRAIT_TEXT,        "models of texts"),
	OWNED("/text/min_count",           min_count,       TRAIT_TEXT,        "models of texts"),
	OWNED("/encoder/embedding_size",   embedding,       TRAIT_TEXT,        "models of texts"),
	OWNED("/encoder/bidirectional",    bidirectional,   TRAIT_RECURRENT,   "recurrent cells"),
	OWNED("/encoder/reverse",          reverse,         TRAIT_RECURRENT,   "recurrent cells"),
	OWNED("/encoder/reset_after",      reset_after,     TRAIT_GRU_CELL,    "GRU cells"),
	OWNED("/encoder/nonlinearity",     relu,            TRAIT_RNN,         "the rnn"),
	OWNED("/encoder/heads",            heads,           TRAIT_TRANSFORMER, "the transformer"),
	OWNED("/encoder/feedforward_size", feedforward,     TRAIT_TRANSFORMER, "the transformer"),
	OWNED("/encoder/norm_first",       norm_first,      TRAIT_TRANSFORMER, "the transformer"),
	OWNED("/encoder/activation",       gelu,            TRAIT_TRANSFORMER, "the transformer"),
	OWNED("/encoder/causal",           causal,          TRAIT_TRANSFORMER, "the transformer"),
	OWNED("/encoder/instance_norm",  instance_norm,   TRAIT_FORECAST,    "forecasters of numbers"),
	OWNED("/decoder/score",            score,           TRAIT_ATTENTION,   "the attention decoder"),
	OWNED("/decoder/input",            decoder_input,   TRAIT_ATTENTION,   "the attention decoder"),
	OWNED("/decoder/teacher_forcing",  teacher_forcing, TRAIT_FEEDBACK,
	      "the attention decoder that reads its own outputs"),
	OWNED("/decoder/segment",          segment,         TRAIT_SEGMENT,     "the segment decoder"),
	OWNED("/training/momentum",        momentum,        TRAIT_MOMENTUM,    "sgd and rmsprop"),
	OWNED("/training/init",            init.orthogonal, TRAIT_RECURRENT,   "recurrent cells"),
	OWNED("/training/forget_bias",     init.forget_bias, TRAIT_LSTM,       "LSTM cells"),
	OWNED("/training/token_dropout",   token_dropout,   TRAIT_TEXT,        "models of texts"),
	OWNED("/training/weight_dropout",  weight_dropout,  TRAIT_RECURRENT,   "recurrent cells"),
	OWNED("/training/random_crop",     random_crop,     TRAIT_CROP,        "all but the translation of texts"),
	OWNED("/text/cache",               cache,           TRAIT_STREAM,      "recurrent models that write texts"),
	OWNED("/training/stateful",        stateful,        TRAIT_STREAM,      "recurrent models that write texts"),
};

bool recipe_reads(const struct recipe *r, size_t member)
{
	for (size_t i = 0; i < COUNT(owned); i++)
		if (owned[i].at == member)
			return traits(r) & owned[i].trait;
	return true;
}

/* What is asked for and would not be done is a mistake. */
static enum err check_owned(const struct recipe *r, struct error *e)
{
	struct recipe d;
	recipe_default(&d);
	recipe_preset(&d, r->preset);
	recipe_output(&d, r->categorical);
	for (size_t i = 0; i < COUNT(owned); i++) {
		bool at_default = !memcmp((const char *)r + owned[i].at, (const char *)&d + owned[i].at, owned[i].size);
		if (!at_default && !(traits(r) & owned[i].trait))
			return fail(e, ERR_INVALID, owned[i].where, "belongs to %s; leave it out", owned[i].owner);
	}
	return ERR_OK;
}

static bool one_way(const struct recipe *r)
{
	return r->encoder != ENCODER_TRANSFORMER && !r->bidirectional && !r->reverse;
}

/* The decoders that do not stand behind every encoder and before every output. */
static enum err check_decoder(const struct recipe *r, struct error *e)
{
	switch (r->decoder) {
	case DECODER_TOKEN:
		if (!r->categorical)
			return fail(e, ERR_INVALID, "/decoder/type", "the token decoder needs a categorical output");
		if (!one_way(r))   /* a text that grows is read once, forwards */
			return fail(e, ERR_INVALID, "/encoder", "the token decoder stands behind recurrent cells of one direction, "
				"forwards");
		return ERR_OK;
	case DECODER_RECONSTRUCT:
		if (r->categorical || r->levels)
			return fail(e, ERR_INVALID, "/output/type", "what reconstructs its input has a point output");
		return ERR_OK;
	case DECODER_SEGMENT:
		if (r->categorical)
			return fail(e, ERR_INVALID, "/output/type", "the segment decoder has a point or quantile output");
		if (!one_way(r) || r->layers > 1 || r->batch_norm)
			return fail(e, ERR_INVALID, "/encoder", "the segment decoder goes on with its encoder's cell: one recurrent "
				"layer of one direction, forwards, without batch norm");
		if (r->segment < 1 || r->horizon % r->segment)
			return fail(e, ERR_INVALID, "/decoder/segment", "must divide the horizon; %d does not divide %d",
				r->segment, r->horizon);
		return ERR_OK;
	default:
		return ERR_OK;
	}
}

static enum err check_composition(const struct recipe *r, struct error *e)
{
	enum task task = recipe_task(r);
	enum err rc = check_owned(r, e);
	if (!rc)
		rc = check_decoder(r, e);
	if (rc)
		return rc;
	if (r->bidirectional && r->hidden > NET_MAX_HIDDEN / 2)
		return fail(e, ERR_INVALID, "/encoder/hidden_size", "must be at most %d with two directions, is %d",
			NET_MAX_HIDDEN / 2, r->hidden);
	if (r->bidirectional && r->reverse && r->encoder != ENCODER_TRANSFORMER)
		return fail(e, ERR_INVALID, "/encoder/reverse", "is for one direction; two read from the end anyway");
	if ((long)r->cache * r->hidden > TEXT_CACHE_NUMBERS_MAX)
		return fail(e, ERR_INVALID, "/text/cache", "holds at most %d numbers; %d states of %d are %ld",
			TEXT_CACHE_NUMBERS_MAX, r->cache, r->hidden, (long)r->cache * r->hidden);
	if (r->encoder == ENCODER_TRANSFORMER && r->hidden % r->heads)
		return fail(e, ERR_INVALID, "/encoder/heads", "must divide hidden_size; %d does not divide %d", r->heads, r->hidden);
	if (r->horizon != 1 && task != TASK_FORECAST && task != TASK_TRANSLATE)
		return fail(e, ERR_INVALID, "/horizon", "must be 1, is %d: %s", r->horizon, task == TASK_CLASSIFY
			? "a text has one label" : "each step of the window has its own answer");
	return ERR_OK;
}

/* The store's rule: [A-Za-z0-9][A-Za-z0-9._-]{0,63}. */
static enum err check_name(const char *name, const char *where, struct error *e)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t len = strnlen(name, RECIPE_NAME_MAX + 1);
	if (len < 1 || len > RECIPE_NAME_MAX || strspn(name, allowed) != len || strchr("._-", name[0]))
		return fail(e, ERR_INVALID, where,
			"must be 1 … %d letters, digits, '.', '_' or '-', and begin with a letter or digit", RECIPE_NAME_MAX);
	return ERR_OK;
}

/* names: n strings of FRAME_NAME_MAX + 1 bytes each. */
static enum err check_columns(int n, int min, int max, const char (*names)[FRAME_NAME_MAX + 1], const char *where,
                              struct error *e)
{
	char at[32];
	if (n < min || n > max)
		return fail(e, ERR_INVALID, where, "must be %d … %d columns, are %d", min, max, n);
	for (int i = 0; i < n; i++) {
		snprintf(at, sizeof at, "%s/%d", where, i);
		if (!names[i][0])
			return fail(e, ERR_INVALID, at, "must not be empty");
		for (int k = 0; k < i; k++)
			if (!strcmp(names[i], names[k]))
				return fail(e, ERR_INVALID, at, "\"%s\" is there twice", names[i]);
	}
	return ERR_OK;
}

/* What goes in must be what comes out. */
static enum err check_same_columns(const struct recipe *r, struct error *e)
{
	bool same = r->features == 0 || r->features == r->targets;
	for (int i = 0; same && i < r->features; i++)
		same = !strcmp(r->feature[i], r->target[i]);
	if (same || (r->decoder != DECODER_RECONSTRUCT && r->decoder != DECODER_SEGMENT))
		return ERR_OK;
	return fail(e, ERR_INVALID, "/features", "the %s decoder reads what it gives: the features are the targets; leave "
		"them out", decoder_names[r->decoder]);
}

/* Target k takes its level and spread back from channel k. */
static enum err check_leading_columns(const struct recipe *r, struct error *e)
{
	for (int i = 0; r->instance_norm && r->features && i < r->targets; i++)
		if (i >= r->features || strcmp(r->feature[i], r->target[i]))
			return fail(e, ERR_INVALID, "/features", "with instance_norm the features begin with the targets in their "
				"order; \"%s\" is not the feature at %d", r->target[i], i);
	return ERR_OK;
}

static enum err check_all_columns(const struct recipe *r, struct error *e)
{
	bool text = recipe_reads_text(r), corpus = recipe_task(r) == TASK_GENERATE;
	enum err rc = check_columns(r->targets, corpus ? 0 : 1, text ? 1 : PIPELINE_MAX_TARGETS, r->target, "/target", e);
	if (!rc)
		rc = check_columns(r->features, 0, corpus ? 0 : text ? 1 : PIPELINE_MAX_FEATURES, r->feature, "/features", e);
	if (!rc)
		rc = check_same_columns(r, e);
	return rc ? rc : check_leading_columns(r, e);
}

static enum err check_split(const struct recipe *r, struct error *e)
{
	double sum = r->train + r->validation + r->test;
	if (fabs(sum - 1) > SHARE_SLACK)
		return fail(e, ERR_INVALID, "/split", "the shares must add up to 1, they make %g", sum);
	return ERR_OK;
}

static enum err check_output(const struct recipe *r, struct error *e)
{
	char at[32];
	if (r->levels < 0 || r->levels > NET_MAX_LEVELS)
		return fail(e, ERR_INVALID, "/output/levels", "must be 1 … %d levels, are %d", NET_MAX_LEVELS, r->levels);
	for (int i = 0; i < r->levels; i++) {
		snprintf(at, sizeof at, "/output/levels/%d", i);
		if (!(r->level[i] > 0 && r->level[i] < 1))
			return fail(e, ERR_INVALID, at, "must lie between 0 and 1, is %g", r->level[i]);
		if (i && r->level[i] <= r->level[i - 1])
			return fail(e, ERR_INVALID, at, "levels must rise; %g follows %g", r->level[i], r->level[i - 1]);
	}
	if (r->categorical && r->levels)
		return fail(e, ERR_INVALID, "/output/levels", "a categorical output has no levels");
	if (r->categorical != (r->loss == LOSS_CROSS_ENTROPY))
		return fail(e, ERR_INVALID, "/training/loss", r->categorical
			? "a categorical output is trained with cross_entropy" : "cross_entropy needs a categorical output");
	if ((r->levels > 0) != (r->loss == LOSS_PINBALL))
		return fail(e, ERR_INVALID, "/training/loss", r->levels ? "a quantile output is trained with the pinball loss"
			: "the pinball loss needs a quantile output");
	return ERR_OK;
}

static enum err check_choices(const struct recipe *r, struct error *e)
{
	const struct { const char *where; int value, last; } choices[] = {
		{ "/preset",                  (int)r->preset,        PRESET_SEQ2SEQ },
		{ "/text/unit",               (int)r->unit,          TOKEN_WORD },
		{ "/encoder/cell",            (int)r->encoder,       ENCODER_TRANSFORMER },
		{ "/decoder/type",            (int)r->decoder,       DECODER_SEGMENT },
		{ "/decoder/score",           (int)r->score,         SCORE_DOT },
		{ "/decoder/input",           (int)r->decoder_input, DECODER_CONTEXT_PREVIOUS },
		{ "/training/loss",           (int)r->loss,          LOSS_CROSS_ENTROPY },
		{ "/training/optimizer",      (int)r->optimizer,     OPTIMIZER_RMSPROP },
		{ "/training/scheduler/type", (int)r->scheduler,     SCHEDULER_COSINE },
	};
	for (size_t i = 0; i < COUNT(choices); i++)
		if (choices[i].value < 0 || choices[i].value > choices[i].last)
			return fail(e, ERR_INVALID, choices[i].where, "choice %d is not known", choices[i].value);
	return ERR_OK;
}

enum err recipe_check(const struct recipe *r, struct error *e)
{
	enum err rc = check_name(r->dataset, "/dataset", e);
	if (!rc)
		rc = check_name(r->model, "/model", e);
	if (!rc)
		rc = check_choices(r, e);
	if (!rc)
		rc = check_all_columns(r, e);
	if (!rc)
		rc = check_limits(r, e);
	if (!rc)
		rc = check_composition(r, e);
	if (!rc)
		rc = check_split(r, e);
	if (!rc)
		rc = check_output(r, e);
	return rc;
}

static int median_level(const struct recipe *r)
{
	int best = 0;
	for (int i = 1; i < r->levels; i++)
		if (fabs(r->level[i] - 0.5) < fabs(r->level[best] - 0.5))
			best = i;
	return best;
}

/* All of a network but what goes in and what comes out. */
static struct net_spec composition(const struct recipe *r)
{
	bool attention = r->decoder == DECODER_ATTENTION, transformer = r->encoder == ENCODER_TRANSFORMER;
	struct net_spec s = {
		.encoder = r->encoder, .hidden = r->hidden, .layers = r->layers,
		.bidirectional = r->bidirectional && !transformer, .reverse = r->reverse,
		.bias = r->bias, .reset_after = r->reset_after, .relu = r->relu, .dropout = r->dropout,
		.batch_norm = r->batch_norm, .instance_norm = r->instance_norm,
		.decoder = r->decoder, .score = r->score,
		.decoder_input = attention ? r->decoder_input : DECODER_CONTEXT,
		.targets = 1, .levels = 1, .horizon = r->horizon,
	};
	if (net_additive(&s))
		s.attention = r->hidden;
	if (r->decoder == DECODER_SEGMENT)
		s.segment = r->segment;
	if (transformer) {
		s.heads = r->heads;
		s.feedforward = r->feedforward;
		s.norm_first = r->norm_first;
		s.gelu = r->gelu;
		s.causal = r->causal;
	}
	return s;
}

void recipe_net(const struct recipe *r, int channels, struct net_spec *out)
{
	struct net_spec s = composition(r);
	s.inputs = channels;
	s.targets = r->targets;
	s.levels = r->levels ? r->levels : 1;
	s.median_level = median_level(r);
	*out = s;
}

void recipe_text_net(const struct recipe *r, int vocabulary, int classes, struct net_spec *out)
{
	struct net_spec s = composition(r);
	s.inputs = 1;
	s.vocabulary = vocabulary;
	s.embedding = r->embedding;
	s.classes = classes;
	*out = s;
}

void recipe_loss(const struct recipe *r, struct loss *out)
{
	*out = (struct loss){ .type = r->loss, .delta = r->huber_delta, .levels = r->levels ? r->levels : 1 };
	memcpy(out->level, r->level, (size_t)r->levels * sizeof *r->level);
}

/* recipe.c - the defaults and the limits of a training job, as tables. */
#include "model/recipe.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define WINDOW_MAX (PIPELINE_MAX_CONTEXT / 2)    /* leaves as much for the look-back of indicators */
#define STATES_MAX (2 << 20)                     /* window * hidden * layers: about 1 GiB of scratch a thread */
#define SHARE_SLACK 1e-6                         /* 0.7 + 0.1 + 0.2 is not 1 in binary */

void recipe_default(struct recipe *r)
{
	*r = (struct recipe){
		.window = 30, .horizon = 5, .preset = PRESET_ATTENTION_GRU,
		.hidden = 64, .layers = 1, .bias = true, .reset_after = true, .dropout = 0,
		.decoder_input = DECODER_CONTEXT_PREVIOUS,
		.train = 0.7, .validation = 0.1, .test = 0.2,
		.loss = LOSS_MSE, .huber_delta = 1,
		.learning_rate = 0.001, .clip_norm = 5, .weight_decay = 0,
		.batch_size = 64, .epochs = 100,
		.scheduler = SCHEDULER_REDUCE_ON_PLATEAU, .scheduler_factor = 0.1, .scheduler_patience = 5,
		.early_stopping_patience = 10,
		.seed = 1,
	};
}

/* Both ends are allowed. */
static const struct { const char *where; size_t at; int min, max; } whole_limits[] = {
	{ "/window",                             offsetof(struct recipe, window),                  2, WINDOW_MAX },
	{ "/horizon",                            offsetof(struct recipe, horizon),                 1, NET_MAX_HORIZON },
	{ "/encoder/hidden_size",                offsetof(struct recipe, hidden),                  1, NET_MAX_HIDDEN },
	{ "/encoder/num_layers",                 offsetof(struct recipe, layers),                  1, NET_MAX_LAYERS },
	{ "/training/batch_size",                offsetof(struct recipe, batch_size),              1, 4096 },
	{ "/training/epochs",                    offsetof(struct recipe, epochs),                  1, 10000 },
	{ "/training/scheduler/patience",        offsetof(struct recipe, scheduler_patience),      0, 10000 },
	{ "/training/early_stopping/patience",   offsetof(struct recipe, early_stopping_patience), 0, 10000 },
};

static const struct { const char *where; size_t at; double min, max; } number_limits[] = {
	{ "/encoder/dropout",           offsetof(struct recipe, dropout),          0,     0.95 },
	{ "/split/train",               offsetof(struct recipe, train),            0.01,  0.98 },
	{ "/split/validation",          offsetof(struct recipe, validation),       0.01,  0.98 },
	{ "/split/test",                offsetof(struct recipe, test),             0.01,  0.98 },
	{ "/training/huber_delta",      offsetof(struct recipe, huber_delta),      1e-6,  1e6 },
	{ "/training/learning_rate",    offsetof(struct recipe, learning_rate),    1e-8,  1 },
	{ "/training/clip_norm",        offsetof(struct recipe, clip_norm),        0,     1e6 },
	{ "/training/weight_decay",     offsetof(struct recipe, weight_decay),     0,     1 },
	{ "/training/scheduler/factor", offsetof(struct recipe, scheduler_factor), 0.001, 0.999 },
};

#define COUNT(table) (sizeof(table) / sizeof *(table))

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
	if ((long)r->window * r->hidden * r->layers > STATES_MAX)
		return fail(e, ERR_INVALID, "/window", "window * hidden_size * num_layers is %ld, the limit is %d",
			(long)r->window * r->hidden * r->layers, STATES_MAX);
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
	if ((r->levels > 0) != (r->loss == LOSS_PINBALL))
		return fail(e, ERR_INVALID, "/training/loss", r->levels ? "a quantile output is trained with the pinball loss"
			: "the pinball loss needs a quantile output");
	return ERR_OK;
}

static enum err check_choices(const struct recipe *r, struct error *e)
{
	if (r->preset != PRESET_ATTENTION_GRU)
		return fail(e, ERR_INVALID, "/preset", "must be attention_gru");
	if (r->decoder_input != DECODER_CONTEXT && r->decoder_input != DECODER_CONTEXT_PREVIOUS)
		return fail(e, ERR_INVALID, "/decoder/input", "must be context or context+previous");
	if (r->loss != LOSS_MSE && r->loss != LOSS_MAE && r->loss != LOSS_HUBER && r->loss != LOSS_PINBALL)
		return fail(e, ERR_INVALID, "/training/loss", "must be mse, mae, huber or pinball");
	if (r->scheduler != SCHEDULER_NONE && r->scheduler != SCHEDULER_REDUCE_ON_PLATEAU)
		return fail(e, ERR_INVALID, "/training/scheduler/type", "must be none or reduce_on_plateau");
	return ERR_OK;
}

enum err recipe_check(const struct recipe *r, struct error *e)
{
	enum err rc = check_name(r->dataset, "/dataset", e);
	if (!rc)
		rc = check_name(r->model, "/model", e);
	if (!rc)
		rc = check_columns(r->targets, 1, PIPELINE_MAX_TARGETS, r->target, "/target", e);
	if (!rc)
		rc = check_columns(r->features, 0, PIPELINE_MAX_FEATURES, r->feature, "/features", e);
	if (!rc)
		rc = check_choices(r, e);
	if (!rc)
		rc = check_limits(r, e);
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

void recipe_net(const struct recipe *r, int channels, struct net_spec *out)
{
	*out = (struct net_spec){
		.inputs = channels, .hidden = r->hidden, .layers = r->layers,
		.bias = r->bias, .reset_after = r->reset_after, .dropout = r->dropout,
		.attention = r->hidden, .decoder_input = r->decoder_input,
		.targets = r->targets, .levels = r->levels ? r->levels : 1, .median_level = median_level(r),
		.horizon = r->horizon,
	};
}

void recipe_loss(const struct recipe *r, struct loss *out)
{
	*out = (struct loss){ .type = r->loss, .delta = r->huber_delta, .levels = r->levels ? r->levels : 1 };
	memcpy(out->level, r->level, (size_t)r->levels * sizeof *r->level);
}

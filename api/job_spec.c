/* job_spec.c - a recipe as JSON. One table says every member: its name, what it may be and where it lives. Reading,
 * "did you mean" and writing are walks over it, so what is written reads back. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_body.h"
#include "api/json_tree.h"
#include "api/number.h"
#include "api/pointer.h"
#include "model/base/nearest.h"

static const struct tree_limits job_limits = { .bytes = 256 << 10, .tokens = 20000 };

#define SEED_MAX           (INT64_C(1) << 53)
#define METADATA_MAX       16
#define METADATA_MAX_KEY   64
#define METADATA_MAX_VALUE 512

/* A recipe and what only its JSON says. */
struct draft {
	struct recipe recipe;
	int output, loss;     /* NOT_GIVEN until read */
	char *metadata;
};
enum { NOT_GIVEN = -1 };
enum { OUTPUT_POINT, OUTPUT_QUANTILE, OUTPUT_CATEGORICAL };

enum kind {
	KIND_NAME,       /* char[RECIPE_NAME_MAX + 1] */
	KIND_COLUMNS,    /* char[max][FRAME_NAME_MAX + 1], their number at count_at; one string will do */
	KIND_WHOLE,      /* int */
	KIND_SEED,       /* uint64_t */
	KIND_NUMBER,     /* double */
	KIND_FLAG,       /* bool */
	KIND_CHOICE,     /* int or an enumeration: the index into choice */
	KIND_EITHER,     /* bool: the index into two choices */
	KIND_LEVELS,     /* double[max], their number at count_at */
	KIND_METADATA,   /* char *, JSON */
	KIND_OBJECT      /* members; null, where count_at is given, zeroes the int there */
};

struct member {
	const char *name;
	enum kind kind;
	size_t at, count_at;
	int max;
	bool required;
	const char *const *choice;         /* ends with NULL */
	const struct member *members;      /* ends with a name NULL */
};

#define AT(field)     offsetof(struct draft, field)
#define RECIPE(field) AT(recipe.field)
#define NAMES(...)    (const char *const[]){ __VA_ARGS__, NULL }
#define END           { .name = NULL }

static const struct member text_members[] = {
	{ "unit",           KIND_CHOICE, .at = RECIPE(unit),
	  .choice = NAMES([TOKEN_CHARACTER] = "character", [TOKEN_WORD] = "word") },
	{ "cache",          KIND_WHOLE,  .at = RECIPE(cache) },
	{ "max_vocabulary", KIND_WHOLE,  .at = RECIPE(max_vocabulary) },
	{ "min_count",      KIND_WHOLE,  .at = RECIPE(min_count) },
	END
};
static const struct member encoder_members[] = {
	{ "cell",             KIND_CHOICE, .at = RECIPE(encoder), .choice = encoder_names },
	{ "embedding_size",   KIND_WHOLE,  .at = RECIPE(embedding) },
	{ "hidden_size",      KIND_WHOLE,  .at = RECIPE(hidden) },
	{ "num_layers",       KIND_WHOLE,  .at = RECIPE(layers) },
	{ "bidirectional",    KIND_FLAG,   .at = RECIPE(bidirectional) },
	{ "reverse",          KIND_FLAG,   .at = RECIPE(reverse) },
	{ "bias",             KIND_FLAG,   .at = RECIPE(bias) },
	{ "reset_after",      KIND_FLAG,   .at = RECIPE(reset_after) },
	{ "nonlinearity",     KIND_EITHER, .at = RECIPE(relu), .choice = NAMES("tanh", "relu") },
	{ "dropout",          KIND_NUMBER, .at = RECIPE(dropout) },
	{ "heads",            KIND_WHOLE,  .at = RECIPE(heads) },
	{ "feedforward_size", KIND_WHOLE,  .at = RECIPE(feedforward) },
	{ "norm_first",       KIND_FLAG,   .at = RECIPE(norm_first) },
	{ "activation",       KIND_EITHER, .at = RECIPE(gelu), .choice = NAMES("relu", "gelu") },
	{ "causal",           KIND_FLAG,   .at = RECIPE(causal) },
	{ "batch_norm",       KIND_FLAG,   .at = RECIPE(batch_norm) },
	{ "instance_norm",    KIND_FLAG,   .at = RECIPE(instance_norm) },
	END
};
static const struct member decoder_members[] = {
	{ "type",            KIND_CHOICE, .at = RECIPE(decoder),       .choice = decoder_names },
	{ "score",           KIND_CHOICE, .at = RECIPE(score),         .choice = score_names },
	{ "input",           KIND_CHOICE, .at = RECIPE(decoder_input), .choice = decoder_input_names },
	{ "teacher_forcing", KIND_NUMBER, .at = RECIPE(teacher_forcing) },
	{ "segment",         KIND_WHOLE,  .at = RECIPE(segment) },
	END
};
static const struct member output_members[] = {
	{ "type",   KIND_CHOICE, .at = AT(output),
	  .choice = NAMES([OUTPUT_POINT] = "point", [OUTPUT_QUANTILE] = "quantile",
	                  [OUTPUT_CATEGORICAL] = "categorical") },
	{ "levels", KIND_LEVELS, .at = RECIPE(level), .count_at = RECIPE(levels), .max = NET_MAX_LEVELS },
	END
};
static const struct member split_members[] = {
	{ "train",      KIND_NUMBER, .at = RECIPE(train) },
	{ "validation", KIND_NUMBER, .at = RECIPE(validation) },
	{ "test",       KIND_NUMBER, .at = RECIPE(test) },
	END
};
static const struct member scheduler_members[] = {
	{ "type",          KIND_CHOICE, .at = RECIPE(scheduler),
	  .choice = NAMES([SCHEDULER_NONE] = "none", [SCHEDULER_REDUCE_ON_PLATEAU] = "reduce_on_plateau",
	                  [SCHEDULER_STEP] = "step", [SCHEDULER_COSINE] = "cosine") },
	{ "factor",        KIND_NUMBER, .at = RECIPE(scheduler_factor) },
	{ "patience",      KIND_WHOLE,  .at = RECIPE(scheduler_patience) },
	{ "step_size",     KIND_WHOLE,  .at = RECIPE(scheduler_step_size) },
	{ "gamma",         KIND_NUMBER, .at = RECIPE(scheduler_gamma) },
	{ "min_rate",      KIND_NUMBER, .at = RECIPE(scheduler_min_rate) },
	{ "warmup_epochs", KIND_WHOLE,  .at = RECIPE(warmup_epochs) },
	END
};
static const struct member early_stopping_members[] = {
	{ "patience", KIND_WHOLE, .at = RECIPE(early_stopping_patience) },
	END
};
static const struct member training_members[] = {
	{ "loss",           KIND_CHOICE, .at = AT(loss),
	  .choice = NAMES([LOSS_MSE] = "mse", [LOSS_MAE] = "mae", [LOSS_HUBER] = "huber", [LOSS_PINBALL] = "pinball",
	                  [LOSS_CROSS_ENTROPY] = "cross_entropy") },
	{ "huber_delta",    KIND_NUMBER, .at = RECIPE(huber_delta) },
	{ "optimizer",      KIND_CHOICE, .at = RECIPE(optimizer),
	  .choice = NAMES([OPTIMIZER_ADAM] = "adam", [OPTIMIZER_ADAMW] = "adamw", [OPTIMIZER_SGD] = "sgd",
	                  [OPTIMIZER_RMSPROP] = "rmsprop") },
	{ "learning_rate",  KIND_NUMBER, .at = RECIPE(learning_rate) },
	{ "momentum",       KIND_NUMBER, .at = RECIPE(momentum) },
	{ "batch_size",     KIND_WHOLE,  .at = RECIPE(batch_size) },
	{ "epochs",         KIND_WHOLE,  .at = RECIPE(epochs) },
	{ "clip_norm",      KIND_NUMBER, .at = RECIPE(clip_norm) },
	{ "weight_decay",   KIND_NUMBER, .at = RECIPE(weight_decay) },
	{ "scheduler",      KIND_OBJECT, .count_at = RECIPE(scheduler), .members = scheduler_members },
	{ "early_stopping", KIND_OBJECT, .count_at = RECIPE(early_stopping_patience), .members = early_stopping_members },
	{ "init",           KIND_EITHER, .at = RECIPE(init.orthogonal), .choice = NAMES("xavier", "orthogonal") },
	{ "forget_bias",    KIND_NUMBER, .at = RECIPE(init.forget_bias) },
	{ "average_decay",  KIND_NUMBER, .at = RECIPE(average_decay) },
	{ "token_dropout",  KIND_NUMBER, .at = RECIPE(token_dropout) },
	{ "weight_dropout", KIND_NUMBER, .at = RECIPE(weight_dropout) },
	{ "random_crop",    KIND_FLAG,   .at = RECIPE(random_crop) },
	{ "stateful",       KIND_FLAG,   .at = RECIPE(stateful) },
	{ "seed",           KIND_SEED,   .at = RECIPE(seed) },
	END
};
static const struct member job_members[] = {
	{ "dataset",  KIND_NAME,     .at = RECIPE(dataset), .required = true },
	{ "model",    KIND_NAME,     .at = RECIPE(model) },
	{ "target",   KIND_COLUMNS,  .at = RECIPE(target), .count_at = RECIPE(targets), .max = PIPELINE_MAX_TARGETS },
	{ "features", KIND_COLUMNS,  .at = RECIPE(feature), .count_at = RECIPE(features), .max = PIPELINE_MAX_FEATURES },
	{ "window",   KIND_WHOLE,    .at = RECIPE(window) },
	{ "horizon",  KIND_WHOLE,    .at = RECIPE(horizon) },
	{ "preset",   KIND_CHOICE,   .at = RECIPE(preset), .choice = preset_names },
	{ "text",     KIND_OBJECT,   .members = text_members },
	{ "encoder",  KIND_OBJECT,   .members = encoder_members },
	{ "decoder",  KIND_OBJECT,   .members = decoder_members },
	{ "output",   KIND_OBJECT,   .members = output_members },
	{ "split",    KIND_OBJECT,   .members = split_members },
	{ "training", KIND_OBJECT,   .members = training_members },
	{ "metadata", KIND_METADATA, .at = AT(metadata) },
	END
};

/* --- reading ------------------------------------------------------------------------------------------------------ */

static void store(struct draft *d, size_t at, const void *value, size_t size)
{
	memcpy((char *)d + at, value, size);
}

static enum err unknown_member(const struct member *members, const char *path, const char *name, struct error *e)
{
	const char *known[32];
	size_t n = 0;
	for (; members[n].name; n++)
		known[n] = members[n].name;
	const char *nearest = nearest_name(name, known, n);
	if (nearest)
		return tree_fail(e, ERR_INVALID, path, name, "unknown member; did you mean \"%s\"?", nearest);
	return tree_fail(e, ERR_INVALID, path, name, "unknown member");
}

static enum err read_whole(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	int64_t v;
	enum err rc = tree_whole(o, path, m->name, INT32_MIN, INT32_MAX, &v, e);
	if (rc)
		return rc;
	store(d, m->at, &(int){ (int)v }, sizeof(int));
	return ERR_OK;
}

static enum err read_seed(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	int64_t v;
	enum err rc = tree_whole(o, path, m->name, 0, SEED_MAX, &v, e);
	if (rc)
		return rc;
	store(d, m->at, &(uint64_t){ (uint64_t)v }, sizeof(uint64_t));
	return ERR_OK;
}

static enum err read_number(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	double v;
	enum err rc = tree_number(o, path, m->name, &v, e);
	if (rc)
		return rc;
	store(d, m->at, &v, sizeof v);
	return ERR_OK;
}

static enum err read_flag(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	bool v;
	enum err rc = tree_flag(o, path, m->name, &v, e);
	if (rc)
		return rc;
	store(d, m->at, &v, sizeof v);
	return ERR_OK;
}

/* "a", "b", "c" */
static void list_names(const char *const *names, char *out, size_t cap)
{
	size_t at = 0;
	for (; *names && at < cap; names++)
		at += (size_t)snprintf(out + at, cap - at, "%s\"%s\"", at ? ", " : "", *names);
}

static void store_choice(struct draft *d, const struct member *m, int i)
{
	bool second = i;
	if (m->kind == KIND_EITHER)
		store(d, m->at, &second, sizeof second);
	else
		store(d, m->at, &i, sizeof i);
}

static enum err read_choice(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	char name[65], offered[256];
	enum err rc = tree_text(o, path, m->name, name, sizeof name, e);
	if (rc)
		return rc;
	for (int i = 0; m->choice[i]; i++) {
		if (!strcmp(name, m->choice[i])) {
			store_choice(d, m, i);
			return ERR_OK;
		}
	}
	list_names(m->choice, offered, sizeof offered);
	return tree_fail(e, ERR_INVALID, path, m->name, "\"%s\" is not offered; this release offers %s", name, offered);
}

/* "/target/2" */
static void item_pointer(char *out, size_t cap, const char *path, const char *name, size_t index)
{
	size_t at = (size_t)snprintf(out, cap, "%s", path);   /* a path is the table's, and short */
	at = pointer_add(out, at, cap, name, strlen(name));
	pointer_add_index(out, at, cap, index);
}

static enum err read_column(const json_t *v, size_t index, const struct member *m, const char *path, struct draft *d,
                            struct error *e)
{
	char where[128];
	if (json_is_string(v) && json_string_length(v) > 0 && json_string_length(v) <= FRAME_NAME_MAX) {
		store(d, m->at + index * (FRAME_NAME_MAX + 1), json_string_value(v), json_string_length(v) + 1);
		return ERR_OK;
	}
	item_pointer(where, sizeof where, path, m->name, index);
	return fail(e, ERR_INVALID, where, "expected a column's name of 1 to %d bytes", FRAME_NAME_MAX);
}

static enum err read_columns(const json_t *o, const struct member *m, const char *path, struct draft *d,
                             struct error *e)
{
	const json_t *v = json_object_get(o, m->name);
	json_t *names;
	int n = 1;
	if (json_is_string(v)) {
		store(d, m->count_at, &n, sizeof n);
		return read_column(v, 0, m, path, d, e);
	}
	enum err rc = tree_array(o, path, m->name, (size_t)m->max, &names, e);
	n = rc ? 0 : (int)json_array_size(names);
	for (int i = 0; !rc && i < n; i++)
		rc = read_column(json_array_get(names, (size_t)i), (size_t)i, m, path, d, e);
	store(d, m->count_at, &n, sizeof n);
	return rc;
}

static enum err read_levels(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	char where[128];
	json_t *levels;
	enum err rc = tree_array(o, path, m->name, (size_t)m->max, &levels, e);
	if (rc)
		return rc;
	int n = (int)json_array_size(levels);
	for (int i = 0; i < n; i++) {
		const json_t *v = json_array_get(levels, (size_t)i);
		if (!json_is_real(v)) {
			item_pointer(where, sizeof where, path, m->name, (size_t)i);
			return fail(e, ERR_INVALID, where, "expected a number");
		}
		store(d, m->at + (size_t)i * sizeof(double), &(double){ json_real_value(v) }, sizeof(double));
	}
	store(d, m->count_at, &n, sizeof n);
	return ERR_OK;
}

static enum err read_metadata(const json_t *o, const struct member *m, const char *path, struct draft *d,
                              struct error *e)
{
	json_t *object, *v;
	const char *key;
	enum err rc = tree_object(o, path, m->name, &object, e);
	if (rc)
		return rc;
	if (json_object_size(object) > METADATA_MAX)
		return tree_fail(e, ERR_INVALID, path, m->name, "has more than %d members", METADATA_MAX);
	json_object_foreach(object, key, v)
		if (strlen(key) > METADATA_MAX_KEY || !json_is_string(v) || json_string_length(v) > METADATA_MAX_VALUE)
			return tree_fail(e, ERR_INVALID, "/metadata", key,
				"expected a string of at most %d bytes, its name at most %d", METADATA_MAX_VALUE, METADATA_MAX_KEY);
	d->metadata = json_dumps(object, JSON_COMPACT);
	return d->metadata ? ERR_OK : fail_nomem(e);
}

static enum err read_members(const json_t *o, const struct member *members, const char *path, struct draft *d,
                             struct error *e);

static enum err read_nested(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	char below[64];
	json_t *v;
	if (m->count_at && json_is_null(json_object_get(o, m->name))) {
		store(d, m->count_at, &(int){ 0 }, sizeof(int));
		return ERR_OK;
	}
	enum err rc = tree_object(o, path, m->name, &v, e);
	if (rc)
		return rc;
	snprintf(below, sizeof below, "%s/%s", path, m->name);
	return read_members(v, m->members, below, d, e);
}

static enum err read_value(const json_t *o, const struct member *m, const char *path, struct draft *d, struct error *e)
{
	switch (m->kind) {
	case KIND_NAME: return tree_text(o, path, m->name, (char *)d + m->at, RECIPE_NAME_MAX + 1, e);
	case KIND_COLUMNS: return read_columns(o, m, path, d, e);
	case KIND_WHOLE: return read_whole(o, m, path, d, e);
	case KIND_SEED: return read_seed(o, m, path, d, e);
	case KIND_NUMBER: return read_number(o, m, path, d, e);
	case KIND_FLAG: return read_flag(o, m, path, d, e);
	case KIND_CHOICE:
	case KIND_EITHER: return read_choice(o, m, path, d, e);
	case KIND_LEVELS: return read_levels(o, m, path, d, e);
	case KIND_METADATA: return read_metadata(o, m, path, d, e);
	case KIND_OBJECT: return read_nested(o, m, path, d, e);
	}
	return ERR_INTERNAL;
}

static const struct member *find_member(const struct member *members, const char *name)
{
	for (; members->name; members++)
		if (!strcmp(members->name, name))
			return members;
	return NULL;
}

static enum err read_members(const json_t *o, const struct member *members, const char *path, struct draft *d,
                             struct error *e)
{
	enum err rc = ERR_OK;
	json_t *object = (json_t *)(uintptr_t)o;   /* jansson's iterators read, but do not say so */
	for (void *i = json_object_iter(object); i && !rc; i = json_object_iter_next(object, i)) {
		const char *name = json_object_iter_key(i);
		const struct member *m = find_member(members, name);
		rc = m ? read_value(o, m, path, d, e) : unknown_member(members, path, name, e);
	}
	for (; members->name && !rc; members++)
		if (members->required && !json_object_get(o, members->name))
			rc = tree_fail(e, ERR_INVALID, path, members->name, "\"%s\" is required", members->name);
	return rc;
}

/* --- what follows from other members ------------------------------------------------------------------------------ */

static const double default_levels[] = { 0.1, 0.5, 0.9 };

static enum err settle_output(struct draft *d, struct error *e)
{
	struct recipe *r = &d->recipe;
	if (d->output == OUTPUT_POINT && r->levels > 0)
		return fail(e, ERR_INVALID, "/output/levels", "a point output has no levels; \"type\": \"quantile\" has");
	if (d->output == OUTPUT_QUANTILE && r->levels == 0) {
		r->levels = (int)(sizeof default_levels / sizeof *default_levels);
		memcpy(r->level, default_levels, sizeof default_levels);
	}
	if (d->loss != NOT_GIVEN)
		r->loss = (enum loss_type)d->loss;
	else if (r->levels > 0)
		r->loss = LOSS_PINBALL;
	return ERR_OK;
}

static enum err settle_names(struct recipe *r, struct error *e)
{
	char model[2 * RECIPE_NAME_MAX];
	if (r->targets == 0 && recipe_task(r) != TASK_GENERATE)
		return fail(e, ERR_INVALID, "/target", "\"target\" is required");
	if (r->model[0])
		return ERR_OK;
	int n = recipe_model_name(r, model, sizeof model);
	if (n > RECIPE_NAME_MAX)
		return fail(e, ERR_INVALID, "/model",
			"is required: a name made of the dataset's would be longer than %d bytes", RECIPE_NAME_MAX);
	memcpy(r->model, model, (size_t)n + 1);
	return ERR_OK;
}

static enum err read_if_there(const json_t *o, const struct member *members, const char *name, const char *path,
                              struct draft *d, struct error *e)
{
	return json_object_get(o, name) ? read_value(o, find_member(members, name), path, d, e) : ERR_OK;
}

/* Before all others, wherever they stand: the rest is read over their defaults. */
static enum err read_first(const json_t *tree, struct draft *d, struct error *e)
{
	enum err rc = read_if_there(tree, job_members, "preset", "", d, e);
	if (rc)
		return rc;
	recipe_preset(&d->recipe, d->recipe.preset);
	const json_t *output = json_object_get(tree, "output");
	if (json_is_object(output))
		rc = read_if_there(output, output_members, "type", "/output", d, e);
	if (!rc && d->output != NOT_GIVEN)
		recipe_output(&d->recipe, d->output == OUTPUT_CATEGORICAL);
	return rc;
}

static enum err read_job(const json_t *tree, struct draft *d, struct error *e)
{
	if (!json_is_object(tree))
		return fail(e, ERR_INVALID, "", "expected an object");
	enum err rc = read_first(tree, d, e);
	if (!rc)
		rc = read_members(tree, job_members, "", d, e);
	if (!rc)
		rc = settle_output(d, e);
	if (!rc)
		rc = settle_names(&d->recipe, e);
	if (!rc)
		recipe_settle(&d->recipe);
	if (!rc)
		rc = recipe_check(&d->recipe, e);
	return rc;
}

enum err job_body_parse(const char *s, size_t len, struct recipe *out, char **metadata, struct error *e)
{
	struct draft d = { .output = NOT_GIVEN, .loss = NOT_GIVEN };
	json_t *tree = NULL;
	enum err rc;

	recipe_default(&d.recipe);
	rc = tree_parse(s, len, &job_limits, &tree, e);
	if (rc)
		goto done;
	rc = read_job(tree, &d, e);
	if (rc)
		goto done;
	*out = d.recipe;
	*metadata = d.metadata;
	d.metadata = NULL;
done:
	free(d.metadata);
	json_decref(tree);
	return rc;
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void load(const struct draft *d, size_t at, void *value, size_t size)
{
	memcpy(value, (const char *)d + at, size);
}

static int load_int(const struct draft *d, size_t at)
{
	int v;
	load(d, at, &v, sizeof v);
	return v;
}

static bool load_flag(const struct draft *d, size_t at)
{
	bool v;
	load(d, at, &v, sizeof v);
	return v;
}

static void write_columns(const struct member *m, const struct draft *d, struct strbuf *out)
{
	int n = load_int(d, m->count_at);
	strbuf_addc(out, '[');
	for (int i = 0; i < n; i++) {
		if (i)
			strbuf_addc(out, ',');
		json_write_string(out, (const char *)d + m->at + (size_t)i * (FRAME_NAME_MAX + 1));
	}
	strbuf_addc(out, ']');
}

static void write_number(const struct draft *d, size_t at, struct strbuf *out)
{
	double v;
	load(d, at, &v, sizeof v);
	number_write(out, v);
}

static void write_levels(const struct member *m, const struct draft *d, struct strbuf *out)
{
	int n = load_int(d, m->count_at);
	strbuf_addc(out, '[');
	for (int i = 0; i < n; i++) {
		if (i)
			strbuf_addc(out, ',');
		write_number(d, m->at + (size_t)i * sizeof(double), out);
	}
	strbuf_addc(out, ']');
}

static void write_members(const struct member *members, const struct draft *d, struct strbuf *out);

static void write_value(const struct member *m, const struct draft *d, struct strbuf *out)
{
	uint64_t seed;
	switch (m->kind) {
	case KIND_NAME: json_write_string(out, (const char *)d + m->at); break;
	case KIND_COLUMNS: write_columns(m, d, out); break;
	case KIND_WHOLE: strbuf_addf(out, "%d", load_int(d, m->at)); break;
	case KIND_SEED:
		load(d, m->at, &seed, sizeof seed);
		strbuf_addf(out, "%llu", (unsigned long long)seed);
		break;
	case KIND_NUMBER: write_number(d, m->at, out); break;
	case KIND_FLAG: strbuf_adds(out, load_flag(d, m->at) ? "true" : "false"); break;
	case KIND_CHOICE: json_write_string(out, m->choice[load_int(d, m->at)]); break;
	case KIND_EITHER: json_write_string(out, m->choice[load_flag(d, m->at)]); break;
	case KIND_LEVELS: write_levels(m, d, out); break;
	case KIND_METADATA: strbuf_adds(out, "null"); break;
	case KIND_OBJECT: write_members(m->members, d, out); break;
	}
}

/* The job's metadata are not the recipe's, a point has no levels, and a GRU no heads. Columns may be for the data to
 * say. */
static bool left_out(const struct member *m, const struct draft *d)
{
	if (m->kind == KIND_LEVELS || m->kind == KIND_COLUMNS)
		return load_int(d, m->count_at) == 0;
	if (m->members == text_members)
		return !recipe_reads_text(&d->recipe);
	return m->kind == KIND_METADATA || !recipe_reads(&d->recipe, m->at - AT(recipe));
}

static void write_members(const struct member *members, const struct draft *d, struct strbuf *out)
{
	strbuf_addc(out, '{');
	for (bool first = true; members->name; members++) {
		if (left_out(members, d))
			continue;
		if (!first)
			strbuf_addc(out, ',');
		first = false;
		json_write_string(out, members->name);
		strbuf_addc(out, ':');
		write_value(members, d, out);
	}
	strbuf_addc(out, '}');
}

void recipe_render(const struct recipe *r, struct strbuf *out)
{
	struct draft d = { .recipe = *r, .loss = (int)r->loss };
	d.output = r->categorical ? OUTPUT_CATEGORICAL : r->levels > 0 ? OUTPUT_QUANTILE : OUTPUT_POINT;
	write_members(job_members, &d, out);
}

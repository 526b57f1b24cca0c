/* forecast_body.c - predictions, in and out. */
#include "api/forecast_body.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_write.h"
#include "api/number.h"
#include "api/scan.h"
#include "api/series_body.h"
#include "model/series/calendar.h"

#define NAME_MAX_BYTES 64
#define ID_MAX_BYTES   256
#define TIMEOUT_MAX_MS 3600000
#define COUNT(table)   (sizeof(table) / sizeof *(table))
#define KNOWN(s, name, table) scan_known(s, name, table, COUNT(table))

/* --- /v1/forecast ------------------------------------------------------------------------------------------------- */

static bool read_input(struct scan *s, struct number_pool *pool, struct series_input *out)
{
	static const char *const known[] = { SERIES_MEMBERS };
	struct text name;
	*out = (struct series_input){ 0 };
	scan_object(s);
	while (scan_member(s, &name))
		series_member(s, KNOWN(s, name, known), pool, out);
	return series_check(s, out);
}

static bool read_inputs(struct scan *s, struct number_pool *pool, struct forecast_body *b)
{
	struct series_input input[FORECAST_MAX_INPUTS];
	int n = 0;
	scan_array(s);
	while (scan_element(s)) {
		if (n == FORECAST_MAX_INPUTS)
			return scan_fail(s, ERR_INVALID, "more than %d series", FORECAST_MAX_INPUTS);
		if (!read_input(s, pool, &input[n]))
			return false;
		n++;
	}
	if (s->rc)
		return false;
	if (n == 0)
		return scan_fail(s, ERR_INVALID, "has no series");
	b->input = arena_alloc(s->arena, (size_t)n * sizeof *input);
	if (!b->input) {
		s->rc = fail_nomem(s->error);
		return false;
	}
	memcpy(b->input, input, (size_t)n * sizeof *input);
	b->inputs = n;
	return true;
}

static bool insert_level(struct scan *s, struct forecast_body *b, double level)
{
	int i = b->levels;
	if (!(level > 0 && level < 1))
		return scan_fail(s, ERR_INVALID, "a level lies between 0 and 1");
	if (i == FORECAST_MAX_LEVELS)
		return scan_fail(s, ERR_INVALID, "more than %d levels", FORECAST_MAX_LEVELS);
	for (; i > 0 && b->level[i - 1] >= level; i--) {
		if (b->level[i - 1] == level)
			return scan_fail(s, ERR_INVALID, "the level is given twice");
		b->level[i] = b->level[i - 1];
	}
	b->level[i] = level;
	b->levels++;
	return true;
}

/* Any order is taken, and sorted. */
static bool read_levels(struct scan *s, struct forecast_body *b)
{
	double level;
	scan_array(s);
	while (scan_element(s))
		if (!scan_number(s, &level) || !insert_level(s, b, level))
			return false;
	return !s->rc;
}

static bool read_parameters(struct scan *s, struct forecast_body *b)
{
	static const char *const known[] = { "quantile_levels", "return_attention", "prediction_length", "timeout_ms" };
	struct text name;
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: read_levels(s, b); break;
		case 1: scan_bool(s, &b->return_attention); break;
		case 2: scan_int(s, 1, NET_MAX_HORIZON, &b->prediction_length); break;
		case 3: scan_integer(s, 1, TIMEOUT_MAX_MS, &b->timeout_ms); break;
		}
	}
	return !s->rc;
}

enum err forecast_body_parse(const char *text, size_t len, struct arena *a, struct forecast_body *out, struct error *e)
{
	static const char *const known[] = { "model", "version", "inputs", "parameters" };
	struct forecast_body b = { 0 };
	struct number_pool pool = { 0 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		switch (KNOWN(&s, name, known)) {
		case 0: scan_copy(&s, NAME_MAX_BYTES, &b.model); break;
		case 1: scan_int(&s, 1, INT32_MAX, &b.version); break;
		case 2: read_inputs(&s, &pool, &b); break;
		case 3: read_parameters(&s, &b); break;
		}
	}
	scan_end(&s);
	if (!b.model)
		scan_missing(&s, "model");
	if (!b.input)
		scan_missing(&s, "inputs");
	if (!s.rc)
		*out = b;
	return s.rc;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

#define GRID_MAX_RANK 3

/* Nested arrays as they came, before anyone knows what they should be. */
struct grid {
	int rank;                       /* 0: not read yet */
	size_t dim[GRID_MAX_RANK];    /* 0: not known yet */
	const double *value;            /* NULL: not read */
	size_t count;
};

/* Every array of one level has the length of the first. */
static bool same_length(struct scan *s, struct grid *g, int level, size_t n, const char *items)
{
	if (n == 0)
		return scan_fail(s, ERR_INVALID, "has no %s", items);
	if (g->dim[level] == 0)
		g->dim[level] = n;
	return g->dim[level] == n || scan_fail(s, ERR_INVALID, "has %zu %s, expected %zu", n, items, g->dim[level]);
}

static bool grid_array(struct scan *s, struct grid *g, struct number_pool *pool, int level)
{
	size_t n = 0;
	if (scan_peek(s) != SCAN_ARRAY)
		return scan_array(s);
	if (scan_first(s) != SCAN_ARRAY) {
		const double *value;
		if (g->rank && g->rank != level + 1)
			return scan_fail(s, ERR_INVALID, "expected arrays in the array, as in the first one");
		g->rank = level + 1;
		return pool_numbers(s, pool, &value, &n) && same_length(s, g, level, n, "numbers");
	}
	if (level + 1 == GRID_MAX_RANK || (g->rank && g->rank == level + 1))
		return scan_fail(s, ERR_INVALID, "expected numbers, found an array");
	for (scan_array(s); scan_element(s); n++)
		if (!grid_array(s, g, pool, level + 1))
			return false;
	return !s->rc && same_length(s, g, level, n, "arrays");
}

/* An array of numbers, or of such arrays, or of arrays of such: rectangular, with nothing empty. */
static bool grid_read(struct scan *s, struct grid *g)
{
	struct number_pool pool = { 0 };
	*g = (struct grid){ 0 };
	if (!pool_open(s, &pool))
		return false;
	const double *first = pool.next;
	if (!grid_array(s, g, &pool, 0))
		return false;
	g->value = first;
	g->count = (size_t)(pool.next - first);
	return true;
}

/* [rows][steps] is [rows][steps][1]. */
static void grid_shape(const struct grid *g, struct tensor_body *b)
{
	b->rows = g->dim[0];
	b->steps = g->dim[1];
	b->columns = g->rank == 3 ? g->dim[2] : 1;
	b->value = g->value;
}

static bool check_rows(struct scan *s, size_t rows)
{
	return rows <= FORECAST_MAX_ROWS
		|| scan_fail(s, ERR_INVALID, "has %zu sequences, the limit is %d", rows, FORECAST_MAX_ROWS);
}

/* Rows of steps, of columns perhaps. */
static bool read_sequences(struct scan *s, struct tensor_body *b)
{
	struct grid g;
	if (!grid_read(s, &g))
		return false;
	if (g.rank < 2)
		return scan_fail(
			s, ERR_INVALID, "expected [rows][steps][columns] or [rows][steps], found one list of numbers");
	grid_shape(&g, b);
	return check_rows(s, b->rows);
}

/* --- :predict ----------------------------------------------------------------------------------------------------- */

/* The tensor, or an object that names the model's only one. */
static bool read_named_input(struct scan *s, struct tensor_body *b)
{
	static const char *const known[] = { "input" };
	struct text name;
	if (scan_peek(s) != SCAN_OBJECT)
		return read_sequences(s, b);
	scan_object(s);
	while (scan_member(s, &name))
		if (KNOWN(s, name, known) == 0)
			read_sequences(s, b);
	return b->value || scan_missing(s, known[0]);
}

static bool read_once(struct scan *s, enum tensor_dialect dialect, struct tensor_body *b)
{
	if (b->value)
		return scan_fail(s, ERR_INVALID, "expected either \"instances\" or \"inputs\", not both");
	b->dialect = dialect;
	return dialect == DIALECT_INSTANCES ? read_sequences(s, b) : read_named_input(s, b);
}

static bool read_signature(struct scan *s)
{
	struct text t;
	return scan_string(s, &t) && (text_is(t, "serving_default")
		|| scan_fail(s, ERR_INVALID, "the only signature is \"serving_default\""));
}

enum err predict_body_parse(const char *text, size_t len, struct arena *a, struct tensor_body *out, struct error *e)
{
	static const char *const known[] = { "instances", "inputs", "signature_name" };
	struct tensor_body b = { 0 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		switch (KNOWN(&s, name, known)) {
		case 0: read_once(&s, DIALECT_INSTANCES, &b); break;
		case 1: read_once(&s, DIALECT_INPUTS, &b); break;
		case 2: read_signature(&s); break;
		}
	}
	scan_end(&s);
	if (!b.value)
		scan_missing(&s, "instances");
	if (!s.rc)
		*out = b;
	return s.rc;
}

/* --- /infer ------------------------------------------------------------------------------------------------------- */

struct v2_input { struct grid shape, data; bool has_name, has_type; };

static bool read_shape(struct scan *s, struct grid *shape)
{
	int64_t n;
	size_t count = 1;
	scan_array(s);
	for (shape->rank = 0; scan_element(s); shape->rank++) {
		if (shape->rank == GRID_MAX_RANK)
			return scan_fail(s, ERR_INVALID, "expected 2 or 3 dimensions");
		if (!scan_integer(s, 1, SERIES_MAX_NUMBERS, &n))
			return false;
		shape->dim[shape->rank] = (size_t)n;
		if (__builtin_mul_overflow(count, (size_t)n, &count) || count > SERIES_MAX_NUMBERS)
			return scan_fail(s, ERR_INVALID, "more than %d numbers", SERIES_MAX_NUMBERS);
	}
	if (s->rc)
		return false;
	if (shape->rank < 2)
		return scan_fail(s, ERR_INVALID, "expected 2 or 3 dimensions");
	shape->count = count;
	return check_rows(s, shape->dim[0]);
}

static bool read_datatype(struct scan *s)
{
	static const char *const numeric[] = {
		"FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64",
	};
	struct text t;
	if (!scan_string(s, &t))
		return false;
	for (size_t i = 0; i < COUNT(numeric); i++)
		if (text_is(t, numeric[i]))
			return true;
	return scan_fail(s, ERR_INVALID,
		"datatype \"%.*s\" is not taken; FP32, FP64, INT8 to INT64 and UINT8 to UINT64 are",
		(int)(t.len < 32 ? t.len : 32), t.s);
}

/* The data are as the shape says: nested alike, or one flat list of as many. */
static bool check_shape(struct scan *s, const struct grid *shape, const struct grid *data)
{
	if (data->rank != 1 && data->rank != shape->rank)
		return scan_fail(s, ERR_INVALID, "\"data\" is nested %d deep, \"shape\" has %d dimensions", data->rank,
			shape->rank);
	for (int i = 0; data->rank > 1 && i < shape->rank; i++)
		if (data->dim[i] != shape->dim[i])
			return scan_fail(s, ERR_INVALID, "dimension %d of \"data\" is %zu, of \"shape\" %zu", i,
				data->dim[i], shape->dim[i]);
	return data->count == shape->count
		|| scan_fail(s, ERR_INVALID, "\"data\" has %zu numbers, \"shape\" says %zu", data->count, shape->count);
}

static bool read_v2_input(struct scan *s, struct tensor_body *b)
{
	static const char *const known[] = { "name", "shape", "datatype", "data", "parameters" };
	struct v2_input in = { 0 };
	struct text name, ignored;
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: in.has_name = scan_string(s, &ignored); break;
		case 1: read_shape(s, &in.shape); break;
		case 2: in.has_type = read_datatype(s); break;
		case 3: grid_read(s, &in.data); break;
		case 4: scan_skip(s); break;
		}
	}
	const bool given[] = { in.has_name, in.shape.rank > 0, in.has_type, in.data.value };
	for (size_t i = 0; i < COUNT(given); i++)
		if (!given[i])
			return scan_missing(s, known[i]);
	if (s->rc || !check_shape(s, &in.shape, &in.data))
		return false;
	in.shape.value = in.data.value;
	grid_shape(&in.shape, b);
	return true;
}

static bool read_v2_inputs(struct scan *s, struct tensor_body *b)
{
	scan_array(s);
	for (int n = 0; scan_element(s); n++) {
		if (n > 0)
			return scan_fail(s, ERR_INVALID, "the model has exactly one input");
		read_v2_input(s, b);
	}
	return b->value || scan_fail(s, ERR_INVALID, "the model has exactly one input");
}

static bool read_v2_parameters(struct scan *s, struct tensor_body *b)
{
	struct text name;
	int64_t us;
	scan_object(s);
	while (scan_member(s, &name)) {
		if (!text_is(name, "timeout"))
			scan_skip(s);
		else if (scan_integer(s, 0, TIMEOUT_MAX_MS * INT64_C(1000), &us))
			b->timeout_ms = (us + 999) / 1000;
	}
	return !s->rc;
}

enum err infer_body_parse(const char *text, size_t len, struct arena *a, struct tensor_body *out, struct error *e)
{
	static const char *const known[] = { "id", "inputs", "outputs", "parameters" };
	struct tensor_body b = { .dialect = DIALECT_V2 };
	struct scan s;
	struct text name;

	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		switch (KNOWN(&s, name, known)) {
		case 0: scan_copy(&s, ID_MAX_BYTES, &b.id); break;
		case 1: read_v2_inputs(&s, &b); break;
		case 2: scan_skip(&s); break;
		case 3: read_v2_parameters(&s, &b); break;
		}
	}
	scan_end(&s);
	if (!b.value)
		scan_missing(&s, "inputs");
	if (!s.rc)
		*out = b;
	return s.rc;
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void write_numbers(struct strbuf *out, const double *v, size_t n)
{
	strbuf_addc(out, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			strbuf_addc(out, ',');
		number_write(out, v[i]);
	}
	strbuf_addc(out, ']');
}

static void write_matrix(struct strbuf *out, const double *v, size_t rows, size_t n)
{
	strbuf_addc(out, '[');
	for (size_t i = 0; i < rows; i++) {
		if (i)
			strbuf_addc(out, ',');
		write_numbers(out, v + i * n, n);
	}
	strbuf_addc(out, ']');
}

static void write_timestamps(struct strbuf *out, const int64_t *t, int n)
{
	char date[32];
	strbuf_adds(out, ",\"timestamps\":");
	if (!t) {
		strbuf_adds(out, "null");
		return;
	}
	for (int i = 0; i < n; i++) {
		strbuf_addc(out, i ? ',' : '[');
		date_format(t[i], date);
		json_write_string(out, date);
	}
	strbuf_addc(out, ']');
}

static void write_quantiles(struct strbuf *out, const struct forecast_output *o)
{
	strbuf_adds(out, ",\"quantiles\":{");
	for (int l = 0; l < o->levels; l++) {
		strbuf_adds(out, l ? ",\"" : "\"");
		number_write(out, o->level[l]);
		strbuf_adds(out, "\":");
		write_numbers(out, o->quantile + (size_t)l * o->quantile_stride, (size_t)o->steps);
	}
	strbuf_addc(out, '}');
}

static void write_attention(struct strbuf *out, const struct forecast_output *o)
{
	strbuf_adds(out, ",\"attention\":[");
	for (int h = 0; h < o->steps; h++) {
		strbuf_adds(out, h ? ",[" : "[");
		for (int t = 0; t < o->window; t++) {
			if (t)
				strbuf_addc(out, ',');
			number_write_float(out, o->attention[(size_t)h * (size_t)o->window + (size_t)t]);
		}
		strbuf_addc(out, ']');
	}
	strbuf_addc(out, ']');
}

static void write_output(struct strbuf *out, const struct forecast_output *o)
{
	strbuf_adds(out, "{\"target\":");
	json_write_string(out, o->target);
	write_timestamps(out, o->timestamp, o->steps);
	strbuf_adds(out, ",\"mean\":");
	write_numbers(out, o->mean, (size_t)o->steps);
	write_quantiles(out, o);
	if (o->attention)
		write_attention(out, o);
	strbuf_addc(out, '}');
}

static void write_skill(struct strbuf *out, const struct skill_view *v)
{
	if (!v || !v->verdict) {
		strbuf_adds(out, "null");
		return;
	}
	strbuf_adds(out, "{\"mase\":");
	number_write(out, v->mase);
	strbuf_adds(out, ",\"vs_naive\":");
	number_write(out, v->vs_naive);
	strbuf_adds(out, ",\"vs_seasonal_naive\":");
	number_write(out, v->vs_seasonal_naive);
	strbuf_adds(out, ",\"verdict\":");
	json_write_string(out, v->verdict);
	strbuf_addc(out, '}');
}

void forecast_render(const char *model, int version, const struct forecast_output *o, int outputs,
                     const struct skill_view *skill, const char *const *warnings, int n_warnings, struct strbuf *out)
{
	strbuf_adds(out, "{\"model\":");
	json_write_string(out, model);
	strbuf_addf(out, ",\"version\":%d,\"outputs\":[", version);
	for (int i = 0; i < outputs; i++) {
		if (i)
			strbuf_addc(out, ',');
		write_output(out, &o[i]);
	}
	strbuf_adds(out, "],\"skill\":");
	write_skill(out, skill);
	strbuf_adds(out, ",\"warnings\":[");
	for (int i = 0; i < n_warnings; i++) {
		if (i)
			strbuf_addc(out, ',');
		json_write_string(out, warnings[i]);
	}
	strbuf_adds(out, "]}");
}

void predict_render(enum tensor_dialect dialect, const double *value, size_t rows, size_t steps, size_t targets,
                    struct strbuf *out)
{
	strbuf_adds(out, dialect == DIALECT_INPUTS ? "{\"outputs\":[" : "{\"predictions\":[");
	for (size_t i = 0; i < rows; i++) {
		if (i)
			strbuf_addc(out, ',');
		write_matrix(out, value + i * steps * targets, steps, targets);
	}
	strbuf_adds(out, "]}");
}

void infer_render(const char *model, int version, const char *id, const double *value,
                  size_t rows, size_t steps, size_t targets, struct strbuf *out)
{
	strbuf_adds(out, "{\"model_name\":");
	json_write_string(out, model);
	strbuf_addf(out, ",\"model_version\":\"%d\"", version);
	if (id) {
		strbuf_adds(out, ",\"id\":");
		json_write_string(out, id);
	}
	strbuf_addf(out, ",\"outputs\":[{\"name\":\"output\",\"datatype\":\"FP64\",\"shape\":[%zu,%zu,%zu],\"data\":",
		rows, steps, targets);
	write_numbers(out, value, rows * steps * targets);
	strbuf_adds(out, "}]}");
}

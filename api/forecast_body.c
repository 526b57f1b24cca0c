/* forecast_body.c - predictions, in and out. */
#include "api/forecast_body.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/grid.h"
#include "api/inspect_body.h"
#include "api/json_write.h"
#include "api/number.h"
#include "api/priority.h"
#include "api/scan.h"
#include "api/series_body.h"
#include "model/series/calendar.h"

#define NAME_MAX_BYTES 64
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
	static const char *const known[] = { "quantile_levels", "return_attention", "return", "prediction_length",
	                                     "timeout_ms", "priority" };
	struct text name;
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: read_levels(s, b); break;
		case 1: scan_bool(s, &b->return_attention); break;
		case 2: inspect_names_read(s, INSPECT_ALL, &b->inside); break;
		case 3: scan_int(s, 1, NET_MAX_HORIZON, &b->prediction_length); break;
		case 4: scan_integer(s, 1, TIMEOUT_MAX_MS, &b->timeout_ms); break;
		case 5: priority_read(s, &b->bulk); break;
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

/* --- /v1/sessions/{id}/steps -------------------------------------------------------------------------------------- */

#define SEQUENCE_MAX (INT64_C(1) << 53)   /* beyond it a JSON number need not be exact */

enum err step_body_parse(const char *text, size_t len, struct arena *a, struct forecast_body *out, int64_t *sequence,
                         struct error *e)
{
	static const char *const known[] = { "sequence", "columns", "start", "parameters" };
	struct series_input *in = arena_calloc(a, 1, sizeof *in);
	struct forecast_body b = { .input = in, .inputs = 1 };
	struct number_pool pool = { 0 };
	struct scan s;
	struct text name;
	int64_t n = 0;

	if (!in)
		return fail_nomem(e);
	scan_init(&s, text, len, a, e);
	scan_object(&s);
	while (scan_member(&s, &name)) {
		switch (KNOWN(&s, name, known)) {
		case 0: scan_integer(&s, 1, SEQUENCE_MAX, &n); break;
		case 1: series_member(&s, SERIES_COLUMNS, &pool, in); break;
		case 2: series_member(&s, SERIES_START, &pool, in); break;
		case 3: read_parameters(&s, &b); break;
		}
	}
	scan_end(&s);
	if (!n)
		scan_missing(&s, "sequence");
	if (!in->column)
		scan_missing(&s, "columns");
	if (!s.rc) {
		*out = b;
		*sequence = n;
	}
	return s.rc;
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

/* Rows of steps, of columns perhaps. */
static bool read_sequences(struct scan *s, struct tensor_body *b)
{
	struct grid g;
	if (!grid_read(s, &g))
		return false;
	if (g.rank < 2)
		return scan_fail(
			s, ERR_INVALID, "expected [rows][steps][columns] or [rows][steps], found one list of numbers");
	b->value = g.value;
	grid_sizes(&g, &b->rows, &b->steps, &b->columns);
	return grid_check_rows(s, b->rows);
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

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void write_matrix(struct strbuf *out, const double *v, size_t rows, size_t n)
{
	strbuf_addc(out, '[');
	for (size_t i = 0; i < rows; i++) {
		if (i)
			strbuf_addc(out, ',');
		json_write_numbers(out, v + i * n, n);
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
		json_write_numbers(out, o->quantile + (size_t)l * o->quantile_stride, (size_t)o->steps);
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
	json_write_numbers(out, o->mean, (size_t)o->steps);
	write_quantiles(out, o);
	if (o->attention)
		write_attention(out, o);
	if (o->inside)
		strbuf_add(out, o->inside->s, o->inside->len);
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

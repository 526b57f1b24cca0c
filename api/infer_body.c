#include "api/infer_body.h"

#include <endian.h>
#include <math.h>
#include <string.h>

#include "api/grid.h"
#include "api/json_write.h"
#include "api/priority.h"
#include "api/scan.h"

#define ID_MAX_BYTES   256
#define SEQUENCE_MAX_BYTES 64
#define DIGITS_MAX     20   /* of 64 bits */
#define TIMEOUT_MAX_MS 3600000
#define COUNT(table)   (sizeof(table) / sizeof *(table))
#define KNOWN(s, name, table) scan_known(s, name, table, COUNT(table))

/* A datatype and the bytes that a number has in a binary tensor; 0: taken as text only. */
struct datatype { const char *name; size_t width; };
static const struct datatype datatypes[] = {
	{ "FP32", 4 }, { "FP64", 8 }, { "INT8", 0 }, { "INT16", 0 }, { "INT32", 0 }, { "INT64", 0 },
	{ "UINT8", 0 }, { "UINT16", 0 }, { "UINT32", 0 }, { "UINT64", 0 },
};

/* What an answer shall be like; an output's own wish comes first. */
enum wish { WISH_NONE, WISH_TEXT, WISH_BINARY };

struct infer_scan {
	struct scan s;
	struct text tail;               /* behind the JSON */
	struct tensor_body body;
	enum wish output, outputs;      /* of the output, of the request */
};

struct v2_input {
	struct grid shape, data;
	const struct datatype *type;
	bool has_name, has_bytes;
	int64_t bytes;                  /* binary_data_size */
};

/* --- the input ---------------------------------------------------------------------------------------------------- */

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
	return grid_check_rows(s, shape->dim[0]);
}

static bool read_datatype(struct scan *s, const struct datatype **out)
{
	struct text t;
	if (!scan_string(s, &t))
		return false;
	for (size_t i = 0; i < COUNT(datatypes); i++) {
		if (text_is(t, datatypes[i].name)) {
			*out = &datatypes[i];
			return true;
		}
	}
	return scan_fail(s, ERR_INVALID,
		"datatype \"%.*s\" is not taken; FP32, FP64, INT8 to INT64 and UINT8 to UINT64 are",
		(int)(t.len < 32 ? t.len : 32), t.s);
}

/* Those that are unknown mean nothing to this model. */
static bool read_input_parameters(struct scan *s, struct v2_input *in)
{
	struct text name;
	scan_object(s);
	while (scan_member(s, &name)) {
		if (text_is(name, "binary_data_size"))
			in->has_bytes = scan_integer(s, 0, INT64_C(1) << 40, &in->bytes);
		else
			scan_skip(s);
	}
	return !s->rc;
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

static double number_at(const char *p, size_t width)
{
	uint32_t single;
	uint64_t u;
	float f;
	double d;
	if (width == sizeof f) {
		memcpy(&single, p, sizeof single);
		single = le32toh(single);
		memcpy(&f, &single, sizeof f);
		return (double)f;
	}
	memcpy(&u, p, sizeof u);
	u = le64toh(u);
	memcpy(&d, &u, sizeof d);
	return d;
}

/* The bytes behind the JSON are the tensor, row-major and little-endian; NaN is a missing value, as null is in text. */
static bool read_binary(struct scan *s, struct text tail, const struct v2_input *in, const double **out)
{
	size_t width = in->type->width, n = in->shape.count;
	if (!width)
		return scan_fail(s, ERR_INVALID, "binary data are taken as FP32 or FP64, not %s", in->type->name);
	if ((uint64_t)in->bytes != n * width)
		return scan_fail(s, ERR_INVALID, "\"binary_data_size\" is %lld, \"shape\" and \"datatype\" say %zu",
			(long long)in->bytes, n * width);
	if (tail.len != n * width)
		return scan_fail(s, ERR_INVALID, "%zu bytes follow the JSON, \"binary_data_size\" says %zu "
			"(the header Inference-Header-Content-Length is the JSON's length)", tail.len, n * width);
	double *value = arena_alloc(s->arena, n * sizeof *value);
	if (!value) {
		s->rc = fail_nomem(s->error);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		value[i] = number_at(tail.s + i * width, width);
		if (isinf(value[i]))
			return scan_fail(s, ERR_INVALID, "number %zu of the binary data is infinite", i);
	}
	*out = value;
	return true;
}

static bool check_given(struct scan *s, const struct v2_input *in)
{
	if (!in->has_name)
		return scan_missing(s, "name");
	if (!in->shape.rank)
		return scan_missing(s, "shape");
	if (!in->type)
		return scan_missing(s, "datatype");
	if (!in->data.value && !in->has_bytes)
		return scan_missing(s, "data");
	if (in->data.value && in->has_bytes)
		return scan_fail(s, ERR_INVALID, "expected either \"data\" or \"binary_data_size\", not both");
	return !s->rc;
}

static bool read_input(struct infer_scan *q)
{
	static const char *const known[] = { "name", "shape", "datatype", "data", "parameters" };
	struct scan *s = &q->s;
	struct v2_input in = { 0 };
	struct text name, ignored;
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: in.has_name = scan_string(s, &ignored); break;
		case 1: read_shape(s, &in.shape); break;
		case 2: read_datatype(s, &in.type); break;
		case 3: grid_read(s, &in.data); break;
		case 4: read_input_parameters(s, &in); break;
		}
	}
	if (!check_given(s, &in))
		return false;
	if (in.has_bytes) {
		if (!read_binary(s, q->tail, &in, &in.shape.value))
			return false;
		q->tail.len = 0;
	} else {
		if (!check_shape(s, &in.shape, &in.data))
			return false;
		in.shape.value = in.data.value;
	}
	q->body.value = in.shape.value;
	q->body.single = in.type->width == sizeof(float);
	grid_sizes(&in.shape, &q->body.rows, &q->body.steps, &q->body.columns);
	return true;
}

static bool read_inputs(struct infer_scan *q)
{
	scan_array(&q->s);
	for (int n = 0; scan_element(&q->s); n++) {
		if (n > 0)
			return scan_fail(&q->s, ERR_INVALID, "the model has exactly one input");
		read_input(q);
	}
	return q->body.value || scan_fail(&q->s, ERR_INVALID, "the model has exactly one input");
}

/* --- the rest ----------------------------------------------------------------------------------------------------- */

static void read_wish(struct scan *s, enum wish *out)
{
	bool binary;
	if (scan_bool(s, &binary))
		*out = binary ? WISH_BINARY : WISH_TEXT;
}

static bool read_output_parameters(struct infer_scan *q)
{
	struct text name;
	scan_object(&q->s);
	while (scan_member(&q->s, &name)) {
		if (text_is(name, "binary_data"))
			read_wish(&q->s, &q->output);
		else
			scan_skip(&q->s);
	}
	return !q->s.rc;
}

static bool read_output(struct infer_scan *q)
{
	static const char *const known[] = { "name", "parameters" };
	struct text name, output = { 0 };
	scan_object(&q->s);
	while (scan_member(&q->s, &name)) {
		switch (KNOWN(&q->s, name, known)) {
		case 0: scan_string(&q->s, &output); break;
		case 1: read_output_parameters(q); break;
		}
	}
	return !q->s.rc;
}

static bool read_outputs(struct infer_scan *q)
{
	scan_array(&q->s);
	while (scan_element(&q->s))
		read_output(q);
	return !q->s.rc;
}

/* A number is taken by its digits: all of 64 bits, where a double would lose the last ones. */
static bool read_digits(struct scan *s, struct text *out)
{
	if (!scan_raw(s, out))
		return false;
	for (size_t i = 0; i < out->len; i++)
		if (out->len > DIGITS_MAX || out->s[i] < '0' || out->s[i] > '9')
			return scan_fail(s, ERR_INVALID, "expected a whole number of at most %d digits, or a string", DIGITS_MAX);
	return true;
}

static bool read_sequence(struct scan *s, const char **out)
{
	struct text t;
	if (scan_peek(s) == SCAN_STRING ? !scan_string(s, &t) : !read_digits(s, &t))
		return false;
	if (t.len > SEQUENCE_MAX_BYTES)
		return scan_fail(s, ERR_INVALID, "longer than %d bytes", SEQUENCE_MAX_BYTES);
	if (!t.len || text_is(t, "0"))
		return true;
	*out = arena_strndup(s->arena, t.s, t.len);
	if (!*out)
		s->rc = fail_nomem(s->error);
	return !s->rc;
}

static bool read_timeout(struct scan *s, int64_t *out_ms)
{
	int64_t us;
	if (scan_integer(s, 0, TIMEOUT_MAX_MS * INT64_C(1000), &us))
		*out_ms = (us + 999) / 1000;
	return !s->rc;
}

static bool read_parameters(struct infer_scan *q)
{
	struct scan *s = &q->s;
	struct text name;
	scan_object(s);
	while (scan_member(s, &name)) {
		if (text_is(name, "binary_data_output"))
			read_wish(s, &q->outputs);
		else if (text_is(name, "priority"))
			priority_number_read(s, &q->body.bulk);
		else if (text_is(name, "timeout"))
			read_timeout(s, &q->body.timeout_ms);
		else if (text_is(name, "sequence_id"))
			read_sequence(s, &q->body.sequence);
		else if (text_is(name, "sequence_start"))
			scan_bool(s, &q->body.sequence_start);
		else if (text_is(name, "sequence_end"))
			scan_bool(s, &q->body.sequence_end);
		else
			scan_skip(s);
	}
	if (!s->rc && !q->body.sequence && (q->body.sequence_start || q->body.sequence_end))
		return scan_fail(s, ERR_INVALID, "a sequence that starts or ends needs a \"sequence_id\"");
	return !s->rc;
}

enum err infer_body_parse(const char *text, size_t len, size_t json_len, struct arena *a, struct tensor_body *out,
                          struct error *e)
{
	static const char *const known[] = { "id", "inputs", "outputs", "parameters" };
	struct infer_scan q;
	struct scan *s = &q.s;
	struct text name;

	if (json_len > len)
		return fail(e, ERR_SYNTAX, "Inference-Header-Content-Length", "the JSON shall have %zu bytes, the body has %zu",
			json_len, len);
	q.tail = (struct text){ text + json_len, len - json_len };
	q.body = (struct tensor_body){ .dialect = DIALECT_V2 };
	q.output = q.outputs = WISH_NONE;
	scan_init(s, text, json_len, a, e);
	scan_object(s);
	while (scan_member(s, &name)) {
		switch (KNOWN(s, name, known)) {
		case 0: scan_copy(s, ID_MAX_BYTES, &q.body.id); break;
		case 1: read_inputs(&q); break;
		case 2: read_outputs(&q); break;
		case 3: read_parameters(&q); break;
		}
	}
	scan_end(s);
	if (!q.body.value)
		scan_missing(s, "inputs");
	if (q.tail.len > 0)
		scan_fail(s, ERR_INVALID, "%zu bytes follow the JSON that no input's \"binary_data_size\" speaks of",
			q.tail.len);
	q.body.binary = (q.output ? q.output : q.outputs) == WISH_BINARY;
	if (!s->rc)
		*out = q.body;
	return s->rc;
}

/* --- the answer --------------------------------------------------------------------------------------------------- */

static void write_binary(struct strbuf *out, const double *value, size_t n, bool single)
{
	for (size_t i = 0; i < n; i++) {
		if (single) {
			float f = (float)value[i];
			uint32_t u;
			memcpy(&u, &f, sizeof u);
			u = htole32(u);
			strbuf_add(out, &u, sizeof u);
		} else {
			uint64_t u;
			memcpy(&u, &value[i], sizeof u);
			u = htole64(u);
			strbuf_add(out, &u, sizeof u);
		}
	}
}

size_t infer_render(const char *model, int version, const struct tensor_body *asked, const double *value,
                    size_t rows, size_t steps, size_t targets, struct strbuf *out)
{
	size_t n = rows * steps * targets;
	bool single = asked->binary && asked->single;
	strbuf_adds(out, "{\"model_name\":");
	json_write_string(out, model);
	strbuf_addf(out, ",\"model_version\":\"%d\"", version);
	if (asked->id) {
		strbuf_adds(out, ",\"id\":");
		json_write_string(out, asked->id);
	}
	strbuf_addf(out, ",\"outputs\":[{\"name\":\"output\",\"datatype\":\"%s\",\"shape\":[%zu,%zu,%zu],",
		single ? "FP32" : "FP64", rows, steps, targets);
	if (!asked->binary) {
		strbuf_adds(out, "\"data\":");
		json_write_numbers(out, value, n);
		strbuf_adds(out, "}]}");
		return 0;
	}
	strbuf_addf(out, "\"parameters\":{\"binary_data_size\":%zu}}]}", n * (single ? sizeof(float) : sizeof(double)));
	size_t json_len = out->len;
	write_binary(out, value, n, single);
	return json_len;
}

/* safetensors.c - see safetensors.h. Numbers are moved byte by byte, so any machine and any alignment will do. */
#include "api/safetensors.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/json_tree.h"
#include "api/json_write.h"

#define LENGTH_BYTES 8
#define METADATA     "__metadata__"
#define DOCUMENT     "gatecast"

static const struct tree_limits header_limits = { .bytes = SAFETENSORS_MAX_HEADER, .tokens = 16 * SAFETENSORS_MAX_TENSORS };

static const struct { const char *name; size_t size; } number_types[] = {
	[NUMBER_F64] = { "F64", 8 }, [NUMBER_F32] = { "F32", 4 }, [NUMBER_F16] = { "F16", 2 }, [NUMBER_BF16] = { "BF16", 2 },
};
#define NUMBER_TYPES ((int)(sizeof number_types / sizeof *number_types))

/* --- the header ----------------------------------------------------------------------------------------------------- */

/* A tensor while the header is read: where its bytes begin and end behind the header. */
struct entry { struct stored_tensor tensor; size_t begin, end; };

static uint64_t read_little_endian(const unsigned char *p, size_t n)
{
	uint64_t v = 0;
	for (size_t i = 0; i < n; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static enum err read_type(const json_t *o, struct stored_tensor *t, struct error *e)
{
	const char *name = json_string_value(json_object_get(o, "dtype"));
	for (int i = 0; name && i < NUMBER_TYPES; i++) {
		if (!strcmp(name, number_types[i].name)) {
			t->type = (enum number_type)i;
			return ERR_OK;
		}
	}
	return fail(e, ERR_INVALID, t->name, "the dtype of %s is %s%.20s; expected F32, F64, F16 or BF16", t->name,
	            name ? "" : "missing", name ? name : "");
}

/* A whole number in 0 … most; false when v is anything else. */
static bool whole(const json_t *v, double most, size_t *out)
{
	double d = json_is_real(v) ? json_real_value(v) : -1;
	if (!(d >= 0 && d <= most && d == floor(d)))
		return false;
	*out = (size_t)d;
	return true;
}

static enum err read_shape(const json_t *o, struct stored_tensor *t, struct error *e)
{
	const json_t *shape = json_object_get(o, "shape");
	size_t ndim = json_array_size(shape), dim;
	if (!json_is_array(shape) || ndim > SAFETENSORS_MAX_DIMS)
		return fail(e, ERR_INVALID, t->name, "the shape of %s is no list of at most %d numbers", t->name, SAFETENSORS_MAX_DIMS);
	t->ndim = (int)ndim;
	t->count = 1;
	for (size_t i = 0; i < ndim; i++) {
		if (!whole(json_array_get(shape, i), SAFETENSORS_MAX_DIM, &dim) || !dim)
			return fail(e, ERR_INVALID, t->name, "dimension %zu of %s is no whole number from 1 to %d", i, t->name,
			            SAFETENSORS_MAX_DIM);
		if (__builtin_mul_overflow(t->count, dim, &t->count))
			return fail(e, ERR_INVALID, t->name, "the shape of %s overflows", t->name);
		t->shape[i] = (int)dim;
	}
	return ERR_OK;
}

static enum err read_offsets(const json_t *o, size_t data, struct entry *n, struct error *e)
{
	const struct stored_tensor *t = &n->tensor;
	const json_t *offsets = json_object_get(o, "data_offsets");
	size_t size;
	if (json_array_size(offsets) != 2 || !whole(json_array_get(offsets, 0), (double)data, &n->begin)
	    || !whole(json_array_get(offsets, 1), (double)data, &n->end) || n->begin > n->end)
		return fail(e, ERR_INVALID, t->name, "the data_offsets of %s are no range within the %zu bytes that follow the header",
		            t->name, data);
	if (__builtin_mul_overflow(t->count, number_types[t->type].size, &size) || size != n->end - n->begin)
		return fail(e, ERR_INVALID, t->name, "the data_offsets of %s hold %zu bytes; its shape and dtype make another size",
		            t->name, n->end - n->begin);
	return ERR_OK;
}

static enum err read_entry(const char *name, const json_t *o, size_t data, struct entry *n, struct error *e)
{
	size_t len = strlen(name);
	if (len == 0 || len > SAFETENSORS_MAX_NAME)
		return fail(e, ERR_INVALID, name, "a tensor's name has %zu bytes, expected 1 to %d", len, SAFETENSORS_MAX_NAME);
	memcpy(n->tensor.name, name, len + 1);
	if (!json_is_object(o) || json_object_size(o) != 3)
		return fail(e, ERR_INVALID, name, "%s is no object of dtype, shape and data_offsets", name);
	enum err rc = read_type(o, &n->tensor, e);
	if (!rc)
		rc = read_shape(o, &n->tensor, e);
	return rc ? rc : read_offsets(o, data, n, e);
}

static enum err read_metadata(json_t *metadata, char **document, struct error *e)
{
	const char *name;
	json_t *value;
	if (!json_is_object(metadata))
		return fail(e, ERR_INVALID, METADATA, "%s is no object", METADATA);
	json_object_foreach(metadata, name, value)
		if (!json_is_string(value))
			return fail(e, ERR_INVALID, METADATA, "%s holds a value that is no text at \"%.80s\"", METADATA, name);
	const char *text = json_string_value(json_object_get(metadata, DOCUMENT));
	if (text && !(*document = strdup(text)))
		return fail_nomem(e);
	return ERR_OK;
}

static int by_begin(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Together the tensors cover every byte once. */
static enum err check_cover(const struct entry *entry, int n, size_t data, struct error *e)
{
	size_t at = 0;
	for (int i = 0; i < n; i++) {
		const char *name = entry[i].tensor.name;
		if (entry[i].begin != at)
			return fail(e, ERR_INVALID, name, "the bytes of %s begin at %zu, those before it end at %zu", name,
			            entry[i].begin, at);
		at = entry[i].end;
	}
	if (at != data)
		return fail(e, ERR_INVALID, "", "the tensors hold %zu bytes, %zu follow the header", at, data);
	return ERR_OK;
}

static enum err read_header(json_t *tree, const unsigned char *data, size_t len, struct safetensors *out, struct error *e)
{
	const char *name;
	json_t *value;
	enum err rc = ERR_OK;
	size_t most = json_object_size(tree);
	if (!json_is_object(tree) || most > SAFETENSORS_MAX_TENSORS + 1)
		return fail(e, ERR_INVALID, "header", "the header is no object of at most %d tensors", SAFETENSORS_MAX_TENSORS);
	struct entry *entry = calloc(most + 1, sizeof *entry);
	out->tensor = calloc(most + 1, sizeof *out->tensor);
	if (!entry || !out->tensor) {
		rc = fail_nomem(e);
		goto done;
	}
	json_object_foreach(tree, name, value) {
		if (!strcmp(name, METADATA))
			rc = read_metadata(value, &out->document, e);
		else
			rc = read_entry(name, value, len, &entry[out->n++], e);
		if (rc)
			goto done;
	}
	qsort(entry, (size_t)out->n, sizeof *entry, by_begin);
	rc = check_cover(entry, out->n, len, e);
	for (int i = 0; i < out->n; i++) {
		out->tensor[i] = entry[i].tensor;
		out->tensor[i].bytes = data + entry[i].begin;
	}
done:
	free(entry);
	return rc;
}

enum err safetensors_parse(const void *bytes, size_t len, struct safetensors *out, struct error *e)
{
	struct safetensors s = { 0 };
	const unsigned char *p = bytes;
	json_t *tree = NULL;
	if (len < LENGTH_BYTES)
		return fail(e, ERR_SYNTAX, "header", "the file has %zu bytes, too few for a header", len);
	uint64_t header = read_little_endian(p, LENGTH_BYTES);
	if (header > SAFETENSORS_MAX_HEADER)
		return fail(e, ERR_TOO_LARGE, "header", "the header has %llu bytes, the limit is %u", (unsigned long long)header,
		            SAFETENSORS_MAX_HEADER);
	size_t ahead = LENGTH_BYTES + (size_t)header;
	if (ahead > len)
		return fail(e, ERR_SYNTAX, "header", "the header has %zu bytes, only %zu follow its length", (size_t)header,
		            len - LENGTH_BYTES);
	if (!header || p[LENGTH_BYTES] != '{')
		return fail(e, ERR_SYNTAX, "header", "the header does not begin with {");
	enum err rc = tree_parse((const char *)p + LENGTH_BYTES, (size_t)header, &header_limits, &tree, e);
	if (rc)
		return rc;
	rc = read_header(tree, p + ahead, len - ahead, &s, e);
	json_decref(tree);
	if (rc)
		safetensors_fini(&s);
	else
		*out = s;
	return rc;
}

void safetensors_fini(struct safetensors *s)
{
	free(s->tensor);
	free(s->document);
	*s = (struct safetensors){ 0 };
}

const struct stored_tensor *safetensors_find(const struct safetensors *s, const char *name)
{
	for (int i = 0; i < s->n; i++)
		if (!strcmp(s->tensor[i].name, name))
			return &s->tensor[i];
	return NULL;
}

/* --- numbers -------------------------------------------------------------------------------------------------------- */

static float float_of_bits(uint32_t bits)
{
	float v;
	memcpy(&v, &bits, sizeof v);
	return v;
}

static float double_to_float(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof v);
	return (float)v;
}

/* IEEE 754 binary16: 1 sign, 5 exponent (bias 15), 10 fraction. */
static float half_to_float(uint32_t bits)
{
	uint32_t sign = bits >> 15 << 31, exponent = bits >> 10 & 31, fraction = bits & 1023;
	if (exponent == 31)
		return float_of_bits(sign | 255u << 23 | fraction << 13);
	if (exponent == 0)
		return ldexpf(sign ? -(float)fraction : (float)fraction, -24);
	return float_of_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

float stored_number(enum number_type type, const unsigned char *bytes)
{
	uint64_t bits = read_little_endian(bytes, number_types[type].size);
	switch (type) {
	case NUMBER_F64:  return double_to_float(bits);
	case NUMBER_F32:  return float_of_bits((uint32_t)bits);
	case NUMBER_F16:  return half_to_float((uint32_t)bits);
	case NUMBER_BF16: return float_of_bits((uint32_t)bits << 16);
	}
	return NAN;
}

enum err stored_tensor_read(const struct stored_tensor *t, float *out, struct error *e)
{
	for (size_t i = 0; i < t->count; i++) {
		out[i] = stored_number(t->type, t->bytes + i * number_types[t->type].size);
		if (!isfinite(out[i]))
			return fail(e, ERR_INVALID, t->name, "number %zu of %s is not finite as a float", i, t->name);
	}
	return ERR_OK;
}

/* --- writing -------------------------------------------------------------------------------------------------------- */

static size_t view_count(const struct tensor_view *t)
{
	size_t count = 1;
	for (int i = 0; i < t->ndim; i++)
		count *= t->shape[i];
	return count;
}

static void write_little_endian(struct strbuf *out, uint64_t v, size_t n)
{
	unsigned char bytes[LENGTH_BYTES];
	for (size_t i = 0; i < n; i++)
		bytes[i] = (unsigned char)(v >> (8 * i) & 255);
	strbuf_add(out, bytes, n);
}

static void write_entry(const struct tensor_view *t, size_t at, struct strbuf *out)
{
	json_write_string(out, t->name);
	strbuf_adds(out, ":{\"dtype\":\"F32\",\"shape\":[");
	for (int i = 0; i < t->ndim; i++)
		strbuf_addf(out, "%s%zu", i ? "," : "", t->shape[i]);
	strbuf_addf(out, "],\"data_offsets\":[%zu,%zu]}", at, at + view_count(t) * sizeof(float));
}

static void write_header(const struct tensor_view *const *t, int n, const char *document, struct strbuf *out)
{
	size_t at = 0;
	strbuf_addc(out, '{');
	if (document) {
		strbuf_adds(out, "\"" METADATA "\":{\"" DOCUMENT "\":");
		json_write_string(out, document);
		strbuf_addc(out, '}');
	}
	for (int i = 0; i < n; i++) {
		if (i || document)
			strbuf_addc(out, ',');
		write_entry(t[i], at, out);
		at += view_count(t[i]) * sizeof(float);
	}
	strbuf_addc(out, '}');
	while (out->len % LENGTH_BYTES && strbuf_ok(out))
		strbuf_addc(out, ' ');
}

static void write_numbers(const struct tensor_view *t, struct strbuf *out)
{
	for (size_t i = 0, n = view_count(t); i < n; i++) {
		uint32_t bits;
		memcpy(&bits, &t->value[i], sizeof bits);
		write_little_endian(out, bits, sizeof bits);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct tensor_view *const *x = a, *const *y = b;
	return strcmp((*x)->name, (*y)->name);
}

void safetensors_write(const struct tensor_view *t, int n, const char *document, struct strbuf *out)
{
	struct strbuf header;
	const struct tensor_view **sorted = calloc((size_t)n + 1, sizeof *sorted);
	strbuf_init(&header, SAFETENSORS_MAX_HEADER);
	if (!sorted) {
		out->failed = true;
		return;
	}
	for (int i = 0; i < n; i++)
		sorted[i] = &t[i];
	qsort(sorted, (size_t)n, sizeof *sorted, by_name);
	write_header(sorted, n, document, &header);
	if (!strbuf_ok(&header))
		out->failed = true;
	write_little_endian(out, header.len, LENGTH_BYTES);
	strbuf_add(out, header.s, header.len);
	for (int i = 0; i < n; i++)
		write_numbers(sorted[i], out);
	free(sorted);
	strbuf_fini(&header);
}

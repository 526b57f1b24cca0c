/* test_weights.c - safetensors files, good and hostile, and what the import makes of names and shapes. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/model_import.h"
#include "api/safetensors.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

/* A file: the header's text behind its length, then `data` zeros. Freed by the caller. */
static unsigned char *file_of(const char *header, size_t data, size_t *len)
{
	size_t n = strlen(header);
	unsigned char *file = calloc(1, 8 + n + data + 1);
	ck_assert_ptr_nonnull(file);
	for (int i = 0; i < 8; i++)
		file[i] = (unsigned char)(n >> (8 * i));
	memcpy(file + 8, header, n);
	*len = 8 + n + data;
	return file;
}

/* Exactly so many bytes on the heap, so that the address sanitizer sees one read too many. */
static unsigned char *exact(const unsigned char *bytes, size_t len)
{
	unsigned char *copy = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, len);
	return copy;
}

#define T(name, shape, begin, end) "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"
#define ONE(type, shape, offsets) "{\"a\":{\"dtype\":" type ",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

/* A GRU of 2 units over 1 input with a head of 4 rows: 24 + 48 + 24 + 24 + 32 + 16 bytes. */
#define GRU_IH T("r.weight_ih_l0", "[6,1]", 0, 24)
#define GRU_HH T("r.weight_hh_l0", "[6,2]", 24, 72)
#define GRU_BI T("r.bias_ih_l0", "[6]", 72, 96)
#define GRU_BH T("r.bias_hh_l0", "[6]", 96, 120)
#define HEAD_W T("fc.weight", "[4,2]", 120, 152)
#define HEAD_B T("fc.bias", "[4]", 152, 168)
#define GRU GRU_IH "," GRU_HH "," GRU_BI "," GRU_BH "," HEAD_W "," HEAD_B
/* The same of Keras. */
#define KERAS_CELL T("gru/k/kernel", "[1,6]", 0, 24) "," T("gru/k/recurrent_kernel", "[2,6]", 24, 72)
#define KERAS_HEAD T("dense/kernel", "[2,4]", 120, 152) "," T("dense/bias", "[4]", 152, 168)

static const struct { const char *header; size_t data; enum err want; const char *where; } files[] = {
	/* what is fine */
	{ "{" GRU "}", 168, ERR_OK, "" },
	{ "{" GRU "}     ", 168, ERR_OK, "" },
	{ "{\"__metadata__\":{\"format\":\"pt\"}," GRU "}", 168, ERR_OK, "" },
	{ "{\"__metadata__\":{}," GRU "}", 168, ERR_OK, "" },
	{ "{" KERAS_CELL "," T("gru/k/bias", "[2,6]", 72, 120) "," KERAS_HEAD "}", 168, ERR_OK, "" },
	/* the header as text */
	{ "", 0, ERR_SYNTAX, "header" },
	{ " {}", 0, ERR_SYNTAX, "header" },
	{ "[]", 0, ERR_SYNTAX, "header" },
	{ "null", 0, ERR_SYNTAX, "header" },
	{ "{", 0, ERR_SYNTAX, "byte 1" },
	{ "{}x", 0, ERR_SYNTAX, "byte 2" },
	{ "{\"a\":NaN}", 0, ERR_SYNTAX, "byte 5" },
	{ "{\"\xff\":1}", 0, ERR_SYNTAX, "byte 2" },
	{ "{\"a\":[[[[[[[[[[]]]]]]]]]]}", 0, ERR_INVALID, "/a/0/0/0/0/0/0/0" },
	{ "{" GRU_IH "," GRU_IH "}", 24, ERR_INVALID, "/r.weight_ih_l0" },
	{ "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", 4, ERR_INVALID, "/a/dtype" },
	/* entries */
	{ "{}", 4, ERR_INVALID, "" },
	{ "{\"a\":1}", 0, ERR_INVALID, "a" },
	{ "{\"a\":null}", 0, ERR_INVALID, "a" },
	{ "{\"a\":{}}", 0, ERR_INVALID, "a" },
	{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, ERR_INVALID, "a" },
	{ "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4],\"more\":1}}", 4, ERR_INVALID, "a" },
	{ "{\"\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, ERR_INVALID, "" },
	/* dtypes */
	{ ONE("\"I64\"", "[1]", "[0,8]"), 8, ERR_INVALID, "a" },
	{ ONE("\"BOOL\"", "[1]", "[0,1]"), 1, ERR_INVALID, "a" },
	{ ONE("\"F8_E4M3\"", "[1]", "[0,1]"), 1, ERR_INVALID, "a" },
	{ ONE("\"f32\"", "[1]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"\"", "[1]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("32", "[1]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("null", "[1]", "[0,4]"), 4, ERR_INVALID, "a" },
	/* shapes */
	{ ONE("\"F32\"", "1", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "{}", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[0]", "[0,0]"), 0, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[-1]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1.5]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[\"1\"]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[null]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1,1,1,1,1]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[134217729]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[134217728,134217728,134217728]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F64\"", "[134217728,134217728,128]", "[0,0]"), 0, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1e300]", "[0,4]"), 4, ERR_INVALID, "a" },
	/* offsets */
	{ ONE("\"F32\"", "[1]", "[]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[0]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[0,4,8]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "\"04\""), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[4,0]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[-4,0]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[0,5]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[0,3]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[2]", "[0,4]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[0.5,4.5]"), 8, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[18446744073709551612,18446744073709551616]"), 4, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[4,8]"), 8, ERR_INVALID, "a" },
	{ ONE("\"F32\"", "[1]", "[0,4]"), 5, ERR_INVALID, "" },
	{ "{" T("a", "[1]", 0, 4) "," T("b", "[1]", 0, 4) "}", 4, ERR_INVALID, NULL },
	{ "{" T("a", "[1]", 0, 4) "," T("b", "[1]", 8, 12) "}", 12, ERR_INVALID, "b" },
	{ "{" T("a", "[2]", 0, 8) "," T("b", "[1]", 4, 8) "}", 8, ERR_INVALID, "b" },
	/* metadata */
	{ "{\"__metadata__\":[]," GRU "}", 168, ERR_INVALID, "__metadata__" },
	{ "{\"__metadata__\":{\"a\":1}," GRU "}", 168, ERR_INVALID, "__metadata__" },
	{ "{\"__metadata__\":{\"gatecast\":\"\"}," GRU "}", 168, ERR_SYNTAX, "byte 0" },
	{ "{\"__metadata__\":{\"gatecast\":\"{}\"}," GRU "}", 168, ERR_INVALID, "/format" },
	/* PyTorch: what does not fit */
	{ "{}", 0, ERR_INVALID, "weight_hh_l0" },
	{ ONE("\"F32\"", "[1]", "[0,4]"), 4, ERR_INVALID, "weight_hh_l0" },
	{ "{" T("weight_hh_l0", "[6]", 0, 24) "}", 24, ERR_INVALID, "weight_hh_l0" },
	{ "{" T("weight_hh_l0", "[10,2]", 0, 80) "}", 80, ERR_INVALID, "weight_hh_l0" },
	{ "{" T("weight_hh_l0", "[6,2]", 0, 48) "}", 48, ERR_INVALID, "weight_ih_l0" },
	{ "{" GRU_IH "," GRU_HH "}", 72, ERR_INVALID, "fc.weight" },
	{ "{" GRU_IH "," T("s.weight_hh_l0", "[6,2]", 24, 72) "}", 72, ERR_INVALID, "s.weight_hh_l0" },
	{ "{" GRU_IH "," GRU_HH "," T("r.weight_hh_l8", "[6,2]", 72, 120) "}", 120, ERR_INVALID, "r.weight_hh_l8" },
	{ "{" GRU_IH "," GRU_HH "," T("r.weight_hr_l0", "[1,2]", 72, 80) "}", 80, ERR_INVALID, "r.weight_hr_l0" },
	{ "{" GRU "," T("fc2.weight", "[1,4]", 168, 184) "}", 184, ERR_INVALID, "fc2.weight" },
	{ "{" GRU "," T("norm", "[4]", 168, 184) "}", 184, ERR_INVALID, "norm" },
	{ "{" GRU "," T("r.weight_hh_l1", "[6,2]", 168, 216) "}", 216, ERR_INVALID, "encoder.weight_ih_l1" },
	{ "{" GRU "," T("r.weight_hh_l0_reverse", "[6,2]", 168, 216) "}", 216, ERR_INVALID, "encoder.weight_ih_l0_reverse" },
	{ "{" GRU_IH "," GRU_HH "," GRU_BI "," T("r.bias_hh_l0", "[3]", 96, 108) "," T("fc.weight", "[4,2]", 108, 140) "}", 140,
	  ERR_INVALID, "r.bias_hh_l0" },
	{ "{" GRU_IH "," GRU_HH "," T("fc.weight", "[4,3]", 72, 120) "}", 120, ERR_INVALID, "fc.weight" },
	{ "{" GRU_IH "," GRU_HH "," T("fc.weight", "[4,2]", 72, 104) "," T("fc.bias", "[3]", 104, 116) "}", 116, ERR_INVALID, "fc.bias" },
	{ "{" GRU_IH "," GRU_HH "," T("fc.weight", "[4,2]", 72, 104) "," T("decoder.cell.weight_ih", "[6,2]", 104, 152) "}", 152,
	  ERR_INVALID, "horizon" },
	/* Keras */
	{ "{" T("gru/recurrent_kernel", "[6]", 0, 24) "}", 24, ERR_INVALID, "gru/recurrent_kernel" },
	{ "{" T("gru/recurrent_kernel", "[2,6]", 0, 48) "}", 48, ERR_INVALID, "kernel" },
	{ "{" KERAS_CELL "}", 72, ERR_INVALID, "dense/kernel" },
	{ "{" KERAS_CELL "," T("gru/k/bias", "[3,6]", 72, 144) "," T("dense/kernel", "[2,4]", 144, 176) "}", 176, ERR_INVALID, "gru/k/bias" },
	{ "{" KERAS_CELL "," T("b/backward_x/recurrent_kernel", "[2,6]", 72, 120) "}", 120, ERR_INVALID, NULL },
	{ "{" KERAS_CELL "," T("gru/k/bias", "[6]", 72, 96) "," T("dense/kernel", "[4,2]", 96, 128) "}", 128, ERR_INVALID, "dense/kernel" },
};

START_TEST(test_files)
{
	const struct import_options nothing = { 0 };
	struct imported m = { 0 };
	struct error e = { 0 };
	size_t len;
	unsigned char *file = file_of(files[_i].header, files[_i].data, &len), *copy = exact(file, len);
	enum err rc = model_import(WEIGHTS_SAFETENSORS, copy, len, &nothing, &m, &e);
	ck_assert_msg(rc == files[_i].want, "%s: code %s (%s: %s)", files[_i].header, err_row(rc)->label, e.where, e.what);
	if (rc && files[_i].where)
		ck_assert_msg(!strcmp(e.where, files[_i].where), "%s: at \"%s\" (%s)", files[_i].header, e.where, e.what);
	ck_assert(rc || m.n_weights == 24 / 4 + 48 / 4 + 48 / 4 + 32 / 4 + 16 / 4);
	ck_assert(!rc == (m.document != NULL));
	imported_fini(&m);
	free(copy);
	free(file);
}
END_TEST

/* A file may end anywhere and begin with any length. */
START_TEST(test_cut_and_bent)
{
	static const char good[] = "{" GRU "}";
	const struct import_options nothing = { 0 };
	struct imported m;
	size_t len;
	unsigned char *file = file_of(good, 168, &len);
	for (size_t cut = 0; cut < len; cut++) {
		unsigned char *copy = exact(file, cut);
		ck_assert(model_import(WEIGHTS_SAFETENSORS, copy, cut, &nothing, &m, NULL) != ERR_OK);
		free(copy);
	}
	for (int bit = 0; bit < 64; bit++) {
		struct error e;
		file[bit / 8] ^= (unsigned char)(1 << bit % 8);
		ck_assert(model_import(WEIGHTS_SAFETENSORS, file, len, &nothing, &m, &e) != ERR_OK);
		file[bit / 8] ^= (unsigned char)(1 << bit % 8);
	}
	free(file);
}
END_TEST

static const struct { struct import_options said; enum err want; const char *where; int horizon, targets; } options[] = {
	{ { 0 }, ERR_OK, "", 4, 1 },
	{ { .horizon = 4 }, ERR_OK, "", 4, 1 },
	{ { .targets = 1 }, ERR_OK, "", 4, 1 },
	{ { .horizon = 4, .targets = 1, .window = 7, .columns = "y", .decoder = "last" }, ERR_OK, "", 4, 1 },
	{ { .decoder = "mean" }, ERR_OK, "", 4, 1 },
	{ { .horizon = 3 }, ERR_INVALID, "horizon", 0, 0 },
	{ { .targets = 3 }, ERR_INVALID, "targets", 0, 0 },
	{ { .horizon = 5 }, ERR_INVALID, "horizon", 0, 0 },
	{ { .horizon = 2, .targets = 1 }, ERR_INVALID, "horizon", 0, 0 },
	{ { .horizon = 2 }, ERR_INVALID, "targets", 0, 0 },   /* two targets of one column */
	{ { .window = 20001 }, ERR_INVALID, "window", 0, 0 },
	{ { .columns = "" }, ERR_INVALID, "columns", 0, 0 },
	{ { .columns = "a,b" }, ERR_INVALID, "columns", 0, 0 },
	{ { .columns = "\xff" }, ERR_INVALID, "columns", 0, 0 },
	{ { .columns = "a123456789b123456789c123456789d123456789e123456789f123456789g1234" }, ERR_INVALID, "columns", 0, 0 },
	{ { .decoder = "first" }, ERR_INVALID, "decoder", 0, 0 },
	{ { .nonlinearity = "relu" }, ERR_INVALID, "nonlinearity", 0, 0 },
	{ { .nonlinearity = "gelu" }, ERR_INVALID, "nonlinearity", 0, 0 },
};

START_TEST(test_options)
{
	struct imported m = { 0 };
	struct document d;
	struct error e = { 0 };
	size_t len;
	unsigned char *file = file_of("{" GRU "}", 168, &len);
	enum err rc = model_import(WEIGHTS_SAFETENSORS, file, len, &options[_i].said, &m, &e);
	ck_assert_msg(rc == options[_i].want && !strcmp(e.where, options[_i].where), "%s: %s", e.where, e.what);
	if (!rc) {
		ck_assert_int_eq(document_parse(m.document, strlen(m.document), &d, &e), ERR_OK);
		ck_assert(d.net.horizon == options[_i].horizon && d.net.targets == options[_i].targets);
		ck_assert(d.pipeline.target[0].absolute && d.pipeline.channel[0].transform == TRANSFORM_NONE && !d.calibration);
		ck_assert_str_eq(d.preset, "gru");
	}
	imported_fini(&m);
	free(file);
}
END_TEST

/* What is written is read back with all bits, sorted, at a multiple of eight. */
START_TEST(test_round_trip)
{
	static const float numbers[] = { -0.0f, 1e-45f, 3.4028235e38f, 0.1f, -1, 7 };
	const struct tensor_view views[] = {
		{ "b", 2, { 2, 2 }, numbers }, { "c", 0, { 0 }, numbers + 4 }, { "a \"\xc3\xa9", 1, { 3 }, numbers + 3 },
	};
	struct strbuf out;
	struct safetensors s;
	struct error e;
	float got[4];
	strbuf_init(&out, 1 << 20);
	safetensors_write(views, 3, "{\"x\":\"\\n\"}", &out);
	ck_assert(strbuf_ok(&out) && (out.len - 8 * sizeof(float)) % 8 == 0);
	ck_assert_msg(safetensors_parse(out.s, out.len, &s, &e) == ERR_OK, "%s: %s", e.where, e.what);
	ck_assert_int_eq(s.n, 3);
	ck_assert_str_eq(s.document, "{\"x\":\"\\n\"}");
	ck_assert_str_eq(s.tensor[0].name, "a \"\xc3\xa9");
	for (int i = 0; i < 3; i++) {
		const struct stored_tensor *t = safetensors_find(&s, views[i].name);
		ck_assert(t && t->ndim == views[i].ndim);
		ck_assert_int_eq(stored_tensor_read(t, got, &e), ERR_OK);
		ck_assert(!memcmp(got, views[i].value, t->count * sizeof *got));
	}
	ck_assert_ptr_null(safetensors_find(&s, "d"));
	safetensors_fini(&s);
	strbuf_fini(&out);
}
END_TEST

static const struct { const char *type, *bytes; size_t size; bool finite; float want; } numbers[] = {
	{ "F16", "\x00\x3c", 2, true, 1 },           { "F16", "\x00\xc0", 2, true, -2 },
	{ "F16", "\x01\x00", 2, true, 0x1p-24f },    { "F16", "\xff\x83", 2, true, -1023 * 0x1p-24f },
	{ "F16", "\xff\x7b", 2, true, 65504 },       { "F16", "\x00\x00", 2, true, 0 },
	{ "F16", "\x00\x7c", 2, false, 0 },          { "F16", "\x01\xfe", 2, false, 0 },
	{ "BF16", "\x80\x3f", 2, true, 1 },          { "BF16", "\x80\x7f", 2, false, 0 },
	{ "F32", "\x00\x00\x80\xbf", 4, true, -1 },  { "F32", "\x00\x00\xc0\x7f", 4, false, 0 },
	{ "F32", "\x00\x00\x80\xff", 4, false, 0 },
	{ "F64", "\x00\x00\x00\x00\x00\x00\xf0\x3f", 8, true, 1 },
	{ "F64", "\x9a\x99\x99\x99\x99\x99\xb9\x3f", 8, true, 0.1f },
	{ "F64", "\x00\x00\x00\x00\x00\x00\xf0\x47", 8, false, 0 },   /* 2^128: no float */
	{ "F64", "\x00\x00\x00\x00\x00\x00\xf8\x7f", 8, false, 0 },
};

START_TEST(test_numbers)
{
	char header[128];
	struct safetensors s;
	struct error e;
	size_t len;
	float got = NAN;
	snprintf(header, sizeof header, ONE("\"%s\"", "[]", "[0,%zu]"), numbers[_i].type, numbers[_i].size);
	unsigned char *file = file_of(header, numbers[_i].size, &len);
	memcpy(file + len - numbers[_i].size, numbers[_i].bytes, numbers[_i].size);
	ck_assert_int_eq(safetensors_parse(file, len, &s, &e), ERR_OK);
	ck_assert_int_eq(stored_tensor_read(&s.tensor[0], &got, &e), numbers[_i].finite ? ERR_OK : ERR_INVALID);
	if (numbers[_i].finite)
		ck_assert_msg(got == numbers[_i].want, "%s: %g, expected %g", numbers[_i].type, (double)got, (double)numbers[_i].want);
	else
		ck_assert_str_eq(e.where, "a");
	safetensors_fini(&s);
	free(file);
}
END_TEST

/* A header of too many tensors, and one that is as long as the limit. */
START_TEST(test_limits)
{
	struct strbuf header;
	struct safetensors s;
	struct error e;
	size_t len;
	strbuf_init(&header, 4u << 20);
	strbuf_addc(&header, '{');
	for (int i = 0; i <= SAFETENSORS_MAX_TENSORS + 1; i++)
		strbuf_addf(&header, "%s\"t%d\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[%d,%d]}", i ? "," : "", i, 4 * i, 4 * i + 4);
	strbuf_addc(&header, '}');
	unsigned char *file = file_of(header.s, 4 * (SAFETENSORS_MAX_TENSORS + 2), &len);
	ck_assert_int_eq(safetensors_parse(file, len, &s, &e), ERR_INVALID);
	free(file);
	strbuf_reset(&header);
	strbuf_adds(&header, "{\"\":1");
	while (header.len < SAFETENSORS_MAX_HEADER)
		strbuf_addc(&header, ' ');
	file = file_of(header.s, 0, &len);
	ck_assert_int_eq(safetensors_parse(file, len, &s, &e), ERR_SYNTAX);
	free(file);
	strbuf_addc(&header, ' ');
	file = file_of(header.s, 0, &len);
	ck_assert_int_eq(safetensors_parse(file, len, &s, &e), ERR_TOO_LARGE);
	free(file);
	strbuf_fini(&header);
}
END_TEST

/* An imported model leaves as a file that comes back to the same bits. */
START_TEST(test_import_export)
{
	const struct import_options said = { .window = 5, .columns = "y" }, nothing = { 0 };
	struct imported m, again;
	struct strbuf out;
	struct error e;
	size_t len;
	unsigned char *file = file_of("{" GRU "}", 168, &len);
	for (size_t i = 0; i < 168 / 4; i++) {
		float v = (float)i / 7 - 2;
		memcpy(file + len - 168 + 4 * i, &v, sizeof v);
	}
	strbuf_init(&out, 1 << 20);
	ck_assert_int_eq(model_import(WEIGHTS_SAFETENSORS, file, len, &said, &m, &e), ERR_OK);
	const struct model_numbers n = { m.weights, m.n_weights, NULL, 0 };
	ck_assert_int_eq(model_export(WEIGHTS_SAFETENSORS, m.document, &n, &out, &e), ERR_OK);
	ck_assert_msg(model_import(WEIGHTS_SAFETENSORS, out.s, out.len, &nothing, &again, &e) == ERR_OK, "%s: %s", e.where, e.what);
	ck_assert_str_eq(m.document, again.document);
	ck_assert(m.n_weights == again.n_weights && !memcmp(m.weights, again.weights, m.n_weights * sizeof *m.weights));
	ck_assert_int_eq(model_import(WEIGHTS_SAFETENSORS, out.s, out.len, &said, &again, &e), ERR_INVALID);   /* it says everything itself */
	const struct model_numbers fewer = { m.weights, m.n_weights - 1, NULL, 0 };
	ck_assert_int_eq(model_export(WEIGHTS_SAFETENSORS, m.document, &fewer, &out, &e), ERR_STORAGE);
	imported_fini(&again);
	imported_fini(&m);
	strbuf_fini(&out);
	free(file);
}
END_TEST

Suite *weights_suite(void)
{
	Suite *s = suite_create("weights");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_files, 0, (int)COUNT(files));
	tcase_add_test(t, test_cut_and_bent);
	tcase_add_loop_test(t, test_options, 0, (int)COUNT(options));
	tcase_add_test(t, test_round_trip);
	tcase_add_loop_test(t, test_numbers, 0, (int)COUNT(numbers));
	tcase_add_test(t, test_limits);
	tcase_add_test(t, test_import_export);
	suite_add_tcase(s, t);
	return s;
}

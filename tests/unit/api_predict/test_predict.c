/* test_predict.c - the tensor dialects, in and out. */
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/forecast_body.h"
#include "api/infer_body.h"
#include "model/base/rng.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define N(body) "{\"instances\":" body "}"
#define V(shape, data) "{\"inputs\":[{\"name\":\"input\",\"shape\":" shape ",\"datatype\":\"FP64\",\"data\":" data "}]}"
#define T(type) "{\"inputs\":[{\"name\":\"input\",\"shape\":[1,1],\"datatype\":\"" type "\",\"data\":[1]}]}"

static const struct parse_case predict_cases[] = {
	{ N("[[[1,2],[3,4]]]"), ERR_OK, "" },
	{ N("[[[1],[2]],[[3],[4]]]"), ERR_OK, "" },
	{ N("[[1,2],[3,4]]"), ERR_OK, "" },
	{ N("[[[null]]]"), ERR_OK, "" },
	{ N(" [ [ [ 1 , 2 ] ] ] "), ERR_OK, "" },
	{ "{\"inputs\":[[1,2]]}", ERR_OK, "" },
	{ "{\"inputs\":{\"input\":[[1,2]]}}", ERR_OK, "" },
	{ "{\"signature_name\":\"serving_default\",\"instances\":[[1]]}", ERR_OK, "" },
	{ "{\"instances\":[[1]],\"signature_name\":\"serving_default\"}", ERR_OK, "" },
	{ "{}", ERR_INVALID, "/instances" },
	{ "[]", ERR_INVALID, "" },
	{ "", ERR_SYNTAX, "byte 0" },
	{ N("[]"), ERR_INVALID, "/instances" },
	{ N("[[]]"), ERR_INVALID, "/instances/0" },
	{ N("[[[]]]"), ERR_INVALID, "/instances/0/0" },
	{ N("[1,2]"), ERR_INVALID, "/instances" },
	{ N("1"), ERR_INVALID, "/instances" },
	{ N("null"), ERR_INVALID, "/instances" },
	{ N("{}"), ERR_INVALID, "/instances" },
	{ N("[{\"input\":[[1]]}]"), ERR_INVALID, "/instances/0" },
	{ N("[[[[1]]]]"), ERR_INVALID, "/instances/0/0" },
	{ N("[[[1,2],[3]]]"), ERR_INVALID, "/instances/0/1" },
	{ N("[[[1,2],[3,4,5]]]"), ERR_INVALID, "/instances/0/1" },
	{ N("[[[1],[2]],[[3]]]"), ERR_INVALID, "/instances/1" },
	{ N("[[1,2],[3]]"), ERR_INVALID, "/instances/1" },
	{ N("[[[1]],[2]]"), ERR_INVALID, "/instances/1" },
	{ N("[[1],[[2]]]"), ERR_INVALID, "/instances/1" },
	{ N("[[[1],2]]"), ERR_INVALID, "/instances/0/1" },
	{ N("[[1,[2]]]"), ERR_INVALID, "/instances/0/1" },
	{ N("[[[1]],7]"), ERR_INVALID, "/instances/1" },
	{ N("[[[1]],\"a\"]"), ERR_INVALID, "/instances/1" },
	{ N("[[[\"a\"]]]"), ERR_INVALID, "/instances/0/0/0" },
	{ N("[[[1,true]]]"), ERR_INVALID, "/instances/0/0/1" },
	{ N("[[[1,NaN]]]"), ERR_SYNTAX, "byte 18" },
	{ N("[[[1,]]]"), ERR_SYNTAX, "byte 18" },
	{ N("[[[1]],]"), ERR_SYNTAX, "byte 20" },
	{ N("[[[1]"), ERR_SYNTAX, "byte 18" },
	{ "{\"instances\":[[1]],\"inputs\":[[1]]}", ERR_INVALID, "/inputs" },
	{ "{\"inputs\":[[1]],\"instances\":[[1]]}", ERR_INVALID, "/instances" },
	{ "{\"inputs\":{}}", ERR_INVALID, "/inputs/input" },
	{ "{\"inputs\":{\"x\":[[1]]}}", ERR_INVALID, "/inputs/x" },
	{ "{\"instances\":[[1]],\"signature_name\":\"x\"}", ERR_INVALID, "/signature_name" },
	{ "{\"instances\":[[1]],\"signature_name\":1}", ERR_INVALID, "/signature_name" },
	{ "{\"instance\":[[1]]}", ERR_INVALID, "/instance" },
	{ "{\"instances\":[[1]],\"instances\":[[1]]}", ERR_INVALID, "/instances" },
};

static const struct parse_case infer_cases[] = {
	{ V("[1,2,2]", "[1,2,3,4]"), ERR_OK, "" },
	{ V("[1,2,2]", "[[[1,2],[3,4]]]"), ERR_OK, "" },
	{ V("[2,2]", "[1,2,3,4]"), ERR_OK, "" },
	{ V("[2,2]", "[[1,2],[3,4]]"), ERR_OK, "" },
	{ T("FP32"), ERR_OK, "" }, { T("INT8"), ERR_OK, "" }, { T("INT16"), ERR_OK, "" }, { T("INT32"), ERR_OK, "" },
	{ T("INT64"), ERR_OK, "" }, { T("UINT8"), ERR_OK, "" }, { T("UINT16"), ERR_OK, "" }, { T("UINT32"), ERR_OK, "" },
	{ T("UINT64"), ERR_OK, "" },
	{ T("BYTES"), ERR_INVALID, "/inputs/0/datatype" }, { T("BOOL"), ERR_INVALID, "/inputs/0/datatype" },
	{ T("FP16"), ERR_INVALID, "/inputs/0/datatype" }, { T("fp32"), ERR_INVALID, "/inputs/0/datatype" },
	{ T(""), ERR_INVALID, "/inputs/0/datatype" },
	{ "{\"id\":\"7\",\"inputs\":[{\"data\":[1],\"datatype\":\"FP64\",\"shape\":[1,1],\"name\":\"x\"}]}", ERR_OK, "" },
	{ "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP64\",\"data\":[1],\"parameters\":{\"a\":[1,{}]}}],"
	  "\"outputs\":[{\"name\":\"output\"}],\"parameters\":{\"priority\":1,\"timeout\":1500}}", ERR_OK, "" },
	{ "{}", ERR_INVALID, "/inputs" },
	{ "{\"inputs\":[]}", ERR_INVALID, "/inputs" },
	{ "{\"inputs\":{}}", ERR_INVALID, "/inputs" },
	{ "{\"inputs\":[{}]}", ERR_INVALID, "/inputs/0/name" },
	{ "{\"inputs\":[{\"name\":\"x\"}]}", ERR_INVALID, "/inputs/0/shape" },
	{ "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1]}]}", ERR_INVALID, "/inputs/0/datatype" },
	{ "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\"}]}", ERR_INVALID, "/inputs/0/data" },
	{ "{\"inputs\":[{\"name\":1}]}", ERR_INVALID, "/inputs/0/name" },
	{ "{\"inputs\":[{\"shapes\":[1]}]}", ERR_INVALID, "/inputs/0/shapes" },
	{ V("[1,1]", "[1]") "]", ERR_SYNTAX, "byte 72" },
	{ "{\"inputs\":[{\"name\":\"a\",\"shape\":[1,1],\"datatype\":\"FP64\",\"data\":[1]},{}]}", ERR_INVALID, "/inputs/1" },
	{ "{\"ids\":\"7\"}", ERR_INVALID, "/ids" },
	{ "{\"id\":7}", ERR_INVALID, "/id" },
	{ "{\"id\":\"\"}", ERR_INVALID, "/id" },
	{ "{\"parameters\":[]}", ERR_INVALID, "/parameters" },
	{ "{\"parameters\":{\"timeout\":-1}}", ERR_INVALID, "/parameters/timeout" },
	{ "{\"parameters\":{\"timeout\":\"1\"}}", ERR_INVALID, "/parameters/timeout" },
	{ "{\"parameters\":{\"a\":1,\"a\":2}}", ERR_INVALID, "/parameters/a" },
	{ "{\"parameters\":{\"a\":[[[[[[1]]]]]]}}", ERR_INVALID, "/inputs" },
	{ "{\"parameters\":{\"a\":[[[[[[[1]]]]]]]}}", ERR_INVALID, "/parameters/a/0/0/0/0/0/0" },
	{ V("[1]", "[1]"), ERR_INVALID, "/inputs/0/shape" },
	{ V("[]", "[1]"), ERR_INVALID, "/inputs/0/shape" },
	{ V("[1,1,1,1]", "[1]"), ERR_INVALID, "/inputs/0/shape/3" },
	{ V("[1,0]", "[1]"), ERR_INVALID, "/inputs/0/shape/1" },
	{ V("[1,-1]", "[1]"), ERR_INVALID, "/inputs/0/shape/1" },
	{ V("[1,1.5]", "[1]"), ERR_INVALID, "/inputs/0/shape/1" },
	{ V("[1,\"1\"]", "[1]"), ERR_INVALID, "/inputs/0/shape/1" },
	{ V("[4000000,4000000,4000000]", "[1]"), ERR_INVALID, "/inputs/0/shape/1" },
	{ V("[9223372036854775807,2]", "[1]"), ERR_INVALID, "/inputs/0/shape/0" },
	{ V("[4097,1]", "[1]"), ERR_INVALID, "/inputs/0/shape" },
	{ V("[2,2]", "[1,2,3]"), ERR_INVALID, "/inputs/0" },
	{ V("[2,2]", "[1,2,3,4,5]"), ERR_INVALID, "/inputs/0" },
	{ V("[2,2]", "[[1,2]]"), ERR_INVALID, "/inputs/0" },
	{ V("[1,2]", "[[1],[2]]"), ERR_INVALID, "/inputs/0" },
	{ V("[2,2,1]", "[[1,2],[3,4]]"), ERR_INVALID, "/inputs/0" },
	{ V("[2,2]", "[[[1],[2]],[[3],[4]]]"), ERR_INVALID, "/inputs/0" },
	{ V("[2,2]", "[]"), ERR_INVALID, "/inputs/0/data" },
	{ V("[2,2]", "\"x\""), ERR_INVALID, "/inputs/0/data" },
	{ V("[2,2]", "[[1,2],[3]]"), ERR_INVALID, "/inputs/0/data/1" },
	{ V("[2,2]", "[\"a\"]"), ERR_INVALID, "/inputs/0/data/0" },
	{ V("[2,2]", "[[1,\"a\"]]"), ERR_INVALID, "/inputs/0/data/0/1" },
};

typedef enum err parser(const char *, size_t, struct arena *, struct tensor_body *, struct error *);

static enum err infer_text_parse(const char *s, size_t len, struct arena *a, struct tensor_body *out, struct error *e)
{
	return infer_body_parse(s, len, len, a, out, e);
}

static enum err parse(parser *p, const char *body, struct tensor_body *out, struct arena *a, struct error *e)
{
	size_t len = strlen(body);
	char *exact = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, body, len);
	arena_init(a, 64 << 20);
	enum err rc = p(exact, len, a, out, e);
	free(exact);
	return rc;
}

static void run_case(parser *p, const struct parse_case *c)
{
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	case_check(c, parse(p, c->body, &b, &a, &e), &e);
	arena_fini(&a);
}

START_TEST(test_predict_cases) { run_case(predict_body_parse, &predict_cases[_i]); }
END_TEST

START_TEST(test_infer_cases) { run_case(infer_text_parse, &infer_cases[_i]); }
END_TEST

START_TEST(test_messages)
{
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	ck_assert_int_eq(parse(predict_body_parse, N("[[[1,2],[3]]]"), &b, &a, &e), ERR_INVALID);
	ck_assert_str_eq(e.what, "has 1 numbers, expected 2");
	arena_fini(&a);
	ck_assert_int_eq(parse(infer_text_parse, T("BYTES"), &b, &a, &e), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(e.what, "BYTES"));
	arena_fini(&a);
	ck_assert_int_eq(parse(predict_body_parse, "{\"instnaces\":1}", &b, &a, &e), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(e.what, "\"instances\""));
	arena_fini(&a);
}
END_TEST

START_TEST(test_v2_members)
{
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	ck_assert_int_eq(parse(infer_text_parse, "{\"id\":\"a\\u0041\",\"parameters\":{\"timeout\":1501},\"inputs\":[{\"name\":"
		"\"x\",\"shape\":[1,2,3],\"datatype\":\"FP32\",\"data\":[1,2,3,4,5,null]}]}", &b, &a, &e), ERR_OK);
	ck_assert_int_eq(b.dialect, DIALECT_V2);
	ck_assert_str_eq(b.id, "aA");
	ck_assert_int_eq(b.timeout_ms, 2);
	ck_assert(!b.bulk);
	ck_assert(b.rows == 1 && b.steps == 2 && b.columns == 3 && b.value[4] == 5 && isnan(b.value[5]));
	arena_fini(&a);
}
END_TEST

START_TEST(test_v2_priority)
{
	static const struct { const char *value; enum err want; bool bulk; } cases[] = {
		{ "0", ERR_OK, false }, { "1", ERR_OK, false }, { "2", ERR_OK, true }, { "2147483647", ERR_OK, true },
		{ "-1", ERR_INVALID, false }, { "1.5", ERR_INVALID, false }, { "\"bulk\"", ERR_INVALID, false },
	};
	char body[256];
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	snprintf(body, sizeof body, "{\"parameters\":{\"priority\":%s},\"inputs\":[{\"name\":\"x\",\"shape\":[1,1,1],"
		"\"datatype\":\"FP32\",\"data\":[1]}]}", cases[_i].value);
	ck_assert_int_eq(parse(infer_text_parse, body, &b, &a, &e), cases[_i].want);
	if (cases[_i].want)
		ck_assert_str_eq(e.where, "/parameters/priority");
	else
		ck_assert(b.bulk == cases[_i].bulk);
	arena_fini(&a);
}
END_TEST

/* Random tensors of random bit patterns, printed and read: the same bits. */
static double random_double(struct rng *r)
{
	for (;;) {
		uint64_t bits = (uint64_t)rng_u32(r) << 32 | rng_u32(r);
		double v;
		memcpy(&v, &bits, sizeof v);
		if (rng_below(r, 2))
			v = (double)(int64_t)(bits % 2000001) / 1000 - 1000;
		if (isfinite(v))
			return v;
	}
}

static void print_tensor(struct strbuf *out, const double *v, size_t B, size_t T, size_t F)
{
	strbuf_adds(out, "{\"instances\":[");
	for (size_t b = 0; b < B; b++) {
		strbuf_adds(out, b ? ",[" : "[");
		for (size_t t = 0; t < T; t++) {
			strbuf_adds(out, t ? ",[" : "[");
			for (size_t f = 0; f < F; f++)
				strbuf_addf(out, "%s%.17g", f ? ", " : "", v[(b * T + t) * F + f]);
			strbuf_addc(out, ']');
		}
		strbuf_addc(out, ']');
	}
	strbuf_adds(out, "]}");
}

START_TEST(test_round_trip)
{
	struct rng r;
	struct strbuf out;
	double v[600];
	rng_init(&r, 7, RNG_TEST, 0);
	strbuf_init(&out, 1 << 20);
	for (int k = 0; k < 1500; k++) {
		size_t B = 1 + rng_below(&r, 5), T = 1 + rng_below(&r, 12), F = 1 + rng_below(&r, 10);
		for (size_t i = 0; i < B * T * F; i++)
			v[i] = random_double(&r);
		strbuf_reset(&out);
		print_tensor(&out, v, B, T, F);
		struct tensor_body b;
		struct arena a;
		struct error e = { 0 };
		ck_assert_int_eq(parse(predict_body_parse, out.s, &b, &a, &e), ERR_OK);
		ck_assert(b.dialect == DIALECT_INSTANCES && b.rows == B && b.steps == T && b.columns == F);
		ck_assert(!memcmp(b.value, v, B * T * F * sizeof *v));
		ck_assert(a.used <= 4 * out.len + 64);
		arena_fini(&a);
	}
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_row_limit)
{
	struct strbuf out;
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	double v[FORECAST_MAX_ROWS + 1] = { 0 };
	strbuf_init(&out, 1 << 20);
	print_tensor(&out, v, FORECAST_MAX_ROWS, 1, 1);
	ck_assert_int_eq(parse(predict_body_parse, out.s, &b, &a, &e), ERR_OK);
	arena_fini(&a);
	strbuf_reset(&out);
	print_tensor(&out, v, FORECAST_MAX_ROWS + 1, 1, 1);
	ck_assert_int_eq(parse(predict_body_parse, out.s, &b, &a, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/instances");
	ck_assert_ptr_nonnull(strstr(e.what, "4096"));
	arena_fini(&a);
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_number_limit)
{
	size_t len = 0, n = SERIES_MAX_NUMBERS + 1;
	char *body = malloc(2 * n + 64);
	ck_assert_ptr_nonnull(body);
	len += (size_t)sprintf(body, "{\"instances\":[[1");
	for (size_t i = 1; i < n; i++) {
		body[len++] = ',';
		body[len++] = '1';
	}
	len += (size_t)sprintf(body + len, "]]}");
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 256 << 20);
	ck_assert_int_eq(predict_body_parse(body, len, &a, &b, &e), ERR_INVALID);
	ck_assert_ptr_nonnull(strstr(e.what, "4000000"));
	ck_assert(a.used <= 8 * (size_t)SERIES_MAX_NUMBERS + 64);
	arena_fini(&a);
	free(body);
}
END_TEST

/* --- answers: jansson reads them, with every member */

static json_t *read_back(struct strbuf *out)
{
	json_error_t e;
	ck_assert(strbuf_ok(out));
	json_t *t = json_loads(out->s, JSON_REJECT_DUPLICATES, &e);
	ck_assert_msg(t != NULL, "%s in %s", e.text, out->s);
	return t;
}

static double number(const json_t *array, size_t i)
{
	const json_t *v = json_array_get(array, i);
	return json_is_number(v) ? json_number_value(v) : NAN;
}

START_TEST(test_forecast_render)
{
	static const double mean[] = { 172.3, 0.1, 1e300 }, level[] = { 0.1, 0.9 };
	static const double quantile[] = { 1, 2, 3, -99, 4, 5, INFINITY, -99 };
	static const float attention[] = { 0.25f, 0.75f, 0.1f, 0.9f, 0, 1 };
	static const int64_t at[] = { 1510704000, 1510790400, 1510876800 };
	const struct forecast_output o[] = {
		{ "Clo\"se", 3, at, mean, level, 2, quantile, 4, attention, 2, NULL },
		{ .target = "b", .steps = 1, .mean = mean },
	};
	const struct skill_view skill = { 0.98, 0.01, NAN, "better" };
	const char *warnings[] = { "line\nbreak" };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	forecast_render("m", 3, o, 2, &skill, warnings, 1, &out);
	json_t *t = read_back(&out), *first = json_array_get(json_object_get(t, "outputs"), 0);
	ck_assert_str_eq(json_string_value(json_object_get(t, "model")), "m");
	ck_assert_int_eq(json_integer_value(json_object_get(t, "version")), 3);
	ck_assert_str_eq(json_string_value(json_object_get(first, "target")), "Clo\"se");
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(first, "timestamps"), 2)), "2017-11-17");
	for (size_t i = 0; i < 3; i++)
		ck_assert(number(json_object_get(first, "mean"), i) == mean[i]);
	json_t *q = json_object_get(first, "quantiles");
	ck_assert(number(json_object_get(q, "0.1"), 2) == 3 && number(json_object_get(q, "0.9"), 0) == 4);
	ck_assert(json_is_null(json_array_get(json_object_get(q, "0.9"), 2)));
	json_t *row = json_array_get(json_object_get(first, "attention"), 1);
	ck_assert((float)number(row, 0) == 0.1f && (float)number(row, 1) == 0.9f);
	json_t *second = json_array_get(json_object_get(t, "outputs"), 1);
	ck_assert(json_is_null(json_object_get(second, "timestamps")) && !json_object_get(second, "attention"));
	ck_assert_str_eq(json_string_value(json_object_get(json_object_get(t, "skill"), "verdict")), "better");
	ck_assert(json_is_null(json_object_get(json_object_get(t, "skill"), "vs_seasonal_naive")));
	ck_assert_str_eq(json_string_value(json_array_get(json_object_get(t, "warnings"), 0)), "line\nbreak");
	json_decref(t);
	strbuf_reset(&out);
	forecast_render("m", 1, o, 1, NULL, NULL, 0, &out);
	t = read_back(&out);
	ck_assert(json_is_null(json_object_get(t, "skill")));
	json_decref(t);
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_tensor_render)
{
	static const double v[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, NAN };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	predict_render(DIALECT_INSTANCES, v, 2, 3, 2, &out);
	ck_assert_str_eq(out.s, "{\"predictions\":[[[1,2],[3,4],[5,6]],[[7,8],[9,10],[11,null]]]}");
	strbuf_reset(&out);
	predict_render(DIALECT_INPUTS, v, 1, 1, 1, &out);
	ck_assert_str_eq(out.s, "{\"outputs\":[[[1]]]}");
	strbuf_reset(&out);
	ck_assert_uint_eq(infer_render("m", 4, &(struct tensor_body){ .id = "i\"d", .single = true }, v, 1, 2, 2, &out), 0);
	ck_assert_str_eq(out.s, "{\"model_name\":\"m\",\"model_version\":\"4\",\"id\":\"i\\\"d\",\"outputs\":[{\"name\":\"output\","
		"\"datatype\":\"FP64\",\"shape\":[1,2,2],\"data\":[1,2,3,4]}]}");
	strbuf_fini(&out);
}
END_TEST

Suite *predict_suite(void)
{
	Suite *s = suite_create("tensor bodies");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_predict_cases, 0, (int)COUNT(predict_cases));
	tcase_add_loop_test(t, test_infer_cases, 0, (int)COUNT(infer_cases));
	tcase_add_test(t, test_messages);
	tcase_add_test(t, test_v2_members);
	tcase_add_loop_test(t, test_v2_priority, 0, 7);
	tcase_add_test(t, test_round_trip);
	tcase_add_test(t, test_row_limit);
	tcase_add_test(t, test_number_limit);
	tcase_add_test(t, test_forecast_render);
	tcase_add_test(t, test_tensor_render);
	suite_add_tcase(s, t);
	return s;
}

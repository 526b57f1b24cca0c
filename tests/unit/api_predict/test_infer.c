/* test_infer.c - binary tensors of the Open Inference Protocol, in and out. */
#include <endian.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "api/infer_body.h"
#include "model/base/rng.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define B(shape, type, size) "{\"inputs\":[{\"name\":\"x\",\"shape\":" shape ",\"datatype\":\"" type \
	"\",\"parameters\":{\"binary_data_size\":" size "}}]}"
#define LENGTH (-1)

/* A JSON text, how many bytes of 0 follow it, and what the header says: LENGTH is the truth. */
static const struct { struct parse_case c; size_t tail; long json_len; } cases[] = {
	{ { B("[1,2,2]", "FP32", "16"), ERR_OK, "" }, 16, LENGTH },
	{ { B("[1,2,2]", "FP64", "32"), ERR_OK, "" }, 32, LENGTH },
	{ { B("[2,2]", "FP64", "32"), ERR_OK, "" }, 32, LENGTH },
	{ { "{\"inputs\":[{\"parameters\":{\"a\":[1],\"binary_data_size\":4,\"b\":{}},\"datatype\":\"FP32\",\"shape\":[1,1],"
	    "\"name\":\"x\"}]}", ERR_OK, "" }, 4, LENGTH },
	{ { B("[1,2,2]", "FP32", "16"), ERR_INVALID, "/inputs/0" }, 15, LENGTH },
	{ { B("[1,2,2]", "FP32", "16"), ERR_INVALID, "/inputs/0" }, 17, LENGTH },
	{ { B("[1,2,2]", "FP32", "16"), ERR_INVALID, "/inputs/0" }, 0, LENGTH },
	{ { B("[1,2,2]", "FP32", "32"), ERR_INVALID, "/inputs/0" }, 32, LENGTH },
	{ { B("[1,2,2]", "FP64", "16"), ERR_INVALID, "/inputs/0" }, 16, LENGTH },
	{ { B("[1,2,2]", "FP32", "0"), ERR_INVALID, "/inputs/0" }, 0, LENGTH },
	{ { B("[1,2,2]", "INT32", "16"), ERR_INVALID, "/inputs/0" }, 16, LENGTH },
	{ { B("[1,2,2]", "FP32", "-1"), ERR_INVALID, "/inputs/0/parameters/binary_data_size" }, 16, LENGTH },
	{ { B("[1,2,2]", "FP32", "16.5"), ERR_INVALID, "/inputs/0/parameters/binary_data_size" }, 16, LENGTH },
	{ { B("[1,2,2]", "FP32", "\"16\""), ERR_INVALID, "/inputs/0/parameters/binary_data_size" }, 16, LENGTH },
	{ { B("[1,2,2]", "FP32", "1e30"), ERR_INVALID, "/inputs/0/parameters/binary_data_size" }, 16, LENGTH },
	{ { B("[4000,1000]", "FP64", "32000000"), ERR_INVALID, "/inputs/0" }, 16, LENGTH },
	{ { "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[1],\"parameters\":{\"binary_data_size\":4}}]}",
	    ERR_INVALID, "/inputs/0" }, 4, LENGTH },
	{ { "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[1]}]}", ERR_INVALID, "" }, 4, LENGTH },
	{ { "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\"}]}", ERR_INVALID, "/inputs/0/data" }, 4, LENGTH },
	{ { B("[1,1]", "FP32", "4"), ERR_SYNTAX, "byte 0" }, 4, 0 },
	{ { B("[1,1]", "FP32", "4"), ERR_SYNTAX, "byte 50" }, 4, 50 },
	{ { B("[1,1]", "FP32", "4"), ERR_SYNTAX, "Inference-Header-Content-Length" }, 4, 1000000 },
	{ { "{\"outputs\":{}}", ERR_INVALID, "/outputs" }, 0, LENGTH },
	{ { "{\"outputs\":[{\"nam\":1}]}", ERR_INVALID, "/outputs/0/nam" }, 0, LENGTH },
	{ { "{\"outputs\":[{\"parameters\":{\"binary_data\":1}}]}", ERR_INVALID, "/outputs/0/parameters/binary_data" }, 0, LENGTH },
	{ { "{\"parameters\":{\"binary_data_output\":\"true\"}}", ERR_INVALID, "/parameters/binary_data_output" }, 0, LENGTH },
};

/* The JSON and n bytes behind it, in exactly their own memory. */
static enum err parse(const char *json, const void *bytes, size_t n, size_t json_len, struct tensor_body *out, struct arena *a,
                      struct error *e)
{
	size_t len = strlen(json);
	char *body = malloc(len + n + 1);
	ck_assert_ptr_nonnull(body);
	memcpy(body + 1, json, len);
	memcpy(body + 1 + len, bytes, n);   /* at odd addresses too */
	arena_init(a, 64 << 20);
	enum err rc = infer_body_parse(body + 1, len + n, json_len, a, out, e);
	free(body);
	return rc;
}

START_TEST(test_cases)
{
	static const char zeros[64];
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	const char *json = cases[_i].c.body;
	size_t json_len = cases[_i].json_len == LENGTH ? strlen(json) : (size_t)cases[_i].json_len;
	case_check(&cases[_i].c, parse(json, zeros, cases[_i].tail, json_len, &b, &a, &e), &e);
	arena_fini(&a);
}
END_TEST

static bool same_bits(double a, double b)
{
	return !memcmp(&a, &b, sizeof a) || (isnan(a) && isnan(b));
}

START_TEST(test_bits)
{
	enum { N = 12 };
	static const char *const json[] = { B("[2,3,2]", "FP64", "96"), B("[2,3,2]", "FP32", "48") };
	struct rng r;
	rng_init(&r, 21, RNG_TEST, 0);
	for (int i = 0; i < 2000; i++) {
		bool single = i & 1;
		double want[N];
		unsigned char bytes[N * 8];
		for (int k = 0; k < N; k++) {
			uint32_t u = rng_u32(&r);
			uint64_t w = (uint64_t)rng_u32(&r) << 32 | u;
			float f;
			memcpy(&f, &u, sizeof f);
			memcpy(&want[k], &w, sizeof want[k]);
			want[k] = single ? (double)f : want[k];
			if (isinf(want[k])) {
				want[k] = u = 0;
				w = 0;
			}
			u = htole32(u);
			w = htole64(w);
			memcpy(bytes + k * (single ? 4 : 8), single ? (void *)&u : (void *)&w, single ? 4 : 8);
		}
		struct tensor_body b;
		struct arena a;
		struct error e = { 0 };
		ck_assert_msg(!parse(json[single], bytes, N * (single ? 4 : 8), strlen(json[single]), &b, &a, &e), "%s", e.what);
		ck_assert(b.rows == 2 && b.steps == 3 && b.columns == 2 && b.single == single && !b.binary);
		for (int k = 0; k < N; k++)
			ck_assert_msg(same_bits(b.value[k], want[k]), "%a, sent as %a", b.value[k], want[k]);
		arena_fini(&a);
	}
}
END_TEST

START_TEST(test_infinite)
{
	const char *json = B("[1,2]", "FP64", "16");
	const double v[] = { 1, -INFINITY };
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	ck_assert_int_eq(parse(json, v, sizeof v, strlen(json), &b, &a, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/inputs/0");
	ck_assert_ptr_nonnull(strstr(e.what, "number 1 "));
	arena_fini(&a);
}
END_TEST

#define D "\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[1]}]"

static const struct { const char *json; bool binary; } wishes[] = {
	{ "{" D "}", false },
	{ "{" D ",\"parameters\":{\"binary_data_output\":true}}", true },
	{ "{" D ",\"parameters\":{\"binary_data_output\":false}}", false },
	{ "{" D ",\"outputs\":[{\"name\":\"output\",\"parameters\":{\"binary_data\":true}}]}", true },
	{ "{\"outputs\":[{\"name\":\"output\",\"parameters\":{\"binary_data\":false}}],\"parameters\":{\"binary_data_output\":true}," D "}",
	  false },
	{ "{\"outputs\":[{\"name\":\"output\",\"parameters\":{\"classification\":2}}],\"parameters\":{\"binary_data_output\":true}," D "}",
	  true },
};

START_TEST(test_wishes)
{
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	ck_assert_int_eq(parse(wishes[_i].json, "", 0, strlen(wishes[_i].json), &b, &a, &e), ERR_OK);
	ck_assert(b.binary == wishes[_i].binary && b.single);
	arena_fini(&a);
}
END_TEST

START_TEST(test_binary_answer)
{
	static const double v[] = { 1.5, -2, 0.1, 1e300 };
	struct tensor_body asked = { .binary = true, .id = "7" };
	struct strbuf out;
	strbuf_init(&out, 1 << 20);
	const char *want = "{\"model_name\":\"m\",\"model_version\":\"4\",\"id\":\"7\",\"outputs\":[{\"name\":\"output\","
		"\"datatype\":\"FP64\",\"shape\":[1,2,2],\"parameters\":{\"binary_data_size\":32}}]}";
	size_t n = infer_render("m", 4, &asked, v, 1, 2, 2, &out);
	ck_assert_uint_eq(n, strlen(want));
	ck_assert_uint_eq(out.len, n + sizeof v);
	ck_assert(!memcmp(out.s, want, n));
	for (size_t i = 0; i < 4; i++) {
		uint64_t u;
		memcpy(&u, out.s + n + 8 * i, sizeof u);
		u = le64toh(u);
		ck_assert(!memcmp(&u, &v[i], sizeof u));
	}
	strbuf_reset(&out);
	asked.single = true;
	n = infer_render("m", 4, &asked, v, 1, 1, 3, &out);
	ck_assert_uint_eq(out.len, n + 12);
	ck_assert_ptr_nonnull(strstr(out.s, "\"datatype\":\"FP32\",\"shape\":[1,1,3],\"parameters\":{\"binary_data_size\":12}"));
	for (size_t i = 0; i < 3; i++) {
		uint32_t u;
		float f = (float)v[i];
		memcpy(&u, out.s + n + 4 * i, sizeof u);
		u = le32toh(u);
		ck_assert(!memcmp(&u, &f, sizeof u));
	}
	strbuf_fini(&out);
}
END_TEST

Suite *infer_suite(void)
{
	Suite *s = suite_create("binary tensors");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_cases, 0, (int)COUNT(cases));
	tcase_add_test(t, test_bits);
	tcase_add_test(t, test_infinite);
	tcase_add_loop_test(t, test_wishes, 0, (int)COUNT(wishes));
	tcase_add_test(t, test_binary_answer);
	suite_add_tcase(s, t);
	return s;
}

/* test_session.c - bodies of sessions, of their steps and of a v2 sequence's pieces; what a session says of itself. */
#include "api/infer_body.h"
#include "api/session_body.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

static const struct parse_case sessions[] = {
	{ "{\"model\":\"m\"}", ERR_OK, "" },
	{ "{\"keep\":\"state\",\"version\":3,\"model\":\"m\"}", ERR_OK, "" },
	{ "{\"keep\":\"rows\",\"model\":\"m\"}", ERR_OK, "" },
	{ "", ERR_SYNTAX, "byte 0" },
	{ "{}", ERR_INVALID, "/model" },
	{ "{\"model\":\"\"}", ERR_INVALID, "/model" },
	{ "{\"model\":1}", ERR_INVALID, "/model" },
	{ "{\"model\":\"m\",\"version\":0}", ERR_INVALID, "/version" },
	{ "{\"model\":\"m\",\"version\":1e10}", ERR_INVALID, "/version" },
	{ "{\"model\":\"m\",\"keep\":\"window\"}", ERR_INVALID, "/keep" },
	{ "{\"model\":\"m\",\"keep\":null}", ERR_INVALID, "/keep" },
	{ "{\"model\":\"m\",\"id\":\"1\"}", ERR_INVALID, "/id" },
	{ "{\"model\":\"m\"} x", ERR_SYNTAX, "byte 14" },
};

START_TEST(test_sessions)
{
	struct session_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 1 << 16);
	case_check(&sessions[_i], session_body_parse(sessions[_i].body, strlen(sessions[_i].body), &a, &b, &e), &e);
	arena_fini(&a);
}
END_TEST

START_TEST(test_what_is_kept)
{
	static const struct { const char *body; enum session_keep keep; int version; } want[] = {
		{ "{\"model\":\"m\"}", KEEP_DEFAULT, 0 },
		{ "{\"model\":\"m\",\"keep\":\"state\",\"version\":7}", KEEP_STATE, 7 },
		{ "{\"model\":\"m\",\"keep\":\"rows\"}", KEEP_ROWS, 0 },
	};
	struct session_body b;
	struct arena a;
	arena_init(&a, 1 << 16);
	for (size_t i = 0; i < COUNT(want); i++) {
		ck_assert_int_eq(session_body_parse(want[i].body, strlen(want[i].body), &a, &b, NULL), ERR_OK);
		ck_assert_int_eq(b.keep, want[i].keep);
		ck_assert_int_eq(b.version, want[i].version);
		ck_assert_str_eq(b.model, "m");
	}
	arena_fini(&a);
}
END_TEST

#define C ",\"columns\":{\"a\":[1,2]}"

static const struct parse_case steps[] = {
	{ "{\"sequence\":1" C "}", ERR_OK, "" },
	{ "{\"sequence\":9007199254740992" C ",\"start\":\"2020-01-01\",\"parameters\":{\"timeout_ms\":5}}", ERR_OK, "" },
	{ "{\"columns\":{\"a\":[null]},\"sequence\":2}", ERR_OK, "" },
	{ "{\"sequence\":1" C, ERR_SYNTAX, "byte 35" },
	{ "{\"columns\":{\"a\":[1]}}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":1}", ERR_INVALID, "/columns" },
	{ "{\"sequence\":0" C "}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":-5" C "}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":1.5" C "}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":9007199254740994" C "}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":\"1\"" C "}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":1,\"sequence\":1" C "}", ERR_INVALID, "/sequence" },
	{ "{\"sequence\":1,\"columns\":[]}", ERR_INVALID, "/columns" },
	{ "{\"sequence\":1,\"columns\":{\"a\":[]}}", ERR_INVALID, "/columns/a" },
	{ "{\"sequence\":1" C ",\"start\":7}", ERR_INVALID, "/start" },
	{ "{\"sequence\":1" C ",\"model\":\"m\"}", ERR_INVALID, "/model" },
	{ "{\"sequence\":1,\"dataset\":\"d\"}", ERR_INVALID, "/dataset" },
	{ "{\"sequence\":1" C ",\"parameters\":{\"prediction_length\":0}}", ERR_INVALID, "/parameters/prediction_length" },
};

START_TEST(test_steps)
{
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	int64_t sequence = 0;
	arena_init(&a, 1 << 16);
	enum err rc = step_body_parse(steps[_i].body, strlen(steps[_i].body), &a, &b, &sequence, &e);
	case_check(&steps[_i], rc, &e);
	if (!rc)
		ck_assert(sequence > 0 && b.inputs == 1 && b.input[0].columns == 1 && !b.input[0].dataset && !b.model);
	arena_fini(&a);
}
END_TEST

#define V2(parameters) \
	"{\"inputs\":[{\"name\":\"x\",\"shape\":[1,1],\"datatype\":\"FP32\",\"data\":[1]}],\"parameters\":" parameters "}"
#define A16 "aaaaaaaaaaaaaaaa"
#define A64 A16 A16 A16 A16

static const struct { struct parse_case c; const char *sequence; bool start, end; } sequences[] = {
	{ { V2("{}"), ERR_OK, "" }, NULL, false, false },
	{ { V2("{\"sequence_id\":0,\"sequence_start\":false,\"sequence_end\":false}"), ERR_OK, "" }, NULL, false, false },
	{ { V2("{\"sequence_id\":\"\"}"), ERR_OK, "" }, NULL, false, false },
	{ { V2("{\"sequence_id\":7}"), ERR_OK, "" }, "7", false, false },
	{ { V2("{\"sequence_end\":true,\"sequence_id\":18446744073709551615}"), ERR_OK, "" },
	  "18446744073709551615", false, true },
	{ { V2("{\"sequence_start\":true,\"sequence_id\":\"a/\\u00fc\"}"), ERR_OK, "" }, "a/\xc3\xbc", true, false },
	{ { V2("{\"sequence_id\":\"" A64 "\"}"), ERR_OK, "" }, A64, false, false },
	{ { V2("{\"sequence_id\":\"" A64 "a\"}"), ERR_INVALID, "/parameters/sequence_id" }, NULL, false, false },
	{ { V2("{\"sequence_id\":-1}"), ERR_INVALID, "/parameters/sequence_id" }, NULL, false, false },
	{ { V2("{\"sequence_id\":1.0}"), ERR_INVALID, "/parameters/sequence_id" }, NULL, false, false },
	{ { V2("{\"sequence_id\":184467440737095516150}"), ERR_INVALID, "/parameters/sequence_id" }, NULL, false, false },
	{ { V2("{\"sequence_id\":[1]}"), ERR_INVALID, "/parameters/sequence_id" }, NULL, false, false },
	{ { V2("{\"sequence_id\":null}"), ERR_INVALID, "/parameters/sequence_id" }, NULL, false, false },
	{ { V2("{\"sequence_start\":true}"), ERR_INVALID, "/parameters" }, NULL, false, false },
	{ { V2("{\"sequence_end\":true,\"sequence_id\":0}"), ERR_INVALID, "/parameters" }, NULL, false, false },
	{ { V2("{\"sequence_start\":1,\"sequence_id\":7}"), ERR_INVALID, "/parameters/sequence_start" }, NULL, false, false },
};

START_TEST(test_sequences)
{
	const char *body = sequences[_i].c.body;
	struct tensor_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 1 << 16);
	enum err rc = infer_body_parse(body, strlen(body), strlen(body), &a, &b, &e);
	case_check(&sequences[_i].c, rc, &e);
	if (!rc) {
		ck_assert_pstr_eq(b.sequence, sequences[_i].sequence);
		ck_assert(b.sequence_start == sequences[_i].start && b.sequence_end == sequences[_i].end);
	}
	arena_fini(&a);
}
END_TEST

START_TEST(test_render)
{
	static const struct pipeline pipeline = { .columns = 2, .column = { "x", "a \"b\"" } };
	struct strbuf out;
	strbuf_init(&out, 4096);
	session_render(&(struct session_view){ .id = "0a", .model = "m", .version = 2, .keep = KEEP_ROWS,
		.pipeline = &pipeline, .sequence = 5, .rows = 11, .rows_needed = 1,
		.created_us = 1000000, .expires_us = 2500000 }, &out);
	ck_assert_str_eq(out.s, "{\"id\":\"0a\",\"object\":\"session\",\"model\":\"m\",\"version\":2,\"keep\":\"rows\","
		"\"columns\":[\"x\",\"a \\\"b\\\"\"],\"sequence\":5,\"rows\":11,\"rows_needed\":1,"
		"\"created_at\":\"1970-01-01T00:00:01.000Z\",\"expires_at\":\"1970-01-01T00:00:02.500Z\"}");
	strbuf_fini(&out);
}
END_TEST

Suite *session_suite(void)
{
	Suite *s = suite_create("sessions");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_sessions, 0, (int)COUNT(sessions));
	tcase_add_test(t, test_what_is_kept);
	tcase_add_loop_test(t, test_steps, 0, (int)COUNT(steps));
	tcase_add_loop_test(t, test_sequences, 0, (int)COUNT(sequences));
	tcase_add_test(t, test_render);
	suite_add_tcase(s, t);
	return s;
}

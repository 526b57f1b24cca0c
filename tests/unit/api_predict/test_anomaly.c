/* test_anomaly.c - /v1/anomalies bodies: every member, good and bad, with the exact code and place; and the answer. */
#include <math.h>
#include <stdlib.h>

#include "api/anomaly_body.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define D "{\"model\":\"m\",\"dataset\":\"d\""
#define P(body) D ",\"parameters\":" body "}"

static const struct parse_case cases[] = {
	{ D "}", ERR_OK, "" },
	{ D ",\"version\":7}", ERR_OK, "" },
	{ "{\"columns\":{\"a\":[1,null],\"b\":[2,3]},\"start\":\"2017-11-15\",\"model\":\"m\"}", ERR_OK, "" },
	{ P("{}"), ERR_OK, "" },
	{ P("{\"threshold\":0,\"smoothing\":1,\"gap\":0,\"timeout_ms\":5}"), ERR_OK, "" },
	{ P("{\"deviations\":3.5,\"smoothing\":100000,\"gap\":100000}"), ERR_OK, "" },

	{ "", ERR_SYNTAX, "byte 0" },
	{ "{}", ERR_INVALID, "" },
	{ "{\"model\":\"m\"}", ERR_INVALID, "" },
	{ "{\"dataset\":\"d\"}", ERR_INVALID, "/model" },
	{ D ",\"columns\":{\"a\":[1]}}", ERR_INVALID, "" },
	{ D ",\"start\":\"2017-11-15\"}", ERR_INVALID, "" },
	{ D ",\"inputs\":[]}", ERR_INVALID, "/inputs" },
	{ D ",\"version\":0}", ERR_INVALID, "/version" },
	{ "{\"model\":\"m\",\"columns\":{}}", ERR_INVALID, "/columns" },
	{ "{\"model\":\"m\",\"columns\":{\"a\":[]}}", ERR_INVALID, "/columns/a" },
	{ "{\"model\":\"m\",\"columns\":{\"a\":[1],\"b\":[1,2]}}", ERR_INVALID, "/columns/b" },
	{ "{\"model\":\"m\",\"columns\":{\"a\":[1]},\"start\":\"soon\"}", ERR_INVALID, "/start" },
	{ P("{\"treshold\":1}"), ERR_INVALID, "/parameters/treshold" },
	{ P("{\"threshold\":-1}"), ERR_INVALID, "/parameters/threshold" },
	{ P("{\"threshold\":2e9}"), ERR_INVALID, "/parameters/threshold" },
	{ P("{\"deviations\":-1}"), ERR_INVALID, "/parameters/deviations" },
	{ P("{\"deviations\":3,\"threshold\":2}"), ERR_INVALID, "/parameters" },
	{ P("{\"smoothing\":0}"), ERR_INVALID, "/parameters/smoothing" },
	{ P("{\"smoothing\":100001}"), ERR_INVALID, "/parameters/smoothing" },
	{ P("{\"gap\":-1}"), ERR_INVALID, "/parameters/gap" },
	{ P("{\"gap\":100001}"), ERR_INVALID, "/parameters/gap" },
	{ P("{\"timeout_ms\":0}"), ERR_INVALID, "/parameters/timeout_ms" },
	{ P("[]"), ERR_INVALID, "/parameters" },
};

static enum err parse(const char *body, size_t len, struct anomaly_body *out, struct arena *a, struct error *e)
{
	char *exact = malloc(len ? len : 1);   /* so that the sanitizer sees a read past the end */
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, body, len);
	arena_init(a, 64 << 20);
	enum err rc = anomaly_body_parse(exact, len, a, out, e);
	free(exact);
	return rc;
}

START_TEST(test_cases)
{
	const struct parse_case *c = &cases[_i];
	struct anomaly_body b;
	struct arena a;
	struct error e = { 0 };
	enum err rc = parse(c->body, strlen(c->body), &b, &a, &e);
	case_check(c, rc, &e);
	arena_fini(&a);
}
END_TEST

START_TEST(test_values)
{
	static const char body[] = "{\"model\":\"m\",\"version\":2,\"columns\":{\"a\":[1,null,3]},\"start\":\"1970-01-02\",\"parameters\":"
		"{\"threshold\":4.5,\"smoothing\":3,\"gap\":0,\"timeout_ms\":9}}";
	struct anomaly_body b;
	struct arena a;
	ck_assert_int_eq(parse(body, strlen(body), &b, &a, NULL), ERR_OK);
	ck_assert(!strcmp(b.model, "m") && b.version == 2 && b.series.columns == 1 && b.series.column[0].n == 3);
	ck_assert(isnan(b.series.column[0].value[1]) && b.series.has_start && b.series.start == 86400);
	ck_assert(b.threshold == 4.5 && b.smoothing == 3 && b.gap == 0 && b.timeout_ms == 9);
	arena_fini(&a);
	ck_assert_int_eq(parse(D "}", strlen(D "}"), &b, &a, NULL), ERR_OK);
	ck_assert(!strcmp(b.series.dataset, "d") && isnan(b.threshold) && b.deviations == ANOMALY_DEVIATIONS && b.smoothing == 0 && b.gap == -1);
	arena_fini(&a);
}
END_TEST

START_TEST(test_most_rows)
{
	for (int n = ANOMALY_MAX_ROWS; n <= ANOMALY_MAX_ROWS + 1; n++) {
		struct strbuf body;
		struct anomaly_body b;
		struct arena a;
		struct error e = { 0 };
		strbuf_init(&body, 1 << 20);
		strbuf_adds(&body, "{\"model\":\"m\",\"columns\":{\"a\":[0");
		for (int i = 1; i < n; i++)
			strbuf_adds(&body, ",1");
		strbuf_adds(&body, "]}}");
		const struct parse_case c = { "many", n > ANOMALY_MAX_ROWS ? ERR_INVALID : ERR_OK, "" };
		case_check(&c, parse(body.s, body.len, &b, &a, &e), &e);
		arena_fini(&a);
		strbuf_fini(&body);
	}
}
END_TEST

START_TEST(test_answer)
{
	static const double score[] = { NAN, 0.5, 3, 1 };
	static const struct anomaly_flag flag[] = { { .from = 2, .to = 2, .score = 3 } };
	static const int64_t start[] = { 86400 };
	struct anomaly_answer a = { .model = "m", .version = 1, .skipped = 1, .rows = 4, .first = 1, .probation = 2, .score = score,
		.threshold = 2.5, .smoothing = 1, .gap = 4, .flag = flag, .flags = 1, .start = start, .end = start };
	struct strbuf out;
	strbuf_init(&out, 10000);
	anomaly_render(&a, &out);
	ck_assert_str_eq(out.s, "{\"model\":\"m\",\"version\":1,\"rows\":5,\"first_scored\":2,\"probation\":3,\"smoothing\":1,\"gap\":4,"
		"\"threshold\":2.5,\"scores\":[null,null,0.5,3,1],"
		"\"flags\":[{\"from\":3,\"to\":3,\"start\":\"1970-01-02\",\"end\":\"1970-01-02\",\"score\":3}]}");
	strbuf_reset(&out);
	a.start = a.end = NULL;
	anomaly_render(&a, &out);
	ck_assert_ptr_nonnull(strstr(out.s, "\"start\":null,\"end\":null"));
	strbuf_fini(&out);
}
END_TEST

Suite *anomaly_suite(void)
{
	Suite *s = suite_create("anomaly body");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_cases, 0, (int)COUNT(cases));
	tcase_add_test(t, test_values);
	tcase_add_test(t, test_most_rows);
	tcase_add_test(t, test_answer);
	suite_add_tcase(s, t);
	return s;
}

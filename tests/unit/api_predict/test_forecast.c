/* test_forecast.c - /v1/forecast bodies: every member, good and bad, with the exact code and place. */
#include <math.h>
#include <stdlib.h>

#include "api/forecast_body.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define C(body) "{\"model\":\"m\",\"inputs\":[{\"columns\":" body "}]}"
#define I(body) "{\"model\":\"m\",\"inputs\":" body "}"
#define P(body) "{\"model\":\"m\",\"inputs\":[{\"dataset\":\"d\"}],\"parameters\":" body "}"
#define V(body) "{\"model\":\"m\",\"version\":" body ",\"inputs\":[{\"dataset\":\"d\"}]}"
#define A8  "aaaaaaaa"
#define A64 A8 A8 A8 A8 A8 A8 A8 A8

static const struct parse_case cases[] = {
	/* good */
	{ C("{\"a\":[1,2,3]}"), ERR_OK, "" },
	{ C("{\"a\":[1,null,3],\"b\":[null,null,null]}"), ERR_OK, "" },
	{ C(" { \"a\" : [ 1 , 2 ] } "), ERR_OK, "" },
	{ C("{\"\\u0061b\":[1]}"), ERR_OK, "" },
	{ C("{\"\xc3\xa9\":[1]}"), ERR_OK, "" },
	{ C("{\"" A64 "\":[1]}"), ERR_OK, "" },
	{ C("{\"a\":[-0,1e308,5e-324,1E+2,0.5]}"), ERR_OK, "" },
	{ I("[{\"dataset\":\"d\"}]"), ERR_OK, "" },
	{ I("[{\"dataset\":\"d\"},{\"columns\":{\"a\":[1]}},{\"dataset\":\"d\"}]"), ERR_OK, "" },
	{ I("[{\"columns\":{\"a\":[1]},\"start\":\"2017-11-15\"}]"), ERR_OK, "" },
	{ I("[{\"start\":\"2017-11-15T08:30:00Z\",\"columns\":{\"a\":[1]}}]"), ERR_OK, "" },
	{ P("{}"), ERR_OK, "" },
	{ P("{\"quantile_levels\":[]}"), ERR_OK, "" },
	{ P("{\"quantile_levels\":[0.9,0.1,0.5]}"), ERR_OK, "" },
	{ P("{\"return_attention\":true}"), ERR_OK, "" },
	{ P("{\"return_attention\":false,\"prediction_length\":1000,\"timeout_ms\":3600000}"), ERR_OK, "" },
	{ P("{\"return\":[]}"), ERR_OK, "" },
	{ P("{\"return\":[\"states\",\"gates\",\"attention\",\"gates\"]}"), ERR_OK, "" },
	{ P("{\"prediction_length\":1}"), ERR_OK, "" },
	{ P("{\"priority\":\"interactive\"}"), ERR_OK, "" },
	{ P("{\"prediction_length\":5.0}"), ERR_OK, "" },
	{ V("1"), ERR_OK, "" },
	{ V("2147483647"), ERR_OK, "" },
	{ "{\"inputs\":[{\"dataset\":\"d\"}],\"model\":\"m\"}", ERR_OK, "" },
	{ "\n\t {\"model\":\"m\",\"inputs\":[{\"dataset\":\"d\"}]}\r\n", ERR_OK, "" },

	/* not JSON: the byte */
	{ "", ERR_SYNTAX, "byte 0" },
	{ "  ", ERR_SYNTAX, "byte 2" },
	{ "{", ERR_SYNTAX, "byte 1" },
	{ "{\"model\"", ERR_SYNTAX, "byte 8" },
	{ "{\"model\":", ERR_SYNTAX, "byte 9" },
	{ "{\"model\":\"m\"", ERR_SYNTAX, "byte 12" },
	{ "{\"model\":\"m\",}", ERR_SYNTAX, "byte 13" },
	{ "{,\"model\":\"m\"}", ERR_SYNTAX, "byte 1" },
	{ "{model:\"m\"}", ERR_SYNTAX, "byte 1" },
	{ "{'model':\"m\"}", ERR_SYNTAX, "byte 1" },
	{ "{\"model\" \"m\"}", ERR_SYNTAX, "byte 9" },
	{ "{\"model\":m}", ERR_SYNTAX, "byte 9" },
	{ "{\"model\":\"m\" \"inputs\":[]}", ERR_SYNTAX, "byte 13" },
	{ "{\"model\":\"m}", ERR_SYNTAX, "byte 12" },
	{ "{\"model\":\"m\n\"}", ERR_SYNTAX, "byte 11" },
	{ "{\"model\":\"\\x\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\\u00g0\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\\u0000\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\\ud800\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\\udc00\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\xff\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\xc0\xaf\"}", ERR_SYNTAX, "byte 10" },
	{ "{\"model\":\"\xed\xa0\x80\"}", ERR_SYNTAX, "byte 10" },
	{ I("[{\"dataset\":\"d\"}]") "x", ERR_SYNTAX, "byte 40" },
	{ I("[{\"dataset\":\"d\"}]") "{}", ERR_SYNTAX, "byte 40" },
	{ "\xef\xbb\xbf{}", ERR_SYNTAX, "byte 0" },
	{ C("{\"a\":[1,]}"), ERR_SYNTAX, "byte 42" },
	{ C("{\"a\":[,1]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[1 2]}"), ERR_SYNTAX, "byte 42" },
	{ C("{\"a\":[01]}"), ERR_SYNTAX, "byte 41" },
	{ C("{\"a\":[1.]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[.5]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[+1]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[-]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[1e]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[0x1]}"), ERR_SYNTAX, "byte 41" },
	{ C("{\"a\":[NaN]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[Infinity]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[-Infinity]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[nul]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[1e400]}"), ERR_SYNTAX, "byte 40" },
	{ C("{\"a\":[1"), ERR_SYNTAX, "byte 41" },
	{ C("{\"a\":[1}"), ERR_SYNTAX, "byte 41" },

	/* JSON, but not this: the pointer */
	{ "[]", ERR_INVALID, "" },
	{ "null", ERR_INVALID, "" },
	{ "1", ERR_INVALID, "" },
	{ "{}", ERR_INVALID, "/model" },
	{ "{\"model\":\"m\"}", ERR_INVALID, "/inputs" },
	{ "{\"inputs\":[{\"dataset\":\"d\"}]}", ERR_INVALID, "/model" },
	{ "{\"model\":1}", ERR_INVALID, "/model" },
	{ "{\"model\":null}", ERR_INVALID, "/model" },
	{ "{\"model\":\"\"}", ERR_INVALID, "/model" },
	{ "{\"model\":\"" A64 "a\"}", ERR_INVALID, "/model" },
	{ "{\"model\":\"m\",\"model\":\"m\"}", ERR_INVALID, "/model" },
	{ "{\"model\":\"m\",\"\\u006dodel\":\"m\"}", ERR_INVALID, "/model" },
	{ "{\"modle\":\"m\"}", ERR_INVALID, "/modle" },
	{ "{\"a/b~c\":\"m\"}", ERR_INVALID, "/a~1b~0c" },
	{ "{\"\":1}", ERR_INVALID, "/" },
	{ V("0"), ERR_INVALID, "/version" },
	{ V("-1"), ERR_INVALID, "/version" },
	{ V("1.5"), ERR_INVALID, "/version" },
	{ V("2147483648"), ERR_INVALID, "/version" },
	{ V("\"1\""), ERR_INVALID, "/version" },
	{ V("true"), ERR_INVALID, "/version" },
	{ I("{}"), ERR_INVALID, "/inputs" },
	{ I("[]"), ERR_INVALID, "/inputs" },
	{ I("[1]"), ERR_INVALID, "/inputs/0" },
	{ I("[{}]"), ERR_INVALID, "/inputs/0" },
	{ I("[{\"dataset\":\"d\"},{}]"), ERR_INVALID, "/inputs/1" },
	{ I("[{\"dataset\":\"d\",\"columns\":{\"a\":[1]}}]"), ERR_INVALID, "/inputs/0" },
	{ I("[{\"dataset\":\"d\",\"start\":\"2017-11-15\"}]"), ERR_INVALID, "/inputs/0" },
	{ I("[{\"dataset\":1}]"), ERR_INVALID, "/inputs/0/dataset" },
	{ I("[{\"dataset\":\"\"}]"), ERR_INVALID, "/inputs/0/dataset" },
	{ I("[{\"datasets\":\"d\"}]"), ERR_INVALID, "/inputs/0/datasets" },
	{ I("[{\"columns\":[[1]]}]"), ERR_INVALID, "/inputs/0/columns" },
	{ I("[{\"columns\":{\"a\":[1]},\"start\":5}]"), ERR_INVALID, "/inputs/0/start" },
	{ I("[{\"columns\":{\"a\":[1]},\"start\":\"yesterday\"}]"), ERR_INVALID, "/inputs/0/start" },
	{ I("[{\"columns\":{\"a\":[1]},\"start\":\"2017-02-30\"}]"), ERR_INVALID, "/inputs/0/start" },
	{ C("{}"), ERR_INVALID, "/inputs/0/columns" },
	{ C("{\"a\":[]}"), ERR_INVALID, "/inputs/0/columns/a" },
	{ C("{\"a\":1}"), ERR_INVALID, "/inputs/0/columns/a" },
	{ C("{\"a\":null}"), ERR_INVALID, "/inputs/0/columns/a" },
	{ C("{\"\":[1]}"), ERR_INVALID, "/inputs/0/columns/" },
	{ C("{\"" A64 "a\":[1]}"), ERR_INVALID, "/inputs/0/columns/" A64 "a" },
	{ C("{\"a\":[1],\"a\":[2]}"), ERR_INVALID, "/inputs/0/columns/a" },
	{ C("{\"a\":[1,2],\"b/c\":[2]}"), ERR_INVALID, "/inputs/0/columns/b~1c" },
	{ C("{\"a\":[1,\"2\"]}"), ERR_INVALID, "/inputs/0/columns/a/1" },
	{ C("{\"a\":[1,2,true]}"), ERR_INVALID, "/inputs/0/columns/a/2" },
	{ C("{\"a\":[[1]]}"), ERR_INVALID, "/inputs/0/columns/a/0" },
	{ C("{\"a\":[{}]}"), ERR_INVALID, "/inputs/0/columns/a/0" },
	{ P("[]"), ERR_INVALID, "/parameters" },
	{ P("{\"quantiles\":[0.5]}"), ERR_INVALID, "/parameters/quantiles" },
	{ P("{\"quantile_levels\":0.5}"), ERR_INVALID, "/parameters/quantile_levels" },
	{ P("{\"quantile_levels\":[0]}"), ERR_INVALID, "/parameters/quantile_levels/0" },
	{ P("{\"quantile_levels\":[0.5,1]}"), ERR_INVALID, "/parameters/quantile_levels/1" },
	{ P("{\"quantile_levels\":[0.5,null]}"), ERR_INVALID, "/parameters/quantile_levels/1" },
	{ P("{\"quantile_levels\":[0.5,0.1,0.5]}"), ERR_INVALID, "/parameters/quantile_levels/2" },
	{ P("{\"return_attention\":1}"), ERR_INVALID, "/parameters/return_attention" },
	{ P("{\"return_attention\":\"true\"}"), ERR_INVALID, "/parameters/return_attention" },
	{ P("{\"return_attention\":tru}"), ERR_SYNTAX, "byte 73" },
	{ P("{\"return\":\"gates\"}"), ERR_INVALID, "/parameters/return" },
	{ P("{\"return\":[1]}"), ERR_INVALID, "/parameters/return/0" },
	{ P("{\"return\":[\"gates\",\"gate\"]}"), ERR_INVALID, "/parameters/return/1" },
	{ P("{\"return\":[\"gates\",null]}"), ERR_INVALID, "/parameters/return/1" },
	{ P("{\"prediction_length\":0}"), ERR_INVALID, "/parameters/prediction_length" },
	{ P("{\"prediction_length\":1001}"), ERR_INVALID, "/parameters/prediction_length" },
	{ P("{\"prediction_length\":2.5}"), ERR_INVALID, "/parameters/prediction_length" },
	{ P("{\"timeout_ms\":0}"), ERR_INVALID, "/parameters/timeout_ms" },
	{ P("{\"priority\":\"high\"}"), ERR_INVALID, "/parameters/priority" },
	{ P("{\"priority\":1}"), ERR_INVALID, "/parameters/priority" },
	{ P("{\"timeout_ms\":3600001}"), ERR_INVALID, "/parameters/timeout_ms" },
	{ P("{\"timeout_ms\":1e300}"), ERR_INVALID, "/parameters/timeout_ms" },
};

static enum err parse(const char *body, size_t len, struct forecast_body *out, struct arena *a, struct error *e)
{
	char *exact = malloc(len ? len : 1);   /* so that the sanitizer sees a read past the end */
	ck_assert_ptr_nonnull(exact);
	memcpy(exact, body, len);
	arena_init(a, 64 << 20);
	enum err rc = forecast_body_parse(exact, len, a, out, e);
	free(exact);
	return rc;
}

START_TEST(test_cases)
{
	const struct parse_case *c = &cases[_i];
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	enum err rc = parse(c->body, strlen(c->body), &b, &a, &e);
	case_check(c, rc, &e);
	arena_fini(&a);
}
END_TEST

START_TEST(test_values)
{
	static const char body[] = "{\"model\":\"aapl\",\"version\":3,\"inputs\":[{\"columns\":{\"Close\":[171.1,null,169.2],"
		"\"\\u00e9\\ud83d\\ude00\":[1,2,3]},\"start\":\"2017-11-15\"},{\"dataset\":\"sp500\"}],\"parameters\":"
		"{\"quantile_levels\":[0.9,0.1,0.5],\"return_attention\":true,\"prediction_length\":7,\"timeout_ms\":250,"
		"\"priority\":\"bulk\"}}";
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	ck_assert_int_eq(parse(body, strlen(body), &b, &a, &e), ERR_OK);
	ck_assert_str_eq(b.model, "aapl");
	ck_assert_int_eq(b.version, 3);
	ck_assert_int_eq(b.inputs, 2);
	const struct series_input *in = &b.input[0];
	ck_assert_ptr_null(in->dataset);
	ck_assert_int_eq(in->columns, 2);
	ck_assert_str_eq(in->column[0].name, "Close");
	ck_assert_str_eq(in->column[1].name, "\xc3\xa9\xf0\x9f\x98\x80");
	ck_assert_uint_eq(in->column[0].n, 3);
	ck_assert(in->column[0].value[0] == 171.1 && isnan(in->column[0].value[1]) && in->column[0].value[2] == 169.2);
	ck_assert(in->column[1].value[0] == 1 && in->column[1].value[2] == 3);
	ck_assert(in->has_start && in->start == 1510704000);
	ck_assert_str_eq(b.input[1].dataset, "sp500");
	ck_assert(!b.input[1].has_start && b.input[1].columns == 0);
	ck_assert_int_eq(b.levels, 3);
	ck_assert(b.level[0] == 0.1 && b.level[1] == 0.5 && b.level[2] == 0.9);
	ck_assert(b.return_attention && b.prediction_length == 7 && b.timeout_ms == 250 && b.bulk);
	arena_fini(&a);
}
END_TEST

/* Truncated anywhere, a good body is refused, and *out stays as it was. */
START_TEST(test_truncated)
{
	static const char body[] = "{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[1.5,null,-2e3]},\"start\":\"2017-11-15\"}],"
		"\"parameters\":{\"quantile_levels\":[0.1],\"return_attention\":true}}";
	for (size_t n = 0; n < strlen(body); n++) {
		struct forecast_body b, before;
		struct arena a;
		struct error e = { 0 };
		memset(&b, 0x5A, sizeof b);
		before = b;
		ck_assert_msg(parse(body, n, &b, &a, &e) != ERR_OK, "%.*s", (int)n, body);
		ck_assert(!memcmp(&b, &before, sizeof b));
		arena_fini(&a);
	}
}
END_TEST

static void check_limit(struct strbuf *body, enum err want, const char *where)
{
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	ck_assert(strbuf_ok(body));
	struct parse_case c = { "a limit", want, where };
	enum err rc = parse(body->s, body->len, &b, &a, &e);
	case_check(&c, rc, &e);
	arena_fini(&a);
	strbuf_reset(body);
}

static void many_series(struct strbuf *body, int n)
{
	strbuf_adds(body, "{\"model\":\"m\",\"inputs\":[");
	for (int i = 0; i < n; i++)
		strbuf_addf(body, "%s{\"dataset\":\"d\"}", i ? "," : "");
	strbuf_adds(body, "]}");
}

static void many_columns(struct strbuf *body, int n)
{
	strbuf_adds(body, "{\"model\":\"m\",\"inputs\":[{\"columns\":{");
	for (int i = 0; i < n; i++)
		strbuf_addf(body, "%s\"c%d\":[1]", i ? "," : "", i);
	strbuf_adds(body, "}}]}");
}

static void many_levels(struct strbuf *body, int n)
{
	strbuf_adds(body, "{\"model\":\"m\",\"inputs\":[{\"dataset\":\"d\"}],\"parameters\":{\"quantile_levels\":[");
	for (int i = 0; i < n; i++)
		strbuf_addf(body, "%s0.%03d", i ? "," : "", n - i);
	strbuf_adds(body, "]}}");
}

START_TEST(test_limits)
{
	struct strbuf body;
	strbuf_init(&body, 1 << 20);
	many_series(&body, FORECAST_MAX_INPUTS);
	check_limit(&body, ERR_OK, "");
	many_series(&body, FORECAST_MAX_INPUTS + 1);
	check_limit(&body, ERR_INVALID, "/inputs/256");
	many_columns(&body, FRAME_MAX_COLUMNS);
	check_limit(&body, ERR_OK, "");
	many_columns(&body, FRAME_MAX_COLUMNS + 1);
	check_limit(&body, ERR_INVALID, "/inputs/0/columns/c256");
	many_levels(&body, FORECAST_MAX_LEVELS);
	check_limit(&body, ERR_OK, "");
	many_levels(&body, FORECAST_MAX_LEVELS + 1);
	check_limit(&body, ERR_INVALID, "/parameters/quantile_levels/33");
	strbuf_fini(&body);
}
END_TEST

/* Memory is bounded by the body, whatever it holds; and an arena too small is ERR_NOMEM, not a crash. */
static size_t memory_of(const struct strbuf *body)
{
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 256 << 20);
	forecast_body_parse(body->s, body->len, &a, &b, &e);
	size_t used = a.used;
	arena_fini(&a);
	for (size_t cap = 0; cap < used && cap < 4096; cap += 64) {
		arena_init(&a, cap);
		forecast_body_parse(body->s, body->len, &a, &b, &e);
		ck_assert(a.used <= cap);
		arena_fini(&a);
	}
	return used;
}

START_TEST(test_memory)
{
	static const struct { const char *before, *unit, *after; int n; } worst[] = {
		{ "{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[1", ",1", "]}}]}", 500000 },
		{ "{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[1", ",1", "", 500000 },
		{ "{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[", ",", "", 500000 },
		{ "{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[1],\"", ",,,,", "\":[1]}}]}", 100000 },
		{ "{\"model\":\"m\",\"inputs\":[{\"columns\":{\"a\":[null", ",null", "]}}]}", 100000 },
		{ "{\"model\":\"m\",\"inputs\":[{\"dataset\":\"d\"}", ",{\"dataset\":\"d\"}", "]}", 255 },
		{ "{\"model\":\"", "\\n", "\"}", 400000 },
	};
	struct strbuf body;
	strbuf_init(&body, 4 << 20);
	for (size_t i = 0; i < COUNT(worst); i++) {
		strbuf_reset(&body);
		strbuf_adds(&body, worst[i].before);
		for (int k = 0; k < worst[i].n; k++)
			strbuf_adds(&body, worst[i].unit);
		strbuf_adds(&body, worst[i].after);
		size_t used = memory_of(&body);
		ck_assert_msg(used <= 4 * body.len + 4096, "%zu: %zu bytes for a body of %zu", i, used, body.len);
	}
	strbuf_reset(&body);
	many_columns(&body, FRAME_MAX_COLUMNS);
	ck_assert(memory_of(&body) <= 4 * body.len + 4096);
	strbuf_fini(&body);
}
END_TEST

Suite *forecast_suite(void)
{
	Suite *s = suite_create("forecast body");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_cases, 0, (int)COUNT(cases));
	tcase_add_test(t, test_values);
	tcase_add_test(t, test_truncated);
	tcase_add_test(t, test_limits);
	tcase_add_test(t, test_memory);
	suite_add_tcase(s, t);
	return s;
}

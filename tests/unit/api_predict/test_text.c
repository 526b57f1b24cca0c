/* test_text.c - bodies of the routes of texts: every member, good and bad, with the exact code and place; and answers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/text_body.h"
#include "model/inspect.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

#define M "{\"model\":\"m\""
#define I M ",\"inputs\":[\"a\"]"

static const struct parse_case generate_cases[] = {
	{ M "}", ERR_OK, "" },
	{ M ",\"prompt\":\"\"}", ERR_OK, "" },
	{ M ",\"prompt\":\"To be \\u00e9\",\"version\":3,\"max_tokens\":10000,\"temperature\":0,\"top_k\":65536,\"seed\":9007199254740992}", ERR_OK, "" },
	{ M ",\"stream\":true,\"parameters\":{\"timeout_ms\":1}}", ERR_OK, "" },
	{ M ",\"parameters\":{}}", ERR_OK, "" },

	{ "{}", ERR_INVALID, "/model" },
	{ "[]", ERR_INVALID, "" },
	{ M "", ERR_SYNTAX, "byte 12" },
	{ M "}x", ERR_SYNTAX, "byte 13" },
	{ M ",\"model\":\"m\"}", ERR_INVALID, "/model" },
	{ "{\"model\":\"\"}", ERR_INVALID, "/model" },
	{ "{\"model\":7}", ERR_INVALID, "/model" },
	{ M ",\"promt\":\"\"}", ERR_INVALID, "/promt" },
	{ M ",\"inputs\":[\"a\"]}", ERR_INVALID, "/inputs" },
	{ M ",\"prompt\":null}", ERR_INVALID, "/prompt" },
	{ M ",\"prompt\":\"\xff\"}", ERR_SYNTAX, "byte 23" },
	{ M ",\"prompt\":\"\\u0000\"}", ERR_SYNTAX, "byte 23" },
	{ M ",\"version\":0}", ERR_INVALID, "/version" },
	{ M ",\"max_tokens\":0}", ERR_INVALID, "/max_tokens" },
	{ M ",\"max_tokens\":10001}", ERR_INVALID, "/max_tokens" },
	{ M ",\"max_tokens\":1.5}", ERR_INVALID, "/max_tokens" },
	{ M ",\"max_tokens\":\"1\"}", ERR_INVALID, "/max_tokens" },
	{ M ",\"temperature\":-0.1}", ERR_INVALID, "/temperature" },
	{ M ",\"temperature\":100.1}", ERR_INVALID, "/temperature" },
	{ M ",\"temperature\":NaN}", ERR_SYNTAX, "byte 27" },
	{ M ",\"top_k\":-1}", ERR_INVALID, "/top_k" },
	{ M ",\"top_k\":65537}", ERR_INVALID, "/top_k" },
	{ M ",\"seed\":-1}", ERR_INVALID, "/seed" },
	{ M ",\"seed\":9007199254740994}", ERR_INVALID, "/seed" },
	{ M ",\"seed\":null}", ERR_INVALID, "/seed" },
	{ M ",\"stream\":1}", ERR_INVALID, "/stream" },
	{ M ",\"parameters\":{\"timeout_ms\":0}}", ERR_INVALID, "/parameters/timeout_ms" },
	{ M ",\"parameters\":{\"timeout_ms\":3600001}}", ERR_INVALID, "/parameters/timeout_ms" },
	{ M ",\"parameters\":{\"timeout\":1}}", ERR_INVALID, "/parameters/timeout" },
	{ M ",\"parameters\":[]}", ERR_INVALID, "/parameters" },
};

static const struct parse_case classify_cases[] = {
	{ I "}", ERR_OK, "" },
	{ I ",\"top\":100,\"version\":1,\"parameters\":{\"timeout_ms\":5}}", ERR_OK, "" },
	{ M "}", ERR_INVALID, "/inputs" },
	{ "{\"inputs\":[\"a\"]}", ERR_INVALID, "/model" },
	{ M ",\"inputs\":[]}", ERR_INVALID, "/inputs" },
	{ M ",\"inputs\":\"a\"}", ERR_INVALID, "/inputs" },
	{ M ",\"inputs\":[\"a\",\"\"]}", ERR_INVALID, "/inputs/1" },
	{ M ",\"inputs\":[\"a\",1]}", ERR_INVALID, "/inputs/1" },
	{ M ",\"inputs\":[[\"a\"]]}", ERR_INVALID, "/inputs/0" },
	{ M ",\"inputs\":[\"a\",]}", ERR_SYNTAX, "byte 27" },
	{ I ",\"top\":0}", ERR_INVALID, "/top" },
	{ I ",\"top\":101}", ERR_INVALID, "/top" },
	{ I ",\"prompt\":\"a\"}", ERR_INVALID, "/prompt" },
	{ I ",\"beam_width\":1}", ERR_INVALID, "/beam_width" },
};

static const struct parse_case translate_cases[] = {
	{ I "}", ERR_OK, "" },
	{ I ",\"beam_width\":8,\"max_length\":1000,\"length_penalty\":0.5,\"return\":[\"attention\"]}", ERR_OK, "" },
	{ I ",\"return\":[]}", ERR_OK, "" },
	{ I ",\"return\":[\"states\",\"attention\",\"gates\",\"states\"]}", ERR_OK, "" },
	{ M "}", ERR_INVALID, "/inputs" },
	{ I ",\"beam_width\":0}", ERR_INVALID, "/beam_width" },
	{ I ",\"beam_width\":9}", ERR_INVALID, "/beam_width" },
	{ I ",\"max_length\":0}", ERR_INVALID, "/max_length" },
	{ I ",\"max_length\":1001}", ERR_INVALID, "/max_length" },
	{ I ",\"length_penalty\":-1}", ERR_INVALID, "/length_penalty" },
	{ I ",\"length_penalty\":11}", ERR_INVALID, "/length_penalty" },
	{ I ",\"return\":\"attention\"}", ERR_INVALID, "/return" },
	{ I ",\"return\":[\"attenton\"]}", ERR_INVALID, "/return/0" },
	{ I ",\"return\":[\"attention\",1]}", ERR_INVALID, "/return/1" },
	{ I ",\"beamwidth\":1}", ERR_INVALID, "/beamwidth" },
};

/* A body in memory of its exact size, so that the sanitizer sees a read past the end; texts stay in it. */
struct parsed {
	char *body;
	struct arena arena;
	struct error e;
	struct generate_body generate;
	struct classify_body classify;
	struct translate_body translate;
};

static enum err parse(struct parsed *p, char route, const char *body, size_t len)
{
	memset(p, 0, sizeof *p);
	p->body = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(p->body);
	memcpy(p->body, body, len);
	arena_init(&p->arena, 1 << 20);
	switch (route) {
	case 'g': return generate_body_parse(p->body, len, &p->arena, &p->generate, &p->e);
	case 'c': return classify_body_parse(p->body, len, &p->arena, &p->classify, &p->e);
	default: return translate_body_parse(p->body, len, &p->arena, &p->translate, &p->e);
	}
}

static void forget(struct parsed *p)
{
	arena_fini(&p->arena);
	free(p->body);
}

static void check_case(char route, const struct parse_case *c)
{
	struct parsed p;
	enum err rc = parse(&p, route, c->body, strlen(c->body));
	case_check(c, rc, &p.e);
	forget(&p);
}

START_TEST(test_generate) { check_case('g', &generate_cases[_i]); } END_TEST
START_TEST(test_classify) { check_case('c', &classify_cases[_i]); } END_TEST
START_TEST(test_translate) { check_case('t', &translate_cases[_i]); } END_TEST

static bool is(struct text t, const char *s)
{
	return t.len == strlen(s) && !memcmp(t.s, s, t.len);
}

START_TEST(test_values)
{
	static const char all[] = M ",\"version\":3,\"prompt\":\"a\\n\\u00e9\",\"max_tokens\":7,\"temperature\":0.5,\"top_k\":4,\"seed\":0,"
		"\"stream\":true,\"parameters\":{\"timeout_ms\":250,\"priority\":\"bulk\"}}";
	static const char many[] = M ",\"inputs\":[\"one\",\"tw\\u00f6\"],\"beam_width\":4,\"max_length\":9,\"length_penalty\":0,"
		"\"return\":[\"attention\"]}";
	struct parsed p;
	ck_assert_int_eq(parse(&p, 'g', all, strlen(all)), ERR_OK);
	const struct generate_body *g = &p.generate;
	ck_assert(!strcmp(g->q.model, "m") && g->q.version == 3 && g->q.timeout_ms == 250 && g->q.bulk && is(g->prompt, "a\n\xc3\xa9"));
	ck_assert(g->max_tokens == 7 && g->temperature == 0.5 && g->top_k == 4 && g->has_seed && g->seed == 0 && g->stream);
	forget(&p);

	ck_assert_int_eq(parse(&p, 'g', M "}", strlen(M "}")), ERR_OK);
	ck_assert(g->max_tokens == 200 && g->temperature == 1 && g->top_k == 0 && !g->has_seed && !g->stream && g->prompt.len == 0);
	forget(&p);

	ck_assert_int_eq(parse(&p, 't', many, strlen(many)), ERR_OK);
	const struct translate_body *t = &p.translate;
	ck_assert(t->q.inputs == 2 && is(t->q.input[0], "one") && is(t->q.input[1], "tw\xc3\xb6"));
	ck_assert(t->beam_width == 4 && t->max_length == 9 && t->length_penalty == 0 && t->inside == INSPECT_ATTENTION);
	forget(&p);

	ck_assert_int_eq(parse(&p, 't', I "}", strlen(I "}")), ERR_OK);
	ck_assert(t->beam_width == 1 && t->max_length == 0 && t->length_penalty == 1 && !t->inside);
	forget(&p);
	ck_assert_int_eq(parse(&p, 'c', I "}", strlen(I "}")), ERR_OK);
	ck_assert(p.classify.top == 5 && p.classify.q.inputs == 1);
	forget(&p);
}
END_TEST

/* Truncated anywhere, a good body is refused. */
START_TEST(test_truncated)
{
	static const char body[] = I ",\"beam_width\":4,\"return\":[\"attention\"],\"parameters\":{\"timeout_ms\":250}}";
	for (size_t n = 0; n < strlen(body); n++) {
		struct parsed p;
		ck_assert_msg(parse(&p, 't', body, n) != ERR_OK, "%.*s", (int)n, body);
		ck_assert_ptr_null(p.translate.q.model);
		forget(&p);
	}
}
END_TEST

START_TEST(test_most_inputs)
{
	for (int n = TEXT_MAX_INPUTS; n <= TEXT_MAX_INPUTS + 1; n++) {
		struct strbuf body;
		struct parsed p;
		char where[32] = "";
		strbuf_init(&body, 1 << 20);
		strbuf_adds(&body, M ",\"inputs\":[");
		for (int i = 0; i < n; i++)
			strbuf_addf(&body, "%s\"%d\"", i ? "," : "", i);
		strbuf_adds(&body, "]}");
		if (n > TEXT_MAX_INPUTS)
			snprintf(where, sizeof where, "/inputs/%d", TEXT_MAX_INPUTS);
		const struct parse_case c = { "many", n > TEXT_MAX_INPUTS ? ERR_INVALID : ERR_OK, where };
		case_check(&c, parse(&p, 'c', body.s, body.len), &p.e);
		forget(&p);
		strbuf_fini(&body);
	}
}
END_TEST

/* ---- answers ------------------------------------------------------------ */

static struct vocabulary *vocabulary(enum token_unit unit, const char *const *token, int n)
{
	struct vocabulary *v = NULL;
	ck_assert_int_eq(vocabulary_new(unit, token, n, &v, NULL), ERR_OK);
	return v;
}

static void check_text(struct strbuf *out, const char *want)
{
	ck_assert(strbuf_ok(out));
	ck_assert_str_eq(out->s, want);
	strbuf_reset(out);
}

START_TEST(test_generated)
{
	struct strbuf text, out;
	strbuf_init(&text, 100);
	strbuf_init(&out, 1000);
	strbuf_adds(&text, "a \"quoted\"\n");
	const struct text_job job = { .out = &text, .tokens_in = 3, .tokens_out = 11, .ended = false, .log_probability = -2.5,
		.sampling.seed = 9007199254740991u };
	const struct text_answer a = { .model = "m", .version = 2, .job = &job, .stride = sizeof job, .jobs = 1 };
	generate_render(&a, true, &out);
	check_text(&out, "{\"model\":\"m\",\"version\":2,\"text\":\"a \\\"quoted\\\"\\n\",\"tokens_in\":3,\"tokens_out\":11,"
		"\"finish_reason\":\"length\",\"seed\":9007199254740991,\"log_probability\":-2.5}");
	generate_render(&a, false, &out);
	check_text(&out, "{\"model\":\"m\",\"version\":2,\"tokens_in\":3,\"tokens_out\":11,\"finish_reason\":\"length\","
		"\"seed\":9007199254740991,\"log_probability\":-2.5}");
	piece_render("\xc3\xa9\n", 3, &out);
	check_text(&out, "{\"text\":\"\xc3\xa9\\n\"}");
	strbuf_fini(&text);
	strbuf_fini(&out);
}
END_TEST

START_TEST(test_classified)
{
	static const char *const labels[] = { "ham", "spam", "eggs", "bacon" };
	float p[2][4] = { { 0.125f, 0.5f, 0.25f, 0.125f }, { 0.25f, 0.25f, 0.25f, 0.25f } };
	struct text_model m = { .target = vocabulary(TOKEN_LABEL, labels, 4) };
	struct text_job jobs[2] = { { .probability = p[0], .label = 1 }, { .probability = p[1], .label = 0, .truncated = true } };
	const struct text_answer a = { .model = "m", .version = 1, .of = &m, .job = jobs, .stride = sizeof *jobs, .jobs = 2 };
	struct strbuf out;
	strbuf_init(&out, 10000);
	classify_render(&a, 3, &out);
	check_text(&out, "{\"model\":\"m\",\"version\":1,\"outputs\":["
		"{\"label\":\"spam\",\"probability\":0.5,\"probabilities\":{\"spam\":0.5,\"eggs\":0.25,\"ham\":0.125}},"
		"{\"label\":\"ham\",\"probability\":0.25,\"probabilities\":{\"ham\":0.25,\"spam\":0.25,\"eggs\":0.25},\"truncated\":true}]}");
	classify_render(&a, 100, &out);
	ck_assert_ptr_nonnull(strstr(out.s, "\"ham\":0.125,\"bacon\":0.125}"));
	strbuf_fini(&out);
	vocabulary_free(m.target);
}
END_TEST

START_TEST(test_translated)
{
	static const char *const words[] = { "", "", "ein", "Haus", "." };
	float attention[] = { 0.75f, 0.25f, 0.5f, 0.5f };
	struct text_model m = { .max_steps = 2, .source = vocabulary(TOKEN_WORD, words, 5), .target = vocabulary(TOKEN_WORD, words, 5) };
	struct strbuf text, out;
	strbuf_init(&text, 100);
	strbuf_init(&out, 10000);
	strbuf_adds(&text, "Haus.");
	const struct text_job job = { .text = "what a house", .len = 12, .out = &text, .tokens_in = 3, .tokens_out = 2, .ended = true,
		.truncated = true, .log_probability = -1, .want_attention = true, .attention = attention };
	const struct text_answer a = { .model = "m", .version = 1, .of = &m, .job = &job, .stride = sizeof job, .jobs = 1 };
	translate_render(&a, &out);
	check_text(&out, "{\"model\":\"m\",\"version\":1,\"outputs\":[{\"text\":\"Haus.\",\"log_probability\":-1,\"finish_reason\":\"stop\","
		"\"truncated\":true,\"input_tokens\":[\"a\",\"house\"],\"output_tokens\":[\"Haus\",\".\"],"
		"\"attention\":[[0.75,0.25],[0.5,0.5]]}]}");
	strbuf_fini(&text);
	strbuf_fini(&out);
	vocabulary_free(m.source);
	vocabulary_free(m.target);
}
END_TEST

Suite *text_suite(void)
{
	Suite *s = suite_create("text bodies");
	TCase *t = tcase_create("all");
	tcase_set_timeout(t, 120);
	tcase_add_loop_test(t, test_generate, 0, (int)COUNT(generate_cases));
	tcase_add_loop_test(t, test_classify, 0, (int)COUNT(classify_cases));
	tcase_add_loop_test(t, test_translate, 0, (int)COUNT(translate_cases));
	tcase_add_test(t, test_values);
	tcase_add_test(t, test_truncated);
	tcase_add_test(t, test_most_inputs);
	tcase_add_test(t, test_generated);
	tcase_add_test(t, test_classified);
	tcase_add_test(t, test_translated);
	suite_add_tcase(s, t);
	return s;
}

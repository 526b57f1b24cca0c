/* test_inspect.c - "return", and the members that it asks for, against the views that they were made of. */
#include <math.h>
#include <stdlib.h>

#include <jansson.h>

#include "api/forecast_body.h"
#include "api/inspect_body.h"
#include "model/base/rng.h"
#include "tests/unit/api_predict/case.h"
#include "tests/unit/api_predict/suites.h"

/* ---- "return" ------------------------------------------------------------------- */

static const struct { const char *names; unsigned want; const char *what; } names[] = {
	{ "[]", 0, NULL },
	{ "[\"attention\"]", INSPECT_ATTENTION, NULL },
	{ "[\"gates\",\"states\"]", INSPECT_GATES | INSPECT_STATES, NULL },
	{ "[\"states\",\"states\",\"attention\",\"gates\"]", 7, NULL },
	{ "[\"gate\"]", 0, "unknown value; did you mean \"gates\"?" },
	{ "[\"Attention\"]", 0, "unknown value; did you mean \"attention\"?" },
	{ "[\"zzz\"]", 0, "unknown value; known are \"attention\" to \"states\"" },
};

START_TEST(test_names)
{
	char body[256];
	struct forecast_body b;
	struct arena a;
	struct error e = { 0 };
	arena_init(&a, 1 << 20);
	int n = snprintf(body, sizeof body, "{\"model\":\"m\",\"inputs\":[{\"dataset\":\"d\"}],\"parameters\":{\"return\":%s}}",
		names[_i].names);
	enum err rc = forecast_body_parse(body, (size_t)n, &a, &b, &e);
	ck_assert_int_eq(rc, names[_i].what ? ERR_INVALID : ERR_OK);
	if (names[_i].what)
		ck_assert_str_eq(e.what, names[_i].what);
	else
		ck_assert(b.inside == names[_i].want && !b.return_attention);
	arena_fini(&a);
}
END_TEST

/* ---- the members ------------------------------------------------------------------ */

enum { WINDOW = 6, COLUMNS = 2 };

#define SIZES .inputs = COLUMNS, .hidden = 4, .bias = true, .reset_after = true, .levels = 1, .horizon = 2

static const struct net_spec nets[] = {
	{ SIZES, .encoder = ENCODER_GRU, .layers = 2, .bidirectional = true, .targets = 1, .attention = 3 },
	{ SIZES, .encoder = ENCODER_LSTM, .layers = 1, .targets = 1, .decoder = DECODER_LAST },
	{ SIZES, .encoder = ENCODER_RNN, .layers = 1, .targets = 1, .decoder = DECODER_LAST },
	{ SIZES, .encoder = ENCODER_GRU, .layers = 1, .targets = COLUMNS, .decoder = DECODER_SEGMENT, .segment = 2 },
	{ SIZES, .encoder = ENCODER_TRANSFORMER, .layers = 2, .heads = 2, .feedforward = 8, .targets = 1, .decoder = DECODER_LAST },
};

struct subject {
	struct pipeline pipeline;
	struct inspector *inspector;
	json_t *members;
};

/* A pass with drawn weights over a window whose second column never changes, and the members as JSON. */
static void subject_init(struct subject *s, const struct net_spec *net, unsigned what)
{
	static const char *const columns[COLUMNS] = { "close", "volume" };
	struct tensor_table table;
	struct strbuf out;
	struct rng r;
	double context[WINDOW * COLUMNS];
	net_tensors(net, &table);
	float *params = calloc(table.count, sizeof *params);
	rng_init(&r, 3, RNG_TEST, 0);
	for (size_t i = 0; i < table.count; i++)
		params[i] = (float)rng_normal(&r);
	for (int t = 0; t < WINDOW; t++) {
		context[t * COLUMNS] = rng_normal(&r);
		context[t * COLUMNS + 1] = 0.3;
	}
	ck_assert_int_eq(net_spec_check(net, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_init_raw(&s->pipeline, columns, COLUMNS, net->targets, WINDOW, net->horizon, NULL), ERR_OK);
	ck_assert_int_eq(inspector_new(&s->pipeline, net, &s->inspector, NULL), ERR_OK);
	inspect_run(s->inspector, params, context);
	strbuf_init(&out, 1 << 20);
	strbuf_adds(&out, "{\"first\":0");
	inspect_render(s->inspector, what, &out);
	strbuf_adds(&out, "}");
	ck_assert(strbuf_ok(&out));
	s->members = json_loads(out.s, JSON_REJECT_DUPLICATES, NULL);
	ck_assert_msg(s->members != NULL, "%s", out.s);
	strbuf_fini(&out);
	free(params);
}

static void subject_fini(struct subject *s)
{
	json_decref(s->members);
	inspector_free(s->inspector);
}

/* The array says the view, number for number. */
static void check_view(const json_t *rows, const struct trace_view *v)
{
	ck_assert_uint_eq(json_array_size(rows), (size_t)v->steps);
	for (int t = 0; t < v->steps; t++) {
		const json_t *row = json_array_get(rows, (size_t)t);
		ck_assert_uint_eq(json_array_size(row), (size_t)v->units);
		for (int u = 0; u < v->units; u++)
			ck_assert(fabs(json_number_value(json_array_get(row, (size_t)u)) - (double)trace_row(v, t)[u]) <= 1e-6);
	}
}

static void check_health(const struct subject *s, const json_t *health, const struct trace_view *v)
{
	struct gate_health want;
	const json_t *correlation_of = json_object_get(health, "correlation");
	gate_health(v, &want);
	const struct { const char *name; double want; } members[] = {
		{ "mean", want.mean }, { "low", want.low }, { "high", want.high }, { "variation", want.variation },
		{ "still", want.still },
	};
	for (size_t i = 0; i < COUNT(members); i++)
		ck_assert(fabs(json_number_value(json_object_get(health, members[i].name)) - members[i].want) <= 1e-12);
	ck_assert_int_eq(correlation_of != NULL, inspect_follows_input(s->inspector, v));
	if (!correlation_of)
		return;
	inspect_course(s->inspector, v);
	double close = correlation(v->steps, s->inspector->course, s->inspector->x, COLUMNS);
	ck_assert_uint_eq(json_object_size(correlation_of), COLUMNS);
	ck_assert(fabs(json_number_value(json_object_get(correlation_of, "close")) - close) <= 1e-12);
	ck_assert(json_is_null(json_object_get(correlation_of, "volume")));
}

/* Every view is where its part and name say, and nothing else is there. */
START_TEST(test_members)
{
	struct subject s;
	size_t gates = 0, states = 0, parts = 0, shown = 0;
	const char *part;
	json_t *value;
	subject_init(&s, &nets[_i], INSPECT_GATES | INSPECT_STATES);
	const json_t *all_gates = json_object_get(s.members, "gates"), *all_states = json_object_get(s.members, "states");
	const json_t *all_health = json_object_get(s.members, "health");
	for (int k = 0; k < s.inspector->traces; k++)
		for (int n = 0; n < s.inspector->trace[k].n; n++) {
			const struct trace_view *v = &s.inspector->trace[k].view[n];
			char name[INSPECT_PART];
			inspect_part_name(s.inspector, k, v, name);
			if (inspect_wants(v, INSPECT_GATES)) {
				gates++;
				check_view(json_object_get(json_object_get(all_gates, name), v->name), v);
				check_health(&s, json_object_get(json_object_get(all_health, name), v->name), v);
			} else if (inspect_wants(v, INSPECT_STATES)) {
				states++;
				check_view(json_object_get(all_states, name), v);
			}
		}
	json_object_foreach(json_object_get(s.members, "gates"), part, value) {
		parts++;
		shown += json_object_size(value);
	}
	ck_assert_uint_eq(shown, gates);
	ck_assert_uint_eq(json_object_size(all_health), parts);
	ck_assert_uint_eq(json_object_size(all_states), states);
	ck_assert_ptr_null(json_object_get(s.members, "encoder_attention"));
	subject_fini(&s);
}
END_TEST

static const struct { int net; const char *group, *part; } parts[] = {
	{ 0, "gates", "encoder.l0" }, { 0, "gates", "encoder.l1_reverse" }, { 0, "gates", "decoder" }, { 0, "states", "decoder" },
	{ 1, "states", "encoder.l0" }, { 1, "states", "encoder.l0.c" }, { 2, "states", "encoder.l0" },
	{ 3, "gates", "encoder.l0[close]" }, { 3, "gates", "decoder[volume]" }, { 3, "states", "encoder.l0[volume]" },
	{ 4, "states", "encoder.l1" },
};

START_TEST(test_parts)
{
	struct subject s;
	subject_init(&s, &nets[parts[_i].net], INSPECT_GATES | INSPECT_STATES);
	ck_assert_ptr_nonnull(json_object_get(json_object_get(s.members, parts[_i].group), parts[_i].part));
	subject_fini(&s);
}
END_TEST

START_TEST(test_nothing_more_than_asked)
{
	struct subject s;
	subject_init(&s, &nets[0], INSPECT_STATES);
	ck_assert_uint_eq(json_object_size(s.members), 2);
	subject_fini(&s);
	subject_init(&s, &nets[0], INSPECT_ATTENTION);      /* the decoder's attention is the forecast's business */
	ck_assert_uint_eq(json_object_size(s.members), 1);
	subject_fini(&s);
}
END_TEST

START_TEST(test_heads)
{
	struct subject s;
	subject_init(&s, &nets[4], INSPECT_ATTENTION);
	const json_t *all = json_object_get(s.members, "encoder_attention");
	ck_assert_uint_eq(json_object_size(all), 2);
	for (int head = 0; head < 2; head++) {
		const json_t *square = json_array_get(json_object_get(all, "encoder.l1"), (size_t)head);
		const struct trace_view v = { .steps = WINDOW, .units = WINDOW, .first = inspect_head(s.inspector, 1, head), .stride = WINDOW };
		check_view(square, &v);
	}
	subject_fini(&s);
}
END_TEST

Suite *inspect_suite(void)
{
	Suite *s = suite_create("inspect");
	TCase *c = tcase_create("inspect");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, test_names, 0, COUNT(names));
	tcase_add_loop_test(c, test_members, 0, COUNT(nets));
	tcase_add_loop_test(c, test_parts, 0, COUNT(parts));
	tcase_add_test(c, test_nothing_more_than_asked);
	tcase_add_test(c, test_heads);
	suite_add_tcase(s, c);
	return s;
}

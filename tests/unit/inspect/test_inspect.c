/* test_inspect.c - the health of constructed gates, correlation against numbers by hand, and the plain execution against
 * the serving one. */
#include "model/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/infer/infer.h"
#include "tests/unit/check.h"

#define COUNT(a) (int)(sizeof(a) / sizeof (a)[0])

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-6 * (1 + fabs(b));
}

/* ---- health ------------------------------------------------------------------ */

enum { STEPS = 4, UNITS = 2 };

static const struct {
	const char *name;
	enum trace_kind kind;
	float value[STEPS][UNITS];
	struct gate_health want;
} health_cases[] = {
	{ "shut", TRACE_GATE, { { 0 } }, { 0, 1, 0, 0, UNITS } },
	{ "open", TRACE_GATE, { { 1, 1 }, { 1, 1 }, { 1, 1 }, { 1, 1 } }, { 1, 0, 1, 0, UNITS } },
	{ "alternating", TRACE_GATE, { { 0, 1 }, { 1, 0 }, { 0, 1 }, { 1, 0 } }, { 0.5, 0.5, 0.5, 0.5, 0 } },
	{ "half way, one unit still", TRACE_GATE, { { 0.5f, 0.3f }, { 0.5f, 0.7f }, { 0.5f, 0.3f }, { 0.5f, 0.7f } },
	  { 0.5, 0, 0, 0.1, 1 } },
	{ "a candidate of -1", TRACE_CANDIDATE, { { -1, -1 }, { -1, -1 }, { -1, -1 }, { -1, -1 } }, { -1, 0, 1, 0, UNITS } },
	{ "a candidate of both signs", TRACE_CANDIDATE, { { -1, 1 }, { 1, -1 }, { -1, 1 }, { 1, -1 } }, { 0, 0, 1, 1, 0 } },
	{ "at the bounds", TRACE_GATE, { { 0.11f, 0.89f }, { 0.09f, 0.91f }, { 0.11f, 0.89f }, { 0.09f, 0.91f } },
	  { 0.5, 0.25, 0.25, 0.01, 0 } },
	{ "moves too little", TRACE_GATE, { { 0.5f, 0.5f }, { 0.5005f, 0.502f }, { 0.5f, 0.5f }, { 0.5005f, 0.502f } },
	  { 0.500625, 0, 0, 0.000625, 1 } },
};

START_TEST(health)
{
	const float *rows = health_cases[_i].value[0];
	const struct gate_health *want = &health_cases[_i].want;
	/* in order, and from the last step back: the order of steps says nothing about health */
	const struct trace_view views[] = {
		{ .kind = health_cases[_i].kind, .steps = STEPS, .units = UNITS, .first = rows, .stride = UNITS },
		{ .kind = health_cases[_i].kind, .steps = STEPS, .units = UNITS, .first = rows + (STEPS - 1) * UNITS, .stride = -UNITS },
	};
	for (int i = 0; i < COUNT(views); i++) {
		struct gate_health got;
		gate_health(&views[i], &got);
		ck_assert_msg(near(got.mean, want->mean) && near(got.low, want->low) && near(got.high, want->high)
		              && near(got.variation, want->variation) && got.still == want->still,
		              "%s: mean %g low %g high %g variation %g still %d", health_cases[_i].name, got.mean, got.low, got.high,
		              got.variation, got.still);
	}
}
END_TEST

/* ---- correlation --------------------------------------------------------------- */

static const struct { double course[5]; float x[5]; double want; } correlation_cases[] = {
	{ { 1, 2, 3, 4, 5 }, { 2, 4, 6, 8, 10 }, 1 },
	{ { 1, 2, 3, 4, 5 }, { 5, 4, 3, 2, 1 }, -1 },
	{ { 1, 2, 3, 4, 5 }, { 2, 1, 4, 3, 5 }, 0.8 },              /* sums of products 8, of squares 10 and 10 */
	{ { 1, 2, 3, 2, 1 }, { 1, 2, 3, 4, 5 }, 0 },
	{ { 0.1, 0.1, 0.1, 0.1, 0.1 }, { 1, 2, 3, 4, 5 }, NAN },
	{ { 1, 2, 3, 4, 5 }, { 0.1f, 0.1f, 0.1f, 0.1f, 0.1f }, NAN },
	{ { 1, NAN, 3, 4, 5 }, { 1, 2, 3, 4, 5 }, NAN },
};

START_TEST(pearson)
{
	float beside[5][3];              /* a channel among others */
	double want = correlation_cases[_i].want;
	for (int t = 0; t < 5; t++)
		for (int c = 0; c < 3; c++)
			beside[t][c] = c == 1 ? correlation_cases[_i].x[t] : (float)(t * c);
	double got = correlation(5, correlation_cases[_i].course, &beside[0][1], 3);
	ck_assert_msg(isnan(want) ? isnan(got) : fabs(got - want) <= 1e-6, "%g, not %g", got, want);
}
END_TEST

/* ---- the plain execution and the serving one ------------------------------------- */

enum { WINDOW = 12, COLUMNS = 3 };

#define RECURRENT .inputs = COLUMNS, .hidden = 8, .layers = 2, .bias = true, .reset_after = true, .targets = 1, .levels = 1, \
	.horizon = 4

static const struct { const char *name; unsigned offers; struct net_spec spec; } models[] = {
	{ "attention gru", 7, { RECURRENT, .encoder = ENCODER_GRU, .attention = 6, .decoder_input = DECODER_CONTEXT_PREVIOUS } },
	{ "attention lstm both ways", 7, { RECURRENT, .encoder = ENCODER_LSTM, .bidirectional = true, .score = SCORE_DOT } },
	{ "gru with norm, last", 6, { RECURRENT, .encoder = ENCODER_GRU, .batch_norm = true, .decoder = DECODER_LAST } },
	{ "lstm backwards, pool", 7, { RECURRENT, .encoder = ENCODER_LSTM, .reverse = true, .decoder = DECODER_POOL, .attention = 5 } },
	{ "rnn, last", 4, { RECURRENT, .encoder = ENCODER_RNN, .decoder = DECODER_LAST } },
	{ "rnn, attention", 7, { RECURRENT, .encoder = ENCODER_RNN, .attention = 6 } },
	{ "transformer", 5, { RECURRENT, .encoder = ENCODER_TRANSFORMER, .heads = 2, .feedforward = 16, .decoder = DECODER_LAST } },
	{ "segments", 6, { .inputs = COLUMNS, .hidden = 8, .layers = 1, .bias = true, .reset_after = true, .encoder = ENCODER_GRU,
	                   .decoder = DECODER_SEGMENT, .targets = COLUMNS, .levels = 1, .segment = 3, .horizon = 6 } },
};

struct subject {
	struct pipeline pipeline;
	struct net_spec spec;
	size_t n_params;
	float *params;
	double context[WINDOW * COLUMNS];
	struct inspector *inspector;
};

static void subject_init(struct subject *s, int model)
{
	static const char *const names[COLUMNS] = { "close", "volume", "open" };
	struct tensor_table table;
	struct rng r;
	rng_init(&r, 5, RNG_TEST, (uint32_t)model);
	s->spec = models[model].spec;
	ck_assert_int_eq(net_spec_check(&s->spec, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_init_raw(&s->pipeline, names, COLUMNS, s->spec.targets, WINDOW, s->spec.horizon, NULL), ERR_OK);
	net_tensors(&s->spec, &table);
	s->n_params = table.count;
	s->params = calloc(table.count, sizeof *s->params);
	ck_assert_ptr_nonnull(s->params);
	for (size_t i = 0; i < table.count; i++)
		s->params[i] = (float)fabs(0.4 * rng_normal(&r)) * (i % 2 ? 1 : -1);
	struct tensor_run statistics = net_statistics(&table);
	for (size_t i = 0; i < statistics.count; i++)                /* variances are positive */
		s->params[statistics.offset + i] = (float)(0.5 + 0.01 * (double)i);
	for (int i = 0; i < WINDOW * COLUMNS; i++)
		s->context[i] = rng_normal(&r);
	ck_assert_int_eq(inspector_new(&s->pipeline, &s->spec, &s->inspector, NULL), ERR_OK);
}

static void subject_fini(struct subject *s)
{
	inspector_free(s->inspector);
	free(s->params);
}

static void check_floats(const char *what, size_t n, const float *got, const float *want)
{
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(fabsf(got[i] - want[i]) <= 1e-5f * (1 + fabsf(want[i])), "%s[%zu]: %g, not %g", what, i, (double)got[i],
		              (double)want[i]);
}

START_TEST(says_what_the_serving_path_says)
{
	struct subject s;
	struct infer_model *m = NULL;
	struct infer_ws *ws = NULL;
	float y[WINDOW * COLUMNS], attention[WINDOW * WINDOW];
	subject_init(&s, _i);
	ck_assert_int_eq(infer_model_new(&s.spec, s.params, NULL, &m, NULL), ERR_OK);
	ck_assert_int_eq(infer_ws_new(1, &ws, NULL), ERR_OK);
	ck_assert_int_eq(infer_ws_reserve(ws, m, WINDOW, NULL), ERR_OK);
	inspect_run(s.inspector, s.params, s.context);
	infer_run(m, ws, &(struct infer_sequence){ .x = s.inspector->x, .T = WINDOW, .y = y, .attention = attention }, 1);
	check_floats("y", (size_t)(s.spec.horizon * net_outputs(&s.spec)), s.inspector->y, y);
	for (int n = 0; n < s.inspector->trace[0].n; n++) {
		const struct trace_view *v = &s.inspector->trace[0].view[n];
		for (int h = 0; v->kind == TRACE_ATTENTION && h < v->steps; h++)
			check_floats("attention", WINDOW, trace_row(v, h), attention + h * WINDOW);
	}
	infer_ws_free(ws);
	infer_model_free(m);
	subject_fini(&s);
}
END_TEST

START_TEST(what_a_model_offers)
{
	struct subject s;
	subject_init(&s, _i);
	ck_assert_uint_eq(inspect_offers(s.inspector, 7), models[_i].offers);
	ck_assert_uint_eq(inspect_offers(s.inspector, INSPECT_STATES), INSPECT_STATES);
	subject_fini(&s);
}
END_TEST

/* Two layers of three gates and h, in a window; an attention and a decoder of three gates and h, in a horizon. */
START_TEST(numbers_are_counted)
{
	struct subject s;
	subject_init(&s, 0);
	size_t encoder = 2 * WINDOW * 8, decoder = 4 * 8;
	ck_assert_uint_eq(inspect_numbers(s.inspector, INSPECT_GATES), 3 * (encoder + decoder));
	ck_assert_uint_eq(inspect_numbers(s.inspector, INSPECT_STATES), encoder + decoder);
	ck_assert_uint_eq(inspect_numbers(s.inspector, INSPECT_ATTENTION), 4 * WINDOW);
	subject_fini(&s);
	subject_init(&s, 6);                                         /* two layers of two heads */
	ck_assert_uint_eq(inspect_numbers(s.inspector, INSPECT_ATTENTION), 4 * WINDOW * WINDOW);
	subject_fini(&s);
	subject_init(&s, 7);                                         /* each channel */
	ck_assert_uint_eq(inspect_numbers(s.inspector, INSPECT_STATES), COLUMNS * 8 * (WINDOW / 3 + 2));
	subject_fini(&s);
}
END_TEST

/* Gates of the encoder follow the window; the decoder's and a segment network's do not. */
START_TEST(who_follows_the_input)
{
	struct subject s;
	subject_init(&s, _i);
	for (int n = 0; n < s.inspector->trace[0].n; n++) {
		const struct trace_view *v = &s.inspector->trace[0].view[n];
		bool encoder = strncmp(v->part, "encoder", 7) == 0;
		ck_assert_int_eq(inspect_follows_input(s.inspector, v), encoder && s.spec.decoder != DECODER_SEGMENT);
	}
	subject_fini(&s);
}
END_TEST

/* A second window in the same inspector is as if it were the first. */
START_TEST(passes_leave_nothing_behind)
{
	struct subject s;
	subject_init(&s, _i);
	const struct trace_view *v = &s.inspector->trace[0].view[0];
	float before[WINDOW * 8];
	inspect_run(s.inspector, s.params, s.context);
	for (int t = 0; t < v->steps; t++)
		memcpy(before + t * 8, trace_row(v, t), sizeof(float) * 8);
	double other[WINDOW * COLUMNS] = { 0 };
	inspect_run(s.inspector, s.params, other);
	ck_assert_mem_ne(before, trace_row(v, 0), sizeof(float) * 8);
	inspect_run(s.inspector, s.params, s.context);
	for (int t = 0; t < v->steps; t++)
		ck_assert_mem_eq(before + t * 8, trace_row(v, t), sizeof(float) * 8);
	subject_fini(&s);
}
END_TEST

START_TEST(what_is_too_large_is_refused)
{
	static const char *const names[1] = { "x" };
	const struct net_spec spec = { .inputs = 1, .hidden = 1024, .layers = 1, .decoder = DECODER_LAST, .targets = 1, .levels = 1,
	                               .horizon = 1 };
	struct pipeline p;
	struct inspector *i = NULL;
	struct error e;
	ck_assert_int_eq(pipeline_init_raw(&p, names, 1, 1, PIPELINE_MAX_CONTEXT, 1, NULL), ERR_OK);
	ck_assert_int_eq(inspector_new(&p, &spec, &i, &e), ERR_INVALID);
	ck_assert_ptr_null(i);
	ck_assert_ptr_nonnull(strstr(e.what, "67108864"));
}
END_TEST

/* macd gives two channels. */
START_TEST(channels_have_names)
{
	static const char *const want[] = { "close", "macd_12_26_9", "macd_12_26_9_signal", "sma_3", "volume" };
	struct pipeline p = { .columns = 2, .features = 4, .channels = 5 };
	static const char *const features[] = { "macd_12_26_9", "sma_3" };
	strcpy(p.column[0], "close");
	strcpy(p.column[1], "volume");
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(feature_parse(features[i], &p.feature[i + 1], NULL), ERR_OK);
	p.feature[3].column = 1;
	for (int c = 0; c < COUNT(want); c++) {
		char name[PIPELINE_CHANNEL_NAME];
		pipeline_channel_name(&p, c, name);
		ck_assert_str_eq(name, want[c]);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("inspect");
	TCase *c = tcase_create("inspect");
	tcase_set_timeout(c, 120);
	tcase_add_loop_test(c, health, 0, COUNT(health_cases));
	tcase_add_loop_test(c, pearson, 0, COUNT(correlation_cases));
	tcase_add_loop_test(c, says_what_the_serving_path_says, 0, COUNT(models));
	tcase_add_loop_test(c, what_a_model_offers, 0, COUNT(models));
	tcase_add_test(c, numbers_are_counted);
	tcase_add_loop_test(c, who_follows_the_input, 0, COUNT(models));
	tcase_add_loop_test(c, passes_leave_nothing_behind, 0, COUNT(models));
	tcase_add_test(c, what_is_too_large_is_refused);
	tcase_add_test(c, channels_have_names);
	suite_add_tcase(suite, c);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A state that is carried from one piece of a series to the next: the same bits wherever the series is cut. */
#include "fixture.h"

#include "model/base/rng.h"
#include "model/forecaster.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 3, WINDOW = 40, HORIZON = 2, TARGETS = 2, STREAMS = 9, CELLS_OF_ANSWER = HORIZON * TARGETS };

static const struct { enum encoder_type encoder; int hidden, layers; bool other, int8; } nets[] = {
	{ ENCODER_GRU, 8, 1, true, false },      /* other: reset after, of an RNN relu */
	{ ENCODER_GRU, 37, 2, false, false },
	{ ENCODER_GRU, 48, 1, true, true },
	{ ENCODER_LSTM, 8, 1, false, false },
	{ ENCODER_LSTM, 21, 3, false, false },
	{ ENCODER_LSTM, 32, 2, false, true },
	{ ENCODER_RNN, 16, 1, false, false },
	{ ENCODER_RNN, 5, 2, true, false },
};

static struct net_spec spec_of(int i)
{
	return (struct net_spec){
		.inputs = COLUMNS, .encoder = nets[i].encoder, .hidden = nets[i].hidden, .layers = nets[i].layers, .bias = true,
		.reset_after = nets[i].encoder == ENCODER_GRU && nets[i].other,
		.relu = nets[i].encoder == ENCODER_RNN && nets[i].other,
		.batch_norm = i % 2, .decoder = DECODER_LAST, .targets = TARGETS, .levels = 1, .horizon = HORIZON,
	};
}

static float *draw_params(const struct net_spec *s, struct rng *r)
{
	struct tensor_table t;
	net_tensors(s, &t);
	float *params = calloc(t.count, sizeof *params);
	ck_assert_ptr_nonnull(params);
	for (size_t i = 0; i < t.count; i++)
		params[i] = (float)(0.3 * rng_normal(r));
	struct tensor_run statistics = net_statistics(&t);
	for (size_t i = 0; i < statistics.count; i++)   /* variances are not below 0 */
		params[statistics.offset + i] = fabsf(params[statistics.offset + i]) + 0.1f;
	return params;
}

static struct forecaster *make(const struct net_spec *s, bool int8, uint64_t seed)
{
	static const char *const columns[] = { "a", "b", "c" };
	struct pipeline p;
	struct rng r;
	struct forecaster *f = NULL;
	struct error e;
	rng_init(&r, seed, RNG_TEST, 0);
	float *params = draw_params(s, &r);
	ck_assert_int_eq(pipeline_init_raw(&p, columns, COLUMNS, TARGETS, WINDOW, HORIZON, &e), ERR_OK);
	enum err rc = forecaster_new(&p, s, NULL, (struct frequency){ FREQ_NONE, 0 }, params,
	                             &(struct infer_options){ .int8 = int8 }, NULL, &f, &e);
	ck_assert_msg(rc == ERR_OK, "%s", e.what);
	free(params);
	return f;
}

/* One series on its way. */
struct stream {
	struct forecast job;
	double row[WINDOW * COLUMNS], mean[CELLS_OF_ANSWER];
	float *state;
	int read;
};

static void stream_begin(struct stream *s, const struct forecaster *f)
{
	s->state = calloc((size_t)net_state_size(&f->net), sizeof *s->state);
	ck_assert_ptr_nonnull(s->state);
	s->read = 0;
}

/* The next n rows of what it is of. */
static void stream_next(struct stream *s, const struct stream *of, int n)
{
	const double *rows = of->row + (size_t)s->read * COLUMNS;
	s->job = (struct forecast){ .context = rows, .state = s->state, .window = n, .mean = s->mean };
	s->read += n;
}

static void run(const struct forecaster *f, struct forecast_ws *w, struct stream **s, int n)
{
	struct forecast *jobs[STREAMS];
	for (int i = 0; i < n; i++)
		jobs[i] = &s[i]->job;
	forecaster_run(f, w, jobs, n);
	for (int i = 0; i < n; i++)
		ck_assert(s[i]->job.finite);
}

/* The same as flights, which join and land one by one. */
static void fly(const struct forecaster *f, struct forecast_ws *w, struct stream **s, int n)
{
	struct stream *of[INFER_FLIGHTS];
	int landed[INFER_FLIGHTS];
	for (int i = 0; i < n; i++)
		of[forecaster_begin(f, w, &s[i]->job)] = s[i];
	for (int done = 0; done < n;) {
		int now = forecaster_tick(w, landed);
		for (int i = 0; i < now; i++) {
			forecaster_decode(f, w, landed[i], &of[landed[i]]->job);
			ck_assert(of[landed[i]]->job.finite);
		}
		done += now;
	}
}

/* All the streams in pieces, drawn who moves and how far, and how, until all are read. */
static void walk(const struct forecaster *f, struct forecast_ws *w, struct stream *cut, const struct stream *whole,
                 struct rng *r)
{
	for (int left = STREAMS; left;) {
		struct stream *moving[STREAMS];
		int n = 0;
		left = 0;
		for (int i = 0; i < STREAMS; i++) {
			int rest = WINDOW - cut[i].read;
			left += rest > 0;
			if (!rest || rng_below(r, 3) == 0)
				continue;
			stream_next(&cut[i], &whole[i], 1 + (int)rng_below(r, (uint64_t)rest));
			moving[n++] = &cut[i];
		}
		if (n && rng_below(r, 2))
			run(f, w, moving, n);
		else if (n)
			fly(f, w, moving, n);
	}
}

static void check_same(const struct forecaster *f, const struct stream *a, const struct stream *b)
{
	ck_assert_int_eq(memcmp(a->mean, b->mean, sizeof a->mean), 0);
	ck_assert_int_eq(memcmp(a->state, b->state, (size_t)net_state_size(&f->net) * sizeof *a->state), 0);
}

START_TEST(the_same_bits_wherever_it_is_cut)
{
	struct net_spec spec = spec_of(_i);
	struct forecaster *f = make(&spec, nets[_i].int8, (uint64_t)_i);
	struct stream *whole = calloc(STREAMS, sizeof *whole), *cut = calloc(STREAMS, sizeof *cut);
	struct forecast_ws *w;
	struct rng r;
	rng_init(&r, (uint64_t)_i, RNG_TEST, 1);
	ck_assert_int_eq(forecaster_carries(f, NULL), ERR_OK);
	ck_assert_int_eq(forecast_ws_new(INFER_FLIGHTS, &w, NULL), ERR_OK);
	ck_assert_int_eq(forecast_ws_reserve(w, f, NULL), ERR_OK);
	ck_assert_int_eq(forecast_ws_reserve_flights(w, f, NULL), ERR_OK);
	for (int i = 0; i < STREAMS; i++) {
		for (int k = 0; k < WINDOW * COLUMNS; k++)
			whole[i].row[k] = rng_normal(&r);
		stream_begin(&whole[i], f);
		stream_begin(&cut[i], f);
		stream_next(&whole[i], &whole[i], WINDOW);
		run(f, w, (struct stream *[]){ &whole[i] }, 1);
	}
	walk(f, w, cut, whole, &r);
	for (int i = 0; i < STREAMS; i++) {
		double mean[CELLS_OF_ANSWER];
		struct forecast *window = &(struct forecast){ .context = whole[i].row, .mean = mean };
		check_same(f, &whole[i], &cut[i]);
		ck_assert(memcmp(whole[i].mean, whole[(i + 1) % STREAMS].mean, sizeof mean) != 0);
		forecaster_run(f, w, &window, 1);   /* from zeros, a window of rows is that window's forecast */
		ck_assert_int_eq(memcmp(mean, whole[i].mean, sizeof mean), 0);
		free(whole[i].state);
		free(cut[i].state);
	}
	forecast_ws_free(w);
	forecaster_free(f);
	free(whole);
	free(cut);
}
END_TEST

static void widen(struct net_spec *s, struct pipeline *p) { s->bidirectional = true; }
static void reverse(struct net_spec *s, struct pipeline *p) { s->reverse = true; }
static void mean(struct net_spec *s, struct pipeline *p) { s->decoder = DECODER_MEAN; }
static void attend(struct net_spec *s, struct pipeline *p) { s->decoder = DECODER_ATTENTION; }
static void transform(struct net_spec *s, struct pipeline *p) { s->encoder = ENCODER_TRANSFORMER; }
static void normalise(struct net_spec *s, struct pipeline *p) { s->instance_norm = true; }
static void change(struct net_spec *s, struct pipeline *p) { p->target[1].absolute = false; }
static void relate(struct net_spec *s, struct pipeline *p) { p->channel[2].transform = TRANSFORM_CHANGE; }
static void divide(struct net_spec *s, struct pipeline *p) { p->channel[0].transform = TRANSFORM_RATIO; }
static void indicate(struct net_spec *s, struct pipeline *p) { p->feature[2].kind = FEATURE_RSI; }
static void standardise(struct net_spec *s, struct pipeline *p) { p->channel[2].transform = TRANSFORM_STANDARD; }

static const struct { void (*alter)(struct net_spec *s, struct pipeline *p); const char *why; } carry_cases[] = {
	{ widen, "end" }, { reverse, "end" }, { mean, "decoder" }, { attend, "decoder" }, { transform, "Transformer" },
	{ normalise, "deviation" }, { change, "last value" }, { relate, "last value" }, { divide, "last value" },
	{ indicate, "indicators" }, { standardise, NULL },
};

START_TEST(what_cannot_carry_a_state_says_why)
{
	struct net_spec spec = spec_of(0);
	struct forecaster *f = make(&spec, false, 1);
	struct error e = { 0 };
	carry_cases[_i].alter(&f->net, &f->pipeline);
	enum err want = carry_cases[_i].why ? ERR_INVALID : ERR_OK;
	ck_assert_int_eq(forecaster_carries(f, &e), want);
	if (carry_cases[_i].why)
		ck_assert_ptr_nonnull(strstr(e.what, carry_cases[_i].why));
	forecaster_free(f);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
	Suite *s = suite_create("carry");
	TCase *t = tcase_create("carry");
	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, the_same_bits_wherever_it_is_cut, 0, COUNT(nets));
	tcase_add_loop_test(t, what_cannot_carry_a_state_says_why, 0, COUNT(carry_cases));
	suite_add_tcase(s, t);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

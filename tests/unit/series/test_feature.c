/* test_feature.c - names by table; values against small tables and, on random series, against a second
 * implementation that is written as plainly as the definitions are. */
#include <string.h>

#include "model/base/rng.h"
#include "model/series/feature.h"
#include "tests/unit/series/suite.h"

static const struct { const char *name; struct feature f; int channels, lookback; } names[] = {
	{ "sma_10",            { FEATURE_SMA, 0, { 10 } },            1, 9 },
	{ "sma_1",             { FEATURE_SMA, 0, { 1 } },             1, 0 },
	{ "sma_1000",          { FEATURE_SMA, 0, { 1000 } },          1, 999 },
	{ "ema_20",            { FEATURE_EMA, 0, { 20 } },            1, 19 },
	{ "rsi_14",            { FEATURE_RSI, 0, { 14 } },            1, 14 },
	{ "macd_12_26_9",      { FEATURE_MACD, 0, { 12, 26, 9 } },    2, 33 },
	{ "log_return_1",      { FEATURE_LOG_RETURN, 0, { 1 } },      1, 1 },
	{ "log_return_5",      { FEATURE_LOG_RETURN, 0, { 5 } },      1, 5 },
	{ "log_volatility_20", { FEATURE_LOG_VOLATILITY, 0, { 20 } }, 1, 20 },
};

START_TEST(name_table)
{
	struct feature f;
	char text[64];
	ck_assert_int_eq(feature_parse(names[_i].name, &f, NULL), ERR_OK);
	ck_assert(f.kind == names[_i].f.kind && f.column == 0);
	ck_assert(memcmp(f.n, names[_i].f.n, sizeof f.n) == 0);
	ck_assert_int_eq(feature_channels(&f), names[_i].channels);
	ck_assert_int_eq(feature_lookback(&f), names[_i].lookback);
	ck_assert_uint_eq(feature_format(&f, text, sizeof text), strlen(names[_i].name));
	ck_assert_str_eq(text, names[_i].name);
}
END_TEST

START_TEST(implied_period)
{
	struct feature f;
	ck_assert_int_eq(feature_parse("log_return", &f, NULL), ERR_OK);
	ck_assert(f.kind == FEATURE_LOG_RETURN && f.n[0] == 1);
}
END_TEST

static const struct { const char *name, *says; } bad_names[] = {
	{ "", "there is no indicator" },
	{ "smaa_10", "did you mean \"sma\"" },
	{ "log_volatilty_10", "did you mean \"log_volatility\"" },
	{ "SMA_10", "did you mean \"sma\"" },
	{ "close", "there is no indicator" },
	{ "sma", "written as sma_N" },
	{ "sma_", "there is no indicator" },
	{ "sma_x", "there is no indicator" },
	{ "sma_-1", "there is no indicator" },
	{ "_10", "there is no indicator" },
	{ "10", "there is no indicator" },
	{ "sma_0", "1 … 1000" },
	{ "sma_1001", "1 … 1000" },
	{ "sma_99999999999999999999", "1 … 1000" },
	{ "sma_10_20", "written as sma_N" },
	{ "macd_12_26", "written as macd_F_S_G" },
	{ "macd_1_2_3_4", "written as macd_F_S_G" },
	{ "macd_1_2_3_4_5", "no indicator" },
	{ "macd_26_12_9", "shorter" },
	{ "macd_12_12_9", "shorter" },
	{ "log_volatility_1", "2 … 1000" },
	{ "log_return_0", "1 … 1000" },
};

START_TEST(bad_name_table)
{
	struct feature f = { .column = 42 };
	struct error e;
	ck_assert_int_eq(feature_parse(bad_names[_i].name, &f, &e), ERR_INVALID);
	ck_assert_int_eq(f.column, 42);
	ck_assert_str_eq(e.where, bad_names[_i].name);
	ck_assert_msg(strstr(e.what, bad_names[_i].says) != NULL, "%s", e.what);
}
END_TEST

/* ---- values ---- */

#define MOST 300

struct values { double out[2][MOST]; };

static void compute(const char *name, const double *x, size_t n, struct values *v)
{
	struct feature f;
	double scratch[MOST];
	ck_assert_int_eq(feature_parse(name, &f, NULL), ERR_OK);
	double *const out[2] = { v->out[0], v->out[1] };
	feature_compute(&f, x, n, out, scratch);
}

static void check_equal(const char *name, const double *got, const double *want, size_t n, double tolerance)
{
	for (size_t i = 0; i < n; i++) {
		if (isnan(want[i]))
			ck_assert_msg(isnan(got[i]), "%s[%zu] = %g, not NaN", name, i, got[i]);
		else
			ck_assert_msg(near(got[i], want[i], tolerance * (1 + fabs(want[i]))), "%s[%zu] = %.17g, not %.17g", name, i,
				got[i], want[i]);
	}
}

#define _ NAN
static const struct { const char *name; int channel; double want[8]; } by_hand[] = {
	{ "sma_1",        0, { 1, 2, 4, 3, 3, 7, 7, 5 } },
	{ "sma_4",        0, { _, _, _, 2.5, 3, 4.25, 5, 5.5 } },
	{ "ema_3",        0, { _, _, 7 / 3., 8 / 3., 17 / 6., 59 / 12., 143 / 24., 263 / 48. } },
	{ "rsi_2",        0, { _, _, 100, 60, 60, 3500 / 37., 3500 / 37., 3500 / 101. } },
	{ "log_return_2", 0, { _, _, 1.3862943611198906, .4054651081081644, -.2876820724517809, .8472978603872037,
	                       .8472978603872037, -.3364722366212129 } },
	/* ema_1 is x; ema_2 = 1.5, 19/6, 55/18, 163/54, 919/162, 3187/486, 8047/1458 */
	{ "macd_1_2_2",   0, { _, .5, 5 / 6., -1 / 18., -1 / 54., 215 / 162., 215 / 486., -757 / 1458. } },
	{ "macd_1_2_2",   1, { _, _, 2 / 3., 5 / 27., 4 / 81., 73 / 81., 434 / 729., -323 / 2187. } },
};

START_TEST(small_tables)
{
	static const double x[8] = { 1, 2, 4, 3, 3, 7, 7, 5 };
	struct values v;
	compute(by_hand[_i].name, x, 8, &v);
	check_equal(by_hand[_i].name, v.out[by_hand[_i].channel], by_hand[_i].want, 8, 1e-14);
}
END_TEST

START_TEST(volatility_by_hand)
{
	/* log returns +l, -l, +l with l = log 2: mean l / 3, deviation l * sqrt(8) / 3 */
	static const double x[5] = { 1, 2, 1, 2, 2 };
	const double l = 0.6931471805599453, want[5] = { _, _, _, log(l * sqrt(8) / 3), log(l * sqrt(2 / 3.)) };
	struct values v;
	compute("log_volatility_3", x, 5, &v);
	check_equal("log_volatility_3", v.out[0], want, 5, 1e-14);
}
END_TEST

START_TEST(what_has_no_log)
{
	static const double x[7] = { 2, 0, 2, -1, 2, 2, 2 };
	static const double want[7] = { _, _, _, _, _, 0, 0 };
	static const double nothing[7] = { _, _, _, _, _, _, _ };
	struct values v;
	compute("log_return", x, 7, &v);
	check_equal("log_return", v.out[0], want, 7, 0);
	compute("log_volatility_2", x, 7, &v);   /* the last period is all zero, and log 0 is none either */
	check_equal("log_volatility_2", v.out[0], nothing, 7, 0);
}
END_TEST

START_TEST(flat_rsi)
{
	static const double x[6] = { 3, 3, 3, 4, 4, 5 };
	static const double want[6] = { _, _, 50, 100, 100, 100 };
	struct values v;
	compute("rsi_2", x, 6, &v);
	check_equal("rsi_2", v.out[0], want, 6, 1e-14);
}
END_TEST

/* The value at row i by its definition, from the start of the series each time. */
static double plain_ema(int n, const double *x, int i)
{
	if (i < n - 1)
		return NAN;
	if (i > n - 1) {
		double move = 2.0 / (n + 1);
		return x[i] * move + plain_ema(n, x, i - 1) * (1 - move);
	}
	double sum = 0;
	for (int k = 0; k < n; k++)
		sum += x[k];
	return sum / n;
}

static double plain_wilder(int n, const double *x, int i, double sign)
{
	double sum = 0;
	for (int k = 1; k <= n; k++)
		sum += fmax(sign * (x[k] - x[k - 1]), 0);
	double average = sum / n;
	for (int k = n + 1; k <= i; k++)
		average = (average * (n - 1) + fmax(sign * (x[k] - x[k - 1]), 0)) / n;
	return average;
}

static double plain(const struct feature *f, int channel, const double *x, int i)
{
	int n = f->n[0];
	double sum = 0, squares = 0, line[MOST];
	if (f->kind == FEATURE_EMA)
		return plain_ema(n, x, i);
	if (f->kind == FEATURE_MACD) {
		int start = f->n[1] - 1;
		for (int k = start; k <= i; k++)
			line[k - start] = plain_ema(f->n[0], x, k) - plain_ema(f->n[1], x, k);
		if (i < start)
			return NAN;
		return channel ? plain_ema(f->n[2], line, i - start) : line[i - start];
	}
	if (i < feature_lookback(f))
		return NAN;
	switch (f->kind) {
	case FEATURE_SMA:
		for (int k = 0; k < n; k++)
			sum += x[i - k];
		return sum / n;
	case FEATURE_RSI:
		return 100 - 100 / (1 + plain_wilder(n, x, i, 1) / plain_wilder(n, x, i, -1));
	case FEATURE_LOG_RETURN:
		return log(x[i] / x[i - n]);
	case FEATURE_LOG_VOLATILITY:
		for (int k = 0; k < n; k++) {
			double r = log(x[i - k] / x[i - k - 1]);
			sum += r;
			squares += r * r;
		}
		return log(sqrt(squares / n - sum / n * sum / n));
	default:
		return x[i];
	}
}

START_TEST(against_plain)
{
	static const char *const tried[] = {
		"sma_1", "sma_7", "sma_50", "ema_1", "ema_9", "ema_40", "rsi_1", "rsi_14", "rsi_30", "macd_3_10_4", "macd_12_26_9",
		"macd_1_2_1", "log_return", "log_return_13", "log_volatility_2", "log_volatility_20",
	};
	struct rng r;
	struct values v;
	double x[MOST], want[MOST];
	rng_init(&r, 7, RNG_TEST, (uint32_t)_i);
	size_t n = 1 + (size_t)rng_below(&r, MOST);
	double price = 100;
	for (size_t i = 0; i < n; i++)
		x[i] = price *= exp(0.02 * rng_normal(&r));
	for (size_t t = 0; t < sizeof tried / sizeof *tried; t++) {
		struct feature f;
		ck_assert_int_eq(feature_parse(tried[t], &f, NULL), ERR_OK);
		compute(tried[t], x, n, &v);
		for (int c = 0; c < feature_channels(&f); c++) {
			for (size_t i = 0; i < n; i++)
				want[i] = plain(&f, c, x, (int)i);
			check_equal(tried[t], v.out[c], want, n, 1e-9);
		}
	}
}
END_TEST

/* A value depends on rows up to its own alone. */
START_TEST(no_look_ahead)
{
	struct rng r;
	double x[MOST];
	struct values whole, part;
	rng_init(&r, 8, RNG_TEST, 0);
	for (size_t i = 0; i < MOST; i++)
		x[i] = 1 + rng_uniform(&r);
	for (size_t t = 0; t < sizeof names / sizeof *names; t++) {
		compute(names[t].name, x, MOST, &whole);
		for (size_t n = 0; n < MOST; n += 37) {
			compute(names[t].name, x, n, &part);
			for (int c = 0; c < names[t].channels; c++)
				check_equal(names[t].name, part.out[c], whole.out[c], n, 0);
		}
	}
}
END_TEST

#define LOOP(c, test, table) tcase_add_loop_test(c, test, 0, (int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *s = suite_create("feature");
	TCase *c = new_case(s, "names");
	LOOP(c, name_table, names);
	tcase_add_test(c, implied_period);
	LOOP(c, bad_name_table, bad_names);
	c = new_case(s, "values");
	LOOP(c, small_tables, by_hand);
	tcase_add_test(c, volatility_by_hand);
	tcase_add_test(c, what_has_no_log);
	tcase_add_test(c, flat_rsi);
	tcase_add_loop_test(c, against_plain, 0, 12);
	tcase_add_test(c, no_look_ahead);
	return run_suite(s);
}

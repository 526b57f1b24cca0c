/* test_pipeline.c - names and limits by table; filling; scales from the training rows alone; windows against a
 * plain computation; no look-ahead; the way there and back. */
#include <stdio.h>
#include <string.h>

#include "model/base/rng.h"
#include "model/series/pipeline.h"
#include "tests/unit/series/suite.h"

#define ROWS 400

/* date, close, Volume, level (of both signs), note (text) */
static struct frame *make_frame(size_t rows)
{
	static const struct { const char *name; enum column_type type; } columns[] = {
		{ "date", COLUMN_DATE }, { "close", COLUMN_NUMBER }, { "Volume", COLUMN_NUMBER }, { "level", COLUMN_NUMBER },
		{ "note", COLUMN_TEXT },
	};
	struct frame *f = frame_new();
	struct rng r;
	double close = 100;
	rng_init(&r, 5, RNG_TEST, 0);
	for (size_t j = 0; j < sizeof columns / sizeof *columns; j++)
		ck_assert_int_eq(frame_add_column(f, columns[j].name, columns[j].type, NULL), ERR_OK);
	for (size_t i = 0; i < rows; i++) {
		ck_assert_int_eq(frame_add_row(f, NULL), ERR_OK);
		frame_set_date(f, 0, i, (int64_t)i * 86400);
		frame_set_number(f, 1, i, close *= exp(0.02 * rng_normal(&r)));
		frame_set_number(f, 2, i, 1e6 * exp(rng_normal(&r)));
		frame_set_number(f, 3, i, 3 * rng_normal(&r));
	}
	return f;
}

/* ---- names ---- */

static const char *const no_names[] = { NULL };

START_TEST(resolves)
{
	static const char *const targets[] = { "level", "close" };
	static const char *const features[] = { "volume", "macd_2_3_4", "close", "sma_5" };
	static const char *const columns[] = { "level", "close", "Volume" };
	struct frame *f = make_frame(1);
	struct pipeline p;
	ck_assert_int_eq(pipeline_init(&p, targets, 2, features, 4, 10, 3, f, NULL), ERR_OK);
	ck_assert(p.columns == 3 && p.targets == 2 && p.features == 4 && p.channels == 5);
	ck_assert(p.window == 10 && p.horizon == 3);
	for (int j = 0; j < 3; j++)
		ck_assert_str_eq(p.column[j], columns[j]);
	ck_assert(p.target[0].column == 0 && p.target[1].column == 1);
	ck_assert(near(p.target[0].shrink, 1, 0));
	ck_assert(p.feature[0].kind == FEATURE_COLUMN && p.feature[0].column == 2);
	ck_assert(p.feature[1].kind == FEATURE_MACD && p.feature[1].column == 0);
	ck_assert(p.feature[2].kind == FEATURE_COLUMN && p.feature[2].column == 1);
	ck_assert_int_eq(pipeline_context(&p), 10 + 5);
	frame_free(f);
}
END_TEST

START_TEST(targets_are_the_default_features)
{
	static const char *const targets[] = { "level", "close" };
	struct frame *f = make_frame(1);
	struct pipeline p;
	for (int k = 0; k < 2; k++) {
		ck_assert_int_eq(pipeline_init(&p, targets, 2, k ? no_names : NULL, 0, 10, 3, f, NULL), ERR_OK);
		ck_assert(p.features == 2 && p.channels == 2 && p.feature[1].column == 1);
		ck_assert_int_eq(pipeline_context(&p), 10);
	}
	frame_free(f);
}
END_TEST

START_TEST(a_column_wins_over_an_indicator)
{
	static const char *const names[] = { "x", "sma_3" };
	struct frame *f = frame_new();
	struct pipeline p;
	for (int j = 0; j < 2; j++)
		ck_assert_int_eq(frame_add_column(f, names[j], COLUMN_NUMBER, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_init(&p, names, 1, names + 1, 1, 1, 1, f, NULL), ERR_OK);
	ck_assert(p.feature[0].kind == FEATURE_COLUMN && p.feature[0].column == 1);
	frame_free(f);
}
END_TEST

static const struct {
	const char *target[3], *feature[3];
	int window, horizon;
	const char *where, *says;
} refused[] = {
	{ { "clsoe" },          { 0 },                   10, 1, "/target/0",   "did you mean \"close\"" },
	{ { "close", "datum" }, { 0 },                   10, 1, "/target/1",   "no column \"datum\"" },
	{ { "date" },           { 0 },                   10, 1, "/target/0",   "dates" },
	{ { "note" },           { 0 },                   10, 1, "/target/0",   "text" },
	{ { "close", "Close" }, { 0 },                   10, 1, "/target/1",   "twice" },
	{ { "sma_10" },         { 0 },                   10, 1, "/target/0",   "no column" },
	{ { "close" },          { "close", "volum" },    10, 1, "/features/1", "did you mean \"Volume\"" },
	{ { "close" },          { "smaa_10" },           10, 1, "/features/0", "did you mean \"sma\"" },
	{ { "close" },          { "sma_0" },             10, 1, "/features/0", "1 … 1000" },
	{ { "close" },          { "close", "note" },     10, 1, "/features/1", "text" },
	{ { "close" },          { "sma_5", "sma_5" },    10, 1, "/features/1", "twice" },
	{ { "close" },          { "close", "CLOSE" },    10, 1, "/features/1", "twice" },
	{ { 0 },                { 0 },                   10, 1, "/target",     "1 … 16" },
	{ { "close" },          { 0 },                   0,  1, "/window",     "1 … 20000" },
	{ { "close" },          { 0 },                20001, 1, "/window",     "1 … 20000" },
	{ { "close" },          { "sma_102" },        19900, 1, "/window",     "look-back" },
	{ { "close" },          { 0 },                   10, 0, "/horizon",    "at least one" },
};

static int count(const char *const *names)
{
	int n = 0;
	while (n < 3 && names[n])
		n++;
	return n;
}

START_TEST(refusals)
{
	struct frame *f = make_frame(1);
	struct pipeline p = { .columns = 42 };
	struct error e;
	ck_assert_int_eq(pipeline_init(&p, refused[_i].target, count(refused[_i].target), refused[_i].feature,
		count(refused[_i].feature), refused[_i].window, refused[_i].horizon, f, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, refused[_i].where);
	ck_assert_msg(strstr(e.what, refused[_i].says) != NULL, "%s", e.what);
	ck_assert_int_eq(p.columns, 42);
	frame_free(f);
}
END_TEST

START_TEST(too_many)
{
	static char name[PIPELINE_MAX_COLUMNS + 2][8];
	const char *names[PIPELINE_MAX_COLUMNS + 2];
	struct frame *f = frame_new();
	struct pipeline p;
	struct error e;
	for (int j = 0; j < PIPELINE_MAX_COLUMNS + 2; j++) {
		snprintf(name[j], sizeof name[j], "c%d", j);
		names[j] = name[j];
		ck_assert_int_eq(frame_add_column(f, name[j], COLUMN_NUMBER, NULL), ERR_OK);
	}
	ck_assert_int_eq(pipeline_init(&p, names, 1, names + 1, PIPELINE_MAX_COLUMNS - 1, 1, 1, f, &e), ERR_OK);
	ck_assert_int_eq(pipeline_init(&p, names, 1, names + 1, PIPELINE_MAX_COLUMNS, 1, 1, f, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/features/63");
	ck_assert_int_eq(pipeline_init(&p, names, 1, names, PIPELINE_MAX_FEATURES + 1, 1, 1, f, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/features");
	ck_assert_int_eq(pipeline_init(&p, names, PIPELINE_MAX_TARGETS + 1, NULL, 0, 1, 1, f, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "/target");
	frame_free(f);
}
END_TEST

/* ---- rows ---- */

START_TEST(fills_forward)
{
	double rows[8] = { 1, 5,  NAN, 6,  NAN, NAN,  4, NAN };
	static const double want[8] = { 1, 5,  1, 6,  1, 6,  4, 6 };
	int column = -1;
	size_t row = 99;
	ck_assert_int_eq(fill_forward(rows, 4, 2, &column, &row), 4);
	for (int i = 0; i < 8; i++)
		ck_assert(near(rows[i], want[i], 0));
	ck_assert_int_eq(fill_forward(rows, 4, 2, &column, &row), 0);
	ck_assert_int_eq(fill_forward(rows, 0, 2, &column, &row), 0);
	ck_assert(column == -1 && row == 99);
	rows[1] = NAN;
	ck_assert_int_eq(fill_forward(rows, 4, 2, &column, &row), -1);
	ck_assert(column == 1 && row == 0);
}
END_TEST

START_TEST(rows_of_a_frame)
{
	static const char *const target[] = { "level" }, *const feature[] = { "Volume" };
	static const double level[6] = { NAN, 1, NAN, 2, NAN, 3 }, volume[6] = { NAN, NAN, 7, NAN, 8, 9 };
	static const double want[12] = { NAN, NAN,  1, NAN,  1, 7,  2, 7,  2, 8,  3, 9 };
	struct frame *f = make_frame(6), *other = frame_new();
	struct pipeline p;
	struct error e;
	double rows[12];
	size_t first = 99, filled = 99;
	for (size_t i = 0; i < 6; i++) {
		frame_set_number(f, 3, i, level[i]);
		frame_set_number(f, 2, i, volume[i]);
	}
	ck_assert_int_eq(pipeline_init(&p, target, 1, feature, 1, 1, 1, f, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_rows(&p, f, rows, &first, &filled, NULL), ERR_OK);
	ck_assert(first == 2 && filled == 3);
	for (int i = 0; i < 12; i++)
		ck_assert(isnan(want[i]) ? isnan(rows[i]) : near(rows[i], want[i], 0));

	for (size_t i = 0; i < 6; i++)
		frame_set_number(f, 2, i, NAN);
	ck_assert_int_eq(pipeline_rows(&p, f, rows, &first, &filled, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "Volume");
	ck_assert_int_eq(frame_add_column(other, "level", COLUMN_DATE, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_rows(&p, other, rows, &first, &filled, &e), ERR_INVALID);
	ck_assert_str_eq(e.where, "level");
	ck_assert(first == 2 && filled == 3);
	frame_free(f);
	frame_free(other);
}
END_TEST

/* ---- fitting and windows ---- */

static const char *const all_features[] = {
	"close", "sma_5", "ema_7", "macd_3_6_4", "rsi_9", "log_return", "log_volatility_6", "Volume", "level",
};
#define FEATURES ((int)(sizeof all_features / sizeof *all_features))
#define WINDOW   12
#define HORIZON  4
#define TRAIN    300

/* A fitted pipeline over close (and level) with every kind of feature, and the rows it came from. */
struct fixture {
	struct pipeline p;
	double rows[ROWS * 3];
	double scratch[400];
	float x[WINDOW * 16];
	struct anchor a;
};

static void fixture_init(struct fixture *s, const char *target)
{
	const char *targets[] = { target, strcmp(target, "close") ? "close" : "level" };
	struct frame *f = make_frame(ROWS);
	size_t first, filled;
	memset(s, 0, sizeof *s);
	ck_assert_int_eq(pipeline_init(&s->p, targets, 2, all_features, FEATURES, WINDOW, HORIZON, f, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_rows(&s->p, f, s->rows, &first, &filled, NULL), ERR_OK);
	ck_assert_uint_eq(first + filled, 0);
	ck_assert_int_eq(s->p.columns, 3);
	ck_assert_uint_le(pipeline_scratch(&s->p), sizeof s->scratch / sizeof *s->scratch);
	ck_assert_int_eq(pipeline_fit(&s->p, s->rows, TRAIN, NULL), ERR_OK);
	frame_free(f);
}

/* The window that ends with row `last`. */
static void run(struct fixture *s, size_t last)
{
	size_t start = last + 1 - (size_t)pipeline_context(&s->p);
	pipeline_window(&s->p, s->rows + start * 3, s->scratch, s->x, &s->a);
}

static double cell(const struct fixture *s, size_t row, int column)
{
	return s->rows[row * 3 + (size_t)column];
}

START_TEST(fit_by_hand)
{
	/* changes over 1 row: 1 1 3 1; over 2: 2 4 4; a window of 2 rows: 0 x 5, 1 1 3 1 */
	static const double rows[5] = { -2, -1, 0, 3, 2 };
	static const char *const target[] = { "x" };
	struct frame *f = frame_new();
	struct pipeline p;
	ck_assert_int_eq(frame_add_column(f, "x", COLUMN_NUMBER, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_init(&p, target, 1, NULL, 0, 2, 2, f, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_fit(&p, rows, 5, NULL), ERR_OK);
	ck_assert(!p.target[0].log);
	ck_assert(near(p.target[0].scale, sqrt((1 + 1 + 9 + 1 + 4 + 16 + 4) / 7.), 1e-12));
	ck_assert_int_eq(p.channel[0].transform, TRANSFORM_CHANGE);
	ck_assert(near(p.channel[0].scale, sqrt(12 / 9.), 1e-12));
	ck_assert(near(p.minimum[0], -2, 0) && near(p.maximum[0], 3, 0));
	ck_assert_int_eq(pipeline_fit(&p, rows, 3, NULL), ERR_INVALID);
	frame_free(f);
}
END_TEST

START_TEST(transforms)
{
	struct fixture s;
	static const enum transform log_target[] = {
		TRANSFORM_CHANGE, TRANSFORM_CHANGE, TRANSFORM_CHANGE, TRANSFORM_RATIO, TRANSFORM_RATIO, TRANSFORM_STANDARD,
		TRANSFORM_STANDARD, TRANSFORM_STANDARD, TRANSFORM_LOG_STANDARD, TRANSFORM_CHANGE,
	};
	fixture_init(&s, "close");
	ck_assert(s.p.target[0].log && !s.p.target[1].log);
	ck_assert_int_eq(s.p.channels, 10);
	for (int c = 0; c < s.p.channels; c++)
		ck_assert_int_eq(s.p.channel[c].transform, log_target[c]);
	ck_assert(s.p.channel[0].anchor == 0 && s.p.channel[9].anchor == 1);

	fixture_init(&s, "level");   /* macd is left as it is */
	ck_assert(!s.p.target[0].log && s.p.target[1].log);
	ck_assert_int_eq(s.p.channel[3].transform, TRANSFORM_STANDARD);
	ck_assert(near(s.p.channel[3].mean, 0, 0));
}
END_TEST

/* A raw column that is no target: by its logs if all are positive, else as it is. */
START_TEST(raw_columns)
{
	static const char *const target[] = { "close" }, *const features[] = { "Volume", "level" };
	struct frame *f = make_frame(ROWS);
	static double rows[ROWS * 3];
	struct pipeline p;
	size_t first, filled;
	ck_assert_int_eq(pipeline_init(&p, target, 1, features, 2, 1, 1, f, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_rows(&p, f, rows, &first, &filled, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_fit(&p, rows, TRAIN, NULL), ERR_OK);
	for (int c = 0; c < 2; c++) {
		double sum = 0, square = 0;
		for (int i = 0; i < TRAIN; i++) {
			double v = c ? rows[i * 3 + 2] : log(rows[i * 3 + 1]);
			sum += v;
			square += v * v;
		}
		double mean = sum / TRAIN;
		ck_assert_int_eq(p.channel[c].transform, c ? TRANSFORM_STANDARD : TRANSFORM_LOG_STANDARD);
		ck_assert(near(p.channel[c].mean, mean, 1e-9));
		ck_assert(near(p.channel[c].scale, sqrt(square / TRAIN - mean * mean), 1e-9));
	}
	float x[2];
	double scratch[16], row[3] = { 100, 0, NAN };
	struct anchor a;
	ck_assert_uint_le(pipeline_scratch(&p), 16);
	pipeline_window(&p, row, scratch, x, &a);   /* no log, no value: the mean */
	ck_assert(near(x[0], 0, 0) && near(x[1], 0, 0));
	frame_free(f);
}
END_TEST

/* Over the training part every channel has about unit spread, and the target too. */
START_TEST(unit_spread)
{
	for (int k = 0; k < 2; k++) {
		struct fixture s;
		fixture_init(&s, k ? "level" : "close");
		double square[16] = { 0 }, target = 0, windows = 0;
		for (size_t last = (size_t)pipeline_context(&s.p) - 1; last + HORIZON < TRAIN; last++, windows++) {
			run(&s, last);
			for (int i = 0; i < WINDOW * s.p.channels; i++)
				square[i % s.p.channels] += (double)s.x[i] * s.x[i] / WINDOW;
			for (size_t h = 1; h <= HORIZON; h++) {
				double y = pipeline_encode(&s.p, 0, &s.a, cell(&s, last + h, 0));
				target += y * y / HORIZON;
			}
		}
		ck_assert_msg(near(sqrt(target / windows), 1, 0.1), "%g", sqrt(target / windows));
		for (int c = 0; c < s.p.channels; c++) {
			bool sparse = k == 1 && (c == 6 || c == 7);   /* level has few logs; what has none counts as mean */
			double spread = sqrt(square[c] / windows), tolerance = c == 5 ? 0.3 : 0.15;   /* a young rsi moves more */
			ck_assert_msg(near(spread, sparse ? 0.5 : 1, sparse ? 0.5 : tolerance), "channel %d: %g", c, spread);
		}
	}
}
END_TEST

/* Channels that are easy to write down, for every window. */
START_TEST(window_against_plain)
{
	struct fixture s;
	fixture_init(&s, "close");
	const struct channel *c = s.p.channel;
	for (size_t last = (size_t)pipeline_context(&s.p) - 1; last < ROWS; last++) {
		run(&s, last);
		double close = cell(&s, last, 0), level = cell(&s, last, 1), square = 0;
		ck_assert(near(s.a.last[0], close, 0) && near(s.a.last[1], level, 0));
		for (int i = 0; i < WINDOW; i++) {
			size_t row = last + 1 - WINDOW + (size_t)i;
			const float *x = s.x + i * s.p.channels;
			double sma = 0;
			for (size_t k = 0; k < 5; k++)
				sma += cell(&s, row - k, 0) / 5;
			ck_assert(near(x[0], log(cell(&s, row, 0) / close) / c[0].scale, 1e-5));
			ck_assert(near(x[1], log(sma / close) / c[1].scale, 1e-5));
			ck_assert(near(x[6], (log(cell(&s, row, 0) / cell(&s, row - 1, 0)) - c[6].mean) / c[6].scale, 1e-5));
			ck_assert(near(x[8], (log(cell(&s, row, 2)) - c[8].mean) / c[8].scale, 1e-5));
			ck_assert(near(x[9], (cell(&s, row, 1) - level) / c[9].scale, 1e-5));
			double change = i ? log(cell(&s, row, 0) / cell(&s, row - 1, 0)) : 0;
			square += change * change;
		}
		ck_assert(near(s.x[(WINDOW - 1) * s.p.channels], 0, 0));
		ck_assert(near(s.a.volatility[0], sqrt(square / (WINDOW - 1)) / s.p.target[0].scale, 1e-9));
	}
}
END_TEST

/* Rows outside the context change no bit of a window, and rows outside the training part none of a scale. */
START_TEST(no_look_ahead)
{
	struct fixture s, other;
	struct rng r;
	rng_init(&r, 6, RNG_TEST, (uint32_t)_i);
	fixture_init(&s, _i % 2 ? "level" : "close");
	size_t context = (size_t)pipeline_context(&s.p), last = context - 1 + (size_t)rng_below(&r, ROWS - context + 1);
	run(&s, last);

	memcpy(&other, &s, sizeof s);
	for (size_t i = TRAIN * 3; i < ROWS * 3; i++)
		other.rows[i] = 1e9 * rng_normal(&r);
	ck_assert_int_eq(pipeline_fit(&other.p, other.rows, TRAIN, NULL), ERR_OK);
	ck_assert_mem_eq(&other.p, &s.p, sizeof s.p);

	memcpy(other.rows, s.rows, sizeof s.rows);
	for (size_t row = 0; row < ROWS; row++)
		for (size_t j = 0; j < 3 && (row > last || row + context <= last); j++)
			other.rows[row * 3 + j] = rng_below(&r, 2) ? NAN : 1e9 * rng_normal(&r);
	memset(other.x, 0x55, sizeof other.x);
	memset(other.scratch, 0x55, sizeof other.scratch);
	run(&other, last);
	ck_assert_mem_eq(other.x, s.x, (size_t)(WINDOW * s.p.channels) * sizeof *s.x);
	ck_assert_mem_eq(&other.a, &s.a, sizeof s.a);
}
END_TEST

/* And the training rows do change the scales. */
START_TEST(fit_reads_its_rows)
{
	struct fixture s;
	fixture_init(&s, "close");
	double scale = s.p.target[0].scale;
	s.rows[(TRAIN - 1) * 3] *= 2;
	ck_assert_int_eq(pipeline_fit(&s.p, s.rows, TRAIN, NULL), ERR_OK);
	ck_assert(fabs(s.p.target[0].scale - scale) > 0.1 * scale);
}
END_TEST

START_TEST(there_and_back)
{
	struct fixture s;
	struct rng r;
	rng_init(&r, 9, RNG_TEST, 0);
	fixture_init(&s, "close");
	s.p.target[0].shrink = 0.3;   /* is not theirs to apply */
	for (size_t last = (size_t)pipeline_context(&s.p) - 1; last < ROWS; last++) {
		run(&s, last);
		for (int t = 0; t < 2; t++) {
			double v = t ? 10 * rng_normal(&r) : 100 * exp(rng_normal(&r)), y = 3 * rng_normal(&r);
			ck_assert(near(pipeline_decode(&s.p, t, &s.a, pipeline_encode(&s.p, t, &s.a, v)), v, 1e-10 * fabs(v)));
			ck_assert(near(pipeline_encode(&s.p, t, &s.a, pipeline_decode(&s.p, t, &s.a, y)), y, 1e-10));
			ck_assert(near(pipeline_decode(&s.p, t, &s.a, 0), s.a.last[t], 0));
		}
	}
	double one = pipeline_decode(&s.p, 0, &s.a, 1);
	ck_assert(near(log(one / s.a.last[0]), s.p.target[0].scale, 1e-12));
}
END_TEST

static const struct { int columns, targets, window; const char *second, *where; } raw_refused[] = {
	{ 0, 1, 5, "b", "columns" }, { 65, 1, 5, "b", "columns" }, { 2, 0, 5, "b", "targets" }, { 2, 3, 5, "b", "targets" },
	{ 2, 1, 0, "b", "window" }, { 2, 1, PIPELINE_MAX_CONTEXT + 1, "b", "window" }, { 2, 1, 5, "a", "columns" },
	{ 2, 1, 5, "", "columns" },
};

/* A network that speaks in own units: in and out as it is, whatever the values; no range is too wide. */
START_TEST(raw_numbers_pass)
{
	const double rows[] = { 1e30, -7, 0, 3, -0.25, 1e-9 };
	const char *columns[] = { "a", "b" };
	double scratch[64];
	float x[6];
	struct anchor a;
	struct pipeline p;
	ck_assert_int_eq(pipeline_init_raw(&p, columns, 2, 1, 3, 4, NULL), ERR_OK);
	ck_assert(p.columns == 2 && p.channels == 2 && p.targets == 1 && p.window == 3 && p.horizon == 4);
	ck_assert(pipeline_context(&p) == 3 && pipeline_scratch(&p) <= 64 && p.target[0].absolute && !p.target[0].log);
	ck_assert(p.minimum[1] < -1e300 && p.maximum[1] > 1e300);
	pipeline_window(&p, rows, scratch, x, &a);
	for (int i = 0; i < 6; i++)
		ck_assert(x[i] == (float)rows[i]);
	ck_assert(pipeline_decode(&p, 0, &a, -1234.5) == -1234.5 && pipeline_encode(&p, 0, &a, 17) == 17);
	for (size_t i = 0; i < sizeof raw_refused / sizeof *raw_refused; i++) {
		struct error e;
		columns[1] = raw_refused[i].second;
		ck_assert_int_eq(pipeline_init_raw(&p, columns, raw_refused[i].columns, raw_refused[i].targets,
		                                   raw_refused[i].window, 4, &e), ERR_INVALID);
		ck_assert_str_eq(e.where, raw_refused[i].where);
	}
}
END_TEST

START_TEST(constants)
{
	static const char *const target[] = { "close" };
	static const char *const features[] = { "close", "sma_3", "macd_2_3_2", "rsi_4", "log_volatility_3", "Volume" };
	struct frame *f = make_frame(1);
	static double rows[50 * 2];
	struct pipeline p;
	for (int i = 0; i < 50; i++) {
		rows[2 * i] = 0.1;
		rows[2 * i + 1] = 1e6 / 3;
	}
	ck_assert_int_eq(pipeline_init(&p, target, 1, features, 6, 5, 2, f, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_fit(&p, rows, 50, NULL), ERR_OK);
	ck_assert(near(p.target[0].scale, 1, 0));
	double scratch[100];
	float x[5 * 7];
	struct anchor a;
	ck_assert_uint_le(pipeline_scratch(&p), 100);
	pipeline_window(&p, rows, scratch, x, &a);
	ck_assert(near(a.volatility[0], 1e-6, 0));
	for (int i = 0; i < 5 * 7; i++)
		ck_assert_msg(near(x[i], 0, 1e-6), "x[%d] = %g", i, (double)x[i]);
	frame_free(f);
}
END_TEST

/* What a request may send and training never saw stays finite and within the clip. */
START_TEST(wild_requests)
{
	static const double wild[] = { 0, -1, 1e-300, 1e300, -1e300, 5e-324 };
	struct fixture s;
	struct rng r;
	rng_init(&r, 10, RNG_TEST, (uint32_t)_i);
	fixture_init(&s, _i % 2 ? "level" : "close");
	for (int i = 0; i < ROWS * 3; i++)
		if (rng_below(&r, 3) == 0)
			s.rows[i] = wild[rng_below(&r, sizeof wild / sizeof *wild)];
	for (size_t last = (size_t)pipeline_context(&s.p) - 1; last < ROWS; last++) {
		run(&s, last);
		for (int i = 0; i < WINDOW * s.p.channels; i++)
			ck_assert(near(s.x[i], 0, 8));
		for (int t = 0; t < 2; t++)
			ck_assert(s.a.volatility[t] >= 1e-6);
	}
}
END_TEST

START_TEST(one_row)
{
	static const char *const target[] = { "close" };
	struct frame *f = make_frame(3);
	struct pipeline p;
	double scratch[4];
	float x;
	struct anchor a;
	ck_assert_int_eq(pipeline_init(&p, target, 1, NULL, 0, 1, 1, f, NULL), ERR_OK);
	ck_assert_int_eq(pipeline_fit(&p, f->column[1].number, 3, NULL), ERR_OK);
	ck_assert_uint_le(pipeline_scratch(&p), 4);
	pipeline_window(&p, f->column[1].number, scratch, &x, &a);
	ck_assert(near(x, 0, 0) && near(a.volatility[0], 1, 0));
	frame_free(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pipeline");
	TCase *c = new_case(s, "names");
	tcase_add_test(c, resolves);
	tcase_add_test(c, targets_are_the_default_features);
	tcase_add_test(c, a_column_wins_over_an_indicator);
	tcase_add_loop_test(c, refusals, 0, (int)(sizeof refused / sizeof *refused));
	tcase_add_test(c, too_many);
	c = new_case(s, "rows");
	tcase_add_test(c, fills_forward);
	tcase_add_test(c, rows_of_a_frame);
	c = new_case(s, "windows");
	tcase_add_test(c, fit_by_hand);
	tcase_add_test(c, transforms);
	tcase_add_test(c, raw_columns);
	tcase_add_test(c, unit_spread);
	tcase_add_test(c, window_against_plain);
	tcase_add_loop_test(c, no_look_ahead, 0, 30);
	tcase_add_test(c, fit_reads_its_rows);
	tcase_add_test(c, there_and_back);
	tcase_add_test(c, raw_numbers_pass);
	tcase_add_test(c, constants);
	tcase_add_loop_test(c, wild_requests, 0, 10);
	tcase_add_test(c, one_row);
	return run_suite(s);
}

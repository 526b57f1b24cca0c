/* test_calendar.c - dates by table and over 400 years; the step of many kinds of time axis. */
#include <stdio.h>
#include <string.h>

#include "model/series/calendar.h"
#include "tests/unit/series/suite.h"

#define DAY 86400LL

static int64_t at(const char *s)
{
	int64_t t = 0;
	ck_assert_msg(date_parse(s, strlen(s), &t), "%s", s);
	return t;
}

/* ---- civil dates ---- */

static bool is_leap(int y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Every day of 400 years and their neighbours, against counting on by hand. */
START_TEST(four_hundred_years)
{
	static const int length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	int y = 1799, m = 1, d = 1;
	int64_t days = -62456;   /* 1799-01-01: 171 years before 1970, 41 of them leap */
	while (y < 2201) {
		int64_t year, t = 0;
		int month, day;
		char text[32], want[48];
		date_to_civil(days, &year, &month, &day);
		date_format(days * DAY, text);
		snprintf(want, sizeof want, "%04d-%02d-%02d", y, m, d);
		bool same = date_from_civil(y, m, d) == days && year == y && month == m && day == d &&
			strcmp(text, want) == 0 && date_parse(text, strlen(text), &t) && t == days * DAY;
		if (!same)   /* ck_assert itself costs more than the rest of this loop */
			ck_abort_msg("%s %s", want, text);
		days++;
		if (++d > length[m - 1] + (m == 2 && is_leap(y))) {
			d = 1;
			if (++m > 12) {
				m = 1;
				y++;
			}
		}
	}
}
END_TEST

static const struct { const char *text; int64_t want; const char *written; } dates[] = {
	{ "1970-01-01", 0, "1970-01-01" },
	{ "1969-12-31", -DAY, "1969-12-31" },
	{ "1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z" },
	{ "2000-02-29", 951782400, "2000-02-29" },
	{ "2038-01-19T03:14:08Z", 2147483648LL, "2038-01-19T03:14:08Z" },
	{ "1949-01", -662688000, "1949-01-01" },
	{ "2017-11-15", 1510704000, "2017-11-15" },
	{ "2017-11-15T08:30", 1510734600, "2017-11-15T08:30:00Z" },
	{ "2017-11-15 08:30", 1510734600, "2017-11-15T08:30:00Z" },
	{ "2017-11-15T08:30:00", 1510734600, "2017-11-15T08:30:00Z" },
	{ "2017-11-15T08:30:09", 1510734609, "2017-11-15T08:30:09Z" },
	{ "2017-11-15T08:30:09.5", 1510734609, "2017-11-15T08:30:09Z" },
	{ "2017-11-15T08:30:09.999999999Z", 1510734609, "2017-11-15T08:30:09Z" },
	{ "2017-11-15T08:30Z", 1510734600, "2017-11-15T08:30:00Z" },
	{ "2017-11-15T08:30:00+01:00", 1510731000, "2017-11-15T07:30:00Z" },
	{ "2017-11-15T08:30:00-05:30", 1510754400, "2017-11-15T14:00:00Z" },
	{ "2017-11-15T00:30+01:00", 1510702200, "2017-11-14T23:30:00Z" },
	{ "11/15/2017", 1510704000, "2017-11-15" },
	{ "1/5/2017", 1483574400, "2017-01-05" },
	{ "01/05/2017 08:30", 1483605000, "2017-01-05T08:30:00Z" },
	{ "11/15/2017 08:30:00", 1510734600, "2017-11-15T08:30:00Z" },
	{ "0000-01-01", -62167219200LL, "0000-01-01" },
	{ "9999-12-31T23:59:59Z", 253402300799LL, "9999-12-31T23:59:59Z" },
};

START_TEST(valid_dates)
{
	char text[32];
	int64_t t = at(dates[_i].text);
	ck_assert_msg(t == dates[_i].want, "%s: %lld", dates[_i].text, (long long)t);
	date_format(t, text);
	ck_assert_str_eq(text, dates[_i].written);
}
END_TEST

static const char *const invalid[] = {
	"", " ", "2017", "2017-", "2017-1", "2017-1-1", "2017-00", "2017-13", "2017-11-", "2017-11-1", "2017-11-00",
	"2017-11-31", "2017-02-29", "1900-02-29", "2100-02-29", "2017-04-31", "2017-06-31", "2017-09-31", "2017-12-32",
	"17-11-15", "02017-11-15", "-2017-11-15", "+2017-11-15", "2017-11-15T", "2017-11-15 ", "2017-11-15T8", "2017-11-15T08",
	"2017-11-15T08:", "2017-11-15T08:3", "2017-11-15T08:30:", "2017-11-15T08:30:0", "2017-11-15T08:30:00.",
	"2017-11-15T08:30:00.Z", "2017-11-15T24:00", "2017-11-15T08:60", "2017-11-15T08:30:60", "2017-11-15T08:30:00z",
	"2017-11-15T08:30:00 Z", "2017-11-15T08:30:00+", "2017-11-15T08:30:00+1", "2017-11-15T08:30:00+01",
	"2017-11-15T08:30:00+0100", "2017-11-15T08:30:00+01:0", "2017-11-15T08:30:00+24:00", "2017-11-15T08:30:00+01:60",
	"2017-11-15T08:30:00ZZ", "2017-11-15T08:30.5", "2017-11-15Z", "2017-11-15+01:00", "2017-11T08:30", "2017-11 08:30",
	"2017-11-15  08:30", "2017-11-15t08:30", "2017/11/15", "2017.11.15", "20171115", "20171115T0830", " 2017-11-15",
	"2017-11-15\n", "15/11/2017", "13/01/2017", "0/1/2017", "1/0/2017", "2/29/2017", "11/15/17", "11/15/20170",
	"11/15", "11/15/", "11//2017", "/15/2017", "111/15/2017", "11/155/2017", "11-15-2017", "11/15-2017", "11-15/2017",
	"11/15/2017 ", "11/15/2017 8:30", "11/15/2017 08:30 PM", "2017-11/15", "2017/11-15", "Nov 15 2017", "15 Nov 2017",
	"1.5", "1e5", "12", "nan", "today", "2017-W46", "2017-319", "2017-11-1a", "2O17-11-15", "２017-11-15",
};

START_TEST(invalid_dates)
{
	int64_t t = 42;
	ck_assert_msg(!date_parse(invalid[_i], strlen(invalid[_i]), &t), "%s", invalid[_i]);
	ck_assert(t == 42);
}
END_TEST

/* Hundreds more: any byte of a full date replaced by one that is neither a digit nor belongs there. */
START_TEST(broken_dates)
{
	static const char whole[] = "2017-11-15T08:30:09.5+01:00", strange[] = "x-/:. ,+ZT\t~\x80";
	size_t len = strlen(whole), tried = 0;
	int64_t t;
	ck_assert(date_parse(whole, len, &t));
	for (size_t i = 0; i < len; i++) {
		for (const char *s = strange; *s; s++) {
			char text[40];
			memcpy(text, whole, len + 1);
			text[i] = *s;
			bool belongs = *s == whole[i] || (i == 10 && *s == ' ') || (i == 21 && *s == '-');
			ck_assert_msg(date_parse(text, len, &t) == belongs, "%s", text);
			tried++;
		}
	}
	ck_assert_uint_gt(tried, 300);
	ck_assert(!date_parse("2017-11-15\0x", 12, &t));   /* all len bytes count */
	ck_assert(date_parse("2017-11-15garbage", 10, &t));
}
END_TEST

/* ---- steps ---- */

static const struct { const char *name; struct frequency f; int season; } frequencies[] = {
	{ "none",  { FREQ_NONE, 0 },         1 },
	{ "s",     { FREQ_SECOND, 1 },       86400 },
	{ "15s",   { FREQ_SECOND, 15 },      5760 },
	{ "min",   { FREQ_SECOND, 60 },      1440 },
	{ "5min",  { FREQ_SECOND, 300 },     288 },
	{ "30min", { FREQ_SECOND, 1800 },    48 },
	{ "7min",  { FREQ_SECOND, 420 },     1 },
	{ "90min", { FREQ_SECOND, 5400 },    16 },
	{ "h",     { FREQ_SECOND, 3600 },    24 },
	{ "2h",    { FREQ_SECOND, 7200 },    12 },
	{ "90s",   { FREQ_SECOND, 90 },      960 },
	{ "B",     { FREQ_BUSINESS_DAY, 1 }, 5 },
	{ "D",     { FREQ_DAY, 1 },          7 },
	{ "7D",    { FREQ_DAY, 7 },          1 },
	{ "10D",   { FREQ_DAY, 10 },         1 },
	{ "MS",    { FREQ_MONTH, 1 },        12 },
	{ "3MS",   { FREQ_MONTH, 3 },        4 },
	{ "12MS",  { FREQ_MONTH, 12 },       1 },
	{ "5MS",   { FREQ_MONTH, 5 },        1 },
	{ "999999999s", { FREQ_SECOND, 999999999 }, 1 },
};

START_TEST(frequency_names)
{
	char text[32];
	struct frequency f;
	ck_assert_uint_eq(frequency_format(frequencies[_i].f, text, sizeof text), strlen(frequencies[_i].name));
	ck_assert_str_eq(text, frequencies[_i].name);
	ck_assert(frequency_parse(text, &f));
	ck_assert(f.unit == frequencies[_i].f.unit && f.n == frequencies[_i].f.n);
	ck_assert_int_eq(frequency_season(f), frequencies[_i].season);
}
END_TEST

START_TEST(frequency_parse_table)
{
	static const char *const bad[] = {
		"", "0", "0D", "07D", "7", "-1D", "+1D", "1.5h", "D7", "d", "H", "x", "7 D", "hh", "9999999999s", "999999999h",
	};
	struct frequency f = { FREQ_DAY, 42 };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_msg(!frequency_parse(bad[i], &f), "%s", bad[i]);
	ck_assert(f.unit == FREQ_DAY && f.n == 42);
	ck_assert(frequency_parse("60min", &f) && f.unit == FREQ_SECOND && f.n == 3600);
	ck_assert(frequency_parse("1D", &f) && f.unit == FREQ_DAY && f.n == 1);
}
END_TEST

static const struct { const char *frequency, *from; int steps; const char *want; } advances[] = {
	{ "D",   "2016-02-28", 1, "2016-02-29" },
	{ "D",   "2017-02-28", 1, "2017-03-01" },
	{ "7D",  "2017-12-28", 2, "2018-01-11" },
	{ "h",   "2017-12-31T23:00:00Z", 2, "2018-01-01T01:00:00Z" },
	{ "15s", "2017-12-31T23:59:50Z", 1, "2018-01-01T00:00:05Z" },
	{ "B",   "2017-11-15", 1, "2017-11-16" },      /* Wednesday */
	{ "B",   "2017-11-17", 1, "2017-11-20" },      /* Friday */
	{ "B",   "2017-11-17", 5, "2017-11-24" },
	{ "B",   "2017-11-17", 6, "2017-11-27" },
	{ "B",   "2017-11-18", 1, "2017-11-20" },      /* Saturday */
	{ "B",   "2017-11-19", 1, "2017-11-20" },      /* Sunday */
	{ "B",   "2017-11-19", 6, "2017-11-27" },
	{ "B",   "2017-11-20", 4, "2017-11-24" },
	{ "B",   "1969-12-26", 3, "1969-12-31" },      /* before the epoch; Friday */
	{ "2B",  "2017-11-16", 2, "2017-11-22" },
	{ "MS",  "1960-12-01", 1, "1961-01-01" },
	{ "MS",  "1960-12-01", 13, "1962-01-01" },
	{ "3MS", "2017-11-01", 1, "2018-02-01" },
	{ "MS",  "2017-01-15", 1, "2017-02-15" },
	{ "MS",  "2017-01-30", 1, "2017-02-28" },      /* cut */
	{ "MS",  "2017-01-31", 1, "2017-02-28" },      /* last to last */
	{ "MS",  "2017-02-28", 1, "2017-03-31" },
	{ "MS",  "2016-01-31", 1, "2016-02-29" },
	{ "MS",  "2016-02-28", 1, "2016-03-28" },      /* not the last day of a leap February */
	{ "MS",  "2017-11-15T08:30:00Z", 2, "2018-01-15T08:30:00Z" },
	{ "12MS", "1999-12-31", 1, "2000-12-31" },
	{ "none", "2017-11-15", 3, "2017-11-15" },
};

START_TEST(advance_table)
{
	struct frequency f;
	char text[32];
	ck_assert(frequency_parse(advances[_i].frequency, &f));
	date_format(frequency_advance(f, at(advances[_i].from), advances[_i].steps), text);
	ck_assert_str_eq(text, advances[_i].want);
}
END_TEST

/* n steps at once are n single steps. */
START_TEST(advance_adds_up)
{
	static const char *const names[] = { "15s", "h", "B", "2B", "D", "10D", "MS", "3MS" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct frequency f;
		ck_assert(frequency_parse(names[i], &f));
		int64_t start = at("2015-12-31"), t = start;
		for (int steps = 1; steps < 300; steps++) {
			t = frequency_advance(f, t, 1);
			ck_assert(frequency_advance(f, start, steps) == t);
		}
	}
}
END_TEST

#define ROWS 3000
static int64_t axis[ROWS];

static void check_inferred(size_t n, const char *want)
{
	char text[32];
	frequency_format(frequency_infer(axis, n), text, sizeof text);
	ck_assert_str_eq(text, want);
}

/* The axis of each step is recognised, whole and with one row in seven left out. */
START_TEST(infer_what_was_advanced)
{
	static const char *const names[] = {
		"s", "15s", "5min", "30min", "h", "6h", "B", "D", "7D", "14D", "MS", "3MS", "12MS",
	};
	static const char *const starts[] = { "2015-12-31", "2000-01-01", "1968-03-15" };
	for (size_t i = 0; i < sizeof names / sizeof *names * 3; i++) {
		struct frequency f;
		ck_assert(frequency_parse(names[i / 3], &f));
		int64_t t = frequency_advance(f, at(starts[i % 3]), 1);
		size_t n = 0;
		for (; n < ROWS; n++, t = frequency_advance(f, t, 1))
			axis[n] = t;
		check_inferred(n, names[i / 3]);
		size_t kept = 0;
		for (size_t k = 0; k < n; k++)
			if (k % 7 != 3)
				axis[kept++] = axis[k];
		check_inferred(kept, names[i / 3]);
	}
}
END_TEST

/* A year of trading with the exchange's holidays of 2017. */
START_TEST(infer_trading_days)
{
	static const char *const holidays[] = {
		"2017-01-02", "2017-01-16", "2017-02-20", "2017-04-14", "2017-05-29", "2017-07-04", "2017-09-04", "2017-11-23",
		"2017-12-25",
	};
	struct frequency business = { FREQ_BUSINESS_DAY, 1 };
	size_t n = 0;
	for (int64_t t = at("2017-01-02"); t < at("2018-01-01"); t = frequency_advance(business, t, 1)) {
		bool closed = false;
		for (size_t k = 0; k < sizeof holidays / sizeof *holidays; k++)
			closed = closed || t == at(holidays[k]);
		if (!closed)
			axis[n++] = t;
	}
	ck_assert_uint_eq(n, 251);
	check_inferred(n, "B");
	check_inferred(6, "B");    /* over one weekend */
	check_inferred(4, "D");    /* Tuesday to Friday: no weekend that could have been skipped */
}
END_TEST

START_TEST(infer_small)
{
	check_inferred(0, "none");
	check_inferred(1, "none");
	axis[0] = axis[1] = at("2017-01-01");
	check_inferred(2, "none");
	axis[1] = at("2017-02-01");
	check_inferred(2, "MS");
	axis[1] = at("2017-01-31");
	check_inferred(2, "30D");
	axis[1] = at("2017-01-02");
	check_inferred(2, "D");
	axis[1] = at("2017-01-02") + 1;
	check_inferred(2, "86401s");
	axis[0] = at("0000-01-01");
	axis[1] = at("9999-12-31") + 1;
	check_inferred(2, "none");   /* too long a step to write in seconds */
}
END_TEST

#define LOOP(c, test, table) tcase_add_loop_test(c, test, 0, (int)(sizeof table / sizeof *table))

int main(void)
{
	Suite *s = suite_create("calendar");
	TCase *c = new_case(s, "dates");
	tcase_add_test(c, four_hundred_years);
	LOOP(c, valid_dates, dates);
	LOOP(c, invalid_dates, invalid);
	tcase_add_test(c, broken_dates);
	c = new_case(s, "steps");
	LOOP(c, frequency_names, frequencies);
	tcase_add_test(c, frequency_parse_table);
	LOOP(c, advance_table, advances);
	tcase_add_test(c, advance_adds_up);
	tcase_add_test(c, infer_what_was_advanced);
	tcase_add_test(c, infer_trading_days);
	tcase_add_test(c, infer_small);
	return run_suite(s);
}

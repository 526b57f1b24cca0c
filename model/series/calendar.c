/* calendar.c - dates as counts of days and seconds, after H. Hinnant's "chrono-Compatible Low-Level Date Algorithms".
 *
 * A year is counted from 1 March, so that a leap day comes last, and 400 years (an era) have 146,097 days:
 *
 *     month     Mar Apr May Jun Jul Aug Sep Oct Nov Dec Jan Feb
 *     counted     0   1   2   3   4   5   6   7   8   9  10  11     day of year = (153 m + 2) / 5 + day - 1
 *
 * Day 0 is 1970-01-01, a Thursday. */
#include "model/series/calendar.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY         86400
#define ERA_DAYS    146097
#define EPOCH_DAYS  719468   /* from 0000-03-01 to 1970-01-01 */
#define SATURDAY    5        /* Monday is 0 */

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int64_t floor_mod(int64_t a, int64_t b)
{
	return a - floor_div(a, b) * b;
}

int64_t date_from_civil(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = floor_div(y, 400);
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
	int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * ERA_DAYS + day_of_era - EPOCH_DAYS;
}

void date_to_civil(int64_t days, int64_t *year, int *month, int *day)
{
	days += EPOCH_DAYS;
	int64_t era = floor_div(days, ERA_DAYS);
	int64_t day_of_era = days - era * ERA_DAYS;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int m = (int)((5 * day_of_year + 2) / 153);
	*day = (int)(day_of_year - (153 * m + 2) / 5) + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = era * 400 + year_of_era + (*month <= 2);
}

static int month_length(int64_t year, int month)
{
	static const int length[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = floor_mod(year, 4) == 0 && (floor_mod(year, 100) != 0 || floor_mod(year, 400) == 0);
	return length[month - 1] + (month == 2 && leap);
}

static int weekday(int64_t days)
{
	return (int)floor_mod(days + 3, 7);
}

/* ---- reading and writing dates ---- */

void date_format(int64_t t, char *out)
{
	int64_t year, second = floor_mod(t, DAY);
	int month, day;
	date_to_civil(floor_div(t, DAY), &year, &month, &day);
	int n = snprintf(out, 32, "%04lld-%02d-%02d", (long long)year, month, day);
	if (second)
		snprintf(out + n, 32 - (size_t)n, "T%02d:%02d:%02dZ", (int)(second / 3600), (int)(second / 60 % 60),
			(int)(second % 60));
}

/* What is left to read. */
struct cursor { const char *s, *end; };

static bool take(struct cursor *c, char want)
{
	if (c->s == c->end || *c->s != want)
		return false;
	c->s++;
	return true;
}

/* least … most digits as a number; reads as many as there are. */
static bool take_digits(struct cursor *c, int least, int most, int *out)
{
	int n = 0, v = 0;
	while (n < most && c->s < c->end && *c->s >= '0' && *c->s <= '9') {
		v = v * 10 + (*c->s++ - '0');
		n++;
	}
	*out = v;
	return n >= least;
}

/* "08:30", as seconds. */
static bool take_hour_minute(struct cursor *c, int64_t *out)
{
	int hour, minute;
	if (!take_digits(c, 2, 2, &hour) || !take(c, ':') || !take_digits(c, 2, 2, &minute))
		return false;
	*out = hour * 3600 + minute * 60;
	return hour < 24 && minute < 60;
}

/* ".5", cut off. */
static bool skip_fraction(struct cursor *c)
{
	if (!take(c, '.'))
		return true;
	const char *first = c->s;
	while (c->s < c->end && *c->s >= '0' && *c->s <= '9')
		c->s++;
	return c->s > first;
}

/* "", "Z", "+01:00": what to add to come to UTC. */
static bool take_zone(struct cursor *c, int64_t *out)
{
	*out = 0;
	if (take(c, 'Z'))
		return true;
	if (take(c, '-'))
		return take_hour_minute(c, out);
	if (!take(c, '+'))
		return true;
	bool ok = take_hour_minute(c, out);
	*out = -*out;
	return ok;
}

/* "08:30[:00[.5]][zone]", as seconds after midnight UTC. */
static bool take_time(struct cursor *c, int64_t *out)
{
	int64_t minutes, zone;
	int second = 0;
	if (!take_hour_minute(c, &minutes))
		return false;
	if (take(c, ':') && (!take_digits(c, 2, 2, &second) || second > 59 || !skip_fraction(c)))
		return false;
	if (!take_zone(c, &zone))
		return false;
	*out = minutes + second + zone;
	return true;
}

/* "2017-11" or "2017-11-15"; a month alone has day 1 and *whole = false. */
static bool take_iso_day(struct cursor *c, int *year, int *month, int *day, bool *whole)
{
	if (!take_digits(c, 4, 4, year) || !take(c, '-') || !take_digits(c, 2, 2, month))
		return false;
	*day = 1;
	*whole = take(c, '-');
	return !*whole || take_digits(c, 2, 2, day);
}

/* "11/15/2017" */
static bool take_us_day(struct cursor *c, int *year, int *month, int *day)
{
	return take_digits(c, 1, 2, month) && take(c, '/') && take_digits(c, 1, 2, day) && take(c, '/') &&
		take_digits(c, 4, 4, year);
}

bool date_parse(const char *s, size_t len, int64_t *out)
{
	struct cursor c = { s, s + len };
	int year, month, day;
	int64_t second = 0;
	bool whole = true;
	if (!take_iso_day(&c, &year, &month, &day, &whole)) {
		c.s = s;
		whole = true;
		if (!take_us_day(&c, &year, &month, &day))
			return false;
	}
	if (month < 1 || month > 12 || day < 1 || day > month_length(year, month))
		return false;
	if (whole && (take(&c, 'T') || take(&c, ' ')) && !take_time(&c, &second))
		return false;
	if (c.s != c.end)
		return false;
	*out = date_from_civil(year, month, day) * DAY + second;
	return true;
}

/* ---- the step of a time axis ---- */

#define SAMPLE     1024        /* distances that a median is taken of, spread evenly */
#define MAX_COUNT  999999999   /* of units in a step ... */
#define MAX_DIGITS 9           /* ... written */

static int compare_int64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* Months since year 0. */
static int64_t month_index(int64_t t)
{
	int64_t year;
	int month, day;
	date_to_civil(floor_div(t, DAY), &year, &month, &day);
	return year * 12 + month - 1;
}

static int64_t in_seconds(int64_t t)
{
	return t;
}

/* The (lower) median of position(dates[i+1]) - position(dates[i]). n >= 2. */
static int64_t median_distance(const int64_t *dates, size_t n, int64_t (*position)(int64_t))
{
	int64_t distance[SAMPLE];
	size_t pairs = n - 1, count = pairs < SAMPLE ? pairs : SAMPLE;
	for (size_t k = 0; k < count; k++) {
		size_t i = k * (pairs / count) + k * (pairs % count) / count;
		distance[k] = position(dates[i + 1]) - position(dates[i]);
	}
	qsort(distance, count, sizeof *distance, compare_int64);
	return distance[(count - 1) / 2];
}

/* All at one time of day, on one day of the month or all on the month's last. */
static bool are_monthly(const int64_t *dates, size_t n)
{
	int first_day = 0;
	bool same_day = true, last_day = true;
	for (size_t i = 0; i < n && (same_day || last_day); i++) {
		int64_t year;
		int month, day;
		date_to_civil(floor_div(dates[i], DAY), &year, &month, &day);
		first_day = i ? first_day : day;
		same_day = same_day && day == first_day;
		last_day = last_day && day == month_length(year, month);
		if (floor_mod(dates[i], DAY) != floor_mod(dates[0], DAY))
			return false;
	}
	return same_day || last_day;
}

/* No Saturday, no Sunday, although there was one to have. */
static bool skip_weekends(const int64_t *dates, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (weekday(floor_div(dates[i], DAY)) >= SATURDAY)
			return false;
	return floor_div(floor_div(dates[0], DAY) + 3, 7) != floor_div(floor_div(dates[n - 1], DAY) + 3, 7);
}

struct frequency frequency_infer(const int64_t *dates, size_t n)
{
	const struct frequency none = { FREQ_NONE, 0 };
	if (n < 2)
		return none;
	int64_t step = median_distance(dates, n, in_seconds);
	if (step <= 0)
		return none;
	if (step >= 28 * DAY && are_monthly(dates, n)) {
		int64_t months = median_distance(dates, n, month_index);
		return months > MAX_COUNT ? none : (struct frequency){ FREQ_MONTH, (int)months };
	}
	if (step == DAY && skip_weekends(dates, n))
		return (struct frequency){ FREQ_BUSINESS_DAY, 1 };
	int64_t count = step % DAY ? step : step / DAY;
	if (count > MAX_COUNT)
		return none;
	return (struct frequency){ step % DAY ? FREQ_SECOND : FREQ_DAY, (int)count };
}

/* Longest unit first among those of one kind, so that 7200 s are written as 2h. */
static const struct { const char *name; enum frequency_unit unit; int size; } names[] = {
	{ "h", FREQ_SECOND, 3600 }, { "min", FREQ_SECOND, 60 }, { "s", FREQ_SECOND, 1 },
	{ "B", FREQ_BUSINESS_DAY, 1 }, { "D", FREQ_DAY, 1 }, { "MS", FREQ_MONTH, 1 },
};
#define NAMES (sizeof names / sizeof *names)

size_t frequency_format(struct frequency f, char *out, size_t cap)
{
	for (size_t i = 0; i < NAMES; i++) {
		if (names[i].unit != f.unit || f.n % names[i].size)
			continue;
		int n = f.n / names[i].size;
		return (size_t)(n == 1 ? snprintf(out, cap, "%s", names[i].name)
				       : snprintf(out, cap, "%d%s", n, names[i].name));
	}
	return (size_t)snprintf(out, cap, "none");
}

bool frequency_parse(const char *s, struct frequency *out)
{
	if (strcmp(s, "none") == 0) {
		*out = (struct frequency){ FREQ_NONE, 0 };
		return true;
	}
	struct cursor c = { s, s + strlen(s) };
	int n = 1;
	if (!take_digits(&c, 1, MAX_DIGITS, &n))
		n = 1;
	if (*s == '0')
		return false;
	for (size_t i = 0; i < NAMES; i++) {
		if (strcmp(c.s, names[i].name) != 0)
			continue;
		if (n > INT_MAX / names[i].size)
			return false;
		*out = (struct frequency){ names[i].unit, n * names[i].size };
		return true;
	}
	return false;
}

int frequency_season(struct frequency f)
{
	static const int cycle[] = {
		[FREQ_NONE] = 1, [FREQ_SECOND] = DAY, [FREQ_BUSINESS_DAY] = 5, [FREQ_DAY] = 7, [FREQ_MONTH] = 12,
	};
	int all = cycle[f.unit];
	return f.n > 0 && all % f.n == 0 ? all / f.n : 1;
}

static int64_t advance_business_days(int64_t days, int64_t steps)
{
	int day = weekday(days);
	if (day >= SATURDAY) {   /* from a weekend as from the Friday before */
		days -= day - (SATURDAY - 1);
		day = SATURDAY - 1;
	}
	int64_t weeks = (day + steps) / 5, rest = (day + steps) % 5;
	return days - day + weeks * 7 + rest;
}

static int64_t advance_months(int64_t days, int64_t steps)
{
	int64_t year;
	int month, day;
	date_to_civil(days, &year, &month, &day);
	bool last = day == month_length(year, month);
	int64_t index = year * 12 + month - 1 + steps;
	year = floor_div(index, 12);
	month = (int)floor_mod(index, 12) + 1;
	int length = month_length(year, month);
	return date_from_civil(year, month, last || day > length ? length : day);
}

int64_t frequency_advance(struct frequency f, int64_t t, int steps)
{
	int64_t days = floor_div(t, DAY), second = floor_mod(t, DAY), count = (int64_t)f.n * steps;
	switch (f.unit) {
	case FREQ_NONE:
		return t;
	case FREQ_SECOND:
		return t + count;
	case FREQ_BUSINESS_DAY:
		return advance_business_days(days, count) * DAY + second;
	case FREQ_DAY:
		return t + count * DAY;
	case FREQ_MONTH:
		return advance_months(days, count) * DAY + second;
	}
	return t;
}

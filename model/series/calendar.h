/* calendar.h - the step of a time axis and the dates that follow it. Proleptic
 * Gregorian, UTC; pure arithmetic, no libc time zones. */
#ifndef GATECAST_SERIES_CALENDAR_H
#define GATECAST_SERIES_CALENDAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frequency_unit { FREQ_NONE, FREQ_SECOND, FREQ_BUSINESS_DAY, FREQ_DAY, FREQ_MONTH };

/* every seconds (FREQ_SECOND), or every n business days, days, months */
struct frequency { enum frequency_unit unit; int n; };

/** The step of rising dates: the median distance, so that gaps do not matter; daily without Saturdays and
 *  Sundays is business days; months are recognised by their day of month. FREQ_NONE below two dates. */
struct frequency frequency_infer(const int64_t *dates, size_t n);
/** "B", "D", "7D", "MS", "3MS", "h", "30min", "15s", "none"; pandas' names. Returns its length. */
size_t frequency_format(struct frequency f, char *out, size_t cap);
/** Reads such names; "60min" is "h". A count has at most 9 digits and does not begin with 0. */
bool frequency_parse(const char *s, struct frequency *out);
/** Rows in a season: 5 for B, 7 for D, 12 for months, 24 for hours, a day's worth below an hour; a step of several
 *  (3MS, 2h) divides it; 1 where it does not. */
int frequency_season(struct frequency f);
/** The date `steps` (> 0) steps after t. Months keep the day of month, cut to the month's length; from the last day
 *  of a month they go to the last day. FREQ_NONE stays at t. */
int64_t frequency_advance(struct frequency f, int64_t t, int steps);

/** "2017-11-15", or "2017-11-15T08:30:00Z" when not midnight. out holds 32. */
void date_format(int64_t t, char *out);
/** ISO "2017-11", "2017-11-15", "2017-11-15[T ]08:30[:00[.5]][Z|+01:00]" or "11/15/2017" (month first, one digit
 *  will do: "1/5/2017") with an optional time. Fractions of a second are cut off, zones taken into account.
 *  True only if all len bytes are a valid date; years 0000 … 9999. */
bool date_parse(const char *s, size_t len, int64_t *out);
/** Days since 1970-01-01 of a civil date, and back. */
int64_t date_from_civil(int64_t year, int month, int day);
void date_to_civil(int64_t days, int64_t *year, int *month, int *day);

#endif

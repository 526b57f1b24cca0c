/* anomaly.h - from what a model said about a series to scores of its rows and to flagged stretches.
 *
 *     windows' answers ─► error of a row: mean of |answer - value| over all answers about it, target by target
 *       ─► in units of the usual error (the median), mean of the targets ─► exponential smoothing ─► score
 *       ─► above median + deviations * 1.4826 median |score - median|: flagged; near runs joined
 *
 *     row      0 … first-1   first …        probation …                     rows-1
 *     score    NaN           ──────────────────────────────────────────────────►
 *     flags                                 ──────────────────────────────────►
 *
 * An answer is a forecast, which says something about the rows behind its window, or the window again, of a model that
 * reconstructs. A row that several windows speak of is judged by all of them: forecasts that look back from just before
 * a strange row have seen how it began, those from farther have not. Median and median deviation bear with anomalies
 * that the series holds; the mean and deviation of Hundman et al. 2018 do not, where one is much larger than the others. */
#ifndef GATECAST_MODEL_ANOMALY_H
#define GATECAST_MODEL_ANOMALY_H

#include <stddef.h>

#define ANOMALY_ANSWERS        16
#define ANOMALY_DEVIATIONS     8
#define ANOMALY_PROBATION      0.15   /* of a series … */
#define ANOMALY_PROBATION_MOST 750    /* … and at most so many rows: not flagged */

struct forecaster;

/* Sums of errors, on the way to their means. Whoever has several threads adds on one of them. */
struct anomaly_errors {
	size_t rows;
	int targets;
	double *sum;               /* [targets][rows] */
	unsigned *count;           /* [rows] answers about it */
};

/* The windows that together speak of every row that can be: the i-th one's context begins at row begin + i * stride. */
struct anomaly_windows { size_t n, begin, stride; };
/** n = 0: fewer rows than anomaly_least(). About ANOMALY_ANSWERS windows judge a row, fewer where answers have fewer steps. */
struct anomaly_windows anomaly_windows(const struct forecaster *f, size_t rows);
size_t anomaly_least(const struct forecaster *f);
/** Steps of an answer. */
size_t anomaly_steps(const struct forecaster *f);
/** Add what f said about the rows behind `begin`, where its context began: answer [targets][steps], value
 *  [rows][columns]. What reaches behind the last row is left out. */
void anomaly_add(struct anomaly_errors *a, const struct forecaster *f, size_t begin, const double *answer,
                 const double *value);

/** Scores [rows] of the errors of anomaly_windows(), NaN before the first row that has one; smoothing: span in rows, 1 for none.
 *  scratch: rows doubles. Returns the first row that has a score; rows when none has. Writes over the sums. */
size_t anomaly_scores(struct anomaly_errors *a, int smoothing, double *scratch, double *score);
/** scratch: n doubles; n > 0 and no NaN. */
double anomaly_threshold(const double *score, size_t n, double deviations, double *scratch);

struct anomaly_flag {
	size_t from, to;           /* first and last row above the threshold */
	double score;              /* the highest */
};
/** Runs of rows first … rows-1 whose score is above the threshold; runs at most `gap` rows apart are one. flag has room for
 *  (rows + 1) / 2; returns how many there are. */
size_t anomaly_flags(const double *score, size_t rows, size_t first, double threshold, size_t gap, struct anomaly_flag *flag);

#endif

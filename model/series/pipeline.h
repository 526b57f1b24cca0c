/* pipeline.h - from rows in the data's own units to what the network sees, and back.
 *
 *     context rows ──► fill forward ──► features ──► last `window` rows ──► change or scale ──► x
 *     y ──► times the change's scale ──► log change or difference against the last value ──► own units
 *
 * One function serves training, backtest and requests, and features are
 * computed from the context alone, so there is no skew between them.
 *
 * Channels in the target's own units (the target, sma, ema) are taken as changes
 * against the target's last known value, over the spread of such changes in the
 * training part: log changes where all training values are positive, differences else.
 * macd is divided by the last value (log) or left (difference). All other channels are
 * standardised with the training part's mean and deviation (of the log where a raw column
 * is positive throughout training). Standardised values are clipped to +-8.
 *
 * What reconstructs its window has no last value to hold on to: its targets are absolute and standardised, as
 * channels too. A model that was trained elsewhere has no scales: its channels are TRANSFORM_NONE and its targets
 * absolute with mean 0 and scale 1, so the network is given the values as they are, and what it says is the
 * forecast. */
#ifndef GATECAST_SERIES_PIPELINE_H
#define GATECAST_SERIES_PIPELINE_H

#include <stdbool.h>
#include <stddef.h>

#include "model/base/error.h"
#include "model/series/feature.h"
#include "model/series/frame.h"

#define PIPELINE_MAX_COLUMNS  64
#define PIPELINE_MAX_FEATURES 64
#define PIPELINE_MAX_TARGETS  16
#define PIPELINE_MAX_CHANNELS 128
#define PIPELINE_MAX_CONTEXT  20000

enum transform {
	TRANSFORM_CHANGE,        /* against the last value of `anchor`, / scale */
	TRANSFORM_RATIO,         /* / last value of `anchor`, / scale (macd) */
	TRANSFORM_STANDARD,      /* (v - mean) / scale */
	TRANSFORM_LOG_STANDARD,  /* (log v - mean) / scale; v <= 0 gives 0 */
	TRANSFORM_NONE
};

struct channel { enum transform transform; int anchor; /* target index */ double mean, scale; };

struct target {
	int column;
	bool log;                /* log changes, else differences */
	double scale;            /* of one network unit */
	double shrink;           /* 0 ... 1 on the network's output, towards the last value; 1 until a trainer chose it */
	bool absolute;           /* the network speaks of values, not of changes: (v - mean) / scale; log false, shrink 1 */
	double mean;             /* of absolute ones; else 0 */
};

struct pipeline {
	int columns, targets, features, channels, window, horizon;
	char column[PIPELINE_MAX_COLUMNS][FRAME_NAME_MAX + 1];  /* raw columns, in the clients' order */
	struct target target[PIPELINE_MAX_TARGETS];
	struct feature feature[PIPELINE_MAX_FEATURES];
	struct channel channel[PIPELINE_MAX_CHANNELS];
	double minimum[PIPELINE_MAX_COLUMNS], maximum[PIPELINE_MAX_COLUMNS];  /* seen in training */
};

/* What a request's last row was, which the way back needs. */
struct anchor {
	double last[PIPELINE_MAX_TARGETS];
	double volatility[PIPELINE_MAX_TARGETS];  /* deviation of the window's one-step changes, in network
	                                           * units; >= 1e-6; 1 for a window of one row and absolute targets */
};

/**
 * Names and sizes only: columns = targets, then raw features not among them.
 * Scales are unset until pipeline_fit. features = NULL or 0: the targets themselves.
 * f is the dataset that names are resolved against, a column's before an indicator's. ERR_INVALID with where
 * "/target/0", "/features/2", "/window" ..., and the nearest known name for an unknown one.
 */
enum err pipeline_init(struct pipeline *p, const char *const *targets, int n_targets,
                       const char *const *features, int n_features, int window, int horizon,
                       const struct frame *f, struct error *e);
/** Rows that one forecast needs: window + the longest look-back. */
int pipeline_context(const struct pipeline *p);
/** What channel c is called: its column's or its indicator's name; the second of macd ends in "_signal". */
#define PIPELINE_CHANNEL_NAME (FRAME_NAME_MAX + 1)
void pipeline_channel_name(const struct pipeline *p, int c, char out[PIPELINE_CHANNEL_NAME]);
/** Copy the pipeline's columns of f as [rows][columns], filled forward; *first = the first row with no
 *  missing value (rows before it are not usable). filled counts replaced cells. out: rows * columns. */
enum err pipeline_rows(const struct pipeline *p, const struct frame *f, double *out,
                       size_t *first, size_t *filled, struct error *e);
/** Fit transforms and scales on rows[0 … n-1] ([n][columns], no NaN): the training part alone. At least
 *  pipeline_context + horizon rows. shrink is left as it is, and absolute, which decides what is fitted. */
enum err pipeline_fit(struct pipeline *p, const double *rows, size_t n, struct error *e);

/** Have the network speak of each target in the units of the channel of its number, which holds the same column: for one
 *  that gives a channel's level and spread to its answer. */
void pipeline_share_units(struct pipeline *p);

/** Doubles of scratch that pipeline_window needs. */
size_t pipeline_scratch(const struct pipeline *p);
/** x [window][channels] and the anchor from the context rows [context][columns] without NaN. Allocates nothing. */
void pipeline_window(const struct pipeline *p, const double *context, double *scratch,
                     float *x, struct anchor *a);
/** Whether a row is seen alike whatever comes before and after it, so that a series may be read piece by piece: columns
 *  only, none against the last value, and absolute targets. */
bool pipeline_is_pointwise(const struct pipeline *p);
/** x [n][channels] and the anchor from n rows [n][columns] without NaN, of a pointwise pipeline. */
void pipeline_piece(const struct pipeline *p, const double *rows, int n, float *x, struct anchor *a);
/**
 * Of a network that takes and gives numbers as they are: the columns are the channels, the first n_targets of them the
 * targets, and no value lies outside the range. ERR_INVALID with where "columns", "targets", "window".
 */
enum err pipeline_init_raw(struct pipeline *p, const char *const *columns, int n_columns, int n_targets, int window,
                           int horizon, struct error *e);

/** A value in own units as the network's target: the change from the anchor to v, over the scale. */
double pipeline_encode(const struct pipeline *p, int target, const struct anchor *a, double v);
/** And back. Neither applies shrink: whoever holds a network's output multiplies it first, and widens
 *  it by an interval after. */
double pipeline_decode(const struct pipeline *p, int target, const struct anchor *a, double y);
/** Fill NaN forward in place in [n][columns]; returns cells filled, or -1 with *column, *row of a missing
 *  value that has none before it (then rows may be partly filled). */
long fill_forward(double *rows, size_t n, int columns, int *column, size_t *row);

#endif

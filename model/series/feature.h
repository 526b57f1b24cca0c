/* feature.h - what the network sees of a series: a column as it is, or an
 * indicator computed from the past alone.
 *
 *     close            the column of that name
 *     sma_N            mean of the last N values of the first target
 *     ema_N            starts from the mean of the first N, moves by 2/(N+1)
 *     rsi_N            Wilder's, 0 … 100
 *     macd_F_S_G       two channels: ema_F - ema_S, and its signal, an ema_G
 *     log_return_N     log(x[t] / x[t-N]);   log_return = log_return_1
 *     log_volatility_N log of the standard deviation (over N) of the last N log returns; N >= 2
 *
 * rsi is 50 where nothing moved in the period; the volatility of a period without change has no log and is NaN.
 * A column's name wins over an indicator's. */
#ifndef GATECAST_SERIES_FEATURE_H
#define GATECAST_SERIES_FEATURE_H

#include <stddef.h>

#include "model/base/error.h"

enum feature_kind {
	FEATURE_COLUMN, FEATURE_SMA, FEATURE_EMA, FEATURE_RSI,
	FEATURE_MACD, FEATURE_LOG_RETURN, FEATURE_LOG_VOLATILITY
};

#define FEATURE_MAX_PERIOD 1000

struct feature {
	enum feature_kind kind;
	int column;          /* the raw column that it reads (index by the caller's order) */
	int n[3];            /* periods; 0 where unused */
};

/** Read an indicator's name ("sma_10"); column is left 0. ERR_INVALID names the
 *  known ones and the nearest; where = name. */
enum err feature_parse(const char *name, struct feature *out, struct error *e);
/** Writes "sma_10", "macd_12_26_9" …; "" for a column, whose name is the caller's. Returns its length. */
size_t feature_format(const struct feature *f, char *out, size_t cap);
/** Channels it yields: 1, macd 2. */
int feature_channels(const struct feature *f);
/** Rows before the first complete value: 0 for a column, N-1 for sma, N for rsi, S+G-2 for macd. */
int feature_lookback(const struct feature *f);
/**
 * out[c][i] for i = 0 … n-1 from x[0 … n-1] (oldest first); NaN before the look-back.
 * x has no NaN. Logs of values <= 0 are NaN. scratch: n doubles.
 */
void feature_compute(const struct feature *f, const double *x, size_t n, double *const out[], double *scratch);

#endif

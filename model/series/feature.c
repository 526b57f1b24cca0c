/* feature.c - indicators by their definitions; each value is computed anew from the rows it covers, so that an
 * extreme value leaves no trace behind once it has left the period. */
#include "model/series/feature.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "model/base/nearest.h"

#define MAX_PERIODS 3

/* An indicator's name is its stem and its periods: "macd" and 12, 26, 9. */
static const struct indicator { const char *stem, *form; int periods, least, implied; } indicators[] = {
	[FEATURE_SMA]            = { "sma",            "sma_N",            1, 1, 0 },
	[FEATURE_EMA]            = { "ema",            "ema_N",            1, 1, 0 },
	[FEATURE_RSI]            = { "rsi",            "rsi_N",            1, 1, 0 },
	[FEATURE_MACD]           = { "macd",           "macd_F_S_G",       3, 1, 0 },
	[FEATURE_LOG_RETURN]     = { "log_return",     "log_return_N",     1, 1, 1 },
	[FEATURE_LOG_VOLATILITY] = { "log_volatility", "log_volatility_N", 1, 2, 0 },
};
#define INDICATORS (sizeof indicators / sizeof *indicators)

/* Cut the name before its trailing "_digits" groups. Returns their number, at most MAX_PERIODS + 1 being told apart;
 * n holds the last MAX_PERIODS of them in order. A period over the limit reads as FEATURE_MAX_PERIOD + 1. */
static int split_name(const char *name, size_t *stem_length, int n[MAX_PERIODS])
{
	size_t end = strlen(name);
	int groups = 0, found[MAX_PERIODS] = { 0 };
	while (groups <= MAX_PERIODS) {
		size_t first = end;
		while (first > 0 && name[first - 1] >= '0' && name[first - 1] <= '9')
			first--;
		if (first == end || first == 0 || name[first - 1] != '_')
			break;
		int value = 0;
		for (size_t i = first; i < end && value <= FEATURE_MAX_PERIOD; i++)
			value = value * 10 + (name[i] - '0');
		if (groups < MAX_PERIODS)
			found[groups] = value > FEATURE_MAX_PERIOD ? FEATURE_MAX_PERIOD + 1 : value;
		groups++;
		end = first - 1;
	}
	*stem_length = end;
	for (int i = 0; i < MAX_PERIODS; i++)
		n[i] = i < groups && groups <= MAX_PERIODS ? found[groups - 1 - i] : 0;
	return groups;
}

static enum err fail_unknown(const char *name, size_t stem_length, struct error *e)
{
	const char *stems[INDICATORS];
	size_t known = 0;
	for (size_t i = FEATURE_SMA; i < INDICATORS; i++)
		stems[known++] = indicators[i].stem;
	char stem[64];
	snprintf(stem, sizeof stem, "%.*s", (int)(stem_length < sizeof stem ? stem_length : sizeof stem - 1), name);
	const char *near = nearest_name(stem, stems, known);
	return fail(e, ERR_INVALID, name, "there is no indicator \"%.80s\"%s%s%s; known are sma_N, ema_N, rsi_N, macd_F_S_G, "
		"log_return_N and log_volatility_N", name, near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

static enum err check_periods(const char *name, const struct indicator *d, int groups, const int *n, struct error *e)
{
	if (groups != d->periods)
		return fail(e, ERR_INVALID, name, "\"%.80s\" should be written as %s", name, d->form);
	for (int i = 0; i < d->periods; i++)
		if (n[i] < d->least || n[i] > FEATURE_MAX_PERIOD)
			return fail(e, ERR_INVALID, name, "the periods of %s are %d … %d", d->form, d->least, FEATURE_MAX_PERIOD);
	if (d == &indicators[FEATURE_MACD] && n[0] >= n[1])
		return fail(e, ERR_INVALID, name, "the first period of macd_F_S_G must be shorter than the second");
	return ERR_OK;
}

enum err feature_parse(const char *name, struct feature *out, struct error *e)
{
	int n[MAX_PERIODS];
	size_t stem_length;
	int groups = split_name(name, &stem_length, n);
	for (size_t i = FEATURE_SMA; i < INDICATORS; i++) {
		const struct indicator *d = &indicators[i];
		if (strlen(d->stem) != stem_length || memcmp(d->stem, name, stem_length) != 0)
			continue;
		if (groups == 0 && d->implied) {
			n[0] = d->implied;
			groups = 1;
		}
		enum err rc = check_periods(name, d, groups, n, e);
		if (!rc)
			*out = (struct feature){ .kind = (enum feature_kind)i, .n = { n[0], n[1], n[2] } };
		return rc;
	}
	return fail_unknown(name, stem_length, e);
}

size_t feature_format(const struct feature *f, char *out, size_t cap)
{
	if (f->kind == FEATURE_COLUMN)
		return (size_t)snprintf(out, cap, "%s", "");   /* the caller knows the column's name */
	const char *stem = indicators[f->kind].stem;
	if (f->kind == FEATURE_MACD)
		return (size_t)snprintf(out, cap, "%s_%d_%d_%d", stem, f->n[0], f->n[1], f->n[2]);
	return (size_t)snprintf(out, cap, "%s_%d", stem, f->n[0]);
}

int feature_channels(const struct feature *f)
{
	return f->kind == FEATURE_MACD ? 2 : 1;
}

int feature_lookback(const struct feature *f)
{
	switch (f->kind) {
	case FEATURE_COLUMN:
		return 0;
	case FEATURE_SMA:
	case FEATURE_EMA:
		return f->n[0] - 1;
	case FEATURE_MACD:
		return f->n[1] + f->n[2] - 2;
	case FEATURE_RSI:
	case FEATURE_LOG_RETURN:
	case FEATURE_LOG_VOLATILITY:
		return f->n[0];
	}
	return 0;
}

/* ---- computing ---- */

static void fill_nan(double *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = NAN;
}

static double mean_of(const double *x, size_t n)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += x[i];
	return sum / (double)n;
}

static double log_or_nan(double v)
{
	return v > 0 ? log(v) : NAN;
}

static void compute_sma(size_t period, const double *x, size_t n, double *out)
{
	for (size_t i = period - 1; i < n; i++)
		out[i] = mean_of(x + i + 1 - period, period);
}

static void compute_ema(size_t period, const double *x, size_t n, double *out)
{
	if (n < period)
		return;
	double move = 2.0 / ((double)period + 1), ema = mean_of(x, period);
	out[period - 1] = ema;
	for (size_t i = period; i < n; i++) {
		ema += move * (x[i] - ema);
		out[i] = ema;
	}
}

/* 100 g / (g + l) of Wilder's average gain and loss; 50 where nothing ever moved. */
static double rsi_of(double gain, double loss)
{
	return gain + loss > 0 ? 100 * gain / (gain + loss) : 50;
}

static void compute_rsi(size_t period, const double *x, size_t n, double *out)
{
	double gain = 0, loss = 0, count = (double)period;
	for (size_t i = 1; i < n; i++) {
		double change = x[i] - x[i - 1], up = fmax(change, 0), down = fmax(-change, 0);
		if (i <= period) {   /* the first averages are plain means */
			gain += up / count;
			loss += down / count;
		} else {
			gain = ((count - 1) * gain + up) / count;
			loss = ((count - 1) * loss + down) / count;
		}
		if (i >= period)
			out[i] = rsi_of(gain, loss);
	}
}

static void compute_macd(const int *period, const double *x, size_t n, double *line, double *signal, double *slow)
{
	size_t start = (size_t)period[1] - 1;   /* where the slower mean begins */
	if (n <= start)
		return;
	compute_ema((size_t)period[0], x, n, line);
	compute_ema((size_t)period[1], x, n, slow);
	for (size_t i = start; i < n; i++)
		line[i] -= slow[i];
	fill_nan(line, start);
	compute_ema((size_t)period[2], line + start, n - start, signal + start);
}

static void compute_log_return(size_t period, const double *x, size_t n, double *out)
{
	for (size_t i = period; i < n; i++)
		out[i] = log_or_nan(x[i]) - log_or_nan(x[i - period]);
}

static void compute_log_volatility(size_t period, const double *x, size_t n, double *out, double *change)
{
	compute_log_return(1, x, n, change);
	for (size_t i = period; i < n; i++) {
		const double *r = change + i + 1 - period;
		double mean = mean_of(r, period), square = 0;
		for (size_t k = 0; k < period; k++)
			square += (r[k] - mean) * (r[k] - mean);
		out[i] = log_or_nan(sqrt(square / (double)period));
	}
}

void feature_compute(const struct feature *f, const double *x, size_t n, double *const out[], double *scratch)
{
	for (int c = 0; c < feature_channels(f); c++)
		fill_nan(out[c], n);
	switch (f->kind) {
	case FEATURE_COLUMN:
		memcpy(out[0], x, n * sizeof *x);
		break;
	case FEATURE_SMA:
		compute_sma((size_t)f->n[0], x, n, out[0]);
		break;
	case FEATURE_EMA:
		compute_ema((size_t)f->n[0], x, n, out[0]);
		break;
	case FEATURE_RSI:
		compute_rsi((size_t)f->n[0], x, n, out[0]);
		break;
	case FEATURE_MACD:
		compute_macd(f->n, x, n, out[0], out[1], scratch);
		break;
	case FEATURE_LOG_RETURN:
		compute_log_return((size_t)f->n[0], x, n, out[0]);
		break;
	case FEATURE_LOG_VOLATILITY:
		compute_log_volatility((size_t)f->n[0], x, n, out[0], scratch);
		break;
	}
}

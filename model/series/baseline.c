/* baseline.c - naive, drift, seasonal naive. */
#include "model/series/baseline.h"

const char *baseline_name(enum baseline b)
{
	static const char *const names[BASELINE_COUNT] = {
		[BASELINE_NAIVE] = "naive", [BASELINE_DRIFT] = "drift", [BASELINE_SEASONAL_NAIVE] = "seasonal_naive",
	};
	return names[b];
}

double baseline_forecast(enum baseline b, const double *y, size_t n, int season, int h)
{
	double last = y[n - 1];
	if (b == BASELINE_DRIFT && n > 1)
		return last + h * (last - y[0]) / (double)(n - 1);
	if (b == BASELINE_SEASONAL_NAIVE && season > 0 && (size_t)season <= n)
		return y[n - (size_t)season + (size_t)((h - 1) % season)];
	return last;
}

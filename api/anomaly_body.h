/* anomaly_body.h - POST /v1/anomalies: which series, how to judge it; scores and flags.
 *
 *   {"model", "version"?, "dataset" | "columns": {…}, "start"?,
 *    "parameters"?: {"threshold", "deviations", "smoothing", "gap", "timeout_ms"}} */
#ifndef GATECAST_API_ANOMALY_BODY_H
#define GATECAST_API_ANOMALY_BODY_H

#include "api/series_body.h"
#include "model/anomaly.h"
#include "model/base/strbuf.h"

#define ANOMALY_MAX_ROWS 100000

struct anomaly_body {
	const char *model;                 /* never NULL */
	int version;                       /* 0: latest */
	struct series_input series;
	double threshold;                  /* of scores; NaN: found by deviations */
	double deviations;
	int smoothing;                     /* rows; 0: a quarter of a season */
	int gap;                           /* rows; -1: four times the smoothing */
	int64_t timeout_ms;                /* 0: the server's */
};
enum err anomaly_body_parse(const char *s, size_t len, struct arena *a, struct anomaly_body *out, struct error *e);

struct anomaly_answer {
	const char *model; int version;
	size_t skipped;                    /* rows of the dataset before the first one that is whole; row numbers count them */
	size_t rows, first, probation;     /* behind them: how many; the first with a score; the first that may be flagged */
	const double *score;               /* [rows] */
	double threshold;
	int smoothing, gap;
	const struct anomaly_flag *flag; size_t flags;
	const int64_t *start, *end;        /* [flags] dates, or NULL */
};
void anomaly_render(const struct anomaly_answer *a, struct strbuf *out);

#endif

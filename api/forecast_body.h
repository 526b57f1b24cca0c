/* forecast_body.h - bodies of predictions, parsed straight into doubles in the request's arena: no JSON tree.
 *
 *   /v1/forecast                              {"model", "version"?, "inputs": [{"columns": {…}, "start"?} | {"dataset"}],
 *                                              "parameters"?: {"quantile_levels", "return_attention", "return", "prediction_length",
 *                                                               "timeout_ms", "priority"}}
 *   /v1/sessions/{id}/steps                   {"sequence", "columns": {…}, "start"?, "parameters"?: the same}
 *   /v1/models/{m}:predict                    {"instances": …} or {"inputs": …}, "signature_name"?
 *   /v2/models/{m}/infer                      infer_body.h
 *
 * Everything is limited (FORECAST_MAX_*), depth by 8. Errors carry a JSON pointer; syntax errors the byte offset.
 * Duplicate and unknown members are errors (unknown: nearest known name). */
#ifndef GATECAST_API_FORECAST_BODY_H
#define GATECAST_API_FORECAST_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/series_body.h"
#include "model/base/arena.h"
#include "model/base/strbuf.h"
#include "model/forecaster.h"

#define FORECAST_MAX_INPUTS  256      /* series of one /v1/forecast body */
#define FORECAST_MAX_LEVELS  33
#define FORECAST_MAX_ROWS    4096     /* sequences of one tensor body */

struct forecast_body {
	const char *model;                 /* never NULL */
	int version;                       /* 0: latest */
	struct series_input *input; int inputs;
	double level[FORECAST_MAX_LEVELS]; int levels;   /* rising, distinct; "quantile_levels" absent: 0 */
	bool return_attention;
	unsigned inside;                   /* of "return": bits of enum inspect_what */
	int prediction_length;             /* 0: the model's horizon */
	int64_t timeout_ms;                /* 0: the server's */
	bool bulk;                         /* of "priority" */
};
enum err forecast_body_parse(const char *s, size_t len, struct arena *a, struct forecast_body *out, struct error *e);

/** A session's step: the body of a forecast with one series and no model; *sequence is 1 … 2^53. */
enum err step_body_parse(const char *s, size_t len, struct arena *a, struct forecast_body *out, int64_t *sequence,
                         struct error *e);

/* The two tensor dialects: [rows][steps][columns]. */
enum tensor_dialect { DIALECT_INSTANCES, DIALECT_INPUTS, DIALECT_V2 };
struct tensor_body {
	enum tensor_dialect dialect;
	size_t rows, steps, columns;
	const double *value;               /* rows * steps * columns; null is NaN */
	const char *id;                    /* v2, or NULL */
	const char *sequence;              /* v2: what it is a piece of, or NULL: it stands alone */
	bool sequence_start, sequence_end;
	int64_t timeout_ms;                /* 0: the server's */
	bool bulk;                         /* of v2's "priority" */
	bool single;                       /* v2: they came as FP32 */
	bool binary;                       /* v2: the answer is to be in bytes */
};
/** A two-dimensional tensor is taken as columns = 1; "inputs" may be {"input": …} too. */
enum err predict_body_parse(const char *s, size_t len, struct arena *a, struct tensor_body *out, struct error *e);

/* What the compute thread has to render. */
struct forecast_output {
	const char *target;
	int steps;                         /* prediction_length */
	const int64_t *timestamp;          /* [steps] or NULL */
	const double *mean;                /* [steps] */
	const double *level; int levels;
	const double *quantile; size_t quantile_stride;   /* quantile[l * stride + h]; not finite: null */
	const float *attention; int window;   /* [steps][window] or NULL */
	const struct strbuf *inside;       /* members of inspect_body.h, or NULL */
};
struct skill_view { double mase, vs_naive, vs_seasonal_naive; const char *verdict; /* NULL: never evaluated */ };

void forecast_render(const char *model, int version, const struct forecast_output *o, int outputs,
                     const struct skill_view *skill, const char *const *warnings, int n_warnings, struct strbuf *out);
/** value [rows][steps][targets]. */
void predict_render(enum tensor_dialect dialect, const double *value, size_t rows, size_t steps, size_t targets, struct strbuf *out);

#endif

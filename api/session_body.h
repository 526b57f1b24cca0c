/* session_body.h - what a session is begun with, and what it says of itself: POST and GET /v1/sessions.
 *
 *     {"model", "version"?, "keep"?: "state" | "rows"}
 *     {"id", "object": "session", "model", "version", "keep", "columns": [names], "sequence", "rows", "rows_needed",
 *      "created_at", "expires_at"}
 *
 * A step's body is forecast_body.h's, its answer that of a forecast. */
#ifndef GATECAST_API_SESSION_BODY_H
#define GATECAST_API_SESSION_BODY_H

#include "api/scan.h"
#include "model/base/strbuf.h"
#include "model/series/pipeline.h"

enum session_keep { KEEP_DEFAULT, KEEP_STATE, KEEP_ROWS };

struct session_body {
	const char *model;                 /* never NULL */
	int version;                       /* 0: latest */
	enum session_keep keep;
};
enum err session_body_parse(const char *s, size_t len, struct arena *a, struct session_body *out, struct error *e);

struct session_view {
	const char *id, *model;
	int version;
	enum session_keep keep;            /* not KEEP_DEFAULT */
	const struct pipeline *pipeline;   /* whose columns it reads */
	int64_t sequence;
	uint64_t rows;                     /* so far */
	int rows_needed;                   /* before there is a forecast */
	int64_t created_us, expires_us;    /* since 1970 */
};
void session_render(const struct session_view *v, struct strbuf *out);

#endif

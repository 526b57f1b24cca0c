#include "server/route.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/handlers.h"
#include "server/metrics.h"
#include "storage/key_store.h"

#define JSON "application/json"
#define WEIGHTS "application/x-safetensors, application/onnx"
#define TEXTS "text/csv, text/tab-separated-values, text/plain"
#define PROBE (ROUTE_ADMIN | ROUTE_OPEN)

const struct route routes[] = {
	/* method, pattern, scope, lane, body, media, flags, handler, upload */
	{ "GET", "/", 0, LANE_INLINE, BODY_NONE, NULL, ROUTE_OPEN, get_index, NULL, NULL, NULL },
	{ "GET", "/livez", 0, LANE_INLINE, BODY_NONE, NULL, PROBE, get_livez, NULL, NULL, NULL },
	{ "GET", "/readyz", 0, LANE_INLINE, BODY_NONE, NULL, PROBE, get_readyz, NULL, NULL, NULL },
	{ "GET", "/metrics", KEY_READ, LANE_READ, BODY_NONE, NULL, ROUTE_ADMIN, get_metrics, NULL, NULL, NULL },
	{ "GET", "/openapi.json", 0, LANE_INLINE, BODY_NONE, NULL, ROUTE_OPEN, get_openapi, NULL, NULL, NULL },

	{ "GET", "/v1/datasets", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, list_datasets, NULL, NULL, NULL },
	{ "PUT", "/v1/datasets/{}", KEY_TRAIN, LANE_WRITE, BODY_UPLOAD, TEXTS, 0, put_dataset, upload_open, upload_push, upload_free },
	{ "GET", "/v1/datasets/{}", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_dataset, NULL, NULL, NULL },
	{ "GET", "/v1/datasets/{}/rows", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_dataset_rows, NULL, NULL, NULL },
	{ "DELETE", "/v1/datasets/{}", KEY_TRAIN, LANE_WRITE, BODY_NONE, NULL, 0, delete_dataset, NULL, NULL, NULL },

	{ "POST", "/v1/jobs", KEY_TRAIN, LANE_WRITE, BODY_REQUIRED, JSON, 0, post_job, NULL, NULL, NULL },
	{ "GET", "/v1/jobs", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, list_jobs, NULL, NULL, NULL },
	{ "GET", "/v1/jobs/{}", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_job, NULL, NULL, NULL },
	{ "GET", "/v1/jobs/{}/events", KEY_READ, LANE_WRITE, BODY_NONE, NULL, 0, get_job_events, NULL, NULL, NULL },
	{ "GET", "/v1/jobs/{}/checkpoints", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_job_checkpoints, NULL, NULL, NULL },
	{ "POST", "/v1/jobs/{}/cancel", KEY_TRAIN, LANE_WRITE, BODY_OPTIONAL, JSON, 0, cancel_job, NULL, NULL, NULL },
	{ "POST", "/v1/jobs/{}/pause", KEY_TRAIN, LANE_WRITE, BODY_OPTIONAL, NULL, 0, pause_job, NULL, NULL, NULL },
	{ "POST", "/v1/jobs/{}/resume", KEY_TRAIN, LANE_WRITE, BODY_OPTIONAL, NULL, 0, resume_job, NULL, NULL, NULL },

	{ "GET", "/v1/models", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, list_models, NULL, NULL, NULL },
	{ "GET", "/v1/models/{}", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_model, NULL, NULL, NULL },
	{ "PUT", "/v1/models/{}", KEY_TRAIN, LANE_WRITE, BODY_UPLOAD, WEIGHTS, 0, put_model, weights_open, weights_push, weights_free },
	{ "GET", "/v1/models/{}/versions/{}/export", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_export, NULL, NULL, NULL },
	{ "GET", "/v1/models/{}/versions/{}", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_version, NULL, NULL, NULL },
	{ "GET", "/v1/models/{}/metadata", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_predict_metadata, NULL, NULL, NULL },
	{ "DELETE", "/v1/models/{}", KEY_TRAIN, LANE_WRITE, BODY_NONE, NULL, 0, delete_model, NULL, NULL, NULL },
	{ "DELETE", "/v1/models/{}/versions/{}", KEY_TRAIN, LANE_WRITE, BODY_NONE, NULL, 0, delete_version, NULL, NULL, NULL },
	{ "PUT", "/v1/models/{}/labels/{}", KEY_TRAIN, LANE_WRITE, BODY_REQUIRED, JSON, 0, put_label, NULL, NULL, NULL },

	{ "POST", "/v1/forecast", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, JSON, 0, post_forecast, NULL, NULL, NULL },
	{ "POST", "/v1/sessions", KEY_PREDICT, LANE_READ, BODY_REQUIRED, JSON, 0, post_session, NULL, NULL, NULL },
	{ "GET", "/v1/sessions/{}", KEY_PREDICT, LANE_READ, BODY_NONE, NULL, 0, get_session, NULL, NULL, NULL },
	{ "DELETE", "/v1/sessions/{}", KEY_PREDICT, LANE_INLINE, BODY_NONE, NULL, 0, delete_session, NULL, NULL, NULL },
	{ "POST", "/v1/sessions/{}/steps", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, JSON, 0, post_step, NULL, NULL, NULL },
	{ "POST", "/v1/models/{}:predict", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, NULL, ROUTE_MODEL, post_predict, NULL, NULL, NULL },
	{ "POST", "/v1/models/{}/versions/{}:predict", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, NULL, 0, post_predict_version, NULL, NULL, NULL },
	{ "POST", "/v1/models/{}/labels/{}:predict", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, NULL, 0, post_predict_label, NULL, NULL, NULL },
	{ "POST", "/v1/generate", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, JSON, 0, post_generate, NULL, NULL, NULL },
	{ "POST", "/v1/classify", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, JSON, 0, post_classify, NULL, NULL, NULL },
	{ "POST", "/v1/translate", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, JSON, 0, post_translate, NULL, NULL, NULL },
	{ "POST", "/v1/anomalies", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, JSON, 0, post_anomalies, NULL, NULL, NULL },

	{ "GET", "/v2", 0, LANE_INLINE, BODY_NONE, NULL, ROUTE_OPEN, get_v2_server, NULL, NULL, NULL },
	{ "GET", "/v2/health/live", 0, LANE_INLINE, BODY_NONE, NULL, ROUTE_OPEN, get_v2_live, NULL, NULL, NULL },
	{ "GET", "/v2/health/ready", 0, LANE_INLINE, BODY_NONE, NULL, ROUTE_OPEN, get_v2_ready, NULL, NULL, NULL },
	{ "GET", "/v2/models/{}", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_v2_model, NULL, NULL, NULL },
	{ "GET", "/v2/models/{}/versions/{}", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_v2_model, NULL, NULL, NULL },
	{ "GET", "/v2/models/{}/ready", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_v2_model_ready, NULL, NULL, NULL },
	{ "GET", "/v2/models/{}/versions/{}/ready", KEY_READ, LANE_READ, BODY_NONE, NULL, 0, get_v2_model_ready, NULL, NULL, NULL },
	{ "POST", "/v2/models/{}/infer", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, NULL, ROUTE_MODEL, post_infer, NULL, NULL, NULL },
	{ "POST", "/v2/models/{}/versions/{}/infer", KEY_PREDICT, LANE_PREDICT, BODY_REQUIRED, NULL, 0, post_infer_version, NULL, NULL, NULL },
};
const int n_routes = sizeof routes / sizeof routes[0];
_Static_assert(sizeof routes / sizeof routes[0] < METRIC_ROUTES, "each route has a slot in the metrics, and one is left");

/* Match a path; what {} stands for goes into param. A value ends at '/' or at the literal that follows the {}. */
static bool match(const char *pattern, const char *path, char param[][65])
{
	int n = 0;
	while (*pattern) {
		if (strncmp(pattern, "{}", 2)) {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		pattern += 2;
		size_t len = strcspn(path, *pattern == ':' ? "/:" : "/");
		if (len == 0 || len > 64)
			return false;
		memcpy(param[n], path, len);
		param[n++][len] = '\0';
		path += len;
	}
	return !*path;
}

enum err route_match(const char *method, const char *path, const struct route **out,
                     char param[][65], char *allow, size_t allow_cap, struct error *e)
{
	size_t allowed = 0;
	if (!strcmp(method, "HEAD"))
		method = "GET";
	for (int i = 0; i < n_routes; i++) {
		if (!match(routes[i].pattern, path, param))
			continue;
		if (!strcmp(routes[i].method, method)) {
			allow[0] = '\0';
			*out = &routes[i];
			return ERR_OK;
		}
		if (allowed < allow_cap)
			allowed += (size_t)snprintf(allow + allowed, allow_cap - allowed, "%s%s", allowed ? ", " : "", routes[i].method);
	}
	if (allowed)
		return fail(e, ERR_METHOD, "", "%s is not offered here; %s is", method, allow);
	return fail(e, ERR_NOT_FOUND, "", "there is no %s; /openapi.json lists what there is", path);
}

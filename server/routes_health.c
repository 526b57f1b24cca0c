/* routes_health.c - is it alive, is it ready, what has it done, what does it offer. */
#include "api/job_body.h"
#include "api/model_body.h"
#include "api/openapi.h"
#include "server/app.h"
#include "server/batcher.h"
#include "server/handlers.h"
#include "server/metrics.h"
#include "server/model_metrics.h"
#include "server/monotonic.h"
#include "server/sessions.h"
#include "storage/job_store.h"

static void say(struct request *r, int status, const char *json)
{
	r->reply.status = status;
	strbuf_adds(&r->reply.body, json);
}

HANDLER(get_index)
{
	say(r, 200, "{\"name\":\"gatecast\",\"version\":\"" GATECAST_VERSION "\",\"openapi\":\"/openapi.json\","
	            "\"datasets\":\"/v1/datasets\",\"jobs\":\"/v1/jobs\",\"models\":\"/v1/models\",\"forecast\":\"/v1/forecast\","
	            "\"sessions\":\"/v1/sessions\",\"metrics\":\"/metrics\"}");
	return ERR_OK;
}

HANDLER(get_livez)
{
	say(r, 200, "{\"live\":true}");
	return ERR_OK;
}

HANDLER(get_readyz)
{
	if (r->app->draining)
		say(r, 503, "{\"ready\":false}");
	else
		say(r, 200, "{\"ready\":true}");
	return ERR_OK;
}

HANDLER(get_v2_live)
{
	return get_livez(r, s, e);
}

HANDLER(get_v2_ready)
{
	return get_readyz(r, s, e);
}

HANDLER(get_v2_server)
{
	infer_server_render(GATECAST_VERSION, &r->reply.body);
	return ERR_OK;
}

HANDLER(get_openapi)
{
	strbuf_add(&r->reply.body, openapi_json, openapi_json_len);
	return ERR_OK;
}

/* Jobs by status are the store's to count. */
static enum err job_gauges(struct store *s, struct strbuf *out, struct error *e)
{
	int64_t counts[JOB_CANCELLED + 1];
	enum err rc = job_counts(s, counts, e);
	if (rc)
		return rc;
	struct strbuf l;
	strbuf_init(&l, 64);
	metric_head(out, "training_jobs", "gauge", "Training jobs in the store, by status.");
	for (int i = 0; i <= JOB_CANCELLED; i++) {
		strbuf_reset(&l);
		metric_label(&l, "status", job_status_name((enum job_status)i));
		metric_value(out, "training_jobs", l.s, (double)counts[i]);
	}
	strbuf_fini(&l);
	return ERR_OK;
}

HANDLER(get_metrics)
{
	struct strbuf *out = &r->reply.body;
	r->reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_write(out);
	batcher_metrics(r->app->batcher, out);
	sessions_metrics(r->app->sessions, monotonic_ns(), out);
	model_metrics_write(r->app->registry, out);
	return job_gauges(s, out, e);
}

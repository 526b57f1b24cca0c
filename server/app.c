#include "server/app.h"

#include <stdlib.h>

#include "model/infer/infer.h"
#include "server/address.h"
#include "server/batcher.h"
#include "server/events.h"
#include "server/lane.h"
#include "server/preload.h"
#include "server/registry.h"
#include "server/sessions.h"
#include "server/supervisor.h"
#include "storage/job_store.h"
#include "storage/key_store.h"
#include "storage/model_store.h"

/* Whatever was running when the last process ended waits again. */
static enum err recover(void *arg, struct store *s, struct error *e)
{
	int *requeued = arg;
	return job_recover(s, requeued, e);
}

static enum err load_keys(void *arg, struct store *s, struct error *e)
{
	return key_ring_load(s, arg, e);
}

static bool needs_keys(const struct options *o)
{
	struct sockaddr_storage a;
	if (o->command != COMMAND_SERVE)
		return false;
	return o->require_key || (!address_parse(o->listen, &a, NULL) && !address_is_loopback(&a));
}

enum err app_start(struct app *a, const struct options *o, struct error *e)
{
	int requeued = 0;
	a->options = o;
	enum err rc = lane_new(o->db, STORE_WRITER, &a->writer, e);
	if (!rc)
		rc = lane_new(o->db, STORE_READER, &a->reader, e);
	if (!rc)
		rc = lane_call(a->writer, recover, &requeued, e);
	if (!rc && needs_keys(o))
		rc = lane_call(a->reader, load_keys, &a->keys, e);
	if (!rc)
		rc = registry_new((size_t)o->model_cache, &(struct infer_options){ .int8 = o->int8 }, &a->registry, e);
	if (!rc)
		rc = events_new(&a->events, e);
	if (!rc && o->command == COMMAND_SERVE)
		rc = batcher_new((int)o->threads, o->queue_capacity, &a->batcher, e);
	if (!rc && o->command == COMMAND_SERVE)
		rc = sessions_new((size_t)o->session_memory, o->session_ttl_s * INT64_C(1000000000), &a->sessions, e);
	if (rc)
		return rc;
	if (requeued)
		log_line(LOG_INFO, "jobs_recovered", "requeued=%d", requeued);
	const struct supervisor_settings settings = {
		.writer = a->writer, .reader = a->reader, .registry = o->command == COMMAND_SERVE ? a->registry : NULL,
		.events = a->events, .workers = (int)o->workers, .threads = (int)o->train_threads,
		.checkpoint_interval_s = (int)o->checkpoint_interval_s,
	};
	return supervisor_new(&settings, &a->supervisor, e);
}

void app_stop(struct app *a)
{
	supervisor_free(a->supervisor);
	batcher_free(a->batcher);
	sessions_free(a->sessions);
	events_free(a->events);
	preload_free(a->preload);
	lane_free(a->reader);
	lane_free(a->writer);
	registry_free(a->registry);
	key_ring_free(a->keys);
	*a = (struct app){ 0 };
}

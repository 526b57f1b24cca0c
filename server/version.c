#include "server/version.h"

#include <limits.h>
#include <stdlib.h>

#include "api/model_body.h"
#include "server/app.h"
#include "server/registry.h"

enum err version_number(const char *text, int *out, struct error *e)
{
	char *end;
	long v = strtol(text, &end, 10);
	if (*end || v < 1 || v > INT_MAX)
		return fail(e, ERR_NOT_FOUND, "version", "\"%s\" is not a version; versions are numbers from 1", text);
	*out = (int)v;
	return ERR_OK;
}

void version_reply(struct request *r, const struct model_version *v)
{
	const struct version_view view = { .model = v->name, .version = v->version, .document = v->document,
		.evaluation = v->evaluation, .sha256 = v->sha256, .job = v->job, .created_at_us = v->created_at_us,
		.weights = v->n_weights, .loaded = registry_has(r->app->registry, v->name, v->version) };
	version_render(&view, &r->reply.body);
}

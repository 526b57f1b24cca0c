/* routes_model.c - the registry of trained versions: list, describe, label, remove; and its two dialects. */
#include <stdlib.h>
#include <string.h>

#include "api/job_body.h"
#include "api/model_body.h"
#include "server/app.h"
#include "server/handlers.h"
#include "server/paging.h"
#include "server/registry.h"
#include "server/sessions.h"
#include "server/version.h"
#include "storage/model_store.h"

#define VERSIONS_MOST 10000

/* The numbers of all versions of a model; NOT_FOUND when there is no such model. Caller frees. */
static enum err version_numbers(struct store *s, const char *name, int **out, int *n, struct error *e)
{
	struct model_version *list = NULL;
	size_t count = 0;
	bool more;
	enum err rc = model_versions(s, name, 0, VERSIONS_MOST, &list, &count, &more, e);
	if (rc)
		return rc;
	int *numbers = calloc(count + 1, sizeof *numbers);
	for (size_t i = 0; numbers && i < count; i++)
		numbers[i] = list[i].version;
	model_versions_free(list, count);
	if (!numbers)
		return fail_nomem(e);
	*out = numbers;
	*n = (int)count;
	return ERR_OK;
}

static enum err render_model(struct store *s, const char *name, struct strbuf *out, struct error *e)
{
	struct model_version latest = { 0 };
	struct model_label *labels = NULL;
	struct label_view *views = NULL;
	int *versions = NULL, n = 0;
	size_t n_labels = 0;
	enum err rc = version_numbers(s, name, &versions, &n, e);
	if (!rc)
		rc = model_get(s, name, 0, NULL, false, &latest, e);
	if (!rc)
		rc = model_labels(s, name, &labels, &n_labels, e);
	if (!rc && !(views = calloc(n_labels + 1, sizeof *views)))
		rc = fail_nomem(e);
	if (rc)
		goto done;
	for (size_t i = 0; i < n_labels; i++)
		views[i] = (struct label_view){ labels[i].label, labels[i].version };
	model_render(name, latest.version, versions, n, views, (int)n_labels, latest.created_at_us, out);
done:
	free(views);
	free(labels);
	free(versions);
	model_version_fini(&latest);
	return rc;
}

HANDLER(list_models)
{
	struct page page;
	struct model_name *list = NULL;
	size_t n = 0;
	bool more = false;
	enum err rc = page_read(r, &page, e);
	if (!rc)
		rc = model_list(s, page.after, page.limit, &list, &n, &more, e);
	if (rc)
		return rc;
	list_begin(&r->reply.body);
	for (size_t i = 0; !rc && i < n; i++) {
		list_next(&r->reply.body, i == 0);
		rc = render_model(s, list[i].name, &r->reply.body, e);
	}
	list_end(&r->reply.body, more);
	free(list);
	return rc;
}

/* Ours, and TensorFlow Serving's model status in the same object. */
HANDLER(get_model)
{
	struct strbuf ours, status;
	int *versions = NULL, n = 0;
	strbuf_init(&ours, REQUEST_REPLY_MAX);
	strbuf_init(&status, REQUEST_REPLY_MAX);
	enum err rc = render_model(s, r->param[0], &ours, e);
	if (!rc)
		rc = version_numbers(s, r->param[0], &versions, &n, e);
	if (rc)
		goto done;
	predict_status_render(versions, n, &status);
	if (!strbuf_ok(&ours) || !strbuf_ok(&status) || ours.len < 2 || status.len < 2) {
		rc = fail_nomem(e);
		goto done;
	}
	strbuf_add(&r->reply.body, ours.s, ours.len - 1);   /* {ours + , + status} */
	strbuf_addc(&r->reply.body, ',');
	strbuf_add(&r->reply.body, status.s + 1, status.len - 1);
done:
	free(versions);
	strbuf_fini(&ours);
	strbuf_fini(&status);
	return rc;
}

HANDLER(get_version)
{
	struct model_version v = { 0 };
	int version = 0;
	enum err rc = version_number(r->param[1], &version, e);
	if (!rc)
		rc = model_get(s, r->param[0], version, NULL, true, &v, e);
	if (!rc)
		version_reply(r, &v);
	model_version_fini(&v);
	return rc;
}

/* ---- the dialects' metadata --------------------------------------------- */

HANDLER(get_predict_metadata)
{
	struct model *m = NULL;
	enum err rc = registry_load(r->app->registry, s, r->param[0], 0, NULL, &m, e);
	if (rc)
		return rc;
	predict_metadata_render(m->name, m->version, &m->trained, &r->reply.body);
	model_unref(m);
	return ERR_OK;
}

/* The version in the path, or 0 for the latest. */
static enum err path_version(const struct request *r, int *out, struct error *e)
{
	*out = 0;
	return r->param[1][0] ? version_number(r->param[1], out, e) : ERR_OK;
}

HANDLER(get_v2_model)
{
	struct model *m = NULL;
	int *versions = NULL, n = 0, version = 0;
	enum err rc = path_version(r, &version, e);
	if (!rc)
		rc = registry_load(r->app->registry, s, r->param[0], version, NULL, &m, e);
	if (!rc)
		rc = version_numbers(s, r->param[0], &versions, &n, e);
	if (!rc)
		infer_metadata_render(m->name, versions, n, &m->trained, &r->reply.body);
	free(versions);
	model_unref(m);
	return rc;
}

/* A model that can be loaded is ready. */
HANDLER(get_v2_model_ready)
{
	struct model *m = NULL;
	int version = 0;
	enum err rc = path_version(r, &version, e);
	if (!rc)
		rc = registry_load(r->app->registry, s, r->param[0], version, NULL, &m, e);
	if (rc)
		return rc;
	strbuf_adds(&r->reply.body, "{\"ready\":true}");
	model_unref(m);
	return ERR_OK;
}

/* ---- changes ------------------------------------------------------------ */

static void forget(struct request *r)
{
	int version = r->param[1][0] ? atoi(r->param[1]) : 0;
	registry_forget(r->app->registry, r->param[0], version);
	sessions_end_model(r->app->sessions, r->param[0], version);
}

HANDLER(delete_model)
{
	r->reply.status = 204;
	r->committed = forget;
	return model_delete(s, r->param[0], 0, e);
}

HANDLER(delete_version)
{
	int version = 0;
	enum err rc = version_number(r->param[1], &version, e);
	r->reply.status = 204;
	r->committed = forget;
	return rc ? rc : model_delete(s, r->param[0], version, e);
}

HANDLER(put_label)
{
	int version = 0;
	enum err rc = label_body_parse(r->body.s, r->body.len, &version, e);
	if (!rc)
		rc = model_label_set(s, r->param[0], r->param[1], version, e);
	return rc ? rc : render_model(s, r->param[0], &r->reply.body, e);
}

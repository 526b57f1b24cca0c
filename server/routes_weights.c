/* routes_weights.c - weights in and out: a file becomes the next version of a model, a version becomes a file.
 *
 * A body is gathered on the HTTP thread up to --max-upload; the writer lane reads it, proves that the model can be loaded,
 * and publishes it. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/model_import.h"
#include "server/app.h"
#include "server/handlers.h"
#include "server/paging.h"
#include "server/registry.h"
#include "server/version.h"
#include "storage/model_store.h"

enum err weights_open(struct request *r, struct error *e)
{
	if (!store_name_ok(r->param[0]))
		return fail(e, ERR_INVALID, "name", "a name has 1 to 64 letters, digits, '.', '_' or '-' and begins with a letter or digit");
	struct strbuf *file = calloc(1, sizeof *file);
	if (!file)
		return fail_nomem(e);
	strbuf_init(file, (size_t)r->app->options->max_upload);
	r->upload = file;
	return ERR_OK;
}

enum err weights_push(struct request *r, const char *bytes, size_t len, struct error *e)
{
	struct strbuf *file = r->upload;
	strbuf_add(file, bytes, len);
	return strbuf_ok(file) ? ERR_OK : fail_nomem(e);
}

void weights_free(struct request *r)
{
	struct strbuf *file = r->upload;
	strbuf_fini(file);
	free(file);
}

static enum err read_options(const struct request *r, struct import_options *out, struct error *e)
{
	const struct { const char *name; int *value; } sizes[] = {
		{ "horizon", &out->horizon }, { "targets", &out->targets }, { "window", &out->window },
	};
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		int64_t v;
		enum err rc = request_query_int(r, sizes[i].name, 1, INT_MAX, 0, &v, e);
		if (rc)
			return rc;
		*sizes[i].value = (int)v;
	}
	out->columns = request_query(r, "columns");
	out->nonlinearity = request_query(r, "nonlinearity");
	out->decoder = request_query(r, "decoder");
	return ERR_OK;
}

/* What cannot be loaded is not published. */
static enum err check_loads(const struct imported *m, struct error *e)
{
	const struct model_version v = {
		.document = m->document, .weights = m->weights, .n_weights = m->n_weights,
		.calibration = m->calibration, .n_calibration = m->n_calibration,
	};
	struct trained t = { 0 };
	enum err rc = model_build(&v, NULL, &t, NULL, e);
	trained_fini(&t);
	return rc;
}

static enum err publish(struct request *r, struct store *s, const struct imported *m, struct error *e)
{
	const struct model_blobs blobs = { .document = m->document, .weights = m->weights, .n_weights = m->n_weights,
		.calibration = m->calibration, .n_calibration = m->n_calibration };
	struct model_version v = { 0 };
	int version = 0;
	enum err rc = model_put(s, r->param[0], &blobs, NULL, &version, e);
	if (!rc)
		rc = model_get(s, r->param[0], version, NULL, false, &v, e);
	if (!rc) {
		v.n_weights = m->n_weights;
		version_reply(r, &v);
	}
	model_version_fini(&v);
	return rc;
}

static void outdate(struct request *r)
{
	registry_outdate(r->app->registry, r->param[0]);
}

HANDLER(put_model)
{
	const struct strbuf *file = r->upload;
	struct import_options options = { 0 };
	struct imported m = { 0 };
	enum err rc = read_options(r, &options, e);
	if (!rc)
		rc = model_import(weights_format_of_media(r->header[HEADER_CONTENT_TYPE]), file->s, file->len, &options, &m, e);
	if (!rc)
		rc = check_loads(&m, e);
	if (!rc)
		rc = publish(r, s, &m, e);
	r->reply.status = 201;
	r->committed = outdate;
	imported_fini(&m);
	return rc;
}

HANDLER(get_export)
{
	struct model_version v = { 0 };
	const char *asked = request_query(r, "format");
	enum weights_format format = WEIGHTS_SAFETENSORS;
	int version = 0;
	enum err rc = asked ? weights_format_find(asked, "format", &format, e) : ERR_OK;
	if (!rc)
		rc = version_number(r->param[1], &version, e);
	if (!rc)
		rc = model_get(s, r->param[0], version, NULL, true, &v, e);
	if (!rc) {
		const struct model_numbers numbers = { v.weights, v.n_weights, v.calibration, v.n_calibration };
		rc = model_export(format, v.document, &numbers, &r->reply.body, e);
	}
	r->reply.content_type = weights_media_type(format);
	model_version_fini(&v);
	return rc;
}

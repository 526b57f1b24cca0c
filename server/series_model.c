#include "server/series_model.h"

#include <stdlib.h>

#include "server/registry.h"

enum err series_model_load(struct series_model *m, const char *db, const char *name, int version, struct error *e)
{
	struct store *s = NULL;
	enum err rc = store_open(db, STORE_READER, &s, e);
	if (!rc)
		rc = model_get(s, name, version, NULL, true, &m->version, e);
	if (!rc)
		rc = model_build_forecaster(&m->version, NULL, &m->forecaster, e);
	store_close(s);
	return rc;
}

enum err series_model_context(struct series_model *m, const struct frame *f, const char *path, struct error *e)
{
	const struct pipeline *l = &m->forecaster->pipeline;
	size_t context = (size_t)pipeline_context(l), first, filled;
	m->rows = calloc(f->rows + 1, (size_t)l->columns * sizeof *m->rows);
	if (!m->rows)
		return fail_nomem(e);
	enum err rc = pipeline_rows(l, f, m->rows, &first, &filled, e);
	if (rc)
		return rc;
	if (f->rows - first < context)
		return fail(e, ERR_INVALID, path, "%s needs at least %zu rows, the file has %zu usable ones", m->version.name,
		            context, f->rows - first);
	m->context = m->rows + (f->rows - context) * (size_t)l->columns;
	return ERR_OK;
}

void series_model_fini(struct series_model *m)
{
	free(m->rows);
	forecaster_free(m->forecaster);
	model_version_fini(&m->version);
	*m = (struct series_model){ 0 };
}

#include "server/series_input.h"

#include <stdio.h>
#include <string.h>

#include "storage/dataset.h"

static enum err not_read(const struct model *m, const char *column, const char *where, struct error *e)
{
	const struct pipeline *l = &m->trained.forecaster->pipeline;
	char at[128];
	for (int c = 0; c < l->columns; c++)
		if (!strcmp(column, l->column[c]))
			return ERR_OK;
	snprintf(at, sizeof at, "%s/%s", where, column);
	return fail(e, ERR_INVALID, at, "%s does not read a column %s", m->name, column);
}

static const struct series_column *find(const struct series_input *in, const char *name)
{
	for (int k = 0; k < in->columns; k++)
		if (!strcmp(in->column[k].name, name))
			return &in->column[k];
	return NULL;
}

enum err series_from_columns(const struct model *m, const struct series_input *in, struct arena *a, const char *where,
                             struct series_rows *out, struct error *e)
{
	const struct pipeline *l = &m->trained.forecaster->pipeline;
	const size_t width = (size_t)l->columns, n = in->column[0].n;   /* the parser saw that all are as long */
	enum err rc = ERR_OK;
	double *rows = arena_calloc(a, n * width, sizeof *rows);
	if (!rows)
		return fail_nomem(e);
	for (size_t c = 0; c < width; c++) {
		const struct series_column *column = find(in, l->column[c]);
		if (!column)
			return fail(e, ERR_INVALID, where, "the column %s is missing; %s reads it", l->column[c], m->name);
		for (size_t t = 0; t < n; t++)
			rows[t * width + c] = column->value[t];
	}
	for (int k = 0; !rc && k < in->columns; k++)
		rc = not_read(m, in->column[k].name, where, e);
	if (!rc)
		*out = (struct series_rows){ .value = rows, .n = n };
	return rc;
}

static enum err copy_rows(const struct pipeline *l, const struct frame *f, struct arena *a, struct series_rows *out,
                          struct error *e)
{
	size_t first, filled;
	const int64_t *date = f->date_column >= 0 ? f->column[f->date_column].date : NULL;
	double *rows = arena_calloc(a, f->rows + 1, (size_t)l->columns * sizeof *rows);
	int64_t *dates = date ? arena_calloc(a, f->rows + 1, sizeof *dates) : NULL;
	if (!rows || (date && !dates))
		return fail_nomem(e);
	enum err rc = pipeline_rows(l, f, rows, &first, &filled, e);
	if (rc)
		return rc;
	if (date)
		memcpy(dates, date, f->rows * sizeof *dates);
	*out = (struct series_rows){ .value = rows + first * (size_t)l->columns, .n = f->rows - first,
		.date = date ? dates + first : NULL, .skipped = first, .filled = filled };
	return ERR_OK;
}

enum err series_from_dataset(const struct model *m, struct store *s, const char *name, size_t most, struct arena *a,
                             const char *where, struct series_rows *out, struct error *e)
{
	struct dataset_info d = { 0 };
	struct frame *f = NULL;
	enum err rc = dataset_get(s, name, 0, &d, e);
	if (!rc)
		rc = dataset_rows(s, d.id, d.rows > most ? d.rows - most : 0, most, &f, e);
	if (!rc) {
		rc = copy_rows(&m->trained.forecaster->pipeline, f, a, out, e);
		if (rc == ERR_INVALID && e)
			snprintf(e->where, sizeof e->where, "%s", where);
	}
	frame_free(f);
	dataset_info_fini(&d);
	return rc;
}

/* samples.c - from a frame to rows, parts and origins. */
#include "model/samples.h"

#include <math.h>
#include <stdlib.h>

struct borders { size_t train, validation; };   /* the rows where the part ends */

static struct borders borders_of(const struct recipe *r, size_t n)
{
	size_t test = (size_t)llround((double)n * r->test);
	return (struct borders){ .train = (size_t)llround((double)n * r->train), .validation = n - test };
}

/* Origins whose target rows, `ahead` behind the origin or `back` up to it, lie in [from, to) and whose context
 * exists. */
static struct part part_between(const struct samples *s, size_t from, size_t to)
{
	size_t context = (size_t)s->context, start = from + s->back > context ? from + s->back : context;
	return (struct part){ .first = start - 1, .windows = to >= start + s->ahead ? to - start - s->ahead + 1 : 0 };
}

static bool cut(struct samples *s, const struct recipe *r, size_t n)
{
	struct borders b = borders_of(r, n);
	bool within = recipe_task(r) == TASK_RECONSTRUCT;
	s->ahead = within ? 0 : (size_t)r->horizon;
	s->back = within ? (size_t)r->window : 0;
	s->n = n;
	s->train_rows = b.train;
	s->train = part_between(s, 0, b.train);
	s->validation = part_between(s, b.train, b.validation);
	s->test = part_between(s, b.validation, n);
	return s->train.windows && s->validation.windows && s->test.windows;
}

static enum err fail_too_few(struct samples *s, const struct recipe *r, size_t n, struct error *e)
{
	size_t minimum = n + 1;
	while (!cut(s, r, minimum))
		minimum++;
	return fail(e, ERR_INVALID, "/dataset", "%zu usable rows are too few: window %d with look-back %d and horizon %d "
		"need at least %zu rows in that split", n, r->window, s->context - r->window, r->horizon, minimum);
}

static enum err build_pipeline(struct samples *s, const struct recipe *r, const struct frame *f, struct error *e)
{
	const char *target[PIPELINE_MAX_TARGETS], *feature[PIPELINE_MAX_FEATURES];
	for (int i = 0; i < r->targets; i++)
		target[i] = r->target[i];
	for (int i = 0; i < r->features; i++)
		feature[i] = r->feature[i];
	enum err rc = pipeline_init(&s->pipeline, target, r->targets, feature, r->features, r->window, r->horizon, f, e);
	for (int i = 0; !rc && i < r->targets; i++)
		s->pipeline.target[i].absolute = recipe_task(r) == TASK_RECONSTRUCT;
	return rc;
}

enum err samples_check(const struct recipe *r, const struct frame *f, size_t rows, struct error *e)
{
	struct samples s = { 0 };
	enum err rc = build_pipeline(&s, r, f, e);
	if (rc)
		return rc;
	s.context = pipeline_context(&s.pipeline);
	return cut(&s, r, rows) ? ERR_OK : fail_too_few(&s, r, rows, e);
}

static void copy_series(struct samples *s)
{
	const struct pipeline *p = &s->pipeline;
	for (int t = 0; t < p->targets; t++)
		for (size_t i = 0; i < s->n; i++)
			s->series[(size_t)t * s->n + i] = s->rows[i * (size_t)p->columns + (size_t)p->target[t].column];
}

enum err samples_init(struct samples *s, const struct recipe *r, const struct frame *f, struct error *e)
{
	enum err rc;
	size_t first;

	*s = (struct samples){ 0 };
	rc = build_pipeline(s, r, f, e);
	if (rc)
		goto done;
	s->context = pipeline_context(&s->pipeline);
	s->block = reallocarray(NULL, f->rows + 1, (size_t)s->pipeline.columns * sizeof *s->block);
	if (!s->block) {
		rc = fail_nomem(e);
		goto done;
	}
	rc = pipeline_rows(&s->pipeline, f, s->block, &first, &s->filled, e);
	if (rc)
		goto done;
	s->rows = s->block + first * (size_t)s->pipeline.columns;
	if (!cut(s, r, f->rows - first)) {
		rc = fail_too_few(s, r, f->rows - first, e);
		goto done;
	}
	rc = pipeline_fit(&s->pipeline, s->rows, s->train_rows, e);
	if (rc)
		goto done;
	if (r->instance_norm)
		pipeline_share_units(&s->pipeline);
	s->series = reallocarray(NULL, s->n, (size_t)r->targets * sizeof *s->series);
	if (!s->series) {
		rc = fail_nomem(e);
		goto done;
	}
	copy_series(s);
	if (f->date_column >= 0)
		s->frequency = frequency_infer(f->column[f->date_column].date, f->rows);
done:
	if (rc)
		samples_fini(s);
	return rc;
}

void samples_fini(struct samples *s)
{
	free(s->block);
	free(s->series);
	*s = (struct samples){ 0 };
}

const double *samples_context(const struct samples *s, size_t origin)
{
	return s->rows + (origin + 1 - (size_t)s->context) * (size_t)s->pipeline.columns;
}

const double *samples_series(const struct samples *s, int target)
{
	return s->series + (size_t)target * s->n;
}

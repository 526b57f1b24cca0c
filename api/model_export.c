/* model_export.c - a version as a file: see model_import.h. */
#include <string.h>

#include "api/model_import.h"
#include "api/onnx_export.h"
#include "api/safetensors.h"
#include "api/version_tensors.h"

#define GRAPH_MEMORY ((size_t)1 << 30)   /* of nodes; the weights are not copied */

static const float *numbers_of(const struct version_tensor *t, const struct model_numbers *m)
{
	return (t->score ? m->calibration : m->weights) + t->offset;
}

static enum err export_safetensors(const char *document, const struct version_tensors *all,
                                   const struct model_numbers *m, struct strbuf *out, struct error *e)
{
	struct tensor_view view[NET_MAX_TENSORS + 1];
	for (int i = 0; i < all->n; i++) {
		const struct version_tensor *t = &all->tensor[i];
		view[i] = (struct tensor_view){ .name = t->name, .ndim = t->ndim, .value = numbers_of(t, m) };
		for (int k = 0; k < t->ndim; k++)
			view[i].shape[k] = (size_t)t->shape[k];
	}
	safetensors_write(view, all->n, document, out);
	return strbuf_ok(out) ? ERR_OK : fail_nomem(e);
}

/* The steps that a graph may be given: those that the version itself reads at most. */
static int most_steps(const struct document *d)
{
	return document_is_text(d) ? d->max_steps : d->pipeline.window;
}

static enum err export_onnx(const char *document, const struct document *d, const struct version_tensors *all,
                            const struct model_numbers *m, struct strbuf *out, struct error *e)
{
	const struct version_tensor *last = &all->tensor[all->n - 1];
	const struct onnx_rider scores = { last->name, last->ndim, last->shape, numbers_of(last, m) };
	struct arena a;
	struct onnx_graph g;
	arena_init(&a, GRAPH_MEMORY);
	enum err rc = onnx_export(&d->net, m->weights, last->score ? &scores : NULL, most_steps(d), &a, &g, e);
	if (!rc) {
		g.document = document;
		rc = onnx_write(&g, &a, out, e);
	}
	arena_fini(&a);
	return rc;
}

enum err model_export(enum weights_format format, const char *document, const struct model_numbers *m,
                      struct strbuf *out, struct error *e)
{
	struct document d;
	struct version_tensors all;
	enum err rc = document_parse(document, strlen(document), &d, e);
	if (rc)
		return rc;
	version_tensors_init(&d, &all);
	if (all.n_weights != m->n_weights || all.n_scores != m->n_calibration)
		rc = fail(e, ERR_STORAGE, "", "the version holds %zu weights and %zu scores, its document says %zu and %zu",
		          m->n_weights, m->n_calibration, all.n_weights, all.n_scores);
	else if (format == WEIGHTS_ONNX)
		rc = export_onnx(document, &d, &all, m, out, e);
	else
		rc = export_safetensors(document, &all, m, out, e);
	document_fini(&d);
	return rc;
}

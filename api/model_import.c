/* model_import.c - a version from a file: see model_import.h. */
#include "api/model_import.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/foreign.h"
#include "api/import_options.h"
#include "api/onnx_import.h"
#include "api/safetensors.h"
#include "api/version_tensors.h"

static const struct { const char *name, *media; } formats[] = {
	[WEIGHTS_SAFETENSORS] = { "safetensors", "application/x-safetensors" },
	[WEIGHTS_ONNX] = { "onnx", "application/onnx" },
};
#define FORMATS ((int)(sizeof formats / sizeof *formats))

enum err weights_format_find(const char *name, const char *where, enum weights_format *out, struct error *e)
{
	for (int i = 0; i < FORMATS; i++) {
		if (!strcmp(name, formats[i].name)) {
			*out = (enum weights_format)i;
			return ERR_OK;
		}
	}
	return fail(e, ERR_INVALID, where, "the format \"%.40s\" is not offered; safetensors and onnx are", name);
}

const char *weights_media_type(enum weights_format format)
{
	return formats[format].media;
}

enum weights_format weights_format_of_media(const char *content_type)
{
	const char *onnx = formats[WEIGHTS_ONNX].media;
	return content_type && !strncasecmp(content_type, onnx, strlen(onnx)) ? WEIGHTS_ONNX : WEIGHTS_SAFETENSORS;
}

/* --- our own export ------------------------------------------------------------------------------------------------- */

/* A file of either format that holds tensors under our names. */
struct source {
	void *file;
	/** t's numbers, all of them finite; ERR_INVALID where they are not there or have another shape. */
	enum err (*fetch)(void *file, const struct version_tensor *t, float *out, struct error *e);
};

static enum err fetch_stored(void *file, const struct version_tensor *t, float *out, struct error *e)
{
	struct foreign *f = file;
	const struct stored_tensor *source = safetensors_find(f->file, t->name);
	enum err rc = foreign_expect_shape(f, source, t->name, t->shape, t->ndim, e);
	return rc ? rc : stored_tensor_read(source, out, e);
}

static enum err fetch_initialiser(void *file, const struct version_tensor *t, float *out, struct error *e)
{
	const struct onnx_array *source = onnx_initialiser(file, t->name);
	if (!source || source->ndim != t->ndim || memcmp(source->dim, t->shape, (size_t)t->ndim * sizeof *t->shape))
		return fail(e, ERR_INVALID, t->name,
		            "the initialiser %.80s is missing, or has another shape than the document says", t->name);
	for (size_t i = 0; i < t->count; i++) {
		out[i] = source->at[i];
		if (!isfinite(out[i]))
			return fail(e, ERR_INVALID, t->name, "number %zu of %.80s is not finite", i, t->name);
	}
	return ERR_OK;
}

static enum err check_nothing_said(const struct import_options *o, struct error *e)
{
	if (o->horizon || o->targets || o->window || o->columns || o->nonlinearity || o->decoder)
		return fail(e, ERR_INVALID, "",
		            "options are for weights of other frameworks; this file says everything itself");
	return ERR_OK;
}

static enum err fetch_all(const struct source *s, const struct version_tensors *all, struct imported *out,
                          struct error *e)
{
	enum err rc = ERR_OK;
	out->weights = calloc(all->n_weights, sizeof *out->weights);
	out->calibration = all->n_scores ? calloc(all->n_scores, sizeof *out->calibration) : NULL;
	if (!out->weights || (all->n_scores && !out->calibration))
		return fail_nomem(e);
	out->n_weights = all->n_weights;
	out->n_calibration = all->n_scores;
	for (int i = 0; !rc && i < all->n; i++) {
		const struct version_tensor *t = &all->tensor[i];
		rc = s->fetch(s->file, t, (t->score ? out->calibration : out->weights) + t->offset, e);
	}
	return rc;
}

static enum err import_own(const struct source *s, const char *document, const struct import_options *o,
                           struct imported *out, struct error *e)
{
	struct document d;
	struct version_tensors all;
	enum err rc = check_nothing_said(o, e);
	if (!rc)
		rc = document_parse(document, strlen(document), &d, e);
	if (rc)
		return rc;
	version_tensors_init(&d, &all);
	document_fini(&d);
	rc = fetch_all(s, &all, out, e);
	if (!rc && !(out->document = strdup(document)))
		rc = fail_nomem(e);
	return rc;
}

/* --- foreign weights ------------------------------------------------------------------------------------------------ */

static enum err render_document(const struct trained *t, struct imported *out, struct error *e)
{
	struct strbuf text;
	strbuf_init(&text, DOCUMENT_BYTES_MAX);
	document_render(t, NULL, &text);
	out->document = strbuf_detach(&text, NULL);
	return out->document ? ERR_OK : fail_nomem(e);
}

/* Of a model no more than a document says. */
static enum err document_of_series(const struct import_options *o, const struct net_spec *s, struct imported *out,
                                   struct error *e)
{
	struct forecaster *f = calloc(1, sizeof *f);
	if (!f)
		return fail_nomem(e);
	f->net = *s;
	enum err rc = import_pipeline(o, s, &f->pipeline, e);
	if (!rc)
		rc = render_document(&(struct trained){ .forecaster = f }, out, e);
	free(f);
	return rc;
}

static enum err document_of_text(const struct import_options *o, const struct net_spec *s, struct imported *out,
                                 struct error *e)
{
	struct text_model m = { .net = *s, .max_steps = import_window(o) };
	if (!text_task_of(s, &m.task))
		return fail(e, ERR_INVALID, "", "tokens go in, and it is no model of texts");
	enum err rc = import_vocabulary(TOKEN_WORD, s->vocabulary, &m.source, e);
	if (!rc && m.task != TEXT_GENERATE)
		rc = import_vocabulary(TOKEN_LABEL, s->classes, &m.target, e);
	if (!rc)
		rc = render_document(&(struct trained){ .text = &m }, out, e);
	vocabulary_free(m.source);
	vocabulary_free(m.target);
	return rc;
}

static enum err check_used(const struct foreign *f, struct error *e)
{
	for (int i = 0; i < f->file->n; i++)
		if (!f->used[i])
			return foreign_fail(f, &f->file->tensor[i], e, "no part of the network takes it");
	return ERR_OK;
}

static enum err fill_weights(struct foreign *f, const struct dialect *dialect, struct imported *out, struct error *e)
{
	struct tensor_table table;
	enum err rc = ERR_OK;
	net_tensors(&f->net, &table);
	out->n_weights = table.count;
	out->weights = calloc(table.count, sizeof *out->weights);
	if (!out->weights)
		return fail_nomem(e);
	for (int i = 0; !rc && i < table.n; i++)
		rc = dialect->fill(f, &table.tensor[i], out->weights + table.tensor[i].offset, e);
	return rc ? rc : check_used(f, e);
}

static enum err import_state_dict(struct foreign *f, const struct import_options *o, struct imported *out,
                                  struct error *e)
{
	const struct dialect *dialect = keras_speaks(f->file) ? &keras_dialect : &torch_dialect;
	enum err rc = dialect->read(f, e);
	if (!rc)
		rc = import_choices(o, &f->net, e);
	if (!rc)
		rc = import_sizes(o, f->head->shape[dialect == &keras_dialect], &f->net, e);
	if (!rc)
		rc = net_spec_check(&f->net, e);
	if (!rc)
		rc = document_of_series(o, &f->net, out, e);
	return rc ? rc : fill_weights(f, dialect, out, e);
}

static enum err import_graph(const struct onnx_graph *g, struct arena *a, const struct import_options *o,
                             struct imported *out, struct error *e)
{
	struct net_spec s;
	struct import_options said = *o;
	enum err rc = onnx_import(g, a, &said, &s, &out->weights, &out->n_weights, e);
	if (rc)
		return rc;
	return s.vocabulary ? document_of_text(&said, &s, out, e) : document_of_series(&said, &s, out, e);
}

/* --- files ---------------------------------------------------------------------------------------------------------- */

static enum err import_safetensors(const void *bytes, size_t len, const struct import_options *o, struct imported *out,
                                   struct error *e)
{
	struct safetensors file;
	enum err rc = safetensors_parse(bytes, len, &file, e);
	if (rc)
		return rc;
	struct foreign f = { .file = &file };
	const struct source own = { &f, fetch_stored };
	if (!file.document)
		rc = import_state_dict(&f, o, out, e);
	else if (!(rc = import_own(&own, file.document, o, out, e)))
		rc = check_used(&f, e);
	safetensors_fini(&file);
	return rc;
}

static enum err import_onnx(const void *bytes, size_t len, const struct import_options *o, struct imported *out,
                            struct error *e)
{
	struct arena a;
	struct onnx_graph g;
	const struct source own = { &g, fetch_initialiser };
	arena_init(&a, onnx_budget(len));
	enum err rc = onnx_parse(bytes, len, &a, &g, e);
	if (!rc)
		rc = g.document ? import_own(&own, g.document, o, out, e) : import_graph(&g, &a, o, out, e);
	arena_fini(&a);
	return rc;
}

enum err model_import(enum weights_format format, const void *bytes, size_t len, const struct import_options *o,
                      struct imported *out, struct error *e)
{
	struct imported made = { 0 };
	enum err rc = (format == WEIGHTS_ONNX ? import_onnx : import_safetensors)(bytes, len, o, &made, e);
	if (rc)
		imported_fini(&made);
	else
		*out = made;
	return rc;
}

void imported_fini(struct imported *m)
{
	free(m->document);
	free(m->weights);
	free(m->calibration);
	*m = (struct imported){ 0 };
}

/* model_import.c - see model_import.h. */
#include "api/model_import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/foreign.h"
#include "api/safetensors.h"
#include "model/base/utf8.h"

#define WINDOW_DEFAULT 30
#define DOCUMENT_MAX   (512u << 10)
#define SCORES_NAME    "calibration.scores"

/* --- what the caller says ------------------------------------------------------------------------------------------- */

/* The index of text in names, which end with NULL; 0 where nothing was said. */
static enum err choose(const char *option, const char *text, const char *const *names, int *out, struct error *e)
{
	*out = 0;
	for (int i = 0; text && names[i]; i++) {
		if (!strcmp(text, names[i])) {
			*out = i;
			return ERR_OK;
		}
	}
	if (!text)
		return ERR_OK;
	return fail(e, ERR_INVALID, option, "%s is %s or %s, not \"%.40s\"", option, names[0], names[1], text);
}

static enum err apply_choices(const struct import_options *o, struct net_spec *s, struct error *e)
{
	static const char *const nonlinearities[] = { "tanh", "relu", NULL }, *const decoders[] = { "last", "mean", NULL };
	int relu, mean;
	enum err rc = choose("nonlinearity", o->nonlinearity, nonlinearities, &relu, e);
	if (!rc)
		rc = choose("decoder", o->decoder, decoders, &mean, e);
	if (rc)
		return rc;
	if (o->nonlinearity && s->encoder != ENCODER_RNN)
		return fail(e, ERR_INVALID, "nonlinearity", "nonlinearity is for an RNN; the file holds another cell");
	if (o->decoder && s->decoder == DECODER_ATTENTION)
		return fail(e, ERR_INVALID, "decoder", "the file brings an attention decoder of its own");
	s->relu = relu;
	if (mean)
		s->decoder = DECODER_MEAN;
	return ERR_OK;
}

/* Our decoder's head has a row a target; which steps it takes is not in the file. */
static enum err apply_steps(const struct import_options *o, int rows, struct net_spec *s, struct error *e)
{
	s->targets = o->targets ? o->targets : rows;
	s->horizon = o->horizon;
	if (!o->horizon)
		return fail(e, ERR_INVALID, "horizon", "the weights of an attention decoder do not say the horizon; give it");
	if (s->targets != rows)
		return fail(e, ERR_INVALID, "targets", "the head has %d rows, so there are as many targets, not %d", rows, s->targets);
	return ERR_OK;
}

/* One head for all steps: rows = horizon * targets. */
static enum err apply_rows(const struct import_options *o, int rows, struct net_spec *s, struct error *e)
{
	int known = o->targets ? o->targets : o->horizon ? o->horizon : 1;
	if (rows % known || (o->targets && o->horizon && rows / known != o->horizon))
		return fail(e, ERR_INVALID, o->horizon ? "horizon" : "targets", "the head has %d rows, which are not horizon * targets "
		            "(horizon %d, targets %d; 0: not given)", rows, o->horizon, o->targets);
	s->targets = o->targets || !o->horizon ? known : rows / known;
	s->horizon = rows / s->targets;
	return ERR_OK;
}

static enum err apply_options(const struct import_options *o, int rows, struct net_spec *s, struct error *e)
{
	enum err rc = apply_choices(o, s, e);
	if (rc)
		return rc;
	s->levels = 1;
	return s->decoder == DECODER_ATTENTION ? apply_steps(o, rows, s, e) : apply_rows(o, rows, s, e);
}

/* --- names of columns ----------------------------------------------------------------------------------------------- */

/* The list's pieces, in place; -1 for too many. */
static int split(char *list, const char **out, int most)
{
	int n = 0;
	for (char *at = list; at;) {
		if (n == most)
			return -1;
		out[n++] = strsep(&at, ",");
	}
	return n;
}

static enum err set_pipeline(const struct import_options *o, const struct net_spec *s, struct pipeline *p, struct error *e)
{
	const char *name[PIPELINE_MAX_COLUMNS];
	char generated[PIPELINE_MAX_COLUMNS][8];
	int window = o->window ? o->window : WINDOW_DEFAULT, n = o->columns ? 0 : s->inputs;
	char *list = strdup(o->columns ? o->columns : "");
	if (!list)
		return fail_nomem(e);
	if (o->columns && utf8_valid(list, strlen(list)))
		n = split(list, name, PIPELINE_MAX_COLUMNS);
	for (int i = 0; !o->columns && i < n && i < PIPELINE_MAX_COLUMNS; i++) {
		snprintf(generated[i], sizeof generated[i], "x%d", i);
		name[i] = generated[i];
	}
	enum err rc = n == s->inputs ? pipeline_init_raw(p, name, n, s->targets, window, s->horizon, e)
		: fail(e, ERR_INVALID, "columns", "the network reads %d columns; columns has to name as many, in UTF-8", s->inputs);
	free(list);
	return rc;
}

/* --- numbers -------------------------------------------------------------------------------------------------------- */

/* Our own names. */
static enum err own_fill(struct foreign *f, const struct tensor *t, float *out, struct error *e)
{
	const struct stored_tensor *source = safetensors_find(f->file, t->name);
	enum err rc = foreign_expect(f, source, t->name, (int)t->shape[0], t->ndim == 2 ? (int)t->shape[1] : 0, e);
	return rc ? rc : stored_tensor_read(source, out, e);
}

static enum err check_used(const struct foreign *f, struct error *e)
{
	for (int i = 0; i < f->file->n; i++)
		if (!f->used[i])
			return foreign_fail(f, &f->file->tensor[i], e, "no part of the network takes it");
	return ERR_OK;
}

static enum err fill_weights(struct foreign *f, enum err (*fill)(struct foreign *, const struct tensor *, float *, struct error *),
                             struct imported *out, struct error *e)
{
	struct tensor_table table;
	enum err rc = ERR_OK;
	net_tensors(&f->net, &table);
	out->n_weights = table.count;
	out->weights = calloc(table.count, sizeof *out->weights);
	if (!out->weights)
		return fail_nomem(e);
	for (int i = 0; !rc && i < table.n; i++)
		rc = fill(f, &table.tensor[i], out->weights + table.tensor[i].offset, e);
	return rc ? rc : check_used(f, e);
}

/* --- foreign weights ------------------------------------------------------------------------------------------------ */

static enum err render_document(const struct net_spec *s, const struct pipeline *p, struct imported *out, struct error *e)
{
	struct strbuf text;
	struct forecaster *f = calloc(1, sizeof *f);   /* no more of it than a document says */
	if (!f)
		return fail_nomem(e);
	f->pipeline = *p;
	f->net = *s;
	strbuf_init(&text, DOCUMENT_MAX);
	document_render(&(struct trained){ .forecaster = f }, NULL, &text);
	out->document = strbuf_detach(&text, NULL);
	free(f);
	return out->document ? ERR_OK : fail_nomem(e);
}

static enum err import_foreign(const struct safetensors *file, const struct import_options *o, struct imported *out,
                               struct error *e)
{
	struct foreign f = { .file = file };
	struct pipeline p;
	const struct dialect *dialect = keras_speaks(file) ? &keras_dialect : &torch_dialect;
	enum err rc = dialect->read(&f, e);
	if (!rc)
		rc = apply_options(o, f.head->shape[dialect == &keras_dialect], &f.net, e);
	if (!rc)
		rc = net_spec_check(&f.net, e);
	if (!rc)
		rc = set_pipeline(o, &f.net, &p, e);
	if (!rc)
		rc = fill_weights(&f, dialect->fill, out, e);
	return rc ? rc : render_document(&f.net, &p, out, e);
}

/* --- our own export ------------------------------------------------------------------------------------------------- */

static enum err check_nothing_said(const struct import_options *o, struct error *e)
{
	if (o->horizon || o->targets || o->window || o->columns || o->nonlinearity || o->decoder)
		return fail(e, ERR_INVALID, "", "options are for weights of other frameworks; this file says everything itself");
	return ERR_OK;
}

static void scores_shape(const struct document *d, size_t shape[4])
{
	const int sizes[] = { d->net.levels, d->net.targets, document_steps(d), d->calibration };
	for (int i = 0; i < 4; i++)
		shape[i] = (size_t)sizes[i];
}

static size_t scores_count(const struct document *d)
{
	size_t shape[4];
	scores_shape(d, shape);
	return shape[0] * shape[1] * shape[2] * shape[3];   /* document_parse has limited it */
}

static enum err fill_calibration(struct foreign *f, const struct document *d, struct imported *out, struct error *e)
{
	const struct stored_tensor *t = safetensors_find(f->file, SCORES_NAME);
	size_t shape[4];
	if (!d->calibration)
		return ERR_OK;
	if (!t)
		return fail(e, ERR_INVALID, SCORES_NAME, "%s is missing", SCORES_NAME);
	scores_shape(d, shape);
	for (int i = 0; i < 4; i++)
		if (t->ndim != 4 || (size_t)t->shape[i] != shape[i])
			return foreign_fail(f, t, e, "expected [%zu, %zu, %zu, %zu]", shape[0], shape[1], shape[2], shape[3]);
	f->used[t - f->file->tensor] = true;
	out->n_calibration = t->count;
	out->calibration = calloc(t->count, sizeof *out->calibration);
	return out->calibration ? stored_tensor_read(t, out->calibration, e) : fail_nomem(e);
}

static enum err import_own(struct safetensors *file, const struct import_options *o, struct imported *out, struct error *e)
{
	struct foreign f = { .file = file };
	struct document d;
	enum err rc = check_nothing_said(o, e);
	if (!rc)
		rc = document_parse(file->document, strlen(file->document), &d, e);
	if (rc)
		return rc;
	f.net = d.net;
	rc = fill_calibration(&f, &d, out, e);
	if (!rc)
		rc = fill_weights(&f, own_fill, out, e);
	document_fini(&d);
	out->document = file->document;
	file->document = NULL;
	return rc;
}

enum err model_import(const void *bytes, size_t len, const struct import_options *o, struct imported *out, struct error *e)
{
	struct safetensors file;
	struct imported made = { 0 };
	enum err rc = safetensors_parse(bytes, len, &file, e);
	if (rc)
		return rc;
	rc = file.document ? import_own(&file, o, &made, e) : import_foreign(&file, o, &made, e);
	safetensors_fini(&file);
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

/* --- export --------------------------------------------------------------------------------------------------------- */

static enum err check_numbers(const struct document *d, const struct tensor_table *t, const struct model_numbers *m,
                              struct error *e)
{
	if (t->count != m->n_weights || scores_count(d) != m->n_calibration)
		return fail(e, ERR_STORAGE, "", "the version holds %zu weights and %zu scores, its document says %zu and %zu",
		            m->n_weights, m->n_calibration, t->count, scores_count(d));
	return ERR_OK;
}

enum err model_export(const char *document, const struct model_numbers *m, struct strbuf *out, struct error *e)
{
	struct document d;
	struct tensor_table table;
	struct tensor_view view[NET_MAX_TENSORS + 1];
	int n = 0;
	enum err rc = document_parse(document, strlen(document), &d, e);
	if (rc)
		return rc;
	net_tensors(&d.net, &table);
	rc = check_numbers(&d, &table, m, e);
	if (rc)
		goto done;
	for (; n < table.n; n++) {
		const struct tensor *t = &table.tensor[n];
		view[n] = (struct tensor_view){ .name = t->name, .ndim = t->ndim, .value = m->weights + t->offset };
		memcpy(view[n].shape, t->shape, sizeof t->shape);
	}
	if (d.calibration) {
		view[n] = (struct tensor_view){ .name = SCORES_NAME, .ndim = 4, .value = m->calibration };
		scores_shape(&d, view[n++].shape);
	}
	safetensors_write(view, n, document, out);
	rc = strbuf_ok(out) ? ERR_OK : fail_nomem(e);
done:
	document_fini(&d);
	return rc;
}

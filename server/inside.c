#include "server/inside.h"

#include <stdlib.h>

#include "api/inspect_body.h"
#include "model/recipe.h"
#include "storage/model_store.h"

#define WHERE      "/parameters/return"
#define WHERE_TEXT "/return"

static enum err check_offer(const struct inspector *i, const struct model *m, unsigned what, const char *where,
                            struct error *e)
{
	static const struct { unsigned bit; const char *name; } names[] = {
		{ INSPECT_ATTENTION, "attention" }, { INSPECT_GATES, "gates" }, { INSPECT_STATES, "states" },
	};
	unsigned lacks = what & ~inspect_offers(i, what);
	for (size_t k = 0; k < sizeof names / sizeof *names; k++)
		if (lacks & names[k].bit)
			return fail(e, ERR_INVALID, where, "%s has no %s: its encoder is %s, its decoder %s", m->name, names[k].name,
			            encoder_names[i->net->encoder], decoder_names[i->net->decoder]);
	return ERR_OK;
}

static enum err check_size(size_t numbers, int n, const char *where, struct error *e)
{
	if (numbers > INSPECT_MAX_NUMBERS)
		return fail(e, ERR_INVALID, where, "%d inputs have more than %d numbers to return; ask for less, or send fewer", n,
		            INSPECT_MAX_NUMBERS);
	return ERR_OK;
}

/* ---- series -------------------------------------------------------------- */

/* Each target's output repeats what its input has. Their limits keep the product in range. */
static size_t numbers_of(const struct inspector *i, unsigned what, int n)
{
	return inspect_numbers(i, what) * (size_t)i->net->targets * (size_t)n;
}

static enum err look_at_each(struct inspector *i, struct store *s, const struct model *m, unsigned what,
                             const struct batch_item *item, int n, struct strbuf *out, struct error *e)
{
	struct model_version v = { 0 };
	enum err rc = model_get(s, m->name, m->version, NULL, true, &v, e);
	for (int k = 0; !rc && k < n; k++) {
		inspect_run(i, v.weights, item[k].forecast.context);
		inspect_render(i, what, &out[k]);
		rc = strbuf_ok(&out[k]) ? ERR_OK : fail_nomem(e);
	}
	model_version_fini(&v);
	return rc;
}

enum err inside_look(struct store *s, const struct model *m, unsigned what, const struct batch_item *item, int n,
                     struct strbuf *out, struct error *e)
{
	const struct forecaster *f = m->trained.forecaster;
	struct inspector *i = NULL;
	for (int k = 0; k < n; k++)
		strbuf_init(&out[k], INSIDE_MAX_TEXT);
	enum err rc = inspector_new(&f->pipeline, &f->net, &i, e);
	if (!rc)
		rc = check_offer(i, m, what, WHERE, e);
	if (!rc)
		rc = check_size(numbers_of(i, what, n), n, WHERE, e);
	if (!rc)
		rc = look_at_each(i, s, m, what, item, n, out, e);
	inspector_free(i);
	return rc;
}

/* ---- texts --------------------------------------------------------------- */

/* Passes over texts of all lengths, whose numbers are counted together. */
struct text_look {
	const struct model *m;
	unsigned what;
	int n;
	size_t numbers;
	const float *weights;              /* NULL: only count */
};

static enum err look_at_tokens(struct text_look *l, const int32_t *token, int T, struct strbuf *out, struct error *e)
{
	struct inspector *i = NULL;
	enum err rc = inspector_new_text(&l->m->trained.text->net, T, &i, e);
	if (!rc)
		rc = check_offer(i, l->m, l->what, WHERE_TEXT, e);
	if (!rc && !l->weights)
		rc = check_size(l->numbers += inspect_numbers(i, l->what), l->n, WHERE_TEXT, e);
	if (!rc && l->weights) {
		inspect_run_text(i, l->weights, token);
		inspect_render(i, l->what, out);
		rc = strbuf_ok(out) ? ERR_OK : fail_nomem(e);
	}
	inspector_free(i);
	return rc;
}

static enum err look_at_texts(struct text_look *l, const struct batch_item *item, struct strbuf *out, struct error *e)
{
	enum err rc = ERR_OK;
	for (int k = 0; !rc && k < l->n; k++) {
		int32_t *token = NULL;
		size_t T, all;
		rc = text_tokens(l->m->trained.text, item[k].text.text, item[k].text.len, &token, &T, &all, e);
		if (!rc)
			rc = look_at_tokens(l, token, (int)T, &out[k], e);
		free(token);
	}
	return rc;
}

enum err inside_look_text(struct store *s, const struct model *m, unsigned what, const struct batch_item *item, int n,
                          struct strbuf *out, struct error *e)
{
	struct text_look l = { .m = m, .what = what, .n = n };
	struct model_version v = { 0 };
	for (int k = 0; k < n; k++)
		strbuf_init(&out[k], INSIDE_MAX_TEXT);
	enum err rc = look_at_texts(&l, item, out, e);   /* what is too much is known before the weights are read */
	if (!rc)
		rc = model_get(s, m->name, m->version, NULL, true, &v, e);
	l.weights = v.weights;
	if (!rc)
		rc = look_at_texts(&l, item, out, e);
	model_version_fini(&v);
	return rc;
}

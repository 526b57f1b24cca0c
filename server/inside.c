#include "server/inside.h"

#include "api/inspect_body.h"
#include "model/recipe.h"
#include "storage/model_store.h"

#define WHERE "/parameters/return"

static enum err check_offer(const struct inspector *i, const struct model *m, unsigned what, struct error *e)
{
	static const struct { unsigned bit; const char *name; } names[] = {
		{ INSPECT_ATTENTION, "attention" }, { INSPECT_GATES, "gates" }, { INSPECT_STATES, "states" },
	};
	unsigned lacks = what & ~inspect_offers(i, what);
	for (size_t k = 0; k < sizeof names / sizeof *names; k++)
		if (lacks & names[k].bit)
			return fail(e, ERR_INVALID, WHERE, "%s has no %s: its encoder is %s, its decoder %s", m->name, names[k].name,
			            encoder_names[i->net->encoder], decoder_names[i->net->decoder]);
	return ERR_OK;
}

/* Each target's output repeats what its input has. */
static enum err check_size(const struct inspector *i, unsigned what, int n, struct error *e)
{
	size_t each = inspect_numbers(i, what) * (size_t)i->net->targets, numbers;
	if (__builtin_mul_overflow(each, (size_t)n, &numbers) || numbers > INSPECT_MAX_NUMBERS)
		return fail(e, ERR_INVALID, WHERE, "%d inputs of %zu numbers are more than the limit of %d; ask for less, or send fewer",
		            n, each, INSPECT_MAX_NUMBERS);
	return ERR_OK;
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
		rc = check_offer(i, m, what, e);
	if (!rc)
		rc = check_size(i, what, n, e);
	if (!rc)
		rc = look_at_each(i, s, m, what, item, n, out, e);
	inspector_free(i);
	return rc;
}

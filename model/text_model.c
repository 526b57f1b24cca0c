#include "model/text_model.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/text_work.h"

_Static_assert(TOKEN_BOUNDARY == NET_BOUNDARY, "one token begins and ends a text, here and there");

bool text_task_of(const struct net_spec *net, enum text_task *out)
{
	if (!net->vocabulary || !net->classes)
		return false;
	switch (net->decoder) {
	case DECODER_TOKEN:
		*out = TEXT_GENERATE;
		return true;
	case DECODER_LAST:
	case DECODER_MEAN:
	case DECODER_POOL:
		*out = TEXT_CLASSIFY;
		return true;
	case DECODER_ATTENTION:
		*out = TEXT_TRANSLATE;
		return true;
	case DECODER_RECONSTRUCT:
	case DECODER_SEGMENT:
		break;
	}
	return false;
}

/* ---- the model ---- */

/* A text goes on from a state that stands for all that was read: one direction, forwards, a step at a time. */
static enum err check_generate(const struct net_spec *net, const struct vocabulary *target, struct error *e)
{
	if (net->encoder == ENCODER_TRANSFORMER || net->bidirectional || net->reverse)
		return fail(e, ERR_INVALID, "encoder", "generating goes on from a state: it takes a recurrent encoder of one "
			"direction, read forwards");
	if (target || net->classes != net->vocabulary)
		return fail(e, ERR_INVALID, "classes", "what is generated is read again: one vocabulary goes in and out");
	return ERR_OK;
}

static enum err check_answer(const struct text_model *m, struct error *e)
{
	bool labels = m->task == TEXT_CLASSIFY;

	if (!m->target || (vocabulary_unit(m->target) == TOKEN_LABEL) != labels)
		return fail(e, ERR_INVALID, "target", "the network's answers are %s",
			labels ? "labels" : "characters or words");
	if (m->net.classes != vocabulary_size(m->target))
		return fail(e, ERR_INVALID, "classes", "the network has %d classes, its vocabulary %d", m->net.classes,
			vocabulary_size(m->target));
	if (labels && m->net.horizon != 1)
		return fail(e, ERR_INVALID, "horizon", "a text has one label; the horizon is %d", m->net.horizon);
	return ERR_OK;
}

static enum err check(struct text_model *m, struct error *e)
{
	if (!text_task_of(&m->net, &m->task))
		return fail(e, ERR_INVALID, "model", "the network is none of texts: tokens go in, and classes come out of the "
			"decoders token, last, mean, pool and attention");
	if (vocabulary_unit(m->source) == TOKEN_LABEL || m->net.vocabulary != vocabulary_size(m->source))
		return fail(e, ERR_INVALID, "vocabulary", "the network reads %d tokens, its vocabulary has %d %ss",
			m->net.vocabulary, vocabulary_size(m->source), token_unit_names[vocabulary_unit(m->source)]);
	if (m->max_steps < 1)
		return fail(e, ERR_INVALID, "window", "the window must be at least 1; it is %d", m->max_steps);
	return m->task == TEXT_GENERATE ? check_generate(&m->net, m->target, e) : check_answer(m, e);
}

enum err text_model_new(const struct net_spec *net, const float *params, const struct infer_options *o,
                        struct vocabulary *source, struct vocabulary *target, int max_steps,
                        struct text_model **out, struct error *e)
{
	struct text_model *m = calloc(1, sizeof *m);

	if (!m) {
		vocabulary_free(source);
		vocabulary_free(target);
		return fail_nomem(e);
	}
	*m = (struct text_model){ .net = *net, .source = source, .target = target, .max_steps = max_steps };
	enum err rc = check(m, e);
	if (!rc)
		rc = infer_model_new(net, params, o, &m->infer, e);
	if (rc)
		text_model_free(m);
	else
		*out = m;
	return rc;
}

enum err text_model_set_cache(struct text_model *m, const struct cache_options *o, struct error *e)
{
	long numbers = (long)o->size * net_width(&m->net);

	if (m->task != TEXT_GENERATE)
		return fail(e, ERR_INVALID, "cache", "belongs to models that generate");
	if (o->size < 1 || o->size > TEXT_CACHE_MAX || numbers > TEXT_CACHE_NUMBERS_MAX)
		return fail(e, ERR_INVALID, "size", "must be 1 to %d states of at most %d numbers in all; %d are %ld",
			TEXT_CACHE_MAX, TEXT_CACHE_NUMBERS_MAX, o->size, numbers);
	if (!(o->sharpness > 0 && o->sharpness <= 1000))
		return fail(e, ERR_INVALID, "sharpness", "must be above 0 and at most 1000; it is %g", o->sharpness);
	if (!(o->share >= 0 && o->share <= 1))
		return fail(e, ERR_INVALID, "share", "must be 0 to 1; it is %g", o->share);
	m->cache = *o;
	return ERR_OK;
}

void text_model_free(struct text_model *m)
{
	if (!m)
		return;
	vocabulary_free(m->source);
	vocabulary_free(m->target);
	infer_model_free(m->infer);
	free(m);
}

size_t text_model_bytes(const struct text_model *m)
{
	size_t target = m->target ? vocabulary_bytes(m->target) : 0;
	return sizeof *m + vocabulary_bytes(m->source) + target + infer_model_bytes(m->infer);
}

/* ---- the workspace ---- */

enum err text_ws_new(int max_rows, struct text_ws **out, struct error *e)
{
	struct text_ws *w = calloc(1, sizeof *w);

	if (!w)
		return fail_nomem(e);
	w->max_rows = max_rows;
	w->seq = calloc((size_t)max_rows, sizeof *w->seq);
	w->of = calloc((size_t)max_rows, sizeof *w->of);
	enum err rc = w->seq && w->of ? infer_ws_new(max_rows, &w->infer, e) : fail_nomem(e);
	if (rc)
		text_ws_free(w);
	else
		*out = w;
	return rc;
}

void text_ws_free(struct text_ws *w)
{
	if (!w)
		return;
	infer_ws_free(w->infer);
	free(w->seq);
	free(w->of);
	free(w->x);
	free(w->y);
	free(w->weight);
	free(w->rank);
	free(w->hidden);
	free(w);
}

/* A block for at least need items; what it held is lost. NULL, and *have = 0, when memory lacks. */
static void *grow(void *block, size_t *have, size_t need, size_t item)
{
	if (need <= *have)
		return block;
	free(block);
	block = reallocarray(NULL, need, item);
	*have = block ? need : 0;
	return block;
}

enum err text_ws_reserve(struct text_ws *w, const struct text_model *m, struct error *e)
{
	size_t rows = (size_t)w->max_rows, classes = (size_t)m->net.classes;

	w->x = grow(w->x, &w->x_size, rows * (size_t)m->max_steps, sizeof *w->x);
	w->y = grow(w->y, &w->y_size, rows * classes, sizeof *w->y);
	w->weight = grow(w->weight, &w->weight_size, 2 * classes, sizeof *w->weight);
	w->rank = grow(w->rank, &w->rank_size, classes, sizeof *w->rank);
	if (m->cache.size)
		w->hidden = grow(w->hidden, &w->hidden_size, rows * TEXT_SLICE * (size_t)net_width(&m->net), sizeof *w->hidden);
	if (!w->x || !w->y || !w->weight || !w->rank || (m->cache.size && !w->hidden))
		return fail_nomem(e);
	return infer_ws_reserve(w->infer, m->infer, m->max_steps, e);
}

double text_log_sum(const float *score, int n, double *weight)
{
	float greatest = score[0];
	double sum = 0;

	for (int k = 1; k < n; k++)
		greatest = score[k] > greatest ? score[k] : greatest;
	for (int k = 0; k < n; k++) {
		weight[k] = exp((double)score[k] - greatest);
		sum += weight[k];
	}
	return greatest + log(sum);
}

/* ---- jobs ---- */

enum err text_tokens(const struct text_model *m, const char *text, size_t len, int32_t **token, size_t *n, size_t *all,
                     struct error *e)
{
	size_t count = vocabulary_encode(m->source, text, len, NULL, 0), most = (size_t)m->max_steps;
	size_t skipped = m->task != TEXT_GENERATE && count > most ? count - most : 0;
	int32_t *read = calloc(count + 1, sizeof *read);

	if (!read)
		return fail_nomem(e);
	vocabulary_encode(m->source, text, len, read, count);
	memmove(read, read + skipped, (count - skipped) * sizeof *read);
	*token = read;   /* zeroed behind the text: an empty one is a boundary */
	*n = count > 0 ? count - skipped : 1;
	*all = count;
	return ERR_OK;
}

static enum err take_tokens(const struct text_model *m, struct text_job *j, struct text_progress *p, struct error *e)
{
	size_t all;
	enum err rc = text_tokens(m, j->text, j->len, &p->token, &p->n, &all, e);

	if (rc)
		return rc;
	j->tokens_in = (int)all;
	j->truncated = all > p->n;
	return ERR_OK;
}

static enum err begin(const struct text_model *m, struct text_job *j, struct error *e)
{
	size_t states = m->task == TEXT_GENERATE ? (size_t)net_state_size(&m->net) : 0;
	struct text_progress *p = calloc(1, sizeof *p + states * sizeof *p->state);

	if (!p)
		return fail_nomem(e);
	enum err rc = take_tokens(m, j, p, e);
	if (!rc && m->cache.size)
		rc = text_cache_new(m->cache.size, net_width(&m->net), &p->cache, e);
	if (rc) {
		free(p->token);
		free(p);
		return rc;
	}
	j->progress = p;
	j->finite = true;
	j->ended = false;
	j->tokens_out = 0;
	j->log_probability = 0;
	return ERR_OK;
}

void text_job_fini(struct text_job *j)
{
	if (!j->progress)
		return;
	text_cache_free(j->progress->cache);
	free(j->progress->token);
	free(j->progress);
	j->progress = NULL;
}

enum err text_model_run(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n, bool *done,
                        struct error *e)
{
	enum err rc = ERR_OK;

	assert(n <= w->max_rows);
	for (int i = 0; i < n && !rc; i++) {
		done[i] = m->task != TEXT_GENERATE;
		rc = job[i]->progress ? ERR_OK : begin(m, job[i], e);
	}
	if (rc)
		return rc;
	switch (m->task) {
	case TEXT_GENERATE:
		text_generate(m, w, job, n, done);
		break;
	case TEXT_CLASSIFY:
		text_classify(m, w, job, n);
		break;
	case TEXT_TRANSLATE:
		for (int i = 0; i < n && !rc; i++)
			rc = text_translate(m, w, job[i], e);
		break;
	}
	return rc;
}

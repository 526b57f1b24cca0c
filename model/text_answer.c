/* text_answer.c - one answer to a whole text: its label, or its translation. */
#include <math.h>
#include <stdlib.h>

#include "model/text_work.h"

/* ---- classify ---- */

static void label(const struct text_model *m, struct text_ws *w, struct text_job *j, const float *score)
{
	int n = m->net.classes;
	double all = text_log_sum(score, n, w->weight);

	j->finite = isfinite(all);
	if (!j->finite)
		return;
	j->label = 0;
	for (int k = 0; k < n; k++) {
		j->label = score[k] > score[j->label] ? k : j->label;
		if (j->probability)
			j->probability[k] = (float)exp((double)score[k] - all);
	}
}

void text_classify(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n)
{
	for (int i = 0; i < n; i++) {
		const struct text_progress *p = job[i]->progress;
		float *x = w->x + (size_t)i * m->max_steps;
		text_load(x, p->token, p->n);
		w->seq[i] = (struct infer_sequence){ .x = x, .T = (int)p->n, .y = w->y + (size_t)i * m->net.classes };
	}
	infer_run(m->infer, w->infer, w->seq, n);
	for (int i = 0; i < n; i++)
		label(m, w, job[i], w->seq[i].y);
}

/* ---- translate ---- */

/* Room for the answers of a beam. */
struct answers {
	struct infer_answer of[INFER_MAX_BEAM];
	int32_t *token;       /* [width][max_answer] */
	float *attention;     /* [width][max_answer][T] when wanted */
};

static enum err answers_init(struct answers *a, const struct text_job *j, size_t T, struct error *e)
{
	size_t width = (size_t)j->beam_width, most = (size_t)j->max_answer;

	*a = (struct answers){ .token = calloc(width * most, sizeof *a->token) };
	a->attention = j->want_attention ? calloc(width * most, T * sizeof *a->attention) : NULL;
	if (!a->token || (j->want_attention && !a->attention)) {
		free(a->token);
		free(a->attention);
		return fail_nomem(e);
	}
	for (size_t k = 0; k < width; k++) {
		a->of[k].token = a->token + k * most;
		a->of[k].attention = a->attention ? a->attention + k * most * T : NULL;
	}
	return ERR_OK;
}

/* The best answer into the job, which takes the attention. */
static void take_best(const struct text_model *m, struct text_job *j, struct answers *a, size_t T)
{
	const struct infer_answer *best = &a->of[0];
	size_t n = (size_t)best->n;

	j->finite = isfinite(best->log_probability);
	if (!j->finite)
		return;
	j->tokens_out = best->n;
	j->ended = best->n < j->max_answer;
	j->log_probability = best->log_probability;
	vocabulary_decode(m->target, -1, best->token, n, j->out);
	if (a->attention && n > 0) {
		float *kept = reallocarray(a->attention, n * T, sizeof *kept);   /* less than it was */
		j->attention = kept ? kept : a->attention;
		a->attention = NULL;
	}
}

enum err text_translate(const struct text_model *m, struct text_ws *w, struct text_job *j, struct error *e)
{
	const struct text_progress *p = j->progress;
	const struct infer_sequence seq = { .x = w->x, .T = (int)p->n };
	struct answers a;
	enum err rc = answers_init(&a, j, p->n, e);

	if (rc)
		return rc;
	text_load(w->x, p->token, p->n);
	infer_beam(m->infer, w->infer, &seq, j->beam_width, j->max_answer, j->length_penalty, a.of);
	take_best(m, j, &a, p->n);
	free(a.token);
	free(a.attention);
	return ERR_OK;
}

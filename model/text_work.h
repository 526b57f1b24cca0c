/* text_work.h - what a thread works with on texts, and what a job keeps between two turns. Shared by
 *
 *     text_model.c       the model, the workspace, a job's tokens; whose turn it is
 *     text_generate.c    prompts and sampling
 *     text_answer.c      classify and translate */
#ifndef GATECAST_MODEL_TEXT_WORK_H
#define GATECAST_MODEL_TEXT_WORK_H

#include "model/text_model.h"

#define TEXT_SLICE 64   /* tokens of a prompt that are read at a time when a cache wants their states */

struct text_ws {
	int max_rows;
	struct infer_ws *infer;
	struct infer_sequence *seq;     /* [max_rows] */
	int *of;                        /* [max_rows] which job a row is */
	float *x, *y;                   /* [max_rows][max_steps], [max_rows][classes] */
	double *weight;                 /* [2][classes] of one row: e^score, or what may be sampled; what a cache weighs */
	float *rank;                    /* [classes] of one row: scores while their greatest are looked for */
	float *hidden;                  /* [max_rows][TEXT_SLICE][width] of models with a cache */
	size_t x_size, y_size, weight_size, rank_size, hidden_size;   /* numbers they hold */
};

struct text_progress {
	int32_t *token;                 /* [n] a prompt, or what is read of another input; of an empty one a boundary */
	size_t n;
	/* generate */
	size_t read;                    /* tokens of the prompt that the network has read */
	int32_t last;                   /* the token drawn last */
	struct text_cache *cache;       /* NULL: the model has none */
	float state[];                  /* [net_state_size] behind all tokens read */
};

/** The tokens as the network takes them. */
static inline void text_load(float *x, const int32_t *token, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x[i] = (float)token[i];
}

/** log of the sum of e^score over n scores; not finite when one is NaN or +infinite. weight [n] receives
 *  e^(score - the greatest). */
double text_log_sum(const float *score, int n, double *weight);

/** A turn of every job: done[i] tells which are over. Cannot fail. */
void text_generate(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n, bool *done);
/** All jobs at once. Cannot fail. */
void text_classify(const struct text_model *m, struct text_ws *w, struct text_job *const *job, int n);
/** One job. ERR_NOMEM. */
enum err text_translate(const struct text_model *m, struct text_ws *w, struct text_job *job, struct error *e);

#endif

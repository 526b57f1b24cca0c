/* evaluation.h - what a trained model is worth on the untouched test part, beside something that needs no training.
 *
 *     task          scores of model and baseline                              baseline
 *     forecast      mae, rmse, mase, smape, each step's; coverage             naive, drift, seasonal naive
 *     reconstruct   the same                                                  mean of the training part
 *     generate      nats and accuracy a token, the state carried on           bigrams with add-one smoothing
 *     classify      accuracy, macro F1                                        the most frequent label
 *     translate     exact matches, accuracy a token, by greedy search         the input, copied
 *
 * The verdict is a test of the model's losses against the baseline's (naive's, of a forecast): evaluate.h. */
#ifndef GATECAST_MODEL_EVALUATION_H
#define GATECAST_MODEL_EVALUATION_H

#include "model/recipe.h"
#include "model/series/baseline.h"
#include "model/series/evaluate.h"

/* Those of forecasts, and the mean that a reconstruction is compared with. */
enum { BASELINE_MEAN = BASELINE_COUNT, EVALUATION_BASELINES };

/* Of texts; what a task does not have is NaN. */
struct text_scores {
	double nats;              /* generate: mean of -log p(token) */
	double accuracy;          /* share of tokens, or of texts, that are right */
	double macro_f1;          /* classify: mean over the labels that the test part has */
	double exact;             /* translate: share of answers without a mistake */
};

struct evaluation {
	enum task task;
	enum verdict verdict;
	double p_value;

	/* of numbers */
	int horizon, targets, n_levels;      /* horizon: steps of an answer */
	size_t origins;
	double season;                       /* rows */
	struct scores model, baseline[EVALUATION_BASELINES];
	struct scores *per_step;             /* [horizon], of the model */
	struct scores *baseline_step[EVALUATION_BASELINES];   /* NULL where the task has another baseline */
	double coverage[2];                  /* of the 80 % and 90 % intervals */
	double skill[EVALUATION_BASELINES];  /* 1 - MAE / MAE of the baseline */
	double shrinkage;                    /* see trainer_finish */

	/* of texts */
	size_t texts, tokens;                /* in the test part: rows, and tokens that were to be told */
	struct text_scores text, text_baseline;
	double text_skill;                   /* 1 - loss / the baseline's: nats, or the share that is wrong */
};
void evaluation_fini(struct evaluation *v);

/** The baselines from … to - 1 that a task of numbers is compared with; the first decides the verdict. */
void evaluation_baselines(enum task task, int *from, int *to);
/** "naive", …, "mean". */
const char *evaluation_baseline_name(int baseline);
/** "bigram", "majority", "copy". */
const char *evaluation_text_baseline_name(enum task task);

#endif

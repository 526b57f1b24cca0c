#include "model/evaluation.h"

#include <stdlib.h>

void evaluation_fini(struct evaluation *v)
{
	free(v->per_step);
	for (int b = 0; b < EVALUATION_BASELINES; b++)
		free(v->baseline_step[b]);
	*v = (struct evaluation){ 0 };
}

void evaluation_baselines(enum task task, int *from, int *to)
{
	bool mean = task == TASK_RECONSTRUCT;
	*from = mean ? BASELINE_MEAN : 0;
	*to = mean ? EVALUATION_BASELINES : BASELINE_COUNT;
}

const char *evaluation_baseline_name(int baseline)
{
	return baseline == BASELINE_MEAN ? "mean" : baseline_name((enum baseline)baseline);
}

const char *evaluation_text_baseline_name(enum task task)
{
	switch (task) {
	case TASK_GENERATE: return "bigram";
	case TASK_CLASSIFY: return "majority";
	default: return "copy";
	}
}

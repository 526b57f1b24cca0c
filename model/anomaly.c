#include "model/anomaly.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/forecaster.h"

#define NORMAL_DEVIATION 1.4826   /* standard deviations in a median absolute one, of normal numbers */

/* Where an answer begins, in rows behind the beginning of its context. */
static size_t answer_offset(const struct forecaster *f)
{
	size_t context = (size_t)pipeline_context(&f->pipeline);
	return net_answers_steps(&f->net) ? context - (size_t)f->pipeline.window : context;
}

size_t anomaly_steps(const struct forecaster *f)
{
	return (size_t)net_steps(&f->net, f->pipeline.window);
}

size_t anomaly_least(const struct forecaster *f)
{
	return (size_t)pipeline_context(&f->pipeline) + (net_answers_steps(&f->net) ? 0 : 1);
}

/* Counted back from the last, which reaches the last row, so that none is left out between or behind. */
struct anomaly_windows anomaly_windows(const struct forecaster *f, size_t rows)
{
	size_t least = anomaly_least(f), stride = anomaly_steps(f) / ANOMALY_ANSWERS;
	if (rows < least)
		return (struct anomaly_windows){ 0 };
	size_t last = rows - least;
	stride = stride ? stride : 1;
	return (struct anomaly_windows){ .n = last / stride + 1, .begin = last % stride, .stride = stride };
}

void anomaly_add(struct anomaly_errors *a, const struct forecaster *f, size_t begin, const double *answer,
                 const double *value)
{
	const size_t columns = (size_t)f->pipeline.columns, steps = anomaly_steps(f), row = begin + answer_offset(f);
	const size_t known = a->rows - row < steps ? a->rows - row : steps;
	for (int t = 0; t < a->targets; t++) {
		const double *said = answer + (size_t)t * steps, *is = value + row * columns + f->pipeline.target[t].column;
		double *sum = a->sum + (size_t)t * a->rows + row;
		for (size_t h = 0; h < known; h++)
			sum[h] += fabs(said[h] - is[h * columns]);
	}
	for (size_t h = 0; h < known; h++)
		a->count[row + h]++;
}

static int rising(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* Of n > 0 numbers, which are put in order. */
static double median(double *v, size_t n)
{
	qsort(v, n, sizeof *v, rising);
	return n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* What an error of a target is measured in: the median of its errors; where most are zero, their mean. */
static double usual(const double *error, size_t n, double *scratch)
{
	double sum = 0;
	memcpy(scratch, error, n * sizeof *error);
	double middle = median(scratch, n);
	for (size_t i = 0; i < n; i++)
		sum += error[i];
	return middle > 0 ? middle : sum > 0 ? sum / (double)n : 1;
}

/* Exponential smoothing of that span: s += 2 / (span + 1) (v - s). */
static void smooth(double *v, size_t n, int span)
{
	double rate = 2.0 / (span + 1);
	for (size_t i = 1; i < n; i++)
		v[i] = v[i - 1] + rate * (v[i] - v[i - 1]);
}

size_t anomaly_scores(struct anomaly_errors *a, int smoothing, double *scratch, double *score)
{
	size_t first = 0;
	while (first < a->rows && !a->count[first])
		first++;
	for (size_t i = 0; i < a->rows; i++)
		score[i] = i < first ? NAN : 0;
	if (first == a->rows)
		return first;
	size_t n = a->rows - first;
	for (int t = 0; t < a->targets; t++) {
		double *error = a->sum + (size_t)t * a->rows + first;
		for (size_t i = 0; i < n; i++)
			error[i] /= a->count[first + i];
		double unit = usual(error, n, scratch) * a->targets;
		for (size_t i = 0; i < n; i++)
			score[first + i] += error[i] / unit;
	}
	smooth(score + first, n, smoothing);
	return first;
}

double anomaly_threshold(const double *score, size_t n, double deviations, double *scratch)
{
	memcpy(scratch, score, n * sizeof *score);
	double middle = median(scratch, n);
	for (size_t i = 0; i < n; i++)
		scratch[i] = fabs(score[i] - middle);
	return middle + deviations * NORMAL_DEVIATION * median(scratch, n);
}

size_t anomaly_flags(const double *score, size_t rows, size_t first, double threshold, size_t gap, struct anomaly_flag *flag)
{
	size_t n = 0;
	for (size_t i = first; i < rows; i++) {
		if (!(score[i] > threshold))
			continue;
		if (!n || i - flag[n - 1].to > gap + 1)
			flag[n++] = (struct anomaly_flag){ .from = i, .to = i, .score = score[i] };
		flag[n - 1].to = i;
		flag[n - 1].score = fmax(flag[n - 1].score, score[i]);
	}
	return n;
}

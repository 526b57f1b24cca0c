/* conformal.c - sorted calibration scores, and the rank that a level asks for. */
#include "model/series/conformal.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

/* (n + 1) p is meant to be exact: 100 * 0.55 must not become rank 56 because 0.55 is not a binary number. */
#define RANK_SLACK 1e-9

enum err conformal_new(int levels, int targets, int horizon, int n, struct conformal **out, struct error *e)
{
	assert(levels > 0 && targets > 0 && horizon > 0 && n >= 0);
	struct conformal *c = malloc(sizeof *c);
	if (!c)
		return fail_nomem(e);
	*c = (struct conformal){ .levels = levels, .targets = targets, .horizon = horizon, .n = n };
	size_t rows, count;
	if (__builtin_mul_overflow((size_t)levels * (size_t)targets, (size_t)horizon, &rows) ||
	    __builtin_mul_overflow(rows, (size_t)n, &count) || !(c->score = calloc(count ? count : 1, sizeof *c->score))) {
		conformal_free(c);
		return fail_nomem(e);
	}
	*out = c;
	return ERR_OK;
}

void conformal_free(struct conformal *c)
{
	if (!c)
		return;
	free(c->score);
	free(c);
}

static size_t row_count(const struct conformal *c)
{
	return (size_t)c->levels * (size_t)c->targets * (size_t)c->horizon;
}

size_t conformal_count(const struct conformal *c)
{
	return row_count(c) * (size_t)c->n;
}

static int compare_float(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;
	return (x > y) - (x < y);
}

void conformal_sort(struct conformal *c)
{
	for (size_t r = 0; r < row_count(c); r++)
		qsort(c->score + r * (size_t)c->n, (size_t)c->n, sizeof *c->score, compare_float);
}

double conformal_shift(const struct conformal *c, int level, int target, int h, double p)
{
	assert(level >= 0 && level < c->levels && target >= 0 && target < c->targets && h >= 0 && h < c->horizon);
	if (c->levels == 1 && p == 0.5)
		return 0;
	double exact = (c->n + 1.0) * p;
	double rank = p < 0.5 ? floor(exact + RANK_SLACK) : ceil(exact - RANK_SLACK);
	if (rank < 1)
		return -INFINITY;
	if (rank > c->n)
		return INFINITY;
	size_t row = ((size_t)level * (size_t)c->targets + (size_t)target) * (size_t)c->horizon + (size_t)h;
	return (double)c->score[row * (size_t)c->n + (size_t)rank - 1];
}

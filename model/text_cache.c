/* text_cache.c - see text_cache.h. */
#include "model/text_cache.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/nn/vector.h"
#include "model/text_work.h"

struct text_cache {
	int size, width;
	int n, next;              /* remembered; where the next goes */
	int32_t *token;           /* [size] */
	float *key;               /* [size][width], each of length 1 or 0 */
	float *now;               /* [width] the state that is asked about, alike */
	float *similarity;        /* [size] */
};

enum err text_cache_new(int size, int width, struct text_cache **out, struct error *e)
{
	struct text_cache *c = calloc(1, sizeof *c);

	if (!c)
		return fail_nomem(e);
	*c = (struct text_cache){ .size = size, .width = width };
	c->token = calloc((size_t)size, sizeof *c->token);
	c->key = calloc((size_t)size * (size_t)width, sizeof *c->key);
	c->now = calloc((size_t)width, sizeof *c->now);
	c->similarity = calloc((size_t)size, sizeof *c->similarity);
	if (!c->token || !c->key || !c->now || !c->similarity) {
		text_cache_free(c);
		return fail_nomem(e);
	}
	*out = c;
	return ERR_OK;
}

void text_cache_free(struct text_cache *c)
{
	if (!c)
		return;
	free(c->token);
	free(c->key);
	free(c->now);
	free(c->similarity);
	free(c);
}

void text_cache_clear(struct text_cache *c)
{
	c->n = c->next = 0;
}

int text_cache_count(const struct text_cache *c)
{
	return c->n;
}

/* to = from at length 1; zeros stay zeros. */
VECTORISED static void normalise(int n, const float *restrict from, float *restrict to)
{
	float length = sqrtf(vector_dot(n, from, from)), scale = length > 0 ? 1 / length : 0;

	for (int i = 0; i < n; i++)
		to[i] = scale * from[i];
}

VECTORISED static void compare(int count, int n, const float *restrict key, const float *restrict now,
                               float *restrict similarity)
{
	for (int k = 0; k < count; k++)
		similarity[k] = vector_dot(n, key + (size_t)k * (size_t)n, now);
}

void text_cache_add(struct text_cache *c, const float *state, int32_t token)
{
	normalise(c->width, state, c->key + (size_t)c->next * (size_t)c->width);
	c->token[c->next] = token;
	c->next = (c->next + 1) % c->size;
	c->n += c->n < c->size;
}

const float *text_cache_similarity(struct text_cache *c, const float *state)
{
	normalise(c->width, state, c->now);
	compare(c->n, c->width, c->key, c->now, c->similarity);
	return c->similarity;
}

/* Cosines are at most 1, so that is what the exponents are held against. */
void text_cache_weigh(const struct text_cache *c, const float *similarity, double sharpness, int classes, double *p)
{
	double sum = 0;

	for (int t = 0; t < classes; t++)
		p[t] = 0;
	for (int k = 0; k < c->n; k++) {
		double weight = exp(sharpness * ((double)similarity[k] - 1));
		p[c->token[k]] += weight;
		sum += weight;
	}
	for (int t = 0; t < classes && c->n; t++)
		p[t] /= sum;
}

void text_cache_mix(struct text_cache *c, const struct cache_options *o, const float *state, int classes, float *score,
                    double *work)
{
	double *network = work, *memory = work + classes;

	if (!c->n)
		return;
	double all = text_log_sum(score, classes, network);
	text_cache_weigh(c, text_cache_similarity(c, state), o->sharpness, classes, memory);
	for (int t = 0; t < classes; t++)
		score[t] = (float)log((1 - o->share) * exp((double)score[t] - all) + o->share * memory[t]);
}

/* optimizer.c - see optimizer.h. */
#include "model/nn/optimizer.h"

#include "model/nn/vector.h"

#define ADAM_BETA1        0.9
#define ADAM_BETA2        0.999
#define RMSPROP_ALPHA     0.99
#define EPSILON           1e-8
#define PLATEAU_THRESHOLD 1e-4
#define CLIP_EPSILON      1e-6
#define STATISTICS_MOMENTUM 0.1

/* keep: what is left of a weight before the step, 1 but for AdamW. */
VECTORISED static void adam_update(size_t n, real keep, real decay, real rate, real correction2, real *restrict p,
                                   real *restrict m, real *restrict v, const real *restrict g)
{
	const real beta1 = (real)ADAM_BETA1, beta2 = (real)ADAM_BETA2, epsilon = (real)EPSILON;
	for (size_t i = 0; i < n; i++) {
		real gi = g[i] + decay * p[i];
		m[i] = beta1 * m[i] + (1 - beta1) * gi;
		v[i] = beta2 * v[i] + (1 - beta2) * gi * gi;
		p[i] = keep * p[i] - rate * m[i] / (REAL(sqrt)(v[i] * correction2) + epsilon);
	}
}

VECTORISED static void sgd_update(size_t n, real momentum, real decay, real rate, real *restrict p, real *restrict m,
                                  const real *restrict g)
{
	for (size_t i = 0; i < n; i++) {
		m[i] = momentum * m[i] + (g[i] + decay * p[i]);
		p[i] -= rate * m[i];
	}
}

VECTORISED static void rmsprop_update(size_t n, real momentum, real decay, real rate, real *restrict p,
                                      real *restrict m, real *restrict v, const real *restrict g)
{
	const real alpha = (real)RMSPROP_ALPHA, epsilon = (real)EPSILON;
	for (size_t i = 0; i < n; i++) {
		real gi = g[i] + decay * p[i];
		v[i] = alpha * v[i] + (1 - alpha) * gi * gi;
		m[i] = momentum * m[i] + gi / (REAL(sqrt)(v[i]) + epsilon);
		p[i] -= rate * m[i];
	}
}

static void adam_step(const struct optimizer *o, uint64_t step, size_t n, real *p, real *m, real *v, const real *g)
{
	bool decoupled = o->type == OPTIMIZER_ADAMW;
	double keep = decoupled ? 1 - o->learning_rate * o->weight_decay : 1;
	double decay = decoupled ? 0 : o->weight_decay;
	double rate = o->learning_rate / (1 - pow(ADAM_BETA1, (double)step));
	double correction2 = 1 / (1 - pow(ADAM_BETA2, (double)step));
	adam_update(n, (real)keep, (real)decay, (real)rate, (real)correction2, p, m, v, g);
}

void optimizer_step(const struct optimizer *o, uint64_t step, size_t n, real *p, real *m, real *v, const real *g)
{
	real rate = (real)o->learning_rate, momentum = (real)o->momentum, decay = (real)o->weight_decay;
	switch (o->type) {
	case OPTIMIZER_ADAM:
	case OPTIMIZER_ADAMW: adam_step(o, step, n, p, m, v, g); break;
	case OPTIMIZER_SGD: sgd_update(n, momentum, decay, rate, p, m, g); break;
	case OPTIMIZER_RMSPROP: rmsprop_update(n, momentum, decay, rate, p, m, v, g); break;
	}
}

void statistics_step(size_t n, int calls, real *running, const real *sum)
{
	for (size_t i = 0; i < n; i++)
		running[i] += (real)STATISTICS_MOMENTUM * (sum[i] / (real)calls - running[i]);
}

void average_step(double decay, uint64_t step, size_t n, real *average, const real *p)
{
	double young = (1 + (double)step) / (10 + (double)step);
	real move = (real)(1 - (decay < young ? decay : young));
	for (size_t i = 0; i < n; i++)
		average[i] += move * (p[i] - average[i]);
}

/* Numbers of each shard that are added before the next ones: they stay in the first cache from level to level. */
#define REDUCE_BLOCK 512

VECTORISED static void add(size_t n, const real *restrict from, real *restrict to)
{
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

void gradient_reduce(real *g, int shards, size_t n)
{
	for (size_t at = 0; at < n; at += REDUCE_BLOCK) {
		size_t count = n - at < REDUCE_BLOCK ? n - at : REDUCE_BLOCK;
		for (int reach = 1; reach < shards; reach *= 2)
			for (int s = 0; s + reach < shards; s += 2 * reach)
				add(count, g + (size_t)(s + reach) * n + at, g + (size_t)s * n + at);
	}
}

VECTORISED static double sum_of_squares(const real *g, size_t n)
{
	double lane[VECTOR_LANES] = { 0 }, sum = 0;
	size_t i = 0;
	for (; i + VECTOR_LANES <= n; i += VECTOR_LANES)
		for (int l = 0; l < VECTOR_LANES; l++)
			lane[l] += (double)g[i + (size_t)l] * (double)g[i + (size_t)l];
	for (int l = 0; i < n; i++, l++)
		lane[l] += (double)g[i] * (double)g[i];
	for (int l = 0; l < VECTOR_LANES; l++)
		sum += lane[l];
	return sum;
}

double gradient_norm(const real *g, size_t n)
{
	return sqrt(sum_of_squares(g, n));
}

void gradient_clip(real *g, size_t n, double norm, double max_norm)
{
	if (!(norm > max_norm))
		return;
	real scale = (real)(max_norm / (norm + CLIP_EPSILON));
	for (size_t i = 0; i < n; i++)
		g[i] *= scale;
}

static double scheduled(const struct schedule *s, double base, int epoch)
{
	double floor = fmin(s->min_rate, base);   /* never up */
	switch (s->type) {
	case SCHEDULER_STEP: return base * pow(s->gamma, epoch / s->step_size);
	case SCHEDULER_COSINE: return floor + (base - floor) * (1 + cos(M_PI * epoch / s->epochs)) / 2;
	case SCHEDULER_NONE:
	case SCHEDULER_REDUCE_ON_PLATEAU: break;
	}
	return base;
}

double schedule_rate(const struct schedule *s, double base, int epoch)
{
	double warmth = epoch < s->warmup_epochs ? (epoch + 1.0) / (s->warmup_epochs + 1.0) : 1;
	return warmth * scheduled(s, base, epoch);
}

void plateau_init(struct plateau *p, double factor, int patience, double min_rate)
{
	*p = (struct plateau){ .factor = factor, .patience = patience, .min_rate = min_rate, .best = INFINITY };
}

double plateau_step(struct plateau *p, double value, double rate)
{
	if (value < p->best * (1 - PLATEAU_THRESHOLD)) {
		p->best = value;
		p->bad = 0;
		return rate;
	}
	if (++p->bad <= p->patience)
		return rate;
	p->bad = 0;
	double lower = rate * p->factor;
	return lower > p->min_rate ? lower : fmin(rate, p->min_rate);   /* never up */
}

void early_stop_init(struct early_stop *s, int patience)
{
	*s = (struct early_stop){ .patience = patience, .best = INFINITY };
}

bool early_stop_step(struct early_stop *s, int epoch, double value, bool *is_best)
{
	*is_best = value < s->best;
	if (*is_best) {
		s->best = value;
		s->best_epoch = epoch;
		s->bad = 0;
		return false;
	}
	s->bad++;
	return s->patience > 0 && s->bad >= s->patience;
}

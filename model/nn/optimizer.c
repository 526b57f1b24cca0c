/* optimizer.c - see optimizer.h. */
#include "model/nn/optimizer.h"

#include "model/nn/vector.h"

#define PLATEAU_THRESHOLD 1e-4
#define CLIP_EPSILON      1e-6

VECTORISED static void adam_update(size_t n, real beta1, real beta2, real decay, real rate, real correction2,
                                   real epsilon, real *restrict p, real *restrict m, real *restrict v,
                                   const real *restrict g)
{
	for (size_t i = 0; i < n; i++) {
		real gi = g[i] + decay * p[i];
		m[i] = beta1 * m[i] + (1 - beta1) * gi;
		v[i] = beta2 * v[i] + (1 - beta2) * gi * gi;
		p[i] -= rate * m[i] / (REAL(sqrt)(v[i] * correction2) + epsilon);
	}
}

void adam_step(const struct adam *a, uint64_t step, size_t n, real *p, real *m, real *v, const real *g)
{
	double rate = a->learning_rate / (1 - pow(a->beta1, (double)step));
	double correction2 = 1 / (1 - pow(a->beta2, (double)step));
	adam_update(n, (real)a->beta1, (real)a->beta2, (real)a->weight_decay, (real)rate, (real)correction2,
	            (real)a->epsilon, p, m, v, g);
}

double gradient_norm(const real *g, size_t n)
{
	double lane[VECTOR_LANES] = { 0 }, sum = 0;
	for (size_t i = 0; i < n; i++)
		lane[i % VECTOR_LANES] += (double)g[i] * (double)g[i];
	for (int l = 0; l < VECTOR_LANES; l++)
		sum += lane[l];
	return sqrt(sum);
}

void gradient_clip(real *g, size_t n, double norm, double max_norm)
{
	if (!(norm > max_norm))
		return;
	real scale = (real)(max_norm / (norm + CLIP_EPSILON));
	for (size_t i = 0; i < n; i++)
		g[i] *= scale;
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

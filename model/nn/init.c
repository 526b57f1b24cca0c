/* init.c - see init.h: biases 0, the scales of norms 1, matrices and codes at random.
 *
 * Xavier-uniform (Glorot and Bengio 2010): U(-a, a), a = sqrt(6 / (fan_in + fan_out)),
 * where the fans are those of one gate's matrix, not of the stack of them.
 * Each tensor has a random stream of its own, so a layer more or less leaves the
 * draws of the tensors before it alone. Drawn in double, then rounded: both builds agree. */
#include "model/nn/init.h"

#include "model/base/rng.h"

enum { FORGET_GATE = 1 };    /* of i f g o */

static void fill(real value, size_t n, real *w)
{
	for (size_t i = 0; i < n; i++)
		w[i] = value;
}

static void init_normal(const struct tensor *t, struct rng *r, real *w)
{
	for (size_t i = 0; i < t->count; i++)
		w[i] = (real)rng_normal(r);
}

static void init_xavier(const struct tensor *t, struct rng *r, real *w)
{
	double fan_out = (double)t->shape[0] / t->blocks, fan_in = (double)t->shape[1];
	double bound = sqrt(6 / (fan_in + fan_out));
	for (size_t i = 0; i < t->count; i++)
		w[i] = (real)(bound * (2 * rng_uniform(r) - 1));
}

static double norm_of(size_t n, const double *v)
{
	double sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += v[i] * v[i];
	return sqrt(sum);
}

/* v less its parts along `rows` orthonormal rows of q [rows][n]. */
static void project_out(size_t n, size_t rows, const real *q, double *v)
{
	for (const real *row = q; row < q + rows * n; row += n) {
		double along = 0;
		for (size_t i = 0; i < n; i++)
			along += row[i] * v[i];
		for (size_t i = 0; i < n; i++)
			v[i] -= along * row[i];
	}
}

/* A square matrix with orthonormal rows, each direction as likely as any: Gram-Schmidt of normal numbers, whose norms
 * are positive, so no sign has to be fixed. A projection that leaves little of a row leaves rounding errors along the
 * rows above, too; it is made again until it takes off little. */
static void init_orthogonal(size_t n, struct rng *r, real *q)
{
	double v[NET_MAX_HIDDEN];
	for (size_t k = 0; k < n; k++) {
		double before, after;
		for (size_t i = 0; i < n; i++)
			v[i] = rng_normal(r);
		after = norm_of(n, v);
		do {
			before = after;
			project_out(n, k, q, v);
			after = norm_of(n, v);
		} while (after < before / 2);
		for (size_t i = 0; i < n; i++)
			q[k * n + i] = (real)(v[i] / after);
	}
}

static void init_recurrent(const struct tensor *t, const struct init_options *o, struct rng *r, real *w)
{
	size_t n = t->shape[1];
	if (!o->orthogonal)
		init_xavier(t, r, w);
	else
		for (int gate = 0; gate < t->blocks; gate++)
			init_orthogonal(n, r, w + (size_t)gate * n * n);
}

static void init_forget(const struct tensor *t, const struct init_options *o, real *w)
{
	size_t n = t->count / (size_t)t->blocks;
	fill(0, t->count, w);
	fill((real)o->forget_bias, n, w + FORGET_GATE * n);
}

static void init_tensor(const struct tensor *t, const struct init_options *o, struct rng *r, real *w)
{
	switch (t->init) {
	case INIT_ZERO:
		fill(0, t->count, w);
		break;
	case INIT_ONE:
		fill(1, t->count, w);
		break;
	case INIT_XAVIER_UNIFORM:
		init_xavier(t, r, w);
		break;
	case INIT_NORMAL:
		init_normal(t, r, w);
		break;
	case INIT_RECURRENT:
		init_recurrent(t, o, r, w);
		break;
	case INIT_FORGET:
		init_forget(t, o, w);
		break;
	}
}

void network_init(const struct net_spec *s, const struct init_options *o, uint64_t seed, real *params)
{
	struct tensor_table table;
	net_tensors(s, &table);
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		struct rng r;
		rng_init(&r, seed, RNG_INIT, (uint32_t)i);
		init_tensor(t, o, &r, params + t->offset);
	}
}

/* init.c - see init.h: biases 0, the scales of norms 1, matrices at random.
 *
 * Xavier-uniform (Glorot and Bengio 2010): U(-a, a), a = sqrt(6 / (fan_in + fan_out)),
 * where the fans are those of one gate's matrix, not of the stack of them.
 * Each tensor has a random stream of its own, so a layer more or less leaves the
 * draws of the tensors before it alone. Drawn in double, then rounded: both builds agree. */
#include "model/nn/init.h"

#include "model/base/rng.h"

static void init_xavier(const struct tensor *t, struct rng *r, real *w)
{
	double fan_out = (double)t->shape[0] / t->blocks, fan_in = (double)t->shape[1];
	double bound = sqrt(6 / (fan_in + fan_out));
	for (size_t i = 0; i < t->count; i++)
		w[i] = (real)(bound * (2 * rng_uniform(r) - 1));
}

void network_init(const struct net_spec *s, const struct init_options *o, uint64_t seed, real *params)
{
	(void)o;
	struct tensor_table table;
	net_tensors(s, &table);
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		struct rng r;
		rng_init(&r, seed, RNG_INIT, (uint32_t)i);
		if (t->init == INIT_XAVIER_UNIFORM)
			init_xavier(t, &r, params + t->offset);
		else
			for (size_t k = 0; k < t->count; k++)
				params[t->offset + k] = t->init == INIT_ONE;
	}
}

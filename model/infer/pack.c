/* pack.c - see pack.h. */
#include "model/infer/pack.h"

#include <stdarg.h>
#include <stdio.h>

struct pack pack_shape(int lanes, int k, int units, int gates, int sums)
{
	return (struct pack){ .k = k, .in = k, .panels = kernels_pad(units) / lanes, .gates = gates, .sums = sums };
}

static size_t weights_size(const struct pack *p, int lanes)
{
	return (size_t)p->panels * p->k * p->gates * lanes;
}

static size_t biases_size(const struct pack *p, int lanes)
{
	return (size_t)p->panels * p->sums * lanes;
}

size_t pack_size(const struct pack *p, int lanes)
{
	return weights_size(p, lanes) + biases_size(p, lanes);
}

void pack_place(struct pack *p, int lanes, float *at)
{
	p->w = at;
	p->bias = at + weights_size(p, lanes);
}

const float *packer_tensor(const struct packer *k, const char *fmt, ...)
{
	char name[sizeof k->table.tensor->name];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(name, sizeof name, fmt, ap);
	va_end(ap);
	const struct tensor *t = tensor_find(&k->table, name);
	return t ? k->params + t->offset : NULL;
}

void pack_weights(const struct packer *k, struct pack *p, int gate, int unit, int input, const struct piece *piece)
{
	for (int i = 0; i < piece->units; i++)
		for (int j = 0; j < piece->inputs; j++) {
			const int u = unit + i;
			size_t at = ((size_t)(u / k->lanes) * p->k + input + j) * p->gates + gate;
			p->w[at * k->lanes + u % k->lanes] =
				(float)(piece->scale * piece->src[(size_t)i * piece->stride + j]);
		}
}

void pack_bias(const struct packer *k, struct pack *p, int sum, int unit, int units, const float *src, double scale)
{
	for (int i = 0; i < units; i++) {
		const int u = unit + i;
		p->bias[((size_t)(u / k->lanes) * p->sums + sum) * k->lanes + u % k->lanes] += (float)(scale * src[i]);
	}
}

void pack_linear(const struct packer *k, struct pack *p, int units, const float *weight, const float *bias,
                 double scale)
{
	pack_weights(k, p, 0, 0, 0, &(struct piece){ weight, units, p->k, p->k, scale });
	if (bias)
		pack_bias(k, p, 0, 0, units, bias, scale);
}

/* packing.c - see packing.h. */
#include "model/nn/packing.h"

#include <assert.h>
#include <string.h>

void packing_take(struct packing *p, int T, int B, struct scratch *s)
{
	*p = (struct packing){ .T = T, .B = B };
	p->active = scratch_take_ints(s, (size_t)T);
	p->first = scratch_take_ints(s, (size_t)T);
}

void packing_fill(struct packing *p, const int *lengths)
{
	assert(lengths[0] == p->T && lengths[p->B - 1] >= 1);
	int active = p->B;
	p->lengths = lengths;
	p->rows = 0;
	for (int t = 0; t < p->T; t++) {
		while (lengths[active - 1] <= t)
			active--;
		p->active[t] = active;
		p->first[t] = p->rows;
		p->rows += active;
	}
}

void packing_reverse(const struct packing *p, int n, const real *from, int ld_from, real *to, int ld_to)
{
	for (int t = 0; t < p->T; t++)
		for (int b = 0; b < p->active[t]; b++)
			memcpy(to + packing_row(p, t, b) * (size_t)ld_to,
			       from + packing_mirror(p, t, b) * (size_t)ld_from, (size_t)n * sizeof(real));
}

void packing_pack(const struct packing *p, int n, const real *padded, real *packed)
{
	for (int t = 0; t < p->T; t++)
		memcpy(packed + packing_row(p, t, 0) * (size_t)n, padded + (size_t)t * (size_t)p->B * (size_t)n,
		       (size_t)p->active[t] * (size_t)n * sizeof(real));
}

void packing_unpack(const struct packing *p, int n, const real *packed, real *padded)
{
	for (int t = 0; t < p->T; t++) {
		size_t all = (size_t)p->B * (size_t)n, active = (size_t)p->active[t] * (size_t)n;
		real *to = padded + (size_t)t * all;
		memcpy(to, packed + packing_row(p, t, 0) * (size_t)n, active * sizeof(real));
		memset(to + active, 0, (all - active) * sizeof(real));
	}
}

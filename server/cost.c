#include "server/cost.h"

#define MEMORY 16          /* runs after which a point has faded */
#define DOUBT  0.0625
#define SPREAD 1e-4        /* of x, relative and squared: below that there is one spot and no line */

/* Time of a sequence apart from its units; neither number may be negative. */
static double slope(const struct cost *c)
{
	if (c->xx <= SPREAD * c->x * c->x || c->xy <= 0)
		return 0;
	return c->xy / c->xx * c->x < c->y ? c->xy / c->xx : c->y / c->x;
}

static void settle(struct cost *c)
{
	const double each = slope(c), step = c->y - each * c->x;
	c->sequence_ns = (uint64_t)each;
	c->step_ns = step < 1 ? 1 : (uint64_t)step;   /* what was measured is known */
}

void cost_learn(struct cost *c, uint64_t sequences, uint64_t units, int64_t ns)
{
	const double dx = (double)sequences / (double)units - c->x, dy = (double)ns / (double)units - c->y;
	c->runs += c->runs < MEMORY;
	const double weight = 1.0 / c->runs;
	c->x += weight * dx;
	c->y += weight * dy;
	c->xx = (1 - weight) * (c->xx + weight * dx * dx);
	c->xy = (1 - weight) * (c->xy + weight * dx * dy);
	settle(c);
}

void cost_doubt(struct cost *c)
{
	c->y *= 1 - DOUBT;
	c->xy *= 1 - DOUBT;
	settle(c);
}

uint64_t cost_of(const struct cost *c, uint64_t sequences, uint64_t units)
{
	return sequences * c->sequence_ns + units * c->step_ns;
}

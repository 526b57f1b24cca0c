/* segments.c - see segments.h. */
#include "model/nn/segments.h"

#include "model/nn/vector.h"

#include <string.h>

struct segments segments_at(const struct net_spec *s, const struct tensor_table *t)
{
	return (struct segments){ .map = linear_at(t, "segment.weight", "segment.bias"), .channels = s->inputs };
}

/* Segments of so many steps. */
static int segments_of(const struct segments *g, int steps)
{
	return (steps - 1) / g->map.in + 1;
}

void segments_tape_take(struct segments_tape *t, const struct segments *g, int T, int B, struct scratch *s)
{
	size_t sequences = (size_t)B * (size_t)g->channels, rows = (size_t)segments_of(g, T) * sequences;
	packing_take(&t->packing, segments_of(g, T), B * g->channels, s);
	t->lengths = scratch_take_ints(s, sequences);
	t->last = scratch_take(s, sequences);
	t->wt = scratch_take(s, (size_t)g->map.in * (size_t)g->map.out);
	t->cut = scratch_take(s, rows * (size_t)g->map.in);
	t->y = scratch_take(s, rows * (size_t)g->map.out);
}

/* Zeros in front of a sequence of so many steps. */
static int filling(const struct segments *g, int steps)
{
	return segments_of(g, steps) * g->map.in - steps;
}

/* Where step t of a channel stands among the cut segments; the filling's steps are negative. */
static real *cut_at(const struct segments *g, const struct packing *p, int t, int b, int c,
                    const struct segments_tape *tape)
{
	int place = filling(g, p->lengths[b]) + t;
	size_t row = packing_row(&tape->packing, place / g->map.in, b * g->channels + c);
	return tape->cut + row * (size_t)g->map.in + place % g->map.in;
}

static size_t x_at(const struct segments *g, const struct packing *p, int t, int b, int c)
{
	return packing_row(p, t, b) * (size_t)g->channels + (size_t)c;
}

static void cut_channel(const struct segments *g, const struct packing *p, int b, int c, const real *x,
                        struct segments_tape *tape)
{
	int length = p->lengths[b];
	real last = x[x_at(g, p, length - 1, b, c)];
	tape->last[b * g->channels + c] = last;
	for (int t = -filling(g, length); t < 0; t++)
		*cut_at(g, p, t, b, c, tape) = 0;
	for (int t = 0; t < length; t++)
		*cut_at(g, p, t, b, c, tape) = x[x_at(g, p, t, b, c)] - last;
}

/* From the gradient of what was cut to that of the channel. */
static void cut_channel_backward(const struct segments *g, const struct packing *p, int b, int c, real *dlast,
                                 const struct segments_tape *tape, real *dx)
{
	int length = p->lengths[b];
	for (int t = 0; t < length; t++) {
		real d = *cut_at(g, p, t, b, c, tape);
		dx[x_at(g, p, t, b, c)] = d;
		*dlast -= d;
	}
	dx[x_at(g, p, length - 1, b, c)] += *dlast;
}

VECTORISED static void relu(size_t n, real *y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = y[i] < 0 ? 0 : y[i];    /* NaN stays NaN */
}

/* y leaves as the gradient of relu's argument. */
VECTORISED static void relu_backward(size_t n, const real *restrict dy, real *restrict y)
{
	for (size_t i = 0; i < n; i++)
		y[i] = y[i] > 0 ? dy[i] : 0;
}

static size_t outputs(const struct segments *g, const struct segments_tape *tape)
{
	return (size_t)tape->packing.rows * (size_t)g->map.out;
}

void segments_open(const struct segments *g, const struct packing *p, struct segments_tape *tape)
{
	for (int b = 0; b < p->B; b++)
		for (int c = 0; c < g->channels; c++)
			tape->lengths[b * g->channels + c] = segments_of(g, p->lengths[b]);
	packing_fill(&tape->packing, tape->lengths);
}

void segments_forward(const struct segments *g, const real *params, const struct packing *p, const real *x,
                      struct segments_tape *tape)
{
	for (int b = 0; b < p->B; b++)
		for (int c = 0; c < g->channels; c++)
			cut_channel(g, p, b, c, x, tape);
	linear_transpose(&g->map, params, tape->wt);
	linear_forward(&g->map, params, tape->wt, tape->packing.rows, tape->cut, tape->y);
	relu(outputs(g, tape), tape->y);
}

void segments_backward(const struct segments *g, const real *params, const struct packing *p, const real *dy,
                       real *dlast, struct segments_tape *tape, real *dparams, real *dx)
{
	int rows = tape->packing.rows;
	relu_backward(outputs(g, tape), dy, tape->y);
	linear_backward_weights(&g->map, rows, tape->cut, tape->y, dparams);
	if (!dx)
		return;
	linear_backward_input(&g->map, params, rows, tape->y, 0, tape->cut);
	for (int b = 0; b < p->B; b++)
		for (int c = 0; c < g->channels; c++)
			cut_channel_backward(g, p, b, c, dlast + b * g->channels + c, tape, dx);
}

/* int8.c - see int8.h. */
#include "model/infer/int8.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "model/nn/spec.h"

_Static_assert(NET_MAX_FEEDFORWARD <= INT8_ROOM, "the widest product has a row's room");
_Static_assert(3 * NET_MAX_HIDDEN <= INT8_ROOM, "and so have a cell with its context, an embedding and its state");

static int parts(const struct pack *p)
{
	return p->k > p->in ? PACK_PARTS : 1;
}

/* Bytes of a panel's weights. */
static size_t panel_bytes(const struct pack *p, int lanes)
{
	return (size_t)(int8_pairs(p->in) + int8_pairs(p->k - p->in)) * p->gates * lanes * 2;
}

static size_t biases_size(const struct pack *p, int lanes)
{
	return (size_t)p->panels * p->sums * lanes;
}

static size_t scales_size(const struct pack *p, int lanes)
{
	return (size_t)p->panels * parts(p) * p->gates * lanes;
}

size_t int8_pack_size(const struct pack *p, int lanes)
{
	const size_t line = KERNEL_UNITS * sizeof(float), bytes = p->panels * panel_bytes(p, lanes);

	return biases_size(p, lanes) + scales_size(p, lanes) + (bytes + line - 1) / line * KERNEL_UNITS;
}

/* The scale of n weights, `stride` apart. */
static float scale_of(const float *w, int n, size_t stride)
{
	float most = 0;

	for (int k = 0; k < n; k++) {
		if (!isfinite(w[k * stride]))
			return NAN;
		most = fmaxf(most, fabsf(w[k * stride]));
	}
	return most < INT8_LEAST ? 0 : most / INT8_WEIGHT_LIMIT;
}

/* A part of a panel: w [n][columns] to q [pairs][columns][2] and scale [columns], a column being a unit's gate. */
static void quantise_part(const float *w, int n, int columns, int8_t *q, float *scale)
{
	for (int column = 0; column < columns; column++) {
		scale[column] = scale_of(w + column, n, (size_t)columns);
		if (!(scale[column] > 0))
			continue;
		for (int k = 0; k < n; k++)
			q[((size_t)(k / 2) * columns + column) * 2 + k % 2] =
				(int8_t)lrintf(w[(size_t)k * columns + column] / scale[column]);
	}
}

void int8_pack(const struct pack *from, int lanes, float *at, struct pack *to)
{
	const int columns = from->gates * lanes, state = from->k - from->in, input_pairs = int8_pairs(from->in);

	assert(int8_row(from->in, state) <= INT8_ROOM);
	*to = *from;
	to->w = NULL;
	to->bias = at;
	to->scale = to->bias + biases_size(from, lanes);
	to->q = (int8_t *)(to->scale + scales_size(from, lanes));
	memcpy(to->bias, from->bias, biases_size(from, lanes) * sizeof *to->bias);
	for (int panel = 0; panel < from->panels; panel++) {
		const float *w = from->w + (size_t)panel * from->k * columns;
		int8_t *q = to->q + panel * panel_bytes(from, lanes);
		float *scale = to->scale + (size_t)panel * parts(from) * columns;

		quantise_part(w, from->in, columns, q, scale);
		if (state)
			quantise_part(w + (size_t)from->in * columns, state, columns, q + (size_t)input_pairs * columns * 2,
			              scale + columns);
	}
}

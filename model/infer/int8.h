/* int8.h - packs of 8-bit weights, for a quarter of the memory (docs/decisions/0010-int8.md).
 *
 * A unit's weights are whole multiples of a scale, its greatest magnitude over
 * 127; the input's part and the state's have scales of their own, for inputs
 * and states differ in size. When a row comes to be multiplied, its numbers too
 * are made whole multiples of a scale: the row's greatest magnitude over
 * int8_limit(), which fits 16 bits. So a product is a sum of integers, exact,
 * and one multiplication by both scales:
 *
 *     sum_k w[k] x[k]  ~  (sum_k q[k] i[k]) * (unit's scale * row's scale)
 *
 * A quantised pack has instead of kernels.h's w, pairs of k side by side for
 * instructions that multiply two at a time, an odd part's last with a zero:
 *
 *     q      [panel][pairs of the input, then of the state][gate][width][2]
 *     scale  [panel][part][gate][width]
 *
 * Sums are of integers, and the scales' products are rounded alike at all
 * levels: the bits of a product are the same at each of them. A row or a unit
 * with a number that is not finite has a scale of NaN, so what meets it is NaN. */
#ifndef GATECAST_INFER_INT8_H
#define GATECAST_INFER_INT8_H

#include "model/infer/kernels.h"

#define INT8_WEIGHT_LIMIT 127
/* A greatest magnitude below counts as zero: its inverse would leave the floats. */
#define INT8_LEAST 1e-30f
/* Quantised numbers of the rows of a tile; one row always fits. */
#define INT8_ROOM 8192

/* Whole multiples that a row of n numbers may have, for their sum with any weights to fit 32 bits. */
static inline int int8_limit(int n)
{
	const int limit = n ? INT32_MAX / INT8_WEIGHT_LIMIT / n : INT16_MAX;

	return limit < INT16_MAX ? limit : INT16_MAX;
}

static inline int int8_pairs(int n)
{
	return (n + 1) / 2;
}

/* Of a row's numbers, whole vectors for either part. */
static inline int int8_row(int in, int hid)
{
	return kernels_pad(in) + kernels_pad(hid);
}

/* Floats of a pack when it is quantised: a multiple of KERNEL_UNITS. */
size_t int8_pack_size(const struct pack *p, int lanes);
/** `to` becomes `from`, quantised, in int8_pack_size() zeroed floats. */
void int8_pack(const struct pack *from, int lanes, float *at, struct pack *to);

#endif

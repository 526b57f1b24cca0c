/* packing.h - sequences of different lengths without padding.
 *
 * The sequences are sorted by falling length, so those still running at step
 * t are the first active[t]. Their rows lie one after the other:
 *
 *     lengths 3 2 2 1     t=0         t=1       t=2
 *     row                 0 1 2 3  |  4 5 6  |  7
 *     sequence            0 1 2 3  |  0 1 2  |  0
 *     first[t]            0           4         7        rows = 8
 *
 * A product over all steps is then one product over `rows` rows, and the rows
 * of a step are a prefix of the step before. */
#ifndef GATECAST_NN_PACKING_H
#define GATECAST_NN_PACKING_H

#include "model/nn/scratch.h"

struct packing {
	int T, B, rows;
	const int *lengths;     /* [B] falling, lengths[0] = T, lengths[B-1] >= 1 */
	int *active, *first;    /* [T] */
};

/** Take room for a packing of up to T steps; the arrays are filled by packing_fill(). */
void packing_take(struct packing *p, int T, int B, struct scratch *s);
void packing_fill(struct packing *p, const int *lengths);

/** The row of sequence b at step t < lengths[b]. */
static inline size_t packing_row(const struct packing *p, int t, int b)
{
	return (size_t)p->first[t] + (size_t)b;
}

/** The last row of sequence b. */
static inline size_t packing_last(const struct packing *p, int b)
{
	return packing_row(p, p->lengths[b] - 1, b);
}

/** The row of sequence b at step t as a reader from behind counts: its last step comes first. */
static inline size_t packing_mirror(const struct packing *p, int t, int b)
{
	return packing_row(p, p->lengths[b] - 1 - t, b);
}

/** Each sequence's rows in reverse order; n numbers of a row, the rows ld_from and ld_to apart. Twice gives the
 *  first again. */
void packing_reverse(const struct packing *p, int n, const real *from, int ld_from, real *to, int ld_to);

/** Between [T][B][n] and [rows][n]. unpack writes zeros behind a sequence's end. */
void packing_pack(const struct packing *p, int n, const real *padded, real *packed);
void packing_unpack(const struct packing *p, int n, const real *packed, real *padded);

#endif

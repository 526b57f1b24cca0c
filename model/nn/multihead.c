/* multihead.c - see multihead.h. */
#include "model/nn/multihead.h"

#include "model/nn/blas.h"
#include "model/nn/softmax.h"

#include <string.h>

#define BLOCK 64    /* steps whose scores exist at once: with a few hundred steps they stay in the cache */

void multihead_tape_take(struct multihead_tape *t, const struct multihead *m, size_t rows, int T, struct scratch *s)
{
	size_t hid = (size_t)m->hid, steps = (size_t)T;
	t->wt_in = scratch_take(s, hid * 3 * hid);
	t->wt_out = scratch_take(s, hid * hid);
	t->projected = scratch_take(s, rows * 3 * hid);
	t->mixed = scratch_take(s, rows * hid);
	t->qkv = scratch_take(s, steps * 3 * hid);
	t->dqkv = scratch_take(s, steps * 3 * hid);
	t->o = scratch_take(s, steps * hid);
	t->shares = scratch_take(s, BLOCK * steps);
	t->dscores = scratch_take(s, BLOCK * steps);
}

/* The rows of sequence b, one after the other. */
static void gather(const struct packing *p, int b, int n, const real *packed, real *rows)
{
	for (int t = 0; t < p->lengths[b]; t++)
		memcpy(rows + (size_t)t * (size_t)n, packed + packing_row(p, t, b) * (size_t)n,
		       (size_t)n * sizeof(real));
}

static void scatter(const struct packing *p, int b, int n, const real *rows, real *packed)
{
	for (int t = 0; t < p->lengths[b]; t++)
		memcpy(packed + packing_row(p, t, b) * (size_t)n, rows + (size_t)t * (size_t)n,
		       (size_t)n * sizeof(real));
}

/* q / sqrt(d) in place of q, and so for the gradient: dq of the scaled q times the same. */
static void scale_queries(const struct multihead *m, int length, real *qkv)
{
	real scale = 1 / REAL(sqrt)((real)m->hid / (real)m->heads);
	for (int t = 0; t < length; t++)
		for (int j = 0; j < m->hid; j++)
			qkv[(size_t)t * 3 * (size_t)m->hid + (size_t)j] *= scale;
}

/* One head of one sequence: its columns of qkv and o, `wide` and `narrow` numbers from row to row. */
struct head {
	int length, d, wide, narrow;
	bool causal;
	const real *q, *k, *v;
};

static struct head head_of(const struct multihead *m, int head, int length, const real *qkv)
{
	int d = m->hid / m->heads;
	const real *q = qkv + head * d;
	return (struct head){ .length = length, .d = d, .wide = 3 * m->hid, .narrow = m->hid, .causal = m->causal,
	                      .q = q, .k = q + m->hid, .v = q + 2 * m->hid };
}

static inline int block_size(const struct head *h, int first)
{
	return h->length - first < BLOCK ? h->length - first : BLOCK;
}

/* How many steps the block's last row may see: the columns of its scores. */
static inline int block_sees(const struct head *h, int first)
{
	return h->causal ? first + block_size(h, first) : h->length;
}

/* shares [n][sees] of the block's steps; those of steps to come are 0. */
static void block_shares(const struct head *h, int first, real *shares)
{
	int n = block_size(h, first), sees = block_sees(h, first);
	blas_product_rows(n, sees, h->d, h->q + (size_t)first * (size_t)h->wide, h->wide, h->k, h->wide, shares, sees);
	for (int i = 0; i < n; i++) {
		real *row = shares + (size_t)i * (size_t)sees;
		int own = h->causal ? first + i + 1 : sees;
		softmax(own, row);
		memset(row + own, 0, (size_t)(sees - own) * sizeof(real));
	}
}

static void head_forward(const struct head *h, struct multihead_tape *tape, real *o)
{
	for (int first = 0; first < h->length; first += BLOCK) {
		int sees = block_sees(h, first);
		block_shares(h, first, tape->shares);
		blas_product(block_size(h, first), h->d, sees, tape->shares, sees, h->v, h->wide, 0,
		             o + (size_t)first * (size_t)h->narrow, h->narrow);
	}
}

void multihead_forward(const struct multihead *m, const real *params, const struct packing *p, const real *x,
                       struct multihead_tape *tape, real *y)
{
	linear_transpose(&m->in, params, tape->wt_in);
	linear_transpose(&m->out, params, tape->wt_out);
	linear_forward(&m->in, params, tape->wt_in, p->rows, x, tape->projected);
	for (int b = 0; b < p->B; b++) {
		gather(p, b, 3 * m->hid, tape->projected, tape->qkv);
		scale_queries(m, p->lengths[b], tape->qkv);
		for (int i = 0; i < m->heads; i++) {
			struct head h = head_of(m, i, p->lengths[b], tape->qkv);
			head_forward(&h, tape, tape->o + i * h.d);
		}
		scatter(p, b, m->hid, tape->o, tape->mixed);
	}
	linear_forward(&m->out, params, tape->wt_out, p->rows, tape->mixed, y);
}

/* The one sequence's queries, keys and values are still where forward gathered them. */
void multihead_shares(const struct multihead *m, int T, int head, struct multihead_tape *tape, real *shares)
{
	struct head h = head_of(m, head, T, tape->qkv);
	for (int first = 0; first < T; first += BLOCK) {
		size_t sees = (size_t)block_sees(&h, first), behind = (size_t)T - sees;
		block_shares(&h, first, tape->shares);
		for (int i = 0; i < block_size(&h, first); i++) {
			real *row = shares + (size_t)(first + i) * (size_t)T;
			memcpy(row, tape->shares + (size_t)i * sees, sees * sizeof(real));
			memset(row + sees, 0, behind * sizeof(real));
		}
	}
}

/* A share of 0 passes no gradient to its score, so steps to come need no mask here. */
static void head_backward(const struct head *h, const real *dout, struct multihead_tape *tape, real *dq, real *dk,
                          real *dv)
{
	for (int first = 0; first < h->length; first += BLOCK) {
		int n = block_size(h, first), sees = block_sees(h, first);
		size_t wide = (size_t)first * (size_t)h->wide;
		const real *block = dout + (size_t)first * (size_t)h->narrow;

		block_shares(h, first, tape->shares);
		blas_product_rows(n, sees, h->d, block, h->narrow, h->v, h->wide, tape->dscores, sees);
		for (int i = 0; i < n; i++)
			softmax_backward(sees, tape->shares + (size_t)i * (size_t)sees,
			                 tape->dscores + (size_t)i * (size_t)sees);
		blas_product_transposed(sees, h->d, n, tape->shares, sees, block, h->narrow, dv, h->wide);
		blas_product_transposed(sees, h->d, n, tape->dscores, sees, h->q + wide, h->wide, dk, h->wide);
		blas_product(n, h->d, sees, tape->dscores, sees, h->k, h->wide, 0, dq + wide, h->wide);
	}
}

void multihead_backward(const struct multihead *m, const real *params, const struct packing *p, const real *x,
                        const real *dy, struct multihead_tape *tape, real *dparams, real *dx)
{
	int hid = m->hid;
	linear_backward_weights(&m->out, p->rows, tape->mixed, dy, dparams);
	linear_backward_input(&m->out, params, p->rows, dy, 0, tape->mixed);
	for (int b = 0; b < p->B; b++) {
		int length = p->lengths[b];
		gather(p, b, 3 * hid, tape->projected, tape->qkv);
		gather(p, b, hid, tape->mixed, tape->o);
		scale_queries(m, length, tape->qkv);
		memset(tape->dqkv, 0, (size_t)length * 3 * (size_t)hid * sizeof(real));
		for (int i = 0; i < m->heads; i++) {
			struct head h = head_of(m, i, length, tape->qkv);
			real *dq = tape->dqkv + i * h.d;
			head_backward(&h, tape->o + i * h.d, tape, dq, dq + hid, dq + 2 * hid);
		}
		scale_queries(m, length, tape->dqkv);
		scatter(p, b, 3 * hid, tape->dqkv, tape->projected);
	}
	linear_backward_weights(&m->in, p->rows, x, tape->projected, dparams);
	linear_backward_input(&m->in, params, p->rows, tape->projected, 0, dx);
}

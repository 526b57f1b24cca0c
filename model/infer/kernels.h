/* kernels.h - the inner loops of inference, once per CPU level.
 *
 *     level     width   flags            bits
 *     c           4                      its own
 *     avx2        8     -mavx2 -mfma     } the same
 *     avx512     16     -mavx512f, bw    }
 *     neon        4     none, on AArch64 }
 *
 * A matrix is packed for the level that will run it. Its output units are cut
 * into panels as wide as the level's vector; a panel holds what its sums meet,
 * in the order in which they meet it:
 *
 *     w     [panel][k][gate][width]        k runs over the inputs, then the state
 *     bias  [panel][sum][width]            where the sums start
 *
 * A tile is some rows x some panels, all sums in registers. A sum is one chain
 * of multiply-adds over k, never split, so a row's bits do not depend on the
 * tile that it was in. Units past the last are packed as zeros. int8.h says how
 * a pack is quantised; its products are integers, the rest is the same. */
#ifndef GATECAST_INFER_KERNELS_H
#define GATECAST_INFER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/nn/cells.h"

/* Units, and so every buffer of states, are padded to a multiple of this. */
#define KERNEL_UNITS 16
/* Rows that are carried together: the tallest tile of the widest level. */
#define KERNEL_ROWS 8

/* The weights over k belong to the input first, then to the state; a linear has no state. */
enum pack_part { PART_INPUT, PART_STATE, PACK_PARTS };

struct pack {
	int k, panels, gates, sums;
	int in;              /* of k, the input's */
	float *w, *bias;
	int8_t *q;           /* quantised: the weights, and w is NULL; else NULL */
	float *scale;        /* of q */
};

/* The sums of a layer normalisation's pack, which has no inputs: y = weight * n + bias; the mask is 1 for a unit,
 * 0 behind the last. */
enum norm_sum { NORM_WEIGHT, NORM_BIAS, NORM_MASK, NORM_SUMS };

#define FORM_ID(ID, ...) FORM_##ID,
enum cell_form { CELL_FORMS(FORM_ID) FORM_COUNT };
#undef FORM_ID

struct cell {
	enum cell_form form;
	int in, hid;
	struct pack gates, candidate;
};

/* One step of a few rows. Each pointer is to the first row; out must not overlap x or h.
 * Whole panels are written to out and c: units that pad the last one included. */
struct cell_step {
	int rows;
	const float *x, *h;
	float *out;
	size_t x_stride, h_stride, out_stride;
	float *c;            /* LSTM: the cell state, read and written in place */
	size_t c_stride;
	float *z, *rh;       /* GRU, reset before: [rows][padded hid] scratch */
	bool backward;       /* panels from the last to the first: the same bits, but step after step
	                        to and fro keeps part of the weights in the first-level cache */
};

/* One sequence against one query. Sizes are padded. */
struct attend {
	int T, attention, hidden;
	const float *query;            /* [attention] */
	const float *keys;             /* [T][attention], key_stride apart */
	const float *v;                /* [attention] additive: carries the scale of kernels.c's score; dot: NULL */
	float scale;                   /* dot: of the product, in units of log2 */
	const float *states;           /* [T][hidden], state_stride apart */
	size_t key_stride, state_stride;
	float *weights;                /* [T, padded] written, zero behind T */
	float *context;                /* [hidden] written */
};

struct kernels {
	const char *name;
	int width;
	/* out [rows][panels * width] = W x + bias; x [rows][p->k] */
	void (*linear)(const struct pack *p, int rows, const float *x, size_t x_stride, float *out, size_t out_stride);
	void (*cell[FORM_COUNT])(const struct cell *c, const struct cell_step *s);
	void (*attend)(const struct attend *a);
	/* Layer normalisation of rows of `units` numbers, zero behind them, by a pack of NORM_SUMS; y may be x. */
	void (*layer_norm)(const struct pack *p, int units, int rows, const float *x, float *y, size_t stride);
	/* In place over n numbers, n a multiple of KERNEL_UNITS. The first two let tests see the gates' functions. */
	void (*sigmoid)(float *x, size_t n);
	void (*tanh)(float *x, size_t n);
	void (*relu)(float *x, size_t n);
	void (*gelu)(float *x, size_t n);
};

extern const struct kernels kernels_c;
#if defined(__x86_64__)
extern const struct kernels kernels_avx2, kernels_avx512;
#elif defined(__aarch64__)
extern const struct kernels kernels_neon;
#endif

/** The kernels of that name, or NULL if the name or this CPU does not know them. */
const struct kernels *kernels_find(const char *name);
/** The widest that this CPU runs; GATECAST_CPU=c|avx2|avx512|neon in the environment asks for another. */
const struct kernels *kernels_best(void);

/* What attention's score folds into the key and query weights and into v: see attend() in kernels.c. */
#define ATTEND_SCALE_IN  (-2.88539008177792681472)   /* -2 log2(e) */
#define ATTEND_SCALE_V   (2.88539008177792681472)    /*  2 log2(e) */
#define ATTEND_SCALE_DOT (1.44269504088896340736)    /*  log2(e), over the root of the width */

static inline void kernels_step(const struct kernels *k, const struct cell *c, const struct cell_step *s)
{
	k->cell[c->form](c, s);
}

static inline int kernels_pad(int n)
{
	return (n + KERNEL_UNITS - 1) / KERNEL_UNITS * KERNEL_UNITS;
}

#endif

/* gru.h - one gated recurrent layer. For each step, * elementwise:
 *     r = sigm(Wr x + br + Ur h + cr)      z = sigm(Wz x + bz + Uz h + cz)
 *     n = tanh(Wn x + bn + r * (Un h + cn))
 *     h' = (1 - z) * n + z * h
 * reset_after = true (above) is PyTorch's and cuDNN's form: one product a step
 * serves all three gates. reset_after = false applies r to h before Un, as in
 * Cho et al. 2014, and costs a second product.
 *
 * A tape holds what forward saves for backward, a row for each (step,
 * sequence). Backward writes gradients over it, so it serves one backward:
 *
 *              forward leaves                 backward leaves
 *     gates    r, z, n                        gradients of their arguments
 *     before   h                              h
 *     aux      Un h + cn  |  r * h (before)   gradient of Un h + cn  |  r * h
 *     h        h'                             h'
 *
 * gru_forward() and gru_backward() run whole sequences. The decoder, whose
 * input comes a step at a time, calls the steps itself. Everything borrows
 * its pointers, allocates nothing and cannot fail; threads may share params. */
#ifndef GATECAST_NN_GRU_H
#define GATECAST_NN_GRU_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct gru {
	int in, hid;
	bool reset_after;
	struct linear input, recurrent;   /* in -> 3 hid and hid -> 3 hid, gates r, z, n */
};

struct gru_tape {
	real *wt_input, *wt_recurrent;    /* [in][3 hid], [hid][3 hid] */
	real *gates;                      /* [rows][3 hid] */
	real *before, *aux, *h;           /* [rows][hid] */
	real *step;                       /* [B][3 hid], alive during one step */
};

/** A tape for up to `rows` rows, at most B of them in one step. */
void gru_tape_take(struct gru_tape *t, const struct gru *g, size_t rows, int B, struct scratch *s);

/**
 * Run the layer over packed sequences.
 *   x    [rows][in]
 *   h0   [B][hid], or NULL for zeros
 * tape->h [rows][hid] holds the states after each step.
 */
void gru_forward(const struct gru *g, const real *params, const struct packing *p, const real *x, const real *h0,
                 struct gru_tape *tape);
/**
 *   dh   [rows][hid]  gradients of the states; that of a last state is added to its last row
 *   dh0  [B][hid]     written
 *   dx   [rows][in]   written, or NULL
 * dparams is added to.
 */
void gru_backward(const struct gru *g, const real *params, const struct packing *p, const real *x, const real *dh,
                  struct gru_tape *tape, real *dparams, real *dh0, real *dx);

/* The parts, in the order of a step. Rows first … first + n - 1 of the tape are one step. */

/** Once before the first step. */
void gru_prepare(const struct gru *g, const real *params, struct gru_tape *tape);
/** The input's part of n rows, of one step or of many; x [n][in]. */
void gru_input_forward(const struct gru *g, const real *params, int first, int n, const real *x,
                       struct gru_tape *tape);
/** From before [n][hid] (NULL: zeros) to tape->h. */
void gru_step_forward(const struct gru *g, const real *params, int first, int n, const real *before,
                      struct gru_tape *tape);
/** dh [n][hid]: in, the gradient of the step's h'; out, that of its h. */
void gru_step_backward(const struct gru *g, const real *params, int first, int n, struct gru_tape *tape, real *dh);
/** dx [n][in] of n rows whose steps were run backward. */
void gru_input_backward(const struct gru *g, const real *params, int first, int n, const struct gru_tape *tape,
                        real *dx);
/** The gradients of the weights from all rows, after all steps were run backward. */
void gru_weights_backward(const struct gru *g, int rows, const real *x, const struct gru_tape *tape, real *dparams);

#endif

/* cell.h - one recurrent layer in one direction, whatever its cell.
 *
 *     cells.h                 a row a cell
 *     gru.c, lstm.c, rnn.c    the equations of a step, forward and backward
 *     cell.c                  all that they share
 *     recurrent.h             U h + c, which they are made of
 *
 * A tape holds what forward saves for backward, a row for each (step,
 * sequence). Backward writes gradients over it, so it serves one backward:
 *
 *                       forward leaves        backward leaves
 *     gates             the gates             gradients of their arguments
 *     before, before_c  h, c                  h, c
 *     h, c              h', c'                h', c'
 *     aux               the cell's own: see its file
 *
 * cell_forward() and cell_backward() run whole sequences. The decoder, whose
 * input comes a step at a time, calls the steps itself. Everything borrows
 * its pointers, allocates nothing and cannot fail; threads may share params. */
#ifndef GATECAST_NN_CELL_H
#define GATECAST_NN_CELL_H

#include "model/nn/linear.h"
#include "model/nn/packing.h"

struct cell {
	enum cell_type type;
	int in, hid;
	bool reset_after;                 /* GRU */
	bool relu;                        /* RNN */
	struct linear input, recurrent;   /* in -> gates hid and hid -> gates hid */
};

/* The state of some sequences, [n][hid] each. c is the memory of an LSTM, NULL for other cells. */
struct cell_state { real *h, *c; };

struct cell_tape {
	real *wt_input, *wt_recurrent;    /* [in][gates hid], [hid][gates hid] */
	real *gates;                      /* [rows][gates hid] */
	real *before, *before_c, *aux;    /* [rows][hid] */
	real *h, *c;                      /* [rows][hid] */
	real *step;                       /* [B][gates hid], alive during one step */
};

/** The layer whose tensors are `part`.weight_ih`suffix` and so on. */
struct cell cell_at(const struct net_spec *s, const struct tensor_table *t, enum cell_type type, const char *part,
                    const char *suffix);
/** Whether the state has a c. */
bool cell_has_memory(const struct cell *c);
/** A tape for up to `rows` rows, at most B of them in one step. */
void cell_tape_take(struct cell_tape *t, const struct cell *c, size_t rows, int B, struct scratch *s);
/** Room for the state of n sequences of `hid` units. */
void cell_state_take(struct cell_state *state, bool memory, size_t n, int hid, struct scratch *s);

/** Zeros in n rows of what the cell's state has. */
void cell_state_clear(const struct cell *c, int n, struct cell_state state);

/**
 * Run the layer over packed sequences.
 *   x       [rows][in]
 *   start   [B][hid], or h = NULL for zeros
 * tape->h and tape->c hold the states after each step.
 */
void cell_forward(const struct cell *c, const real *params, const struct packing *p, const real *x,
                  struct cell_state start, struct cell_tape *tape);
/**
 *   dh   [rows][hid]  gradients of the states h
 *   d    [B][hid]     in: gradients of the last states, on top of dh; out: those of the first
 *   dx   [rows][in]   written, or NULL
 * dparams is added to.
 */
void cell_backward(const struct cell *c, const real *params, const struct packing *p, const real *x, const real *dh,
                   struct cell_state d, struct cell_tape *tape, real *dparams, real *dx);

/* The parts, in the order of a step. Rows first … first + n - 1 of the tape are one step. */

/** Once before the first step. */
void cell_prepare(const struct cell *c, const real *params, struct cell_tape *tape);
/** The input's part of n rows, of one step or of many; x [n][in]. */
void cell_input_forward(const struct cell *c, const real *params, int first, int n, const real *x,
                        struct cell_tape *tape);
/** From before [n][hid] (h = NULL: zeros) to the tape's h and c. */
void cell_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_state before,
                       struct cell_tape *tape);
/** The states that a step left in the tape, from row `first` on. */
struct cell_state cell_states(const struct cell *c, const struct cell_tape *tape, int first);
/** d [n][hid]: in, the gradient of the states after the step; out, that of the states before. */
void cell_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                        struct cell_state d);
/** dx [n][in] of n rows whose steps were run backward. */
void cell_input_backward(const struct cell *c, const real *params, int first, int n, const struct cell_tape *tape,
                         real *dx);
/** The gradients of the weights from all rows, after all steps were run backward. */
void cell_weights_backward(const struct cell *c, int rows, const real *x, const struct cell_tape *tape,
                           real *dparams);

#endif

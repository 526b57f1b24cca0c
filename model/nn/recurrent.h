/* recurrent.h - U h + c and its backward: what gru.c, lstm.c and rnn.c are made of.
 *
 * A product covers `count` gates from `gate` on, since a GRU with the reset
 * before needs its candidate apart. `ld` is the distance from row to row. */
#ifndef GATECAST_NN_RECURRENT_H
#define GATECAST_NN_RECURRENT_H

#include "model/nn/cell.h"

/* Row `row` of an array with n numbers a row. */
static inline real *rows_at(real *array, int row, int n)
{
	return array + (size_t)row * (size_t)n;
}

/** tape->step, columns of those gates = x [n][hid] · U' + c. */
void recurrent_forward(const struct cell *c, const real *params, int gate, int count, int n, const real *x,
                       struct cell_tape *tape);
/** dx [n][hid] = beta dx + d · U. */
void recurrent_backward(const struct cell *c, const real *params, int gate, int count, int n, const real *d, int ld,
                        real beta, real *dx);
/** Add the gradients of U and c; x [rows][hid] is what U was applied to. */
void recurrent_gates_weights(const struct cell *c, int gate, int count, int rows, const real *d, int ld,
                             const real *x, real *dparams);
/** The same for a cell that applies all of U to the state before. */
void recurrent_weights(const struct cell *c, int rows, const struct cell_tape *tape, real *dparams);

#endif

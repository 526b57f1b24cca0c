/* recurrent.h - U h + c and its backward: what a cell's file is made of, and what it gives.
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

/* What a cell's file gives, for rows first … first + n - 1 of the tape:
 *
 *     name_step_forward     from the tape's input part, `before` and before_c to its h and c
 *     name_step_backward    d [n][hid]: in, the gradients of h' and c'; out, those of h and c. The tape's gates become
 *                           the gradients of their arguments
 *     its weights           the gradients of U and c from all rows, after all steps were run backward */
#define STEPS(ID, NAME, GATES, MEMORY, AUX, WEIGHTS, ...)                                                            \
	void NAME##_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape); \
	void NAME##_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape, \
	                          struct cell_state d);                                                               \
	void WEIGHTS(const struct cell *c, int rows, const struct cell_tape *tape, real *dparams);
CELLS(STEPS)
#undef STEPS

#endif

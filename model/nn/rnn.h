/* rnn.h - a step of the simple recurrent cell (Elman 1990):
 *     h' = tanh(W x + b + U h + c)       or relu of the same
 * The tape's gates hold the input's part W x + b and, after backward, the
 * gradient of the whole argument. It has no aux. */
#ifndef GATECAST_NN_RNN_H
#define GATECAST_NN_RNN_H

#include "model/nn/cell.h"

/** Rows first … first + n - 1: from the tape's input part and `before` to its h. */
void rnn_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape);
/** d.h [n][hid]: in, the gradient of h'; out, that of h. */
void rnn_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                       struct cell_state d);

#endif

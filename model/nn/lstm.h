/* lstm.h - a step of the long short-term memory (Hochreiter and Schmidhuber
 * 1997, forget gate of Gers et al. 2000, no peepholes), * elementwise:
 *     i = sigm(Wi x + bi + Ui h + ci)      f = sigm(Wf x + bf + Uf h + cf)
 *     g = tanh(Wg x + bg + Ug h + cg)      o = sigm(Wo x + bo + Uo h + co)
 *     c' = f * c + i * g
 *     h' = o * tanh(c')
 * The tape's gates are i, f, g, o; aux is tanh(c'). */
#ifndef GATECAST_NN_LSTM_H
#define GATECAST_NN_LSTM_H

#include "model/nn/cell.h"

/** Rows first … first + n - 1: from the tape's input part, `before` and `before_c` to its h and c. */
void lstm_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape);
/** d [n][hid]: in, the gradients of h' and c'; out, those of h and c. */
void lstm_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                        struct cell_state d);

#endif

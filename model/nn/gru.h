/* gru.h - a step of the gated recurrent unit, * elementwise:
 *     r = sigm(Wr x + br + Ur h + cr)      z = sigm(Wz x + bz + Uz h + cz)
 *     n = tanh(Wn x + bn + r * (Un h + cn))
 *     h' = (1 - z) * n + z * h
 * reset_after = true (above) is PyTorch's and cuDNN's form: one product a step
 * serves all three gates. reset_after = false applies r to h before Un, as in
 * Cho et al. 2014, and costs a second product.
 *
 * The tape's gates are r, z, n. Its aux:
 *
 *                      forward leaves     backward leaves
 *     reset after      Un h + cn          its gradient
 *     reset before     r * h              r * h */
#ifndef GATECAST_NN_GRU_H
#define GATECAST_NN_GRU_H

#include "model/nn/cell.h"

/** Rows first … first + n - 1: from the tape's input part and `before` to its h. */
void gru_step_forward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape);
/** d.h [n][hid]: in, the gradient of h'; out, that of h. */
void gru_step_backward(const struct cell *c, const real *params, int first, int n, struct cell_tape *tape,
                       struct cell_state d);
/** The gradients of U and c from all rows, after all steps were run backward. */
void gru_recurrent_weights(const struct cell *c, int rows, const struct cell_tape *tape, real *dparams);

#endif

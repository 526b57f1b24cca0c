/* teacher.h - teacher forcing: a decoder that feeds back reads, with a probability, the truth of the step before and
 * not its own answer (Williams and Zipser 1989; drawn step by step as in Bengio et al. 2015). The choice is a pure
 * function of where it is made. One block of Philox decides four steps:
 *
 *     key      seed
 *     counter  [0] row in the whole minibatch     [2] RNG_TEACHER
 *              [1] step / 4                       [3] the training step's key
 *
 * so a shard that knows its first row's index chooses what the whole minibatch would, as masks do (dropout.h). */
#ifndef GATECAST_NN_TEACHER_H
#define GATECAST_NN_TEACHER_H

#include "model/nn/network.h"

/** Whether sequence b reads at `step` > 0 the teacher's value of the step before. Never without a teacher, nor, at a
 *  ratio below 1, without a key. */
bool teacher_forces(const struct network_input *in, int b, int step);

#endif

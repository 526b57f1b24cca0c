/* drawn.h - compositions for the gradient checks. What shapes a network goes round with a number, its sizes and options
 * are drawn. A new part of a spec is one more line in one of these. */
#ifndef GATECAST_TESTS_NN_DRAWN_H
#define GATECAST_TESTS_NN_DRAWN_H

#include "model/base/rng.h"
#include "probe.h"

/** A whole number in low … high. */
int draw(struct rng *r, int low, int high);
/** An encoder of small sizes with its norm, start and key, and sequences for it; numbers go in, a last state's single
 *  answer comes out. */
struct probe_case encoder_drawn(struct rng *r, enum encoder_type encoder);
/** That decoder behind it, with what it asks of the encoder. */
void decoder_drawn(struct rng *r, enum decoder_type decoder, struct probe_case *c);
/** Composition i: encoder and decoder go round with it. */
struct probe_case case_drawn(int i);
/** So many give each decoder behind each encoder once. */
#define DRAWN_ENCODERS (ENCODER_TRANSFORMER + 1)
#define DRAWN_ROUND (DRAWN_ENCODERS * (DECODER_SEGMENT + 1))

#endif

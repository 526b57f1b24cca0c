/* real.h - the number type of the training execution.
 *
 * float in the service. The same sources are built once more with double for
 * the gradient checks and golden tests: in float a difference quotient is
 * noise. Each build is a library of its own and is never linked with the other. */
#ifndef GATECAST_NN_REAL_H
#define GATECAST_NN_REAL_H

#include <math.h>

#ifdef GATECAST_DOUBLE
typedef double real;
#define REAL(name) name
#else
typedef float real;
#define REAL(name) name##f   /* REAL(exp)(x) is expf(x) or exp(x) */
#endif

#endif

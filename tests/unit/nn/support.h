/* support.h - what the tests of this folder share. */
#ifndef GATECAST_TESTS_NN_SUPPORT_H
#define GATECAST_TESTS_NN_SUPPORT_H

#include "model/nn/real.h"

#include <stddef.h>
#include <stdint.h>

#include "tests/unit/check.h"

#ifdef GATECAST_DOUBLE
#define BUILD "double"
#define TOLERANCE_GOLDEN 1e-10
#define TOLERANCE_SAME   1e-12   /* the same sums in another order */
#else
#define BUILD "float"
#define TOLERANCE_GOLDEN 1e-5
#define TOLERANCE_SAME   1e-5
#endif

/** n zeros, aligned to 64. Free with free(). */
real *reals(size_t n);
/** n normal numbers of deviation 0.7, a function of the substream. */
real *random_reals(size_t n, uint32_t substream);
/** n whole numbers of low … high - 1, a function of the substream. */
real *random_tokens(size_t n, int low, int high, uint32_t substream);
/** |got - want| <= relative |want| + absolute for each of n numbers. */
void check_close(const char *what, size_t n, const real *got, const real *want, double relative, double absolute);
/** Run and free; the exit code. */
int run_suite(Suite *suite);

#endif

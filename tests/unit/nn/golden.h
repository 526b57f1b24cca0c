/* golden.h - reading the reference values of tests/golden/ ($GOLDEN_DIR). Whatever is missing fails the test. */
#ifndef GATECAST_TESTS_NN_GOLDEN_H
#define GATECAST_TESTS_NN_GOLDEN_H

#include "model/nn/real.h"

#include <jansson.h>

json_t *golden_load(const char *name);
/** The value at a path of members: "grads/bias_ih_l0". */
json_t *golden_at(json_t *j, const char *path);
int golden_int(json_t *root, const char *path);
double golden_number(json_t *root, const char *path);
/** Copy an array of exactly n numbers. */
void numbers_read(json_t *array, size_t n, real *out);
/** The n numbers of the array at `path`. Free with free(). */
real *golden_reals(json_t *root, const char *path, size_t n);
/** They are what the array at `path` says, to TOLERANCE_GOLDEN. */
void check_golden(json_t *root, const char *path, size_t n, const real *got);
/** From [A][B][n] to [B][A][n]: between PyTorch's [B][S][n] and the packed [S][B][n] of equal lengths. */
void swap_axes(int A, int B, int n, const real *from, real *to);

#endif

/* blas.h - the one door to the BLAS. Row-major matrices, `ld` numbers from row
 * to row. Products run on the calling thread alone: parallelism is over shards. */
#ifndef GATECAST_NN_BLAS_H
#define GATECAST_NN_BLAS_H

#include "model/nn/real.h"

/** C = A B + beta C.   A [m][k]   B [k][n]   C [m][n], k > 0; with beta = 0 C is only written. */
void blas_product(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta, real *c, int ldc);

/** C += A' B.   A [k][m]   B [k][n]   C [m][n]: the product of a weight's gradient. */
void blas_product_transposed(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real *c, int ldc);

/** C = A B'.   A [m][k]   B [n][k]   C [m][n]: each row of A times each row of B, as scores of attention are. */
void blas_product_rows(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real *c, int ldc);

#endif

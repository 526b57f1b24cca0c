/* blas.c - OpenBLAS, held to one thread: its own threads would make the bits
 * depend on their number, and compete with the trainer's shards. */
#include "model/nn/blas.h"

#include <cblas.h>

#ifdef GATECAST_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

__attribute__((constructor)) static void one_thread(void)
{
	openblas_set_num_threads(1);
}

void blas_product(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta, real *c, int ldc)
{
	GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

void blas_product_transposed(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real *c, int ldc)
{
	GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, a, lda, b, ldb, 1, c, ldc);
}

void blas_product_rows(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real *c, int ldc)
{
	GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, lda, b, ldb, 0, c, ldc);
}

/* blas.c - OpenBLAS, held to one thread: its own threads would make the bits
 * depend on their number, and compete with the trainer's shards. */
#include "model/nn/blas.h"

#include <cblas.h>
#include <stddef.h>

#ifdef GATECAST_DOUBLE
#define GEMM cblas_dgemm
#else
#define GEMM cblas_sgemm
#endif

__attribute__((constructor)) static void one_thread(void)
{
	openblas_set_num_threads(1);
}

/* OpenBLAS first packs what it multiplies, unless the product is small. Packing pays where many rows meet the weights;
 * a step of a recurrent layer has few, and meets them again in each step. So products of few rows are cut into small
 * ones, which reach the same speed without: 1.7 times as fast at 16 x 1024 x 256. */
#define SMALL_PRODUCT 1000000    /* m n k */
#define FEW_ROWS      32
#define COLUMNS       64         /* a small product's are multiples of it */

/* The parts of n, of one size but the last, that are no longer than most. */
static int part_of(int n, int most)
{
	int parts = (n + most - 1) / most;
	return (n + parts - 1) / parts;
}

void blas_product(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real beta, real *c, int ldc)
{
	int depth = k, columns = n;
	if (m > 0 && m <= FEW_ROWS) {
		depth = part_of(k, SMALL_PRODUCT / (m * COLUMNS));
		columns = SMALL_PRODUCT / (m * depth) / COLUMNS * COLUMNS;
	}
	for (int i = 0; i < k; i += depth)
		for (int j = 0; j < n; j += columns)
			GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n - j < columns ? n - j : columns,
			     k - i < depth ? k - i : depth, 1, a + i, lda, b + (size_t)i * (size_t)ldb + j, ldb, i ? 1 : beta, c + j,
			     ldc);
}

void blas_product_transposed(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real *c, int ldc)
{
	GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, a, lda, b, ldb, 1, c, ldc);
}

void blas_product_rows(int m, int n, int k, const real *a, int lda, const real *b, int ldb, real *c, int ldc)
{
	GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, lda, b, ldb, 0, c, ldc);
}

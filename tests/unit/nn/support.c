#include "support.h"

#include "model/base/rng.h"

#include <stdlib.h>
#include <string.h>

real *reals(size_t n)
{
	size_t bytes = (n * sizeof(real) + 63) / 64 * 64;
	real *p = aligned_alloc(64, bytes);
	ck_assert_ptr_nonnull(p);
	memset(p, 0, bytes);
	return p;
}

real *random_reals(size_t n, uint32_t substream)
{
	struct rng r;
	real *p = reals(n);
	rng_init(&r, 11, RNG_TEST, substream);
	for (size_t i = 0; i < n; i++)
		p[i] = (real)(0.7 * rng_normal(&r));
	return p;
}

real *random_tokens(size_t n, int low, int high, uint32_t substream)
{
	struct rng r;
	real *p = reals(n);
	rng_init(&r, 12, RNG_TEST, substream);
	for (size_t i = 0; i < n; i++)
		p[i] = (real)(low + (int)rng_below(&r, (uint64_t)(high - low)));
	return p;
}

void check_close(const char *what, size_t n, const real *got, const real *want, double relative, double absolute)
{
	for (size_t i = 0; i < n; i++)    /* an assertion each is slow */
		if (!(fabs((double)got[i] - (double)want[i]) <= relative * fabs((double)want[i]) + absolute))
			ck_abort_msg("%s[%zu] is %.12g, expected %.12g", what, i, (double)got[i], (double)want[i]);
}

int run_suite(Suite *suite)
{
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* suite.h - main() of a test program with one suite. */
#ifndef GATECAST_TESTS_SERIES_SUITE_H
#define GATECAST_TESTS_SERIES_SUITE_H

#include <math.h>
#include <stdlib.h>

#include "tests/unit/check.h"

/* False for a NaN. */
#define near(a, b, tolerance) (fabs((a) - (b)) <= (tolerance))

static inline TCase *new_case(Suite *s, const char *name)
{
	TCase *c = tcase_create(name);
	tcase_set_timeout(c, 120);
	suite_add_tcase(s, c);
	return c;
}

static inline int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif

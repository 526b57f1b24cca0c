/* suite.h - the end of each main of this folder. */
#ifndef GATECAST_TESTS_BASE_SUITE_H
#define GATECAST_TESTS_BASE_SUITE_H

#include <stdlib.h>

#include "tests/unit/check.h"

/** Run the one case; the exit code. */
static inline int suite_run(const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif

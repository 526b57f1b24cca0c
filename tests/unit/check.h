/* check.h - the words of check without their price. Its own ck_assert() tells the parent process of every line that it
 * passes, through a file: in a loop over numbers that took most of a test's time. Here only what fails is told; where
 * a test crashed, the sanitizer says. */
#ifndef GATECAST_TESTS_CHECK_H
#define GATECAST_TESTS_CHECK_H

#include <check.h>

#undef ck_assert
#undef ck_assert_msg
#define ck_assert(expr) ck_assert_msg(expr, "Assertion '%s' failed", #expr)
#define ck_assert_msg(expr, ...) ((expr) ? (void)0 : ck_abort_msg(__VA_ARGS__))
#undef fail   /* an old word of check; ours is in model/base/error.h */

#endif

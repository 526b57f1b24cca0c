/* support.h - what the tests of ONNX share. */
#ifndef GATECAST_TEST_API_ONNX_SUPPORT_H
#define GATECAST_TEST_API_ONNX_SUPPORT_H

#include "api/onnx.h"
#include "api/onnx_run.h"
#include "tests/unit/check.h"

#define ARENA_CAP ((size_t)256 << 20)

/** The bytes of a file, or the test fails; free(). */
void *file_read(const char *path, size_t *len);
/** Numbers agree within 1e-5 relative plus 1e-6 absolute, and shapes do. */
void check_array(const char *what, const struct onnx_array *got, const struct onnx_array *want);
/** Runs the suite without forks when CK_FORK says so; the exit code. */
int run_suite(Suite *s);

#endif

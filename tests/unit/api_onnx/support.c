/* support.c - see support.h. */
#include "tests/unit/api_onnx/support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

void *file_read(const char *path, size_t *len)
{
	FILE *f = fopen(path, "rb");
	ck_assert_msg(f, "%s cannot be opened", path);
	ck_assert_int_eq(fseek(f, 0, SEEK_END), 0);
	*len = (size_t)ftell(f);
	rewind(f);
	char *bytes = malloc(*len + 1);
	ck_assert_ptr_nonnull(bytes);
	ck_assert_uint_eq(fread(bytes, 1, *len, f), *len);
	fclose(f);
	return bytes;
}

void check_array(const char *what, const struct onnx_array *got, const struct onnx_array *want)
{
	ck_assert_msg(got->at && got->ndim == want->ndim, "%s: %d dimensions, not %d", what, got->ndim, want->ndim);
	for (int i = 0; i < want->ndim; i++)
		ck_assert_msg(got->dim[i] == want->dim[i], "%s: dimension %d is %d, not %d", what, i, got->dim[i],
		              want->dim[i]);
	for (size_t i = 0; i < want->count; i++) {
		double a = (double)got->at[i], b = (double)want->at[i];
		ck_assert_msg(a == b || fabs(a - b) <= 1e-5 * fabs(b) + 1e-6, "%s: number %zu is %.9g, not %.9g", what, i, a,
		              b);
	}
}

int run_suite(Suite *s)
{
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

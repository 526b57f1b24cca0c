/* golden.c - see golden.h. */
#include "golden.h"

#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *golden_load(const char *name)
{
	const char *dir = getenv("GOLDEN_DIR");
	char path[4096];
	json_error_t e;
	ck_assert_msg(dir, "GOLDEN_DIR is not set");
	snprintf(path, sizeof path, "%s/%s.json", dir, name);
	json_t *root = json_load_file(path, 0, &e);
	ck_assert_msg(root, "%s: %s", path, e.text);
	return root;
}

json_t *golden_at(json_t *j, const char *path)
{
	char member[64];
	while (*path) {
		size_t n = strcspn(path, "/");
		snprintf(member, sizeof member, "%.*s", (int)n, path);
		j = json_object_get(j, member);
		ck_assert_msg(j, "%s is missing", member);
		path += n + (path[n] == '/');
	}
	return j;
}

int golden_int(json_t *root, const char *path)
{
	return (int)json_integer_value(golden_at(root, path));
}

double golden_number(json_t *root, const char *path)
{
	return json_number_value(golden_at(root, path));
}

void numbers_read(json_t *array, size_t n, real *out)
{
	ck_assert_uint_eq(json_array_size(array), n);
	for (size_t i = 0; i < n; i++)
		out[i] = (real)json_number_value(json_array_get(array, i));
}

real *golden_reals(json_t *root, const char *path, size_t n)
{
	real *out = reals(n);
	numbers_read(json_object_get(golden_at(root, path), "data"), n, out);
	return out;
}

void check_golden(json_t *root, const char *path, size_t n, const real *got)
{
	real *want = golden_reals(root, path, n);
	check_close(path, n, got, want, TOLERANCE_GOLDEN, TOLERANCE_GOLDEN);
	free(want);
}

void swap_axes(int A, int B, int n, const real *from, real *to)
{
	for (int a = 0; a < A; a++)
		for (int b = 0; b < B; b++)
			memcpy(to + (b * A + a) * n, from + (a * B + b) * n, (size_t)n * sizeof(real));
}

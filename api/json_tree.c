/* json_tree.c - from bytes to a counted, limited tree, and its members one by one. */
#include "api/json_tree.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "api/pointer.h"
#include "api/scan.h"

/* Grammar and size, before anything is built. Only names with escapes take memory, less than the body. */
static enum err check(const char *s, size_t len, const struct tree_limits *l, struct error *e)
{
	struct arena names;
	struct scan scan;
	if (len > l->bytes)
		return fail(e, ERR_TOO_LARGE, "", "the body has %zu bytes, the limit is %zu", len, l->bytes);
	arena_init(&names, 4 * len + 64);
	scan_init(&scan, s, len, &names, e);
	scan_skip(&scan);
	enum err rc = scan_end(&scan);
	arena_fini(&names);
	if (!rc && scan.tokens > l->tokens)
		rc = fail(e, ERR_INVALID, "", "the body has %zu JSON values and names, the limit is %zu", scan.tokens,
			l->tokens);
	return rc;
}

enum err tree_parse(const char *s, size_t len, const struct tree_limits *l, json_t **out, struct error *e)
{
	json_error_t error;
	enum err rc = check(s, len, l, e);
	if (rc)
		return rc;
	json_t *tree = json_loadb(s, len, JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL | JSON_DECODE_ANY, &error);
	if (!tree && json_error_code(&error) == json_error_out_of_memory)
		return fail_nomem(e);
	if (!tree)
		return fail(e, ERR_SYNTAX, "", "byte %d: %s", error.position, error.text);
	*out = tree;
	return ERR_OK;
}

enum err tree_fail(struct error *e, enum err code, const char *path, const char *name, const char *fmt, ...)
{
	char where[128], what[384];
	va_list ap;
	size_t at = (size_t)snprintf(where, sizeof where, "%s", path);
	pointer_add(where, at < sizeof where ? at : sizeof where - 1, sizeof where, name, strlen(name));
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	return fail(e, code, where, "%s", what);
}

static enum err expected(struct error *e, const char *path, const char *name, const json_t *v, const char *wanted)
{
	if (!v)
		return tree_fail(e, ERR_INVALID, path, name, "\"%s\" is required", name);
	return tree_fail(e, ERR_INVALID, path, name, "expected %s", wanted);
}

enum err tree_object(const json_t *o, const char *path, const char *name, json_t **out, struct error *e)
{
	json_t *v = json_object_get(o, name);
	if (!json_is_object(v))
		return expected(e, path, name, v, "an object");
	*out = v;
	return ERR_OK;
}

enum err tree_array(const json_t *o, const char *path, const char *name, size_t max, json_t **out, struct error *e)
{
	json_t *v = json_object_get(o, name);
	if (!json_is_array(v))
		return expected(e, path, name, v, "an array");
	if (json_array_size(v) > max)
		return tree_fail(
			e, ERR_INVALID, path, name, "has %zu values, the limit is %zu", json_array_size(v), max);
	*out = v;
	return ERR_OK;
}

enum err tree_number(const json_t *o, const char *path, const char *name, double *out, struct error *e)
{
	const json_t *v = json_object_get(o, name);
	if (!json_is_real(v))
		return expected(e, path, name, v, "a number");
	*out = json_real_value(v);
	return ERR_OK;
}

enum err tree_whole(const json_t *o, const char *path, const char *name, int64_t lo, int64_t hi, int64_t *out,
                    struct error *e)
{
	double v;
	enum err rc = tree_number(o, path, name, &v, e);
	if (rc)
		return rc;
	if (!(v == floor(v) && v >= (double)lo && v <= (double)hi))
		return tree_fail(e, ERR_INVALID, path, name, "expected a whole number from %lld to %lld",
			(long long)lo, (long long)hi);
	*out = (int64_t)v;
	return ERR_OK;
}

enum err tree_flag(const json_t *o, const char *path, const char *name, bool *out, struct error *e)
{
	const json_t *v = json_object_get(o, name);
	if (!json_is_boolean(v))
		return expected(e, path, name, v, "true or false");
	*out = json_is_true(v);
	return ERR_OK;
}

enum err tree_text(const json_t *o, const char *path, const char *name, char *out, size_t cap, struct error *e)
{
	const json_t *v = json_object_get(o, name);
	if (!json_is_string(v))
		return expected(e, path, name, v, "a string");
	size_t n = json_string_length(v);
	if (n == 0 || n >= cap)
		return tree_fail(e, ERR_INVALID, path, name, "has %zu bytes, expected 1 to %zu", n, cap - 1);
	memcpy(out, json_string_value(v), n + 1);
	return ERR_OK;
}

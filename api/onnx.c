/* onnx.c - see onnx.h: looking things up in a graph. Reading and writing are in onnx_file.c. */
#include "api/onnx.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BUDGET_FIXED ((size_t)64 << 20)    /* of what a proof computes */
#define BUDGET_FACTOR 4                    /* the file unpacked, its numbers as floats, and both once more */

size_t onnx_budget(size_t len)
{
	size_t n;
	return __builtin_mul_overflow(len, BUDGET_FACTOR, &n) || __builtin_add_overflow(n, BUDGET_FIXED, &n) ? SIZE_MAX : n;
}

size_t onnx_places(const int *dim, int ndim)
{
	size_t n = 1;
	for (int i = 0; i < ndim; i++)
		if (__builtin_mul_overflow(n, dim[i] ? (size_t)dim[i] : 1, &n))
			return SIZE_MAX;
	return n;
}

bool onnx_count(const int *dim, int ndim, size_t *out)
{
	size_t n = onnx_places(dim, ndim);
	if (n > ONNX_MAX_PLACES)
		return false;
	for (int i = 0; i < ndim; i++)
		n = dim[i] ? n : 0;
	*out = n;
	return true;
}

const struct onnx_attribute *onnx_attribute(const struct onnx_node *n, const char *name)
{
	for (int i = 0; i < n->n_attributes; i++)
		if (!strcmp(n->attribute[i].name, name))
			return &n->attribute[i];
	return NULL;
}

int64_t onnx_attribute_int(const struct onnx_node *n, const char *name, int64_t otherwise)
{
	const struct onnx_attribute *a = onnx_attribute(n, name);
	return a ? a->i : otherwise;
}

double onnx_attribute_float(const struct onnx_node *n, const char *name, double otherwise)
{
	const struct onnx_attribute *a = onnx_attribute(n, name);
	return a ? a->f : otherwise;
}

const struct onnx_array *onnx_initialiser(const struct onnx_graph *g, const char *name)
{
	for (int i = 0; i < g->n_initialisers; i++)
		if (!strcmp(g->value[i].name, name))
			return g->value[i].initialiser;
	return NULL;
}

const char *onnx_value_name(const struct onnx_graph *g, int value)
{
	return value == ONNX_ABSENT ? "" : g->value[value].name;
}

enum err onnx_fail(const struct onnx_graph *g, const struct onnx_node *n, enum err code, struct error *e,
                   const char *fmt, ...)
{
	char what[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	const char *name = *n->name ? n->name : n->n_out ? onnx_value_name(g, n->out[0]) : "";
	return fail(e, code, name, "node %.80s (%.40s): %s", name, n->op, what);
}

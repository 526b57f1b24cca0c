/* onnx_build.h - a graph put together node by node, in the manner of an expression:
 *
 *     y = BUILD(b, "Add", BUILD(b, "MatMul", x, w), bias)
 *
 * Failure (memory) is sticky, and asked for once at the end. Private to the export. */
#ifndef GATECAST_API_ONNX_BUILD_H
#define GATECAST_API_ONNX_BUILD_H

#include "api/onnx.h"

struct onnx_build {
	struct arena *arena;
	struct onnx_graph graph;
	int value_room, node_room;
	bool failed;
};

#define BUILD_MAX_OUTPUTS 4

/** Everything lies in a. Initialisers come first, then inputs. */
void build_init(struct onnx_build *b, struct arena *a);
/** Borrows the name and the numbers. */
int build_initialiser(struct onnx_build *b, const char *name, const int *dim, int ndim, const float *at);
/** dim_name [ndim]: NULL where dim says the size; at most two inputs and two outputs. Borrows the names. */
int build_input(struct onnx_build *b, const char *name, enum onnx_type type, int ndim, const int *dim,
                const char *const *dim_name);
/** The value becomes an output under that name. */
void build_output(struct onnx_build *b, int value, const char *name, int ndim, const int *dim,
                  const char *const *dim_name);
/** ERR_NOMEM, or the graph. */
enum err build_end(const struct onnx_build *b, struct onnx_graph *out, struct error *e);

/** A node of n_in inputs and n_out outputs (out may be NULL with one); the first of them is returned. Copies all but names. */
int build_node(struct onnx_build *b, const char *op, const int *in, int n_in, int *out, int n_out,
               const struct onnx_attribute *attribute, int n_attributes);
/** A list of whole numbers; a single one without dimensions; numbers of that shape. */
int build_ints(struct onnx_build *b, const int64_t *v, int n);
int build_int(struct onnx_build *b, int64_t v);
int build_float(struct onnx_build *b, float v);

static inline struct onnx_attribute attribute_int(const char *name, int64_t i)
{
	return (struct onnx_attribute){ .name = name, .member = ONNX_MEMBER_I, .i = i, .s = "" };
}
static inline struct onnx_attribute attribute_text(const char *name, const char *s)
{
	return (struct onnx_attribute){ .name = name, .member = ONNX_MEMBER_S, .s = s };
}
static inline struct onnx_attribute attribute_ints(const char *name, const int64_t *v, int n)
{
	return (struct onnx_attribute){ .name = name, .member = ONNX_MEMBER_INTS, .ints = v, .n = n, .s = "" };
}
static inline struct onnx_attribute attribute_texts(const char *name, const char *const *v, int n)
{
	return (struct onnx_attribute){ .name = name, .member = ONNX_MEMBER_STRINGS, .strings = v, .n = n, .s = "" };
}

#define BUILD_COUNT(type, ...) ((int)(sizeof((const type[]){ __VA_ARGS__ }) / sizeof(type)))
/** One output, no attributes. */
#define BUILD(b, op, ...) build_node((b), (op), (const int[]){ __VA_ARGS__ }, BUILD_COUNT(int, __VA_ARGS__), NULL, 1, NULL, 0)
/** One output, one attribute. */
#define BUILD_WITH(b, op, attribute, ...) \
	build_with((b), (op), (attribute), (const int[]){ __VA_ARGS__ }, BUILD_COUNT(int, __VA_ARGS__))
#define BUILD_INTS(b, ...) build_ints((b), (const int64_t[]){ __VA_ARGS__ }, BUILD_COUNT(int64_t, __VA_ARGS__))

int build_with(struct onnx_build *b, const char *op, struct onnx_attribute attribute, const int *in, int n_in);
int build_concat(struct onnx_build *b, int axis, const int *in, int n);
int build_transpose(struct onnx_build *b, int x, const int64_t *perm, int n);
#define BUILD_CONCAT(b, axis, ...) build_concat((b), (axis), (const int[]){ __VA_ARGS__ }, BUILD_COUNT(int, __VA_ARGS__))
#define BUILD_TRANSPOSE(b, x, ...) \
	build_transpose((b), (x), (const int64_t[]){ __VA_ARGS__ }, BUILD_COUNT(int64_t, __VA_ARGS__))
#define BUILD_RESHAPE(b, x, ...) BUILD((b), "Reshape", (x), BUILD_INTS((b), __VA_ARGS__))

#endif

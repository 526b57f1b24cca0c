/* onnx_operator.h - what the operators of onnx_run.c share. Private to api/onnx_*.c.
 *
 * An operator reads call.in, makes its outputs with call_result() and fills them. Its dimensions come from a stranger's file:
 * whatever is used as an index has been checked against an array's own dimensions first. */
#ifndef GATECAST_API_ONNX_OPERATOR_H
#define GATECAST_API_ONNX_OPERATOR_H

#include "api/onnx.h"

struct onnx_call {
	const struct onnx_graph *graph;
	const struct onnx_node *node;
	const struct onnx_array *in[8];       /* the first of them; NULL: absent */
	const struct onnx_array *value;       /* all of the graph's, for operators with any number of inputs */
	struct onnx_array *out[8];            /* NULL: not wanted */
	struct arena *arena;
	uint64_t *work;
	struct error *e;
};
#define ONNX_CALL_ARRAYS 8

typedef enum err (*onnx_operator)(struct onnx_call *c);

struct onnx_operator_row { const char *name; int inputs /* at least */; onnx_operator run; };
/** Tables that end with a NULL name. */
extern const struct onnx_operator_row onnx_shape_operators[], onnx_math_operators[], onnx_recurrent_operators[];

/** onnx_fail() at the call's node. */
#define call_fail(c, ...) onnx_fail((c)->graph, (c)->node, ERR_INVALID, (c)->e, __VA_ARGS__)
/** Count n operations; ERR_TOO_LARGE when that is too many. */
enum err call_charge(struct onnx_call *c, uint64_t n);
/** Output i of that shape, zeroed, charged by its size. A result that is not wanted is made all the same. */
enum err call_result(struct onnx_call *c, int i, enum onnx_type type, const int *dim, int ndim, float **at);
/** count floats of scratch, zeroed, not charged. */
enum err call_scratch(struct onnx_call *c, size_t count, float **at);
/** Output 0 is input 0 under other dimensions, whose product has been checked. */
enum err call_reshaped(struct onnx_call *c, const int *dim, int ndim);
/** axis, which may count from the end, as 0 … ndim - 1. */
enum err call_axis(struct onnx_call *c, int64_t axis, int ndim, int *out);
/** Whole numbers of the input i or, where it is absent, of the attribute; n = -1: neither is there. At most ONNX_MAX_DIMS. */
enum err call_ints(struct onnx_call *c, int i, const char *attribute, int64_t out[ONNX_MAX_DIMS], int *n);

/* Walks over the places of a shape row by row, with an offset into an array that has other strides. */
struct onnx_walk {
	int ndim, dim[ONNX_MAX_DIMS], at[ONNX_MAX_DIMS];
	ptrdiff_t stride[ONNX_MAX_DIMS], offset;
};
/** Numbers from one place to the next along each axis of a shape. */
void onnx_strides(const int *dim, int ndim, ptrdiff_t *stride);
void onnx_walk_next(struct onnx_walk *w);
/** Strides with which x is read as an array of the shape dim: 0 along an axis that repeats. False: x does not fit. */
bool onnx_broadcast(const struct onnx_array *x, const int *dim, int ndim, struct onnx_walk *w);

#endif

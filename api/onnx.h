/* onnx.h - a graph of ONNX: values, and nodes that make values of others (docs/formats/onnx.md).
 *
 *     input ──► [Transpose] ──► 7 ──► [GRU] ──► 8 ──► [Squeeze] ──► … ──► output
 *                                W, R, B ─┘  initialisers: values that are there from the start
 *
 * A value is an index into graph.value. Each is made once, by the initialisers, the inputs or one node, and a node reads
 * only values with smaller indices than its own outputs: a graph has no cycle because none can be written down.
 *
 * Everything that a graph points to lies in the arena that it was made in, whose cap is the limit of what a file may take. */
#ifndef GATECAST_API_ONNX_H
#define GATECAST_API_ONNX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/base/arena.h"
#include "model/base/error.h"
#include "model/base/strbuf.h"

#define ONNX_MAX_DIMS   8
#define ONNX_MAX_DIM    (1 << 27)
#define ONNX_MAX_PLACES ((size_t)1 << 32)
#define ONNX_MAX_NODES  (1 << 17)
#define ONNX_MAX_VALUES (1 << 19)
#define ONNX_OLDEST     13          /* opsets: before it axes and Softmax meant other things */
#define ONNX_NEWEST     23
#define ONNX_WRITTEN    17

#define ONNX_ABSENT (-1)            /* an input or output of a node that is left out */

/* ONNX's numbers. */
enum onnx_type {
	ONNX_FLOAT = 1, ONNX_UINT8 = 2, ONNX_INT8 = 3, ONNX_INT32 = 6, ONNX_INT64 = 7, ONNX_BOOL = 9,
	ONNX_FLOAT16 = 10, ONNX_DOUBLE = 11, ONNX_BFLOAT16 = 16
};

/* Numbers row by row. Whatever their type they are kept as floats: whole numbers are exact up to 2^24, which no index of
 * ours exceeds; those past 2^31 ("to the end") are kept as 2^31. */
struct onnx_array {
	enum onnx_type type;
	int ndim;
	int dim[ONNX_MAX_DIMS];
	size_t count;
	const float *at;
};

enum onnx_member { ONNX_MEMBER_F = 1, ONNX_MEMBER_I, ONNX_MEMBER_S, ONNX_MEMBER_T, ONNX_MEMBER_FLOATS = 6,
                   ONNX_MEMBER_INTS, ONNX_MEMBER_STRINGS };
struct onnx_attribute {
	const char *name;
	enum onnx_member member;
	double f;
	int64_t i;
	const char *s;                  /* never NULL */
	const struct onnx_array *t;
	int n;                          /* of floats, ints or strings */
	const float *floats;
	const int64_t *ints;
	const char *const *strings;
};

struct onnx_node {
	const char *name, *op;          /* never NULL; the name may be "" */
	int n_in, n_out, n_attributes;
	const int *in, *out;            /* values */
	const struct onnx_attribute *attribute;
};

struct onnx_value {
	const char *name;
	int producer;                   /* the node, or ONNX_ABSENT */
	const struct onnx_array *initialiser;   /* or NULL */
};

/* An input or output of the graph. */
struct onnx_port {
	int value;
	enum onnx_type type;
	int ndim;                       /* -1: not said */
	int dim[ONNX_MAX_DIMS];         /* 0: not said, by the name beside it or without one */
	const char *dim_name[ONNX_MAX_DIMS];
};

struct onnx_graph {
	int opset;
	int n_values, n_nodes, n_inputs, n_outputs, n_initialisers;   /* the initialisers are the first values */
	struct onnx_value *value;
	struct onnx_node *node;
	struct onnx_port *input, *output;
	const char *document;           /* metadata_props.gatecast, or NULL */
};

/** Memory that reading a file of len bytes and proving it may take. */
size_t onnx_budget(size_t len);
/** ERR_SYNTAX: no ONNX file. ERR_INVALID: one that is not accepted; where is the node, the tensor or the value.
 *  ERR_TOO_LARGE: the arena's cap. The bytes are not needed afterwards. */
enum err onnx_parse(const void *bytes, size_t len, struct arena *a, struct onnx_graph *out, struct error *e);
/** A single tensor, as test vectors come. */
enum err onnx_tensor_parse(const void *bytes, size_t len, struct arena *a, struct onnx_array *out, struct error *e);
/** The file of a graph. Works in a; ERR_NOMEM. */
enum err onnx_write(const struct onnx_graph *g, struct arena *a, struct strbuf *out, struct error *e);

/** The attribute of that name, or NULL. */
const struct onnx_attribute *onnx_attribute(const struct onnx_node *n, const char *name);
int64_t onnx_attribute_int(const struct onnx_node *n, const char *name, int64_t otherwise);
double onnx_attribute_float(const struct onnx_node *n, const char *name, double otherwise);
/** The initialiser of that name, or NULL. */
const struct onnx_array *onnx_initialiser(const struct onnx_graph *g, const char *name);
/** A value's name, for messages; "" of ONNX_ABSENT. */
const char *onnx_value_name(const struct onnx_graph *g, int value);
/** fail() at a node: its name, or that of its first output; its operator stands before the sentence. */
enum err onnx_fail(const struct onnx_graph *g, const struct onnx_node *n, enum err code, struct error *e,
                   const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/** Numbers of an array of these dimensions, one that is 0 being taken for 1: what a loop over them costs. */
size_t onnx_places(const int *dim, int ndim);
/** Numbers of an array of these dimensions; false beyond ONNX_MAX_PLACES. Part of an array's dimensions always pass. */
bool onnx_count(const int *dim, int ndim, size_t *out);

#endif

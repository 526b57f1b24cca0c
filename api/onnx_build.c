/* onnx_build.c - see onnx_build.h. */
#include "api/onnx_build.h"

#include <stdio.h>
#include <string.h>

#define ROOM 64
#define PORTS 2
#define NAME_BYTES 16

void build_init(struct onnx_build *b, struct arena *a)
{
	*b = (struct onnx_build){ .arena = a, .graph.opset = ONNX_WRITTEN };
	b->graph.input = arena_calloc(a, PORTS, sizeof *b->graph.input);
	b->graph.output = arena_calloc(a, PORTS, sizeof *b->graph.output);
	b->failed = !b->graph.input || !b->graph.output;
}

enum err build_end(const struct onnx_build *b, struct onnx_graph *out, struct error *e)
{
	if (b->failed)
		return fail_nomem(e);
	*out = b->graph;
	return ERR_OK;
}

/* A copy in the arena, or failure. */
static void *keep(struct onnx_build *b, const void *from, size_t count, size_t size)
{
	void *p = arena_calloc(b->arena, count, size);
	b->failed |= !p;
	if (p && count)
		memcpy(p, from, count * size);
	return p;
}

/* Room for one more element of an array that doubles; false: failed. */
static bool make_room(struct onnx_build *b, void *array, int n, int *room, size_t size)
{
	void *old, *grown;
	if (n < *room)
		return !b->failed;
	memcpy(&old, array, sizeof old);
	grown = arena_calloc(b->arena, n ? 2 * (size_t)n : ROOM, size);
	if (!grown) {
		b->failed = true;
		return false;
	}
	if (n)
		memcpy(grown, old, (size_t)n * size);
	memcpy(array, &grown, sizeof grown);
	*room = n ? 2 * n : ROOM;
	return !b->failed;
}

/* A value; its name is its number where it is given none. */
static int add_value(struct onnx_build *b, const char *name, int producer, const struct onnx_array *initialiser)
{
	struct onnx_graph *g = &b->graph;
	char text[NAME_BYTES];
	if (!make_room(b, &g->value, g->n_values, &b->value_room, sizeof *g->value))
		return 0;
	snprintf(text, sizeof text, "%d", g->n_values);
	g->value[g->n_values] = (struct onnx_value){ name ? name : keep(b, text, 1, sizeof text), producer, initialiser };
	return g->n_values++;
}

int build_initialiser(struct onnx_build *b, const char *name, const int *dim, int ndim, const float *at)
{
	struct onnx_array t = { .type = ONNX_FLOAT, .ndim = ndim, .at = at };
	memcpy(t.dim, dim, (size_t)ndim * sizeof *dim);
	onnx_count(dim, ndim, &t.count);
	b->graph.n_initialisers++;
	return add_value(b, name, ONNX_ABSENT, keep(b, &t, 1, sizeof t));
}

static void port_set(struct onnx_port *p, int value, enum onnx_type type, int ndim, const int *dim,
                     const char *const *dim_name)
{
	*p = (struct onnx_port){ .value = value, .type = type, .ndim = ndim };
	memcpy(p->dim, dim, (size_t)ndim * sizeof *dim);
	memcpy(p->dim_name, dim_name, (size_t)ndim * sizeof *dim_name);
}

int build_input(struct onnx_build *b, const char *name, enum onnx_type type, int ndim, const int *dim,
                const char *const *dim_name)
{
	int value = add_value(b, name, ONNX_ABSENT, NULL);
	if (!b->failed && b->graph.n_inputs < PORTS)
		port_set(&b->graph.input[b->graph.n_inputs++], value, type, ndim, dim, dim_name);
	return value;
}

void build_output(struct onnx_build *b, int value, const char *name, int ndim, const int *dim,
                  const char *const *dim_name)
{
	if (b->failed || b->graph.n_outputs == PORTS)
		return;
	b->graph.value[value].name = name;
	port_set(&b->graph.output[b->graph.n_outputs++], value, ONNX_FLOAT, ndim, dim, dim_name);
}

/* An attribute with the lists and tensors that it points to. */
static void keep_attribute(struct onnx_build *b, struct onnx_attribute *a)
{
	if (a->member == ONNX_MEMBER_INTS)
		a->ints = keep(b, a->ints, (size_t)a->n, sizeof *a->ints);
	if (a->member == ONNX_MEMBER_STRINGS)
		a->strings = keep(b, a->strings, (size_t)a->n, sizeof *a->strings);
	if (a->member == ONNX_MEMBER_T) {
		struct onnx_array t = *a->t;
		t.at = keep(b, t.at, t.count, sizeof *t.at);
		a->t = keep(b, &t, 1, sizeof t);
	}
}

int build_node(struct onnx_build *b, const char *op, const int *in, int n_in, int *out, int n_out,
               const struct onnx_attribute *attribute, int n_attributes)
{
	struct onnx_graph *g = &b->graph;
	int made[BUILD_MAX_OUTPUTS];
	if (!make_room(b, &g->node, g->n_nodes, &b->node_room, sizeof *g->node))
		return 0;
	for (int i = 0; i < n_out; i++)
		made[i] = add_value(b, NULL, g->n_nodes, NULL);
	struct onnx_attribute *own = keep(b, attribute, (size_t)n_attributes, sizeof *own);
	for (int i = 0; own && i < n_attributes; i++)
		keep_attribute(b, &own[i]);
	g->node[g->n_nodes++] = (struct onnx_node){
		.name = "", .op = op, .n_in = n_in, .n_out = n_out, .n_attributes = n_attributes, .attribute = own,
		.in = keep(b, in, (size_t)n_in, sizeof *in), .out = keep(b, made, (size_t)n_out, sizeof *made),
	};
	if (out)
		memcpy(out, made, (size_t)n_out * sizeof *made);
	return made[0];
}

static int build_constant(struct onnx_build *b, enum onnx_type type, const float *at, int n, int ndim)
{
	struct onnx_array t = { .type = type, .ndim = ndim, .dim = { n }, .count = (size_t)n, .at = at };
	const struct onnx_attribute value = { .name = "value", .member = ONNX_MEMBER_T, .t = &t, .s = "" };
	return build_node(b, "Constant", NULL, 0, NULL, 1, &value, 1);
}

int build_ints(struct onnx_build *b, const int64_t *v, int n)
{
	float *at = arena_calloc(b->arena, (size_t)n, sizeof *at);
	if (!at) {
		b->failed = true;
		return 0;
	}
	for (int i = 0; i < n; i++)
		at[i] = (float)v[i];
	return build_constant(b, ONNX_INT64, at, n, 1);
}

int build_int(struct onnx_build *b, int64_t v)
{
	return build_constant(b, ONNX_INT64, &(const float){ (float)v }, 1, 0);
}

int build_float(struct onnx_build *b, float v)
{
	return build_constant(b, ONNX_FLOAT, &v, 1, 0);
}

int build_with(struct onnx_build *b, const char *op, struct onnx_attribute attribute, const int *in, int n_in)
{
	return build_node(b, op, in, n_in, NULL, 1, &attribute, 1);
}

int build_concat(struct onnx_build *b, int axis, const int *in, int n)
{
	return build_with(b, "Concat", attribute_int("axis", axis), in, n);
}

int build_transpose(struct onnx_build *b, int x, const int64_t *perm, int n)
{
	return build_with(b, "Transpose", attribute_ints("perm", perm, n), &x, 1);
}

/* onnx_run.c - see onnx_run.h: the run over a graph, and what its operators share. */
#include "api/onnx_run.h"

#include <string.h>

#include "api/onnx_operator.h"

/* --- for operators -------------------------------------------------------------------------------------------------- */

enum err call_charge(struct onnx_call *c, uint64_t n)
{
	if (n > *c->work)
		return onnx_fail(c->graph, c->node, ERR_TOO_LARGE, c->e, "the graph computes more than is allowed");
	*c->work -= n;
	return ERR_OK;
}

enum err call_scratch(struct onnx_call *c, size_t count, float **at)
{
	*at = arena_calloc(c->arena, count, sizeof **at);
	return *at ? ERR_OK : onnx_fail(c->graph, c->node, ERR_TOO_LARGE, c->e,
	                                "the graph takes more than %zu bytes of memory", c->arena->cap);
}

enum err call_result(struct onnx_call *c, int i, enum onnx_type type, const int *dim, int ndim, float **at)
{
	struct onnx_array made = { .type = type, .ndim = ndim };
	if (ndim > ONNX_MAX_DIMS)
		return call_fail(c, "its result has %d dimensions, the limit is %d", ndim, ONNX_MAX_DIMS);
	if (ndim)
		memcpy(made.dim, dim, (size_t)ndim * sizeof *dim);
	if (!onnx_count(dim, ndim, &made.count))
		return call_fail(c, "the dimensions of its result overflow");
	enum err rc = call_charge(c, onnx_places(dim, ndim));
	if (!rc)
		rc = call_scratch(c, made.count, at);
	if (rc)
		return rc;
	made.at = *at;
	if (c->out[i])
		*c->out[i] = made;
	return ERR_OK;
}

enum err call_reshaped(struct onnx_call *c, const int *dim, int ndim)
{
	const struct onnx_array *x = c->in[0];
	size_t count;
	if (ndim > ONNX_MAX_DIMS || !onnx_count(dim, ndim, &count) || count != x->count)
		return call_fail(c, "%zu numbers do not make the shape asked for", x->count);
	if (!c->out[0])
		return ERR_OK;
	*c->out[0] = *x;
	c->out[0]->ndim = ndim;
	memcpy(c->out[0]->dim, dim, (size_t)ndim * sizeof *dim);
	return ERR_OK;
}

enum err call_axis(struct onnx_call *c, int64_t axis, int ndim, int *out)
{
	if (axis < -ndim || axis >= ndim)
		return call_fail(c, "the axis %lld is none of %d", (long long)axis, ndim);
	*out = (int)(axis < 0 ? axis + ndim : axis);
	return ERR_OK;
}

enum err call_ints(struct onnx_call *c, int i, const char *attribute, int64_t out[ONNX_MAX_DIMS], int *n)
{
	const struct onnx_array *x = i < ONNX_CALL_ARRAYS ? c->in[i] : NULL;
	const struct onnx_attribute *a = onnx_attribute(c->node, attribute);
	size_t count = x ? x->count : a ? (size_t)a->n : 0;
	*n = x || a ? (int)count : -1;
	if (count > ONNX_MAX_DIMS)
		return call_fail(c, "%s has %zu numbers, the limit is %d", attribute, count, ONNX_MAX_DIMS);
	if (!x && a && a->member != ONNX_MEMBER_INTS)
		return call_fail(c, "the attribute %s is no list of whole numbers", attribute);
	for (size_t k = 0; k < count; k++) {
		if (x && !(x->at[k] >= -2147483648.0f && x->at[k] <= 2147483648.0f))
			return call_fail(c, "%s holds a number that is no index", attribute);
		out[k] = x ? (int64_t)x->at[k] : a->ints[k];
	}
	return ERR_OK;
}

void onnx_strides(const int *dim, int ndim, ptrdiff_t *stride)
{
	ptrdiff_t n = 1;
	for (int i = ndim - 1; i >= 0; i--) {
		stride[i] = n;
		n *= dim[i];
	}
}

void onnx_walk_next(struct onnx_walk *w)
{
	for (int i = w->ndim - 1; i >= 0; i--) {
		w->offset += w->stride[i];
		if (++w->at[i] < w->dim[i])
			return;
		w->offset -= w->stride[i] * w->dim[i];
		w->at[i] = 0;
	}
}

bool onnx_broadcast(const struct onnx_array *x, const int *dim, int ndim, struct onnx_walk *w)
{
	ptrdiff_t stride[ONNX_MAX_DIMS];
	*w = (struct onnx_walk){ .ndim = ndim };
	if (x->ndim > ndim)
		return false;
	onnx_strides(x->dim, x->ndim, stride);
	for (int i = 0; i < ndim; i++) {
		int own = i - (ndim - x->ndim);
		w->dim[i] = dim[i];
		if (own >= 0 && x->dim[own] != 1 && x->dim[own] != dim[i])
			return false;
		w->stride[i] = own >= 0 && x->dim[own] == dim[i] ? stride[own] : 0;
	}
	return true;
}

/* --- the run -------------------------------------------------------------------------------------------------------- */

static const struct onnx_operator_row *find_operator(const char *name)
{
	const struct onnx_operator_row *const tables[] = {
		onnx_shape_operators, onnx_math_operators, onnx_recurrent_operators,
	};
	for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
		for (const struct onnx_operator_row *row = tables[i]; row->name; row++)
			if (!strcmp(row->name, name))
				return row;
	return NULL;
}

static enum err run_node(struct onnx_call *c, struct onnx_array *value)
{
	const struct onnx_node *n = c->node;
	const struct onnx_operator_row *row = find_operator(n->op);
	if (!row)
		return call_fail(c, "the operator is not offered");
	if (n->n_in < row->inputs || n->n_out < 1)
		return call_fail(c, "it has %d inputs and %d outputs; it needs at least %d and 1", n->n_in, n->n_out,
		                 row->inputs);
	memset(c->in, 0, sizeof c->in);
	memset(c->out, 0, sizeof c->out);
	for (int i = 0; i < n->n_in && i < ONNX_CALL_ARRAYS; i++)
		c->in[i] = n->in[i] == ONNX_ABSENT ? NULL : &value[n->in[i]];
	for (int i = 0; i < n->n_in; i++)
		if (n->in[i] != ONNX_ABSENT ? !value[n->in[i]].at : i < row->inputs)
			return call_fail(c, "its input %d is missing", i);
	for (int i = 0; i < n->n_out && i < ONNX_CALL_ARRAYS; i++)
		c->out[i] = n->out[i] == ONNX_ABSENT ? NULL : &value[n->out[i]];
	return row->run(c);
}

enum err onnx_run(const struct onnx_graph *g, const struct onnx_array *input, struct arena *a, uint64_t *work,
                  struct onnx_array **value, struct error *e)
{
	uint64_t own = ONNX_RUN_WORK;
	struct onnx_array *v = arena_calloc(a, (size_t)g->n_values, sizeof *v);
	struct onnx_call c = { .graph = g, .value = v, .arena = a, .work = work ? work : &own, .e = e };
	enum err rc = ERR_OK;
	if (!v)
		return fail(e, ERR_TOO_LARGE, "", "the graph takes more than %zu bytes of memory", a->cap);
	for (int i = 0; i < g->n_initialisers; i++)
		v[i] = *g->value[i].initialiser;
	for (int i = 0; i < g->n_inputs; i++)
		v[g->input[i].value] = input[i];
	for (int i = 0; !rc && i < g->n_nodes; i++) {
		c.node = &g->node[i];
		rc = run_node(&c, v);
	}
	if (!rc)
		*value = v;
	return rc;
}

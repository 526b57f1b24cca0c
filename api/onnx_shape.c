/* onnx_shape.c - operators that move numbers about: shapes, parts, orders, constants. */
#include <math.h>
#include <string.h>

#include "api/onnx_operator.h"

/* The numbers at a walk's places, in a row. */
static void copy_walk(struct onnx_walk *w, const float *from, size_t count, float *to)
{
	for (size_t i = 0; i < count; i++, onnx_walk_next(w))
		to[i] = from[w->offset];
}

static enum err run_identity(struct onnx_call *c)
{
	return call_reshaped(c, c->in[0]->dim, c->in[0]->ndim);
}

static enum err run_cast(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	enum onnx_type to = (enum onnx_type)onnx_attribute_int(c->node, "to", 0);
	bool whole = to != ONNX_FLOAT && to != ONNX_DOUBLE && to != ONNX_FLOAT16 && to != ONNX_BFLOAT16;
	float *y;
	enum err rc = call_result(c, 0, to, x->dim, x->ndim, &y);
	for (size_t i = 0; !rc && i < x->count; i++)
		y[i] = to == ONNX_BOOL ? x->at[i] != 0 : whole ? truncf(x->at[i]) : x->at[i];
	return rc;
}

/* --- shapes --------------------------------------------------------------------------------------------------------- */

static enum err run_shape(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t start = onnx_attribute_int(c->node, "start", 0), end = onnx_attribute_int(c->node, "end", x->ndim);
	float *y;
	start = start < -x->ndim ? 0 : start < 0 ? start + x->ndim : start;
	end = end < -x->ndim ? 0 : end < 0 ? end + x->ndim : end > x->ndim ? x->ndim : end;
	int n = end > start ? (int)(end - start) : 0;
	enum err rc = call_result(c, 0, ONNX_INT64, &n, 1, &y);
	for (int i = 0; !rc && i < n; i++)
		y[i] = (float)x->dim[start + i];
	return rc;
}

static enum err run_size(struct onnx_call *c)
{
	float *y;
	enum err rc = call_result(c, 0, ONNX_INT64, NULL, 0, &y);
	if (!rc)
		*y = (float)c->in[0]->count;
	return rc;
}

/* A dimension that a file asks for. */
static enum err to_dim(struct onnx_call *c, int64_t v, int *out)
{
	if (v < 0 || v > ONNX_MAX_DIM)
		return call_fail(c, "the dimension %lld is not within 0 to %d", (long long)v, ONNX_MAX_DIM);
	*out = (int)v;
	return ERR_OK;
}

static enum err run_constant_of_shape(struct onnx_call *c)
{
	const struct onnx_attribute *a = onnx_attribute(c->node, "value");
	int64_t asked[ONNX_MAX_DIMS];
	int dim[ONNX_MAX_DIMS], n;
	size_t count;
	float *y;
	enum err rc = call_ints(c, 0, "shape", asked, &n);
	for (int i = 0; !rc && i < n; i++)
		rc = to_dim(c, asked[i], &dim[i]);
	if (!rc && a && (!a->t || a->t->count != 1))
		rc = call_fail(c, "its value is not one number");
	if (!rc)
		rc = call_result(c, 0, a ? a->t->type : ONNX_FLOAT, dim, n, &y);
	if (rc || !a || !onnx_count(dim, n, &count))
		return rc;
	for (size_t i = 0; i < count; i++)
		y[i] = a->t->at[0];
	return ERR_OK;
}

static enum err run_reshape(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	bool zero = onnx_attribute_int(c->node, "allowzero", 0) != 0;
	int64_t asked[ONNX_MAX_DIMS];
	int dim[ONNX_MAX_DIMS], n, rest = -1;
	size_t known;
	enum err rc = call_ints(c, 1, "shape", asked, &n);
	for (int i = 0; !rc && i < n; i++) {
		if (asked[i] == 0 && !zero && i >= x->ndim)
			return call_fail(c, "dimension %d is to be copied, and there is none", i);
		if (asked[i] == -1 && rest >= 0)
			return call_fail(c, "two dimensions are left open");
		if (asked[i] == -1)
			rest = i;
		rc = to_dim(c, asked[i] == -1 ? 1 : asked[i] == 0 && !zero ? x->dim[i] : asked[i], &dim[i]);
	}
	if (rc)
		return rc;
	if (!onnx_count(dim, n, &known) || (rest >= 0 && (!known || x->count % known)))
		return call_fail(c, "%zu numbers do not make the shape asked for", x->count);
	if (rest >= 0)
		rc = to_dim(c, (int64_t)(x->count / known), &dim[rest]);
	return rc ? rc : call_reshaped(c, dim, n);
}

static enum err run_flatten(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t axis = onnx_attribute_int(c->node, "axis", 1);
	size_t ahead, behind;
	int dim[2];
	axis = axis < 0 ? axis + x->ndim : axis;
	if (axis < 0 || axis > x->ndim)
		return call_fail(c, "the axis is none of %d", x->ndim);
	onnx_count(x->dim, (int)axis, &ahead);
	onnx_count(x->dim + axis, x->ndim - (int)axis, &behind);
	enum err rc = to_dim(c, (int64_t)ahead, &dim[0]);
	if (!rc)
		rc = to_dim(c, (int64_t)behind, &dim[1]);
	return rc ? rc : call_reshaped(c, dim, 2);
}

static enum err run_squeeze(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t axes[ONNX_MAX_DIMS];
	bool gone[ONNX_MAX_DIMS] = { false };
	int dim[ONNX_MAX_DIMS], ndim = 0, n, axis;
	enum err rc = call_ints(c, 1, "axes", axes, &n);
	for (int i = 0; !rc && i < n; i++) {
		rc = call_axis(c, axes[i], x->ndim, &axis);
		if (!rc && x->dim[axis] != 1)
			rc = call_fail(c, "axis %d has %d numbers, not 1", axis, x->dim[axis]);
		if (!rc)
			gone[axis] = true;
	}
	for (int i = 0; !rc && i < x->ndim; i++)
		if (n < 0 ? x->dim[i] != 1 : !gone[i])
			dim[ndim++] = x->dim[i];
	return rc ? rc : call_reshaped(c, dim, ndim);
}

static enum err run_unsqueeze(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t axes[ONNX_MAX_DIMS];
	bool fresh[ONNX_MAX_DIMS] = { false };
	int dim[ONNX_MAX_DIMS], n, axis;
	enum err rc = call_ints(c, 1, "axes", axes, &n);
	if (!rc && (n < 0 || x->ndim + n > ONNX_MAX_DIMS))
		return call_fail(c, "it would have more than %d dimensions, or names no axes", ONNX_MAX_DIMS);
	for (int i = 0; !rc && i < n; i++) {
		rc = call_axis(c, axes[i], x->ndim + n, &axis);
		if (!rc && fresh[axis])
			rc = call_fail(c, "axis %d is named twice", axis);
		if (!rc)
			fresh[axis] = true;
	}
	for (int i = 0, own = 0; !rc && i < x->ndim + n; i++)
		dim[i] = fresh[i] ? 1 : x->dim[own++];
	return rc ? rc : call_reshaped(c, dim, x->ndim + n);
}

/* --- orders and parts ----------------------------------------------------------------------------------------------- */

static enum err run_transpose(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	const struct onnx_attribute *a = onnx_attribute(c->node, "perm");
	struct onnx_walk w = { .ndim = x->ndim };
	ptrdiff_t stride[ONNX_MAX_DIMS];
	unsigned seen = 0;
	float *y;
	if (a && (a->member != ONNX_MEMBER_INTS || a->n != x->ndim))
		return call_fail(c, "perm does not name %d axes", x->ndim);
	onnx_strides(x->dim, x->ndim, stride);
	for (int i = 0; i < x->ndim; i++) {
		int64_t from = a ? a->ints[i] : x->ndim - 1 - i;
		if (from < 0 || from >= x->ndim || seen & 1u << from)
			return call_fail(c, "perm is no order of %d axes", x->ndim);
		seen |= 1u << from;
		w.dim[i] = x->dim[from];
		w.stride[i] = stride[from];
	}
	enum err rc = call_result(c, 0, x->type, w.dim, x->ndim, &y);
	if (!rc)
		copy_walk(&w, x->at, x->count, y);
	return rc;
}

static enum err run_expand(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t asked[ONNX_MAX_DIMS];
	int dim[ONNX_MAX_DIMS], n, ndim;
	struct onnx_walk w;
	size_t count;
	float *y;
	enum err rc = call_ints(c, 1, "shape", asked, &n);
	ndim = n > x->ndim ? n : x->ndim;
	for (int i = 0; !rc && i < ndim; i++) {
		int64_t want = i < ndim - n ? 1 : asked[i - (ndim - n)];
		int own = i < ndim - x->ndim ? 1 : x->dim[i - (ndim - x->ndim)];
		rc = to_dim(c, want == 1 ? own : want, &dim[i]);
	}
	if (!rc && !onnx_broadcast(x, dim, ndim, &w))
		rc = call_fail(c, "its input does not repeat to the shape asked for");
	if (!rc)
		rc = call_result(c, 0, x->type, dim, ndim, &y);
	if (!rc && onnx_count(dim, ndim, &count))
		copy_walk(&w, x->at, count, y);
	return rc;
}

/* One axis cut: begins within 0 … n, ends within -1 … n. */
static void cut(int64_t start, int64_t end, int64_t step, int n, int *first, int *count)
{
	int64_t lowest = step > 0 ? 0 : -1, highest = step > 0 ? n : n - 1;
	start = start < 0 ? start + n : start;
	end = end < 0 ? end + n : end;
	start = start < 0 ? 0 : start > highest ? highest : start;
	end = end < lowest ? lowest : end > n ? n : end;
	int64_t span = step > 0 ? end - start : start - end, stride = step > 0 ? step : -step;
	*first = (int)start;
	*count = span > 0 ? (int)((span + stride - 1) / stride) : 0;
}

static enum err run_slice(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t start[ONNX_MAX_DIMS], end[ONNX_MAX_DIMS], axes[ONNX_MAX_DIMS], step[ONNX_MAX_DIMS];
	int n, n_end, n_axes, n_step, axis, first;
	struct onnx_walk w = { .ndim = x->ndim };
	float *y;
	size_t count;
	enum err rc = call_ints(c, 1, "starts", start, &n);
	if (!rc)
		rc = call_ints(c, 2, "ends", end, &n_end);
	if (!rc)
		rc = call_ints(c, 3, "axes", axes, &n_axes);
	if (!rc)
		rc = call_ints(c, 4, "steps", step, &n_step);
	if (rc)
		return rc;
	if (n_end != n || (n_axes >= 0 && n_axes != n) || (n_step >= 0 && n_step != n) || n > x->ndim)
		return call_fail(c, "starts, ends, axes and steps are not equally many");
	onnx_strides(x->dim, x->ndim, w.stride);
	memcpy(w.dim, x->dim, sizeof w.dim);
	for (int i = 0; i < n; i++) {
		int64_t by = n_step < 0 ? 1 : step[i];
		rc = call_axis(c, n_axes < 0 ? i : axes[i], x->ndim, &axis);
		if (!rc && (!by || by < -ONNX_MAX_DIM || by > ONNX_MAX_DIM))
			rc = call_fail(c, "the step is %lld", (long long)by);
		if (rc)
			return rc;
		cut(start[i], end[i], by, x->dim[axis], &first, &w.dim[axis]);
		w.offset += first * w.stride[axis];
		w.stride[axis] *= by;
	}
	rc = call_result(c, 0, x->type, w.dim, x->ndim, &y);
	if (!rc && onnx_count(w.dim, w.ndim, &count))
		copy_walk(&w, x->at, count, y);
	return rc;
}

/* [ahead][n][behind] around an axis. */
static void around(const struct onnx_array *x, int axis, size_t *ahead, size_t *behind)
{
	onnx_count(x->dim, axis, ahead);
	onnx_count(x->dim + axis + 1, x->ndim - axis - 1, behind);
}

static enum err run_split(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	int64_t part[ONNX_MAX_DIMS];
	int axis, n, dim[ONNX_MAX_DIMS], n_out = c->node->n_out;
	size_t ahead, behind, at = 0;
	enum err rc = call_ints(c, 1, "split", part, &n);
	if (!rc)
		rc = call_axis(c, onnx_attribute_int(c->node, "axis", 0), x->ndim, &axis);
	if (rc)
		return rc;
	if ((n >= 0 && n != n_out) || n_out > ONNX_CALL_ARRAYS)
		return call_fail(c, "%d parts do not go into %d outputs", n, n_out);
	around(x, axis, &ahead, &behind);
	memcpy(dim, x->dim, sizeof dim);
	for (int i = 0; i < n_out; i++) {
		int equal = (x->dim[axis] + n_out - 1) / n_out, left = x->dim[axis] - (int)at;
		int64_t want = n >= 0 ? part[i] : equal < left ? equal : left;
		float *y;
		if (want < 0 || want > left || (i == n_out - 1 && want != left))
			return call_fail(c, "the parts do not make %d numbers", x->dim[axis]);
		dim[axis] = (int)want;
		rc = call_result(c, i, x->type, dim, x->ndim, &y);
		if (rc)
			return rc;
		for (size_t a = 0; a < ahead; a++)
			memcpy(y + a * (size_t)want * behind, x->at + (a * (size_t)x->dim[axis] + at) * behind,
			       (size_t)want * behind * sizeof *y);
		at += (size_t)want;
	}
	return ERR_OK;
}

/* Dimensions of all inputs put together along the axis. */
static enum err concat_dims(struct onnx_call *c, int axis, int *dim)
{
	const struct onnx_node *n = c->node;
	int64_t sum = 0;
	for (int i = 0; i < n->n_in; i++) {
		if (n->in[i] == ONNX_ABSENT)
			return call_fail(c, "its input %d is missing", i);
		const struct onnx_array *x = &c->value[n->in[i]];
		for (int k = 0; k < x->ndim; k++)
			if (x->ndim != c->in[0]->ndim || (k != axis && x->dim[k] != c->in[0]->dim[k]))
				return call_fail(c, "input %d has another shape than the first", i);
		sum += x->ndim ? x->dim[axis] : 0;
	}
	memcpy(dim, c->in[0]->dim, sizeof c->in[0]->dim);
	return to_dim(c, sum, &dim[axis]);
}

static enum err run_concat(struct onnx_call *c)
{
	int axis, dim[ONNX_MAX_DIMS];
	size_t ahead, behind, at = 0;
	float *y;
	enum err rc = call_axis(c, onnx_attribute_int(c->node, "axis", 0), c->in[0]->ndim, &axis);
	if (!rc)
		rc = concat_dims(c, axis, dim);
	if (!rc)
		rc = call_result(c, 0, c->in[0]->type, dim, c->in[0]->ndim, &y);
	if (rc)
		return rc;
	around(c->in[0], axis, &ahead, &behind);
	for (int i = 0; i < c->node->n_in; i++) {
		const struct onnx_array *x = &c->value[c->node->in[i]];
		size_t piece = (size_t)(x->ndim ? x->dim[axis] : 0) * behind;
		for (size_t a = 0; a < ahead && piece; a++)
			memcpy(y + a * (size_t)dim[axis] * behind + at, x->at + a * piece, piece * sizeof *y);
		at += piece;
	}
	return ERR_OK;
}

static enum err run_gather(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0], *index = c->in[1];
	int axis, dim[2 * ONNX_MAX_DIMS], ndim;
	size_t ahead, behind;
	float *y;
	enum err rc = call_axis(c, onnx_attribute_int(c->node, "axis", 0), x->ndim, &axis);
	if (rc)
		return rc;
	ndim = x->ndim - 1 + index->ndim;
	memcpy(dim, x->dim, (size_t)axis * sizeof *dim);
	memcpy(dim + axis, index->dim, (size_t)index->ndim * sizeof *dim);
	memcpy(dim + axis + index->ndim, x->dim + axis + 1, (size_t)(x->ndim - axis - 1) * sizeof *dim);
	around(x, axis, &ahead, &behind);
	rc = call_result(c, 0, x->type, dim, ndim, &y);
	for (size_t i = 0; !rc && i < index->count; i++) {
		float at = index->at[i] < 0 ? index->at[i] + (float)x->dim[axis] : index->at[i];
		if (!(at >= 0 && at < (float)x->dim[axis]))
			return call_fail(c, "the index %g is none of %d", (double)index->at[i], x->dim[axis]);
		for (size_t a = 0; a < ahead; a++)
			memcpy(y + (a * index->count + i) * behind, x->at + (a * (size_t)x->dim[axis] + (size_t)at) * behind,
			       behind * sizeof *y);
	}
	return rc;
}

/* --- constants ------------------------------------------------------------------------------------------------------ */

/* Numbers of an attribute, as a list or, n = -1, as a single one. */
static enum err constant_list(struct onnx_call *c, const struct onnx_attribute *a, enum onnx_type type, int n)
{
	int count = n < 0 ? 1 : n;
	float *y;
	enum err rc = call_result(c, 0, type, &count, n >= 0, &y);
	for (int i = 0; !rc && i < count; i++)
		y[i] = type == ONNX_FLOAT ? n < 0 ? (float)a->f : a->floats[i] : (float)(n < 0 ? a->i : a->ints[i]);
	return rc;
}

static enum err run_constant(struct onnx_call *c)
{
	const struct onnx_attribute *a = c->node->n_attributes ? c->node->attribute : NULL;
	if (a && a->member == ONNX_MEMBER_T && c->out[0])
		*c->out[0] = *a->t;
	else if (a && (a->member == ONNX_MEMBER_F || a->member == ONNX_MEMBER_I))
		return constant_list(c, a, a->member == ONNX_MEMBER_F ? ONNX_FLOAT : ONNX_INT64, -1);
	else if (a && (a->member == ONNX_MEMBER_FLOATS || a->member == ONNX_MEMBER_INTS))
		return constant_list(c, a, a->member == ONNX_MEMBER_FLOATS ? ONNX_FLOAT : ONNX_INT64, a->n);
	else
		return call_fail(c, "it holds no numbers");
	return ERR_OK;
}

static enum err run_range(struct onnx_call *c)
{
	const struct onnx_array *from = c->in[0], *to = c->in[1], *by = c->in[2];
	float *y;
	int n;
	if (from->count != 1 || to->count != 1 || by->count != 1 || !(by->at[0] != 0))
		return call_fail(c, "its inputs are no range");
	double count = ceil(((double)to->at[0] - (double)from->at[0]) / (double)by->at[0]);
	if (!(fabs(count) <= ONNX_MAX_DIM))
		return call_fail(c, "the range has %g numbers", count);
	n = count > 0 ? (int)count : 0;
	enum err rc = call_result(c, 0, from->type, &n, 1, &y);
	for (int i = 0; !rc && i < n; i++)
		y[i] = from->at[0] + (float)i * by->at[0];
	return rc;
}

const struct onnx_operator_row onnx_shape_operators[] = {
	{ "Identity", 1, run_identity }, { "Dropout", 1, run_identity }, { "Cast", 1, run_cast },
	{ "Shape", 1, run_shape }, { "Size", 1, run_size }, { "ConstantOfShape", 1, run_constant_of_shape },
	{ "Reshape", 2, run_reshape }, { "Flatten", 1, run_flatten }, { "Squeeze", 1, run_squeeze },
	{ "Unsqueeze", 2, run_unsqueeze }, { "Transpose", 1, run_transpose }, { "Expand", 2, run_expand },
	{ "Slice", 3, run_slice }, { "Split", 1, run_split }, { "Concat", 1, run_concat }, { "Gather", 2, run_gather },
	{ "Constant", 0, run_constant }, { "Range", 3, run_range }, { NULL, 0, NULL },
};

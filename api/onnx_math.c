/* onnx_math.c - operators that compute: number by number, along axes, products, attention. Sums are in double. */
#include <math.h>
#include <string.h>

#include "api/onnx_operator.h"

/* --- number by number ----------------------------------------------------------------------------------------------- */

static double of_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double of_relu(double x) { return x > 0 ? x : x <= 0 ? 0 : x; }
static double of_neg(double x) { return -x; }
static double of_reciprocal(double x) { return 1 / x; }
static double of_not(double x) { return x == 0; }
static double of_gelu(double x) { return x / 2 * (1 + erf(x * M_SQRT1_2)); }
static double of_gelu_tanh(double x) { return x / 2 * (1 + tanh(M_2_SQRTPI * M_SQRT1_2 * (x + 0.044715 * x * x * x))); }

static const struct { const char *op; double (*of)(double); } unary[] = {
	{ "Sigmoid", of_sigmoid }, { "Relu", of_relu }, { "Neg", of_neg }, { "Reciprocal", of_reciprocal }, { "Not", of_not },
	{ "Tanh", tanh }, { "Sqrt", sqrt }, { "Exp", exp }, { "Log", log }, { "Erf", erf }, { "Abs", fabs }, { "Sin", sin },
	{ "Cos", cos },
};

static enum err apply(struct onnx_call *c, double (*of)(double))
{
	const struct onnx_array *x = c->in[0];
	float *y;
	enum err rc = call_result(c, 0, x->type, x->dim, x->ndim, &y);
	for (size_t i = 0; !rc && i < x->count; i++)
		y[i] = (float)of((double)x->at[i]);
	return rc;
}

static enum err run_unary(struct onnx_call *c)
{
	size_t i = 0;
	while (strcmp(unary[i].op, c->node->op))
		i++;
	return apply(c, unary[i].of);
}

static enum err run_gelu(struct onnx_call *c)
{
	const struct onnx_attribute *a = onnx_attribute(c->node, "approximate");
	return apply(c, a && !strcmp(a->s, "tanh") ? of_gelu_tanh : of_gelu);
}

static double of_add(double a, double b) { return a + b; }
static double of_sub(double a, double b) { return a - b; }
static double of_mul(double a, double b) { return a * b; }
static double of_div(double a, double b) { return a / b; }
static double of_equal(double a, double b) { return a == b; }
static double of_less(double a, double b) { return a < b; }
static double of_greater(double a, double b) { return a > b; }
static double of_at_most(double a, double b) { return a <= b; }
static double of_at_least(double a, double b) { return a >= b; }
static double of_and(double a, double b) { return a != 0 && b != 0; }
static double of_or(double a, double b) { return a != 0 || b != 0; }

static const struct { const char *op; bool truth; double (*of)(double, double); } binary[] = {
	{ "Add", false, of_add }, { "Sub", false, of_sub }, { "Mul", false, of_mul }, { "Div", false, of_div },
	{ "Pow", false, pow }, { "Equal", true, of_equal }, { "Less", true, of_less }, { "Greater", true, of_greater },
	{ "LessOrEqual", true, of_at_most }, { "GreaterOrEqual", true, of_at_least }, { "And", true, of_and }, { "Or", true, of_or },
};

/* The shape that n arrays broadcast to, and a walk over each. */
static enum err broadcast(struct onnx_call *c, int n, int *dim, int *ndim, struct onnx_walk *w)
{
	*ndim = 0;
	for (int i = 0; i < n; i++)
		*ndim = c->in[i]->ndim > *ndim ? c->in[i]->ndim : *ndim;
	for (int k = 0; k < *ndim; k++) {
		dim[k] = 1;
		for (int i = 0; i < n; i++) {
			int own = k - (*ndim - c->in[i]->ndim);
			if (own >= 0 && c->in[i]->dim[own] != 1)
				dim[k] = c->in[i]->dim[own];
		}
	}
	for (int i = 0; i < n; i++)
		if (!onnx_broadcast(c->in[i], dim, *ndim, &w[i]))
			return call_fail(c, "the shapes of its inputs do not fit each other");
	return ERR_OK;
}

static enum err run_binary(struct onnx_call *c)
{
	int dim[ONNX_MAX_DIMS], ndim, op = 0;
	struct onnx_walk w[2];
	size_t count;
	float *y;
	while (strcmp(binary[op].op, c->node->op))
		op++;
	bool whole = c->in[0]->type == ONNX_INT64 || c->in[0]->type == ONNX_INT32;
	enum err rc = broadcast(c, 2, dim, &ndim, w);
	if (!rc)
		rc = call_result(c, 0, binary[op].truth ? ONNX_BOOL : c->in[0]->type, dim, ndim, &y);
	if (rc || !onnx_count(dim, ndim, &count))
		return rc;
	for (size_t i = 0; i < count; i++, onnx_walk_next(&w[0]), onnx_walk_next(&w[1])) {
		double v = binary[op].of((double)c->in[0]->at[w[0].offset], (double)c->in[1]->at[w[1].offset]);
		y[i] = (float)(whole ? trunc(v) : v);
	}
	return ERR_OK;
}

static enum err run_where(struct onnx_call *c)
{
	int dim[ONNX_MAX_DIMS], ndim;
	struct onnx_walk w[3];
	size_t count;
	float *y;
	enum err rc = broadcast(c, 3, dim, &ndim, w);
	if (!rc)
		rc = call_result(c, 0, c->in[1]->type, dim, ndim, &y);
	if (rc || !onnx_count(dim, ndim, &count))
		return rc;
	for (size_t i = 0; i < count; i++) {
		y[i] = c->in[0]->at[w[0].offset] != 0 ? c->in[1]->at[w[1].offset] : c->in[2]->at[w[2].offset];
		for (int k = 0; k < 3; k++)
			onnx_walk_next(&w[k]);
	}
	return ERR_OK;
}

/* --- along axes ----------------------------------------------------------------------------------------------------- */

/* Strides of a result in which the given axes (none: all) are one number; keep says whether they stay as 1. */
static enum err reduced(struct onnx_call *c, struct onnx_walk *w, int *dim, int *ndim)
{
	const struct onnx_array *x = c->in[0];
	bool keep = onnx_attribute_int(c->node, "keepdims", 1) != 0, gone[ONNX_MAX_DIMS] = { false };
	int64_t axes[ONNX_MAX_DIMS];
	ptrdiff_t stride = 1;
	int n, axis;
	enum err rc = call_ints(c, 1, "axes", axes, &n);
	for (int i = 0; !rc && i < n; i++) {
		rc = call_axis(c, axes[i], x->ndim, &axis);
		if (!rc)
			gone[axis] = true;
	}
	*w = (struct onnx_walk){ .ndim = x->ndim };
	memcpy(w->dim, x->dim, sizeof w->dim);
	for (int i = x->ndim - 1; i >= 0; i--) {
		gone[i] |= n <= 0;
		w->stride[i] = gone[i] ? 0 : stride;
		stride *= gone[i] ? 1 : x->dim[i];
	}
	*ndim = 0;
	for (int i = 0; i < x->ndim; i++)
		if (keep || !gone[i])
			dim[(*ndim)++] = gone[i] ? 1 : x->dim[i];
	return rc;
}

static enum err run_reduce(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	bool most = !strcmp(c->node->op, "ReduceMax"), mean = !strcmp(c->node->op, "ReduceMean");
	struct onnx_walk w;
	int dim[ONNX_MAX_DIMS], ndim;
	size_t count;
	float *y;
	enum err rc = reduced(c, &w, dim, &ndim);
	if (!rc)
		rc = call_result(c, 0, x->type, dim, ndim, &y);
	if (rc || !onnx_count(dim, ndim, &count) || !count)
		return rc;
	for (size_t i = 0; most && i < count; i++)
		y[i] = -INFINITY;
	for (size_t i = 0; i < x->count; i++, onnx_walk_next(&w))
		y[w.offset] = !most ? y[w.offset] + x->at[i] : x->at[i] > y[w.offset] ? x->at[i] : y[w.offset];
	for (size_t i = 0; mean && i < count; i++)
		y[i] /= (float)(x->count / count);
	return ERR_OK;
}

/* x as [ahead][n][behind] around an axis. */
struct lines { size_t ahead, n, behind; };

static enum err lines_of(struct onnx_call *c, int64_t otherwise, struct lines *out, int *axis)
{
	const struct onnx_array *x = c->in[0];
	enum err rc = call_axis(c, onnx_attribute_int(c->node, "axis", otherwise), x->ndim, axis);
	if (rc)
		return rc;
	onnx_count(x->dim, *axis, &out->ahead);
	onnx_count(x->dim + *axis + 1, x->ndim - *axis - 1, &out->behind);
	out->n = (size_t)x->dim[*axis];
	return ERR_OK;
}

/* In place, n numbers at a stride. log: their logarithms. */
static void softmax_line(float *x, size_t n, size_t stride, bool log_of)
{
	double most = -INFINITY, sum = 0;
	for (size_t i = 0; i < n; i++)
		most = (double)x[i * stride] > most ? (double)x[i * stride] : most;
	for (size_t i = 0; i < n; i++)
		sum += exp((double)x[i * stride] - most);
	for (size_t i = 0; i < n; i++) {
		double v = (double)x[i * stride] - most;
		x[i * stride] = (float)(log_of ? v - log(sum) : exp(v) / sum);
	}
}

static enum err run_softmax(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	bool log_of = !strcmp(c->node->op, "LogSoftmax");
	struct lines l;
	int axis;
	float *y;
	enum err rc = lines_of(c, -1, &l, &axis);
	if (!rc)
		rc = call_result(c, 0, x->type, x->dim, x->ndim, &y);
	if (rc)
		return rc;
	memcpy(y, x->at, x->count * sizeof *y);
	for (size_t a = 0; a < l.ahead && l.n; a++)
		for (size_t b = 0; b < l.behind; b++)
			softmax_line(y + a * l.n * l.behind + b, l.n, l.behind, log_of);
	return ERR_OK;
}

static enum err run_argmax(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	bool keep = onnx_attribute_int(c->node, "keepdims", 1) != 0;
	int axis, dim[ONNX_MAX_DIMS], ndim = 0;
	struct lines l;
	float *y;
	enum err rc = lines_of(c, 0, &l, &axis);
	for (int i = 0; !rc && i < x->ndim; i++)
		if (keep || i != axis)
			dim[ndim++] = i == axis ? 1 : x->dim[i];
	if (!rc && !l.n)
		rc = call_fail(c, "there is nothing along its axis");
	if (!rc)
		rc = call_result(c, 0, ONNX_INT64, dim, ndim, &y);
	if (rc)
		return rc;
	for (size_t a = 0; a < l.ahead; a++)
		for (size_t b = 0; b < l.behind; b++) {
			const float *line = x->at + a * l.n * l.behind + b;
			size_t best = 0;
			for (size_t i = 1; i < l.n; i++)
				best = line[i * l.behind] > line[best * l.behind] ? i : best;
			y[a * l.behind + b] = (float)best;
		}
	return ERR_OK;
}

/* w and b, which may be NULL, repeat along the row. */
static void norm_row(const float *x, size_t n, double eps, const struct onnx_array *w, const struct onnx_array *b,
                     float *y, float *mean, float *inverse)
{
	double sum = 0, square = 0;
	for (size_t i = 0; i < n; i++)
		sum += (double)x[i];
	sum /= (double)n;
	for (size_t i = 0; i < n; i++)
		square += ((double)x[i] - sum) * ((double)x[i] - sum);
	double scale = 1 / sqrt(square / (double)n + eps);
	for (size_t i = 0; i < n; i++) {
		double weight = (double)w->at[i % w->count], bias = b ? (double)b->at[i % b->count] : 0;
		y[i] = (float)(((double)x[i] - sum) * scale * weight + bias);
	}
	*mean = (float)sum;
	*inverse = (float)scale;
}

static enum err run_layer_normalization(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0], *w = c->in[1], *b = c->in[2];
	int axis, dim[ONNX_MAX_DIMS];
	double eps = onnx_attribute_float(c->node, "epsilon", 1e-5);
	size_t n;
	float *y, *mean, *inverse;
	enum err rc = call_axis(c, onnx_attribute_int(c->node, "axis", -1), x->ndim, &axis);
	if (rc)
		return rc;
	onnx_count(x->dim + axis, x->ndim - axis, &n);
	if (!n || !w->count || n % w->count || (b && (!b->count || n % b->count)))
		return call_fail(c, "its weights do not fit rows of %zu numbers", n);
	for (int i = 0; i < x->ndim; i++)
		dim[i] = i < axis ? x->dim[i] : 1;
	rc = call_result(c, 0, x->type, x->dim, x->ndim, &y);
	if (!rc)
		rc = call_result(c, 1, ONNX_FLOAT, dim, x->ndim, &mean);
	if (!rc)
		rc = call_result(c, 2, ONNX_FLOAT, dim, x->ndim, &inverse);
	for (size_t row = 0; !rc && row < x->count / n; row++)
		norm_row(x->at + row * n, n, eps, w, b, y + row * n, &mean[row], &inverse[row]);
	return rc;
}

/* Inference: y = (x - mean) / sqrt(var + eps) * weight + bias, a channel being axis 1. */
static enum err run_batch_normalization(struct onnx_call *c)
{
	const struct onnx_array *x = c->in[0];
	double eps = onnx_attribute_float(c->node, "epsilon", 1e-5);
	size_t channels = x->ndim > 1 ? (size_t)x->dim[1] : 0, behind = 1;
	float *y;
	for (int i = 1; i < 5; i++)
		if (c->in[i]->count != channels)
			return call_fail(c, "its input %d does not have %zu numbers", i, channels);
	if (onnx_attribute_int(c->node, "training_mode", 0))
		return call_fail(c, "it is in training mode");
	if (x->ndim > 1)
		onnx_count(x->dim + 2, x->ndim - 2, &behind);
	enum err rc = call_result(c, 0, x->type, x->dim, x->ndim, &y);
	for (size_t i = 0; !rc && i < x->count; i++) {
		size_t k = i / behind % channels;
		double scale = (double)c->in[1]->at[k] / sqrt((double)c->in[4]->at[k] + eps);
		y[i] = (float)(((double)x->at[i] - (double)c->in[3]->at[k]) * scale + (double)c->in[2]->at[k]);
	}
	return rc;
}

/* --- products ------------------------------------------------------------------------------------------------------- */

/* y [rows][cols] += a [rows][inner] b [inner][cols], strides between rows and columns. */
struct factor { const float *at; ptrdiff_t row, col; };

static void multiply(struct factor a, struct factor b, int rows, int inner, int cols, double scale, float *y)
{
	for (int i = 0; i < rows; i++)
		for (int j = 0; j < cols; j++) {
			double sum = 0;
			for (int k = 0; k < inner; k++)
				sum += (double)a.at[i * a.row + k * a.col] * (double)b.at[k * b.row + j * b.col];
			y[(size_t)i * (size_t)cols + (size_t)j] += (float)(scale * sum);
		}
}

static enum err charge_product(struct onnx_call *c, uint64_t batch, int rows, int inner, int cols)
{
	uint64_t n = (uint64_t)rows * (uint64_t)cols;   /* each is below 2^28 */
	if (__builtin_mul_overflow(n, (uint64_t)inner, &n) || __builtin_mul_overflow(n, batch, &n))
		n = UINT64_MAX;
	return call_charge(c, n);
}

/* An array as matrices along its last two axes; a vector is a row (a) or a column (b). */
static void as_matrices(const struct onnx_array *x, bool column, struct onnx_array *out)
{
	*out = *x;
	if (x->ndim != 1)
		return;
	out->ndim = 2;
	out->dim[column] = 1;
	out->dim[!column] = x->dim[0];
}

static enum err run_matmul(struct onnx_call *c)
{
	struct onnx_array a, b;
	struct onnx_walk wa, wb;
	int dim[ONNX_MAX_DIMS], ndim;
	size_t batch;
	float *y;
	if (!c->in[0]->ndim || !c->in[1]->ndim)
		return call_fail(c, "a single number is no matrix");
	as_matrices(c->in[0], false, &a);
	as_matrices(c->in[1], true, &b);
	int rows = a.dim[a.ndim - 2], inner = a.dim[a.ndim - 1], cols = b.dim[b.ndim - 1];
	if (b.dim[b.ndim - 2] != inner)
		return call_fail(c, "%d columns meet %d rows", inner, b.dim[b.ndim - 2]);
	a.ndim -= 2;
	b.ndim -= 2;
	ndim = a.ndim > b.ndim ? a.ndim : b.ndim;
	for (int i = 0; i < ndim; i++) {
		int of_a = i < ndim - a.ndim ? 1 : a.dim[i - (ndim - a.ndim)];
		int of_b = i < ndim - b.ndim ? 1 : b.dim[i - (ndim - b.ndim)];
		dim[i] = of_a == 1 ? of_b : of_a;
	}
	if (!onnx_broadcast(&a, dim, ndim, &wa) || !onnx_broadcast(&b, dim, ndim, &wb) || !onnx_count(dim, ndim, &batch))
		return call_fail(c, "the shapes of its inputs do not fit each other");
	enum err rc = charge_product(c, batch, rows, inner, cols);
	if (c->in[0]->ndim > 1)
		dim[ndim++] = rows;
	if (c->in[1]->ndim > 1)
		dim[ndim++] = cols;
	if (!rc)
		rc = call_result(c, 0, c->in[0]->type, dim, ndim, &y);
	for (size_t i = 0; !rc && i < batch; i++, onnx_walk_next(&wa), onnx_walk_next(&wb))
		multiply((struct factor){ c->in[0]->at + wa.offset * rows * inner, inner, 1 },
		         (struct factor){ c->in[1]->at + wb.offset * inner * cols, cols, 1 }, rows, inner, cols, 1,
		         y + i * (size_t)rows * (size_t)cols);
	return rc;
}

static struct factor factor_of(const struct onnx_array *x, bool transposed)
{
	return (struct factor){ x->at, transposed ? 1 : x->dim[1], transposed ? x->dim[1] : 1 };
}

static enum err run_gemm(struct onnx_call *c)
{
	const struct onnx_array *a = c->in[0], *b = c->in[1], *bias = c->in[2];
	bool ta = onnx_attribute_int(c->node, "transA", 0) != 0, tb = onnx_attribute_int(c->node, "transB", 0) != 0;
	double alpha = onnx_attribute_float(c->node, "alpha", 1), beta = onnx_attribute_float(c->node, "beta", 1);
	struct onnx_walk w;
	float *y;
	if (a->ndim != 2 || b->ndim != 2 || a->dim[!ta] != b->dim[tb])
		return call_fail(c, "its inputs are no two matrices that fit");
	int dim[] = { a->dim[ta], b->dim[!tb] };
	if (bias && !onnx_broadcast(bias, dim, 2, &w))
		return call_fail(c, "its third input does not repeat to [%d, %d]", dim[0], dim[1]);
	enum err rc = charge_product(c, 1, dim[0], a->dim[!ta], dim[1]);
	if (!rc)
		rc = call_result(c, 0, a->type, dim, 2, &y);
	if (rc)
		return rc;
	size_t count = (size_t)dim[0] * (size_t)dim[1];
	for (size_t i = 0; bias && i < count; i++, onnx_walk_next(&w))
		y[i] = (float)(beta * (double)bias->at[w.offset]);
	multiply(factor_of(a, ta), factor_of(b, tb), dim[0], a->dim[!ta], dim[1], alpha, y);
	return ERR_OK;
}

/* --- attention ------------------------------------------------------------------------------------------------------ */

/* Q [batch][heads][steps][size], K and V [batch][groups][keys][…]: heads / groups of them share a K and a V. With three
 * dimensions, [batch][steps][heads * size]. */
struct attention {
	int batch, heads, groups, steps, keys, size, values;
	bool flat;
	double scale, softcap;
	bool causal;
	const struct onnx_array *mask;
};

/* Where row t of a head begins. */
static size_t head_row(const struct attention *a, int b, int head, int heads, int t, int steps, int size)
{
	size_t row = a->flat ? ((size_t)b * (size_t)steps + (size_t)t) * (size_t)heads + (size_t)head
		: ((size_t)b * (size_t)heads + (size_t)head) * (size_t)steps + (size_t)t;
	return row * (size_t)size;
}

static enum err attention_shape(struct onnx_call *c, struct attention *a)
{
	const struct onnx_array *q = c->in[0], *k = c->in[1], *v = c->in[2];
	if ((q->ndim != 3 && q->ndim != 4) || k->ndim != q->ndim || v->ndim != q->ndim)
		return call_fail(c, "its inputs do not have three or four dimensions");
	a->flat = q->ndim == 3;
	int64_t heads = a->flat ? onnx_attribute_int(c->node, "q_num_heads", 0) : q->dim[1];
	int64_t groups = a->flat ? onnx_attribute_int(c->node, "kv_num_heads", 0) : k->dim[1];
	if (heads < 1 || groups < 1 || heads > ONNX_MAX_DIM || groups > heads || heads % groups)
		return call_fail(c, "%lld heads over %lld", (long long)heads, (long long)groups);
	a->batch = q->dim[0];
	a->heads = (int)heads;
	a->groups = (int)groups;
	a->steps = q->dim[q->ndim - 2];
	a->keys = k->dim[k->ndim - 2];
	a->size = q->dim[q->ndim - 1] / (a->flat ? a->heads : 1);
	a->values = v->dim[v->ndim - 1] / (a->flat ? a->groups : 1);
	bool fits = k->dim[0] == a->batch && v->dim[0] == a->batch && v->dim[v->ndim - 2] == a->keys && a->size && a->keys;
	if (a->flat)
		fits = fits && q->dim[2] % a->heads == 0 && v->dim[2] % a->groups == 0
			&& (int64_t)a->groups * a->size == k->dim[2];
	else
		fits = fits && k->dim[3] == a->size && v->dim[1] == a->groups;
	return fits ? ERR_OK : call_fail(c, "the shapes of its inputs do not fit each other");
}

/* One query's weights over the keys. */
static void attend_scores(const struct attention *a, const float *q, const float *k, ptrdiff_t k_row, int t,
                          struct onnx_walk *mask, float *score)
{
	for (int s = 0; s < a->keys; s++) {
		double sum = 0;
		for (int i = 0; i < a->size; i++)
			sum += (double)q[i] * (double)k[s * k_row + i];
		sum *= a->scale;
		if (a->softcap > 0)
			sum = a->softcap * tanh(sum / a->softcap);
		if (a->mask) {
			double m = (double)a->mask->at[mask->offset];
			sum = a->mask->type == ONNX_BOOL ? m != 0 ? sum : -INFINITY : sum + m;
			onnx_walk_next(mask);
		}
		score[s] = (float)(a->causal && s > t ? -INFINITY : sum);
	}
	softmax_line(score, (size_t)a->keys, 1, false);
}

static void attend(const struct onnx_call *c, const struct attention *a, struct onnx_walk *mask, float *score, float *y)
{
	ptrdiff_t k_row = a->flat ? a->groups * a->size : a->size, v_row = a->flat ? a->groups * a->values : a->values;
	for (int b = 0; b < a->batch; b++)
		for (int h = 0; h < a->heads; h++) {
			int g = h / (a->heads / a->groups);
			const float *k = c->in[1]->at + head_row(a, b, g, a->groups, 0, a->keys, a->size);
			const float *v = c->in[2]->at + head_row(a, b, g, a->groups, 0, a->keys, a->values);
			for (int t = 0; t < a->steps; t++) {
				attend_scores(a, c->in[0]->at + head_row(a, b, h, a->heads, t, a->steps, a->size), k, k_row, t, mask,
				              score);
				multiply((struct factor){ score, 0, 1 }, (struct factor){ v, v_row, 1 }, 1, a->keys, a->values, 1,
				         y + head_row(a, b, h, a->heads, t, a->steps, a->values));
			}
		}
}

static enum err run_attention(struct onnx_call *c)
{
	struct attention a = { .causal = onnx_attribute_int(c->node, "is_causal", 0) != 0, .mask = c->in[3],
	                       .softcap = onnx_attribute_float(c->node, "softcap", 0) };
	struct onnx_walk mask;
	float *score, *y;
	enum err rc = attention_shape(c, &a);
	if (rc)
		return rc;
	if (c->in[4] || c->in[5])
		return call_fail(c, "keys and values of the past are not read");
	for (int i = 1; i < ONNX_CALL_ARRAYS; i++)
		if (c->out[i])
			return call_fail(c, "its output %d is not made", i);
	const int scores[] = { a.batch, a.heads, a.steps, a.keys };
	if (a.mask && !onnx_broadcast(a.mask, scores, 4, &mask))
		return call_fail(c, "its mask does not fit the scores");
	a.scale = onnx_attribute_float(c->node, "scale", 1 / sqrt(a.size));
	const int whole[] = { a.batch, a.heads, a.steps, a.values }, flat[] = { a.batch, a.steps, a.heads * a.values };
	rc = charge_product(c, (uint64_t)a.batch * (uint64_t)a.heads, a.steps, a.keys, a.size + a.values);
	if (!rc)
		rc = call_scratch(c, (size_t)a.keys, &score);
	if (!rc)
		rc = call_result(c, 0, ONNX_FLOAT, a.flat ? flat : whole, a.flat ? 3 : 4, &y);
	if (!rc)
		attend(c, &a, &mask, score, y);
	return rc;
}

const struct onnx_operator_row onnx_math_operators[] = {
	{ "Sigmoid", 1, run_unary }, { "Relu", 1, run_unary }, { "Neg", 1, run_unary }, { "Reciprocal", 1, run_unary },
	{ "Not", 1, run_unary }, { "Tanh", 1, run_unary }, { "Sqrt", 1, run_unary }, { "Exp", 1, run_unary },
	{ "Log", 1, run_unary }, { "Erf", 1, run_unary }, { "Abs", 1, run_unary }, { "Sin", 1, run_unary },
	{ "Cos", 1, run_unary }, { "Gelu", 1, run_gelu },
	{ "Add", 2, run_binary }, { "Sub", 2, run_binary }, { "Mul", 2, run_binary }, { "Div", 2, run_binary },
	{ "Pow", 2, run_binary }, { "Equal", 2, run_binary }, { "Less", 2, run_binary }, { "Greater", 2, run_binary },
	{ "LessOrEqual", 2, run_binary }, { "GreaterOrEqual", 2, run_binary }, { "And", 2, run_binary }, { "Or", 2, run_binary },
	{ "Where", 3, run_where }, { "ReduceMean", 1, run_reduce }, { "ReduceSum", 1, run_reduce }, { "ReduceMax", 1, run_reduce },
	{ "Softmax", 1, run_softmax }, { "LogSoftmax", 1, run_softmax }, { "ArgMax", 1, run_argmax },
	{ "LayerNormalization", 2, run_layer_normalization }, { "BatchNormalization", 5, run_batch_normalization },
	{ "MatMul", 2, run_matmul }, { "Gemm", 2, run_gemm }, { "Attention", 3, run_attention }, { NULL, 0, NULL },
};

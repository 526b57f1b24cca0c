/* onnx_import.c - see onnx_import.h. */
#include "api/onnx_import.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "api/foreign.h"
#include "api/onnx_cell.h"
#include "api/onnx_run.h"
#include "model/base/rng.h"
#include "model/infer/infer.h"

#define TOLERANCE   1e-4     /* of the largest output */
#define DRAWN_BATCH 3        /* where the file leaves them open: unlike, so that one taken for the other is found out */
#define DRAWN_STEPS 7
#define OTHER_STEPS 4
#define SEED        1

enum cell_input { IN_X, IN_W, IN_R, IN_B, IN_LENGTHS, IN_H, IN_C, IN_P };

/* A recurrent node. */
struct layer {
	const struct onnx_node *node;
	enum cell_type type;
	int directions, hidden, steps, batch;
	bool reverse, batch_first;
	const struct onnx_array *in[8];       /* as computed */
	const struct onnx_array *y;           /* [T][D][B][hid], or with batch_first [B][T][D][hid] */
};

/* The Linear at the end, as [rows][cols]. */
struct head {
	const struct onnx_node *node;         /* the product */
	const struct onnx_array *weight, *bias;
	bool transposed;                      /* weight is [cols][rows] */
};

struct reading {
	const struct onnx_graph *g;
	struct arena *arena;
	uint64_t work;
	struct error *e;
	const struct onnx_array *embedding;   /* [vocabulary][…] of tokens; NULL: numbers go in */
	struct onnx_array input;              /* drawn */
	struct onnx_array *value;             /* what the graph computes of it */
	bool *constant;                       /* [n_values] whatever the input */
	bool batch_first;                     /* the input's first axis is the batch */
	struct layer layer[NET_MAX_LAYERS];
	struct head head;
	bool swapped;                         /* the query's matrix stands behind the key's in the file */
	struct net_spec net;
};

/* --- the graph on drawn numbers ------------------------------------------------------------------------------------- */

/* The size of an axis: the file's, or the drawn one. */
static int axis_size(const struct onnx_port *p, int axis, int otherwise)
{
	return p->dim[axis] ? p->dim[axis] : otherwise;
}

/* The matrix whose rows the tokens choose, before anything is computed: what is drawn depends on it. */
static enum err find_embedding(struct reading *r, const struct onnx_port *p)
{
	const struct onnx_graph *g = r->g;
	for (int k = 0; k < g->n_nodes && !r->embedding; k++) {
		const struct onnx_node *n = &g->node[k];
		bool reads = n->n_in > 0 && n->in[0] != ONNX_ABSENT;
		const struct onnx_array *matrix = reads ? g->value[n->in[0]].initialiser : NULL;
		if (!strcmp(n->op, "Gather") && matrix && matrix->ndim == 2 && matrix->count)
			r->embedding = matrix;
	}
	const char *name = onnx_value_name(g, p->value);
	return r->embedding ? ERR_OK : fail(r->e, ERR_INVALID, name,
	                                    "tokens go in at %.80s, and no Gather of a matrix reads them", name);
}

static enum err check_port(struct reading *r)
{
	const struct onnx_port *p = r->g->input;
	if (r->g->n_inputs != 1 || r->g->n_outputs < 1)
		return fail(r->e, ERR_INVALID, "input",
		            "the graph has %d inputs and %d outputs; one and at least one are expected (initial "
		            "states are zeros)", r->g->n_inputs, r->g->n_outputs);
	const char *name = onnx_value_name(r->g, p->value);
	bool tokens = p->ndim == 2 && (p->type == ONNX_INT64 || p->type == ONNX_INT32);
	if (!tokens && (p->type != ONNX_FLOAT || p->ndim != 3))
		return fail(r->e, ERR_INVALID, name,
		            "the input %.80s is neither [batch, time, columns] floats nor [batch, time] tokens (or "
		            "time first)", name);
	if (tokens)
		return find_embedding(r, p);
	if (p->dim[2] < 1 || p->dim[2] > NET_MAX_INPUTS)
		return fail(r->e, ERR_INVALID, name, "the input %.80s has %d columns, expected 1 to %d", name, p->dim[2],
		            NET_MAX_INPUTS);
	return ERR_OK;
}

/* Draw an input whose open axes have these sizes, and run the graph on it. */
static enum err run_drawn(struct reading *r, int first, int second, struct onnx_array *input, struct onnx_array **value)
{
	const struct onnx_port *p = r->g->input;
	struct rng rng;
	*input = (struct onnx_array){ .type = p->type, .ndim = p->ndim,
	                              .dim = { axis_size(p, 0, first), axis_size(p, 1, second), p->dim[2] } };
	float *at = onnx_count(input->dim, p->ndim, &input->count) ? arena_calloc(r->arena, input->count,
	                                                                          sizeof *at) : NULL;
	if (!at)
		return fail(r->e, ERR_TOO_LARGE, "input", "an input of [%d, %d, …] takes too much memory", input->dim[0],
		            input->dim[1]);
	rng_init(&rng, SEED, RNG_TEST, 0);
	for (size_t i = 0; i < input->count; i++)
		at[i] = r->embedding ? (float)rng_below(&rng,
		                                        (uint64_t)r->embedding->dim[0]) : (float)(2 * rng_uniform(&rng) - 1);
	input->at = at;
	return onnx_run(r->g, input, r->arena, &r->work, value, r->e);
}

/* Mark the values that no input has a part in. */
static enum err find_constants(struct reading *r)
{
	const struct onnx_graph *g = r->g;
	r->constant = arena_calloc(r->arena, (size_t)g->n_values, sizeof *r->constant);
	if (!r->constant)
		return fail(r->e, ERR_TOO_LARGE, "", "the graph takes more than %zu bytes of memory", r->arena->cap);
	for (int i = 0; i < g->n_initialisers; i++)
		r->constant[i] = true;
	for (int k = 0; k < g->n_nodes; k++) {
		const struct onnx_node *n = &g->node[k];
		bool constant = true;
		for (int i = 0; i < n->n_in; i++)
			constant &= n->in[i] == ONNX_ABSENT || r->constant[n->in[i]];
		for (int i = 0; i < n->n_out; i++)
			if (n->out[i] != ONNX_ABSENT)
				r->constant[n->out[i]] = constant;
	}
	return ERR_OK;
}

#define reading_fail(r, node, ...) onnx_fail((r)->g, (node), ERR_INVALID, (r)->e, __VA_ARGS__)

/* --- recurrent nodes ------------------------------------------------------------------------------------------------ */

static bool all_equal(const struct onnx_array *x, float v)
{
	for (size_t i = 0; x && i < x->count; i++)
		if (!(x->at[i] == v))
			return false;
	return true;
}

/* What our cells do not do. */
static enum err check_cell(struct reading *r, const struct layer *l)
{
	for (int i = IN_W; i <= IN_B; i++)
		if (l->in[i] && !r->constant[l->node->in[i]])
			return reading_fail(r, l->node, "its weights are computed from the input");
	if (!all_equal(l->in[IN_LENGTHS], (float)l->steps))
		return reading_fail(r, l->node, "sequence_lens ends sequences early; lengths are not part of a model here");
	if (!all_equal(l->in[IN_H], 0) || !all_equal(l->in[IN_C], 0))
		return reading_fail(r, l->node,
		                    "it does not begin with zeros: an initial state other than zeros is not offered");
	if (!all_equal(l->in[IN_P], 0))
		return reading_fail(r, l->node, "peepholes (input P) are not offered");
	return ERR_OK;
}

/* tanh and sigmoid where they belong; of an RNN tanh or relu. */
static enum err read_activations(struct reading *r, const struct layer *l, bool *relu)
{
	static const char *const gates[] = { "Sigmoid", "Tanh", "Tanh" };
	const struct onnx_attribute *a = onnx_attribute(l->node, "activations");
	int n = l->type == CELL_LSTM ? 3 : l->type == CELL_GRU ? 2 : 1;
	*relu = a && l->type == CELL_RNN && !strcasecmp(a->strings[0], "Relu");
	for (int i = 0; a && i < a->n; i++) {
		const char *want = l->type != CELL_RNN ? gates[i % n] : *relu ? "Relu" : "Tanh";
		if (strcasecmp(a->strings[i], want))
			return reading_fail(r, l->node, "its activation %d is %.40s; %s is what this cell has here", i,
			                    a->strings[i], want);
	}
	return ERR_OK;
}

static void read_layer(const struct reading *r, const struct onnx_node *n, enum cell_type type, struct layer *l)
{
	const struct onnx_attribute *way = onnx_attribute(n, "direction");
	*l = (struct layer){ .node = n, .type = type, .batch_first = onnx_attribute_int(n, "layout", 0) != 0 };
	for (int i = 0; i < n->n_in && i < 8; i++)
		l->in[i] = n->in[i] == ONNX_ABSENT ? NULL : &r->value[n->in[i]];
	l->reverse = way && !strcmp(way->s, "reverse");
	l->directions = l->in[IN_R]->dim[0];
	l->hidden = l->in[IN_R]->dim[2];
	l->steps = l->in[IN_X]->dim[l->batch_first];
	l->batch = l->in[IN_X]->dim[!l->batch_first];
	l->y = n->out[0] == ONNX_ABSENT ? NULL : &r->value[n->out[0]];
}

/* Number u of what a layer says at (t, b): all directions side by side. */
static float layer_output(const struct layer *l, int t, int b, int u)
{
	size_t T = (size_t)l->steps, B = (size_t)l->batch, D = (size_t)l->directions, H = (size_t)l->hidden;
	size_t d = (size_t)u / H;
	size_t row = l->batch_first ? ((size_t)b * T + (size_t)t) * D + d : ((size_t)t * D + d) * B + (size_t)b;
	return l->y->at[row * H + (size_t)u % H];
}

static float layer_input(const struct layer *l, int t, int b, int k)
{
	size_t row = l->batch_first ? (size_t)b * (size_t)l->steps + (size_t)t : (size_t)t * (size_t)l->batch + (size_t)b;
	return l->in[IN_X]->at[row * (size_t)l->in[IN_X]->dim[2] + (size_t)k];
}

/* What the network reads a step: columns, or the numbers of a token's vector. */
static int step_width(const struct reading *r)
{
	return r->embedding ? r->embedding->dim[1] : r->input.dim[2];
}

/* What goes in at row of the input: its columns, or its token's vector. */
static const float *step_numbers(const struct reading *r, size_t row)
{
	size_t width = (size_t)step_width(r);
	return r->embedding ? r->embedding->at + (size_t)r->input.at[row] * width : r->input.at + row * width;
}

/* Whether a layer reads the input, in that order of its axes. */
static bool reads_input(const struct reading *r, const struct layer *l, bool batch_first)
{
	const struct onnx_array *x = &r->input;
	if (x->dim[batch_first] != l->steps || x->dim[!batch_first] != l->batch || step_width(r) != l->in[IN_X]->dim[2])
		return false;
	for (int t = 0; t < l->steps; t++)
		for (int b = 0; b < l->batch; b++) {
			const float *numbers = step_numbers(r, (size_t)(batch_first ? b * x->dim[1] + t : t * x->dim[1] + b));
			for (int k = 0; k < step_width(r); k++)
				if (!(layer_input(l, t, b, k) == numbers[k]))
					return false;
		}
	return true;
}

static bool reads_layer(const struct layer *l, const struct layer *below)
{
	int width = below->directions * below->hidden;
	if (!below->y || l->steps != below->steps || l->batch != below->batch || l->in[IN_X]->dim[2] != width)
		return false;
	for (int t = 0; t < l->steps; t++)
		for (int b = 0; b < l->batch; b++)
			for (int u = 0; u < width; u++)
				if (!(layer_input(l, t, b, u) == layer_output(below, t, b, u)))
					return false;
	return true;
}

/* Whether layer k reads what it should, and is what the first one is. */
static enum err check_place(struct reading *r, int k)
{
	const struct layer *l = &r->layer[k], *first = &r->layer[0];
	if (k == 0) {
		r->batch_first = reads_input(r, l, true);
		return r->batch_first || reads_input(r, l, false) ? ERR_OK
			: reading_fail(r, l->node, "it reads something else than the input, in either order of batch and time");
	}
	if (!reads_layer(l, &r->layer[k - 1]))
		return reading_fail(r, l->node, "it reads something else than the outputs of the recurrent node before it");
	if (l->type != first->type || l->hidden != first->hidden || l->directions != first->directions
	    || l->reverse != first->reverse)
		return reading_fail(r, l->node, "it is not of the same cell, size and direction as the first recurrent node");
	return ERR_OK;
}

static enum err add_layer(struct reading *r, const struct onnx_node *n, enum cell_type type)
{
	struct net_spec *s = &r->net;
	struct layer *l = &r->layer[s->layers];
	bool relu, after = onnx_attribute_int(n, "linear_before_reset", 0) != 0;
	if (s->layers == NET_MAX_LAYERS)
		return reading_fail(r, n, "it is one recurrent node more than %d", NET_MAX_LAYERS);
	read_layer(r, n, type, l);
	enum err rc = check_cell(r, l);
	if (!rc)
		rc = read_activations(r, l, &relu);
	if (!rc)
		rc = check_place(r, s->layers);
	if (!rc && s->layers && (relu != s->relu || after != s->reset_after))
		rc = reading_fail(r, n, "it has another activation or linear_before_reset than the first recurrent node");
	if (rc)
		return rc;
	s->relu = relu;
	s->reset_after = after;
	s->bias |= l->in[IN_B] != NULL;
	s->layers++;
	return ERR_OK;
}

static enum err find_layers(struct reading *r)
{
	for (int k = 0; k < r->g->n_nodes; k++)
		for (int type = 0; type < CELL_COUNT; type++)
			if (onnx_cells[type].op && !strcmp(r->g->node[k].op, onnx_cells[type].op)) {
				enum err rc = add_layer(r, &r->g->node[k], (enum cell_type)type);
				if (rc)
					return rc;
			}
	if (!r->net.layers)
		return fail(r->e, ERR_INVALID, "", "no node of the graph is a GRU, an LSTM or an RNN");
	const struct layer *first = &r->layer[0];
	r->net.encoder = (enum encoder_type)first->type;   /* the first encoders are cells */
	r->net.hidden = first->hidden;
	r->net.inputs = r->embedding ? 1 : r->input.dim[2];
	r->net.vocabulary = r->embedding ? r->embedding->dim[0] : 0;
	r->net.embedding = r->embedding ? r->embedding->dim[1] : 0;
	r->net.bidirectional = first->directions == 2;
	r->net.reverse = first->reverse;
	return ERR_OK;
}

/* --- the Linear at the end ------------------------------------------------------------------------------------------ */

/* The input of a node that is not constant, or ONNX_ABSENT; the other of two goes to *constant. */
static int moving_input(const struct reading *r, const struct onnx_node *n, int *constant)
{
	int moving = ONNX_ABSENT;
	*constant = ONNX_ABSENT;
	for (int i = n->n_in - 1; i >= 0; i--) {
		if (n->in[i] == ONNX_ABSENT)
			continue;
		if (r->constant[n->in[i]])
			*constant = n->in[i];
		else
			moving = n->in[i];
	}
	return moving;
}

static enum err read_gemm(struct reading *r, const struct onnx_node *n)
{
	if (onnx_attribute_int(n, "transA", 0) || onnx_attribute_float(n, "alpha", 1) != 1
	    || (n->n_in > 2 && onnx_attribute_float(n, "beta", 1) != 1))
		return reading_fail(r, n, "alpha, beta or transA makes it another thing than a Linear layer");
	r->head.transposed = !onnx_attribute_int(n, "transB", 0);
	if (n->n_in > 2 && n->in[2] != ONNX_ABSENT && r->constant[n->in[2]])
		r->head.bias = &r->value[n->in[2]];
	return ERR_OK;
}

/* From the output back to the last product with a constant matrix; the last constant vector that was added on the way is
 * its bias. Whatever else lies on the way has to leave the numbers alone: the proof will tell. */
static enum err find_head(struct reading *r)
{
	int v = r->g->output[0].value, constant;
	for (;;) {
		const int producer = r->g->value[v].producer;
		if (producer == ONNX_ABSENT)
			return fail(r->e, ERR_INVALID, onnx_value_name(r->g, v), "no Linear layer stands before the output");
		const struct onnx_node *n = &r->g->node[producer];
		bool gemm = !strcmp(n->op, "Gemm");
		int moving = moving_input(r, n, &constant);
		if (gemm || !strcmp(n->op, "MatMul")) {
			if (n->n_in < 2 || n->in[0] == ONNX_ABSENT || r->constant[n->in[0]] || n->in[1] == ONNX_ABSENT
			    || !r->constant[n->in[1]] || r->value[n->in[1]].ndim != 2)
				return reading_fail(r, n, "it is no product with a constant matrix");
			r->head.node = n;
			r->head.weight = &r->value[n->in[1]];
			r->head.transposed = true;
			return gemm ? read_gemm(r, n) : ERR_OK;
		}
		if (moving == ONNX_ABSENT)
			return reading_fail(r, n, "the output does not come from the input");
		if (!strcmp(n->op, "Add") && constant != ONNX_ABSENT)
			r->head.bias = &r->value[constant];
		v = moving;
	}
}

static int head_rows(const struct head *h)
{
	return h->weight->dim[h->transposed];
}

static enum err check_head(struct reading *r)
{
	const struct head *h = &r->head;
	int width = net_width(&r->net), cols = h->weight->dim[!h->transposed];
	if (cols != width)
		return reading_fail(r, h->node, "its matrix has %d columns, the recurrent nodes have %d units", cols, width);
	if (h->bias && h->bias->count != 1 && h->bias->count != (size_t)head_rows(h))
		return reading_fail(r, h->node, "its bias has %zu numbers, not %d", h->bias->count, head_rows(h));
	return ERR_OK;
}

/* --- weights -------------------------------------------------------------------------------------------------------- */

/* gates of `gate` numbers each, from ONNX's order to ours. */
static void copy_gates(enum cell_type type, const float *theirs, size_t gate, float *ours)
{
	for (int i = 0; i < cell_gates(type); i++)
		memcpy(ours + (size_t)onnx_cells[type].gate[i] * gate, theirs + (size_t)i * gate, gate * sizeof *ours);
}

/* One of the four tensors of a layer's direction: W, R, or half of B (zeros where it has none). */
static void fill_cell(const struct reading *r, const struct cell_name *n, float *out)
{
	static const enum cell_input inputs[] = { [PART_WEIGHT_IH] = IN_W, [PART_WEIGHT_HH] = IN_R, [PART_BIAS_IH] = IN_B,
	                                          [PART_BIAS_HH] = IN_B };
	const struct layer *l = &r->layer[n->layer];
	const struct onnx_array *from = l->in[inputs[n->part]];
	size_t hid = (size_t)l->hidden, rows = (size_t)cell_gates(l->type) * hid, d = (size_t)n->direction;
	if (!from)
		return;
	size_t cols = from->ndim == 3 ? (size_t)from->dim[2] : 1, half = n->part == PART_BIAS_HH ? rows : 0;
	size_t stride = from->ndim == 3 ? rows * cols : 2 * rows;
	copy_gates(l->type, from->at + d * stride + half, hid * cols, out);
}

static void fill_head(const struct reading *r, bool bias, const struct tensor *t, float *out)
{
	const struct head *h = &r->head;
	size_t rows = t->shape[0], cols = t->shape[1];
	for (size_t i = 0; bias && h->bias && i < rows; i++)
		out[i] = h->bias->at[h->bias->count == 1 ? 0 : i];
	for (size_t i = 0; !bias && i < rows; i++)
		for (size_t k = 0; k < cols; k++)
			out[i * cols + k] = h->weight->at[h->transposed ? k * rows + i : i * cols + k];
}

static bool has_shape(const struct onnx_array *a, int ndim, size_t rows, size_t cols)
{
	return a && a->ndim == ndim && (size_t)a->dim[0] == rows && (ndim == 1 || (size_t)a->dim[1] == cols);
}

/* torch.onnx folds a transposition into a matrix and gives it a name of its own ("onnx::MatMul_247"), so there the shape has to
 * do. The query's and the key's have the same one: the proof tells which is which. */
static const struct onnx_array *find_folded(const struct reading *r, const struct tensor *t)
{
	bool query = !strcmp(t->name, "decoder.attention.query.weight"), key = !strcmp(t->name,
	                                                                               "decoder.attention.key.weight");
	int skip = r->net.decoder == DECODER_ATTENTION && (query ? r->swapped : key && !r->swapped);
	for (int i = 0; t->ndim == 2 && i < r->g->n_initialisers; i++) {
		const struct onnx_value *v = &r->g->value[i];
		bool fits = has_shape(v->initialiser, 2, t->shape[1], t->shape[0]);
		if (fits && !strncmp(v->name, "onnx::", strlen("onnx::")) && !skip--)
			return v->initialiser;
	}
	return NULL;
}

static enum err fill_named(const struct reading *r, const struct tensor *t, float *out)
{
	const struct onnx_array *named = onnx_initialiser(r->g, t->name), *folded = named ? NULL : find_folded(r, t);
	if (!folded && !has_shape(named, t->ndim, t->shape[0], t->shape[1]))
		return fail(r->e, ERR_INVALID, t->name,
		            "the initialiser %.80s is missing, or does not have the shape [%zu, %zu]", t->name,
		            t->shape[0], t->shape[1]);
	for (size_t i = 0; i < t->count; i++)
		out[i] = folded ? folded->at[i % t->shape[1] * t->shape[0] + i / t->shape[1]] : named->at[i];
	return ERR_OK;
}

static enum err fill_tensor(const struct reading *r, const struct tensor *t, float *out)
{
	struct cell_name n;
	if (!strncmp(t->name, "encoder.", strlen("encoder.")) && cell_name_parse(t->name, &n))
		fill_cell(r, &n, out);
	else if (!strncmp(t->name, "output.", strlen("output.")))
		fill_head(r, t->ndim == 1, t, out);
	else if (!strcmp(t->name, "embedding.weight"))
		memcpy(out, r->embedding->at, t->count * sizeof *out);
	else
		return fill_named(r, t, out);
	return ERR_OK;
}

/* All of them, zeros at first. */
static enum err fill_weights(const struct reading *r, float **weights, size_t *n_weights)
{
	struct tensor_table table;
	enum err rc = ERR_OK;
	net_tensors(&r->net, &table);
	free(*weights);
	*n_weights = table.count;
	*weights = calloc(table.count, sizeof **weights);
	if (!*weights)
		return fail_nomem(r->e);
	for (int i = 0; !rc && i < table.n; i++)
		rc = fill_tensor(r, &table.tensor[i], *weights + table.tensor[i].offset);
	for (size_t i = 0; !rc && i < table.count; i++)
		if (!isfinite((*weights)[i]))
			rc = fail(r->e, ERR_INVALID, "", "a weight of the graph is not finite");
	return rc;
}

/* --- the proof ------------------------------------------------------------------------------------------------------ */

/* Our network on sequence b of a drawn input; x and y are scratch of a sequence's size. */
static void run_ours(const struct reading *r, const struct infer_model *m, struct infer_ws *w,
                     const struct onnx_array *input, int b, float *x, float *y)
{
	int T = input->dim[r->batch_first], cols = r->net.inputs;
	for (int t = 0; t < T; t++) {
		int row = r->batch_first ? b * input->dim[1] + t : t * input->dim[1] + b;
		memcpy(x + (size_t)t * (size_t)cols, input->at + (size_t)row * (size_t)cols, (size_t)cols * sizeof *x);
	}
	infer_run(m, w, &(struct infer_sequence){ .x = x, .T = T, .y = y }, 1);
}

/* Whether all sequences' answers are the graph's; written as it is, a NaN is no answer. */
static bool same_answers(const struct reading *r, const struct infer_model *m, struct infer_ws *w,
                         const struct onnx_array *input, const struct onnx_array *want, float *x, float *y)
{
	int B = input->dim[!r->batch_first];
	size_t n = (size_t)net_steps(&r->net, input->dim[r->batch_first]) * (size_t)net_outputs(&r->net);
	double largest = 0;
	if (want->count != (size_t)B * n)
		return false;
	for (size_t i = 0; i < want->count; i++)
		largest = fmax(largest, fabs((double)want->at[i]));
	for (int b = 0; b < B; b++) {
		run_ours(r, m, w, input, b, x, y);
		for (size_t i = 0; i < n; i++)
			if (!(fabs((double)y[i] - (double)want->at[(size_t)b * n + i]) <= TOLERANCE * largest))
				return false;
	}
	return true;
}

/* *same: whether our network answers to the input as the graph did. */
static enum err compare(const struct reading *r, const float *weights, const struct onnx_array *input,
                        const struct onnx_array *want, bool *same)
{
	int T = input->dim[r->batch_first];
	struct infer_model *m = NULL;
	struct infer_ws *w = NULL;
	float *x = calloc((size_t)T * (size_t)r->net.inputs, sizeof *x);
	float *y = calloc((size_t)net_steps(&r->net, T) * (size_t)net_outputs(&r->net), sizeof *y);
	enum err rc = x && y ? infer_model_new(&r->net, weights, NULL, &m, r->e) : fail_nomem(r->e);
	if (!rc)
		rc = infer_ws_new(1, &w, r->e);
	if (!rc)
		rc = infer_ws_reserve(w, m, T, r->e);
	if (!rc)
		*same = same_answers(r, m, w, input, want, x, y);
	infer_ws_free(w);
	infer_model_free(m);
	free(x);
	free(y);
	return rc;
}

/* The same for sequences of another length, where the file leaves it open. */
static enum err compare_other(struct reading *r, const float *weights, bool *same)
{
	struct onnx_array input, *value;
	if (r->g->input->dim[r->batch_first])
		return ERR_OK;
	enum err rc = r->batch_first ? run_drawn(r, DRAWN_BATCH, OTHER_STEPS, &input, &value)
		: run_drawn(r, OTHER_STEPS, DRAWN_BATCH, &input, &value);
	return rc ? rc : compare(r, weights, &input, &value[r->g->output[0].value], same);
}

/* --- what the graph is ---------------------------------------------------------------------------------------------- */

static int dim_of(const struct onnx_array *a, int i)
{
	return a && i < a->ndim ? a->dim[i] : 0;
}

/* Our decoder or pool under our names: what the shapes of its initialisers say. */
static void read_decoder(struct reading *r)
{
	const struct onnx_array *key = onnx_initialiser(r->g, "decoder.attention.key.bias");
	const struct onnx_array *ih = onnx_initialiser(r->g, "decoder.cell.weight_ih");
	struct net_spec *s = &r->net;
	s->decoder = ih ? DECODER_ATTENTION : key ? DECODER_POOL : DECODER_LAST;
	s->attention = dim_of(key, 0);
	s->score = key ? SCORE_ADDITIVE : SCORE_DOT;
	s->decoder_input = dim_of(ih, 1) == net_width(s) ? DECODER_CONTEXT : DECODER_CONTEXT_PREVIOUS;
}

/* Tokens go in, so classes come out: a step each, or one of all. */
static enum err classify(struct reading *r, const struct import_options *o)
{
	if (o->horizon || o->targets || o->columns)
		return fail(r->e, ERR_INVALID, o->columns ? "columns" : "horizon",
		            "horizon, targets and columns are of numbers; tokens go in here");
	if (r->net.decoder == DECODER_ATTENTION)
		return fail(r->e, ERR_INVALID, "decoder.cell.weight_ih",
		            "an attention decoder behind tokens is not read from a graph");
	r->net.classes = head_rows(&r->head);
	r->net.targets = r->net.levels = r->net.horizon = 1;
	return ERR_OK;
}

/* What the shapes of input and output say, unless the caller did. */
static void complete_options(const struct reading *r, struct import_options *o)
{
	const struct onnx_array *y = &r->value[r->g->output[0].value];
	const struct onnx_port *x = r->g->input;
	bool sizes = y->ndim == 3
		&& (r->net.decoder == DECODER_ATTENTION || (int64_t)y->dim[1] * y->dim[2] == head_rows(&r->head));
	if (sizes && !r->embedding && !o->horizon && !o->targets) {
		o->horizon = y->dim[1];
		o->targets = y->dim[2];
	}
	if (!o->window)
		o->window = x->dim[r->batch_first];
}

static enum err check_options(const struct import_options *o, struct error *e)
{
	if (o->decoder || o->nonlinearity)
		return fail(e, ERR_INVALID, o->decoder ? "decoder" : "nonlinearity",
		            "a graph says its decoder and nonlinearity itself");
	return ERR_OK;
}

/* The node whose output the Linear reads. */
static const struct onnx_node *before_head(const struct reading *r)
{
	int producer = r->g->value[r->head.node->in[0]].producer;
	return producer == ONNX_ABSENT ? r->head.node : &r->g->node[producer];
}

/* Take the graph for one network after the other, until it is one. */
static enum err prove(struct reading *r, float **weights, size_t *n_weights)
{
	static const enum decoder_type heads[] = { DECODER_LAST, DECODER_MEAN, DECODER_TOKEN };
	const struct onnx_array *want = &r->value[r->g->output[0].value];
	bool open = r->net.decoder == DECODER_LAST, same = false;
	for (int i = 0; i < (open && r->embedding ? 3 : 2); i++) {
		if (open)
			r->net.decoder = heads[i];
		r->swapped = i;
		enum err rc = fill_weights(r, weights, n_weights);
		if (!rc)
			rc = compare(r, *weights, &r->input, want, &same);
		if (!rc && same)
			rc = compare_other(r, *weights, &same);
		if (rc || same)
			return rc;
	}
	return reading_fail(r, before_head(r),
	                    "what the Linear layer reads here is neither the final state nor the mean of the outputs "
	                    "of the recurrent nodes, or the Linear layer is not the last thing that is computed");
}

enum err onnx_import(const struct onnx_graph *g, struct arena *a, struct import_options *o, struct net_spec *out,
                     float **weights, size_t *n_weights, struct error *e)
{
	struct reading r = { .g = g, .arena = a, .work = ONNX_RUN_WORK, .e = e };
	enum err rc = check_options(o, e);
	if (!rc)
		rc = check_port(&r);
	if (!rc)
		rc = run_drawn(&r, DRAWN_BATCH, DRAWN_STEPS, &r.input, &r.value);
	if (!rc)
		rc = find_constants(&r);
	if (!rc)
		rc = find_layers(&r);
	if (!rc)
		rc = find_head(&r);
	if (!rc)
		rc = check_head(&r);
	if (rc)
		return rc;
	read_decoder(&r);
	complete_options(&r, o);
	rc = r.embedding ? classify(&r, o) : import_sizes(o, head_rows(&r.head), &r.net, e);
	if (!rc)
		rc = net_spec_check(&r.net, e);
	if (!rc)
		rc = prove(&r, weights, n_weights);
	*out = r.net;
	return rc;
}

/* test_onnx_gru.c - ONNX's own node tests of GRU, read where Debian's libonnx-testdata puts them, or in
 * $ONNX_NODE_DIR. Where they are absent the test fails.
 *
 * ONNX differs from us in three ways: gates come as z, r, h; B is Wb followed by Rb; linear_before_reset = 0, its
 * default, is our reset_after = false. With layout = 1 the batch is the first axis. */
#include "model/nn/gru.h"

#include "onnx.pb-c.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE_DIR      "/usr/share/libonnx-testdata/data/node"
#define TYPE_FLOAT    1
#define MAX_FILE      65536
#define MAX_BATCH     16

enum input { IN_X, IN_W, IN_R, IN_B, INPUTS };

static size_t file_read(const char *test, const char *name, uint8_t bytes[MAX_FILE])
{
	const char *dir = getenv("ONNX_NODE_DIR");
	char path[4096];
	snprintf(path, sizeof path, "%s/%s/%s", dir ? dir : NODE_DIR, test, name);
	FILE *f = fopen(path, "rb");
	ck_assert_msg(f, "%s cannot be opened: install libonnx-testdata or set ONNX_NODE_DIR", path);
	size_t n = fread(bytes, 1, MAX_FILE, f);
	fclose(f);
	ck_assert_uint_lt(n, MAX_FILE);
	return n;
}

static Onnx__ModelProto *model_read(const char *test)
{
	uint8_t bytes[MAX_FILE];
	size_t n = file_read(test, "model.onnx", bytes);
	Onnx__ModelProto *m = onnx__model_proto__unpack(NULL, n, bytes);
	ck_assert_msg(m && m->graph && m->graph->n_node == 1, "%s: not one node", test);
	ck_assert_str_eq(m->graph->node[0]->op_type, "GRU");
	return m;
}

static int64_t attribute(const Onnx__NodeProto *node, const char *name, int64_t otherwise)
{
	for (size_t i = 0; i < node->n_attribute; i++)
		if (!strcmp(node->attribute[i]->name, name))
			return node->attribute[i]->i;
	return otherwise;
}

struct tensor_data {
	int ndim;
	size_t dim[4], n;
	real *at;
};

static size_t tensor_count(const Onnx__TensorProto *p, struct tensor_data *t)
{
	size_t n = 1;
	t->ndim = (int)p->n_dims;
	for (size_t i = 0; i < p->n_dims; i++) {
		t->dim[i] = (size_t)p->dims[i];
		n *= t->dim[i];
	}
	return n;
}

static void tensor_read(const char *test, const char *kind, int i, struct tensor_data *t)
{
	uint8_t bytes[MAX_FILE];
	char name[64];
	snprintf(name, sizeof name, "test_data_set_0/%s_%d.pb", kind, i);
	Onnx__TensorProto *p = onnx__tensor_proto__unpack(NULL, file_read(test, name, bytes), bytes);
	ck_assert_msg(p && p->data_type == TYPE_FLOAT && p->n_dims <= 4, "%s/%s: not a tensor of floats", test, name);
	t->n = tensor_count(p, t);
	t->at = reals(t->n);
	ck_assert_uint_eq(p->has_raw_data ? p->raw_data.len / sizeof(float) : p->n_float_data, t->n);
	for (size_t k = 0; k < t->n; k++) {
		float f;
		if (p->has_raw_data)
			memcpy(&f, p->raw_data.data + k * sizeof f, sizeof f);
		else
			f = p->float_data[k];
		t->at[k] = f;
	}
	onnx__tensor_proto__free_unpacked(p, NULL);
}

/* Rows of three gates: z, r, n to r, z, n. */
static void gates_copy(const real *zrn, size_t gate, real *rzn)
{
	memcpy(rzn, zrn + gate, gate * sizeof(real));
	memcpy(rzn + gate, zrn, gate * sizeof(real));
	memcpy(rzn + 2 * gate, zrn + 2 * gate, gate * sizeof(real));
}

static void swap_axes(size_t A, size_t B, size_t n, const real *from, real *to)
{
	for (size_t a = 0; a < A; a++)
		for (size_t b = 0; b < B; b++)
			memcpy(to + (b * A + a) * n, from + (a * B + b) * n, n * sizeof(real));
}

/* The layer, and its weights in the order w_ih, w_hh, b_ih, b_hh. */
static struct gru gru_from(const Onnx__NodeProto *node, const struct tensor_data in[INPUTS], real **params)
{
	size_t hid = (size_t)attribute(node, "hidden_size", 0), width = in[IN_W].dim[2], rows = 3 * hid;
	ck_assert_uint_eq(in[IN_W].n, rows * width);
	ck_assert_uint_eq(in[IN_R].n, rows * hid);
	struct gru g = { .in = (int)width, .hid = (int)hid,
	                 .reset_after = attribute(node, "linear_before_reset", 0) != 0 };
	bool bias = in[IN_B].at != NULL;
	g.input = (struct linear){ .in = g.in, .out = 3 * g.hid, .bias = bias };
	g.recurrent = (struct linear){ .in = g.hid, .out = 3 * g.hid, .bias = bias };
	g.recurrent.w = rows * width;
	g.input.b = rows * (width + hid);
	g.recurrent.b = g.input.b + rows;
	*params = reals(g.recurrent.b + rows);
	gates_copy(in[IN_W].at, hid * width, *params);
	gates_copy(in[IN_R].at, hid * hid, *params + g.recurrent.w);
	if (bias) {
		ck_assert_uint_eq(in[IN_B].n, 2 * rows);
		gates_copy(in[IN_B].at, hid, *params + g.input.b);
		gates_copy(in[IN_B].at + rows, hid, *params + g.recurrent.b);
	}
	return g;
}

/* h [T][B][hid] of the layer over x [T][B][in]. */
static real *gru_run(const struct gru *g, const real *params, int T, int B, const real *x)
{
	struct packing p;
	struct gru_tape tape;
	int lengths[MAX_BATCH];
	size_t rows = (size_t)(T * B);
	struct scratch scratch = { 0 };

	ck_assert_int_le(B, MAX_BATCH);
	packing_take(&p, T, B, &scratch);
	gru_tape_take(&tape, g, rows, B, &scratch);
	real *ws = reals(scratch.used);
	scratch = (struct scratch){ .base = ws };
	packing_take(&p, T, B, &scratch);
	gru_tape_take(&tape, g, rows, B, &scratch);
	for (int b = 0; b < B; b++)
		lengths[b] = T;
	packing_fill(&p, lengths);
	gru_forward(g, params, &p, x, NULL, &tape);
	real *h = reals(rows * (size_t)g->hid);
	memcpy(h, tape.h, rows * (size_t)g->hid * sizeof(real));
	free(ws);
	return h;
}

/* Compare the node's outputs, Y and Y_h, those of them that it has. */
static void check_outputs(const char *test, const Onnx__NodeProto *node, const struct gru *g, size_t T, size_t B,
                          bool batch_first, const real *h)
{
	size_t hid = (size_t)g->hid;
	real *all = reals(T * B * hid);
	if (batch_first)
		swap_axes(T, B, hid, h, all);
	else
		memcpy(all, h, T * B * hid * sizeof(real));
	const real *expected[] = { all, h + (T - 1) * B * hid };
	const size_t count[] = { T * B * hid, B * hid };
	int present = 0;
	for (size_t i = 0; i < node->n_output; i++) {
		if (!*node->output[i])
			continue;
		struct tensor_data want;
		tensor_read(test, "output", present++, &want);
		ck_assert_uint_eq(want.n, count[i]);
		check_close(test, want.n, expected[i], want.at, 1e-5, 1e-6);
		free(want.at);
	}
	ck_assert_int_gt(present, 0);
	free(all);
}

static const char *const node_tests[] = {
	"test_gru_defaults",
	"test_gru_seq_length",
	"test_gru_with_initial_bias",
	"test_gru_batchwise",
};

START_TEST(gru_node_matches)
{
	const char *test = node_tests[_i];
	Onnx__ModelProto *model = model_read(test);
	const Onnx__NodeProto *node = model->graph->node[0];
	bool batch_first = attribute(node, "layout", 0) != 0;
	struct tensor_data in[INPUTS] = { 0 };
	real *params;

	ck_assert_uint_le(node->n_input, INPUTS);
	for (size_t i = 0; i < node->n_input; i++)
		tensor_read(test, "input", (int)i, &in[i]);
	struct gru g = gru_from(node, in, &params);
	size_t T = in[IN_X].dim[batch_first ? 1 : 0], B = in[IN_X].dim[batch_first ? 0 : 1];
	real *x = reals(in[IN_X].n);
	if (batch_first)
		swap_axes(B, T, (size_t)g.in, in[IN_X].at, x);
	else
		memcpy(x, in[IN_X].at, in[IN_X].n * sizeof(real));
	real *h = gru_run(&g, params, (int)T, (int)B, x);
	check_outputs(test, node, &g, T, B, batch_first, h);

	for (int i = 0; i < INPUTS; i++)
		free(in[i].at);
	free(params);
	free(x);
	free(h);
	onnx__model_proto__free_unpacked(model, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ONNX GRU, " BUILD);
	TCase *tc = tcase_create("node");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, gru_node_matches, 0, (int)(sizeof node_tests / sizeof *node_tests));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

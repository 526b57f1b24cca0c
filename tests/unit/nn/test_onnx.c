/* test_onnx.c - ONNX's own node tests of GRU, LSTM and RNN.
 *
 * ONNX differs from us in three ways: gates come in another order (the table `operators`); B is Wb followed by Rb;
 * linear_before_reset = 0, its default, is our reset_after = false. With layout = 1 the batch is the first axis.
 * Our LSTM has no peepholes, so test_lstm_with_peepholes is not among them. */
#include "model/nn/cell.h"

#include "onnx_node.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define MAX_BATCH     16

enum input { IN_X, IN_W, IN_R, IN_B, INPUTS };

/* ONNX's gate that is our i-th. */
static const struct operator { const char *name; enum cell_type cell; int gate[4]; } operators[] = {
	{ "GRU",  CELL_GRU,  { 1, 0, 2 } },        /* z r h  to  r z n */
	{ "LSTM", CELL_LSTM, { 0, 2, 3, 1 } },     /* i o f c  to  i f g o */
	{ "RNN",  CELL_RNN,  { 0 } },
};

static const struct operator *operator_of(const Onnx__NodeProto *node)
{
	for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
		if (!strcmp(node->op_type, operators[i].name))
			return &operators[i];
	ck_abort_msg("%s is not a recurrent operator", node->op_type);
	return NULL;
}

/* Matrices or vectors of `gate` numbers a gate. */
static void gates_copy(const struct operator *op, const real *theirs, size_t gate, real *ours)
{
	for (int i = 0; i < cell_gates(op->cell); i++)
		memcpy(ours + (size_t)i * gate, theirs + (size_t)op->gate[i] * gate, gate * sizeof(real));
}

static void swap_axes(size_t A, size_t B, size_t n, const real *from, real *to)
{
	for (size_t a = 0; a < A; a++)
		for (size_t b = 0; b < B; b++)
			memcpy(to + (b * A + a) * n, from + (a * B + b) * n, n * sizeof(real));
}

/* The layer, and its weights in the order w_ih, w_hh, b_ih, b_hh. */
static struct cell cell_from(const Onnx__NodeProto *node, const struct onnx_tensor in[INPUTS], real **params)
{
	const struct operator *op = operator_of(node);
	size_t hid = (size_t)onnx_attribute(node, "hidden_size", 0), width = in[IN_W].dim[2];
	size_t rows = (size_t)cell_gates(op->cell) * hid;
	ck_assert_uint_eq(in[IN_W].n, rows * width);
	ck_assert_uint_eq(in[IN_R].n, rows * hid);
	struct cell c = { .type = op->cell, .in = (int)width, .hid = (int)hid,
	                  .reset_after = onnx_attribute(node, "linear_before_reset", 0) != 0 };
	bool bias = in[IN_B].at != NULL;
	c.input = (struct linear){ .in = c.in, .out = (int)rows, .bias = bias };
	c.recurrent = (struct linear){ .in = c.hid, .out = (int)rows, .bias = bias };
	c.recurrent.w = rows * width;
	c.input.b = rows * (width + hid);
	c.recurrent.b = c.input.b + rows;
	*params = reals(c.recurrent.b + rows);
	gates_copy(op, in[IN_W].at, hid * width, *params);
	gates_copy(op, in[IN_R].at, hid * hid, *params + c.recurrent.w);
	if (bias) {
		ck_assert_uint_eq(in[IN_B].n, 2 * rows);
		gates_copy(op, in[IN_B].at, hid, *params + c.input.b);
		gates_copy(op, in[IN_B].at + rows, hid, *params + c.recurrent.b);
	}
	return c;
}

/* The states after each step, [T][B][hid], of the layer over x [T][B][in]. The caller frees ws. */
static struct cell_state cell_run(const struct cell *c, const real *params, int T, int B, const real *x, real **ws)
{
	struct packing p;
	struct cell_tape tape;
	int lengths[MAX_BATCH];
	size_t rows = (size_t)(T * B);
	struct scratch scratch = { 0 };

	ck_assert_int_le(B, MAX_BATCH);
	packing_take(&p, T, B, &scratch);
	cell_tape_take(&tape, c, rows, B, &scratch);
	*ws = reals(scratch.used);
	scratch = (struct scratch){ .base = *ws };
	packing_take(&p, T, B, &scratch);
	cell_tape_take(&tape, c, rows, B, &scratch);
	for (int b = 0; b < B; b++)
		lengths[b] = T;
	packing_fill(&p, lengths);
	cell_forward(c, params, &p, x, (struct cell_state){ 0 }, &tape);
	return cell_states(c, &tape, 0);
}

/* Compare the node's outputs, Y, Y_h and Y_c, those of them that it has. */
static void check_outputs(const char *test, const Onnx__NodeProto *node, const struct cell *c, size_t T, size_t B,
                          bool batch_first, struct cell_state states)
{
	size_t hid = (size_t)c->hid, last = (T - 1) * B * hid;
	real *all = reals(T * B * hid);
	if (batch_first)
		swap_axes(T, B, hid, states.h, all);
	else
		memcpy(all, states.h, T * B * hid * sizeof(real));
	const real *expected[] = { all, states.h + last, states.c ? states.c + last : NULL };
	const size_t count[] = { T * B * hid, B * hid, B * hid };
	int present = 0;
	for (size_t i = 0; i < node->n_output; i++) {
		if (!*node->output[i])
			continue;
		struct onnx_tensor want;
		onnx_tensor_read(test, "output", present++, &want);
		ck_assert_ptr_nonnull(expected[i]);
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
	"test_lstm_defaults",
	"test_lstm_with_initial_bias",
	"test_lstm_batchwise",
	"test_simple_rnn_defaults",
	"test_simple_rnn_with_initial_bias",
	"test_simple_rnn_batchwise",
	"test_rnn_seq_length",
};

START_TEST(node_matches)
{
	const char *test = node_tests[_i];
	Onnx__ModelProto *model = onnx_model_read(test);
	const Onnx__NodeProto *node = model->graph->node[0];
	bool batch_first = onnx_attribute(node, "layout", 0) != 0;
	struct onnx_tensor in[INPUTS] = { 0 };
	real *params, *ws;

	ck_assert_uint_le(node->n_input, INPUTS);
	for (size_t i = 0; i < node->n_input; i++)
		onnx_tensor_read(test, "input", (int)i, &in[i]);
	struct cell c = cell_from(node, in, &params);
	size_t T = in[IN_X].dim[batch_first ? 1 : 0], B = in[IN_X].dim[batch_first ? 0 : 1];
	real *x = reals(in[IN_X].n);
	if (batch_first)
		swap_axes(B, T, (size_t)c.in, in[IN_X].at, x);
	else
		memcpy(x, in[IN_X].at, in[IN_X].n * sizeof(real));
	struct cell_state states = cell_run(&c, params, (int)T, (int)B, x, &ws);
	check_outputs(test, node, &c, T, B, batch_first, states);

	for (int i = 0; i < INPUTS; i++)
		free(in[i].at);
	free(params);
	free(x);
	free(ws);
	onnx__model_proto__free_unpacked(model, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ONNX, " BUILD);
	TCase *tc = tcase_create("node");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, node_matches, 0, (int)(sizeof node_tests / sizeof *node_tests));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_onnx_rows.c - ONNX's own node tests of what works on each row by itself: LayerNormalization over the axes
 * from `axis` on, and Softmax over the last. */
#include "model/nn/layer_norm.h"
#include "model/nn/softmax.h"

#include "onnx_node.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

static const char *const norm_tests[] = {
	"test_layer_normalization_2d_axis0",
	"test_layer_normalization_2d_axis1",
	"test_layer_normalization_2d_axis_negative_1",
	"test_layer_normalization_2d_axis_negative_2",
	"test_layer_normalization_3d_axis0_epsilon",
	"test_layer_normalization_3d_axis1_epsilon",
	"test_layer_normalization_3d_axis2_epsilon",
	"test_layer_normalization_3d_axis_negative_1_epsilon",
	"test_layer_normalization_3d_axis_negative_2_epsilon",
	"test_layer_normalization_3d_axis_negative_3_epsilon",
	"test_layer_normalization_4d_axis0",
	"test_layer_normalization_4d_axis1",
	"test_layer_normalization_4d_axis2",
	"test_layer_normalization_4d_axis3",
	"test_layer_normalization_4d_axis_negative_1",
	"test_layer_normalization_4d_axis_negative_2",
	"test_layer_normalization_4d_axis_negative_3",
	"test_layer_normalization_4d_axis_negative_4",
	"test_layer_normalization_default_axis",
};

/* Softmax over other axes is of columns, which nobody here has. */
static const char *const softmax_tests[] = {
	"test_softmax_axis_2",
	"test_softmax_default_axis",
	"test_softmax_negative_axis",
	"test_softmax_example",
	"test_softmax_large_number",
};

/* Numbers of a row: those of the axes from `axis`, which may count from the end, on. */
static size_t row_size(const struct onnx_tensor *x, int64_t axis)
{
	size_t n = 1;
	for (int i = (int)(axis < 0 ? axis + x->ndim : axis); i < x->ndim; i++)
		n *= x->dim[i];
	return n;
}

static void check_output(const char *test, int output, size_t n, const real *got)
{
	struct onnx_tensor want;
	onnx_tensor_read(test, "output", output, &want);
	ck_assert_uint_eq(want.n, n);
	check_close(test, n, got, want.at, 1e-5, 1e-6);
	free(want.at);
}

/* Outputs are Y, the rows' means, which we do not keep, and 1 / their deviations. */
START_TEST(layer_normalization_matches)
{
	const char *test = norm_tests[_i];
	Onnx__ModelProto *model = onnx_model_read(test);
	const Onnx__NodeProto *node = model->graph->node[0];
	struct onnx_tensor x, w, b;
	struct layer_norm_tape tape;

	ck_assert_str_eq(node->op_type, "LayerNormalization");
	onnx_tensor_read(test, "input", 0, &x);
	onnx_tensor_read(test, "input", 1, &w);
	onnx_tensor_read(test, "input", 2, &b);
	size_t n = row_size(&x, onnx_attribute(node, "axis", -1)), rows = x.n / n;
	ck_assert(w.n == n && b.n == n);
	real *params = reals(2 * n), *y = reals(x.n), *ws = reals(x.n + rows + 32);
	memcpy(params, w.at, n * sizeof(real));
	memcpy(params + n, b.at, n * sizeof(real));
	struct layer_norm l = { .n = (int)n, .eps = (real)onnx_attribute_float(node, "epsilon", 1e-5), .b = n };
	layer_norm_tape_take(&tape, &l, rows, &(struct scratch){ .base = ws });
	layer_norm_forward(&l, params, (int)rows, x.at, &tape, y);
	check_output(test, 0, x.n, y);
	check_output(test, 2, rows, tape.inverse);

	real *all[] = { x.at, w.at, b.at, params, y, ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	onnx__model_proto__free_unpacked(model, NULL);
}
END_TEST

START_TEST(softmax_matches)
{
	const char *test = softmax_tests[_i];
	Onnx__ModelProto *model = onnx_model_read(test);
	const Onnx__NodeProto *node = model->graph->node[0];
	struct onnx_tensor x;

	ck_assert_str_eq(node->op_type, "Softmax");
	onnx_tensor_read(test, "input", 0, &x);
	size_t n = row_size(&x, onnx_attribute(node, "axis", -1));
	ck_assert_uint_eq(n, x.dim[x.ndim - 1]);
	for (size_t row = 0; row < x.n; row += n)
		softmax((int)n, x.at + row);
	check_output(test, 0, x.n, x.at);
	free(x.at);
	onnx__model_proto__free_unpacked(model, NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ONNX rows, " BUILD);
	TCase *tc = tcase_create("node");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, layer_normalization_matches, 0, (int)(sizeof norm_tests / sizeof *norm_tests));
	tcase_add_loop_test(tc, softmax_matches, 0, (int)(sizeof softmax_tests / sizeof *softmax_tests));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_golden_transformer.c - layer normalisation and a Transformer's layer against PyTorch's values in
 * tests/golden/ ($GOLDEN_DIR). Compiled twice: double must agree to 1e-10, float to 1e-5. */
#include "model/nn/sublayer.h"

#include "golden.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

START_TEST(layer_norm_matches)
{
	enum { ROWS = 3, N = 6 };
	json_t *root = golden_load("layer_norm");
	struct layer_norm l = { .n = N, .eps = (real)golden_number(root, "eps"), .w = 0, .b = N };
	struct layer_norm_tape tape;
	struct scratch measure = { 0 };
	real params[2 * N], dparams[2 * N] = { 0 };

	layer_norm_tape_take(&tape, &l, ROWS, &measure);
	real *ws = reals(measure.used);
	layer_norm_tape_take(&tape, &l, ROWS, &(struct scratch){ .base = ws });
	numbers_read(json_object_get(golden_at(root, "weight"), "data"), N, params);
	numbers_read(json_object_get(golden_at(root, "bias"), "data"), N, params + N);
	real *x = golden_reals(root, "x", ROWS * N), *d = golden_reals(root, "upstream", ROWS * N);

	layer_norm_forward(&l, params, ROWS, x, &tape, x);
	check_golden(root, "y", ROWS * N, x);
	layer_norm_backward(&l, params, ROWS, &tape, dparams, d);
	check_golden(root, "dx", ROWS * N, d);
	check_golden(root, "dweight", N, dparams);
	check_golden(root, "dbias", N, dparams + N);
	free(ws);
	free(x);
	free(d);
	json_decref(root);
}
END_TEST

/* A layer is two sublayers; each tensor's place in the block is that of its name in this list. */
enum tensor_name { IN_W, IN_B, OUT_W, OUT_B, UP_W, UP_B, DOWN_W, DOWN_B, NORM1_W, NORM1_B, NORM2_W, NORM2_B, TENSORS };

static const char *const tensor_names[TENSORS] = {
	"self_attn.in_proj_weight", "self_attn.in_proj_bias", "self_attn.out_proj.weight", "self_attn.out_proj.bias",
	"linear1.weight", "linear1.bias", "linear2.weight", "linear2.bias",
	"norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias",
};

struct layer {
	int S, B, hid, wide;
	size_t place[TENSORS + 1];
	struct sublayer half[2];
	struct sublayer_tape tape[2];
	struct packing packing;
	int lengths[8];
	real *params, *dparams, *ws;
};

static struct linear linear_at(const struct layer *l, enum tensor_name weight, int in, int out)
{
	return (struct linear){ .in = in, .out = out, .bias = true, .w = l->place[weight], .b = l->place[weight + 1] };
}

static struct layer_norm norm_at(const struct layer *l, enum tensor_name weight, real eps)
{
	return (struct layer_norm){ .n = l->hid, .eps = eps, .w = l->place[weight], .b = l->place[weight + 1] };
}

static void layer_take(struct layer *l, struct scratch *s)
{
	packing_take(&l->packing, l->S, l->B, s);
	for (int i = 0; i < 2; i++)
		sublayer_tape_take(&l->tape[i], &l->half[i], (size_t)(l->S * l->B), l->S, s);
}

static void layer_init(struct layer *l, json_t *root)
{
	*l = (struct layer){ .S = golden_int(root, "S"), .B = golden_int(root, "B"),
	                     .hid = golden_int(root, "d_model"), .wide = golden_int(root, "d_ff") };
	char path[96];
	real eps = (real)golden_number(root, "layer_norm_eps");
	for (int i = 0; i < TENSORS; i++) {
		snprintf(path, sizeof path, "params/%s", tensor_names[i]);
		l->place[i + 1] = l->place[i] + json_array_size(json_object_get(golden_at(root, path), "data"));
	}
	l->params = reals(l->place[TENSORS]);
	l->dparams = reals(l->place[TENSORS]);
	for (int i = 0; i < TENSORS; i++) {
		snprintf(path, sizeof path, "params/%s", tensor_names[i]);
		numbers_read(json_object_get(golden_at(root, path), "data"), l->place[i + 1] - l->place[i],
		             l->params + l->place[i]);
	}
	l->half[0] = (struct sublayer){ .type = SUBLAYER_ATTENTION, .norm = norm_at(l, NORM1_W, eps) };
	l->half[0].attention = (struct multihead){ .hid = l->hid, .heads = golden_int(root, "heads"),
	                                           .in = linear_at(l, IN_W, l->hid, 3 * l->hid),
	                                           .out = linear_at(l, OUT_W, l->hid, l->hid) };
	l->half[1] = (struct sublayer){ .type = SUBLAYER_FEEDFORWARD, .norm = norm_at(l, NORM2_W, eps) };
	l->half[1].feedforward = (struct feedforward){ .up = linear_at(l, UP_W, l->hid, l->wide),
	                                               .down = linear_at(l, DOWN_W, l->wide, l->hid) };
	struct scratch measure = { 0 };
	layer_take(l, &measure);
	l->ws = reals(measure.used);
	layer_take(l, &(struct scratch){ .base = l->ws });
	ck_assert_int_le(l->B, 8);
	for (int b = 0; b < l->B; b++)
		l->lengths[b] = l->S;
	packing_fill(&l->packing, l->lengths);
}

START_TEST(layer_matches)
{
	json_t *root = golden_load("transformer_encoder_layer_postnorm_relu");
	struct layer l;
	layer_init(&l, root);
	size_t n = (size_t)(l.S * l.B * l.hid);
	real *torch = golden_reals(root, "x", n), *x = reals(n), *d = reals(n);

	swap_axes(l.B, l.S, l.hid, torch, x);
	sublayer_forward(&l.half[0], l.params, &l.packing, x, NULL, &l.tape[0]);
	sublayer_forward(&l.half[1], l.params, &l.packing, l.tape[0].y, NULL, &l.tape[1]);
	swap_axes(l.S, l.B, l.hid, l.tape[1].y, torch);
	check_golden(root, "y", n, torch);

	numbers_read(json_object_get(golden_at(root, "upstream"), "data"), n, torch);
	swap_axes(l.B, l.S, l.hid, torch, d);
	sublayer_backward(&l.half[1], l.params, &l.packing, l.tape[0].y, NULL, &l.tape[1], l.dparams, d);
	sublayer_backward(&l.half[0], l.params, &l.packing, x, NULL, &l.tape[0], l.dparams, d);
	swap_axes(l.S, l.B, l.hid, d, torch);
	check_golden(root, "dx", n, torch);
	for (int i = 0; i < TENSORS; i++) {
		char path[96];
		snprintf(path, sizeof path, "grads/%s", tensor_names[i]);
		check_golden(root, path, l.place[i + 1] - l.place[i], l.dparams + l.place[i]);
	}
	real *all[] = { l.params, l.dparams, l.ws, torch, x, d };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	json_decref(root);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("golden transformer, " BUILD);
	TCase *tc = tcase_create("torch");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, layer_norm_matches);
	tcase_add_test(tc, layer_matches);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

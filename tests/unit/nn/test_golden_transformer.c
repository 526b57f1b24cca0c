/* test_golden_transformer.c - layer normalisation and a Transformer's layer against PyTorch's values in
 * tests/golden/ ($GOLDEN_DIR). Compiled twice: double must agree to 1e-10, float to 1e-5. */
#include "model/nn/transformer.h"

#include "golden.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* The only layer of an encoder, without what is before and behind it. */
struct layer {
	struct net_spec spec;
	struct tensor_table table;
	struct transformer f;
	struct transformer_tape tape;
	struct packing packing;
	int S, B, lengths[8];
	real *params, *dparams, *ws;
};

static void layer_take(struct layer *l, struct scratch *s)
{
	packing_take(&l->packing, l->S, l->B, s);
	transformer_tape_take(&l->tape, &l->f, l->S, l->B, s);
}

/* A file has the layer's tensors by their names behind "encoder.layers.0.". */
static bool torch_path(const struct tensor *t, const char *where, char path[96])
{
	static const char layer[] = "encoder.layers.0.";
	if (strncmp(t->name, layer, sizeof layer - 1))
		return false;
	snprintf(path, 96, "%s/%s", where, t->name + sizeof layer - 1);
	return true;
}

static void layer_init(struct layer *l, json_t *root)
{
	char path[96];
	*l = (struct layer){ .S = golden_int(root, "S"), .B = golden_int(root, "B") };
	l->spec = (struct net_spec){
		.encoder = ENCODER_TRANSFORMER, .decoder = DECODER_LAST, .inputs = 1, .layers = 1, .targets = 1,
		.levels = 1, .horizon = 1, .hidden = golden_int(root, "d_model"), .heads = golden_int(root, "heads"),
		.feedforward = golden_int(root, "d_ff"),
	};
	net_tensors(&l->spec, &l->table);
	transformer_at(&l->spec, &l->table, &l->f);
	l->params = reals(l->table.count);
	l->dparams = reals(l->table.count);
	for (int i = 0; i < l->table.n; i++) {
		const struct tensor *t = &l->table.tensor[i];
		if (torch_path(t, "params", path))
			numbers_read(json_object_get(golden_at(root, path), "data"), t->count, l->params + t->offset);
	}
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
	char path[96];
	int checked = 0;
	layer_init(&l, root);
	const struct sublayer *half = l.f.sublayer;
	struct sublayer_tape *tape = l.tape.sublayer;
	int hid = l.spec.hidden;
	size_t n = (size_t)(l.S * l.B * hid);
	real *torch = golden_reals(root, "x", n), *x = reals(n), *d = reals(n);

	swap_axes(l.B, l.S, hid, torch, x);
	sublayer_forward(&half[0], l.params, &l.packing, x, NULL, &tape[0]);
	sublayer_forward(&half[1], l.params, &l.packing, tape[0].y, NULL, &tape[1]);
	swap_axes(l.S, l.B, hid, tape[1].y, torch);
	check_golden(root, "y", n, torch);

	numbers_read(json_object_get(golden_at(root, "upstream"), "data"), n, torch);
	swap_axes(l.B, l.S, hid, torch, d);
	sublayer_backward(&half[1], l.params, &l.packing, tape[0].y, NULL, &tape[1], l.dparams, d);
	sublayer_backward(&half[0], l.params, &l.packing, x, NULL, &tape[0], l.dparams, d);
	swap_axes(l.S, l.B, hid, d, torch);
	check_golden(root, "dx", n, torch);
	for (int i = 0; i < l.table.n; i++) {
		const struct tensor *t = &l.table.tensor[i];
		if (!torch_path(t, "grads", path))
			continue;
		check_golden(root, path, t->count, l.dparams + t->offset);
		checked++;
	}
	ck_assert_int_eq(checked, 12);
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

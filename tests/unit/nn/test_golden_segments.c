/* test_golden_segments.c - the segment network against the values of SegRNN's own model in tests/golden/ ($GOLDEN_DIR):
 * the forecast, and the gradients of the mean absolute error in every weight. */
#include "model/nn/network.h"

#include "golden.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

#define FILE_NAME "segrnn_pmf_channel_id"
#define MAX_BATCH 8

/* What each of our tensors is called there. */
static const struct { const char *ours, *theirs; } names[] = {
	{ "segment.weight",          "valueEmbedding.0.weight" },
	{ "segment.bias",            "valueEmbedding.0.bias" },
	{ "encoder.weight_ih_l0",    "rnn.weight_ih_l0" },
	{ "encoder.weight_hh_l0",    "rnn.weight_hh_l0" },
	{ "encoder.bias_ih_l0",      "rnn.bias_ih_l0" },
	{ "encoder.bias_hh_l0",      "rnn.bias_hh_l0" },
	{ "decoder.position.weight", "pos_emb" },
	{ "decoder.channel.weight",  "channel_emb" },
	{ "output.weight",           "predict.1.weight" },
	{ "output.bias",             "predict.1.bias" },
};

#define NAMES ((int)(sizeof names / sizeof *names))

static struct net_spec spec_from(json_t *root)
{
	struct net_spec s = {
		.inputs = golden_int(root, "config/enc_in"), .encoder = ENCODER_GRU,
		.hidden = golden_int(root, "config/d_model"), .layers = 1, .bias = true, .reset_after = true,
		.decoder = DECODER_SEGMENT, .levels = 1, .horizon = golden_int(root, "config/pred_len"),
		.segment = golden_int(root, "config/seg_len"),
	};
	s.targets = s.inputs;
	ck_assert_int_eq(net_spec_check(&s, NULL), ERR_OK);
	return s;
}

/* From [batch][time][channel] there to [T][B][n] here. */
static real *series_from(json_t *root, const char *path, int B, int T, int n)
{
	size_t count = (size_t)(B * T * n);
	real *theirs = golden_reals(root, path, count), *ours = reals(count);
	swap_axes(B, T, n, theirs, ours);
	free(theirs);
	return ours;
}

static const struct tensor *tensor_named(const struct tensor_table *table, int i)
{
	const struct tensor *t = tensor_find(table, names[i].ours);
	ck_assert_ptr_nonnull(t);
	return t;
}

static void params_from(json_t *root, const struct tensor_table *table, real *params)
{
	json_t *theirs = golden_at(root, "params");
	ck_assert_int_eq(table->n, NAMES);
	for (int i = 0; i < NAMES; i++) {
		const struct tensor *t = tensor_named(table, i);
		numbers_read(golden_at(golden_at(theirs, names[i].theirs), "data"), t->count, params + t->offset);
	}
}

static void check_gradients(json_t *root, const struct tensor_table *table, const real *dparams)
{
	json_t *theirs = golden_at(root, "grads");
	for (int i = 0; i < NAMES; i++) {
		const struct tensor *t = tensor_named(table, i);
		check_golden(theirs, names[i].theirs, t->count, dparams + t->offset);
	}
}

START_TEST(segment_network_matches)
{
	json_t *root = golden_load(FILE_NAME);
	struct net_spec s = spec_from(root);
	struct tensor_table table;
	int T = golden_int(root, "config/seq_len"), lengths[MAX_BATCH];
	int B = (int)json_integer_value(json_array_get(golden_at(root, "x/shape"), 0));
	size_t n_y = (size_t)(s.horizon * B * net_outputs(&s));
	ck_assert_int_le(B, MAX_BATCH);
	for (int b = 0; b < B; b++)
		lengths[b] = T;
	net_tensors(&s, &table);
	real *params = reals(table.count), *dparams = reals(table.count);
	real *x = series_from(root, "x", B, T, s.inputs), *target = series_from(root, "target", B, s.horizon, s.targets);
	real *y = reals(n_y), *dy = reals(n_y), *theirs = reals(n_y), *ws = reals(network_scratch(&s, T, B));
	params_from(root, &table, params);

	const struct network_input in = { .T = T, .B = B, .lengths = lengths, .x = x };
	network_forward(&s, params, &in, &(struct network_output){ .y = y }, ws);
	swap_axes(s.horizon, B, s.targets, y, theirs);
	check_golden(root, "y", n_y, theirs);

	for (size_t i = 0; i < n_y; i++)
		dy[i] = (real)(y[i] > target[i] ? 1 : -1) / (real)n_y;
	network_backward(&s, params, &in, dy, dparams, NULL, ws);
	check_gradients(root, &table, dparams);

	real *all[] = { params, dparams, x, target, y, dy, theirs, ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	json_decref(root);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("golden segments, " BUILD);
	TCase *tc = tcase_create("SegRNN");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, segment_network_matches);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

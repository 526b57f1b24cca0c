/* test_spec.c - the limits of a spec, and the table of tensors that it implies. */
#include "model/nn/spec.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static struct net_spec valid_spec(void)
{
	return (struct net_spec){ .inputs = 8, .hidden = 64, .layers = 2, .bias = true, .reset_after = true,
	                          .attention = 32, .targets = 2, .levels = 3, .median_level = 1, .horizon = 5,
	                          .decoder_input = DECODER_CONTEXT_PREVIOUS };
}

/* Set one member of a valid spec out of its limits. */
static void inputs_0(struct net_spec *s)       { s->inputs = 0; }
static void inputs_many(struct net_spec *s)    { s->inputs = NET_MAX_INPUTS + 1; }
static void hidden_negative(struct net_spec *s) { s->hidden = -1; }
static void hidden_many(struct net_spec *s)    { s->hidden = NET_MAX_HIDDEN + 1; }
static void layers_0(struct net_spec *s)       { s->layers = 0; }
static void layers_many(struct net_spec *s)    { s->layers = NET_MAX_LAYERS + 1; }
static void attention_0(struct net_spec *s)    { s->attention = 0; }
static void targets_many(struct net_spec *s)   { s->targets = NET_MAX_TARGETS + 1; }
static void levels_many(struct net_spec *s)    { s->levels = NET_MAX_LEVELS + 1; }
static void median_beyond(struct net_spec *s)  { s->median_level = 3; }
static void horizon_many(struct net_spec *s)   { s->horizon = NET_MAX_HORIZON + 1; }
static void dropout_1(struct net_spec *s)      { s->dropout = 1; }
static void dropout_negative(struct net_spec *s) { s->dropout = -0.1; }
static void dropout_nan(struct net_spec *s)    { s->dropout = NAN; }
static void input_unknown(struct net_spec *s)  { s->decoder_input = (enum decoder_input)2; }
static void too_heavy(struct net_spec *s)      { s->hidden = NET_MAX_HIDDEN; s->layers = NET_MAX_LAYERS; }

static void encoder_unknown(struct net_spec *s) { s->encoder = (enum encoder_type)4; }
static void decoder_unknown(struct net_spec *s) { s->decoder = (enum decoder_type)3; }
static void score_unknown(struct net_spec *s)  { s->score = (enum score_type)2; }
static void dot_with_space(struct net_spec *s) { s->score = SCORE_DOT; }
static void last_with_space(struct net_spec *s) { s->decoder = DECODER_LAST; }
static void width_many(struct net_spec *s)     { s->bidirectional = true; s->hidden = NET_MAX_HIDDEN / 2 + 1; }
static void head_heavy(struct net_spec *s)
{
	s->decoder = DECODER_MEAN;
	s->attention = 0;
	s->horizon = NET_MAX_HORIZON;
	s->targets = NET_MAX_TARGETS;
	s->levels = NET_MAX_LEVELS;
}

static void transformer_of(struct net_spec *s, int heads)
{
	s->encoder = ENCODER_TRANSFORMER;
	s->heads = heads;
	s->feedforward = 128;
}

static void heads_0(struct net_spec *s)        { transformer_of(s, 0); }
static void heads_odd(struct net_spec *s)      { transformer_of(s, 3); }
static void feedforward_0(struct net_spec *s)  { transformer_of(s, 4); s->feedforward = 0; }
static void both_ways(struct net_spec *s)      { transformer_of(s, 4); s->bidirectional = true; }

static const struct { void (*spoil)(struct net_spec *); const char *where, *what; } bad_cases[] = {
	{ inputs_0,         "inputs",        "1 ... 256" },
	{ inputs_many,      "inputs",        "257" },
	{ hidden_negative,  "hidden",        "1 ... 2048" },
	{ hidden_many,      "hidden",        "2049" },
	{ layers_0,         "layers",        "1 ... 8" },
	{ layers_many,      "layers",        "9" },
	{ attention_0,      "attention",     "1 ... 2048" },
	{ targets_many,     "targets",       "1 ... 64" },
	{ levels_many,      "levels",        "1 ... 33" },
	{ median_beyond,    "median_level",  "0 ... 2" },
	{ horizon_many,     "horizon",       "1 ... 1000" },
	{ dropout_1,        "dropout",       "[0, 1)" },
	{ dropout_negative, "dropout",       "[0, 1)" },
	{ dropout_nan,      "dropout",       "[0, 1)" },
	{ input_unknown,    "decoder_input", "context" },
	{ too_heavy,        "hidden",        "67108864" },
	{ encoder_unknown,  "encoder",       "gru, lstm, rnn or transformer" },
	{ decoder_unknown,  "decoder",       "attention, last or mean" },
	{ score_unknown,    "score",         "additive or dot" },
	{ dot_with_space,   "attention",     "0 ... 0" },
	{ last_with_space,  "attention",     "0 ... 0" },
	{ width_many,       "hidden",        "1 ... 1024" },
	{ head_heavy,       "hidden",        "67108864" },
	{ heads_0,          "heads",         "1 ... 64" },
	{ heads_odd,        "heads",         "3 does not divide 64" },
	{ feedforward_0,    "feedforward",   "1 ... 8192" },
	{ both_ways,        "bidirectional", "recurrent" },
};

START_TEST(limits_are_named)
{
	struct net_spec s = valid_spec();
	struct error e = { 0 };
	bad_cases[_i].spoil(&s);
	ck_assert_int_eq(net_spec_check(&s, &e), ERR_INVALID);
	ck_assert_int_eq(e.code, ERR_INVALID);
	ck_assert_str_eq(e.where, bad_cases[_i].where);
	ck_assert_msg(strstr(e.what, bad_cases[_i].what), "\"%s\" does not say %s", e.what, bad_cases[_i].what);
	ck_assert_int_eq(net_spec_check(&s, NULL), ERR_INVALID);
}
END_TEST

struct expected { const char *name; int ndim; size_t rows, cols; };

/* The sizes of valid_spec(), as documents mean it that name none of the later choices. */
static const struct expected plain_tensors[] = {
	{ "encoder.weight_ih_l0",           2, 192, 8 },
	{ "encoder.weight_hh_l0",           2, 192, 64 },
	{ "encoder.bias_ih_l0",             1, 192, 0 },
	{ "encoder.bias_hh_l0",             1, 192, 0 },
	{ "encoder.weight_ih_l1",           2, 192, 64 },
	{ "encoder.weight_hh_l1",           2, 192, 64 },
	{ "encoder.bias_ih_l1",             1, 192, 0 },
	{ "encoder.bias_hh_l1",             1, 192, 0 },
	{ "decoder.attention.query.weight", 2, 32,  64 },
	{ "decoder.attention.key.weight",   2, 32,  64 },
	{ "decoder.attention.key.bias",     1, 32,  0 },
	{ "decoder.attention.score.weight", 2, 1,   32 },
	{ "decoder.cell.weight_ih",         2, 192, 66 },
	{ "decoder.cell.weight_hh",         2, 192, 64 },
	{ "decoder.cell.bias_ih",           1, 192, 0 },
	{ "decoder.cell.bias_hh",           1, 192, 0 },
	{ "output.weight",                  2, 6,   64 },
	{ "output.bias",                    1, 6,   0 },
};

static void as_it_is(struct net_spec *s)
{
	(void)s;
}

static const struct expected lstm_both_dot_tensors[] = {
	{ "encoder.weight_ih_l0",           2, 256, 8 },
	{ "encoder.weight_hh_l0",           2, 256, 64 },
	{ "encoder.bias_ih_l0",             1, 256, 0 },
	{ "encoder.bias_hh_l0",             1, 256, 0 },
	{ "encoder.weight_ih_l0_reverse",   2, 256, 8 },
	{ "encoder.weight_hh_l0_reverse",   2, 256, 64 },
	{ "encoder.bias_ih_l0_reverse",     1, 256, 0 },
	{ "encoder.bias_hh_l0_reverse",     1, 256, 0 },
	{ "encoder.weight_ih_l1",           2, 256, 128 },
	{ "encoder.weight_hh_l1",           2, 256, 64 },
	{ "encoder.bias_ih_l1",             1, 256, 0 },
	{ "encoder.bias_hh_l1",             1, 256, 0 },
	{ "encoder.weight_ih_l1_reverse",   2, 256, 128 },
	{ "encoder.weight_hh_l1_reverse",   2, 256, 64 },
	{ "encoder.bias_ih_l1_reverse",     1, 256, 0 },
	{ "encoder.bias_hh_l1_reverse",     1, 256, 0 },
	{ "decoder.cell.weight_ih",         2, 512, 130 },
	{ "decoder.cell.weight_hh",         2, 512, 128 },
	{ "decoder.cell.bias_ih",           1, 512, 0 },
	{ "decoder.cell.bias_hh",           1, 512, 0 },
	{ "output.weight",                  2, 6,   128 },
	{ "output.bias",                    1, 6,   0 },
};

static void lstm_both_dot(struct net_spec *s)
{
	s->encoder = ENCODER_LSTM;
	s->bidirectional = true;
	s->score = SCORE_DOT;
	s->attention = 0;
}

static const struct expected rnn_additive_tensors[] = {
	{ "encoder.weight_ih_l0",           2, 64,  8 },
	{ "encoder.weight_hh_l0",           2, 64,  64 },
	{ "decoder.attention.query.weight", 2, 32,  64 },
	{ "decoder.attention.key.weight",   2, 32,  64 },
	{ "decoder.attention.key.bias",     1, 32,  0 },
	{ "decoder.attention.score.weight", 2, 1,   32 },
	{ "decoder.cell.weight_ih",         2, 192, 66 },    /* a GRU's */
	{ "decoder.cell.weight_hh",         2, 192, 64 },
	{ "output.weight",                  2, 6,   64 },
	{ "output.bias",                    1, 6,   0 },
};

static void rnn_additive(struct net_spec *s)
{
	s->encoder = ENCODER_RNN;
	s->bias = false;
	s->layers = 1;
}

static const struct expected rnn_both_mean_tensors[] = {
	{ "encoder.weight_ih_l0",           2, 64,  8 },
	{ "encoder.weight_hh_l0",           2, 64,  64 },
	{ "encoder.weight_ih_l0_reverse",   2, 64,  8 },
	{ "encoder.weight_hh_l0_reverse",   2, 64,  64 },
	{ "output.weight",                  2, 30,  128 },
	{ "output.bias",                    1, 30,  0 },
};

static void rnn_both_mean(struct net_spec *s)
{
	rnn_additive(s);
	s->bidirectional = true;
	s->decoder = DECODER_MEAN;
	s->attention = 0;
}

static const struct expected transformer_tensors[] = {
	{ "encoder.embedding.weight",                    2, 64,  8 },
	{ "encoder.embedding.bias",                      1, 64,  0 },
	{ "encoder.layers.0.self_attn.in_proj_weight",   2, 192, 64 },
	{ "encoder.layers.0.self_attn.in_proj_bias",     1, 192, 0 },
	{ "encoder.layers.0.self_attn.out_proj.weight",  2, 64,  64 },
	{ "encoder.layers.0.self_attn.out_proj.bias",    1, 64,  0 },
	{ "encoder.layers.0.linear1.weight",             2, 128, 64 },
	{ "encoder.layers.0.linear1.bias",               1, 128, 0 },
	{ "encoder.layers.0.linear2.weight",             2, 64,  128 },
	{ "encoder.layers.0.linear2.bias",               1, 64,  0 },
	{ "encoder.layers.0.norm1.weight",               1, 64,  0 },
	{ "encoder.layers.0.norm1.bias",                 1, 64,  0 },
	{ "encoder.layers.0.norm2.weight",               1, 64,  0 },
	{ "encoder.layers.0.norm2.bias",                 1, 64,  0 },
	{ "encoder.norm.weight",                         1, 64,  0 },
	{ "encoder.norm.bias",                           1, 64,  0 },
	{ "output.weight",                               2, 30,  64 },
	{ "output.bias",                                 1, 30,  0 },
};

static void transformer_last(struct net_spec *s)
{
	transformer_of(s, 4);
	s->layers = 1;
	s->norm_first = true;
	s->decoder = DECODER_LAST;
	s->attention = 0;
}

static const struct tensor_case {
	void (*change)(struct net_spec *);
	const struct expected *tensors;
	int n;
} tensor_cases[] = {
	{ as_it_is,      plain_tensors,         COUNT(plain_tensors) },
	{ lstm_both_dot, lstm_both_dot_tensors, COUNT(lstm_both_dot_tensors) },
	{ rnn_additive,  rnn_additive_tensors,  COUNT(rnn_additive_tensors) },
	{ rnn_both_mean, rnn_both_mean_tensors, COUNT(rnn_both_mean_tensors) },
	{ transformer_last, transformer_tensors, COUNT(transformer_tensors) },
};

/* Matrices at random, norms with a scale of 1, biases 0. */
static enum tensor_init init_of(const struct tensor *t)
{
	if (t->ndim == 2)
		return INIT_XAVIER_UNIFORM;
	return strstr(t->name, "norm") && strstr(t->name, ".weight") ? INIT_ONE : INIT_ZERO;
}

START_TEST(tensors_are_as_documented)
{
	const struct tensor_case *c = &tensor_cases[_i];
	const struct expected *tensors = c->tensors;
	struct net_spec s = valid_spec();
	struct tensor_table table;
	struct error e;
	size_t offset = 0;

	c->change(&s);
	ck_assert_int_eq(net_spec_check(&s, &e), ERR_OK);
	net_tensors(&s, &table);
	ck_assert_int_eq(table.n, c->n);
	for (int i = 0; i < table.n; i++) {
		const struct tensor *t = &table.tensor[i];
		ck_assert_str_eq(t->name, tensors[i].name);
		ck_assert_int_eq(t->ndim, tensors[i].ndim);
		ck_assert_uint_eq(t->shape[0], tensors[i].rows);
		ck_assert_uint_eq(t->shape[1], tensors[i].cols);
		ck_assert_uint_eq(t->count, tensors[i].rows * (t->ndim == 2 ? tensors[i].cols : 1));
		ck_assert_uint_eq(t->offset, offset);
		ck_assert_int_eq(t->init, init_of(t));
		ck_assert_ptr_eq(tensor_find(&table, t->name), t);
		offset += t->count;
	}
	ck_assert_uint_eq(table.count, offset);
	ck_assert_ptr_null(tensor_find(&table, "encoder.weight_ih_l2"));
	ck_assert_ptr_null(tensor_find(&table, ""));
}
END_TEST

START_TEST(the_largest_table_fits)
{
	struct net_spec s = valid_spec();
	struct tensor_table table;
	s.layers = NET_MAX_LAYERS;
	net_tensors(&s, &table);
	ck_assert_int_eq(table.n, 4 * NET_MAX_LAYERS + 10);
	s.bias = false;
	s.decoder_input = DECODER_CONTEXT;
	net_tensors(&s, &table);
	ck_assert_int_eq(table.n, 2 * NET_MAX_LAYERS + 8);
	ck_assert_ptr_null(tensor_find(&table, "encoder.bias_ih_l0"));
	ck_assert_uint_eq(tensor_find(&table, "decoder.cell.weight_ih")->shape[1], 64);
	s.bias = true;
	s.bidirectional = true;
	net_tensors(&s, &table);
	ck_assert_int_eq(table.n, 8 * NET_MAX_LAYERS + 10);
	ck_assert_int_le(table.n, NET_MAX_TENSORS);
	s.bidirectional = false;
	transformer_of(&s, 4);
	s.norm_first = true;
	net_tensors(&s, &table);
	ck_assert_int_eq(table.n, NET_MAX_TENSORS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("spec");
	TCase *tc = tcase_create("spec");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, limits_are_named, 0, COUNT(bad_cases));
	tcase_add_loop_test(tc, tensors_are_as_documented, 0, COUNT(tensor_cases));
	tcase_add_test(tc, the_largest_table_fits);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

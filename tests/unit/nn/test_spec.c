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

static void encoder_unknown(struct net_spec *s) { s->encoder = (enum encoder_type)(ENCODER_TRANSFORMER + 1); }
static void decoder_unknown(struct net_spec *s) { s->decoder = (enum decoder_type)7; }
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

static void texts_of(struct net_spec *s)
{
	s->vocabulary = s->classes = 100;
	s->embedding = 16;
	s->inputs = s->targets = s->levels = 1;
	s->median_level = 0;
}

static void vocabulary_many(struct net_spec *s)   { texts_of(s); s->vocabulary = NET_MAX_VOCABULARY + 1; }
static void tokens_of_channels(struct net_spec *s) { texts_of(s); s->inputs = 2; }
static void embedding_0(struct net_spec *s)       { texts_of(s); s->embedding = 0; }
static void embedding_alone(struct net_spec *s)   { s->embedding = 16; }
static void classes_many(struct net_spec *s)      { texts_of(s); s->classes = NET_MAX_VOCABULARY + 1; }
static void classes_of_levels(struct net_spec *s) { texts_of(s); s->levels = 2; }
static void classes_of_targets(struct net_spec *s) { texts_of(s); s->targets = 2; }
static void reverse_both(struct net_spec *s)      { s->bidirectional = s->reverse = true; }
static void reverse_transformer(struct net_spec *s) { transformer_of(s, 4); s->reverse = true; }

static void answers_steps(struct net_spec *s, enum decoder_type decoder)
{
	s->decoder = decoder;
	s->attention = 0;
	s->horizon = s->levels = 1;
	s->median_level = 0;
	s->targets = s->inputs;
}

static void token_ahead(struct net_spec *s)       { answers_steps(s, DECODER_TOKEN); s->horizon = 2; }
static void token_levels(struct net_spec *s)      { answers_steps(s, DECODER_TOKEN); s->levels = 2; }
static void reconstruct_some(struct net_spec *s)  { answers_steps(s, DECODER_RECONSTRUCT); s->targets = 2; }
static void reconstruct_texts(struct net_spec *s) { texts_of(s); answers_steps(s, DECODER_RECONSTRUCT); s->classes = 0; }
static void reconstruct_classes(struct net_spec *s)
{
	answers_steps(s, DECODER_RECONSTRUCT);
	s->classes = 100;
	s->inputs = s->targets = 1;
}

static void segments_of(struct net_spec *s, int segment)
{
	s->decoder = DECODER_SEGMENT;
	s->attention = 0;
	s->layers = 1;
	s->targets = s->inputs;
	s->horizon = 6;
	s->segment = segment;
}

static void segment_0(struct net_spec *s)         { segments_of(s, 0); }
static void segment_odd(struct net_spec *s)       { segments_of(s, 4); }
static void segment_long(struct net_spec *s)      { segments_of(s, 7); }
static void segment_alone(struct net_spec *s)     { s->segment = 5; }
static void segment_layers(struct net_spec *s)    { segments_of(s, 3); s->layers = 2; }
static void segment_norm(struct net_spec *s)      { segments_of(s, 3); s->batch_norm = true; }
static void segment_thin(struct net_spec *s)      { segments_of(s, 3); s->hidden = 1; }
static void pool_without_space(struct net_spec *s) { s->decoder = DECODER_POOL; s->attention = 0; }

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
	{ encoder_unknown,  "encoder",       "a cell of cells.h or transformer" },
	{ decoder_unknown,  "decoder",       "attention, last, mean, pool, reconstruct, token or segment" },
	{ score_unknown,    "score",         "additive or dot" },
	{ dot_with_space,   "attention",     "0 ... 0" },
	{ last_with_space,  "attention",     "0 ... 0" },
	{ width_many,       "hidden",        "1 ... 1024" },
	{ head_heavy,       "hidden",        "67108864" },
	{ heads_0,          "heads",         "1 ... 64" },
	{ heads_odd,        "heads",         "3 does not divide 64" },
	{ feedforward_0,    "feedforward",   "1 ... 8192" },
	{ both_ways,        "bidirectional", "recurrent" },
	{ reverse_both,     "reverse",       "two directions" },
	{ reverse_transformer, "reverse",    "recurrent" },
	{ vocabulary_many,  "vocabulary",    "65537" },
	{ tokens_of_channels, "inputs",      "1 ... 1" },
	{ embedding_0,      "embedding",     "1 ... 2048" },
	{ embedding_alone,  "embedding",     "0 ... 0" },
	{ classes_many,     "classes",       "65537" },
	{ classes_of_levels, "levels",       "1 ... 1" },
	{ classes_of_targets, "targets",     "1 ... 1" },
	{ pool_without_space, "attention",   "1 ... 2048" },
	{ token_ahead,      "horizon",       "1 ... 1" },
	{ token_levels,     "levels",        "1 ... 1" },
	{ reconstruct_some, "targets",       "8; it is 2" },
	{ reconstruct_texts, "vocabulary",   "numbers" },
	{ reconstruct_classes, "classes",    "numbers" },
	{ segment_0,        "segment",       "0 does not divide 6" },
	{ segment_odd,      "segment",       "4 does not divide 6" },
	{ segment_long,     "segment",       "0 ... 6" },
	{ segment_alone,    "segment",       "0 ... 0" },
	{ segment_layers,   "encoder",       "one recurrent layer" },
	{ segment_norm,     "encoder",       "without batch norm" },
	{ segment_thin,     "hidden",        "2 at least" },
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

static const struct expected texts_norm_tensors[] = {
	{ "embedding.weight",               2, 100, 16 },
	{ "encoder.weight_ih_l0",           2, 256, 16 },
	{ "encoder.weight_hh_l0",           2, 256, 64 },
	{ "encoder.bias_ih_l0",             1, 256, 0 },
	{ "encoder.bias_hh_l0",             1, 256, 0 },
	{ "norm.weight",                    1, 64,  0 },
	{ "norm.bias",                      1, 64,  0 },
	{ "norm.running_mean",              1, 64,  0 },
	{ "norm.running_var",               1, 64,  0 },
	{ "decoder.attention.query.weight", 2, 32,  64 },
	{ "decoder.attention.key.weight",   2, 32,  64 },
	{ "decoder.attention.key.bias",     1, 32,  0 },
	{ "decoder.attention.score.weight", 2, 1,   32 },
	{ "decoder.embedding.weight",       2, 100, 16 },
	{ "decoder.cell.weight_ih",         2, 256, 80 },
	{ "decoder.cell.weight_hh",         2, 256, 64 },
	{ "decoder.cell.bias_ih",           1, 256, 0 },
	{ "decoder.cell.bias_hh",           1, 256, 0 },
	{ "output.weight",                  2, 100, 64 },
	{ "output.bias",                    1, 100, 0 },
};

static void texts_norm(struct net_spec *s)
{
	texts_of(s);
	s->encoder = ENCODER_LSTM;
	s->layers = 1;
	s->batch_norm = true;
}

static const struct expected gru_pool_tensors[] = {
	{ "encoder.weight_ih_l0",           2, 192, 8 },
	{ "encoder.weight_hh_l0",           2, 192, 64 },
	{ "decoder.attention.key.weight",   2, 32,  64 },
	{ "decoder.attention.key.bias",     1, 32,  0 },
	{ "decoder.attention.score.weight", 2, 1,   32 },
	{ "output.weight",                  2, 30,  64 },
	{ "output.bias",                    1, 30,  0 },
};

static void gru_pool(struct net_spec *s)
{
	s->layers = 1;
	s->bias = false;
	s->decoder = DECODER_POOL;
}

static const struct expected rnn_reconstruct_tensors[] = {
	{ "encoder.weight_ih_l0",           2, 64,  8 },
	{ "encoder.weight_hh_l0",           2, 64,  64 },
	{ "decoder.cell.weight_ih",         2, 192, 64 },    /* a GRU's, of the summary */
	{ "decoder.cell.weight_hh",         2, 192, 64 },
	{ "output.weight",                  2, 8,   64 },
	{ "output.bias",                    1, 8,   0 },
};

static void rnn_reconstruct(struct net_spec *s)
{
	rnn_additive(s);
	answers_steps(s, DECODER_RECONSTRUCT);
}

static const struct expected gru_segment_tensors[] = {
	{ "segment.weight",                 2, 65,  3 },
	{ "segment.bias",                   1, 65,  0 },
	{ "encoder.weight_ih_l0",           2, 195, 65 },
	{ "encoder.weight_hh_l0",           2, 195, 65 },
	{ "decoder.position.weight",        2, 2,   32 },
	{ "decoder.channel.weight",         2, 8,   33 },
	{ "output.weight",                  2, 9,   65 },
	{ "output.bias",                    1, 9,   0 },
};

static void gru_segment(struct net_spec *s)
{
	segments_of(s, 3);
	s->hidden = 65;
	s->bias = false;
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
	{ texts_norm,    texts_norm_tensors,    COUNT(texts_norm_tensors) },
	{ gru_pool,      gru_pool_tensors,      COUNT(gru_pool_tensors) },
	{ rnn_reconstruct, rnn_reconstruct_tensors, COUNT(rnn_reconstruct_tensors) },
	{ gru_segment,   gru_segment_tensors,   COUNT(gru_segment_tensors) },
};

/* Matrices and codes at random, norms with a scale and a variance of 1, biases 0 but for forget gates. */
static enum tensor_init init_of(const struct net_spec *s, const struct tensor *t)
{
	static const struct { const char *part; enum tensor_init init; } inits[] = {
		{ "encoder.embedding.weight", INIT_XAVIER_UNIFORM },    /* a map */
		{ "embedding.weight", INIT_NORMAL }, { "position.weight", INIT_NORMAL }, { "channel.weight", INIT_NORMAL },
		{ "norm.running_var", INIT_ONE }, { "norm.weight", INIT_ONE }, { "norm1.weight", INIT_ONE },
		{ "norm2.weight", INIT_ONE }, { "weight_hh", INIT_RECURRENT },
	};
	for (int i = 0; i < COUNT(inits); i++)
		if (strstr(t->name, inits[i].part))
			return inits[i].init;
	if (s->encoder == ENCODER_LSTM && strstr(t->name, "bias_ih"))
		return INIT_FORGET;
	return t->ndim == 2 ? INIT_XAVIER_UNIFORM : INIT_ZERO;
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
		ck_assert_int_eq(t->init, init_of(&s, t));
		ck_assert(t->statistic == (strstr(t->name, "running") != NULL));
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
	texts_of(&s);
	s.batch_norm = true;
	s.decoder_input = DECODER_CONTEXT_PREVIOUS;
	net_tensors(&s, &table);
	ck_assert_int_eq(table.n, NET_MAX_TENSORS);
}
END_TEST

START_TEST(statistics_are_one_run)
{
	struct net_spec s = valid_spec();
	struct tensor_table table;
	net_tensors(&s, &table);
	ck_assert_uint_eq(net_statistics(&table).offset, table.count);
	ck_assert_uint_eq(net_statistics(&table).count, 0);
	s.batch_norm = true;
	net_tensors(&s, &table);
	ck_assert_uint_eq(net_statistics(&table).offset, tensor_find(&table, "norm.running_mean")->offset);
	ck_assert_uint_eq(net_statistics(&table).count, 2 * 64);
	ck_assert_uint_eq(tensor_find(&table, "norm.running_var")->offset, net_statistics(&table).offset + 64);
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
	tcase_add_test(tc, statistics_are_one_run);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

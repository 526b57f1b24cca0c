/* test_decoders.c - the decoders that reconstruct, answer in segments, or feed back classes: what must hold of any
 * network (call.h), what each promises by itself, and the plainest loops that say the same. */
#include "call.h"

#include "model/nn/teacher.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { T = CALL_STEPS, B = CALL_ROWS };

/* Sizes that no vector register divides. */
static const struct { const char *name; struct net_spec spec; } compositions[] = {
	{ "reconstruct, gru",
	  { .encoder = ENCODER_GRU, .inputs = 3, .hidden = 9, .layers = 2, .bias = true, .reset_after = true,
	    .decoder = DECODER_RECONSTRUCT, .targets = 3, .levels = 1, .horizon = 1 } },
	{ "reconstruct, lstm both ways",
	  { .encoder = ENCODER_LSTM, .inputs = 2, .hidden = 5, .layers = 2, .bias = true, .bidirectional = true,
	    .decoder = DECODER_RECONSTRUCT, .targets = 2, .levels = 1, .horizon = 1 } },
	{ "reconstruct, transformer",
	  { .encoder = ENCODER_TRANSFORMER, .inputs = 2, .hidden = 6, .layers = 1, .bias = true, .heads = 2,
	    .feedforward = 7, .decoder = DECODER_RECONSTRUCT, .targets = 2, .levels = 1, .horizon = 1 } },
	{ "segment, gru",
	  { .encoder = ENCODER_GRU, .inputs = 3, .hidden = 9, .layers = 1, .bias = true, .reset_after = true,
	    .decoder = DECODER_SEGMENT, .targets = 3, .levels = 1, .horizon = 6, .segment = 2 } },
	{ "segment, lstm, levels",
	  { .encoder = ENCODER_LSTM, .inputs = 2, .hidden = 7, .layers = 1, .bias = true,
	    .decoder = DECODER_SEGMENT, .targets = 2, .levels = 3, .horizon = 8, .segment = 4 } },
	{ "segment, rnn",
	  { .encoder = ENCODER_RNN, .inputs = 1, .hidden = 5, .layers = 1, .decoder = DECODER_SEGMENT, .targets = 1,
	    .levels = 1, .horizon = 3, .segment = 3 } },
	{ "classes, additive",
	  { .encoder = ENCODER_LSTM, .inputs = 2, .hidden = 9, .layers = 2, .bias = true, .attention = 7,
	    .decoder_input = DECODER_CONTEXT_PREVIOUS, .classes = 11, .embedding = 5, .targets = 1, .levels = 1,
	    .horizon = 7 } },
	{ "token, lstm, classes of texts",
	  { .encoder = ENCODER_LSTM, .inputs = 1, .vocabulary = 8, .embedding = 5, .hidden = 9, .layers = 2, .bias = true,
	    .decoder = DECODER_TOKEN, .classes = 7, .targets = 1, .levels = 1, .horizon = 1 } },
	{ "token, gru from the end",
	  { .encoder = ENCODER_GRU, .inputs = 3, .hidden = 9, .layers = 2, .bias = true, .reverse = true,
	    .decoder = DECODER_TOKEN, .targets = 2, .levels = 1, .horizon = 1 } },
	{ "classes, dot, both ways",
	  { .encoder = ENCODER_GRU, .inputs = 2, .hidden = 5, .layers = 2, .bias = true, .bidirectional = true,
	    .score = SCORE_DOT, .decoder_input = DECODER_CONTEXT_PREVIOUS, .classes = 6, .embedding = 3,
	    .targets = 1, .levels = 1, .horizon = 5 } },
};

#define COMPOSITIONS ((int)(sizeof compositions / sizeof *compositions))

static struct net_spec composed(int i, double dropout)
{
	struct net_spec s = compositions[i].spec;
	struct error e;
	s.dropout = dropout;
	ck_assert_msg(net_spec_check(&s, &e) == ERR_OK, "%s: %s", compositions[i].name, e.what);
	return s;
}

/* The composition of that name. */
static struct net_spec named(const char *name)
{
	int i = 0;
	while (strcmp(compositions[i].name, name))
		ck_assert_int_lt(++i, COMPOSITIONS);
	return composed(i, 0);
}

START_TEST(each_sequence_is_as_if_alone)
{
	struct net_spec s = composed(_i, 0);
	check_shards(&s, 1, &(struct dropout_key){ 0 });
}
END_TEST

START_TEST(shards_draw_what_the_whole_draws)
{
	struct net_spec s = composed(_i, 0.5);
	check_shards(&s, 2, &(struct dropout_key){ .seed = 3, .key = 8, .row_base = 16 });
	check_shards(&s, 1, &(struct dropout_key){ .seed = 3, .key = 8, .row_base = 16 });
}
END_TEST

START_TEST(padding_is_not_read)
{
	struct net_spec s = composed(_i, 0);
	check_padding(&s);
}
END_TEST

START_TEST(the_same_call_gives_the_same_bits)
{
	struct net_spec s = composed(_i, 0.5);
	check_same_bits(&s);
}
END_TEST

START_TEST(dropout_key_matters)
{
	struct net_spec s = composed(_i, 0.5);
	check_key_matters(&s);
}
END_TEST

/* --- plain loops ------------------------------------------------------- */

/* The whole minibatch, its random weights, and a forward pass. */
struct setup {
	struct net_spec spec;
	struct tensor_table table;
	struct call call;
	real *params;
};

static void setup_init(struct setup *u, const struct net_spec *s)
{
	u->spec = *s;
	net_tensors(&u->spec, &u->table);
	call_init_whole(&u->call, &u->spec);
	u->params = random_reals(u->table.count, 1);
}

static void setup_fini(struct setup *u)
{
	free(u->params);
	call_fini(&u->call);
}

/* A pass with these of the teacher's values (NULL: none), always. */
static void setup_run(struct setup *u, const real *teacher)
{
	const struct network_input in = {
		.T = u->call.steps, .B = u->call.rows, .lengths = u->call.lengths, .x = u->call.x,
		.teacher = teacher, .teacher_ratio = 1,
	};
	network_forward(&u->spec, u->params, &in, &(struct network_output){ .y = u->call.y }, u->call.ws);
}

static const real *tensor_at(const struct setup *u, const char *name)
{
	const struct tensor *t = tensor_find(&u->table, name);
	ck_assert_ptr_nonnull(t);
	return u->params + t->offset;
}

static double sigmoid(double a)
{
	return 1 / (1 + exp(-a));
}

/* Row `row` of W x + b. */
static double affine(const real *w, const real *b, int row, int n, const double *x)
{
	double sum = b ? (double)b[row] : 0;
	for (int i = 0; i < n; i++)
		sum += (double)w[row * n + i] * x[i];
	return sum;
}

struct plain_cell { int in, hid; const real *w, *u, *b, *c; };

static struct plain_cell plain_cell(const struct setup *u, const char *part, const char *suffix, int in, int hid)
{
	char name[4][64];
	const char *const of[] = { "weight_ih", "weight_hh", "bias_ih", "bias_hh" };
	for (int i = 0; i < 4; i++)
		snprintf(name[i], sizeof name[i], "%s.%s%s", part, of[i], suffix);
	return (struct plain_cell){ in, hid, tensor_at(u, name[0]), tensor_at(u, name[1]), tensor_at(u, name[2]),
	                            tensor_at(u, name[3]) };
}

#define PLAIN_MAX 32

/* A GRU's step, reset after; h [hid] is the state before and after. */
static void plain_gru(const struct plain_cell *p, const double *x, double *h)
{
	double next[PLAIN_MAX];
	int hid = p->hid;
	ck_assert_int_le(hid, PLAIN_MAX);
	for (int j = 0; j < hid; j++) {
		double r = sigmoid(affine(p->w, p->b, j, p->in, x) + affine(p->u, p->c, j, hid, h));
		double z = sigmoid(affine(p->w, p->b, hid + j, p->in, x) + affine(p->u, p->c, hid + j, hid, h));
		double n = tanh(affine(p->w, p->b, 2 * hid + j, p->in, x) +
		                r * affine(p->u, p->c, 2 * hid + j, hid, h));
		next[j] = (1 - z) * n + z * h[j];
	}
	memcpy(h, next, (size_t)hid * sizeof *h);
}

static void check_number(const char *what, int at, real got, double want)
{
	ck_assert_msg(fabs((double)got - want) <= TOLERANCE_GOLDEN * (1 + fabs(want)), "%s[%d] is %.12g, expected %.12g",
	              what, at, (double)got, want);
}

/* One layer, one direction: encode, then let the cell run on from where that ended. */
START_TEST(reconstruct_is_a_cell_that_reads_the_summary)
{
	struct net_spec s = named("reconstruct, gru");
	struct setup u;
	s.layers = 1;
	setup_init(&u, &s);
	setup_run(&u, NULL);
	struct plain_cell encoder = plain_cell(&u, "encoder", "_l0", s.inputs, s.hidden);
	struct plain_cell decoder = plain_cell(&u, "decoder.cell", "", s.hidden, s.hidden);
	const real *w = tensor_at(&u, "output.weight"), *bias = tensor_at(&u, "output.bias");
	for (int b = 0; b < B; b++) {
		double h[PLAIN_MAX] = { 0 }, summary[PLAIN_MAX], x[PLAIN_MAX];
		for (int t = 0; t < call_lengths[b]; t++) {
			for (int i = 0; i < s.inputs; i++)
				x[i] = u.call.x[(t * B + b) * s.inputs + i];
			plain_gru(&encoder, x, h);
		}
		memcpy(summary, h, sizeof summary);
		for (int t = 0; t < T; t++) {
			const real *y = u.call.y + (t * B + b) * s.inputs;
			plain_gru(&decoder, summary, h);
			for (int i = 0; i < s.inputs; i++)
				check_number("y", t, y[i],
				             t < call_lengths[b] ? affine(w, bias, i, s.hidden, h) : 0);
		}
	}
	setup_fini(&u);
}
END_TEST

/* Segments in front are filled up with the last value, which is what comes of zeros less it. */
START_TEST(a_short_segment_is_filled_in_front)
{
	enum { SHORT = 5, WHOLE = 6, SEGMENT = 2 };
	struct net_spec s = named("segment, gru");
	struct call short_call, whole_call;
	const int short_length = SHORT, whole_length = WHOLE;
	ck_assert_int_eq(s.segment, SEGMENT);
	call_init(&short_call, &s, SHORT, 1, &short_length);
	call_init(&whole_call, &s, WHOLE, 1, &whole_length);
	real *params = random_reals(whole_call.n_params, 1), *x = random_reals(short_call.n_x, 2);
	memcpy(short_call.x, x, short_call.n_x * sizeof *x);
	memcpy(whole_call.x + s.inputs, x, short_call.n_x * sizeof *x);
	memcpy(whole_call.x, x + (SHORT - 1) * s.inputs, (size_t)s.inputs * sizeof *x);
	call_run(&short_call, params, NULL);
	call_run(&whole_call, params, NULL);
	ck_assert_mem_eq(short_call.y, whole_call.y, short_call.n_y * sizeof *x);
	free(params);
	free(x);
	call_fini(&short_call);
	call_fini(&whole_call);
}
END_TEST

/* A series moved up by a constant is forecast as much higher, whatever the weights. */
START_TEST(segments_see_no_level)
{
	const real up = 8;
	struct net_spec s = named("segment, lstm, levels");
	struct setup u;
	setup_init(&u, &s);
	setup_run(&u, NULL);
	real *want = reals(u.call.n_y);
	for (size_t i = 0; i < u.call.n_y; i++)
		want[i] = u.call.y[i] + up;
	for (size_t i = 0; i < u.call.n_x; i++)
		u.call.x[i] += up;
	setup_run(&u, NULL);
	check_close("y", u.call.n_y, u.call.y, want, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	free(want);
	setup_fini(&u);
}
END_TEST

/* There is room for a state a sequence, and with channels there are more. */
START_TEST(segments_begin_and_end_with_no_state)
{
	struct net_spec s = named("segment, lstm, levels");
	struct setup u;
	setup_init(&u, &s);
	setup_run(&u, NULL);
	real start = NAN, final = 7, *y = reals(u.call.n_y);
	network_forward(&s, u.params,
	                &(struct network_input){ .T = T, .B = B, .lengths = call_lengths, .x = u.call.x,
	                                         .start = { &start, &start } },
	                &(struct network_output){ .y = y, .final = { &final, &final } }, u.call.ws);
	ck_assert_mem_eq(y, u.call.y, u.call.n_y * sizeof *y);
	ck_assert(final == 7);
	free(y);
	setup_fini(&u);
}
END_TEST

/* --- feedback and teacher ---------------------------------------------- */

/* What a free run answers, as a teacher would say it: the best class, or the middle level. */
static void own_answers(const struct setup *u, real *teacher)
{
	const struct net_spec *s = &u->spec;
	int outputs = net_outputs(s);
	for (int row = 0; row < s->horizon * B; row++) {
		const real *y = u->call.y + row * outputs;
		int best = 0;
		for (int k = 1; k < s->classes; k++)
			best = y[k] > y[best] ? k : best;
		for (int k = 0; k < s->targets; k++)
			teacher[row * s->targets + k] = s->classes ? (real)best : y[k * s->levels + s->median_level];
	}
}

static struct net_spec numbers_fed_back(void)
{
	return (struct net_spec){
		.encoder = ENCODER_GRU, .inputs = 3, .hidden = 9, .layers = 1, .bias = true, .reset_after = true,
		.attention = 7, .decoder_input = DECODER_CONTEXT_PREVIOUS, .targets = 2, .levels = 3, .median_level = 1,
		.horizon = 5,
	};
}

static struct net_spec fed_back(int i)
{
	return i == 0 ? numbers_fed_back() : named(i == 1 ? "classes, additive" : "classes, dot, both ways");
}

#define FED_BACK 3

START_TEST(a_teacher_who_says_the_same_changes_nothing)
{
	struct net_spec s = fed_back(_i);
	struct setup u;
	setup_init(&u, &s);
	setup_run(&u, NULL);
	real *teacher = reals(u.call.n_teacher), *want = reals(u.call.n_y);
	own_answers(&u, teacher);
	memcpy(want, u.call.y, u.call.n_y * sizeof *want);
	setup_run(&u, teacher);
	ck_assert_mem_eq(u.call.y, want, u.call.n_y * sizeof *want);
	free(teacher);
	free(want);
	setup_fini(&u);
}
END_TEST

/* Another value at one step of one sequence is read by the step behind it, by no step before nor sequence beside. */
START_TEST(a_teacher_is_read_a_step_later)
{
	enum { STEP = 2, ROW = 1 };
	struct net_spec s = fed_back(_i);
	struct setup u;
	setup_init(&u, &s);
	setup_run(&u, u.call.teacher);
	int outputs = net_outputs(&s);
	real *before = reals(u.call.n_y), *said = u.call.teacher + (STEP * B + ROW) * s.targets;
	memcpy(before, u.call.y, u.call.n_y * sizeof *before);
	*said = s.classes ? (real)(((int)*said + 1) % s.classes) : *said + 1;
	setup_run(&u, u.call.teacher);
	for (int i = 0; i < s.horizon * B; i++) {
		const real *was = before + i * outputs, *is = u.call.y + i * outputs;
		bool same = !memcmp(was, is, (size_t)outputs * sizeof *is);
		ck_assert_msg(same == (i % B != ROW || i / B <= STEP), "step %d of sequence %d", i / B, i % B);
	}
	free(before);
	setup_fini(&u);
}
END_TEST

/* The last step's value has no reader. */
START_TEST(the_last_value_is_not_read)
{
	struct net_spec s = fed_back(_i);
	struct setup u;
	setup_init(&u, &s);
	setup_run(&u, u.call.teacher);
	real *before = reals(u.call.n_y);
	memcpy(before, u.call.y, u.call.n_y * sizeof *before);
	for (int i = 0; i < B * s.targets; i++)
		u.call.teacher[(s.horizon - 1) * B * s.targets + i] = NAN;
	setup_run(&u, u.call.teacher);
	ck_assert_mem_eq(u.call.y, before, u.call.n_y * sizeof *before);
	free(before);
	setup_fini(&u);
}
END_TEST

static void teach(struct setup *u, real class)
{
	for (size_t i = 0; i < u->call.n_teacher; i++)
		u->call.teacher[i] = class;
	setup_run(u, u->call.teacher);
}

/* Behind an answer's end a teacher says -1. */
START_TEST(no_class_reads_as_the_boundary)
{
	struct net_spec s = named("classes, additive");
	struct setup u;
	setup_init(&u, &s);
	teach(&u, -1);
	real *before = reals(u.call.n_y);
	memcpy(before, u.call.y, u.call.n_y * sizeof *before);
	teach(&u, NET_BOUNDARY);
	ck_assert_mem_eq(u.call.y, before, u.call.n_y * sizeof *before);
	teach(&u, NET_BOUNDARY + 1);
	ck_assert_mem_ne(u.call.y, before, u.call.n_y * sizeof *before);
	free(before);
	setup_fini(&u);
}
END_TEST

/* Two classes of the same weights score the same, here best of all. */
START_TEST(the_lowest_of_equal_classes_is_read)
{
	enum { FIRST = 2, SECOND = 4 };
	struct net_spec s = named("classes, additive");
	struct setup u;
	setup_init(&u, &s);
	real *w = u.params + tensor_find(&u.table, "output.weight")->offset;
	real *bias = u.params + tensor_find(&u.table, "output.bias")->offset;
	memcpy(w + SECOND * s.hidden, w + FIRST * s.hidden, (size_t)s.hidden * sizeof *w);
	bias[FIRST] = bias[SECOND] = 100;
	setup_run(&u, NULL);
	real *free_run = reals(u.call.n_y);
	memcpy(free_run, u.call.y, u.call.n_y * sizeof *free_run);
	for (int i = 0; i < s.horizon * B; i++)
		ck_assert(free_run[i * s.classes + FIRST] == free_run[i * s.classes + SECOND]);
	teach(&u, FIRST);
	ck_assert_mem_eq(u.call.y, free_run, u.call.n_y * sizeof *free_run);
	teach(&u, SECOND);
	ck_assert_mem_ne(u.call.y, free_run, u.call.n_y * sizeof *free_run);
	free(free_run);
	setup_fini(&u);
}
END_TEST

/* Within five standard errors of n independent draws. */
static bool is_share(int count, int n, double share)
{
	return fabs((double)count / n - share) <= 5 * sqrt(share * (1 - share) / n);
}

/* The share of forced steps is the ratio's, and neither the step before nor the sequence beside tells which. */
START_TEST(a_ratio_is_a_share)
{
	enum { ROWS = 200, STEPS = 50 };
	static const double ratios[] = { 0, 0.1, 0.5, 0.9, 1 };
	const real value = 0;
	const struct dropout_key key = { .seed = 9, .key = 4 };
	for (size_t i = 0; i < sizeof ratios / sizeof *ratios; i++) {
		const struct network_input in = { .teacher = &value, .teacher_ratio = ratios[i], .dropout = &key };
		int forced = 0, before = 0, beside = 0;
		for (int b = 0; b < ROWS; b++) {
			for (int t = 1; t <= STEPS; t++) {
				bool now = teacher_forces(&in, b, t);
				forced += now;
				before += now && teacher_forces(&in, b, t + 1);
				beside += now && teacher_forces(&in, b + 1, t);
			}
		}
		ck_assert(is_share(forced, ROWS * STEPS, ratios[i]));
		ck_assert(is_share(before, ROWS * STEPS, ratios[i] * ratios[i]));
		ck_assert(is_share(beside, ROWS * STEPS, ratios[i] * ratios[i]));
	}
}
END_TEST

START_TEST(who_teaches_when)
{
	const real value = 0;
	const struct dropout_key none = { .seed = 9 }, key = { .seed = 9, .key = 4 };
	const struct { const char *name; struct network_input in; bool always; } cases[] = {
		{ "nobody",                   { .teacher_ratio = 1, .dropout = &key },                      false },
		{ "always, without a key",    { .teacher = &value, .teacher_ratio = 1 },                    true },
		{ "always, with a key",       { .teacher = &value, .teacher_ratio = 1, .dropout = &key },   true },
		{ "never, without a key",     { .teacher = &value, .teacher_ratio = 0.9 },                  false },
		{ "never, with the key 0",    { .teacher = &value, .teacher_ratio = 0.9, .dropout = &none }, false },
		{ "never, at the ratio 0",    { .teacher = &value, .dropout = &key },                       false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (int t = 1; t < 40; t++)
			ck_assert_msg(teacher_forces(&cases[i].in, 3, t) == cases[i].always, "%s", cases[i].name);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("decoders, " BUILD);
	TCase *tc = tcase_create("decoders");
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, each_sequence_is_as_if_alone, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, shards_draw_what_the_whole_draws, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, padding_is_not_read, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, the_same_call_gives_the_same_bits, 0, COMPOSITIONS);
	tcase_add_loop_test(tc, dropout_key_matters, 0, COMPOSITIONS);
	tcase_add_test(tc, reconstruct_is_a_cell_that_reads_the_summary);
	tcase_add_test(tc, a_short_segment_is_filled_in_front);
	tcase_add_test(tc, segments_see_no_level);
	tcase_add_test(tc, segments_begin_and_end_with_no_state);
	tcase_add_loop_test(tc, a_teacher_who_says_the_same_changes_nothing, 0, FED_BACK);
	tcase_add_loop_test(tc, a_teacher_is_read_a_step_later, 0, FED_BACK);
	tcase_add_loop_test(tc, the_last_value_is_not_read, 0, FED_BACK);
	tcase_add_test(tc, no_class_reads_as_the_boundary);
	tcase_add_test(tc, the_lowest_of_equal_classes_is_read);
	tcase_add_test(tc, a_ratio_is_a_share);
	tcase_add_test(tc, who_teaches_when);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

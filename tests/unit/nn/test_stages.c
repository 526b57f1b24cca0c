/* test_stages.c - the stages of a network against plain loops: embedding, batch norm, pool and token; states that go in
 * and out; sequences read from their ends. What the encoder yields is seen through a token decoder whose output is the
 * identity. */
#include "model/nn/batch_norm.h"
#include "model/nn/network.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { T = 6, B = 4, MAX_WIDTH = 16 };

static const int lengths[B] = { 6, 6, 4, 3 };

static struct net_spec plain(enum encoder_type encoder)
{
	return (struct net_spec){ .encoder = encoder, .inputs = 3, .hidden = 5, .layers = 2, .bias = true,
	                          .reset_after = true, .decoder = DECODER_TOKEN, .targets = 2, .levels = 1, .horizon = 1,
	                          .heads = 1, .feedforward = 7 };
}

static size_t weights_of(const struct net_spec *s)
{
	struct tensor_table table;
	struct error e;
	ck_assert_msg(net_spec_check(s, &e) == ERR_OK, "%s", e.what);
	net_tensors(s, &table);
	return table.count;
}

static const struct tensor *tensor_of(const struct net_spec *s, const char *name)
{
	static struct tensor_table table;
	net_tensors(s, &table);
	const struct tensor *t = tensor_find(&table, name);
	ck_assert_msg(t != NULL, "%s", name);
	return t;
}

/* Random ones; a variance is positive. */
static real *random_weights(const struct net_spec *s)
{
	real *params = random_reals(weights_of(s), 1);
	if (s->batch_norm) {
		const struct tensor *var = tensor_of(s, "norm.running_var");
		for (size_t i = var->offset; i < var->offset + var->count; i++)
			params[i] = (real)0.2 + REAL(fabs)(params[i]);
	}
	return params;
}

static void forward(const struct net_spec *s, const real *params, const struct network_input *in,
                    const struct network_output *out)
{
	real *ws = reals(network_scratch(s, in->T, in->B));
	network_forward(s, params, in, out, ws);
	free(ws);
}

/* Forward, then backward from dy into dparams and, unless NULL, dx. */
static void backward(const struct net_spec *s, const real *params, const struct network_input *in, const real *dy,
                     real *dparams, real *dx)
{
	real *ws = reals(network_scratch(s, in->T, in->B));
	real *y = reals((size_t)(net_steps(s, in->T) * in->B * net_outputs(s)));
	network_forward(s, params, in, &(struct network_output){ .y = y }, ws);
	network_backward(s, params, in, dy, dparams, dx, ws);
	free(y);
	free(ws);
}

/* What stands before the decoder of s yields: [T][B][width], to be freed. */
static real *encoded(const struct net_spec *s, const real *params, const struct network_input *in)
{
	struct net_spec token = *s;
	int width = net_width(s);
	token.decoder = DECODER_TOKEN;
	token.targets = width;
	token.classes = token.attention = 0;
	token.levels = token.horizon = 1;
	token.embedding = s->vocabulary ? s->embedding : 0;
	real *all = reals(weights_of(&token)), *y = reals((size_t)(in->T * in->B * width));
	const struct tensor *w = tensor_of(&token, "output.weight");
	memcpy(all, params, w->offset * sizeof(real));
	for (int i = 0; i < width; i++)
		all[w->offset + (size_t)(i * width + i)] = 1;
	forward(&token, all, in, &(struct network_output){ .y = y });
	free(all);
	return y;
}

static size_t at(int t, int b, int n)
{
	return (size_t)((t * B + b) * n);
}

/* ---- token ---- */

/* A head over the last state of a sequence cut at t says what the token decoder says at t. */
START_TEST(token_is_the_last_state_of_each_prefix)
{
	struct net_spec s = plain((enum encoder_type)_i), last;
	s.batch_norm = true;
	s.causal = true;
	last = s;
	last.decoder = DECODER_LAST;
	real *params = random_weights(&s), *x = random_reals(T * B * 3, 2), *y = reals(T * B * 2), *want = reals(B * 2);
	forward(&s, params, &(struct network_input){ .T = T, .B = B, .lengths = lengths, .x = x },
	        &(struct network_output){ .y = y });
	for (int t = 0; t < T; t++) {
		int cut[B];
		for (int b = 0; b < B; b++)
			cut[b] = lengths[b] <= t ? lengths[b] : t + 1;
		forward(&last, params, &(struct network_input){ .T = t + 1, .B = B, .lengths = cut, .x = x },
		        &(struct network_output){ .y = want });
		for (int b = 0; b < B; b++)
			memset(want + b * 2, 0, lengths[b] <= t ? 2 * sizeof(real) : 0);    /* zeros behind the end */
		check_close("y", B * 2, y + at(t, 0, 2), want, TOLERANCE_SAME, TOLERANCE_SAME);
	}
	free(params);
	free(x);
	free(y);
	free(want);
}
END_TEST

/* ---- embedding ---- */

/* The same network on numbers: the vectors of the tokens. A vector's gradient is the sum over its places. */
START_TEST(embedding_is_a_table)
{
	enum { CODES = 4, N = 3 };
	struct net_spec numbers = plain((enum encoder_type)_i), tokens = numbers;
	tokens.vocabulary = CODES;
	tokens.embedding = N;
	tokens.inputs = 1;
	real *params = random_weights(&tokens), *x = random_tokens(T * B, 0, CODES, 2), *vectors = reals(T * B * N);
	real *y = reals(T * B * 2), *want = reals(T * B * 2), *dy = random_reals(T * B * 2, 3);
	real *dparams = reals(weights_of(&tokens)), *dwant = reals(weights_of(&tokens)), *dx = reals(T * B * N);
	real *dtokens = random_reals(T * B, 4);
	for (int i = 0; i < T * B; i++)
		memcpy(vectors + i * N, params + (int)x[i] * N, N * sizeof(real));
	const struct network_input from_tokens = { .T = T, .B = B, .lengths = lengths, .x = x };
	const struct network_input from_numbers = { .T = T, .B = B, .lengths = lengths, .x = vectors };

	forward(&tokens, params, &from_tokens, &(struct network_output){ .y = y });
	forward(&numbers, params + CODES * N, &from_numbers, &(struct network_output){ .y = want });
	ck_assert_mem_eq(y, want, T * B * 2 * sizeof(real));
	backward(&tokens, params, &from_tokens, dy, dparams, dtokens);
	backward(&numbers, params + CODES * N, &from_numbers, dy, dwant + CODES * N, dx);
	for (int i = 0; i < T * B; i++)
		ck_assert(dtokens[i] == 0);
	for (int i = 0; i < T * B; i++)
		for (int k = 0; k < N; k++)
			dwant[(int)x[i] * N + k] += dx[i * N + k];
	check_close("dparams", weights_of(&tokens), dparams, dwant, TOLERANCE_SAME, TOLERANCE_SAME);
	real *all[] = { params, x, vectors, y, want, dy, dparams, dwant, dx, dtokens };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}
END_TEST

/* ---- batch norm ---- */

/* Two columns of four rows: means 3 and 0, variances 3.5 and 2.5, unbiased 14/3 and 10/3. */
static const real norm_x[] = { 1, -2,   2, -1,   3, 1,   6, 2 };
static const real norm_d[] = { 1, 0,   0, 1,   0, 0,   0, 0 };
#define NORM_ROWS 4
enum { NORM_W = 0, NORM_B = 2, NORM_MEAN = 4, NORM_VAR = 6, NORM_PARAMS = 8 };

static const real norm_params[NORM_PARAMS] = { 2, -1,   (real)0.5, 0,   1, 1,   4, 9 };
static const struct batch_norm norm = { .n = 2, .w = NORM_W, .b = NORM_B, .running_mean = NORM_MEAN,
                                        .running_var = NORM_VAR };

/* From y [NORM_ROWS][2] to what they are by the definition with that mean and variance of each column. */
static void norm_by_hand(const double mean[2], const double var[2], real *y)
{
	for (int i = 0; i < 2 * NORM_ROWS; i++) {
		int j = i % 2;
		y[i] = (real)(norm_params[NORM_W + j] * (norm_x[i] - mean[j]) / sqrt(var[j] + 1e-5) + norm_params[NORM_B + j]);
	}
}

static void norm_run(bool training, real *y, real *dparams, real *d)
{
	struct batch_norm_tape tape;
	struct scratch s = { 0 };
	batch_norm_tape_take(&tape, &norm, NORM_ROWS, &s);
	s = (struct scratch){ .base = reals(s.used) };
	batch_norm_tape_take(&tape, &norm, NORM_ROWS, &s);
	batch_norm_forward(&norm, norm_params, NORM_ROWS, norm_x, training, &tape);
	memcpy(y, batch_norm_outputs(&norm, norm_x, &tape), 2 * NORM_ROWS * sizeof(real));
	batch_norm_backward(&norm, norm_params, NORM_ROWS, training, &tape, dparams, d);
	free(s.base);
}

START_TEST(batch_norm_uses_the_rows_own_statistics)
{
	real y[2 * NORM_ROWS], want[2 * NORM_ROWS], dparams[NORM_PARAMS] = { 0 }, d[2 * NORM_ROWS];
	const double mean[2] = { 3, 0 }, var[2] = { 3.5, 2.5 };
	const double inverse[2] = { 1 / sqrt(3.5 + 1e-5), 1 / sqrt(2.5 + 1e-5) };
	/* dw = d * n, db = d, then what the statistics' places receive */
	const real want_dparams[NORM_PARAMS] = { (real)(-2 * inverse[0]), (real)(-1 * inverse[1]), 1, 1,
	                                         3, 0, (real)(14 / 3.0), (real)(10 / 3.0) };
	memcpy(d, norm_d, sizeof d);
	norm_run(true, y, dparams, d);
	norm_by_hand(mean, var, want);
	check_close("y", 2 * NORM_ROWS, y, want, TOLERANCE_SAME, TOLERANCE_SAME);
	check_close("dparams", NORM_PARAMS, dparams, want_dparams, TOLERANCE_SAME, TOLERANCE_SAME);
	for (int i = 0; i < 2 * NORM_ROWS; i++) {
		int j = i % 2;
		double n = (norm_x[i] - mean[j]) * inverse[j];
		want[i] = (real)(norm_params[j] * inverse[j] * (norm_d[i] - 0.25 - n * want_dparams[j] / 4));
	}
	check_close("dx", 2 * NORM_ROWS, d, want, TOLERANCE_SAME, TOLERANCE_SAME);
}
END_TEST

START_TEST(batch_norm_uses_the_running_statistics)
{
	real y[2 * NORM_ROWS], want[2 * NORM_ROWS], dparams[NORM_PARAMS] = { 0 }, d[2 * NORM_ROWS];
	const double mean[2] = { 1, 1 }, var[2] = { 4, 9 };
	memcpy(d, norm_d, sizeof d);
	norm_run(false, y, dparams, d);
	norm_by_hand(mean, var, want);
	check_close("y", 2 * NORM_ROWS, y, want, TOLERANCE_SAME, TOLERANCE_SAME);
	const real want_dparams[NORM_PARAMS] = { 0, (real)(-2 / sqrt(9 + 1e-5)), 1, 1, 0, 0, 0, 0 };
	check_close("dparams", NORM_PARAMS, dparams, want_dparams, TOLERANCE_SAME, TOLERANCE_SAME);
	for (int i = 0; i < 2 * NORM_ROWS; i++)
		want[i] = (real)(norm_params[i % 2] / sqrt(var[i % 2] + 1e-5)) * norm_d[i];
	check_close("dx", 2 * NORM_ROWS, d, want, TOLERANCE_SAME, TOLERANCE_SAME);
}
END_TEST

/* In the network: with a key each column's mean and variance over the sequences' own steps are those of bias and
 * weight, and the gradient's places have what was measured. */
START_TEST(batch_norm_sees_the_real_steps_alone)
{
	struct net_spec s = plain((enum encoder_type)_i), bare;
	s.batch_norm = true;
	bare = s;
	bare.batch_norm = false;
	int width = net_width(&s), rows = 0;
	const struct dropout_key key = { .seed = 1, .key = 1 };
	real *params = random_weights(&s), *x = random_reals(T * B * 3, 2), *dy = reals(T * B * 2);
	real *dparams = reals(weights_of(&s));
	const struct network_input in = { .T = T, .B = B, .lengths = lengths, .x = x, .dropout = &key };
	real *before = encoded(&bare, params, &in), *after = encoded(&s, params, &in);
	const real *w = params + tensor_of(&s, "norm.weight")->offset, *bias = params + tensor_of(&s, "norm.bias")->offset;

	backward(&s, params, &in, dy, dparams, NULL);
	for (int b = 0; b < B; b++)
		rows += lengths[b];
	for (int j = 0; j < width; j++) {
		double mean = 0, var = 0;
		for (int b = 0; b < B; b++)
			for (int t = 0; t < lengths[b]; t++)
				mean += before[at(t, b, width) + (size_t)j] / rows;
		for (int b = 0; b < B; b++)
			for (int t = 0; t < lengths[b]; t++)
				var += pow(before[at(t, b, width) + (size_t)j] - mean, 2) / rows;
		for (int b = 0; b < B; b++)
			for (int t = 0; t < lengths[b]; t++) {
				size_t i = at(t, b, width) + (size_t)j;
				real want = (real)(w[j] * (before[i] - mean) / sqrt(var + 1e-5) + bias[j]);
				check_close("outputs", 1, after + i, &want, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
			}
		real measured[2] = { (real)mean, (real)(var * rows / (rows - 1)) };
		check_close("mean", 1, dparams + tensor_of(&s, "norm.running_mean")->offset + j, measured, TOLERANCE_SAME,
		            TOLERANCE_SAME);
		check_close("var", 1, dparams + tensor_of(&s, "norm.running_var")->offset + j, measured + 1, TOLERANCE_SAME,
		            TOLERANCE_SAME);
	}
	real *all[] = { params, x, dy, dparams, before, after };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}
END_TEST

/* ---- pool ---- */

/* The weights of sequence b by the definition: softmax over its own steps of v · tanh(W h + bias). */
static void pool_weights(const struct net_spec *s, const real *params, const real *h, int b, double a[T])
{
	const real *w = params + tensor_of(s, "decoder.attention.key.weight")->offset;
	const real *bias = params + tensor_of(s, "decoder.attention.key.bias")->offset;
	const real *v = params + tensor_of(s, "decoder.attention.score.weight")->offset;
	int width = net_width(s);
	double sum = 0;
	for (int t = 0; t < lengths[b]; t++) {
		double score = 0;
		for (int k = 0; k < s->attention; k++) {
			double u = bias[k];
			for (int j = 0; j < width; j++)
				u += (double)w[k * width + j] * (double)h[at(t, b, width) + (size_t)j];
			score += v[k] * tanh(u);
		}
		a[t] = exp(score);
		sum += a[t];
	}
	for (int t = 0; t < lengths[b]; t++)
		a[t] /= sum;
}

START_TEST(pool_is_its_definition)
{
	enum { HORIZON = 3, OUTPUTS = 2 };
	struct net_spec s = plain((enum encoder_type)_i);
	s.decoder = DECODER_POOL;
	s.attention = 4;
	s.horizon = HORIZON;
	s.score = SCORE_DOT;    /* another choice's: it is ignored */
	int width = net_width(&s);
	real *params = random_weights(&s), *x = random_reals(T * B * 3, 2);
	real *y = reals(HORIZON * B * OUTPUTS), *attention = reals(HORIZON * B * T);
	const struct network_input in = { .T = T, .B = B, .lengths = lengths, .x = x };
	forward(&s, params, &in, &(struct network_output){ .y = y, .attention = attention });
	real *h = encoded(&s, params, &in);
	const real *w = params + tensor_of(&s, "output.weight")->offset, *bias = params + tensor_of(&s, "output.bias")->offset;
	for (int b = 0; b < B; b++) {
		double a[T] = { 0 };
		pool_weights(&s, params, h, b, a);
		for (int row = 0; row < HORIZON * OUTPUTS; row++) {
			double want = bias[row];
			for (int t = 0; t < lengths[b]; t++)
				for (int j = 0; j < width; j++)
					want += a[t] * (double)w[row * width + j] * (double)h[at(t, b, width) + (size_t)j];
			real expected = (real)want;
			check_close("y", 1, y + (row / OUTPUTS * B + b) * OUTPUTS + row % OUTPUTS, &expected, TOLERANCE_SAME,
			            TOLERANCE_SAME);
		}
		for (int step = 0; step < HORIZON; step++)
			for (int t = 0; t < T; t++)
				ck_assert(fabs(attention[(step * B + b) * T + t] - a[t]) <= TOLERANCE_SAME);
	}
	real *all[] = { params, x, y, attention, h };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}
END_TEST

/* ---- states ---- */

static struct network_state state_of(const struct net_spec *s, real *block)
{
	size_t n = (size_t)(s->layers * net_width(s) * B);
	return (struct network_state){ .h = block, .c = s->encoder == ENCODER_LSTM ? block + n : NULL };
}

static size_t state_numbers(const struct net_spec *s)
{
	return (size_t)(net_state_size(s) * B);
}

/* Steps first … first + n - 1 from `start` to `final`; y where they belong in the whole. */
static void run_piece(const struct net_spec *s, const real *params, const real *x, int first, int n, real *start,
                      real *final, real *y)
{
	int own[B];
	for (int b = 0; b < B; b++)
		own[b] = n;
	forward(s, params,
	        &(struct network_input){ .T = n, .B = B, .lengths = own, .x = x + at(first, 0, s->inputs),
	                                 .start = state_of(s, start) },
	        &(struct network_output){ .y = y + at(first, 0, net_outputs(s)), .final = state_of(s, final) });
}

/* One that reads from the end runs the last piece first. */
START_TEST(pieces_are_the_whole)
{
	struct net_spec s = plain((enum encoder_type)(_i / 2));
	s.reverse = _i % 2;
	real *params = random_weights(&s), *x = random_reals(T * B * 3, 2), *start = random_reals(state_numbers(&s), 3);
	real *whole = reals(T * B * 2), *pieces = reals(T * B * 2);
	real *end = reals(state_numbers(&s)), *between = reals(state_numbers(&s)), *last = reals(state_numbers(&s));
	run_piece(&s, params, x, 0, T, start, end, whole);
	run_piece(&s, params, x, s.reverse ? 2 : 0, s.reverse ? 4 : 2, start, between, pieces);
	run_piece(&s, params, x, s.reverse ? 0 : 2, s.reverse ? 2 : 4, between, last, pieces);
	check_close("y", T * B * 2, pieces, whole, TOLERANCE_SAME, TOLERANCE_SAME);
	check_close("states", state_numbers(&s), last, end, TOLERANCE_SAME, TOLERANCE_SAME);
	real *all[] = { params, x, start, whole, pieces, end, between, last };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}
END_TEST

/* The final h of the top layer is each direction's last output, at each sequence's own end. */
START_TEST(final_states_are_the_last_outputs)
{
	struct net_spec s = plain((enum encoder_type)_i);
	s.bidirectional = true;
	int width = net_width(&s);
	real *params = random_weights(&s), *x = random_reals(T * B * 3, 2), *y = reals(T * B * 2);
	real *start = random_reals(state_numbers(&s), 3), *final = reals(state_numbers(&s));
	const struct network_input in = { .T = T, .B = B, .lengths = lengths, .x = x, .start = state_of(&s, start) };
	forward(&s, params, &in, &(struct network_output){ .y = y, .final = state_of(&s, final) });
	real *outputs = encoded(&s, params, &in);
	const real *top = final + (s.layers - 1) * 2 * B * s.hidden;
	for (int b = 0; b < B; b++) {
		const real *forwards = outputs + at(lengths[b] - 1, b, width), *backwards = outputs + at(0, b, width) + s.hidden;
		ck_assert_mem_eq(top + b * s.hidden, forwards, (size_t)s.hidden * sizeof(real));
		ck_assert_mem_eq(top + (B + b) * s.hidden, backwards, (size_t)s.hidden * sizeof(real));
	}
	real *all[] = { params, x, y, start, final, outputs };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}
END_TEST

/* ---- reverse ---- */

/* Each sequence's own steps in reverse order; n numbers a step. */
static void reverse_steps(int n, const real *from, real *to)
{
	for (int b = 0; b < B; b++)
		for (int t = 0; t < lengths[b]; t++)
			memcpy(to + at(lengths[b] - 1 - t, b, n), from + at(t, b, n), (size_t)n * sizeof(real));
}

START_TEST(reverse_is_reversing_by_hand)
{
	struct net_spec forwards = plain((enum encoder_type)(_i / 2)), backwards;
	forwards.decoder = _i % 2 ? DECODER_LAST : DECODER_TOKEN;
	backwards = forwards;
	backwards.reverse = true;
	size_t n_y = (size_t)(net_steps(&forwards, T) * B * 2), n = weights_of(&forwards);
	real *params = random_weights(&forwards), *x = random_reals(T * B * 3, 2), *turned = reals(T * B * 3);
	real *start = random_reals(state_numbers(&forwards), 3), *dy = random_reals(n_y, 4), *dturned_y = reals(n_y);
	real *y = reals(n_y), *got = reals(n_y), *want = reals(n_y);
	real *final = reals(state_numbers(&forwards)), *end = reals(state_numbers(&forwards));
	real *dparams = reals(n), *dwant = reals(n), *dx = reals(T * B * 3), *dturned = reals(T * B * 3);
	reverse_steps(3, x, turned);
	struct network_input in = { .T = T, .B = B, .lengths = lengths, .x = x, .start = state_of(&forwards, start) };
	struct network_input in_turned = in;
	in_turned.x = turned;

	forward(&backwards, params, &in, &(struct network_output){ .y = got, .final = state_of(&forwards, final) });
	forward(&forwards, params, &in_turned, &(struct network_output){ .y = y, .final = state_of(&forwards, end) });
	memcpy(want, y, n_y * sizeof(real));
	memcpy(dturned_y, dy, n_y * sizeof(real));
	if (forwards.decoder == DECODER_TOKEN) {
		reverse_steps(2, y, want);
		reverse_steps(2, dy, dturned_y);
	}
	check_close("y", n_y, got, want, TOLERANCE_SAME, TOLERANCE_SAME);
	check_close("states", state_numbers(&forwards), final, end, TOLERANCE_SAME, TOLERANCE_SAME);
	backward(&backwards, params, &in, dy, dparams, dx);
	backward(&forwards, params, &in_turned, dturned_y, dwant, dturned);
	check_close("dparams", n, dparams, dwant, TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	reverse_steps(3, dturned, turned);
	for (int b = 0; b < B; b++)
		for (int t = 0; t < lengths[b]; t++)
			check_close("dx", 3, dx + at(t, b, 3), turned + at(t, b, 3), TOLERANCE_SAME, TOLERANCE_SAME);
	real *all[] = { params, x, turned, start, dy, dturned_y, y, got, want, final, end, dparams, dwant, dx, dturned };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stages, " BUILD);
	TCase *tc = tcase_create("stages");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, token_is_the_last_state_of_each_prefix, 0, ENCODER_TRANSFORMER + 1);
	tcase_add_loop_test(tc, embedding_is_a_table, 0, ENCODER_TRANSFORMER + 1);
	tcase_add_test(tc, batch_norm_uses_the_rows_own_statistics);
	tcase_add_test(tc, batch_norm_uses_the_running_statistics);
	tcase_add_loop_test(tc, batch_norm_sees_the_real_steps_alone, 0, ENCODER_TRANSFORMER + 1);
	tcase_add_loop_test(tc, pool_is_its_definition, 0, ENCODER_TRANSFORMER + 1);
	tcase_add_loop_test(tc, pieces_are_the_whole, 0, 2 * ENCODER_TRANSFORMER);
	tcase_add_loop_test(tc, final_states_are_the_last_outputs, 0, ENCODER_TRANSFORMER);
	tcase_add_loop_test(tc, reverse_is_reversing_by_hand, 0, 2 * ENCODER_TRANSFORMER);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_stages.c - the stages of a network against plain loops: embedding, batch norm, pool and token; states that go in
 * and out; sequences read from their ends. What the encoder yields is seen through a token decoder whose output is the
 * identity. */
#include "model/nn/batch_norm.h"
#include "model/nn/network.h"
#include "support.h"

#include <stdlib.h>
#include <string.h>

enum { T = 6, B = 4 };

static const int lengths[B] = { 6, 6, 4, 3 };

static struct net_spec plain(enum encoder_type encoder)
{
	return (struct net_spec){ .encoder = encoder, .inputs = 3, .hidden = 5, .layers = 2, .bias = true,
	                          .reset_after = true, .decoder = DECODER_TOKEN, .targets = 2, .levels = 1,
	                          .horizon = 1, .heads = 1, .feedforward = 7 };
}

static void free_all(int n, real *all[])
{
	for (int i = 0; i < n; i++)
		free(all[i]);
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
	free_all(10, (real *[]){ params, x, vectors, y, want, dy, dparams, dwant, dx, dtokens });
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
		double n = (norm_x[i] - mean[j]) / sqrt(var[j] + 1e-5);
		y[i] = (real)(norm_params[NORM_W + j] * n + norm_params[NORM_B + j]);
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

/* Of column j over the sequences' own steps. */
static void measure(const real *x, int width, int j, int *rows, double *mean, double *var)
{
	*rows = 0;
	*mean = *var = 0;
	for (int b = 0; b < B; b++)
		*rows += lengths[b];
	for (int b = 0; b < B; b++)
		for (int t = 0; t < lengths[b]; t++)
			*mean += x[at(t, b, width) + (size_t)j] / *rows;
	for (int b = 0; b < B; b++)
		for (int t = 0; t < lengths[b]; t++)
			*var += pow(x[at(t, b, width) + (size_t)j] - *mean, 2) / *rows;
}

/* In the network, with a key: what was normalised has bias and weight as its mean and deviation, and is what stood
 * before, moved and scaled. The gradient's places have what was measured. */
START_TEST(batch_norm_sees_the_real_steps_alone)
{
	struct net_spec s = plain((enum encoder_type)_i), bare;
	s.batch_norm = true;
	bare = s;
	bare.batch_norm = false;
	const struct dropout_key key = { .seed = 1, .key = 1 };
	real *params = random_weights(&s), *x = random_reals(T * B * 3, 2), *dy = reals(T * B * 2);
	real *dparams = reals(weights_of(&s));
	const struct network_input in = { .T = T, .B = B, .lengths = lengths, .x = x, .dropout = &key };
	real *before = encoded(&bare, params, &in), *after = encoded(&s, params, &in);
	const size_t w = tensor_of(&s, "norm.weight")->offset, bias = tensor_of(&s, "norm.bias")->offset;
	const size_t means = tensor_of(&s, "norm.running_mean")->offset, vars = tensor_of(&s, "norm.running_var")->offset;
	int width = net_width(&s), rows;

	backward(&s, params, &in, dy, dparams, NULL);
	for (int j = 0; j < width; j++) {
		double mean, var;
		measure(before, width, j, &rows, &mean, &var);
		for (int b = 0; b < B; b++) {
			for (int t = 0; t < lengths[b]; t++) {
				size_t i = at(t, b, width) + (size_t)j;
				double n = (before[i] - mean) / sqrt(var + 1e-5);
				double want = params[w + (size_t)j] * n + params[bias + (size_t)j];
				ck_assert(fabs(after[i] - want) <= 10 * TOLERANCE_SAME * (1 + fabs(want)));
			}
		}
		ck_assert(fabs(dparams[means + (size_t)j] - mean) <= TOLERANCE_SAME);
		ck_assert(fabs(dparams[vars + (size_t)j] - var * rows / (rows - 1)) <= TOLERANCE_SAME);
	}
	free_all(6, (real *[]){ params, x, dy, dparams, before, after });
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
	const real *w = params + tensor_of(&s, "output.weight")->offset;
	const real *bias = params + tensor_of(&s, "output.bias")->offset;
	for (int b = 0; b < B; b++) {
		double a[T] = { 0 };
		pool_weights(&s, params, h, b, a);
		for (int row = 0; row < HORIZON * OUTPUTS; row++) {
			double want = bias[row];
			for (int t = 0; t < lengths[b]; t++)
				for (int k = 0; k < width; k++)
					want += a[t] * (double)w[row * width + k] * (double)h[at(t, b, width) + (size_t)k];
			double got = y[(row / OUTPUTS * B + b) * OUTPUTS + row % OUTPUTS];
			ck_assert(fabs(got - want) <= TOLERANCE_SAME * (1 + fabs(want)));
		}
		for (int step = 0; step < HORIZON; step++)
			for (int t = 0; t < T; t++)
				ck_assert(fabs(attention[(step * B + b) * T + t] - a[t]) <= TOLERANCE_SAME);
	}
	free_all(5, (real *[]){ params, x, y, attention, h });
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
	free_all(8, (real *[]){ params, x, start, whole, pieces, end, between, last });
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
		const real *forwards = outputs + at(lengths[b] - 1, b, width);
		const real *backwards = outputs + at(0, b, width) + s.hidden;
		ck_assert_mem_eq(top + b * s.hidden, forwards, (size_t)s.hidden * sizeof(real));
		ck_assert_mem_eq(top + (B + b) * s.hidden, backwards, (size_t)s.hidden * sizeof(real));
	}
	free_all(6, (real *[]){ params, x, y, start, final, outputs });
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

/* The same answer of two networks: one that reads x from the end, one that reads it reversed by hand. A token
 * decoder's answers turn too. */
struct turn {
	struct net_spec backwards, forwards;
	size_t n_y, n_state, n;
	bool steps;                         /* the answer has those of the input */
	real *params, *start, *x, *turned;
	struct network_input in, in_turned;
};

static void turn_init(struct turn *r, enum encoder_type encoder, enum decoder_type decoder)
{
	*r = (struct turn){ .forwards = plain(encoder), .steps = decoder == DECODER_TOKEN };
	r->forwards.decoder = decoder;
	r->backwards = r->forwards;
	r->backwards.reverse = true;
	r->n_y = (size_t)(net_steps(&r->forwards, T) * B * 2);
	r->n_state = state_numbers(&r->forwards);
	r->n = weights_of(&r->forwards);
	r->params = random_weights(&r->forwards);
	r->start = random_reals(r->n_state, 3);
	r->x = random_reals(T * B * 3, 2);
	r->turned = reals(T * B * 3);
	reverse_steps(3, r->x, r->turned);
	r->in = (struct network_input){ .T = T, .B = B, .lengths = lengths, .x = r->x,
	                                .start = state_of(&r->forwards, r->start) };
	r->in_turned = r->in;
	r->in_turned.x = r->turned;
}

static void turn_fini(struct turn *r)
{
	free_all(4, (real *[]){ r->params, r->start, r->x, r->turned });
}

/* The answer's steps turned, or as they are. To be freed. */
static real *turned_answer(const struct turn *r, const real *y)
{
	real *turned = reals(r->n_y);
	if (r->steps)
		reverse_steps(2, y, turned);
	else
		memcpy(turned, y, r->n_y * sizeof(real));
	return turned;
}

START_TEST(reverse_is_reversing_by_hand)
{
	struct turn r;
	turn_init(&r, (enum encoder_type)(_i / 2), _i % 2 ? DECODER_LAST : DECODER_TOKEN);
	real *got = reals(r.n_y), *y = reals(r.n_y), *final = reals(r.n_state), *end = reals(r.n_state);
	forward(&r.backwards, r.params, &r.in, &(struct network_output){ .y = got, .final = state_of(&r.backwards, final) });
	forward(&r.forwards, r.params, &r.in_turned, &(struct network_output){ .y = y, .final = state_of(&r.forwards, end) });
	real *want = turned_answer(&r, y);
	check_close("y", r.n_y, got, want, TOLERANCE_SAME, TOLERANCE_SAME);
	check_close("states", r.n_state, final, end, TOLERANCE_SAME, TOLERANCE_SAME);
	free_all(5, (real *[]){ got, y, final, end, want });
	turn_fini(&r);
}
END_TEST

START_TEST(gradients_reverse_too)
{
	struct turn r;
	turn_init(&r, (enum encoder_type)(_i / 2), _i % 2 ? DECODER_LAST : DECODER_TOKEN);
	real *dy = random_reals(r.n_y, 4), *dy_turned = turned_answer(&r, dy);
	real *dparams = reals(r.n), *want = reals(r.n), *dx = reals(T * B * 3), *dturned = reals(T * B * 3);
	real *dx_turned = reals(T * B * 3);
	backward(&r.backwards, r.params, &r.in, dy, dparams, dx);
	backward(&r.forwards, r.params, &r.in_turned, dy_turned, want, dturned);
	reverse_steps(3, dturned, dx_turned);
	check_close("dparams", r.n, dparams, want, TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	check_close("dx", T * B * 3, dx, dx_turned, TOLERANCE_SAME, TOLERANCE_SAME);
	free_all(7, (real *[]){ dy, dy_turned, dparams, want, dx, dturned, dx_turned });
	turn_fini(&r);
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
	tcase_add_loop_test(tc, gradients_reverse_too, 0, 2 * ENCODER_TRANSFORMER);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_golden.c - layers, losses and Adam against PyTorch's values in tests/golden/ ($GOLDEN_DIR).
 * Compiled twice: double must agree to 1e-10, float to 1e-5. */
#include "model/nn/attention.h"
#include "model/nn/cell.h"
#include "model/nn/loss.h"
#include "model/nn/optimizer.h"

#include "golden.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- cells ------------------------------------------------------------- */

#define MAX_STACK 2

/* Layers and directions of a file, each a cell with its tape; sequences of equal length. */
struct run {
	struct net_spec spec;
	struct tensor_table table;
	int T, B, width;
	size_t rows, state;               /* state: numbers of one cell's state, B hid */
	struct cell cell[MAX_STACK][2];
	struct cell_tape tape[MAX_STACK][2];
	struct packing packing;
	int lengths[8];
	bool memory;
	real *params, *dparams, *ws;
	real *x, *outputs[MAX_STACK];     /* [rows][in], [rows][width] */
	real *h0, *c0;                    /* [layers * directions][B][hid] */
	real *own, *own_dx;               /* one direction's rows, in its own order */
};

static void run_take(struct run *r, struct scratch *s)
{
	packing_take(&r->packing, r->T, r->B, s);
	for (int k = 0; k < r->spec.layers; k++)
		for (int d = 0; d < net_directions(&r->spec); d++)
			cell_tape_take(&r->tape[k][d], &r->cell[k][d], r->rows, r->B, s);
}

/* Tensors of the encoder have PyTorch's names behind "encoder.". */
static bool torch_path(const struct tensor *t, const char *where, char path[96])
{
	static const char encoder[] = "encoder.";
	if (strncmp(t->name, encoder, sizeof encoder - 1))
		return false;
	snprintf(path, 96, "%s/%s", where, t->name + sizeof encoder - 1);
	return true;
}

static void run_params(struct run *r, json_t *root)
{
	char path[96];
	r->params = reals(r->table.count);
	r->dparams = reals(r->table.count);
	for (int i = 0; i < r->table.n; i++) {
		const struct tensor *t = &r->table.tensor[i];
		if (torch_path(t, "params", path))
			numbers_read(json_object_get(golden_at(root, path), "data"), t->count,
			             r->params + t->offset);
	}
}

static void run_init(struct run *r, json_t *root, enum encoder_type type)
{
	*r = (struct run){ .T = golden_int(root, "T"), .B = golden_int(root, "B"), .memory = type == ENCODER_LSTM };
	r->spec = (struct net_spec){
		.encoder = type, .inputs = golden_int(root, "I"), .hidden = golden_int(root, "H"),
		.layers = golden_int(root, "layers"), .bias = true, .reset_after = true,
		.bidirectional = json_is_true(golden_at(root, "bidirectional")),
		.decoder = DECODER_LAST, .targets = 1, .levels = 1, .horizon = 1,
	};
	int directions = net_directions(&r->spec);
	ck_assert_int_le(r->spec.layers, MAX_STACK);
	ck_assert_int_le(r->B, 8);
	r->width = net_width(&r->spec);
	ck_assert_int_le(r->spec.inputs, r->width);      /* run_backward() leaves dx in dout's room */
	r->rows = (size_t)(r->T * r->B);
	r->state = (size_t)(r->B * r->spec.hidden);
	net_tensors(&r->spec, &r->table);
	run_params(r, root);
	for (int k = 0; k < r->spec.layers; k++) {
		for (int d = 0; d < directions; d++) {
			char suffix[CELL_SUFFIX];
			net_cell_suffix(k, d, suffix);
			r->cell[k][d] = cell_at(&r->spec, &r->table, net_encoder_cell(&r->spec), "encoder", suffix);
		}
		r->outputs[k] = reals(r->rows * (size_t)r->width);
	}
	size_t in = (size_t)(r->spec.inputs > r->width ? r->spec.inputs : r->width);
	size_t states = r->state * (size_t)(r->spec.layers * directions);
	r->x = golden_reals(root, "x", r->rows * (size_t)r->spec.inputs);
	r->h0 = golden_reals(root, "h0", states);
	r->c0 = r->memory ? golden_reals(root, "c0", states) : NULL;
	r->own = reals(r->rows * in);
	r->own_dx = reals(r->rows * in);
	struct scratch measure = { 0 };
	run_take(r, &measure);
	r->ws = reals(measure.used);
	run_take(r, &(struct scratch){ .base = r->ws });
	for (int b = 0; b < r->B; b++)
		r->lengths[b] = r->T;
	packing_fill(&r->packing, r->lengths);
}

static void run_fini(struct run *r)
{
	real *all[] = { r->params, r->dparams, r->ws, r->x, r->h0, r->c0, r->own, r->own_dx };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	for (int k = 0; k < r->spec.layers; k++)
		free(r->outputs[k]);
}

/* n numbers of each row between arrays of other widths, as direction d reads them. */
static void rows_move(const struct run *r, int d, int n, const real *from, int ld_from, real *to, int ld_to)
{
	if (d == 1)
		packing_reverse(&r->packing, n, from, ld_from, to, ld_to);
	for (int i = 0; d == 0 && i < r->packing.rows; i++)
		memcpy(to + i * ld_to, from + i * ld_from, (size_t)n * sizeof(real));
}

/* Cell (k, d)'s part of an array of states. */
static struct cell_state state_of(const struct run *r, int k, int d, real *h, real *c)
{
	size_t at = (size_t)(k * net_directions(&r->spec) + d) * r->state;
	return (struct cell_state){ .h = h + at, .c = c ? c + at : NULL };
}

static void run_forward(struct run *r, real *h_n, real *c_n)
{
	int hid = r->spec.hidden;
	for (int k = 0; k < r->spec.layers; k++) {
		const real *input = k ? r->outputs[k - 1] : r->x;
		for (int d = 0; d < net_directions(&r->spec); d++) {
			const struct cell *c = &r->cell[k][d];
			struct cell_state last = state_of(r, k, d, h_n, c_n);
			size_t end = (r->rows - (size_t)r->B) * (size_t)hid;
			rows_move(r, d, c->in, input, c->in, r->own, c->in);
			cell_forward(c, r->params, &r->packing, r->own, state_of(r, k, d, r->h0, r->c0),
			             &r->tape[k][d]);
			rows_move(r, d, hid, r->tape[k][d].h, hid, r->outputs[k] + d * hid, r->width);
			memcpy(last.h, r->tape[k][d].h + end, r->state * sizeof(real));
			if (last.c)
				memcpy(last.c, r->tape[k][d].c + end, r->state * sizeof(real));
		}
	}
}

/* dh_n and dc_n become the gradients of h0 and c0, dout [rows][width] that of x. */
static void run_backward(struct run *r, real *dout, real *dh_n, real *dc_n)
{
	int hid = r->spec.hidden;
	for (int k = r->spec.layers - 1; k >= 0; k--) {
		int in = r->cell[k][0].in;
		real *dx = reals(r->rows * (size_t)in), *dh = reals(r->rows * (size_t)hid);
		for (int d = 0; d < net_directions(&r->spec); d++) {
			rows_move(r, d, in, k ? r->outputs[k - 1] : r->x, in, r->own, in);
			rows_move(r, d, hid, dout + d * hid, r->width, dh, hid);
			cell_backward(&r->cell[k][d], r->params, &r->packing, r->own, dh, state_of(r, k, d, dh_n, dc_n),
			              &r->tape[k][d], r->dparams, r->own_dx);
			rows_move(r, d, in, r->own_dx, in, r->own, in);
			for (size_t i = 0; i < r->rows * (size_t)in; i++)
				dx[i] += r->own[i];
		}
		memcpy(dout, dx, r->rows * (size_t)in * sizeof(real));
		free(dx);
		free(dh);
	}
}

static const struct { const char *file; enum encoder_type type; } cell_files[] = {
	{ "gru_1layer",         ENCODER_GRU },
	{ "gru_2layer",         ENCODER_GRU },
	{ "lstm_1layer",        ENCODER_LSTM },
	{ "lstm_bidirectional", ENCODER_LSTM },
	{ "rnn_tanh_1layer",    ENCODER_RNN },
};

START_TEST(cells_match)
{
	json_t *root = golden_load(cell_files[_i].file);
	struct run r;
	run_init(&r, root, cell_files[_i].type);
	size_t outputs = r.rows * (size_t)r.width;
	size_t states = r.state * (size_t)(r.spec.layers * net_directions(&r.spec));
	real *dout = golden_reals(root, "upstream/y", outputs), *dh_n = golden_reals(root, "upstream/h_n", states);
	real *dc_n = r.memory ? golden_reals(root, "upstream/c_n", states) : NULL;
	real *h_n = reals(states), *c_n = r.memory ? reals(states) : NULL;

	run_forward(&r, h_n, c_n);
	check_golden(root, "y", outputs, r.outputs[r.spec.layers - 1]);
	check_golden(root, "h_n", states, h_n);
	if (r.memory)
		check_golden(root, "c_n", states, c_n);

	run_backward(&r, dout, dh_n, dc_n);
	check_golden(root, "dx", r.rows * (size_t)r.spec.inputs, dout);
	check_golden(root, "dh0", states, dh_n);
	if (r.memory)
		check_golden(root, "dc0", states, dc_n);
	for (int i = 0; i < r.table.n; i++) {
		const struct tensor *t = &r.table.tensor[i];
		char path[96];
		if (torch_path(t, "grads", path))
			check_golden(root, path, t->count, r.dparams + t->offset);
	}
	real *all[] = { dout, dh_n, dc_n, h_n, c_n };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	run_fini(&r);
	json_decref(root);
}
END_TEST

/* --- attention --------------------------------------------------------- */

/* A file's attention: its tensors, in the order of their places in the block, and the sizes of q and k. */
struct attention_case {
	const char *file;
	enum score_type score;
	const char *query, *key;          /* members with the sizes of q and k */
	int tensors;
};

static const struct attention_case attention_cases[] = {
	{ "additive_attention",   SCORE_ADDITIVE, "Dq", "Dk", 4 },
	{ "dot_attention_scaled", SCORE_DOT,      "D",  "D",  0 },
};

static const char *const attention_tensor[] = { "Wq", "Wk", "b", "v" };

static struct attention attention_from(const struct attention_case *c, json_t *root, int dq, int dk, size_t count[4])
{
	struct attention a = { .score = c->score, .key = dk, .query = dk };
	if (c->score == SCORE_DOT)
		return a;
	int att = golden_int(root, "A");
	count[0] = (size_t)(att * dq);
	count[1] = (size_t)(att * dk);
	count[2] = count[3] = (size_t)att;
	a.query = att;
	a.query_map = (struct linear){ .in = dq, .out = att };
	a.key_map = (struct linear){ .in = dk, .out = att, .bias = true, .w = count[0], .b = count[0] + count[1] };
	a.v = a.key_map.b + count[2];
	return a;
}

START_TEST(attention_matches)
{
	const struct attention_case *c = &attention_cases[_i];
	json_t *root = golden_load(c->file);
	const int S = golden_int(root, "S"), B = golden_int(root, "B");
	const int dq = golden_int(root, c->query), dk = golden_int(root, c->key);
	size_t count[4] = { 0 }, n_keys = (size_t)(S * B * dk);
	struct attention a = attention_from(c, root, dq, dk, count);
	size_t n_params = count[0] + count[1] + count[2] + count[3], at = 0;
	real *params = reals(n_params + 1), *dparams = reals(n_params + 1);
	for (int i = 0; i < c->tensors; at += count[i++])
		numbers_read(json_object_get(golden_at(root, attention_tensor[i]), "data"), count[i], params + at);

	struct packing p;
	struct attention_tape tape;
	struct scratch measure = { 0 };
	packing_take(&p, S, B, &measure);
	attention_tape_take(&tape, &a, (size_t)(S * B), S, B, 1, &measure);
	real *ws = reals(measure.used);
	struct scratch scratch = { .base = ws };
	packing_take(&p, S, B, &scratch);
	attention_tape_take(&tape, &a, (size_t)(S * B), S, B, 1, &scratch);
	int lengths[8];
	ck_assert_int_le(B, 8);
	for (int b = 0; b < B; b++)
		lengths[b] = S;
	packing_fill(&p, lengths);

	real *k = golden_reals(root, "k", n_keys), *keys = reals(n_keys);
	real *dkeys = reals(n_keys), *dk_torch = reals(n_keys);
	real *q = golden_reals(root, "q", (size_t)(B * dq)), *dquery = reals((size_t)(B * dq));
	real *context = reals((size_t)(B * dk)), *dcontext = golden_reals(root, "upstream_context", (size_t)(B * dk));
	swap_axes(B, S, dk, k, keys);
	attention_prepare(&a, params, &p, keys, &tape);
	attention_forward(&a, params, &p, 0, keys, q, context, dk, &tape);
	check_golden(root, "weights", (size_t)(B * S), tape.weights);
	check_golden(root, "context", (size_t)(B * dk), context);

	attention_clear(&a, &p, &tape);
	attention_backward(&a, params, &p, 0, keys, dcontext, dk, &tape, dkeys, dparams, dquery);
	attention_weights_backward(&a, params, &p, 1, keys, q, &tape, dkeys, dparams);
	swap_axes(S, B, dk, dkeys, dk_torch);
	check_golden(root, "grads/k", n_keys, dk_torch);
	check_golden(root, "grads/q", (size_t)(B * dq), dquery);
	at = 0;
	for (int i = 0; i < c->tensors; at += count[i++]) {
		char path[64];
		snprintf(path, sizeof path, "grads/%s", attention_tensor[i]);
		check_golden(root, path, count[i], dparams + at);
	}

	real *all[] = { params, dparams, ws, k, keys, dkeys, dk_torch, q, dquery, context, dcontext };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	json_decref(root);
}
END_TEST

/* --- losses ------------------------------------------------------------ */

static const struct { const char *name; struct loss loss; } loss_cases[] = {
	{ "mse_mean",            { .type = LOSS_MSE, .levels = 1 } },
	{ "mae_mean",            { .type = LOSS_MAE, .levels = 1 } },
	{ "huber_mean_delta0.7", { .type = LOSS_HUBER, .levels = 1, .delta = 0.7 } },
	{ "pinball_mean_tau0.1", { .type = LOSS_PINBALL, .levels = 1, .level = { 0.1 } } },
	{ "pinball_mean_tau0.5", { .type = LOSS_PINBALL, .levels = 1, .level = { 0.5 } } },
	{ "pinball_mean_tau0.9", { .type = LOSS_PINBALL, .levels = 1, .level = { 0.9 } } },
};

#define LOSS_COUNT 9

/* The mean and its gradient are the golden case's. */
static void check_loss(json_t *root, const char *name, double mean, size_t n, const char *gradient, const real *dy)
{
	char path[96];
	snprintf(path, sizeof path, "cases/%s/value", name);
	ck_assert(fabs(mean - golden_number(root, path)) <= TOLERANCE_GOLDEN);
	snprintf(path, sizeof path, "cases/%s/%s", name, gradient);
	check_golden(root, path, n, dy);
}

START_TEST(loss_matches)
{
	json_t *root = golden_load("losses");
	real *y = golden_reals(root, "pred", LOSS_COUNT), *t = golden_reals(root, "target", LOSS_COUNT);
	real *dy = reals(LOSS_COUNT);

	double sum = loss_forward_backward(&loss_cases[_i].loss, LOSS_COUNT, y, t, 1.0 / LOSS_COUNT, dy);
	check_loss(root, loss_cases[_i].name, sum / LOSS_COUNT, LOSS_COUNT, "dpred", dy);
	free(y);
	free(t);
	free(dy);
	json_decref(root);
}
END_TEST

/* PyTorch's smooth L1 is Huber's loss over its delta. */
START_TEST(smooth_l1_is_hubers)
{
	const struct loss huber = { .type = LOSS_HUBER, .levels = 1, .delta = 0.5 };
	const double weight = 1 / (0.5 * LOSS_COUNT);
	json_t *root = golden_load("losses");
	real *y = golden_reals(root, "pred", LOSS_COUNT), *t = golden_reals(root, "target", LOSS_COUNT);
	real *dy = reals(LOSS_COUNT);
	double sum = loss_forward_backward(&huber, LOSS_COUNT, y, t, weight, dy);
	check_loss(root, "smooth_l1_mean_beta0.5", sum * weight, LOSS_COUNT, "dpred", dy);
	free(y);
	free(t);
	free(dy);
	json_decref(root);
}
END_TEST

#define LABELS 5
#define CLASSES 4

static const struct loss entropy = { .type = LOSS_CROSS_ENTROPY, .classes = CLASSES };

START_TEST(cross_entropy_matches)
{
	json_t *root = golden_load("losses");
	real *y = golden_reals(root, "cases/cross_entropy_mean/logits", LABELS * CLASSES), *dy = reals(LABELS * CLASSES);
	real t[LABELS];
	numbers_read(golden_at(root, "cases/cross_entropy_mean/target"), LABELS, t);
	double sum = loss_forward_backward(&entropy, LABELS, y, t, 1.0 / LABELS, dy);
	check_loss(root, "cross_entropy_mean", sum / LABELS, LABELS * CLASSES, "dlogits", dy);
	ck_assert(loss_forward_backward(&entropy, LABELS, y, t, 1.0 / LABELS, NULL) == sum);
	free(y);
	free(dy);
	json_decref(root);
}
END_TEST

/* The loss is linear in the distribution of the truth: smoothed labels give each class a share of it. */
START_TEST(smoothed_labels_are_shares_of_all_classes)
{
	const double smoothing = 0.1;
	json_t *root = golden_load("losses");
	real *y = golden_reals(root, "cases/cross_entropy_mean/logits", LABELS * CLASSES);
	real *own = reals(LABELS * CLASSES), *dy = reals(LABELS * CLASSES);
	double sum = 0;
	for (int c = -1; c < CLASSES; c++) {    /* -1: the true one */
		double share = c < 0 ? 1 - smoothing : smoothing / CLASSES;
		real t[LABELS];
		numbers_read(golden_at(root, "cases/cross_entropy_mean/target"), LABELS, t);
		for (int i = 0; i < LABELS; i++)
			t[i] = c < 0 ? t[i] : (real)c;
		sum += share * loss_forward_backward(&entropy, LABELS, y, t, share / LABELS, own);
		for (int i = 0; i < LABELS * CLASSES; i++)
			dy[i] += own[i];
	}
	check_loss(root, "cross_entropy_mean_ls0.1", sum / LABELS, LABELS * CLASSES, "dlogits", dy);
	free(y);
	free(own);
	free(dy);
	json_decref(root);
}
END_TEST

/* Binary cross entropy of a score is that of two classes, the first one's score 0. */
START_TEST(two_classes_are_binary)
{
	enum { N = 6 };
	const struct loss two = { .type = LOSS_CROSS_ENTROPY, .classes = 2 };
	json_t *root = golden_load("losses");
	real *score = golden_reals(root, "cases/bce_logits_mean/logits", N), y[2 * N] = { 0 }, dy[2 * N], t[N];
	numbers_read(golden_at(root, "cases/bce_logits_mean/target"), N, t);
	for (int i = 0; i < N; i++)
		y[2 * i + 1] = score[i];
	double sum = loss_forward_backward(&two, N, y, t, 1.0 / N, dy);
	for (int i = 0; i < N; i++)
		score[i] = dy[2 * i + 1];
	check_loss(root, "bce_logits_mean", sum / N, N, "dlogits", score);
	free(score);
	json_decref(root);
}
END_TEST

/* --- optimisers -------------------------------------------------------- */

#define OPTIMIZER_STEPS   12
#define OPTIMIZER_NUMBERS 7

static const struct { const char *file; struct optimizer optimizer; double max_norm; } optimizer_cases[] = {
	{ "adam",         { .type = OPTIMIZER_ADAM,  .learning_rate = 0.01 },                       INFINITY },
	{ "adam_clip1",   { .type = OPTIMIZER_ADAM,  .learning_rate = 0.01 },                       1 },
	{ "adamw",        { .type = OPTIMIZER_ADAMW, .learning_rate = 0.01, .weight_decay = 0.05 }, INFINITY },
	{ "sgd_momentum", { .type = OPTIMIZER_SGD,   .learning_rate = 0.05, .momentum = 0.9 },      INFINITY },
};

START_TEST(optimizer_matches)
{
	json_t *root = golden_load(optimizer_cases[_i].file);
	const struct optimizer *o = &optimizer_cases[_i].optimizer;
	ck_assert(fabs(golden_number(root, "settings/lr") - o->learning_rate) <= 0);
	real *p = golden_reals(root, "p0", OPTIMIZER_NUMBERS);
	real *g = golden_reals(root, "grads_per_step", (size_t)OPTIMIZER_STEPS * OPTIMIZER_NUMBERS);
	real *norms = reals(OPTIMIZER_STEPS);
	json_t *want_norms = golden_at(root, "norms_before_clip");
	real m[OPTIMIZER_NUMBERS] = { 0 }, v[OPTIMIZER_NUMBERS] = { 0 }, want[OPTIMIZER_NUMBERS];

	for (size_t step = 0; step < OPTIMIZER_STEPS; step++) {
		real *now = g + step * OPTIMIZER_NUMBERS;
		norms[step] = (real)gradient_norm(now, OPTIMIZER_NUMBERS);
		gradient_clip(now, OPTIMIZER_NUMBERS, gradient_norm(now, OPTIMIZER_NUMBERS), optimizer_cases[_i].max_norm);
		optimizer_step(o, step + 1, OPTIMIZER_NUMBERS, p, m, v, now);
		numbers_read(json_array_get(golden_at(root, "params_after_step"), step), OPTIMIZER_NUMBERS, want);
		check_close("p", OPTIMIZER_NUMBERS, p, want, TOLERANCE_GOLDEN, TOLERANCE_GOLDEN);
	}
	if (json_array_size(want_norms)) {
		real want_norm[OPTIMIZER_STEPS];
		numbers_read(want_norms, OPTIMIZER_STEPS, want_norm);
		check_close("norm", OPTIMIZER_STEPS, norms, want_norm, TOLERANCE_GOLDEN, 0);
	}
	free(p);
	free(g);
	free(norms);
	json_decref(root);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

int main(void)
{
	Suite *suite = suite_create("golden, " BUILD);
	TCase *tc = tcase_create("torch");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, cells_match, 0, COUNT(cell_files));
	tcase_add_loop_test(tc, attention_matches, 0, COUNT(attention_cases));
	tcase_add_loop_test(tc, loss_matches, 0, COUNT(loss_cases));
	tcase_add_test(tc, smooth_l1_is_hubers);
	tcase_add_test(tc, cross_entropy_matches);
	tcase_add_test(tc, smoothed_labels_are_shares_of_all_classes);
	tcase_add_test(tc, two_classes_are_binary);
	tcase_add_loop_test(tc, optimizer_matches, 0, COUNT(optimizer_cases));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

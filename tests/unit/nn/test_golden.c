/* test_golden.c - layers, losses and Adam against PyTorch's values in tests/golden/ ($GOLDEN_DIR).
 * Compiled twice: double must agree to 1e-10, float to 1e-5. */
#include "model/nn/attention.h"
#include "model/nn/gru.h"
#include "model/nn/loss.h"
#include "model/nn/optimizer.h"

#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *golden_load(const char *name)
{
	const char *dir = getenv("GOLDEN_DIR");
	char path[4096];
	json_error_t e;
	ck_assert_msg(dir, "GOLDEN_DIR is not set");
	snprintf(path, sizeof path, "%s/%s.json", dir, name);
	json_t *root = json_load_file(path, 0, &e);
	ck_assert_msg(root, "%s: %s", path, e.text);
	return root;
}

/* The value at a path of members: "grads/bias_ih_l0". */
static json_t *golden_at(json_t *j, const char *path)
{
	char member[64];
	while (*path) {
		size_t n = strcspn(path, "/");
		snprintf(member, sizeof member, "%.*s", (int)n, path);
		j = json_object_get(j, member);
		ck_assert_msg(j, "%s is missing", member);
		path += n + (path[n] == '/');
	}
	return j;
}

static int golden_int(json_t *root, const char *path)
{
	return (int)json_integer_value(golden_at(root, path));
}

static double golden_number(json_t *root, const char *path)
{
	return json_number_value(golden_at(root, path));
}

/* Copy an array of exactly n numbers. */
static void numbers_read(json_t *array, size_t n, real *out)
{
	ck_assert_uint_eq(json_array_size(array), n);
	for (size_t i = 0; i < n; i++)
		out[i] = (real)json_number_value(json_array_get(array, i));
}

static real *golden_reals(json_t *root, const char *path, size_t n)
{
	real *out = reals(n);
	numbers_read(json_object_get(golden_at(root, path), "data"), n, out);
	return out;
}

static void check_golden(json_t *root, const char *path, size_t n, const real *got)
{
	real *want = golden_reals(root, path, n);
	check_close(path, n, got, want, TOLERANCE_GOLDEN, TOLERANCE_GOLDEN);
	free(want);
}

/* --- GRU --------------------------------------------------------------- */

#define MAX_STACK 2
static const char *const gru_tensor[] = { "weight_ih", "weight_hh", "bias_ih", "bias_hh" };

struct stack {
	int T, B, in, hid, layers;
	struct gru layer[MAX_STACK];
	struct packing packing;
	struct gru_tape tape[MAX_STACK];
	int lengths[8];
	size_t n_params;
	real *params, *dparams, *x, *h0, *dh, *dx, *dh0, *ws;
};

/* Where a file keeps a tensor of layer k. */
static void gru_path(char path[64], const char *where, int k, int tensor)
{
	snprintf(path, 64, "%s/%s_l%d", where, gru_tensor[tensor], k);
}

static size_t gru_tensor_count(const struct gru *g, int tensor)
{
	const size_t count[] = { (size_t)g->in, (size_t)g->hid, 1, 1 };
	return 3 * (size_t)g->hid * count[tensor];
}

static void stack_place(struct stack *s)
{
	size_t at = 0;
	for (int k = 0; k < s->layers; k++) {
		struct gru *g = &s->layer[k];
		*g = (struct gru){ .in = k ? s->hid : s->in, .hid = s->hid, .reset_after = true };
		g->input = (struct linear){ .in = g->in, .out = 3 * s->hid, .bias = true };
		g->recurrent = (struct linear){ .in = s->hid, .out = 3 * s->hid, .bias = true };
		size_t *place[] = { &g->input.w, &g->recurrent.w, &g->input.b, &g->recurrent.b };
		for (int i = 0; i < 4; i++) {
			*place[i] = at;
			at += gru_tensor_count(g, i);
		}
	}
	s->n_params = at;
}

static void stack_take(struct stack *s, struct scratch *scratch)
{
	packing_take(&s->packing, s->T, s->B, scratch);
	for (int k = 0; k < s->layers; k++)
		gru_tape_take(&s->tape[k], &s->layer[k], (size_t)(s->T * s->B), s->B, scratch);
}

static void stack_init(struct stack *s, json_t *root)
{
	*s = (struct stack){ .T = golden_int(root, "T"), .B = golden_int(root, "B"), .in = golden_int(root, "I"),
	                     .hid = golden_int(root, "H"), .layers = golden_int(root, "layers") };
	size_t rows = (size_t)(s->T * s->B), state = (size_t)(s->B * s->hid);
	ck_assert_int_le(s->layers, MAX_STACK);
	ck_assert_int_le(s->B, 8);
	stack_place(s);
	s->params = reals(s->n_params);
	s->dparams = reals(s->n_params);
	s->x = golden_reals(root, "x", rows * (size_t)s->in);
	s->h0 = golden_reals(root, "h0", state * (size_t)s->layers);
	s->dh = golden_reals(root, "upstream/y", rows * (size_t)s->hid);
	s->dx = reals(rows * (size_t)(s->in > s->hid ? s->in : s->hid));
	s->dh0 = reals(state * (size_t)s->layers);
	size_t at = 0;
	for (int k = 0; k < s->layers; k++) {
		for (int i = 0; i < 4; i++) {
			char path[64];
			gru_path(path, "params", k, i);
			size_t n = gru_tensor_count(&s->layer[k], i);
			numbers_read(json_object_get(golden_at(root, path), "data"), n, s->params + at);
			at += n;
		}
	}
	struct scratch measure = { 0 };
	stack_take(s, &measure);
	s->ws = reals(measure.used);
	stack_take(s, &(struct scratch){ .base = s->ws });
	for (int b = 0; b < s->B; b++)
		s->lengths[b] = s->T;
	packing_fill(&s->packing, s->lengths);
}

static void stack_fini(struct stack *s)
{
	real *all[] = { s->params, s->dparams, s->x, s->h0, s->dh, s->dx, s->dh0, s->ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static const real *stack_input(const struct stack *s, int k)
{
	return k ? s->tape[k - 1].h : s->x;
}

static const char *const gru_files[] = { "gru_1layer", "gru_2layer" };

START_TEST(gru_matches)
{
	json_t *root = golden_load(gru_files[_i]);
	struct stack s;
	stack_init(&s, root);
	size_t rows = (size_t)(s.T * s.B), hid = (size_t)s.hid, state = (size_t)s.B * hid;
	real *dlast = golden_reals(root, "upstream/h_n", state * (size_t)s.layers);
	real *last = reals(state * (size_t)s.layers);

	for (int k = 0; k < s.layers; k++) {
		gru_forward(&s.layer[k], s.params, &s.packing, stack_input(&s, k), s.h0 + (size_t)k * state,
		            &s.tape[k]);
		memcpy(last + (size_t)k * state, s.tape[k].h + (rows - (size_t)s.B) * hid, state * sizeof(real));
	}
	check_golden(root, "y", rows * hid, s.tape[s.layers - 1].h);
	check_golden(root, "h_n", state * (size_t)s.layers, last);

	for (int k = s.layers - 1; k >= 0; k--) {
		for (size_t i = 0; i < state; i++)
			s.dh[(rows - (size_t)s.B) * hid + i] += dlast[(size_t)k * state + i];
		gru_backward(&s.layer[k], s.params, &s.packing, stack_input(&s, k), s.dh, &s.tape[k], s.dparams,
		             s.dh0 + (size_t)k * state, s.dx);
		if (k)
			memcpy(s.dh, s.dx, rows * hid * sizeof(real));
	}
	check_golden(root, "dx", rows * (size_t)s.in, s.dx);
	check_golden(root, "dh0", state * (size_t)s.layers, s.dh0);
	size_t at = 0;
	for (int k = 0; k < s.layers; k++) {
		for (int i = 0; i < 4; i++) {
			char path[64];
			gru_path(path, "grads", k, i);
			check_golden(root, path, gru_tensor_count(&s.layer[k], i), s.dparams + at);
			at += gru_tensor_count(&s.layer[k], i);
		}
	}
	free(dlast);
	free(last);
	stack_fini(&s);
	json_decref(root);
}
END_TEST

/* --- attention --------------------------------------------------------- */

/* Between PyTorch's [B][S][n] and the packed [S][B][n] of equal lengths. */
static void swap_axes(int A, int B, int n, const real *from, real *to)
{
	for (int a = 0; a < A; a++)
		for (int b = 0; b < B; b++)
			memcpy(to + (b * A + a) * n, from + (a * B + b) * n, (size_t)n * sizeof(real));
}

START_TEST(attention_matches)
{
	json_t *root = golden_load("additive_attention");
	const int S = golden_int(root, "S"), B = golden_int(root, "B"), dq = golden_int(root, "Dq");
	const int dk = golden_int(root, "Dk"), att = golden_int(root, "A");
	const char *const names[] = { "Wq", "Wk", "b", "v" };
	const size_t counts[] = { (size_t)(att * dq), (size_t)(att * dk), (size_t)att, (size_t)att };
	size_t place[4], n_params = 0, n_keys = (size_t)(S * B * dk);

	for (int i = 0; i < 4; i++) {
		place[i] = n_params;
		n_params += counts[i];
	}
	struct attention a = {
		.key = dk, .att = att, .score = place[3],
		.query_map = { .in = dq, .out = att, .w = place[0] },
		.key_map = { .in = dk, .out = att, .bias = true, .w = place[1], .b = place[2] },
	};
	real *params = reals(n_params), *dparams = reals(n_params);
	for (int i = 0; i < 4; i++)
		numbers_read(json_object_get(golden_at(root, names[i]), "data"), counts[i], params + place[i]);

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
	for (int i = 0; i < 4; i++) {
		char path[64];
		snprintf(path, sizeof path, "grads/%s", names[i]);
		check_golden(root, path, counts[i], dparams + place[i]);
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

START_TEST(loss_matches)
{
	json_t *root = golden_load("losses");
	char path[96];
	real *y = golden_reals(root, "pred", LOSS_COUNT), *t = golden_reals(root, "target", LOSS_COUNT);
	real *dy = reals(LOSS_COUNT);

	double sum = loss_forward_backward(&loss_cases[_i].loss, LOSS_COUNT, y, t, 1.0 / LOSS_COUNT, dy);
	snprintf(path, sizeof path, "cases/%s/value", loss_cases[_i].name);
	ck_assert(fabs(sum / LOSS_COUNT - golden_number(root, path)) <= TOLERANCE_GOLDEN);
	snprintf(path, sizeof path, "cases/%s/dpred", loss_cases[_i].name);
	check_golden(root, path, LOSS_COUNT, dy);
	free(y);
	free(t);
	free(dy);
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
	tcase_add_loop_test(tc, gru_matches, 0, COUNT(gru_files));
	tcase_add_test(tc, attention_matches);
	tcase_add_loop_test(tc, loss_matches, 0, COUNT(loss_cases));
	tcase_add_loop_test(tc, optimizer_matches, 0, COUNT(optimizer_cases));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

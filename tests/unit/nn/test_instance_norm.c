/* test_instance_norm.c - the instance norm against RevIN's values in tests/golden/ ($GOLDEN_DIR), and a network with one
 * against the bare network between its two maps: answer and gradient of x. */
#include "model/nn/instance_norm.h"

#include "drawn.h"
#include "golden.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BATCH 8

/* The weight's eps^2, which the test leaves out, is 1e-10 of it at most. */
#ifdef GATECAST_DOUBLE
#define TOLERANCE 1e-9
#else
#define TOLERANCE 2e-3    /* a short sequence of equal numbers divides by the root of eps */
#endif

/* [batch][time][channel] there, [T][B][n] here. */
static real *series_from(json_t *root, const char *path, int B, int T, int n)
{
	real *theirs = golden_reals(root, path, (size_t)(B * T * n)), *ours = reals((size_t)(B * T * n));
	swap_axes(B, T, n, theirs, ours);
	free(theirs);
	return ours;
}

static int shape_of(json_t *root, const char *path, size_t axis)
{
	return (int)json_integer_value(json_array_get(golden_at(root, path), axis));
}

static void check_series(json_t *root, const char *path, int B, int T, int n, const real *ours)
{
	real *theirs = reals((size_t)(B * T * n));
	swap_axes(T, B, n, ours, theirs);
	check_golden(root, path, (size_t)(B * T * n), theirs);
	free(theirs);
}

START_TEST(revin_matches)
{
	json_t *root = golden_load("revin_affine");
	int B = shape_of(root, "x/shape", 0), T = shape_of(root, "x/shape", 1), n = shape_of(root, "x/shape", 2);
	int horizon = shape_of(root, "model_out/shape", 1), lengths[MAX_BATCH];
	struct instance_norm norm = { .channels = n, .targets = n, .levels = 1, .horizon = horizon, .b = (size_t)n };
	struct instance_norm_tape tape;
	struct scratch measure = { 0 };
	ck_assert_int_le(B, MAX_BATCH);
	for (int b = 0; b < B; b++)
		lengths[b] = T;
	real *params = reals(2 * (size_t)n), *x = series_from(root, "x", B, T, n);
	real *y = series_from(root, "model_out", B, horizon, n);
	numbers_read(golden_at(root, "weight/data"), (size_t)n, params + norm.w);
	numbers_read(golden_at(root, "bias/data"), (size_t)n, params + norm.b);
	instance_norm_tape_take(&tape, &norm, T, B, &measure);
	real *ws = reals(measure.used);
	instance_norm_tape_take(&tape, &norm, T, B, &(struct scratch){ .base = ws });

	instance_norm_forward(&norm, params, &(struct network_input){ .T = T, .B = B, .lengths = lengths, .x = x }, &tape);
	check_series(root, "normed", B, T, n, tape.x);
	instance_norm_invert(&norm, params, B, &tape, y);
	check_series(root, "denormed", B, horizon, n, y);

	real *all[] = { params, x, y, ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
	json_decref(root);
}
END_TEST

/* Two networks of the same weights but the norm's, and what they read and give. */
struct pair {
	struct probe_case with, without;
	struct probe norm, bare;
	double mean[PROBE_MAX_BATCH][8], deviation[PROBE_MAX_BATCH][8];
};

static const real *norm_tensor(const struct pair *p, const char *name)
{
	return p->norm.params + tensor_find(&p->norm.table, name)->offset;
}

static size_t x_at(const struct pair *p, int t, int b, int c)
{
	return (size_t)((t * p->with.B + b) * p->with.spec.inputs + c);
}

static void measure_channel(struct pair *p, int b, int c)
{
	int T = p->with.lengths[b];
	double sum = 0, squares = 0;
	for (int t = 0; t < T; t++)
		sum += (double)p->norm.x[x_at(p, t, b, c)];
	p->mean[b][c] = sum / T;
	for (int t = 0; t < T; t++)
		squares += pow((double)p->norm.x[x_at(p, t, b, c)] - p->mean[b][c], 2);
	p->deviation[b][c] = sqrt(squares / T + 1e-5);
}

/* The bare network reads what the norm should give, and its loss is weighted as the inverse map would have it. */
static void pair_init(struct pair *p, int i)
{
	p->with = case_drawn(i);
	p->with.teacher = false;
	p->with.spec.instance_norm = true;
	p->without = p->with;
	p->without.spec.instance_norm = false;
	probe_init(&p->norm, &p->with);
	probe_init(&p->bare, &p->without);
	const struct net_spec *s = &p->with.spec;
	const real *w = norm_tensor(p, "instance_norm.weight"), *bias = norm_tensor(p, "instance_norm.bias");
	memcpy(p->bare.params, p->norm.params + 2 * s->inputs, p->bare.table.count * sizeof(real));
	for (int b = 0; b < p->with.B; b++) {
		for (int c = 0; c < s->inputs; c++) {
			measure_channel(p, b, c);
			for (int t = 0; t < p->with.lengths[b]; t++)
				p->bare.x[x_at(p, t, b, c)] = (real)(((double)p->norm.x[x_at(p, t, b, c)] - p->mean[b][c])
					/ p->deviation[b][c] * (double)w[c] + (double)bias[c]);
		}
	}
	for (size_t k = 0; k < p->norm.n_y; k++) {
		int outputs = net_outputs(s), b = (int)k / outputs % p->with.B, c = (int)k % outputs / s->levels;
		p->bare.weight[k] = p->norm.weight[k] * (real)(p->deviation[b][c] / (double)w[c]);
	}
}

static void check_answers(const struct pair *p)
{
	const struct net_spec *s = &p->with.spec;
	const real *w = norm_tensor(p, "instance_norm.weight"), *bias = norm_tensor(p, "instance_norm.bias");
	for (size_t k = 0; k < p->norm.n_y; k++) {
		int outputs = net_outputs(s), b = (int)k / outputs % p->with.B, c = (int)k % outputs / s->levels;
		double want = ((double)p->bare.y[k] - (double)bias[c]) / (double)w[c] * p->deviation[b][c] + p->mean[b][c];
		ck_assert(fabs((double)p->norm.y[k] - want) <= TOLERANCE * (1 + fabs(want)));
	}
}

static void check_gradients(const struct pair *p)
{
	const real *w = norm_tensor(p, "instance_norm.weight");
	for (int b = 0; b < p->with.B; b++)
		for (int c = 0; c < p->with.spec.inputs; c++)
			for (int t = 0; t < p->with.lengths[0]; t++) {
				double want = (double)p->bare.dx[x_at(p, t, b, c)] * (double)w[c] / p->deviation[b][c];
				ck_assert(fabs((double)p->norm.dx[x_at(p, t, b, c)] - want) <= TOLERANCE * (1 + fabs(want)));
			}
}

static bool allows_norm(const struct net_spec *s)
{
	struct net_spec with = *s;
	with.instance_norm = true;
	return net_spec_check(&with, NULL) == ERR_OK;
}

START_TEST(a_network_between_two_maps)
{
	struct probe_case c = case_drawn(_i);
	if (!allows_norm(&c.spec))
		return;
	struct pair p;
	pair_init(&p, _i);
	probe_loss(&p.norm);
	probe_loss(&p.bare);
	check_answers(&p);
	probe_backward(&p.norm, p.norm.dparams, p.norm.dx);
	probe_backward(&p.bare, p.bare.dparams, p.bare.dx);
	check_gradients(&p);
	probe_fini(&p.norm);
	probe_fini(&p.bare);
}
END_TEST

/* Level and spread of a sequence go through. */
START_TEST(an_answer_follows_its_sequence)
{
	struct probe_case c = {
		.name = "gru", .B = 2, .lengths = { 6, 4 },
		.spec = { .inputs = 2, .hidden = 3, .layers = 1, .bias = true, .reset_after = true, .instance_norm = true,
		          .decoder = DECODER_LAST, .targets = 2, .levels = 1, .horizon = 3 },
	};
	struct probe p;
	probe_init(&p, &c);
	probe_loss(&p);
	real *before = reals(p.n_y);
	memcpy(before, p.y, p.n_y * sizeof(real));
	for (size_t i = 0; i < p.n_x; i++)
		p.x[i] = 100 * p.x[i] + 1000;
	probe_loss(&p);
	for (size_t i = 0; i < p.n_y; i++) {
		double want = 100 * (double)before[i] + 1000;
		ck_assert(fabs((double)p.y[i] - want) <= 1e-3 * fabs(want));    /* eps is not scaled */
	}
	free(before);
	probe_fini(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("instance norm, " BUILD);
	TCase *tc = tcase_create("RevIN");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, revin_matches);
	tcase_add_test(tc, an_answer_follows_its_sequence);
	tcase_add_loop_test(tc, a_network_between_two_maps, 0, 4 * DRAWN_ROUND);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

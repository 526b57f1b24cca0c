#include "call.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

const int call_lengths[CALL_ROWS] = { 6, 6, 4, 2, 1 };

void call_init(struct call *c, const struct net_spec *s, int steps, int rows, const int *lengths)
{
	struct tensor_table table;
	net_tensors(s, &table);
	*c = (struct call){ .spec = s, .steps = steps, .rows = rows, .answers = net_steps(s, steps), .lengths = lengths,
	                    .n_params = table.count };
	c->n_x = (size_t)(steps * rows * s->inputs);
	c->n_teacher = (size_t)(s->horizon * rows * s->targets);
	c->n_y = (size_t)(c->answers * rows * net_outputs(s));
	c->n_a = (size_t)(s->horizon * rows * steps);
	c->x = reals(c->n_x);
	c->teacher = reals(c->n_teacher);
	c->y = reals(c->n_y);
	c->attention = reals(c->n_a);
	c->dy = reals(c->n_y);
	c->dx = reals(c->n_x);
	c->dparams = reals(c->n_params);
	c->ws = reals(network_scratch(s, steps, rows));
}

void call_fini(struct call *c)
{
	real *all[] = { c->x, c->teacher, c->y, c->attention, c->dy, c->dx, c->dparams, c->ws };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

/* Random numbers, or tokens where there is a vocabulary. */
static void fill(size_t n, int vocabulary, uint32_t substream, real *out)
{
	real *numbers = vocabulary ? random_tokens(n, 0, vocabulary, substream) : random_reals(n, substream);
	memcpy(out, numbers, n * sizeof(real));
	free(numbers);
}

void call_init_whole(struct call *c, const struct net_spec *s)
{
	call_init(c, s, CALL_STEPS, CALL_ROWS, call_lengths);
	fill(c->n_x, s->vocabulary, 2, c->x);
	fill(c->n_y, 0, 3, c->dy);
	fill(c->n_teacher, s->classes, 4, c->teacher);
}

void call_run(struct call *c, const real *params, const struct dropout_key *key)
{
	const struct network_input in = {
		.T = c->steps, .B = c->rows, .lengths = c->lengths, .x = c->x, .dropout = key,
		.teacher = c->teacher, .teacher_ratio = 0.5,
	};
	network_forward(c->spec, params, &in, &(struct network_output){ .y = c->y, .attention = c->attention }, c->ws);
	network_backward(c->spec, params, &in, c->dy, c->dparams, c->dx, c->ws);
}

/* Copy rows first … first + n - 1 of an array [steps][rows][width] into one of fewer rows and steps. */
static void rows_copy(const real *from, int from_rows, int first, int n, int steps, int width, real *to)
{
	for (int t = 0; t < steps; t++)
		memcpy(to + t * n * width, from + (t * from_rows + first) * width, (size_t)(n * width) * sizeof(real));
}

/* A call on rows first … first + n - 1 of another, with no more steps than they need. */
static void call_cut(struct call *c, const struct call *whole, int first, int n)
{
	const struct net_spec *s = whole->spec;
	call_init(c, s, whole->lengths[first], n, whole->lengths + first);
	rows_copy(whole->x, whole->rows, first, n, c->steps, s->inputs, c->x);
	rows_copy(whole->dy, whole->rows, first, n, c->answers, net_outputs(s), c->dy);
	rows_copy(whole->teacher, whole->rows, first, n, s->horizon, s->targets, c->teacher);
}

/* y, attention and dx of the cut are those rows of the whole. */
static void check_cut(const struct call *c, const struct call *whole, int first)
{
	const struct net_spec *s = c->spec;
	int n = c->rows, outputs = net_outputs(s);
	real *want = reals(whole->n_x + whole->n_y);

	rows_copy(whole->y, whole->rows, first, n, c->answers, outputs, want);
	check_close("y", c->n_y, c->y, want, TOLERANCE_SAME, TOLERANCE_SAME);
	rows_copy(whole->dx, whole->rows, first, n, c->steps, s->inputs, want);
	check_close("dx", c->n_x, c->dx, want, TOLERANCE_SAME, TOLERANCE_SAME);
	for (int i = 0; i < s->horizon * n; i++) {
		int row = (i / n) * whole->rows + first + i % n;
		check_close("attention", (size_t)c->steps, c->attention + i * c->steps,
		            whole->attention + row * whole->steps, TOLERANCE_SAME, TOLERANCE_SAME);
	}
	free(want);
}

void check_shards(const struct net_spec *s, int n, const struct dropout_key *key)
{
	struct call whole;
	call_init_whole(&whole, s);
	real *params = random_reals(whole.n_params, 1), *sum = reals(whole.n_params);
	call_run(&whole, params, key);
	for (int first = 0; first < whole.rows; first += n) {
		struct call c;
		struct dropout_key shard = *key;
		shard.row_base += (uint32_t)first;
		call_cut(&c, &whole, first, first + n <= whole.rows ? n : whole.rows - first);
		call_run(&c, params, &shard);
		check_cut(&c, &whole, first);
		for (size_t i = 0; i < c.n_params; i++)
			sum[i] += c.dparams[i];
		call_fini(&c);
	}
	check_close("dparams", whole.n_params, sum, whole.dparams, 10 * TOLERANCE_SAME, 10 * TOLERANCE_SAME);
	free(params);
	free(sum);
	call_fini(&whole);
}

void check_padding(const struct net_spec *s)
{
	struct call clean, dirty;
	call_init_whole(&clean, s);
	call_init_whole(&dirty, s);
	real *params = random_reals(clean.n_params, 1);
	for (int t = 0; t < dirty.steps; t++)
		for (int b = 0; b < dirty.rows; b++)
			for (int i = 0; i < s->inputs && t >= dirty.lengths[b]; i++)
				dirty.x[(t * dirty.rows + b) * s->inputs + i] = NAN;
	call_run(&clean, params, NULL);
	call_run(&dirty, params, NULL);
	ck_assert_mem_eq(clean.y, dirty.y, clean.n_y * sizeof(real));
	ck_assert_mem_eq(clean.dparams, dirty.dparams, clean.n_params * sizeof(real));
	ck_assert_mem_eq(clean.dx, dirty.dx, clean.n_x * sizeof(real));
	free(params);
	call_fini(&clean);
	call_fini(&dirty);
}

void check_same_bits(const struct net_spec *s)
{
	struct dropout_key key = { .seed = 1, .key = 2 };
	struct call one, two;
	call_init_whole(&one, s);
	call_init_whole(&two, s);
	real *params = random_reals(one.n_params, 1);
	for (size_t i = 0; i < network_scratch(s, two.steps, two.rows); i++)
		two.ws[i] = NAN;                     /* nothing left over from before may matter */
	call_run(&one, params, &key);
	call_run(&two, params, &key);
	ck_assert_mem_eq(one.y, two.y, one.n_y * sizeof(real));
	ck_assert_mem_eq(one.attention, two.attention, one.n_a * sizeof(real));
	ck_assert_mem_eq(one.dparams, two.dparams, one.n_params * sizeof(real));
	ck_assert_mem_eq(one.dx, two.dx, one.n_x * sizeof(real));
	free(params);
	call_fini(&one);
	call_fini(&two);
}

void check_key_matters(const struct net_spec *s)
{
	const struct dropout_key keys[] = {
		{ .seed = 1, .key = 0 }, { .seed = 1, .key = 2 }, { .seed = 1, .key = 3 }, { .seed = 2, .key = 2 },
		{ .seed = 1, .key = 2, .row_base = 64 },
	};
	enum { N = sizeof keys / sizeof *keys };
	struct call c[N];
	real *params = NULL;
	for (int i = 0; i < N; i++) {
		call_init_whole(&c[i], s);
		if (!params)
			params = random_reals(c[i].n_params, 1);
		call_run(&c[i], params, &keys[i]);
		for (int k = 0; k < i; k++)
			ck_assert_mem_ne(c[i].y, c[k].y, c[i].n_y * sizeof(real));
	}
	for (int i = 0; i < N; i++)
		call_fini(&c[i]);
	free(params);
}

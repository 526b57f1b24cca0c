/* test_gradients.c - each hand-written gradient against central differences, in double.
 *
 * The probe is loss = sum over y of c * y with fixed random c, so dy = c. Every weight and every real number
 * of x is moved by ±STEP and ±2 STEP; the quotient's own error is about STEP^4 + 1e-16 / STEP, far below TOLERANCE,
 * also where a relu cell's large states make a dot attention steep.
 *
 * A table holds the cases that a reader looks for; drawn compositions cover the rest of the options together. */
#include "model/nn/network.h"

#include "model/base/rng.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

#define STEP      1e-5
#define TOLERANCE 1e-7    /* times 1 + |gradient| */
#define MAX_BATCH 3

enum { BEFORE = 0, AFTER = 1, PLAIN = 0, BIAS = 1 };

static const struct table_case {
	const char *name;
	bool reset_after, bias;
	int layers;
	double dropout;
	enum decoder_input input;
	int targets, levels;
	int B, lengths[MAX_BATCH];
	uint32_t dropout_key;
} cases[] = {
	{ "one step",               AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT,          1, 1, 2, { 1, 1 },    0 },
	{ "two steps",              AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT,          1, 1, 2, { 2, 2 },    0 },
	{ "five steps",             AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT,          1, 1, 3, { 5, 5, 5 }, 0 },
	{ "ragged",                 AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT,          1, 1, 3, { 5, 3, 1 }, 0 },
	{ "reset before",           BEFORE, BIAS,  1, 0.0, DECODER_CONTEXT,          1, 1, 3, { 5, 2, 2 }, 0 },
	{ "no bias",                AFTER,  PLAIN, 1, 0.0, DECODER_CONTEXT,          1, 1, 3, { 5, 4, 1 }, 0 },
	{ "reset before, no bias",  BEFORE, PLAIN, 1, 0.0, DECODER_CONTEXT,          1, 1, 2, { 2, 1 },    0 },
	{ "previous",               AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT_PREVIOUS, 1, 1, 3, { 5, 3, 1 }, 0 },
	{ "previous, reset before", BEFORE, BIAS,  1, 0.0, DECODER_CONTEXT_PREVIOUS, 1, 1, 2, { 2, 1 },    0 },
	{ "previous, 2 targets",    AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT_PREVIOUS, 2, 1, 2, { 3, 2 },    0 },
	{ "3 levels",               AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT,          1, 3, 2, { 5, 2 },    0 },
	{ "previous of 3 levels",   AFTER,  BIAS,  1, 0.0, DECODER_CONTEXT_PREVIOUS, 2, 3, 2, { 5, 2 },    0 },
	{ "2 layers",               AFTER,  BIAS,  2, 0.0, DECODER_CONTEXT,          1, 1, 3, { 5, 3, 3 }, 0 },
	{ "2 layers, one step",     BEFORE, BIAS,  2, 0.0, DECODER_CONTEXT,          1, 1, 1, { 1 },       0 },
	{ "dropout",                AFTER,  BIAS,  2, 0.4, DECODER_CONTEXT,          1, 1, 3, { 5, 3, 1 }, 7 },
	{ "dropout without a key",  AFTER,  BIAS,  2, 0.4, DECODER_CONTEXT,          1, 1, 2, { 2, 1 },    0 },
	{ "everything",             BEFORE, BIAS,  3, 0.3, DECODER_CONTEXT_PREVIOUS, 2, 3, 3, { 5, 5, 2 }, 9 },
};

struct gradient_case {
	char name[96];
	struct net_spec spec;
	int B, lengths[MAX_BATCH];
	uint32_t dropout_key;
};

static struct gradient_case case_of(const struct table_case *c)
{
	struct gradient_case g = {
		.B = c->B, .dropout_key = c->dropout_key,
		.spec = {
			.inputs = 3, .hidden = 5, .attention = 4, .horizon = 3, .reset_after = c->reset_after,
			.bias = c->bias, .layers = c->layers, .dropout = c->dropout, .decoder_input = c->input,
			.targets = c->targets, .levels = c->levels, .median_level = c->levels / 2,
		},
	};
	snprintf(g.name, sizeof g.name, "%s", c->name);
	for (int b = 0; b < c->B; b++)
		g.lengths[b] = c->lengths[b];
	return g;
}

#define DRAWN 120    /* each encoder with each decoder and score in both directions five times */

static int draw(struct rng *r, int low, int high)
{
	return low + (int)rng_below(r, (uint64_t)(high - low + 1));
}

/* Composition i: what shapes the network goes round with i, the rest is drawn. */
static struct gradient_case case_drawn(int i)
{
	static const struct { enum decoder_type decoder; enum score_type score; const char *name; } ends[] = {
		{ DECODER_ATTENTION, SCORE_ADDITIVE, "additive" }, { DECODER_ATTENTION, SCORE_DOT, "dot" },
		{ DECODER_LAST,      SCORE_ADDITIVE, "last" },     { DECODER_MEAN,      SCORE_ADDITIVE, "mean" },
	};
	static const char *const encoders[] = { "gru", "lstm", "rnn" };
	struct gradient_case g = { 0 };
	struct net_spec *s = &g.spec;
	struct rng r;
	int end = i / 6 % 4;

	rng_init(&r, 17, RNG_TEST, (uint32_t)i);
	*s = (struct net_spec){
		.encoder = (enum encoder_type)(i % 3), .bidirectional = i / 3 % 2, .decoder = ends[end].decoder,
		.score = ends[end].score, .inputs = draw(&r, 1, 3), .hidden = draw(&r, 1, 4), .layers = draw(&r, 1, 3),
		.bias = draw(&r, 0, 1), .reset_after = draw(&r, 0, 1), .relu = draw(&r, 0, 1),
		.dropout = draw(&r, 0, 1) ? 0.4 : 0, .decoder_input = (enum decoder_input)draw(&r, 0, 1),
		.targets = draw(&r, 1, 2), .levels = draw(&r, 1, 3), .horizon = draw(&r, 1, 3),
	};
	s->median_level = draw(&r, 0, s->levels - 1);
	s->attention = net_additive(s) ? draw(&r, 1, 4) : 0;
	g.dropout_key = (uint32_t)draw(&r, 0, 9);
	g.B = draw(&r, 1, MAX_BATCH);
	for (int b = 0; b < g.B; b++)
		g.lengths[b] = draw(&r, 1, b ? g.lengths[b - 1] : 5);
	snprintf(g.name, sizeof g.name, "drawn %d: %s%s%s, %s", i, s->bidirectional ? "bidirectional " : "",
	         s->relu ? "relu " : "", encoders[s->encoder], ends[end].name);
	return g;
}

#define DRAWN_TRANSFORMERS 64

/* The ends and sizes of a drawn composition behind a Transformer, whose own options go round with i. */
static struct gradient_case transformer_drawn(int i)
{
	struct gradient_case g = case_drawn(6 * i);
	struct net_spec *s = &g.spec;
	struct rng r;

	rng_init(&r, 18, RNG_TEST, (uint32_t)i);
	s->encoder = ENCODER_TRANSFORMER;
	s->bidirectional = false;
	s->layers = draw(&r, 1, 2);
	s->heads = draw(&r, 1, 2);
	s->hidden = s->heads * draw(&r, 1, 3);
	s->feedforward = draw(&r, 1, 6);
	s->norm_first = i / 4 % 2;
	s->gelu = i / 8 % 2;
	s->causal = i / 16 % 2;
	snprintf(g.name, sizeof g.name, "drawn transformer %d", i);
	return g;
}

struct probe {
	const struct gradient_case *c;
	struct net_spec spec;
	struct dropout_key dropout;
	struct tensor_table table;
	size_t n_x, n_y;
	real *params, *x, *weight, *y, *ws;      /* weight: c of the loss */
	real *dparams, *dx;
};

static void probe_init(struct probe *p, const struct gradient_case *c)
{
	const struct net_spec *s = &p->spec;
	struct error e;
	*p = (struct probe){ .c = c, .spec = c->spec,
	                     .dropout = { .seed = 5, .key = c->dropout_key, .row_base = 3 } };
	ck_assert_msg(net_spec_check(s, &e) == ERR_OK, "%s: %s", c->name, e.what);
	net_tensors(s, &p->table);
	p->n_x = (size_t)(c->lengths[0] * c->B * s->inputs);
	p->n_y = (size_t)(s->horizon * c->B * net_outputs(s));
	p->params = random_reals(p->table.count, 1);
	p->x = random_reals(p->n_x, 2);
	p->weight = random_reals(p->n_y, 3);
	p->y = reals(p->n_y);
	p->ws = reals(network_scratch(s, c->lengths[0], c->B));
	p->dparams = reals(p->table.count);
	p->dx = reals(p->n_x);
}

static void probe_fini(struct probe *p)
{
	real *all[] = { p->params, p->x, p->weight, p->y, p->ws, p->dparams, p->dx };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

static double probe_loss(struct probe *p)
{
	const struct gradient_case *c = p->c;
	double sum = 0;
	network_forward(&p->spec, p->params, &(struct network_input){ .T = c->lengths[0], .B = c->B, .lengths = c->lengths, .x = p->x, .dropout = &p->dropout },
	                &(struct network_output){ .y = p->y }, p->ws);
	for (size_t i = 0; i < p->n_y; i++)
		sum += p->weight[i] * p->y[i];
	return sum;
}

/* (loss(number + step) - loss(number - step)) / (2 step) */
static double quotient(struct probe *p, real *number, double step)
{
	real kept = *number;
	*number = kept + step;
	double above = probe_loss(p);
	*number = kept - step;
	double below = probe_loss(p);
	*number = kept;
	return (above - below) / (2 * step);
}

/* Two quotients, so that their errors of order STEP^2 cancel. */
static double slope(struct probe *p, real *number)
{
	return (4 * quotient(p, number, STEP) - quotient(p, number, 2 * STEP)) / 3;
}

static void check_gradient(struct probe *p, const char *what, size_t i, real *number, real got)
{
	double want = slope(p, number);
	ck_assert_msg(fabs(got - want) <= TOLERANCE * (1 + fabs(want)), "%s: d%s[%zu] is %.12g, differences give %.12g",
	              p->c->name, what, i, (double)got, want);
}

static void check_weights(struct probe *p)
{
	for (int k = 0; k < p->table.n; k++) {
		const struct tensor *t = &p->table.tensor[k];
		for (size_t i = t->offset; i < t->offset + t->count; i++)
			check_gradient(p, t->name, i - t->offset, &p->params[i], p->dparams[i]);
	}
}

/* Behind a sequence's end x is not read, so its gradient is 0 and so is the quotient. */
static void check_inputs(struct probe *p)
{
	for (size_t i = 0; i < p->n_x; i++)
		check_gradient(p, "x", i, &p->x[i], p->dx[i]);
}

static void check_case(const struct gradient_case *c)
{
	struct probe p;
	probe_init(&p, c);
	probe_loss(&p);
	network_backward(&p.spec, p.params, &(struct network_input){ .T = c->lengths[0], .B = c->B, .lengths = c->lengths, .x = p.x, .dropout = &p.dropout },
	                 p.weight, p.dparams, p.dx, p.ws);
	check_weights(&p);
	check_inputs(&p);
	probe_fini(&p);
}

START_TEST(gradients_match_differences)
{
	struct gradient_case c = case_of(&cases[_i]);
	check_case(&c);
}
END_TEST

START_TEST(gradients_of_drawn_compositions)
{
	struct gradient_case c = case_drawn(_i);
	check_case(&c);
}
END_TEST

START_TEST(gradients_of_drawn_transformers)
{
	struct gradient_case c = transformer_drawn(_i);
	check_case(&c);
}
END_TEST

START_TEST(gradients_are_added)
{
	const struct gradient_case ragged = case_of(&cases[3]), *c = &ragged;
	struct probe p;
	probe_init(&p, c);
	real *twice = reals(p.table.count);
	for (int round = 0; round < 2; round++) {
		probe_loss(&p);
		network_backward(&p.spec, p.params, &(struct network_input){ .T = c->lengths[0], .B = c->B, .lengths = c->lengths, .x = p.x },
		                 p.weight, twice, NULL, p.ws);
	}
	probe_loss(&p);
	network_backward(&p.spec, p.params, &(struct network_input){ .T = c->lengths[0], .B = c->B, .lengths = c->lengths, .x = p.x },
	                 p.weight, p.dparams, NULL, p.ws);
	for (size_t i = 0; i < p.table.count; i++)
		ck_assert(fabs(twice[i] - 2 * p.dparams[i]) <= 1e-12 * (1 + fabs(twice[i])));
	free(twice);
	probe_fini(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("gradients");
	TCase *tc = tcase_create("network");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, gradients_match_differences, 0, (int)(sizeof cases / sizeof *cases));
	tcase_add_loop_test(tc, gradients_of_drawn_compositions, 0, DRAWN);
	tcase_add_loop_test(tc, gradients_of_drawn_transformers, 0, DRAWN_TRANSFORMERS);
	tcase_add_test(tc, gradients_are_added);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_gradients.c - each hand-written gradient against central differences, in double.
 *
 * The probe is loss = sum over y of c * y with fixed random c, so dy = c. Every weight and every real number
 * of x is moved by ±STEP; the quotient's own error is about STEP^2 + 1e-16 / STEP, far below TOLERANCE. */
#include "model/nn/network.h"

#include "support.h"

#include <stdlib.h>

#define STEP      1e-5
#define TOLERANCE 1e-7    /* times 1 + |gradient| */
#define MAX_BATCH 3

enum { BEFORE = 0, AFTER = 1, PLAIN = 0, BIAS = 1 };

static const struct gradient_case {
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

static struct net_spec spec_of(const struct gradient_case *c)
{
	return (struct net_spec){
		.inputs = 3, .hidden = 5, .attention = 4, .horizon = 3, .reset_after = c->reset_after, .bias = c->bias,
		.layers = c->layers, .dropout = c->dropout, .decoder_input = c->input, .targets = c->targets,
		.levels = c->levels, .median_level = c->levels / 2,
	};
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
	*p = (struct probe){ .c = c, .spec = spec_of(c),
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
	network_forward(&p->spec, p->params, c->lengths[0], c->B, c->lengths, p->x, &p->dropout, p->y, NULL, p->ws);
	for (size_t i = 0; i < p->n_y; i++)
		sum += p->weight[i] * p->y[i];
	return sum;
}

static double quotient(struct probe *p, real *number)
{
	real kept = *number;
	*number = kept + STEP;
	double above = probe_loss(p);
	*number = kept - STEP;
	double below = probe_loss(p);
	*number = kept;
	return (above - below) / (2 * STEP);
}

static void check_gradient(struct probe *p, const char *what, size_t i, real *number, real got)
{
	double want = quotient(p, number);
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

START_TEST(gradients_match_differences)
{
	const struct gradient_case *c = &cases[_i];
	struct probe p;
	probe_init(&p, c);
	probe_loss(&p);
	network_backward(&p.spec, p.params, c->lengths[0], c->B, c->lengths, p.x, &p.dropout, p.weight, p.dparams, p.dx,
	                 p.ws);
	check_weights(&p);
	check_inputs(&p);
	probe_fini(&p);
}
END_TEST

START_TEST(gradients_are_added)
{
	const struct gradient_case *c = &cases[3];
	struct probe p;
	probe_init(&p, c);
	real *twice = reals(p.table.count);
	for (int round = 0; round < 2; round++) {
		probe_loss(&p);
		network_backward(&p.spec, p.params, c->lengths[0], c->B, c->lengths, p.x, NULL, p.weight, twice,
		                 NULL, p.ws);
	}
	probe_loss(&p);
	network_backward(&p.spec, p.params, c->lengths[0], c->B, c->lengths, p.x, NULL, p.weight, p.dparams, NULL,
	                 p.ws);
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
	tcase_add_test(tc, gradients_are_added);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

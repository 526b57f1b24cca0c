#include "probe.h"

#include "support.h"

#include <stdlib.h>
#include <string.h>

#define STEP      1e-5
#define TOLERANCE 1e-7    /* times 1 + |gradient| */

/* A variance is positive, and an instance norm divides by its weights. */
static void make_positive(struct probe *p)
{
	for (int k = 0; k < p->table.n; k++) {
		const struct tensor *t = &p->table.tensor[k];
		bool positive = t->statistic || !strcmp(t->name, "instance_norm.weight");
		for (size_t i = t->offset; positive && i < t->offset + t->count; i++)
			p->params[i] = 0.2 + fabs(p->params[i]);
	}
}

void probe_init(struct probe *p, const struct probe_case *c)
{
	const struct net_spec *s = &c->spec;
	struct error e;
	int T = c->lengths[0];
	size_t n_teacher = (size_t)(s->horizon * c->B * s->targets);
	ck_assert_msg(net_spec_check(s, &e) == ERR_OK, "%s: %s", c->name, e.what);
	*p = (struct probe){ .c = c, .key = { .seed = 5, .key = c->key, .row_base = 3 } };
	net_tensors(s, &p->table);
	p->n_x = (size_t)(T * c->B * s->inputs);
	p->n_y = (size_t)(net_steps(s, T) * c->B * net_outputs(s));
	p->params = random_reals(p->table.count, 1);
	make_positive(p);
	p->x = s->vocabulary ? random_tokens(p->n_x, 0, s->vocabulary, 2) : random_reals(p->n_x, 2);
	if (c->teacher)
		p->teacher = s->classes ? random_tokens(n_teacher, -1, s->classes, 4) : random_reals(n_teacher, 4);
	if (c->start)
		p->start = random_reals((size_t)(net_state_size(s) * c->B), 5);
	p->weight = random_reals(p->n_y, 3);
	p->y = reals(p->n_y);
	p->ws = reals(network_scratch(s, T, c->B));
	p->dparams = reals(p->table.count);
	p->dx = reals(p->n_x);
	p->in = (struct network_input){ .T = T, .B = c->B, .lengths = c->lengths, .x = p->x, .dropout = &p->key,
	                                .teacher = p->teacher, .teacher_ratio = c->teacher_ratio,
	                                .start = { .h = p->start } };
	if (c->start && s->encoder == ENCODER_LSTM)
		p->in.start.c = p->start + s->layers * net_width(s) * c->B;
}

void probe_fini(struct probe *p)
{
	real *all[] = { p->params, p->x, p->start, p->teacher, p->weight, p->y, p->ws, p->dparams, p->dx };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		free(all[i]);
}

double probe_loss(struct probe *p)
{
	double sum = 0;
	network_forward(&p->c->spec, p->params, &p->in, &(struct network_output){ .y = p->y }, p->ws);
	for (size_t i = 0; i < p->n_y; i++)
		sum += p->weight[i] * p->y[i];
	return sum;
}

void probe_backward(struct probe *p, real *dparams, real *dx)
{
	network_backward(&p->c->spec, p->params, &p->in, p->weight, dparams, dx, p->ws);
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
		for (size_t i = t->offset; !t->statistic && i < t->offset + t->count; i++)
			check_gradient(p, t->name, i - t->offset, &p->params[i], p->dparams[i]);
	}
}

/* An instance norm takes mean and deviation for constants, which differences cannot: test_instance_norm.c has its dx.
 * Behind a sequence's end x is not read, so its gradient is 0 and so is the quotient. Tokens cannot be moved: theirs
 * is 0. */
static void check_inputs(struct probe *p)
{
	for (size_t i = 0; i < p->n_x && !p->c->spec.instance_norm; i++) {
		if (!p->c->spec.vocabulary)
			check_gradient(p, "x", i, &p->x[i], p->dx[i]);
		else
			ck_assert_msg(p->dx[i] == 0, "%s: dx[%zu] of a token", p->c->name, i);
	}
}

void probe_check(const struct probe_case *c)
{
	struct probe p;
	probe_init(&p, c);
	probe_loss(&p);
	probe_backward(&p, p.dparams, p.dx);
	check_weights(&p);
	check_inputs(&p);
	probe_fini(&p);
}

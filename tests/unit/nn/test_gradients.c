/* test_gradients.c - each hand-written gradient against central differences, in double.
 *
 * A table holds the cases that a reader looks for; drawn compositions cover the rest of the options together. */
#include "model/base/rng.h"
#include "probe.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

enum { BEFORE = 0, AFTER = 1, PLAIN = 0, BIAS = 1 };

static const struct table_case {
	const char *name;
	bool reset_after, bias;
	int layers;
	double dropout;
	enum decoder_input input;
	int targets, levels;
	int B, lengths[PROBE_MAX_BATCH];
	uint32_t key;
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

static struct probe_case case_of(const struct table_case *c)
{
	struct probe_case g = {
		.B = c->B, .key = c->key,
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
static struct probe_case case_drawn(int i)
{
	static const struct { enum decoder_type decoder; enum score_type score; const char *name; } ends[] = {
		{ DECODER_ATTENTION, SCORE_ADDITIVE, "additive" }, { DECODER_ATTENTION, SCORE_DOT, "dot" },
		{ DECODER_LAST,      SCORE_ADDITIVE, "last" },     { DECODER_MEAN,      SCORE_ADDITIVE, "mean" },
	};
	static const char *const encoders[] = { "gru", "lstm", "rnn" };
	struct probe_case g = { 0 };
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
	g.key = (uint32_t)draw(&r, 0, 9);
	g.B = draw(&r, 1, PROBE_MAX_BATCH);
	for (int b = 0; b < g.B; b++)
		g.lengths[b] = draw(&r, 1, b ? g.lengths[b - 1] : 5);
	snprintf(g.name, sizeof g.name, "drawn %d: %s%s%s, %s", i, s->bidirectional ? "bidirectional " : "",
	         s->relu ? "relu " : "", encoders[s->encoder], ends[end].name);
	return g;
}

#define DRAWN_TRANSFORMERS 64

/* The ends and sizes of a drawn composition behind a Transformer, whose own options go round with i. */
static struct probe_case transformer_drawn(int i)
{
	struct probe_case g = case_drawn(6 * i);
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

START_TEST(gradients_match_differences)
{
	struct probe_case c = case_of(&cases[_i]);
	probe_check(&c);
}
END_TEST

START_TEST(gradients_of_drawn_compositions)
{
	struct probe_case c = case_drawn(_i);
	probe_check(&c);
}
END_TEST

START_TEST(gradients_of_drawn_transformers)
{
	struct probe_case c = transformer_drawn(_i);
	probe_check(&c);
}
END_TEST

START_TEST(gradients_are_added)
{
	const struct probe_case ragged = case_of(&cases[3]);
	struct probe p;
	probe_init(&p, &ragged);
	real *twice = reals(p.table.count);
	for (int round = 0; round < 2; round++) {
		probe_loss(&p);
		probe_backward(&p, twice, NULL);
	}
	probe_loss(&p);
	probe_backward(&p, p.dparams, NULL);
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

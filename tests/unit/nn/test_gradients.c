/* test_gradients.c - each hand-written gradient against central differences, in double.
 *
 * A table holds the cases that a reader looks for; drawn compositions cover the rest of the options together. */
#include "drawn.h"
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

#define DRAWN (10 * DRAWN_ROUND)

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
	tcase_add_test(tc, gradients_are_added);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* Every limit of a recipe, from both sides. */
#include "fixture.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(defaults_are_those_of_the_manual)
{
	struct recipe r;
	recipe_default(&r);
	ck_assert_int_eq(r.window, 30);
	ck_assert_int_eq(r.horizon, 5);
	ck_assert_int_eq(r.hidden, 64);
	ck_assert_int_eq(r.batch_size, 64);
	ck_assert_int_eq(r.early_stopping_patience, 10);
	ck_assert(fabs(r.learning_rate - 0.001) <= 0);
	ck_assert(fabs(r.train + r.validation + r.test - 1) <= 1e-12);
	ck_assert_str_eq(r.dataset, "");
	ck_assert_int_eq(recipe_check(&r, NULL), ERR_INVALID);   /* no dataset, model, target */
	fixture_recipe(&r);
	ck_assert_int_eq(recipe_check(&r, NULL), ERR_OK);
}
END_TEST

static const struct { const char *where; size_t at; int low, high; } whole_cases[] = {
	{ "/window",                           offsetof(struct recipe, window),                  2, 10000 },
	{ "/horizon",                          offsetof(struct recipe, horizon),                 1, 1000 },
	{ "/encoder/hidden_size",              offsetof(struct recipe, hidden),                  1, 2048 },
	{ "/encoder/num_layers",               offsetof(struct recipe, layers),                  1, 8 },
	{ "/training/batch_size",              offsetof(struct recipe, batch_size),              1, 4096 },
	{ "/training/epochs",                  offsetof(struct recipe, epochs),                  1, 10000 },
	{ "/training/scheduler/patience",      offsetof(struct recipe, scheduler_patience),      0, 10000 },
	{ "/training/early_stopping/patience", offsetof(struct recipe, early_stopping_patience), 0, 10000 },
};

static void expect(const struct recipe *r, enum err want, const char *where, const char *what)
{
	struct error e = { .where = "" };
	enum err rc = recipe_check(r, &e);
	ck_assert_msg(rc == want, "%s %s: got %d %s (%s)", where, what, rc, e.where, e.what);
	if (want)
		ck_assert_str_eq(e.where, where);
}

START_TEST(whole_numbers)
{
	struct recipe r;
	const int value[] = { whole_cases[_i].low, whole_cases[_i].high, whole_cases[_i].low - 1, whole_cases[_i].high + 1 };
	for (int k = 0; k < 4; k++) {
		fixture_recipe(&r);
		memcpy((char *)&r + whole_cases[_i].at, &value[k], sizeof value[k]);
		expect(&r, k < 2 ? ERR_OK : ERR_INVALID, whole_cases[_i].where, k % 2 ? "high" : "low");
	}
}
END_TEST

static const struct { const char *where; size_t at; double low, high, below, above; } number_cases[] = {
	{ "/encoder/dropout",           offsetof(struct recipe, dropout),          0,     0.95,  -0.01, 1 },
	{ "/training/huber_delta",      offsetof(struct recipe, huber_delta),      1e-6,  1e6,   0,     1e7 },
	{ "/training/learning_rate",    offsetof(struct recipe, learning_rate),    1e-8,  1,     0,     1.01 },
	{ "/training/clip_norm",        offsetof(struct recipe, clip_norm),        0,     1e6,   -1,    INFINITY },
	{ "/training/weight_decay",     offsetof(struct recipe, weight_decay),     0,     1,     -1e-9, 1.5 },
	{ "/training/scheduler/factor", offsetof(struct recipe, scheduler_factor), 0.001, 0.999, 0,     1 },
};

START_TEST(numbers)
{
	struct recipe r;
	const double value[] = {
		number_cases[_i].low, number_cases[_i].high, number_cases[_i].below, number_cases[_i].above, NAN,
	};
	for (int k = 0; k < 5; k++) {
		fixture_recipe(&r);
		memcpy((char *)&r + number_cases[_i].at, &value[k], sizeof value[k]);
		expect(&r, k < 2 ? ERR_OK : ERR_INVALID, number_cases[_i].where, "");
	}
}
END_TEST

static const struct { double train, validation, test; const char *where; } split_cases[] = {
	{ 0.7,  0.1,  0.2,  NULL },
	{ 0.98, 0.01, 0.01, NULL },
	{ 0.7,  0.1,  0.3,  "/split" },
	{ 0.7,  0.1,  0.1,  "/split" },
	{ 1.0,  0.1,  -0.1, "/split/train" },
	{ 0.8,  0,    0.2,  "/split/validation" },
	{ 0.8,  0.2,  0,    "/split/test" },
	{ NAN,  0.1,  0.2,  "/split/train" },
};

START_TEST(splits)
{
	struct recipe r;
	fixture_recipe(&r);
	r.train = split_cases[_i].train;
	r.validation = split_cases[_i].validation;
	r.test = split_cases[_i].test;
	expect(&r, split_cases[_i].where ? ERR_INVALID : ERR_OK, split_cases[_i].where, "");
}
END_TEST

static const struct { int n; double level[3]; enum loss_type loss; const char *where; } level_cases[] = {
	{ 0,  { 0 },             LOSS_MSE,     NULL },
	{ 0,  { 0 },             LOSS_HUBER,   NULL },
	{ 3,  { 0.1, 0.5, 0.9 }, LOSS_PINBALL, NULL },
	{ 1,  { 0.5 },           LOSS_PINBALL, NULL },
	{ 3,  { 0.1, 0.5, 0.9 }, LOSS_MSE,     "/training/loss" },
	{ 0,  { 0 },             LOSS_PINBALL, "/training/loss" },
	{ 2,  { 0.5, 0.5 },      LOSS_PINBALL, "/output/levels/1" },
	{ 2,  { 0.0, 0.5 },      LOSS_PINBALL, "/output/levels/0" },
	{ 2,  { 0.5, 1.0 },      LOSS_PINBALL, "/output/levels/1" },
	{ 2,  { 0.5, NAN },      LOSS_PINBALL, "/output/levels/1" },
	{ 34, { 0.1 },           LOSS_PINBALL, "/output/levels" },
	{ -1, { 0.1 },           LOSS_MSE,     "/output/levels" },
};

START_TEST(levels)
{
	struct recipe r;
	fixture_recipe(&r);
	r.levels = level_cases[_i].n;
	r.loss = level_cases[_i].loss;
	memcpy(r.level, level_cases[_i].level, sizeof level_cases[_i].level);
	expect(&r, level_cases[_i].where ? ERR_INVALID : ERR_OK, level_cases[_i].where, "");
}
END_TEST

static const struct { const char *name; enum err want; } name_cases[] = {
	{ "aapl",      ERR_OK },      { "A.b_c-1", ERR_OK },      { "0",       ERR_OK },
	{ "",          ERR_INVALID }, { ".hidden", ERR_INVALID }, { "a/b",     ERR_INVALID },
	{ "two words", ERR_INVALID }, { "-x",      ERR_INVALID }, { "\xc3\xa4", ERR_INVALID },
};

START_TEST(names)
{
	struct recipe r;
	fixture_recipe(&r);
	snprintf(r.dataset, sizeof r.dataset, "%s", name_cases[_i].name);
	expect(&r, name_cases[_i].want, "/dataset", name_cases[_i].name);
	fixture_recipe(&r);
	snprintf(r.model, sizeof r.model, "%s", name_cases[_i].name);
	expect(&r, name_cases[_i].want, "/model", name_cases[_i].name);
}
END_TEST

START_TEST(columns)
{
	struct recipe r;
	fixture_recipe(&r);
	r.targets = 0;
	expect(&r, ERR_INVALID, "/target", "none");
	r.targets = PIPELINE_MAX_TARGETS + 1;
	expect(&r, ERR_INVALID, "/target", "too many");
	r.targets = 2;
	strcpy(r.target[1], "y");
	expect(&r, ERR_INVALID, "/target/1", "twice");
	r.target[1][0] = '\0';
	expect(&r, ERR_INVALID, "/target/1", "empty");
	r.targets = 1;
	r.features = PIPELINE_MAX_FEATURES + 1;
	expect(&r, ERR_INVALID, "/features", "too many");
	r.features = 2;
	strcpy(r.feature[0], "y");
	strcpy(r.feature[1], "y");
	expect(&r, ERR_INVALID, "/features/1", "twice");
}
END_TEST

START_TEST(activations_have_a_limit_together)
{
	struct recipe r;
	fixture_recipe(&r);
	r.window = 10000;
	r.hidden = 209;
	expect(&r, ERR_OK, "", "just below");
	r.hidden = 210;
	expect(&r, ERR_INVALID, "/window", "just above");
}
END_TEST

START_TEST(a_recipe_implies_a_network)
{
	struct recipe r;
	struct net_spec net;
	struct loss loss;
	fixture_recipe(&r);
	recipe_net(&r, 7, &net);
	recipe_loss(&r, &loss);
	ck_assert_int_eq(net_spec_check(&net, NULL), ERR_OK);
	ck_assert_int_eq(net.inputs, 7);
	ck_assert_int_eq(net.levels, 1);
	ck_assert_int_eq(net.median_level, 0);
	ck_assert_int_eq(loss.levels, 1);
	r.levels = 4;
	memcpy(r.level, (double[]){ 0.05, 0.2, 0.45, 0.9 }, 4 * sizeof(double));
	r.loss = LOSS_PINBALL;
	recipe_net(&r, 7, &net);
	recipe_loss(&r, &loss);
	ck_assert_int_eq(net.levels, 4);
	ck_assert_int_eq(net.median_level, 2);
	ck_assert_int_eq(loss.type, LOSS_PINBALL);
	ck_assert(fabs(loss.level[3] - 0.9) <= 0);
}
END_TEST

#define LOOP(test, table) tcase_add_loop_test(c, test, 0, sizeof(table) / sizeof *(table))

int main(void)
{
	Suite *s = suite_create("recipe");
	TCase *c = tcase_create("recipe");
	suite_add_tcase(s, c);
	tcase_add_test(c, defaults_are_those_of_the_manual);
	LOOP(whole_numbers, whole_cases);
	LOOP(numbers, number_cases);
	LOOP(splits, split_cases);
	LOOP(levels, level_cases);
	LOOP(names, name_cases);
	tcase_add_test(c, columns);
	tcase_add_test(c, activations_have_a_limit_together);
	tcase_add_test(c, a_recipe_implies_a_network);
	SRunner *r = srunner_create(s);
	srunner_run_all(r, CK_ENV);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

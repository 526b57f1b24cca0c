/* test_steering.c - losses at their kinks, clipping, weight decay, RMSprop, schedules and early stopping. */
#include "model/nn/loss.h"
#include "model/nn/optimizer.h"

#include "support.h"

#include <stdlib.h>

#define TINY (TOLERANCE_SAME * 10)
#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

/* --- losses ------------------------------------------------------------ */

static const struct loss_case {
	struct loss loss;
	double y, t, value, slope;
} loss_cases[] = {
	{ { .type = LOSS_MSE, .levels = 1 },                        3,   1,   4,     4 },
	{ { .type = LOSS_MSE, .levels = 1 },                        1,   3,   4,    -4 },
	{ { .type = LOSS_MAE, .levels = 1 },                        3,   1,   2,     1 },
	{ { .type = LOSS_MAE, .levels = 1 },                        1,   3,   2,    -1 },
	{ { .type = LOSS_MAE, .levels = 1 },                        2,   2,   0,     0 },
	{ { .type = LOSS_HUBER, .levels = 1, .delta = 0.5 },        1,   1.25, 0.03125, -0.25 },
	{ { .type = LOSS_HUBER, .levels = 1, .delta = 0.5 },        1.5, 1,   0.125, 0.5 },
	{ { .type = LOSS_HUBER, .levels = 1, .delta = 0.5 },        1,   3,   0.875, -0.5 },
	{ { .type = LOSS_PINBALL, .levels = 1, .level = { 0.9 } },  1,   3,   1.8,  -0.9 },
	{ { .type = LOSS_PINBALL, .levels = 1, .level = { 0.9 } },  3,   1,   0.2,   0.1 },
	{ { .type = LOSS_PINBALL, .levels = 1, .level = { 0.9 } },  2,   2,   0,     0.1 },
};

START_TEST(loss_and_slope)
{
	const struct loss_case *c = &loss_cases[_i];
	real y = (real)c->y, t = (real)c->t, dy = NAN;
	double value = loss_forward_backward(&c->loss, 1, &y, &t, 3, &dy);
	ck_assert(fabs(value - c->value) <= TINY);
	ck_assert(fabs((double)dy - 3 * c->slope) <= TINY);
	ck_assert(loss_forward_backward(&c->loss, 1, &y, &t, 3, NULL) == value);
}
END_TEST

START_TEST(loss_of_not_a_number_is_none)
{
	real y = NAN, t = 0, dy = 0;
	ck_assert(isnan(loss_forward_backward(&loss_cases[_i].loss, 1, &y, &t, 1, &dy)));
	ck_assert(isnan(dy) || loss_cases[_i].loss.type == LOSS_PINBALL);
}
END_TEST

/* Two groups of three levels: each level by its own tau, against its group's target; the answer is the sum. */
START_TEST(pinball_levels)
{
	const struct loss l = { .type = LOSS_PINBALL, .levels = 3, .level = { 0.1, 0.5, 0.9 } };
	const real y[] = { 0, 1, 2, 5, 5, 5 }, t[] = { 1, 4 };
	const real want[] = { (real)-0.1, (real)0.5, (real)0.1, (real)0.9, (real)0.5, (real)0.1 };
	real dy[6];
	double sum = loss_forward_backward(&l, 2, y, t, 1, dy);
	ck_assert(fabs(sum - (0.1 + 0 + 0.1 + 0.9 + 0.5 + 0.1)) <= TINY);
	check_close("dy", 6, dy, want, TINY, TINY);
}
END_TEST

static const struct loss three_classes = { .type = LOSS_CROSS_ENTROPY, .classes = 3 };

/* Row 0 is unknown; row 1 is of even odds. */
START_TEST(unknown_classes_ask_nothing)
{
	const real y[] = { 5, 0, -5, 1, 1, 1 }, t[] = { -1, 2 };
	const real want[] = { 0, 0, 0, (real)(2 / 3.0), (real)(2 / 3.0), (real)(-4 / 3.0) };
	real dy[6] = { NAN, NAN, NAN };
	double sum = loss_forward_backward(&three_classes, 2, y, t, 2, dy);
	ck_assert(fabs(sum - log(3)) <= TINY);
	check_close("dy", 6, dy, want, TINY, TINY);
}
END_TEST

/* Scores whose exponentials no number holds. */
START_TEST(sure_classes_have_finite_losses)
{
	const real y[] = { 3e4, 0, -3e4, 3e4, 0, -3e4 }, t[] = { 0, 2 };
	const real want[] = { 0, 0, 0, 1, 0, -1 };
	real dy[6];
	ck_assert(loss_forward_backward(&three_classes, 2, y, t, 1, dy) == 6e4);
	check_close("dy", 6, dy, want, 0, 0);
}
END_TEST

START_TEST(classes_of_not_a_number_are_none)
{
	const real y[] = { 0, 0, NAN }, t[] = { 0 };
	real dy[3];
	ck_assert(isnan(loss_forward_backward(&three_classes, 1, y, t, 1, dy)));
	ck_assert(isnan(dy[0]) && isnan(dy[1]) && isnan(dy[2]));
}
END_TEST

/* --- statistics --------------------------------------------------------- */

/* A tenth of the way to the mean over three calls. */
START_TEST(statistics_move_a_tenth)
{
	real running[] = { 1, 0, -2 };
	const real sum[] = { 3, 30, -6 }, want[] = { 1, 1, -2 };
	statistics_step(3, 3, running, sum);
	check_close("running", 3, running, want, TINY, TINY);
	statistics_step(0, 1, NULL, NULL);
}
END_TEST

/* --- averages ------------------------------------------------------------ */

/* The first step's decay is 2 / 11, however slow the average is to be. */
START_TEST(averages_move_slowly_once_they_are_old)
{
	const real p[] = { 11, -1 };
	real average[] = { 0, -1 }, old[] = { 0, -1 };
	average_step(0.99, 1, 2, average, p);
	const real soon[] = { 9, -1 };
	check_close("young", 2, average, soon, TINY, TINY);
	average_step(0.99, 1000000, 2, old, p);
	const real late[] = { (real)0.11, -1 };
	check_close("old", 2, old, late, TINY * 10, TINY);
}
END_TEST

/* --- the norm and clipping --------------------------------------------- */

START_TEST(norm_and_clip)
{
	real g[] = { 3, -4, 0 };
	ck_assert(gradient_norm(g, 3) == 5);
	ck_assert(gradient_norm(g, 0) == 0);
	gradient_clip(g, 3, 5, 5);
	ck_assert(g[0] == 3 && g[1] == -4);          /* not above the limit: left alone */
	gradient_clip(g, 3, 5, 1);
	const real want[] = { (real)(3 / 5.000001), (real)(-4 / 5.000001), 0 };
	check_close("g", 3, g, want, TINY, 0);
}
END_TEST

START_TEST(norm_shows_what_is_not_finite)
{
	const real nan[] = { 1, NAN }, inf[] = { -INFINITY, 1 }, huge[] = { (real)3e38, (real)3e38 };
	ck_assert(isnan(gradient_norm(nan, 2)));
	ck_assert(isinf(gradient_norm(inf, 2)));
	ck_assert(fabs(gradient_norm(huge, 2) / (3e38 * sqrt(2)) - 1) <= 1e-6);   /* summed in double */
}
END_TEST

/* --- weight decay and RMSprop ------------------------------------------ */

/* With g = 0 what moves is the decay: as a gradient of decay * p = 1, whose first step Adam makes as long as the rate
 * and RMSprop ten times that; or, decoupled, as rate * decay * p. */
static const struct { const char *name; enum optimizer_type type; double left; } decay_cases[] = {
	{ "adam",    OPTIMIZER_ADAM,    1.9 },
	{ "adamw",   OPTIMIZER_ADAMW,   1.9 },
	{ "sgd",     OPTIMIZER_SGD,     1.9 },
	{ "rmsprop", OPTIMIZER_RMSPROP, 1.0 },
};

START_TEST(weights_decay)
{
	const struct optimizer o = { .type = decay_cases[_i].type, .learning_rate = 0.1, .weight_decay = 0.5 };
	real p[] = { 2, -2 }, m[2] = { 0 }, v[2] = { 0 };
	const real g[2] = { 0 }, want[] = { (real)decay_cases[_i].left, (real)-decay_cases[_i].left };
	optimizer_step(&o, 1, 2, p, m, v, g);
	check_close(decay_cases[_i].name, 2, p, want, 1e-6, 0);
}
END_TEST

/* Only AdamW's decay leaves the moments alone: behind a large gradient, Adam's is lost in the division. */
START_TEST(adamw_decays_apart_from_the_gradient)
{
	const struct optimizer adam = { .type = OPTIMIZER_ADAM, .learning_rate = 0.1, .weight_decay = 0.5 };
	const struct optimizer adamw = { .type = OPTIMIZER_ADAMW, .learning_rate = 0.1, .weight_decay = 0.5 };
	real p[] = { 2, 2 }, m[2] = { 0 }, v[2] = { 0 };
	const real g = 1000, want[] = { (real)1.9, (real)1.8 };
	optimizer_step(&adam, 1, 1, &p[0], &m[0], &v[0], &g);
	optimizer_step(&adamw, 1, 1, &p[1], &m[1], &v[1], &g);
	check_close("p", 2, p, want, 1e-6, 0);
	ck_assert(fabs((double)m[1] - 100) <= 1e-4);
}
END_TEST

#define RMSPROP_STEPS 40

/* Against the definition written out for one weight, in double: no state but what the sums give. */
static double rmsprop_by_definition(const real *g, int steps, double rate, double momentum, double decay, double p)
{
	double square[RMSPROP_STEPS], direction[RMSPROP_STEPS];
	for (int t = 0; t < steps; t++) {
		double now = (double)g[t] + decay * p, mean = 0, moved = 0;
		square[t] = now * now;
		for (int k = 0; k <= t; k++)
			mean += 0.01 * pow(0.99, t - k) * square[k];
		direction[t] = now / (sqrt(mean) + 1e-8);
		for (int k = 0; k <= t; k++)
			moved += pow(momentum, t - k) * direction[k];
		p -= rate * moved;
	}
	return p;
}

static const struct { double rate, momentum, decay; } rmsprop_cases[] = {
	{ 0.01, 0, 0 }, { 0.01, 0.9, 0 }, { 0.001, 0, 0.1 }, { 0.001, 0.5, 0.1 },
};

START_TEST(rmsprop_is_its_definition)
{
	const struct optimizer o = {
		.type = OPTIMIZER_RMSPROP, .learning_rate = rmsprop_cases[_i].rate, .momentum = rmsprop_cases[_i].momentum,
		.weight_decay = rmsprop_cases[_i].decay,
	};
	real p = (real)0.75, m = 0, v = 0, *g = random_reals(RMSPROP_STEPS, 3);
	for (int t = 0; t < RMSPROP_STEPS; t++) {
		optimizer_step(&o, (uint64_t)t + 1, 1, &p, &m, &v, &g[t]);
		real want = (real)rmsprop_by_definition(g, t + 1, o.learning_rate, o.momentum, o.weight_decay, 0.75);
		check_close("p", 1, &p, &want, TOLERANCE_GOLDEN, TOLERANCE_GOLDEN);
	}
	free(g);
}
END_TEST

/* --- schedules ---------------------------------------------------------- */

#define SCHEDULED 6

static const struct schedule_case {
	const char *name;
	struct schedule schedule;
	double rate[SCHEDULED];   /* epochs 0 … from a base of 1 */
} schedule_cases[] = {
	{ "none",    { .type = SCHEDULER_NONE },                                 { 1, 1, 1, 1, 1, 1 } },
	{ "plateau", { .type = SCHEDULER_REDUCE_ON_PLATEAU },                    { 1, 1, 1, 1, 1, 1 } },
	{ "step",    { .type = SCHEDULER_STEP, .step_size = 2, .gamma = 0.5 },   { 1, 1, .5, .5, .25, .25 } },
	{ "step 1",  { .type = SCHEDULER_STEP, .step_size = 1, .gamma = 0.1 },   { 1, .1, .01, 1e-3, 1e-4, 1e-5 } },
	{ "cosine",  { .type = SCHEDULER_COSINE, .epochs = 4 },
	  { 1, 0.85355339059327376, 0.5, 0.14644660940672624, 0, 0.14644660940672624 } },
	{ "floor",   { .type = SCHEDULER_COSINE, .epochs = 4, .min_rate = 0.5 },
	  { 1, 0.92677669529663688, 0.75, 0.57322330470336312, 0.5, 0.57322330470336312 } },
	{ "never up", { .type = SCHEDULER_COSINE, .epochs = 4, .min_rate = 3 },  { 1, 1, 1, 1, 1, 1 } },
	{ "warm-up", { .type = SCHEDULER_NONE, .warmup_epochs = 3 },             { .25, .5, .75, 1, 1, 1 } },
	{ "both",    { .type = SCHEDULER_STEP, .step_size = 2, .gamma = 0.5, .warmup_epochs = 3 },
	  { .25, .5, .375, .5, .25, .25 } },
};

START_TEST(a_schedule_is_a_function_of_the_epoch)
{
	const struct schedule_case *c = &schedule_cases[_i];
	for (int epoch = SCHEDULED - 1; epoch >= 0; epoch--) {
		double rate = schedule_rate(&c->schedule, 1, epoch);
		ck_assert_msg(fabs(rate - c->rate[epoch]) <= 1e-15, "%s: in epoch %d the rate is %.17g", c->name, epoch, rate);
	}
}
END_TEST

/* --- the plateau scheduler ---------------------------------------------- */

#define EPOCHS 8

static const struct plateau_case {
	const char *name;
	double factor, min_rate;
	int patience;
	double value[EPOCHS], rate[EPOCHS];
} plateau_cases[] = {
	{ "falling",        0.1, 0,    2, { 8, 7, 6, 5, 4, 3, 2, 1 }, { 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ "flat",           0.5, 0,    2, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, .5, .5, .5, .25, .25 } },
	{ "no patience",    0.5, 0,    0, { 1, 1, 1, .5, 1, 1, 1, 1 },
	  { 1, .5, .25, .25, .125, .0625, .03125, .015625 } },
	{ "too little",     0.5, 0,    1, { 1, .99995, .9999, .9998, 2, 2, 2, 2 },
	  { 1, 1, .5, .5, .5, .25, .25, .125 } },
	{ "the floor",      0.1, 0.25, 0, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 1, .25, .25, .25, .25, .25, .25, .25 } },
	{ "below already",  0.1, 4,    0, { 1, 1, 1, 1, 1, 1, 1, 1 }, { 1, 1, 1, 1, 1, 1, 1, 1 } },
	{ "NaN is no gain", 0.5, 0,    1, { 1, NAN, NAN, .5, .4, .3, .2, .1 }, { 1, 1, .5, .5, .5, .5, .5, .5 } },
};

START_TEST(plateau_lowers_the_rate)
{
	const struct plateau_case *c = &plateau_cases[_i];
	struct plateau p;
	double rate = 1;
	plateau_init(&p, c->factor, c->patience, c->min_rate);
	for (int i = 0; i < EPOCHS; i++) {
		rate = plateau_step(&p, c->value[i], rate);
		ck_assert_msg(fabs(rate - c->rate[i]) <= 1e-15, "%s: after epoch %d the rate is %g, not %g", c->name, i,
		              rate, c->rate[i]);
	}
}
END_TEST

/* --- early stopping ----------------------------------------------------- */

static const struct stop_case {
	const char *name;
	int patience;
	double value[EPOCHS];
	int stop, best;      /* epochs from 1; stop 0: never */
} stop_cases[] = {
	{ "falling",        2, { 8, 7, 6, 5, 4, 3, 2, 1 },           0, 8 },
	{ "rising",         2, { 1, 2, 3, 4, 5, 6, 7, 8 },           3, 1 },
	{ "one relapse",    2, { 3, 4, 2, 3, 1, 2, 0, 1 },           0, 7 },
	{ "equal is worse", 3, { 1, 1, 1, 1, 1, 1, 1, 1 },           4, 1 },
	{ "never",          0, { 1, 2, 3, 4, 5, 6, 7, 8 },           0, 1 },
	{ "NaN is worse",   2, { 1, NAN, NAN, 0, 0, 0, 0, 0 },       3, 1 },
};

START_TEST(stopping)
{
	const struct stop_case *c = &stop_cases[_i];
	struct early_stop s;
	int stopped = 0, best = 0;
	early_stop_init(&s, c->patience);
	for (int epoch = 1; epoch <= EPOCHS && !stopped; epoch++) {
		bool is_best = false;
		if (early_stop_step(&s, epoch, c->value[epoch - 1], &is_best))
			stopped = epoch;
		if (is_best)
			best = epoch;
	}
	ck_assert_msg(stopped == c->stop, "%s: stopped at %d", c->name, stopped);
	ck_assert_msg(best == c->best && s.best_epoch == c->best, "%s: best is %d, %d", c->name, best, s.best_epoch);
	ck_assert(s.best == c->value[c->best - 1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("steering, " BUILD);
	TCase *tc = tcase_create("steering");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, loss_and_slope, 0, COUNT(loss_cases));
	tcase_add_loop_test(tc, loss_of_not_a_number_is_none, 0, COUNT(loss_cases));
	tcase_add_test(tc, pinball_levels);
	tcase_add_test(tc, unknown_classes_ask_nothing);
	tcase_add_test(tc, sure_classes_have_finite_losses);
	tcase_add_test(tc, classes_of_not_a_number_are_none);
	tcase_add_test(tc, statistics_move_a_tenth);
	tcase_add_test(tc, averages_move_slowly_once_they_are_old);
	tcase_add_test(tc, norm_and_clip);
	tcase_add_test(tc, norm_shows_what_is_not_finite);
	tcase_add_loop_test(tc, weights_decay, 0, COUNT(decay_cases));
	tcase_add_test(tc, adamw_decays_apart_from_the_gradient);
	tcase_add_loop_test(tc, rmsprop_is_its_definition, 0, COUNT(rmsprop_cases));
	tcase_add_loop_test(tc, a_schedule_is_a_function_of_the_epoch, 0, COUNT(schedule_cases));
	tcase_add_loop_test(tc, plateau_lowers_the_rate, 0, COUNT(plateau_cases));
	tcase_add_loop_test(tc, stopping, 0, COUNT(stop_cases));
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

/* test_activation.c - the stated errors of activation.h, over a sweep of the whole range. */
#include "model/nn/activation.h"

#include "support.h"

#include <stdlib.h>

#ifdef GATECAST_DOUBLE
#define ERROR_SIGMOID 1e-15
#define ERROR_TANH    1e-15
#define ERROR_EXP     1e-14
#define ERROR_NORMAL  1e-15
#define ERROR_GELU    1e-14
#else
#define ERROR_SIGMOID 1.2e-7
#define ERROR_TANH    1.5e-7
#define ERROR_EXP     2e-7      /* relative */
#define ERROR_NORMAL  3e-7
#define ERROR_GELU    5e-7
#endif

static real sigmoid(real x)
{
	return activation_sigmoid(x);
}

static real tangent(real x)
{
	return activation_tanh(x);
}

static real exponential(real x)
{
	return activation_exp(x);
}

static real normal(real x)
{
	return activation_normal(x);
}

static real gelu(real x)
{
	return activation_gelu(x);
}

static real gelu_slope(real x)
{
	return activation_gelu_slope(x);
}

static double normal_double(double x)
{
	return erfc(-x / sqrt(2)) / 2;
}

static double gelu_double(double x)
{
	return x * normal_double(x);
}

static double gelu_slope_double(double x)
{
	return normal_double(x) + x * exp(-x * x / 2) / sqrt(2 * M_PI);
}

static double sigmoid_double(double x)
{
	return 1 / (1 + exp(-x));
}

static const struct activation_case {
	const char *name;
	real (*got)(real);
	double (*want)(double);
	double range, absolute, relative;
} cases[] = {
	{ "sigmoid",       sigmoid,     sigmoid_double, 100,  ERROR_SIGMOID, 0 },
	{ "sigmoid",       sigmoid,     sigmoid_double, 8,    ERROR_SIGMOID, 0 },
	{ "tanh",          tangent,     tanh,           100,  ERROR_TANH,    0 },
	{ "tanh",          tangent,     tanh,           10,   ERROR_TANH,    0 },
	{ "tanh near 0",   tangent,     tanh,           0.01, 0,             3e-7 },
	{ "exp",           exponential, exp,            87,   0,             ERROR_EXP },
	{ "exp near 0",    exponential, exp,            1,    0,             ERROR_EXP },
	{ "normal",        normal,      normal_double,  40,   ERROR_NORMAL,  0 },
	{ "normal",        normal,      normal_double,  4,    ERROR_NORMAL,  0 },
	{ "gelu",          gelu,        gelu_double,    40,   ERROR_GELU,    ERROR_EXP },
	{ "gelu",          gelu,        gelu_double,    4,    ERROR_GELU,    0 },
	{ "gelu's slope",  gelu_slope,  gelu_slope_double, 40, ERROR_GELU,   0 },
	{ "gelu's slope",  gelu_slope,  gelu_slope_double, 4, ERROR_GELU,    0 },
};

#define SWEEP 400000

START_TEST(error_is_as_stated)
{
	const struct activation_case *c = &cases[_i];
	for (int i = -SWEEP; i <= SWEEP; i++) {
		real x = (real)(c->range * i / SWEEP);
		double want = c->want((double)x), got = (double)c->got(x);
		if (!(fabs(got - want) <= c->absolute + c->relative * fabs(want)))   /* an assertion each is slow */
			ck_abort_msg("%s(%.9g) is %.9g, not %.9g", c->name, (double)x, got, want);
	}
}
END_TEST

START_TEST(ends_are_right)
{
	ck_assert(isnan(sigmoid(NAN)));
	ck_assert(isnan(tangent(NAN)));
	ck_assert(isnan(exponential(NAN)));
	ck_assert(isnan(gelu(NAN)));
	ck_assert(gelu(0) == 0);
	ck_assert(normal(0) == 0.5);
	ck_assert(normal(INFINITY) == 1);
	ck_assert(normal(-INFINITY) == 0);
	ck_assert(sigmoid(INFINITY) == 1);
	ck_assert(sigmoid(-INFINITY) >= 0 && sigmoid(-INFINITY) <= 1e-37);
	ck_assert(tangent(INFINITY) == 1);
	ck_assert(tangent(-INFINITY) == -1);
	ck_assert(tangent(0) == 0);
	ck_assert(exponential(0) == 1);
	ck_assert(exponential(-INFINITY) >= 0 && exponential(-INFINITY) <= 1e-37);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("activation, " BUILD);
	TCase *tc = tcase_create("activation");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, error_is_as_stated, 0, (int)(sizeof cases / sizeof *cases));
	tcase_add_test(tc, ends_are_right);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}

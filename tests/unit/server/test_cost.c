/* What runs take, as a line through what was measured. */
#include "server/cost.h"

#include <math.h>

#include "model/base/rng.h"
#include "tests/unit/server/fixture.h"

static const struct { const char *name; uint64_t sequence_ns, step_ns; int shortest, longest; } lines[] = {
	{ "both", 50000, 2000, 5, 500 },
	{ "steps only", 0, 2000, 5, 500 },
	{ "sequences only", 900000, 1, 5, 500 },
	{ "equal lengths", 0, 2000, 96, 96 },
};

static uint64_t truth(int line, uint64_t sequences, uint64_t units)
{
	return sequences * lines[line].sequence_ns + units * lines[line].step_ns;
}

static void check_near(double want, double got)
{
	ck_assert_msg(fabs(got - want) <= 0.02 * want, "want %g, got %g", want, got);
}

START_TEST(a_line)
{
	struct cost c = { 0 };
	struct rng r;
	rng_init(&r, 1, RNG_TEST, (uint32_t)_i);
	ck_assert_uint_eq(cost_of(&c, 3, 100), 0);   /* nothing is known */
	for (int run = 0; run < 200; run++) {
		const uint64_t n = 1 + rng_below(&r, 64);
		const uint64_t units = n * ((uint64_t)lines[_i].shortest
		                            + rng_below(&r, (uint64_t)(lines[_i].longest - lines[_i].shortest + 1)));
		cost_learn(&c, n, units, (int64_t)truth(_i, n, units));
	}
	for (int steps = lines[_i].shortest; steps <= lines[_i].longest; steps += 45)
		check_near((double)truth(_i, 7, 7 * (uint64_t)steps), (double)cost_of(&c, 7, 7 * (uint64_t)steps));
}
END_TEST

/* Times that fall with the length make no negative cost, and times of nothing are known nevertheless. */
START_TEST(never_negative)
{
	struct cost c = { 0 };
	for (int i = 1; i <= 50; i++) {
		const uint64_t units = 10 + (uint64_t)(i * 37 % 100);
		cost_learn(&c, 1, units, i % 3 ? (int64_t)(units * units * 100) : 1000000 / (int64_t)units);
		ck_assert_uint_lt(cost_of(&c, 1, 100), 1000000000);
	}
	c = (struct cost){ 0 };
	cost_learn(&c, 1, 10, 0);
	ck_assert_uint_ge(cost_of(&c, 1, 10), 1);
}
END_TEST

/* The machine is another one now. */
START_TEST(the_old_fades)
{
	struct cost c = { 0 };
	for (int i = 0; i < 300; i++)
		cost_learn(&c, 4, 400, i < 100 ? 4000000 : 40000);
	check_near(10000, (double)cost_of(&c, 1, 100));
}
END_TEST

START_TEST(doubt)
{
	struct cost c = { 0 };
	cost_learn(&c, 1, 100, 1000000000);
	for (int i = 0; i < 200; i++)
		cost_doubt(&c);
	ck_assert_uint_lt(cost_of(&c, 1, 100), 10000);
	ck_assert_uint_ge(cost_of(&c, 1, 100), 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cost");
	TCase *c = tcase_create("cost");
	tcase_set_timeout(c, 60);
	tcase_add_loop_test(c, a_line, 0, sizeof lines / sizeof lines[0]);
	tcase_add_test(c, never_negative);
	tcase_add_test(c, the_old_fades);
	tcase_add_test(c, doubt);
	suite_add_tcase(suite, c);
	return run_suite(suite);
}

/* test_levels.c - each kernel of one level beside the portable one: every size 1 … 80 in turn for inputs and for units,
 * every number of rows up to one past a tile, fences before and behind whatever is read or written. What the portable
 * one should say, test_kernels.c knows. */
#include <string.h>

#include "tests/unit/infer/kernel_cases.h"
#include "tests/unit/infer/support.h"

#define MAX_SIZE 80
#define MAX_ROWS (KERNEL_ROWS + 1)
#define MAX_T    80

static struct kernel_call *new_call(const struct kernel_case *c, const struct kernel_size *s, const struct kernels *k)
{
	struct kernel_call *call = kernel_call_new(c, s, k);

	ck_assert_ptr_nonnull(call);
	return call;
}

/* All numbers of rows, of both levels; tolerance as the case has it, or 0. */
static void check_size(const struct kernel_case *c, const struct kernel_size *s, const struct kernels *other,
                       double tolerance)
{
	struct kernel_call *here = new_call(c, s, level), *there = new_call(c, s, other);

	for (int rows = 1; rows <= s->rows; rows++) {
		kernel_call_reset(here, rows);
		kernel_call_reset(there, rows);
		kernel_call_run(here, rows);
		kernel_call_run(there, rows);
		ck_assert_msg(kernel_call_near(here, there, rows, tolerance), "%s: %s and %s differ, rows %d, %d to %d", c->name,
		              level->name, other->name, rows, s->in, s->units);
		ck_assert_msg(kernel_call_intact(here, rows), "%s of %s wrote where it may not, rows %d, %d to %d", c->name,
		              level->name, rows, s->in, s->units);
	}
	kernel_call_free(there);
	kernel_call_free(here);
}

/* A step for attention is what a row is for the others, and it reads nothing that is not padded. */
static struct kernel_size size_of(const struct kernel_case *c, struct rng *r, int size, bool of_units)
{
	const int other = draw_int(r, 1, MAX_SIZE);

	if (c->kind == KIND_ATTEND)
		return (struct kernel_size){ MAX_T, kernels_pad(of_units ? other : size), kernels_pad(of_units ? size : other) };
	return (struct kernel_size){ MAX_ROWS, of_units ? other : size, of_units ? size : other };
}

static void check_case(const struct kernel_case *c, const struct kernels *other, double tolerance, uint32_t stream)
{
	const int step = c->kind == KIND_ATTEND ? KERNEL_UNITS : 1;
	struct rng r;

	rng_init(&r, 61, RNG_TEST, stream);
	for (int size = 1; size <= MAX_SIZE; size += step)
		for (int of_units = 0; of_units < 2; of_units++) {
			const struct kernel_size s = size_of(c, &r, size, of_units);
			check_size(c, &s, other, tolerance);
		}
}

START_TEST(a_kernel_is_near_the_portable_one)
{
	const struct kernel_case *c = &kernel_cases[_i];

	check_case(c, kernels_find("c"), c->tolerance, (uint32_t)_i);
}
END_TEST

/* Only a CPU that runs avx512 gets here, and it runs avx2 too. */
START_TEST(both_fused_levels_give_the_same_bits)
{
	check_case(&kernel_cases[_i], kernels_find("avx2"), 0, (uint32_t)_i);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *s = suite_create("levels");
	TCase *t = tcase_create("one level");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, a_kernel_is_near_the_portable_one, 0, kernel_cases_n);
	if (argc > 1 && !strcmp(argv[1], "avx512"))
		tcase_add_loop_test(t, both_fused_levels_give_the_same_bits, 0, kernel_cases_n);
	suite_add_tcase(s, t);
	return run_level_suite(argc, argv, s);
}

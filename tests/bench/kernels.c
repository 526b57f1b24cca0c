/* kernels.c - how long each kernel takes at every CPU level that runs here: the cases of tests/unit/infer/kernel_cases.h,
 * which the tests hold against each other.
 *
 *     bench_kernels [filter]     only lines that contain the filter
 *
 * A line is a case at a size; of each level the least of SAMPLES samples, which take turns with the other levels', in
 * nanoseconds a call, how many times as fast as portable C that is and, of a product, GFLOP/s. Pin it to a core. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/unit/infer/kernel_cases.h"

#define SAMPLES   15
#define SAMPLE_NS 300000.0

/* The portable one first: the others are measured by it. */
static const char *const names[] = { "c", "avx2", "avx512", "neon" };
enum { LEVELS = sizeof names / sizeof *names };

struct contestant {
	const struct kernels *k;
	struct kernel_call *call;
	long calls;                /* of a sample */
	double ns;                 /* of a call */
};

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static double sample(const struct contestant *c, int rows)
{
	const double start = now_ns();

	for (long i = 0; i < c->calls; i++)
		kernel_call_run(c->call, rows);
	return now_ns() - start;
}

/* As many calls as fill a sample; warms up as well. */
static void prepare(struct contestant *c, int rows)
{
	for (c->calls = 1; sample(c, rows) < SAMPLE_NS; c->calls *= 2)
		;
	c->ns = sample(c, rows) / (double)c->calls;
}

static int levels_here(struct contestant all[LEVELS])
{
	int n = 0;

	for (int i = 0; i < LEVELS; i++) {
		const struct kernels *k = kernels_find(names[i]);
		if (k)
			all[n++] = (struct contestant){ .k = k };
	}
	return n;
}

static void print_line(const char *name, double flops, const struct contestant *all, int n)
{
	printf("%-44s", name);
	for (int i = 0; i < n; i++) {
		printf("  %s %9.0f ns", all[i].k->name, all[i].ns);
		if (i)
			printf(" %5.2fx", all[0].ns / all[i].ns);
		if (flops > 0)
			printf(" %6.1f", flops / all[i].ns);
	}
	putchar('\n');
}

static bool measure(const struct kernel_case *c, const struct kernel_size *s, const char *filter)
{
	struct contestant all[LEVELS];
	const int n = levels_here(all);
	bool made = true;
	char name[80];

	snprintf(name, sizeof name, "%-24s %3d rows, %d to %d", c->name, s->rows, s->in, s->units);
	if (!strstr(name, filter))
		return true;
	for (int i = 0; i < n; i++) {
		all[i].call = kernel_call_new(c, s, all[i].k);
		made = made && all[i].call;
	}
	for (int i = 0; made && i < n; i++)
		prepare(&all[i], s->rows);
	for (int turn = 0; made && turn < SAMPLES; turn++)
		for (int i = 0; i < n; i++) {
			const double ns = sample(&all[i], s->rows) / (double)all[i].calls;
			all[i].ns = ns < all[i].ns ? ns : all[i].ns;
		}
	if (made)
		print_line(name, kernel_case_flops(c, s), all, n);
	for (int i = 0; i < n; i++)
		kernel_call_free(all[i].call);
	return made;
}

/* Rows of a cell and of a product; steps, attention and states of a sequence. */
static const struct kernel_size row_sizes[] = { { 1, 8, 64 }, { 8, 8, 64 }, { 1, 64, 256 }, { 8, 64, 256 } };
static const struct kernel_size step_sizes[] = { { 30, 64, 64 }, { 96, 64, 64 }, { 96, 256, 256 } };
enum { ROW_SIZES = sizeof row_sizes / sizeof *row_sizes, STEP_SIZES = sizeof step_sizes / sizeof *step_sizes };

int main(int argc, char **argv)
{
	const char *filter = argc > 1 ? argv[1] : "";

	for (int i = 0; i < kernel_cases_n; i++) {
		const bool steps = kernel_cases[i].kind == KIND_ATTEND;
		for (int j = 0; j < (steps ? STEP_SIZES : ROW_SIZES); j++)
			if (!measure(&kernel_cases[i], steps ? &step_sizes[j] : &row_sizes[j], filter)) {
				fputs("out of memory\n", stderr);
				return EXIT_FAILURE;
			}
	}
	return EXIT_SUCCESS;
}

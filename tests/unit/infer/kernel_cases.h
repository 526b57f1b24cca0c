/* kernel_cases.h - every entry of struct kernels on drawn numbers: one table for the test that holds the levels against
 * each other (test_levels.c) and for the clock (tests/bench/kernels.c).
 *
 *     case, size ─► kernel_call: packed for a level, each array behind a fence ─► kernel_call_run(rows) ─► what it wrote
 *
 * The numbers depend on case and size alone, so the calls of all levels answer the same question. */
#ifndef GATECAST_TEST_INFER_KERNEL_CASES_H
#define GATECAST_TEST_INFER_KERNEL_CASES_H

#include "model/infer/model.h"

enum kernel_kind { KIND_LINEAR, KIND_CELL, KIND_ATTEND, KIND_NORM, KIND_FUNCTION };

/* What it means, by kind:
 *     linear, cell    rows of `in` numbers (and `units` of the state) to `units`
 *     attend          `rows` steps, attention `in`, hidden `units`, both padded
 *     norm, function  rows of `units`, a function's padded */
struct kernel_size {
	int rows, in, units;
};

struct kernel_case {
	const char *name;
	enum kernel_kind kind;
	bool int8;
	double tolerance;              /* between a level and C; 0: the same bits */
	struct { enum encoder_type encoder; bool reset_after, relu; } cell;
	enum score_type score;
	size_t function;               /* offset in struct kernels */
};

extern const struct kernel_case kernel_cases[];
extern const int kernel_cases_n;

struct kernel_call;

/** NULL: out of memory. */
struct kernel_call *kernel_call_new(const struct kernel_case *c, const struct kernel_size *s, const struct kernels *k);
void kernel_call_free(struct kernel_call *call);
/* These mean the last `rows` of the size's rows: the fence is behind them whatever their number. */
/** What is written in place is drawn, all else that is written forgotten. */
void kernel_call_reset(struct kernel_call *call, int rows);
void kernel_call_run(struct kernel_call *call, int rows);
/** Whether two calls of a case and size wrote what differs by no more than the tolerance; 0: by no bit. */
bool kernel_call_near(const struct kernel_call *a, const struct kernel_call *b, int rows, double tolerance);
/** Whether it wrote between no rows, before none and behind none. */
bool kernel_call_intact(const struct kernel_call *call, int rows);

/** Of a product, two a multiply-add; 0 of the others. */
double kernel_case_flops(const struct kernel_case *c, const struct kernel_size *s);

#endif

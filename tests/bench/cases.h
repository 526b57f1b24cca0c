/* cases.h - the networks that are raced, with weights and inputs that every racer can have.
 *
 *     cases.c ──┬── bench_cases ─► NAME.onnx, .safetensors, .input, cases.json ─► torch, ONNX Runtime
 *               └── linked with the racers written in C: ours and oneDNN's
 *
 * A layer is one recurrent layer alone: what a racer answers is its last state. The others are whole networks. */
#ifndef GATECAST_TESTS_BENCH_CASES_H
#define GATECAST_TESTS_BENCH_CASES_H

#include <stdbool.h>

#include "model/nn/spec.h"

#define CASE_MAX_STEPS 512
#define CASE_MAX_BATCH 128

struct bench_case {
	const char *name;
	bool layer;
	struct net_spec spec;
};

extern const struct bench_case bench_cases[];
extern const int bench_cases_n;

/** The case of that name, or NULL. */
const struct bench_case *bench_case_find(const char *name);
/** Numbers of an answer to one sequence. */
int bench_case_outputs(const struct bench_case *c);
/** Weights, net_tensors().count of them, and CASE_MAX_BATCH sequences [T][inputs], one behind the other: the same for
 *  the same case (and T). free() them; NULL: out of memory. */
float *bench_case_weights(const struct bench_case *c);
float *bench_case_input(const struct bench_case *c, int T);
/** Multiply-adds of one sequence, two operations each; gates and softmax count nothing. 0 of a Transformer. */
double bench_case_flops(const struct bench_case *c, int T);

#endif

/* company.h - the same questions asked alone and in random company: how many bits of the answers differ.
 *
 *     kinds of models ─► questions of each, random contexts and lengths ─► answers, each computed alone
 *                                     │                                                  │ compared bit for bit
 *     clients, CLIENTS of them ───────┴─► batcher_submit, 1 … ITEMS questions of a model ┘
 *             ▲                                 │
 *             └── who is answered asks again ◄──┘
 *
 * Light kinds run in batches, a heavy one flies. A test asks some thousands of requests, tests/bench/bits.c a million. */
#ifndef GATECAST_TESTS_SERVER_COMPANY_H
#define GATECAST_TESTS_SERVER_COMPANY_H

#include <stdint.h>

#include "model/base/error.h"

struct company;

struct company_result {
	uint64_t requests, sequences;
	uint64_t bits;              /* that differ */
	double together;            /* sequences of a batch or a tick, the mean */
	uint64_t ticks;             /* of flights */
};

/** Draws models and questions, and answers each alone. */
enum err company_new(struct company **out, struct error *e);
void company_free(struct company *c);
/** Through a batcher of so many threads. ERR_INVALID: an answer was not finite. */
enum err company_run(struct company *c, int threads, uint64_t requests, struct company_result *out, struct error *e);

#endif

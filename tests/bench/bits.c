/* bits.c - do answers depend on who shares the batch? tests/unit/server/company.h, a million times.
 *
 *     bits [requests]     of each number of compute threads
 *
 * Prints a line of JSON for each; exits 1 when a bit differs. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/server/company.h"

#define REQUESTS 1000000

static int report(const struct error *e)
{
	fprintf(stderr, "bits: %s\n", e->what);
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static const int threads[] = { 1, 2 };
	const long requests = argc > 1 ? atol(argv[1]) : REQUESTS;
	struct company *c = NULL;
	struct company_result r;
	struct error e;
	int status = EXIT_SUCCESS;

	if (requests < 1) {
		fputs("usage: bits [requests]\n", stderr);
		return 2;
	}
	if (company_new(&c, &e))
		return report(&e);
	for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
		if (company_run(c, threads[i], (uint64_t)requests, &r, &e)) {
			company_free(c);
			return report(&e);
		}
		printf("{\"threads\": %d, \"requests\": %llu, \"sequences\": %llu, \"together\": %.1f, \"ticks\": %llu, "
		       "\"bits\": %llu}\n", threads[i], (unsigned long long)r.requests, (unsigned long long)r.sequences,
		       r.together, (unsigned long long)r.ticks, (unsigned long long)r.bits);
		fflush(stdout);
		if (r.bits)
			status = EXIT_FAILURE;
	}
	company_free(c);
	return status;
}

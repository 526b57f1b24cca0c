/* racer.c - see racer.h. */
#include "tests/bench/racer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WARM_UP_CALLS 5       /* the first ones compile, allocate, fault pages in */
#define WARM_UP_US    5000.0

static double now_us(const struct racer *r)
{
	struct timespec t;
	clock_gettime(r->threads ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Microseconds a call. */
static double run_calls(const struct racer *r, long calls)
{
	const double start = now_us(r);
	for (long i = 0; i < calls; i++)
		r->run(r->self);
	return (now_us(r) - start) / (double)calls;
}

/* What a call takes, roughly. */
static double warm_up(const struct racer *r)
{
	double us = 0;
	long calls = 1;
	run_calls(r, WARM_UP_CALLS);
	for (; us * (double)calls < WARM_UP_US; calls *= 2)
		us = run_calls(r, calls);
	return us;
}

static bool write_outputs(const struct racer *r, const char *path)
{
	size_t n;
	r->run(r->self);
	const float *at = r->outputs(r->self, &n);
	FILE *f = fopen(path, "wb");
	if (!f)
		return false;
	const size_t written = fwrite(at, sizeof *at, n, f);
	return !fclose(f) && written == n;
}

static const char *prepare(const struct racer *r, const char *arguments, double *us)
{
	char name[64];
	int T, batch;
	if (sscanf(arguments, "%63s %d %d", name, &T, &batch) != 3 || T < 1 || T > CASE_MAX_STEPS || batch < 1
	    || batch > CASE_MAX_BATCH)
		return "it was not understood";
	const struct bench_case *c = bench_case_find(name);
	const char *reason = c ? r->prepare(r->self, c, T, batch) : "there is no such case";
	if (!reason)
		*us = warm_up(r);
	return reason;
}

static void say(const char *reason)
{
	if (reason)
		printf("no %s\n", reason);
	else
		puts("ready");
}

int racer_follow(const struct racer *r)
{
	char line[4096];
	double us = 0;
	while (fgets(line, sizeof line, stdin)) {
		line[strcspn(line, "\n")] = '\0';
		if (!strncmp(line, "prepare ", 8))
			say(prepare(r, line + 8, &us));
		else if (!strncmp(line, "answer ", 7))
			say(write_outputs(r, line + 7) ? NULL : "the answer cannot be written");
		else if (!strncmp(line, "time ", 5)) {
			const double calls = atof(line + 5) * 1e3 / us;
			printf("%.4f\n", run_calls(r, calls > 1 ? (long)calls : 1));
		} else
			say("it was not understood");
		fflush(stdout);
	}
	return EXIT_SUCCESS;
}

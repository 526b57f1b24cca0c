/* dispatch.c - which CPU level runs. */
#include <stdlib.h>
#include <string.h>

#include "model/infer/infer.h"
#include "model/infer/kernels.h"

/* Narrowest first. */
static const struct kernels *const levels[] = {
	&kernels_c,
#if defined(__x86_64__)
	&kernels_avx2,
	&kernels_avx512,
#elif defined(__aarch64__)
	&kernels_neon,
#endif
};
#define LEVELS (sizeof levels / sizeof *levels)

static bool runs_here(const struct kernels *k)
{
#if defined(__x86_64__)
	if (k == &kernels_avx512)
		return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		       __builtin_cpu_supports("fma");
	if (k == &kernels_avx2)
		return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
	return true;   /* the others are what every CPU of the architecture has */
}

const struct kernels *kernels_find(const char *name)
{
	for (size_t i = 0; i < LEVELS; i++)
		if (!strcmp(levels[i]->name, name))
			return runs_here(levels[i]) ? levels[i] : NULL;
	return NULL;
}

const struct kernels *kernels_best(void)
{
	const char *name = getenv("GATECAST_CPU");
	const struct kernels *asked = name ? kernels_find(name) : NULL;

	if (asked)
		return asked;
	for (size_t i = LEVELS; i-- > 1;)
		if (runs_here(levels[i]))
			return levels[i];
	return &kernels_c;
}

const char *infer_kernels_name(void)
{
	return kernels_best()->name;
}

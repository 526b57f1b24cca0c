/* fence.c - see fence.h. */
#include "tests/unit/infer/fence.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CANARY 0xa5

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The pages between the two that nobody may touch. */
static unsigned char *inside(const struct fence *f)
{
	return f->map + page_size();
}

static size_t inside_size(const struct fence *f)
{
	return f->mapped - 2 * page_size();
}

bool fence_init(struct fence *f, size_t n)
{
	const size_t page = page_size(), bytes = n * sizeof *f->at;

	*f = (struct fence){ .n = n, .mapped = (bytes + page - 1) / page * page + 2 * page };
	if (!n)
		return true;
	void *map = mmap(NULL, f->mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return false;
	f->map = map;
	if (mprotect(inside(f), inside_size(f), PROT_READ | PROT_WRITE)) {
		fence_fini(f);
		return false;
	}
	fence_clear(f);
	f->at = (float *)(inside(f) + inside_size(f) - bytes);
	return true;
}

void fence_fini(struct fence *f)
{
	if (f->map)
		munmap(f->map, f->mapped);
	*f = (struct fence){ 0 };
}

void fence_seal(const struct fence *f)
{
	if (f->n)
		mprotect(inside(f), inside_size(f), PROT_READ);
}

void fence_clear(const struct fence *f)
{
	memset(inside(f), CANARY, inside_size(f));
}

static bool all_canary(const unsigned char *from, const unsigned char *to)
{
	while (from < to)
		if (*from++ != CANARY)
			return false;
	return true;
}

bool fence_untouched(const float *from, const float *to)
{
	return all_canary((const unsigned char *)from, (const unsigned char *)to);
}

bool fence_intact(const struct fence *f)
{
	return !f->n || all_canary(inside(f), (const unsigned char *)f->at);
}

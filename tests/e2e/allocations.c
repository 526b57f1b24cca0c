/* allocations.c - preloaded into a daemon: counts allocations by who asks for them, for test_allocations.py.
 *
 * GATECAST_ALLOCATIONS names a file of two counters, mapped: of the program and the C library on its behalf, and of
 * libmicrohttpd. The real functions are glibc's own. */
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum who { WHO_OTHERS, WHO_MHD, WHOS };

static _Atomic uint64_t before_start[WHOS], *counters = before_start;
static uintptr_t mhd_begin, mhd_end;

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);

static int find_mhd(struct dl_phdr_info *info, size_t size, void *arg)
{
	if (!strstr(info->dlpi_name, "libmicrohttpd"))
		return 0;
	mhd_begin = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD)
			mhd_end = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr + info->dlpi_phdr[i].p_memsz;
	return 1;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("GATECAST_ALLOCATIONS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *map = mmap(NULL, sizeof before_start, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	dl_iterate_phdr(find_mhd, NULL);
	if (map != MAP_FAILED)
		counters = map;
	unsetenv("GATECAST_ALLOCATIONS");   /* not for children */
}

static void count(const void *caller)
{
	uintptr_t at = (uintptr_t)caller;
	counters[at >= mhd_begin && at < mhd_end ? WHO_MHD : WHO_OTHERS]++;
}

void *malloc(size_t n)
{
	count(__builtin_return_address(0));
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	count(__builtin_return_address(0));
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	count(__builtin_return_address(0));
	return __libc_realloc(p, n);
}

char *strdup(const char *s)
{
	count(__builtin_return_address(0));
	size_t n = strlen(s) + 1;
	void *p = __libc_malloc(n);
	return p ? memcpy(p, s, n) : NULL;
}

void *aligned_alloc(size_t alignment, size_t n)
{
	count(__builtin_return_address(0));
	return __libc_memalign(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
	count(__builtin_return_address(0));
	*out = __libc_memalign(alignment, n);
	return *out ? 0 : 12;
}

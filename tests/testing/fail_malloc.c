/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_malloc - preloaded under a program, lets its n-th allocation fail, and
 * with FAIL_MALLOC_ON every later one. For tests, on glibc.
 *
 *	FAIL_MALLOC=n	from 1; without it nothing fails
 *	FAIL_MALLOC_TO	a file that gets the number of allocations at the end
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* glibc's own names of what is replaced here. */
void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static _Atomic uint64_t count;
static uint64_t at = UINT64_MAX;
static int on;

__attribute__((constructor)) static void begin(void)
{
	const char *n = getenv("FAIL_MALLOC");

	on = getenv("FAIL_MALLOC_ON") != NULL;
	atomic_store(&count, 0);
	if (n != NULL)
		at = strtoull(n, NULL, 10);
}

__attribute__((destructor)) static void end(void)
{
	const char *name = getenv("FAIL_MALLOC_TO");
	char text[32];
	int fd, n;

	if (name == NULL)
		return;
	n = snprintf(text, sizeof(text), "%llu\n",
		     (unsigned long long)atomic_load(&count));
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, text, (size_t)n) != n)
		abort();
	close(fd);
}

static int fails(void)
{
	uint64_t n = atomic_fetch_add(&count, 1) + 1;

	if (n != at && (!on || n < at))
		return 0;
	errno = ENOMEM;
	return 1;
}

void *malloc(size_t n)
{
	return fails() ? NULL : __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	return fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	return fails() ? NULL : __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	return fails() ? NULL : __libc_memalign(align, n);
}

int posix_memalign(void **out, size_t align, size_t n)
{
	void *p;

	if (fails())
		return ENOMEM;
	p = __libc_memalign(align, n);
	if (p == NULL)
		return ENOMEM;
	*out = p;
	return 0;
}

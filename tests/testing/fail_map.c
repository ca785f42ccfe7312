/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_map - preloaded under a program, is a disk with a bad sector below a
 * file that is mapped: the page cannot be had, which is a SIGBUS.
 *
 *   FAIL_MAP=TEXT   in each map of a file whose path has this in it
 *   FAIL_PAGE=N     so many pages from the beginning (default: 0)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096 };

static void *map(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	return (void *)syscall(SYS_mmap, at, n, prot, flags, fd, off);
}

static int is_meant(int fd)
{
	const char *text = getenv("FAIL_MAP");
	char link[64], path[4096];
	ssize_t n;

	if (text == NULL || fd < 0)
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return 0;
	path[n] = '\0';
	return strstr(path, text) != NULL;
}

/* A map of a file that has no bytes there. */
static void spoil(char *p, size_t n)
{
	const char *page = getenv("FAIL_PAGE");
	size_t at = page == NULL ? 0 : strtoul(page, NULL, 10) * PAGE;
	int empty;

	if (at >= n)
		return;
	empty = memfd_create("bad sector", MFD_CLOEXEC);
	if (empty < 0 || map(p + at, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			     empty, 0) == MAP_FAILED)
		abort();
	close(empty);
}

void *mmap64(void *at, size_t n, int prot, int flags, int fd, off64_t off)
{
	void *p = map(at, n, prot, flags, fd, off);

	if (p != MAP_FAILED && is_meant(fd)) {
		int sys = errno;

		spoil(p, n);
		errno = sys;
	}
	return p;
}

void *mmap(void *at, size_t n, int prot, int flags, int fd, off_t off)
{
	return mmap64(at, n, prot, flags, fd, off);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_file - preloaded under a program, does to files what no test can time:
 *
 *   CHANGE_READ=PATH   each pread() of that file is followed by another byte
 *                      all over it: same size, newer times
 *   CHANGE_TIMES=N     so often at most (default: always)
 *   FAIL_READ=NAME     no byte of the 512 at FAIL_AT in a file of that name can
 *   FAIL_AT=N          be read: EIO
 *   FAIL_CLOSE=NAME    close() of a file of that name, open for writing, ends
 *                      with ENOSPC, as a network file system's may
 *   STOP_AT=N          there is no fallocate(), and the Nth pwrite() of 64
 *                      KiB or more comes with a SIGTERM
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void change(const char *path, const struct stat *st)
{
	static int times;
	const char *most = getenv("CHANGE_TIMES");
	char byte = (char)('A' + times);
	int fd;

	if (most != NULL && times >= strtol(most, NULL, 10))
		return;
	times++;
	fd = open(path, O_WRONLY);
	for (off_t i = 0; i < st->st_size; i++)
		if (write(fd, &byte, 1) != 1)
			abort();
	syscall(SYS_close, fd);
	usleep(20000);
}

/* Is the open file called so? */
static bool is_named(int fd, const char *name)
{
	char link[64], path[4096];
	const char *last;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	last = strrchr(path, '/');
	return last != NULL && strcmp(last + 1, name) == 0;
}

/* Is one of these bytes in the sector that cannot be read? */
static bool is_unreadable(int fd, size_t n, off64_t at)
{
	const char *name = getenv("FAIL_READ"), *text = getenv("FAIL_AT");
	off64_t bad = text == NULL ? 0 : strtoll(text, NULL, 10);

	return name != NULL && at < bad + 512 && at + (off64_t)n > bad &&
	       is_named(fd, name);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	const char *path = getenv("CHANGE_READ");
	ssize_t got = syscall(SYS_pread64, fd, p, n, at);
	int sys = errno;
	struct stat a, b;

	if (is_unreadable(fd, n, at)) {
		errno = EIO;
		return -1;
	}
	if (path != NULL && got > 0 && stat(path, &a) == 0 &&
	    fstat(fd, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev)
		change(path, &a);
	errno = sys;
	return got;
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	return pread64(fd, p, n, at);
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
	if (getenv("STOP_AT") == NULL)
		return (int)syscall(SYS_fallocate, fd, mode, at, n);
	errno = EOPNOTSUPP;
	return -1;
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	return fallocate64(fd, mode, at, n);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	static int times;
	const char *stop = getenv("STOP_AT");

	if (stop != NULL && n >= 1 << 16 && ++times == strtol(stop, NULL, 10))
		kill(getpid(), SIGTERM);
	return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return pwrite64(fd, p, n, at);
}

int close(int fd)
{
	const char *name = getenv("FAIL_CLOSE");
	int flags = name == NULL ? -1 : fcntl(fd, F_GETFL);
	bool fails = flags >= 0 && (flags & O_ACCMODE) != O_RDONLY &&
		     is_named(fd, name);
	int rc = (int)syscall(SYS_close, fd);

	if (!fails)
		return rc;
	errno = ENOSPC;
	return -1;
}

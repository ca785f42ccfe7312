/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_file - preloaded under a program, does to files what no test can time:
 *
 *   CHANGE_READ=PATH   each pread() of that file is followed by another byte
 *                      all over it: same size, newer times
 *   CHANGE_TIMES=N     so often at most (default: always)
 *   FAIL_CLOSE=NAME    close() of a file of that name, open for writing, ends
 *                      with ENOSPC, as a network file system's may
 *   STOP_AT=N          there is no fallocate(), and the Nth pwrite() of 64
 *                      KiB or more comes with a SIGTERM
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	const char *path = getenv("CHANGE_READ");
	ssize_t got = syscall(SYS_pread64, fd, p, n, at);
	int sys = errno;
	struct stat a, b;

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
	char link[64], path[4096];
	ssize_t n;
	int flags = name == NULL ? -1 : fcntl(fd, F_GETFL);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
	    (n = readlink(link, path, sizeof(path) - 1)) <= 0)
		return (int)syscall(SYS_close, fd);
	path[n] = '\0';
	syscall(SYS_close, fd);
	if (strrchr(path, '/') == NULL ||
	    strcmp(strrchr(path, '/') + 1, name) != 0)
		return 0;
	errno = ENOSPC;
	return -1;
}

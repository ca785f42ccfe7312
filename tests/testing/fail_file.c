/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_file - preloaded under a program, does to files what no test can time:
 *
 *   CHANGE_READ=PATH   each pread() of that file is followed by another byte
 *                      all over it: same size, newer times
 *   CHANGE_TIMES=N     so often at most (default: always)
 *   BAD_SECTOR=NAME:AT  a read of a file of that name that has byte AT in it
 *                      fails with ENODATA, as from a disk, or BAD_ERRNO=N
 *   FAIL_CLOSE=NAME    every file system is one of a network, and there close()
 *                      of the first file whose name begins so, open for
 *                      writing, ends with ENOSPC
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
#include <sys/uio.h>
#include <sys/vfs.h>
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

/* The last part of the path of an open file, or NULL. */
static const char *name_of(int fd, char path[4096])
{
	char link[64];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, 4095);
	if (n <= 0)
		return NULL;
	path[n] = '\0';
	return strrchr(path, '/') == NULL ? NULL : strrchr(path, '/') + 1;
}

static int is_bad(int fd, size_t n, off64_t at)
{
	const char *bad = getenv("BAD_SECTOR"), *with = getenv("BAD_ERRNO");
	const char *colon = bad == NULL ? NULL : strchr(bad, ':'), *name;
	char path[4096];
	off64_t byte;

	if (colon == NULL)
		return 0;
	byte = strtoll(colon + 1, NULL, 10);
	if (byte < at || byte >= at + (off64_t)n)
		return 0;
	name = name_of(fd, path);
	if (name == NULL || strlen(name) != (size_t)(colon - bad) ||
	    strncmp(name, bad, strlen(name)) != 0)
		return 0;
	errno = with == NULL ? ENODATA : (int)strtol(with, NULL, 10);
	return 1;
}

ssize_t preadv2(int fd, const struct iovec *v, int count, off_t at, int flags)
{
	size_t n = 0;

	for (int i = 0; i < count; i++)
		n += v[i].iov_len;
	if (is_bad(fd, n, at))
		return -1;
	return syscall(SYS_preadv2, fd, v, count, at, 0, flags);
}

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{
	const char *path = getenv("CHANGE_READ");
	ssize_t got =
		is_bad(fd, n, at) ? -1 : syscall(SYS_pread64, fd, p, n, at);
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

int fstatfs64(int fd, struct statfs64 *out)
{
	int rc = (int)syscall(SYS_fstatfs, fd, out);

	if (getenv("FAIL_CLOSE") != NULL)
		out->f_type = 0x6969;
	return rc;
}

int fstatfs(int fd, struct statfs *out)
{
	return fstatfs64(fd, (struct statfs64 *)out);
}

int close(int fd)
{
	static int failed;
	const char *name = getenv("FAIL_CLOSE"), *last;
	char path[4096];
	int flags = name == NULL ? -1 : fcntl(fd, F_GETFL);

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY ||
	    (last = name_of(fd, path)) == NULL)
		return (int)syscall(SYS_close, fd);
	syscall(SYS_close, fd);
	if (failed || strncmp(last, name, strlen(name)) != 0)
		return 0;
	failed = 1;
	errno = ENOSPC;
	return -1;
}

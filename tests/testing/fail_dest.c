/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fail_dest - preloaded under `get`, counts the calls that change something
 * below a folder, and disturbs one of them. The destination of a restore lies
 * outside the seam of lib/io.
 *
 *   DEST=PATH     the folder, absolute
 *   DEST_LOG=FILE gets a byte for each such call
 *   NTH=N         the call to disturb (default: none)
 *   HOW=ERRNO     it fails with that number
 *   HOW=stop      a SIGTERM comes before it
 *   HOW=kill      a SIGKILL
 *   HOW=short     half of it is written (pwrite), else as stop
 *   OLD=1         a file system without nameless files
 *   OLD=2         and without renames that do not replace
 *   OLD=3         and without hard links
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

static atomic_long calls;

static bool below(int fd)
{
	const char *dest = getenv("DEST");
	size_t n = dest == NULL ? 0 : strlen(dest);
	char proc[64], path[4096];
	ssize_t len;

	if (n == 0)
		return false;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	len = readlink(proc, path, sizeof(path) - 1);
	if (len < (ssize_t)n)
		return false;
	path[len] = '\0';
	return strncmp(path, dest, n) == 0;
}

static void log_call(void)
{
	const char *log = getenv("DEST_LOG");
	int fd = log == NULL
			 ? -1
			 : (int)syscall(SYS_openat, AT_FDCWD, log,
					O_WRONLY | O_APPEND | O_CREAT, 0600);

	if (fd < 0)
		return;
	if (syscall(SYS_write, fd, ".", 1) != 1)
		abort();
	syscall(SYS_close, fd);
}

/* Is this the one, and to fail? Then errno is set. */
static bool fails(int fd)
{
	const char *nth = getenv("NTH"), *how = getenv("HOW");
	int sys = errno;

	if (!below(fd)) {
		errno = sys;
		return false;
	}
	log_call();
	errno = sys;
	if (nth == NULL || how == NULL ||
	    atomic_fetch_add(&calls, 1) + 1 != strtol(nth, NULL, 10))
		return false;
	if (strcmp(how, "kill") == 0)
		kill(getpid(), SIGKILL);
	if (strcmp(how, "stop") == 0 || strcmp(how, "short") == 0) {
		/* By the time of the call it has been seen. */
		kill(getpid(), SIGTERM);
		return false;
	}
	errno = (int)strtol(how, NULL, 10);
	return true;
}

#define DISTURB(fd)                                                            \
	do {                                                                   \
		if (fails(fd))                                                 \
			return -1;                                             \
	} while (0)

/* Is the file system older than that? Then errno is set. */
static bool is_older(int fd, int than, int sys)
{
	const char *old = getenv("OLD");

	if (old == NULL || strtol(old, NULL, 10) < than || !below(fd))
		return false;
	errno = sys;
	return true;
}

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
	bool nameless = (flags & O_TMPFILE) == O_TMPFILE;

	if (nameless && is_older(dir, 1, EOPNOTSUPP))
		return -1;
	if (((flags & O_CREAT) != 0 || nameless) && path[0] != '/')
		DISTURB(dir);
	return (int)syscall(SYS_openat, dir, path, flags, mode);
}

int openat64(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode = 0;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return open_at(dir, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
	va_list ap;
	mode_t mode = 0;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	return open_at(dir, path, flags, mode);
}

int mkdirat(int dir, const char *name, mode_t mode)
{
	DISTURB(dir);
	return (int)syscall(SYS_mkdirat, dir, name, mode);
}

int mknodat(int dir, const char *name, mode_t mode, dev_t dev)
{
	DISTURB(dir);
	return (int)syscall(SYS_mknodat, dir, name, mode, (unsigned)dev);
}

int symlinkat(const char *to, int dir, const char *name)
{
	DISTURB(dir);
	return (int)syscall(SYS_symlinkat, to, dir, name);
}

int linkat(int from, const char *name, int to, const char *other, int flags)
{
	if (is_older(to, 3, EPERM))
		return -1;
	DISTURB(to);
	return (int)syscall(SYS_linkat, from, name, to, other, flags);
}

int renameat2(int from, const char *name, int to, const char *other,
	      unsigned flags)
{
	if (flags != 0 && is_older(to, 2, EINVAL))
		return -1;
	DISTURB(to);
	return (int)syscall(SYS_renameat2, from, name, to, other, flags);
}

int renameat(int from, const char *name, int to, const char *other)
{
	DISTURB(to);
	return (int)syscall(SYS_renameat2, from, name, to, other, 0);
}

int unlinkat(int dir, const char *name, int flags)
{
	DISTURB(dir);
	return (int)syscall(SYS_unlinkat, dir, name, flags);
}

static ssize_t write_at(int fd, const void *p, size_t n, off64_t at)
{
	const char *how = getenv("HOW");
	long before = atomic_load(&calls);

	DISTURB(fd);
	if (how != NULL && strcmp(how, "short") == 0 && n > 1 &&
	    atomic_load(&calls) != before &&
	    atomic_load(&calls) == strtol(getenv("NTH"), NULL, 10))
		n /= 2;
	return syscall(SYS_pwrite64, fd, p, n, at);
}

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{
	return write_at(fd, p, n, at);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	return write_at(fd, p, n, at);
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
	DISTURB(fd);
	return (int)syscall(SYS_fallocate, fd, mode, at, n);
}

int fallocate(int fd, int mode, off_t at, off_t n)
{
	DISTURB(fd);
	return (int)syscall(SYS_fallocate, fd, mode, at, n);
}

int ftruncate64(int fd, off64_t n)
{
	DISTURB(fd);
	return (int)syscall(SYS_ftruncate, fd, n);
}

int ftruncate(int fd, off_t n)
{
	DISTURB(fd);
	return (int)syscall(SYS_ftruncate, fd, n);
}

int fchmod(int fd, mode_t mode)
{
	DISTURB(fd);
	return (int)syscall(SYS_fchmod, fd, mode);
}

int futimens(int fd, const struct timespec ts[2])
{
	DISTURB(fd);
	return (int)syscall(SYS_utimensat, fd, NULL, ts, 0);
}

int fchownat(int fd, const char *name, uid_t uid, gid_t gid, int flags)
{
	DISTURB(fd);
	return (int)syscall(SYS_fchownat, fd, name, uid, gid, flags);
}

int utimensat(int fd, const char *name, const struct timespec ts[2], int flags)
{
	DISTURB(fd);
	return (int)syscall(SYS_utimensat, fd, name, ts, flags);
}

int fsetxattr(int fd, const char *name, const void *v, size_t n, int flags)
{
	DISTURB(fd);
	return (int)syscall(SYS_fsetxattr, fd, name, v, n, flags);
}

int close(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY && below(fd) &&
	    fails(fd)) {
		syscall(SYS_close, fd);
		return -1;
	}
	return (int)syscall(SYS_close, fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "restore/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "hash/sha256.h"
#include "restore/dest.h"
#include "restore/files.h"
#include "restore/fskind.h"
#include "restore/run.h"
#include "util/hex.h"

#define PREFIX ".blobctl-part-"

enum {
	ID_BYTES = 8,
	PROC_PATH_BYTES = 64,
};

void part_name(const struct rdir *dir, const char *name,
	       char out[PART_NAME_BYTES])
{
	struct sha256_ctx c;
	struct digest d;

	sha256_init(&c);
	sha256_update(&c, bytes_of(dir->node.b, DIGEST_BYTES));
	sha256_update(&c, bytes_str(name));
	sha256_final(&c, &d);
	memcpy(out, PREFIX, sizeof(PREFIX) - 1);
	hex_encode(d.b, ID_BYTES, out + sizeof(PREFIX) - 1);
}

/* ---- what can be done here ------------------------------------------------
 */

static void proc_path(int fd, char out[PROC_PATH_BYTES])
{
	snprintf(out, PROC_PATH_BYTES, "/proc/self/fd/%d", fd);
}

void part_learn(struct run *run, int nameless)
{
	char proc[PROC_PATH_BYTES];
	struct stat own, by;

	run->parts_named = nameless < 0 || fs_tells_late(nameless);
	if (run->parts_named)
		return;
	/* Linking by the descriptor takes a right that not even every root has.
	 * Asked before it is found that the file is no directory. */
	run->links_by_proc =
		linkat(nameless, "", nameless, "x", AT_EMPTY_PATH) != 0 &&
		errno != ENOTDIR;
	proc_path(nameless, proc);
	run->parts_named =
		run->links_by_proc &&
		(stat(proc, &by) != 0 || fstat(nameless, &own) != 0 ||
		 by.st_ino != own.st_ino || by.st_dev != own.st_dev);
}

int part_link(const struct run *run, int fd, int dirfd, const char *name)
{
	char proc[PROC_PATH_BYTES];

	if (!run->links_by_proc)
		return linkat(fd, "", dirfd, name, AT_EMPTY_PATH);
	proc_path(fd, proc);
	return linkat(AT_FDCWD, proc, dirfd, name, AT_SYMLINK_FOLLOW);
}

/* ---- made -----------------------------------------------------------------
 */

static bool is_it(const struct stat *st, dev_t dev, ino_t ino)
{
	return st->st_dev == dev && st->st_ino == ino;
}

void part_sweep(int dirfd, const char *part, const struct stat *st)
{
	struct stat now;

	if (fstatat(dirfd, part, &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	    !S_ISDIR(now.st_mode) &&
	    (st == NULL || is_it(&now, st->st_dev, st->st_ino)))
		(void)unlinkat(dirfd, part, 0);
}

/* errno of an open with O_TMPFILE where there are no nameless files: on another
 * file system below the destination. */
static bool is_unknown(int sys)
{
	return sys == EOPNOTSUPP || sys == EISDIR || sys == EINVAL ||
	       sys == ENOSYS || sys == EPERM;
}

void part_taken(void)
{
	if (errno == EEXIST)
		errno = EBUSY;
}

static int make_named(struct rfile *f, int dirfd, const char *part,
		      uint32_t mode)
{
	int fd = openat(dirfd, part,
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			mode);
	struct stat st;

	if (fd < 0) {
		part_taken();
		return -1;
	}
	if (fstat(fd, &st) != 0) {
		int sys = errno;

		close(fd);
		(void)unlinkat(dirfd, part, 0);
		errno = sys;
		return -1;
	}
	f->part = true;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return fd;
}

int part_make(struct worker *w, int dirfd, struct rfile *f, uint32_t mode)
{
	char part[PART_NAME_BYTES];
	int fd;

	part_name(f->dir, f->name, part);
	if (!w->run->parts_named) {
		fd = openat(dirfd, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
		if (fd >= 0 || !is_unknown(errno))
			return fd;
	}
	return make_named(f, dirfd, part, mode);
}

int part_keep(struct worker *w, int dirfd, struct rfile *f)
{
	char part[PART_NAME_BYTES];
	struct stat st;

	if (f->part)
		return 0;
	part_name(f->dir, f->name, part);
	if (fstat(f->fd, &st) != 0 ||
	    part_link(w->run, f->fd, dirfd, part) != 0) {
		part_taken();
		return -1;
	}
	f->part = true;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	return 0;
}

int part_reopen(int dirfd, const struct rfile *f)
{
	char part[PART_NAME_BYTES];
	struct stat st;
	int fd;

	part_name(f->dir, f->name, part);
	fd = openat(dirfd, part,
		    O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) != 0 || !is_it(&st, f->dev, f->ino))) {
		close(fd);
		errno = ESTALE;
		return -1;
	}
	return fd;
}

/* ---- named ----------------------------------------------------------------
 */

/* Where the file system does not know how not to replace. */
static int move_plainly(int dirfd, const char *part, const char *name)
{
	struct stat st;

	if (linkat(dirfd, part, dirfd, name, 0) == 0) {
		(void)unlinkat(dirfd, part, 0);
		return 0;
	}
	if (errno == EEXIST ||
	    fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		errno = EEXIST;
		return -1;
	}
	return renameat(dirfd, part, dirfd, name);
}

int part_move(int dirfd, const char *part, const char *name)
{
	int rc = renameat2(dirfd, part, dirfd, name, RENAME_NOREPLACE);

	if (rc != 0 && (errno == EINVAL || errno == ENOSYS || errno == EPERM ||
			errno == EOPNOTSUPP))
		rc = move_plainly(dirfd, part, name);
	return rc;
}

static int move_file(int dirfd, const struct rfile *f)
{
	char part[PART_NAME_BYTES];
	struct stat st;

	part_name(f->dir, f->name, part);
	if (fstatat(dirfd, part, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return -1;
	if (!is_it(&st, f->dev, f->ino)) {
		errno = ESTALE;
		return -1;
	}
	return part_move(dirfd, part, f->name);
}

int part_publish(struct worker *w, int dirfd, struct rfile *f)
{
	int rc = f->part ? move_file(dirfd, f)
			 : part_link(w->run, f->fd, dirfd, f->name);

	if (rc == 0) {
		f->part = false;
		f->named = true;
	}
	return rc;
}

void part_remove(int dirfd, struct rfile *f)
{
	struct stat st = { .st_dev = f->dev, .st_ino = f->ino };
	char part[PART_NAME_BYTES];

	part_name(f->dir, f->name, part);
	if (f->part)
		part_sweep(dirfd, part, &st);
	if (f->named)
		(void)unlinkat(dirfd, f->name, 0);
	f->part = f->named = false;
}

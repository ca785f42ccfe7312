/* SPDX-License-Identifier: Apache-2.0 */
/* Names: everything that works on directories. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "io/internal.h"
#include "util/arith.h"

/* Open `name` below at; `shown` is the path the directory will go by. */
static enum bc_err dir_open(struct io *io, int at, const char *name,
			    const char *parent, struct io_dir **out,
			    struct err *e)
{
	size_t np = parent == NULL ? 0 : strlen(parent) + 1;
	size_t n = np + strlen(name) + 1;
	struct io_dir *d = malloc(sizeof(*d) + n);
	struct io_op op;
	int sys;

	if (d == NULL)
		return err_sys(e, ENOMEM, "cannot open %s", name);
	d->io = io;
	snprintf(d->path, n, "%s%s%s", parent == NULL ? "" : parent,
		 parent == NULL ? "" : "/", name);
	op.io = io;
	op.ev = (struct io_event){ .cls = IO_CLASS_READ,
				   .op = "open directory",
				   .path = d->path };
	IO_DO(sys, &op,
	      d->fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (sys != 0) {
		enum bc_err rc =
			err_sys(e, sys, "cannot open directory %s", d->path);

		if (sys == EMFILE || sys == ENFILE)
			err_hint(e,
				 "raise the limit of open files (ulimit -n)");
		free(d);
		return rc;
	}
	*out = d;
	return BC_OK;
}

enum bc_err io_dir_open(struct io *io, const char *path, struct io_dir **out,
			struct err *e)
{
	return dir_open(io, AT_FDCWD, path, NULL, out, e);
}

enum bc_err io_dir_open_at(struct io_dir *d, const char *name,
			   struct io_dir **out, struct err *e)
{
	return dir_open(d->io, d->fd, name, d->path, out, e);
}

void io_dir_close(struct io_dir *d)
{
	if (d == NULL)
		return;
	close(d->fd);
	free(d);
}

const char *io_dir_path(const struct io_dir *d)
{
	return d->path;
}

int io_dir_fd(const struct io_dir *d)
{
	return d->fd;
}

enum bc_err io_dir_sync(struct io_dir *d, struct err *e)
{
	struct io_op op;
	int sys;

	op.io = d->io;
	op.ev = (struct io_event){ .cls = IO_CLASS_SYNC,
				   .op = "sync directory",
				   .path = d->path };
	IO_DO(sys, &op, fsync(d->fd));
	/* Some network file systems cannot sync a directory and need not. */
	if (sys == EINVAL)
		return BC_OK;
	return sys == 0 ? BC_OK
			: err_sys(e, sys, "cannot sync directory %s", d->path);
}

enum bc_err io_mkdir(struct io_dir *d, const char *name, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_at(&op, d, name, IO_CLASS_NAME, "make directory");
	IO_DO(sys, &op, mkdirat(d->fd, name, d->io->opt.dir_mode));
	return io_fail_at(e, sys, op.ev.op, d, name);
}

enum bc_err io_rmdir(struct io_dir *d, const char *name, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_at(&op, d, name, IO_CLASS_NAME, "remove directory");
	IO_DO(sys, &op, unlinkat(d->fd, name, AT_REMOVEDIR));
	return io_fail_at(e, sys, op.ev.op, d, name);
}

enum bc_err io_unlink(struct io_dir *d, const char *name, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_at(&op, d, name, IO_CLASS_NAME, "remove");
	IO_DO(sys, &op, unlinkat(d->fd, name, 0));
	return io_fail_at(e, sys, op.ev.op, d, name);
}

enum bc_err io_rename(struct io_dir *from_dir, const char *from,
		      struct io_dir *to_dir, const char *to,
		      enum io_rename_mode mode, struct err *e)
{
	unsigned flags = mode == IO_NOREPLACE ? RENAME_NOREPLACE : 0;
	struct io_op op;
	enum bc_err rc;
	int sys;

	io_op_at(&op, from_dir, from, IO_CLASS_NAME, "rename");
	io_op_to(&op, to_dir, to);
	IO_DO(sys, &op, renameat2(from_dir->fd, from, to_dir->fd, to, flags));
	if (mode == IO_NOREPLACE && (sys == EINVAL || sys == ENOSYS)) {
		rc = io_link(from_dir, from, to_dir, to, e);
		return rc != BC_OK ? rc : io_unlink(from_dir, from, e);
	}
	if (sys == 0)
		return BC_OK;
	/* The name in the way is the news, not the name that was to move. */
	if (sys == EEXIST)
		return io_fail_at(e, sys, "rename to", to_dir, to);
	return io_fail_at(e, sys, op.ev.op, from_dir, from);
}

enum bc_err io_link(struct io_dir *from_dir, const char *from,
		    struct io_dir *to_dir, const char *to, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_at(&op, from_dir, from, IO_CLASS_NAME, "link");
	io_op_to(&op, to_dir, to);
	IO_DO(sys, &op, linkat(from_dir->fd, from, to_dir->fd, to, 0));
	if (sys == EEXIST)
		return io_fail_at(e, sys, "link to", to_dir, to);
	return io_fail_at(e, sys, op.ev.op, from_dir, from);
}

static enum io_type type_of(mode_t mode)
{
	if (S_ISREG(mode))
		return IO_TYPE_FILE;
	return S_ISDIR(mode) ? IO_TYPE_DIR : IO_TYPE_OTHER;
}

static struct io_stat stat_of(const struct stat *st)
{
	return (struct io_stat){
		.type = type_of(st->st_mode),
		.mode = st->st_mode & 07777,
		.size = (uint64_t)st->st_size,
		.stored = (uint64_t)st->st_blocks * 512,
		.dev = st->st_dev,
		.ino = st->st_ino,
		.nlink = st->st_nlink,
		.mtime_ns = ns_of(st->st_mtim.tv_sec,
				  (uint32_t)st->st_mtim.tv_nsec),
		.ctime_ns = ns_of(st->st_ctim.tv_sec,
				  (uint32_t)st->st_ctim.tv_nsec),
	};
}

enum bc_err io_stat_at(struct io_dir *d, const char *name, struct io_stat *out,
		       struct err *e)
{
	struct stat st;
	struct io_op op;
	int sys;

	io_op_at(&op, d, name, IO_CLASS_READ, "stat");
	IO_DO(sys, &op, fstatat(d->fd, name, &st, 0));
	if (sys == 0)
		*out = stat_of(&st);
	return io_fail_at(e, sys, op.ev.op, d, name);
}

enum bc_err io_file_stat(struct io_file *f, struct io_stat *out, struct err *e)
{
	struct stat st;
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_READ, "stat");
	IO_DO(sys, &op, fstat(f->fd, &st));
	if (sys == 0)
		*out = stat_of(&st);
	return io_fail_file(e, sys, op.ev.op, f);
}

static enum io_type entry_type(DIR *dir, const struct dirent *de)
{
	struct stat st;

	if (de->d_type == DT_REG)
		return IO_TYPE_FILE;
	if (de->d_type == DT_DIR)
		return IO_TYPE_DIR;
	if (de->d_type != DT_UNKNOWN && de->d_type != DT_LNK)
		return IO_TYPE_OTHER;
	/* It may have gone meanwhile; then nobody will find it a file. */
	if (fstatat(dirfd(dir), de->d_name, &st, 0) != 0)
		return IO_TYPE_OTHER;
	return type_of(st.st_mode);
}

static bool is_dot(const char *name)
{
	return name[0] == '.' &&
	       (name[1] == '\0' || (name[1] == '.' && name[2] == '\0'));
}

enum bc_err io_list(struct io_dir *d, const char *name, struct err *e,
		    enum bc_err (*each)(void *ctx, const char *name,
					enum io_type type),
		    void *ctx)
{
	enum bc_err rc = BC_OK;
	const struct dirent *de;
	struct io_op op;
	DIR *dir;
	int fd = -1, sys;

	io_op_at(&op, d, name, IO_CLASS_READ, "list");
	IO_DO(sys, &op,
	      fd = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (sys != 0)
		return io_fail_at(e, sys, op.ev.op, d, name);
	dir = fdopendir(fd);
	if (dir == NULL) {
		rc = io_fail_at(e, errno, op.ev.op, d, name);
		close(fd);
		return rc;
	}
	while (rc == BC_OK) {
		errno = 0;
		de = readdir(dir);
		if (de == NULL) {
			rc = io_fail_at(e, errno, op.ev.op, d, name);
			break;
		}
		if (!is_dot(de->d_name))
			rc = each(ctx, de->d_name, entry_type(dir, de));
	}
	closedir(dir);
	return rc;
}

enum bc_err io_dir_space(struct io_dir *d, struct io_space *out, struct err *e)
{
	struct statvfs v;
	struct io_op op;
	int sys;

	io_op_at(&op, d, ".", IO_CLASS_READ, "stat the file system of");
	IO_DO(sys, &op, fstatvfs(d->fd, &v));
	if (sys != 0)
		return io_fail_at(e, sys, op.ev.op, d, ".");
	*out = (struct io_space){
		.total = (uint64_t)v.f_blocks * v.f_frsize,
		.available = (uint64_t)v.f_bavail * v.f_frsize,
		.block = v.f_frsize,
		.read_only = (v.f_flag & ST_RDONLY) != 0,
	};
	return BC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Open files, synchronously. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/internal.h"
#include "util/arith.h"

enum {
	/* Buffer for unaligned reads of a direct file. */
	BOUNCE_MAX_BYTES = 256 * 1024,
};

/* ---- open and close ------------------------------------------------------ */

static int open_flags(unsigned flags)
{
	int o = O_CLOEXEC;

	if ((flags & (IO_READ | IO_WRITE)) == (IO_READ | IO_WRITE))
		o |= O_RDWR;
	else
		o |= (flags & IO_WRITE) != 0 ? O_WRONLY : O_RDONLY;
	if ((flags & IO_CREATE) != 0)
		o |= O_CREAT;
	if ((flags & IO_EXCLUSIVE) != 0)
		o |= O_EXCL;
	if ((flags & IO_TRUNCATE) != 0)
		o |= O_TRUNC;
	/* A pipe of that name must not hold us up; taken off again below. */
	return o | O_NONBLOCK;
}

static enum io_class open_class(unsigned flags)
{
	if ((flags & IO_CREATE) != 0)
		return IO_CLASS_NAME;
	return (flags & IO_TRUNCATE) != 0 ? IO_CLASS_WRITE : IO_CLASS_READ;
}

/* Does the file system say that IO_ALIGN does not suit it? */
static bool direct_denied(const struct statx *sx)
{
#ifdef STATX_DIOALIGN
	return (sx->stx_mask & STATX_DIOALIGN) != 0 &&
	       (sx->stx_dio_mem_align == 0 || sx->stx_dio_offset_align == 0 ||
		sx->stx_dio_mem_align > IO_ALIGN ||
		sx->stx_dio_offset_align > IO_ALIGN);
#else
	(void)sx;
	return false;
#endif
}

/*
 * Settle what kind of file it is. O_DIRECT is set only now: an open() that
 * creates the file and then refuses the flag would leave the file behind.
 */
static int settle_flags(struct io_file *f)
{
	unsigned mask = STATX_TYPE;
	struct statx sx;
	int keep = open_flags(f->flags) & O_ACCMODE;

#ifdef STATX_DIOALIGN
	if ((f->flags & IO_DIRECT) != 0)
		mask |= STATX_DIOALIGN;
#endif
	if (statx(f->fd, "", AT_EMPTY_PATH, mask, &sx) != 0)
		return errno;
	if (!S_ISREG(sx.stx_mode))
		return EINVAL;
	if ((f->flags & IO_DIRECT) != 0) {
		bool direct = !f->io->opt.no_direct && !direct_denied(&sx) &&
			      fcntl(f->fd, F_SETFL, keep | O_DIRECT) == 0;

		atomic_store(&f->direct, direct);
		atomic_store(&f->dontcache, !direct);
		if (direct)
			return 0;
	}
	return fcntl(f->fd, F_SETFL, keep) != 0 ? errno : 0;
}

enum bc_err io_file_open(struct io_dir *d, const char *name, unsigned flags,
			 struct io_file **out, struct err *e)
{
	size_t n = strlen(d->path) + 1 + strlen(name) + 1;
	struct io_file *f;
	struct io_op op;
	int sys;

	if ((flags & (IO_READ | IO_WRITE)) == 0)
		return err_set(e, BC_EINVAL, "cannot open %s/%s for nothing",
			       d->path, name);
	f = calloc(1, sizeof(*f) + n);
	if (f == NULL)
		return io_fail_at(e, ENOMEM, "open", d, name);
	f->io = d->io;
	f->flags = flags;
	atomic_init(&f->direct, false);
	atomic_init(&f->dontcache, false);
	snprintf(f->path, n, "%s/%s", d->path, name);

	io_op_file(&op, f, open_class(flags),
		   (flags & IO_CREATE) != 0 ? "create" : "open");
	IO_DO(sys, &op,
	      f->fd = openat(d->fd, name, open_flags(flags),
			     d->io->opt.file_mode));
	if (sys == 0) {
		sys = settle_flags(f);
		if (sys != 0)
			close(f->fd);
	} else if (sys == ENXIO) {
		sys = EINVAL; /* a pipe without a reader, a socket */
	}
	if (sys == EINVAL || sys == EISDIR) {
		free(f);
		return err_set(e, BC_EDAMAGE, "%s/%s is not a regular file",
			       d->path, name);
	}
	if (sys != 0) {
		free(f);
		return io_fail_at(e, sys, op.ev.op, d, name);
	}
	*out = f;
	return BC_OK;
}

enum bc_err io_file_close(struct io_file *f, struct err *e)
{
	enum bc_err rc = BC_OK;
	struct io_op op;
	int sys, end;

	if (f == NULL)
		return BC_OK;
	if ((f->flags & IO_DIRECT) != 0 && !io_file_direct(f))
		io_file_forget(f, 0, 0);
	if ((f->flags & IO_WRITE) == 0) {
		close(f->fd);
	} else {
		/* Closed whatever the seam says, once, and not again after
		 * EINTR: the descriptor is gone by then. */
		io_op_file(&op, f, IO_CLASS_WRITE, "close");
		sys = io_op_begin(&op);
		end = close(f->fd) != 0 ? errno : 0;
		if (sys == 0)
			sys = io_op_end(&op, end);
		if (sys != EINTR)
			rc = io_fail_file(e, sys, op.ev.op, f);
	}
	free(f);
	return rc;
}

const char *io_file_path(const struct io_file *f)
{
	return f->path;
}

int io_file_fd(const struct io_file *f)
{
	return f->fd;
}

bool io_file_direct(const struct io_file *f)
{
	return atomic_load(&f->direct);
}

/* ---- transfers ----------------------------------------------------------- */

static void run(struct io_req *r)
{
	bool complete;
	int sys;

	do {
		sys = io_req_prepare(r);
		complete = io_req_settle(r, sys != 0 ? -sys : io_req_perform(r),
					 sys != 0);
	} while (!complete);
}

static bool aligned(const void *buf, size_t len, uint64_t off)
{
	return (((uintptr_t)buf | len | off) % IO_ALIGN) == 0;
}

static enum bc_err fail_transfer(const struct io_req *r, struct err *e)
{
	if (r->sys == ECANCELED)
		return err_set(e, BC_ECANCEL, "stopped before %s was %s",
			       r->file->path,
			       r->op == IO_REQ_WRITE ? "written" : "read");
	return err_sys(e, r->sys, "cannot %s %s at byte %" PRIu64,
		       r->op == IO_REQ_WRITE ? "write" : "read", r->file->path,
		       r->off + r->done);
}

enum bc_err io_ends_early(const struct io_file *f, uint64_t end,
			  uint64_t wanted, struct err *e)
{
	return err_set(e, BC_EDAMAGE,
		       "%s ends at byte %" PRIu64 ", wanted %" PRIu64, f->path,
		       end, wanted);
}

enum bc_err io_req_check(const struct io_req *r, struct err *e)
{
	if (r->sys != 0)
		return fail_transfer(r, e);
	if (r->done < r->len)
		return io_ends_early(r->file, r->off + r->done, r->off + r->len,
				     e);
	return BC_OK;
}

/* Read through an aligned buffer, piece by piece. */
static enum bc_err pread_bounced(struct io_file *f, uint8_t *buf, size_t len,
				 uint64_t off, size_t *got, struct err *e)
{
	uint64_t first = round_down(off, IO_ALIGN);
	size_t span = (size_t)(round_up(off + len, IO_ALIGN) - first);
	size_t cap = min_size(span, BOUNCE_MAX_BYTES), n = 0;
	enum bc_err rc = BC_OK;
	void *bounce;

	if (posix_memalign(&bounce, IO_ALIGN, cap) != 0)
		return io_fail_file(e, ENOMEM, "read", f);
	while (n < len) {
		uint64_t at = round_down(off + n, IO_ALIGN);
		size_t skip = (size_t)(off + n - at), take;
		struct io_req r = { .op = IO_REQ_READ, .file = f };

		r.buf = bounce;
		r.off = at;
		r.len = min_size(cap, (size_t)(first + span - at));
		run(&r);
		if (r.sys != 0) {
			rc = fail_transfer(&r, e);
			break;
		}
		if (r.done <= skip)
			break;
		take = min_size(r.done - skip, len - n);
		memcpy(buf + n, (uint8_t *)bounce + skip, take);
		n += take;
		if (r.done < r.len)
			break;
	}
	free(bounce);
	if (rc == BC_OK)
		*got = n;
	return rc;
}

enum bc_err io_file_pread_some(struct io_file *f, void *buf, size_t len,
			       uint64_t off, size_t *got, struct err *e)
{
	struct io_req r = { .op = IO_REQ_READ, .file = f };

	/* Offsets come from disk; the kernel's are signed. */
	if (off > INT64_MAX - 2 * (uint64_t)IO_ALIGN ||
	    len > INT64_MAX - 2 * (uint64_t)IO_ALIGN - off)
		return err_sys(e, EINVAL, "cannot read %s at byte %" PRIu64,
			       f->path, off);
	if (io_file_direct(f) && !aligned(buf, len, off))
		return pread_bounced(f, buf, len, off, got, e);
	r.buf = buf;
	r.len = len;
	r.off = off;
	if (len != 0)
		run(&r);
	if (r.sys != 0)
		return fail_transfer(&r, e);
	*got = r.done;
	return BC_OK;
}

enum bc_err io_file_pread(struct io_file *f, void *buf, size_t len,
			  uint64_t off, struct err *e)
{
	enum bc_err rc;
	size_t got;

	rc = io_file_pread_some(f, buf, len, off, &got, e);
	if (rc == BC_OK && got < len)
		rc = io_ends_early(f, off + got, off + len, e);
	return rc;
}

enum bc_err io_file_pwrite(struct io_file *f, const void *buf, size_t len,
			   uint64_t off, struct err *e)
{
	struct io_req r = { .op = IO_REQ_WRITE, .file = f };

	if ((f->flags & IO_DIRECT) != 0 && !aligned(buf, len, off))
		return err_set(e, BC_EINVAL,
			       "unaligned write of %zu bytes to %s at byte "
			       "%" PRIu64,
			       len, f->path, off);
	/* A request has one pointer for both directions. */
	memcpy(&r.buf, &buf, sizeof(r.buf));
	r.len = len;
	r.off = off;
	if (len != 0)
		run(&r);
	return r.sys == 0 ? BC_OK : fail_transfer(&r, e);
}

/* ---- sync, space, size --------------------------------------------------- */

enum bc_err io_file_datasync(struct io_file *f, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_SYNC, "sync");
	IO_DO(sys, &op, fdatasync(f->fd));
	return io_fail_file(e, sys, op.ev.op, f);
}

enum bc_err io_file_sync(struct io_file *f, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_SYNC, "sync");
	IO_DO(sys, &op, fsync(f->fd));
	return io_fail_file(e, sys, op.ev.op, f);
}

static bool unsupported(int sys)
{
	return sys == EOPNOTSUPP || sys == ENOSYS;
}

/* fallocate() that moves the end, for file systems that have none. */
static int extend_sparse(struct io_file *f, uint64_t size)
{
	struct stat st;

	if (fstat(f->fd, &st) != 0)
		return errno;
	if ((uint64_t)st.st_size >= size)
		return 0;
	return ftruncate(f->fd, (off_t)size) != 0 ? errno : 0;
}

enum bc_err io_file_allocate(struct io_file *f, uint64_t off, uint64_t len,
			     enum io_alloc_mode mode, struct err *e)
{
	int flags = mode == IO_ALLOC_KEEP_SIZE ? FALLOC_FL_KEEP_SIZE : 0;
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_WRITE, "reserve space for");
	op.ev.off = off;
	IO_DO(sys, &op, fallocate(f->fd, flags, (off_t)off, (off_t)len));
	if (unsupported(sys))
		sys = mode == IO_ALLOC_GROW ? extend_sparse(f, off + len) : 0;
	return io_fail_file(e, sys, op.ev.op, f);
}

enum bc_err io_file_punch(struct io_file *f, uint64_t off, uint64_t len,
			  bool *done, struct err *e)
{
	int flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	bool could = true;
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_WRITE, "free space in");
	op.ev.off = off;
	IO_DO(sys, &op, fallocate(f->fd, flags, (off_t)off, (off_t)len));
	if (unsupported(sys)) {
		could = false;
		sys = 0;
	}
	if (sys == 0 && done != NULL)
		*done = could;
	return io_fail_file(e, sys, op.ev.op, f);
}

enum bc_err io_file_truncate(struct io_file *f, uint64_t size, struct err *e)
{
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_WRITE, "set the size of");
	op.ev.off = size;
	IO_DO(sys, &op, ftruncate(f->fd, (off_t)size));
	return io_fail_file(e, sys, op.ev.op, f);
}

enum bc_err io_file_size(struct io_file *f, uint64_t *out, struct err *e)
{
	struct io_stat st;
	enum bc_err rc = io_file_stat(f, &st, e);

	if (rc == BC_OK)
		*out = st.size;
	return rc;
}

void io_file_forget(struct io_file *f, uint64_t off, uint64_t len)
{
	(void)posix_fadvise(f->fd, (off_t)off, (off_t)len, POSIX_FADV_DONTNEED);
}

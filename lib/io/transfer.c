/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One transfer, attempt by attempt: the part that the synchronous calls and
 * every backend of the queue have in common.
 *
 *	prepare --refused--------------------+
 *	   |                                 v
 *	   +--> perform (thread or kernel) --> settle --complete-->
 *	   ^                                     |
 *	   +--- EINTR, short, other flags -------+
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "io/internal.h"
#include "util/arith.h"

/* Newer than the C library's headers may be. */
#ifndef RWF_DONTCACHE
#define RWF_DONTCACHE 0x00000080
#endif

/* How the attempt in flight was made: the file may change meanwhile. */
enum attempt {
	ATTEMPT_DIRECT = 1,
	ATTEMPT_DONTCACHE = 2,
};

static struct io_event event_of(const struct io_req *r)
{
	const char *buf = r->buf;
	bool write = r->op == IO_REQ_WRITE;

	return (struct io_event){
		.cls = write ? IO_CLASS_WRITE : IO_CLASS_READ,
		.op = write ? "write" : "read",
		.path = r->file->path,
		.buf = write ? buf + r->done : NULL,
		.len = r->want,
		.off = r->off + r->done,
		.tag = r->tag,
	};
}

int io_req_prepare(struct io_req *r)
{
	const struct io_seam *s = &r->file->io->opt.seam;
	struct io_event ev;
	int sys;

	r->want = min_size(r->len - r->done, IO_REQ_MAX_BYTES);
	r->tag = 0;
	r->state = 0;
	if (atomic_load_explicit(&r->file->direct, memory_order_relaxed))
		r->state |= ATTEMPT_DIRECT;
	else if (atomic_load_explicit(&r->file->dontcache,
				      memory_order_relaxed))
		r->state |= ATTEMPT_DONTCACHE;
	if (s->before == NULL)
		return 0;
	ev = event_of(r);
	sys = s->before(s->ctx, &ev);
	r->tag = ev.tag;
	if (ev.len >= r->want)
		return sys;
	/* A shortened attempt stays possible on a direct file. */
	if ((r->state & ATTEMPT_DIRECT) != 0)
		ev.len = round_down(ev.len, IO_ALIGN);
	if (ev.len == 0)
		ev.len = (r->state & ATTEMPT_DIRECT) != 0 ? IO_ALIGN : 1;
	r->want = ev.len;
	return sys;
}

int io_req_rw_flags(const struct io_req *r)
{
	return (r->state & ATTEMPT_DONTCACHE) != 0 ? RWF_DONTCACHE : 0;
}

int64_t io_req_perform(const struct io_req *r)
{
	int flags = io_req_rw_flags(r);
	off_t off = (off_t)(r->off + r->done);
	struct iovec v = { (char *)r->buf + r->done, r->want };
	int fd = r->file->fd;
	ssize_t n;

	if (flags == 0 && r->op == IO_REQ_WRITE)
		n = pwrite(fd, v.iov_base, v.iov_len, off);
	else if (flags == 0)
		n = pread(fd, v.iov_base, v.iov_len, off);
	else if (r->op == IO_REQ_WRITE)
		n = pwritev2(fd, &v, 1, off, flags);
	else
		n = preadv2(fd, &v, 1, off, flags);
	return n < 0 ? -errno : n;
}

/* The device wants no direct I/O after all. */
static void undirect(struct io_file *f)
{
	int flags = fcntl(f->fd, F_GETFL);

	if (flags >= 0)
		fcntl(f->fd, F_SETFL, flags & ~O_DIRECT);
	atomic_store(&f->direct, false);
}

/*
 * The block layer has a word for each way in which a device cannot move a
 * sector, and file systems add some; a bad sector is ENODATA. To all who ask
 * what became of a transfer they are one.
 */
static int device_errno(int sys)
{
	switch (sys) {
	case ENODATA:	/* medium */
	case EREMOTEIO: /* target */
	case ENOLINK:	/* transport */
	case ETIMEDOUT:
	case EBADE:
	case EILSEQ: /* protection information */
	case EBADMSG:
	case ENXIO:
		return EIO;
	default:
		return sys;
	}
}

/* Could the attempt succeed if it were made in another way? */
static bool try_otherwise(struct io_req *r, int sys)
{
	if (sys == EINTR)
		return true;
	if (sys == EINVAL && (r->state & ATTEMPT_DIRECT) != 0) {
		undirect(r->file);
		return true;
	}
	if (sys == EOPNOTSUPP && (r->state & ATTEMPT_DONTCACHE) != 0) {
		atomic_store(&r->file->dontcache, false);
		return true;
	}
	return false;
}

/*
 * Bytes meant for direct I/O that went through the page cache: start their
 * way to the device now, so that dirty pages do not pile up for the sync.
 */
static void write_behind(const struct io_req *r, size_t n)
{
	const struct io_file *f = r->file;

	if (r->op != IO_REQ_WRITE || r->state != 0 ||
	    (f->flags & IO_DIRECT) == 0 || n < IO_QUEUE_START_BYTES)
		return;
	(void)sync_file_range(f->fd, (off_t)(r->off + r->done), (off_t)n,
			      SYNC_FILE_RANGE_WRITE);
}

/* Do n bytes more than before take r to the end of its file? Who cannot tell
 * has to believe what the read said. */
static bool at_end(const struct io_req *r, size_t n)
{
	struct stat st;

	return fstat(r->file->fd, &st) != 0 ||
	       r->off + r->done + n >= (uint64_t)st.st_size;
}

/* n > 0 bytes were moved. */
static bool advance(struct io_req *r, size_t n)
{
	write_behind(r, n);
	if (r->done + n == r->len || (r->state & ATTEMPT_DIRECT) == 0 ||
	    n % IO_ALIGN == 0) {
		r->done += n;
		return r->done == r->len;
	}
	/* A direct transfer that ends inside a block cannot go on there. A
	 * read has met the end of the file, or does the block again as a write
	 * does; one that gets no whole block goes on by way of the cache. */
	if (r->op == IO_REQ_READ && at_end(r, n)) {
		r->done += n;
		return true;
	}
	if (r->op == IO_REQ_READ && n < IO_ALIGN) {
		undirect(r->file);
		r->done += n;
		return false;
	}
	r->done += round_down(n, IO_ALIGN);
	if (n >= IO_ALIGN)
		return false;
	r->sys = EIO;
	return true;
}

bool io_req_settle(struct io_req *r, int64_t result, bool refused)
{
	const struct io_seam *s = &r->file->io->opt.seam;
	int sys = result < 0 ? (int)-result : 0;
	struct io_event ev;

	if (!refused && s->after != NULL) {
		ev = event_of(r);
		sys = s->after(s->ctx, &ev, sys);
	}
	if (sys != 0 && try_otherwise(r, sys))
		return false;
	if (sys == 0 && result > 0)
		return advance(r, (size_t)result);
	/* A write that moves nothing and gives no reason would go on for
	 * ever; a read that does has met the end. */
	if (sys == 0 && r->op == IO_REQ_WRITE)
		sys = EIO;
	r->sys = device_errno(sys);
	return true;
}

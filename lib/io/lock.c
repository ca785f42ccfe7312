/* SPDX-License-Identifier: Apache-2.0 */
/* Locks that belong to an open file, so they die with their holder. */
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include "io/internal.h"
#include "util/clock.h"

enum {
	/* The kernel has no wait with a deadline: look again after this long,
	 * doubled each time. A commit holds its lock for a millisecond or so.
	 */
	LOOK_MIN_NS = 200 * 1000,
	LOOK_MAX_NS = 10 * 1000 * 1000,
};

static int set_lock(const struct io_file *f, short type, uint64_t off,
		    uint64_t len)
{
	struct flock fl = {
		.l_type = type,
		.l_whence = SEEK_SET,
		.l_start = (off_t)off,
		.l_len = (off_t)len,
	};

	while (fcntl(f->fd, F_OFD_SETLK, &fl) != 0)
		if (errno != EINTR) /* a network file system's */
			return errno;
	return 0;
}

static bool held(int sys)
{
	return sys == EAGAIN || sys == EACCES;
}

static bool stopped(const struct io_file *f)
{
	const atomic_int *stop = f->io->opt.stop;

	return stop != NULL && atomic_load(stop) != 0;
}

/*
 * Poll until `until` on the monotonic clock. 0 or an errno; EINTR if the run is
 * told to stop meanwhile. One that was told before still commits what it has,
 * and waits for that like any other.
 */
static int lock_until(const struct io_file *f, short type, uint64_t off,
		      uint64_t len, int64_t until)
{
	struct clock c = clock_system();
	int64_t nap = LOOK_MIN_NS, left;
	bool before = stopped(f);
	struct timespec ts;
	int sys;

	for (;;) {
		sys = set_lock(f, type, off, len);
		if (!held(sys))
			return sys;
		left = until - c.mono(c.ctx);
		if (left <= 0)
			return EAGAIN;
		if (!before && stopped(f))
			return EINTR;
		ts.tv_sec = 0;
		ts.tv_nsec = (long)(nap < left ? nap : left);
		/* A signal shortens it; whether it says stop is seen above. */
		(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
		nap = nap * 2 < LOOK_MAX_NS ? nap * 2 : LOOK_MAX_NS;
	}
}

static int64_t deadline(int64_t wait_ms)
{
	struct clock c = clock_system();
	int64_t span, until;

	if (wait_ms < 0)
		return INT64_MAX;
	if (__builtin_mul_overflow(wait_ms, INT64_C(1000000), &span) ||
	    __builtin_add_overflow(c.mono(c.ctx), span, &until))
		return INT64_MAX;
	return until;
}

enum bc_err io_file_lock(struct io_file *f, uint64_t off, uint64_t len,
			 enum io_lock_mode mode, int64_t wait_ms, struct err *e)
{
	short type = mode == IO_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_LOCK, "lock");
	op.ev.off = off;
	sys = io_op_begin(&op);
	if (sys == 0) {
		if (wait_ms == IO_LOCK_TRY)
			sys = set_lock(f, type, off, len);
		else
			sys = lock_until(f, type, off, len, deadline(wait_ms));
		sys = io_op_end(&op, sys);
	}
	if (held(sys))
		return err_set(e, BC_ELOCKED, "%s is locked by another run",
			       f->path);
	if (sys == EINTR)
		return err_set(e, BC_ECANCEL,
			       "interrupted while waiting for the lock on %s",
			       f->path);
	return io_fail_file(e, sys, op.ev.op, f);
}

enum bc_err io_file_unlock(struct io_file *f, uint64_t off, uint64_t len,
			   struct err *e)
{
	struct io_op op;
	int sys;

	io_op_file(&op, f, IO_CLASS_LOCK, "unlock");
	op.ev.off = off;
	IO_DO(sys, &op, -set_lock(f, F_UNLCK, off, len));
	return io_fail_file(e, sys, op.ev.op, f);
}

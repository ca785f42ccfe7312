/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring. The only file that includes liburing.h.
 *
 * Attempts wait in `stage` until there is room in the submission ring, which
 * is small; the completion ring holds the whole depth, so it cannot overflow.
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "io/internal.h"
#include "util/arith.h"

enum {
	RING_MIN_ENTRIES = 4,
	RING_MAX_ENTRIES = 64,
	/* When the kernel has no memory for one request and none of ours is
	 * in flight: look again so often, a millisecond apart. */
	RETRY_LIMIT = 1000,
	RETRY_NS = 1000 * 1000,
};

struct uring {
	struct io_backend base;
	struct io_uring ring;
	struct io_list_head stage;
	unsigned submitted; /* in the kernel, not reaped */
	unsigned retries;
	bool deferred; /* completions need a visit to the kernel */
};

/*
 * ThreadSanitizer does not see liburing map and unmap the rings. Without a
 * word to it, a ring that comes to lie where another thread had its own looks
 * like memory shared between the two.
 */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define RING_UNDER_TSAN 1
#endif
#elif defined(__SANITIZE_THREAD__)
#define RING_UNDER_TSAN 1
#endif
#ifdef RING_UNDER_TSAN
void __tsan_acquire(void *addr);
void __tsan_release(void *addr);
static char ring_memory; /* its address stands for all of it */
#define ring_mapped()	 __tsan_acquire(&ring_memory)
#define ring_unmapping() __tsan_release(&ring_memory)
#else
#define ring_mapped()	 ((void)0)
#define ring_unmapping() ((void)0)
#endif

/* ---- set-up -------------------------------------------------------------- */

/*
 * SINGLE_ISSUER and DEFER_TASKRUN (Linux 6.1) spare the interrupt per
 * completion; older kernels answer EINVAL and get the plain ring.
 */
static int ring_init(struct io_uring *ring, unsigned depth, bool *deferred)
{
	unsigned sq = RING_MIN_ENTRIES, cq;
	struct io_uring_params p;
	int rc;

	while (sq < depth && sq < RING_MAX_ENTRIES)
		sq *= 2;
	for (cq = 2 * sq; cq < depth;)
		cq *= 2;
	memset(&p, 0, sizeof(p));
	p.flags = IORING_SETUP_CQSIZE | IORING_SETUP_SINGLE_ISSUER |
		  IORING_SETUP_DEFER_TASKRUN;
	p.cq_entries = cq;
	*deferred = true;
	rc = io_uring_queue_init_params(sq, ring, &p);
	if (rc == -EINVAL) {
		memset(&p, 0, sizeof(p));
		p.flags = IORING_SETUP_CQSIZE;
		p.cq_entries = cq;
		*deferred = false;
		rc = io_uring_queue_init_params(sq, ring, &p);
	}
	if (rc < 0)
		return -rc;
	ring_mapped();
	/* Plain read and write requests came with this feature (5.6). A
	 * filter may let the ring be made and then forbid its use. */
	if ((p.features & IORING_FEAT_RW_CUR_POS) == 0)
		rc = ENOSYS;
	else if (syscall(__NR_io_uring_enter, ring->ring_fd, 0, 0, 0, NULL, 0) <
		 0)
		rc = errno;
	else
		return 0;
	ring_unmapping();
	io_uring_queue_exit(ring);
	return rc;
}

bool io_uring_usable(char why[IO_WHY_BYTES])
{
	struct io_uring ring;
	const char *text;
	char space[IO_WHY_BYTES / 2];
	bool deferred;
	int sys = ring_init(&ring, 1, &deferred);

	why[0] = '\0';
	if (sys == 0) {
		ring_unmapping();
		io_uring_queue_exit(&ring);
		return true;
	}
	if (sys == ENOSYS)
		text = "this kernel has no io_uring, or hides it";
	else if (sys == EPERM || sys == EACCES)
		text = "forbidden here (kernel.io_uring_disabled, a container "
		       "profile or a seccomp filter)";
	else
		/* GNU strerror_r: may or may not use `space`. */
		text = strerror_r(sys, space, sizeof(space));
	snprintf(why, IO_WHY_BYTES, "%s", text);
	return false;
}

/* ---- submission ---------------------------------------------------------- */

/* Move what is staged into the submission ring, as far as it has room. */
static void fill(struct uring *u)
{
	struct io_uring_sqe *sqe;
	struct io_req *r;
	char *p;

	while (u->stage.n > 0 && (sqe = io_uring_get_sqe(&u->ring)) != NULL) {
		r = req_pop(&u->stage);
		p = (char *)r->buf + r->done;
		if (r->op == IO_REQ_WRITE)
			io_uring_prep_write(sqe, r->file->fd, p,
					    (unsigned)r->want,
					    r->off + r->done);
		else
			io_uring_prep_read(sqe, r->file->fd, p,
					   (unsigned)r->want, r->off + r->done);
		sqe->rw_flags = io_req_rw_flags(r);
		io_uring_sqe_set_data(sqe, r);
	}
}

static void nap(void)
{
	struct timespec ts = { 0, RETRY_NS };

	(void)clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
}

/*
 * Take in what the kernel said about a submission. 0: go on. EBUSY: go on
 * after something is reaped. Anything else: the ring is dead.
 */
static int submitted(struct uring *u, int n)
{
	if (n >= 0) {
		u->submitted += (unsigned)n;
		if (n > 0)
			u->retries = 0;
		return 0;
	}
	if (n == -EINTR)
		return 0;
	if (n != -EAGAIN && n != -EBUSY && n != -ENOMEM)
		return -n;
	if (u->submitted > 0)
		return EBUSY;
	if (++u->retries > RETRY_LIMIT)
		return -n;
	nap();
	return 0;
}

static void uring_start(struct io_backend *b, struct io_req *r)
{
	struct uring *u = (struct uring *)b;

	req_push(&u->stage, r);
}

static int uring_push(struct io_backend *b)
{
	struct uring *u = (struct uring *)b;
	int sys;

	for (fill(u); io_uring_sq_ready(&u->ring) > 0; fill(u)) {
		sys = submitted(u, io_uring_submit(&u->ring));
		if (sys == EBUSY)
			return 0; /* the rest goes with the next reap */
		if (sys != 0)
			return sys;
	}
	return 0;
}

/* ---- completion ---------------------------------------------------------- */

static void collect(struct uring *u, struct io_list_head *done)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&u->ring, head, cqe)
	{
		struct io_req *r = io_uring_cqe_get_data(cqe);

		r->result = cqe->res;
		/* No worker to be had for it: this thread can. */
		if (r->result == -EAGAIN)
			r->result = io_req_perform(r);
		req_push(done, r);
		n++;
	}
	io_uring_cq_advance(&u->ring, n);
	u->submitted -= n;
}

/* One visit to the kernel: submit, and wait for `want` completions. */
static int visit(struct uring *u, unsigned want)
{
	struct io_uring_cqe *cqe;
	int sys, n;

	sys = submitted(u, io_uring_submit_and_wait(&u->ring, want));
	if (sys != EBUSY)
		return sys;
	/* Nothing more goes in before something comes out. */
	n = io_uring_wait_cqe(&u->ring, &cqe);
	return n == 0 || n == -EINTR || n == -EAGAIN ? 0 : -n;
}

static int uring_reap(struct io_backend *b, unsigned min,
		      struct io_list_head *done)
{
	struct uring *u = (struct uring *)b;
	unsigned want;
	int sys = 0;

	/* First all of the stage, in as many visits as it takes. */
	for (fill(u); u->stage.n > 0 && sys == 0; fill(u)) {
		sys = visit(u, 0);
		collect(u, done);
	}
	if (sys == 0 && min == 0 && u->deferred && u->submitted > 0)
		(void)io_uring_get_events(&u->ring);
	collect(u, done);
	while (sys == 0 && (done->n < min || io_uring_sq_ready(&u->ring) > 0)) {
		want = done->n < min ? min - done->n : 0;
		sys = visit(u, want);
		collect(u, done);
	}
	return sys;
}

static void uring_free(struct io_backend *b)
{
	struct uring *u = (struct uring *)b;

	ring_unmapping();
	io_uring_queue_exit(&u->ring);
	free(u);
}

int io_uring_backend_new(unsigned depth, struct io_backend **out)
{
	static const struct io_backend_ops ops = {
		.start = uring_start,
		.push = uring_push,
		.reap = uring_reap,
		.free = uring_free,
	};
	struct uring *u = calloc(1, sizeof(*u));
	int sys;

	if (u == NULL)
		return ENOMEM;
	u->base.ops = &ops;
	sys = ring_init(&u->ring, depth, &u->deferred);
	if (sys != 0) {
		free(u);
		return sys;
	}
	*out = &u->base;
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue proper: what is common to the ring and the threads.
 *
 *	submit -> waiting -> (backend or this thread) -> settle -> finished
 *		     ^                                      |
 *		     +---------- another attempt -----------+
 *
 * count = waiting + inflight + finished, at most depth.
 */
#include "io/queue.h"

#include <errno.h>
#include <stdlib.h>

#include "io/internal.h"
#include "util/arith.h"

enum {
	/* A ring costs 50 to 175 us to set up and as much to tear down, a
	 * direct read about 70 us: a command that does less than this in all
	 * is faster without. */
	INLINE_BATCH = 2,
	INLINE_REQUESTS = 16,
	INLINE_BYTES = 1024 * 1024,
};

struct io_queue {
	struct io *io;
	struct io_backend *b; /* NULL: not worth one yet, or none to be had */
	struct io_list_head waiting;
	struct io_list_head finished;
	unsigned depth;
	unsigned inflight; /* in the backend */
	unsigned count;
	uint64_t seen; /* requests and bytes so far */
	uint64_t seen_bytes;
	int broken; /* errno that ended the backend */
	bool stopping;
	bool no_backend; /* neither could be had: work in this thread */
};

enum bc_err io_queue_new(struct io *io, unsigned depth, struct io_queue **out,
			 struct err *e)
{
	struct io_queue *q;

	if (depth == 0 || depth > IO_QUEUE_MAX_DEPTH)
		return err_set(e, BC_EINVAL,
			       "an I/O queue cannot hold %u requests", depth);
	q = calloc(1, sizeof(*q));
	if (q == NULL)
		return err_sys(e, ENOMEM, "cannot set up an I/O queue");
	q->io = io;
	q->depth = depth;
	*out = q;
	return BC_OK;
}

void io_queue_free(struct io_queue *q)
{
	if (q == NULL)
		return;
	(void)!io_queue_cancel(q, NULL);
	if (q->b != NULL)
		q->b->ops->free(q->b);
	free(q);
}

/* ---- choice of backend --------------------------------------------------- */

/* Would the next ring fail in the same way? */
static bool for_good(int sys)
{
	return sys != EMFILE && sys != ENFILE && sys != ENOMEM;
}

static enum bc_err need_backend(struct io_queue *q, struct err *e)
{
	struct io *io = q->io;
	int sys;

	if (q->b != NULL || q->no_backend)
		return BC_OK;
	if (io->opt.engine != IO_ENGINE_PSYNC &&
	    (io->opt.engine == IO_ENGINE_URING ||
	     atomic_load(&io->ring) != RING_REFUSED)) {
		sys = io_uring_backend_new(q->depth, &q->b);
		if (sys == 0) {
			atomic_store(&io->ring, RING_WORKS);
			return BC_OK;
		}
		if (io->opt.engine == IO_ENGINE_URING) {
			enum bc_err rc =
				err_sys(e, sys, "cannot set up io_uring");

			err_hint(e, "unset BLOBCTL_IO, or set it to psync");
			return rc;
		}
		if (for_good(sys))
			atomic_store(&io->ring, RING_REFUSED);
	}
	q->no_backend = io_psync_backend_new(q->depth, &q->b) != 0;
	return BC_OK;
}

/* Is what waits so little that this thread does it best alone? */
static bool do_inline(const struct io_queue *q)
{
	if (q->no_backend)
		return true;
	return q->b == NULL && q->io->opt.engine != IO_ENGINE_URING &&
	       q->waiting.n <= INLINE_BATCH && q->seen <= INLINE_REQUESTS &&
	       q->seen_bytes <= INLINE_BYTES;
}

/* ---- the way of a request ------------------------------------------------ */

static void settle(struct io_queue *q, struct io_req *r, int64_t result,
		   bool refused)
{
	if (io_req_settle(r, result, refused)) {
		req_push(&q->finished, r);
	} else if (q->stopping) {
		r->sys = ECANCELED;
		req_push(&q->finished, r);
	} else {
		req_push(&q->waiting, r);
	}
}

/* Hand everything that waits to the backend, or do it here. */
static enum bc_err begin(struct io_queue *q, struct err *e)
{
	bool here = do_inline(q);
	struct io_req *r;
	enum bc_err rc;
	int sys;

	if (q->waiting.n == 0)
		return BC_OK;
	if (!here) {
		rc = need_backend(q, e);
		if (rc != BC_OK)
			return rc;
	}
	while ((r = req_pop(&q->waiting)) != NULL) {
		sys = io_req_prepare(r);
		if (sys != 0) {
			settle(q, r, -sys, true);
		} else if (here || q->b == NULL) {
			settle(q, r, io_req_perform(r), false);
		} else {
			q->b->ops->start(q->b, r);
			q->inflight++;
		}
	}
	return BC_OK;
}

static enum bc_err checked(struct io_queue *q, int sys, struct err *e)
{
	if (sys == 0)
		return BC_OK;
	q->broken = sys;
	return err_sys(e, sys, "the I/O queue has failed");
}

static enum bc_err push(struct io_queue *q, struct err *e)
{
	return q->inflight == 0 ? BC_OK : checked(q, q->b->ops->push(q->b), e);
}

static enum bc_err reap(struct io_queue *q, unsigned min, struct err *e)
{
	struct io_list_head done = { NULL, NULL, 0 };
	struct io_req *r;
	int sys;

	sys = q->b->ops->reap(q->b, min, &done);
	q->inflight -= done.n;
	while ((r = req_pop(&done)) != NULL)
		settle(q, r, r->result, false);
	return checked(q, sys, e);
}

/* ---- calls --------------------------------------------------------------- */

static bool sound(const struct io_req *r)
{
	if (r->len == 0 || r->len > IO_REQ_MAX_BYTES ||
	    r->off > INT64_MAX - r->len)
		return false;
	return (r->file->flags & IO_DIRECT) == 0 ||
	       ((uintptr_t)r->buf | r->len | r->off) % IO_ALIGN == 0;
}

enum bc_err io_queue_submit(struct io_queue *q, struct io_req *r, struct err *e)
{
	enum bc_err rc;

	if (q->broken != 0)
		return checked(q, q->broken, e);
	if (!sound(r))
		return err_set(e, BC_EINVAL,
			       "unaligned transfer of %zu bytes at byte %llu "
			       "of %s",
			       r->len, (unsigned long long)r->off,
			       io_file_path(r->file));
	if (q->count == q->depth)
		return err_set(e, BC_EFULL, "the I/O queue is full");
	if (q->io->opt.engine == IO_ENGINE_URING) {
		rc = need_backend(q, e);
		if (rc != BC_OK)
			return rc;
	}
	r->done = 0;
	r->sys = 0;
	q->count++;
	q->seen++;
	q->seen_bytes += r->len;
	req_push(&q->waiting, r);
	/* From here on the request is the queue's, so a ring that breaks now
	 * is reported by the next wait. */
	if (r->len >= IO_QUEUE_START_BYTES)
		(void)!io_queue_start(q, NULL);
	return BC_OK;
}

enum bc_err io_queue_start(struct io_queue *q, struct err *e)
{
	enum bc_err rc;

	if (q->broken != 0)
		return checked(q, q->broken, e);
	rc = begin(q, e);
	return rc != BC_OK ? rc : push(q, e);
}

enum bc_err io_queue_wait(struct io_queue *q, unsigned min, struct err *e)
{
	unsigned missing;
	enum bc_err rc;

	if (q->broken != 0)
		return checked(q, q->broken, e);
	if (min > q->count)
		min = q->count;
	rc = begin(q, e);
	if (rc == BC_OK && min == 0 && q->inflight > 0)
		rc = reap(q, 0, e);
	while (rc == BC_OK && q->finished.n < min) {
		/* An attempt may have to be made again: what is missing is in
		 * the backend or waits once more. */
		missing = min - q->finished.n;
		if (q->inflight > 0)
			rc = reap(q,
				  missing < q->inflight ? missing : q->inflight,
				  e);
		if (rc == BC_OK)
			rc = begin(q, e);
	}
	return rc != BC_OK ? rc : push(q, e);
}

struct io_req *io_queue_take(struct io_queue *q)
{
	struct io_req *r = req_pop(&q->finished);

	if (r != NULL)
		q->count--;
	return r;
}

unsigned io_queue_count(const struct io_queue *q)
{
	return q->count;
}

enum bc_err io_queue_cancel(struct io_queue *q, struct err *e)
{
	struct io_req *r;
	enum bc_err rc;

	while ((r = req_pop(&q->waiting)) != NULL) {
		r->sys = ECANCELED;
		req_push(&q->finished, r);
	}
	q->stopping = true;
	rc = io_queue_wait(q, q->count, e);
	q->stopping = false;
	return rc;
}

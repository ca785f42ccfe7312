/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io/queue - blocks in bulk: many reads and writes in flight at once.
 *
 * A queue belongs to the thread that first submits to it; no other may touch
 * it. Requests live in the caller's memory. There is no order between
 * requests in flight, and no sync among them: reap every write, look at every
 * result, then call io_file_datasync().
 *
 *	io_queue_submit(q, r, e)   hand over; the queue owns r and r->buf
 *	io_queue_wait(q, 1, e)     until at least one is complete
 *	r = io_queue_take(q)	   yours again; io_req_check(r, e)
 *
 * A queue sets up a ring (or threads) only when it is given enough to do;
 * before that it works in the calling thread.
 */
#ifndef BC_IO_QUEUE_H
#define BC_IO_QUEUE_H

#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

enum {
	IO_QUEUE_MAX_DEPTH = 1024,
	/* A request this long starts when it is submitted; shorter ones gather
	 * until io_queue_start() or io_queue_wait(), to share system calls. */
	IO_QUEUE_START_BYTES = 128 * 1024,
	/* One request moves at most this. */
	IO_REQ_MAX_BYTES = 1 << 30,
};

enum io_req_op { IO_REQ_READ, IO_REQ_WRITE };

struct io_req {
	/* Set by the caller. On an IO_DIRECT file buf, len and off are
	 * multiples of IO_ALIGN; len is never 0. */
	enum io_req_op op;
	struct io_file *file;
	void *buf; /* not written to by IO_REQ_WRITE */
	size_t len;
	uint64_t off;
	void *user; /* the caller's own */

	/* Set when complete: bytes moved, and 0 or an errno. A read that met
	 * the end of the file has done < len and sys 0. What a device says of
	 * a sector it cannot move is EIO, whatever the word. */
	size_t done;
	int sys;

	/* Private. */
	struct io_req *next;
	size_t want;
	int64_t result;
	uint64_t tag;
	unsigned state;
};

struct io_queue;

/*
 * io_queue_new - make a queue for at most `depth` requests at a time (1 to
 * IO_QUEUE_MAX_DEPTH).
 *
 *   out  [out] release with io_queue_free()
 *
 *   BC_ENOMEM, BC_EINVAL
 */
BC_MUST_CHECK enum bc_err io_queue_new(struct io *io, unsigned depth,
				       struct io_queue **out, struct err *e);

/*
 * io_queue_free - wait for what is in flight, drop what was not taken, stop
 * the threads. NULL is fine.
 */
void io_queue_free(struct io_queue *q);

/*
 * io_queue_submit - hand over one request. Its result is in the request, not
 * here.
 *
 *   BC_OK      the queue owns r and r->buf until io_queue_take() returns r
 *   BC_EFULL   `depth` requests are in the queue, complete ones that were
 *	        not taken among them; nothing handed over
 *   BC_EINVAL  not aligned, or a length that cannot be; nothing handed over
 *   BC_ESYS    IO_ENGINE_URING is asked for and there is no ring; nothing
 *		handed over
 */
BC_MUST_CHECK enum bc_err io_queue_submit(struct io_queue *q, struct io_req *r,
					  struct err *e);

/* io_queue_start - begin everything submitted, wait for nothing. */
BC_MUST_CHECK enum bc_err io_queue_start(struct io_queue *q, struct err *e);

/*
 * io_queue_wait - begin everything submitted, then wait until at least `min`
 * complete requests can be taken, or all there are. min 0 only looks.
 *
 *   BC_ESYS  the ring itself failed; buffers in flight are the kernel's until
 *	      io_queue_free()
 */
BC_MUST_CHECK enum bc_err io_queue_wait(struct io_queue *q, unsigned min,
					struct err *e);

/* io_queue_take - the next complete request in order of completion, or NULL. */
struct io_req *io_queue_take(struct io_queue *q);

/* io_queue_count - requests submitted and not yet taken. */
unsigned io_queue_count(const struct io_queue *q);

/*
 * io_queue_cancel - complete with ECANCELED whatever has not begun, and wait
 * for the rest. Afterwards every request can be taken.
 */
BC_MUST_CHECK enum bc_err io_queue_cancel(struct io_queue *q, struct err *e);

/*
 * io_req_check - turn a complete request into a result with path and offset.
 *
 *   BC_OK       all len bytes were moved
 *   BC_EDAMAGE  a read met the end of the file
 *   BC_ECANCEL  it never began
 *   others      as err_sys() maps r->sys
 */
BC_MUST_CHECK enum bc_err io_req_check(const struct io_req *r, struct err *e);

#endif

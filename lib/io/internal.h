/* SPDX-License-Identifier: Apache-2.0 */
/* io/internal - what the files of this folder share. Nobody else's. */
#ifndef BC_IO_INTERNAL_H
#define BC_IO_INTERNAL_H

#include <limits.h>
#include <stdatomic.h>

#include "io/io.h"
#include "io/list.h"
#include "io/queue.h"

struct io {
	struct io_options opt; /* modes filled in */
	atomic_uint tmp_seq;   /* makes names of temporary files differ */
	atomic_int ring;       /* enum ring_state */
};

enum ring_state { RING_UNKNOWN, RING_WORKS, RING_REFUSED };

struct io_dir {
	struct io *io;
	int fd;
	char path[];
};

struct io_file {
	struct io *io;
	int fd;
	unsigned flags;	       /* of enum io_flags */
	atomic_bool direct;    /* O_DIRECT is in force */
	atomic_bool dontcache; /* RWF_DONTCACHE is worth a try */
	char path[];
};

/* ---- seam -------------------------------------------------------------- */

/* One operation on a name or a file on its way through the seam. The paths
 * are built only when there is a seam to see them. */
struct io_op {
	struct io *io;
	struct io_event ev;
	char path[PATH_MAX];
	char path2[PATH_MAX];
};

void io_op_at(struct io_op *op, struct io_dir *d, const char *name,
	      enum io_class cls, const char *what);
void io_op_to(struct io_op *op, struct io_dir *d, const char *name);
void io_op_file(struct io_op *op, struct io_file *f, enum io_class cls,
		const char *what);
int io_op_begin(struct io_op *op);
int io_op_end(struct io_op *op, int sys);

/*
 * Make one system call between the two halves of the seam, again as long as
 * it is interrupted, and leave 0 or its errno in `sys`. `call` is evaluated
 * once per attempt and is negative on failure.
 */
#define IO_DO(sys, op, call)                                                   \
	do {                                                                   \
		(sys) = io_op_begin(op);                                       \
		if ((sys) == 0)                                                \
			(sys) = io_op_end((op), (call) < 0 ? errno : 0);       \
	} while ((sys) == EINTR)

/* "cannot <what> <dir>/<name>: ..."; BC_OK when sys is 0. */
enum bc_err io_fail_at(struct err *e, int sys, const char *what,
		       const struct io_dir *d, const char *name);
enum bc_err io_fail_file(struct err *e, int sys, const char *what,
			 const struct io_file *f);

/* "<path> ends at byte <end>, wanted <wanted>" */
enum bc_err io_ends_early(const struct io_file *f, uint64_t end,
			  uint64_t wanted, struct err *e);

/* ---- one transfer, attempt by attempt ----------------------------------- */

/*
 * io_req_prepare - fix the size of the next attempt and ask the seam.
 * Returns 0, or the errno with which the seam refuses it.
 */
int io_req_prepare(struct io_req *r);

/* io_req_perform - do the attempt in this thread; bytes or a negative errno. */
int64_t io_req_perform(const struct io_req *r);

/* io_req_rw_flags - RWF_* flags for the attempt. */
int io_req_rw_flags(const struct io_req *r);

/*
 * io_req_settle - take in the result of an attempt: true when the request is
 * complete, false when it needs another.
 *   refused  prepare() said no; result is its errno, negative
 */
bool io_req_settle(struct io_req *r, int64_t result, bool refused);

/* ---- backends of the queue ---------------------------------------------- */

struct io_backend;

/*
 * Attempts go in prepared and come out with r->result set. One thread calls.
 *
 *   start  take one attempt; it may begin only at push or reap
 *   push   begin all that was taken, wait for nothing
 *   reap   push, wait until `min` attempts are done, append all that are to
 *	    `done` in order of completion. min is at most what is in there.
 *   free   nothing is in there, or reap has failed
 *
 * push and reap return 0, or an errno that ends the backend's life.
 */
struct io_backend_ops {
	void (*start)(struct io_backend *b, struct io_req *r);
	int (*push)(struct io_backend *b);
	int (*reap)(struct io_backend *b, unsigned min,
		    struct io_list_head *done);
	void (*free)(struct io_backend *b);
};

struct io_backend {
	const struct io_backend_ops *ops;
};

/* Each returns 0 or an errno. */
int io_uring_backend_new(unsigned depth, struct io_backend **out);
int io_psync_backend_new(unsigned depth, struct io_backend **out);

#endif

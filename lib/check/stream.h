/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check/stream - a file from its beginning to its end, read ahead by a few
 * pieces and past the page cache. Private to lib/check; one thread.
 */
#ifndef BC_CHECK_STREAM_H
#define BC_CHECK_STREAM_H

#include "io/queue.h"
#include "util/buf.h"

enum { STREAM_PIECES = 4, STREAM_PIECE_BYTES = 1 << 20 };

struct piece {
	uint8_t *mem;
	struct io_req req;
	bool flying;
	uint64_t at; /* in the file */
	size_t n;    /* bytes there; 0 beyond the end */
	int sys;     /* errno of the read */
};

struct stream {
	struct io_queue *queue;
	struct piece piece[STREAM_PIECES];
	unsigned first; /* the piece that is being used */
	struct io_file *file;
	uint64_t next, end; /* to be read */
	struct buf whole;   /* a block that lies in several pieces */
};

/* stream_init - of no file yet. After a failure stream_fini() is due too. */
BC_MUST_CHECK enum bc_err stream_init(struct stream *s, struct io *io,
				      struct err *e);
void stream_fini(struct stream *s);

/* stream_begin - stand at the beginning of a file, opened for direct reads.
 *   end  its bytes, a multiple of IO_ALIGN */
BC_MUST_CHECK enum bc_err stream_begin(struct stream *s, struct io_file *f,
				       uint64_t end, struct err *e);

/* stream_end - nothing of the file is in flight any more. */
BC_MUST_CHECK enum bc_err stream_end(struct stream *s, struct err *e);

/*
 * stream_get - the bytes [at, at + n); calls come in order of `at`. What was
 * read with a bad sector is read once more without its neighbours.
 *   out  [out] borrowed until the next call
 *
 *   BC_EIO      they could not be read, alone neither
 *   BC_EDAMAGE  the file ends before
 *   others      nothing is known of them: there is no memory, or no queue
 */
BC_MUST_CHECK enum bc_err stream_get(struct stream *s, uint64_t at, size_t n,
				     struct bytes *out, struct err *e);

#endif

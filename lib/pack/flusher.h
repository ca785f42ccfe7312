/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/flusher - one thread that writes full buffers to files and syncs them.
 *
 * Producers fill aligned buffers lent by the flusher and hand them over; the
 * thread keeps several writes in flight and owns the queue they go through.
 * The thread starts with the first hand-over, so that a small put, which
 * writes no pack, pays for none of this.
 *
 * A file whose write or sync failed is poison: the failure is kept, later
 * buffers for it are dropped, and flusher_wait() reports it.
 */
#ifndef BC_PACK_FLUSHER_H
#define BC_PACK_FLUSHER_H

#include <stddef.h>
#include <stdint.h>

#include "io/io.h"

struct flusher;
struct flush_file;

/*
 * flusher_new
 *
 *   buffers  how many buffers there are, at least 2
 *   bytes    size of each, a multiple of IO_ALIGN
 *   out      [out] release with flusher_free()
 */
BC_MUST_CHECK enum bc_err flusher_new(struct io *io, unsigned buffers,
				      size_t bytes, struct flusher **out,
				      struct err *e);

/* flusher_free - every file must have been ended. NULL is fine. */
void flusher_free(struct flusher *f);

size_t flusher_buffer_bytes(const struct flusher *f);

/* flusher_buffer - lend a buffer; waits until one is free. Any thread. */
uint8_t *flusher_buffer(struct flusher *f);

/* flusher_return - give a buffer back unwritten. NULL is fine. */
void flusher_return(struct flusher *f, uint8_t *buf);

/*
 * flusher_open - put a file in the flusher's care.
 *
 *   file  open for direct writing; the flusher's from now on
 *   out   [out] end with flusher_wait()
 */
BC_MUST_CHECK enum bc_err flusher_open(struct flusher *f, struct io_file *file,
				       struct flush_file **out, struct err *e);

/* flusher_write - hand over a buffer, to be written at off; len is a multiple
 * of IO_ALIGN. Never waits, never fails: flusher_wait() tells. */
void flusher_write(struct flusher *f, struct flush_file *ff, uint8_t *buf,
		   size_t len, uint64_t off);

/* flusher_finish - after the last buffer: set the size, sync, close, all by
 * the thread. Returns at once. */
void flusher_finish(struct flusher *f, struct flush_file *ff, uint64_t size);

/*
 * flusher_wait - until a finished file is durable; ends ff.
 *
 *   BC_OK   content and size are durable; its name is not (io_dir_sync)
 *   others  the file is poison
 */
BC_MUST_CHECK enum bc_err flusher_wait(struct flusher *f, struct flush_file *ff,
				       struct err *e);

/* flusher_abandon - give a file up, finished or not; ends ff. */
void flusher_abandon(struct flusher *f, struct flush_file *ff);

#endif

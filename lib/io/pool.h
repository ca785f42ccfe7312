/* SPDX-License-Identifier: Apache-2.0 */
/*
 * io/pool - a fixed number of equal, page-aligned buffers.
 *
 * All memory is reserved by io_pool_new() and nothing is allocated later, so
 * a pipeline built on a pool has a fixed size and waits when it runs ahead.
 * Any thread may call anything but io_pool_free().
 */
#ifndef BC_IO_POOL_H
#define BC_IO_POOL_H

#include <stddef.h>
#include <stdint.h>

#include "util/err.h"

struct io_pool;

/*
 * io_pool_new - reserve `count` buffers of `bytes` each (rounded up to
 * IO_ALIGN). Pages are touched first by whoever uses them.
 *
 *   out  [out] release with io_pool_free()
 *
 *   BC_EINVAL  count or bytes is 0, or the product cannot be
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err io_pool_new(size_t count, size_t bytes,
				      struct io_pool **out, struct err *e);

/* io_pool_free - every buffer must be back, no thread waiting. NULL is fine. */
void io_pool_free(struct io_pool *p);

/* io_pool_get - lend a buffer; waits for one. Content is undefined. */
uint8_t *io_pool_get(struct io_pool *p);

/* io_pool_put - give a buffer back. NULL is fine. */
void io_pool_put(struct io_pool *p, uint8_t *buf);

/* io_pool_bytes - size of one buffer after rounding. */
size_t io_pool_bytes(const struct io_pool *p);

/* io_pool_count - buffers in all. */
size_t io_pool_count(const struct io_pool *p);
#endif

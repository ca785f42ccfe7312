/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/buf - a growable byte buffer with a mandatory ceiling.
 *
 * An append that would pass the ceiling, or for which there is no memory,
 * changes nothing and returns BC_ELIMIT or BC_ENOMEM.
 */
#ifndef BC_UTIL_BUF_H
#define BC_UTIL_BUF_H

#include "util/bytes.h"
#include "util/err.h"

struct buf {
	uint8_t *p;
	size_t n;   /* bytes in use */
	size_t cap; /* bytes allocated */
	size_t max; /* ceiling on n */
};

#define BUF_INIT(ceiling)                                                      \
	{                                                                      \
		NULL, 0, 0, (ceiling)                                          \
	}

/* buf_init - an empty buffer that will never hold more than `max` bytes. */
void buf_init(struct buf *b, size_t max);

/* buf_fini - release the memory; the buffer is empty and may be used again. */
void buf_fini(struct buf *b);

/* buf_reserve - make room for `more` further bytes. */
BC_MUST_CHECK enum bc_err buf_reserve(struct buf *b, size_t more);

/* buf_add - append bytes. They may not lie inside the buffer itself. */
BC_MUST_CHECK enum bc_err buf_add(struct buf *b, const void *p, size_t n);

/*
 * buf_extend - append n bytes for the caller to fill.
 *   out  [out] first of them; valid until the next call on b
 */
BC_MUST_CHECK enum bc_err buf_extend(struct buf *b, size_t n, uint8_t **out);

static inline void buf_clear(struct buf *b)
{
	b->n = 0;
}

static inline struct bytes buf_bytes(const struct buf *b)
{
	return bytes_of(b->p, b->n);
}

/* Little-endian appends; LEB128 for varint, zig-zag LEB128 for svarint. */
BC_MUST_CHECK enum bc_err buf_u8(struct buf *b, uint8_t v);
BC_MUST_CHECK enum bc_err buf_u16(struct buf *b, uint16_t v);
BC_MUST_CHECK enum bc_err buf_u32(struct buf *b, uint32_t v);
BC_MUST_CHECK enum bc_err buf_u64(struct buf *b, uint64_t v);
BC_MUST_CHECK enum bc_err buf_varint(struct buf *b, uint64_t v);
/* buf_str - varint length, then the bytes. */
BC_MUST_CHECK enum bc_err buf_str(struct buf *b, struct bytes s);

#endif

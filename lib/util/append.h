/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/append - encode a record into a buffer, with one check at its end.
 *
 * After the first append that fails nothing more is appended. So an encoder
 * reads as its format does, and asks append_end() once.
 */
#ifndef BC_UTIL_APPEND_H
#define BC_UTIL_APPEND_H

#include "util/buf.h"

struct append {
	struct buf *to;
	size_t before;
	enum bc_err rc;
};

/* append_begin - go on at the end of `to`, borrowed until append_end(). */
static inline struct append append_begin(struct buf *to)
{
	return (struct append){ to, to->n, BC_OK };
}

/* append_end - what became of it: BC_OK, BC_ELIMIT or BC_ENOMEM. After a
 * failure the buffer is as it was at the beginning. */
BC_MUST_CHECK enum bc_err append_end(struct append *a);

/* As buf_add(), buf_u8(), ... of util/buf.h. */
void append_add(struct append *a, const void *p, size_t n);
void append_u8(struct append *a, uint8_t v);
void append_u16(struct append *a, uint16_t v);
void append_u32(struct append *a, uint32_t v);
void append_u64(struct append *a, uint64_t v);
void append_varint(struct append *a, uint64_t v);
void append_str(struct append *a, struct bytes s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * util/cursor - the only parser of raw bytes: a bounded, sticky reader.
 *
 * A get beyond the end, or a value outside its stated bound, sets `bad`,
 * returns zero (or an empty span) and moves no further; every later get does
 * the same. So a decoder reads all its fields and asks cursor_ok() once,
 * before it uses any of them to size or index something.
 */
#ifndef BC_UTIL_CURSOR_H
#define BC_UTIL_CURSOR_H

#include <stdbool.h>

#include "util/bytes.h"
#include "util/le.h"

struct cursor {
	const uint8_t *p;
	size_t left;
	bool bad;
};

static inline struct cursor cursor_of(struct bytes b)
{
	return (struct cursor){ b.p, b.n, false };
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->bad;
}

/* cursor_done - everything read, nothing left over, nothing wrong. */
static inline bool cursor_done(const struct cursor *c)
{
	return !c->bad && c->left == 0;
}

static inline void cursor_fail(struct cursor *c)
{
	c->bad = true;
	c->left = 0;
}

/* cursor_span - the next n bytes, borrowed from the underlying span. */
static inline struct bytes cursor_span(struct cursor *c, uint64_t n)
{
	struct bytes b;

	if (c->bad || n > c->left) {
		cursor_fail(c);
		return (struct bytes){ NULL, 0 };
	}
	b = bytes_of(c->p, (size_t)n);
	c->p += n;
	c->left -= (size_t)n;
	return b;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	struct bytes b = cursor_span(c, 1);

	return b.n == 0 ? 0 : b.p[0];
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	struct bytes b = cursor_span(c, 2);

	return b.n == 0 ? 0 : le_get16(b.p);
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	struct bytes b = cursor_span(c, 4);

	return b.n == 0 ? 0 : le_get32(b.p);
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	struct bytes b = cursor_span(c, 8);

	return b.n == 0 ? 0 : le_get64(b.p);
}

/*
 * cursor_varint - LEB128, at most 64 bits, shortest form only, so that equal
 * values have equal bytes. A value above `max` is an error.
 */
uint64_t cursor_varint(struct cursor *c, uint64_t max);

/* cursor_str - a varint length of at most `max`, then that many bytes. */
struct bytes cursor_str(struct cursor *c, size_t max);

/* cursor_zeros - n bytes that must all be zero (reserved fields). */
void cursor_zeros(struct cursor *c, size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/node_code - varints, quick: used by the node encoders and decoders
 * only. Encoders write into room they have reserved; decoders go through
 * util/cursor and take a short way where it is certain not to pass the end.
 */
#ifndef BC_TREE_NODE_CODE_H
#define BC_TREE_NODE_CODE_H

#include "util/cursor.h"

enum { CODE_VARINT_MAX_BYTES = 10 };

static inline uint8_t *code_put(uint8_t *p, uint64_t v)
{
	while (v >= 0x80) {
		*p++ = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	*p++ = (uint8_t)v;
	return p;
}

static inline uint8_t *code_put_bytes(uint8_t *p, struct bytes b)
{
	if (b.n != 0)
		memcpy(p, b.p, b.n);
	return p + b.n;
}

static inline uint8_t *code_put_str(uint8_t *p, struct bytes b)
{
	return code_put_bytes(code_put(p, b.n), b);
}

/* Zig-zag of a difference that wraps around at 64 bits. */
static inline uint64_t code_zigzag(uint64_t v)
{
	return v << 1 ^ (v >> 63 == 0 ? 0 : UINT64_MAX);
}

static inline size_t code_size(uint64_t v)
{
	size_t n = 1;

	for (; v >= 0x80; v >>= 7)
		n++;
	return n;
}

/* cursor_varint() where ten bytes are there to look at. */
static inline uint64_t code_get_within(struct cursor *c, uint64_t max)
{
	uint64_t v = 0;
	uint8_t b;

	for (unsigned i = 0; i < CODE_VARINT_MAX_BYTES - 1; i++) {
		b = c->p[i];
		v |= (uint64_t)(b & 0x7f) << 7 * i;
		if (b >= 0x80)
			continue;
		if (v > max || (b == 0 && i > 0))
			break;
		c->p += i + 1;
		c->left -= i + 1;
		return v;
	}
	/* Ten bytes long, or wrong. */
	return cursor_varint(c, max);
}

static inline uint64_t code_get(struct cursor *c, uint64_t max)
{
	/* A cursor that is bad has nothing left. */
	if (c->left > 0 && c->p[0] < 0x80 && c->p[0] <= max) {
		c->left--;
		return *c->p++;
	}
	if (c->left >= CODE_VARINT_MAX_BYTES)
		return code_get_within(c, max);
	return cursor_varint(c, max);
}

static inline int64_t code_get_signed(struct cursor *c)
{
	uint64_t v = code_get(c, UINT64_MAX);

	return (int64_t)(v >> 1 ^ (~(v & 1) + 1));
}

static inline struct bytes code_get_str(struct cursor *c, size_t max)
{
	return cursor_span(c, code_get(c, max));
}

/* code_since - what the cursor has passed since it stood at `from`. */
static inline struct bytes code_since(const struct cursor *c,
				      const uint8_t *from)
{
	if (c->bad)
		return (struct bytes){ NULL, 0 };
	return bytes_of(from, (size_t)(c->p - from));
}

static inline bool code_has_nul(struct bytes b)
{
	return b.n != 0 && memchr(b.p, 0, b.n) != NULL;
}

#endif

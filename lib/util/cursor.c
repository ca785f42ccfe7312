/* SPDX-License-Identifier: Apache-2.0 */
#include "util/cursor.h"

uint64_t cursor_varint(struct cursor *c, uint64_t max)
{
	uint64_t v = 0;
	unsigned shift = 0;
	uint8_t b;

	do {
		b = cursor_u8(c);
		/* The tenth byte holds one bit only. */
		if (shift == 63 && b > 1)
			cursor_fail(c);
		v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while ((b & 0x80) != 0 && shift < 70 && !c->bad);
	/* A last byte of zero after the first is not the shortest form. */
	if ((b == 0 && shift > 7) || v > max)
		cursor_fail(c);
	return c->bad ? 0 : v;
}

struct bytes cursor_str(struct cursor *c, size_t max)
{
	return cursor_span(c, cursor_varint(c, max));
}

void cursor_zeros(struct cursor *c, size_t n)
{
	struct bytes b = cursor_span(c, n);

	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] != 0) {
			cursor_fail(c);
			return;
		}
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk/zero.h"

#include "util/arith.h"
#include "util/le.h"

size_t zero_end(const uint8_t *p, size_t from, size_t to)
{
	size_t i = from;

	for (; to - i >= 64; i += 64) {
		const uint8_t *q = p + i;

		if ((le_get64(q) | le_get64(q + 8) | le_get64(q + 16) |
		     le_get64(q + 24) | le_get64(q + 32) | le_get64(q + 40) |
		     le_get64(q + 48) | le_get64(q + 56)) != 0)
			break;
	}
	for (; to - i >= 8 && le_get64(p + i) == 0; i += 8)
		;
	while (i < to && p[i] == 0)
		i++;
	return i;
}

/* The least i in [from, to) with p[i..to) all zero. */
static size_t run_begin(const uint8_t *p, size_t from, size_t to)
{
	size_t i = to;

	for (; i - from >= 8 && le_get64(p + i - 8) == 0; i -= 8)
		;
	while (i > from && p[i - 1] == 0)
		i--;
	return i;
}

bool zero_find(const uint8_t *p, size_t from, size_t to, size_t min, size_t *at)
{
	const size_t half = min / 2;
	size_t pos = from;

	/* No run of `min` begins before `pos` and ends behind it, save one that
	 * the block at `pos` belongs to. */
	while (pos < to && to - pos >= half) {
		size_t a, b;

		if (le_get64(p + pos) != 0) {
			pos += half;
			continue;
		}
		a = run_begin(p, from, pos);
		b = zero_end(p, pos, to - a > min ? a + min : to);
		if (b - a >= min) {
			*at = a;
			return true;
		}
		if (b == to) {
			*at = a;
			return false;
		}
		pos = b + 1;
	}
	*at = run_begin(p, from, to);
	return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* util/digest - the 32-byte identity of a chunk, a record or a snapshot. */
#ifndef BC_UTIL_DIGEST_H
#define BC_UTIL_DIGEST_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX_BYTES = 65 };

struct digest {
	uint8_t b[DIGEST_BYTES];
};

static inline bool digest_eq(const struct digest *a, const struct digest *b)
{
	return memcmp(a->b, b->b, DIGEST_BYTES) == 0;
}

/* digest_key - the first eight bytes, most significant first: orders as the
 * digest does, and picks the page of an index. */
static inline uint64_t digest_key(const struct digest *d)
{
	uint64_t v;

	memcpy(&v, d->b, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

#endif

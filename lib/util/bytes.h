/* SPDX-License-Identifier: Apache-2.0 */
/* util/bytes - a borrowed span of bytes. Owns nothing; never NUL-terminated. */
#ifndef BC_UTIL_BYTES_H
#define BC_UTIL_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *p;
	size_t n;
};

static inline struct bytes bytes_of(const void *p, size_t n)
{
	return (struct bytes){ (const uint8_t *)p, n };
}

static inline struct bytes bytes_str(const char *s)
{
	return bytes_of(s, strlen(s));
}

static inline int bytes_eq(struct bytes a, struct bytes b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* bytes_cmp - order by unsigned bytes, a prefix before what it begins. */
static inline int bytes_cmp(struct bytes a, struct bytes b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

	return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

#endif

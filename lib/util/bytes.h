/* SPDX-License-Identifier: Apache-2.0 */
/* util/bytes - a borrowed span of bytes. Owns nothing; never NUL-terminated. */
#ifndef BC_UTIL_BYTES_H
#define BC_UTIL_BYTES_H

#include <stdbool.h>
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

/* bytes_pop - the next of several texts, each with a NUL behind it in *list;
 * the list shrinks. False if there is none. */
static inline bool bytes_pop(struct bytes *list, struct bytes *out)
{
	const uint8_t *nul =
		list->n == 0 ? NULL : memchr(list->p, '\0', list->n);

	if (nul == NULL)
		return false;
	*out = bytes_of(list->p, (size_t)(nul - list->p));
	*list = bytes_of(nul + 1, list->n - out->n - 1);
	return true;
}

#endif

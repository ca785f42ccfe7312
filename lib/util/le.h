/* SPDX-License-Identifier: Apache-2.0 */
/* util/le - little-endian integers at any alignment, on any host. */
#ifndef BC_UTIL_LE_H
#define BC_UTIL_LE_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LE_SWAP16(v) (v)
#define LE_SWAP32(v) (v)
#define LE_SWAP64(v) (v)
#else
#define LE_SWAP16(v) __builtin_bswap16(v)
#define LE_SWAP32(v) __builtin_bswap32(v)
#define LE_SWAP64(v) __builtin_bswap64(v)
#endif

static inline uint16_t le_get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return LE_SWAP16(v);
}

static inline uint32_t le_get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return LE_SWAP32(v);
}

static inline uint64_t le_get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return LE_SWAP64(v);
}

static inline void le_put16(void *p, uint16_t v)
{
	v = LE_SWAP16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void le_put32(void *p, uint32_t v)
{
	v = LE_SWAP32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void le_put64(void *p, uint64_t v)
{
	v = LE_SWAP64(v);
	memcpy(p, &v, sizeof(v));
}

#endif

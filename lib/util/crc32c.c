/* SPDX-License-Identifier: Apache-2.0 */
#include "util/crc32c.h"

#include "util/le.h"

#define CRC_POLY_REFLECTED UINT32_C(0x82f63b78)

/* One bit at a time: this is the path of machines without the instruction
 * and the oracle of the test, so it is short rather than fast. */
uint32_t crc32c_portable(uint32_t crc, const void *p, size_t n)
{
	const uint8_t *b = p;

	crc = ~crc;
	while (n-- > 0) {
		crc ^= *b++;
		for (int i = 0; i < 8; i++)
			crc = crc >> 1 ^
			      (CRC_POLY_REFLECTED & (~(crc & 1) + 1));
	}
	return ~crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t
crc_sse42(uint32_t crc, const uint8_t *b, size_t n)
{
	uint64_t c = ~crc;

	for (; n >= 8; n -= 8, b += 8)
		c = _mm_crc32_u64(c, le_get64(b));
	for (; n > 0; n--)
		c = _mm_crc32_u8((uint32_t)c, *b++);
	return ~(uint32_t)c;
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	if (__builtin_cpu_supports("sse4.2"))
		return crc_sse42(crc, p, n);
	return crc32c_portable(crc, p, n);
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return crc32c_portable(crc, p, n);
}
#endif

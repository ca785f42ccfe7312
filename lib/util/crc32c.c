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
#include <immintrin.h>

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

/*
 * The instruction takes three cycles and one may start in each, so three lanes
 * run side by side and are then put together: a checksum moves on by n bytes
 * of zeros when it is multiplied by x^8n (Gopal et al., "Fast CRC Computation
 * for iSCSI Polynomial Using CRC32 Instruction", Intel 2011). The constants are
 * x^(8n-33) modulo the polynomial, reflected; the instruction that reduces the
 * product adds the 33.
 */
enum { LANE_BYTES = 1024 };
#define MOVE_1024 UINT32_C(0x170076fa)
#define MOVE_2048 UINT32_C(0xa51b6135)

__attribute__((target("sse4.2,pclmul"))) static uint32_t crc_move(uint32_t crc,
								  uint32_t by)
{
	__m128i product = _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc),
					       _mm_cvtsi32_si128((int)by), 0);

	return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

__attribute__((target("sse4.2,pclmul"))) static uint32_t
crc_lanes(uint32_t crc, const uint8_t *b, size_t n)
{
	for (; n >= 3 * LANE_BYTES; n -= 3 * LANE_BYTES) {
		uint64_t x = ~crc, y = 0, z = 0;

		for (size_t i = 0; i < LANE_BYTES; i += 8) {
			x = _mm_crc32_u64(x, le_get64(b + i));
			y = _mm_crc32_u64(y, le_get64(b + LANE_BYTES + i));
			z = _mm_crc32_u64(z, le_get64(b + 2 * LANE_BYTES + i));
		}
		crc = ~(crc_move((uint32_t)x, MOVE_2048) ^
			crc_move((uint32_t)y, MOVE_1024) ^ (uint32_t)z);
		b += 3 * LANE_BYTES;
	}
	return crc_sse42(crc, b, n);
}

uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	if (!__builtin_cpu_supports("sse4.2"))
		return crc32c_portable(crc, p, n);
	if (__builtin_cpu_supports("pclmul"))
		return crc_lanes(crc, p, n);
	return crc_sse42(crc, p, n);
}
#else
uint32_t crc32c(uint32_t crc, const void *p, size_t n)
{
	return crc32c_portable(crc, p, n);
}
#endif

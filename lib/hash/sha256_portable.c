/* SPDX-License-Identifier: Apache-2.0 */
#include "hash/sha256_impl.h"

#include <string.h>

/* FIPS 180-4, 4.2.2 and 5.3.3. */
const uint32_t sha256_k[64] __attribute__((aligned(64))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1,
	0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
	0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
	0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
	0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
	0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

const uint32_t sha256_h0[8] = {
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
	0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static inline uint32_t ror(uint32_t v, int by)
{
	return v >> by | v << (32 - by);
}

static inline uint32_t load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	v = __builtin_bswap32(v);
#endif
	return v;
}

/* maj(a, b, c) is written as b ^ ((a ^ b) & (b ^ c)): a ^ b of this round is
 * b ^ c of the next, so one of the two costs nothing. */
#define ROUND(a, b, c, d, e, f, g, h, kw)                                      \
	do {                                                                   \
		uint32_t t1 = (h) + (kw) + (g ^ (e & (f ^ g))) +               \
			      (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25));           \
		ab = a ^ b;                                                    \
		d += t1;                                                       \
		h = t1 + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) +               \
		    (b ^ (ab & bc));                                           \
		bc = ab;                                                       \
	} while (0)

#define FIRST(i) (w[i] = load_be32(p + 4 * (i)))

#define NEXT(i)                                                                \
	(w[i] += w[(i + 9) & 15] +                                             \
		 (ror(w[(i + 1) & 15], 7) ^ ror(w[(i + 1) & 15], 18) ^         \
		  w[(i + 1) & 15] >> 3) +                                      \
		 (ror(w[(i + 14) & 15], 17) ^ ror(w[(i + 14) & 15], 19) ^      \
		  w[(i + 14) & 15] >> 10))

#define EIGHT(i, W)                                                            \
	do {                                                                   \
		ROUND(a, b, c, d, e, f, g, h, W((i) + 0) + k[(i) + 0]);        \
		ROUND(h, a, b, c, d, e, f, g, W((i) + 1) + k[(i) + 1]);        \
		ROUND(g, h, a, b, c, d, e, f, W((i) + 2) + k[(i) + 2]);        \
		ROUND(f, g, h, a, b, c, d, e, W((i) + 3) + k[(i) + 3]);        \
		ROUND(e, f, g, h, a, b, c, d, W((i) + 4) + k[(i) + 4]);        \
		ROUND(d, e, f, g, h, a, b, c, W((i) + 5) + k[(i) + 5]);        \
		ROUND(c, d, e, f, g, h, a, b, W((i) + 6) + k[(i) + 6]);        \
		ROUND(b, c, d, e, f, g, h, a, W((i) + 7) + k[(i) + 7]);        \
	} while (0)

static inline __attribute__((always_inline)) void
absorb(uint32_t s[8], const uint8_t *p, size_t n)
{
	for (; n > 0; n--, p += 64) {
		uint32_t a = s[0], b = s[1], c = s[2], d = s[3];
		uint32_t e = s[4], f = s[5], g = s[6], h = s[7];
		uint32_t w[16], ab, bc = b ^ c;
		const uint32_t *k = sha256_k;

		EIGHT(0, FIRST);
		EIGHT(8, FIRST);
		for (int r = 1; r < 4; r++) {
			k += 16;
			EIGHT(0, NEXT);
			EIGHT(8, NEXT);
		}
		s[0] += a;
		s[1] += b;
		s[2] += c;
		s[3] += d;
		s[4] += e;
		s[5] += f;
		s[6] += g;
		s[7] += h;
	}
}

#if defined(__x86_64__)
/* rorx does not destroy its operand: a seventh less time. */
__attribute__((target("bmi,bmi2"))) static void
absorb_bmi2(uint32_t s[8], const uint8_t *p, size_t n)
{
	absorb(s, p, n);
}
#endif

void sha256_portable(uint32_t h[8], const uint8_t *p, size_t n)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("bmi2") && __builtin_cpu_supports("bmi")) {
		absorb_bmi2(h, p, n);
		return;
	}
#endif
	absorb(h, p, n);
}

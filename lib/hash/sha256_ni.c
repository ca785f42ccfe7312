/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by the SHA extensions of x86: one message, or two interleaved. */
#include "hash/sha256_impl.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "hash/sha256_ni_rounds.h"

#define TARGET __attribute__((target("sha,sse4.1,ssse3")))

#define X		  __m128i
#define NI_ADD(x, y)	  _mm_add_epi32(x, y)
#define NI_RNDS2(s, t, k) _mm_sha256rnds2_epu32(s, t, k)
#define NI_MSG1(x, y)	  _mm_sha256msg1_epu32(x, y)
#define NI_MSG2(x, y)	  _mm_sha256msg2_epu32(x, y)
#define NI_SHIFT(x, y)	  _mm_alignr_epi8(x, y, 4)
#define NI_HIGH(x)	  _mm_shuffle_epi32(x, 0x0e)
#define NI_LOAD(p)	  _mm_shuffle_epi8(load(p), swap)
#define NI_K(i)		  _mm_load_si128((const X *)(const void *)(sha256_k + 4 * (i)))
#define SWAP		  _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3)

static inline X load(const void *p)
{
	return _mm_loadu_si128((const X *)p);
}

static inline X words(uint32_t w3, uint32_t w2, uint32_t w1, uint32_t w0)
{
	return _mm_set_epi32((int)w3, (int)w2, (int)w1, (int)w0);
}

/* The state of a message is at h[0], h[stride], ..., h[7 * stride]. */
static inline void state_load(const uint32_t *h, size_t stride, X *abef,
			      X *cdgh)
{
	*abef = words(h[0], h[stride], h[4 * stride], h[5 * stride]);
	*cdgh = words(h[2 * stride], h[3 * stride], h[6 * stride],
		      h[7 * stride]);
}

static inline void state_store(uint32_t *h, size_t stride, X abef, X cdgh)
{
	uint32_t w[4];

	_mm_storeu_si128((X *)(void *)w, abef);
	h[0] = w[3];
	h[stride] = w[2];
	h[4 * stride] = w[1];
	h[5 * stride] = w[0];
	_mm_storeu_si128((X *)(void *)w, cdgh);
	h[2 * stride] = w[3];
	h[3 * stride] = w[2];
	h[6 * stride] = w[1];
	h[7 * stride] = w[0];
}

TARGET void sha256_ni(uint32_t h[8], const uint8_t *p, size_t n)
{
	const X swap = SWAP;
	X abef, cdgh;

	state_load(h, 1, &abef, &cdgh);
	for (; n > 0; n--, p += 64)
		NI_BLOCK1(abef, cdgh, p);
	state_store(h, 1, abef, cdgh);
}

TARGET void sha256_ni_x2(uint32_t (*h)[SHA256_LANES], const uint8_t *const *p,
			 size_t n)
{
	const X swap = SWAP;
	const uint8_t *p0 = p[0], *p1 = p[1];
	X a, b, c, d;

	state_load(&h[0][0], SHA256_LANES, &a, &b);
	state_load(&h[0][1], SHA256_LANES, &c, &d);
	for (; n > 0; n--, p0 += 64, p1 += 64)
		NI_BLOCK2(a, b, p0, c, d, p1);
	state_store(&h[0][0], SHA256_LANES, a, b);
	state_store(&h[0][1], SHA256_LANES, c, d);
}

#endif

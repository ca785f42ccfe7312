/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sixteen neighbouring stripes of a tile are hashed side by side, one per
 * 64-bit lane of two vectors, each warmed up on the 64 bytes before it. The
 * first hit of a tile is the first hit of the lowest lane that has one.
 */
#include "chunk/kernel_internal.h"

#if CHUNK_HAVE_X86

#include <immintrin.h>

#include "chunk/gear.h"
#include "util/arith.h"

#define AVX512 __attribute__((target("avx512f,avx512bw")))

enum {
	LANES = 16,
	STRIPE_MAX_BYTES = 512, /* past a cut half a tile is wasted */
	STRIPE_MIN_BYTES = 128, /* half of it warming up: no shorter */
};

struct lanes {
	__m512i h[2];
	__m512i at[2]; /* distance of each lane's stripe from the tile */
};

/* Eight steps of all lanes; a bit per lane that stayed at or above `mask`,
 * the top bits of a hash. */
AVX512 static inline uint32_t eight(struct lanes *s, const uint8_t *p,
				    __m512i mask)
{
	/* Lane byte 0 from byte k of the lane, the other seven zero. */
	const __m512i one = _mm512_set1_epi64(1);
	__m512i pick = _mm512_broadcast_i32x4(_mm_set_epi64x(
		(long long)0x8080808080808008, (long long)0x8080808080808000));
	__m512i b0 = _mm512_i64gather_epi64(s->at[0], p, 1);
	__m512i b1 = _mm512_i64gather_epi64(s->at[1], p, 1);
	__mmask8 k0 = 0xff, k1 = 0xff;

	for (int k = 0; k < 8; k++) {
		__m512i g0 = _mm512_i64gather_epi64(
			_mm512_shuffle_epi8(b0, pick), GEAR64, 8);
		__m512i g1 = _mm512_i64gather_epi64(
			_mm512_shuffle_epi8(b1, pick), GEAR64, 8);

		s->h[0] = _mm512_add_epi64(_mm512_add_epi64(s->h[0], s->h[0]),
					   g0);
		s->h[1] = _mm512_add_epi64(_mm512_add_epi64(s->h[1], s->h[1]),
					   g1);
		k0 = _mm512_mask_test_epi64_mask(k0, s->h[0], mask);
		k1 = _mm512_mask_test_epi64_mask(k1, s->h[1], mask);
		pick = _mm512_add_epi64(pick, one);
	}
	return (uint32_t)k0 | (uint32_t)k1 << 8;
}

/* The first hit in the tile of LANES stripes at p, or its length. */
AVX512 static size_t tile(const uint8_t *p, size_t stripe, uint64_t below)
{
	const __m512i mask = _mm512_set1_epi64((long long)~(below - 1));
	const __m512i eights = _mm512_set1_epi64((long long)(8 * stripe));
	uint32_t live = (1u << LANES) - 1;
	size_t first = LANES * stripe;
	long long d = (long long)stripe;
	struct lanes s;

	s.h[0] = _mm512_setzero_si512();
	s.h[1] = s.h[0];
	s.at[0] = _mm512_set_epi64(7 * d, 6 * d, 5 * d, 4 * d, 3 * d, 2 * d, d,
				   0);
	s.at[1] = _mm512_add_epi64(s.at[0], eights);
	for (int i = -GEAR_WINDOW_BYTES; i < 0; i += 8)
		(void)eight(&s, p + i, mask);
	for (size_t i = 0; i < stripe && live != 0; i += 8) {
		uint32_t hit = live & ~eight(&s, p + i, mask);

		if (hit == 0)
			continue;
		/* Only lanes below this one can hold an earlier hit now. */
		unsigned lane = (unsigned)__builtin_ctz(hit);
		size_t at = lane * stripe + i;

		first = at + chunk_scan_scalar(p + at, 8, below);
		live = (1u << lane) - 1;
	}
	return first;
}

size_t chunk_scan_avx512(const uint8_t *p, size_t n, uint64_t below)
{
	size_t done = 0;

	while (n - done >= (size_t)LANES * STRIPE_MIN_BYTES) {
		size_t stripe = min_size((n - done) / LANES, STRIPE_MAX_BYTES) &
				~(size_t)7;
		size_t i = tile(p + done, stripe, below);

		done += i;
		if (i < LANES * stripe)
			return done;
	}
	return done + chunk_scan_scalar(p + done, n - done, below);
}

#endif

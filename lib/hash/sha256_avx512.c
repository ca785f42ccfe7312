/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of sixteen messages side by side (AVX-512 F and BW). */
#include "hash/sha256_impl.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "hash/sha256_vec.h"

#define TARGET __attribute__((target("avx512f,avx512bw")))

#define V	      __m512i
#define ADD(x, y)     _mm512_add_epi32(x, y)
#define XOR3(x, y, z) _mm512_ternarylogic_epi32(x, y, z, 0x96)
#define CH(x, y, z)   _mm512_ternarylogic_epi32(x, y, z, 0xca)
#define MAJ(x, y, z)  _mm512_ternarylogic_epi32(x, y, z, 0xe8)
#define ROR(x, by)    _mm512_ror_epi32(x, by)
#define BIG0(x)	      XOR3(ROR(x, 2), ROR(x, 13), ROR(x, 22))
#define BIG1(x)	      XOR3(ROR(x, 6), ROR(x, 11), ROR(x, 25))
#define LITTLE0(x)    XOR3(ROR(x, 7), ROR(x, 18), _mm512_srli_epi32(x, 3))
#define LITTLE1(x)    XOR3(ROR(x, 17), ROR(x, 19), _mm512_srli_epi32(x, 10))
#define SPLAT(v)      _mm512_set1_epi32((int)(v))

enum { PREFETCH_BYTES = 512 };

/*
 * Sixteen blocks, one to a row, become sixteen vectors of one word each: a
 * 16x16 transpose in four passes of shuffles within 128 bits, then across.
 */
#define LOAD_WORDS(w, p, at)                                                   \
	do {                                                                   \
		V r[16], q[16];                                                \
		ROW4(r, 0, p, at);                                             \
		MIX4(q, r, 0);                                                 \
		ROW4(r, 4, p, at);                                             \
		MIX4(q, r, 4);                                                 \
		ROW4(r, 8, p, at);                                             \
		MIX4(q, r, 8);                                                 \
		ROW4(r, 12, p, at);                                            \
		MIX4(q, r, 12);                                                \
		SPREAD(w, q, 0);                                               \
		SPREAD(w, q, 1);                                               \
		SPREAD(w, q, 2);                                               \
		SPREAD(w, q, 3);                                               \
	} while (0)

#define ROW(r, i, p, at)                                                       \
	do {                                                                   \
		_mm_prefetch((const char *)(p)[i] + (at) + PREFETCH_BYTES,     \
			     _MM_HINT_T0);                                     \
		r[i] = _mm512_loadu_si512((p)[i] + (at));                      \
	} while (0)

#define ROW4(r, i, p, at)                                                      \
	do {                                                                   \
		ROW(r, (i), p, at);                                            \
		ROW(r, (i) + 1, p, at);                                        \
		ROW(r, (i) + 2, p, at);                                        \
		ROW(r, (i) + 3, p, at);                                        \
	} while (0)

/* q[i + j]: in each 128-bit quarter, word j of that quarter of rows i..i+3. */
#define MIX4(q, r, i)                                                          \
	do {                                                                   \
		V x0 = _mm512_unpacklo_epi32(r[(i)], r[(i) + 1]);              \
		V x1 = _mm512_unpackhi_epi32(r[(i)], r[(i) + 1]);              \
		V x2 = _mm512_unpacklo_epi32(r[(i) + 2], r[(i) + 3]);          \
		V x3 = _mm512_unpackhi_epi32(r[(i) + 2], r[(i) + 3]);          \
		q[(i)] = _mm512_unpacklo_epi64(x0, x2);                        \
		q[(i) + 1] = _mm512_unpackhi_epi64(x0, x2);                    \
		q[(i) + 2] = _mm512_unpacklo_epi64(x1, x3);                    \
		q[(i) + 3] = _mm512_unpackhi_epi64(x1, x3);                    \
	} while (0)

/* Words j, j + 4, j + 8, j + 12 from the quarters of four mixed vectors. */
#define SPREAD(w, q, j)                                                        \
	do {                                                                   \
		V y0 = _mm512_shuffle_i32x4(q[j], q[(j) + 4], 0x44);           \
		V y1 = _mm512_shuffle_i32x4(q[j], q[(j) + 4], 0xee);           \
		V y2 = _mm512_shuffle_i32x4(q[(j) + 8], q[(j) + 12], 0x44);    \
		V y3 = _mm512_shuffle_i32x4(q[(j) + 8], q[(j) + 12], 0xee);    \
		w[j] = SWAP(_mm512_shuffle_i32x4(y0, y2, 0x88));               \
		w[(j) + 4] = SWAP(_mm512_shuffle_i32x4(y0, y2, 0xdd));         \
		w[(j) + 8] = SWAP(_mm512_shuffle_i32x4(y1, y3, 0x88));         \
		w[(j) + 12] = SWAP(_mm512_shuffle_i32x4(y1, y3, 0xdd));        \
	} while (0)

#define SWAP(x) _mm512_shuffle_epi8(x, swap)

TARGET void sha256_avx512_x16(uint32_t (*st)[SHA256_LANES],
			      const uint8_t *const *p, size_t n)
{
	const V swap = _mm512_broadcast_i32x4(_mm_set_epi8(
		12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3));
	V s[8], w[16];

	s[0] = _mm512_load_si512(st[0]);
	s[1] = _mm512_load_si512(st[1]);
	s[2] = _mm512_load_si512(st[2]);
	s[3] = _mm512_load_si512(st[3]);
	s[4] = _mm512_load_si512(st[4]);
	s[5] = _mm512_load_si512(st[5]);
	s[6] = _mm512_load_si512(st[6]);
	s[7] = _mm512_load_si512(st[7]);
	for (size_t at = 0; at < 64 * n; at += 64) {
		LOAD_WORDS(w, p, at);
		VEC_ROUNDS(w, s);
	}
	_mm512_store_si512(st[0], s[0]);
	_mm512_store_si512(st[1], s[1]);
	_mm512_store_si512(st[2], s[2]);
	_mm512_store_si512(st[3], s[3]);
	_mm512_store_si512(st[4], s[4]);
	_mm512_store_si512(st[5], s[5]);
	_mm512_store_si512(st[6], s[6]);
	_mm512_store_si512(st[7], s[7]);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk/gear - the rolling hash that content-defined cuts are made with.
 *
 *   G[i]  = the first eight bytes, little-endian, of the SHA-256 of the
 *	     fourteen ASCII bytes "blobctl gear64" followed by the byte i
 *   h(i)  = sum over k = 0..63 of G[b[i - k]] * 2^k, modulo 2^64
 *
 * Gear of Xia et al. (Ddelta, 2014). After 64 steps of h = 2h + G[b] whatever
 * h began as has been shifted out, so h(i) is a function of the 64 bytes that
 * end at i and of nothing else. Only its top bits depend on all 64.
 */
#ifndef BC_CHUNK_GEAR_H
#define BC_CHUNK_GEAR_H

#include <stdint.h>

enum { GEAR_WINDOW_BYTES = 64 };

extern const uint64_t GEAR64[256];

/* gear64 - h at the last of the 64 bytes that end just before `end`. */
static inline uint64_t gear64(const uint8_t *end)
{
	uint64_t h = 0;

	for (int i = -GEAR_WINDOW_BYTES; i < 0; i++)
		h = 2 * h + GEAR64[end[i]];
	return h;
}

#endif

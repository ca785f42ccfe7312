/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash/sha256_vec - the rounds of SHA-256 over vectors of 32-bit lanes.
 *
 * Included in a kernel's .c file, which first defines for its vector type V
 *
 *   ADD(x, y)     lane-wise sum
 *   SHR(x, by)    shift right
 *   BIG0(x) BIG1(x) LITTLE0(x) LITTLE1(x)   the four sigmas of FIPS 180-4
 *   CH(x, y, z) MAJ(x, y, z)                its choice and majority
 *   SPLAT(v)      v in every lane
 *
 * and then writes VEC_ROUNDS(w, s) in the body of its loop: w[16] holds the
 * message words, one word of every lane to a vector, s[8] the state. Macros
 * and not functions, because an inline function may not be narrower in its
 * target than its callee, and each kernel has its own target.
 */
#ifndef BC_HASH_SHA256_VEC_H
#define BC_HASH_SHA256_VEC_H

#include "hash/sha256_impl.h"

#define VEC_ROUND(a, b, c, d, e, f, g, h, i, kp)                               \
	do {                                                                   \
		V t1 = ADD(ADD(h, ADD(w[i], SPLAT((kp)[i]))),                  \
			   ADD(BIG1(e), CH(e, f, g)));                         \
		d = ADD(d, t1);                                                \
		h = ADD(t1, ADD(BIG0(a), MAJ(a, b, c)));                       \
	} while (0)

#define VEC_NEXT(i)                                                            \
	(w[i] = ADD(ADD(w[i], w[((i) + 9) & 15]),                              \
		    ADD(LITTLE0(w[((i) + 1) & 15]),                            \
			LITTLE1(w[((i) + 14) & 15]))))

#define VEC_EIGHT(i, kp)                                                       \
	do {                                                                   \
		VEC_ROUND(a, b, c, d, e, f, g, h, (i) + 0, kp);                \
		VEC_ROUND(h, a, b, c, d, e, f, g, (i) + 1, kp);                \
		VEC_ROUND(g, h, a, b, c, d, e, f, (i) + 2, kp);                \
		VEC_ROUND(f, g, h, a, b, c, d, e, (i) + 3, kp);                \
		VEC_ROUND(e, f, g, h, a, b, c, d, (i) + 4, kp);                \
		VEC_ROUND(d, e, f, g, h, a, b, c, (i) + 5, kp);                \
		VEC_ROUND(c, d, e, f, g, h, a, b, (i) + 6, kp);                \
		VEC_ROUND(b, c, d, e, f, g, h, a, (i) + 7, kp);                \
	} while (0)

#define VEC_NEXT_EIGHT(i)                                                      \
	do {                                                                   \
		VEC_NEXT((i) + 0);                                             \
		VEC_NEXT((i) + 1);                                             \
		VEC_NEXT((i) + 2);                                             \
		VEC_NEXT((i) + 3);                                             \
		VEC_NEXT((i) + 4);                                             \
		VEC_NEXT((i) + 5);                                             \
		VEC_NEXT((i) + 6);                                             \
		VEC_NEXT((i) + 7);                                             \
	} while (0)

/*
 * The address of the constants is hidden from the compiler, or it would
 * splat sixteen of them into memory before the loop over the blocks.
 */
#define VEC_ROUNDS(w, s)                                                       \
	do {                                                                   \
		V a = (s)[0], b = (s)[1], c = (s)[2], d = (s)[3];              \
		V e = (s)[4], f = (s)[5], g = (s)[6], h = (s)[7];              \
		const uint32_t *vk = sha256_k;                                 \
		__asm__("" : "+r"(vk));                                        \
		VEC_EIGHT(0, vk);                                              \
		VEC_EIGHT(8, vk);                                              \
		for (int vr = 1; vr < 4; vr++) {                               \
			vk += 16;                                              \
			VEC_NEXT_EIGHT(0);                                     \
			VEC_EIGHT(0, vk);                                      \
			VEC_NEXT_EIGHT(8);                                     \
			VEC_EIGHT(8, vk);                                      \
		}                                                              \
		(s)[0] = ADD((s)[0], a);                                       \
		(s)[1] = ADD((s)[1], b);                                       \
		(s)[2] = ADD((s)[2], c);                                       \
		(s)[3] = ADD((s)[3], d);                                       \
		(s)[4] = ADD((s)[4], e);                                       \
		(s)[5] = ADD((s)[5], f);                                       \
		(s)[6] = ADD((s)[6], g);                                       \
		(s)[7] = ADD((s)[7], h);                                       \
	} while (0)

#endif

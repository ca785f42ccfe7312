/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash/sha256_ni_rounds - the schedule of the SHA extensions' rounds.
 *
 * The source of truth for the order of the instructions, compiled twice: in
 * sha256_ni.c over the real instructions, and in the unit test over a model of
 * them in C, so that it is proved on machines that do not have them. Before
 * including it define, for a vector X of four words w0 (lowest) to w3:
 *
 *   NI_ADD(x, y)       lane-wise sum
 *   NI_RNDS2(s, t, k)  sha256rnds2: two rounds, s = CDGH, t = ABEF, k in w0, w1
 *   NI_MSG1(x, y)      sha256msg1
 *   NI_MSG2(x, y)      sha256msg2
 *   NI_SHIFT(x, y)     palignr by four bytes: y.w1, y.w2, y.w3, x.w0
 *   NI_HIGH(x)         w2 and w3 moved to w0 and w1
 *   NI_LOAD(p)         four big-endian words
 *   NI_K(i)            the constants of rounds 4i to 4i + 3
 *
 * ABEF and CDGH name the words of a state vector from the highest, w3, down,
 * as the instruction set reference does.
 */
#ifndef BC_HASH_SHA256_NI_ROUNDS_H
#define BC_HASH_SHA256_NI_ROUNDS_H

/* Four rounds on words m. Two rounds leave the old ABEF as the new CDGH, so
 * the two names swap roles and are back in place after four. */
#define NI_FOUR(i, m, abef, cdgh)                                              \
	do {                                                                   \
		X wk = NI_ADD(m, NI_K(i));                                     \
		cdgh = NI_RNDS2(cdgh, abef, wk);                               \
		abef = NI_RNDS2(abef, cdgh, NI_HIGH(wk));                      \
	} while (0)

/* m0 = W[t-16..t-13], m1, m2, m3 = W[t-4..t-1]: m0 becomes W[t..t+3]. */
#define NI_NEXT(m0, m1, m2, m3)                                                \
	(m0 = NI_MSG2(NI_ADD(NI_MSG1(m0, m1), NI_SHIFT(m3, m2)), m3))

/* One block at p into (abef, cdgh). */
#define NI_BLOCK1(abef, cdgh, p)                                               \
	do {                                                                   \
		X abef0 = abef, cdgh0 = cdgh;                                  \
		X m0 = NI_LOAD(p), m1 = NI_LOAD((p) + 16);                     \
		X m2 = NI_LOAD((p) + 32), m3 = NI_LOAD((p) + 48);              \
		NI_FOUR(0, m0, abef, cdgh);                                    \
		NI_FOUR(1, m1, abef, cdgh);                                    \
		NI_FOUR(2, m2, abef, cdgh);                                    \
		NI_FOUR(3, m3, abef, cdgh);                                    \
		NI_SIXTEEN1(4, abef, cdgh);                                    \
		NI_SIXTEEN1(8, abef, cdgh);                                    \
		NI_SIXTEEN1(12, abef, cdgh);                                   \
		abef = NI_ADD(abef, abef0);                                    \
		cdgh = NI_ADD(cdgh, cdgh0);                                    \
	} while (0)

#define NI_SIXTEEN1(i, abef, cdgh)                                             \
	do {                                                                   \
		NI_NEXT(m0, m1, m2, m3);                                       \
		NI_FOUR((i) + 0, m0, abef, cdgh);                              \
		NI_NEXT(m1, m2, m3, m0);                                       \
		NI_FOUR((i) + 1, m1, abef, cdgh);                              \
		NI_NEXT(m2, m3, m0, m1);                                       \
		NI_FOUR((i) + 2, m2, abef, cdgh);                              \
		NI_NEXT(m3, m0, m1, m2);                                       \
		NI_FOUR((i) + 3, m3, abef, cdgh);                              \
	} while (0)

/* Two messages at once: the second hides the latency of the first. a, b are
 * the state of one, c, d of the other, p and q their blocks. */
#define NI_BLOCK2(a, b, p, c, d, q)                                            \
	do {                                                                   \
		X a0 = a, b0 = b, c0 = c, d0 = d;                              \
		X m0 = NI_LOAD(p), n0 = NI_LOAD(q);                            \
		X m1 = NI_LOAD((p) + 16), n1 = NI_LOAD((q) + 16);              \
		X m2 = NI_LOAD((p) + 32), n2 = NI_LOAD((q) + 32);              \
		X m3 = NI_LOAD((p) + 48), n3 = NI_LOAD((q) + 48);              \
		NI_PAIR(0, m0, a, b, n0, c, d);                                \
		NI_PAIR(1, m1, a, b, n1, c, d);                                \
		NI_PAIR(2, m2, a, b, n2, c, d);                                \
		NI_PAIR(3, m3, a, b, n3, c, d);                                \
		NI_SIXTEEN2(4, a, b, c, d);                                    \
		NI_SIXTEEN2(8, a, b, c, d);                                    \
		NI_SIXTEEN2(12, a, b, c, d);                                   \
		a = NI_ADD(a, a0);                                             \
		b = NI_ADD(b, b0);                                             \
		c = NI_ADD(c, c0);                                             \
		d = NI_ADD(d, d0);                                             \
	} while (0)

#define NI_PAIR(i, m, a, b, n, c, d)                                           \
	do {                                                                   \
		X wkm = NI_ADD(m, NI_K(i)), wkn = NI_ADD(n, NI_K(i));          \
		b = NI_RNDS2(b, a, wkm);                                       \
		d = NI_RNDS2(d, c, wkn);                                       \
		a = NI_RNDS2(a, b, NI_HIGH(wkm));                              \
		c = NI_RNDS2(c, d, NI_HIGH(wkn));                              \
	} while (0)

#define NI_SIXTEEN2(i, a, b, c, d)                                             \
	do {                                                                   \
		NI_NEXT(m0, m1, m2, m3);                                       \
		NI_NEXT(n0, n1, n2, n3);                                       \
		NI_PAIR((i) + 0, m0, a, b, n0, c, d);                          \
		NI_NEXT(m1, m2, m3, m0);                                       \
		NI_NEXT(n1, n2, n3, n0);                                       \
		NI_PAIR((i) + 1, m1, a, b, n1, c, d);                          \
		NI_NEXT(m2, m3, m0, m1);                                       \
		NI_NEXT(n2, n3, n0, n1);                                       \
		NI_PAIR((i) + 2, m2, a, b, n2, c, d);                          \
		NI_NEXT(m3, m0, m1, m2);                                       \
		NI_NEXT(n3, n0, n1, n2);                                       \
		NI_PAIR((i) + 3, m3, a, b, n3, c, d);                          \
	} while (0)

#endif

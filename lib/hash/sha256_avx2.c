/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of eight messages side by side (AVX2). */
#include "hash/sha256_impl.h"

#if defined(__x86_64__)

#define NAME   sha256_avx2_x8
#define TARGET __attribute__((target("avx2")))

/* Without a rotate each one is two shifts; all five parts of a sigma are
 * xored, for the halves of a rotation never overlap. */
#define XOR(x, y)    _mm256_xor_si256(x, y)
#define SHR(x, by)   _mm256_srli_epi32(x, by)
#define SHL(x, by)   _mm256_slli_epi32(x, by)
#define ROR(x, by)   XOR(SHR(x, by), SHL(x, 32 - (by)))
#define BIG0(x)	     XOR(XOR(ROR(x, 2), ROR(x, 13)), ROR(x, 22))
#define BIG1(x)	     XOR(XOR(ROR(x, 6), ROR(x, 11)), ROR(x, 25))
#define LITTLE0(x)   XOR(XOR(ROR(x, 7), ROR(x, 18)), SHR(x, 3))
#define LITTLE1(x)   XOR(XOR(ROR(x, 17), ROR(x, 19)), SHR(x, 10))
#define CH(x, y, z)  XOR(z, _mm256_and_si256(x, XOR(y, z)))
#define MAJ(x, y, z) XOR(y, _mm256_and_si256(XOR(x, y), XOR(y, z)))

#include "hash/sha256_x8.inc"

#endif

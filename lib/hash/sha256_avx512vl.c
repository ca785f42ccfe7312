/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 of eight messages side by side with the rotate and the three-way
 * logic of AVX-512 VL: for the few lanes that are left when a list ends.
 */
#include "hash/sha256_impl.h"

#if defined(__x86_64__)

#define NAME   sha256_avx512vl_x8
#define TARGET __attribute__((target("avx2,avx512f,avx512vl")))

#define XOR3(x, y, z) _mm256_ternarylogic_epi32(x, y, z, 0x96)
#define CH(x, y, z)   _mm256_ternarylogic_epi32(x, y, z, 0xca)
#define MAJ(x, y, z)  _mm256_ternarylogic_epi32(x, y, z, 0xe8)
#define ROR(x, by)    _mm256_ror_epi32(x, by)
#define BIG0(x)	      XOR3(ROR(x, 2), ROR(x, 13), ROR(x, 22))
#define BIG1(x)	      XOR3(ROR(x, 6), ROR(x, 11), ROR(x, 25))
#define LITTLE0(x)    XOR3(ROR(x, 7), ROR(x, 18), _mm256_srli_epi32(x, 3))
#define LITTLE1(x)    XOR3(ROR(x, 17), ROR(x, 19), _mm256_srli_epi32(x, 10))

#include "hash/sha256_x8.inc"

#endif

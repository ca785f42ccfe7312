/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash/sha256_impl - between the files of hash/sha256; nobody else includes it.
 *
 * Every kernel is one function of one shape. The state of lane i is the
 * column h[0..7][i]; the stride is the same for all, so that a lane can be
 * handed from a wide kernel to a narrow one by copying a column.
 */
#ifndef BC_HASH_SHA256_IMPL_H
#define BC_HASH_SHA256_IMPL_H

#include <stddef.h>
#include <stdint.h>

enum { SHA256_LANES = 16 };

/*
 * Absorb n blocks of 64 bytes from p[i] into lane i, for each lane the kernel
 * has. n is at least 1. Both pointers' targets are read or written only during
 * the call; h is aligned to 64 bytes.
 */
typedef void sha256_blocks_fn(uint32_t (*h)[SHA256_LANES],
			      const uint8_t *const *p, size_t n);

/*
 * A plan is a list of kernels from wide to narrow. A step is used while at
 * least `busy` lanes have work; the last step has busy 1.
 */
struct sha256_step {
	sha256_blocks_fn *blocks;
	unsigned lanes;
	unsigned busy;
};

struct sha256_job;

/* sha256_run - the scheduler: n jobs, at least one, by a plan. */
void sha256_run(const struct sha256_step *plan, const struct sha256_job *jobs,
		size_t n);

extern const uint32_t sha256_k[64];
extern const uint32_t sha256_h0[8];

/* Absorb n >= 0 blocks into one contiguous state. */
void sha256_portable(uint32_t h[8], const uint8_t *p, size_t n);

/* The same by libcrypto; sha256_openssl_load() has said true. */
void sha256_openssl(uint32_t h[8], const uint8_t *p, size_t n);

/* Load libcrypto once per process; false where there is none that works. */
int sha256_openssl_load(void);

#if defined(__x86_64__)
sha256_blocks_fn sha256_avx512_x16;
sha256_blocks_fn sha256_avx512vl_x8;
sha256_blocks_fn sha256_avx2_x8;
sha256_blocks_fn sha256_ni_x2;
void sha256_ni(uint32_t h[8], const uint8_t *p, size_t n);
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash/sha256 - SHA-256 (FIPS 180-4): many messages at once, one, or a stream.
 *
 * A single SHA-256 is a chain that cannot be made parallel, so the speed is in
 * independent messages: sha256_many() runs them side by side in the lanes of
 * the widest kernel of the machine and gives a lane its next message the
 * moment the last one ends.
 *
 * All functions: any thread, no allocation, cannot fail. Which kernel runs is
 * decided once per process; every kernel gives the same digest.
 */
#ifndef BC_HASH_SHA256_H
#define BC_HASH_SHA256_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"
#include "util/digest.h"

enum { SHA256_BLOCK_BYTES = 64 };

/*
 * One message and the place for its digest.
 *   msg  borrowed; msg.p may be NULL when msg.n is 0
 *   out  written once, some time before sha256_many() returns
 */
struct sha256_job {
	struct bytes msg;
	struct digest *out;
};

/*
 * sha256_many - hash n messages of any lengths, in any order.
 *
 * Fastest with 64 messages or more per call: the lanes stay full until the
 * last few. The order of the jobs does not matter, long ones are begun first.
 */
void sha256_many(const struct sha256_job *jobs, size_t n);

/* sha256_one - hash one message. */
void sha256_one(struct bytes msg, struct digest *out);

/* A message that arrives in pieces. Copying the struct forks the stream. */
struct sha256_ctx {
	uint32_t h[8];
	uint64_t n; /* bytes so far */
	uint8_t part[SHA256_BLOCK_BYTES];
};

/* sha256_init - begin a message. */
void sha256_init(struct sha256_ctx *c);

/* sha256_update - the next piece; borrowed until return. */
void sha256_update(struct sha256_ctx *c, struct bytes piece);

/* sha256_final - end the message; c must be initialised before it is used
 * again. */
void sha256_final(struct sha256_ctx *c, struct digest *out);

/* The implementations, for tests and benchmarks. */
enum sha256_kernel {
	SHA256_AVX512,	 /* 16 lanes */
	SHA256_AVX512VL, /* 8 lanes, with the instructions of AVX-512 */
	SHA256_AVX2,	 /* 8 lanes */
	SHA256_NI2,	 /* SHA extensions, 2 messages interleaved */
	SHA256_NI,	 /* SHA extensions, 1 message */
	SHA256_OPENSSL,	 /* libcrypto, loaded at first use */
	SHA256_PORTABLE, /* C */
	SHA256_KERNELS
};

/* sha256_supported - whether this machine can run the kernel. Asking for
 * SHA256_OPENSSL loads libcrypto. */
bool sha256_supported(enum sha256_kernel k);

/* sha256_kernel_name - "avx512" and so on. Never NULL. */
const char *sha256_kernel_name(enum sha256_kernel k);

/* sha256_best - the kernel sha256_many() begins a long list with. */
enum sha256_kernel sha256_best(void);

/* sha256_many_with - sha256_many() by one kernel alone, which must be
 * supported. */
void sha256_many_with(enum sha256_kernel k, const struct sha256_job *jobs,
		      size_t n);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk/kernel - the inner loop: the first place where the hash is small.
 *
 * All kernels give the same answer; they differ in speed and in what they
 * need of the processor. Any thread.
 */
#ifndef BC_CHUNK_KERNEL_H
#define BC_CHUNK_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chunk_kernel {
	CHUNK_KERNEL_AUTO,   /* the quickest here, by measurement */
	CHUNK_KERNEL_SCALAR, /* C, any processor */
	CHUNK_KERNEL_X86, /* the same loop, its instructions placed by hand */
	CHUNK_KERNEL_AVX512, /* sixteen places at once, by gathers */
	CHUNK_KERNEL_COUNT,
};

/*
 * A kernel: the least i < n with h(i) < below, or n when there is none.
 *
 *   p      GEAR_WINDOW_BYTES readable bytes come before it
 *   below  a power of two: "the top bits are zero"
 */
typedef size_t chunk_scan_fn(const uint8_t *p, size_t n, uint64_t below);

/* chunk_kernel_supported - can this build and processor run it? */
bool chunk_kernel_supported(enum chunk_kernel k);

/* chunk_kernel_name - a word for it ("x86"). Never NULL. */
const char *chunk_kernel_name(enum chunk_kernel k);

/* chunk_kernel_pick - what AUTO means here; any other supported k is itself,
 * an unsupported one is AUTO. */
enum chunk_kernel chunk_kernel_pick(enum chunk_kernel k);

/* chunk_kernel_scan - the loop of a kernel that chunk_kernel_pick() gave. */
chunk_scan_fn *chunk_kernel_scan(enum chunk_kernel k);

#endif

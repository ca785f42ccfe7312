/* SPDX-License-Identifier: Apache-2.0 */
#include "chunk/kernel.h"

#include "chunk/gear.h"
#include "chunk/kernel_internal.h"

/*
 * A byte costs two loads, an addition and a compare-and-branch, and each
 * step waits for one addition only, provided that 2h + g is one instruction.
 * Compilers like to make it two, h + h and + G[b] from memory, which doubles
 * the wait; the empty asm keeps g in a register and so prevents that.
 */
#define STEP(k)                                                                \
	do {                                                                   \
		uint64_t g = GEAR64[p[i + (k)]];                               \
                                                                               \
		__asm__("" : "+r"(g));                                         \
		h = 2 * h + g;                                                 \
		if (__builtin_expect(h < below, 0))                            \
			return i + (k);                                        \
	} while (0)

size_t chunk_scan_scalar(const uint8_t *p, size_t n, uint64_t below)
{
	uint64_t h = gear64(p);
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		STEP(0);
		STEP(1);
		STEP(2);
		STEP(3);
		STEP(4);
		STEP(5);
		STEP(6);
		STEP(7);
	}
	for (; i < n; i++)
		STEP(0);
	return n;
}

bool chunk_kernel_supported(enum chunk_kernel k)
{
	switch (k) {
	case CHUNK_KERNEL_AUTO:
	case CHUNK_KERNEL_SCALAR:
		return true;
	case CHUNK_KERNEL_X86:
		return CHUNK_HAVE_X86;
	case CHUNK_KERNEL_AVX512:
#if CHUNK_HAVE_X86
		return __builtin_cpu_supports("avx512f") &&
		       __builtin_cpu_supports("avx512bw");
#else
		return false;
#endif
	case CHUNK_KERNEL_COUNT:
		break;
	}
	return false;
}

const char *chunk_kernel_name(enum chunk_kernel k)
{
	switch (k) {
	case CHUNK_KERNEL_AUTO:
		return "auto";
	case CHUNK_KERNEL_SCALAR:
		return "scalar";
	case CHUNK_KERNEL_X86:
		return "x86";
	case CHUNK_KERNEL_AVX512:
		return "avx512";
	case CHUNK_KERNEL_COUNT:
		break;
	}
	return "unknown";
}

/*
 * AUTO never takes the gathers: they reach a fifth of the other loops' speed
 * on a Cascade Lake whose microcode guards them, and about half on a Zen 5.
 * bench_chunk sets the kernels side by side.
 */
enum chunk_kernel chunk_kernel_pick(enum chunk_kernel k)
{
	if (k != CHUNK_KERNEL_AUTO && chunk_kernel_supported(k))
		return k;
	return CHUNK_HAVE_X86 ? CHUNK_KERNEL_X86 : CHUNK_KERNEL_SCALAR;
}

chunk_scan_fn *chunk_kernel_scan(enum chunk_kernel k)
{
#if CHUNK_HAVE_X86
	if (k == CHUNK_KERNEL_X86)
		return chunk_scan_x86;
	if (k == CHUNK_KERNEL_AVX512)
		return chunk_scan_avx512;
#endif
	(void)k;
	return chunk_scan_scalar;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scalar loop for x86-64 with its instructions placed by hand.
 *
 * Intel's processors from Skylake to Comet Lake take a compare-and-branch
 * that crosses or ends at a multiple of 32 bytes out of the cache of decoded
 * instructions (erratum "Jump Conditional Code"). With a branch every 17
 * bytes a compiler that does not know of it loses a third of the speed, more
 * or less, by accident of layout. Here every branch lies inside its 32 bytes.
 */
#include "chunk/kernel_internal.h"

#if CHUNK_HAVE_X86

#include "chunk/gear.h"

/* One byte: 4 (3 without an offset), 4 (8 with one), 4, 3 and 2 bytes long. */
#define STEP(at, table, out)                                                   \
	"movzbl " at "(%%rsi), %%eax\n\t"                                      \
	"movq " table ",%%rax,8), %%rax\n\t"                                   \
	"leaq (%%rax,%%rdi,2), %%rdi\n\t"                                      \
	"cmpq %%rdx, %%rdi\n\t"                                                \
	"jb " out "\n\t"
#define TABLE	   "(%%rbx"
#define TABLE_LONG "0x1000(%%rcx"

/*
 * Goes on from h at p[-1] in whole eights to `end`. Returns the first byte of
 * the eight in which h fell below, or `end`.
 *
 * rbx is the table, and rcx so far below it that its offset takes four bytes:
 * that carries the second branch over the first multiple of 32. The branches
 * (with their compares) then begin at byte 11, 32, 49, 66, 83, 100, 117 and
 * 134 of the loop, the last one at 143.
 */
static const uint8_t *scan_eights(const uint8_t *p, const uint8_t *end,
				  uint64_t h, uint64_t below)
{
	const uintptr_t table = (uintptr_t)GEAR64;
	uint64_t t;

	/* clang-format off */
	__asm__ volatile("jmp 1f\n"
		"2:\n\t"
		"jmp 3f\n\t"
		".p2align 5\n"
		"1:\n\t"
		STEP("", TABLE, "2b")
		STEP("1", TABLE_LONG, "2b")
		STEP("2", TABLE, "2b")
		STEP("3", TABLE, "2b")
		STEP("4", TABLE, "3f")
		STEP("5", TABLE, "3f")
		STEP("6", TABLE, "3f")
		STEP("7", TABLE, "3f")
		"addq $8, %%rsi\n\t"
		"cmpq %[end], %%rsi\n\t"
		"jb 1b\n"
		"3:\n\t"
		: "+S"(p), "+D"(h), "=&a"(t)
		: "d"(below), "b"(table), "c"(table - 0x1000), [end] "r"(end)
		: "cc", "memory");
	/* clang-format on */
	return p;
}

size_t chunk_scan_x86(const uint8_t *p, size_t n, uint64_t below)
{
	size_t i = 0;
	uint64_t h;

	if (n >= 8) {
		i = (size_t)(scan_eights(p, p + (n & ~(size_t)7), gear64(p),
					 below) -
			     p);
	}
	h = gear64(p + i);
	for (; i < n; i++) {
		h = 2 * h + GEAR64[p[i]];
		if (h < below)
			return i;
	}
	return n;
}

#endif

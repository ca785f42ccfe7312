/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk/chunker - cut one file into chunks and runs of zeros. Pure.
 *
 * CHUNK_CDC. Every maximal run of at least min zero bytes is a zero segment.
 * What lies between is cut by itself, from its first byte: with n the length
 * of the chunk so far and h the hash of gear.h over its last 64 bytes, a
 * chunk ends at the first n >= min where
 *
 *	h < 2^(64 - hard)   while n < normal,  or
 *	h < 2^(64 - easy)   from there on,	or
 *	n = max
 *
 * (that is, where the top hard or easy bits of h are zero), and at the latest
 * with the stretch of data. hard, easy and normal follow from avg as written
 * at CHUNK_HARD_BITS below. So a chunk's end depends on its own bytes, and
 * a file shorter than min is one chunk.
 *
 * CHUNK_FIXED. A chunk is N bytes at a multiple of N; what is left at the end
 * of the file is one more. N bytes of zero at such a place are a zero segment.
 *
 * FastCDC (Xia et al., 2016) but for these: the hash is warmed up before the
 * first place it is asked about, so that it does not depend on earlier cuts;
 * the masks are of top bits, which see the whole window.
 */
#ifndef BC_CHUNK_CHUNKER_H
#define BC_CHUNK_CHUNKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "chunk/kernel.h"
#include "chunk/params.h"
#include "util/bytes.h"

/*
 * hard = log2(avg) + CHUNK_HARD_BITS, easy = log2(avg) - CHUNK_EASY_BITS,
 * normal = avg * CHUNK_NORMAL_16THS / 16. With min = avg/4 and max = 4 avg the
 * mean length on random data is then 0.99 avg.
 */
enum {
	CHUNK_HARD_BITS = 2,
	CHUNK_EASY_BITS = 2,
	CHUNK_NORMAL_16THS = 13,
};

enum chunk_seg_kind {
	CHUNK_SEG_DATA = 1,
	CHUNK_SEG_ZERO = 2,
};

enum { CHUNK_ZERO_MAX_BYTES = 1 << 30 }; /* of one reported zero segment */

/*
 *   natural  the chunk's own bytes show that it ends here, whatever follows:
 *	      where the same bytes stand at the start of a chunk again, and
 *	      the byte before them is not zero, that chunk is this one. Not set
 *	      at the end of a file, at max, before a zero segment, after a zero
 *	      byte (it may belong to a longer run), nor by CHUNK_FIXED.
 */
struct chunk_seg {
	uint32_t len;
	uint8_t kind; /* enum chunk_seg_kind */
	uint8_t natural;
};

/* Set by chunker_init() and constant from then on: one for all threads. It
 * owns nothing and may be copied. */
struct chunker {
	struct chunk_params params;
	enum chunk_kernel kernel;
	chunk_scan_fn *scan;
	uint64_t hard; /* cut where the hash is below it, before `normal` */
	uint64_t easy; /* and from there on */
	uint32_t normal;
};

/* Where one file stands. All zero at its start; one thread at a time. */
struct chunk_cursor {
	uint64_t offset; /* of the window's first byte in the file */
	uint32_t next;	 /* lengths below it are known not to be a cut */
	uint32_t clear;	 /* no zero segment begins before it */
	bool in_zero;	 /* the last byte was of a zero segment */
};

/*
 * chunker_init - ready a chunker.
 *   p  valid by chunk_params_valid()
 *   k  CHUNK_KERNEL_AUTO, or one to insist on; if unsupported, AUTO
 */
void chunker_init(struct chunker *c, const struct chunk_params *p,
		  enum chunk_kernel k);

/* chunker_need - a window of so many bytes always makes progress. */
size_t chunker_need(const struct chunker *c);

/*
 * chunker_next - the next segments of a file.
 *
 *   window   the bytes that follow those already used; borrowed
 *   eof      the file ends with the window
 *   out      [out] at most max_out segments, in order, from window.p on
 *   used     [out] the sum of their lengths; give the rest again, with more
 *
 * Returns how many. Zero means that a longer window is needed (never with
 * chunker_need() bytes) or, with eof, that nothing is left. What is reported
 * does not depend on how the file was divided into windows, except that one
 * run of zeros may come in several zero segments: join those that touch.
 */
size_t chunker_next(const struct chunker *c, struct chunk_cursor *cur,
		    struct bytes window, bool eof, struct chunk_seg *out,
		    size_t max_out, size_t *used);

#endif

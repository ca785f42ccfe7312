/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chunk/reference - other ways to cut, and what it takes to compare them.
 *
 * For `bench chunk` and for tests; nothing that is stored is cut by these.
 */
#ifndef BC_CHUNK_REFERENCE_H
#define BC_CHUNK_REFERENCE_H

#include <stddef.h>
#include <stdint.h>

#include "chunk/chunker.h"
#include "util/bytes.h"
#include "util/clock.h"
#include "util/err.h"

/*
 * chunk_reference_gear - the length of the chunk at the start of `rest`, which
 * goes to the end of the file: plain Gear. One mask of log2(avg) top bits, and
 * a hash that begins at 0 after `min` bytes. Any thread.
 */
size_t chunk_reference_gear(const struct chunk_params *p, struct bytes rest);

/* Tables of a Rabin fingerprint over 64 bytes, modulo a polynomial of degree
 * 53 that is irreducible over GF(2) (Rabin 1981; Broder 1993). */
struct chunk_rabin {
	uint64_t enter[256]; /* what the top byte turns into, reduced */
	uint64_t leave[256]; /* what a byte is worth 63 bytes later */
};

#define CHUNK_RABIN_POLYNOMIAL UINT64_C(0x3993791e5816bd)

/* chunk_rabin_init - fill the tables. */
void chunk_rabin_init(struct chunk_rabin *r);

/* chunk_reference_rabin - as chunk_reference_gear(): cut where the lowest
 * log2(avg) bits of the fingerprint of the last 64 bytes are ones
 * (zeros would cut all through a run of zeros). */
size_t chunk_reference_rabin(const struct chunk_rabin *r,
			     const struct chunk_params *p, struct bytes rest);

/* One way to cut files: exactly one of the first three is set. */
struct chunk_method {
	const struct chunker *ours;
	const struct chunk_params *gear;
	const struct chunk_rabin *rabin;
	const struct chunk_params *rabin_params;
};

/* Called for each segment of a file in order; zero segments have `zero`. */
typedef void chunk_each_fn(void *ctx, struct bytes seg, bool zero);

/* chunk_method_each - cut one file. Calls back before it returns. */
void chunk_method_each(const struct chunk_method *m, struct bytes file,
		       chunk_each_fn *each, void *ctx);

/*
 * chunk_method_time - how long it takes to cut `file`, with nothing done to
 * the chunks.
 *   runs   at least 1, at most 64
 *
 * Returns the median in nanoseconds, at least 1.
 */
int64_t chunk_method_time(const struct chunk_method *m, struct bytes file,
			  int runs, const struct clock *clock);

/*
 * A count of chunks and of distinct chunks, by a 64-bit hash that is good
 * enough for statistics and for nothing else.
 */
struct chunk_tally {
	uint64_t chunks;
	uint64_t bytes;
	uint64_t unique_chunks;
	uint64_t unique_bytes;
	uint64_t zero_bytes; /* in zero segments; counted nowhere else */
	uint64_t *seen;	     /* open addressing, 0 is free */
	size_t slots;	     /* a power of two, or 0 */
};

#define CHUNK_TALLY_INIT                                                       \
	{                                                                      \
		.chunks = 0                                                    \
	}

void chunk_tally_fini(struct chunk_tally *t);

/* chunk_tally_file - cut a file by m and count its chunks.
 *   BC_ENOMEM  some of it is counted, the rest is not */
BC_MUST_CHECK enum bc_err chunk_tally_file(struct chunk_tally *t,
					   const struct chunk_method *m,
					   struct bytes file);

#endif

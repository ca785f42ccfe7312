/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/sums - checksums of the parts of a block: docs/format.md, section 5.
 * Pure.
 *
 * Who wants a few bytes of a large block that is stored raw reads the sectors
 * that they lie in, and verifies these alone. The checksums stand in the pack's
 * directory, whose digest is in the log.
 */
#ifndef BC_PACK_SUMS_H
#define BC_PACK_SUMS_H

#include "pack/format.h"

/* A part is what of the stored bytes lies between two neighbouring multiples
 * of this in the file: a direct read brings whole ones. */
enum { SUM_BYTES = 4096 };

/* sums_count - how many this block has in a directory with checksums: none
 * unless it is raw, in clear, and longer than a part. */
uint64_t sums_count(const struct dir_block *b);

/* sums_make - append those of b to out, 4 bytes each. BC_ENOMEM, BC_ELIMIT. */
BC_MUST_CHECK enum bc_err sums_make(const struct dir_block *b,
				    struct bytes stored, struct buf *out);

/* sums_have - has this block checksums? */
bool sums_have(const struct pack_dir *d, uint32_t block);

/*
 * sums_match - are these bytes of the file what the block had there?
 *
 *   block  sums_have()
 *   raw    bytes of the file from `at` on; parts that lie in it only partly
 *	    do not match. What is not of the block is not looked at
 */
bool sums_match(const struct pack_dir *d, uint32_t block, uint64_t at,
		struct bytes raw);

#endif

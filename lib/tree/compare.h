/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/compare - what differs between two directories, by name.
 *
 * Walks both in lockstep and reads no node that both have: two directories
 * of a million names that differ in one cost a few nodes. Subdirectories are
 * entries: who wants their differences calls again with their nodes.
 */
#ifndef BC_TREE_COMPARE_H
#define BC_TREE_COMPARE_H

#include "tree/reader.h"

/*
 * Called for each name that is not equal on both sides, in order of names.
 *
 *   a, b  the entries; NULL where the name is missing; borrowed until return
 *   diff  enum tree_diff bits when both are there, otherwise 0
 *
 * Anything but BC_OK ends the comparison and is its result.
 */
typedef enum bc_err tree_compare_fn(void *ctx, const struct tree_entry *a,
				    const struct tree_entry *b, unsigned diff,
				    struct err *e);

/*
 * tree_compare - compare directory `a`, read through `ra`, with `b` through
 * `rb`. The readers are used up to their open state only: `fn` may not use
 * them, but may call tree_compare() with two others.
 *
 *   a, b  NULL stands for an empty directory
 */
BC_MUST_CHECK enum bc_err
tree_compare(struct tree_reader *ra, const struct digest *a,
	     struct tree_reader *rb, const struct digest *b,
	     tree_compare_fn *fn, void *ctx, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/apply - what a group says, written into the catalog.
 *
 * Private to lib/repo. Under the mutex, or while no other thread is at work.
 */
#ifndef BC_REPO_APPLY_H
#define BC_REPO_APPLY_H

#include "repo/state.h"

/*
 * repo_apply_group - the group's operations into the catalog, inside a
 * transaction; moves *pos. g->raw must be there.
 */
BC_MUST_CHECK enum bc_err repo_apply_group(struct repo *r,
					   const struct group *g,
					   uint32_t log_number,
					   struct log_pos *pos, struct err *e);

/*
 * repo_apply_present - an operation of a checkpoint, but snapshots, into the
 * catalog, inside a transaction. pos->next_pack is that after the packs so far.
 */
BC_MUST_CHECK enum bc_err repo_apply_present(struct repo *r,
					     const struct log_op *op,
					     struct log_pos *pos,
					     struct err *e);

/* repo_apply_snapshot - one that is present in a checkpoint; raw is its record.
 */
BC_MUST_CHECK enum bc_err
repo_apply_snapshot(struct repo *r, const struct log_snapshot_present *p,
		    struct bytes raw, struct err *e);

#endif

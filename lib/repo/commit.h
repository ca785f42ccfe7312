/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/commit - one group appended to the log: the commit protocol.
 *
 *   1. blocks and directories of all packs, and their folder, are durable
 *   2. the commit lock
 *   3. replay to the head; the tail is synced before it is believed
 *   4. the caller's last look: is what the commit relies on still true?
 *   5. a full log is sealed and a new one begun
 *   6. the group is written and synced: the commit point
 *   7. the lock is given up; the views follow
 *
 * Private to lib/repo. The caller sees to 1.
 */
#ifndef BC_REPO_COMMIT_H
#define BC_REPO_COMMIT_H

#include "repo/state.h"

struct commit {
	struct pack_id session;
	/* Blocks, and operations that do not depend on the head. */
	struct group_builder *group;
	/* Step 4, under the lock with r->head at the head: may refuse, and adds
	 * the operations that do depend on it. May be NULL. */
	enum bc_err (*look)(void *ctx, struct repo *r, struct err *e);
	void *ctx;
	bool frees; /* leads to freed space: may use the last of it */
};

/*
 * repo_commit
 *
 *   BC_OK       committed and durable; r->head is at it
 *   BC_ELOCKED  the lock could not be had in time
 *   others      not committed; with e->unsure it may be, or become so when the
 *		 next writer finds the group whole
 */
BC_MUST_CHECK enum bc_err repo_commit(struct repo *r, const struct commit *c,
				      struct err *e);

/* repo_commit_busy - BC_ELOCKED, and in `e` what to do about it. */
enum bc_err repo_commit_busy(const struct repo *r, struct err *e);

#endif

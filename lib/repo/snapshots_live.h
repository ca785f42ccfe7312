/* SPDX-License-Identifier: Apache-2.0 */
/* repo/snapshots_live - questions that a put asks about snapshots. */
#ifndef BC_REPO_SNAPSHOTS_LIVE_H
#define BC_REPO_SNAPSHOTS_LIVE_H

#include "repo/repo.h"
#include "util/digest.h"

/* repo_root_live - does a snapshot of this handle's generation have that root
 * tree? */
BC_MUST_CHECK enum bc_err repo_root_live(struct repo *r,
					 const struct digest *root, bool *live,
					 struct err *e);

/* repo_snapshot_live - has this handle's generation that snapshot? */
BC_MUST_CHECK enum bc_err repo_snapshot_live(struct repo *r,
					     const struct digest *id,
					     bool *live, struct err *e);

/*
 * repo_newest_root - does the newest snapshot of that name have this root?
 *   id    [out] that snapshot, if same
 *   same  [out] false also if there is none of the name
 */
BC_MUST_CHECK enum bc_err repo_newest_root(struct repo *r, struct bytes name,
					   const struct digest *root,
					   struct digest *id, bool *same,
					   struct err *e);

#endif

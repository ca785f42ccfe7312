/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/resolve - SNAP:PATH to the entry that it names.
 *
 * A path is relative to the snapshot's root, or the absolute path that was
 * given to `put` or something below it. An absolute path below none of the
 * snapshot's sources is taken as relative to the root. Empty components and
 * "." mean nothing; ".." is refused. Links are not followed.
 */
#ifndef BC_REPO_RESOLVE_H
#define BC_REPO_RESOLVE_H

#include "repo/chunks.h"
#include "repo/snapshots.h"

enum { RESOLVE_PATH_MAX_BYTES = 1 << 16 };

/* An entry with its own copy of everything it borrows. */
struct resolved {
	struct tree_entry entry;
	/* In the snapshot, without leading or trailing slash; empty for the
	 * root. */
	char *path;
	uint8_t *mem; /* private */
};

/*
 * resolve_path
 *
 *   c     reads the nodes, one for each component
 *   path  NULL or "" for the root
 *   out   [out] release with resolved_fini(); untouched on failure
 *
 *   BC_ENOTFOUND  the text names the component that is missing
 *   BC_EINVAL     ".." in the path, or too long
 *   BC_EDAMAGE    a node on the way cannot be read
 */
BC_MUST_CHECK enum bc_err resolve_path(struct chunk_reader *c,
				       const struct snapshot *s,
				       const char *path, struct resolved *out,
				       struct err *e);

void resolved_fini(struct resolved *r);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/snapshots - find snapshots by the keys that people give, and list them.
 *
 * Answers come from the catalog, so at most for the generation that the handle
 * has seen. Finding takes the handle's mutex, from any thread;
 * walking does not.
 */
#ifndef BC_REPO_SNAPSHOTS_H
#define BC_REPO_SNAPSHOTS_H

#include "catalog/catalog.h"
#include "repo/repo.h"
#include "tree/snapshot_record.h"
#include "util/parse_key.h"

/*
 * A snapshot, owned as a whole: all spans point into it. Tags are those that it
 * has now; the record's own, at its making, are in rec.tags.
 */
struct snapshot {
	struct digest id;
	uint64_t generation; /* that made it */
	uint32_t pack;	     /* where its record lies */
	uint16_t slot;
	struct snapshot_record rec;
	struct tag *tags; /* in order of keys */
	size_t tag_count;
	struct buf raw;	     /* the record's bytes */
	struct buf tag_text; /* private */
};

/*
 * snapshots_find - the one snapshot that a key means: a full id; else the
 * newest of that name (or the nth, or not younger than a moment, or with a
 * tag); else the only one whose id begins so. A name that another one's id
 * begins with means neither.
 *
 *   out  [out] release with snapshot_free()
 *
 *   BC_ENOTFOUND   the hint names a similar one if there is any
 *   BC_EAMBIGUOUS  several ids begin so, or one does and it is the name of
 *		    another; the hint lists them
 *   BC_EDAMAGE, BC_EVERSION  the record cannot be read; or r is for writing
 *		    and may lack commits (repo_may_lack()), and the key is no id
 */
BC_MUST_CHECK enum bc_err snapshots_find(struct repo *r,
					 const struct snap_key *key,
					 struct snapshot **out, struct err *e);

/* snapshots_get - by full id. BC_ENOTFOUND. */
BC_MUST_CHECK enum bc_err snapshots_get(struct repo *r, const struct digest *id,
					struct snapshot **out, struct err *e);

/* snapshot_free - NULL is fine. */
void snapshot_free(struct snapshot *s);

/*
 * snapshots_each - call fn for each snapshot selected, in the order that the
 * selection says; its spans are good until fn returns. What fn returns but
 * BC_OK ends it and is the result. One thread: fn may ask for tags.
 */
BC_MUST_CHECK enum bc_err snapshots_each(struct repo *r,
					 const struct catalog_select *q,
					 catalog_snapshot_fn *fn, void *ctx,
					 struct err *e);

/* snapshots_tags - those of a snapshot, in order of keys. As above. */
BC_MUST_CHECK enum bc_err snapshots_tags(struct repo *r,
					 const struct digest *id,
					 catalog_tag_fn *fn, void *ctx,
					 struct err *e);

#endif

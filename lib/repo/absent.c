/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/absent.h"

#include "repo/chunks.h"
#include "repo/hurt.h"
#include "repo/state.h"
#include "repo/views.h"
#include "util/arith.h"

/* The index is asked for so many at a time. */
enum { FIND_IDS = 64 };

/* Is the chunk there, in a place that is not known to be hurt? */
static enum bc_err look_for(struct repo *r, const struct digest *id,
			    bool *there, struct err *unread, struct err *e)
{
	struct chunk_search search;
	struct err own = ERR_INIT;
	struct chunk_place p;
	enum bc_err rc = BC_OK;

	*there = false;
	repo_search(&search, r, id, DIR_VERIFIED);
	while (!*there && (rc = repo_search_next(&search, &p, &own)) == BC_OK) {
		*there = !hurt_has(&r->hurt, p.ref.pack.number,
				   p.ref.dir->blocks[p.block].offset);
		chunk_place_put(r, &p);
	}
	if (repo_search_failed(&search) && e != NULL)
		*e = own;
	if (*there || repo_search_failed(&search))
		return rc;
	/* Not there, or in a pack that cannot be read, for whatever reason:
	 * stored (again). */
	if (rc != BC_ENOTFOUND && unread->code == BC_OK)
		*unread = own;
	return BC_OK;
}

/* look_for(), by the hint alone: false says nothing. Chunks that were
 * stored together come together, so the directory is kept. Nobody reads the
 * chunk: that it is there is the directory's word, which therefore must be the
 * one that the log vouches for.
 *   last  [in, out] the one before */
static bool at_hint(struct repo *r, const struct digest *id,
		    struct index_loc hint, struct dir_ref *last)
{
	const struct pack_dir *d = last->dir;

	if (hurt_has(&r->hurt, hint.pack, HURT_WHOLE))
		return false;
	if (d == NULL || last->pack.number != hint.pack ||
	    hint.slot < d->base_slot ||
	    hint.slot - d->base_slot >= d->n_chunks) {
		repo_dir_put(r, last);
		if (repo_dir_get(r, hint.pack, hint.slot, DIR_VERIFIED, last,
				 NULL) != BC_OK)
			return false;
		d = last->dir;
	}
	return pack_dir_has(d, hint.slot, id) &&
	       !hurt_has(
		       &r->hurt, hint.pack,
		       d->blocks[d->block_of[hint.slot - d->base_slot]].offset);
}

/* The same of up to FIND_IDS. */
static enum bc_err find_some(struct repo *r, const struct digest *const *ids,
			     size_t n, bool *fresh, struct err *unread,
			     struct err *e)
{
	struct index_loc first[FIND_IDS];
	bool found[FIND_IDS];
	bool whole = repo_find_first(r, ids, n, first, found);
	struct dir_ref last = { .dir = NULL };
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		bool there = false;

		if (!fresh[i])
			continue;
		if (found[i])
			there = at_hint(r, ids[i], first[i], &last);
		if (!there && (found[i] || !whole))
			rc = look_for(r, ids[i], &there, unread, e);
		fresh[i] = !there;
	}
	repo_dir_put(r, &last);
	return rc;
}

enum bc_err repo_absent(struct repo *r, const struct digest *const *ids,
			size_t n, bool *fresh, struct err *unread,
			struct err *e)
{
	enum bc_err rc = BC_OK;

	for (size_t at = 0; at < n && rc == BC_OK; at += FIND_IDS)
		rc = find_some(r, ids + at, min_size(n - at, FIND_IDS),
			       fresh + at, unread, e);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/views - the chunk index, and the overlay of what it lacks.
 *
 * The index on disk stands at some generation; the overlay holds the chunks of
 * the groups since, in memory. Together they answer for the handle's head.
 */
#ifndef BC_REPO_VIEWS_H
#define BC_REPO_VIEWS_H

#include "repo/state.h"

void repo_close_index(struct repo *r);

/* repo_need_index - open the index at the first call only: commands that
 * ask the catalog alone do without. Any thread, not under the mutex: the
 * others wait for the first. If it could not be had, then or since, this is
 * why, as often as it is asked. */
BC_MUST_CHECK enum bc_err repo_need_index(struct repo *r, struct err *e);

/* repo_index_anew - do without the index on disk: in memory, from the
 * directories. */
BC_MUST_CHECK enum bc_err repo_index_anew(struct repo *r, struct err *e);

/* repo_index_stale - the head has moved on without the overlay, or that is
 * spoilt: the index is opened anew when it is next needed. Under the mutex, or
 * while no other thread is at work. */
void repo_index_stale(struct repo *r);

/*
 * repo_heal_index - a lookup was in vain. If it has met a damaged page of the
 * index, make the index again; if another process has committed since this
 * handle was opened to read, follow it. Any thread.
 *
 *   made    from the lookup
 *   needed  the chunk should be there: make the index again, once for a handle,
 *	     also if it is whole. One that was made while a pack was away lacks
 *	     what that has, and nothing in it tells.
 *
 *   BC_OK         a second lookup may find more: also when another thread has
 *		   made it again meanwhile
 *   BC_ENOTFOUND  the index is whole, and up to date (no text)
 *   others        why that is not known: most of all, why there is no index
 */
BC_MUST_CHECK enum bc_err repo_heal_index(struct repo *r, unsigned made,
					  bool needed, struct err *e);

/*
 * repo_overlay_dir, repo_overlay_pack - the chunks of a group, or of a pack,
 * that has just become part of the repository join the overlay if the index is
 * open; if that fails it is opened anew. While no other thread is at work; the
 * second one takes the mutex.
 */
void repo_overlay_dir(struct repo *r, const struct pack_dir *d,
		      uint32_t number);
void repo_overlay_pack(struct repo *r, uint32_t number);

/*
 * repo_update_index - after a commit, with r->head and the overlay moved on:
 * put the overlay into a run if it is large, or spans many generations, or
 * `all`; merge runs when there are many. It is a view: a failure is a note.
 */
void repo_update_index(struct repo *r, bool all);

/*
 * repo_find_hints - where the index and the overlay think a chunk is; any
 * thread. Returns how many; what they mean that are missing,
 * repo_heal_index() tells.
 *
 *   made  [out] for repo_heal_index(); may be NULL
 */
size_t repo_find_hints(struct repo *r, const struct digest *id,
		       struct index_loc *out, size_t max, unsigned *made);

/*
 * repo_find_first - one hint for each of n ids, asked for together; any thread.
 *
 *   first  n places; first[i] is set where found[i] is true
 *
 * False: the index is damaged or broken, and what is not found may be there.
 */
bool repo_find_first(struct repo *r, const struct digest *const ids[], size_t n,
		     struct index_loc first[], bool found[]);

#endif

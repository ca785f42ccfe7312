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
 * others wait for the first. */
BC_MUST_CHECK enum bc_err repo_need_index(struct repo *r, struct err *e);

/* repo_index_anew - do without the index on disk: in memory, from the
 * directories. */
BC_MUST_CHECK enum bc_err repo_index_anew(struct repo *r, struct err *e);

/*
 * repo_heal_index - if a lookup has met a damaged page of the index, make the
 * index again; if another process has committed since this handle was opened
 * to read, follow it. Any thread.
 *
 *   made  from the lookup
 *
 * True if a second lookup may find more: also when another thread has made it
 * again meanwhile.
 */
bool repo_heal_index(struct repo *r, unsigned made);

/* repo_overlay_pack - the chunks of a pack that has just become part of the
 * repository join the overlay; if that fails the index is opened anew. */
void repo_overlay_pack(struct repo *r, uint32_t number);

/*
 * repo_update_index - after a commit, with r->head and the overlay moved on:
 * put the overlay into a run if it is large, or spans many generations, or
 * `all`; merge runs when there are many. It is a view: a failure is a note.
 */
void repo_update_index(struct repo *r, bool all);

/*
 * repo_find_hints - where the index and the overlay think a chunk is; any
 * thread. Returns how many.
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
 * False: the index is damaged, and what is not found may be there.
 */
bool repo_find_first(struct repo *r, const struct digest *const ids[], size_t n,
		     struct index_loc first[], bool found[]);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/index_make - how the index comes about: made from directories, on disk
 * or in memory, and filled up to the head by the overlay.
 *
 * For repo/views.c, which keeps account of what there is. Under the mutex.
 */
#ifndef BC_REPO_INDEX_MAKE_H
#define BC_REPO_INDEX_MAKE_H

#include "repo/state.h"

/*
 * repo_index_make - the index and the overlay anew, as the catalog lists the
 *packs.
 *
 *   on_disk  if that can be written. Who else is writing there is waited for,
 *	      and if what they have made serves it is taken. Otherwise in memory
 *
 *   BC_ECANCEL           interrupted while waiting
 *   BC_ELIMIT            too large for memory, and nothing can be written
 *   BC_ELOCKED, ...      the same, and this is why
 *   BC_ENOMEM, BC_ESYS, ...
 *
 * Damaged packs are passed over. After a failure there may be half an index.
 */
BC_MUST_CHECK enum bc_err repo_index_make(struct repo *r, bool on_disk,
					  struct err *e);

/*
 * repo_index_fill - what the log has from where r->index stands to the head.
 *
 *   fits  [out] false: the index is of another history, too far behind, or
 *	   ahead of the head, or the log is damaged there
 *
 *   BC_ENOMEM, BC_EACCES, BC_ESYS
 */
BC_MUST_CHECK enum bc_err repo_index_fill(struct repo *r, bool *fits,
					  struct err *e);

/* repo_index_range - what a file of the index covers that goes on at `from`.
 */
struct index_range repo_index_range(const struct repo *r, uint64_t from,
				    const struct digest *from_digest);

#endif

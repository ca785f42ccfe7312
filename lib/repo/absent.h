/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/absent - which of many chunks are not in the repository, as a put asks:
 * one that has no place that can be read counts as absent. Private to lib/repo.
 */
#ifndef BC_REPO_ABSENT_H
#define BC_REPO_ABSENT_H

#include "repo/repo.h"

/*
 * repo_absent - clear fresh[i] of each chunk that is there, in a place that is
 * not known to be hurt; those that are clear are not looked for. The index must
 * be there: repo_need_index(). Any thread.
 *
 *   unread  [in, out] if it is clear: the first pack that should have a chunk
 *	     and cannot be read
 *
 *   BC_ENOMEM, or of repo_heal_index(): there is no index to ask. `fresh` is
 *   not of use
 */
BC_MUST_CHECK enum bc_err repo_absent(struct repo *r,
				      const struct digest *const *ids, size_t n,
				      bool *fresh, struct err *unread,
				      struct err *e);

#endif

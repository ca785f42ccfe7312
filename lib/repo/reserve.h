/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/reserve - a file of nothing, so that a command that frees space finds
 * some on a full disk.
 *
 * Private to lib/repo. One thread.
 */
#ifndef BC_REPO_RESERVE_H
#define BC_REPO_RESERVE_H

#include "repo/repo.h"

/* repo_release_reserve - give the reserve's space to who needs it now. */
void repo_release_reserve(struct repo *r);

/* repo_restore_reserve - take it back if there is room; no failure if not. */
void repo_restore_reserve(struct repo *r);

#endif

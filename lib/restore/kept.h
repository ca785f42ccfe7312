/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restore/kept - what has the name already: taken for the thing, entered, or in
 * the way. Private to lib/restore; the walker calls it.
 */
#ifndef BC_RESTORE_KEPT_H
#define BC_RESTORE_KEPT_H

#include <stdbool.h>

struct rdir;
struct tree_entry;
struct worker;

/* kept_entry - is something there that is to become `name` in dir, no
 * directory? If so it is reported: as the same, or as in the way. If not, what
 * a killed run has left of it is gone. */
bool kept_entry(struct worker *w, struct rdir *dir, const char *name,
		const struct tree_entry *en);

/* kept_dir - is a directory where d is to be made? Then it is d, and what is
 * missing in it can be made there. It gets d's attributes, unless it is only on
 * the way to what was wanted and no run that was killed has made it.
 *   dirfd  that of d's parent */
bool kept_dir(struct worker *w, int dirfd, struct rdir *d, bool on_the_way);

#endif

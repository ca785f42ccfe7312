/* SPDX-License-Identifier: Apache-2.0 */
/* restore/other - links, fifos, sockets and devices: what has no content.
 * Private to lib/restore. */
#ifndef BC_RESTORE_OTHER_H
#define BC_RESTORE_OTHER_H

struct rdir;
struct tree_entry;
struct worker;

/* other_make - make `name` in dir, whole with its attributes before it has the
 * name, and report it; or report what was in the way. The walker. */
void other_make(struct worker *w, struct rdir *dir, const char *name,
		const struct tree_entry *en);

#endif

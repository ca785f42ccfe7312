/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/dir_salvage - what a pack still holds whose footer or directory is
 * damaged, found by the headers of its blocks: docs/format.md, section 5. For
 * who reads chunks, as their ids are verified; not for who takes a directory's
 * word.
 */
#ifndef BC_REPO_DIR_SALVAGE_H
#define BC_REPO_DIR_SALVAGE_H

#include "repo/packs.h"

/* Directories of one pack, by ascending slots. Where a block is lost there is a
 * gap between two. */
struct salvage {
	struct pack_dir **at;
	size_t n;
};

/*
 * dir_salvage - read through a pack, or a log that is sealed. If the directory
 * that the log names is there, it alone; else all blocks that are whole, whose
 * chunks are read for their ids: a second for some hundred megabytes. Under
 * the mutex.
 *
 *   out  [out] salvage_fini() it, also on failure; n may be 0
 *
 *   BC_ENOMEM
 *   BC_EDAMAGE, BC_ENOTFOUND, ...  the file cannot be opened
 */
BC_MUST_CHECK enum bc_err dir_salvage(struct repo *r, const struct pack_ref *p,
				      struct salvage *out, struct err *e);
void salvage_fini(struct salvage *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/dir_load - directories of packs and groups, read from their files. Who
 * asks for one by its number again and again goes to repo/dirs.h.
 */
#ifndef BC_REPO_DIR_LOAD_H
#define BC_REPO_DIR_LOAD_H

#include "repo/packs.h"

/* repo_read_dir - a sealed pack's directory from its file, not cached. */
BC_MUST_CHECK enum bc_err repo_read_dir(struct repo *r, struct io_file *f,
					uint64_t length, struct pack_dir **out,
					struct digest *digest, struct err *e);

typedef enum bc_err repo_dir_fn(void *ctx, const struct pack_dir *d,
				uint32_t number, struct err *e);

/*
 * repo_each_dir - the directory of a sealed pack, or those of the groups of a
 * log that has none of its own, the last group first; of a pack whose directory
 * cannot be read what dir_salvage() finds. What cannot be read is hurt, and
 * told by a note; a freed pack has none. Under the mutex, or while no other
 * thread is at work.
 */
BC_MUST_CHECK enum bc_err repo_each_dir(struct repo *r, uint32_t number,
					repo_dir_fn *fn, void *ctx,
					struct err *e);

/*
 * dir_load_sealed - that of a sealed pack, if it is the one that the log says
 * it has. dir_load_some - it, or while few have been asked for that of the
 * block with this slot alone, which nothing vouches for: `verified` is false
 * then. dir_load_group - that of the group with this
 * slot, of a log that grows.
 *
 * Under the mutex. pack_dir_free() the directory; BC_EDAMAGE, ...
 */
BC_MUST_CHECK enum bc_err dir_load_sealed(struct repo *r,
					  const struct pack_ref *p,
					  struct pack_dir **out, struct err *e);
BC_MUST_CHECK enum bc_err dir_load_some(struct repo *r,
					const struct pack_ref *p, uint16_t slot,
					struct pack_dir **out, bool *verified,
					struct err *e);
BC_MUST_CHECK enum bc_err dir_load_group(struct repo *r,
					 const struct pack_ref *p,
					 uint16_t slot, struct pack_dir **out,
					 struct err *e);

/* dir_tell_salvaged - from now on a pack is known to be hurt of which
 * dir_salvage() has found something; a note says so, once.
 *   why  its directory cannot be read */
void dir_tell_salvaged(struct repo *r, const struct pack_ref *p,
		       const struct err *why);

#endif

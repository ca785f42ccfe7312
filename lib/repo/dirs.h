/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/dirs - directories of packs, cached. A sealed pack has one; a log that
 * grows has one for each group.
 */
#ifndef BC_REPO_DIRS_H
#define BC_REPO_DIRS_H

#include "repo/packs.h"

struct dir_cache;

/*
 * What a directory is asked for. DIR_HINT: where a chunk may lie, for who reads
 * it and compares its digest with its id; of a sealed pack these may be bytes
 * that nothing vouches for. DIR_SOUND: the same, but the whole directory, or if
 * it is damaged what the pack's blocks tell (repo/dir_salvage.h); for whom a
 * hint has told nothing. DIR_VERIFIED: the directory that the log says the pack
 * has, for who takes its word without reading the chunk.
 */
enum dir_trust { DIR_HINT, DIR_SOUND, DIR_VERIFIED };

/* A cached directory. repo_dir_put() returns the reference. */
struct dir_ref {
	const struct pack_dir *dir;
	struct pack_ref pack;
	void *entry;
	enum dir_trust trust; /* what it serves for at most */
};

BC_MUST_CHECK enum bc_err dir_cache_new(size_t budget, struct dir_cache **out);
void dir_cache_free(struct dir_cache *c);

/*
 * repo_dir_get - the directory that tells about `slot` of pack `number`.
 * Takes the mutex. BC_ENOTFOUND, BC_EDAMAGE, ...
 */
BC_MUST_CHECK enum bc_err repo_dir_get(struct repo *r, uint32_t number,
				       uint16_t slot, enum dir_trust trust,
				       struct dir_ref *out, struct err *e);
/* repo_dir_get_whole - the directory of all chunks of a sealed pack, where
 * repo_dir_get() may know but those of one block. */
BC_MUST_CHECK enum bc_err repo_dir_get_whole(struct repo *r, uint32_t number,
					     struct dir_ref *out,
					     struct err *e);
void repo_dir_put(struct repo *r, struct dir_ref *d);

/* repo_dir_add - give the cache a directory that was just written; it becomes
 * the cache's, also on failure. */
void repo_dir_add(struct repo *r, const struct pack_ref *p, struct pack_dir *d);

#endif

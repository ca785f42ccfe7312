/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/dirs - packs by number: their files, and their directories, cached.
 */
#ifndef BC_REPO_DIRS_H
#define BC_REPO_DIRS_H

#include "pack/format.h"
#include "repo/repo.h"

struct dir_cache;
struct io_file;

/* Where a pack lies. */
struct pack_ref {
	uint32_t number;
	struct pack_id id;
	bool log;	 /* in log/, under its SEQ */
	uint64_t seq;	 /* of a log */
	uint64_t length; /* 0: a log that grows */
	bool freed;
};

/* repo_pack_ref - by its number. Under the mutex, or while no other thread is
 * at work. BC_ENOTFOUND. */
BC_MUST_CHECK enum bc_err repo_pack_ref(struct repo *r, uint32_t number,
					struct pack_ref *out, struct err *e);

/* A cached directory. repo_dir_put() returns the reference. */
struct dir_ref {
	const struct pack_dir *dir;
	struct pack_ref pack;
	void *entry;
};

BC_MUST_CHECK enum bc_err dir_cache_new(size_t budget, struct dir_cache **out);
void dir_cache_free(struct dir_cache *c);

/*
 * repo_dir_get - the directory that tells about `slot` of pack `number`.
 * Takes the mutex. BC_ENOTFOUND, BC_EDAMAGE, ...
 */
BC_MUST_CHECK enum bc_err repo_dir_get(struct repo *r, uint32_t number,
				       uint16_t slot, struct dir_ref *out,
				       struct err *e);
/* repo_dir_get_whole - the directory of all chunks of a sealed pack, where
 * repo_dir_get() may know but those of one block. */
BC_MUST_CHECK enum bc_err repo_dir_get_whole(struct repo *r, uint32_t number,
					     struct dir_ref *out,
					     struct err *e);
void repo_dir_put(struct repo *r, struct dir_ref *d);

/* repo_dir_add - give the cache a directory that was just written; it becomes
 * the cache's, also on failure. */
void repo_dir_add(struct repo *r, const struct pack_ref *p, struct pack_dir *d);

/* repo_read_dir - a sealed pack's directory from its file, not cached. */
BC_MUST_CHECK enum bc_err repo_read_dir(struct repo *r, struct io_file *f,
					uint64_t length, struct pack_dir **out,
					struct digest *digest, struct err *e);

/* repo_open_numbered - the file of a pack, for reading. Takes the mutex. */
BC_MUST_CHECK enum bc_err repo_open_numbered(struct repo *r, uint32_t number,
					     bool direct, struct io_file **out,
					     struct err *e);

/* repo_open_pack - the same of one that is known. */
BC_MUST_CHECK enum bc_err repo_open_pack(struct repo *r,
					 const struct pack_ref *p, bool direct,
					 struct io_file **out, struct err *e);

typedef enum bc_err repo_dir_fn(void *ctx, const struct pack_dir *d,
				uint32_t number, struct err *e);

/*
 * repo_each_dir - the directory of a sealed pack, or those of the groups of a
 * log that has none of its own, the last group first. What cannot be read is a
 * note and passed over; a freed pack has none. Under the mutex, or while no
 * other thread is at work.
 */
BC_MUST_CHECK enum bc_err repo_each_dir(struct repo *r, uint32_t number,
					repo_dir_fn *fn, void *ctx,
					struct err *e);

/* The numbers of packs and logs, in order; free(at). */
struct pack_numbers {
	uint32_t *at;
	size_t n, cap;
};

/* repo_pack_numbers - those in any of the states (bits 1 << catalog_state). */
BC_MUST_CHECK enum bc_err repo_pack_numbers(struct repo *r, unsigned states,
					    struct pack_numbers *out,
					    struct err *e);

#endif

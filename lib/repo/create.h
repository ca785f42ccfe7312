/* SPDX-License-Identifier: Apache-2.0 */
/* repo/create - make a repository. */
#ifndef BC_REPO_CREATE_H
#define BC_REPO_CREATE_H

#include "repo/look.h"
#include "repo/superblock.h"
#include "util/clock.h"
#include "util/rng.h"

struct repo_create_options {
	struct io *io;
	struct rng rng;
	struct clock clock;
	struct chunk_params chunker;
	int level; /* zstd level; 0: store raw */
	uint64_t pack_bytes;
	uint64_t reserve_bytes; /* UINT64_MAX: the smaller of 1 % of the file
				   system and 16 MiB */
	int64_t lock_wait_ms;	/* for another that makes one here */
};

/* repo_create_defaults - the product's defaults; io, rng and clock are left
 * to the caller. */
void repo_create_defaults(struct repo_create_options *o);

/*
 * repo_create - make a repository in `path`, which may be missing (its parent
 * must be there), empty, or what an interrupted repo_create left; that is
 * taken up and finished. Durable when it returns.
 *
 *   id  [out] the repository's id; may be NULL
 *
 *   BC_EEXIST   there is a repository, or something else in the folder
 *   BC_ELOCKED  another process is making one here, and has not finished
 *		 within lock_wait_ms
 */
BC_MUST_CHECK enum bc_err repo_create(const char *path,
				      const struct repo_create_options *o,
				      struct pack_id *id, struct err *e);

/*
 * repo_create_check - would repo_create() find `path` fit? Changes nothing, and
 * fails with the same words. Not looked at: rights, space, and whether another
 * process is making one.
 */
BC_MUST_CHECK enum bc_err repo_create_check(struct io *io, const char *path,
					    struct err *e);

#endif

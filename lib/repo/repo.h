/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/repo - an open repository.
 *
 * Opening brings the views (catalog, index) up to the end of the log, or makes
 * them anew where they are missing, damaged or foreign; afterwards the handle
 * answers for that generation. A handle may be used by several threads where
 * a function says so.
 */
#ifndef BC_REPO_REPO_H
#define BC_REPO_REPO_H

#include "repo/superblock.h"
#include "util/clock.h"
#include "util/rng.h"

struct repo;

/* Something the user should know that is no failure. */
struct repo_note {
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

struct repo_options {
	struct io *io;
	struct rng rng;
	struct clock clock;
	bool write;	       /* the command will commit */
	int64_t lock_wait_ms;  /* for the commit lock */
	struct repo_note note; /* say may be NULL */
	/* Change nothing, as on a read-only file system: the catalog is made
	 * in memory from the log alone. Not with `write`. */
	bool detached;
};

/*
 * repo_open
 *   path  of the folder; borrowed until return
 *   out   [out] release with repo_close()
 *
 *   BC_ENOREPO   no repository there
 *   BC_EDAMAGE   superblock or log damaged; a view is never the reason
 *   BC_EVERSION  of a newer format
 *   BC_EACCES    not permitted; or `write` on a read-only file system
 */
BC_MUST_CHECK enum bc_err repo_open(const char *path,
				    const struct repo_options *o,
				    struct repo **out, struct err *e);
void repo_close(struct repo *r);

const struct superblock *repo_superblock(const struct repo *r);
const char *repo_path(const struct repo *r);
/* repo_io - the engine it was opened with. */
struct io *repo_io(const struct repo *r);
/* repo_generation - the last generation this handle has seen. */
uint64_t repo_generation(const struct repo *r);

/*
 * repo_may_lack - has this handle met damage in the log behind which a commit
 * may be lost? A note has said so. Then what it answers may be older than what
 * was stored, and names that count from the end mean something else.
 */
bool repo_may_lack(const struct repo *r);

/* repo_cache_dir - folder for caches of this repository, or NULL if it cannot
 * be written. Owned by r. */
struct io_dir *repo_cache_dir(struct repo *r);

#endif

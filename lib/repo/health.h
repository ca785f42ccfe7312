/* SPDX-License-Identifier: Apache-2.0 */
/* repo/health - how an open repository and its views are doing. */
#ifndef BC_REPO_HEALTH_H
#define BC_REPO_HEALTH_H

#include "repo/lease.h"
#include "repo/repo.h"

/* Where the catalog of a handle is. */
enum repo_catalog {
	REPO_CATALOG_ON_DISK,
	/* In memory: a commit was waited for in vain, */
	REPO_CATALOG_BUSY,
	/* or the one on disk has seen more than the log has, */
	REPO_CATALOG_AHEAD,
	/* or none can be written. */
	REPO_CATALOG_UNWRITABLE,
};

struct repo_health {
	int superblocks; /* whole copies of two */
	enum repo_catalog catalog;
	bool index_in_memory; /* it cannot be written */
	uint64_t index_generation;
	uint64_t index_chunks;
	unsigned index_runs;
	uint64_t reserve_stored; /* bytes that the reserve takes */
	bool may_lack;		 /* the log is damaged: repo_may_lack() */
	size_t packs_lost;	 /* whose file is gone or too short */
	size_t hurt;		 /* damaged places that are remembered */
};

/* repo_health - opens the index if nobody has yet, and looks at the file of
 * each pack. BC_EDAMAGE and others: the index cannot even be made; `out` is
 * filled but for what it says of that. */
BC_MUST_CHECK enum bc_err repo_health(struct repo *r, struct repo_health *out,
				      struct err *e);

/* repo_space - of the file system it lies on. */
BC_MUST_CHECK enum bc_err repo_space(struct repo *r, struct io_space *out,
				     struct err *e);

/* repo_sessions - lease_list() of this repository; none if there is no folder
 * of leases. */
BC_MUST_CHECK enum bc_err
repo_sessions(struct repo *r,
	      enum bc_err (*each)(void *ctx, const struct lease_info *info),
	      void *ctx, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* repo/usage - what takes the space, and what would give it back. */
#ifndef BC_REPO_USAGE_H
#define BC_REPO_USAGE_H

#include <stdatomic.h>

#include "repo/repo.h"
#include "util/digest.h"

/* Of stored chunks: what nobody else needs. */
struct usage_part {
	uint64_t chunks;
	uint64_t plain;	 /* bytes of these chunks */
	uint64_t stored; /* bytes of blocks that hold nothing else, with their
			    headers: what could be given back */
};

struct usage {
	struct usage_part removed; /* needed by the given snapshots alone */
	struct usage_part garbage; /* needed by no snapshot even now */
	struct usage_part kept;	   /* the rest; stored: of their blocks */
};

/* Grows while repo_usage() works; any thread may read it. */
struct usage_progress {
	atomic_ullong snapshots; /* of snapshots_all */
	atomic_ullong snapshots_all;
};

struct usage_options {
	const struct digest *remove; /* snapshots; may be none */
	size_t n_remove;
	struct usage_progress *progress; /* may be NULL */
	const atomic_int *stop;		 /* not 0: BC_ECANCEL; may be NULL */
};

/*
 * repo_usage - walk the trees of all snapshots, each node once, and sum up.
 * Memory: two bits for each chunk of the repository.
 *
 *   BC_ENOTFOUND  a snapshot of `remove` is not there
 *   BC_EDAMAGE    a tree cannot be read, so nobody can tell
 */
BC_MUST_CHECK enum bc_err repo_usage(struct repo *r,
				     const struct usage_options *o,
				     struct usage *out, struct err *e);

struct repo_totals {
	uint64_t snapshots;
	uint64_t files, dirs, others; /* over all snapshots */
	uint64_t logical;	      /* bytes of their files */
	uint64_t chunks;	      /* stored */
	uint64_t unique;	      /* plain bytes of these */
	uint64_t packs, pack_bytes;   /* files of packs */
	uint64_t logs, log_bytes;
	uint64_t index_bytes, index_entries;
	uint64_t catalog_bytes, cache_bytes;
	uint64_t reserve_bytes;
	uint64_t spare_bytes; /* allocated behind the ends of logs */
	uint64_t bytes;	      /* on the device, all of it but these two */
	uint64_t generation;
	int64_t oldest, newest; /* times of snapshots, if there are any */
};

/* repo_totals - sizes from the catalog and the folder, without reading
 * trees. */
BC_MUST_CHECK enum bc_err repo_totals(struct repo *r, struct repo_totals *out,
				      struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * repo/overlay - chunks that the log has and the index on disk lacks, in
 * memory. Private to lib/repo. Under the mutex, or while no other thread is at
 * work.
 */
#ifndef BC_REPO_OVERLAY_H
#define BC_REPO_OVERLAY_H

#include "index/build.h"
#include "index/index.h"
#include "index/mem.h"
#include "pack/format.h"

struct overlay {
	struct index_mem mem; /* to places in `at` */
	struct index_entry *at;
	size_t n, cap;
	/* Where the index on disk stands, which is where this begins. */
	uint64_t from;
	struct digest from_digest;
};

/* overlay_init - empty. overlay_fini - and so again, without memory; of all
 * zeros is fine. overlay_clear - empty, the memory is kept. */
void overlay_init(struct overlay *o, uint64_t secret);
void overlay_fini(struct overlay *o);
void overlay_clear(struct overlay *o);

/*
 * overlay_add_dir - all chunks of a directory.
 *
 *   BC_EFULL   more than are kept in memory
 *   BC_ENOMEM
 *
 * After a failure some are in it.
 */
BC_MUST_CHECK enum bc_err overlay_add_dir(struct overlay *o,
					  const struct pack_dir *d,
					  uint32_t number, struct err *e);

/* overlay_find - at most `max` places where a chunk may be; how many. */
size_t overlay_find(const struct overlay *o, const struct digest *id,
		    struct index_loc *out, size_t max);

#endif

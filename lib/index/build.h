/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/build - make one index file out of entries in any order.
 *
 * Writes to the folder, so it wants the lock of the views held by the caller.
 * A file is complete before it gets a name. Nothing is synced. Anonymous
 * memory stays below 2 MiB at any size.
 */
#ifndef BC_INDEX_BUILD_H
#define BC_INDEX_BUILD_H

#include "index/format.h"
#include "io/io.h"

/* An entry on its way into the index. */
struct index_entry {
	uint64_t key;
	uint32_t pack;
	uint16_t slot;
};

static inline struct index_entry index_entry_of(const struct digest *id,
						struct index_loc loc)
{
	return (struct index_entry){ digest_key(id), loc.pack, loc.slot };
}

/* index_sort - order by key, then location, in place; no memory. */
void index_sort(struct index_entry *v, size_t n);

/*
 * index_write_run - a run of n entries, which are sorted in place. No entries
 * are fine: the run then says that generations without chunks were seen.
 *
 *   range  where the run goes on from, and what it covers
 *
 *   BC_EINVAL	a pack number too large, or an empty range
 *   BC_ENOSPC, BC_EIO, BC_ENOMEM, ...  the folder is as it was
 */
BC_MUST_CHECK enum bc_err index_write_run(struct io_dir *d,
					  const struct index_range *range,
					  struct index_entry *v, size_t n,
					  struct err *e);

struct index_builder;

/*
 * index_builder_new - collect entries that will become one file.
 *
 *   d	  the folder; sorted parts are kept there, without names, until the end
 *   out  [out] release with index_builder_finish() or index_builder_abort()
 */
BC_MUST_CHECK enum bc_err
index_builder_new(struct io_dir *d, struct index_builder **out, struct err *e);

/* index_builder_add - after a failure only index_builder_abort() may follow. */
BC_MUST_CHECK enum bc_err index_builder_add(struct index_builder *b,
					    const struct digest *id,
					    struct index_loc loc,
					    struct err *e);

/*
 * index_builder_finish - write the file: a run, or from generation 0 and if it
 * is large enough a base. Releases b, also on failure.
 */
BC_MUST_CHECK enum bc_err index_builder_finish(struct index_builder *b,
					       const struct index_range *range,
					       struct err *e);

/* index_builder_abort - NULL is fine. */
void index_builder_abort(struct index_builder *b);

#endif

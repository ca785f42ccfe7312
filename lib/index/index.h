/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index - where chunks are said to be: id to (pack number, slot).
 *
 * A view: made from the log and the pack directories, never trusted over
 * them, and free to lag behind or to be deleted. An answer is a hint: the
 * caller reads the pack's directory, which holds the whole id, before it
 * believes it. A wrong hint and a missing one are both possible; a missing one
 * costs a little dedup, and where a chunk must be found, index_damage() tells
 * whether the index deserves a rebuild.
 *
 * On disk it is a chain of immutable files in one folder: at most one base,
 * then runs, each covering the generations from where the one before it ends.
 * Opening takes the chain that starts at generation 0; what is not in it is
 * ignored. Files are replaced by rename and unlink only, so whoever has the
 * index open keeps what they have.
 *
 * Writers (builder, merge, sweep) need one another's absence: the caller holds
 * the lock of the views. Readers need no lock.
 *
 * Format: docs/format.md, "Chunk index".
 */
#ifndef BC_INDEX_INDEX_H
#define BC_INDEX_INDEX_H

#include "index/format.h"
#include "io/io.h"

struct index;

/*
 * index_open - map the files of folder d that form the chain.
 *
 * Reads the folder and one page of each file: tens of microseconds at any
 * size. Files that are missing, damaged, foreign or of another version are as
 * if absent; nothing valid at all is an index that stands at generation 0.
 *
 *   d	  the folder; must stay open as long as the index
 *   out  [out] release with index_close()
 *
 *   BC_ENOMEM, or why the folder cannot be listed
 */
BC_MUST_CHECK enum bc_err index_open(struct io_dir *d,
				     const uint8_t repo_id[INDEX_REPO_ID_BYTES],
				     struct index **out, struct err *e);

/* index_close - NULL is fine. */
void index_close(struct index *ix);

/*
 * index_covered - the generation up to which the index stands, and the digest
 * of its record; 0 and zeros when it is empty.
 */
void index_covered(const struct index *ix, uint64_t *gen,
		   struct digest *digest);

/*
 * index_find - all hints for an id: from the base, then from the runs, newest
 * first. Any thread.
 *
 * Returns how many were written to out, at most `max`. If it is `max` there
 * may be more.
 */
size_t index_find(struct index *ix, const struct digest *id,
		  struct index_loc *out, size_t max);

/*
 * index_find_many - for each of n ids the first hint that index_find() would
 * give. Several times as fast per id, as it waits for memory and device for
 * many at once. Any thread.
 *
 *   first  n places; first[i] is set where found[i] is true
 */
void index_find_many(struct index *ix, const struct digest *const ids[],
		     size_t n, struct index_loc first[], bool found[]);

/*
 * index_damage - BC_OK, or BC_EDAMAGE when a lookup has met a page that is not
 * what was written: what it held is missing until the index is made again
 * (index_wipe(), then a builder from generation 0). Any thread.
 */
BC_MUST_CHECK enum bc_err index_damage(const struct index *ix, struct err *e);

struct index_stats {
	uint64_t entries;      /* in all files, dead ones too */
	uint64_t base_entries; /* in the base; 0 without one */
	uint64_t bytes;	       /* of all files in the chain */
	uint32_t runs;
	uint32_t overflow_pages;
};

void index_stats(const struct index *ix, struct index_stats *out);

/*
 * index_sweep - remove files of the folder that are not in the chain of ix:
 * replaced, damaged, or left by a crash. ix must have been opened under the
 * lock of the views that is still held.
 *
 *   removed  [out] number of files; may be NULL
 */
BC_MUST_CHECK enum bc_err index_sweep(struct index *ix, size_t *removed,
				      struct err *e);

/* index_wipe - remove every index file in d, for a rebuild. */
BC_MUST_CHECK enum bc_err index_wipe(struct io_dir *d, struct err *e);

#endif

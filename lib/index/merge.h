/* SPDX-License-Identifier: Apache-2.0 */
/*
 * index/merge - keep the chain of an index short.
 *
 * The new file is complete before it gets a name, and what it replaces is
 * unlinked after that; a crash between leaves files that index_open() passes
 * over and index_sweep() removes. Nothing is synced. Anonymous memory stays
 * below 1 MiB at any size.
 */
#ifndef BC_INDEX_MERGE_H
#define BC_INDEX_MERGE_H

#include "index/index.h"

enum {
	INDEX_RUNS_MAX = 8, /* more runs than this want a merge */
	/* A base is made anew when the runs hold more than one entry per this
	 * many of the base, so an entry is rewritten some ten times for each
	 * doubling of the index: 250 bytes of writing per chunk. */
	INDEX_BASE_GROWTH = 10,
};

/*
 * index_wants_merge - more than INDEX_RUNS_MAX runs, or runs that hold more
 * than a tenth of the base, or enough for a first base.
 */
bool index_wants_merge(const struct index *ix);

struct index_merge_options {
	/* Entries of packs for which this is true are left out; may be NULL.
	 * It only ever sees the files that take part in the merge. */
	bool (*dead)(void *ctx, uint32_t pack);
	void *ctx;
	/* All files into one, whether index_wants_merge() or not. */
	bool all;
};

/*
 * index_merge - one step towards a short chain; does nothing if none is due.
 *
 * Without `all` it takes the newest runs as far back as they are not more than
 * twice the sum of those after them, or everything when the base is due: so
 * an entry is rewritten a number of times that grows with the logarithm of
 * the index. Entries that are the same twice become one.
 *
 *   ix	  opened under the lock that is still held. It stays as it is, on the
 *	  files it has; open another to see the new ones
 *   o	  NULL for the defaults
 *   did  [out] was anything written? May be NULL
 *
 *   BC_EDAMAGE	 a page of an input is damaged; nothing changed
 *   BC_ENOSPC, BC_EIO, BC_ENOMEM, ...	nothing changed
 */
BC_MUST_CHECK enum bc_err index_merge(struct index *ix,
				      const struct index_merge_options *o,
				      bool *did, struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ingest/dir_node - a directory's entries, in order, into its tree node and
 * its record of the stat cache.
 *
 * Begins zeroed, and takes memory with the first entry. One worker at a time.
 */
#ifndef BC_INGEST_DIR_NODE_H
#define BC_INGEST_DIR_NODE_H

#include "ingest/statcache.h"
#include "tree/builder.h"

struct worker;

struct dir_node {
	/* NULL: not begun. It takes 3 KiB, and most directories that there are
	 * at a time only wait. */
	struct tree_builder *builder;
	struct buf part;  /* of the record, being filled */
	struct buf part0; /* waits for the sums that it has */
	uint32_t parts, part_n;
	uint64_t recorded;
	bool more;	 /* than part0 */
	bool unrecorded; /* no memory: the cache is to know nothing of it */
};

void dir_node_fini(struct dir_node *n);

/* dir_node_add - the next entry of directory `path`, and what the cache is to
 * know of it. A record that cannot be kept is no failure. */
BC_MUST_CHECK enum bc_err dir_node_add(struct worker *w, struct dir_node *n,
				       const char *path,
				       const struct tree_entry *en,
				       const struct stat_entry *st,
				       struct err *e);

/*
 * dir_node_finish - emit the node, and keep the record.
 *   sum  [in] what is below, [out] and the node
 */
BC_MUST_CHECK enum bc_err dir_node_finish(struct worker *w, struct dir_node *n,
					  const char *path,
					  struct tree_sum *sum, struct err *e);

/* dir_node_empty - emit the node of a directory without entries. */
BC_MUST_CHECK enum bc_err dir_node_empty(struct worker *w, struct tree_dir *out,
					 struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/builder - make one directory's nodes from its sorted entries.
 *
 * Equal entries give equal nodes, and a changed entry changes the leaf it is
 * in and a node on each level above (the cut rules of docs/format.md,
 * section 7). Holds the open node of each level and nothing else, whatever
 * the number of entries: under 70 KiB a level, far less for small
 * directories. Keeps its memory from one directory to the next. Adding an
 * entry allocates nothing once the buffers have grown. One thread.
 */
#ifndef BC_TREE_BUILDER_H
#define BC_TREE_BUILDER_H

#include "tree/node_inner.h"
#include "tree/node_leaf.h"

struct tree_level {
	struct inner_writer node;
	bool emitted; /* a node of this level is out already */
};

struct tree_builder {
	struct node_sink sink;
	struct leaf_writer leaf;
	uint8_t first[TREE_NAME_MAX_BYTES]; /* first name of the open leaf */
	size_t first_n;
	uint8_t last[TREE_NAME_MAX_BYTES]; /* the last name added */
	size_t last_n;
	struct tree_level level[INNER_LEVEL_MAX]; /* [0] is level 1 */
	struct buf out;				  /* a node on its way out */
	uint64_t entries, bytes;
};

/* tree_builder_init - ready for a first directory. `sink` is copied. */
void tree_builder_init(struct tree_builder *b, const struct node_sink *sink);

/* tree_builder_fini - release the memory. */
void tree_builder_fini(struct tree_builder *b);

/* tree_builder_begin - forget everything and start with an empty directory. */
void tree_builder_begin(struct tree_builder *b);

/*
 * tree_builder_add - the next entry, in order of names (unsigned bytes).
 *
 *   en  not kept
 *
 *   BC_EINVAL  not after the last name, or no valid entry; nothing changed
 *   BC_ELIMIT  the totals would overflow
 *   BC_ENOMEM, or what emit() returns: begin again or release
 */
BC_MUST_CHECK enum bc_err tree_builder_add(struct tree_builder *b,
					   const struct tree_entry *en,
					   struct err *e);

/*
 * tree_builder_finish - emit what is open and name the directory.
 *   out  [out] root node and totals over the whole depth
 * Afterwards the builder is begun anew.
 */
BC_MUST_CHECK enum bc_err tree_builder_finish(struct tree_builder *b,
					      struct tree_dir *out,
					      struct err *e);

#endif

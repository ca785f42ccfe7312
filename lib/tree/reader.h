/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/reader - read directories: in order, by name, by path.
 *
 * Holds one node a level, in memory that it keeps. Entries are borrowed from
 * these nodes and valid until the next call on the reader. One thread.
 *
 * Each node is validated, and against the node above it: level, first name,
 * number of entries, last name before the next sibling's first. What does not
 * fit is BC_EDAMAGE; what fetch() returns is passed on (node_fetch()).
 */
#ifndef BC_TREE_READER_H
#define BC_TREE_READER_H

#include "tree/node_inner.h"
#include "tree/node_leaf.h"

struct tree_frame {
	struct buf node;
	struct inner inner;
	struct bytes upper; /* all names below are less; empty: no bound */
};

struct tree_reader {
	struct node_source source;
	struct tree_frame frame[INNER_LEVEL_MAX]; /* inner nodes, root first */
	unsigned depth;				  /* of them in use */
	struct buf leaf_node;
	struct leaf leaf;
	bool in_leaf; /* `leaf` is the node that is being read */
	bool ahead;   /* `entry` is read and not given yet */
	struct tree_entry entry;
};

/* tree_reader_init - `source` is copied. */
void tree_reader_init(struct tree_reader *r, const struct node_source *source);

/* tree_reader_fini - release the memory. */
void tree_reader_fini(struct tree_reader *r);

/* tree_reader_open - stand before the first entry of directory `dir`; NULL
 * stands for an empty one. */
BC_MUST_CHECK enum bc_err tree_reader_open(struct tree_reader *r,
					   const struct digest *dir,
					   struct err *e);

/* tree_reader_next - *out is the next entry, NULL after the last. */
BC_MUST_CHECK enum bc_err tree_reader_next(struct tree_reader *r,
					   const struct tree_entry **out,
					   struct err *e);

/*
 * tree_reader_seek - stand before the first entry of directory `dir` whose
 * name is `name` or greater. One node a level is read.
 */
BC_MUST_CHECK enum bc_err tree_reader_seek(struct tree_reader *r,
					   const struct digest *dir,
					   struct bytes name, struct err *e);

/*
 * tree_reader_lookup - the entry of that name in directory `dir`. One node a
 * level is read.
 *   BC_ENOTFOUND  there is none; `e` is not set
 */
BC_MUST_CHECK enum bc_err tree_reader_lookup(struct tree_reader *r,
					     const struct digest *dir,
					     struct bytes name,
					     const struct tree_entry **out,
					     struct err *e);

/* ---- steps, for those who skip nodes that they know ---- */

enum tree_step {
	TREE_AT_END,
	TREE_AT_NODE,  /* before a node that is not read yet */
	TREE_AT_ENTRY, /* before an entry */
};

struct tree_place {
	enum tree_step step;
	unsigned level;	   /* of the node: 0 a leaf */
	struct bytes name; /* of the entry, or the first below the node */
	struct digest id;  /* of the node */
	const struct tree_entry *entry;
};

/* tree_reader_peek - where the reader stands. */
void tree_reader_peek(struct tree_reader *r, struct tree_place *out);

/* tree_reader_enter - read the node the reader stands before. */
BC_MUST_CHECK enum bc_err tree_reader_enter(struct tree_reader *r,
					    struct err *e);

/* tree_reader_skip - pass over the entry or the whole node. */
void tree_reader_skip(struct tree_reader *r);

#endif

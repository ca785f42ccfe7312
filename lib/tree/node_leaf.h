/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/node_leaf - leaves: the nodes that hold a directory's entries.
 *
 * Layout: docs/format.md, section 7. Both halves are pure and take no more
 * memory than the one leaf. One thread per writer; a struct leaf may be
 * copied, and each copy read by one thread.
 */
#ifndef BC_TREE_NODE_LEAF_H
#define BC_TREE_NODE_LEAF_H

#include "tree/node.h"

enum {
	LEAF_CUT_BYTES = 4096,	   /* before a leaf may be cut at a name */
	LEAF_TARGET_BYTES = 61440, /* no writer passes this */
	LEAF_TABLE_MARKS = 256,
};

enum leaf_kind {
	LEAF_OF_DIRECTORY, /* part of a directory */
	LEAF_OF_SNAPSHOT,  /* one directory entry with the name "." */
};

/* ---- writing ---- */

struct leaf_table {
	struct buf raw;	  /* encoded */
	struct buf slots; /* of struct leaf_slot */
	uint32_t n;
	uint32_t last; /* the slot that was asked for last */
};

struct leaf_writer {
	enum leaf_kind kind;
	struct buf entries;
	struct buf ids;
	struct leaf_table users, groups;
	uint64_t count;
	int64_t base;
	uint8_t last[TREE_NAME_MAX_BYTES];
	size_t last_n; /* name of the last entry, 0 without */
};

void leaf_writer_init(struct leaf_writer *w, enum leaf_kind kind);
void leaf_writer_fini(struct leaf_writer *w);

/* leaf_writer_clear - begin a new leaf; the memory is kept. */
void leaf_writer_clear(struct leaf_writer *w);

/*
 * leaf_writer_add - the next entry, in order of names.
 *
 *   BC_EINVAL  not after the last name, or not a valid entry
 *   BC_EFULL   the leaf would pass LEAF_TARGET_BYTES: finish it first
 *   BC_ENOMEM
 *
 * After a failure the writer is as it was. `en` is not kept.
 */
BC_MUST_CHECK enum bc_err leaf_writer_add(struct leaf_writer *w,
					  const struct tree_entry *en,
					  struct err *e);

/* leaf_writer_size - bytes of the whole leaf if it ended now. */
size_t leaf_writer_size(const struct leaf_writer *w);

/* leaf_writer_body - bytes of its entries and digests alone. */
size_t leaf_writer_body(const struct leaf_writer *w);

/*
 * leaf_writer_finish - append the leaf to `out` and clear the writer.
 *   BC_ENOMEM, BC_ELIMIT  both are as they were
 */
BC_MUST_CHECK enum bc_err leaf_writer_finish(struct leaf_writer *w,
					     struct buf *out, struct err *e);

/* ---- reading ---- */

/* A table of users or groups, and where some of its lines begin. */
struct leaf_names {
	struct bytes raw;
	uint32_t n;
	unsigned shift; /* a mark every 2^shift lines */
	uint16_t mark[LEAF_TABLE_MARKS];
};

struct leaf {
	uint64_t count;		  /* entries */
	struct bytes first, last; /* their names; empty without entries */
	int64_t base;
	struct leaf_names users, groups;
	struct bytes entries; /* encoded */
	struct bytes ids;
	/* where leaf_next() stands */
	struct cursor at, at_ids;
	uint64_t left;
};

/*
 * leaf_open - validate a whole leaf and stand before its first entry.
 *
 *   node  borrowed by *out
 *
 *   BC_EDAMAGE  anything but what a writer may write: names out of order,
 *               values out of bounds, lengths that do not add up, bytes
 *               left over
 */
BC_MUST_CHECK enum bc_err leaf_open(struct bytes node, enum leaf_kind kind,
				    struct leaf *out, struct err *e);

/* leaf_next - the next entry; false after the last. Cannot fail: all is
 * validated before. Borrows from the node. */
bool leaf_next(struct leaf *l, struct tree_entry *out);

/* leaf_rewind - stand before the first entry again. */
void leaf_rewind(struct leaf *l);

/* leaf_seek - stand before the first entry whose name is `name` or greater.
 * A scan. */
void leaf_seek(struct leaf *l, struct bytes name);

#endif

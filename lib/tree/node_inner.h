/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/node_inner - the nodes above the leaves of a large directory.
 *
 * Layout: docs/format.md, section 7. Pure. One thread per writer.
 */
#ifndef BC_TREE_NODE_INNER_H
#define BC_TREE_NODE_INNER_H

#include "tree/node.h"

enum {
	INNER_LEVEL_MAX = 20, /* the cut rule's least fan-out is 13 */
	INNER_CUT_BYTES = 4096,
	INNER_TARGET_BYTES = 61440,
	INNER_CUT_SHIFT = 6, /* bits of the name's CRC for each level */
	NODE_CUT_MOD = 64,   /* leaves too */
};

struct inner_item {
	struct bytes first; /* the first name below */
	uint64_t entries;   /* of this directory, below that child */
	struct digest id;
};

/* ---- writing ---- */

struct inner_writer {
	struct buf items;
	struct buf ids;
	uint64_t count;
	uint64_t entries; /* sum */
	unsigned level;
};

void inner_writer_init(struct inner_writer *w, unsigned level);
void inner_writer_fini(struct inner_writer *w);
void inner_writer_clear(struct inner_writer *w);

/*
 * inner_writer_add - the next child. The order of names is the caller's.
 *   BC_EFULL  would pass INNER_TARGET_BYTES: finish it first
 *   BC_ENOMEM; after a failure the writer is as it was
 */
BC_MUST_CHECK enum bc_err inner_writer_add(struct inner_writer *w,
					   const struct inner_item *it,
					   struct err *e);

/* inner_writer_get - the first child; there must be one. Borrowed. */
void inner_writer_get(const struct inner_writer *w, struct inner_item *out);

/* inner_writer_body - bytes of the children alone. */
size_t inner_writer_body(const struct inner_writer *w);

/* inner_writer_finish - append the node to `out` and clear the writer. */
BC_MUST_CHECK enum bc_err inner_writer_finish(struct inner_writer *w,
					      struct buf *out, struct err *e);

/* ---- reading ---- */

struct inner {
	unsigned level;
	uint64_t count;		  /* children, at least one */
	uint64_t entries;	  /* sum over the children */
	struct bytes first, last; /* first names of the outer children */
	struct bytes items, ids;
	/* where inner_next() stands */
	struct cursor at, at_ids;
	uint64_t left;
};

/* inner_open - validate a whole inner node and stand before its first child.
 * `node` is borrowed by *out. BC_EDAMAGE as leaf_open(). */
BC_MUST_CHECK enum bc_err inner_open(struct bytes node, struct inner *out,
				     struct err *e);

/* inner_next - the next child; false after the last. `first` is borrowed. */
bool inner_next(struct inner *n, struct inner_item *out);

/* inner_peek - the same, standing still. */
bool inner_peek(const struct inner *n, struct inner_item *out);

/* inner_seek - stand before the only child below which `name` can be; before
 * the first one, and false, if name is before all of them. */
bool inner_seek(struct inner *n, struct bytes name);

#endif

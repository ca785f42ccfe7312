/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree/node_io - how nodes leave a builder and come to a reader.
 *
 * A node is a chunk of kind 2 (docs/format.md, section 7). The code that
 * makes and reads nodes neither hashes nor stores: it is given these.
 */
#ifndef BC_TREE_NODE_IO_H
#define BC_TREE_NODE_IO_H

#include "util/buf.h"
#include "util/digest.h"

enum {
	NODE_MAX_BYTES = 65536, /* no leaf, inner node or list is larger */
	NODE_LEAF = 1,		/* first byte of a node: what it is */
	NODE_INNER = 2,
	NODE_LIST = 3,
	NODE_ATTRS = 4,
};

/*
 * Where finished nodes go. emit() returns the node's id, whether or not it
 * was stored before; `node` is borrowed until it returns. It may not call
 * back into the builder. A failure ends the building: the builder can only
 * be begun again or released.
 */
struct node_sink {
	enum bc_err (*emit)(void *ctx, struct bytes node, struct digest *id,
			    struct err *e);
	void *ctx;
};

/*
 * Where nodes come from. fetch() empties `out` and fills it with the bytes
 * whose digest is `id`, verified. `out` has the ceiling that the kind of node
 * allows; a longer chunk fails with BC_ELIMIT.
 */
struct node_source {
	enum bc_err (*fetch)(void *ctx, const struct digest *id,
			     struct buf *out, struct err *e);
	void *ctx;
};

/*
 * node_fetch - call fetch() as the readers do: BC_ENOTFOUND and BC_ELIMIT
 * become BC_EDAMAGE, so that a node that is missing is never taken for a name
 * that is not there.
 */
BC_MUST_CHECK enum bc_err node_fetch(const struct node_source *s,
				     const struct digest *id, struct buf *out,
				     struct err *e);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log/checkpoint - root and nodes of a checkpoint: docs/format.md, section 6.
 * Pure. What is decoded borrows from its bytes.
 */
#ifndef BC_LOG_CHECKPOINT_H
#define BC_LOG_CHECKPOINT_H

#include "log/record.h"

enum {
	CHECKPOINT_NODE_BYTES = 64 << 10,
	CHECKPOINT_NODES_MAX = 1 << 18,
};

struct checkpoint_root {
	uint64_t generation; /* C */
	struct digest record;
	uint32_t next_pack;
	uint32_t n_nodes;
	struct bytes nodes; /* n_nodes digests */
};

/* checkpoint_root_encode - append the root's bytes to out. BC_ENOMEM,
 * BC_ELIMIT. */
BC_MUST_CHECK enum bc_err
checkpoint_root_encode(const struct checkpoint_root *r, struct buf *out);

/*
 * checkpoint_root_decode
 *   BC_EDAMAGE   malformed
 *   BC_EVERSION  one of a newer format
 */
BC_MUST_CHECK enum bc_err checkpoint_root_decode(struct bytes raw,
						 struct checkpoint_root *r,
						 struct err *e);

/* The operations of a checkpoint, node after node; begins zeroed. */
struct checkpoint_ops {
	struct cursor c;
	uint64_t left;
	uint8_t stage; /* in the order of operations, through all nodes */
};

/* checkpoint_ops_node - begin the next node, after the end of the one before.
 * BC_EDAMAGE. */
BC_MUST_CHECK enum bc_err checkpoint_ops_node(struct checkpoint_ops *o,
					      struct bytes raw, struct err *e);

/*
 * checkpoint_ops_next - the next operation of the node.
 *
 *   more  [out] false: the node has ended
 *
 *   BC_EDAMAGE   malformed, out of order, or none of a checkpoint
 *   BC_EVERSION  one that this version must not pass over
 */
BC_MUST_CHECK enum bc_err checkpoint_ops_next(struct checkpoint_ops *o,
					      struct log_op *op, bool *more,
					      struct err *e);

#endif

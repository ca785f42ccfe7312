/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log/record - generation records and their operations: docs/format.md,
 * section 6. Pure. All spans of a decoded record borrow from its bytes.
 */
#ifndef BC_LOG_RECORD_H
#define BC_LOG_RECORD_H

#include "pack/format.h"
#include "util/cursor.h"

enum {
	/* What a record may take: the operations of one commit. */
	RECORD_MAX_BYTES = 4 << 20,
	TAGS_MAX = 1024,
	REMOTE_MAX_BYTES = 4096, /* of a remote's name or an object's key */
};

enum log_op_code {
	LOG_OP_BEGIN = 1,
	LOG_OP_SNAPSHOT_MADE = 2,
	LOG_OP_SNAPSHOT_REMOVED = 3,
	LOG_OP_SNAPSHOT_TAGGED = 4,
	LOG_OP_PACK_ADDED = 5,
	LOG_OP_CONDEMNED = 6,
	LOG_OP_RESURRECTED = 7,
	LOG_OP_FREED = 8,
	LOG_OP_MOVED = 9,
	LOG_OP_CHECKPOINT = 10,
	LOG_OP_LOG_PRESENT = 11,
	LOG_OP_SNAPSHOT_PRESENT = 12,
	LOG_OP_PACK_STATE = 13,
	/* From here on a reader may pass over what it does not know. */
	LOG_OP_OPTIONAL = 128,
};

struct log_pack_added {
	uint32_t number;
	struct pack_id id;
	enum pack_kind kind;
	uint16_t placement;
	uint64_t length; /* of the file */
	uint32_t chunks;
	uint32_t blocks;
	uint64_t plain;
	struct digest directory;
};

/* Lists inside an operation stay encoded, and are valid: cursor_str() reads
 * strings, cursor_varint() ordinals. */
struct log_tagging {
	struct digest snapshot;
	uint32_t n_set; /* pairs */
	struct bytes set;
	uint32_t n_remove;
	struct bytes remove;
};

struct log_blocks {
	uint32_t number;
	uint32_t n; /* 0: the whole pack */
	struct bytes ordinals;
};

struct log_moved {
	uint32_t number;
	uint8_t tier; /* 1 warm, 2 cold, 3 archive */
	struct bytes remote;
	struct bytes key;
};

struct log_checkpoint {
	uint64_t generation;
	struct digest root;
};

struct log_present {
	uint32_t number;
	struct pack_id id;
	uint64_t seq;
	uint64_t length; /* 0: without a footer; the next four too */
	uint32_t chunks;
	uint32_t blocks;
	uint64_t plain;
	struct digest directory;
	uint64_t first_generation;
};

struct log_snapshot_present {
	struct digest id;
	uint64_t generation; /* that made it */
	uint32_t pack;
	uint16_t slot;
	uint32_t n_tags;
	struct bytes tags;
};

struct log_pack_state {
	uint32_t number;
	uint8_t state;	     /* 0 live, 1 condemned, 2 freed */
	uint64_t generation; /* that set it */
};

struct log_op {
	uint8_t code; /* enum log_op_code, or an unknown optional one */
	union {
		struct pack_id begin;
		struct digest snapshot; /* made, removed */
		struct log_tagging tagging;
		struct log_pack_added pack;
		struct log_blocks blocks;
		struct log_moved moved;
		struct log_checkpoint checkpoint;
		struct log_present log;
		struct log_snapshot_present present;
		struct log_pack_state state;
	} u;
};

struct log_record {
	uint64_t generation;
	struct digest prev;
	struct digest directory;
	struct pack_id session;
	int64_t time;
	uint32_t n_ops;
	struct bytes ops;
};

/* Operations on the way into a record: count and encoded bytes. */
struct log_ops {
	uint32_t n;
	struct buf raw;
};

void log_ops_init(struct log_ops *o);
void log_ops_fini(struct log_ops *o);

/*
 * log_ops_add - append one operation.
 *
 *   e  [out] in terms of operations: what they are about, the caller knows
 *
 *   BC_ELIMIT  longer than one may be, or more than a record takes
 *   BC_EINVAL  one that no reader would take
 *   BC_ENOMEM
 *
 * After a failure o is as it was.
 */
BC_MUST_CHECK enum bc_err log_ops_add(struct log_ops *o,
				      const struct log_op *op, struct err *e);

/* log_record_encode - append the record's plain bytes to out. r->n_ops and
 * r->ops are those of a struct log_ops. */
BC_MUST_CHECK enum bc_err log_record_encode(const struct log_record *r,
					    struct buf *out);

/*
 * log_record_decode - check the frame; the operations are checked as they
 * are read.
 *   BC_EDAMAGE, BC_EVERSION
 */
BC_MUST_CHECK enum bc_err
log_record_decode(struct bytes raw, struct log_record *r, struct err *e);

/*
 * log_op_next - the next operation of a record; c begins at r->ops.
 *
 *   BC_EVERSION  an operation that this version must not pass over
 *   BC_EDAMAGE   one that is malformed
 */
BC_MUST_CHECK enum bc_err log_op_next(struct cursor *c, struct log_op *op,
				      struct err *e);

#endif

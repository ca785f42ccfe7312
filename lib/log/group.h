/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log/group - one group, on its way into the log and out of it.
 *
 * A group_builder collects blocks and operations without knowing where in the
 * log they will stand; group_encode(), called under the commit lock, gives
 * them their offsets, slots and place in the chain. Pure.
 */
#ifndef BC_LOG_GROUP_H
#define BC_LOG_GROUP_H

#include "log/format.h"
#include "log/record.h"
#include "pack/gather.h"

struct group_builder {
	struct buf raw;		/* blocks, header and stored bytes each */
	struct dir_builder dir; /* offsets and slots from 0 */
	struct log_ops ops;
};

void group_builder_init(struct group_builder *g);
void group_builder_fini(struct group_builder *g);

/* group_add_block - append one block with its chunks; copied. BC_ENOMEM,
 * BC_ELIMIT, BC_EFULL. */
BC_MUST_CHECK enum bc_err group_add_block(struct group_builder *g,
					  const struct sealed_block *b);

/*
 * group_add_chunk - append a chunk in a block of its own, not compressed: what
 * a reader finds without anything else. As group_add_block().
 *   id  [out] its digest
 */
BC_MUST_CHECK enum bc_err group_add_chunk(struct group_builder *g,
					  enum block_kind kind,
					  struct bytes raw, struct digest *id);

/* group_add_blocks - append the blocks that a pack_writer held back: raw bytes
 * and their directory, whose offsets begin at `base`. */
BC_MUST_CHECK enum bc_err group_add_blocks(struct group_builder *g,
					   struct bytes raw,
					   const struct dir_builder *dir,
					   uint32_t base);

/* Where a group goes. */
struct group_place {
	struct pack_id log;
	struct pack_id group; /* random */
	uint64_t offset;      /* in the log file */
	uint64_t generation;
	struct digest prev; /* of the record before */
	uint16_t first_slot;
	struct pack_id session;
	int64_t time;
};

/*
 * group_encode - the group's bytes, padded with zeros to LOG_ALIGN, appended
 * to out.
 *
 *   record  [out] digest of the new record
 *
 *   BC_EFULL   slots or offsets would pass what a log holds
 */
BC_MUST_CHECK enum bc_err group_encode(const struct group_builder *g,
				       const struct group_place *at,
				       struct buf *out, struct digest *record,
				       struct err *e);

/* A group as read: record and directory are decoded and checked against each
 * other. Ended by group_free(). */
struct group {
	struct group_head head;
	struct log_record record; /* borrows from record_raw */
	struct buf record_raw;
	struct digest digest; /* of the record */
	struct pack_dir *dir; /* NULL without chunks */
	uint8_t *raw;	      /* all its bytes, if they were asked for */
	uint64_t offset;
	uint64_t next; /* aligned offset after it */
};

/*
 * group_decode - from the bytes of header, record and directory.
 *
 *   raw     at least GROUP_HEAD_BYTES + record + directory, from `offset` on
 *
 *   BC_ENOTFOUND  no whole group here
 *   BC_EVERSION   a newer format
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err group_decode(struct bytes raw, uint64_t offset,
				       struct codec_dec *dec,
				       struct group **out, struct err *e);

/* group_check_blocks - are all blocks of the group whole? raw is all of its
 * bytes. BC_ENOTFOUND if not. */
BC_MUST_CHECK enum bc_err group_check_blocks(const struct group *g,
					     struct bytes raw, struct err *e);

/*
 * group_block - header and stored bytes of block i of the group's directory,
 * as they are: for block_open_in(). Raw bytes must have been asked for.
 * BC_EDAMAGE.
 */
BC_MUST_CHECK enum bc_err group_block(const struct group *g, uint32_t i,
				      struct bytes *raw, struct err *e);

void group_free(struct group *g);

#endif

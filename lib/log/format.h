/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log/format - header of a log and of a group: docs/format.md, section 6.
 * Pure.
 */
#ifndef BC_LOG_FORMAT_H
#define BC_LOG_FORMAT_H

#include "pack/format.h"

enum {
	LOG_HEAD_BYTES = 4096,
	LOG_ALIGN = 4096,
	LOG_SEAL_BYTES = 64 << 20,
	LOG_SECTOR_BYTES = 512, /* written as a whole or not at all */
	GROUP_HEAD_BYTES = 128,
	/* A group is written in one piece and held in memory once. */
	GROUP_MAX_BYTES = 32 << 20,
};

struct log_head {
	struct pack_head pack; /* kind PACK_LOG */
	uint64_t seq;	       /* from 1 */
	uint32_t number;       /* local pack number of this log */
	uint64_t first_generation;
	struct pack_id prev_id; /* zero in the first log */
	uint64_t prev_end;	/* aligned end of its last group that counts */
	struct digest chain;	/* last record before this log */
	uint64_t checkpoint;	/* generation of the latest, 0 without */
	struct pack_id checkpoint_log;
	uint64_t checkpoint_at;
};

void log_head_encode(const struct log_head *h, uint8_t *out);
BC_MUST_CHECK enum bc_err log_head_decode(struct bytes raw, struct log_head *h,
					  struct err *e);

struct group_head {
	uint64_t length;
	uint64_t generation;
	struct pack_id log;
	struct pack_id group;
	uint16_t first_slot;
	uint16_t chunks;
	uint32_t blocks;
	uint32_t record_length; /* with block header */
	uint32_t dir_length;	/* with block header; 0 without chunks */
	uint32_t zero_sectors;	/* of the group, that are nothing but zeros */
};

/* group_zero_sectors - how many of these bytes' sectors of 512 are all zeros,
 * the last perhaps a short one. */
uint32_t group_zero_sectors(struct bytes group);

void group_head_encode(const struct group_head *h, uint8_t *out);

/*
 * group_head_decode
 *   BC_ENOTFOUND  no group header here: zeros, or anything but a whole one
 *   BC_EVERSION   a group of a newer format
 */
BC_MUST_CHECK enum bc_err
group_head_decode(struct bytes raw, struct group_head *h, struct err *e);

/* group_head_like - did a group of this log begin here, though its header may
 * be damaged: the magic or the log's id is in its place. */
bool group_head_like(struct bytes raw, const struct pack_id *log);

#endif

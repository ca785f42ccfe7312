/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/format - header, footer and directory of a pack: docs/format.md,
 * section 5. Pure.
 */
#ifndef BC_PACK_FORMAT_H
#define BC_PACK_FORMAT_H

#include "pack/block.h"
#include "util/buf.h"
#include "util/digest.h"

enum {
	PACK_ID_BYTES = 16,
	PACK_ID_HEX_BYTES = 33,
	PACK_HEAD_BYTES = 128,
	PACK_FOOT_BYTES = 64,
	PACK_ALIGN = 4096,
	PACK_CHUNKS_MAX = 65535,
	PACK_DIR_BLOCK_BYTES = 24,
};

struct pack_id {
	uint8_t b[PACK_ID_BYTES];
};

static inline int pack_id_eq(const struct pack_id *a, const struct pack_id *b)
{
	return memcmp(a->b, b->b, PACK_ID_BYTES) == 0;
}

enum pack_kind { PACK_DATA = 1, PACK_META = 2, PACK_LOG = 3 };

struct pack_head {
	enum pack_kind kind;
	uint16_t placement;
	struct pack_id id;
	struct pack_id repo;
	struct pack_id session;
	int64_t created; /* ns since 1970 */
};

void pack_head_encode(const struct pack_head *h, uint8_t *out);
BC_MUST_CHECK enum bc_err pack_head_decode(struct bytes raw,
					   struct pack_head *h, struct err *e);

struct pack_foot {
	struct pack_id id;
	uint64_t dir_offset;
	uint32_t dir_length; /* with the block header */
	uint32_t chunks;
	uint32_t blocks;
	uint64_t plain; /* bytes of all chunks */
};

void pack_foot_encode(const struct pack_foot *f, uint8_t *out);
BC_MUST_CHECK enum bc_err pack_foot_decode(struct bytes raw,
					   struct pack_foot *f, struct err *e);

/* A block, as the directory lists it. */
struct dir_block {
	uint32_t offset; /* of its header, in the file */
	uint32_t stored;
	uint32_t plain;
	uint16_t first_slot; /* absolute in its pack or log */
	uint16_t chunks;
	uint8_t kind;
	uint8_t codec;
	uint8_t cipher;
	uint32_t check;
};

/*
 * A directory while it grows. Owned by one thread; ceilings are those of a
 * pack, so it never holds more than some 7 MiB, and in a pack of 64 MiB half of
 * that.
 */
struct dir_builder {
	struct buf blocks;  /* PACK_DIR_BLOCK_BYTES each */
	struct buf lengths; /* u32 each */
	struct buf ids;	    /* digests */
	struct buf sums;    /* u32 each: of all blocks, or empty */
	uint32_t n_blocks;
	uint32_t n_chunks;
	uint64_t plain;
};

void dir_builder_init(struct dir_builder *d);
void dir_builder_fini(struct dir_builder *d);
void dir_builder_clear(struct dir_builder *d);

/*
 * dir_builder_add - list one block and its chunks.
 *
 *   lengths, ids   b->chunks of each; copied
 *
 *   BC_EFULL    more than PACK_CHUNKS_MAX chunks; nothing added
 *   BC_ENOMEM   nothing added
 */
BC_MUST_CHECK enum bc_err dir_builder_add(struct dir_builder *d,
					  const struct dir_block *b,
					  const uint32_t *lengths,
					  const struct digest *ids);

/*
 * dir_builder_sum - checksums of the parts of the block that was added last,
 * from its stored bytes: of every block, or of none. It must be where its
 * offset says.
 *
 *   BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err dir_builder_sum(struct dir_builder *d,
					  const struct dir_block *b,
					  struct bytes stored);

/*
 * dir_builder_merge - list all blocks of src after those of d, moved by the
 * given offset and slot (both may wrap: they are differences). Checksums of
 * parts, which belong to a place, are lost.
 *
 *   BC_EFULL, BC_ENOMEM   d may hold a part of them
 */
BC_MUST_CHECK enum bc_err dir_builder_merge(struct dir_builder *d,
					    const struct dir_builder *src,
					    uint32_t shift_offset,
					    uint16_t shift_slot);

/*
 * dir_builder_encode - the directory's plain bytes, appended to out.
 *
 *   shift_offset, shift_slot   added to every block: a group's directory is
 *	  made before its place in the log is known
 */
BC_MUST_CHECK enum bc_err dir_builder_encode(const struct dir_builder *d,
					     uint32_t shift_offset,
					     uint16_t shift_slot,
					     struct buf *out);

/*
 * A decoded directory: arrays carved out of one allocation, ended by
 * pack_dir_free(). Immutable, so any thread may read it.
 */
struct pack_dir {
	uint32_t n_blocks;
	uint32_t n_chunks;
	uint32_t base_slot; /* slot of chunk 0: 0 but in a group's directory */
	size_t bytes;	    /* memory it takes */
	struct dir_block *blocks;
	uint32_t *lengths;
	uint32_t *starts; /* offset of a chunk within its block's plain bytes */
	uint16_t *block_of; /* block ordinal of a chunk; n_blocks <= 65535 */
	struct digest *ids;
	/* Checksums of parts, and where in them those of a block begin; NULL
	 * in a directory without. See pack/sums.h. */
	uint32_t *sums;
	uint32_t *sum_of;
};

/*
 * pack_dir_decode - from plain bytes; every block's chunks must follow the
 * ones before without a gap, and their lengths add up to its plain length.
 *
 *   BC_EDAMAGE, BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err pack_dir_decode(struct bytes raw,
					  struct pack_dir **out, struct err *e);
void pack_dir_free(struct pack_dir *d);

/*
 * Parts of a directory, for who wants one chunk of a pack whose directory is
 * stored raw: where its first three tables begin in the plain bytes, and a
 * directory made of one block alone, with base_slot that of its first chunk and
 * without checksums of parts.
 */
struct pack_dir_layout {
	uint32_t n_blocks, n_chunks;
	uint64_t blocks_at, lengths_at, ids_at, end; /* of the ids */
};

/* pack_dir_layout - from the first 8 plain bytes. BC_EDAMAGE. */
BC_MUST_CHECK enum bc_err
pack_dir_layout(struct bytes raw, struct pack_dir_layout *out, struct err *e);

/* dir_block_read - one of PACK_DIR_BLOCK_BYTES. */
struct dir_block dir_block_read(const uint8_t *raw);

/*
 * pack_dir_piece - the directory of block b alone.
 *   lengths, ids  b->chunks of each, as they lie in the directory
 *   BC_EDAMAGE, BC_ENOMEM
 */
BC_MUST_CHECK enum bc_err pack_dir_piece(const struct dir_block *b,
					 struct bytes lengths, struct bytes ids,
					 struct pack_dir **out, struct err *e);

/* pack_dir_has - is slot a chunk of this directory, with this id? */
bool pack_dir_has(const struct pack_dir *d, uint32_t slot,
		  const struct digest *id);

#endif

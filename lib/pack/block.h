/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pack/block - the header of a block: docs/format.md, section 4. Pure.
 */
#ifndef BC_PACK_BLOCK_H
#define BC_PACK_BLOCK_H

#include "util/bytes.h"
#include "util/err.h"

enum {
	BLOCK_HEAD_BYTES = 64,
	BLOCK_PLAIN_MAX_BYTES = 32 << 20,
	BLOCK_NONCE_BYTES = 12,
	BLOCK_TAG_BYTES = 16,
	/* A gathered block holds no more chunks than this. */
	BLOCK_CHUNKS_MAX = 4096,
};

enum block_kind {
	BLOCK_DATA = 1,
	BLOCK_TREE = 2,
	BLOCK_SNAPSHOT = 3,
	BLOCK_DIRECTORY = 4,
	BLOCK_RECORD = 5,
	BLOCK_CHECKPOINT = 6,
};

enum block_codec { BLOCK_RAW = 0, BLOCK_ZSTD = 1 };

enum block_cipher { BLOCK_CLEAR = 0, BLOCK_AES_256_GCM = 1 };

struct block_head {
	enum block_kind kind;
	enum block_codec codec;
	enum block_cipher cipher;
	uint32_t stored;     /* bytes after the header */
	uint32_t plain;	     /* bytes after decoding, length table included */
	uint16_t chunks;     /* 0 in directory and record blocks */
	uint16_t first_slot; /* of its first chunk, in its pack or log */
	uint8_t nonce[BLOCK_NONCE_BYTES];
	uint8_t tag[BLOCK_TAG_BYTES]; /* CRC in the first four without cipher */
	uint32_t epoch;
};

/* block_head_encode - write the 64 bytes. */
void block_head_encode(const struct block_head *h, uint8_t *out);

/*
 * block_head_decode - read and check the 64 bytes.
 *
 *   BC_EDAMAGE   wrong magic or CRC, or a length out of bounds
 *   BC_EVERSION  a kind, codec or cipher that this version does not know
 */
BC_MUST_CHECK enum bc_err
block_head_decode(struct bytes raw, struct block_head *h, struct err *e);

/* block_head_set_slot - change the first slot of an encoded header, which a
 * group does when it learns its place in the log. */
void block_head_set_slot(uint8_t *raw, uint16_t first_slot);

/* block_table_bytes - length table in front of the chunks: none for one. */
static inline size_t block_table_bytes(size_t chunks)
{
	return chunks > 1 ? chunks * 4 : 0;
}

#endif

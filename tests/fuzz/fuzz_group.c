/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_group - a log group: as it is, and with its checksums and digests put
 * right from the blocks up to the header, so that any change is a consistent
 * one.
 */
#include <string.h>

#include "codec/zstd.h"
#include "hash/sha256.h"
#include "log/group.h"
#include "pack/open.h"
#include "util/crc32c.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

enum {
	PLAIN_MAX = 1 << 20,
	RECORD_GENERATION_AT = 1,
	RECORD_DIRECTORY_AT = 1 + 8 + DIGEST_BYTES,
};

static void use_blocks(struct group *g, struct bytes raw, struct codec_dec *dec)
{
	struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	bool whole = group_check_blocks(g, raw, NULL) == BC_OK;

	/* What log_file_group() hands over. */
	g->raw = malloc(raw.n);
	MUST(g->raw != NULL);
	memcpy(g->raw, raw.p, raw.n);
	for (uint32_t i = 0; whole && g->dir != NULL && i < g->dir->n_blocks;
	     i++) {
		const struct dir_block *b = &g->dir->blocks[i];
		struct bytes block;

		MUST(group_block(g, i, &block, NULL) == BC_OK);
		MUST(block.p >= g->raw && block.p + block.n <= g->raw + raw.n);
		if (b->plain <= PLAIN_MAX)
			(void)!block_open_to(b, block, dec, &plain, NULL);
	}
	buf_fini(&plain);
}

static void use(struct bytes raw, uint64_t offset, struct codec_dec *dec)
{
	struct group *g = NULL;
	struct cursor c;
	struct log_op op;
	enum bc_err rc = group_decode(raw, offset, dec, &g, NULL);

	MUST(rc == BC_OK || rc == BC_ENOTFOUND || rc == BC_EVERSION ||
	     rc == BC_ENOMEM);
	if (rc != BC_OK)
		return;
	MUST(g->record.generation == g->head.generation);
	MUST(g->next > offset && g->next % LOG_ALIGN == offset % LOG_ALIGN);
	MUST((g->dir == NULL) == (g->head.chunks == 0));
	c = cursor_of(g->record.ops);
	for (uint32_t i = 0;
	     i < g->record.n_ops && log_op_next(&c, &op, NULL) == BC_OK; i++)
		;
	use_blocks(g, raw, dec);
	group_free(g);
}

/* The header of a block of n bytes in all, stored raw. */
static void seal_block(uint8_t *p, size_t n, uint8_t kind)
{
	memcpy(p, "BLK1", 4);
	if (kind != 0) {
		p[4] = kind;
		p[5] = p[6] = 0;
		le_put32(p + 8, (uint32_t)(n - BLOCK_HEAD_BYTES));
		le_put32(p + 12, (uint32_t)(n - BLOCK_HEAD_BYTES));
		le_put16(p + 16, 0);
	}
	if (le_get32(p + 8) <= n - BLOCK_HEAD_BYTES)
		le_put32(p + 32,
			 crc32c(0, p + BLOCK_HEAD_BYTES, le_get32(p + 8)));
	le_put32(p + 60, crc32c(0, p, 60));
}

/* Every data block that the directory names and that lies in the group. */
static void seal_blocks(uint8_t *raw, size_t n, uint64_t offset,
			const uint8_t *dir, size_t dir_n)
{
	uint32_t blocks = dir_n < 8 ? 0 : le_get32(dir);

	for (uint32_t i = 0;
	     i < blocks &&
	     8 + (uint64_t)(i + 1) * PACK_DIR_BLOCK_BYTES <= dir_n;
	     i++) {
		const uint8_t *row = dir + 8 + (size_t)i * PACK_DIR_BLOCK_BYTES;
		uint64_t at = le_get32(row) - offset;

		if (at < n && n - at >= BLOCK_HEAD_BYTES)
			seal_block(raw + at, n - (size_t)at, 0);
	}
}

static void seal(uint8_t *raw, size_t n, uint64_t offset)
{
	size_t record = le_get32(raw + 72), dir = le_get32(raw + 76);
	uint8_t *plain = raw + GROUP_HEAD_BYTES + BLOCK_HEAD_BYTES;
	struct digest d;

	memcpy(raw, "BLOBGRUP", 8);
	le_put32(raw + 8, 1);
	if (le_get64(raw + 16) > n)
		le_put64(raw + 16, n);
	if (record >= BLOCK_HEAD_BYTES && record <= n - GROUP_HEAD_BYTES &&
	    dir >= BLOCK_HEAD_BYTES && dir <= n - GROUP_HEAD_BYTES - record) {
		uint8_t *p = raw + GROUP_HEAD_BYTES + record;

		seal_blocks(raw, n, offset, p + BLOCK_HEAD_BYTES,
			    dir - BLOCK_HEAD_BYTES);
		seal_block(p, dir, BLOCK_DIRECTORY);
		sha256_one(
			bytes_of(p + BLOCK_HEAD_BYTES, dir - BLOCK_HEAD_BYTES),
			&d);
		if (record >=
		    BLOCK_HEAD_BYTES + RECORD_DIRECTORY_AT + DIGEST_BYTES)
			memcpy(plain + RECORD_DIRECTORY_AT, d.b, DIGEST_BYTES);
	}
	if (record >= BLOCK_HEAD_BYTES + RECORD_GENERATION_AT + 8 &&
	    record <= n - GROUP_HEAD_BYTES) {
		memcpy(plain + RECORD_GENERATION_AT, raw + 24, 8);
		seal_block(raw + GROUP_HEAD_BYTES, record, BLOCK_RECORD);
	}
	le_put32(raw + 124, crc32c(0, raw, 124));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const uint64_t offsets[] = { 0, 2 * LOG_ALIGN };
	struct codec_dec *dec = NULL;
	uint8_t *raw;

	MUST(codec_dec_new(&dec, NULL) == BC_OK);
	use(bytes_of(data, n), 2 * LOG_ALIGN, dec);
	if (n >= GROUP_HEAD_BYTES + BLOCK_HEAD_BYTES) {
		raw = malloc(n);
		MUST(raw != NULL);
		for (size_t i = 0; i < 2; i++) {
			memcpy(raw, data, n);
			seal(raw, n, offsets[i]);
			use(bytes_of(raw, n), offsets[i], dec);
		}
		free(raw);
	}
	codec_dec_free(dec);
	return 0;
}

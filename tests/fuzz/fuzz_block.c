/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_block - a block header and the stored bytes behind it: as they are, and
 * with their checksums put right, so that what decodes them is reached.
 */
#include <string.h>

#include "codec/zstd.h"
#include "pack/open.h"
#include "util/crc32c.h"
#include "util/le.h"
#include "tests/fuzz/fuzz.h"

/* Larger plain lengths are not decoded here: it takes long and shows little. */
enum { PLAIN_MAX = 1 << 20, CRC_AT = 60 };

static void use(struct bytes in, struct codec_dec *dec)
{
	struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	uint8_t again[BLOCK_HEAD_BYTES];
	struct block_head h, r;
	struct bytes stored;
	enum bc_err rc;

	if (block_head_decode(in, &h, NULL) != BC_OK)
		return;
	MUST(h.stored <= h.plain && h.plain <= BLOCK_PLAIN_MAX_BYTES);
	block_head_encode(&h, again);
	MUST(block_head_decode(bytes_of(again, sizeof(again)), &r, NULL) ==
	     BC_OK);
	MUST(r.plain == h.plain && r.tag[15] == h.tag[15]);
	stored = bytes_of(in.p + BLOCK_HEAD_BYTES, in.n - BLOCK_HEAD_BYTES);
	if (stored.n > h.stored)
		stored.n = h.stored;
	if (h.plain > PLAIN_MAX)
		return;
	rc = block_open(&h, stored, dec, &plain, NULL);
	MUST(rc != BC_OK || (plain.n == h.plain && stored.n == h.stored));
	MUST(rc != BC_OK || h.cipher == BLOCK_CLEAR);
	if (rc == BC_OK && h.codec == BLOCK_RAW)
		MUST(bytes_eq(buf_bytes(&plain), stored));
	buf_fini(&plain);
}

/* Stored length as many bytes as there are, and both CRCs. */
static void seal(uint8_t *raw, size_t n, int fit)
{
	memcpy(raw, "BLK1", 4);
	if (fit)
		le_put32(raw + 8, (uint32_t)(n - BLOCK_HEAD_BYTES));
	if (le_get32(raw + 8) <= n - BLOCK_HEAD_BYTES)
		le_put32(raw + 32,
			 crc32c(0, raw + BLOCK_HEAD_BYTES, le_get32(raw + 8)));
	le_put32(raw + CRC_AT, crc32c(0, raw, CRC_AT));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct codec_dec *dec = NULL;
	uint8_t *raw;

	MUST(codec_dec_new(&dec, NULL) == BC_OK);
	use(bytes_of(data, n), dec);
	if (n >= BLOCK_HEAD_BYTES) {
		raw = malloc(n);
		MUST(raw != NULL);
		for (int fit = 0; fit < 2; fit++) {
			memcpy(raw, data, n);
			seal(raw, n, fit);
			use(bytes_of(raw, n), dec);
		}
		free(raw);
	}
	codec_dec_free(dec);
	return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/block.h"

#include "util/crc32c.h"
#include "util/cursor.h"

static const uint8_t block_magic[4] = { 'B', 'L', 'K', '1' };

enum { SLOT_AT = 18, CRC_AT = 60 };

void block_head_encode(const struct block_head *h, uint8_t *out)
{
	memset(out, 0, BLOCK_HEAD_BYTES);
	memcpy(out, block_magic, sizeof(block_magic));
	out[4] = (uint8_t)h->kind;
	out[5] = (uint8_t)h->codec;
	out[6] = (uint8_t)h->cipher;
	le_put32(out + 8, h->stored);
	le_put32(out + 12, h->plain);
	le_put16(out + 16, h->chunks);
	le_put16(out + SLOT_AT, h->first_slot);
	memcpy(out + 20, h->nonce, BLOCK_NONCE_BYTES);
	memcpy(out + 32, h->tag, BLOCK_TAG_BYTES);
	le_put32(out + 48, h->epoch);
	le_put32(out + CRC_AT, crc32c(0, out, CRC_AT));
}

void block_head_set_slot(uint8_t *raw, uint16_t first_slot)
{
	le_put16(raw + SLOT_AT, first_slot);
	le_put32(raw + CRC_AT, crc32c(0, raw, CRC_AT));
}

static enum bc_err check_known(const uint8_t *p, struct err *e)
{
	if (p[4] < BLOCK_DATA || p[4] > BLOCK_CHECKPOINT || p[5] > BLOCK_ZSTD ||
	    p[6] > BLOCK_AES_256_GCM)
		return err_set(e, BC_EVERSION,
			       "a block of kind %u, codec %u, cipher %u is "
			       "unknown to this version",
			       p[4], p[5], p[6]);
	return BC_OK;
}

enum bc_err block_head_decode(struct bytes raw, struct block_head *h,
			      struct err *e)
{
	const uint8_t *p = raw.p;
	struct block_head r;
	enum bc_err rc;

	if (raw.n < BLOCK_HEAD_BYTES ||
	    memcmp(p, block_magic, sizeof(block_magic)) != 0)
		return err_set(e, BC_EDAMAGE, "no block begins here");
	if (le_get32(p + CRC_AT) != crc32c(0, p, CRC_AT))
		return err_set(e, BC_EDAMAGE, "a block header is damaged");
	rc = check_known(p, e);
	if (rc != BC_OK)
		return rc;
	r.kind = (enum block_kind)p[4];
	r.codec = (enum block_codec)p[5];
	r.cipher = (enum block_cipher)p[6];
	r.stored = le_get32(p + 8);
	r.plain = le_get32(p + 12);
	r.chunks = le_get16(p + 16);
	r.first_slot = le_get16(p + SLOT_AT);
	memcpy(r.nonce, p + 20, BLOCK_NONCE_BYTES);
	memcpy(r.tag, p + 32, BLOCK_TAG_BYTES);
	r.epoch = le_get32(p + 48);
	if (r.plain > BLOCK_PLAIN_MAX_BYTES || r.stored > r.plain ||
	    (r.codec == BLOCK_RAW && r.stored != r.plain) ||
	    block_table_bytes(r.chunks) + r.chunks > r.plain)
		return err_set(e, BC_EDAMAGE,
			       "a block header holds impossible lengths");
	*h = r;
	return BC_OK;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/open.h"

#include "codec/zstd.h"
#include "util/crc32c.h"
#include "util/le.h"

enum bc_err block_check(const struct block_head *h, struct bytes stored,
			struct err *e)
{
	if (h->cipher != BLOCK_CLEAR)
		return err_set(e, BC_EKEY, "the block is encrypted");
	if (stored.n != h->stored ||
	    crc32c(0, stored.p, stored.n) != le_get32(h->tag))
		return err_set(e, BC_EDAMAGE, "the block's bytes are damaged");
	return BC_OK;
}

enum bc_err block_open(const struct block_head *h, struct bytes stored,
		       struct codec_dec *dec, struct buf *plain, struct err *e)
{
	uint8_t *to;
	enum bc_err rc = block_check(h, stored, e);

	if (rc != BC_OK)
		return rc;
	if (h->codec == BLOCK_ZSTD &&
	    (h->plain == 0 || h->plain > CODEC_PLAIN_MAX))
		return err_set(e, BC_EDAMAGE,
			       "a compressed block cannot have %u bytes",
			       h->plain);
	buf_clear(plain);
	if (buf_extend(plain, h->plain, &to) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for a block");
	if (h->codec == BLOCK_ZSTD)
		return codec_decompress(dec, stored, to, h->plain, e);
	if (h->plain > 0)
		memcpy(to, stored.p, h->plain);
	return BC_OK;
}

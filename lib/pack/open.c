/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/open.h"

#include "codec/zstd.h"
#include "hash/sha256.h"
#include "io/io.h"
#include "util/crc32c.h"
#include "util/le.h"

static enum bc_err check(const struct block_head *h, struct bytes stored,
			 struct err *e)
{
	if (h->cipher != BLOCK_CLEAR)
		return err_set(e, BC_EKEY, "the block is encrypted");
	if (stored.n != h->stored ||
	    crc32c(0, stored.p, stored.n) != le_get32(h->tag))
		return err_set(e, BC_EDAMAGE, "the block's bytes are damaged");
	return BC_OK;
}

static enum bc_err decompress(uint32_t plain, struct bytes stored,
			      struct codec_dec *dec, uint8_t *to, struct err *e)
{
	if (plain == 0 || plain > CODEC_PLAIN_MAX)
		return err_set(e, BC_EDAMAGE,
			       "a compressed block cannot have %u bytes",
			       plain);
	return codec_decompress(dec, stored, to, plain, e);
}

enum bc_err block_open(const struct block_head *h, struct bytes stored,
		       struct codec_dec *dec, struct buf *plain, struct err *e)
{
	uint8_t *to;
	enum bc_err rc = check(h, stored, e);

	if (rc != BC_OK)
		return rc;
	buf_clear(plain);
	if (buf_extend(plain, h->plain, &to) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for a block");
	if (h->codec == BLOCK_ZSTD)
		return decompress(h->plain, stored, dec, to, e);
	if (h->plain > 0)
		memcpy(to, stored.p, h->plain);
	return BC_OK;
}

enum bc_err block_check_in(const struct dir_block *b, struct bytes raw,
			   struct err *e)
{
	struct block_head h;
	enum bc_err rc;

	if (raw.n < BLOCK_HEAD_BYTES + (size_t)b->stored)
		return err_set(e, BC_EDAMAGE, "a block is cut short");
	rc = block_head_decode(bytes_of(raw.p, BLOCK_HEAD_BYTES), &h, e);
	if (rc != BC_OK)
		return rc;
	if (h.stored != b->stored || h.plain != b->plain ||
	    h.chunks != b->chunks || h.first_slot != b->first_slot ||
	    h.kind != (enum block_kind)b->kind ||
	    h.codec != (enum block_codec)b->codec ||
	    h.cipher != (enum block_cipher)b->cipher ||
	    le_get32(h.tag) != b->check)
		return err_set(e, BC_EDAMAGE,
			       "a block and its directory disagree");
	return check(&h, bytes_of(raw.p + BLOCK_HEAD_BYTES, h.stored), e);
}

enum bc_err block_open_in(const struct dir_block *b, struct bytes raw,
			  struct codec_dec *dec, uint8_t *to,
			  struct bytes *plain, struct err *e)
{
	struct bytes stored;
	enum bc_err rc = block_check_in(b, raw, e);

	if (rc != BC_OK)
		return rc;
	stored = bytes_of(raw.p + BLOCK_HEAD_BYTES, b->stored);
	*plain = stored;
	if (b->codec != BLOCK_ZSTD)
		return BC_OK;
	*plain = bytes_of(to, b->plain);
	return decompress(b->plain, stored, dec, to, e);
}

enum bc_err block_open_to(const struct dir_block *b, struct bytes raw,
			  struct codec_dec *dec, struct buf *plain,
			  struct err *e)
{
	struct bytes got;
	uint8_t *to;
	enum bc_err rc;

	buf_clear(plain);
	if (buf_extend(plain, b->plain, &to) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for a block");
	rc = block_open_in(b, raw, dec, to, &got, e);
	if (rc == BC_OK && got.p != to)
		memcpy(to, got.p, got.n);
	return rc;
}

enum bc_err block_read(struct io_file *f, const struct dir_block *b,
		       struct codec_dec *dec, struct buf *raw,
		       struct buf *plain, struct err *e)
{
	uint8_t *at;
	enum bc_err rc;

	buf_clear(raw);
	if (buf_extend(raw, BLOCK_HEAD_BYTES + (size_t)b->stored, &at) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for a block");
	rc = io_file_pread(f, at, raw->n, b->offset, e);
	if (rc == BC_OK)
		rc = block_open_to(b, buf_bytes(raw), dec, plain, e);
	return rc;
}

enum bc_err pack_dir_chunk(const struct pack_dir *d, uint32_t i,
			   struct bytes plain, struct bytes *out, struct err *e)
{
	struct digest id;

	if (d->starts[i] + (size_t)d->lengths[i] > plain.n)
		return err_set(e, BC_EDAMAGE, "a block is too short");
	*out = bytes_of(plain.p + d->starts[i], d->lengths[i]);
	sha256_one(*out, &id);
	if (!digest_eq(&id, &d->ids[i]))
		return err_set(e, BC_EDAMAGE, "a chunk is not what it was");
	return BC_OK;
}

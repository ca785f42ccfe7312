/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/format.h"

#include <stdlib.h>

#include "pack/sums.h"
#include "util/arith.h"
#include "util/crc32c.h"
#include "util/cursor.h"

enum {
	HEAD_CRC_AT = 124,
	FOOT_CRC_AT = 60,
	PACK_VERSION = 1,
	DIR_HEAD_BYTES = 8,
	/* As many as parts that can lie below 2^32, and one more a block. */
	SUMS_MAX = (1 << 20) + PACK_CHUNKS_MAX,
};

static const char head_magic[8] = { 'B', 'L', 'O', 'B', 'P', 'A', 'C', 'K' };
static const char foot_magic[8] = { 'B', 'L', 'O', 'B', 'F', 'O', 'O', 'T' };

void pack_head_encode(const struct pack_head *h, uint8_t *out)
{
	memset(out, 0, PACK_HEAD_BYTES);
	memcpy(out, head_magic, sizeof(head_magic));
	le_put16(out + 8, PACK_VERSION);
	out[10] = (uint8_t)h->kind;
	le_put16(out + 12, h->placement);
	memcpy(out + 16, h->id.b, PACK_ID_BYTES);
	memcpy(out + 32, h->repo.b, PACK_ID_BYTES);
	memcpy(out + 48, h->session.b, PACK_ID_BYTES);
	le_put64(out + 64, (uint64_t)h->created);
	le_put32(out + HEAD_CRC_AT, crc32c(0, out, HEAD_CRC_AT));
}

enum bc_err pack_head_decode(struct bytes raw, struct pack_head *h,
			     struct err *e)
{
	const uint8_t *p = raw.p;

	if (raw.n < PACK_HEAD_BYTES ||
	    memcmp(p, head_magic, sizeof(head_magic)) != 0 ||
	    le_get32(p + HEAD_CRC_AT) != crc32c(0, p, HEAD_CRC_AT))
		return err_set(e, BC_EDAMAGE, "the pack's header is damaged");
	if (le_get16(p + 8) != PACK_VERSION || p[10] < PACK_DATA ||
	    p[10] > PACK_LOG)
		return err_set(e, BC_EVERSION,
			       "a pack of version %u, kind %u is unknown to "
			       "this version",
			       le_get16(p + 8), p[10]);
	h->kind = (enum pack_kind)p[10];
	h->placement = le_get16(p + 12);
	memcpy(h->id.b, p + 16, PACK_ID_BYTES);
	memcpy(h->repo.b, p + 32, PACK_ID_BYTES);
	memcpy(h->session.b, p + 48, PACK_ID_BYTES);
	h->created = (int64_t)le_get64(p + 64);
	return BC_OK;
}

void pack_foot_encode(const struct pack_foot *f, uint8_t *out)
{
	memset(out, 0, PACK_FOOT_BYTES);
	memcpy(out, foot_magic, sizeof(foot_magic));
	le_put64(out + 8, f->dir_offset);
	le_put32(out + 16, f->dir_length);
	le_put32(out + 20, f->chunks);
	le_put32(out + 24, f->blocks);
	le_put64(out + 32, f->plain);
	memcpy(out + 40, f->id.b, PACK_ID_BYTES);
	le_put32(out + FOOT_CRC_AT, crc32c(0, out, FOOT_CRC_AT));
}

enum bc_err pack_foot_decode(struct bytes raw, struct pack_foot *f,
			     struct err *e)
{
	const uint8_t *p = raw.p;

	if (raw.n != PACK_FOOT_BYTES ||
	    memcmp(p, foot_magic, sizeof(foot_magic)) != 0 ||
	    le_get32(p + FOOT_CRC_AT) != crc32c(0, p, FOOT_CRC_AT))
		return err_set(e, BC_EDAMAGE, "the pack's footer is damaged");
	f->dir_offset = le_get64(p + 8);
	f->dir_length = le_get32(p + 16);
	f->chunks = le_get32(p + 20);
	f->blocks = le_get32(p + 24);
	f->plain = le_get64(p + 32);
	memcpy(f->id.b, p + 40, PACK_ID_BYTES);
	if (f->chunks > PACK_CHUNKS_MAX || f->blocks > f->chunks ||
	    f->dir_length < BLOCK_HEAD_BYTES ||
	    f->dir_length > BLOCK_HEAD_BYTES + BLOCK_PLAIN_MAX_BYTES)
		return err_set(e, BC_EDAMAGE,
			       "the pack's footer holds impossible numbers");
	return BC_OK;
}

void dir_builder_init(struct dir_builder *d)
{
	buf_init(&d->blocks, (size_t)PACK_CHUNKS_MAX * PACK_DIR_BLOCK_BYTES);
	buf_init(&d->lengths, (size_t)PACK_CHUNKS_MAX * 4);
	buf_init(&d->ids, (size_t)PACK_CHUNKS_MAX * DIGEST_BYTES);
	buf_init(&d->sums, (size_t)SUMS_MAX * 4);
	d->n_blocks = d->n_chunks = 0;
	d->plain = 0;
}

void dir_builder_fini(struct dir_builder *d)
{
	buf_fini(&d->blocks);
	buf_fini(&d->lengths);
	buf_fini(&d->ids);
	buf_fini(&d->sums);
	dir_builder_clear(d);
}

void dir_builder_clear(struct dir_builder *d)
{
	d->blocks.n = d->lengths.n = d->ids.n = d->sums.n = 0;
	d->n_blocks = d->n_chunks = 0;
	d->plain = 0;
}

static void dir_block_encode(const struct dir_block *b, uint8_t *out)
{
	memset(out, 0, PACK_DIR_BLOCK_BYTES);
	le_put32(out, b->offset);
	le_put32(out + 4, b->stored);
	le_put32(out + 8, b->plain);
	le_put16(out + 12, b->first_slot);
	le_put16(out + 14, b->chunks);
	out[16] = b->kind;
	out[17] = b->codec;
	out[18] = b->cipher;
	le_put32(out + 20, b->check);
}

struct dir_block dir_block_read(const uint8_t *p)
{
	return (struct dir_block){
		.offset = le_get32(p),
		.stored = le_get32(p + 4),
		.plain = le_get32(p + 8),
		.first_slot = le_get16(p + 12),
		.chunks = le_get16(p + 14),
		.kind = p[16],
		.codec = p[17],
		.cipher = p[18],
		.check = le_get32(p + 20),
	};
}

static void dir_block_shift(uint8_t *p, uint32_t offset, uint16_t slot)
{
	le_put32(p, le_get32(p) + offset);
	le_put16(p + 12, (uint16_t)(le_get16(p + 12) + slot));
}

enum bc_err dir_builder_add(struct dir_builder *d, const struct dir_block *b,
			    const uint32_t *lengths, const struct digest *ids)
{
	size_t n = b->chunks;
	uint8_t *block, *length, *id;

	if (d->n_chunks + n > PACK_CHUNKS_MAX)
		return BC_EFULL;
	/* Room for all three first, so that a failure adds nothing. */
	if (buf_reserve(&d->blocks, PACK_DIR_BLOCK_BYTES) != BC_OK ||
	    buf_reserve(&d->lengths, n * 4) != BC_OK ||
	    buf_reserve(&d->ids, n * DIGEST_BYTES) != BC_OK ||
	    buf_extend(&d->blocks, PACK_DIR_BLOCK_BYTES, &block) != BC_OK ||
	    buf_extend(&d->lengths, n * 4, &length) != BC_OK ||
	    buf_extend(&d->ids, n * DIGEST_BYTES, &id) != BC_OK)
		return BC_ENOMEM;
	dir_block_encode(b, block);
	for (size_t i = 0; i < n; i++) {
		le_put32(length + 4 * i, lengths[i]);
		d->plain += lengths[i];
	}
	if (n > 0)
		memcpy(id, ids, n * DIGEST_BYTES);
	d->n_blocks++;
	d->n_chunks += (uint32_t)n;
	return BC_OK;
}

enum bc_err dir_builder_sum(struct dir_builder *d, const struct dir_block *b,
			    struct bytes stored)
{
	return sums_make(b, stored, &d->sums);
}

enum bc_err dir_builder_merge(struct dir_builder *d,
			      const struct dir_builder *src,
			      uint32_t shift_offset, uint16_t shift_slot)
{
	uint32_t first = d->n_blocks;

	if (d->n_chunks + src->n_chunks > PACK_CHUNKS_MAX)
		return BC_EFULL;
	if (buf_add(&d->blocks, src->blocks.p, src->blocks.n) != BC_OK ||
	    buf_add(&d->lengths, src->lengths.p, src->lengths.n) != BC_OK ||
	    buf_add(&d->ids, src->ids.p, src->ids.n) != BC_OK)
		return BC_ENOMEM;
	buf_clear(&d->sums);
	d->n_blocks += src->n_blocks;
	d->n_chunks += src->n_chunks;
	d->plain += src->plain;
	for (uint32_t i = first; i < d->n_blocks; i++)
		dir_block_shift(d->blocks.p + (size_t)i * PACK_DIR_BLOCK_BYTES,
				shift_offset, shift_slot);
	return BC_OK;
}

enum bc_err dir_builder_encode(const struct dir_builder *d,
			       uint32_t shift_offset, uint16_t shift_slot,
			       struct buf *out)
{
	size_t before = out->n;
	enum bc_err rc;
	uint8_t *blocks;

	rc = buf_u32(out, d->n_blocks);
	if (rc == BC_OK)
		rc = buf_u32(out, d->n_chunks);
	if (rc == BC_OK)
		rc = buf_extend(out, d->blocks.n, &blocks);
	if (rc == BC_OK && d->blocks.n > 0) {
		memcpy(blocks, d->blocks.p, d->blocks.n);
		for (uint32_t i = 0; i < d->n_blocks; i++)
			dir_block_shift(blocks + (size_t)i *
							 PACK_DIR_BLOCK_BYTES,
					shift_offset, shift_slot);
	}
	if (rc == BC_OK)
		rc = buf_add(out, d->lengths.p, d->lengths.n);
	if (rc == BC_OK)
		rc = buf_add(out, d->ids.p, d->ids.n);
	/* A shifted block's parts are others. */
	if (rc == BC_OK && shift_offset == 0)
		rc = buf_add(out, d->sums.p, d->sums.n);
	if (rc != BC_OK)
		out->n = before;
	return rc;
}

static struct pack_dir *dir_alloc(uint32_t n_blocks, uint32_t n_chunks,
				  size_t n_sums)
{
	size_t blocks = (size_t)n_blocks * sizeof(struct dir_block);
	size_t chunks = (size_t)n_chunks * (DIGEST_BYTES + 4 + 4 + 2);
	size_t sums = n_sums == 0 ? 0 : (n_blocks + n_sums) * 4;
	size_t bytes = sizeof(struct pack_dir) + blocks + chunks + sums;
	struct pack_dir *d = malloc(bytes);
	uint8_t *at;

	if (d == NULL)
		return NULL;
	/* Widest alignment first. */
	at = (uint8_t *)(d + 1);
	d->blocks = (struct dir_block *)(void *)at;
	at += blocks;
	d->lengths = (uint32_t *)(void *)at;
	at += (size_t)n_chunks * 4;
	d->starts = (uint32_t *)(void *)at;
	at += (size_t)n_chunks * 4;
	d->sums = d->sum_of = NULL;
	if (n_sums > 0) {
		d->sum_of = (uint32_t *)(void *)at;
		d->sums = d->sum_of + n_blocks;
		at += sums;
	}
	d->block_of = (uint16_t *)(void *)at;
	at += (size_t)n_chunks * 2;
	d->ids = (struct digest *)(void *)at;
	d->n_blocks = n_blocks;
	d->n_chunks = n_chunks;
	d->base_slot = 0;
	d->bytes = bytes;
	return d;
}

/* Fill the per-chunk arrays of one block; false if its lengths do not fit. */
static bool place_chunks(struct pack_dir *d, uint32_t block, uint32_t first)
{
	const struct dir_block *b = &d->blocks[block];
	uint64_t at = block_table_bytes(b->chunks);

	for (uint32_t i = first; i < first + b->chunks; i++) {
		d->starts[i] = (uint32_t)at;
		d->block_of[i] = (uint16_t)block;
		if (d->lengths[i] == 0)
			return false;
		at += d->lengths[i];
		if (at > b->plain)
			return false;
	}
	return at == b->plain;
}

static bool block_sound(const struct dir_block *b)
{
	return b->plain <= BLOCK_PLAIN_MAX_BYTES && b->stored <= b->plain &&
	       (b->codec != BLOCK_RAW || b->stored == b->plain) &&
	       b->codec <= BLOCK_ZSTD && b->cipher <= BLOCK_AES_256_GCM;
}

static bool place_blocks(struct pack_dir *d, const uint8_t *raw)
{
	uint32_t next = 0;
	uint64_t end = 0;

	for (uint32_t i = 0; i < d->n_blocks; i++) {
		struct dir_block b =
			dir_block_read(raw + (size_t)i * PACK_DIR_BLOCK_BYTES);

		d->blocks[i] = b;
		if (i == 0)
			d->base_slot = b.first_slot;
		if (b.chunks == 0 || b.chunks > d->n_chunks - next ||
		    b.first_slot != d->base_slot + next || b.offset < end ||
		    !block_sound(&b) || !place_chunks(d, i, next))
			return false;
		end = (uint64_t)b.offset + BLOCK_HEAD_BYTES + b.stored;
		next += b.chunks;
	}
	return next == d->n_chunks && end <= UINT32_MAX;
}

/* How many checksums of parts there are in a directory that has any. */
static uint64_t count_sums(struct bytes blocks)
{
	uint64_t n = 0;

	for (size_t i = 0; i < blocks.n; i += PACK_DIR_BLOCK_BYTES) {
		struct dir_block b = dir_block_read(blocks.p + i);

		n += sums_count(&b);
	}
	return n;
}

static void place_sums(struct pack_dir *d, struct bytes raw)
{
	uint64_t at = 0;

	if (d->sums == NULL)
		return;
	for (uint32_t i = 0; i < d->n_blocks; i++) {
		d->sum_of[i] = (uint32_t)at;
		at += sums_count(&d->blocks[i]);
	}
	for (size_t i = 0; i < raw.n / 4; i++)
		d->sums[i] = le_get32(raw.p + 4 * i);
}

enum bc_err pack_dir_decode(struct bytes raw, struct pack_dir **out,
			    struct err *e)
{
	struct cursor c = cursor_of(raw);
	uint32_t n_blocks = cursor_u32(&c);
	uint32_t n_chunks = cursor_u32(&c);
	struct bytes blocks, lengths, ids, sums;
	struct pack_dir *d;

	if (n_chunks > PACK_CHUNKS_MAX || n_blocks > n_chunks)
		cursor_fail(&c);
	blocks = cursor_span(&c, (uint64_t)n_blocks * PACK_DIR_BLOCK_BYTES);
	lengths = cursor_span(&c, (uint64_t)n_chunks * 4);
	ids = cursor_span(&c, (uint64_t)n_chunks * DIGEST_BYTES);
	sums = cursor_span(&c, c.left);
	if (!cursor_ok(&c) || (sums.n > 0 && sums.n != 4 * count_sums(blocks)))
		return err_set(e, BC_EDAMAGE,
			       "a pack directory has impossible lengths");
	d = dir_alloc(n_blocks, n_chunks, sums.n / 4);
	if (d == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a pack directory");
	for (uint32_t i = 0; i < n_chunks; i++)
		d->lengths[i] = le_get32(lengths.p + (size_t)i * 4);
	if (ids.n > 0)
		memcpy(d->ids, ids.p, ids.n);
	if (!place_blocks(d, blocks.p)) {
		pack_dir_free(d);
		return err_set(e, BC_EDAMAGE,
			       "a pack directory contradicts itself");
	}
	place_sums(d, sums);
	*out = d;
	return BC_OK;
}

enum bc_err pack_dir_layout(struct bytes raw, struct pack_dir_layout *out,
			    struct err *e)
{
	struct cursor c = cursor_of(raw);
	struct pack_dir_layout l = { .blocks_at = DIR_HEAD_BYTES };

	l.n_blocks = cursor_u32(&c);
	l.n_chunks = cursor_u32(&c);
	if (!cursor_ok(&c) || l.n_chunks > PACK_CHUNKS_MAX ||
	    l.n_blocks > l.n_chunks)
		return err_set(e, BC_EDAMAGE,
			       "a pack directory has impossible lengths");
	l.lengths_at =
		l.blocks_at + (uint64_t)l.n_blocks * PACK_DIR_BLOCK_BYTES;
	l.ids_at = l.lengths_at + (uint64_t)l.n_chunks * 4;
	l.end = l.ids_at + (uint64_t)l.n_chunks * DIGEST_BYTES;
	*out = l;
	return BC_OK;
}

enum bc_err pack_dir_piece(const struct dir_block *b, struct bytes lengths,
			   struct bytes ids, struct pack_dir **out,
			   struct err *e)
{
	struct pack_dir *d;

	if (b->chunks == 0 || lengths.n != (size_t)b->chunks * 4 ||
	    ids.n != (size_t)b->chunks * DIGEST_BYTES)
		return err_set(e, BC_EDAMAGE,
			       "a pack directory contradicts itself");
	d = dir_alloc(1, b->chunks, 0);
	if (d == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a pack directory");
	d->blocks[0] = *b;
	d->base_slot = b->first_slot;
	for (uint32_t i = 0; i < b->chunks; i++)
		d->lengths[i] = le_get32(lengths.p + (size_t)i * 4);
	memcpy(d->ids, ids.p, ids.n);
	if (!block_sound(b) || !place_chunks(d, 0, 0)) {
		pack_dir_free(d);
		return err_set(e, BC_EDAMAGE,
			       "a pack directory contradicts itself");
	}
	*out = d;
	return BC_OK;
}

void pack_dir_free(struct pack_dir *d)
{
	free(d);
}

bool pack_dir_has(const struct pack_dir *d, uint32_t slot,
		  const struct digest *id)
{
	return slot >= d->base_slot && slot - d->base_slot < d->n_chunks &&
	       digest_eq(&d->ids[slot - d->base_slot], id);
}

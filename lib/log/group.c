/* SPDX-License-Identifier: Apache-2.0 */
#include "log/group.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "pack/open.h"
#include "util/arith.h"
#include "util/crc32c.h"

void group_builder_init(struct group_builder *g)
{
	buf_init(&g->raw, GROUP_MAX_BYTES);
	dir_builder_init(&g->dir);
	log_ops_init(&g->ops);
}

void group_builder_fini(struct group_builder *g)
{
	buf_fini(&g->raw);
	dir_builder_fini(&g->dir);
	log_ops_fini(&g->ops);
}

enum bc_err group_add_block(struct group_builder *g,
			    const struct sealed_block *b)
{
	struct block_head h = b->head;
	struct dir_block d = { .offset = (uint32_t)g->raw.n,
			       .stored = h.stored,
			       .plain = h.plain,
			       .first_slot = (uint16_t)g->dir.n_chunks,
			       .chunks = h.chunks,
			       .kind = (uint8_t)h.kind,
			       .codec = (uint8_t)h.codec,
			       .cipher = (uint8_t)h.cipher,
			       .check = le_get32(h.tag) };
	uint8_t *at;
	enum bc_err rc;

	h.first_slot = d.first_slot;
	rc = buf_reserve(&g->raw, BLOCK_HEAD_BYTES + b->stored.n);
	if (rc == BC_OK)
		rc = dir_builder_add(&g->dir, &d, b->lengths, b->ids);
	if (rc == BC_OK)
		rc = buf_extend(&g->raw, BLOCK_HEAD_BYTES, &at);
	if (rc != BC_OK)
		return rc;
	block_head_encode(&h, at);
	return buf_add(&g->raw, b->stored.p, b->stored.n);
}

enum bc_err group_add_chunk(struct group_builder *g, enum block_kind kind,
			    struct bytes raw, struct digest *id)
{
	uint32_t length = (uint32_t)raw.n;
	struct sealed_block b = { .head = { .kind = kind,
					    .codec = BLOCK_RAW,
					    .stored = length,
					    .plain = length,
					    .chunks = 1 },
				  .stored = raw,
				  .lengths = &length,
				  .ids = id };

	sha256_one(raw, id);
	le_put32(b.head.tag, crc32c(0, raw.p, raw.n));
	return group_add_block(g, &b);
}

enum bc_err group_add_blocks(struct group_builder *g, struct bytes raw,
			     const struct dir_builder *dir, uint32_t base)
{
	uint32_t shift = (uint32_t)g->raw.n - base;
	uint16_t slot = (uint16_t)g->dir.n_chunks;
	enum bc_err rc = buf_reserve(&g->raw, raw.n);

	if (rc == BC_OK)
		rc = dir_builder_merge(&g->dir, dir, shift, slot);
	return rc == BC_OK ? buf_add(&g->raw, raw.p, raw.n) : rc;
}

/* The blocks' own headers name their slots too. */
static void set_slots(const struct group_builder *g, uint8_t *blocks,
		      uint16_t first_slot)
{
	for (uint32_t i = 0; i < g->dir.n_blocks; i++) {
		const uint8_t *d =
			g->dir.blocks.p + (size_t)i * PACK_DIR_BLOCK_BYTES;

		block_head_set_slot(blocks + le_get32(d),
				    (uint16_t)(le_get16(d + 12) + first_slot));
	}
}

static enum bc_err add_sealed(struct buf *out, const struct sealed_block *b)
{
	uint8_t raw[BLOCK_HEAD_BYTES];
	enum bc_err rc;

	block_head_encode(&b->head, raw);
	rc = buf_add(out, raw, sizeof(raw));
	return rc == BC_OK ? buf_add(out, b->stored.p, b->stored.n) : rc;
}

/*
 * The directory holds absolute offsets, which depend on the length of the
 * stored directory itself. It is stored raw, so its length is known before.
 */
static size_t dir_block_length(const struct group_builder *g)
{
	if (g->dir.n_chunks == 0)
		return 0;
	return BLOCK_HEAD_BYTES + 8 + g->dir.blocks.n + g->dir.lengths.n +
	       g->dir.ids.n;
}

/* The record must be sealed after the directory, whose digest it holds, but
 * stands before it; and the directory needs the record's length. So the record
 * is stored raw as well: its length is that of its plain bytes. */
static size_t record_length(const struct group_builder *g)
{
	struct buf b = BUF_INIT(16);
	size_t count;

	/* Only the operation count's varint varies. */
	count = buf_varint(&b, g->ops.n) == BC_OK ? b.n : 1;
	buf_fini(&b);
	return BLOCK_HEAD_BYTES + 1 + 8 + 2 * DIGEST_BYTES + PACK_ID_BYTES + 8 +
	       count + g->ops.raw.n;
}

static struct sealed_block raw_block(enum block_kind kind, struct bytes plain)
{
	struct sealed_block b = { .head = { .kind = kind,
					    .codec = BLOCK_RAW,
					    .stored = (uint32_t)plain.n,
					    .plain = (uint32_t)plain.n },
				  .stored = plain };

	le_put32(b.head.tag, crc32c(0, plain.p, plain.n));
	return b;
}

static enum bc_err encode_parts(const struct group_builder *g,
				const struct group_place *at, size_t blocks_at,
				struct buf *dir, struct buf *record,
				struct digest *record_digest)
{
	struct log_record r = { .generation = at->generation,
				.prev = at->prev,
				.session = at->session,
				.time = at->time,
				.n_ops = g->ops.n,
				.ops = buf_bytes(&g->ops.raw) };
	enum bc_err rc = BC_OK;

	if (g->dir.n_chunks > 0) {
		rc = dir_builder_encode(&g->dir,
					(uint32_t)(at->offset + blocks_at),
					at->first_slot, dir);
		if (rc == BC_OK)
			sha256_one(buf_bytes(dir), &r.directory);
	}
	if (rc == BC_OK)
		rc = log_record_encode(&r, record);
	if (rc == BC_OK)
		sha256_one(buf_bytes(record), record_digest);
	return rc;
}

static enum bc_err assemble(const struct group_builder *g,
			    const struct group_place *at,
			    const struct group_head *h, struct bytes record,
			    struct bytes dir, struct buf *out)
{
	struct sealed_block b = raw_block(BLOCK_RECORD, record);
	size_t first = out->n;
	uint8_t *p;
	enum bc_err rc = buf_extend(out, GROUP_HEAD_BYTES, &p);

	if (rc != BC_OK)
		return rc;
	group_head_encode(h, p);
	rc = add_sealed(out, &b);
	if (rc == BC_OK && dir.n > 0) {
		b = raw_block(BLOCK_DIRECTORY, dir);
		rc = add_sealed(out, &b);
	}
	if (rc == BC_OK)
		rc = buf_extend(out, g->raw.n, &p);
	if (rc != BC_OK)
		return rc;
	if (g->raw.n > 0) {
		memcpy(p, g->raw.p, g->raw.n);
		set_slots(g, p, at->first_slot);
	}
	rc = buf_extend(
		out, (size_t)(first + round_up(h->length, LOG_ALIGN)) - out->n,
		&p);
	if (rc == BC_OK)
		memset(p, 0, (size_t)(out->p + out->n - p));
	return rc;
}

enum bc_err group_encode(const struct group_builder *g,
			 const struct group_place *at, struct buf *out,
			 struct digest *record, struct err *e)
{
	struct buf dir_plain = BUF_INIT(GROUP_MAX_BYTES);
	struct buf record_plain = BUF_INIT(RECORD_MAX_BYTES + 4096);
	size_t dir_len = dir_block_length(g);
	size_t record_len = record_length(g);
	size_t blocks_at = GROUP_HEAD_BYTES + record_len + dir_len;
	struct group_head h = { .length = blocks_at + g->raw.n,
				.generation = at->generation,
				.log = at->log,
				.group = at->group,
				.first_slot = at->first_slot,
				.chunks = (uint16_t)g->dir.n_chunks,
				.blocks = g->dir.n_blocks,
				.record_length = (uint32_t)record_len,
				.dir_length = (uint32_t)dir_len };
	size_t before = out->n;
	enum bc_err rc;

	if (h.length > GROUP_MAX_BYTES ||
	    at->first_slot + g->dir.n_chunks > PACK_CHUNKS_MAX ||
	    at->offset + h.length > UINT32_MAX)
		return err_set(e, BC_EFULL, "the group does not fit the log");
	rc = encode_parts(g, at, blocks_at, &dir_plain, &record_plain, record);
	if (rc == BC_OK)
		rc = assemble(g, at, &h, buf_bytes(&record_plain),
			      buf_bytes(&dir_plain), out);
	if (rc == BC_OK) {
		h.zero_sectors = group_zero_sectors(
			bytes_of(out->p + before, (size_t)h.length));
		group_head_encode(&h, out->p + before);
	} else {
		out->n = before;
		err_set(e, rc, "no memory for a log group");
	}
	buf_fini(&dir_plain);
	buf_fini(&record_plain);
	return rc;
}

static enum bc_err not_here(struct err *e, const char *what)
{
	return err_set(e, BC_ENOTFOUND, "the group's %s is damaged", what);
}

/* Open one of the two leading blocks of a group. */
static enum bc_err lead_block(struct bytes raw, enum block_kind kind,
			      struct codec_dec *dec, struct buf *plain,
			      struct err *e)
{
	struct block_head h;
	enum bc_err rc = block_head_decode(raw, &h, e);

	if (rc == BC_EVERSION)
		return rc;
	if (rc != BC_OK || h.kind != kind ||
	    BLOCK_HEAD_BYTES + (size_t)h.stored != raw.n)
		return not_here(e, "leading block");
	rc = block_open(&h, bytes_of(raw.p + BLOCK_HEAD_BYTES, h.stored), dec,
			plain, e);
	if (rc == BC_EDAMAGE)
		return not_here(e, "leading block");
	return rc;
}

static enum bc_err decode_dir(struct group *g, struct bytes raw,
			      struct codec_dec *dec, struct err *e)
{
	struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	struct digest d;
	enum bc_err rc;

	rc = lead_block(raw, BLOCK_DIRECTORY, dec, &plain, e);
	if (rc != BC_OK)
		goto out;
	sha256_one(buf_bytes(&plain), &d);
	if (!digest_eq(&d, &g->record.directory)) {
		rc = not_here(e, "directory");
		goto out;
	}
	rc = pack_dir_decode(buf_bytes(&plain), &g->dir, e);
	if (rc == BC_EDAMAGE ||
	    (rc == BC_OK && (g->dir->n_chunks != g->head.chunks ||
			     g->dir->base_slot != g->head.first_slot)))
		rc = not_here(e, "directory");
out:
	buf_fini(&plain);
	return rc;
}

static enum bc_err decode_parts(struct group *g, struct bytes raw,
				struct codec_dec *dec, struct err *e)
{
	const uint8_t *p = raw.p + GROUP_HEAD_BYTES;
	enum bc_err rc;

	rc = lead_block(bytes_of(p, g->head.record_length), BLOCK_RECORD, dec,
			&g->record_raw, e);
	if (rc != BC_OK)
		return rc;
	sha256_one(buf_bytes(&g->record_raw), &g->digest);
	rc = log_record_decode(buf_bytes(&g->record_raw), &g->record, e);
	if (rc == BC_EDAMAGE ||
	    (rc == BC_OK && g->record.generation != g->head.generation))
		return not_here(e, "record");
	if (rc != BC_OK || g->head.dir_length == 0)
		return rc;
	return decode_dir(
		g, bytes_of(p + g->head.record_length, g->head.dir_length), dec,
		e);
}

enum bc_err group_decode(struct bytes raw, uint64_t offset,
			 struct codec_dec *dec, struct group **out,
			 struct err *e)
{
	struct group_head h;
	struct group *g;
	enum bc_err rc = group_head_decode(raw, &h, e);

	if (rc != BC_OK)
		return rc;
	if (raw.n < (size_t)GROUP_HEAD_BYTES + h.record_length + h.dir_length)
		return not_here(e, "end");
	g = calloc(1, sizeof(*g));
	if (g == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a log group");
	g->head = h;
	g->offset = offset;
	g->next = offset + round_up(h.length, LOG_ALIGN);
	buf_init(&g->record_raw, BLOCK_PLAIN_MAX_BYTES);
	rc = decode_parts(g, raw, dec, e);
	if (rc != BC_OK) {
		group_free(g);
		return rc;
	}
	*out = g;
	return BC_OK;
}

/* Where block i lies in the bytes of its group. */
static enum bc_err block_in(const struct group *g, uint32_t i,
			    struct bytes group, struct bytes *out,
			    struct err *e)
{
	const struct dir_block *b = &g->dir->blocks[i];
	uint64_t at = b->offset - g->offset;
	uint64_t n = BLOCK_HEAD_BYTES + (uint64_t)b->stored;

	if (b->offset < g->offset || at + n > g->head.length)
		return err_set(e, BC_EDAMAGE, "a block outside its group");
	*out = bytes_of(group.p + at, (size_t)n);
	return BC_OK;
}

enum bc_err group_check_blocks(const struct group *g, struct bytes raw,
			       struct err *e)
{
	if (raw.n < g->head.length)
		return not_here(e, "end");
	for (uint32_t i = 0; g->dir != NULL && i < g->dir->n_blocks; i++) {
		struct bytes block;

		if (block_in(g, i, raw, &block, NULL) != BC_OK ||
		    block_check_in(&g->dir->blocks[i], block, NULL) != BC_OK)
			return not_here(e, "block");
	}
	return BC_OK;
}

enum bc_err group_block(const struct group *g, uint32_t i, struct bytes *raw,
			struct err *e)
{
	return block_in(g, i, bytes_of(g->raw, (size_t)g->head.length), raw, e);
}

void group_free(struct group *g)
{
	if (g == NULL)
		return;
	free(g->raw);
	buf_fini(&g->record_raw);
	pack_dir_free(g->dir);
	free(g);
}

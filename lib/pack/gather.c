/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/gather.h"

#include <stdlib.h>

#include "codec/zstd.h"
#include "util/arith.h"
#include "util/crc32c.h"
#include "util/le.h"

/* The length table is written in front of the data when the block is sealed;
 * until then this much is kept free for it. */
enum {
	TABLE_ROOM_BYTES = BLOCK_CHUNKS_MAX * 4,
	/* Raw chunks share a block until it has this much. */
	RAW_BLOCK_BYTES = 16 << 10,
};

enum bc_err gather_init(struct gather *g, enum block_kind kind, size_t target,
			size_t chunk_max, struct err *e)
{
	*g = (struct gather){ .kind = kind,
			      .target = target,
			      .cap = max_size(target, chunk_max) };
	g->mem = malloc(TABLE_ROOM_BYTES + g->cap);
	g->lengths = malloc(BLOCK_CHUNKS_MAX * sizeof(*g->lengths));
	g->ids = malloc(BLOCK_CHUNKS_MAX * sizeof(*g->ids));
	if (g->mem == NULL || g->lengths == NULL || g->ids == NULL) {
		gather_fini(g);
		return err_set(e, BC_ENOMEM, "no memory for a block");
	}
	return BC_OK;
}

void gather_fini(struct gather *g)
{
	free(g->mem);
	free(g->lengths);
	free(g->ids);
	*g = (struct gather){ .kind = g->kind };
}

bool gather_fits(const struct gather *g, size_t len)
{
	return g->chunks == 0 ||
	       (g->chunks < BLOCK_CHUNKS_MAX && g->data + len <= g->target);
}

void gather_add(struct gather *g, const struct digest *id, struct bytes chunk)
{
	memcpy(g->mem + TABLE_ROOM_BYTES + g->data, chunk.p, chunk.n);
	g->data += chunk.n;
	g->lengths[g->chunks] = (uint32_t)chunk.n;
	g->ids[g->chunks] = *id;
	g->chunks++;
}

void gather_clear(struct gather *g)
{
	g->data = g->chunks = 0;
}

enum bc_err sealer_init(struct sealer *s, int level, size_t plain_max,
			struct err *e)
{
	enum bc_err rc;

	*s = (struct sealer){ .level = level, .cap = plain_max };
	s->out = malloc(plain_max);
	if (s->out == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a block");
	rc = codec_enc_new(&s->enc, e);
	if (rc == BC_OK)
		rc = codec_dec_new(&s->dec, e);
	if (rc != BC_OK)
		sealer_fini(s);
	return rc;
}

void sealer_fini(struct sealer *s)
{
	codec_enc_free(s->enc);
	codec_dec_free(s->dec);
	free(s->out);
	*s = (struct sealer){ .level = 0 };
}

/* Compress and prove it; BC_EFULL when raw is the better choice. */
static enum bc_err compress(struct sealer *s, struct bytes plain,
			    struct bytes *stored, struct err *e)
{
	size_t n = 0;
	enum bc_err rc;

	if (s->level == 0 || plain.n == 0 || plain.n > s->cap ||
	    plain.n > CODEC_PLAIN_MAX)
		return BC_EFULL;
	rc = codec_compress(s->enc, s->level, plain, s->out, s->cap, &n, e);
	if (rc != BC_OK)
		return rc;
	rc = codec_verify(s->dec, bytes_of(s->out, n), plain, e);
	if (rc == BC_OK)
		*stored = bytes_of(s->out, n);
	return rc;
}

static enum bc_err seal(struct sealer *s, struct block_head *h,
			struct bytes plain, struct bytes *stored, struct err *e)
{
	enum bc_err rc = compress(s, plain, stored, e);

	h->codec = BLOCK_ZSTD;
	if (rc == BC_EFULL) {
		h->codec = BLOCK_RAW;
		*stored = plain;
		rc = BC_OK;
	}
	if (rc != BC_OK)
		return rc;
	h->plain = (uint32_t)plain.n;
	h->stored = (uint32_t)stored->n;
	le_put32(h->tag, crc32c(0, stored->p, stored->n));
	return BC_OK;
}

enum bc_err sealer_seal(struct sealer *s, struct gather *g,
			struct sealed_block *out, struct err *e)
{
	size_t table = block_table_bytes(g->chunks);
	uint8_t *plain = g->mem + TABLE_ROOM_BYTES - table;
	struct sealed_block b = { .lengths = g->lengths, .ids = g->ids };
	enum bc_err rc;

	for (size_t i = 0; i * 4 < table; i++)
		le_put32(plain + 4 * i, g->lengths[i]);
	b.head.kind = g->kind;
	b.head.chunks = (uint16_t)g->chunks;
	rc = seal(s, &b.head, bytes_of(plain, table + g->data), &b.stored, e);
	if (rc == BC_OK)
		*out = b;
	return rc;
}

void sealer_seal_raw(struct sealer *s, const struct gather *g, size_t first,
		     struct sealed_block *out)
{
	const uint8_t *data = g->mem + TABLE_ROOM_BYTES;
	size_t n = 0, bytes = 0, table;
	struct bytes plain;

	for (size_t i = 0; i < first; i++)
		data += g->lengths[i];
	do
		bytes += g->lengths[first + n++];
	while (first + n < g->chunks &&
	       bytes + g->lengths[first + n] <= RAW_BLOCK_BYTES);
	table = block_table_bytes(n);
	plain = bytes_of(data, bytes);
	/* The table goes in front, so several chunks move to the scratch,
	 * which holds a whole block. */
	if (table > 0) {
		for (size_t i = 0; i < n; i++)
			le_put32(s->out + 4 * i, g->lengths[first + i]);
		memcpy(s->out + table, data, bytes);
		plain = bytes_of(s->out, table + bytes);
	}
	*out = (struct sealed_block){ .head = { .kind = g->kind,
						.codec = BLOCK_RAW,
						.stored = (uint32_t)plain.n,
						.plain = (uint32_t)plain.n,
						.chunks = (uint16_t)n },
				      .stored = plain,
				      .lengths = g->lengths + first,
				      .ids = g->ids + first };
	le_put32(out->head.tag, crc32c(0, plain.p, plain.n));
}

enum bc_err sealer_seal_plain(struct sealer *s, enum block_kind kind,
			      struct bytes plain, struct sealed_block *out,
			      struct err *e)
{
	struct sealed_block b = { .head = { .kind = kind } };
	enum bc_err rc = seal(s, &b.head, plain, &b.stored, e);

	if (rc == BC_OK)
		*out = b;
	return rc;
}

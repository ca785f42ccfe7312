/* SPDX-License-Identifier: Apache-2.0 */
#include "pack/writer.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "pack/sums.h"
#include "util/arith.h"
#include "util/hex.h"
#include "util/le.h"

struct pack_writer {
	struct pack_writer_options o;
	struct sealer dir_sealer;
	struct buf dir_plain;

	/* The open pack. buf holds the bytes from buf_at on. */
	bool open;
	struct pack_id id;
	struct flush_file *file; /* NULL while all of it is in buf */
	struct dir_builder dir;
	uint8_t *buf; /* `start`, or one of the flusher's */
	uint8_t *start;
	size_t buf_n;
	uint64_t buf_at;

	struct pack_made *made, **made_end;
};

enum {
	/* The largest directory: 65,535 blocks of one chunk each, and in a pack
	 * of 512 MiB the checksums of the parts. */
	DIR_MAX_BYTES = 8 +
			PACK_CHUNKS_MAX *
				(PACK_DIR_BLOCK_BYTES + 4 + DIGEST_BYTES + 4) +
			(512 << 20) / SUM_BYTES * 4,
	/* Stored raw: it is mostly ids, and a reader can take a part. */
	DIR_LEVEL = 0,
	RESERVE_SHARE = 4, /* of the free space, at most 1 / this */
	/* A pack begins in so much ordinary memory: the flusher's buffers are
	 * huge pages, of which a first byte costs 0.2 ms of clearing. */
	START_BYTES = 64 << 10,
};

void pack_name(const struct pack_id *id, char out[PACK_NAME_BYTES])
{
	hex_encode(id->b, PACK_ID_BYTES, out);
	memcpy(out + 2 * PACK_ID_BYTES, ".pack", sizeof(".pack"));
}

enum bc_err pack_writer_new(const struct pack_writer_options *o,
			    struct pack_writer **out, struct err *e)
{
	struct pack_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a pack");
	w->o = *o;
	w->made_end = &w->made;
	dir_builder_init(&w->dir);
	buf_init(&w->dir_plain, DIR_MAX_BYTES);
	*out = w;
	return BC_OK;
}

/* Give the open pack's buffer back. */
static void drop_buffer(struct pack_writer *w)
{
	if (w->buf != w->start)
		flusher_return(w->o.flusher, w->buf);
	w->buf = NULL;
}

/* Nobody knows of it yet; if this fails it is rubbish that gc finds. */
static void unlink_pack(struct io_dir *dir, const struct pack_id *id)
{
	char name[PACK_NAME_BYTES];

	pack_name(id, name);
	(void)!io_unlink(dir, name, NULL);
}

void pack_made_unlink(const struct pack_made *m, struct io_dir *dir)
{
	unlink_pack(dir, &m->id);
}

void pack_made_free(struct pack_made *m)
{
	if (m == NULL)
		return;
	pack_dir_free(m->dir);
	free(m);
}

void pack_writer_free(struct pack_writer *w)
{
	struct pack_made *m;

	if (w == NULL)
		return;
	while ((m = w->made) != NULL) {
		w->made = m->next;
		if (m->file != NULL)
			flusher_abandon(w->o.flusher, m->file);
		pack_made_unlink(m, w->o.dir);
		pack_made_free(m);
	}
	if (w->file != NULL) {
		flusher_abandon(w->o.flusher, w->file);
		unlink_pack(w->o.dir, &w->id);
	}
	drop_buffer(w);
	free(w->start);
	sealer_fini(&w->dir_sealer);
	dir_builder_fini(&w->dir);
	buf_fini(&w->dir_plain);
	free(w);
}

/* Where the next byte of the open pack will stand. */
static uint64_t pack_at(const struct pack_writer *w)
{
	return w->buf_at + w->buf_n;
}

static enum bc_err begin_pack(struct pack_writer *w, struct err *e)
{
	struct pack_head h = { .kind = w->o.kind,
			       .placement = w->o.placement,
			       .repo = w->o.repo,
			       .session = w->o.session,
			       .created = w->o.clock.real(w->o.clock.ctx) };
	enum bc_err rc = rng_fill(w->o.rng, w->id.b, PACK_ID_BYTES, e);

	if (rc != BC_OK)
		return rc;
	h.id = w->id;
	if (w->start == NULL)
		w->start = malloc(START_BYTES);
	if (w->start == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a pack");
	w->buf = w->start;
	pack_head_encode(&h, w->buf);
	w->buf_n = PACK_HEAD_BYTES;
	w->buf_at = 0;
	w->open = true;
	return BC_OK;
}

/* Room for a whole pack keeps it in few extents. Where there is little left,
 * the packs that are open must not take it from each other. */
static void reserve(struct pack_writer *w, struct io_file *file)
{
	struct io_space space;

	if (io_dir_space(w->o.dir, &space, NULL) != BC_OK ||
	    space.available / RESERVE_SHARE < w->o.target)
		return;
	(void)!io_file_allocate(file, 0, w->o.target, IO_ALLOC_KEEP_SIZE, NULL);
}

static enum bc_err make_file(struct pack_writer *w, struct err *e)
{
	char name[PACK_NAME_BYTES];
	struct io_file *file = NULL;
	enum bc_err rc;

	pack_name(&w->id, name);
	rc = io_file_open(w->o.dir, name,
			  IO_WRITE | IO_CREATE | IO_EXCLUSIVE | IO_DIRECT,
			  &file, e);
	if (rc != BC_OK)
		return rc;
	reserve(w, file);
	rc = flusher_open(w->o.flusher, file, &w->file, e);
	if (rc != BC_OK)
		unlink_pack(w->o.dir, &w->id);
	return rc;
}

/* From `start` into a buffer that can be written from. */
static void move_on(struct pack_writer *w)
{
	uint8_t *buf;

	if (w->buf != w->start)
		return;
	buf = flusher_buffer(w->o.flusher);
	memcpy(buf, w->buf, w->buf_n);
	w->buf = buf;
}

/* Hand the full buffer over and take another. */
static enum bc_err turn_buffer(struct pack_writer *w, struct err *e)
{
	enum bc_err rc = BC_OK;

	if (w->file == NULL)
		rc = make_file(w, e);
	if (rc != BC_OK)
		return rc;
	move_on(w);
	flusher_write(w->o.flusher, w->file, w->buf, w->buf_n, w->buf_at);
	w->buf_at += w->buf_n;
	w->buf_n = 0;
	w->buf = flusher_buffer(w->o.flusher);
	return BC_OK;
}

static enum bc_err put_bytes(struct pack_writer *w, const uint8_t *p, size_t n,
			     struct err *e)
{
	const size_t whole = flusher_buffer_bytes(w->o.flusher);
	enum bc_err rc = BC_OK;

	while (n > 0 && rc == BC_OK) {
		size_t room = w->buf == w->start ? min_size(START_BYTES, whole)
						 : whole;
		size_t part = min_size(n, room - w->buf_n);

		memcpy(w->buf + w->buf_n, p, part);
		w->buf_n += part;
		p += part;
		n -= part;
		if (w->buf_n == whole)
			rc = turn_buffer(w, e);
		else if (w->buf_n == room)
			move_on(w);
	}
	return rc;
}

static enum bc_err put_zeros(struct pack_writer *w, size_t n, struct err *e)
{
	static const uint8_t zeros[256];
	enum bc_err rc = BC_OK;

	while (n > 0 && rc == BC_OK) {
		size_t part = min_size(n, sizeof(zeros));

		rc = put_bytes(w, zeros, part, e);
		n -= part;
	}
	return rc;
}

static enum bc_err put_block(struct pack_writer *w,
			     const struct sealed_block *b, struct err *e)
{
	uint8_t raw[BLOCK_HEAD_BYTES];
	enum bc_err rc;

	block_head_encode(&b->head, raw);
	rc = put_bytes(w, raw, sizeof(raw), e);
	return rc == BC_OK ? put_bytes(w, b->stored.p, b->stored.n, e) : rc;
}

/* Directory, padding and footer: the last footer byte ends a 4096. */
static enum bc_err put_tail(struct pack_writer *w, struct pack_made *m,
			    struct err *e)
{
	struct pack_foot f = { .id = w->id,
			       .dir_offset = pack_at(w),
			       .chunks = w->dir.n_chunks,
			       .blocks = w->dir.n_blocks,
			       .plain = w->dir.plain };
	uint8_t raw[PACK_FOOT_BYTES];
	struct sealed_block b;
	enum bc_err rc = BC_OK;

	if (w->dir_sealer.enc == NULL)
		rc = sealer_init(&w->dir_sealer, DIR_LEVEL, DIR_MAX_BYTES, e);
	if (rc != BC_OK)
		return rc;
	buf_clear(&w->dir_plain);
	rc = dir_builder_encode(&w->dir, 0, 0, &w->dir_plain);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a pack directory");
	sha256_one(buf_bytes(&w->dir_plain), &m->directory);
	rc = pack_dir_decode(buf_bytes(&w->dir_plain), &m->dir, e);
	if (rc != BC_OK)
		return rc;
	rc = sealer_seal_plain(&w->dir_sealer, BLOCK_DIRECTORY,
			       buf_bytes(&w->dir_plain), &b, e);
	if (rc != BC_OK)
		return rc;
	f.dir_length = BLOCK_HEAD_BYTES + b.head.stored;
	rc = put_block(w, &b, e);
	if (rc != BC_OK)
		return rc;
	m->length = round_up(pack_at(w) + PACK_FOOT_BYTES, PACK_ALIGN);
	rc = put_zeros(w, (size_t)(m->length - PACK_FOOT_BYTES - pack_at(w)),
		       e);
	if (rc != BC_OK)
		return rc;
	pack_foot_encode(&f, raw);
	return put_bytes(w, raw, sizeof(raw), e);
}

static enum bc_err seal_pack(struct pack_writer *w, struct err *e)
{
	struct pack_made *m = calloc(1, sizeof(*m));
	enum bc_err rc = BC_OK;

	if (m == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a pack");
	m->id = w->id;
	m->kind = w->o.kind;
	m->placement = w->o.placement;
	m->chunks = w->dir.n_chunks;
	m->blocks = w->dir.n_blocks;
	m->plain = w->dir.plain;
	rc = put_tail(w, m, e);
	if (rc == BC_OK && w->file == NULL)
		rc = make_file(w, e);
	if (rc != BC_OK) {
		pack_made_free(m);
		return rc;
	}
	move_on(w);
	if (w->buf_n > 0)
		flusher_write(w->o.flusher, w->file, w->buf, w->buf_n,
			      w->buf_at);
	else
		flusher_return(w->o.flusher, w->buf);
	flusher_finish(w->o.flusher, w->file, m->length);
	m->file = w->file;
	*w->made_end = m;
	w->made_end = &m->next;
	w->buf = NULL;
	w->file = NULL;
	w->open = false;
	dir_builder_clear(&w->dir);
	return BC_OK;
}

enum bc_err pack_writer_append(struct pack_writer *w,
			       const struct sealed_block *b, struct err *e)
{
	size_t size = BLOCK_HEAD_BYTES + b->stored.n;
	struct sealed_block at = *b;
	struct dir_block d;
	enum bc_err rc = BC_OK;

	if (w->open && w->dir.n_chunks > 0 &&
	    (pack_at(w) + size > w->o.target ||
	     w->dir.n_chunks + b->head.chunks > PACK_CHUNKS_MAX))
		rc = seal_pack(w, e);
	if (rc == BC_OK && !w->open)
		rc = begin_pack(w, e);
	if (rc != BC_OK)
		return rc;
	at.head.first_slot = (uint16_t)w->dir.n_chunks;
	d = (struct dir_block){ .offset = (uint32_t)pack_at(w),
				.stored = b->head.stored,
				.plain = b->head.plain,
				.first_slot = at.head.first_slot,
				.chunks = b->head.chunks,
				.kind = (uint8_t)b->head.kind,
				.codec = (uint8_t)b->head.codec,
				.cipher = (uint8_t)b->head.cipher,
				.check = le_get32(b->head.tag) };
	rc = dir_builder_add(&w->dir, &d, b->lengths, b->ids);
	if (rc == BC_OK)
		rc = dir_builder_sum(&w->dir, &d, b->stored);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a pack directory");
	return put_block(w, &at, e);
}

struct pack_pending pack_writer_take(const struct pack_writer *w)
{
	if (!w->open || w->file != NULL || w->made != NULL)
		return (struct pack_pending){ NULL, 0, NULL };
	return (struct pack_pending){ w->buf + PACK_HEAD_BYTES,
				      w->buf_n - PACK_HEAD_BYTES, &w->dir };
}

void pack_writer_drop_pending(struct pack_writer *w)
{
	if (!w->open || w->file != NULL)
		return;
	drop_buffer(w);
	w->open = false;
	dir_builder_clear(&w->dir);
}

enum bc_err pack_writer_finish(struct pack_writer *w, struct pack_made **made,
			       struct err *e)
{
	enum bc_err rc = BC_OK;

	if (w->open)
		rc = seal_pack(w, e);
	for (struct pack_made *m = w->made; m != NULL; m = m->next) {
		struct err one = ERR_INIT;
		enum bc_err one_rc;

		if (m->file == NULL)
			continue;
		one_rc = flusher_wait(w->o.flusher, m->file, &one);
		m->file = NULL;
		if (one_rc != BC_OK && rc == BC_OK) {
			rc = one_rc;
			if (e != NULL)
				*e = one;
		}
	}
	if (rc != BC_OK)
		return rc;
	*made = w->made;
	w->made = NULL;
	w->made_end = &w->made;
	return BC_OK;
}

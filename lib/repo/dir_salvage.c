/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/dir_salvage.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "pack/open.h"
#include "repo/state.h"
#include "util/arith.h"
#include "util/le.h"

enum { WINDOW_BYTES = 256 << 10 };

/* ---- from header to header ------------------------------------------------
 */

struct scan {
	struct repo *r;
	struct io_file *f;
	uint64_t at, end; /* blocks are looked for from here to there */
	uint8_t *window;  /* what was read of the file */
	uint64_t window_at;
	size_t window_n;
	struct buf stored, plain; /* of one block */
};

static bool fill(struct scan *s, uint64_t to)
{
	size_t n = (size_t)(min_u64(to, s->end) - s->at);

	s->window_at = s->at;
	s->window_n = n;
	if (io_file_pread(s->f, s->window, n, s->at, NULL) != BC_OK)
		s->window_n = 0;
	return s->window_n > 0;
}

/* Have a header's bytes from s->at on in the window. */
static bool look(struct scan *s)
{
	if (s->at >= s->window_at &&
	    s->at + BLOCK_HEAD_BYTES <= s->window_at + s->window_n)
		return true;
	/* A sector that cannot be read must not hide its neighbours. */
	return fill(s, s->at + WINDOW_BYTES) ||
	       fill(s, round_up(s->at + BLOCK_HEAD_BYTES, PACK_ALIGN));
}

/* The next place in the window where a magic may begin, or its end. */
static uint64_t next_place(const struct scan *s)
{
	size_t from = (size_t)(s->at - s->window_at) + 1;
	const uint8_t *b = memchr(s->window + from, 'B', s->window_n - from);

	return s->window_at +
	       (b == NULL ? s->window_n : (size_t)(b - s->window));
}

/* The next header that is whole; s->at moves behind its block. */
static bool next_block(struct scan *s, struct block_head *h, uint64_t *at)
{
	while (s->at + BLOCK_HEAD_BYTES <= s->end) {
		if (!look(s)) {
			s->at = round_down(s->at, PACK_ALIGN) + PACK_ALIGN;
			continue;
		}
		if (block_head_decode(
			    bytes_of(s->window + (s->at - s->window_at),
				     BLOCK_HEAD_BYTES),
			    h, NULL) == BC_OK &&
		    h->stored <= s->end - s->at - BLOCK_HEAD_BYTES) {
			*at = s->at;
			s->at += BLOCK_HEAD_BYTES + (uint64_t)h->stored;
			return true;
		}
		s->at = next_place(s);
	}
	return false;
}

/* The block's plain bytes into s->plain. Not whole: BC_EDAMAGE, ... */
static enum bc_err open_block(struct scan *s, const struct block_head *h,
			      uint64_t at)
{
	uint8_t *raw;
	enum bc_err rc;

	buf_clear(&s->stored);
	if (buf_extend(&s->stored, h->stored, &raw) != BC_OK)
		return BC_ENOMEM;
	rc = io_file_pread(s->f, raw, h->stored, at + BLOCK_HEAD_BYTES, NULL);
	if (rc == BC_OK)
		rc = block_open(h, buf_bytes(&s->stored), s->r->dec, &s->plain,
				NULL);
	return rc;
}

static enum bc_err scan_open(struct scan *s, struct repo *r,
			     const struct pack_ref *p, struct err *e)
{
	uint64_t size = 0;
	enum bc_err rc;

	*s = (struct scan){ .r = r };
	buf_init(&s->stored, BLOCK_PLAIN_MAX_BYTES);
	buf_init(&s->plain, BLOCK_PLAIN_MAX_BYTES);
	rc = repo_open_pack(r, p, false, &s->f, e);
	if (rc == BC_OK)
		rc = io_file_size(s->f, &size, e);
	/* What was added behind its end is not the pack's, and no offset in a
	 * directory is larger. */
	s->end = min_u64(min_u64(size, p->length), UINT32_MAX);
	s->window = malloc(WINDOW_BYTES);
	if (rc == BC_OK && s->window == NULL)
		rc = err_set(e, BC_ENOMEM, "no memory to read a pack");
	return rc;
}

static void scan_close(struct scan *s)
{
	free(s->window);
	buf_fini(&s->stored);
	buf_fini(&s->plain);
	io_file_close(s->f, NULL);
}

/* ---- what is found --------------------------------------------------------
 */

static enum bc_err keep(struct salvage *out, struct pack_dir *d)
{
	struct pack_dir **at =
		realloc(out->at, (out->n + 1) * sizeof(struct pack_dir *));

	if (at == NULL) {
		pack_dir_free(d);
		return BC_ENOMEM;
	}
	out->at = at;
	at[out->n++] = d;
	return BC_OK;
}

void salvage_fini(struct salvage *s)
{
	for (size_t i = 0; i < s->n; i++)
		pack_dir_free(s->at[i]);
	free(s->at);
	*s = (struct salvage){ .n = 0 };
}

/* The directory that the log vouches for, wherever it is. */
static enum bc_err find_dir(struct scan *s, const struct digest *want,
			    struct salvage *out)
{
	struct block_head h;
	struct digest digest;
	struct pack_dir *d = NULL;
	uint64_t at;
	enum bc_err rc = BC_OK;

	while (rc != BC_ENOMEM && next_block(s, &h, &at)) {
		if (h.kind != BLOCK_DIRECTORY)
			continue;
		rc = open_block(s, &h, at);
		if (rc != BC_OK)
			continue;
		sha256_one(buf_bytes(&s->plain), &digest);
		if (!digest_eq(&digest, want))
			continue;
		rc = pack_dir_decode(buf_bytes(&s->plain), &d, NULL);
		if (rc == BC_OK)
			return keep(out, d);
	}
	return rc == BC_ENOMEM ? rc : BC_OK;
}

/* ---- block by block -------------------------------------------------------
 */

/* A directory in the making; its blocks follow each other without a gap. */
struct making {
	struct dir_builder dir;
	uint32_t next;	/* slot after its last */
	uint32_t slots; /* of the pack */
	struct buf lengths, ids;
	struct buf raw;
	struct salvage *out;
};

/* Lengths and ids of a block's chunks. BC_EDAMAGE: it has none. */
static enum bc_err split(struct making *m, const struct block_head *h,
			 struct bytes plain)
{
	size_t at = block_table_bytes(h->chunks);
	enum bc_err rc = BC_OK;

	buf_clear(&m->lengths);
	buf_clear(&m->ids);
	for (size_t i = 0; i < h->chunks && rc == BC_OK; i++) {
		uint32_t n = h->chunks == 1 ? (uint32_t)plain.n
					    : le_get32(plain.p + 4 * i);
		struct digest id;

		if (n == 0 || n > plain.n - at)
			return BC_EDAMAGE;
		sha256_one(bytes_of(plain.p + at, n), &id);
		at += n;
		rc = buf_add(&m->lengths, &n, sizeof(n));
		if (rc == BC_OK)
			rc = buf_add(&m->ids, &id, sizeof(id));
	}
	if (rc != BC_OK)
		return BC_ENOMEM;
	return at == plain.n ? BC_OK : BC_EDAMAGE;
}

static enum bc_err finish_dir(struct making *m)
{
	struct pack_dir *d = NULL;
	enum bc_err rc;

	if (m->dir.n_chunks == 0)
		return BC_OK;
	buf_clear(&m->raw);
	rc = dir_builder_encode(&m->dir, 0, 0, &m->raw);
	if (rc == BC_OK)
		rc = pack_dir_decode(buf_bytes(&m->raw), &d, NULL);
	dir_builder_clear(&m->dir);
	return rc == BC_OK ? keep(m->out, d) : rc;
}

static enum bc_err add_block(struct making *m, const struct block_head *h,
			     uint64_t at, struct bytes plain)
{
	struct dir_block b = { .offset = (uint32_t)at,
			       .stored = h->stored,
			       .plain = h->plain,
			       .first_slot = h->first_slot,
			       .chunks = h->chunks,
			       .kind = (uint8_t)h->kind,
			       .codec = (uint8_t)h->codec,
			       .cipher = (uint8_t)h->cipher,
			       .check = le_get32(h->tag) };
	enum bc_err rc = split(m, h, plain);

	if (rc == BC_OK && h->first_slot != m->next)
		rc = finish_dir(m);
	if (rc == BC_OK)
		rc = dir_builder_add(
			&m->dir, &b,
			(const uint32_t *)(const void *)m->lengths.p,
			(const struct digest *)(const void *)m->ids.p);
	if (rc == BC_OK)
		m->next = (uint32_t)h->first_slot + h->chunks;
	return rc;
}

/* Blocks with chunks, where the slots may go on. */
static bool fits(const struct making *m, const struct block_head *h)
{
	return h->kind != BLOCK_DIRECTORY && h->kind != BLOCK_RECORD &&
	       h->chunks > 0 && h->first_slot >= m->next &&
	       (uint32_t)h->first_slot + h->chunks <= m->slots;
}

static enum bc_err find_blocks(struct scan *s, uint32_t slots,
			       struct salvage *out)
{
	struct making m = { .out = out, .slots = slots };
	struct block_head h;
	uint64_t at;
	enum bc_err rc = BC_OK;

	dir_builder_init(&m.dir);
	buf_init(&m.lengths, (size_t)PACK_CHUNKS_MAX * 4);
	buf_init(&m.ids, (size_t)PACK_CHUNKS_MAX * DIGEST_BYTES);
	buf_init(&m.raw, BLOCK_PLAIN_MAX_BYTES);
	while (rc != BC_ENOMEM && next_block(s, &h, &at)) {
		if (!fits(&m, &h))
			continue;
		rc = open_block(s, &h, at);
		if (rc == BC_OK)
			rc = add_block(&m, &h, at, buf_bytes(&s->plain));
	}
	if (rc != BC_ENOMEM)
		rc = finish_dir(&m);
	dir_builder_fini(&m.dir);
	buf_fini(&m.lengths);
	buf_fini(&m.ids);
	buf_fini(&m.raw);
	return rc == BC_ENOMEM ? rc : BC_OK;
}

enum bc_err dir_salvage(struct repo *r, const struct pack_ref *p,
			struct salvage *out, struct err *e)
{
	struct catalog_pack row;
	struct scan s = { .r = NULL };
	enum bc_err rc;

	*out = (struct salvage){ .n = 0 };
	rc = catalog_get_pack(r->catalog, p->number, &row, e);
	if (rc != BC_OK)
		return rc;
	rc = scan_open(&s, r, p, e);
	if (rc == BC_OK) {
		s.at = PACK_HEAD_BYTES;
		rc = find_dir(&s, &row.directory, out);
	}
	if (rc == BC_OK && out->n == 0) {
		s.at = PACK_HEAD_BYTES;
		rc = find_blocks(&s, row.chunks, out);
	}
	if (rc == BC_ENOMEM)
		err_set(e, rc, "no memory to read a pack by its blocks");
	scan_close(&s);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */

#include "repo/chunks.h"

#include <stdlib.h>

#include "codec/zstd.h"
#include "pack/open.h"
#include "repo/dirs.h"
#include "repo/state.h"
#include "repo/views.h"

enum { HINTS_MAX = 16, READER_BLOCKS = 8, READER_FILES = 4 };

_Static_assert(sizeof(struct dir_ref) <=
		       sizeof(((struct chunk_place *)0)->entry),
	       "a place holds its reference");

static enum bc_err try_hint(struct repo *r, const struct digest *id,
			    struct index_loc hint, struct chunk_place *out,
			    bool *hit, struct err *e)
{
	struct dir_ref ref = { .dir = NULL };
	enum bc_err rc = repo_dir_get(r, hint.pack, hint.slot, &ref, e);

	*hit = false;
	if (rc == BC_EDAMAGE || rc == BC_EIO)
		repo_hurt_found(r, hint.pack, HURT_WHOLE);
	if (rc != BC_OK)
		return rc;
	if (!pack_dir_has(ref.dir, hint.slot, id)) {
		repo_dir_put(r, &ref);
		return BC_OK;
	}
	*hit = true;
	out->dir = ref.dir;
	out->pack = hint.pack;
	out->chunk = hint.slot - ref.dir->base_slot;
	out->block = ref.dir->block_of[out->chunk];
	memcpy(out->entry, &ref, sizeof(ref));
	return BC_OK;
}

static enum bc_err locate(struct repo *r, const struct digest *id,
			  unsigned skip, struct chunk_place *out, struct err *e)
{
	struct index_loc hints[HINTS_MAX];
	size_t n = repo_find_hints(r, id, hints, HINTS_MAX);
	enum bc_err worst = BC_ENOTFOUND;

	for (size_t i = 0; i < n; i++) {
		struct chunk_place p;
		bool hit = false;
		enum bc_err rc = try_hint(r, id, hints[i], &p, &hit, e);

		if (rc == BC_ENOMEM)
			return rc;
		if (rc != BC_OK && rc != BC_ENOTFOUND)
			worst = rc;
		if (hit && skip-- == 0) {
			*out = p;
			return BC_OK;
		}
		if (hit)
			chunk_place_put(r, &p);
	}
	if (worst == BC_ENOTFOUND)
		err_set(e, worst, "a chunk is not in the repository");
	return worst;
}

enum bc_err repo_locate(struct repo *r, const struct digest *id, unsigned skip,
			struct chunk_place *out, struct err *e)
{
	enum bc_err rc = locate(r, id, skip, out, e);

	if (rc == BC_ENOTFOUND && repo_heal_index(r)) {
		err_clear(e);
		rc = locate(r, id, skip, out, e);
	}
	return rc;
}

void chunk_place_put(struct repo *r, struct chunk_place *p)
{
	struct dir_ref ref;

	if (p->dir == NULL)
		return;
	memcpy(&ref, p->entry, sizeof(ref));
	repo_dir_put(r, &ref);
	p->dir = NULL;
}

/* ---- reader ---------------------------------------------------------------
 */

struct kept_block {
	uint32_t pack;
	uint32_t offset;
	uint64_t used; /* 0: empty */
	struct buf plain;
};

struct kept_file {
	uint32_t pack;
	uint64_t used;
	struct io_file *file;
};

struct chunk_reader {
	struct repo *r;
	struct codec_dec *dec;
	struct buf stored;
	uint64_t tick;
	struct kept_block block[READER_BLOCKS];
	struct kept_file file[READER_FILES];
};

enum bc_err chunk_reader_new(struct repo *r, struct chunk_reader **out,
			     struct err *e)
{
	struct chunk_reader *c = calloc(1, sizeof(*c));
	enum bc_err rc;

	if (c == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a reader");
	c->r = r;
	buf_init(&c->stored, BLOCK_HEAD_BYTES + BLOCK_PLAIN_MAX_BYTES);
	for (int i = 0; i < READER_BLOCKS; i++)
		buf_init(&c->block[i].plain, BLOCK_PLAIN_MAX_BYTES);
	rc = repo_need_index(r, e);
	if (rc == BC_OK)
		rc = codec_dec_new(&c->dec, e);
	if (rc != BC_OK) {
		chunk_reader_free(c);
		return rc;
	}
	*out = c;
	return BC_OK;
}

void chunk_reader_free(struct chunk_reader *c)
{
	if (c == NULL)
		return;
	for (int i = 0; i < READER_BLOCKS; i++)
		buf_fini(&c->block[i].plain);
	for (int i = 0; i < READER_FILES; i++)
		io_file_close(c->file[i].file, NULL);
	buf_fini(&c->stored);
	codec_dec_free(c->dec);
	free(c);
}

static enum bc_err pack_file(struct chunk_reader *c, const struct pack_ref *p,
			     struct io_file **out, struct err *e)
{
	struct kept_file *old = &c->file[0];
	enum bc_err rc;

	for (int i = 0; i < READER_FILES; i++) {
		struct kept_file *k = &c->file[i];

		if (k->file != NULL && k->pack == p->number) {
			k->used = ++c->tick;
			*out = k->file;
			return BC_OK;
		}
		if (k->used < old->used)
			old = k;
	}
	io_file_close(old->file, NULL);
	*old = (struct kept_file){ .pack = p->number };
	rc = repo_open_pack(c->r, p, false, &old->file, e);
	if (rc == BC_OK) {
		old->used = ++c->tick;
		*out = old->file;
	}
	return rc;
}

static enum bc_err load_block(struct chunk_reader *c,
			      const struct pack_ref *pack,
			      const struct dir_block *b, struct buf *plain,
			      struct err *e)
{
	struct io_file *f = NULL;
	enum bc_err rc = pack_file(c, pack, &f, e);

	if (rc == BC_OK)
		rc = block_read(f, b, c->dec, &c->stored, plain, e);
	if (rc == BC_EDAMAGE && f != NULL)
		err_wrap(e, "%s at byte %u", io_file_path(f), b->offset);
	return rc;
}

static enum bc_err get_block(struct chunk_reader *c,
			     const struct chunk_place *p, struct bytes *plain,
			     struct err *e)
{
	const struct dir_block *b = &p->dir->blocks[p->block];
	struct kept_block *old = &c->block[0];
	struct dir_ref ref;
	enum bc_err rc;

	for (int i = 0; i < READER_BLOCKS; i++) {
		struct kept_block *k = &c->block[i];

		if (k->used != 0 && k->pack == p->pack &&
		    k->offset == b->offset) {
			k->used = ++c->tick;
			*plain = buf_bytes(&k->plain);
			return BC_OK;
		}
		if (k->used < old->used)
			old = k;
	}
	memcpy(&ref, p->entry, sizeof(ref));
	old->used = 0;
	rc = load_block(c, &ref.pack, b, &old->plain, e);
	if (rc != BC_OK)
		return rc;
	old->pack = p->pack;
	old->offset = b->offset;
	old->used = ++c->tick;
	*plain = buf_bytes(&old->plain);
	return BC_OK;
}

/* From now on it is known that this place does not serve. */
static void found_bad(struct chunk_reader *c, const struct chunk_place *p)
{
	repo_hurt_found(c->r, p->pack, p->dir->blocks[p->block].offset);
}

static enum bc_err read_place(struct chunk_reader *c,
			      const struct chunk_place *p, struct bytes *out,
			      struct err *e)
{
	struct bytes plain;
	enum bc_err rc = get_block(c, p, &plain, e);

	if (rc == BC_OK) {
		rc = pack_dir_chunk(p->dir, p->chunk, plain, out, e);
		if (rc == BC_EDAMAGE)
			err_wrap(e, "pack %u", p->pack);
	}
	if (rc == BC_EDAMAGE || rc == BC_EIO)
		found_bad(c, p);
	return rc;
}

enum bc_err chunk_read(struct chunk_reader *c, const struct digest *id,
		       struct bytes *out, struct err *e)
{
	struct err first = ERR_INIT;
	enum bc_err rc = BC_OK;

	/* Copy after copy, until one is good or there is no more. What is
	 * reported is what is wrong with the first. */
	for (unsigned skip = 0; rc != BC_ENOMEM; skip++) {
		struct err one = ERR_INIT;
		struct chunk_place p = { .dir = NULL };

		rc = repo_locate(c->r, id, skip, &p, &one);
		if (rc != BC_OK && skip > 0)
			break;
		if (rc == BC_OK) {
			rc = read_place(c, &p, out, &one);
			chunk_place_put(c->r, &p);
			if (rc == BC_OK)
				return BC_OK;
		}
		if (first.code == BC_OK)
			first = one;
	}
	if (e != NULL)
		*e = first;
	return first.code;
}

static enum bc_err fetch_node(void *ctx, const struct digest *id,
			      struct buf *out, struct err *e)
{
	struct bytes b;
	enum bc_err rc = chunk_read(ctx, id, &b, e);

	buf_clear(out);
	if (rc == BC_OK)
		rc = buf_add(out, b.p, b.n);
	if (rc == BC_ENOMEM || rc == BC_ELIMIT)
		err_set(e, rc, "a tree node does not fit");
	return rc;
}

struct node_source chunk_node_source(struct chunk_reader *c)
{
	return (struct node_source){ fetch_node, c };
}

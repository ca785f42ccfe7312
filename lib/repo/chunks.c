/* SPDX-License-Identifier: Apache-2.0 */

#include "repo/chunks.h"

#include <stdlib.h>

#include "codec/zstd.h"
#include "pack/open.h"
#include "repo/dirs.h"
#include "repo/pack_files.h"
#include "repo/state.h"
#include "repo/views.h"

enum { READER_BLOCKS = 8, READER_FILES = 4 };

/* ---- places ---------------------------------------------------------------
 */

void repo_search(struct chunk_search *s, struct repo *r,
		 const struct digest *id, enum dir_trust trust)
{
	s->r = r;
	s->id = id;
	s->trust = trust;
	s->n = repo_find_hints(r, id, s->hints, CHUNK_HINTS_MAX, &s->made);
	s->next = 0;
	s->failed = false;
	s->why.code = BC_OK;
}

bool repo_search_failed(const struct chunk_search *s)
{
	return s->failed;
}

/* A directory that has the chunk in that slot; BC_OK also if it has not. */
static enum bc_err ask_dir(struct chunk_search *s, struct index_loc hint,
			   enum dir_trust trust, struct dir_ref *ref, bool *has,
			   struct err *e)
{
	enum bc_err rc =
		repo_dir_get(s->r, hint.pack, hint.slot, trust, ref, e);

	*has = rc == BC_OK && pack_dir_has(ref->dir, hint.slot, s->id);
	if (rc != BC_OK || *has)
		return rc;
	rc = ref->trust < DIR_SOUND ? BC_ENOTFOUND : BC_OK;
	repo_dir_put(s->r, ref);
	return rc;
}

static enum bc_err try_hint(struct chunk_search *s, struct index_loc hint,
			    struct chunk_place *out, bool *hit)
{
	/* The first that cannot be read is told; a pack that is freed, or an
	 * index that is wrong, is nothing to tell. */
	struct err *e = s->why.code == BC_OK ? &s->why : NULL;
	struct dir_ref ref = { .dir = NULL };
	enum bc_err rc;

	*hit = false;
	/* Found damaged once: not again for each of its chunks. */
	if (s->trust == DIR_VERIFIED &&
	    hurt_has(&s->r->hurt, hint.pack, HURT_WHOLE))
		return BC_OK;
	rc = ask_dir(s, hint, s->trust, &ref, hit, e);
	/* The index is wrong, or a part of the directory that nothing vouches
	 * for is damaged. */
	if (rc == BC_ENOTFOUND && s->trust == DIR_HINT) {
		err_clear(e);
		rc = ask_dir(s, hint, DIR_SOUND, &ref, hit, e);
	}
	if (rc == BC_EDAMAGE || rc == BC_EIO)
		repo_hurt_found(s->r, hint.pack, HURT_WHOLE);
	if (rc == BC_ENOTFOUND && e != NULL)
		err_clear(e);
	if (rc != BC_OK || !*hit)
		return rc;
	out->ref = ref;
	out->chunk = hint.slot - ref.dir->base_slot;
	out->block = ref.dir->block_of[out->chunk];
	return BC_OK;
}

static bool was_tried(const struct chunk_search *s, struct index_loc at)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->hints[i].pack == at.pack && s->hints[i].slot == at.slot)
			return true;
	return false;
}

/* What is found by an index made again, in whatever order, and was not by the
 * one before. That may be damaged as well: it is asked until one is whole. */
static enum bc_err search_again(struct chunk_search *s, struct err *e)
{
	struct index_loc now[CHUNK_HINTS_MAX];
	/* For whom it is to be read; who asks whether it must be stored can do
	 * without. */
	bool needed = s->trust != DIR_VERIFIED && s->n == 0;
	enum bc_err rc = repo_heal_index(s->r, s->made, needed, e);
	size_t n;

	if (rc != BC_OK)
		return rc;
	n = repo_find_hints(s->r, s->id, now, CHUNK_HINTS_MAX, &s->made);
	for (size_t i = 0; i < n && s->n < CHUNK_PLACES_MAX; i++)
		if (!was_tried(s, now[i]))
			s->hints[s->n++] = now[i];
	return BC_OK;
}

enum bc_err repo_search_next(struct chunk_search *s, struct chunk_place *out,
			     struct err *e)
{
	enum bc_err rc;

	do {
		while (s->next < s->n) {
			bool hit = false;

			rc = try_hint(s, s->hints[s->next++], out, &hit);
			s->failed = rc == BC_ENOMEM;
			if (s->failed)
				return err_set(e, rc,
					       "no memory to find a chunk");
			if (hit)
				return BC_OK;
		}
		rc = search_again(s, e);
	} while (rc == BC_OK);
	s->failed = rc != BC_ENOTFOUND;
	if (s->failed)
		return rc;
	if (s->why.code == BC_OK)
		return err_set(e, BC_ENOTFOUND,
			       "a chunk is not in the repository");
	if (e != NULL)
		*e = s->why;
	return s->why.code;
}

enum bc_err repo_locate(struct repo *r, const struct digest *id,
			struct chunk_place *out, struct err *e)
{
	struct chunk_search s;

	repo_search(&s, r, id, DIR_HINT);
	return repo_search_next(&s, out, e);
}

void chunk_place_put(struct repo *r, struct chunk_place *p)
{
	repo_dir_put(r, &p->ref);
}

/* ---- reader ---------------------------------------------------------------
 */

struct kept_block {
	uint32_t pack;
	uint32_t offset;
	uint64_t used; /* 0: empty */
	struct buf plain;
};

struct chunk_reader {
	struct repo *r;
	struct codec_dec *dec;
	struct buf stored;
	uint64_t tick;
	struct kept_block block[READER_BLOCKS];
	struct pack_files files;
};

enum bc_err chunk_reader_new(struct repo *r, struct chunk_reader **out,
			     struct err *e)
{
	struct chunk_reader *c = calloc(1, sizeof(*c));
	enum bc_err rc;

	if (c == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a reader");
	c->r = r;
	pack_files_init(&c->files, r, false, READER_FILES);
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
	pack_files_fini(&c->files);
	buf_fini(&c->stored);
	codec_dec_free(c->dec);
	free(c);
}

static enum bc_err load_block(struct chunk_reader *c,
			      const struct chunk_place *p, struct buf *plain,
			      struct err *e)
{
	const struct dir_block *b = &p->ref.dir->blocks[p->block];
	struct pack_file *f = NULL;
	enum bc_err rc = pack_files_get(&c->files, p->ref.pack.number, &f, e);

	if (rc != BC_OK)
		return rc;
	rc = block_read(f->file, b, c->dec, &c->stored, plain, e);
	if (rc == BC_EDAMAGE)
		err_wrap(e, "%s at byte %u", io_file_path(f->file), b->offset);
	pack_files_put(&c->files, f);
	return rc;
}

static enum bc_err get_block(struct chunk_reader *c,
			     const struct chunk_place *p, struct bytes *plain,
			     struct err *e)
{
	const struct dir_block *b = &p->ref.dir->blocks[p->block];
	struct kept_block *old = &c->block[0];
	uint32_t pack = p->ref.pack.number;
	enum bc_err rc;

	for (int i = 0; i < READER_BLOCKS; i++) {
		struct kept_block *k = &c->block[i];

		if (k->used != 0 && k->pack == pack && k->offset == b->offset) {
			k->used = ++c->tick;
			*plain = buf_bytes(&k->plain);
			return BC_OK;
		}
		if (k->used < old->used)
			old = k;
	}
	old->used = 0;
	rc = load_block(c, p, &old->plain, e);
	if (rc != BC_OK)
		return rc;
	old->pack = pack;
	old->offset = b->offset;
	old->used = ++c->tick;
	*plain = buf_bytes(&old->plain);
	return BC_OK;
}

/* From now on it is known that this place does not serve. */
static void found_bad(struct chunk_reader *c, const struct chunk_place *p)
{
	repo_hurt_found(c->r, p->ref.pack.number,
			p->ref.dir->blocks[p->block].offset);
}

static enum bc_err read_place(struct chunk_reader *c,
			      const struct chunk_place *p, struct bytes *out,
			      struct err *e)
{
	struct bytes plain;
	enum bc_err rc = get_block(c, p, &plain, e);

	if (rc == BC_OK) {
		rc = pack_dir_chunk(p->ref.dir, p->chunk, plain, out, e);
		if (rc == BC_EDAMAGE)
			err_wrap(e, "pack %u", p->ref.pack.number);
	}
	if (rc == BC_EDAMAGE || rc == BC_EIO)
		found_bad(c, p);
	return rc;
}

enum bc_err chunk_read(struct chunk_reader *c, const struct digest *id,
		       struct bytes *out, struct err *e)
{
	struct err first = ERR_INIT;
	struct chunk_search search;
	enum bc_err rc;

	/* Copy after copy, until one is good or there is no more. What is
	 * reported is what is wrong with the first. */
	repo_search(&search, c->r, id, DIR_HINT);
	do {
		struct err one = ERR_INIT;
		struct chunk_place p;
		enum bc_err got;

		rc = repo_search_next(&search, &p, &one);
		got = rc;
		if (rc == BC_OK) {
			got = read_place(c, &p, out, &one);
			chunk_place_put(c->r, &p);
			if (got == BC_OK)
				return BC_OK;
		}
		/* Nothing is known about the copies that are left. */
		if (first.code == BC_OK || got == BC_ENOMEM ||
		    repo_search_failed(&search))
			first = one;
	} while (rc == BC_OK && first.code != BC_ENOMEM);
	if (e != NULL)
		*e = first;
	return first.code;
}

enum bc_err chunk_read_sized(struct chunk_reader *c, const struct digest *id,
			     uint64_t length, struct bytes *out, struct err *e)
{
	enum bc_err rc = chunk_read(c, id, out, e);

	if (rc == BC_OK && out->n != length)
		rc = err_set(e, BC_EDAMAGE,
			     "a chunk is not as long as its file says");
	return rc;
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

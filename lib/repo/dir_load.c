/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/dir_load.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "pack/open.h"
#include "repo/dir_salvage.h"
#include "repo/hurt.h"
#include "repo/layout.h"
#include "repo/packs.h"
#include "repo/state.h"

enum {
	/* So many times a process reads of a directory only what one block
	 * needs; who goes on asking gets whole ones. */
	PIECES_MAX = 24,
	PIECE_BLOCKS = 170, /* 4 KiB of them */
};

/* ---- a sealed pack
 * --------------------------------------------------------------
 */

static enum bc_err damaged(struct io_file *f, const char *what, struct err *e)
{
	return err_set(e, BC_EDAMAGE, "the %s of %s is damaged", what,
		       io_file_path(f));
}

static enum bc_err read_dir_block(struct repo *r, struct io_file *f,
				  const struct pack_foot *foot,
				  struct buf *plain, struct err *e)
{
	uint8_t *raw = malloc(foot->dir_length);
	struct block_head h;
	enum bc_err rc;

	if (raw == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a directory");
	rc = io_file_pread(f, raw, foot->dir_length, foot->dir_offset, e);
	if (rc == BC_OK)
		rc = block_head_decode(bytes_of(raw, foot->dir_length), &h, e);
	if (rc == BC_OK && (h.kind != BLOCK_DIRECTORY ||
			    BLOCK_HEAD_BYTES + h.stored != foot->dir_length))
		rc = BC_EDAMAGE;
	if (rc == BC_OK)
		rc = block_open(&h, bytes_of(raw + BLOCK_HEAD_BYTES, h.stored),
				r->dec, plain, e);
	free(raw);
	/* The superblock says what version and cipher there may be: another
	 * one here is damage, and of this pack alone. */
	if (rc == BC_EDAMAGE || rc == BC_EVERSION || rc == BC_EKEY)
		return damaged(f, "directory", e);
	return rc;
}

enum bc_err repo_read_dir(struct repo *r, struct io_file *f, uint64_t length,
			  struct pack_dir **out, struct digest *digest,
			  struct err *e)
{
	struct buf plain = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	uint8_t raw[PACK_FOOT_BYTES];
	struct pack_foot foot;
	struct pack_dir *d = NULL;
	uint64_t size = 0;
	enum bc_err rc = io_file_size(f, &size, e);

	if (rc == BC_OK &&
	    (size != length || length % PACK_ALIGN != 0 || length < PACK_ALIGN))
		rc = err_set(e, BC_EDAMAGE,
			     "%s has %llu bytes, not the %llu it was sealed "
			     "with",
			     io_file_path(f), (unsigned long long)size,
			     (unsigned long long)length);
	if (rc == BC_OK)
		rc = io_file_pread(f, raw, sizeof(raw),
				   length - PACK_FOOT_BYTES, e);
	if (rc == BC_OK)
		rc = pack_foot_decode(bytes_of(raw, sizeof(raw)), &foot, e);
	/* Any numbers may stand there: the sum could wrap. */
	if (rc == BC_OK &&
	    (foot.dir_length > length - PACK_FOOT_BYTES ||
	     foot.dir_offset > length - PACK_FOOT_BYTES - foot.dir_length))
		rc = BC_EDAMAGE;
	if (rc == BC_EDAMAGE && size == length) {
		rc = damaged(f, "footer", e);
		goto out;
	}
	if (rc == BC_OK)
		rc = read_dir_block(r, f, &foot, &plain, e);
	if (rc == BC_OK)
		rc = pack_dir_decode(buf_bytes(&plain), &d, e);
	if (rc == BC_OK && (d->n_chunks != foot.chunks ||
			    d->n_blocks != foot.blocks || d->base_slot != 0)) {
		pack_dir_free(d);
		rc = damaged(f, "directory", e);
	}
	if (rc != BC_OK)
		goto out;
	sha256_one(buf_bytes(&plain), digest);
	*out = d;
out:
	buf_fini(&plain);
	return rc;
}

enum bc_err dir_load_sealed(struct repo *r, const struct pack_ref *p,
			    struct pack_dir **out, struct err *e)
{
	struct io_file *f = NULL;
	struct digest digest;
	struct catalog_pack row;
	enum bc_err rc = repo_open_pack(r, p, false, &f, e);

	if (rc == BC_OK)
		rc = repo_read_dir(r, f, p->length, out, &digest, e);
	if (rc == BC_OK)
		rc = catalog_get_pack(r->catalog, p->number, &row, e);
	/* The log says which directory this pack has: another one, however
	 * whole, is an older or a foreign pack under this name. */
	if (rc == BC_OK && !digest_eq(&digest, &row.directory)) {
		pack_dir_free(*out);
		rc = err_set(e, BC_EDAMAGE, "%s is not the pack it was",
			     io_file_path(f));
	}
	io_file_close(f, NULL);
	return rc;
}

/* ---- a part of a directory ------------------------------------------------
 */

/* Where the tables of a directory that is stored raw lie in its file. */
static enum bc_err raw_layout(struct io_file *f, const struct pack_ref *p,
			      struct pack_dir_layout *out, uint64_t *at,
			      struct err *e)
{
	uint8_t raw[BLOCK_HEAD_BYTES + 8];
	struct pack_foot foot;
	struct block_head h;
	uint64_t size = 0;
	enum bc_err rc = io_file_size(f, &size, e);

	if (rc == BC_OK && (size != p->length || size < PACK_ALIGN))
		rc = BC_EDAMAGE;
	if (rc == BC_OK)
		rc = io_file_pread(f, raw, PACK_FOOT_BYTES,
				   size - PACK_FOOT_BYTES, e);
	if (rc == BC_OK)
		rc = pack_foot_decode(bytes_of(raw, PACK_FOOT_BYTES), &foot, e);
	if (rc == BC_OK && !pack_id_eq(&foot.id, &p->id))
		rc = BC_EDAMAGE;
	if (rc == BC_OK)
		rc = io_file_pread(f, raw, sizeof(raw), foot.dir_offset, e);
	if (rc == BC_OK)
		rc = block_head_decode(bytes_of(raw, BLOCK_HEAD_BYTES), &h, e);
	if (rc == BC_OK)
		rc = pack_dir_layout(bytes_of(raw + BLOCK_HEAD_BYTES, 8), out,
				     e);
	if (rc == BC_OK && (h.kind != BLOCK_DIRECTORY || h.codec != BLOCK_RAW ||
			    h.cipher != BLOCK_CLEAR || h.stored < out->end))
		rc = BC_EDAMAGE;
	if (rc == BC_OK)
		*at = foot.dir_offset + BLOCK_HEAD_BYTES;
	return rc;
}

/* The block whose chunks include the slot, by bisection in the file. */
static enum bc_err find_block(struct io_file *f, uint64_t at,
			      const struct pack_dir_layout *l, uint16_t slot,
			      struct dir_block *out, struct err *e)
{
	uint8_t raw[PIECE_BLOCKS * PACK_DIR_BLOCK_BYTES];
	uint32_t lo = 0, hi = l->n_blocks; /* the answer is in [lo, hi) */
	enum bc_err rc;

	at += l->blocks_at;
	while (hi - lo > PIECE_BLOCKS) {
		uint32_t mid = lo + (hi - lo) / 2;

		rc = io_file_pread(f, raw, PACK_DIR_BLOCK_BYTES,
				   at + (uint64_t)mid * PACK_DIR_BLOCK_BYTES,
				   e);
		if (rc != BC_OK)
			return rc;
		if (dir_block_read(raw).first_slot <= slot)
			lo = mid;
		else
			hi = mid;
	}
	rc = io_file_pread(f, raw, (size_t)(hi - lo) * PACK_DIR_BLOCK_BYTES,
			   at + (uint64_t)lo * PACK_DIR_BLOCK_BYTES, e);
	for (uint32_t i = 0; rc == BC_OK && i < hi - lo; i++) {
		*out = dir_block_read(raw + (size_t)i * PACK_DIR_BLOCK_BYTES);
		if (slot >= out->first_slot &&
		    slot - out->first_slot < out->chunks &&
		    (uint32_t)out->first_slot + out->chunks <= l->n_chunks)
			return BC_OK;
	}
	return rc == BC_OK ? BC_EDAMAGE : rc;
}

/*
 * The directory of one block alone: a few short reads where the whole has a
 * megabyte. Nothing vouches for these bytes but that the chunk that is found
 * by them has the right id; whatever looks wrong here is left to
 * dir_load_sealed(), which checks and reports.
 */
static enum bc_err load_piece(struct repo *r, const struct pack_ref *p,
			      uint16_t slot, struct pack_dir **out,
			      struct err *e)
{
	struct pack_dir_layout l;
	struct io_file *f = NULL;
	struct dir_block b;
	uint8_t *raw = NULL;
	uint64_t at = 0;
	enum bc_err rc = repo_open_pack(r, p, false, &f, e);

	if (rc == BC_OK)
		rc = raw_layout(f, p, &l, &at, e);
	if (rc == BC_OK)
		rc = find_block(f, at, &l, slot, &b, e);
	if (rc == BC_OK) {
		raw = malloc((size_t)b.chunks * (4 + DIGEST_BYTES));
		rc = raw == NULL ? BC_ENOMEM : BC_OK;
	}
	if (rc == BC_OK)
		rc = io_file_pread(
			f, raw, (size_t)b.chunks * 4,
			at + l.lengths_at + (uint64_t)b.first_slot * 4, e);
	if (rc == BC_OK)
		rc = io_file_pread(
			f, raw + (size_t)b.chunks * 4,
			(size_t)b.chunks * DIGEST_BYTES,
			at + l.ids_at + (uint64_t)b.first_slot * DIGEST_BYTES,
			e);
	if (rc == BC_OK)
		rc = pack_dir_piece(&b, bytes_of(raw, (size_t)b.chunks * 4),
				    bytes_of(raw + (size_t)b.chunks * 4,
					     (size_t)b.chunks * DIGEST_BYTES),
				    out, e);
	free(raw);
	io_file_close(f, NULL);
	return rc;
}

enum bc_err dir_load_some(struct repo *r, const struct pack_ref *p,
			  uint16_t slot, struct pack_dir **out, bool *verified,
			  struct err *e)
{
	*verified = false;
	if (r->pieces < PIECES_MAX) {
		r->pieces++;
		if (load_piece(r, p, slot, out, e) == BC_OK)
			return BC_OK;
		err_clear(e);
	}
	*verified = true;
	return dir_load_sealed(r, p, out, e);
}

enum bc_err dir_load_group(struct repo *r, const struct pack_ref *p,
			   uint16_t slot, struct pack_dir **out, struct err *e)
{
	char name[LOG_NAME_BYTES];
	struct log_file *l = NULL;
	struct group *g = NULL;
	uint16_t first = 0;
	uint64_t at = 0;
	enum bc_err rc =
		catalog_find_group(r->catalog, p->number, slot, &first, &at, e);

	if (rc == BC_OK)
		rc = repo_open_log(r, p->seq, &p->id, &l, e);
	if (rc == BC_OK)
		rc = log_file_group(l, at, GROUP_LEAD, r->dec, &g, e);
	if (rc == BC_OK && g->dir == NULL)
		rc = BC_ENOTFOUND;
	if (rc == BC_ENOTFOUND) {
		log_name(p->seq, &p->id, name);
		rc = err_set(e, BC_EDAMAGE, "slot %u of %s is not there", slot,
			     name);
	}
	if (rc == BC_OK) {
		*out = g->dir;
		g->dir = NULL;
	}
	group_free(g);
	log_file_close(l);
	return rc;
}

void dir_tell_salvaged(struct repo *r, const struct pack_ref *p,
		       const struct err *why)
{
	bool known = hurt_has(&r->hurt, p->number, HURT_WHOLE);

	hurt_found(&r->hurt, p->number, &p->id, HURT_WHOLE);
	if (!known)
		repo_note_f(r,
			    "%s: reading the pack by its blocks; run `blobctl "
			    "check`",
			    why->code == BC_OK ? "a pack is damaged"
					       : why->text);
}

/* ---- all of one pack ----
 */

/* What hinders one pack or group from being read, and no other. */
static bool is_lost(enum bc_err rc)
{
	return rc == BC_EDAMAGE || rc == BC_ENOTFOUND || rc == BC_EIO;
}

/*
 * A pack that is lost or damaged is what `check` reports; the index of the
 * others must not wait for it. But who stores anything must know, or would
 * take for stored what was in it: its chunks come into no index, and a stat
 * cache does not ask for them.
 */
static void tell_lost(struct repo *r, const struct pack_ref *p,
		      const struct err *why)
{
	hurt_found(&r->hurt, p->number, &p->id, HURT_WHOLE);
	r->packs_lost = true;
	repo_note_f(r,
		    "%s: what only this pack has is lost until it is back; run "
		    "`blobctl check`",
		    why->code == BC_OK ? "a pack cannot be read" : why->text);
}

/* What its blocks tell of a pack without footer or directory. */
static enum bc_err each_salvaged(struct repo *r, const struct pack_ref *p,
				 const struct err *why, repo_dir_fn *fn,
				 void *ctx, struct err *e)
{
	struct salvage found;
	enum bc_err rc = dir_salvage(r, p, &found, NULL);

	if (rc == BC_OK && found.n > 0)
		dir_tell_salvaged(r, p, why);
	else
		tell_lost(r, p, why);
	rc = rc == BC_ENOMEM ? err_set(e, rc, "no memory to read a pack")
			     : BC_OK;
	for (size_t i = 0; i < found.n && rc == BC_OK; i++)
		rc = fn(ctx, found.at[i], p->number, e);
	salvage_fini(&found);
	return rc;
}

static void tell_lost_group(struct repo *r, const struct pack_ref *p,
			    const struct log_file *l, uint64_t at)
{
	/* No block begins there, but it is known that something is lost. */
	hurt_found(&r->hurt, p->number, &p->id, (uint32_t)at);
	repo_note_f(r,
		    "the group at byte %llu of %s is damaged; what was "
		    "committed since is known by " REPO_CATALOG_FILE
		    " alone: keep a copy of it, and run `blobctl check`",
		    (unsigned long long)at, log_file_path(l));
}

static enum bc_err one_group(struct repo *r, const struct pack_ref *p,
			     struct log_file *l, uint64_t at, repo_dir_fn *fn,
			     void *ctx, struct err *e)
{
	struct group *g = NULL;
	enum bc_err rc = log_file_group(l, at, GROUP_LEAD, r->dec, &g, e);

	if (is_lost(rc)) {
		tell_lost_group(r, p, l, at);
		err_clear(e);
		return BC_OK;
	}
	if (rc == BC_OK && g->dir != NULL)
		rc = fn(ctx, g->dir, p->number, e);
	group_free(g);
	return rc;
}

/* The groups of a log that has no directory of its own, the last one first, as
 * the catalog lists them: a damaged one does not hide the others. */
static enum bc_err each_group(struct repo *r, const struct pack_ref *p,
			      struct log_file *l, repo_dir_fn *fn, void *ctx,
			      struct err *e)
{
	uint16_t slot = CATALOG_SLOT_MAX;
	enum bc_err rc;

	do {
		uint64_t at = 0;

		rc = catalog_find_group(r->catalog, p->number, slot, &slot, &at,
					e);
		if (rc == BC_ENOTFOUND) {
			err_clear(e);
			return BC_OK;
		}
		if (rc == BC_OK)
			rc = one_group(r, p, l, at, fn, ctx, e);
	} while (rc == BC_OK && slot-- > 0);
	return rc;
}

enum bc_err repo_each_dir(struct repo *r, uint32_t number, repo_dir_fn *fn,
			  void *ctx, struct err *e)
{
	struct err own = ERR_INIT;
	struct pack_ref p;
	struct pack_dir *d = NULL;
	struct log_file *l = NULL;
	bool grows;
	enum bc_err rc = repo_pack_ref(r, number, &p, e);

	if (rc != BC_OK || p.freed)
		return rc;
	grows = p.log && p.length == 0;
	rc = grows ? repo_open_log(r, p.seq, &p.id, &l, &own)
		   : dir_load_sealed(r, &p, &d, &own);
	if (is_lost(rc) && !grows)
		return each_salvaged(r, &p, &own, fn, ctx, e);
	if (is_lost(rc)) {
		tell_lost(r, &p, &own);
		return BC_OK;
	}
	if (rc != BC_OK && e != NULL)
		*e = own;
	if (rc == BC_OK)
		rc = grows ? each_group(r, &p, l, fn, ctx, e)
			   : fn(ctx, d, number, e);
	pack_dir_free(d);
	log_file_close(l);
	return rc;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Each pack that the log names: there, as long as it was, and with the
 * directory that it had. Then what lies in packs/ and nobody names. */
#include <stdio.h>
#include <stdlib.h>

#include "check/internal.h"
#include "pack/writer.h"
#include "repo/dir_load.h"
#include "repo/layout.h"
#include "repo/lease.h"
#include "util/hex.h"

static enum bc_err check_head(struct io_file *f, const struct pack_ref *p,
			      const struct superblock *sb, struct err *e)
{
	uint8_t raw[PACK_HEAD_BYTES];
	struct pack_head h;
	enum bc_err rc = io_file_pread(f, raw, sizeof(raw), 0, e);

	if (rc == BC_OK)
		rc = pack_head_decode(bytes_of(raw, sizeof(raw)), &h, e);
	if (rc == BC_OK &&
	    (!pack_id_eq(&h.id, &p->id) || !pack_id_eq(&h.repo, &sb->id) ||
	     (h.kind == PACK_LOG) != p->log))
		rc = err_set(e, BC_EDAMAGE,
			     "the header is that of another pack");
	return rc;
}

static enum bc_err compare_dir(const struct pack_dir *d,
			       const struct digest *digest,
			       const struct catalog_pack *row, struct err *e)
{
	uint64_t plain = 0, end = 0;

	for (uint32_t i = 0; i < d->n_chunks; i++)
		plain += d->lengths[i];
	if (d->n_blocks > 0) {
		const struct dir_block *b = &d->blocks[d->n_blocks - 1];

		end = (uint64_t)b->offset + BLOCK_HEAD_BYTES + b->stored;
	}
	if (!digest_eq(digest, &row->directory))
		return err_set(e, BC_EDAMAGE,
			       "the directory is whole, but not the one that "
			       "was committed");
	if (d->n_chunks != row->chunks || d->n_blocks != row->blocks ||
	    plain != row->plain || end > row->length)
		return err_set(e, BC_EDAMAGE,
			       "the directory and the log disagree");
	return BC_OK;
}

enum bc_err check_read_dir(struct check *c, struct io_file *f,
			   const struct pack_ref *p, struct pack_dir **out,
			   struct digest *digest, struct err *e)
{
	char file[CHECK_FILE_BYTES];
	struct check_at at = { .file = file };
	struct err first = ERR_INIT;
	enum bc_err rc;

	pthread_mutex_lock(&c->r->mutex);
	rc = repo_read_dir(c->r, f, p->length, out, digest, &first);
	pthread_mutex_unlock(&c->r->mutex);
	if (rc != BC_EIO) {
		if (rc != BC_OK && e != NULL)
			*e = first;
		return rc;
	}
	pthread_mutex_lock(&c->r->mutex);
	rc = repo_read_dir(c->r, f, p->length, out, digest, e);
	pthread_mutex_unlock(&c->r->mutex);
	check_file(p, file);
	if (rc == BC_OK)
		check_tell(c, CHECK_NOTE, &at,
			   "see what the kernel's log says of the device",
			   "it could be read at the second attempt only: %s",
			   first.text);
	return rc;
}

/* It says nothing of the pack, but of this process: its rights, its memory, its
 * open files. */
static bool hinders(enum bc_err rc)
{
	return rc == BC_ENOMEM || rc == BC_EACCES || rc == BC_ESYS;
}

static enum bc_err check_pack(struct check *c, const struct catalog_pack *row,
			      const struct pack_ref *p, struct err *err)
{
	char file[CHECK_FILE_BYTES];
	struct check_at at = { .file = file };
	struct io_file *f = NULL;
	struct pack_dir *d = NULL;
	struct digest digest;
	struct err e = ERR_INIT;
	uint64_t size = 0;
	enum bc_err rc = repo_open_pack(c->r, p, false, &f, &e);

	check_file(p, file);
	if (rc == BC_OK)
		rc = io_file_size(f, &size, &e);
	if (rc == BC_OK && size != p->length)
		rc = err_set(&e, BC_EDAMAGE,
			     "it has %llu bytes, not the %llu it was sealed "
			     "with",
			     (unsigned long long)size,
			     (unsigned long long)p->length);
	if (rc == BC_OK)
		rc = check_read_dir(c, f, p, &d, &digest, &e);
	if (rc == BC_OK)
		rc = compare_dir(d, &digest, row, &e);
	if (rc == BC_OK) {
		/* Those of a log were counted with its groups. */
		if (!p->log)
			c->res.chunks += d->n_chunks;
		check_hurt_well(c, p->number, false);
	} else if (!hinders(rc)) {
		check_hold_pack(c, p->number,
				rc == BC_ENOTFOUND ? "the file is missing"
						   : e.text);
	}
	/* The blocks can be read without it; what it said is told apart. */
	if (!hinders(rc)) {
		err_clear(&e);
		rc = f == NULL ? BC_OK : check_head(f, p, &c->sb, &e);
		if (rc != BC_OK && !hinders(rc))
			check_tell(c, CHECK_DAMAGE, &at, NULL, "%s", e.text);
	}
	pack_dir_free(d);
	io_file_close(f, NULL);
	if (!hinders(rc))
		return BC_OK;
	if (err != NULL)
		*err = e;
	return rc;
}

/* A row's spans do not outlive the next question; check_pack() needs none. */
static enum bc_err check_number(struct check *c, uint32_t number, struct err *e)
{
	struct catalog_pack row;
	struct pack_ref p;
	enum bc_err rc = repo_pack_ref(c->r, number, &p, e);

	if (rc == BC_OK)
		rc = catalog_get_pack(c->r->catalog, number, &row, e);
	if (rc != BC_OK)
		return rc;
	if (!p.log)
		c->res.packs++;
	/* A log that grows was checked with the chain. */
	if (row.tier == CATALOG_WARM && !(p.log && p.length == 0))
		rc = check_pack(c, &row, &p, e);
	else if (c->log_whole)
		check_hurt_well(c, number, false);
	check_step(c, 1);
	return rc;
}

/* ---- what nobody names ----------------------------------------------------
 */

enum { NAMES_BYTES = 256 << 20, LIVE_BYTES = 64 << 20 };

struct unnamed {
	struct check *c;
	struct err *e;
	struct buf names; /* each with its zero */
	struct buf live;  /* struct pack_id: sessions at work */
	bool unsure;	  /* there may be others */
};

static enum bc_err add_live(void *ctx, const struct lease_info *l)
{
	struct unnamed *u = ctx;

	if (l->alive && buf_add(&u->live, &l->id, sizeof(l->id)) != BC_OK)
		u->unsure = true;
	return BC_OK;
}

/* Its folder may be there since the repository was opened. */
static void list_live(struct unnamed *u)
{
	struct repo *r = u->c->r;
	struct io_dir *own = NULL, *dir = r->leases_dir;
	enum bc_err rc = BC_OK;

	if (dir == NULL) {
		rc = io_dir_open_at(r->dir, REPO_LEASES_DIR, &own, NULL);
		dir = own;
	}
	if (rc == BC_OK)
		rc = lease_list(dir, NULL, add_live, u, NULL);
	else if (rc == BC_ENOTFOUND)
		rc = BC_OK;
	u->unsure |= rc != BC_OK;
	io_dir_close(own);
}

static bool is_live(const struct unnamed *u, const struct pack_id *session)
{
	for (size_t i = 0; i < u->live.n; i += sizeof(*session)) {
		struct pack_id one;

		memcpy(&one, u->live.p + i, sizeof(one));
		if (pack_id_eq(&one, session))
			return true;
	}
	return false;
}

/* Nothing says whose it is. */
static void tell_stranger(struct unnamed *u, const struct check_at *at,
			  enum bc_err rc, const struct err *why)
{
	if (u->unsure || u->live.n > 0)
		check_tell(u->c, CHECK_NOTE, at, NULL,
			   "it may be being written: a session is at work, and "
			   "no header says where this file comes from");
	else if (rc == BC_EDAMAGE)
		check_tell(u->c, CHECK_NOTE, at, NULL,
			   "no snapshot needs this file, and it has no "
			   "header that says where it comes from");
	else
		check_tell(u->c, CHECK_NOTE, at, NULL,
			   "no snapshot needs this file; where it comes from "
			   "cannot be read: %s",
			   why->text);
}

static void tell_unnamed(struct unnamed *u, const char *name)
{
	char file[CHECK_FILE_BYTES];
	struct check_at at = { .file = file };
	uint8_t raw[PACK_HEAD_BYTES];
	struct pack_head h;
	struct io_file *f = NULL;
	struct err why = ERR_INIT;
	char session[PACK_ID_HEX_BYTES];
	enum bc_err rc =
		io_file_open(u->c->r->packs_dir, name, IO_READ, &f, &why);

	if (rc == BC_ENOTFOUND)
		return; /* gone meanwhile */
	snprintf(file, sizeof(file), REPO_PACKS_DIR "/%.100s", name);
	if (rc == BC_OK)
		rc = io_file_pread(f, raw, sizeof(raw), 0, &why);
	if (rc == BC_OK)
		rc = pack_head_decode(bytes_of(raw, sizeof(raw)), &h, &why);
	io_file_close(f, NULL);
	if (rc != BC_OK) {
		tell_stranger(u, &at, rc, &why);
		return;
	}
	hex_encode(h.session.b, PACK_ID_BYTES, session);
	check_tell(u->c, CHECK_NOTE, &at, NULL,
		   is_live(u, &h.session) ? "being written by session %.12s"
		   : u->unsure
			   ? "it may be being written by session %.12s: the "
			     "sessions at work cannot be listed"
			   : "left by session %.12s, which ended without a "
			     "commit; no snapshot needs it",
		   session);
}

static enum bc_err look_at(void *ctx, const char *name, enum io_type type)
{
	struct unnamed *u = ctx;
	struct catalog_pack row;
	struct pack_id id;
	char hex[PACK_ID_HEX_BYTES];
	enum bc_err rc = BC_ENOTFOUND;
	bool is_name = strlen(name) > 2 * PACK_ID_BYTES &&
		       name[2 * PACK_ID_BYTES] == '.';

	if (is_name) {
		memcpy(hex, name, 2 * PACK_ID_BYTES);
		hex[2 * PACK_ID_BYTES] = '\0';
		is_name = hex_decode(hex, PACK_ID_BYTES, id.b);
	}
	if (is_name)
		rc = catalog_get_pack_id(u->c->r->catalog, id.b, &row, u->e);
	if (rc == BC_OK && row.state != CATALOG_FREED)
		return BC_OK;
	if (rc == BC_ENOTFOUND) {
		err_clear(u->e);
		if (type == IO_TYPE_DIR)
			return BC_OK;
	} else if (rc != BC_OK) {
		return rc;
	}
	rc = buf_add(&u->names, name, strlen(name) + 1);
	return rc == BC_OK ? rc : err_set(u->e, rc, "too many files");
}

/*
 * Whose session is not at work by now, after its file was seen, has ended: with
 * a commit, and then the log has moved on, or without. Asked in any other
 * order, one that begins or ends meanwhile would pass for dead.
 */
static enum bc_err check_unnamed(struct check *c, struct err *e)
{
	struct unnamed u = { .c = c, .e = e };
	enum bc_err rc;

	buf_init(&u.names, NAMES_BYTES);
	buf_init(&u.live, LIVE_BYTES);
	rc = io_list(c->r->packs_dir, ".", e, look_at, &u);
	if (rc == BC_OK && u.names.n > 0)
		list_live(&u);
	if (rc == BC_OK && u.names.n > 0 && !check_moved_on(c))
		for (size_t i = 0; i < u.names.n;) {
			const char *name = (const char *)u.names.p + i;

			tell_unnamed(&u, name);
			i += strlen(name) + 1;
		}
	buf_fini(&u.names);
	buf_fini(&u.live);
	return rc;
}

enum bc_err check_packs(struct check *c, struct err *e)
{
	struct pack_numbers v = { NULL, 0, 0 };
	enum bc_err rc = repo_pack_numbers(
		c->r, 1 << CATALOG_LIVE | 1 << CATALOG_CONDEMNED, &v, e);

	check_begin(c, CHECK_PACKS, v.n);
	for (size_t i = 0; i < v.n && rc == BC_OK; i++)
		if (!check_stopped(c, &rc, e))
			rc = check_number(c, v.at[i], e);
	free(v.at);
	/* With generations missing, what they named is not known. */
	if (rc == BC_OK && c->log_whole && !check_moved_on(c))
		rc = check_unnamed(c, e);
	return rc;
}

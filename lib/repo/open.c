/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "codec/zstd.h"
#include "repo/dirs.h"
#include "repo/layout.h"
#include "repo/replay.h"
#include "repo/state.h"
#include "repo/views.h"

enum { DIR_CACHE_BYTES = 12 << 20, NOTE_BYTES = 1024 };

void repo_note_f(struct repo *r, const char *fmt, ...)
{
	char text[NOTE_BYTES];
	va_list ap;

	if (r->note.say == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->note.say(r->note.ctx, text);
}

/* A view's folder may be missing: views may be deleted at any time. */
static enum bc_err open_view_dir(struct repo *r, const char *name,
				 struct io_dir **out, struct err *e)
{
	enum bc_err rc = io_dir_open_at(r->dir, name, out, e);

	if (rc != BC_ENOTFOUND)
		return rc;
	err_clear(e);
	if (r->read_only)
		return BC_OK; /* and done without */
	rc = io_mkdir(r->dir, name, e);
	if (rc == BC_OK || rc == BC_EEXIST)
		rc = io_dir_open_at(r->dir, name, out, e);
	return rc;
}

static enum bc_err open_dirs(struct repo *r, struct err *e)
{
	enum bc_err rc = io_dir_open_at(r->dir, REPO_LOG_DIR, &r->log_dir, e);

	if (rc == BC_OK)
		rc = io_dir_open_at(r->dir, REPO_PACKS_DIR, &r->packs_dir, e);
	if (rc == BC_ENOTFOUND) {
		err_set(e, BC_EDAMAGE,
			"%s has a superblock but not its folders", r->path);
		return BC_EDAMAGE;
	}
	if (rc == BC_OK)
		rc = open_view_dir(r, REPO_INDEX_DIR, &r->index_dir, e);
	if (rc == BC_OK)
		rc = open_view_dir(r, REPO_CACHE_DIR, &r->cache_dir, e);
	if (rc == BC_OK)
		rc = open_view_dir(r, REPO_LEASES_DIR, &r->leases_dir, e);
	return rc;
}

/* The lock file must exist before anybody relies on it; it may have been lost
 * with a copy that left empty files out. */
static enum bc_err open_lock(struct repo *r, struct err *e)
{
	struct io_space space;
	enum bc_err rc = io_dir_space(r->dir, &space, e);

	if (rc != BC_OK)
		return rc;
	r->read_only |= space.read_only;
	if (!r->read_only) {
		rc = io_file_open(r->dir, REPO_LOCK_FILE,
				  IO_READ | IO_WRITE | IO_CREATE, &r->lock, e);
		if (rc == BC_EACCES && !r->write) {
			err_clear(e);
			r->read_only = true;
			rc = BC_OK;
		}
	}
	if (rc == BC_OK && r->write && r->read_only) {
		rc = err_set(e, BC_EACCES, "%s is on a read-only file system",
			     r->path);
		if (e != NULL)
			e->sys_errno = EROFS;
	}
	return rc;
}

static enum bc_err drop_tmp(void *ctx, const char *name, enum io_type type)
{
	if (type == IO_TYPE_FILE &&
	    strncmp(name, IO_TMP_PREFIX, strlen(IO_TMP_PREFIX)) == 0)
		return io_unlink(ctx, name, NULL);
	return BC_OK;
}

/* Make the second superblock from the first. What does not work is for the
 * next one who writes. */
static void mend_superblock(struct repo *r)
{
	struct err e = ERR_INIT;
	struct superblock now;
	int made = 0;
	enum bc_err rc = io_file_lock(r->lock, REPO_LOCK_INIT, 1,
				      IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, &e);

	if (rc != BC_OK)
		return; /* another one is at it */
	/* It may have been mended just now, from the other of the two. */
	rc = superblock_load(r->dir, &now, NULL, &e);
	if (rc == BC_OK)
		(void)!io_list(r->dir, ".", NULL, drop_tmp, r->dir);
	if (rc == BC_OK)
		rc = superblock_mend(r->dir, &now, &made, &e);
	if (made > 0)
		repo_note_f(r,
			    "one of the two superblocks of %s was missing or "
			    "damaged, and has been made again",
			    r->path);
	else if (rc != BC_OK)
		repo_note_f(r,
			    "one of the two superblocks of %s is missing or "
			    "damaged, and cannot be made again: %s",
			    r->path, e.text);
	if (io_file_unlock(r->lock, REPO_LOCK_INIT, 1, NULL) != BC_OK)
		repo_note_f(r, "cannot unlock the superblocks");
}

static enum bc_err open_parts(struct repo *r, const char *path, struct err *e)
{
	int copies = 0;
	enum bc_err rc = io_dir_open(r->io, path, &r->dir, e);

	if (rc == BC_ENOTFOUND)
		return err_set(e, BC_ENOREPO, "there is no repository at %s",
			       path);
	if (rc == BC_OK)
		rc = superblock_load(r->dir, &r->sb, &copies, e);
	if (rc == BC_OK)
		rc = superblock_allows(&r->sb,
				       r->write ? REPO_WRITE : REPO_READ, e);
	if (rc != BC_OK)
		return rc;
	if (copies == 1 && !r->write)
		repo_note_f(r,
			    "one of the two superblocks of %s is missing or "
			    "damaged; the other one serves",
			    path);
	rc = open_lock(r, e);
	if (rc == BC_OK && r->write && copies < 2)
		mend_superblock(r);
	if (rc == BC_OK)
		rc = open_dirs(r, e);
	if (rc == BC_OK)
		rc = codec_dec_new(&r->dec, e);
	if (rc == BC_OK && dir_cache_new(DIR_CACHE_BYTES, &r->dirs) != BC_OK)
		rc = err_set(e, BC_ENOMEM, "no memory");
	return rc;
}

enum bc_err repo_open(const char *path, const struct repo_options *o,
		      struct repo **out, struct err *e)
{
	struct repo *r = calloc(1, sizeof(*r));
	enum bc_err rc;

	if (r == NULL)
		return err_set(e, BC_ENOMEM, "no memory");
	r->io = o->io;
	r->rng = o->rng;
	r->clock = o->clock;
	r->note = o->note;
	r->write = o->write;
	r->read_only = o->detached;
	r->whole_log = o->detached; /* as who asks so wants the truth */
	r->lock_wait_ms = o->lock_wait_ms;
	r->path = strdup(path);
	pthread_mutex_init(&r->mutex, NULL);
	hurt_init(&r->hurt);
	rc = r->path == NULL ? err_set(e, BC_ENOMEM, "no memory") : BC_OK;
	if (rc == BC_OK)
		rc = rng_fill(r->rng, &r->overlay_secret,
			      sizeof(r->overlay_secret), e);
	overlay_init(&r->overlay, r->overlay_secret);
	if (rc == BC_OK)
		rc = open_parts(r, path, e);
	if (rc == BC_OK)
		rc = repo_open_catalog(r, e);
	if (rc != BC_OK) {
		repo_close(r);
		return rc;
	}
	*out = r;
	return BC_OK;
}

void repo_close(struct repo *r)
{
	if (r == NULL)
		return;
	repo_hurt_save(r);
	hurt_fini(&r->hurt);
	repo_close_catalog(r);
	repo_close_index(r);
	dir_cache_free(r->dirs);
	codec_dec_free(r->dec);
	io_file_close(r->lock, NULL);
	io_dir_close(r->cache_dir);
	io_dir_close(r->leases_dir);
	io_dir_close(r->index_dir);
	io_dir_close(r->packs_dir);
	io_dir_close(r->log_dir);
	io_dir_close(r->dir);
	pthread_mutex_destroy(&r->mutex);
	free(r->path);
	free(r);
}

struct io *repo_io(const struct repo *r)
{
	return r->io;
}

const struct superblock *repo_superblock(const struct repo *r)
{
	return &r->sb;
}

const char *repo_path(const struct repo *r)
{
	return r->path;
}

uint64_t repo_generation(const struct repo *r)
{
	return r->head.generation;
}

bool repo_may_lack(const struct repo *r)
{
	return r->may_lack;
}

struct io_dir *repo_cache_dir(struct repo *r)
{
	return r->read_only ? NULL : r->cache_dir;
}

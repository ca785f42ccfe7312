/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which catalog a handle uses: the one on disk if it is of this log; one in
 * memory if that cannot be used; and, for who only reads a log that is damaged,
 * what the catalog on disk remembers.
 */
#include "repo/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "repo/checkpoint.h"
#include "repo/layout.h"
#include "repo/packs.h"
#include "repo/state.h"

enum {
	CATALOG_BUSY_MS = 1000,
	CATALOG_PATH_ROOM = 16,
};

#define NOTE_ANEW                                                              \
	"the catalog is damaged or foreign; making it again from the log"

static enum bc_err open_in_memory(struct repo *r, struct err *e)
{
	struct catalog_options o = { .path = NULL, .create = true };

	catalog_close(r->catalog);
	r->catalog = NULL;
	memcpy(o.repository, r->sb.id.b, PACK_ID_BYTES);
	r->catalog_in_memory = true;
	return catalog_open(&o, &r->catalog, e);
}

/* Of the catalog on disk, to be freed; NULL: no memory. */
static char *path_of(const struct repo *r, struct err *e)
{
	size_t n = strlen(r->path) + CATALOG_PATH_ROOM;
	char *path = malloc(n);

	if (path == NULL)
		err_set(e, BC_ENOMEM, "no memory for the catalog");
	else
		snprintf(path, n, "%s/" REPO_CATALOG_FILE, r->path);
	return path;
}

/*
 * The catalog is made, and removed, by one process at a time: removing goes by
 * three names, and whoever made a new one meanwhile would lose a part of it to
 * that. Whoever cannot wait does with one in memory.
 */
static enum bc_err lock_making(struct repo *r, struct err *e)
{
	enum bc_err rc = io_file_lock(r->lock, REPO_LOCK_CATALOG, 1,
				      IO_LOCK_EXCLUSIVE, CATALOG_BUSY_MS, e);

	return rc == BC_OK ? rc
			   : err_set(e, BC_ELOCKED,
				     "another run is making the catalog of %s",
				     r->path);
}

static void unlock_making(struct repo *r)
{
	if (io_file_unlock(r->lock, REPO_LOCK_CATALOG, 1, NULL) != BC_OK)
		repo_note_f(r, "cannot unlock the catalog");
}

/*
 * Under the lock: make one, or open the one that somebody has made.
 *   anew  the one that is there is of no use
 */
static enum bc_err make_on_disk(struct repo *r, struct catalog_options *o,
				bool anew, struct err *e)
{
	enum bc_err rc = BC_OK;

	o->create = true;
	if (!anew)
		rc = catalog_open(o, &r->catalog, e);
	if (rc == BC_EDAMAGE) {
		repo_note_f(r, NOTE_ANEW);
		err_clear(e);
		anew = true;
		rc = BC_OK;
	}
	if (rc == BC_OK && anew)
		rc = catalog_remove(o->path, e);
	if (rc == BC_OK && anew) {
		rc = catalog_open(o, &r->catalog, e);
		/* A view is never the reason why nothing can be read. */
		if (rc == BC_EDAMAGE)
			rc = err_set(e, BC_EACCES,
				     "%s does not keep what is written to it",
				     o->path);
	}
	return rc;
}

/* The one that is there, whole. BC_ENOTFOUND: also one that was removed
 * between the opening of its three files, which then may not belong
 * together; the database goes first, so while it is there all do. */
static enum bc_err open_present(struct repo *r, struct catalog_options *o,
				struct err *e)
{
	enum bc_err rc;

	o->create = false;
	rc = catalog_open(o, &r->catalog, e);
	if (rc != BC_OK || !catalog_moved(r->catalog))
		return rc;
	catalog_close(r->catalog);
	r->catalog = NULL;
	return BC_ENOTFOUND;
}

/* anew: the one that r has open is of no use, unless it has been replaced. */
static enum bc_err open_on_disk(struct repo *r, bool anew, struct err *e)
{
	struct catalog_options o = { .busy_ms = CATALOG_BUSY_MS };
	char *path = path_of(r, e);
	enum bc_err rc = BC_ENOTFOUND;

	if (path == NULL)
		return BC_ENOMEM;
	o.path = path;
	memcpy(o.repository, r->sb.id.b, PACK_ID_BYTES);
	if (!anew)
		rc = open_present(r, &o, e);
	if (rc == BC_ENOTFOUND || rc == BC_EDAMAGE) {
		err_clear(e);
		rc = lock_making(r, e);
		if (rc == BC_OK) {
			anew = anew && !catalog_moved(r->catalog);
			catalog_close(r->catalog);
			r->catalog = NULL;
			rc = make_on_disk(r, &o, anew, e);
			unlock_making(r);
		}
	}
	free(path);
	return rc;
}

/* Is the catalog's position one that this log has, or can have had? */
static enum bc_err position_valid(struct repo *r, bool *valid, struct err *e)
{
	struct log_file *l = NULL;
	struct group *g = NULL;
	enum bc_err rc;

	*valid = false;
	if (r->head.generation == 0) {
		*valid = true;
		return BC_OK;
	}
	rc = repo_open_log(r, r->head.seq, &r->head.log, &l, e);
	/* The first position in a log stands before any group of it. */
	if (rc == BC_OK && r->head.end == LOG_HEAD_BYTES)
		*valid = digest_eq(&log_file_head(l)->chain, &r->head.digest);
	else if (rc == BC_OK)
		rc = log_file_group_before(l, r->head.end, r->dec, &g, e);
	if (rc == BC_OK && g != NULL)
		*valid = g->head.generation == r->head.generation &&
			 digest_eq(&g->digest, &r->head.digest);
	group_free(g);
	log_file_close(l);
	if (rc == BC_ENOTFOUND || rc == BC_EDAMAGE) {
		err_clear(e);
		rc = BC_OK;
	}
	return rc;
}

static enum bc_err load_position(struct repo *r, struct err *e)
{
	struct catalog_position at;
	enum bc_err rc = catalog_position(r->catalog, &at, e);

	if (rc == BC_OK)
		r->head = repo_pos_of(&at);
	return rc;
}

/* The log cannot be read at all. Who only reads may still use what the catalog
 * on disk remembers. `e` says what is wrong with the log. */
static enum bc_err trust_catalog(struct repo *r, struct err *e)
{
	struct err log = ERR_INIT;
	enum bc_err rc;

	if (e != NULL)
		log = *e;
	err_clear(e);
	catalog_close(r->catalog);
	r->catalog = NULL;
	r->catalog_in_memory = false;
	r->catalog_trusted = true;
	r->may_lack = true;
	rc = open_on_disk(r, false, e);
	if (rc == BC_OK)
		rc = load_position(r, e);
	if (rc == BC_OK && r->head.generation > 0) {
		repo_note_f(r,
			    "%s; going by what the catalog remembers of "
			    "generation %llu",
			    log.text, (unsigned long long)r->head.generation);
		return BC_OK;
	}
	if (e != NULL)
		*e = log;
	return BC_EDAMAGE;
}

static enum bc_err start_in_memory(struct repo *r, enum bc_err why,
				   struct err *e)
{
	enum bc_err rc;

	if (r->catalog_why == BC_OK)
		r->catalog_why = why;
	err_clear(e);
	rc = open_in_memory(r, e);
	return rc == BC_OK ? load_position(r, e) : rc;
}

/* With an empty one, where it was. */
static enum bc_err start_again(struct repo *r, struct err *e)
{
	enum bc_err rc;

	err_clear(e);
	if (r->catalog_in_memory)
		rc = open_in_memory(r, e);
	else
		rc = open_on_disk(r, true, e);
	return rc == BC_OK ? load_position(r, e) : rc;
}

/*
 * Bring the catalog to the head; an empty one first to a checkpoint. One that
 * does not agree with the log that follows it is forgotten again.
 */
static enum bc_err replay_to_head(struct repo *r, struct err *e)
{
	bool used = false;
	enum bc_err rc = BC_OK;

	if (r->head.generation == 0 && !r->whole_log)
		rc = checkpoint_restore(r, &used, e);
	if (rc == BC_OK)
		rc = repo_catch_up(r, false, e);
	if (rc != BC_EDAMAGE || !used)
		return rc;
	repo_note_f(r,
		    "the log after the checkpoint cannot be replayed; reading "
		    "it from its beginning");
	rc = start_again(r, e);
	return rc == BC_OK ? repo_catch_up(r, false, e) : rc;
}

/* The catalog has seen a commit that the log no longer has. It stays as
 * evidence; who only reads gets what the log has: BC_EACCES. */
static enum bc_err log_is_shorter(struct repo *r, struct err *e)
{
	struct err why = ERR_INIT;
	unsigned long long last = r->head.generation;

	err_set(&why, BC_EDAMAGE,
		"the log ends before generation %llu, which has been committed",
		last);
	err_hint(&why,
		 "put log/ back from a copy that has it, then nothing is lost; "
		 "moving %s/" REPO_CATALOG_FILE "* away gives up what was "
		 "committed after the log ends, up to generation %llu; "
		 "`blobctl check` tells more",
		 r->path, last);
	r->may_lack = true;
	if (!r->write) {
		repo_note_f(r, "%s", why.text);
		r->catalog_why = BC_EDAMAGE;
		return BC_EACCES;
	}
	if (e != NULL)
		*e = why;
	return BC_EDAMAGE;
}

/* The one on disk, if it is of this log. */
static enum bc_err start_on_disk(struct repo *r, bool *opened, struct err *e)
{
	bool valid = true;
	enum bc_err rc = open_on_disk(r, false, e);

	if (rc == BC_OK)
		rc = load_position(r, e);
	*opened = rc == BC_OK;
	if (rc == BC_OK)
		rc = position_valid(r, &valid, e);
	return rc == BC_OK && !valid ? log_is_shorter(r, e) : rc;
}

/* A catalog that cannot be used where it is can be made in memory. */
static bool is_out_of_reach(enum bc_err rc)
{
	return rc == BC_EACCES || rc == BC_ELOCKED || rc == BC_ENOSPC ||
	       rc == BC_ELIMIT || rc == BC_EIO;
}

/* A log whose tail cannot be made durable can still be read. */
static bool can_be_read(const struct repo *r, enum bc_err rc)
{
	if (r->catalog_in_memory || (r->write && r->tail_busy))
		return false;
	return rc == BC_ELOCKED || rc == BC_ENOSPC ||
	       ((rc == BC_EIO || rc == BC_EACCES) && !r->write);
}

/* The log says that they were made, and not what they were: a name may mean
 * another one here, as long as that is so. */
static void tell_lost_snapshots(struct repo *r)
{
	struct catalog_checkpoint c;

	if (catalog_checkpoint(r->catalog, &c, NULL) != BC_OK || c.lost == 0)
		return;
	r->may_lack = true;
	repo_note_f(r,
		    "%llu snapshot%s lost: %s record%s in the log cannot be "
		    "read",
		    (unsigned long long)c.lost, c.lost == 1 ? " is" : "s are",
		    c.lost == 1 ? "its" : "their", c.lost == 1 ? "" : "s");
}

enum bc_err repo_open_catalog(struct repo *r, struct err *e)
{
	bool on_disk = false;
	enum bc_err rc = BC_EACCES;

	if (!r->read_only)
		rc = start_on_disk(r, &on_disk, e);
	if (is_out_of_reach(rc))
		rc = start_in_memory(r, rc, e);
	if (rc != BC_OK)
		return rc;
	rc = replay_to_head(r, e);
	/* Its pages are looked at as they are needed. */
	if (rc == BC_EDAMAGE && catalog_damaged(r->catalog)) {
		repo_note_f(r, NOTE_ANEW);
		rc = start_again(r, e);
		if (rc == BC_OK)
			rc = replay_to_head(r, e);
		/* Again, below our hands: then without it. */
		if (rc == BC_EDAMAGE && catalog_damaged(r->catalog)) {
			rc = start_in_memory(r, BC_EIO, e);
			if (rc == BC_OK)
				rc = replay_to_head(r, e);
		}
	}
	if (can_be_read(r, rc)) {
		rc = start_in_memory(r, rc, e);
		if (rc == BC_OK)
			rc = replay_to_head(r, e);
	}
	if (rc == BC_EDAMAGE && on_disk && !r->write)
		rc = trust_catalog(r, e);
	if (rc == BC_OK)
		tell_lost_snapshots(r);
	return rc;
}

/* Under the lock, if it can be had. */
static enum bc_err remove_damaged(struct repo *r, struct err *e)
{
	char *path = path_of(r, e);
	enum bc_err rc = path == NULL ? BC_ENOMEM : lock_making(r, e);

	if (rc == BC_OK) {
		/* One that another process has removed already may have a
		 * successor. */
		bool moved = catalog_moved(r->catalog);

		catalog_close(r->catalog);
		r->catalog = NULL;
		if (!moved)
			rc = catalog_remove(path, e);
		unlock_making(r);
	}
	free(path);
	return rc;
}

void repo_close_catalog(struct repo *r)
{
	struct err e = ERR_INIT;

	if (catalog_damaged(r->catalog) && !r->catalog_in_memory &&
	    !r->catalog_trusted) {
		if (remove_damaged(r, &e) == BC_OK)
			repo_note_f(r,
				    "the catalog is damaged; the next command "
				    "makes it again from the log");
		else
			repo_note_f(r, "the catalog is damaged, and stays: %s",
				    e.text);
	}
	catalog_close(r->catalog);
	r->catalog = NULL;
}

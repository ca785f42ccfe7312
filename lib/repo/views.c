/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index beside the log. On disk it may stand some generations back; what
 * it lacks is read from the log's last groups into an overlay in memory. An
 * index too far back, damaged or foreign is made again.
 */
#include "repo/views.h"

#include "index/merge.h"
#include "repo/dirs.h"
#include "repo/index_make.h"
#include "repo/layout.h"
#include "repo/replay.h"

enum {
	/* From here on a commit writes a run. */
	RUN_GENERATIONS = 16,
	RUN_ENTRIES = 4096,
	/* So often a handle makes again on disk what it finds damaged there:
	 * after that the disk cannot keep it. */
	HEALED_ON_DISK_MAX = 3,
};

/* ---- states ---------------------------------------------------------------
 */

/*
 * The one place where the state changes (the diagram is in state.h). Whoever
 * has looked before asks again: what there was then is gone, or is more now.
 */
static void become(struct repo *r, enum index_state state)
{
	r->index_state = state;
	r->index_made++;
	atomic_store(&r->index_ready,
		     state == INDEX_ON_DISK || state == INDEX_IN_MEMORY);
}

/* What opening it, or making it again, has come to. */
static enum bc_err settle(struct repo *r, enum bc_err rc, const struct err *why)
{
	if (rc == BC_OK) {
		become(r, r->index != NULL ? INDEX_ON_DISK : INDEX_IN_MEMORY);
		return rc;
	}
	/* Half an index would say that there is not what there is. */
	index_close(r->index);
	r->index = NULL;
	overlay_clear(&r->overlay);
	r->index_why = *why;
	r->index_why.code = rc;
	become(r, INDEX_BROKEN);
	return rc;
}

static enum bc_err tell(const struct err *why, enum bc_err rc, struct err *e)
{
	if (rc != BC_OK && e != NULL)
		*e = *why;
	return rc;
}

void repo_index_stale(struct repo *r)
{
	become(r, INDEX_NONE);
}

void repo_close_index(struct repo *r)
{
	index_close(r->index);
	r->index = NULL;
	overlay_fini(&r->overlay);
	become(r, INDEX_NONE);
}

/* ---- opened ---------------------------------------------------------------
 */

static enum bc_err view_ahead(struct repo *r, uint64_t covered, struct err *e)
{
	err_set(e, BC_EDAMAGE,
		"the log ends at generation %llu, but the index has seen "
		"%llu",
		(unsigned long long)r->head.generation,
		(unsigned long long)covered);
	err_hint(e,
		 "run `blobctl check`; if an older copy of log/ was put back "
		 "on purpose, remove the files in %s/" REPO_INDEX_DIR,
		 r->path);
	return BC_EDAMAGE;
}

/*
 * The index, and the overlay of what it lacks up to r->head. A damaged or
 * foreign one is made again. There is none meanwhile: what is read of the log
 * here comes into the overlay below, and not by repo_apply_group(), which would
 * wait for the mutex as well.
 */
static enum bc_err open_index(struct repo *r, struct err *e)
{
	bool fits = false;
	struct digest digest;
	uint64_t covered;
	enum bc_err rc;

	become(r, INDEX_NONE);
	index_close(r->index);
	r->index = NULL;
	if (r->index_dir == NULL)
		return repo_index_make(r, false, e);
	rc = index_open(r->index_dir, r->sb.id.b, &r->index, e);
	if (rc != BC_OK) {
		err_clear(e);
		return repo_index_make(r, true, e);
	}
	index_covered(r->index, &covered, &digest);
	if (covered > r->head.generation) {
		/* Another process may just have committed. */
		rc = repo_catch_up(r, false, e);
		if (rc == BC_ELOCKED && !r->write) {
			err_clear(e);
			rc = BC_OK;
		}
		if (rc != BC_OK)
			return rc;
	}
	if (covered > r->head.generation && r->write)
		return view_ahead(r, covered, e);
	rc = repo_index_fill(r, &fits, e);
	if (rc != BC_OK || fits)
		return rc;
	/* One that is ahead of the log stays, as a witness. */
	return repo_index_make(r, covered <= r->head.generation, e);
}

static enum bc_err open_now(struct repo *r, struct err *e)
{
	struct err why = ERR_INIT;
	enum bc_err rc = open_index(r, &why);

	return tell(&why, settle(r, rc, &why), e);
}

static enum bc_err make_now(struct repo *r, bool on_disk, struct err *e)
{
	struct err why = ERR_INIT;
	enum bc_err rc;

	become(r, INDEX_NONE);
	rc = repo_index_make(r, on_disk, &why);
	return tell(&why, settle(r, rc, &why), e);
}

enum bc_err repo_need_index(struct repo *r, struct err *e)
{
	enum bc_err rc = BC_OK;

	/* Once it is there it is only looked at. */
	if (atomic_load(&r->index_ready))
		return BC_OK;
	pthread_mutex_lock(&r->mutex);
	if (r->index_state == INDEX_BROKEN)
		rc = tell(&r->index_why, r->index_why.code, e);
	else if (!atomic_load(&r->index_ready))
		rc = open_now(r, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

enum bc_err repo_index_anew(struct repo *r, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = make_now(r, false, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

/* ---- a lookup in vain -----------------------------------------------------
 */

/*
 * The catalog is shared: another process may have moved it since this handle
 * was opened, and a question have told of a snapshot whose chunks the overlay
 * lacks. A writer's head moves by its own commits alone.
 */
static enum bc_err follow_catalog(struct repo *r, struct err *e)
{
	struct catalog_position at;
	enum bc_err rc;

	if (r->write || r->catalog_in_memory || r->catalog_trusted)
		return BC_ENOTFOUND;
	rc = catalog_position(r->catalog, &at, e);
	if (rc != BC_OK)
		return rc;
	if (at.generation <= r->head.generation)
		return BC_ENOTFOUND;
	r->head = repo_pos_of(&at);
	return open_now(r, e);
}

/*
 * It is whole, and lacks what should be there. Made again it may have it, if no
 * pack is known to be lost; if it cannot be made, the one that is there still
 * serves.
 */
static enum bc_err doubt(struct repo *r, struct err *e)
{
	if (r->index_state != INDEX_ON_DISK || r->index_doubted ||
	    r->packs_lost)
		return BC_ENOTFOUND;
	r->index_doubted = true;
	repo_note_f(r, "the index lacks a chunk; making it again from the "
		       "packs");
	if (make_now(r, true, NULL) == BC_OK)
		return BC_OK;
	return open_now(r, e);
}

static enum bc_err heal(struct repo *r, unsigned made, bool needed,
			struct err *e)
{
	enum bc_err rc;
	struct err damage = ERR_INIT;

	switch (r->index_state) {
	case INDEX_BROKEN:
		return tell(&r->index_why, r->index_why.code, e);
	case INDEX_NONE:
		return open_now(r, e);
	case INDEX_ON_DISK:
	case INDEX_IN_MEMORY:
		break;
	}
	/* Another thread has done it. */
	if (r->index_made != made)
		return BC_OK;
	if (r->index == NULL || index_damage(r->index, &damage) == BC_OK) {
		rc = follow_catalog(r, e);
		return rc == BC_ENOTFOUND && needed ? doubt(r, e) : rc;
	}
	repo_note_f(r,
		    "the index is damaged; making it again from the packs (%s)",
		    damage.text);
	return make_now(r, r->index_healed++ < HEALED_ON_DISK_MAX, e);
}

enum bc_err repo_heal_index(struct repo *r, unsigned made, bool needed,
			    struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = heal(r, made, needed, e);
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

/* ---- the overlay follows a commit -----------------------------------------
 */

void repo_overlay_dir(struct repo *r, const struct pack_dir *d, uint32_t number)
{
	if (r->index_ready &&
	    overlay_add_dir(&r->overlay, d, number, NULL) != BC_OK)
		repo_index_stale(r);
}

void repo_overlay_pack(struct repo *r, uint32_t number)
{
	struct dir_ref d = { .dir = NULL };

	if (!r->index_ready)
		return;
	if (repo_dir_get_whole(r, number, &d, NULL) == BC_OK)
		repo_overlay_dir(r, d.dir, number);
	else
		repo_index_stale(r);
	repo_dir_put(r, &d);
}

/* ---- after a commit -------------------------------------------------------
 */

static enum bc_err write_run(struct repo *r, struct err *e)
{
	struct index_range range =
		repo_index_range(r, r->overlay.from, &r->overlay.from_digest);
	struct index *now = NULL;
	uint64_t gen = 0;
	struct digest digest;
	bool merged = false;
	enum bc_err rc = index_open(r->index_dir, r->sb.id.b, &now, e);

	if (rc != BC_OK)
		return rc;
	index_covered(now, &gen, &digest);
	index_close(now);
	now = NULL;
	/* Another process has been here: its run holds what ours would, and
	 * the next opening sorts out the rest. */
	if (gen != r->overlay.from ||
	    !digest_eq(&digest, &r->overlay.from_digest))
		return BC_OK;
	rc = index_write_run(r->index_dir, &range, r->overlay.at, r->overlay.n,
			     e);
	if (rc == BC_OK)
		rc = index_open(r->index_dir, r->sb.id.b, &now, e);
	if (rc == BC_OK && index_wants_merge(now)) {
		rc = index_merge(now, NULL, &merged, e);
		if (rc == BC_OK && merged) {
			index_close(now);
			now = NULL;
			rc = index_open(r->index_dir, r->sb.id.b, &now, e);
		}
	}
	/* What a merge has replaced, and what a killed writer has left. */
	if (rc == BC_OK)
		rc = index_sweep(now, NULL, e);
	pthread_mutex_lock(&r->mutex);
	if (rc == BC_OK) {
		index_close(r->index);
		r->index = now;
		now = NULL;
		overlay_clear(&r->overlay);
		index_covered(r->index, &r->overlay.from,
			      &r->overlay.from_digest);
	} else {
		/* The entries were sorted where they are, and the table no
		 * longer knows which is where. */
		repo_index_stale(r);
	}
	pthread_mutex_unlock(&r->mutex);
	index_close(now);
	return rc;
}

void repo_update_index(struct repo *r, bool all)
{
	struct err e = ERR_INIT;
	uint64_t lag = r->head.generation - r->overlay.from;

	/* Without a whole overlay the run would cover what it does not hold. */
	if (r->read_only || r->index_state != INDEX_ON_DISK || lag == 0 ||
	    (!all && lag < RUN_GENERATIONS && r->overlay.n < RUN_ENTRIES))
		return;
	if (io_file_lock(r->lock, REPO_LOCK_VIEWS, 1, IO_LOCK_EXCLUSIVE,
			 IO_LOCK_TRY, &e) != BC_OK)
		return;
	if (write_run(r, &e) != BC_OK)
		repo_note_f(r, "the index was not updated: %s", e.text);
	if (io_file_unlock(r->lock, REPO_LOCK_VIEWS, 1, &e) != BC_OK)
		repo_note_f(r, "cannot unlock the views: %s", e.text);
}

size_t repo_find_hints(struct repo *r, const struct digest *id,
		       struct index_loc *out, size_t max, unsigned *made)
{
	size_t got;

	pthread_mutex_lock(&r->mutex);
	if (made != NULL)
		*made = r->index_made;
	got = overlay_find(&r->overlay, id, out, max);
	if (r->index != NULL && got < max)
		got += index_find(r->index, id, out + got, max - got);
	pthread_mutex_unlock(&r->mutex);
	return got;
}

bool repo_find_first(struct repo *r, const struct digest *const ids[], size_t n,
		     struct index_loc first[], bool found[])
{
	bool whole;

	memset(found, 0, n * sizeof(*found));
	pthread_mutex_lock(&r->mutex);
	whole = r->index_ready;
	if (r->index != NULL) {
		index_find_many(r->index, ids, n, first, found);
		whole = whole && index_damage(r->index, NULL) == BC_OK;
	}
	for (size_t i = 0; i < n && r->overlay.n > 0; i++)
		if (!found[i])
			found[i] = overlay_find(&r->overlay, ids[i], &first[i],
						1) > 0;
	pthread_mutex_unlock(&r->mutex);
	return whole;
}

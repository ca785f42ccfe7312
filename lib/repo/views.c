/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index beside the log. On disk it may stand some generations back; what
 * it lacks is read from the log's last groups into an overlay in memory. An
 * index too far back, damaged or foreign is made again from the directories of
 * packs and groups, as the catalog lists them.
 */
#include "repo/views.h"

#include <stdlib.h>

#include "index/merge.h"
#include "repo/dir_load.h"
#include "repo/dirs.h"
#include "repo/layout.h"
#include "repo/replay.h"
#include "repo/state.h"

enum {
	/* Groups that opening reads at most to fill the overlay. */
	OVERLAY_GENERATIONS_MAX = 4096,
	/* From here on a commit writes a run. */
	RUN_GENERATIONS = 16,
	RUN_ENTRIES = 4096,
};

/* ---- rebuild --------------------------------------------------------------
 */

static enum bc_err each_chunk(struct repo *r, repo_dir_fn *fn, void *ctx,
			      struct err *e)
{
	struct pack_numbers v = { NULL, 0, 0 };
	enum bc_err rc = repo_pack_numbers(
		r, 1 << CATALOG_LIVE | 1 << CATALOG_CONDEMNED, &v, e);

	for (size_t i = 0; i < v.n && rc == BC_OK; i++)
		rc = repo_each_dir(r, v.at[i], fn, ctx, e);
	free(v.at);
	return rc;
}

static enum bc_err build_one(void *ctx, const struct pack_dir *d,
			     uint32_t number, struct err *e)
{
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < d->n_chunks && rc == BC_OK; i++) {
		struct index_loc loc = { number, (uint16_t)(d->base_slot + i) };

		rc = index_builder_add(ctx, &d->ids[i], loc, e);
	}
	return rc;
}

static struct index_range range_to_head(const struct repo *r, uint64_t from,
					const struct digest *from_digest)
{
	struct index_range g = { .from_gen = from,
				 .to_gen = r->head.generation,
				 .from_digest = *from_digest,
				 .to_digest = r->head.digest };

	memcpy(g.repo_id, r->sb.id.b, PACK_ID_BYTES);
	return g;
}

static enum bc_err rebuild_on_disk(struct repo *r, struct err *e)
{
	static const struct digest zero;
	struct index_range range = range_to_head(r, 0, &zero);
	struct index_builder *b = NULL;
	enum bc_err rc;

	index_close(r->index);
	r->index = NULL;
	rc = index_wipe(r->index_dir, e);
	if (rc == BC_OK)
		rc = index_builder_new(r->index_dir, &b, e);
	if (rc == BC_OK)
		rc = each_chunk(r, build_one, b, e);
	if (rc == BC_OK) {
		rc = index_builder_finish(b, &range, e);
		b = NULL;
	}
	index_builder_abort(b);
	if (rc == BC_OK)
		rc = index_open(r->index_dir, r->sb.id.b, &r->index, e);
	return rc;
}

static enum bc_err overlay_one(void *ctx, const struct pack_dir *d,
			       uint32_t number, struct err *e)
{
	return overlay_add_dir(ctx, d, number, e);
}

static enum bc_err rebuild_in_memory(struct repo *r, struct err *e)
{
	overlay_clear(&r->overlay);
	return each_chunk(r, overlay_one, &r->overlay, e);
}

static enum bc_err rebuild(struct repo *r, bool on_disk, struct err *e)
{
	enum bc_err rc = BC_EACCES;

	r->index_made++;
	/* What is on disk must not be ahead of what is synced. */
	if (on_disk && !r->read_only && (r->write || !r->catalog_in_memory)) {
		rc = io_file_lock(r->lock, REPO_LOCK_VIEWS, 1,
				  IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, e);
		if (rc == BC_OK) {
			rc = rebuild_on_disk(r, e);
			if (io_file_unlock(r->lock, REPO_LOCK_VIEWS, 1, NULL) !=
			    BC_OK)
				repo_note_f(r, "cannot unlock the views");
		}
	}
	overlay_clear(&r->overlay);
	if (rc == BC_OK) {
		index_covered(r->index, &r->overlay.from,
			      &r->overlay.from_digest);
		return BC_OK;
	}
	/* Somebody else is at it, or nothing can be written: do without. */
	err_clear(e);
	index_close(r->index);
	r->index = NULL;
	r->overlay.from = UINT64_MAX;
	return rebuild_in_memory(r, e);
}

/* ---- the last groups ------------------------------------------------------
 */

static enum bc_err add_packs_of(struct repo *r, const struct group *g,
				struct err *e)
{
	struct cursor c = cursor_of(g->record.ops);
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < g->record.n_ops && rc == BC_OK; i++) {
		struct log_op op;

		rc = log_op_next(&c, &op, e);
		if (rc == BC_OK && op.code == LOG_OP_PACK_ADDED)
			rc = repo_each_dir(r, op.u.pack.number, overlay_one,
					   &r->overlay, e);
	}
	return rc;
}

/*
 * Walk back from the head to generation `to`, filling the overlay.
 *   same  [out] does that generation's record have this digest?
 */
static enum bc_err walk_back(struct repo *r, uint64_t to,
			     const struct digest *to_digest, bool *same,
			     struct err *e)
{
	uint64_t seq = r->head.seq, end = r->head.end;
	struct pack_id id = r->head.log;
	struct digest at = r->head.digest;
	uint64_t generation = r->head.generation;
	struct log_file *l = NULL;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && generation > to) {
		struct group *g = NULL;

		if (l == NULL) {
			char name[LOG_NAME_BYTES];

			log_name(seq, &id, name);
			rc = log_file_open(r->log_dir, name, false, &l, e);
			continue;
		}
		if (end <= LOG_HEAD_BYTES) {
			end = log_file_head(l)->prev_end;
			id = log_file_head(l)->prev_id;
			seq--;
			log_file_close(l);
			l = NULL;
			continue;
		}
		rc = log_file_group_before(l, end, r->dec, &g, e);
		if (rc == BC_OK && g->dir != NULL)
			rc = overlay_add_dir(&r->overlay, g->dir,
					     log_file_head(l)->number, e);
		if (rc == BC_OK)
			rc = add_packs_of(r, g, e);
		if (rc == BC_OK) {
			generation--;
			at = g->record.prev;
			end = g->offset;
		}
		group_free(g);
	}
	log_file_close(l);
	*same = rc == BC_OK && generation == to && digest_eq(&at, to_digest);
	return rc;
}

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

/* The index, and the overlay of what it lacks up to r->head. A damaged or
 * foreign one is made again. */
static enum bc_err open_index(struct repo *r, struct err *e)
{
	bool same = false;
	uint64_t covered;
	enum bc_err rc;

	overlay_clear(&r->overlay);
	index_close(r->index);
	r->index = NULL;
	if (r->index_dir == NULL)
		return rebuild(r, false, e);
	rc = index_open(r->index_dir, r->sb.id.b, &r->index, e);
	if (rc != BC_OK)
		return rebuild(r, true, e);
	index_covered(r->index, &covered, &r->overlay.from_digest);
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
	r->overlay.from = covered;
	if (covered <= r->head.generation &&
	    r->head.generation - covered <= OVERLAY_GENERATIONS_MAX) {
		rc = walk_back(r, covered, &r->overlay.from_digest, &same, e);
		if (rc == BC_ENOMEM)
			return rc;
		if (rc == BC_OK && same)
			return BC_OK;
		err_clear(e);
	}
	/* One that is ahead of the log stays, as a witness. */
	return rebuild(r, covered <= r->head.generation, e);
}

enum bc_err repo_index_anew(struct repo *r, struct err *e)
{
	enum bc_err rc;

	pthread_mutex_lock(&r->mutex);
	rc = rebuild(r, false, e);
	r->index_ready = rc == BC_OK;
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

/*
 * The catalog is shared: another process may have moved it since this handle
 * was opened, and a question have told of a snapshot whose chunks the overlay
 * lacks. A writer's head moves by its own commits alone.
 */
static bool follow_catalog(struct repo *r, struct err *e)
{
	struct catalog_position at;

	if (r->write || r->catalog_in_memory || r->catalog_trusted ||
	    catalog_position(r->catalog, &at, e) != BC_OK ||
	    at.generation <= r->head.generation)
		return false;
	r->head = repo_pos_of(&at);
	r->index_made++;
	/* What is read of the log meanwhile must not go into an overlay that
	 * is being made, through functions that take the mutex. */
	r->index_ready = false;
	r->index_ready = open_index(r, e) == BC_OK;
	return r->index_ready;
}

bool repo_heal_index(struct repo *r, unsigned made)
{
	struct err e = ERR_INIT;
	bool healed;

	pthread_mutex_lock(&r->mutex);
	healed = r->index_made != made;
	if (!healed && r->index != NULL &&
	    index_damage(r->index, &e) != BC_OK) {
		repo_note_f(r,
			    "the index is damaged; making it again from "
			    "the packs (%s)",
			    e.text);
		err_clear(&e);
		healed = rebuild(r, true, &e) == BC_OK;
	}
	if (!healed)
		healed = follow_catalog(r, &e);
	pthread_mutex_unlock(&r->mutex);
	return healed;
}

void repo_overlay_pack(struct repo *r, uint32_t number)
{
	struct dir_ref d = { .dir = NULL };
	enum bc_err rc = repo_dir_get_whole(r, number, &d, NULL);

	if (rc == BC_OK)
		rc = overlay_add_dir(&r->overlay, d.dir, number, NULL);
	repo_dir_put(r, &d);
	if (rc != BC_OK)
		r->index_ready = false;
}

enum bc_err repo_need_index(struct repo *r, struct err *e)
{
	enum bc_err rc = BC_OK;

	/* Once it is there it is only looked at. */
	if (r->index_ready)
		return BC_OK;
	pthread_mutex_lock(&r->mutex);
	if (!r->index_ready) {
		rc = open_index(r, e);
		r->index_ready = rc == BC_OK;
	}
	pthread_mutex_unlock(&r->mutex);
	return rc;
}

void repo_close_index(struct repo *r)
{
	index_close(r->index);
	r->index = NULL;
	overlay_fini(&r->overlay);
}

/* ---- after a commit -------------------------------------------------------
 */

static enum bc_err write_run(struct repo *r, struct err *e)
{
	struct index_range range =
		range_to_head(r, r->overlay.from, &r->overlay.from_digest);
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
	if (rc == BC_OK) {
		pthread_mutex_lock(&r->mutex);
		index_close(r->index);
		r->index = now;
		now = NULL;
		overlay_clear(&r->overlay);
		index_covered(r->index, &r->overlay.from,
			      &r->overlay.from_digest);
		pthread_mutex_unlock(&r->mutex);
	}
	index_close(now);
	return rc;
}

void repo_update_index(struct repo *r, bool all)
{
	struct err e = ERR_INIT;
	uint64_t lag = r->head.generation - r->overlay.from;

	/* Without a whole overlay the run would cover what it does not hold. */
	if (r->read_only || !r->index_ready || r->overlay.from == UINT64_MAX ||
	    lag == 0 ||
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
	bool whole = true;

	memset(found, 0, n * sizeof(*found));
	pthread_mutex_lock(&r->mutex);
	if (r->index != NULL) {
		index_find_many(r->index, ids, n, first, found);
		whole = index_damage(r->index, NULL) == BC_OK;
	}
	for (size_t i = 0; i < n && r->overlay.n > 0; i++)
		if (!found[i])
			found[i] = overlay_find(&r->overlay, ids[i], &first[i],
						1) > 0;
	pthread_mutex_unlock(&r->mutex);
	return whole;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The index made again, from the directories of packs and groups as the catalog
 * lists them; and the overlay filled, from the log's last groups.
 */
#include "repo/index_make.h"

#include <stdlib.h>

#include "repo/dir_load.h"
#include "repo/layout.h"
#include "repo/packs.h"

enum {
	/* Groups that opening reads at most to fill the overlay. */
	OVERLAY_GENERATIONS_MAX = 4096,
	/* Who else makes the index on disk is waited for as long as the user
	 * waits for a commit, but not for ever: there is another way. */
	LOCK_WAIT_MAX_MS = 60000,
};

/* ---- from directories -----------------------------------------------------
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

struct index_range repo_index_range(const struct repo *r, uint64_t from,
				    const struct digest *from_digest)
{
	struct index_range g = { .from_gen = from,
				 .to_gen = r->head.generation,
				 .from_digest = *from_digest,
				 .to_digest = r->head.digest };

	memcpy(g.repo_id, r->sb.id.b, PACK_ID_BYTES);
	return g;
}

static enum bc_err make_on_disk(struct repo *r, struct err *e)
{
	static const struct digest zero;
	struct index_range range = repo_index_range(r, 0, &zero);
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
	overlay_clear(&r->overlay);
	if (rc == BC_OK)
		index_covered(r->index, &r->overlay.from,
			      &r->overlay.from_digest);
	return rc;
}

/* ---- the last groups ------------------------------------------------------
 */

static enum bc_err overlay_one(void *ctx, const struct pack_dir *d,
			       uint32_t number, struct err *e)
{
	return overlay_add_dir(ctx, d, number, e);
}

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

/* What hinders reading the log would hinder reading what an index is made from.
 * Damage need not: the catalog may know more. */
static bool hinders(enum bc_err rc)
{
	return rc == BC_ENOMEM || rc == BC_EACCES || rc == BC_ESYS;
}

enum bc_err repo_index_fill(struct repo *r, bool *fits, struct err *e)
{
	bool same = false;
	enum bc_err rc;

	overlay_clear(&r->overlay);
	index_covered(r->index, &r->overlay.from, &r->overlay.from_digest);
	*fits = false;
	if (r->overlay.from > r->head.generation ||
	    r->head.generation - r->overlay.from > OVERLAY_GENERATIONS_MAX)
		return BC_OK;
	rc = walk_back(r, r->overlay.from, &r->overlay.from_digest, &same, e);
	if (hinders(rc))
		return rc;
	if (rc != BC_OK)
		err_clear(e);
	*fits = rc == BC_OK && same;
	return BC_OK;
}

/* ---- made -----------------------------------------------------------------
 */

/* Another process has made it while this one waited. */
static enum bc_err take_over(struct repo *r, bool *fits, struct err *e)
{
	enum bc_err rc;

	index_close(r->index);
	r->index = NULL;
	rc = index_open(r->index_dir, r->sb.id.b, &r->index, e);
	return rc == BC_OK ? repo_index_fill(r, fits, e) : rc;
}

static int64_t lock_wait(const struct repo *r)
{
	return r->lock_wait_ms < 0 || r->lock_wait_ms > LOCK_WAIT_MAX_MS
		       ? LOCK_WAIT_MAX_MS
		       : r->lock_wait_ms;
}

static enum bc_err make_alone(struct repo *r, struct err *e)
{
	bool waited = false, fits = false;
	enum bc_err rc = io_file_lock(r->lock, REPO_LOCK_VIEWS, 1,
				      IO_LOCK_EXCLUSIVE, IO_LOCK_TRY, e);

	if (rc == BC_ELOCKED) {
		waited = true;
		rc = io_file_lock(r->lock, REPO_LOCK_VIEWS, 1,
				  IO_LOCK_EXCLUSIVE, lock_wait(r), e);
	}
	if (rc != BC_OK)
		return rc;
	err_clear(e);
	if (waited)
		rc = take_over(r, &fits, e);
	if (rc == BC_OK && !fits)
		rc = make_on_disk(r, e);
	if (io_file_unlock(r->lock, REPO_LOCK_VIEWS, 1, NULL) != BC_OK)
		repo_note_f(r, "cannot unlock the views");
	return rc;
}

/* It is too large for memory: say why it is not on disk. */
static enum bc_err too_large(struct repo *r, const struct err *disk,
			     struct err *e)
{
	size_t max = r->overlay.mem.max;

	if (disk->code == BC_OK) {
		err_set(e, BC_ELIMIT,
			"the index has more than %zu chunks, too many to be "
			"kept in memory, and cannot be written",
			max);
		err_hint(e,
			 "who may write to %s/" REPO_INDEX_DIR " has it there",
			 r->path);
		return BC_ELIMIT;
	}
	err_set(e, disk->code,
		"the index has more than %zu chunks, too many to be kept in "
		"memory, and cannot be made on disk: %s",
		max, disk->text);
	if (e != NULL)
		e->sys_errno = disk->sys_errno;
	return disk->code;
}

static enum bc_err make_in_memory(struct repo *r, const struct err *disk,
				  struct err *e)
{
	enum bc_err rc;

	index_close(r->index);
	r->index = NULL;
	overlay_clear(&r->overlay);
	rc = each_chunk(r, overlay_one, &r->overlay, e);
	if (rc == BC_EFULL)
		return too_large(r, disk, e);
	if (rc != BC_OK)
		(void)err_wrap(e, "the index cannot be made again");
	return rc;
}

enum bc_err repo_index_make(struct repo *r, bool on_disk, struct err *e)
{
	struct err disk = ERR_INIT;

	/* What is on disk must not be ahead of what is synced. */
	if (on_disk && !r->read_only && (r->write || !r->catalog_in_memory)) {
		enum bc_err rc = make_alone(r, &disk);

		if (rc == BC_OK)
			return rc;
		if (rc == BC_ECANCEL) {
			if (e != NULL)
				*e = disk;
			return rc;
		}
	}
	/* Somebody else is at it and does not end, or nothing can be written:
	 * do without. */
	return make_in_memory(r, &disk, e);
}

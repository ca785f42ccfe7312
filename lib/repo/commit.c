/* SPDX-License-Identifier: Apache-2.0 */
#include "repo/commit.h"

#include <stdio.h>
#include <stdlib.h>

#include "log/list.h"
#include "repo/holder.h"
#include "repo/layout.h"
#include "repo/replay.h"

enum {
	SEAL_LEVEL = 0,
	SEAL_PLAIN_MAX = 4 << 20,
	/* So many logs that did not grow far may lie there before a torn tail
	 * is cut off instead of left behind in one more. */
	SHORT_LOGS_MAX = 64,
	SHORT_LOG_BYTES = LOG_SEAL_BYTES / 2,
	/* The byte of its shared memory by which SQLite's writer locks. */
	SHM_WRITER = 120,
};

/* ---- a new log ------------------------------------------------------------
 */

/* The directory of all groups of the log at the head. */
static enum bc_err whole_dir(struct repo *r, struct log_file *l,
			     struct dir_builder *d, struct err *e)
{
	uint64_t at = LOG_HEAD_BYTES;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && at < r->head.end) {
		struct group *g = NULL;

		rc = log_file_group(l, at, GROUP_LEAD, r->dec, &g, e);
		for (uint32_t i = 0, n = 0;
		     rc == BC_OK && g->dir != NULL && i < g->dir->n_blocks;
		     i++) {
			const struct dir_block *b = &g->dir->blocks[i];

			rc = dir_builder_add(d, b, g->dir->lengths + n,
					     g->dir->ids + n);
			n += b->chunks;
			if (rc != BC_OK)
				err_set(e, rc, "no memory for a directory");
		}
		if (rc == BC_OK)
			at = g->next;
		group_free(g);
	}
	return rc;
}

static enum bc_err seal_log(struct repo *r, struct log_file *l, struct err *e)
{
	struct dir_builder d;
	struct sealer s = { .level = 0 };
	uint64_t length = 0;
	enum bc_err rc;

	dir_builder_init(&d);
	rc = whole_dir(r, l, &d, e);
	if (rc == BC_OK)
		rc = sealer_init(&s, SEAL_LEVEL, SEAL_PLAIN_MAX, e);
	if (rc == BC_OK)
		rc = log_file_seal(l, r->head.end, &d, &s, &length, e);
	sealer_fini(&s);
	dir_builder_fini(&d);
	return rc;
}

/* Begin the log that follows the one at the head, and stand in it. */
static enum bc_err next_log(struct repo *r, struct log_file **log,
			    struct err *e)
{
	struct log_head h = {
		.pack = { .kind = PACK_LOG,
			  .repo = r->sb.id,
			  .created = r->clock.real(r->clock.ctx) },
		.seq = r->head.seq + 1,
		.number = r->head.next_pack,
		.first_generation = r->head.generation + 1,
		.prev_id = r->head.log,
		.prev_end = r->head.end,
		.chain = r->head.digest,
	};
	struct catalog_checkpoint c = { 0 };
	struct log_file *l = NULL;
	enum bc_err rc = rng_fill(r->rng, h.pack.id.b, PACK_ID_BYTES, e);

	if (rc == BC_OK)
		rc = catalog_checkpoint(r->catalog, &c, e);
	h.checkpoint = c.generation;
	memcpy(h.checkpoint_log.b, c.log_id, PACK_ID_BYTES);
	h.checkpoint_at = c.offset;
	if (rc == BC_OK)
		rc = log_file_create(r->log_dir, &h, &l, e);
	if (rc != BC_OK)
		return rc;
	log_file_close(*log);
	*log = l;
	r->synced_log = h.pack.id;
	r->synced_end = LOG_HEAD_BYTES;
	/* The catalog learns of it, and the head moves into it. */
	return repo_catch_up(r, true, e);
}

static bool log_is_full(const struct repo *r, const struct group_builder *g)
{
	return r->head.end > LOG_HEAD_BYTES &&
	       (r->head.end + g->raw.n > LOG_SEAL_BYTES ||
		r->head.next_slot + g->dir.n_chunks > PACK_CHUNKS_MAX);
}

static enum bc_err open_head(struct repo *r, struct log_file **out,
			     struct err *e)
{
	char name[LOG_NAME_BYTES];

	log_name(r->head.seq, &r->head.log, name);
	return log_file_open(r->log_dir, name, true, out, e);
}

/* A log that is sealed already has lost its maker before the next one was
 * begun: its footer lies at the head. */
static bool sealed_already(const struct repo *r, struct log_file *l)
{
	uint8_t raw[PACK_FOOT_BYTES];
	struct pack_foot f;
	uint64_t size = 0;

	return io_file_size(log_file_io(l), &size, NULL) == BC_OK &&
	       size > r->head.end && size % PACK_ALIGN == 0 &&
	       io_file_pread(log_file_io(l), raw, sizeof(raw),
			     size - sizeof(raw), NULL) == BC_OK &&
	       pack_foot_decode(bytes_of(raw, sizeof(raw)), &f, NULL) ==
		       BC_OK &&
	       f.dir_offset == r->head.end;
}

static bool many_short_logs(struct repo *r)
{
	struct log_list list;
	size_t n = 0;

	if (log_list_read(r->log_dir, &list, NULL) != BC_OK)
		return false;
	for (size_t i = 0; i < list.n; i++) {
		char name[LOG_NAME_BYTES];
		struct io_stat st;

		log_name(list.at[i].seq, &list.at[i].id, name);
		if (io_stat_at(r->log_dir, name, &st, NULL) == BC_OK &&
		    st.size < SHORT_LOG_BYTES)
			n++;
	}
	log_list_free(&list);
	return n >= SHORT_LOGS_MAX;
}

/*
 * What lies beyond the last group may be all that is left of a commit, whatever
 * it looks like: it stays where it is, and a new log says where this one ended.
 * A device that answers with zeros looks like an append that was cut short; so
 * those stay as well, until many have.
 */
static enum bc_err look_behind(struct repo *r, struct log_file *l, bool *keep,
			       struct err *e)
{
	struct log_tail t;
	enum bc_err rc = log_file_tail(l, r->head.end, r->dec, &t, e);

	if (rc != BC_OK)
		return rc;
	*keep = t.kind != LOG_TAIL_NOTHING &&
		(t.kind != LOG_TAIL_TORN || !many_short_logs(r));
	if (*keep && t.kind != LOG_TAIL_TORN)
		repo_note_f(r,
			    "what lies beyond generation %llu in %s is no "
			    "whole group; it stays there and a new log is "
			    "begun; run `blobctl check`",
			    (unsigned long long)r->head.generation,
			    log_file_path(l));
	return BC_OK;
}

/* ---- the group ------------------------------------------------------------
 */

static enum bc_err encode(struct repo *r, const struct commit *c,
			  struct buf *raw, uint8_t **aligned, struct err *e)
{
	struct group_place at = { .log = r->head.log,
				  .offset = r->head.end,
				  .generation = r->head.generation + 1,
				  .prev = r->head.digest,
				  .first_slot = (uint16_t)r->head.next_slot,
				  .session = c->session,
				  .time = r->clock.real(r->clock.ctx) };
	struct digest record;
	enum bc_err rc = rng_fill(r->rng, at.group.b, PACK_ID_BYTES, e);

	buf_clear(raw);
	if (rc == BC_OK)
		rc = group_encode(c->group, &at, raw, &record, e);
	if (rc != BC_OK)
		return rc;
	free(*aligned);
	*aligned = aligned_alloc(IO_ALIGN, raw->n);
	if (*aligned == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a log group");
	memcpy(*aligned, raw->p, raw->n);
	return BC_OK;
}

static enum bc_err append(struct repo *r, const struct commit *c,
			  struct log_file *l, bool *begun, struct err *e)
{
	struct buf raw = BUF_INIT(GROUP_MAX_BYTES + LOG_ALIGN);
	uint8_t *aligned = NULL;
	enum bc_err rc = encode(r, c, &raw, &aligned, e);

	*begun = false;
	if (rc == BC_OK)
		rc = log_file_append(l, r->head.end, bytes_of(aligned, raw.n),
				     c->frees, begun, e);
	if (rc == BC_OK) {
		r->synced_log = r->head.log;
		r->synced_end = r->head.end + raw.n;
	}
	free(aligned);
	buf_fini(&raw);
	return rc;
}

/* Seal the log at the head; one with a damaged group cannot be. It is left as
 * it is: `check` speaks of it, and the log goes on. */
static enum bc_err seal_or_leave(struct repo *r, struct log_file *l,
				 struct err *e)
{
	enum bc_err rc = seal_log(r, l, e);

	if (rc != BC_ENOTFOUND)
		return rc;
	repo_note_f(r, "%s is damaged and was not sealed; run `blobctl check`",
		    log_file_path(l));
	err_clear(e);
	return BC_OK;
}

/* The log that the group goes to: the one at the head, or a new one. */
static enum bc_err open_for(struct repo *r, const struct commit *c,
			    struct log_file **l, struct err *e)
{
	bool keep = false;
	enum bc_err rc = open_head(r, l, e);

	if (rc != BC_OK)
		return rc;
	if (sealed_already(r, *l)) {
		/* Its maker may have died before the sync, or was told that it
		 * failed: then only what is written again can be synced. */
		rc = seal_or_leave(r, *l, e);
		return rc == BC_OK ? next_log(r, l, e) : rc;
	}
	rc = look_behind(r, *l, &keep, e);
	if (rc != BC_OK || (!keep && !log_is_full(r, c->group)))
		return rc;
	if (keep)
		log_file_trim(*l);
	else
		rc = seal_or_leave(r, *l, e);
	return rc == BC_OK ? next_log(r, l, e) : rc;
}

/* Is what is open still what lies under its name? A group in a folder that
 * somebody has moved away would be no commit. */
static enum bc_err still_there(struct repo *r, struct io_dir *open,
			       const char *name, struct err *e)
{
	struct io_stat is, was;
	enum bc_err rc = io_stat_at(open, ".", &was, e);

	if (rc == BC_OK)
		rc = io_stat_at(r->dir, name, &is, e);
	if (rc == BC_ENOTFOUND ||
	    (rc == BC_OK && (is.dev != was.dev || is.ino != was.ino))) {
		err_set(e, BC_EIO, "%s/%s was moved away while this ran",
			r->path, name);
		err_hint(e, "put it back, then run the same command again");
		rc = BC_EIO;
	}
	return rc;
}

/*
 * Write the group and sync it. A log in which that failed is poison: what was
 * written to it may or may not come back, and a new log whose header says where
 * the old one ended settles it. If that fails as well nobody knows.
 */
static enum bc_err append_or_move_on(struct repo *r, const struct commit *c,
				     struct log_file **l, struct err *e)
{
	struct err again = ERR_INIT;
	bool begun;
	enum bc_err rc = append(r, c, *l, &begun, e);

	if (rc != BC_OK && begun && next_log(r, l, &again) == BC_OK) {
		err_clear(e);
		rc = append(r, c, *l, &begun, e);
	}
	if (rc != BC_OK && begun && e != NULL) {
		err_hint(e, "it may take effect all the same: `blobctl ls` "
			    "shows whether it has");
		e->unsure = true;
	}
	return rc;
}

static enum bc_err commit_locked(struct repo *r, const struct commit *c,
				 struct err *e)
{
	struct log_file *l = NULL;
	enum bc_err rc = still_there(r, r->log_dir, REPO_LOG_DIR, e);

	if (rc == BC_OK)
		rc = still_there(r, r->packs_dir, REPO_PACKS_DIR, e);
	if (rc == BC_OK)
		rc = repo_catch_up(r, true, e);
	if (rc == BC_OK && c->look != NULL)
		rc = c->look(c->ctx, r, e);
	if (rc == BC_OK)
		rc = open_for(r, c, &l, e);
	if (rc == BC_OK)
		rc = append_or_move_on(r, c, &l, e);
	log_file_close(l);
	return rc;
}

static void busy(struct err *e, const struct lock_holder *h, const char *what,
		 const char *path)
{
	if (h == NULL)
		err_set(e, BC_ELOCKED,
			"another run is %s %s and has not finished in time",
			what, path);
	else
		err_set(e, BC_ELOCKED, "%s (pid %lld) is %s %s and %s",
			h->command[0] == '\0' ? "a process" : h->command,
			(long long)h->pid, what, path,
			h->stopped ? "is stopped" : "has not finished in time");
	if (h != NULL && h->stopped)
		err_hint(e, "let it go on with `kill -CONT %lld`, or end it",
			 (long long)h->pid);
	else
		err_hint(e, "wait longer with --lock-wait; `blobctl doctor` "
			    "shows who is at work");
}

/* Whoever has byte `at` of a file of the repository locked is at `what`. */
static enum bc_err find_busy(const struct repo *r, const char *file,
			     uint64_t at, const char *what, struct err *e)
{
	size_t n = strlen(r->path) + strlen(file) + sizeof("/");
	struct lock_holder h;
	char *path = malloc(n);
	bool found = false;

	if (path != NULL) {
		snprintf(path, n, "%s/%s", r->path, file);
		found = lock_holder_find(path, at, &h);
	}
	free(path);
	busy(e, found ? &h : NULL, what, r->path);
	return BC_ELOCKED;
}

enum bc_err repo_commit_busy(const struct repo *r, struct err *e)
{
	return find_busy(r, REPO_LOCK_FILE, REPO_LOCK_COMMIT, "committing to",
			 e);
}

/* Behind the lock the head must be known, and who moves the catalog there, or
 * makes it anew, is waited for like who holds the lock. */
static enum bc_err commit_patiently(struct repo *r, const struct commit *c,
				    struct err *e)
{
	int64_t wait = r->lock_wait_ms;
	unsigned int was = catalog_set_wait(r->catalog, INT32_MAX);
	enum bc_err rc;

	if (wait >= 0 && wait < INT32_MAX)
		(void)catalog_set_wait(r->catalog,
				       wait > was ? (unsigned int)wait : was);
	rc = commit_locked(r, c, e);
	(void)catalog_set_wait(r->catalog, was);
	if (rc == BC_ELOCKED)
		return find_busy(r, REPO_CATALOG_FILE "-shm", SHM_WRITER,
				 "writing the catalog of", e);
	return rc;
}

enum bc_err repo_commit(struct repo *r, const struct commit *c, struct err *e)
{
	struct err view = ERR_INIT;
	enum bc_err rc = io_file_lock(r->lock, REPO_LOCK_COMMIT, 1,
				      IO_LOCK_EXCLUSIVE, r->lock_wait_ms, e);

	if (rc == BC_ELOCKED)
		return repo_commit_busy(r, e);
	if (rc != BC_OK)
		return rc;
	rc = commit_patiently(r, c, e);
	if (io_file_unlock(r->lock, REPO_LOCK_COMMIT, 1, &view) != BC_OK)
		repo_note_f(r, "%s", view.text);
	if (rc != BC_OK)
		return rc;
	/* From here on nothing can undo the commit. */
	if (repo_follow(r, &view) != BC_OK)
		repo_note_f(r, "committed, but the catalog lags: %s",
			    view.text);
	return BC_OK;
}

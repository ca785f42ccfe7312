/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log into the catalog. The position in the catalog says where to go on;
 * from there groups are applied one after the other, through as many logs as
 * there are, in one transaction. Nothing new costs one read of 8 KiB.
 */
#include "repo/replay.h"

#include <stdlib.h>

#include "log/list.h"
#include "repo/apply.h"
#include "repo/commit.h"
#include "repo/dir_load.h"
#include "repo/layout.h"
#include "repo/packs.h"
#include "repo/state.h"
#include "repo/views.h"

enum {
	/* How long who only reads waits for a commit before it does without a
	 * catalog on disk. */
	READER_WAIT_MS = 1000,
};

/* ---- logs ------------------------------------------------------------------
 */

/*
 * The log that follows `id`, if there is one: of the next SEQ, whole, and
 * naming it. A half-made one is passed over: its maker died before its first
 * group.
 */
static bool half_made(struct repo *r, const struct log_name *n)
{
	char name[LOG_NAME_BYTES];
	struct io_stat st;

	log_name(n->seq, &n->id, name);
	return io_stat_at(r->log_dir, name, &st, NULL) == BC_OK &&
	       st.size <= LOG_HEAD_BYTES;
}

static enum bc_err open_successor(struct repo *r, const struct log_list *list,
				  uint64_t seq, const struct pack_id *id,
				  struct log_file **out, struct err *e)
{
	*out = NULL;
	for (size_t i = 0; i < list->n; i++) {
		struct log_file *l = NULL;
		enum bc_err rc;

		if (list->at[i].seq != seq + 1)
			continue;
		rc = repo_open_log(r, seq + 1, &list->at[i].id, &l, e);
		if (rc == BC_OK && pack_id_eq(&log_file_head(l)->prev_id, id)) {
			*out = l;
			return BC_OK;
		}
		log_file_close(l);
		/* Half-made is a log that has no group yet. One that has, and
		 * a damaged header, is a gap. */
		if (rc == BC_EDAMAGE && !half_made(r, &list->at[i]))
			return rc;
		if (rc != BC_OK && rc != BC_EDAMAGE && rc != BC_ENOTFOUND)
			return rc;
		err_clear(e);
	}
	return BC_OK;
}

/* ---- replay ---------------------------------------------------------------
 */

struct replay {
	struct repo *r;
	struct log_list list;
	struct log_file *log;  /* where `pos` is */
	struct log_file *next; /* its successor, if any */
	struct log_pos pos;
	bool transaction;
	bool moved; /* another process has moved the catalog: begin again */
	/* Go to the very end: the tail will be synced, or no view on disk
	 * follows. Otherwise only as far as others have synced it. */
	bool to_the_end;
	bool open_end; /* stopped there, with more behind */
	bool entered;  /* a log that was new to the catalog */
	/* Where the last group begins that was applied, 0 in a log without; and
	 * whether something after it says that it is durable. */
	uint64_t last;
	bool followed;
};

struct log_pos repo_pos_of(const struct catalog_position *c)
{
	struct log_pos p = { .generation = c->generation,
			     .digest = c->digest,
			     .seq = c->log_seq,
			     .end = c->log_end,
			     .next_pack = c->next_pack,
			     .next_slot = c->next_slot };

	memcpy(p.log.b, c->log_id, PACK_ID_BYTES);
	return p;
}

struct catalog_position repo_catalog_pos(const struct log_pos *p)
{
	struct catalog_position c = { .generation = p->generation,
				      .digest = p->digest,
				      .log_seq = p->seq,
				      .log_end = p->end,
				      .next_pack = p->next_pack,
				      .next_slot = p->next_slot };

	memcpy(c.log_id, p->log.b, PACK_ID_BYTES);
	return c;
}

/* Enter the transaction, once. */
static enum bc_err begin(struct replay *p, struct err *e)
{
	struct catalog_position at;
	enum bc_err rc;

	if (p->transaction)
		return BC_OK;
	rc = catalog_begin(p->r->catalog, &at, e);
	if (rc != BC_OK)
		return rc;
	p->transaction = true;
	/* Its end too: another may have entered a log, and no group of it. */
	p->moved = at.generation != p->r->head.generation ||
		   !digest_eq(&at.digest, &p->r->head.digest) ||
		   at.log_seq != p->r->head.seq || at.log_end != p->r->head.end;
	if (p->moved) {
		p->r->head = repo_pos_of(&at);
		repo_index_stale(p->r);
	}
	return BC_OK;
}

static enum bc_err chain_broken(struct replay *p, const char *what,
				struct err *e)
{
	err_set(e, BC_EDAMAGE,
		"the log is damaged after generation %llu: %s (%s)",
		(unsigned long long)p->pos.generation, what,
		log_file_path(p->log));
	err_hint(e, "run `blobctl check` to see what is affected");
	return BC_EDAMAGE;
}

/* The catalog learns of a log, and `pos` enters it. */
static enum bc_err enter_log(struct replay *p, struct log_file *l,
			     struct err *e)
{
	const struct log_head *h = log_file_head(l);
	struct catalog_log row = { .number = h->number,
				   .seq = h->seq,
				   .first_generation = h->first_generation };
	enum bc_err rc = begin(p, e);

	if (rc != BC_OK || p->moved)
		return rc;
	memcpy(row.id, h->pack.id.b, PACK_ID_BYTES);
	rc = catalog_add_log(p->r->catalog, &row, e);
	if (rc != BC_OK)
		return rc;
	p->entered = true;
	p->last = 0;
	p->followed = false;
	p->pos.seq = h->seq;
	p->pos.log = h->pack.id;
	p->pos.end = LOG_HEAD_BYTES;
	p->pos.next_slot = 0;
	if (h->number >= p->pos.next_pack)
		p->pos.next_pack = h->number + 1;
	return BC_OK;
}

/* What is known of a log that has a successor: is it a pack by now? */
static enum bc_err leave_log(struct replay *p, struct err *e)
{
	const struct log_head *h = log_file_head(p->log);
	struct catalog_pack row = { .number = h->number,
				    .kind = CATALOG_LOG,
				    .tier = CATALOG_WARM };
	struct pack_dir *dir = NULL;
	uint64_t size = 0;
	enum bc_err rc = io_file_size(log_file_io(p->log), &size, e);

	if (rc != BC_OK)
		return rc;
	/* One that was given up after a failed sync has no footer; its groups
	 * stay in the catalog. */
	rc = repo_read_dir(p->r, log_file_io(p->log), size, &dir,
			   &row.directory, NULL);
	if (rc == BC_EDAMAGE)
		return BC_OK;
	if (rc != BC_OK)
		return err_set(e, rc, "cannot read the directory of %s",
			       log_file_path(p->log));
	memcpy(row.id, h->pack.id.b, PACK_ID_BYTES);
	row.length = size;
	row.chunks = dir->n_chunks;
	row.blocks = dir->n_blocks;
	for (uint32_t i = 0; i < dir->n_chunks; i++)
		row.plain += dir->lengths[i];
	pack_dir_free(dir);
	return catalog_seal_log(p->r->catalog, &row, e);
}

/*
 * Is there, at `at`, the group that follows this generation? Its writer has
 * synced, under the commit lock, all that lies before it.
 */
static bool goes_on(struct replay *p, struct log_file *l, uint64_t at,
		    uint64_t generation, const struct digest *digest)
{
	struct group *g = NULL;
	bool follows = log_file_group(l, at, GROUP_LEAD, p->r->dec, &g, NULL) ==
			       BC_OK &&
		       g->head.generation == generation + 1 &&
		       digest_eq(&g->record.prev, digest);

	group_free(g);
	return follows;
}

static enum bc_err step_log(struct replay *p, struct err *e)
{
	const struct log_head *h = log_file_head(p->next);
	enum bc_err rc;

	if (!digest_eq(&h->chain, &p->pos.digest) ||
	    h->first_generation != p->pos.generation + 1)
		return chain_broken(p, "the next log does not follow", e);
	p->open_end =
		!p->to_the_end && !goes_on(p, p->next, LOG_HEAD_BYTES,
					   p->pos.generation, &p->pos.digest);
	if (p->open_end)
		return BC_OK;
	rc = begin(p, e);
	if (rc == BC_OK && !p->moved)
		rc = leave_log(p, e);
	if (rc == BC_OK && !p->moved)
		rc = enter_log(p, p->next, e);
	if (rc != BC_OK || p->moved)
		return rc;
	log_file_close(p->log);
	p->log = p->next;
	p->next = NULL;
	return open_successor(p->r, &p->list, p->pos.seq, &p->pos.log, &p->next,
			      e);
}

/* Is all of this group durable, as far as can be told without the lock? */
static bool settled(struct replay *p, const struct group *g, uint64_t limit)
{
	return g->next == limit ||
	       (pack_id_eq(&p->r->synced_log, &p->pos.log) &&
		g->next <= p->r->synced_end) ||
	       goes_on(p, p->log, g->next, g->head.generation, &g->digest);
}

static enum bc_err step_group(struct replay *p, struct group *g, uint64_t limit,
			      struct err *e)
{
	enum bc_err rc;

	if (g->head.generation != p->pos.generation + 1 ||
	    !digest_eq(&g->record.prev, &p->pos.digest))
		return chain_broken(p, "a group does not follow the one before",
				    e);
	if (g->head.first_slot != p->pos.next_slot && g->head.chunks > 0)
		return chain_broken(p, "a group's slots do not follow", e);
	p->open_end = !p->to_the_end && !settled(p, g, limit);
	if (p->open_end)
		return BC_OK;
	rc = begin(p, e);
	if (rc != BC_OK || p->moved)
		return rc;
	p->last = g->offset;
	p->followed = false;
	return repo_apply_group(p->r, g, log_file_head(p->log)->number, &p->pos,
				e);
}

/*
 * No valid group where the next one should be, and this is not the end. A
 * writer stops here. Who only reads has what comes before, and is told.
 */
static enum bc_err gap(struct replay *p, const char *what, struct err *e)
{
	enum bc_err rc = chain_broken(p, what, e);

	p->followed = true;
	p->r->may_lack = true;
	if (p->r->write)
		return rc;
	repo_note_f(p->r, "%s", e == NULL ? "the log is damaged" : e->text);
	err_clear(e);
	return BC_OK;
}

/*
 * No valid group at the end: a torn tail, or damage? What looks like damage
 * without the lock may be a group that was being written when it was looked
 * at, and others after it.
 *
 *   again  [out] look at the group once more
 */
static enum bc_err check_tail(struct replay *p, bool locked, bool *again,
			      struct err *e)
{
	struct log_tail t = { .kind = LOG_TAIL_NOTHING };
	bool later = false, bad;
	enum bc_err rc;

	rc = log_file_tail(p->log, p->pos.end, p->r->dec, &t, e);
	if (rc == BC_OK && !t.zeros)
		rc = log_file_later_group(p->log, p->pos.end + LOG_ALIGN,
					  p->pos.generation, p->r->dec, &later,
					  e);
	bad = t.kind == LOG_TAIL_DAMAGED || t.kind == LOG_TAIL_STRANGE;
	if (rc != BC_OK || (!later && !bad))
		return rc;
	if (!locked && !*again) {
		*again = true;
		return BC_OK;
	}
	*again = false;
	if (later)
		return gap(p, "later groups follow a damaged one", e);
	p->r->may_lack = true;
	/* A writer says what it does about that, and check what it means. */
	if (!p->r->write)
		repo_note_f(p->r,
			    "what follows generation %llu in %s is damaged: a "
			    "commit may be lost; run `blobctl check`",
			    (unsigned long long)p->pos.generation,
			    log_file_path(p->log));
	return BC_OK;
}

/*
 * A group whose blocks are not whole, but after which the log goes on: it was
 * committed, and what its record says holds. Only the chunks in those blocks
 * are lost.
 */
static bool damaged_group(struct replay *p, uint64_t limit, struct group **out)
{
	struct group *g = NULL;

	if (log_file_group(p->log, p->pos.end, GROUP_BYTES, p->r->dec, &g,
			   NULL) != BC_OK)
		return false;
	if (g->next != limit &&
	    (g->next > limit ||
	     !goes_on(p, p->log, g->next, g->head.generation, &g->digest))) {
		group_free(g);
		return false;
	}
	repo_note_f(p->r,
		    "blocks of generation %llu are damaged in %s; run "
		    "`blobctl check`",
		    (unsigned long long)g->head.generation,
		    log_file_path(p->log));
	*out = g;
	return true;
}

static enum bc_err replay_all(struct replay *p, bool locked, struct err *e)
{
	enum bc_err rc = BC_OK;
	bool again = false;

	while (rc == BC_OK && !p->moved && !p->open_end) {
		uint64_t limit = p->next == NULL
					 ? UINT64_MAX
					 : log_file_head(p->next)->prev_end;
		struct group *g = NULL;
		bool damaged = false;

		if (p->pos.end > limit)
			return chain_broken(p, "it goes on beyond its end", e);
		if (p->pos.end == limit) {
			rc = step_log(p, e);
			continue;
		}
		if (p->r->until != 0 && p->pos.generation >= p->r->until)
			return BC_OK;
		rc = log_file_group(p->log, p->pos.end, GROUP_WHOLE, p->r->dec,
				    &g, e);
		damaged = rc == BC_ENOTFOUND && damaged_group(p, limit, &g);
		if (damaged)
			rc = BC_OK;
		if (rc == BC_ENOTFOUND) {
			err_clear(e);
			if (p->next != NULL)
				return gap(p, "a group is missing", e);
			rc = check_tail(p, locked, &again, e);
			if (rc != BC_OK || !again)
				return rc;
			continue;
		}
		again = false;
		if (rc == BC_OK)
			rc = step_group(p, g, limit, e);
		p->followed |= damaged;
		group_free(g);
	}
	return rc;
}

/* Find the log in which `pos` is. */
static enum bc_err find_log(struct replay *p, struct err *e)
{
	struct repo *r = p->r;
	enum bc_err rc;

	p->pos = r->head;
	if (p->pos.generation == 0) {
		if (p->list.n == 0 || p->list.at[0].seq != 1)
			return err_set(e, BC_EDAMAGE,
				       "the beginning of the log is missing "
				       "in %s",
				       io_dir_path(r->log_dir));
		rc = repo_open_log(r, 1, &p->list.at[0].id, &p->log, e);
		if (rc == BC_OK && p->pos.end == 0) {
			p->pos.next_pack = 1;
			rc = enter_log(p, p->log, e);
		}
	} else {
		rc = repo_open_log(r, p->pos.seq, &p->pos.log, &p->log, e);
	}
	if (rc == BC_OK && !p->moved)
		rc = open_successor(r, &p->list, p->pos.seq, &p->pos.log,
				    &p->next, e);
	return rc;
}

static bool synced(const struct replay *p)
{
	return pack_id_eq(&p->r->synced_log, &p->pos.log) &&
	       p->pos.end <= p->r->synced_end;
}

/*
 * The end that was reached, made durable: its writer may have died before the
 * sync, or have been told that it failed. The next sync of such a file can
 * succeed and mean nothing, so the last group is written once more before; all
 * that lies before it has been synced by whoever wrote it.
 */
static enum bc_err make_durable(struct replay *p, struct err *e)
{
	char name[LOG_NAME_BYTES];
	struct log_file *l = NULL;
	enum bc_err rc;

	if (p->followed)
		return BC_OK;
	log_name(p->pos.seq, &p->pos.log, name);
	rc = log_file_open(p->r->log_dir, name, true, &l, e);
	if (rc == BC_OK)
		rc = log_file_settle(l, p->last, p->r->dec, e);
	if (rc == BC_ENOTFOUND)
		rc = err_set(e, BC_EIO,
			     "the end of %s does not read the same twice",
			     name);
	log_file_close(l);
	if (rc == BC_OK && p->entered)
		rc = io_dir_sync(p->r->log_dir, e);
	if (rc != BC_OK)
		return rc;
	p->r->synced_log = p->pos.log;
	p->r->synced_end = p->pos.end;
	return BC_OK;
}

static enum bc_err finish(struct replay *p, bool locked, struct err *e)
{
	struct catalog_position to = repo_catalog_pos(&p->pos);
	enum bc_err rc = BC_OK;

	if (p->transaction && !p->moved) {
		/* A view holds only what is synced. */
		if (locked && !synced(p))
			rc = make_durable(p, e);
		if (rc == BC_OK)
			rc = catalog_move(p->r->catalog, &to, e);
		if (rc == BC_OK)
			rc = catalog_commit(p->r->catalog, e);
		p->transaction = rc != BC_OK;
	}
	if (rc == BC_OK && !p->moved)
		p->r->head = p->pos;
	return rc;
}

/*
 *   locked    the commit lock is held, by this process
 *   open_end  [out] there is more, of which only who has the lock can say
 *	       whether it will stay
 */
static enum bc_err catch_up_once(struct repo *r, bool locked, bool *moved,
				 bool *open_end, struct err *e)
{
	struct replay p = { .r = r };
	enum bc_err rc = log_list_read(r->log_dir, &p.list, e);

	p.to_the_end = locked || (r->catalog_in_memory && !r->write);
	if (rc == BC_OK)
		rc = find_log(&p, e);
	if (rc == BC_OK && !p.moved)
		rc = replay_all(&p, locked, e);
	if (rc == BC_OK)
		rc = finish(&p, locked, e);
	if (p.transaction)
		catalog_rollback(r->catalog);
	*moved = p.moved;
	*open_end = p.open_end;
	log_file_close(p.log);
	log_file_close(p.next);
	log_list_free(&p.list);
	return rc;
}

static enum bc_err follow(struct repo *r, bool locked, bool *open_end,
			  struct err *e)
{
	bool moved = true;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK && moved)
		rc = catch_up_once(r, locked, &moved, open_end, e);
	return rc;
}

/*
 * The last group may be one whose writer is about to sync it, and may fail; or
 * one whose writer is dead. With the lock there is nobody at work, and what is
 * synced now is there to stay.
 */
static enum bc_err settle(struct repo *r, struct err *e)
{
	int64_t wait = r->lock_wait_ms;
	bool open_end = false;
	enum bc_err rc;

	if (!r->write && (wait < 0 || wait > READER_WAIT_MS))
		wait = READER_WAIT_MS;
	rc = io_file_lock(r->lock, REPO_LOCK_COMMIT, 1, IO_LOCK_EXCLUSIVE, wait,
			  e);
	if (rc == BC_ELOCKED)
		r->tail_busy = true;
	if (rc == BC_ELOCKED)
		return repo_commit_busy(r, e);
	if (rc != BC_OK)
		return rc;
	rc = follow(r, true, &open_end, e);
	if (io_file_unlock(r->lock, REPO_LOCK_COMMIT, 1, NULL) != BC_OK)
		repo_note_f(r, "cannot unlock the log");
	return rc;
}

enum bc_err repo_catch_up(struct repo *r, bool locked, struct err *e)
{
	bool open_end = false;
	enum bc_err rc = follow(r, locked, &open_end, e);

	return rc == BC_OK && open_end ? settle(r, e) : rc;
}

enum bc_err repo_follow(struct repo *r, struct err *e)
{
	bool open_end = false;

	return follow(r, false, &open_end, e);
}

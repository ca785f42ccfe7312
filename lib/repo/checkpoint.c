/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: verified, and read into an empty catalog. */
#include "repo/checkpoint.h"

#include <stdlib.h>

#include "log/checkpoint.h"
#include "pack/open.h"
#include "repo/apply.h"
#include "repo/checkpoint_parts.h"
#include "repo/dirs.h"

struct load {
	struct repo *r;
	const struct checkpoint_place *place;
	struct checkpoint_parts parts;
	struct buf plain, stored; /* of a snapshot's record */

	struct buf root_raw;
	struct checkpoint_root top;
	struct checkpoint_ops ops;
	struct buf logs; /* struct log_present, by SEQ */
	bool logs_walked;
	struct log_pos pos;
	/* The file that held the last snapshot's record. */
	uint32_t file_pack;
	struct io_file *file;
};

static enum bc_err damaged(struct err *e, const char *what)
{
	return err_set(e, BC_EDAMAGE, "%s", what);
}

static enum bc_err read_root(struct load *l, struct err *e)
{
	struct bytes raw;
	enum bc_err rc =
		checkpoint_parts_get(&l->parts, &l->parts.root, &raw, e);

	if (rc == BC_OK && buf_add(&l->root_raw, raw.p, raw.n) != BC_OK)
		rc = err_set(e, BC_ENOMEM, "no memory for a checkpoint");
	if (rc == BC_OK)
		rc = checkpoint_root_decode(buf_bytes(&l->root_raw), &l->top,
					    e);
	if (rc == BC_OK && l->top.generation != l->place->generation)
		rc = damaged(e, "its root is of another generation");
	return rc;
}

/* ---- its logs -------------------------------------------------------------
 */

/*
 * The groups of a log that has no footer, up to generation `to`. Of the last
 * log they also say where C is; so C's own record is read, and its digest
 * compared with what the checkpoint says.
 */
static enum bc_err walk_log(struct load *l, const struct log_present *p,
			    uint64_t to, struct log_pos *pos, struct err *e)
{
	struct log_file *f = NULL;
	const struct log_head *h;
	enum bc_err rc = repo_open_own_log(l->r, p->seq, &p->id, &f, e);

	if (rc != BC_OK)
		return rc;
	h = log_file_head(f);
	*pos = (struct log_pos){ .generation = h->first_generation - 1,
				 .digest = h->chain,
				 .seq = p->seq,
				 .log = p->id,
				 .end = LOG_HEAD_BYTES };
	if (h->number != p->number ||
	    h->first_generation != p->first_generation)
		rc = damaged(e, "a log is not what it says");
	while (rc == BC_OK && pos->generation < to) {
		struct group *g = NULL;

		rc = log_file_group(f, pos->end, GROUP_LEAD, l->r->dec, &g, e);
		if (rc == BC_OK && (g->head.generation != pos->generation + 1 ||
				    !digest_eq(&g->record.prev, &pos->digest) ||
				    (g->head.chunks > 0 &&
				     g->head.first_slot != pos->next_slot)))
			rc = damaged(e, "a group does not follow the one "
					"before");
		if (rc == BC_OK && g->head.chunks > 0)
			rc = catalog_add_group(l->r->catalog, p->number,
					       g->head.first_slot, g->offset,
					       e);
		if (rc == BC_OK) {
			pos->generation = g->head.generation;
			pos->digest = g->digest;
			pos->end = g->next;
			pos->next_slot += g->head.chunks;
		}
		group_free(g);
	}
	log_file_close(f);
	return rc;
}

static enum bc_err walk_logs(struct load *l, struct err *e)
{
	size_t n = l->logs.n / sizeof(struct log_present);
	uint64_t c = l->place->generation;
	struct log_present p, after;
	struct log_pos pos = { .generation = 0 };
	enum bc_err rc = BC_OK;

	l->logs_walked = true;
	if (n == 0)
		return damaged(e, "it names no log");
	for (size_t i = 0; i < n && rc == BC_OK; i++) {
		bool last = i + 1 == n;

		memcpy(&p, l->logs.p + i * sizeof(p), sizeof(p));
		if (!last)
			memcpy(&after, l->logs.p + (i + 1) * sizeof(p),
			       sizeof(p));
		if (p.number >= l->top.next_pack || p.first_generation == 0 ||
		    p.first_generation > c + 1 ||
		    (!last && (after.seq <= p.seq ||
			       after.first_generation < p.first_generation)))
			return damaged(e, "its logs are out of order");
		if (p.length == 0)
			rc = walk_log(l, &p,
				      last ? c : after.first_generation - 1,
				      &pos, e);
		else if (last)
			rc = damaged(e, "its last log does not grow");
	}
	if (rc != BC_OK)
		return rc;
	if (pos.generation != c || !digest_eq(&pos.digest, &l->top.record))
		return damaged(e, "it is of another history than the log");
	pos.next_pack = l->pos.next_pack;
	l->pos = pos;
	return BC_OK;
}

/* ---- its operations -------------------------------------------------------
 */

/* The record of a snapshot, in l->plain. */
static enum bc_err read_record(struct load *l, const struct dir_ref *d,
			       const struct log_snapshot_present *p,
			       struct bytes *out, struct err *e)
{
	uint32_t i = (uint32_t)p->slot - d->dir->base_slot;
	const struct dir_block *b = &d->dir->blocks[d->dir->block_of[i]];
	enum bc_err rc = BC_OK;

	if (l->file == NULL || l->file_pack != p->pack) {
		io_file_close(l->file, NULL);
		l->file = NULL;
		l->file_pack = p->pack;
		rc = repo_open_pack(l->r, &d->pack, false, &l->file, e);
	}
	if (rc == BC_OK)
		rc = block_read(l->file, b, l->r->dec, &l->stored, &l->plain,
				e);
	if (rc == BC_OK)
		rc = pack_dir_chunk(d->dir, i, buf_bytes(&l->plain), out, e);
	/* The directory may name another chunk in this place. */
	if (rc == BC_OK && !digest_eq(&d->dir->ids[i], &p->id))
		rc = damaged(e, "a snapshot's record is damaged");
	return rc;
}

static enum bc_err add_snapshot(struct load *l,
				const struct log_snapshot_present *p,
				struct err *e)
{
	struct dir_ref d = { .dir = NULL };
	struct bytes raw;
	enum bc_err rc = repo_dir_get(l->r, p->pack, p->slot, DIR_HINT, &d, e);

	if (rc == BC_OK &&
	    (p->generation == 0 || p->generation > l->place->generation))
		rc = damaged(e, "it holds a snapshot that was not there");
	if (rc == BC_OK)
		rc = read_record(l, &d, p, &raw, e);
	repo_dir_put(l->r, &d);
	if (rc == BC_OK)
		rc = repo_apply_snapshot(l->r, p, raw, e);
	return rc;
}

static enum bc_err apply(struct load *l, const struct log_op *op, struct err *e)
{
	if (op->code == LOG_OP_LOG_PRESENT &&
	    buf_add(&l->logs, &op->u.log, sizeof(op->u.log)) != BC_OK)
		return err_set(e, BC_ENOMEM, "no memory for the list of logs");
	if (op->code == LOG_OP_SNAPSHOT_PRESENT) {
		enum bc_err rc = BC_OK;

		/* Records are found by the groups of their log. */
		if (!l->logs_walked)
			rc = walk_logs(l, e);
		return rc == BC_OK ? add_snapshot(l, &op->u.present, e) : rc;
	}
	return repo_apply_present(l->r, op, &l->pos, e);
}

static enum bc_err apply_node(struct load *l, struct bytes raw, struct err *e)
{
	bool more = true;
	enum bc_err rc = checkpoint_ops_node(&l->ops, raw, e);

	while (rc == BC_OK && more) {
		struct log_op op;

		rc = checkpoint_ops_next(&l->ops, &op, &more, e);
		if (rc == BC_OK && more)
			rc = apply(l, &op, e);
	}
	return rc;
}

static enum bc_err apply_all(struct load *l, struct err *e)
{
	struct catalog_position to;
	enum bc_err rc = BC_OK;

	l->pos = (struct log_pos){ .next_pack = 1 };
	for (uint32_t i = 0; i < l->top.n_nodes && rc == BC_OK; i++) {
		struct digest id;
		struct bytes raw;

		memcpy(id.b, l->top.nodes.p + (size_t)i * DIGEST_BYTES,
		       DIGEST_BYTES);
		rc = checkpoint_parts_get(&l->parts, &id, &raw, e);
		if (rc == BC_OK)
			rc = apply_node(l, raw, e);
	}
	if (rc == BC_OK && !l->logs_walked)
		rc = walk_logs(l, e);
	if (rc == BC_OK && l->top.next_pack < l->pos.next_pack)
		rc = damaged(e, "its pack numbers contradict each other");
	if (rc != BC_OK)
		return rc;
	l->pos.next_pack = l->top.next_pack;
	to = repo_catalog_pos(&l->pos);
	return catalog_move(l->r->catalog, &to, e);
}

/* ---- all of it ------------------------------------------------------------
 */

static enum bc_err into_catalog(struct load *l, struct err *e)
{
	struct repo *r = l->r;
	struct catalog_position at;
	enum bc_err rc = catalog_begin(r->catalog, &at, e);

	if (rc != BC_OK)
		return rc;
	if (at.generation != 0) {
		/* Somebody else has made it meanwhile. */
		l->pos = repo_pos_of(&at);
		catalog_rollback(r->catalog);
	} else {
		rc = apply_all(l, e);
		if (rc == BC_OK)
			rc = catalog_commit(r->catalog, e);
		else
			catalog_rollback(r->catalog);
	}
	if (rc == BC_OK)
		r->head = l->pos;
	return rc;
}

enum bc_err checkpoint_load(struct repo *r, const struct checkpoint_place *p,
			    struct err *e)
{
	struct load *l = calloc(1, sizeof(*l));
	enum bc_err rc;

	if (l == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a checkpoint");
	l->r = r;
	l->place = p;
	buf_init(&l->plain, BLOCK_PLAIN_MAX_BYTES);
	buf_init(&l->stored, BLOCK_HEAD_BYTES + BLOCK_PLAIN_MAX_BYTES);
	buf_init(&l->root_raw, BLOCK_PLAIN_MAX_BYTES);
	buf_init(&l->logs, BLOCK_PLAIN_MAX_BYTES);
	rc = checkpoint_parts_open(&l->parts, r, p, e);
	if (rc == BC_OK)
		rc = read_root(l, e);
	if (rc == BC_OK)
		rc = into_catalog(l, e);
	checkpoint_parts_close(&l->parts);
	io_file_close(l->file, NULL);
	buf_fini(&l->plain);
	buf_fini(&l->stored);
	buf_fini(&l->root_raw);
	buf_fini(&l->logs);
	free(l);
	return rc;
}

enum bc_err checkpoint_restore(struct repo *r, bool *used, struct err *e)
{
	struct checkpoint_list list;
	struct err why = ERR_INIT;
	enum bc_err rc = checkpoint_find(r, &list, e);

	*used = false;
	for (size_t i = 0; i < list.n && rc == BC_OK && !*used; i++) {
		enum bc_err one = checkpoint_load(r, &list.at[i], &why);

		*used = one == BC_OK;
		/* The catalog cannot be written: no checkpoint helps. */
		if (one == BC_ELOCKED || one == BC_ENOSPC || one == BC_EACCES ||
		    one == BC_ENOMEM) {
			if (e != NULL)
				*e = why;
			return one;
		}
		if (one != BC_OK)
			repo_note_f(r,
				    "the checkpoint of generation %llu cannot "
				    "be used: %s; run `blobctl check`",
				    (unsigned long long)list.at[i].generation,
				    why.text);
		err_clear(&why);
	}
	return rc;
}

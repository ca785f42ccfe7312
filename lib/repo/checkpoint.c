/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints: found, verified, and read into an empty catalog. */
#include "repo/checkpoint.h"

#include <stdlib.h>

#include "log/checkpoint.h"
#include "log/list.h"
#include "pack/open.h"
#include "repo/apply.h"
#include "repo/dir_load.h"
#include "repo/dirs.h"

enum { SOURCES_MAX = 1024 /* the group, and metadata packs */ };

/* ---- where they are -------------------------------------------------------
 */

static enum bc_err open_log(struct repo *r, uint64_t seq,
			    const struct pack_id *id, struct log_file **out,
			    struct err *e)
{
	char name[LOG_NAME_BYTES];
	enum bc_err rc;

	log_name(seq, id, name);
	rc = log_file_open(r->log_dir, name, false, out, e);
	if (rc == BC_OK &&
	    !pack_id_eq(&log_file_head(*out)->pack.repo, &r->sb.id)) {
		rc = err_set(e, BC_EDAMAGE, "%s is of another repository",
			     log_file_path(*out));
		log_file_close(*out);
		*out = NULL;
	}
	return rc;
}

static void add_place(struct checkpoint_list *l,
		      const struct checkpoint_place *p)
{
	size_t i = 0;

	while (i < l->n && l->at[i].generation > p->generation)
		i++;
	if (i == CHECKPOINT_TRIES ||
	    (i < l->n && l->at[i].generation == p->generation))
		return;
	if (l->n < CHECKPOINT_TRIES)
		l->n++;
	for (size_t j = l->n - 1; j > i; j--)
		l->at[j] = l->at[j - 1];
	l->at[i] = *p;
}

static void look_at_record(const struct group *g, uint64_t seq,
			   struct checkpoint_list *out)
{
	struct cursor c = cursor_of(g->record.ops);
	struct log_op op;

	for (uint32_t i = 0; i < g->record.n_ops; i++) {
		struct checkpoint_place p = { .seq = seq,
					      .log = g->head.log,
					      .offset = g->offset };

		if (log_op_next(&c, &op, NULL) != BC_OK)
			return;
		p.generation = op.u.checkpoint.generation;
		if (op.code == LOG_OP_CHECKPOINT)
			add_place(out, &p);
	}
}

static enum bc_err look_at_groups(struct repo *r, struct log_file *l,
				  struct checkpoint_list *out, struct err *e)
{
	uint64_t at = LOG_HEAD_BYTES;
	enum bc_err rc = BC_OK;

	while (rc == BC_OK) {
		struct group *g = NULL;

		rc = log_file_group(l, at, GROUP_LEAD, r->dec, &g, e);
		if (rc == BC_OK) {
			look_at_record(g, log_file_head(l)->seq, out);
			at = g->next;
		}
		group_free(g);
	}
	if (rc != BC_ENOTFOUND)
		return rc;
	err_clear(e);
	return BC_OK;
}

/* What a header says; its log's SEQ is known by the list alone. */
static void look_at_header(const struct log_list *list,
			   const struct log_head *h,
			   struct checkpoint_list *out)
{
	struct checkpoint_place p = { .generation = h->checkpoint,
				      .log = h->checkpoint_log,
				      .offset = h->checkpoint_at };

	for (size_t i = 0; i < list->n && h->checkpoint != 0; i++) {
		if (!pack_id_eq(&list->at[i].id, &p.log))
			continue;
		p.seq = list->at[i].seq;
		add_place(out, &p);
	}
}

enum bc_err checkpoint_find(struct repo *r, struct checkpoint_list *out,
			    struct err *e)
{
	struct log_list list;
	uint64_t newest = 0;
	enum bc_err rc = log_list_read(r->log_dir, &list, e);

	out->n = 0;
	for (size_t i = list.n; i > 0 && rc == BC_OK; i--) {
		const struct log_name *n = &list.at[i - 1];
		struct log_file *l = NULL;

		if (newest != 0 && n->seq != newest &&
		    out->n == CHECKPOINT_TRIES)
			break;
		rc = open_log(r, n->seq, &n->id, &l, e);
		if (rc == BC_OK) {
			if (newest == 0)
				newest = n->seq;
			if (n->seq == newest)
				rc = look_at_groups(r, l, out, e);
			look_at_header(&list, log_file_head(l), out);
		} else if (rc != BC_ENOMEM) {
			err_clear(e);
			rc = BC_OK;
		}
		log_file_close(l);
	}
	log_list_free(&list);
	return rc;
}

/* ---- its chunks -----------------------------------------------------------
 */

/* The group, or a metadata pack that its record adds. */
struct source {
	const struct pack_dir *dir;
	struct pack_dir *own; /* to be freed */
	struct io_file *file; /* NULL: the group */
	uint32_t next;	      /* chunks are asked for in their order */
};

struct load {
	struct repo *r;
	const struct checkpoint_place *place;
	struct group *group;
	struct digest root;
	struct source source[SOURCES_MAX];
	size_t n_sources;
	/* The block decoded last. */
	const struct source *held;
	uint32_t held_block;
	struct buf plain, stored;

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

static enum bc_err add_pack(struct load *l, const struct log_pack_added *p,
			    struct err *e)
{
	struct pack_ref ref = { .number = p->number,
				.id = p->id,
				.length = p->length };
	struct source *s = &l->source[l->n_sources];
	struct digest digest;
	enum bc_err rc;

	if (l->n_sources == SOURCES_MAX)
		return err_set(e, BC_ELIMIT,
			       "a checkpoint in more packs than this version "
			       "reads");
	*s = (struct source){ .dir = NULL };
	rc = repo_open_pack(l->r, &ref, false, &s->file, e);
	if (rc == BC_OK)
		rc = repo_read_dir(l->r, s->file, p->length, &s->own, &digest,
				   e);
	l->n_sources++;
	s->dir = s->own;
	if (rc == BC_OK && !digest_eq(&digest, &p->directory))
		rc = damaged(e, "a pack's directory is not the one that "
				"was committed");
	return rc;
}

static enum bc_err open_group(struct load *l, struct err *e)
{
	const struct checkpoint_place *p = l->place;
	struct log_file *log = NULL;
	struct cursor c;
	bool named = false;
	enum bc_err rc = open_log(l->r, p->seq, &p->log, &log, e);

	if (rc == BC_OK)
		rc = log_file_group(log, p->offset, GROUP_BYTES, l->r->dec,
				    &l->group, e);
	log_file_close(log);
	if (rc != BC_OK)
		return rc;
	l->source[l->n_sources++] = (struct source){ .dir = l->group->dir };
	c = cursor_of(l->group->record.ops);
	for (uint32_t i = 0; i < l->group->record.n_ops && rc == BC_OK; i++) {
		struct log_op op;

		rc = log_op_next(&c, &op, e);
		if (rc == BC_OK && op.code == LOG_OP_PACK_ADDED)
			rc = add_pack(l, &op.u.pack, e);
		if (rc == BC_OK && op.code == LOG_OP_CHECKPOINT &&
		    op.u.checkpoint.generation == p->generation) {
			l->root = op.u.checkpoint.root;
			named = true;
		}
	}
	if (rc == BC_OK && !named)
		rc = damaged(e, "no such checkpoint is there");
	return rc;
}

/* A block of a source, plain, in l->plain. */
static enum bc_err open_block(struct load *l, const struct source *s,
			      uint32_t i, struct err *e)
{
	const struct dir_block *b = &s->dir->blocks[i];
	struct bytes raw;
	enum bc_err rc;

	if (l->held == s && l->held_block == i)
		return BC_OK;
	l->held = NULL;
	if (b->kind != BLOCK_CHECKPOINT)
		return damaged(e, "a part of it is in a block of another kind");
	if (s->file == NULL) {
		rc = group_block(l->group, i, &raw, e);
		if (rc == BC_OK)
			rc = block_open_to(b, raw, l->r->dec, &l->plain, e);
	} else {
		rc = block_read(s->file, b, l->r->dec, &l->stored, &l->plain,
				e);
	}
	if (rc == BC_OK) {
		l->held = s;
		l->held_block = i;
	}
	return rc;
}

/* A chunk by its digest, checked; good until the next one. */
static enum bc_err fetch(struct load *l, const struct digest *id,
			 struct bytes *out, struct err *e)
{
	enum bc_err rc;

	for (size_t i = 0; i < l->n_sources; i++) {
		struct source *s = &l->source[i];
		uint32_t n = s->dir == NULL ? 0 : s->dir->n_chunks, k = 0, c;

		while (k < n && !digest_eq(&s->dir->ids[(s->next + k) % n], id))
			k++;
		if (k == n)
			continue;
		c = (s->next + k) % n;
		s->next = c + 1;
		rc = open_block(l, s, s->dir->block_of[c], e);
		return rc == BC_OK
			       ? pack_dir_chunk(s->dir, c, buf_bytes(&l->plain),
						out, e)
			       : rc;
	}
	return damaged(e, "a part of it is missing");
}

static enum bc_err read_root(struct load *l, struct err *e)
{
	struct bytes raw;
	enum bc_err rc = fetch(l, &l->root, &raw, e);

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
	enum bc_err rc = open_log(l->r, p->seq, &p->id, &f, e);

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

	l->held = NULL;
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
	enum bc_err rc = repo_dir_get(l->r, p->pack, p->slot, &d, e);

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
	/* A record is read from l->plain: the node moves out of its way. */
	struct buf node = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	bool more = true;
	enum bc_err rc = BC_OK;

	if (buf_add(&node, raw.p, raw.n) != BC_OK)
		rc = err_set(e, BC_ENOMEM, "no memory for a checkpoint");
	if (rc == BC_OK)
		rc = checkpoint_ops_node(&l->ops, buf_bytes(&node), e);
	while (rc == BC_OK && more) {
		struct log_op op;

		rc = checkpoint_ops_next(&l->ops, &op, &more, e);
		if (rc == BC_OK && more)
			rc = apply(l, &op, e);
	}
	buf_fini(&node);
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
		rc = fetch(l, &id, &raw, e);
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
	to = (struct catalog_position){ .generation = l->pos.generation,
					.digest = l->pos.digest,
					.log_seq = l->pos.seq,
					.log_end = l->pos.end,
					.next_pack = l->pos.next_pack,
					.next_slot = l->pos.next_slot };
	memcpy(to.log_id, l->pos.log.b, PACK_ID_BYTES);
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
		l->pos = (struct log_pos){ .generation = at.generation,
					   .digest = at.digest,
					   .seq = at.log_seq,
					   .end = at.log_end,
					   .next_pack = at.next_pack,
					   .next_slot = at.next_slot };
		memcpy(l->pos.log.b, at.log_id, PACK_ID_BYTES);
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
	rc = open_group(l, e);
	if (rc == BC_OK)
		rc = read_root(l, e);
	if (rc == BC_OK)
		rc = into_catalog(l, e);
	for (size_t i = 0; i < l->n_sources; i++) {
		pack_dir_free(l->source[i].own);
		io_file_close(l->source[i].file, NULL);
	}
	group_free(l->group);
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

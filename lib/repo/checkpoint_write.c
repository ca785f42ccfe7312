/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint of what the catalog says, and its commit. */
#include "repo/checkpoint.h"

#include <stdlib.h>

#include "hash/sha256.h"
#include "log/checkpoint.h"
#include "repo/cargo.h"
#include "util/arith.h"

enum {
	ROOT_MAX_BYTES = 8 << 20,
	BLOCK_TARGET_BYTES = 1 << 20,
	BUFFERS = 2,
	BUFFER_BYTES = 1 << 20,
	COUNT_BYTES = 5,
	/* Of one operation's list, so that every one fits a node. */
	LIST_BYTES = 32 << 10,
	/* What the disk must have left before a view's help is written. */
	SPACE_BYTES = 32 << 20,
};

struct writer {
	struct repo *r;
	struct catalog_position at; /* C */
	uint64_t seen;		    /* generation of the checkpoint before */

	struct log_ops ops; /* of the node that grows */
	struct log_ops one;
	struct buf node;
	struct buf ids; /* of the nodes */
	uint32_t n_nodes;
	/* A list inside an operation: ordinals, or tags. */
	struct buf list;
	uint32_t n_list;
	struct log_op op; /* that takes the list */
	enum catalog_state want;

	struct gather gather;
	struct sealer sealer;
	struct flusher *flusher;
	struct pack_writer *packs;
	struct cargo cargo;
	struct digest root;
	bool late; /* somebody else was quicker */
};

/* ---- nodes ----------------------------------------------------------------
 */

static enum bc_err flush_block(struct writer *w, struct err *e)
{
	struct sealed_block b;
	enum bc_err rc;

	if (w->gather.chunks == 0)
		return BC_OK;
	rc = sealer_seal(&w->sealer, &w->gather, &b, e);
	if (rc == BC_OK)
		rc = pack_writer_append(w->packs, &b, e);
	gather_clear(&w->gather);
	return rc;
}

static enum bc_err flush_node(struct writer *w, struct err *e)
{
	struct digest id;
	enum bc_err rc;

	if (w->ops.n == 0)
		return BC_OK;
	buf_clear(&w->node);
	rc = buf_varint(&w->node, w->ops.n);
	if (rc == BC_OK)
		rc = buf_add(&w->node, w->ops.raw.p, w->ops.raw.n);
	sha256_one(buf_bytes(&w->node), &id);
	if (rc == BC_OK)
		rc = buf_add(&w->ids, id.b, DIGEST_BYTES);
	if (rc != BC_OK)
		return err_set(e, rc, "no memory for a checkpoint");
	if (!gather_fits(&w->gather, w->node.n))
		rc = flush_block(w, e);
	if (rc == BC_OK)
		gather_add(&w->gather, &id, buf_bytes(&w->node));
	w->n_nodes++;
	w->ops.n = 0;
	buf_clear(&w->ops.raw);
	return rc;
}

static enum bc_err add(struct writer *w, const struct log_op *op, struct err *e)
{
	enum bc_err rc;

	w->one.n = 0;
	buf_clear(&w->one.raw);
	rc = log_ops_add(&w->one, op, e);
	if (rc != BC_OK)
		return rc;
	if (COUNT_BYTES + w->ops.raw.n + w->one.raw.n > CHECKPOINT_NODE_BYTES)
		rc = flush_node(w, e);
	if (rc != BC_OK)
		return rc;
	w->ops.n++;
	rc = buf_add(&w->ops.raw, w->one.raw.p, w->one.raw.n);
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for a checkpoint");
}

/* ---- what the catalog says ------------------------------------------------
 */

static enum bc_err walk_log(void *ctx, const struct catalog_log *l,
			    struct err *e)
{
	struct writer *w = ctx;
	struct log_op op = { .code = LOG_OP_LOG_PRESENT,
			     .u.log = { .number = l->number,
					.seq = l->seq,
					.first_generation =
						l->first_generation } };
	struct catalog_pack p;
	enum bc_err rc = catalog_get_pack(w->r->catalog, l->number, &p, e);

	if (rc != BC_OK)
		return rc;
	memcpy(op.u.log.id.b, l->id, PACK_ID_BYTES);
	if (l->sealed) {
		op.u.log.length = p.length;
		op.u.log.chunks = p.chunks;
		op.u.log.blocks = p.blocks;
		op.u.log.plain = p.plain;
		op.u.log.directory = p.directory;
	}
	return add(w, &op, e);
}

static enum bc_err walk_pack(void *ctx, const struct catalog_pack *p,
			     struct err *e)
{
	struct log_op op = { .code = LOG_OP_PACK_ADDED,
			     .u.pack = { .number = p->number,
					 .kind = p->kind == CATALOG_METADATA
							 ? PACK_META
							 : PACK_DATA,
					 .placement = p->class,
					 .length = p->length,
					 .chunks = p->chunks,
					 .blocks = p->blocks,
					 .plain = p->plain,
					 .directory = p->directory } };

	memcpy(op.u.pack.id.b, p->id, PACK_ID_BYTES);
	return add(ctx, &op, e);
}

static enum bc_err walk_moved(void *ctx, const struct catalog_pack *p,
			      struct err *e)
{
	struct log_op op = { .code = LOG_OP_MOVED,
			     .u.moved = { .number = p->number,
					  .tier = p->tier,
					  .remote = p->remote,
					  .key = p->object } };

	if (p->tier == CATALOG_WARM && p->remote.n == 0 && p->object.n == 0)
		return BC_OK;
	return add(ctx, &op, e);
}

static enum bc_err end_blocks(struct writer *w, struct err *e)
{
	enum bc_err rc;

	if (w->n_list == 0)
		return BC_OK;
	w->op.u.blocks.n = w->n_list;
	w->op.u.blocks.ordinals = buf_bytes(&w->list);
	rc = add(w, &w->op, e);
	buf_clear(&w->list);
	w->n_list = 0;
	return rc;
}

static enum bc_err walk_block(void *ctx, uint32_t pack, uint32_t block,
			      enum catalog_state state, struct err *e)
{
	struct writer *w = ctx;
	enum bc_err rc = BC_OK;

	(void)pack;
	if (state != w->want)
		return BC_OK;
	if (w->list.n + COUNT_BYTES > LIST_BYTES)
		rc = end_blocks(w, e);
	if (rc == BC_OK && buf_varint(&w->list, block) != BC_OK)
		rc = err_set(e, BC_ENOMEM, "no memory for a checkpoint");
	w->n_list++;
	return rc;
}

static enum bc_err walk_blocks(void *ctx, const struct catalog_pack *p,
			       struct err *e)
{
	struct writer *w = ctx;
	enum bc_err rc;

	w->op = (struct log_op){ .code = w->want == CATALOG_FREED
						 ? LOG_OP_FREED
						 : LOG_OP_CONDEMNED,
				 .u.blocks = { .number = p->number } };
	rc = catalog_walk_blocks(w->r->catalog, p->number, walk_block, w, e);
	return rc == BC_OK ? end_blocks(w, e) : rc;
}

static enum bc_err walk_state(void *ctx, const struct catalog_pack *p,
			      struct err *e)
{
	struct log_op op = { .code = LOG_OP_PACK_STATE,
			     .u.state = { .number = p->number,
					  .state = (uint8_t)p->state,
					  .generation = p->generation } };

	return add(ctx, &op, e);
}

/* The first operation of a snapshot makes it, the others add further tags. */
static enum bc_err end_tags(struct writer *w, struct err *e)
{
	struct digest id;
	enum bc_err rc;

	if (w->op.code == LOG_OP_SNAPSHOT_PRESENT) {
		w->op.u.present.n_tags = w->n_list;
		w->op.u.present.tags = buf_bytes(&w->list);
		id = w->op.u.present.id;
	} else {
		w->op.u.tagging.n_set = w->n_list;
		w->op.u.tagging.set = buf_bytes(&w->list);
		id = w->op.u.tagging.snapshot;
	}
	rc = add(w, &w->op, e);
	w->op = (struct log_op){ .code = LOG_OP_SNAPSHOT_TAGGED,
				 .u.tagging = { .snapshot = id } };
	buf_clear(&w->list);
	w->n_list = 0;
	return rc;
}

static enum bc_err walk_tag(void *ctx, const struct tag *t, struct err *e)
{
	struct writer *w = ctx;
	enum bc_err rc = BC_OK;

	if (w->n_list == TAGS_MAX ||
	    w->list.n + 2 * COUNT_BYTES + t->key.n + t->value.n > LIST_BYTES)
		rc = end_tags(w, e);
	if (rc != BC_OK)
		return rc;
	rc = buf_str(&w->list, t->key);
	if (rc == BC_OK)
		rc = buf_str(&w->list, t->value);
	w->n_list++;
	return rc == BC_OK ? rc : err_set(e, rc, "no memory for a checkpoint");
}

static enum bc_err walk_snapshot(void *ctx, const struct catalog_snapshot *s,
				 struct err *e)
{
	struct writer *w = ctx;
	enum bc_err rc;

	w->op = (struct log_op){ .code = LOG_OP_SNAPSHOT_PRESENT,
				 .u.present = { .id = s->id,
						.generation = s->generation,
						.pack = s->pack,
						.slot = s->slot } };
	rc = catalog_walk_tags(w->r->catalog, &s->id, walk_tag, w, e);
	if (rc == BC_OK &&
	    (w->op.code == LOG_OP_SNAPSHOT_PRESENT || w->n_list > 0))
		rc = end_tags(w, e);
	return rc;
}

static enum bc_err walk_packs(struct writer *w, unsigned kinds, unsigned states,
			      catalog_pack_fn *fn, struct err *e)
{
	return catalog_walk_packs(w->r->catalog, kinds, states, fn, w, e);
}

/* In the order that docs/format.md sets. */
static enum bc_err walk_all(struct writer *w, struct err *e)
{
	struct catalog_select q = { .oldest_first = true };
	unsigned packs = 1U << CATALOG_DATA | 1U << CATALOG_METADATA;
	unsigned kept = 1U << CATALOG_LIVE | 1U << CATALOG_CONDEMNED;
	enum bc_err rc = catalog_walk_logs(w->r->catalog, walk_log, w, e);

	if (rc == BC_OK)
		rc = walk_packs(w, packs, CATALOG_ANY, walk_pack, e);
	if (rc == BC_OK)
		rc = walk_packs(w, CATALOG_ANY, CATALOG_ANY, walk_moved, e);
	w->want = CATALOG_CONDEMNED;
	if (rc == BC_OK)
		rc = walk_packs(w, CATALOG_ANY, kept, walk_blocks, e);
	w->want = CATALOG_FREED;
	if (rc == BC_OK)
		rc = walk_packs(w, CATALOG_ANY, kept, walk_blocks, e);
	if (rc == BC_OK)
		rc = walk_packs(w, CATALOG_ANY, CATALOG_ANY, walk_state, e);
	if (rc == BC_OK)
		rc = catalog_walk(w->r->catalog, &q, walk_snapshot, w, e);
	if (rc == BC_OK)
		rc = flush_node(w, e);
	return rc == BC_OK ? flush_block(w, e) : rc;
}

/* One state of the catalog, and a whole one: what is wrong with it would be
 * written down for ever. */
static enum bc_err walk_catalog(struct writer *w, struct err *e)
{
	struct catalog_checkpoint c = { 0 };
	enum bc_err rc = catalog_read_begin(w->r->catalog, &w->at, e);

	if (rc != BC_OK)
		return rc;
	rc = catalog_verify(w->r->catalog, e);
	if (rc == BC_OK)
		rc = catalog_checkpoint(w->r->catalog, &c, e);
	if (rc == BC_OK && c.lost > 0)
		rc = err_set(e, BC_EDAMAGE,
			     "the catalog lacks snapshots whose records are "
			     "damaged");
	w->seen = c.generation;
	if (rc == BC_OK)
		rc = walk_all(w, e);
	catalog_read_end(w->r->catalog);
	return rc;
}

/* ---- the group ------------------------------------------------------------
 */

/* The root is a block of its own; digests do not compress. */
static enum bc_err add_root(struct writer *w, struct err *e)
{
	struct buf raw = BUF_INIT(ROOT_MAX_BYTES);
	struct checkpoint_root root = { .generation = w->at.generation,
					.record = w->at.digest,
					.next_pack = w->at.next_pack,
					.n_nodes = w->n_nodes,
					.nodes = buf_bytes(&w->ids) };
	enum bc_err rc = checkpoint_root_encode(&root, &raw);

	if (rc == BC_OK)
		rc = cargo_add_record(&w->cargo, BLOCK_CHECKPOINT,
				      buf_bytes(&raw), &w->root, e);
	else
		err_set(e, rc, "a checkpoint does not fit");
	buf_fini(&raw);
	return rc;
}

/* Under the commit lock, at the head. */
static enum bc_err look(void *ctx, struct repo *r, struct err *e)
{
	struct writer *w = ctx;
	struct log_op op = { .code = LOG_OP_CHECKPOINT,
			     .u.checkpoint = { w->at.generation, w->root } };
	struct catalog_checkpoint c;
	enum bc_err rc = catalog_checkpoint(r->catalog, &c, e);

	if (rc == BC_OK && c.generation != w->seen) {
		w->late = true;
		return err_set(e, BC_ECANCEL, "another run was quicker");
	}
	if (rc == BC_OK)
		rc = cargo_name_packs(&w->cargo, e);
	return rc == BC_OK ? log_ops_add(&w->cargo.group.ops, &op, e) : rc;
}

/* Whoever is committing now need not be waited for: there is a next time. */
static enum bc_err commit(struct writer *w, const struct pack_id *session,
			  struct err *e)
{
	int64_t wait = w->r->lock_wait_ms;
	enum bc_err rc;

	w->r->lock_wait_ms = 0;
	rc = cargo_commit(&w->cargo, session, e);
	w->r->lock_wait_ms = wait;
	if (rc == BC_ECANCEL && w->late) {
		err_clear(e);
		rc = BC_OK;
	}
	return rc;
}

static enum bc_err start(struct writer *w, const struct pack_id *session,
			 struct err *e)
{
	struct repo *r = w->r;
	struct pack_writer_options o = { .dir = r->packs_dir,
					 .rng = r->rng,
					 .clock = r->clock,
					 .repo = r->sb.id,
					 .session = *session,
					 .kind = PACK_META,
					 .target = r->sb.pack_bytes };
	size_t target = min_size(r->sb.block_bytes, BLOCK_TARGET_BYTES);
	size_t largest = max_size(target, CHECKPOINT_NODE_BYTES);
	enum bc_err rc;

	log_ops_init(&w->ops);
	log_ops_init(&w->one);
	buf_init(&w->node, CHECKPOINT_NODE_BYTES);
	buf_init(&w->ids, ROOT_MAX_BYTES);
	buf_init(&w->list, 2 * LIST_BYTES);
	cargo_init(&w->cargo, r);
	w->cargo.look = look;
	w->cargo.ctx = w;
	rc = gather_init(&w->gather, BLOCK_CHECKPOINT, target, largest, e);
	if (rc == BC_OK)
		rc = sealer_init(&w->sealer, r->sb.level, 2 * largest, e);
	if (rc == BC_OK)
		rc = flusher_new(r->io, BUFFERS, BUFFER_BYTES, &w->flusher, e);
	o.flusher = w->flusher;
	return rc == BC_OK ? pack_writer_new(&o, &w->packs, e) : rc;
}

static void end(struct writer *w)
{
	cargo_fini(&w->cargo);
	if (w->packs != NULL)
		pack_writer_free(w->packs);
	flusher_free(w->flusher);
	gather_fini(&w->gather);
	sealer_fini(&w->sealer);
	log_ops_fini(&w->ops);
	log_ops_fini(&w->one);
	buf_fini(&w->node);
	buf_fini(&w->ids);
	buf_fini(&w->list);
}

enum bc_err checkpoint_write(struct repo *r, const struct pack_id *session,
			     struct err *e)
{
	struct writer w = { .r = r };
	enum bc_err rc = start(&w, session, e);

	if (rc == BC_OK)
		rc = walk_catalog(&w, e);
	if (rc == BC_OK)
		rc = cargo_take(&w.cargo, w.packs, e);
	if (rc == BC_OK)
		rc = add_root(&w, e);
	if (rc == BC_OK)
		rc = commit(&w, session, e);
	end(&w);
	return rc;
}

/* ---- when -----------------------------------------------------------------
 */

static bool due(struct repo *r)
{
	struct catalog_checkpoint c;
	struct io_space space;
	uint64_t n = 0, since;

	if (r->no_checkpoint ||
	    catalog_checkpoint(r->catalog, &c, NULL) != BC_OK || c.lost > 0 ||
	    catalog_count(r->catalog, &n, NULL) != BC_OK ||
	    c.generation >= r->head.generation)
		return false;
	since = r->head.generation - c.generation;
	if (since < CHECKPOINT_GENERATIONS &&
	    r->head.seq <= max_u64(c.log_seq, 1))
		return false;
	if (since < (n + r->head.next_pack) / CHECKPOINT_SHARE)
		return false;
	return io_dir_space(r->dir, &space, NULL) == BC_OK &&
	       space.available >= SPACE_BYTES;
}

void checkpoint_if_due(struct repo *r, const struct pack_id *session)
{
	struct err e = ERR_INIT;
	enum bc_err rc;

	if (!due(r))
		return;
	rc = checkpoint_write(r, session, &e);
	if (rc == BC_OK || rc == BC_ELOCKED)
		return;
	r->no_checkpoint = true;
	repo_note_f(r, "committed, but no checkpoint was made: %s", e.text);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One group's operations into the catalog. */
#include "repo/apply.h"

#include <stdlib.h>

#include "pack/open.h"
#include "repo/state.h"
#include "repo/views.h"
#include "tree/snapshot_record.h"

/* The plain bytes of the chunk `id` of this group, in `block` (which is filled
 * with the whole block). */
static enum bc_err group_chunk(struct repo *r, const struct group *g,
			       const struct digest *id, struct buf *block,
			       struct bytes *out, uint16_t *slot, struct err *e)
{
	const struct pack_dir *d = g->dir;
	struct bytes raw;
	enum bc_err rc;
	uint32_t i = 0;

	while (d != NULL && i < d->n_chunks && !digest_eq(&d->ids[i], id))
		i++;
	if (d == NULL || i == d->n_chunks)
		return err_set(e, BC_EDAMAGE,
			       "a snapshot's record is not in its group");
	rc = group_block(g, d->block_of[i], &raw, e);
	if (rc == BC_OK)
		rc = block_open_to(&d->blocks[d->block_of[i]], raw, r->dec,
				   block, e);
	if (rc == BC_OK)
		rc = pack_dir_chunk(d, i, buf_bytes(block), out, e);
	if (rc != BC_OK)
		return rc;
	*slot = (uint16_t)(d->base_slot + i);
	return BC_OK;
}

/* With the tags that its record gives it, or with those of `p`. */
static enum bc_err add_snapshot(struct repo *r, struct bytes raw,
				const struct log_snapshot_present *p,
				bool own_tags, struct err *e)
{
	struct cursor list = cursor_of(p->tags);
	struct snapshot_record s;
	struct catalog_snapshot row;
	struct tag *tags = NULL;
	size_t count;
	enum bc_err rc = snapshot_record_decode(raw, &s, e);

	if (rc != BC_OK)
		return rc;
	count = own_tags ? s.tag_count : p->n_tags;
	row = (struct catalog_snapshot){ .id = p->id,
					 .root = s.root.dir.id,
					 .generation = p->generation,
					 .time = s.time,
					 .name = s.name,
					 .host = s.host,
					 .files = s.files,
					 .dirs = s.dirs,
					 .others = s.others,
					 .bytes = s.bytes,
					 .new_chunks = s.new_chunks,
					 .new_bytes = s.new_bytes,
					 .new_stored = s.new_stored,
					 .pack = p->pack,
					 .slot = p->slot,
					 .record = raw };
	tags = calloc(count + 1, sizeof(*tags));
	if (tags == NULL) {
		rc = err_set(e, BC_ENOMEM, "no memory for tags");
		goto out;
	}
	for (size_t i = 0; i < count && own_tags; i++)
		tags[i] = s.tags[i];
	for (size_t i = 0; i < count && !own_tags; i++) {
		tags[i].key = cursor_str(&list, TAG_KEY_MAX_BYTES);
		tags[i].value = cursor_str(&list, TAG_VALUE_MAX_BYTES);
	}
	rc = catalog_add_snapshot(r->catalog, &row, tags, count, e);
out:
	free(tags);
	snapshot_record_fini(&s);
	return rc;
}

static enum bc_err apply_made(struct repo *r, const struct group *g,
			      const struct digest *id, uint32_t log_number,
			      struct err *e)
{
	struct buf block = BUF_INIT(BLOCK_PLAIN_MAX_BYTES);
	struct bytes raw = bytes_of(NULL, 0);
	struct log_snapshot_present p = { .id = *id,
					  .generation = g->head.generation,
					  .pack = log_number };
	enum bc_err rc = group_chunk(r, g, id, &block, &raw, &p.slot, e);

	/* Its record is lost, and with it what it was: the others stay. */
	if (rc == BC_EDAMAGE) {
		repo_note_f(r, "a snapshot of generation %llu is lost: %s",
			    (unsigned long long)g->head.generation,
			    e == NULL ? "its record is damaged" : e->text);
		err_clear(e);
		buf_fini(&block);
		return catalog_lose_snapshot(r->catalog, e);
	}
	if (rc == BC_OK)
		rc = add_snapshot(r, raw, &p, true, e);
	buf_fini(&block);
	return rc;
}

static enum bc_err apply_tagging(struct repo *r, const struct log_tagging *t,
				 struct err *e)
{
	struct cursor set = cursor_of(t->set);
	struct cursor drop = cursor_of(t->remove);
	struct tag *tags = calloc(t->n_set + 1, sizeof(*tags));
	struct bytes *keys = calloc(t->n_remove + 1, sizeof(*keys));
	enum bc_err rc;

	if (tags == NULL || keys == NULL) {
		rc = err_set(e, BC_ENOMEM, "no memory for tags");
		goto out;
	}
	for (uint32_t i = 0; i < t->n_set; i++) {
		tags[i].key = cursor_str(&set, TAG_KEY_MAX_BYTES);
		tags[i].value = cursor_str(&set, TAG_VALUE_MAX_BYTES);
	}
	for (uint32_t i = 0; i < t->n_remove; i++)
		keys[i] = cursor_str(&drop, TAG_KEY_MAX_BYTES);
	rc = catalog_tag_snapshot(r->catalog, &t->snapshot, tags, t->n_set,
				  keys, t->n_remove, e);
out:
	free(tags);
	free(keys);
	return rc;
}

static enum bc_err apply_pack(struct repo *r, const struct log_pack_added *p,
			      uint64_t generation, struct log_pos *pos,
			      struct err *e)
{
	struct catalog_pack row = { .number = p->number,
				    .kind = p->kind == PACK_META
						    ? CATALOG_METADATA
						    : CATALOG_DATA,
				    .class = p->placement,
				    .length = p->length,
				    .chunks = p->chunks,
				    .blocks = p->blocks,
				    .plain = p->plain,
				    .directory = p->directory,
				    .tier = CATALOG_WARM,
				    .state = CATALOG_LIVE,
				    .generation = generation };
	enum bc_err rc;

	memcpy(row.id, p->id.b, PACK_ID_BYTES);
	if (p->number < pos->next_pack)
		return err_set(e, BC_EDAMAGE,
			       "pack number %u was given out before",
			       p->number);
	pos->next_pack = p->number + 1;
	rc = catalog_add_pack(r->catalog, &row, e);
	if (rc == BC_OK)
		repo_overlay_pack(r, p->number);
	return rc;
}

static enum bc_err apply_state(struct repo *r, const struct log_blocks *b,
			       enum catalog_state state, uint64_t generation,
			       struct err *e)
{
	struct cursor c = cursor_of(b->ordinals);
	uint32_t *blocks;
	enum bc_err rc;

	if (b->n == 0)
		return catalog_set_pack(r->catalog, b->number, state,
					generation, e);
	blocks = calloc(b->n, sizeof(*blocks));
	if (blocks == NULL)
		return err_set(e, BC_ENOMEM, "no memory for a list of blocks");
	for (uint32_t i = 0; i < b->n; i++)
		blocks[i] = (uint32_t)cursor_varint(&c, PACK_CHUNKS_MAX);
	rc = catalog_set_blocks(r->catalog, b->number, state, blocks, b->n, e);
	free(blocks);
	return rc;
}

/* BC_ENOTFOUND, without a text: one whose record was lost. */
static enum bc_err known(struct repo *r, const struct digest *id, struct err *e)
{
	struct catalog_snapshot row;
	enum bc_err rc = catalog_get_snapshot(r->catalog, id, &row, e);

	if (rc == BC_ENOTFOUND)
		err_clear(e);
	return rc;
}

static enum bc_err apply_removed(struct repo *r, const struct digest *id,
				 struct err *e)
{
	enum bc_err rc = known(r, id, e);

	if (rc == BC_OK)
		rc = catalog_remove_snapshot(r->catalog, id, e);
	return rc == BC_ENOTFOUND ? BC_OK : rc;
}

static enum bc_err apply_checkpoint(struct repo *r,
				    const struct log_checkpoint *op,
				    const struct group *g,
				    const struct log_pos *pos, struct err *e)
{
	struct catalog_checkpoint p = { .generation = op->generation,
					.root = op->root,
					.log_seq = pos->seq,
					.offset = g->offset };

	if (op->generation == 0 || op->generation >= g->head.generation)
		return err_set(e, BC_EDAMAGE,
			       "a checkpoint of a generation to come");
	memcpy(p.log_id, pos->log.b, PACK_ID_BYTES);
	return catalog_set_checkpoint(r->catalog, &p, e);
}

static enum bc_err apply_op(struct repo *r, const struct group *g,
			    uint32_t log_number, const struct log_op *op,
			    struct log_pos *pos, struct err *e)
{
	uint64_t gen = g->head.generation;
	enum bc_err rc;

	switch ((enum log_op_code)op->code) {
	case LOG_OP_BEGIN:
		if (gen != 1 || !pack_id_eq(&op->u.begin, &r->sb.id))
			return err_set(e, BC_EDAMAGE,
				       "the log is of another repository");
		return BC_OK;
	case LOG_OP_SNAPSHOT_MADE:
		return apply_made(r, g, &op->u.snapshot, log_number, e);
	case LOG_OP_SNAPSHOT_REMOVED:
		return apply_removed(r, &op->u.snapshot, e);
	case LOG_OP_SNAPSHOT_TAGGED:
		rc = known(r, &op->u.tagging.snapshot, e);
		if (rc == BC_OK)
			rc = apply_tagging(r, &op->u.tagging, e);
		return rc == BC_ENOTFOUND ? BC_OK : rc;
	case LOG_OP_PACK_ADDED:
		return apply_pack(r, &op->u.pack, gen, pos, e);
	case LOG_OP_CONDEMNED:
		return apply_state(r, &op->u.blocks, CATALOG_CONDEMNED, gen, e);
	case LOG_OP_RESURRECTED:
		return apply_state(r, &op->u.blocks, CATALOG_LIVE, gen, e);
	case LOG_OP_FREED:
		return apply_state(r, &op->u.blocks, CATALOG_FREED, gen, e);
	case LOG_OP_MOVED:
		return catalog_move_pack(r->catalog, op->u.moved.number,
					 op->u.moved.tier, op->u.moved.remote,
					 op->u.moved.key, e);
	case LOG_OP_CHECKPOINT:
		return apply_checkpoint(r, &op->u.checkpoint, g, pos, e);
	case LOG_OP_OPTIONAL:
		return BC_OK;
	case LOG_OP_LOG_PRESENT:
	case LOG_OP_SNAPSHOT_PRESENT:
	case LOG_OP_PACK_STATE:
		return err_set(e, BC_EDAMAGE,
			       "an operation of checkpoints in the log");
	}
	return BC_OK; /* optional and unknown: passed over */
}

enum bc_err repo_apply_group(struct repo *r, const struct group *g,
			     uint32_t log_number, struct log_pos *pos,
			     struct err *e)
{
	struct cursor c = cursor_of(g->record.ops);
	enum bc_err rc = BC_OK;

	for (uint32_t i = 0; i < g->record.n_ops && rc == BC_OK; i++) {
		struct log_op op;

		rc = log_op_next(&c, &op, e);
		if (rc == BC_OK)
			rc = apply_op(r, g, log_number, &op, pos, e);
	}
	if (rc == BC_OK && !cursor_done(&c))
		rc = err_set(e, BC_EDAMAGE, "a record has bytes left over");
	if (rc == BC_OK && g->head.chunks > 0)
		rc = catalog_add_group(r->catalog, log_number,
				       g->head.first_slot, g->offset, e);
	if (rc != BC_OK)
		return rc == BC_EVERSION ? rc
					 : err_wrap(e, "generation %llu",
						    (unsigned long long)
							    g->head.generation);
	if (g->dir != NULL)
		repo_overlay_dir(r, g->dir, log_number);
	pos->generation = g->head.generation;
	pos->digest = g->digest;
	pos->end = g->next;
	pos->next_slot += g->head.chunks;
	return BC_OK;
}

/* ---- checkpoints ----------------------------------------------------------
 */

static enum bc_err apply_log(struct repo *r, const struct log_present *p,
			     struct err *e)
{
	struct catalog_log row = { .number = p->number,
				   .seq = p->seq,
				   .first_generation = p->first_generation };
	struct catalog_pack sealed = { .number = p->number,
				       .kind = CATALOG_LOG,
				       .length = p->length,
				       .chunks = p->chunks,
				       .blocks = p->blocks,
				       .plain = p->plain,
				       .directory = p->directory };
	enum bc_err rc;

	memcpy(row.id, p->id.b, PACK_ID_BYTES);
	rc = catalog_add_log(r->catalog, &row, e);
	if (rc == BC_OK && p->length > 0)
		rc = catalog_seal_log(r->catalog, &sealed, e);
	return rc;
}

enum bc_err repo_apply_present(struct repo *r, const struct log_op *op,
			       struct log_pos *pos, struct err *e)
{
	switch ((enum log_op_code)op->code) {
	case LOG_OP_LOG_PRESENT:
		return apply_log(r, &op->u.log, e);
	case LOG_OP_PACK_ADDED:
		return apply_pack(r, &op->u.pack, 0, pos, e);
	case LOG_OP_MOVED:
		return catalog_move_pack(r->catalog, op->u.moved.number,
					 op->u.moved.tier, op->u.moved.remote,
					 op->u.moved.key, e);
	case LOG_OP_CONDEMNED:
	case LOG_OP_FREED:
		/* Of whole packs PACK_STATE speaks. */
		if (op->u.blocks.n == 0)
			break;
		return apply_state(r, &op->u.blocks,
				   op->code == LOG_OP_FREED ? CATALOG_FREED
							    : CATALOG_CONDEMNED,
				   0, e);
	case LOG_OP_PACK_STATE:
		return catalog_present_pack(
			r->catalog, op->u.state.number,
			(enum catalog_state)op->u.state.state,
			op->u.state.generation, e);
	case LOG_OP_SNAPSHOT_TAGGED:
		return apply_tagging(r, &op->u.tagging, e);
	case LOG_OP_BEGIN:
	case LOG_OP_SNAPSHOT_MADE:
	case LOG_OP_SNAPSHOT_REMOVED:
	case LOG_OP_RESURRECTED:
	case LOG_OP_CHECKPOINT:
	case LOG_OP_SNAPSHOT_PRESENT:
	case LOG_OP_OPTIONAL:
		break;
	}
	return err_set(e, BC_EDAMAGE,
		       "an operation (%u) that a checkpoint cannot hold",
		       op->code);
}

enum bc_err repo_apply_snapshot(struct repo *r,
				const struct log_snapshot_present *p,
				struct bytes raw, struct err *e)
{
	return add_snapshot(r, raw, p, false, e);
}

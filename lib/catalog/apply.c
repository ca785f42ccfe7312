/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the log. Each is a few statements between enter() and
 * leave(); leave() remembers a failure, so that nothing half done is committed.
 */
#include "catalog/catalog.h"

#include "catalog/query.h"

static enum bc_err enter(const struct catalog *c, struct err *e)
{
	if (c->mode != CATALOG_WRITING)
		return err_set(e, BC_EINVAL,
			       "catalog %s: no transaction is open", c->path);
	if (c->failed)
		return err_set(e, BC_EINVAL,
			       "catalog %s: a call of the transaction had "
			       "failed",
			       c->path);
	return BC_OK;
}

static enum bc_err leave(struct catalog *c, enum bc_err rc)
{
	if (rc == BC_OK)
		c->changed = true;
	else
		c->failed = true;
	return rc;
}

/* ---- snapshots ---- */

static int64_t place_of(uint32_t pack, uint16_t slot)
{
	return (int64_t)(((uint64_t)pack << 16) | slot);
}

/* The same both ways: adding and removing. */
static void toggle_live(struct catalog *c, const struct digest *id)
{
	for (size_t i = 0; i < DIGEST_BYTES; i++)
		c->stand.live.b[i] ^= id->b[i];
}

static enum bc_err set_tags(struct catalog *c, int64_t place, int64_t time,
			    const struct tag *tags, size_t count, struct err *e)
{
	struct catalog_query q;
	enum bc_err rc = BC_OK;

	for (size_t i = 0; i < count && rc == BC_OK; i++) {
		catalog_query_begin(&q, c, CATALOG_Q_SET_TAG, e);
		catalog_query_i64(&q, place, e);
		catalog_query_blob(&q, tags[i].key, e);
		catalog_query_blob(&q, tags[i].value, e);
		catalog_query_i64(&q, time, e);
		rc = catalog_query_run(&q, e);
	}
	return rc;
}

/* Where the snapshot is and when it was made; it must be there. */
static enum bc_err locate(struct catalog *c, const struct digest *id,
			  int64_t *place, int64_t *time, struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_PLACE, e);
	catalog_query_digest(&q, id, e);
	if (catalog_query_step(&q, e)) {
		*place = catalog_query_get_i64(&q, 0);
		*time = catalog_query_get_i64(&q, 1);
		(void)catalog_query_sound(&q, e);
	} else if (q.rc == BC_OK) {
		q.rc = catalog_query_damage(
			c, e, "the log speaks of a snapshot that is not there");
	}
	return catalog_query_end(&q);
}

enum bc_err catalog_add_snapshot(struct catalog *c,
				 const struct catalog_snapshot *s,
				 const struct tag *tags, size_t count,
				 struct err *e)
{
	int64_t place = place_of(s->pack, s->slot);
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	catalog_query_begin(&q, c, CATALOG_Q_ADD_SNAPSHOT, e);
	catalog_query_i64(&q, place, e);
	catalog_query_digest(&q, &s->id, e);
	catalog_query_u64(&q, s->generation, e);
	catalog_query_blob(&q, s->name, e);
	catalog_query_i64(&q, s->time, e);
	catalog_query_blob(&q, s->host, e);
	catalog_query_digest(&q, &s->root, e);
	catalog_query_u64(&q, s->files, e);
	catalog_query_u64(&q, s->dirs, e);
	catalog_query_u64(&q, s->others, e);
	catalog_query_u64(&q, s->bytes, e);
	catalog_query_u64(&q, s->new_chunks, e);
	catalog_query_u64(&q, s->new_bytes, e);
	catalog_query_u64(&q, s->new_stored, e);
	catalog_query_blob(&q, s->record, e);
	rc = catalog_query_run(&q, e);
	if (rc == BC_OK)
		rc = set_tags(c, place, s->time, tags, count, e);
	if (rc == BC_OK) {
		c->stand.snapshots++;
		toggle_live(c, &s->id);
	}
	return leave(c, rc);
}

static enum bc_err run_place(struct catalog *c, enum catalog_statement which,
			     int64_t place, struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, which, e);
	catalog_query_i64(&q, place, e);
	return catalog_query_run(&q, e);
}

enum bc_err catalog_remove_snapshot(struct catalog *c, const struct digest *id,
				    struct err *e)
{
	int64_t place = 0, time = 0;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	rc = locate(c, id, &place, &time, e);
	if (rc == BC_OK)
		rc = run_place(c, CATALOG_Q_REMOVE_SNAPSHOT, place, e);
	if (rc == BC_OK)
		rc = run_place(c, CATALOG_Q_REMOVE_TAGS, place, e);
	if (rc == BC_OK && c->stand.snapshots == 0)
		rc = catalog_query_damage(c, e, "it counts too few snapshots");
	if (rc == BC_OK) {
		c->stand.snapshots--;
		toggle_live(c, id);
	}
	return leave(c, rc);
}

enum bc_err catalog_tag_snapshot(struct catalog *c, const struct digest *id,
				 const struct tag *set, size_t set_count,
				 const struct bytes *drop, size_t drop_count,
				 struct err *e)
{
	int64_t place = 0, time = 0;
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	rc = locate(c, id, &place, &time, e);
	for (size_t i = 0; i < drop_count && rc == BC_OK; i++) {
		catalog_query_begin(&q, c, CATALOG_Q_DROP_TAG, e);
		catalog_query_i64(&q, place, e);
		catalog_query_blob(&q, drop[i], e);
		rc = catalog_query_run(&q, e);
	}
	if (rc == BC_OK)
		rc = set_tags(c, place, time, set, set_count, e);
	return leave(c, rc);
}

/* ---- packs ---- */

static enum bc_err insert_pack(struct catalog *c, const struct catalog_pack *p,
			       struct err *e)
{
	struct catalog_query q;

	catalog_query_begin(&q, c, CATALOG_Q_ADD_PACK, e);
	catalog_query_u64(&q, p->number, e);
	catalog_query_blob(&q, bytes_of(p->id, CATALOG_ID_BYTES), e);
	catalog_query_u64(&q, p->kind, e);
	catalog_query_u64(&q, p->class, e);
	catalog_query_u64(&q, p->length, e);
	catalog_query_u64(&q, p->chunks, e);
	catalog_query_u64(&q, p->blocks, e);
	catalog_query_u64(&q, p->plain, e);
	catalog_query_digest(&q, &p->directory, e);
	catalog_query_u64(&q, p->tier, e);
	catalog_query_u64(&q, p->state, e);
	catalog_query_u64(&q, p->generation, e);
	return catalog_query_run(&q, e);
}

enum bc_err catalog_add_pack(struct catalog *c, const struct catalog_pack *p,
			     struct err *e)
{
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	if (p->number == 0 || p->kind < CATALOG_DATA ||
	    p->kind > CATALOG_METADATA || p->state > CATALOG_FREED)
		rc = err_set(e, BC_EINVAL, "catalog %s: not a pack to add",
			     c->path);
	else
		rc = insert_pack(c, p, e);
	return leave(c, rc);
}

/* The pack must be there, and not be freed. */
static enum bc_err usable_pack(struct catalog *c, uint32_t number,
			       struct catalog_pack *p, struct err *e)
{
	enum bc_err rc = catalog_get_pack(c, number, p, e);

	if (rc == BC_ENOTFOUND)
		return catalog_query_damage(
			c, e, "the log speaks of pack %u, which is not there",
			(unsigned int)number);
	if (rc == BC_OK && p->state == CATALOG_FREED)
		return catalog_query_damage(
			c, e, "the log speaks of pack %u, which is freed",
			(unsigned int)number);
	return rc;
}

enum bc_err catalog_set_pack(struct catalog *c, uint32_t number,
			     enum catalog_state state, uint64_t generation,
			     struct err *e)
{
	struct catalog_pack p;
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	rc = usable_pack(c, number, &p, e);
	if (rc == BC_OK && (state != CATALOG_LIVE || p.state != CATALOG_LIVE)) {
		catalog_query_begin(&q, c, CATALOG_Q_SET_PACK, e);
		catalog_query_u64(&q, state, e);
		catalog_query_u64(&q, generation, e);
		catalog_query_u64(&q, number, e);
		rc = catalog_query_run(&q, e);
	}
	if (rc == BC_OK && state == CATALOG_FREED)
		rc = run_place(c, CATALOG_Q_FORGET_BLOCKS, number, e);
	return leave(c, rc);
}

static enum bc_err set_block(struct catalog *c, uint32_t pack, uint32_t block,
			     enum catalog_state state, struct err *e)
{
	struct catalog_query q;
	uint64_t now = CATALOG_LIVE;
	enum bc_err rc;

	catalog_query_begin(&q, c, CATALOG_Q_BLOCK, e);
	catalog_query_u64(&q, pack, e);
	catalog_query_u64(&q, block, e);
	if (catalog_query_step(&q, e))
		now = catalog_query_get_u64(&q, 0, CATALOG_FREED);
	(void)catalog_query_sound(&q, e);
	rc = catalog_query_end(&q);
	if (rc != BC_OK)
		return rc;
	if (now == CATALOG_FREED)
		return catalog_query_damage(
			c, e,
			"the log speaks of block %u of pack %u, which "
			"is freed",
			(unsigned int)block, (unsigned int)pack);
	if (now == state)
		return BC_OK;
	catalog_query_begin(&q, c,
			    state == CATALOG_LIVE ? CATALOG_Q_CLEAR_BLOCK
						  : CATALOG_Q_SET_BLOCK,
			    e);
	catalog_query_u64(&q, pack, e);
	catalog_query_u64(&q, block, e);
	if (state != CATALOG_LIVE)
		catalog_query_u64(&q, state, e);
	return catalog_query_run(&q, e);
}

enum bc_err catalog_set_blocks(struct catalog *c, uint32_t number,
			       enum catalog_state state, const uint32_t *blocks,
			       size_t count, struct err *e)
{
	struct catalog_pack p;
	bool grows;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	rc = usable_pack(c, number, &p, e);
	/* Only a log that still grows has no length. */
	grows = rc == BC_OK && p.kind == CATALOG_LOG && p.length == 0;
	for (size_t i = 0; i < count && rc == BC_OK; i++) {
		if (!grows && blocks[i] >= p.blocks)
			rc = catalog_query_damage(
				c, e,
				"the log speaks of block %u of pack %u, "
				"which has %u",
				(unsigned int)blocks[i], (unsigned int)number,
				(unsigned int)p.blocks);
		else
			rc = set_block(c, number, blocks[i], state, e);
	}
	return leave(c, rc);
}

enum bc_err catalog_move_pack(struct catalog *c, uint32_t number, uint8_t tier,
			      struct bytes remote, struct bytes object,
			      struct err *e)
{
	struct catalog_pack p;
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	rc = usable_pack(c, number, &p, e);
	if (rc == BC_OK) {
		catalog_query_begin(&q, c, CATALOG_Q_MOVE_PACK, e);
		catalog_query_u64(&q, tier, e);
		catalog_query_blob(&q, remote, e);
		catalog_query_blob(&q, object, e);
		catalog_query_u64(&q, number, e);
		rc = catalog_query_run(&q, e);
	}
	return leave(c, rc);
}

/* ---- logs ---- */

enum bc_err catalog_add_log(struct catalog *c, const struct catalog_log *l,
			    struct err *e)
{
	struct catalog_pack p = {
		.number = l->number,
		.kind = CATALOG_LOG,
		.tier = CATALOG_WARM,
		.state = CATALOG_LIVE,
		.generation = l->first_generation,
	};
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	memcpy(p.id, l->id, sizeof(p.id));
	if (l->number == 0)
		rc = err_set(e, BC_EINVAL, "catalog %s: not a log to add",
			     c->path);
	else
		rc = insert_pack(c, &p, e);
	if (rc == BC_OK) {
		catalog_query_begin(&q, c, CATALOG_Q_ADD_LOG, e);
		catalog_query_u64(&q, l->number, e);
		catalog_query_u64(&q, l->seq, e);
		catalog_query_u64(&q, l->first_generation, e);
		rc = catalog_query_run(&q, e);
	}
	return leave(c, rc);
}

enum bc_err catalog_seal_log(struct catalog *c, const struct catalog_pack *p,
			     struct err *e)
{
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	if (p->length == 0)
		return leave(c, err_set(e, BC_EINVAL,
					"catalog %s: a sealed log has a length",
					c->path));
	rc = run_place(c, CATALOG_Q_SEAL_LOG, p->number, e);
	if (rc == BC_OK && c->s->changes(c->db) != 1)
		rc = catalog_query_damage(
			c, e,
			"the log %u to be sealed is not there, or is "
			"sealed",
			(unsigned int)p->number);
	if (rc == BC_OK) {
		catalog_query_begin(&q, c, CATALOG_Q_SEAL_PACK, e);
		catalog_query_u64(&q, p->length, e);
		catalog_query_u64(&q, p->chunks, e);
		catalog_query_u64(&q, p->blocks, e);
		catalog_query_u64(&q, p->plain, e);
		catalog_query_digest(&q, &p->directory, e);
		catalog_query_u64(&q, p->number, e);
		rc = catalog_query_run(&q, e);
	}
	if (rc == BC_OK)
		rc = run_place(c, CATALOG_Q_DROP_GROUPS, p->number, e);
	return leave(c, rc);
}

enum bc_err catalog_add_group(struct catalog *c, uint32_t log,
			      uint16_t first_slot, uint64_t offset,
			      struct err *e)
{
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	catalog_query_begin(&q, c, CATALOG_Q_ADD_GROUP, e);
	catalog_query_u64(&q, log, e);
	catalog_query_u64(&q, first_slot, e);
	catalog_query_u64(&q, offset, e);
	rc = catalog_query_run(&q, e);
	if (rc == BC_OK && c->s->changes(c->db) != 1)
		rc = catalog_query_damage(
			c, e,
			"the log %u of a group is not there, or is "
			"sealed",
			(unsigned int)log);
	return leave(c, rc);
}

/* ---- checkpoints ---- */

enum bc_err catalog_present_pack(struct catalog *c, uint32_t number,
				 enum catalog_state state, uint64_t generation,
				 struct err *e)
{
	struct catalog_pack p;
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	rc = usable_pack(c, number, &p, e);
	if (rc == BC_OK) {
		catalog_query_begin(&q, c, CATALOG_Q_SET_PACK, e);
		catalog_query_u64(&q, state, e);
		catalog_query_u64(&q, generation, e);
		catalog_query_u64(&q, number, e);
		rc = catalog_query_run(&q, e);
	}
	return leave(c, rc);
}

enum bc_err catalog_set_checkpoint(struct catalog *c,
				   const struct catalog_checkpoint *p,
				   struct err *e)
{
	struct catalog_query q;
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	catalog_query_begin(&q, c, CATALOG_Q_SET_CHECKPOINT, e);
	catalog_query_u64(&q, p->generation, e);
	catalog_query_digest(&q, &p->root, e);
	catalog_query_u64(&q, p->log_seq, e);
	catalog_query_blob(&q, bytes_of(p->log_id, CATALOG_ID_BYTES), e);
	catalog_query_u64(&q, p->offset, e);
	return leave(c, catalog_query_run(&q, e));
}

enum bc_err catalog_lose_snapshot(struct catalog *c, struct err *e)
{
	enum bc_err rc = enter(c, e);

	if (rc != BC_OK)
		return rc;
	return leave(c, catalog_query_once(c, CATALOG_Q_ADD_LOST, e));
}
